/*
 * forward.c - pagepool forward: packets between two devices, in both directions.
 *
 * Both devices use one pool, so that the page into which one has received a packet is sent by the
 * other as it is: no copy, no mapping. Where that is impossible (one device can't address the
 * other's memory, or their page sizes differ) each has its own pool and packets are copied.
 *
 * One thread does everything (loop.h). When a device is unbound or disappears, its mappings end and
 * its frames come home; the other device continues, and packets for the lost one are dropped.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "filter.h"
#include "forward.h"
#include "learn.h"
#include "loop.h"

#include <errno.h>
#include <string.h>

#define BURST 64u          /* segments received at a time */
#define QUEUE 2048u        /* segments that wait to be sent: the longest packet, copied, and more */
#define ROOM 600u          /* of these left for what one more burst may become */
#define PIECES 512u        /* of a packet: no ring has more */
#define AGAIN_NS 50000000u /* between looks whether a lost device is back */

struct side {
	const char *spec;
	char name;
	struct pp_net *nic; /* NULL: lost, and not back yet */
	bool bound, ended, lost;
	bool failed;  /* its input is broken, or its output: nothing is sent through it any more */
	bool excused; /* its end was asked for, or is told of: what it lost by that is no error */
	const struct forward_end *end;
	/* packets received here, on their way to the other side */
	struct pp_net_seg queue[QUEUE];
	unsigned n;
	struct pp_net_seg part[PIECES]; /* one that is not whole yet */
	unsigned n_part;
	uint64_t handed, crossing; /* packets: given to the other; for it at all */
	uint64_t stayed, filtered; /* not: its receiver is on this side; the filter leaves it out */
	struct account account;    /* of this device: of what it received and was to send */
};

struct forward {
	struct side side[2];
	struct pp_pool *pool; /* NULL: each has its own */
	const struct forward_options *opt;
	struct filter *filter;
	unsigned left; /* segments to be sent, or under way, at the last look */
	struct loop loop;
	struct learned learned;
	struct forward_report report;
};

static struct side *other(struct forward *f, struct side *s)
{
	return s == &f->side[0] ? &f->side[1] : &f->side[0];
}

static void worst(uint64_t *kept, uint64_t now)
{
	if (now > *kept)
		*kept = now;
}

/* ---- a packet's way ---------------------------------------------------------------------- */

static bool takes_packets(const struct side *s)
{
	return s->bound && !s->lost && !s->failed;
}

static void put_all(const struct pp_net_seg *seg, unsigned n)
{
	while (n)
		pp_page_put(seg[--n].page);
}

/* Queue a packet, copied into the other device's own pages. False: there are none, or no room. */
static bool copy(struct side *from, struct side *to)
{
	unsigned begun = from->n;

	for (unsigned i = 0; i < from->n_part; i++) {
		const struct pp_net_seg *seg = &from->part[i];
		uint32_t done = 0;

		do {
			struct pp_net_seg *out = &from->queue[from->n];
			uint32_t left = seg->len - done, size;

			if (from->n == QUEUE ||
			    pp_page_get(&out->page, pp_net_send_pool(to->nic, 0))) {
				put_all(from->queue + begun, from->n - begun);
				from->n = begun;
				return false;
			}
			size = pp_page_size(out->page);
			*out = (struct pp_net_seg){
				.page = out->page,
				.len = left < size ? left : size,
				.wire_len = seg->wire_len,
				.time_ns = seg->time_ns,
				.time_source = seg->time_source,
				.flags = seg->flags & ~PP_NET_LAST,
				.vlan_tci = seg->vlan_tci,
				.vlan_tpid = seg->vlan_tpid,
				.csum_start = seg->csum_start,
				.csum_offset = seg->csum_offset,
				.hash = seg->hash,
				.queue = seg->queue,
			};
			memcpy(pp_page_addr(out->page),
			       (char *)pp_page_addr(seg->page) + seg->offset + done, out->len);
			done += out->len;
			if (done == seg->len)
				out->flags = seg->flags;
			from->n++;
		} while (done < seg->len);
	}
	put_all(from->part, from->n_part);
	return true;
}

