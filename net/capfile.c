/*
 * capfile.c - reading a capture file. libpcap does the work: both formats, both byte
 * orders, all resolutions; stamps come out in nanoseconds.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "capfile.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct capfile {
	pcap_t *pcap;
	char *path;
	uint64_t n; /* packets read */
	/* What is kept. */
	uint8_t *bytes; /* NULL: nothing is */
	struct capfile_packet *packet;
	size_t size, used, room, n_kept;
	bool whole;  /* the file's end was reached */
	bool replay; /* packets come from here; the next is n */
};

/* A directory or an empty file deserves better words than libpcap's. */
static int look_at(const char *path, char *error)
{
	struct stat st;

	if (stat(path, &st)) {
		snprintf(error, CAPFILE_ERROR, "can't read %.200s: %s", path, strerror(errno));
		return -EINVAL;
	}
	if (S_ISDIR(st.st_mode)) {
		snprintf(error, CAPFILE_ERROR, "can't read %.200s: it is a directory", path);
		return -EINVAL;
	}
	if (S_ISREG(st.st_mode) && !st.st_size) {
		snprintf(error, CAPFILE_ERROR, "%.200s is empty: not a capture file", path);
		return -EINVAL;
	}
	return 0;
}

/* Bytes read at a time: a packet in each system call would be most of a capture's time. */
#define CAPFILE_BUFFER (256u << 10)

static int open_pcap(struct capfile *f, char *error)
{
	char why[PCAP_ERRBUF_SIZE];
	FILE *file = fopen(f->path, "rb");

	f->n = 0;
	f->pcap = NULL;
	if (file) {
		setvbuf(file, NULL, _IOFBF, CAPFILE_BUFFER);
		f->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO,
								   why);
		if (!f->pcap)
			fclose(file);
	} else {
		snprintf(why, sizeof why, "%.150s: %.60s", f->path, strerror(errno));
	}
	if (f->pcap)
		return 0;
	snprintf(error, CAPFILE_ERROR, "can't read %.120s: %.250s", f->path, why);
	return -EINVAL;
}

/* ---- keeping ---------------------------------------------------------------------------- */

#define CAPFILE_KEEP (64u << 20)

static void keep_nothing(struct capfile *f)
{
	free(f->bytes);
	free(f->packet);
	f->bytes = NULL;
	f->packet = NULL;
}

void capfile_keep(struct capfile *f)
{
	struct stat st;

	if (stat(f->path, &st) || !S_ISREG(st.st_mode) || st.st_size > CAPFILE_KEEP)
		return;
	f->size = (size_t)st.st_size; /* more than its packets have */
	f->bytes = malloc(f->size);
}

static void keep(struct capfile *f, const struct capfile_packet *p)
{
	struct capfile_packet *more = f->packet;

	if (!f->bytes)
		return;
	if (f->n_kept == f->room) {
		f->room = f->room ? 2 * f->room : 1024;
		more = realloc(f->packet, f->room * sizeof *more);
	}
	if (more)
		f->packet = more;
	if (!more || p->len > f->size - f->used) { /* it has grown */
		keep_nothing(f);
		return;
	}
	memcpy(f->bytes + f->used, p->bytes, p->len);
	f->packet[f->n_kept] = *p;
	f->packet[f->n_kept++].bytes = f->bytes + f->used;
	f->used += p->len;
}

/* ---- the file --------------------------------------------------------------------------- */

int capfile_open(struct capfile **out, const char *path, char *error)
{
	struct capfile *f;

	*out = NULL;
	if (look_at(path, error))
		return -EINVAL;
	f = calloc(1, sizeof *f);
	if (f)
		f->path = strdup(path);
	if (!f || !f->path) {
		free(f);
		snprintf(error, CAPFILE_ERROR, "no memory to read %.200s", path);
		return -ENOMEM;
	}
	if (open_pcap(f, error)) {
		capfile_close(f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

void capfile_close(struct capfile *f)
{
	if (!f)
		return;
	if (f->pcap)
		pcap_close(f->pcap);
	keep_nothing(f);
	free(f->path);
	free(f);
}

int capfile_rewind(struct capfile *f, char *error)
{
	if (f->bytes && f->whole) {
		f->replay = true;
		f->n = 0;
		return 0;
	}
	keep_nothing(f); /* half of it is no use */
	pcap_close(f->pcap);
	return open_pcap(f, error);
}

int capfile_next(struct capfile *f, struct capfile_packet *packet, char *error)
{
	struct pcap_pkthdr *h;
	uint64_t sec;
	int ret;

	if (f->replay) {
		if (f->n == f->n_kept)
			return 0;
		*packet = f->packet[f->n++];
		return 1;
	}
	ret = pcap_next_ex(f->pcap, &h, &packet->bytes);
	if (ret == PCAP_ERROR_BREAK) {
		f->whole = true;
		return 0;
	}
	if (ret != 1) {
		snprintf(error, CAPFILE_ERROR, "%.120s is broken after %llu packets: %.200s", f->path,
			 (unsigned long long)f->n, pcap_geterr(f->pcap));
		return -EINVAL;
	}
	f->n++;
	packet->len = h->caplen;
	packet->wire_len = h->len;
	/* libpcap takes a pcap file's 32 bits for signed ones: that would end in 2038 */
	sec = h->ts.tv_sec < 0 ? (uint32_t)h->ts.tv_sec : (uint64_t)h->ts.tv_sec;
	packet->time_ns = sec * 1000000000u + (uint64_t)h->ts.tv_usec;
	keep(f, packet);
	return 1;
}

int capfile_dlt(const struct capfile *f)
{
	return pcap_datalink(f->pcap);
}

/* libpcap keeps its translation to itself, but writes it into every header. */
uint32_t capfile_link_type(int dlt)
{
	uint32_t header[6] = { 0 };
	pcap_t *dead = pcap_open_dead(dlt, 262144);
	FILE *f = dead ? fmemopen(header, sizeof header, "w") : NULL;
	pcap_dumper_t *dump = f ? pcap_dump_fopen(dead, f) : NULL;

	if (dump)
		pcap_dump_close(dump);
	else if (f)
		fclose(f);
	if (dead)
		pcap_close(dead);
	return dump ? header[5] : (uint32_t)dlt;
}

/* As libpcap has it, so that what is written can be read. */
uint32_t capfile_longest(uint32_t link_type)
{
	switch (link_type & 0x03ffffff) {
	case 231: /* D-Bus */
		return 128u << 20;
	case 279: /* EBHSCR */
		return 8u << 20;
	case 249: /* USBPcap */
	case 189: /* Linux' USB */
	case 220:
	case 266: /* Darwin's USB */
		return 1u << 20;
	default:
		return 262144;
	}
}
