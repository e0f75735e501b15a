/*
 * capture.c - pagepool capture: from a device's pages to a file, whatever happens to the device
 * meanwhile.
 *
 * One thread does everything (loop.h): it polls the driver, keeps back the pages that --hold asks
 * for, passes the rest to the writer, and acts as the controller that unbinds or removes the
 * device.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capture.h"
#include "filter.h"
#include "loop.h"
#include "timeline.h"
#include "writer.h"

#include <capfile.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define POLL_SEGS 256u
#define SHOW_NS 250000000u /* between progress lines */
#define AHEAD 8u           /* segments that are fetched before they are needed */

/* Segments received and not yet handed to the writer, oldest first: a ring. */
struct queue {
	struct pp_net_seg *seg;
	uint64_t first, n, size; /* size: a power of two */
};

struct capture {
	const struct capture_options *opt;
	struct pp_net *nic;
	struct pp_net_info info;
	struct writer *writer;
	struct filter *filter;
	struct rotate rotate;
	struct pp_telemetry *telemetry;
	struct timeline *timeline; /* NULL: no --report */
	struct queue queue;
	unsigned part; /* the queue's last segments: of a packet that is not whole yet */
	struct report report;
	uint64_t no_page;      /* times that no page could be had, when nothing came last */
	uint64_t begun, shown; /* ns: the start, and the last progress line */
	bool progress;
	bool closed; /* what still comes is not received: enough, or no memory for it */
	/* before the last look for packets: */
	enum pp_net_state state;
	bool writing; /* then pages will come back */
	struct loop loop;
};

static void end(struct capture *c, const char *why, int status)
{
	loop_end(&c->loop, why, status);
}

/* ---- what is held back --------------------------------------------------------------- */

static bool queue_grow(struct queue *q)
{
	uint64_t size = q->size ? 2 * q->size : 4096;
	struct pp_net_seg *seg = malloc(size * sizeof *seg);

	if (!seg)
		return false;
	for (uint64_t i = 0; i < q->n; i++)
		seg[i] = q->seg[(q->first + i) & (q->size - 1)];
	free(q->seg);
	*q = (struct queue){ .seg = seg, .n = q->n, .size = size };
	return true;
}

static struct pp_net_seg *queue_at(struct queue *q, uint64_t i)
{
	return &q->seg[(q->first + i) & (q->size - 1)];
}

/* What was held back is in no cache any more: first its page's descriptor, then its bytes. */
static void fetch_ahead(struct queue *q)
{
	if (q->n <= 2 * AHEAD)
		return;
	__builtin_prefetch(queue_at(q, 2 * AHEAD)->page);
	writer_soon(queue_at(q, AHEAD));
}

/*
 * Hand over whole packets as long as `keep` pages stay behind. Of a pool with a limit no more stay
 * than leave the device its ring: it may need all of that for the next packet.
 */
static void release(struct capture *c, uint64_t keep)
{
	uint64_t most = c->opt->max_pages ? c->opt->max_pages - c->info.ring : UINT64_MAX;
	struct pp_net_seg packet[WRITER_SEGS];
	struct queue *q = &c->queue;

	while (q->n > keep) {
		unsigned n = 0;

		fetch_ahead(q);
		while (n < q->n && n < WRITER_SEGS && !(queue_at(q, n)->flags & PP_NET_LAST))
			n++;
		if (n == q->n || (q->n - (n + 1) < keep && q->n <= most))
			break;
		for (unsigned i = 0; i <= n; i++)
			packet[i] = *queue_at(q, i);
		q->first += n + 1;
		q->n -= n + 1;
		writer_add(c->writer, packet, n + 1);
	}
}

