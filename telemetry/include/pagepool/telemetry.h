/*
 * telemetry.h - a process lets itself be watched: its pools, devices and counters on a Unix
 * socket. A library of its own, libpagepool-telemetry, because it needs jansson, and
 * libpagepool needs nothing.
 *
 * A client sends one request a line and gets one JSON object a line; docs/telemetry.md has
 * the format. One thread serves all clients. It runs only when one of them wants something,
 * looks at the process at most ten times a second however many ask, and never waits for a
 * client.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PAGEPOOL_TELEMETRY_H
#define PAGEPOOL_TELEMETRY_H

#include <pagepool/types.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct pp_telemetry;

/** The member `protocol` of each answer. It changes when a member changes its meaning. */
#define PP_TELEMETRY_PROTOCOL 1

struct pp_telemetry_params {
	size_t size;      /**< of this structure; see PP_PARAMS */
	const char *path; /**< the socket; NULL: where pp_telemetry_find looks */
	const char *name; /**< of the process, for people; NULL: its program's */
};

/**
 * Offer the process on a socket of mode 0600. Any thread; a process needs it once.
 * @param params  NULL: the defaults.
 * @return 0; -EINVAL: no size, or out is NULL; -E2BIG: see PP_PARAMS; -ENAMETOOLONG: a path of more than 107
 *         bytes; -EADDRINUSE: somebody listens there; -ENOTDIR: no folder for sockets that
 *         belongs to this user alone; -ENOMEM, -EMFILE, -EACCES and what else the system
 *         says.
 */
PP_API int pp_telemetry_start(struct pp_telemetry **out, const struct pp_telemetry_params *params);

/**
 * Hang up on all clients and remove the socket. NULL is allowed. In the child of a fork,
 * which has no such thread, it closes what was inherited and leaves the socket to the parent.
 */
PP_API void pp_telemetry_stop(struct pp_telemetry *telemetry);

/** Where the socket is. Any thread, until stop. */
PP_API const char *pp_telemetry_path(const struct pp_telemetry *telemetry);

/**
 * Where the socket of a process would be by default: PID.sock in the folder pagepool of
 * $XDG_RUNTIME_DIR, in /run/user/UID/pagepool, in /run/pagepool (root's), in
 * /tmp/pagepool-UID. UID is the process's user. If $PAGEPOOL_RUNTIME_DIR is set, that folder
 * and no other.
 * @return 0; -EINVAL: no path; -ESRCH: there is no such process; -ENOENT: it offers no socket there;
 *         -ENAMETOOLONG.
 */
PP_API int pp_telemetry_find(char *path, size_t size, pid_t pid);

/**
 * The processes of this user that listen at a socket in these folders. Sockets that processes
 * which have ended left there are removed; pp_telemetry_start does so, too.
 * @return how many there are; the first n are filled in.
 */
PP_API unsigned pp_telemetry_list(pid_t *pid, unsigned n);

#ifdef __cplusplus
}
#endif
#endif
