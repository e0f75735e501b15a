/*
 * telemetry.h - exports a process's pools, devices and counters on a Unix socket. A separate
 * library, libpagepool-telemetry, because it depends on jansson while libpagepool has no
 * dependencies.
 *
 * A client sends one request per line and gets one JSON object per line; docs/telemetry.md has the
 * format. One thread serves all clients. It runs only on request, takes at most ten snapshots a
 * second however many clients ask, and never waits for a client.
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

/** The member `protocol` of each answer. Incremented when a member changes its meaning. */
#define PP_TELEMETRY_PROTOCOL 1

struct pp_telemetry_params {
	size_t size;      /**< of this structure; see PP_PARAMS */
	const char *path; /**< the socket; NULL: where pp_telemetry_find looks */
	const char *name; /**< the process's name to display; NULL: that of its program */
};

/**
 * Start serving on a socket of mode 0600. Any thread; once per process is enough.
 * @param params  NULL: the defaults.
 * @return 0; -EINVAL: no size, or out is NULL; -E2BIG: see PP_PARAMS; -ENAMETOOLONG: the path is
 *         longer than 107 bytes; -EADDRINUSE: another process listens there; -ENOTDIR: no socket
 *         directory that belongs to this user alone; -ENOMEM, -EMFILE, -EACCES or another error of
 *         the system.
 */
PP_API int pp_telemetry_start(struct pp_telemetry **out, const struct pp_telemetry_params *params);

/**
 * Disconnect all clients and remove the socket. NULL is allowed. In a child of fork, which doesn't
 * have the thread, it closes the inherited descriptors and leaves the socket to the parent.
 */
PP_API void pp_telemetry_stop(struct pp_telemetry *telemetry);

/** The path of the socket. Any thread, until stop. */
PP_API const char *pp_telemetry_path(const struct pp_telemetry *telemetry);

/**
 * The default socket of a process: PID.sock in the directory pagepool of $XDG_RUNTIME_DIR, in
 * /run/user/UID/pagepool, /run/pagepool (root) or /tmp/pagepool-UID; UID is the process's user. If
 * $PAGEPOOL_RUNTIME_DIR is set, only that directory is searched.
 * @return 0; -EINVAL: no path; -ESRCH: no such process; -ENOENT: it has no socket there;
 *         -ENAMETOOLONG.
 */
PP_API int pp_telemetry_find(char *path, size_t size, pid_t pid);

/**
 * List this user's processes that listen on a socket in these directories. Stale sockets of
 * processes that have ended are removed, as by pp_telemetry_start.
 * @return the number of processes; the first n are filled in.
 */
PP_API unsigned pp_telemetry_list(pid_t *pid, unsigned n);

#ifdef __cplusplus
}
#endif
#endif
