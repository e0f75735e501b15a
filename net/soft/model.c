/*
 * model.c - the software NIC as hardware. See model.h, and regs.h for what it promises.
 *
 * A single thread is the device. The registers are atomics: an MMIO write is a store with release,
 * and the device loads with acquire. All that the device knows of memory comes from its own reads
 * through the IOMMU.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "model.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../capdump.h"
#include "../capfile.h"

#define BATCH 32u       /* descriptors fetched at a time */
#define MEMORY 1024u    /* DMA addresses that a rogue device remembers */
#define RAMPAGE 256u    /* accesses of a rogue device at a time */
#define MAX_DESCS 1024u /* that one packet may take */
#define MAX_FRAME (256u << 20)

struct soft_model {
	struct soft_model_params params;
	struct pp_iommu *iommu;
	uint64_t reg[SOFT_REGS];
	int event_fd;

	pthread_t thread;
	pthread_mutex_t lock; /* of the sleep, and of what follows */
	pthread_cond_t wake;
	bool sleeping; /* seq_cst: set before the last look for work */
	bool stop;     /* relaxed, rung like a register */
	bool stopped;  /* the controlling thread's */

	/* the thread's own from here on */
	struct capfile *file;
	struct capdump *dump;
	bool cut_off; /* the dump can't be written: nothing is sent any more */
	bool dumping; /* it has begun, with the first binding */
	uint64_t loops_left;
	bool line_over;  /* no packet will come any more */
	bool has_packet; /* `packet` waits for descriptors */
	struct capfile_packet packet;
	uint64_t played;  /* packets received so far */
	uint64_t next_ns; /* rate: when the next one is due */
	uint64_t rx_head, tx_head;
	struct soft_rx_desc rx[BATCH]; /* fetched, from rx_fetched - rx_n on */
	unsigned rx_n, rx_at;
	uint8_t *frame; /* what is being sent, put together */
	size_t frame_size;
	bool running;      /* enabled, and had no fault */
	bool rampaging;    /* told to stop, and doesn't */
	unsigned rampaged; /* accesses refused in a row since */
	uint64_t home; /* a rogue's touchstone: its own word, which it may read while it is bound */
	uint64_t remembered[MEMORY];
	unsigned n_remembered;
	char error[SOFT_MODEL_ERROR];
};

/* ---- registers ------------------------------------------------------------------------ */

static uint64_t get(struct soft_model *m, enum soft_reg reg)
{
	return __atomic_load_n(&m->reg[reg], __ATOMIC_ACQUIRE);
}

static void set(struct soft_model *m, enum soft_reg reg, uint64_t value)
{
	__atomic_store_n(&m->reg[reg], value, __ATOMIC_RELEASE);
}

static void status(struct soft_model *m, uint64_t on)
{
	__atomic_fetch_or(&m->reg[SOFT_STATUS], on, __ATOMIC_RELEASE);
}

static void interrupt(struct soft_model *m)
{
	uint64_t one = 1;

	if (__atomic_exchange_n(&m->reg[SOFT_IRQ_ARM], 0, __ATOMIC_SEQ_CST) &&
	    write(m->event_fd, &one, sizeof one) < 0)
		return; /* it is full: readable anyway */
}

/* Wake the device if it sleeps; the full barrier pairs with the one in rest(). */
static void ring(struct soft_model *m)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&m->sleeping, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&m->lock);
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
}

uint64_t soft_reg_read(struct soft_model *m, enum soft_reg reg)
{
	return get(m, reg);
}

void soft_reg_write(struct soft_model *m, enum soft_reg reg, uint64_t value)
{
	if (reg == SOFT_CTRL)
		value |= ((get(m, SOFT_CTRL) >> 32) + 1) << 32;
	set(m, reg, value);
	ring(m);
}

int soft_model_event_fd(struct soft_model *m)
{
	return m->event_fd;
}

struct pp_iommu *soft_model_iommu(struct soft_model *m)
{
	return m->iommu;
}

const char *soft_model_error(struct soft_model *m)
{
	return m->error;
}

/* ---- DMA ---------------------------------------------------------------------------------- */