/* The queue's last n segments are a whole packet. */
static void received(struct capture *c, unsigned n)
{
	struct pp_net_seg packet[WRITER_SEGS];
	struct queue *q = &c->queue;

	c->report.packets_received++;
	for (unsigned i = 0; i < n && c->filter; i++)
		packet[i] = *queue_at(q, q->n - n + i);
	if (c->filter && !filter_wants(c->filter, packet, n)) {
		c->report.packets_filtered++;
		for (unsigned i = 0; i < n; i++)
			pp_page_put(packet[i].page);
		q->n -= n;
		return;
	}
	if (c->report.packets_received - c->report.packets_filtered == c->opt->count) {
		end(c, "packet count reached", EXIT_OK);
		c->closed = true;
	}
}

/* Take segments in; once closed, they go back unseen. */
static void receive(struct capture *c, const struct pp_net_seg *seg, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!c->closed && c->queue.n == c->queue.size && !queue_grow(&c->queue)) {
			char n[GROUPED];

			say("no memory to hold more than %s pages: writing what was received",
			    grouped(c->queue.n, n));
			end(c, "no memory", EXIT_ERROR);
			c->closed = true;
		}
		if (c->closed) {
			pp_page_put(seg[i].page);
			continue;
		}
		*queue_at(&c->queue, c->queue.n++) = seg[i];
		c->part++;
		if (!(seg[i].flags & PP_NET_LAST))
			continue;
		received(c, c->part);
		c->part = 0;
	}
}

/* A sample of the timeline, if it is time for one or in any case. */
static void look(struct capture *c, bool now)
{
	timeline_sample(c->timeline, c->report.packets_received, writer_packets(c->writer), now);
}

/* ---- the device's life ----------------------------------------------------------------- */

static bool bind_device(struct capture *c)
{
	if (!device_bind(c->nic)) {
		timeline_mark(c->timeline, c->report.bindings ? "bound again" : "bound");
		look(c, true);
		c->report.bindings++;
		return true;
	}
	end(c, "the driver could not be bound", EXIT_ERROR);
	return false;
}

static void note_pool(struct capture *c)
{
	struct pp_pool *pool = pp_net_pool(c->nic, 0);
	struct pp_pool_stats s;

	if (!pool)
		return;
	pp_pool_stats(pool, &s, sizeof s);
	if (s.chunks < c->report.chunks)
		return;
	c->report.chunks = s.chunks;
	c->report.chunks_hugetlb = s.chunks_hugetlb;
	c->report.chunks_thp = s.chunks_thp;
	c->report.page_bytes_mapped = s.bytes_mapped;
}

/* The same for who reads the capture, where its format has a place for it. */
static void note_end(struct capture *c, bool gone)
{
	struct pp_device_stats dev;
	struct pp_net_stats s;
	char comment[120];

	pp_net_stats(c->nic, PP_NET_ALL_QUEUES, &s, sizeof s);
	pp_device_stats(pp_net_device(c->nic, 0), &dev, sizeof dev);
	snprintf(comment, sizeof comment, "%s, with %llu pages in flight",
		 gone ? "the device was removed" : "the driver was unbound",
		 (unsigned long long)dev.in_flight_at_unbind);
	writer_note(c->writer, comment, s.rx_packets,
		    s.rx_missed + s.rx_too_long + s.rx_dropped + s.rx_refused);
}

/*
 * End the binding: by unbind or, when the device has gone, by surprise removal. The first
 * time is what the report is about.
 */
static void end_binding(struct capture *c, bool gone)
{
	struct pp_domain_stats domain;
	struct pp_device *dev = pp_net_device(c->nic, 0);
	struct pp_device_stats stats;
	bool first = !c->report.unbind_asked;

	note_pool(c);
	look(c, true);
	pp_domain_stats(dev, &domain, sizeof domain);
	if (gone)
		pp_net_remove(c->nic);
	else
		pp_net_unbind(c->nic);
	look(c, true);
	note_end(c, gone);
	timeline_mark(c->timeline, gone         ? "removed by surprise" :
				   c->loop.done ? "end: unbound" :
						  "unbound");
	report_left(&c->report, dev);
	pp_device_stats(dev, &stats, sizeof stats);
	if (!first)
		return;
	c->report.faults_before_unbind = domain.faults;
	c->report.unbind_ns = stats.unbind_ns;
	c->report.in_flight_at_unbind = stats.in_flight_at_unbind;
	c->report.removed = gone;
}

