/*
 * holders.c - debug mode `pages`: who holds each page in flight, and since when.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "pool/holders.h"

#include <stdio.h>

#include "env/debug.h"
#include "pool/chunk.h"
#include "pool/owner.h"
#include "pool/reclaim.h"

static struct holder *holder_of(const struct pp_page *page)
{
	const struct pp_chunk *c = page_chunk(page);

	return c->holder ? &c->holder[page_in_chunk(page, c)] : NULL;
}

/* ---- free pages hold a poison: who writes there is found out by the next get ----------- */

#define POISON 0x6B6B6B6B6B6B6B6Bull

static void poison(struct pp_page *page, struct holder *h)
{
	uint64_t *word = pp_page_addr(page);

	for (uint32_t i = 0; i < pp_page_size(page) / 8; i++)
		word[i] = POISON;
	env_store_relaxed(&h->poisoned, 1);
}

static void check_poison(struct pp_page *page, struct holder *h)
{
	const uint64_t *word = pp_page_addr(page);
	uint32_t n = pp_page_size(page) / 8, lo = 0, hi = n;
	char where[256], key[64];
	struct report *r;

	/* in a child of fork the page may not be there */
	if (!env_load_relaxed(&h->poisoned) ||
	    env_load_relaxed(&page_pool(page)->state) == POOL_INHERITED)
		return;
	env_store_relaxed(&h->poisoned, 0);
	while (lo < n && word[lo] == POISON)
		lo++;
	if (lo == n)
		return;
	while (word[hi - 1] == POISON)
		hi--;
	snprintf(key, sizeof key, "freed %p", h->put_caller);
	r = debug_report(
		PP_DEBUG_PAGES, key,
		"pool %s: page %p, DMA address 0x%llx, was written after it was put, by the CPU "
		"or a device: bytes %u to %u of %u",
		page_pool(page)->label, pp_page_addr(page), (unsigned long long)pp_page_iova(page),
		8 * lo, 8 * hi - 1, 8 * n);
	debug_note(r, "  put at %s by thread %d", env_symbol(h->put_caller, where, sizeof where),
		   h->put_thread);
	debug_done(r);
}

void holders_check(struct pp_chunk *c)
{
	for (uint32_t i = 0; c->holder && i < c->n_pages; i++)
		if (env_load_acquire(&c->free_bits[i / 64]) >> i % 64 & 1)
			check_poison(chunk_page(c, i), &c->holder[i]);
}

void holders_check_all(struct pp_pool *pool)
{
	struct chunk_walk walk = chunk_walk(pool);

	for (struct pp_chunk *c; pool->tracked && (c = chunk_walk_next(&walk));)
		holders_check(c);
}

/* ---- get and put ------------------------------------------------------------------------- */

void holders_got(struct pp_page *page, const void *caller)
{
	struct holder *h = holder_of(page);

	check_poison(page, h);
	h->caller = caller;
	h->time_ns = env_now_ns();
	h->thread = env_thread_id();
	env_store_relaxed(&h->tag, NULL);
}

void pp_page_tag(struct pp_page *page, const char *tag)
{
	struct holder *h = page ? holder_of(page) : NULL;

	if (h)
		env_store_relaxed(&h->tag, tag);
}

bool holders_put(struct pp_page *page, const void *caller)
{
	struct holder *h = holder_of(page);

	const struct pp_chunk *c = page_chunk(page);
	uint32_t i = page_in_chunk(page, c);

	if (env_load_acquire(&c->free_bits[i / 64]) >> i % 64 & 1) {
		misuse_double_put(page, caller);
		return false;
	}
	if (!pp_pool_revoked(page_pool(page))) /* a zombie's memory goes back instead */
		poison(page, h);
	env_store_relaxed(&h->put_caller, caller);
	env_store_relaxed(&h->put_thread, env_thread_id());
	return true;
}

void misuse_double_put(const struct pp_page *page, const void *caller)
{
	const struct holder *h = holder_of(page);
	char where[256], key[64];
	struct report *r;

	snprintf(key, sizeof key, "twice %p", caller);
	r = debug_report(PP_DEBUG_PAGES | PP_DEBUG_DMA, key,
			 "pool %s: page %p, DMA address 0x%llx, %u bytes, was put after its last "
			 "reference was gone",
			 page_pool(page)->label, pp_page_addr(page),
			 (unsigned long long)pp_page_iova(page), pp_page_size(page));
	if (h && caller)
		debug_note(r, "  now at %s by thread %d", env_symbol(caller, where, sizeof where),
			   env_thread_id());
	if (h)
		debug_note(r, "  put before at %s by thread %d",
			   env_symbol(env_load_relaxed(&h->put_caller), where, sizeof where),
			   env_load_relaxed(&h->put_thread));
	if (h)
		debug_note(r, "  got at %s by thread %d",
			   env_symbol(h->caller, where, sizeof where), h->thread);
	debug_done(r);
}

