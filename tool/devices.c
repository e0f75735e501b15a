/*
 * devices.c - pagepool devices: what there is to capture from and send through, by the names that
 * -d takes.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <jansson.h>
#include <string.h>

struct list {
	json_t *all;
};

static void add(struct list *l, const char *name, const char *what)
{
	json_array_append_new(l->all, json_pack("{ss ss}", "device", name, "what", what));
}

/* ---- interfaces -------------------------------------------------------------------------- */

static bool count_queue(const char *name, void *ctx)
{
	*(unsigned *)ctx += !strncmp(name, "rx-", 3);
	return true;
}

static const char *net_line(const char *interface, const char *file, char *line, size_t size)
{
	char path[PCI_PATH];

	snprintf(path, sizeof path, "/sys/class/net/%.100s/%s", interface, file);
	if (!file_line(line, size, path))
		snprintf(line, size, "?");
	return line;
}

static bool add_interface(const char *interface, void *ctx)
{
	char name[80], what[200], path[PCI_PATH], state[40], mtu[40], driver[64] = "", type[16];
	unsigned queues = 0;

	/* other link types have no frames that AF_XDP could take */
	if (strcmp(net_line(interface, "type", type, sizeof type), "1"))
		return true;
	snprintf(path, sizeof path, "/sys/class/net/%.100s/queues", interface);
	dir_each(path, count_queue, &queues);
	snprintf(path, sizeof path, "/sys/class/net/%.100s/device/driver", interface);
	link_name(driver, sizeof driver, path);
	snprintf(name, sizeof name, "xdp:%.60s", interface);
	snprintf(what, sizeof what, "%s, MTU %s, %u queue%s%s%s",
		 net_line(interface, "operstate", state, sizeof state),
		 net_line(interface, "mtu", mtu, sizeof mtu), queues, queues == 1 ? "" : "s",
		 *driver ? ", driver " : "", driver);
	add(ctx, name, what);
	return true;
}

/* ---- PCI devices ------------------------------------------------------------------------------ */

static bool add_pci(const char *address, void *ctx)
{
	char path[PCI_PATH], vendor[16] = "?", device[16] = "?", driver[64] = "", name[80],
			     what[200];
	bool known;

	if (!pci_link(driver, sizeof driver, address, "driver") || strcmp(driver, "vfio-pci"))
		return true;
	pci_path(path, address, "vendor");
	file_line(vendor, sizeof vendor, path);
	pci_path(path, address, "device");
	file_line(device, sizeof device, path);
	known = !strcmp(vendor, "0x8086") && !strcmp(device, "0x10d3");
	snprintf(name, sizeof name, "vfio:%.60s", address);
	snprintf(what, sizeof what, "%s:%s, bound to vfio-pci%s", vendor + 2, device + 2,
		 known ? "" : "; there is no driver for it here");
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
	add(&l, "soft", "in software: packets of a file (soft:pcap=FILE)");
	if (strstr(pp_net_kinds(), "xdp:"))
		dir_each("/sys/class/net", add_interface, &l);
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
