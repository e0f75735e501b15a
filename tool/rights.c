/*
 * rights.c - see rights.h. libc changes the user for all threads of the process; capabilities
 * belong to a thread, so the other threads have none left, and need none.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "rights.h"

#include "tool.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

static int cant(const struct rights *r)
{
	say("can't become the user %s: %s", r->user, strerror(errno));
	return -1;
}

int rights_find(struct rights *r)
{
	const struct passwd *pw;

	if (!r->user)
		return 0;
	errno = 0;
	pw = getpwnam(r->user);
	if (!pw) {
		say("there is no user %s", r->user);
		return -1;
	}
	if (geteuid()) {
		say("only root can become the user %s: leave out -Z", r->user);
		return -1;
	}
	r->uid = pw->pw_uid;
	r->gid = pw->pw_gid;
	return 0;
}

int rights_borrow(const struct rights *r, bool borrow)
{
	if (!r->user)
		return 0;
	if (borrow)
		return initgroups(r->user, r->gid) || setegid(r->gid) || seteuid(r->uid) ? cant(r) :
											   0;
	return seteuid(0) || setegid(0) || initgroups("root", 0) ? cant(r) : 0;
}

/* Of what this thread has, to drive a device and to put back what was changed on it. */
static int keep_few(void)
{
	static const unsigned kept[] = { CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_BPF };
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct has[2], keeps[2] = { { 0 } };

	if (syscall(SYS_capget, &head, has))
		return -1;
	for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++)
		keeps[kept[i] / 32].permitted |= has[kept[i] / 32].permitted & 1u << kept[i] % 32;
	for (unsigned i = 0; i < 2; i++)
		keeps[i].effective = keeps[i].permitted;
	return (int)syscall(SYS_capset, &head, keeps);
}

int rights_drop(const struct rights *r)
{
	if (!r->user)
		return 0;
	return prctl(PR_SET_KEEPCAPS, 1) || initgroups(r->user, r->gid) ||
			       setresgid(r->gid, r->gid, r->gid) ||
			       setresuid(r->uid, r->uid, r->uid) || keep_few() ?
		       cant(r) :
		       0;
}