/* An access was refused: a device stops, as hardware does on a master abort. */
static bool faulted(struct soft_model *m, int ret)
{
	if (!ret)
		return false;
	m->running = false;
	m->rampaging = m->params.rogue;
	status(m, SOFT_STATUS_FAULT);
	interrupt(m);
	return true;
}

static bool dma_read(struct soft_model *m, uint64_t addr, void *buf, size_t len)
{
	return !faulted(m, pp_soft_read(m->iommu, addr, buf, len));
}

static bool dma_write(struct soft_model *m, uint64_t addr, const void *buf, size_t len)
{
	return !faulted(m, pp_soft_write(m->iommu, addr, buf, len));
}

static void remember(struct soft_model *m, uint64_t addr)
{
	if (m->params.rogue)
		m->remembered[m->n_remembered++ % MEMORY] = addr;
}

/* ---- receiving ----------------------------------------------------------------------------- */

static void end_line(struct soft_model *m, bool failed)
{
	m->line_over = true;
	m->has_packet = false;
	status(m, SOFT_STATUS_END | (failed ? SOFT_STATUS_FAILED : 0));
	interrupt(m);
}

/* The next packet of the line into m->packet. False: there is none. */
static bool line(struct soft_model *m)
{
	int ret;

	if (m->has_packet)
		return true;
	if (!m->file || m->line_over)
		return false;
	ret = capfile_next(m->file, &m->packet, m->error);
	if (!ret && m->loops_left != 1) {
		m->loops_left -= m->loops_left != 0;
		ret = capfile_rewind(m->file, m->error);
		if (!ret)
			ret = capfile_next(m->file, &m->packet, m->error);
	}
	m->has_packet = ret == 1;
	if (m->has_packet)
		return true;
	end_line(m, ret != 0);
	return false;
}

/* The descriptor `i` after the head; false: not posted, or refused. */
static bool rx_desc(struct soft_model *m, unsigned i, struct soft_rx_desc *out)
{
	uint64_t size = get(m, SOFT_RX_SIZE), at = m->rx_head + i;
	uint64_t tail = get(m, SOFT_RX_TAIL), first, n;

	if (!size || at >= tail)
		return false;
	if (i >= m->rx_at && i - m->rx_at < m->rx_n) {
		*out = m->rx[i - m->rx_at];
		return true;
	}
	first = at % size;
	n = tail - at < BATCH ? tail - at : BATCH;
	n = n < size - first ? n : size - first;
	if (!dma_read(m, get(m, SOFT_RX_BASE) + first * sizeof *out, m->rx, n * sizeof *out))
		return false;
	m->rx_at = i;
	m->rx_n = (unsigned)n;
	*out = m->rx[0];
	return true;
}

static void rx_advance(struct soft_model *m, unsigned n)
{
	m->rx_head += n;
	if (n >= m->rx_at + m->rx_n) {
		m->rx_n = m->rx_at = 0;
		return;
	}
	if (n > m->rx_at) {
		memmove(m->rx, m->rx + (n - m->rx_at),
			(m->rx_n - (n - m->rx_at)) * sizeof m->rx[0]);
		m->rx_n -= n - m->rx_at;
		m->rx_at = 0;
	} else {
		m->rx_at -= n;
	}
}

struct piece {
	uint64_t addr;
	uint32_t len;
};

/* A packet that no ring of this driver's can take, however long it waits. */
static unsigned too_long(struct soft_model *m, unsigned descs)
{
	if (!descs)
		return 0; /* there is no ring at all now */
	snprintf(m->error, sizeof m->error,
		 "a packet of %u bytes, number %" PRIu64
		 ", can't be received: it takes more than the %u pages of the ring",
		 m->packet.len, m->played + 1, descs);
	end_line(m, true);
	return 0;
}

/* How a packet lies in the descriptors that are posted; 0: they don't suffice. */
static unsigned rx_plan(struct soft_model *m, struct piece *piece)
{
	uint32_t left = m->packet.len;
	unsigned n = 0;

	do {
		struct soft_rx_desc d;

		if (n == MAX_DESCS || n == get(m, SOFT_RX_SIZE))
			return too_long(m, n);
		if (!rx_desc(m, n, &d))
			return 0;
		piece[n].addr = d.addr;
		piece[n].len = left < d.size ? left : (uint32_t)d.size;
		left -= piece[n++].len;
	} while (left);
	return n;
}