/* Queue a packet as it is. False: no room. */
static bool hand_on(struct side *from)
{
	if (from->n + from->n_part > QUEUE)
		return false;
	memcpy(from->queue + from->n, from->part, from->n_part * sizeof from->part[0]);
	from->n += from->n_part;
	return true;
}

/* What waits for the other side goes nowhere. */
static void drop_queue(struct side *from, uint64_t *why)
{
	for (unsigned i = 0; i < from->n; i++)
		*why += from->queue[i].flags & PP_NET_LAST;
	put_all(from->queue, from->n);
	from->n = 0;
}

/* As far as is known, its receiver is on the side that it came from. */
static bool stays(struct forward *f, const struct side *from)
{
	const struct pp_net_seg *seg = from->part;

	return learn(&f->learned, (const uint8_t *)pp_page_addr(seg->page) + seg->offset, seg->len,
		     from == &f->side[1]);
}

/* A whole packet has been received: queue it, or put it and count why. */
static void take(struct forward *f, struct side *from)
{
	struct side *to = other(f, from);
	bool shared = to->nic && pp_net_send_pool(to->nic, 0) == f->pool && f->pool, taken = false;

	if (f->opt->learn && stays(f, from)) {
		from->stayed++;
	} else if (!filter_wants(f->filter, from->part, from->n_part)) {
		from->filtered++;
	} else {
		from->crossing++;
		if (!takes_packets(to))
			to->account.packets_gone++;
		else if (!(taken = shared ? hand_on(from) : copy(from, to)))
			to->account.packets_no_room++;
		f->report.packets_copied += taken && !shared;
	}
	if (!taken)
		put_all(from->part, from->n_part);
	from->n_part = 0;
}

static void flush(struct side *from, struct side *to)
{
	unsigned sent;

	if (!from->n)
		return;
	if (!takes_packets(to)) {
		drop_queue(from, &to->account.packets_gone);
		return;
	}
	sent = pp_net_send(to->nic, 0, from->queue, from->n);
	for (unsigned i = 0; i < sent; i++) {
		/* the page is the device's: only the descriptor is still ours */
		from->handed += from->queue[i].flags & PP_NET_LAST;
	}
	from->n -= sent;
	memmove(from->queue, from->queue + sent, from->n * sizeof from->queue[0]);
}

/* Segments that may be received at once. */
static unsigned wanted(const struct forward *f)
{
	uint64_t left = f->opt->count - f->side[0].crossing - f->side[1].crossing;

	return f->opt->count && left < BURST ? (unsigned)left : BURST;
}

/* Receive on a side, send on the other. Returns segments that moved. */
static unsigned pump(struct forward *f, struct side *from)
{
	struct side *to = other(f, from);
	struct pp_net_seg seg[BURST];
	unsigned got, before;

	if (!from->nic)
		return 0;
	before = from->n;
	flush(from, to);
	before -= from->n;
	if (from->n > QUEUE - ROOM)
		return before; /* the other device is behind: what comes waits in this one's ring */
	/* no packet has less than one segment: so never more of them than --count leaves */
	got = pp_net_receive(from->nic, 0, seg, wanted(f));
	for (unsigned i = 0; i < got; i++) {
		from->part[from->n_part++] = seg[i];
		if (seg[i].flags & PP_NET_LAST)
			take(f, from);
	}
	flush(from, to);
	return got + before;
}

/* ---- the devices' lives ------------------------------------------------------------------ */

/* A pool that both can have, if there is one; that the one which is there can have. */
static int make_pool(struct forward *f)
{
	struct pp_net *both[2] = { f->side[0].nic, f->side[1].nic };
	int ret = pp_net_share_pool(&f->pool, both, 2, 0);

	return ret == -EXDEV ? 0 : ret;
}

