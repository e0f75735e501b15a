/*
 * deleted.c - stands in front of a call of libbpf, by LD_PRELOAD: the interface $PP_DELETED is
 * deleted when for the $PP_AT-th time somebody asks what became of a link, just before the answer.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int bpf_obj_get_info_by_fd(int fd, void *info, uint32_t *len);

int bpf_obj_get_info_by_fd(int fd, void *info, uint32_t *len)
{
	int (*real)(int, void *, uint32_t *);
	static int asked;
	char command[100];

	*(void **)&real = dlsym(RTLD_NEXT, "bpf_obj_get_info_by_fd");
	if (++asked == atoi(getenv("PP_AT"))) {
		unsetenv("LD_PRELOAD");
		snprintf(command, sizeof command, "ip link del %s", getenv("PP_DELETED"));
		if (system(command))
			_exit(99);
	}
	return real(fd, info, len);
}
