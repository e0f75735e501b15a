/*
 * replay.c - pagepool replay: send a capture file through a device.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "loop.h"
#include "replay.h"

#include <capfile.h>
#include <errno.h>
#include <string.h>

#define PACKET_SEGS 512u     /* no ring takes more */
#define SPIN_NS 60000u       /* what a sleep may be late by */
#define BURST 64u            /* packets sent at a time */
#define ROOM 64u             /* of a ring that was full: so few under way before more are sent */
#define LONG_NS 10000000000u /* a wait that a user may wonder about */

struct replay {
	const struct replay_options *opt;
	struct pp_net *nic;
	struct capfile *file;
	char error[CAPFILE_ERROR];
	bool wire;        /* what is sent goes to a wire, which knows packets' bytes only */
	unsigned fcs_len; /* bytes that the wire adds itself */
	uint64_t cut;     /* packets of which the file has not all bytes */
	struct pace pace;
	bool told; /* that a packet is due much later */
	/* the packet that is to be sent next */
	struct capfile_packet packet;
	bool have;
	uint64_t due;                       /* by loop_now; 0: at once */
	struct pp_net_seg seg[PACKET_SEGS]; /* in pages, when it was due */
	unsigned n_seg;
	bool full;               /* the ring had no room for it */
	unsigned under_way;      /* segments, when that was looked at last */
	uint64_t passes, before; /* over the file; packets before this one */
	struct loop loop;
	struct report report;
};

/* On a wire: not what it adds itself, and the file may have less than there was. */
static void for_wire(struct replay *r, struct capfile_packet *p)
{
	uint32_t fcs = p->len == p->wire_len ? r->fcs_len : 0;

	if (!r->wire)
		return;
	r->cut += p->len < p->wire_len;
	p->len -= fcs < p->len ? fcs : p->len;
	p->wire_len = p->len;
}

static void put_all(struct replay *r)
{
	while (r->n_seg)
		pp_page_put(r->seg[--r->n_seg].page);
}

/* Copy the packet into pages of the driver's. 0 or a negative errno. */
static int fill(struct replay *r)
{
	const struct capfile_packet *p = &r->packet;
	uint32_t done = 0;

	do {
		struct pp_net_seg *seg = &r->seg[r->n_seg];
		uint32_t size, left = p->len - done;
		int ret = r->n_seg == PACKET_SEGS ?
				  -EMSGSIZE :
				  pp_page_get(&seg->page, pp_net_send_pool(r->nic, 0));

		if (ret) {
			put_all(r);
			return ret;
		}
		size = pp_page_size(seg->page);
		*seg = (struct pp_net_seg){
			.page = seg->page,
			.len = left < size ? left : size,
			.wire_len = p->wire_len,
			.time_ns = p->time_ns,
			.time_source = PP_NET_TIME_FILE,
		};
		memcpy(pp_page_addr(seg->page), p->bytes + done, seg->len);
		done += seg->len;
		seg->flags = done == p->len ? PP_NET_LAST : 0;
		r->n_seg++;
	} while (done < p->len);
	return 0;
}

static struct pp_net_stats counts(struct replay *r)
{
	struct pp_net_stats s;

	pp_net_stats(r->nic, PP_NET_ALL_QUEUES, &s, sizeof s);
	return s;
}

/* True if it makes no sense to wait for the device. */
static bool hopeless(struct replay *r)
{
	enum pp_net_state state = pp_net_state(r->nic);

	return stop_asked() || state == PP_NET_FAILED || state == PP_NET_GONE;
}

static void tell(struct replay *r, uint64_t wait)
{
	if (wait < LONG_NS || r->told)
		return;
	say("by the file's time stamps the next packet is due in %llu s; --topspeed doesn't wait",
	    (unsigned long long)(wait / 1000000000u));
	r->told = true;
}

/* The file from its beginning. False: that was the last pass, or there was nothing in it. */
static bool again(struct replay *r)
{
	if (++r->passes == r->opt->loops || r->report.packets_received == r->before)
		return false;
	r->before = r->report.packets_received;
	if (!capfile_rewind(r->file, r->error)) {
		pace_again(&r->pace);
		return true;
	}
	say("%s", r->error);
	loop_end(&r->loop, "failed", EXIT_ERROR);
	return false;
}