void misuse_refs(const struct pp_page *page, const char *what, const void *caller)
{
	char where[256], key[96];
	struct report *r;

	snprintf(key, sizeof key, "%s %p", what, caller);
	r = debug_report(PP_DEBUG_PAGES, key, "pool %s: page %p, DMA address 0x%llx, %u bytes, %s",
			 page_pool(page)->label, pp_page_addr(page),
			 (unsigned long long)pp_page_iova(page), pp_page_size(page), what);
	if (caller)
		debug_note(r, "  at %s by thread %d", env_symbol(caller, where, sizeof where),
			   env_thread_id());
	debug_done(r);
}

void misuse_frag(struct pp_pool *pool, uint32_t len, uint32_t align, const void *caller)
{
	char where[256], key[64];

	snprintf(key, sizeof key, "frag %p", caller);
	debug_done(debug_report(
		PP_DEBUG_PAGES | PP_DEBUG_DMA, key,
		"pool %s: a fragment of %u bytes aligned to %u was asked for, of pages of "
		"%u bytes, at %s",
		pool->label, len, align, pool->page_size, env_symbol(caller, where, sizeof where)));
}

/* ---- who may get ---------------------------------------------------------------------------- */

static void bad_use(const struct pp_pool *pool, const char *what, const void *caller)
{
	char where[256], key[160];

	snprintf(key, sizeof key, "%s %p", what, caller);
	debug_done(debug_report(PP_DEBUG_PAGES, key, "pool %s: %s, at %s by thread %d", pool->label,
				what, env_symbol(caller, where, sizeof where), env_thread_id()));
}

void misuse_getter(const void *caller)
{
	char where[256], key[64];

	snprintf(key, sizeof key, "getter %p", caller);
	debug_done(debug_report(
		PP_DEBUG_PAGES | PP_DEBUG_DMA, key,
		"a getter was used that isn't the calling thread's, at %s by thread %d",
		env_symbol(caller, where, sizeof where), env_thread_id()));
}

bool misuse_handler(struct pp_pool *pool, const char *what, const void *caller)
{
	char text[120];

	if (!env_has_lock()) /* nobody else comes here with one */
		return false;
	snprintf(text, sizeof text,
		 "a page was %s by a signal's handler, in the middle of its thread's "
		 "call of the library",
		 what);
	bad_use(pool, text, caller);
	return true;
}

/* A getter may outlive the pool, and whose it is has been asked. */
int misuse_get(struct pp_pool *pool, const struct pp_anchor *anchor, const void *caller)
{
	if (anchor != pool->anchor)
		return 0;
	if (misuse_destroyed(pool, "a page was asked for", caller))
		return -ENODEV;
	misuse_owner(pool, "a page was asked for", caller);
	return 0;
}

void misuse_owner(struct pp_pool *pool, const char *what, const void *caller)
{
	char text[80];

	if (anchor_is_own(pool_anchor(pool)))
		return;
	snprintf(text, sizeof text, "%s by a thread that isn't the pool's owner", what);
	bad_use(pool, text, caller);
}

/* What pp_pool_each may call on a zombie is no misuse before the zombie has gone too. */
bool misuse_gone(const struct pp_pool *pool, const char *what, const void *caller)
{
	return !env_load_relaxed(&pool->refs) && misuse_destroyed(pool, what, caller);
}

bool misuse_destroyed(const struct pp_pool *pool, const char *what, const void *caller)
{
	char text[80];

	if (!pool->tracked || env_load_relaxed(&pool->state) != POOL_DESTROYED)
		return false;
	snprintf(text, sizeof text, "%s after the pool was destroyed", what);
	bad_use(pool, text, caller);
	return true;
}

/* The last pools of debug mode that have been freed: their use can be told of, not punished. */
#define GRAVES 16u

static struct {
	struct env_lock lock;
	struct pp_pool *pool[GRAVES];
	unsigned n;
} graveyard = { .lock = ENV_LOCK_INIT };

void holders_bury(struct pp_pool *pool)
{
	struct pp_pool *old;

	env_lock(&graveyard.lock);
	old = graveyard.pool[graveyard.n % GRAVES];
	graveyard.pool[graveyard.n++ % GRAVES] = pool;
	env_unlock(&graveyard.lock);
	if (!old)
		return;
	env_lock_destroy(&old->lock);
	env_free(old);
}

static __attribute__((destructor)) void clear_graveyard(void)
{
	for (unsigned i = 0; env_unloads() && i < GRAVES; i++)
		if (graveyard.pool[i])
			env_free(graveyard.pool[i]);
}

/* ---- the dump: pages in flight by holder ------------------------------------------------ */

struct group {
	const void *caller;
	const char *tag;
	uint64_t n, oldest;
	int thread; /* of the oldest */
};

#define GROUPS 64 /* what has more holders than that is summed up in the last one */

struct dump {
	int fd;
	uint64_t total;
};

