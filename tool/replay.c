/*
 * replay.c - pagepool replay: a capture file, sent out through a device.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pace.h"
#include "tool.h"

#include <capfile.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PACKET_SEGS 512u /* no ring takes more */
#define SPIN_NS 60000u	 /* what a sleep may be late by */
#define LONG_NS 10000000000u /* a wait that a user may wonder about */

struct replay {
	const char *device, *path;
	uint64_t count, loops;
	bool json, unwatched;
	struct pp_net *nic;
	struct capfile *file;
	int stop_fd;
	char error[CAPFILE_ERROR];
	bool wire;        /* what is sent goes to a wire, which knows packets' bytes only */
	unsigned fcs_len; /* bytes that the wire adds itself */
	uint64_t cut;     /* packets of which the file has not all bytes */
	struct pace pace;
	bool told; /* that a packet is due much later */
	struct report report;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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

/* Copy a packet into pages of the driver's. Segments, or a negative errno. */
static int fill(struct replay *r, const struct capfile_packet *p, struct pp_net_seg *seg)
{
	uint32_t done = 0;
	int n = 0, ret = 0;

	do {
		uint32_t size, left = p->len - done;

		ret = n == (int)PACKET_SEGS ? -EMSGSIZE : pp_page_get(&seg[n].page, pp_net_send_pool(r->nic, 0));
		if (ret)
			break;
		size = pp_page_size(seg[n].page);
		seg[n] = (struct pp_net_seg){
			.page = seg[n].page, .len = left < size ? left : size,
			.wire_len = p->wire_len, .time_ns = p->time_ns,
			.time_source = PP_NET_TIME_FILE,
		};
		memcpy(pp_page_addr(seg[n].page), p->bytes + done, seg[n].len);
		done += seg[n].len;
		seg[n].flags = done == p->len ? PP_NET_LAST : 0;
		n++;
	} while (done < p->len);
	while (ret && n)
		pp_page_put(seg[--n].page);
	return ret ? ret : n;
}

/* Wait for the device, or a signal; so long at most, unless that is NULL. */
static void wait_device(struct replay *r, const struct timespec *most)
{
	struct pollfd fd[] = {
		{ .fd = pp_net_event_fd(r->nic, 0), .events = POLLIN },
		{ .fd = r->stop_fd, .events = POLLIN },
	};
	uint64_t drop;

	if (ppoll(fd, 2, most, NULL) > 0 && fd[0].revents && read(fd[0].fd, &drop, sizeof drop) < 0)
		return;
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

/* Until at most `left` descriptors are under way. False: they stay, there is no hope. */
static bool reap(struct replay *r, unsigned left)
{
	unsigned before = pp_net_reap(r->nic, 0);

	while (before > left) {
		pp_net_arm(r->nic, 0); /* what came before that makes no event */
		if (hopeless(r) || counts(r).tx_refused)
			break;
		if (pp_net_reap(r->nic, 0) == before)
			wait_device(r, NULL);
		before = pp_net_reap(r->nic, 0);
	}
	return before <= left;
}

static void tell(struct replay *r, uint64_t wait)
{
	if (wait < LONG_NS || r->told)
		return;
	say("as the file has it, the next packet is due in %llu s; --topspeed doesn't wait",
	    (unsigned long long)(wait / 1000000000u));
	r->told = true;
}

/* Until it is the packet's time. What was sent comes back meanwhile. */
static void wait_until(struct replay *r, uint64_t due)
{
	uint64_t now = now_ns();

	if (due > now && r->pace.recorded)
		tell(r, due - now);
	for (; now < due && !hopeless(r); now = now_ns()) {
		uint64_t left = due - now - SPIN_NS;
		struct timespec t = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };

		if (due - now <= SPIN_NS)
			continue;
		pp_net_reap(r->nic, 0);
		pp_net_arm(r->nic, 0);
		wait_device(r, &t);
	}
}

static int send_packet(struct replay *r, const struct capfile_packet *p)
{
	struct pp_net_seg seg[PACKET_SEGS];
	int n = fill(r, p, seg);

	if (n == -EMSGSIZE) {
		say("can't send packet %llu of %u bytes: it takes more than %u pages, and no ring has so many",
		    (unsigned long long)r->report.packets_received + 1, p->len, PACKET_SEGS);
		return EXIT_ERROR;
	}
	if (n < 0) {
		say("can't send packet %llu of %u bytes: %s",
		    (unsigned long long)r->report.packets_received + 1, p->len, strerror(-n));
		return EXIT_ERROR;
	}
	for (;;) {
		bool idle = !pp_net_reap(r->nic, 0);

		if (pp_net_send(r->nic, 0, seg, (unsigned)n))
			break;
		if (!idle && reap(r, 64))
			continue;
		while (n)
			pp_page_put(seg[--n].page);
		if (!idle)
			return EXIT_OK; /* what stopped it is told at the end */
		say("can't send packet %llu of %u bytes: it is longer than the device's ring",
		    (unsigned long long)r->report.packets_received + 1, p->len);
		return EXIT_ERROR;
	}
	r->report.packets_received++;
	return EXIT_OK;
}

/* One pass over the file, or what --count leaves of it. */
static int play(struct replay *r)
{
	struct capfile_packet p;
	int status = EXIT_OK, ret = 0;

	while (status == EXIT_OK && !hopeless(r) &&
	       (!r->count || r->report.packets_received < r->count)) {
		ret = capfile_next(r->file, &p, r->error);
		if (ret != 1)
			break;
		for_wire(r, &p);
		wait_until(r, pace_due(&r->pace, now_ns(), p.time_ns, p.len));
		if (hopeless(r))
			break;
		status = send_packet(r, &p);
	}
	if (ret < 0 && !stop_asked()) {
		say("%s", r->error);
		return EXIT_ERROR;
	}
	return status;
}

static int play_all(struct replay *r)
{
	int status;

	if (r->loops != 1)
		capfile_keep(r->file);
	status = play(r);
	for (uint64_t i = 1; status == EXIT_OK && !hopeless(r) && i != r->loops &&
	     (!r->count || r->report.packets_received < r->count); i++) {
		if (capfile_rewind(r->file, r->error)) {
			say("%s", r->error);
			return EXIT_ERROR;
		}
		pace_again(&r->pace);
		status = play(r);
	}
	return status;
}

static void settle(struct replay *r)
{
	struct pp_device *device = pp_net_device(r->nic, 0);
	struct pp_domain_stats domain;
	struct pp_device_stats dev;
	struct pp_pool_stats pool;
	struct pp_net_stats s;
	struct pp_totals totals;

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
			status != EXIT_OK			 ? "failed" :
			stop_asked()				 ? "interrupted" :
			a->sent != a->sent_at_most ? "sent, but some may be lost" :
								   "all sent";
	return status;
}

static void print(const struct replay *r, FILE *out)
{
	char packets[ACCOUNT_SENT], bytes[GROUPED];

	fprintf(out, "%s packets (%s bytes) of %s sent through %s, in %.3f s: %s\n",
		account_sent(&r->report.account, packets), grouped(r->report.bytes_written, bytes),
		r->path, r->device, (double)r->report.elapsed_ns / 1e9, r->report.end);
	account_print(&r->report.account, out);
}

static int run(struct replay *r)
{
	uint64_t begun = now_ns();
	int status;

	if (device_bind(r->nic))
		return EXIT_ERROR;
	status = play_all(r);
	settle(r);
	r->report.end = pp_net_state(r->nic) == PP_NET_GONE ? "device lost" : "failed";
	status = judge(r, status);
	if (r->cut)
		say("%llu packets were sent cut: the file has only the first bytes of them",
		    (unsigned long long)r->cut);
	r->report.device = r->device;
	r->report.file = r->path;
	r->report.elapsed_ns = now_ns() - begun;
	if (r->json)
		report_json(&r->report, report_stream());
	else
		print(r, report_stream());
	return status;
}

int replay_main(int argc, char **argv)
{
	struct replay r = { .loops = 1 };
	const struct option_def defs[] = {
		{ "device", 'd', "DEVICE", "soft[:rate=PPS][,mask=BITS][,incoherent][,rogue][,lies]\n"
		  "                             [,wire=FILE]: what is sent is dumped there"
		  DEVICE_VFIO_HELP DEVICE_XDP_HELP, OPTION_STRING, &r.device },
		{ "read", 'r', "FILE", "the capture file", OPTION_STRING, &r.path },
		{ "count", 'c', "COUNT", "end after so many packets", OPTION_COUNT, &r.count },
		{ "loop", 0, "N", "send the file N times; 0: until interrupted", OPTION_SIZE, &r.loops },
		{ "topspeed", 't', NULL, "as fast as the device takes them (soft: the default)",
		  OPTION_FLAG, &r.pace.topspeed },
		{ "recorded", 0, NULL, "as far apart as the file says (others: the default)", OPTION_FLAG,
		  &r.pace.recorded },
		{ "pps", 'p', "N", "so many packets a second", OPTION_COUNT, &r.pace.packets_a_second },
		{ "rate", 0, "N", "so many bits of packets a second", OPTION_COUNT,
		  &r.pace.bits_a_second },
		{ "json", 0, NULL, "print the report as one JSON object", OPTION_FLAG, &r.json },
		{ "no-telemetry", 0, NULL, "don't offer statistics to pagepool stat", OPTION_FLAG,
		  &r.unwatched },
		{ 0 },
	};
	struct device_wish wish = { 0 };
	struct pp_telemetry *telemetry;
	bool usage;
	int status;

	if (options_parse(argc, argv, "replay", "Send the packets of a file out through a device.", defs))
		return EXIT_USAGE;
	if (!r.device || !r.path) {
		say("replay needs -d DEVICE and -r FILE; see pagepool replay --help");
		return EXIT_USAGE;
	}
	if (!pace_sane(&r.pace))
		return EXIT_USAGE;
	r.stop_fd = stop_fd_open();
	if (r.stop_fd < 0)
		return EXIT_ERROR;
	if (capfile_open(&r.file, r.path, r.error)) {
		say("%s", r.error);
		return EXIT_ERROR;
	}
	r.wire = strcmp(r.device, "soft") && strncmp(r.device, "soft:", 5);
	wish.dlt = capfile_dlt(r.file);
	if (!r.pace.packets_a_second && !r.pace.bits_a_second && !r.pace.recorded) {
		r.pace.topspeed = r.pace.topspeed || !r.wire;
		r.pace.recorded = !r.pace.topspeed;
	}
	if (r.wire) {
		r.fcs_len = capfile_fcs_len(wish.dlt);
		wish.dlt = CAPFILE_DLT(wish.dlt);
	}
	wish.reads = r.path;
	wish.send_only = true;
	if (device_open(&r.nic, r.device, &wish, &usage)) {
		capfile_close(r.file);
		return usage ? EXIT_USAGE : EXIT_ERROR;
	}
	telemetry = offer_telemetry(!r.unwatched);
	status = run(&r);
	pp_telemetry_stop(telemetry);
	pp_net_close(r.nic);
	capfile_close(r.file);
	return status;
}