/* The next packet of the file, which is read now. False: there is none, or none can be had. */
static bool next(struct replay *r)
{
	uint64_t now = loop_now();
	int ret = 0;

	if (r->opt->count && r->report.packets_received == r->opt->count) {
		loop_end(&r->loop, "all sent", EXIT_OK);
		return false;
	}
	do
		ret = capfile_next(r->file, &r->packet, r->error);
	while (!ret && again(r));
	if (ret < 0 && !stop_asked()) {
		say("%s", r->error);
		loop_end(&r->loop, "failed", EXIT_ERROR);
	} else if (!ret) {
		loop_end(&r->loop, "all sent", EXIT_OK);
	}
	if (ret != 1)
		return false;
	for_wire(r, &r->packet);
	r->due = pace_due(&r->pace, now, r->packet.time_ns, r->packet.len);
	if (r->due > now && r->pace.recorded)
		tell(r, r->due - now);
	r->have = true;
	return true;
}

static void cant_send(struct replay *r, const char *why)
{
	char n[GROUPED];

	say("can't send packet %s of %u bytes: %s", grouped(r->report.packets_received + 1, n),
	    r->packet.len, why);
	loop_end(&r->loop, "failed", EXIT_ERROR);
}

/* The packet that is due. False: not now, or never. */
static bool send_packet(struct replay *r)
{
	int ret = r->n_seg ? 0 : fill(r);

	if (ret) {
		cant_send(r, ret == -EMSGSIZE ?
				     "it needs more than 512 pages, and no ring has so many" :
				     strerror(-ret));
		return false;
	}
	r->full = !pp_net_send(r->nic, 0, r->seg, r->n_seg);
	if (r->full) {
		if (!r->under_way)
			cant_send(r, "it is longer than the device's ring");
		return false;
	}
	r->n_seg = 0;
	r->have = false;
	r->under_way = pp_net_reap(r->nic, 0);
	r->report.packets_received++;
	return true;
}

/* So little time is left that a sleep would be too long. */
static bool soon(const struct replay *r, uint64_t now)
{
	return r->have && !r->full && r->due > now && r->due - now <= SPIN_NS;
}

static bool work(void *ctx)
{
	struct replay *r = ctx;
	unsigned before = r->under_way, sent = 0;

	r->under_way = pp_net_reap(r->nic, 0);
	if (r->full && r->under_way > ROOM)
		return r->under_way != before;
	while (sent < BURST && !hopeless(r) && (r->have || next(r)) &&
	       (!r->due || r->due <= loop_now()) && send_packet(r))
		sent++;
	return sent || r->under_way != before || soon(r, loop_now());
}

static bool idle(void *ctx)
{
	struct replay *r = ctx;

	if (hopeless(r) || counts(r).tx_refused)
		loop_end(&r->loop, "failed", EXIT_OK); /* what stopped it is told at the end */
	return false;
}

static unsigned devices(void *ctx, struct pp_net *nic[LOOP_DEVICES])
{
	struct replay *r = ctx;

	nic[0] = r->nic;
	return 1;
}

static uint64_t due(void *ctx)
{
	const struct replay *r = ctx;

	return r->have && !r->full && r->due > SPIN_NS ? r->due - SPIN_NS : LOOP_NEVER;
}

static const struct loop_ops ops = { .work = work, .idle = idle, .devices = devices, .due = due };

static void settle(struct replay *r)
{
	struct pp_device *device = pp_net_device(r->nic, 0);
	struct pp_domain_stats domain;
	struct pp_device_stats dev;
	struct pp_pool_stats pool;
	struct pp_net_stats s;
	struct pp_totals totals;

	put_all(r); /* what could not be sent any more */
	device_drain(r->nic, 0);
	pp_pool_stats(pp_net_send_pool(r->nic, 0), &pool, sizeof pool);
	pp_domain_stats(device, &domain, sizeof domain);
	r->report.faults_before_unbind = domain.faults;
	r->report.chunks = pool.chunks;
	r->report.page_bytes_mapped = pool.bytes_mapped;
	if (pp_net_state(r->nic) == PP_NET_GONE)
		pp_net_remove(r->nic);
	else
		pp_net_unbind(r->nic);
	report_left(&r->report, device);
	if (pp_net_quiet(r->nic))
		say("%s", pp_net_error(r->nic));
	pp_domain_stats(device, &domain, sizeof domain);
	pp_device_stats(device, &dev, sizeof dev);
	pp_totals(&totals, sizeof totals);
	r->report.faults_after_unbind = domain.faults - r->report.faults_before_unbind;
	r->report.unbind_ns = dev.unbind_ns;
	r->report.in_flight_at_unbind = dev.in_flight_at_unbind;
	r->report.late_calls_refused = dev.late_calls_refused;
	r->report.pages_leaked = totals.zombie_pages;
	s = counts(r);
	account_add(&r->report.account, &s);
	r->report.packets_written = r->report.account.sent;
	r->report.packets_written_at_most = r->report.account.sent_at_most;
	r->report.bytes_written = r->report.account.bytes_sent;
	r->report.bindings = dev.bindings;
}