static void poll_device(struct capture *c, unsigned *got)
{
	struct pp_net_seg seg[POLL_SEGS];
	unsigned n = pp_net_receive(c->nic, 0, seg, POLL_SEGS);

	receive(c, seg, n);
	*got += n;
}

/* What the driver kept when it lost its device. */
static void drain_driver(struct capture *c)
{
	unsigned n;

	do {
		n = 0;
		poll_device(c, &n);
	} while (n);
}

/* Unbind or removal that was asked for on the command line. */
static void asked_for(struct capture *c)
{
	uint64_t n = c->report.packets_received;
	bool unbind = c->opt->unbind_after && n >= c->opt->unbind_after;
	bool remove = c->opt->remove_after && n >= c->opt->remove_after;

	if (c->report.unbind_asked || c->loop.done || !(unbind || remove))
		return;
	end_binding(c, remove);
	c->report.unbind_asked = true;
	if (unbind && c->opt->rebind) {
		drain_driver(c);
		c->report.rebound = bind_device(c);
		return;
	}
	drain_driver(c);
	end(c, remove ? "removed as requested" : "unbound as requested", EXIT_OK);
}

static bool silent_soft(const struct capture *c)
{
	return !strncmp(c->info.name, "soft", 4) && !strstr(c->opt->device, "pcap=");
}

/* The device's own doing. Everything that came has been polled. */
static void look_at_device(struct capture *c)
{
	switch (c->state) {
	case PP_NET_RUNNING: break;
	case PP_NET_END:
		end(c,
		    silent_soft(c) ?
			    "the software device has no packets: soft:pcap=FILE gives it some" :
			    "end of input",
		    EXIT_OK);
		break;
	case PP_NET_FAILED:
		if (!stop_asked()) /* else it gave up its waiting because of that */
			say("%s", pp_net_error(c->nic));
		end(c, "the input is broken", EXIT_ERROR);
		break;
	case PP_NET_GONE:
		say("%s", pp_net_error(c->nic));
		end_binding(c, true);
		c->report.unbind_asked = true;
		drain_driver(c);
		end(c, "device lost", EXIT_LOST);
		break;
	}
}

/* ---- the loop ------------------------------------------------------------------------------ */

static void show_progress(struct capture *c, bool last)
{
	char received[GROUPED], held[GROUPED], written[GROUPED];
	uint64_t now = loop_now();

	if (!c->progress || (!last && now - c->shown < SHOW_NS))
		return;
	c->shown = now;
	fprintf(stderr, "\r%s packets, %s pages held, %s written%s",
		grouped(c->report.packets_received, received), grouped(c->queue.n, held),
		grouped(writer_packets(c->writer), written), last ? "\n" : " ");
	fflush(stderr);
}

/* No page can be had, and none will come back: what is held is what there is. */
static bool starving(struct capture *c)
{
	uint64_t before = c->no_page;
	struct pp_net_stats s;

	pp_net_stats(c->nic, 0, &s, sizeof s);
	c->no_page = s.rx_no_page;
	return s.rx_no_page != before && s.rx_posted < c->info.ring / 4 && !c->writing;
}

/*
 * Packets come: let some gather. Nobody has to wake us for them then, which would cost a sender
 * on this machine more than the packets do, and us too.
 */
static void rest(struct capture *c)
{
	const struct timespec t = { .tv_nsec = c->info.rest_ns };
	struct pollfd stop = { .fd = stop_fd(), .events = POLLIN };

	if (c->info.rest_ns)
		ppoll(&stop, 1, &t, NULL);
}

