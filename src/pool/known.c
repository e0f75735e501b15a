/*
 * known.c - what a thread knows of the pools that it puts to: see known.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/known.h"

static struct known none, ended; /* never written */

__thread struct known *known_pools __attribute__((tls_model("initial-exec"))) = &none;

static bool has_room(void)
{
	return known_pools != &none && known_pools != &ended;
}

void known_begin(struct env_thread *thread)
{
	if (known_pools != &none)
		return;
	thread->known = env_zalloc(sizeof *known_pools);
	if (thread->known)
		known_pools = thread->known;
}

void known_end(void)
{
	known_pools = &ended;
}

bool known_has_ended(void)
{
	return known_pools == &ended;
}

void known_add_ring(struct pp_anchor *anchor, struct spsc_ring *spsc)
{
	uint64_t key = PAGE_REFS(1) | env_load_relaxed(&anchor->number);

	if (has_room())
		known_pools->ring[key % KNOWN_RINGS] =
			(struct known_ring){ key, env_load_relaxed(&anchor->epoch), anchor, spsc };
}

void known_add_own(const struct pp_self *self)
{
	if (!has_room())
		return;
	for (struct pp_self *own = known_pools->own; own->owned; own++)
		if (own->owned == self->owned) {
			*own = *self; /* it has two caches there: the later one */
			return;
		}
	known_pools->own[known_pools->next_own] = *self;
	known_pools->next_own = (known_pools->next_own + 1) % KNOWN_OWN;
}

/*
 * Not one by one: an entry may date from an earlier pool with that anchor, and this is done when
 * the thread becomes an owner, or a cache is found closed.
 */
void known_forget(void)
{
	pp_self = (struct pp_self){ 0 };
	for (unsigned i = 0; has_room() && i < KNOWN_RINGS; i++)
		known_pools->ring[i].key = 0;
	for (unsigned i = 0; has_room() && i < KNOWN_OWN; i++)
		known_pools->own[i].owned = 0;
	if (has_room())
		known_pools->next_own = 0;
}