static void note_pages(struct forward *f, struct side *s)
{
	struct pp_device_stats stats;
	struct pp_domain_stats domain;

	pp_device_stats(pp_net_device(s->nic, 0), &stats, sizeof stats);
	pp_domain_stats(pp_net_device(s->nic, 0), &domain, sizeof domain);
	worst(&f->report.mappings_left, domain.mappings);
	worst(&f->report.in_flight_at_unbind, stats.in_flight_at_unbind);
	worst(&f->report.unbind_ns, stats.unbind_ns);
}

/* Off the device. Its pages are home, or somebody's, when this returns. */
static void release_device(struct forward *f, struct side *s, bool gone)
{
	if (!s->bound)
		return;
	s->bound = false;
	drop_queue(other(f, s), &s->account.packets_gone);
	if (gone)
		pp_net_remove(s->nic);
	else
		pp_net_unbind(s->nic);
	note_pages(f, s);
}

static void close_side(struct forward *f, struct side *s)
{
	struct pp_device_stats stats;
	struct pp_net_stats counts;

	if (!s->nic)
		return;
	release_device(f, s, false);
	put_all(s->part, s->n_part); /* the rest of it won't come */
	s->n_part = 0;
	if (!s->lost && pp_net_quiet(s->nic))
		say("%s", pp_net_error(s->nic));
	pp_net_stats(s->nic, PP_NET_ALL_QUEUES, &counts, sizeof counts);
	account_add(&s->account, &counts);
	if (s->excused)
		account_excuse(&s->account, &counts);
	s->excused = false;
	pp_device_stats(pp_net_device(s->nic, 0), &stats, sizeof stats);
	f->report.late_calls_refused += stats.late_calls_refused;
	device_close(s->nic);
	s->nic = NULL;
}

/* Bind with the common pool; without, if the device can't have it. */
static int bind_side(struct forward *f, struct side *s)
{
	int ret;

	pp_net_use_pool(s->nic, 0, f->pool);
	ret = pp_net_bind(s->nic);
	if (f->pool && (ret == -ERANGE || ret == -EINVAL || ret == -ENOSPC)) {
		pp_net_use_pool(s->nic, 0, NULL);
		ret = pp_net_bind(s->nic);
	}
	device_notices(s->nic);
	s->bound = !ret;
	return ret;
}

static int open_side(struct forward *f, struct side *s, int dlt, bool quiet, bool *usage)
{
	struct device_options device = { .dlt = dlt,
					 .quiet = quiet,
					 .promiscuous = !f->opt->no_promiscuous };
	const struct side *to = other(f, s);
	struct pp_net_info info;

	if (to->nic) {
		pp_net_info(to->nic, &info, sizeof info);
		device.reads = info.input;
		device.writes = info.output;
	}
	return device_open(&s->nic, s->spec, &device, usage);
}

static int link_type(const struct side *s)
{
	struct pp_net_info info;

	pp_net_info(s->nic, &info, sizeof info);
	return info.link_type;
}

/*
 * What one receives the other sends, so both have one link type: that of a, or, where a has none
 * of its own (a device in software that receives nothing takes any), that of b.
 */
static int open_both(struct forward *f, bool *usage)
{
	struct side *a = &f->side[0], *b = &f->side[1];

	if (open_side(f, a, DLT_ETHERNET, false, usage) ||
	    open_side(f, b, link_type(a), false, usage))
		return -1;
	if (link_type(a) == link_type(b))
		return 0;
	if (!strncmp(a->spec, "soft", 4) && !strstr(a->spec, "pcap=")) {
		device_close(a->nic);
		a->nic = NULL;
		if (open_side(f, a, link_type(b), false, usage))
			return -1;
		if (link_type(a) == link_type(b))
			return 0;
	}
	say("can't forward between link types %d (%s) and %d (%s)", link_type(a), a->spec,
	    link_type(b), b->spec);
	return -1;
}

