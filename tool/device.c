/*
 * device.c - from a device's name on the command line to a NIC.
 *
 *   soft[:pcap=FILE][,loop=N][,rate=PPS][,mask=BITS][,incoherent]
 *       [,invalidate=strict|deferred][,rogue][,lies][,gone=N][,wire=FILE]
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <soft/driver.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One "key" or "key=value" of a software NIC. False: said what is wrong. */
static bool soft_setting(struct soft_model_params *p, const char *key, const char *value)
{
	uint64_t n;

	if (!strcmp(key, "pcap") && value && *value) {
		p->pcap = value;
	} else if (!strcmp(key, "wire") && value && *value) {
		p->wire = value;
	} else if (!strcmp(key, "loop") && value && number_parse(value, 0, &n)) {
		p->loops = n;
	} else if (!strcmp(key, "rate") && value && number_parse(value, 1, &n)) {
		p->rate = n;
	} else if (!strcmp(key, "gone") && value && number_parse(value, 1, &n)) {
		p->gone_after = n;
	} else if (!strcmp(key, "mask") && value && number_parse(value, 32, &n) && n <= 64) {
		p->address_bits = (unsigned)n;
	} else if (!strcmp(key, "invalidate") && value && !strcmp(value, "strict")) {
		p->deferred = false;
	} else if (!strcmp(key, "invalidate") && value && !strcmp(value, "deferred")) {
		p->deferred = true;
	} else if (!strcmp(key, "incoherent") && !value) {
		p->incoherent = true;
	} else if (!strcmp(key, "rogue") && !value) {
		p->rogue = true;
	} else if (!strcmp(key, "lies") && !value) {
		p->lies = true;
	} else {
		say("the soft device can't take \"%s%s%s\"; it takes pcap=FILE, loop=N, rate=PPS, "
		    "mask=32..64, incoherent, invalidate=strict|deferred, rogue, lies, gone=N, "
		    "wire=FILE", key, value ? "=" : "", value ? value : "");
		return false;
	}
	return true;
}

/* True, and said so, if two names are one file: it would be read and written at once. */
static bool same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	if (!a || !b || stat(a, &sa) || stat(b, &sb) || !S_ISREG(sa.st_mode) ||
	    sa.st_dev != sb.st_dev || sa.st_ino != sb.st_ino)
		return false;
	say("%s and %s are the same file: it can't be read and written at once", a, b);
	return true;
}

static int soft_open(struct nic **out, char *settings, const struct device_wish *wish, bool *usage)
{
	struct soft_model_params model = { .loops = 1, .address_bits = 64, .dlt = wish->dlt };
	struct soft_driver_params driver = { .max_pages = wish->max_pages };
	char error[ERROR_BYTES] = "";

	for (char *s = settings; s && *s;) {
		char *next = strchr(s, ','), *value;

		if (next)
			*next++ = 0;
		value = strchr(s, '=');
		if (value)
			*value++ = 0;
		if (!soft_setting(&model, s, value)) {
			*usage = true;
			return -1;
		}
		s = next;
	}
	if (same_file(model.pcap, wish->writes) || same_file(model.wire, wish->writes) ||
	    same_file(model.wire, wish->reads) || same_file(model.wire, model.pcap))
		return -1;
	if (soft_nic_open(out, &model, &driver, error)) {
		say("%s", error);
		return -1;
	}
	return 0;
}

int device_open(struct nic **out, const char *spec, const struct device_wish *wish, bool *usage)
{
	char *copy = strdup(spec), *settings;
	int ret = -1;

	*out = NULL;
	*usage = false;
	if (!copy) {
		say("no memory");
		return -1;
	}
	settings = strchr(copy, ':');
	if (settings)
		*settings++ = 0;
	if (!strcmp(copy, "soft")) {
		ret = soft_open(out, settings, wish, usage);
	} else {
		say("there is no device \"%s\"; this build has: soft", copy);
		*usage = true;
	}
	free(copy); /* what had to outlive it has been opened by now */
	return ret;
}