static bool work(void *ctx)
{
	struct capture *c = ctx;
	unsigned got = 0;
	bool back; /* pages are, which the device may wait for, and nothing else will tell it of them */

	c->state = pp_net_state(c->nic);
	c->writing = writer_busy(c->writer);
	poll_device(c, &got);
	asked_for(c);
	release(c, c->opt->hold);
	back = writer_poll(c->writer);
	look(c, false);
	show_progress(c, false);
	if (writer_end(c->writer))
		end(c, writer_end(c->writer), EXIT_ERROR);
	if (got && got < POLL_SEGS && !c->loop.done)
		rest(c);
	return got || back;
}

static bool idle(void *ctx)
{
	struct capture *c = ctx;

	if (starving(c)) {
		const char *why = pp_net_error(c->nic);

		if (*why)
			say("%s", why);
		say("no memory for more pages: writing what was received");
		end(c, "no memory", EXIT_ERROR);
	}
	look_at_device(c);
	return false;
}

static unsigned devices(void *ctx, struct pp_net *nic[LOOP_DEVICES])
{
	struct capture *c = ctx;

	nic[0] = c->nic;
	return 1;
}

static int written(void *ctx)
{
	struct capture *c = ctx;

	return writer_busy(c->writer) ? writer_event_fd(c->writer) : -1;
}

static uint64_t due(void *ctx)
{
	const struct capture *c = ctx;

	uint64_t show = c->progress ? c->shown + SHOW_NS : LOOP_NEVER, file = writer_due(c->writer);

	return show < file ? show : file;
}

static const struct loop_ops ops = {
	.work = work,
	.idle = idle,
	.devices = devices,
	.also = written,
	.due = due,
};

/* After the loop: the rest is written, the device let go, the accounts settled. */
static int settle(struct capture *c)
{
	struct pp_device *dev = pp_net_device(c->nic, 0);
	struct report *r = &c->report;
	struct pp_device_stats stats;
	struct pp_net_stats counts;
	struct pp_domain_stats domain;
	struct pp_totals totals;

	if (pp_device_state(dev) == PP_DEVICE_BOUND)
		end_binding(c, false);
	drain_driver(c);
	release(c, 0);
	while (c->queue.n) { /* half a packet, at the end of a broken run */
		pp_page_put(queue_at(&c->queue, 0)->page);
		c->queue.first++;
		c->queue.n--;
	}
	while (writer_busy(c->writer)) {
		writer_wait(c->writer);
		look(c, false);
	}
	look(c, true);
	show_progress(c, true);
	pp_device_stats(dev, &stats, sizeof stats);
	r->late_calls_refused = stats.late_calls_refused;
	if (pp_net_quiet(c->nic))
		say("%s", pp_net_error(c->nic));
	pp_net_stats(c->nic, PP_NET_ALL_QUEUES, &counts, sizeof counts);
	account_add(&r->account, &counts);
	pp_domain_stats(dev, &domain, sizeof domain);
	r->faults_after_unbind = domain.faults - r->faults_before_unbind;
	r->packets_written = r->packets_written_at_most = writer_packets(c->writer);
	r->bytes_written = writer_bytes(c->writer);
	r->files = writer_files(c->writer);
	if (writer_close(c->writer))
		c->loop.status = EXIT_ERROR;
	pp_totals(&totals, sizeof totals);
	r->pages_leaked = totals.zombie_pages;
	r->end = c->loop.why;
	r->elapsed_ns = loop_now() - c->begun;
	return account_status(&r->account, c->loop.status);
}

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

static int begin_file(struct capture *c)
{
	const char *name = c->info.name;
	struct writer_params p = {
		.link_type = capfile_link_type(c->info.link_type),
		.pcapng = c->opt->pcapng || ends_in(c->opt->file, ".pcapng"),
		/* what others call it */
		.interface = !strncmp(name, "xdp:", 4) || !strncmp(name, "vfio:", 5) ?
				     strchr(name, ':') + 1 :
				     name,
		.cut_at = c->opt->snaplen > UINT32_MAX ? 0 : (uint32_t)c->opt->snaplen,
		.patient = c->info.input, /* a file: what isn't received yet isn't lost */
	};

	return writer_begin(c->writer, &p);
}