/* A device that was lost may be there again. */
static void look_for(struct forward *f, struct side *s)
{
	bool usage;

	if (open_side(f, s, DLT_ETHERNET, true, &usage)) /* only interfaces come back */
		return;
	if (f->pool && pp_pool_revoked(f->pool)) { /* both were gone at once */
		pp_pool_destroy(f->pool);
		f->pool = NULL;
		make_pool(f); /* without one, packets are copied */
	}
	if (bind_side(f, s)) {
		device_close(s->nic);
		s->nic = NULL;
		return;
	}
	s->lost = false;
	f->report.devices_back++;
	say("%c: %s is back", s->name, s->spec);
}

static void look_at(struct forward *f, struct side *s)
{
	uint64_t n = f->side[0].handed + f->side[1].handed;

	if (!s->nic) {
		look_for(f, s);
		return;
	}
	if (!s->bound)
		return;
	if ((s->end->unbind_after && n >= s->end->unbind_after) ||
	    (s->end->remove_after && n >= s->end->remove_after)) {
		s->excused = true;
		release_device(f, s, !s->end->unbind_after);
		return;
	}
	switch (pp_net_state(s->nic)) {
	case PP_NET_RUNNING: break;
	case PP_NET_FAILED:
		if (!s->failed && !stop_asked()) { /* else it gave up its waiting because of that */
			say("%s", pp_net_error(s->nic));
			f->loop.status = EXIT_ERROR;
		}
		s->ended = s->failed = true;
		break;
	case PP_NET_END: s->ended = true; break;
	case PP_NET_GONE:
		say("%c: %s; the other device continues", s->name, pp_net_error(s->nic));
		s->excused = true;
		release_device(f, s, true);
		s->lost = true;
		f->report.devices_lost++;
		if (f->opt->wait && !strncmp(s->spec, "xdp:", 4))
			close_side(f, s);
		break;
	}
}

/* ---- the loop ---------------------------------------------------------------------------- */

static unsigned under_way(struct side *s)
{
	return s->nic && takes_packets(s) ? pp_net_reap(s->nic, 0) : 0;
}

/* Nothing will come from this side any more. */
static bool silent(const struct side *s)
{
	return s->nic ? !s->bound || s->ended : false;
}

static bool both_silent(const struct forward *f)
{
	return silent(&f->side[0]) && silent(&f->side[1]);
}

static unsigned both_ways(struct forward *f)
{
	unsigned moved = pump(f, &f->side[0]) + pump(f, &f->side[1]);

	under_way(&f->side[0]);
	under_way(&f->side[1]);
	return moved;
}

/* What is still to be sent, or done with. */
static unsigned pending(struct forward *f)
{
	return f->side[0].n + f->side[1].n + under_way(&f->side[0]) + under_way(&f->side[1]);
}

static bool work(void *ctx)
{
	struct forward *f = ctx;
	bool was_silent = both_silent(f);
	unsigned moved = both_ways(f), before = f->left;

	if (f->opt->count && f->side[0].crossing + f->side[1].crossing >= f->opt->count)
		loop_end(&f->loop, "packet count reached", EXIT_OK);
	look_at(f, &f->side[0]);
	look_at(f, &f->side[1]);
	f->left = pending(f);
	return moved || f->left != before || was_silent != both_silent(f);
}

static bool idle(void *ctx)
{
	struct forward *f = ctx;

	if (both_silent(f) && !f->left)
		loop_end(&f->loop,
			 f->side[0].lost || f->side[1].lost ? "device lost" : "end of input",
			 EXIT_OK);
	return false;
}

static unsigned devices(void *ctx, struct pp_net *nic[LOOP_DEVICES])
{
	struct forward *f = ctx;
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++)
		if (f->side[i].nic && f->side[i].bound)
			nic[n++] = f->side[i].nic;
	return n;
}

/* A device that isn't there makes no event when it is. */
static uint64_t due(void *ctx)
{
	const struct forward *f = ctx;

	return f->side[0].nic && f->side[1].nic ? LOOP_NEVER : loop_now() + AGAIN_NS;
}

static const struct loop_ops ops = { .work = work, .idle = idle, .devices = devices, .due = due };

