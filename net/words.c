/*
 * words.c - parses a device string:
 *
 *   soft[:pcap=FILE][,loop=N][,rate=PPS][,mask=BITS][,incoherent]
 *       [,invalidate=strict|deferred][,rogue][,lies][,gone=N][,wire=FILE]
 *   vfio:ADDRESS[,poll][,rogue][,api=iommufd|container]
 *   xdp:IFNAME[:QUEUE][,frame=2048|4096][,mode=copy|zerocopy|generic]
 *
 * A comma in a file's name is written \, and a backslash \\.
 *
 * Uses the public headers and libc.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "port.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int wrong(char *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, PP_NET_ERROR, format, args);
	va_end(args);
	return -EINVAL;
}

/* A whole number in digits alone, all of the text, from min up; false: it isn't one. */
static bool number(const char *text, uint64_t min, uint64_t *out)
{
	*out = 0;
	if (!text || !*text)
		return false;
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(*out, 10, out) ||
		    __builtin_add_overflow(*out, (uint64_t)(*text - '0'), out))
			return false;
	return *out >= min;
}

/* Cut the text at its first comma, take \, for a comma in it; what is behind, or NULL. */
static char *cut(char *text)
{
	char *to = text;

	for (; *text && *text != ','; text++) {
		if (*text == '\\' && (text[1] == ',' || text[1] == '\\'))
			text++;
		*to++ = *text;
	}
	text = *text ? text + 1 : NULL;
	*to = 0;
	return text;
}

/* Hand each of the settings, "key" or "key=value" with commas between, to one_setting. */
static int settings(char *text, struct port_words *w, char *error,
		    int (*one_setting)(struct port_words *w, const char *key, const char *value,
				       char *error))
{
	int ret = 0;

	while (text && *text && !ret) {
		char *key = text, *value;

		text = cut(text);
		value = strchr(key, '=');
		if (value)
			*value++ = 0;
		ret = one_setting(w, key, value, error);
	}
	return ret;
}

/* ---- soft --------------------------------------------------------------------------------- */

static bool soft_text(struct pp_net_soft_params *p, const char *key, const char *value)
{
	if (!value || !*value)
		return false;
	if (!strcmp(key, "pcap"))
		p->pcap = value;
	else if (!strcmp(key, "wire"))
		p->wire = value;
	else if (!strcmp(key, "invalidate") && !strcmp(value, "strict"))
		p->deferred = false;
	else if (!strcmp(key, "invalidate") && !strcmp(value, "deferred"))
		p->deferred = true;
	else
		return false;
	return true;
}

static bool soft_number(struct pp_net_soft_params *p, const char *key, const char *value)
{
	uint64_t n;

	if (!strcmp(key, "loop") && number(value, 0, &n))
		p->loops = n ? n : UINT64_MAX;
	else if (!strcmp(key, "rate") && number(value, 1, &n))
		p->rate = n;
	else if (!strcmp(key, "gone") && number(value, 1, &n))
		p->gone_after = n;
	else if (!strcmp(key, "mask") && number(value, 32, &n) && n <= 64)
		p->address_bits = (unsigned)n;
	else
		return false;
	return true;
}

static bool soft_flag(struct pp_net_soft_params *p, const char *key, const char *value)
{
	if (value)
		return false;
	if (!strcmp(key, "incoherent"))
		p->incoherent = true;
	else if (!strcmp(key, "rogue"))
		p->rogue = true;
	else if (!strcmp(key, "lies"))
		p->lies = true;
	else
		return false;
	return true;
}

static int soft_setting(struct port_words *w, const char *key, const char *value, char *error)
{
	struct pp_net_soft_params *p = &w->soft;

	if (soft_text(p, key, value) || soft_number(p, key, value) || soft_flag(p, key, value))
		return 0;
	return wrong(
		error,
		"the soft device can't take \"%.150s%s%.150s\"; it takes pcap=FILE, "
		"loop=N, rate=PPS, mask=32..64, incoherent, invalidate=strict|deferred, rogue, "
		"lies, gone=N, wire=FILE (a comma in a name is written \\,)",
		key, value ? "=" : "", value ? value : "");
}

static int soft_words(struct port_words *w, char *text, char *error)
{
	w->kind = PORT_SOFT;
	w->soft = PP_PARAMS(struct pp_net_soft_params);
	return settings(text, w, error, soft_setting);
}

/* ---- vfio --------------------------------------------------------------------------------- */

