/*
 * capfile.c - reads a capture file: detects the format, keeps its state, composes the messages
 * about it. pcapfile.c and pcapng.c read the formats; libpcap only translates link types.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capfile.h"

#include "capformat.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct capfile {
	struct capformat format;
	int (*next)(struct capformat *f, struct capformat_packet *out);
	char *path;
	uint64_t n; /* packets given */
	uint32_t link_type;
	int dlt;
	/* The first packet, or what came instead of it, is read when the file is opened. */
	struct capformat_packet ahead;
	int ahead_ret;
	bool is_ahead;
	/* What is kept. */
	bool keep, whole; /* its end was reached */
	bool replay;      /* packets come from here; the next is n */
	uint8_t *bytes;
	struct kept {
		struct capfile_packet p;
		size_t at;
	} * packet;
	size_t size, used, room, n_kept;
};

/* ---- for the formats --------------------------------------------------------------------- */

int capformat_fail(struct capformat *f, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->why, sizeof f->why, format, args);
	va_end(args);
	return -err;
}

uint16_t capformat_u16(const struct capformat *f, const uint8_t *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof v);
	return f->swapped ? __builtin_bswap16(v) : v;
}

uint32_t capformat_u32(const struct capformat *f, const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return f->swapped ? __builtin_bswap32(v) : v;
}

/* ---- link types -------------------------------------------------------------------------- */

/*
 * libpcap doesn't export its translation; but it writes one number into each header, and reads the
 * other from there.
 */
uint32_t capfile_link_type(int dlt)
{
	uint32_t header[6] = { 0 };
	pcap_t *dead = pcap_open_dead(CAPFILE_DLT(dlt), 262144);
	FILE *f = dead ? fmemopen(header, sizeof header, "w") : NULL;
	pcap_dumper_t *dump = f ? pcap_dump_fopen(dead, f) : NULL;

	if (dump)
		pcap_dump_close(dump);
	else if (f)
		fclose(f);
	if (dead)
		pcap_close(dead);
	return (dump ? header[5] : (uint32_t)CAPFILE_DLT(dlt)) | ((uint32_t)dlt & ~0x03ffffffu);
}

static int dlt_of(uint32_t link_type)
{
	struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, sigfigs, snaplen, link_type;
	} header = { 0xa1b2c3d4, 2, 4, 0, 0, 262144, link_type & 0x03ffffff };
	FILE *f = fmemopen(&header, sizeof header, "r");
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = f ? pcap_fopen_offline(f, error) : NULL;
	int dlt = pcap ? pcap_datalink(pcap) : (int)(link_type & 0x03ffffff);

	if (pcap)
		pcap_close(pcap);
	else if (f)
		fclose(f);
	return (int)((uint32_t)dlt | (link_type & ~0x03ffffffu));
}

unsigned capfile_fcs_len(int dlt)
{
	return (uint32_t)dlt & 0x04000000 ? ((uint32_t)dlt >> 28) * 2 : 0;
}

/* As libpcap has it, so that what is written can be read. */
uint32_t capfile_longest(uint32_t link_type)
{
	switch (link_type & 0x03ffffff) {
	case 231: /* D-Bus */ return 128u << 20;
	case 279: /* EBHSCR */ return 8u << 20;
	case 249: /* USBPcap */
	case 189: /* Linux' USB */
	case 220:
	case 266: /* Darwin's USB */ return 1u << 20;
	default: return 262144;
	}
}

static const char *link_name(uint32_t link_type, char *buf, size_t size)
{
	const char *name = pcap_datalink_val_to_name(CAPFILE_DLT(dlt_of(link_type)));

	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "%u", link_type);
	return buf;
}

/* ---- keeping ---------------------------------------------------------------------------- */

#define CAPFILE_KEEP (64u << 20)

static void keep_nothing(struct capfile *f)
{
	free(f->bytes);
	free(f->packet);
	f->bytes = NULL;
	f->packet = NULL;
	f->size = f->used = f->room = f->n_kept = 0;
	f->keep = false;
}

