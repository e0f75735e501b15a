/*
 * sysfs.c - what sysfs says of a PCI device: whether it exists, its driver, its group.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool pp_vfio_parse_address(char full[PP_VFIO_ADDRESS], const char *text)
{
	unsigned domain = 0, bus, slot, function;
	char again[PP_VFIO_ADDRESS];
	int end = 0;

	if (!full || !text)
		return false;
	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    text[end]) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || text[end])
			return false;
	}
	if (slot > 31 || function > 7)
		return false;
	snprintf(full, PP_VFIO_ADDRESS, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, slot,
		 function);
	/* scanf takes blanks and signs: an address is spelt in one way only */
	snprintf(again, sizeof again, "%s", strlen(text) == strlen(full) ? full : full + 5);
	return !strcasecmp(again, text);
}

/* The last name of what a link of a device points to; false: there is none, or it doesn't fit. */
static bool link_name(char *name, size_t size, const char *address, const char *link)
{
	char path[VFIO_PATH], target[VFIO_PATH];
	const char *base;
	size_t length;
	ssize_t n;

	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", address, link);
	n = readlink(path, target, sizeof target - 1);
	if (n <= 0)
		return false;
	target[n] = 0;
	base = strrchr(target, '/');
	base = base ? base + 1 : target;
	length = strlen(base);
	if (length >= size)
		return false;
	memcpy(name, base, length + 1);
	return true;
}

bool vfio_device_driver(char *name, size_t size, const char *address)
{
	return link_name(name, size, address, "driver");
}

int vfio_device_look(struct pp_vfio *v, char *error)
{
	char path[VFIO_PATH], name[64];

	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s", v->address);
	if (access(path, F_OK))
		return vfio_say(error, -ENODEV,
				"there is no PCI device %s; lspci lists what there is", v->address);
	if (!link_name(name, sizeof name, v->address, "iommu_group"))
		return vfio_say(error, -ENODEV,
				"no IOMMU translates for %s: switch it on in the firmware and "
				"the kernel (intel_iommu=on); see pagepool doctor",
				v->address);
	v->group = atoi(name);
	if (!vfio_device_driver(name, sizeof name, v->address))
		return vfio_say(error, -ENXIO, "%s is bound to no driver; type: pagepool bind %s",
				v->address, v->address);
	if (!strstr(name, "vfio")) /* there are variants: mlx5_vfio_pci */
		return vfio_say(error, -ENXIO,
				"%s is bound to %s, not to vfio-pci; type: pagepool bind %s",
				v->address, name, v->address);
	return 0;
}

bool vfio_device_file(char path[VFIO_PATH], const struct pp_vfio *v)
{
	bool found = false;
	struct dirent *e;
	DIR *dir;

	snprintf(path, VFIO_PATH, "/sys/bus/pci/devices/%s/vfio-dev", v->address);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		found = !strncmp(e->d_name, "vfio", 4);
		snprintf(path, VFIO_PATH, "/dev/vfio/devices/%.64s", e->d_name);
	}
	if (dir)
		closedir(dir);
	return found && !access(path, F_OK);
}
