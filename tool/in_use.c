/*
 * in_use.c - what would be lost if a PCI device were taken from its driver: file systems and swap
 * on its disks, also through partitions, md, LVM and dm; its network interfaces' addresses, routes
 * and whatever is built on them; device files that a process has open. Reads sysfs and procfs.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "tool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEEP 12u   /* devices on top of each other, folders in each other */
#define FILES 256u /* device files of one device that are looked for */

struct look {
	char device[PATH_MAX]; /* where it really is in /sys */
	char *what;            /* what was found, in words: a clause */
	size_t size;
	bool found;
	unsigned depth;
	char *file[FILES]; /* its device files, for the search of who has them open */
	unsigned n_files;
	const char *pid; /* whose descriptors are looked at */
};

static bool find(struct look *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For dir_each: false, as the search is over. */
static bool find(struct look *l, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(l->what, l->size, format, args);
	va_end(args);
	l->found = true;
	return false;
}

/* True if what a path leads to is the device or lies in it. */
static bool is_below(const struct look *l, const char *path)
{
	char real[PATH_MAX];
	size_t n = strlen(l->device);

	return realpath(path, real) && !strncmp(real, l->device, n) && (!real[n] || real[n] == '/');
}

/* ---- disks ------------------------------------------------------------------------------- */

/* The file in /dev: a '!' in the name is a folder's end. */
static void dev_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "/dev/%s", name);
	for (char *c = path; *c; c++)
		if (*c == '!')
			*c = '/';
}

/* mountinfo: 36 35 8:1 / /mnt options ... - ext4 /dev/sda1 options */
static bool is_mounted(struct look *l, const char *name, const char *number, const char *dev)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], numbers[32], where[1024], source[1024];
	const char *rest;

	while (f && !l->found && fgets(line, sizeof line, f)) {
		rest = strstr(line, " - ");
		if (sscanf(line, "%*s %*s %31s %*s %1023s", numbers, where) != 2 || !rest ||
		    sscanf(rest, " - %*s %1023s", source) != 1)
			continue;
		if ((*number && !strcmp(numbers, number)) || !strcmp(source, dev))
			find(l, "its disk %s is mounted on %.200s", name, where);
	}
	if (f)
		fclose(f);
	return l->found;
}

static bool is_swap(struct look *l, const char *name, const char *dev)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[1024], file[512];

	while (f && !l->found && fgets(line, sizeof line, f))
		if (sscanf(line, "%511s", file) == 1 && !strcmp(file, dev))
			find(l, "its disk %s is used for swap", name);
	if (f)
		fclose(f);
	return l->found;
}

/* Whoever has claimed it, in whatever namespace: a mount, md, LVM, a target. */
static bool is_claimed(struct look *l, const char *name, const char *dev)
{
	int fd = open(dev, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == EBUSY)
		find(l, "its disk %s is in use", name);
	if (fd >= 0)
		close(fd);
	return l->found;
}

static bool look_at_disk(const char *name, void *ctx);

/* A holder has to be in use itself to be named; one that isn't holds all the same. */
static bool look_at_holder(const char *name, void *ctx)
{
	struct look *l = ctx;

	if (l->depth < DEEP) {
		l->depth++;
		look_at_disk(name, l);
		l->depth--;
	}
	return l->found ? false : find(l, "%s is built on its disk", name);
}

static bool look_at_disk(const char *name, void *ctx)
{
	struct look *l = ctx;
	char path[PCI_PATH], number[32] = "", dev[PCI_PATH];

	snprintf(path, sizeof path, "/sys/class/block/%.200s/dev", name);
	file_line(number, sizeof number, path);
	dev_path(dev, sizeof dev, name);
	if (is_mounted(l, name, number, dev) || is_swap(l, name, dev))
		return false;
	snprintf(path, sizeof path, "/sys/class/block/%.200s/holders", name);
	dir_each(path, look_at_holder, l);
	return !l->found && !is_claimed(l, name, dev);
}

/* A path of an NVMe disk that has several: it lies elsewhere, beside its controllers. */
struct paths {
	const struct look *look;
	const char *disk;
	bool found;
};

static bool look_at_path(const char *name, void *ctx)
{
	struct paths *p = ctx;
	char path[PCI_PATH];

	snprintf(path, sizeof path, "/sys/class/block/%.100s/device/%.100s", p->disk, name);
	p->found = !strncmp(name, "nvme", 4) && is_below(p->look, path);
	return !p->found;
}

static bool look_at_block(const char *name, void *ctx)
{
	struct look *l = ctx;
	struct paths p = { .look = l, .disk = name };
	char path[PCI_PATH];

	snprintf(path, sizeof path, "/sys/class/block/%.200s", name);
	if (!is_below(l, path)) {
		snprintf(path, sizeof path, "/sys/class/block/%.200s/device", name);
		dir_each(path, look_at_path, &p);
	}
	return !p.found && !is_below(l, path) ? true : look_at_disk(name, l);
}

/* ---- network interfaces -------------------------------------------------------------------- */

static bool is_link_local(const struct sockaddr *a)
{
	const struct sockaddr_in6 *six = (const void *)a;

	return a->sa_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
}

static bool has_address(struct look *l, const char *name)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *a = all; a && !l->found; a = a->ifa_next) {
		int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;

		if (!strcmp(a->ifa_name, name) && (family == AF_INET || family == AF_INET6) &&
		    !is_link_local(a->ifa_addr))
			find(l, "its interface %s has an address", name);
	}
	freeifaddrs(all);
	return l->found;
}

