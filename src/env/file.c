/*
 * file.c - env.h for Linux user space: memory that lies in a file, so that other processes can map
 * it as well. May touch the system; knows nothing of the floors above.
 *
 * The files have no name and go with the last process that has one open or mapped. They are sealed:
 * nobody who has such a file can make it smaller, which would let whoever touches the rest die by
 * SIGBUS, or keep the library from making it larger. Only their user may open one anew, by
 * /proc/PID/fd: else a descriptor for reading would be as good as one for writing to everybody.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "env/env.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef MFD_HUGE_SHIFT
#define MFD_HUGE_SHIFT 26
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

static unsigned flags_of(size_t huge_page)
{
	unsigned log2 = huge_page ? (unsigned)__builtin_ctzll(huge_page) : 0;

	return MFD_CLOEXEC | MFD_ALLOW_SEALING | (log2 ? MFD_HUGETLB | log2 << MFD_HUGE_SHIFT : 0);
}

static int create(const char *name, unsigned flags)
{
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(name, flags);
	if (fd >= 0)
		return fd;
	return errno == EMFILE || errno == ENFILE ? -errno : -ENOMEM;
}

int env_file_create(int *out, const char *name, size_t huge_page, uint64_t bytes)
{
	char text[64];
	int fd;

	*out = -1;
	if (env_fault("memfd"))
		return -ENOMEM;
	snprintf(text, sizeof text, "pagepool:%s", name);
	fd = create(text, flags_of(huge_page));
	if (fd < 0)
		return fd;
	if (fchmod(fd, S_IRUSR | S_IWUSR) || ftruncate(fd, (off_t)bytes) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | (bytes ? F_SEAL_GROW : 0) | F_SEAL_SEAL)) {
		env_file_close(fd);
		return -ENOMEM;
	}
	*out = fd;
	return 0;
}

/* It fails, too, if another process has made the file larger than that. */
int env_file_extend(int fd, uint64_t bytes)
{
	struct stat s;

	if (env_fault("ftruncate"))
		return -ENOMEM;
	if (!ftruncate(fd, (off_t)bytes))
		return 0;
	return fstat(fd, &s) || (uint64_t)s.st_size < bytes ? -ENOMEM : 0;
}

int env_file_check(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -EBADF : 0;
}

void env_file_close(int fd)
{
	syscall(SYS_close, fd); /* close(3) is a cancellation point */
}

int env_file_map(void **out, size_t len, size_t align, int fd, uint64_t offset)
{
	int ret = env_reserve(out, len, align);

	if (ret)
		return ret;
	/* no huge pages are promised: env_file_commit finds out whether they are there */
	if (mmap(*out, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 (off_t)offset) != MAP_FAILED)
		return 0;
	env_unmap(*out, len);
	*out = NULL;
	return -ENOMEM;
}

/* What is locked stays where it is told to go; so it is locked again as it comes again. */
static int discard_locked(void *addr, size_t len)
{
	if (munlock(addr, len) || madvise(addr, len, MADV_REMOVE))
		return -errno;
	syscall(SYS_mlock2, addr, len, MLOCK_ONFAULT);
	return 0;
}

int env_file_discard(void *addr, size_t len)
{
	if (!madvise(addr, len, MADV_REMOVE))
		return 0;
	return errno == EINVAL ? discard_locked(addr, len) : -errno;
}