/* A length that lies, now and then. */
static uint64_t honest(struct soft_model *m, uint32_t len)
{
	if (m->params.lies && m->played % 7 == 3)
		return m->played % 2 ? UINT32_MAX : len + 4096;
	return len;
}

static bool rx_write_back(struct soft_model *m, const struct piece *piece, unsigned n)
{
	uint64_t base = get(m, SOFT_RX_BASE), size = get(m, SOFT_RX_SIZE);

	for (unsigned i = 0; i < n; i++) {
		uint64_t words[3] = {
			m->packet.wire_len,
			m->packet.time_ns,
			honest(m, piece[i].len) << 32 | SOFT_RX_DONE |
				(i + 1 == n ? SOFT_RX_END : 0),
		};
		uint64_t at = base + (m->rx_head + i) % size * sizeof(struct soft_rx_desc);

		if (!dma_write(m, at + 8, words, sizeof words))
			return false;
	}
	return true;
}

/* Receive one packet. False: there is none, or no room for it, or a fault. */
static bool rx_one(struct soft_model *m)
{
	struct piece piece[MAX_DESCS];
	uint32_t done = 0;
	unsigned n;

	if (!line(m))
		return false;
	n = rx_plan(m, piece);
	if (!n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		remember(m, piece[i].addr);
		if (!dma_write(m, piece[i].addr, m->packet.bytes + done, piece[i].len))
			return false; /* the packet stays on the line */
		done += piece[i].len;
	}
	if (!rx_write_back(m, piece, n))
		return false;
	rx_advance(m, n);
	m->has_packet = false;
	m->played++;
	interrupt(m);
	if (m->params.gone_after && m->played == m->params.gone_after) {
		m->running = false;
		m->rampaging = m->params.rogue;
		status(m, SOFT_STATUS_GONE);
		interrupt(m);
	}
	return true;
}

/* ---- sending -------------------------------------------------------------------------------- */

/* True, and nothing is sent from now on, if the dump can't be written. */
static bool wire_broken(struct soft_model *m, int ret)
{
	if (!ret)
		return false;
	m->cut_off = true;
	status(m, SOFT_STATUS_FAILED);
	interrupt(m);
	return true;
}

/* False: it isn't sent. */
static bool wire(struct soft_model *m, uint32_t len, const struct soft_tx_desc *d)
{
	struct capfile_packet p = {
		.bytes = m->frame,
		.len = len,
		.wire_len = (uint32_t)d->length,
		.time_ns = d->time,
	};

	return !m->dumping || !wire_broken(m, capdump_add(m->dump, &p, m->error));
}

/* Room for n bytes of a frame. */
static bool frame_room(struct soft_model *m, size_t n)
{
	uint8_t *more = m->frame;

	if (n <= m->frame_size)
		return true;
	more = realloc(m->frame, 2 * n);
	if (!more) {
		snprintf(m->error, sizeof m->error, "no memory for a frame of %zu bytes", n);
		return !wire_broken(m, -ENOMEM);
	}
	m->frame = more;
	m->frame_size = 2 * n;
	return true;
}

static bool tx_write_back(struct soft_model *m)
{
	uint64_t head = m->tx_head;

	if (m->params.lies && head % 5 == 3)
		head += 1000000;
	return dma_write(m, get(m, SOFT_TX_WRITEBACK), &head, sizeof head);
}

/* Send one packet. False: none is posted, or a fault. */
static bool tx_one(struct soft_model *m)
{
	uint64_t size = get(m, SOFT_TX_SIZE), tail = get(m, SOFT_TX_TAIL);
	struct soft_tx_desc d;
	uint32_t len = 0;

	if (!size || m->tx_head >= tail || m->cut_off)
		return false;
	do {
		uint64_t at = get(m, SOFT_TX_BASE) + m->tx_head % size * sizeof d;
		uint32_t n;

		if (m->tx_head == tail || !dma_read(m, at, &d, sizeof d))
			return false;
		n = (uint32_t)(d.ctrl >> 32);
		remember(m, d.addr);
		if (n > MAX_FRAME - len)
			n = 0; /* no driver gives so much to send */
		if (!frame_room(m, (size_t)len + n))
			return false;
		if (!dma_read(m, d.addr, m->frame + len, n))
			return false;
		len += n;
		m->tx_head++;
	} while (!(d.ctrl & SOFT_TX_END));
	if (!wire(m, len, &d) || !tx_write_back(m))
		return false;
	interrupt(m);
	return true;
}