/* proc_net_route(5): the interface is the first field, in the IPv6 table the last. */
static bool has_route(struct look *l, const char *name)
{
	FILE *f = fopen("/proc/net/route", "re");
	char line[256], field[64];

	while (f && !l->found && fgets(line, sizeof line, f))
		if (sscanf(line, "%63s", field) == 1 && !strcmp(field, name))
			find(l, "a route uses its interface %s", name);
	if (f)
		fclose(f);
	f = l->found ? NULL : fopen("/proc/net/ipv6_route", "re");
	while (f && !l->found && fgets(line, sizeof line, f))
		if (sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %63s", field) == 1 &&
		    !strcmp(field, name) && strncmp(line, "fe80", 4) && strncmp(line, "ff", 2))
			find(l, "a route uses its interface %s", name);
	if (f)
		fclose(f);
	return l->found;
}

/* A capture, a DHCP client, a daemon that talks past the stack: packet(7) by interface. */
static bool has_socket(struct look *l, const char *name)
{
	FILE *f = fopen("/proc/net/packet", "re");
	unsigned number, wanted = if_nametoindex(name);
	char line[256];

	while (f && wanted && !l->found && fgets(line, sizeof line, f))
		if (sscanf(line, "%*s %*s %*s %*s %u", &number) == 1 && number == wanted)
			find(l, "a program has a packet socket on its interface %s", name);
	if (f)
		fclose(f);
	return l->found;
}

struct upper {
	struct look *look;
	const char *lower;
};

static bool look_at_interface(struct look *l, const char *name);

static bool look_at_upper(const char *entry, void *ctx)
{
	struct upper *u = ctx;
	struct look *l = u->look;

	if (strncmp(entry, "upper_", 6))
		return true;
	if (l->depth < DEEP) {
		l->depth++;
		look_at_interface(l, entry + 6);
		l->depth--;
	}
	return l->found ? false : find(l, "%s is built on its interface %s", entry + 6, u->lower);
}

/* True if it is in use, or what is on top of it: VLANs, bridges, bonds. */
static bool look_at_interface(struct look *l, const char *name)
{
	struct upper u = { .look = l, .lower = name };
	char path[PCI_PATH];

	if (has_address(l, name) || has_route(l, name))
		return true;
	snprintf(path, sizeof path, "/sys/class/net/%.200s", name);
	dir_each(path, look_at_upper, &u);
	return l->found || has_socket(l, name);
}

static bool look_at_net(const char *name, void *ctx)
{
	struct look *l = ctx;
	char path[PCI_PATH];

	snprintf(path, sizeof path, "/sys/class/net/%.200s/device", name);
	return !is_below(l, path) || !look_at_interface(l, name);
}

/* ---- device files ---------------------------------------------------------------------------- */

static void note_file(struct look *l, const char *folder)
{
	char path[PATH_MAX], line[300];
	FILE *f;

	if (snprintf(path, sizeof path, "%s/uevent", folder) >= (int)sizeof path)
		return;
	f = fopen(path, "re");
	while (f && l->n_files < FILES && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "DEVNAME=", 8) &&
		    asprintf(&l->file[l->n_files], "/dev/%s", line + 8) > 0)
			l->n_files++;
	}
	if (f)
		fclose(f);
}

/* All the device files of what is in a folder of sysfs. */
static void note_files(struct look *l, const char *folder, unsigned depth)
{
	DIR *dir = opendir(folder);
	char path[PATH_MAX];
	struct dirent *e;
	struct stat st;

	note_file(l, folder);
	while (dir && (e = readdir(dir)))
		if (depth < DEEP && e->d_name[0] != '.' &&
		    snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path &&
		    !lstat(path, &st) && S_ISDIR(st.st_mode))
			note_files(l, path, depth + 1);
	if (dir)
		closedir(dir);
}

static bool look_at_descriptor(const char *name, void *ctx)
{
	struct look *l = ctx;
	char path[PCI_PATH], target[PATH_MAX], who[40] = "?";
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%.20s/fd/%.20s", l->pid, name);
	n = readlink(path, target, sizeof target - 1);
	if (n <= 0)
		return true;
	target[n] = 0;
	for (unsigned i = 0; i < l->n_files; i++) {
		if (strcmp(target, l->file[i]))
			continue;
		snprintf(path, sizeof path, "/proc/%.20s/comm", l->pid);
		file_line(who, sizeof who, path);
		return find(l, "process %s (%s) has %s open", l->pid, who, target);
	}
	return true;
}

static bool look_at_process(const char *name, void *ctx)
{
	struct look *l = ctx;
	char path[PCI_PATH];

	if (!isdigit((unsigned char)*name))
		return true;
	l->pid = name;
	snprintf(path, sizeof path, "/proc/%.20s/fd", name);
	dir_each(path, look_at_descriptor, l);
	return !l->found;
}

bool device_in_use(char *what, size_t size, const char *path)
{
	struct look l = { .what = what, .size = size };

	if (!realpath(path, l.device))
		return false;
	dir_each("/sys/class/block", look_at_block, &l);
	if (!l.found)
		dir_each("/sys/class/net", look_at_net, &l);
	if (!l.found) {
		note_files(&l, l.device, 0);
		if (l.n_files)
			dir_each("/proc", look_at_process, &l);
	}
	while (l.n_files)
		free(l.file[--l.n_files]);
	return l.found;
}

bool pci_in_use(char *what, size_t size, const char *address)
{
	char path[PCI_PATH];

	pci_path(path, address, "");
	return device_in_use(what, size, path);
}

bool interface_in_use(char *what, size_t size, const char *name)
{
	struct look l = { .what = what, .size = size };

	return look_at_interface(&l, name);
}
