/*
 * pci.c - what sysfs says of PCI devices, and the routing tables of their interfaces.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void pci_path(char path[PCI_PATH], const char *address, const char *name)
{
	snprintf(path, PCI_PATH, "/sys/bus/pci/devices/%s/%s", address, name);
}

bool pci_exists(const char *address)
{
	char path[PCI_PATH];

	pci_path(path, address, "");
	return !access(path, F_OK);
}

bool link_name(char *name, size_t size, const char *path)
{
	char target[PATH_MAX];
	const char *base;
	ssize_t n;

	n = readlink(path, target, sizeof target - 1);
	if (n <= 0)
		return false;
	target[n] = 0;
	base = strrchr(target, '/');
	snprintf(name, size, "%s", base ? base + 1 : target);
	return true;
}

bool pci_link(char *name, size_t size, const char *address, const char *link)
{
	char path[PCI_PATH];

	pci_path(path, address, link);
	return link_name(name, size, path);
}

bool file_line(char *line, size_t size, const char *path)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, (int)size, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, "\n")] = 0;
	return ok;
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

void dir_each(const char *path, bool (*fn)(const char *name, void *ctx), void *ctx)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	bool more = true;

	while (dir && more && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			more = fn(e->d_name, ctx);
	if (dir)
		closedir(dir);
}

/* ---- default routes --------------------------------------------------------------------- */

/* proc_net_route(5): interface, destination, gateway, flags, 3 numbers, mask. */
static bool route4_is_default(const char *line, const char *interface)
{
	char name[32];
	unsigned long to, mask;

	return sscanf(line, "%31s %lx %*x %*x %*d %*d %*d %lx", name, &to, &mask) == 3 && !to &&
	       !mask && !strcmp(name, interface);
}

/* Destination, its prefix, source, its prefix, next hop, 4 numbers, interface. */
static bool route6_is_default(const char *line, const char *interface)
{
	char to[33], name[32];
	unsigned prefix;

	return sscanf(line, "%32s %x %*s %*x %*s %*x %*x %*x %*x %31s", to, &prefix, name) == 3 &&
	       !prefix && strspn(to, "0") == 32 && !strcmp(name, interface);
}

static bool has_route(const char *path, const char *interface,
		      bool (*is_default)(const char *line, const char *interface))
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f))
		found = is_default(line, interface);
	if (f)
		fclose(f);
	return found;
}

struct search {
	char device[PATH_MAX]; /* where the PCI device really is in /sys */
	char name[32];         /* the interface with the route */
	unsigned depth;
	bool found;
};

static bool search_interface(struct search *s, const char *interface);

static bool search_upper(const char *name, void *ctx)
{
	return strncmp(name, "upper_", 6) || !search_interface(ctx, name + 6);
}

/* The interface itself, and what is on top of it: VLANs, bridges, bonds. */
static bool search_interface(struct search *s, const char *interface)
{
	char path[PCI_PATH];

	if (has_route("/proc/net/route", interface, route4_is_default) ||
	    has_route("/proc/net/ipv6_route", interface, route6_is_default)) {
		snprintf(s->name, sizeof s->name, "%s", interface);
		s->found = true;
	} else if (s->depth < 8) {
		s->depth++;
		snprintf(path, sizeof path, "/sys/class/net/%s", interface);
		dir_each(path, search_upper, s);
		s->depth--;
	}
	return s->found;
}

static bool search_net(const char *interface, void *ctx)
{
	struct search *s = ctx;
	char path[PCI_PATH], real[PATH_MAX];
	size_t n = strlen(s->device);

	snprintf(path, sizeof path, "/sys/class/net/%s/device", interface);
	if (!realpath(path, real) || strncmp(real, s->device, n) || (real[n] && real[n] != '/'))
		return true;
	return !search_interface(s, interface);
}

bool pci_has_default_route(char *interface, size_t size, const char *address)
{
	struct search s = { .found = false };
	char path[PCI_PATH];

	pci_path(path, address, "");
	if (!realpath(path, s.device))
		return false;
	dir_each("/sys/class/net", search_net, &s);
	snprintf(interface, size, "%s", s.name);
	return s.found;
}