static void group_add(struct group *group, unsigned *n, const struct holder *h)
{
	const char *tag = env_load_relaxed(&h->tag);
	unsigned i = 0;

	while (i < *n && i < GROUPS - 1 && (group[i].caller != h->caller || group[i].tag != tag))
		i++;
	if (i == *n)
		group[(*n)++] = (struct group){ h->caller, tag, 0, h->time_ns, h->thread };
	group[i].n++;
	if (h->time_ns < group[i].oldest) {
		group[i].oldest = h->time_ns;
		group[i].thread = h->thread;
	}
}

/* By holders, into *n groups; false: somebody waits for a handler that is doing this. */
static bool group_pages(struct pp_pool *pool, struct group *group, unsigned *n, bool handler)
{
	struct chunk_walk walk = chunk_walk(pool);

	for (struct pp_chunk *c; (c = chunk_walk_next(&walk));) {
		if (handler && pool_look_is_waited_for(pool))
			return false;
		for (uint32_t i = 0; i < c->n_pages; i++)
			if (!(env_load_acquire(&c->free_bits[i / 64]) >> i % 64 & 1))
				group_add(group, n, &c->holder[i]);
	}
	return true;
}

/*
 * What follows may run in a signal handler: no stdio, no allocation, and then no waiting for
 * a lock that the interrupted thread may hold.
 */
struct text {
	char buf[400];
	size_t n;
};

static void text_add(struct text *t, const char *s)
{
	while (*s && t->n < sizeof t->buf)
		t->buf[t->n++] = *s++;
}

static void text_number(struct text *t, uint64_t n, unsigned digits)
{
	char buf[24];
	unsigned i = sizeof buf;

	buf[--i] = 0;
	do {
		buf[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n || sizeof buf - 1 - i < digits);
	text_add(t, buf + i);
}

/* What is said of a pool: gathered under its lock, written without. */
struct dumped {
	struct group group[GROUPS];
	unsigned n;
	char label[80];
	bool revoked, busy;
};

static void write_group(int fd, const struct dumped *d, const struct group *g, uint64_t now)
{
	uint64_t ms = (now - g->oldest) / 1000000;
	struct text t = { .n = 0 };

	text_add(&t, "pool ");
	text_add(&t, d->label);
	text_add(&t, d->revoked ? " (revoked): " : ": ");
	text_number(&t, g->n, 1);
	text_add(&t, " pages in flight; the oldest ");
	text_number(&t, ms / 1000, 1);
	text_add(&t, ".");
	text_number(&t, ms % 1000, 3);
	text_add(&t, " s ago by thread ");
	text_number(&t, (uint64_t)g->thread, 1);
	if (g->tag) {
		text_add(&t, ", tagged ");
		text_add(&t, g->tag);
	}
	text_add(&t, "; got at ");
	env_write(fd, t.buf, t.n);
	env_write_symbol(fd, g->caller);
}

static void write_busy(int fd, const char *what)
{
	struct text t = { .n = 0 };

	text_add(&t, what);
	text_add(&t, " is busy: its pages can't be told\n");
	env_write(fd, t.buf, t.n);
}

static bool dump_locked(struct pp_pool *pool, struct dumped *d, bool handler)
{
	if (!group_pages(pool, d->group, &d->n, handler))
		return false;
	memcpy(d->label, pool->label, sizeof d->label);
	d->revoked = pool_is_revoked(pool);
	return true;
}

static void write_dumped(struct dump *dump, const struct dumped *d)
{
	uint64_t now = env_now_ns();

	for (unsigned i = 0; i < d->n; i++) {
		write_group(dump->fd, d, &d->group[i], now);
		dump->total += d->group[i].n;
	}
}

static void dump_pool(struct pp_pool *pool, void *ctx)
{
	struct dumped d;

	if (!pool->tracked)
		return;
	d.n = 0;
	pool_lock(pool);
	dump_locked(pool, &d, false);
	pool_unlock(pool);
	write_dumped(ctx, &d);
}

static void try_dump_pool(struct pp_pool *pool, void *ctx)
{
	struct dumped *d = ctx;

	*d = (struct dumped){ .n = 0 };
	if (!pool->tracked)
		return;
	memcpy(d->label, pool->label, sizeof d->label);
	d->busy = !pool_look_begin(pool);
	if (d->busy)
		return;
	d->busy = !dump_locked(pool, d, true);
	if (d->busy)
		d->n = 0;
	pool_look_end(pool);
}

uint64_t pp_debug_dump_pages(int fd)
{
	struct dump dump = { .fd = fd };

	pools_each(dump_pool, &dump);
	return dump.total;
}

uint64_t pp_debug_dump_pages_signal(int fd)
{
	struct dump dump = { .fd = fd };
	struct dumped d;
	int saved = errno, ret;
	uint64_t id = 0;

	env_handler_begin();
	while ((ret = pools_try_next(&id, try_dump_pool, &d)) > 0) {
		if (d.busy)
			write_busy(fd, d.label);
		write_dumped(&dump, &d);
	}
	if (ret)
		write_busy(fd, "the list of pools");
	env_handler_end();
	errno = saved;
	return dump.total;
}