/* Both devices, the narrower first: the pool's addresses must suit both. */
static bool start(struct forward *f, bool *usage)
{
	int ret;
	bool swap;

	if (open_both(f, usage))
		return false;
	if (filter_open(&f->filter, f->opt->expression, link_type(&f->side[0]))) {
		*usage = !stop_asked();
		return false;
	}
	ret = make_pool(f);
	if (ret) {
		say("can't make a pool: %s", strerror(-ret));
		return false;
	}
	swap = pp_device_address_bits(pp_net_device(f->side[1].nic, 0)) <
	       pp_device_address_bits(pp_net_device(f->side[0].nic, 0));
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &f->side[i ^ swap];

		if (bind_side(f, s)) {
			say("%s", pp_net_error(s->nic));
			return false;
		}
	}
	return !rights_drop(&f->opt->rights);
}

/* What has been received is sent, as far as the other side sends any more. */
static void drain(struct side *from, struct side *to)
{
	while (from->n && takes_packets(to)) {
		unsigned before = from->n;

		flush(from, to);
		if (from->n == before && !device_drain(to->nic, pp_net_reap(to->nic, 0) / 2))
			break;
	}
	drop_queue(from, &to->account.packets_unsent);
	if (takes_packets(to))
		device_drain(to->nic, 0);
}

static void settle(struct forward *f, bool started)
{
	struct pp_totals totals;

	for (unsigned i = 0; i < 2 && started; i++)
		drain(&f->side[i], &f->side[!i]);
	for (unsigned i = 0; i < 2; i++) {
		if (f->side[i].lost && f->loop.status == EXIT_OK)
			f->loop.status = EXIT_LOST;
		close_side(f, &f->side[i]);
	}
	filter_close(f->filter);
	pp_pool_destroy(f->pool);
	pp_totals(&totals, sizeof totals);
	f->report.pages_leaked = totals.zombie_pages;
	f->report.iova_left = totals.iova_bytes;
}

/* ---- the report -------------------------------------------------------------------------- */

/* Both devices' losses, as one. */
static int judge(const struct forward *f)
{
	struct account both = { 0 };

	for (unsigned i = 0; i < 2; i++)
		account_join(&both, &f->side[i].account);
	return account_status(&both, f->loop.status);
}

/* What became of a direction's packets: of what one side lost and what the other sent. */
static struct forward_way way(const struct side *from, const struct side *to)
{
	struct forward_way w = { .from = from->name,
				 .to = to->name,
				 .account = to->account,
				 .stayed = from->stayed,
				 .filtered = from->filtered };

	w.account.packets_refused = from->account.packets_refused;
	w.account.packets_missed = from->account.packets_missed;
	w.account.packets_missed_too_long = from->account.packets_missed_too_long;
	w.account.packets_dropped_before = from->account.packets_dropped_before;
	return w;
}

int forward_run(const struct forward_options *o)
{
	static struct forward f; /* too large for a stack */
	struct side *a = &f.side[0], *b = &f.side[1];
	uint64_t begun = loop_now();
	bool usage = false, started;
	struct pp_telemetry *telemetry = NULL;

	f.opt = o;
	f.loop = (struct loop){ .ops = &ops, .ctx = &f, .duration = o->duration };
	*a = (struct side){ .name = 'a', .spec = o->device[0], .end = &o->end[0] };
	*b = (struct side){ .name = 'b', .spec = o->device[1], .end = &o->end[1] };
	started = start(&f, &usage);
	if (started) {
		telemetry = export_telemetry(!o->no_telemetry); /* as who we are now */
		say("forwarding between %s and %s", a->spec, b->spec);
		loop_run(&f.loop);
	}
	pp_telemetry_stop(telemetry);
	settle(&f, started);
	if (!started)
		return usage ? EXIT_USAGE : EXIT_ERROR;
	f.loop.status = judge(&f);
	f.report.way[0] = way(a, b);
	f.report.way[1] = way(b, a);
	f.report.end = f.loop.why;
	f.report.elapsed_ns = loop_now() - begun;
	forward_print(&f.report, o->json, report_stream());
	return f.loop.status;
}
