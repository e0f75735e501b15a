/*
 * devices.c - pagepool devices: list what can be captured from and sent through, by the names that
 * -d accepts.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <jansson.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct list {
	json_t *all;
};

static void add(struct list *l, const char *name, const char *what)
{
	json_array_append_new(l->all, json_pack("{ss ss}", "device", name, "what", what));
}

/* ---- interfaces -------------------------------------------------------------------------- */

/*
 * The kernel is asked, and not /sys, which in a container or after unshare(1) may be that of
 * another network namespace.
 */
static bool ask(int fd, const char *interface, unsigned long what, void *data, struct ifreq *r)
{
	*r = (struct ifreq){ .ifr_data = data };
	snprintf(r->ifr_name, sizeof r->ifr_name, "%s", interface);
	return !ioctl(fd, what, r);
}

static unsigned count_queues(int fd, const char *interface)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq r;

	return ask(fd, interface, SIOCETHTOOL, &c, &r) ? c.rx_count + c.combined_count : 1;
}

static const char *state(int fd, const char *interface)
{
	struct ifreq r;

	if (!ask(fd, interface, SIOCGIFFLAGS, NULL, &r) || !(r.ifr_flags & IFF_UP))
		return "down";
	return r.ifr_flags & IFF_RUNNING ? "up" : "no carrier";
}

static void add_interface(struct list *l, int fd, const char *interface)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	unsigned queues = count_queues(fd, interface);
	char name[40], what[200];
	struct ifreq r;
	int mtu;

	/* other link types have no frames that AF_XDP could take */
	if (!ask(fd, interface, SIOCGIFHWADDR, NULL, &r) || r.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return;
	mtu = ask(fd, interface, SIOCGIFMTU, NULL, &r) ? r.ifr_mtu : 0;
	if (!ask(fd, interface, SIOCETHTOOL, &driver, &r))
		driver.driver[0] = 0;
	snprintf(name, sizeof name, "xdp:%s", interface);
	snprintf(what, sizeof what, "%s, MTU %d, %u queue%s%s%.32s", state(fd, interface), mtu,
		 queues, queues == 1 ? "" : "s", *driver.driver ? ", driver " : "", driver.driver);
	add(l, name, what);
}

static void add_interfaces(struct list *l)
{
	struct if_nameindex *all = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (const struct if_nameindex *i = all; fd >= 0 && i && i->if_index; i++)
		add_interface(l, fd, i->if_name);
	if (fd >= 0)
		close(fd);
	if (all)
		if_freenameindex(all);
}

/* ---- PCI devices ------------------------------------------------------------------------- */

/* Those that libpagepool-net has a driver for. */
static bool has_driver(const char *vendor, const char *device)
{
	if (!strcmp(vendor, "0x1af4"))
		return !strcmp(device, "0x1041") || !strcmp(device, "0x1000");
	return !strcmp(vendor, "0x8086") && !strcmp(device, "0x10d3");
}

static bool add_pci(const char *address, void *ctx)
{
	char path[PCI_PATH], vendor[16] = "?", device[16] = "?", driver[64] = "", name[80],
			     what[200];

	if (!pci_link(driver, sizeof driver, address, "driver") || strcmp(driver, "vfio-pci"))
		return true;
	pci_path(path, address, "vendor");
	file_line(vendor, sizeof vendor, path);
	pci_path(path, address, "device");
	file_line(device, sizeof device, path);
	snprintf(name, sizeof name, "vfio:%.60s", address);
	snprintf(what, sizeof what, "%s:%s, bound to vfio-pci%s", vendor + 2, device + 2,
		 has_driver(vendor, device) ? "" : "; pagepool has no driver for it");
	add(ctx, name, what);
	return true;
}

int devices_main(int argc, char **argv)
{
	struct list l = { .all = json_array() };
	bool json = false;
	const struct option_def defs[] = {
		{ "json", 0, NULL, "print it as a JSON array", OPTION_FLAG, &json },
		{ 0 },
	};
	json_t *one;
	size_t i;

	if (options_parse(argc, argv, "devices", "List the devices that -d takes.", defs)) {
		json_decref(l.all);
		return EXIT_USAGE;
	}
	add(&l, "soft", "in software: packets from a file (soft:pcap=FILE)");
	if (strstr(pp_net_kinds(), "xdp:"))
		add_interfaces(&l);
	dir_each("/sys/bus/pci/devices", add_pci, &l);
	if (json) {
		json_dumpf(l.all, stdout, 0);
		putchar('\n');
	} else {
		json_array_foreach(l.all, i, one)
			printf("%-24s %s\n", json_string_value(json_object_get(one, "device")),
			       json_string_value(json_object_get(one, "what")));
	}
	json_decref(l.all);
	return EXIT_OK;
}
