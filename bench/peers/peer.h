/*
 * peer.h - what most peers have in common: plain threads, and no batches of their own.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef PEER_H
#define PEER_H

#include "../bench.h"

static inline void peer_start_plain(unsigned i, void *(*fn)(void *), void *arg, bool join)
{
	static pthread_t thread[16];

	if (join)
		pthread_join(thread[i], NULL);
	else if (pthread_create(&thread[i], NULL, fn, arg))
		fail("pthread_create");
}

#ifndef PEER_OWN_THREADS
static inline void peer_start(unsigned i, void *(*fn)(void *), void *arg, bool plain)
{
	(void)plain;
	peer_start_plain(i, fn, arg, false);
}

static inline void peer_join(unsigned i)
{
	peer_start_plain(i, NULL, NULL, true);
}
#endif

#endif
