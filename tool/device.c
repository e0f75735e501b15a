/*
 * device.c - from a device's name on the command line to a NIC.
 *
 *   soft[:pcap=FILE][,loop=N][,rate=PPS][,mask=BITS][,incoherent]
 *       [,invalidate=strict|deferred][,rogue][,lies][,gone=N][,wire=FILE]
 *   vfio:ADDRESS[,poll][,rogue][,api=iommufd|container]
 *   xdp:IFNAME[:QUEUE][,frame=2048|4096][,mode=copy|zerocopy|generic]
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <e1000e/driver.h>
#include <soft/driver.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifdef HAVE_XDP
#include <xdp/driver.h>
#endif

/*
 * Hand each of the settings, "key" or "key=value" with commas between, to one_setting.
 * False: it said what is wrong.
 */
static bool parse_settings(char *settings, void *params,
			   bool (*one_setting)(void *params, const char *key, const char *value))
{
	while (settings && *settings) {
		char *value = strsep(&settings, ","), *key = strsep(&value, "=");

		if (!one_setting(params, key, value))
			return false;
	}
	return true;
}

/* ---- soft ------------------------------------------------------------------------------ */

static bool soft_setting(void *params, const char *key, const char *value)
{
	struct soft_model_params *p = params;
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

	if (!parse_settings(settings, &model, soft_setting)) {
		*usage = true;
		return -1;
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

/* ---- vfio ------------------------------------------------------------------------------ */

struct vfio_settings {
	struct e1000e_params driver;
	enum pp_vfio_api api;
};

static bool vfio_setting(void *params, const char *key, const char *value)
{
	struct vfio_settings *p = params;

	if (!strcmp(key, "poll") && !value) {
		p->driver.poll = true;
	} else if (!strcmp(key, "rogue") && !value) {
		p->driver.rogue = true;
	} else if (!strcmp(key, "api") && value && !strcmp(value, "iommufd")) {
		p->api = PP_VFIO_IOMMUFD;
	} else if (!strcmp(key, "api") && value && !strcmp(value, "container")) {
		p->api = PP_VFIO_CONTAINER;
	} else {
		say("the vfio device can't take \"%s%s%s\"; it takes poll, rogue, "
		    "api=iommufd|container", key, value ? "=" : "", value ? value : "");
		return false;
	}
	return true;
}

/* A driver for what it is. */
static int vfio_drive(struct nic **out, struct pp_vfio *vfio, const struct e1000e_params *params)
{
	char error[E1000E_ERROR];
	uint32_t id;

	if (!e1000e_knows(vfio, &id)) {
		say("%s is a %04x:%04x; the only real NIC with a driver here is Intel's 82574L, 8086:10d3",
		    pp_vfio_address(vfio), id & 0xffff, id >> 16);
		return -1;
	}
	if (!e1000e_nic_open(out, vfio, params, error))
		return 0;
	say("%s", error);
	return -1;
}

static int vfio_open(struct nic **out, char *settings, const struct device_wish *wish, bool *usage)
{
	struct vfio_settings set = { .driver = { .max_pages = wish->max_pages } };
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	char address[PP_VFIO_ADDRESS], error[PP_VFIO_ERROR], *text = strsep(&settings, ",");
	struct pp_vfio *vfio;

	if (!text || !pp_vfio_parse_address(address, text)) {
		say("\"%s\" is no PCI address, as in vfio:0000:00:03.0", text ? text : "");
		*usage = true;
		return -1;
	}
	if (!parse_settings(settings, &set, vfio_setting)) {
		*usage = true;
		return -1;
	}
	if (wish->dlt != NIC_DLT_ETHERNET) {
		say("%s is an Ethernet device: it can't send packets of another link type", address);
		return -1;
	}
	p.address = address;
	p.api = set.api;
	if (pp_vfio_open(&vfio, &p, error)) {
		say("%s", error);
		return -1;
	}
	if (!vfio_drive(out, vfio, &set.driver))
		return 0;
	pp_vfio_close(vfio);
	return -1;
}

/* ---- xdp ------------------------------------------------------------------------------- */

#ifdef HAVE_XDP
#define DEVICES "soft, vfio:ADDRESS, xdp:IFNAME"

static bool xdp_setting(void *params, const char *key, const char *value)
{
	struct xdp_nic_params *p = params;
	const char *v = value ? value : "";
	uint64_t n;

	if (!strcmp(key, "frame") && number_parse(v, 2048, &n) && (n == 2048 || n == 4096)) {
		p->frame = (uint32_t)n;
	} else if (!strcmp(key, "mode") && !strcmp(v, "copy")) {
		p->copy = true;
	} else if (!strcmp(key, "mode") && !strcmp(v, "zerocopy")) {
		p->zero_copy = true;
	} else if (!strcmp(key, "mode") && !strcmp(v, "generic")) {
		p->generic = true;
	} else {
		say("the xdp device can't take \"%s%s%s\"; it takes frame=2048|4096, "
		    "mode=copy|zerocopy|generic", key, value ? "=" : "", v);
		return false;
	}
	return true;
}

/* IFNAME[:QUEUE]. False: said what is wrong. */
static bool xdp_interface(struct xdp_nic_params *p, char *text)
{
	char *queue = text ? text : "";
	uint64_t n = 0;

	p->ifname = strsep(&queue, ":");
	if (!*p->ifname || strlen(p->ifname) >= IF_NAMESIZE) {
		say("\"%s\" is no name of an interface, as in xdp:eth0: they have 1 to %d bytes",
		    p->ifname, IF_NAMESIZE - 1);
		return false;
	}
	if (queue && (!number_parse(queue, 0, &n) || n > INT_MAX)) {
		say("\"%s\" is no number of a queue, as in xdp:%s:0", queue, p->ifname);
		return false;
	}
	p->queue = queue ? (int)n : -1;
	return true;
}

static int xdp_open(struct nic **out, char *settings, const struct device_wish *wish, bool *usage)
{
	struct xdp_nic_params p = {
		.max_pages = wish->max_pages, .keep = wish->hold, .send_only = wish->send_only,
	};
	char error[XDP_ERROR] = "", *interface = strsep(&settings, ",");

	if (!xdp_interface(&p, interface) || !parse_settings(settings, &p, xdp_setting)) {
		*usage = true;
		return -1;
	}
	if (wish->dlt != NIC_DLT_ETHERNET) {
		say("%s has Ethernet frames: it can't send packets of another link type", p.ifname);
		return -1;
	}
	if (!xdp_nic_open(out, &p, error))
		return 0;
	if (!wish->quiet)
		say("%s", error);
	return -1;
}
#else
#define DEVICES "soft, vfio:ADDRESS"
#endif

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
	} else if (!strcmp(copy, "vfio")) {
		ret = vfio_open(out, settings, wish, usage);
#ifdef HAVE_XDP
	} else if (!strcmp(copy, "xdp")) {
		ret = xdp_open(out, settings, wish, usage);
#endif
	} else {
		say("there is no device \"%s\"; this build has: " DEVICES, copy);
		*usage = true;
	}
	free(copy); /* what had to outlive it has been opened by now */
	return ret;
}

void device_bind_failed(struct nic *nic, const char *name, int ret)
{
	const char *why = nic->ops->error(nic);

	if (why && *why)
		say("%s", why);
	else
		say("can't bind the driver of %s: %s%s", name, strerror(-ret),
		    ret == -ENOSYS ? "; the kernel must have membarrier(2)" : "");
}

int device_bind(struct nic *nic, const char *name)
{
	int ret = pp_device_bind(nic->dev, &nic->drv);

	if (!ret)
		return 0;
	device_bind_failed(nic, name, ret);
	return -1;
}
