/*
 * filter.c - see filter.h. libpcap compiles and runs the filter. It needs a packet's bytes in one
 * piece, so a packet in several pages, or whose VLAN tag is kept beside it, is first put together
 * in a buffer.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "filter.h"

#include "tool.h"

#include <capfile.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SNAPLEN 262144 /* what libpcap's program returns for a packet that is wanted: any number */
#define ADDRESSES 12u  /* bytes before a tag */
#define TAG 4u

struct filter {
	const char *expression;
	pcap_t *pcap;
	int compiled_fd; /* an eventfd: readable when `program` or `refused` is there */
	int refused;
	struct bpf_program program;
	uint8_t *whole; /* a packet that was put together */
	size_t size;
	bool no_memory; /* said once */
};

/* The text that libpcap has for it begins with what it couldn't do, which we say ourselves. */
static const char *reason(const char *error)
{
	static const char known[] = "can't parse filter expression: ";

	return strncmp(error, known, sizeof known - 1) ? error : error + sizeof known - 1;
}

/* On a thread of its own: libpcap takes minutes for some expressions, and can't be told to stop. */
static void *compile(void *ctx)
{
	struct filter *f = ctx;
	uint64_t one = 1;

	f->refused = pcap_compile(f->pcap, &f->program, f->expression, 1, PCAP_NETMASK_UNKNOWN);
	while (write(f->compiled_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	return NULL;
}

/* False: the run is to end, and the thread is still at it. */
static bool wait_until_compiled(const struct filter *f)
{
	struct pollfd fd[] = {
		{ .fd = f->compiled_fd, .events = POLLIN },
		{ .fd = stop_fd(), .events = POLLIN },
	};

	while (!fd[0].revents && !stop_asked())
		poll(fd, 2, -1);
	return fd[0].revents;
}

static struct filter *new_filter(const char *expression, int dlt)
{
	struct filter *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->expression = expression;
	f->compiled_fd = eventfd(0, EFD_CLOEXEC);
	f->pcap = pcap_open_dead(CAPFILE_DLT(dlt), SNAPLEN);
	if (f->compiled_fd >= 0 && f->pcap)
		return f;
	filter_close(f);
	return NULL;
}

int filter_open(struct filter **out, const char *expression, int dlt)
{
	struct filter *f;
	pthread_t thread;
	int ret = ENOMEM;

	*out = NULL;
	if (!expression)
		return 0;
	f = new_filter(expression, dlt);
	if (f)
		ret = pthread_create(&thread, NULL, compile, f);
	if (ret) {
		say("can't compile the filter: %s", strerror(ret));
		filter_close(f);
		return -1;
	}
	if (!wait_until_compiled(f)) {
		say("interrupted while libpcap was compiling the filter");
		pthread_detach(thread); /* the filter is the thread's: both end with the process */
		return -1;
	}
	pthread_join(thread, NULL);
	if (f->refused) {
		say("the filter \"%s\" can't be used: %s; see pcap-filter(7)", expression,
		    reason(pcap_geterr(f->pcap)));
		filter_close(f);
		return -1;
	}
	*out = f;
	return 0;
}

void filter_close(struct filter *f)
{
	if (!f)
		return;
	pcap_freecode(&f->program);
	if (f->pcap)
		pcap_close(f->pcap);
	if (f->compiled_fd >= 0)
		close(f->compiled_fd);
	free(f->whole);
	free(f);
}

static const uint8_t *bytes_of(const struct pp_net_seg *seg)
{
	return (const uint8_t *)pp_page_addr(seg->page) + seg->offset;
}

static bool make_room(struct filter *f, size_t n)
{
	uint8_t *more;

	if (n <= f->size)
		return true;
	more = realloc(f->whole, 2 * n);
	if (!more)
		return false;
	f->whole = more;
	f->size = 2 * n;
	return true;
}

/* All its bytes, in one piece. */
static const uint8_t *put_together(struct filter *f, const struct pp_net_seg *seg, unsigned n,
				   bool tagged)
{
	const uint8_t tag[TAG] = { (uint8_t)(seg->vlan_tpid >> 8), (uint8_t)seg->vlan_tpid,
				   (uint8_t)(seg->vlan_tci >> 8), (uint8_t)seg->vlan_tci };
	uint8_t *at = f->whole;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *from = bytes_of(&seg[i]);
		uint32_t len = seg[i].len, front = tagged && !i ? ADDRESSES : 0;

		memcpy(at, from, front);
		if (front)
			memcpy(at + front, tag, TAG);
		at += front ? front + TAG : 0;
		memcpy(at, from + front, len - front);
		at += len - front;
	}
	return f->whole;
}

bool filter_wants(struct filter *f, const struct pp_net_seg *seg, unsigned n)
{
	bool tagged = (seg->flags & PP_NET_VLAN) && seg->len >= ADDRESSES;
	struct pcap_pkthdr head = { .caplen = tagged ? TAG : 0 };

	if (!f)
		return true;
	for (unsigned i = 0; i < n; i++)
		head.caplen += seg[i].len;
	head.len = seg->wire_len > head.caplen ? seg->wire_len : head.caplen;
	if (n == 1 && !tagged)
		return pcap_offline_filter(&f->program, &head, bytes_of(seg));
	if (make_room(f, head.caplen))
		return pcap_offline_filter(&f->program, &head, put_together(f, seg, n, tagged));
	if (!f->no_memory)
		say("no memory to filter a packet of %u bytes: it is kept, and so are others",
		    head.caplen);
	f->no_memory = true;
	return true;
}
