/*
 * holding.h - what the files held*.c share: searching, counting, and who has a file open.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_HOLDING_H
#define KERNEL_HOLDING_H

#include "held.h"

/* held.c */

/*
 * Repeat a walk until nothing changed during it, a few times at most. What it finds is the
 * holder's.
 */
void held_look(struct held *h, struct walk *w, uint32_t holder, enum place place, walk_fn *fn,
	       kaddr_t from);
/* A holder's place in held.holder; -1: no memory, which is noted. */
int64_t held_add(struct held *h, enum holder_kind kind, kaddr_t object);
/* Drop the last holder if it turned out to hold nothing. */
void held_drop_empty(struct held *h, int64_t holder);
/* "10.0.0.1:80", "[::1]:80"; without a port, the address. */
void held_name_address(char *to, size_t size, int family, const void *address, uint16_t port);

/* held_file.c */

/* Who has a file open: a run of held.owner. */
struct owners {
	size_t first, n;
};
struct files {
	struct peek_file *file;
	size_t n;
	bool no_memory;
};
/* For peek_list. */
void files_note(const struct peek_file *file, void *files);
/* All open files. 0 or a negative errno. */
int held_files(struct held *h, struct walk *w);

/* held_socket.c */

/* A socket that is open. */
void held_socket_file(struct held *h, struct walk *w, kaddr_t socket, struct owners owners);
/* TCP sockets that no process has open. */
void held_alone(struct held *h, struct walk *w);

/* held_kernel.c */

/* The fragments of a network namespace, by its member ipv4.fqdir or ipv6.fqdir. */
void held_fragments(struct held *h, struct walk *w, unsigned net, enum member which);
void held_cpus(struct held *h, struct walk *w);
void held_pools(struct held *h, struct walk *w);

#endif
