/*
 * link.h - a network interface of this namespace: set down, and up again as it was. Linux drops an
 * interface's routes, IPv6 addresses and permanent neighbours when it goes down.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef KERNEL_LINK_H
#define KERNEL_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

struct link_state {
	char name[IF_NAMESIZE];
	unsigned index;
	bool down_by_us;
	char *saved; /* the kernel's own messages, one after the other */
	size_t len;
};

/* 1: up, 0: down, or a negative errno: -ENODEV if it has gone. */
int link_is_up(const struct link_state *l);
/* Note what the kernel will forget, and take it down. 0 or a negative errno: nothing was done. */
int link_down(struct link_state *l);
/*
 * Undo link_down: up, with what the kernel forgot. *lost: routes, addresses and neighbours that it
 * didn't take back. 0 or a negative errno: it isn't up.
 */
int link_restore(struct link_state *l, unsigned *lost);
void link_forget(struct link_state *l);

#endif