void capfile_keep(struct capfile *f)
{
	f->keep = true;
}

/* True if there is room for n more, twice as much as before if it has to be made. */
static bool grow(void **array, size_t *room, size_t used, size_t n, size_t size_of_one)
{
	size_t want = *room ? *room : 1024;
	void *more;

	if (used + n <= *room)
		return true;
	while (want < used + n)
		want *= 2;
	more = realloc(*array, want * size_of_one);
	if (!more)
		return false;
	*array = more;
	*room = want;
	return true;
}

static void keep(struct capfile *f, const struct capfile_packet *p)
{
	if (!f->keep)
		return;
	if (f->used + p->len + f->n_kept * sizeof *f->packet > CAPFILE_KEEP ||
	    !grow((void **)&f->bytes, &f->size, f->used, p->len, 1) ||
	    !grow((void **)&f->packet, &f->room, f->n_kept, 1, sizeof *f->packet)) {
		keep_nothing(f);
		return;
	}
	if (p->len) /* else there may be no bytes at all yet */
		memcpy(f->bytes + f->used, p->bytes, p->len);
	f->packet[f->n_kept++] = (struct kept){ *p, f->used };
	f->used += p->len;
}

/* ---- the file --------------------------------------------------------------------------- */

static const char *name_of(const struct capfile *f)
{
	return strcmp(f->path, "-") ? f->path : "standard input";
}

/* "can't read X: why" */
static int cant_read(struct capfile *f, int ret, char *error)
{
	snprintf(error, CAPFILE_ERROR, "can't read %.120s: %.250s", name_of(f), f->format.why);
	return ret == -ECANCELED ? ret : -EINVAL;
}

static int begin_format(struct capfile *f)
{
	const uint8_t *at;
	size_t n = 4;
	int ret = capsource_peek(f->format.source, &at, &n, f->format.why);

	if (ret)
		return ret;
	if (!n)
		return capformat_fail(&f->format, EINVAL, "it is empty, and no capture file");
	if (n >= 4 && !memcmp(at, "\n\r\r\n", 4)) {
		f->next = pcapng_next;
		return pcapng_begin(&f->format);
	}
	f->next = pcapfile_next;
	return pcapfile_begin(&f->format);
}

/* Up to the first packet, which tells the link type; without one the first interface does. */
static int begin(struct capfile *f, char *error)
{
	int ret = begin_format(f);

	if (ret)
		return cant_read(f, ret, error);
	f->n = 0;
	f->ahead_ret = f->next(&f->format, &f->ahead);
	f->is_ahead = true;
	if (f->ahead_ret == 1) {
		f->link_type = f->ahead.link_type;
	} else if (f->next == pcapfile_next) {
		f->link_type = f->format.link_type;
	} else if (f->format.n_interfaces) {
		f->link_type = f->format.interface[0].link_type;
	} else {
		if (!f->ahead_ret)
			capformat_fail(&f->format, EINVAL, "it has no interface, and so no packet");
		return cant_read(f, f->ahead_ret, error);
	}
	return f->ahead_ret == -ECANCELED ? cant_read(f, f->ahead_ret, error) : 0;
}

int capfile_open(struct capfile **out, const char *path, char *error)
{
	struct capfile *f = calloc(1, sizeof *f);
	int ret;

	*out = NULL;
	if (f)
		f->path = strdup(path);
	if (!f || !f->path) {
		free(f);
		snprintf(error, CAPFILE_ERROR, "no memory to read %.200s", path);
		return -ENOMEM;
	}
	ret = capsource_open(&f->format.source, f->path, f->format.why);
	ret = ret ? cant_read(f, ret, error) : begin(f, error);
	if (ret) {
		capfile_close(f);
		return ret;
	}
	f->dlt = dlt_of(f->link_type);
	*out = f;
	return 0;
}

void capfile_close(struct capfile *f)
{
	if (!f)
		return;
	capsource_close(f->format.source);
	free(f->format.interface);
	keep_nothing(f);
	free(f->path);
	free(f);
}