static int vfio_setting(struct port_words *w, const char *key, const char *value, char *error)
{
	struct pp_net_vfio_params *p = &w->vfio;

	if (!strcmp(key, "poll") && !value)
		p->poll = true;
	else if (!strcmp(key, "rogue") && !value)
		p->rogue = true;
	else if (!strcmp(key, "api") && value && !strcmp(value, "iommufd"))
		p->api = PP_VFIO_IOMMUFD;
	else if (!strcmp(key, "api") && value && !strcmp(value, "container"))
		p->api = PP_VFIO_CONTAINER;
	else
		return wrong(error,
			     "the vfio device can't take \"%.150s%s%.150s\"; it takes poll, "
			     "rogue, api=iommufd|container",
			     key, value ? "=" : "", value ? value : "");
	return 0;
}

static int vfio_words(struct port_words *w, char *text, char *error)
{
	char *rest = text ? cut(text) : NULL, full[PP_VFIO_ADDRESS];

	w->kind = PORT_VFIO;
	w->vfio = PP_PARAMS(struct pp_net_vfio_params);
	if (!text || !pp_vfio_parse_address(full, text))
		return wrong(error, "\"%.150s\" is no PCI address, as in vfio:0000:00:03.0",
			     text ? text : "");
	w->vfio.address = text;
	return settings(rest, w, error, vfio_setting);
}

/* ---- xdp ---------------------------------------------------------------------------------- */

#ifdef HAVE_XDP
static int xdp_setting(struct port_words *w, const char *key, const char *value, char *error)
{
	struct pp_net_xdp_params *p = &w->xdp;
	const char *v = value ? value : "";
	uint64_t n;

	if (!strcmp(key, "frame") && number(v, 2048, &n) && (n == 2048 || n == 4096))
		p->frame = (uint32_t)n;
	else if (!strcmp(key, "mode") && !strcmp(v, "copy"))
		p->copy = true;
	else if (!strcmp(key, "mode") && !strcmp(v, "zerocopy"))
		p->zero_copy = true;
	else if (!strcmp(key, "mode") && !strcmp(v, "generic"))
		p->generic = true;
	else
		return wrong(error,
			     "the xdp device can't take \"%.150s%s%.150s\"; it takes "
			     "frame=2048|4096, mode=copy|zerocopy|generic",
			     key, value ? "=" : "", v);
	return 0;
}

/* IFNAME[:QUEUE] */
static int xdp_interface(struct port_words *w, char *text, char *error)
{
	char *queue = strchr(text, ':');
	uint64_t n;

	if (queue)
		*queue++ = 0;
	if (!*text)
		return wrong(error, "\"xdp:\" has no name of an interface, as xdp:eth0 does");
	w->xdp.ifname = text;
	if (!queue)
		return 0;
	if (!number(queue, 0, &n) || n > INT_MAX)
		return wrong(error, "\"%.150s\" is no number of a queue, as in xdp:%s:0", queue,
			     text);
	w->xdp.first_queue = (unsigned)n;
	w->xdp.queue_count = 1;
	return 0;
}

static int xdp_words(struct port_words *w, char *text, char *error)
{
	static char none[1];
	char *rest = text ? cut(text) : NULL;
	int ret;

	w->kind = PORT_XDP;
	w->xdp = PP_PARAMS(struct pp_net_xdp_params);
	ret = xdp_interface(w, text ? text : none, error);
	return ret ? ret : settings(rest, w, error, xdp_setting);
}
#endif

/* ---- all ---------------------------------------------------------------------------------- */

const char *pp_net_kinds(void)
{
#ifdef HAVE_XDP
	return "soft, vfio:ADDRESS, xdp:IFNAME";
#else
	return "soft, vfio:ADDRESS";
#endif
}

int port_words(struct port_words *w, const char *device, char *error)
{
	char *text;

	w->text = strdup(device);
	if (!w->text)
		return -ENOMEM;
	text = strchr(w->text, ':');
	if (text)
		*text++ = 0;
	if (!strcmp(w->text, "soft"))
		return soft_words(w, text, error);
	if (!strcmp(w->text, "vfio"))
		return vfio_words(w, text, error);
#ifdef HAVE_XDP
	if (!strcmp(w->text, "xdp"))
		return xdp_words(w, text, error);
	if (if_nametoindex(w->text))
		return wrong(error,
			     "there is no kind of device \"%.100s\": the interface is "
			     "xdp:%.100s",
			     w->text, w->text);
#endif
	return wrong(error, "there is no device \"%.150s\"; this build has: %s", w->text,
		     pp_net_kinds());
}