/* ---- going wild -------------------------------------------------------------------------- */

/* True if an address is mapped: a read is refused there at most for want of permission. */
static bool answers(struct soft_model *m, uint64_t addr)
{
	struct pp_soft_fault f;
	uint64_t word;

	if (!pp_soft_read(m->iommu, addr, &word, sizeof word))
		return true;
	return pp_soft_faults(m->iommu, &f, 1) && f.reason == PP_FAULT_READ;
}

/*
 * A rogue device that was told to stop: it goes through every address that it has been
 * given. It only reads while any of them answers: that is while it is still bound, when
 * what it wrote would be nobody's fault but its driver's. Once all of them have been
 * refused in a row it writes.
 */
static void rampage(struct soft_model *m)
{
	unsigned known = m->n_remembered < MEMORY ? m->n_remembered : MEMORY;
	uint8_t junk[256];

	if (answers(m, m->home))
		return;
	memset(junk, 0xEE, sizeof junk);
	for (unsigned i = 0; i < RAMPAGE && known; i++) {
		uint64_t addr = m->remembered[m->rampaged % known];
		bool done = m->rampaged < known ? answers(m, addr) :
						  !pp_soft_write(m->iommu, addr, junk, sizeof junk);

		m->rampaged = done ? 0 : m->rampaged + 1;
	}
}

/* ---- the thread -------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void reset(struct soft_model *m)
{
	if (m->rampaging) /* at least once, however quick the driver was */
		rampage(m);
	m->rx_head = m->tx_head = 0;
	m->rx_n = m->rx_at = 0;
	m->n_remembered = m->rampaged = 0;
	m->running = m->rampaging = false;
	for (unsigned r = SOFT_RX_BASE; r <= SOFT_TX_WRITEBACK; r++)
		set(m, (enum soft_reg)r, 0);
	__atomic_fetch_and(&m->reg[SOFT_STATUS], ~(uint64_t)SOFT_STATUS_FAULT, __ATOMIC_RELEASE);
}

/* What was in the file of the wire goes when the device is first used. */
static void begin_wire(struct soft_model *m)
{
	if (!m->dump || m->dumping)
		return;
	m->dumping = true;
	wire_broken(m, capdump_begin(m->dump, capfile_link_type(m->params.dlt), m->error));
}

/* CTRL has been written: begin, stop, forget. */
static void control(struct soft_model *m)
{
	uint64_t ctrl = get(m, SOFT_CTRL);

	if (ctrl == get(m, SOFT_CTRL_SEEN))
		return;
	if (ctrl & SOFT_CTRL_RESET) {
		reset(m);
	} else if (ctrl & (SOFT_CTRL_RX | SOFT_CTRL_TX)) {
		m->running = !(get(m, SOFT_STATUS) & (SOFT_STATUS_FAULT | SOFT_STATUS_GONE));
		begin_wire(m);
		m->home = get(m, SOFT_TX_WRITEBACK);
	} else {
		begin_wire(m); /* told to stop before it saw that it was told to begin */
		m->rampaging = m->params.rogue; /* says that it has stopped, all the same */
		m->running = false;
	}
	set(m, SOFT_CTRL_SEEN, ctrl);
}

static bool work(struct soft_model *m)
{
	uint64_t ctrl;
	bool did = false;

	control(m);
	ctrl = get(m, SOFT_CTRL);
	if (m->params.rate && m->running && now_ns() < m->next_ns)
		return false;
	if (m->running && ctrl & SOFT_CTRL_RX)
		did = rx_one(m);
	if (m->running && ctrl & SOFT_CTRL_TX)
		did |= tx_one(m);
	if (did && m->params.rate) {
		uint64_t now = now_ns();

		/* behind by more than a second: there were no descriptors; don't catch up */
		m->next_ns = m->next_ns + 1000000000u < now ? now : m->next_ns;
		m->next_ns += 1000000000u / m->params.rate;
	}
	return did;
}