/* The device's own word comes before what the counts say. */
static int judge(struct replay *r, int status)
{
	enum pp_net_state state = pp_net_state(r->nic);
	const struct account *a = &r->report.account;

	if (state == PP_NET_GONE || state == PP_NET_FAILED) {
		say("%s", pp_net_error(r->nic));
		return state == PP_NET_GONE ? EXIT_LOST : EXIT_ERROR;
	}
	status = account_status(a, status);
	r->report.end = status != EXIT_OK && account_not_sent(a) ? "not all sent" :
			status != EXIT_OK                        ? "failed" :
			stop_asked()                             ? "interrupted" :
			a->sent != a->sent_at_most               ? "sent, but some may be lost" :
								   r->loop.why;
	return status;
}

static void print(const struct replay *r, FILE *out)
{
	char packets[ACCOUNT_SENT], bytes[GROUPED];

	fprintf(out, "%s packets (%s bytes) of %s sent through %s, in %.3f s: %s\n",
		account_sent(&r->report.account, packets), grouped(r->report.bytes_written, bytes),
		r->opt->path, r->opt->device, (double)r->report.elapsed_ns / 1e9, r->report.end);
	account_print(&r->report.account, out);
}

static int run(struct replay *r)
{
	uint64_t begun = loop_now();
	struct pp_telemetry *telemetry;
	char n[GROUPED];
	int status;

	if (device_bind(r->nic))
		return EXIT_ERROR;
	if (r->opt->loops != 1)
		capfile_keep(r->file);
	telemetry = export_telemetry(!r->opt->no_telemetry);
	say("replaying %s through %s", r->opt->path, r->opt->device);
	loop_run(&r->loop);
	settle(r);
	pp_telemetry_stop(telemetry);
	r->report.end = pp_net_state(r->nic) == PP_NET_GONE ? "device lost" : "failed";
	status = judge(r, r->loop.status);
	if (r->cut)
		say("%s packet%s sent truncated: the file has only the first bytes",
		    grouped(r->cut, n), r->cut == 1 ? " was" : "s were");
	r->report.device = r->opt->device;
	r->report.file = r->opt->path;
	r->report.elapsed_ns = loop_now() - begun;
	if (r->opt->json)
		report_json(&r->report, report_stream());
	else
		print(r, report_stream());
	return status;
}

/* The file, and what it says of the device that can send it. */
static int open_file(struct replay *r, struct device_options *device)
{
	const char *spec = r->opt->device;

	if (capfile_open(&r->file, r->opt->path, r->error)) {
		say("%s", r->error);
		return -1;
	}
	r->wire = strcmp(spec, "soft") && strncmp(spec, "soft:", 5);
	device->dlt = capfile_dlt(r->file);
	if (r->wire) {
		r->fcs_len = capfile_fcs_len(device->dlt);
		device->dlt = CAPFILE_DLT(device->dlt);
	}
	if (!r->pace.packets_a_second && !r->pace.bits_a_second && !r->pace.recorded) {
		r->pace.topspeed = r->pace.topspeed || !r->wire;
		r->pace.recorded = !r->pace.topspeed;
	}
	return 0;
}

int replay_run(const struct replay_options *o)
{
	struct device_options device = { .reads = o->path, .send_only = true };
	static struct replay r; /* too large for a stack */
	bool usage;
	int status;

	r.opt = o;
	r.pace = o->pace;
	r.loop = (struct loop){ .ops = &ops, .ctx = &r, .duration = o->duration };
	if (open_file(&r, &device))
		return EXIT_ERROR;
	if (device_open(&r.nic, o->device, &device, &usage)) {
		capfile_close(r.file);
		return usage ? EXIT_USAGE : EXIT_ERROR;
	}
	status = run(&r);
	device_close(r.nic);
	capfile_close(r.file);
	return status;
}