/*
 * As the user who is to have them. First where packets go: what else goes to the same file is
 * refused.
 */
static bool open_files(struct capture *c)
{
	bool opened;

	packets_go_to(c->opt->file);
	if (rights_borrow(&c->opt->rights, true))
		return false;
	opened = (!c->opt->page || !timeline_open(&c->timeline, c->opt->page, c->opt->file)) &&
		 !writer_open(&c->writer, c->opt->file, &c->rotate);
	return !rights_borrow(&c->opt->rights, false) && opened;
}

/*
 * What can be refused comes first, and what can't be undone last: that the file, which may have
 * something in it, is emptied.
 */
static bool begin(struct capture *c)
{
	if (open_files(c)) {
		if (bind_device(c)) {
			if (!rights_drop(&c->opt->rights) && !begin_file(c))
				return true;
			c->closed = true;
			pp_net_unbind(c->nic);
			drain_driver(c);
		}
		writer_abandon(c->writer);
	}
	timeline_close(c->timeline, NULL);
	return false;
}

static int run(struct capture *c)
{
	int status;

	c->progress = isatty(STDERR_FILENO);
	c->begun = loop_now();
	c->report.device = c->opt->device;
	c->report.file = c->opt->file;
	if (!begin(c))
		return EXIT_ERROR;
	c->telemetry = export_telemetry(!c->opt->no_telemetry); /* as who we are now */
	say("capturing from %s", c->opt->device);
	loop_run(&c->loop);
	status = settle(c);
	if (timeline_close(c->timeline, &c->report))
		status = EXIT_ERROR;
	c->timeline = NULL;
	if (c->opt->json)
		report_json(&c->report, report_stream());
	else
		report_print(&c->report, report_stream());
	return status;
}

/* With fewer pages than that the device and the writer would wait for each other. */
static bool enough_pages(const struct capture_options *o, unsigned ring)
{
	if (!o->max_pages || (o->max_pages >= ring && o->max_pages - ring >= o->hold))
		return true;
	if (o->hold > UINT64_MAX - ring)
		say("--hold %llu is more than any --max-pages allows", (unsigned long long)o->hold);
	else
		say("--max-pages must be at least %llu: the pages of --hold, and %u for the receive ring",
		    (unsigned long long)(o->hold + ring), ring);
	return false;
}

static int open_device(struct capture *c)
{
	const struct capture_options *o = c->opt;
	const struct device_options device = {
		.max_pages = o->max_pages,
		.hold = o->hold,
		.promiscuous = !o->no_promiscuous,
		.dlt = DLT_ETHERNET,
		.writes = o->file,
	};
	bool usage;

	if (device_open(&c->nic, o->device, &device, &usage))
		return usage ? EXIT_USAGE : EXIT_ERROR;
	pp_net_info(c->nic, &c->info, sizeof c->info);
	return EXIT_OK;
}

int capture_run(const struct capture_options *o)
{
	struct capture c = { .opt = o,
			     .loop = { .ops = &ops, .ctx = &c, .duration = o->duration } };
	int status;

	if (rotate_open(&c.rotate, o->file, &o->files))
		return EXIT_USAGE;
	status = open_device(&c);
	if (status == EXIT_OK) {
		status = EXIT_USAGE;
		if (enough_pages(o, c.info.ring) &&
		    !filter_open(&c.filter, o->expression, c.info.link_type))
			status = run(&c);
		else if (stop_asked())
			status = EXIT_ERROR;
	}
	pp_telemetry_stop(c.telemetry);
	filter_close(c.filter);
	rotate_close(&c.rotate);
	device_close(c.nic);
	free(c.queue.seg);
	return status;
}