/* Nothing to do: sleep until a register is written, or for a while. */
static void rest(struct soft_model *m)
{
	struct timespec until;
	uint64_t nap = 0, now = now_ns();

	if (m->rampaging)
		nap = 100000;
	else if (m->params.rate && m->running && m->next_ns > now)
		nap = m->next_ns - now;
	pthread_mutex_lock(&m->lock);
	__atomic_store_n(&m->sleeping, true, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in ring() */
	if (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED) && (nap || !work(m))) {
		if (nap) {
			clock_gettime(CLOCK_MONOTONIC, &until);
			until.tv_nsec += (long)(nap % 1000000000u);
			until.tv_sec += (time_t)(nap / 1000000000u) + until.tv_nsec / 1000000000;
			until.tv_nsec %= 1000000000;
			pthread_cond_timedwait(&m->wake, &m->lock, &until);
		} else {
			pthread_cond_wait(&m->wake, &m->lock);
		}
	}
	__atomic_store_n(&m->sleeping, false, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&m->lock);
}

static void *device(void *arg)
{
	struct soft_model *m = arg;
	unsigned idle = 0;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		if (work(m)) {
			idle = 0;
			continue;
		}
		if (m->rampaging)
			rampage(m);
		else if (idle++ < 200 && !m->params.rate)
			continue; /* a packet may be posted any moment */
		rest(m);
		idle = 0;
	}
	if (m->params.rogue)
		rampage(m); /* at least once, however short the run or deep the sleep was */
	return NULL;
}

/* ---- making and ending ------------------------------------------------------------------- */

static int build(struct soft_model *m, const struct soft_model_params *params, char *error)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	pthread_condattr_t attr;
	int ret;

	if (params->pcap && (ret = capfile_open(&m->file, params->pcap, error)))
		return ret;
	if (m->file)
		m->params.dlt = capfile_dlt(m->file);
	if (m->file && m->params.loops != 1)
		capfile_keep(m->file);
	if (params->wire && (ret = capdump_open(&m->dump, params->wire, error)))
		return ret;
	soft.address_bits = m->params.address_bits;
	soft.incoherent = m->params.incoherent;
	soft.deferred = m->params.deferred;
	ret = pp_soft_create(&m->iommu, &soft);
	m->event_fd = ret ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!ret && m->event_fd < 0)
		ret = -errno;
	if (!ret) {
		pthread_condattr_init(&attr);
		pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		pthread_mutex_init(&m->lock, NULL);
		pthread_cond_init(&m->wake, &attr);
		pthread_condattr_destroy(&attr);
		set(m, SOFT_ADDRESS_BITS, m->params.address_bits);
		set(m, SOFT_LINK_TYPE, (uint64_t)m->params.dlt);
		set(m, SOFT_STATUS, m->file ? 0 : SOFT_STATUS_END);
		ret = -pthread_create(&m->thread, NULL, device, m);
	}
	if (ret)
		snprintf(error, SOFT_MODEL_ERROR, "can't start the software NIC: %s",
			 strerror(-ret));
	return ret;
}

int soft_model_create(struct soft_model **out, const struct soft_model_params *params, char *error)
{
	struct soft_model *m = calloc(1, sizeof *m);
	int ret;

	*out = NULL;
	if (!m) {
		snprintf(error, SOFT_MODEL_ERROR, "no memory for the software NIC");
		return -ENOMEM;
	}
	m->params = *params;
	m->params.pcap = m->params.wire = NULL; /* the caller's strings: for build only */
	m->event_fd = -1;
	m->loops_left = params->loops;
	ret = build(m, params, error);
	if (ret) {
		pp_soft_destroy(m->iommu);
		soft_model_destroy(m);
		return ret;
	}
	*out = m;
	return 0;
}

void soft_model_stop(struct soft_model *m)
{
	if (m->stopped)
		return;
	m->stopped = true;
	__atomic_store_n(&m->stop, true, __ATOMIC_RELAXED);
	ring(m);
	if (m->file) /* the thread may be waiting for more of it */
		capfile_cancel(m->file);
	pthread_join(m->thread, NULL);
}

void soft_model_destroy(struct soft_model *m)
{
	if (!m)
		return;
	capdump_close(m->dump);
	capfile_close(m->file);
	free(m->frame);
	if (m->event_fd >= 0)
		close(m->event_fd);
	free(m);
}
