/*
 * errors.c - says what went wrong, and what to do about it.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

#include "env/debug.h"

/* A thread's last failure, for pp_vfio_error. */
struct last {
	const struct pp_vfio *of;
	char text[PP_VFIO_ERROR];
};

/* The calling thread's. NULL: it has had none, and with `make`, there is no memory for one. */
static struct last *last_of_thread(bool make)
{
	struct env_thread *thread = env_thread();

	if (thread && !thread->text && make)
		thread->text = env_zalloc(sizeof(struct last));
	return thread ? thread->text : NULL;
}

/* Where the reason goes for which a map for the device fails; NULL: nowhere. */
static char *failing(const struct pp_vfio *v)
{
	struct last *last = last_of_thread(true);

	if (!last)
		return NULL;
	last->of = v;
	last->text[0] = 0;
	return last->text;
}

int vfio_say(char *error, int ret, const char *format, ...)
{
	va_list args;

	if (!error)
		return ret;
	va_start(args, format);
	vsnprintf(error, PP_VFIO_ERROR, format, args);
	va_end(args);
	return ret;
}

int vfio_invalid(char *error, const char *format, ...)
{
	char text[PP_VFIO_ERROR];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	debug_invalid("pp_vfio_open: %s", text);
	return vfio_say(error, -EINVAL, "%s", text);
}

int vfio_say_open(char *error, const char *path)
{
	int ret = -errno;

	if (ret == -EACCES || ret == -EPERM)
		return vfio_say(error, ret,
				"no permission to open %s: run as root, or make the file the "
				"user's (chown, or a udev rule)",
				path);
	if (ret == -ENOENT)
		return vfio_say(error, ret,
				"there is no %s: load the module (modprobe vfio-pci), or take a "
				"kernel that has it",
				path);
	if (ret == -EBUSY)
		return vfio_say(error, ret, "%s is in use by another program", path);
	return vfio_say(error, ret, "can't open %s: %s", path, strerror(-ret));
}

int vfio_say_busy(char *error, const struct pp_vfio *v)
{
	char path[VFIO_PATH], driver[64];
	struct dirent *e;
	DIR *dir;

	vfio_say(
		error, -EBUSY,
		"%s, or another device of its IOMMU group %d, is in use by a program; in one program "
		"such devices have to share an IOVA space",
		v->address, v->group);
	snprintf(path, sizeof path, "/sys/kernel/iommu_groups/%d/devices", v->group);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && vfio_device_driver(driver, sizeof driver, e->d_name) &&
		    strcmp(driver, "vfio-pci") && strcmp(driver, "pcieport"))
			vfio_say(error, -EBUSY,
				 "%s can't be used: %s, of the same IOMMU group %d, is bound to "
				 "%s; bind it too: pagepool bind %s",
				 v->address, e->d_name, v->group, driver, e->d_name);
	if (dir)
		closedir(dir);
	return -EBUSY;
}

/* The line of a small file, without its end; "?" if it can't be read. */
static const char *file_line(const char *path, char *buf, int size)
{
	FILE *f = fopen(path, "re");

	if (!f || !fgets(buf, size, f))
		strcpy(buf, "?");
	buf[strcspn(buf, "\n")] = 0;
	if (f)
		fclose(f);
	return buf;
}

#define CAP_IPC_LOCK_BIT 14 /* capabilities(7): RLIMIT_MEMLOCK does not count then */

static bool may_lock_all(void)
{
	unsigned long long caps = 0;
	char line[256];
	FILE *f;

	env_cancel_off();
	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	env_cancel_on();
	return caps >> CAP_IPC_LOCK_BIT & 1;
}

uint64_t pp_vfio_locked_limit(void)
{
	struct rlimit limit;

	if (may_lock_all() || getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

static int say_memory(char *error, size_t len)
{
	uint64_t limit = pp_vfio_locked_limit();

	if (limit == UINT64_MAX)
		return vfio_say(error, -ENOMEM, "the kernel had no memory to map %zu KiB",
				len / 1024);
	return vfio_say(error, -ENOMEM,
			"the limit on locked memory (RLIMIT_MEMLOCK, %llu KiB) "
			"does not allow %zu KiB more: raise it with ulimit -l, memlock in "
			"/etc/security/limits.conf or LimitMEMLOCK= of the service",
			(unsigned long long)limit / 1024, len / 1024);
}

int vfio_say_map(const struct pp_vfio *v, size_t len, int ret)
{
	char limit[32], *error;

	if (!ret) {
		struct last *last = last_of_thread(false);

		if (last)
			last->text[0] = 0;
		return 0;
	}
	error = failing(v);
	switch (ret) {
	case -ENOMEM: return say_memory(error, len);
	case -ENOSPC:
		return vfio_say(
			error, ret,
			"the container has no mapping left (dma_entry_limit of "
			"vfio_iommu_type1, %s): write a larger number into "
			"/sys/module/vfio_iommu_type1/parameters/dma_entry_limit before the "
			"device is opened, or use larger chunks",
			file_line("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", limit,
				  sizeof limit));
	case -EFAULT:
		return vfio_say(error, ret,
				"%zu bytes can't be mapped: the memory isn't there, or not "
				"with these rights, or can't be pinned",
				len);
	default:
		return vfio_say(error, ret, "the kernel refused to map %zu bytes: %s", len,
				strerror(-ret));
	}
}

int vfio_say_refused(const struct pp_vfio *v, int ret)
{
	return vfio_say(failing(v), ret,
			"%s could not be let into its IOVA space when it was bound: %s", v->address,
			strerror(-ret));
}

const char *pp_vfio_error(const struct pp_vfio *vfio)
{
	const struct last *last = last_of_thread(false);

	return last && last->of == vfio ? last->text : "";
}