void capfile_cancel(struct capfile *f)
{
	capsource_cancel(f->format.source);
}

int capfile_rewind(struct capfile *f, char *error)
{
	int ret;

	if (f->keep && f->whole) {
		f->replay = true;
		f->n = 0;
		return 0;
	}
	keep_nothing(f); /* half of it is no use */
	ret = capsource_rewind(f->format.source, f->format.why);
	if (ret == -ESPIPE)
		capformat_fail(&f->format, ESPIPE,
			       "it can't start over: it is no file, and more than %u MiB",
			       CAPFILE_KEEP >> 20);
	return ret ? cant_read(f, ret, error) : begin(f, error);
}

/* What ended the packets, in words. */
static int end_of(struct capfile *f, int ret, char *error)
{
	if (!ret) {
		f->whole = true;
	} else {
		snprintf(error, CAPFILE_ERROR,
			 ret == -EINVAL ? "%.120s is broken after %llu packets: %.200s" :
					  "%.120s can't be read on after %llu packets: %.200s",
			 name_of(f), (unsigned long long)f->n, f->format.why);
	}
	return !ret || ret == -ECANCELED ? ret : -EINVAL;
}

/* One device has packets of one kind. */
static int another_link_type(struct capfile *f, const struct capformat_packet *p, char *error)
{
	char was[40], is[40];

	snprintf(error, CAPFILE_ERROR,
		 "%.120s can't be read on after %llu packets: the next, of interface "
		 "%u, is of link type %s, not %s, and a device has one; tshark -r FILE -Y "
		 "'frame.interface_id==%u' -w OTHER makes a file of them",
		 name_of(f), (unsigned long long)f->n, p->interface,
		 link_name(p->link_type, is, sizeof is), link_name(f->link_type, was, sizeof was),
		 p->interface);
	return -EINVAL;
}

/*
 * Packets of some link types begin with a header in the byte order of the capturing machine, and
 * readers assume that this is the file's order. We write files in our own order.
 */
static bool has_native_header(const struct capformat_packet *p)
{
	switch (p->link_type & 0x03ffffff) {
	case 113: /* Linux' cooked mode, which has the packets of CAN buses as they are */
		return p->p.len >= 16 && p->p.bytes[14] == 0 &&
		       (p->p.bytes[15] == 12 || p->p.bytes[15] == 13);
	case 189: /* Linux' USB */
	case 220:
	case 239: /* Linux' netfilter log */ return true;
	default: return false;
	}
}

static int another_order(struct capfile *f, const struct capformat_packet *p, char *error)
{
	char name[40];

	snprintf(
		error, CAPFILE_ERROR,
		"%.120s can't be read on after %llu packets: those of link type %s "
		"are in the byte order of the machine that captured them, which is not this one's; "
		"editcap FILE OTHER makes a file in this one's",
		name_of(f), (unsigned long long)f->n, link_name(p->link_type, name, sizeof name));
	return -EINVAL;
}

int capfile_next(struct capfile *f, struct capfile_packet *packet, char *error)
{
	struct capformat_packet p;
	int ret;

	if (f->replay) {
		if (f->n == f->n_kept)
			return 0;
		*packet = f->packet[f->n].p;
		packet->bytes = f->bytes + f->packet[f->n++].at;
		return 1;
	}
	ret = f->is_ahead ? f->ahead_ret : f->next(&f->format, &p);
	if (f->is_ahead)
		p = f->ahead;
	f->is_ahead = ret < 0 && f->is_ahead; /* an error stays one */
	if (ret != 1)
		return end_of(f, ret, error);
	if (p.link_type != f->link_type)
		return another_link_type(f, &p, error);
	if (f->format.swapped && has_native_header(&p))
		return another_order(f, &p, error);
	f->n++;
	*packet = p.p;
	keep(f, packet);
	return 1;
}

int capfile_dlt(const struct capfile *f)
{
	return f->dlt;
}
