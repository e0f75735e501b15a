/*
 * binding.c - the slots of bindings. See binding.h.
 *
 * A name is (slot << 48 | generation). Generations of a slot only grow, over all the
 * devices that have it, so no name is ever used twice. Each is an address that this copy of the
 * library has reserved, so no other copy in the process has the same names; with 32-bit addresses
 * there are 2^16 generations to each.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "device/binding.h"

#include "env/debug.h"

#ifndef SLOT_BITS /* tests/explore has fewer */
#define SLOT_BITS 16
#endif
#define SLOTS (1u << SLOT_BITS)
#define GENERATION_BITS 48
#define GENERATIONS (1ull << 24) /* of each slot */
#define ADDRESS_SHIFT (sizeof(void *) == 8 ? 0 : 16)

static struct {
	struct env_lock lock;        /* protects all but the loads of `slot` */
	struct binding *slot[SLOTS]; /* stored with release once, never cleared */
	unsigned n;
	struct list free;
	void *names; /* the addresses; constant once there is a slot */
} slots = { .lock = ENV_LOCK_INIT, .free = { &slots.free, &slots.free } };

static struct binding *slot_new(void)
{
	struct binding *b;

	if (!slots.names)
		slots.names = env_addresses(GENERATIONS >> ADDRESS_SHIFT);
	if (!slots.names || slots.n == SLOTS)
		return NULL;
	b = env_zalloc(sizeof *b);
	if (!b)
		return NULL;
	b->generation = (uint64_t)(uintptr_t)slots.names << ADDRESS_SHIFT;
	env_lock_init(&b->lock);
	list_init(&b->link);
	list_init(&b->clients);
	b->slot = slots.n++;
	env_store_release(&slots.slot[b->slot], b); /* pairs with slot_of */
	return b;
}

/* A name may be looked up until the library goes. */
static __attribute__((destructor)) void free_slots(void)
{
	while (env_unloads() && !list_empty(&slots.free)) {
		struct binding *b = list_entry(slots.free.next, struct binding, link);

		list_del(&b->link);
		env_lock_destroy(&b->lock);
		env_free(b);
	}
	if (env_unloads() && slots.names)
		env_unmap(slots.names, GENERATIONS >> ADDRESS_SHIFT);
}

static bool used_up(const struct binding *b)
{
	return b->generation % GENERATIONS == GENERATIONS - 1;
}

int binding_slot_get(struct binding **out, struct pp_device *dev, struct pp_iommu *iommu,
		     unsigned device_bits)
{
	struct binding *b;

	env_lock(&slots.lock);
	if (list_empty(&slots.free)) {
		b = slot_new();
	} else {
		b = list_entry(slots.free.next, struct binding, link);
		list_del(&b->link);
	}
	env_unlock(&slots.lock);
	*out = b;
	if (!b)
		return -ENOMEM;
	env_lock(&b->lock);
	domain_init(&b->domain, iommu);
	b->dev = dev;
	b->device_bits = device_bits;
	b->first = b->generation + 1;
	b->stats = (struct pp_device_stats){ 0 };
	env_store_relaxed(&b->late, 0);
	b->gone = false;
	domain_block(&b->domain, true);
	env_unlock(&b->lock);
	return 0;
}

void binding_slot_put(struct binding *b)
{
	env_lock(&b->lock);
	b->dev = NULL;
	env_unlock(&b->lock);
	env_lock(&slots.lock);
	if (!used_up(b))
		list_add(&b->link, &slots.free);
	env_unlock(&slots.lock);
}

static struct binding *slot_of(pp_binding_t name)
{
	uint64_t i = name.id >> GENERATION_BITS;

	return name.id && i < SLOTS ? env_load_acquire(&slots.slot[i]) : NULL;
}

static uint64_t generation_of(pp_binding_t name)
{
	return name.id & ((1ull << GENERATION_BITS) - 1);
}

/* Under the lock: it is or was a binding of the device that has the slot now. */
static bool is_its(const struct binding *b, pp_binding_t name)
{
	return generation_of(name) >= b->first && generation_of(name) <= b->generation;
}

/* Count a late call to the device whose binding it was, if that device is still there. */
static void refuse(struct binding *b, pp_binding_t name)
{
	if (is_its(b, name))
		env_add_relaxed(&b->late, 1);
}

struct binding *binding_peek(pp_binding_t name)
{
	struct binding *b = slot_of(name);

	return env_likely(b && env_load_acquire(&b->id) == name.id) ? b : NULL;
}

int binding_enter(struct binding **out, pp_binding_t name, bool fresh)
{
	struct binding *b = slot_of(name);

	*out = NULL;
	if (!b)
		return -ENODEV;
	env_lock(&b->lock);
	if (b->id == name.id && (b->open || !fresh)) {
		*out = b;
		return 0;
	}
	refuse(b, name);
	env_unlock(&b->lock);
	return -ENODEV;
}

bool binding_blames(pp_binding_t name)
{
	struct binding *b = slot_of(name);
	bool blamed;

	if (!b)
		return true;
	env_lock(&b->lock);
	if (b->id == name.id)
		blamed = device_is_calling(b->dev);
	else
		blamed = generation_of(name) != b->generation || b->told == b->generation;
	env_unlock(&b->lock);
	return blamed;
}

const char *binding_device_name(pp_binding_t name, char *buf, size_t size)
{
	struct binding *b = slot_of(name);

	strncpy(buf, "one that is no more", size);
	if (!b)
		return buf;
	env_lock(&b->lock);
	if (b->dev && is_its(b, name))
		strncpy(buf, pp_device_name(b->dev), size);
	env_unlock(&b->lock);
	buf[size - 1] = 0;
	return buf;
}

void binding_each(void (*fn)(struct binding *b, void *ctx), void *ctx)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct binding *b = env_load_acquire(&slots.slot[i]);

		if (!b)
			return; /* slots are taken in order */
		env_lock(&b->lock);
		if (b->id)
			fn(b, ctx);
		env_unlock(&b->lock);
	}
}

void binding_leave(struct binding *b)
{
	env_unlock(&b->lock);
}

bool pp_binding_alive(pp_binding_t name)
{
	struct binding *b = slot_of(name);

	return b && env_load_acquire(&b->id) == name.id;
}

static pp_binding_t newest_name(const struct binding *b)
{
	return (pp_binding_t){ (uint64_t)b->slot << GENERATION_BITS | b->generation };
}

/* Under the lock. */
static void begin(struct binding *b)
{
	b->generation++;
	b->open = true;
	b->surprised = false;
	b->mask_bits = 32;
	env_store_relaxed(&b->slow_sync, b->domain.iommu->incoherent || debug_on(PP_DEBUG_DMA));
	b->stats.in_flight_at_unbind = 0;
	b->stats.bindings++;
	domain_block(&b->domain, false);
	env_store_release(&b->id, newest_name(b).id);
}

int binding_begin(struct binding *b, pp_binding_t *out)
{
	int ret;

	env_lock(&b->lock);
	ret = b->gone ? -ENODEV : b->domain.broken ? -EIO : used_up(b) ? -EOVERFLOW : 0;
	if (!ret)
		begin(b);
	*out = ret ? pp_binding_none() : newest_name(b);
	env_unlock(&b->lock);
	return ret;
}

bool binding_close(struct binding *b, pp_binding_t *out)
{
	bool gone;

	env_lock(&b->lock);
	gone = b->gone;
	b->open = false;
	*out = newest_name(b);
	env_unlock(&b->lock);
	return !gone;
}

bool binding_is_gone(struct binding *b)
{
	bool gone;

	env_lock(&b->lock);
	gone = b->gone;
	env_unlock(&b->lock);
	return gone;
}

void binding_revoke(struct binding *b)
{
	env_lock(&b->lock);
	b->open = false;
	env_store_release(&b->id, 0);
	if (!b->surprised) /* its driver was asked to stop, and has */
		b->told = b->generation;
	while (!list_empty(&b->clients)) {
		struct binding_client *c = list_entry(b->clients.next, struct binding_client, link);

		list_del(&c->link);
		b->stats.pools--;
		c->ops->hold(c);
		env_unlock(&b->lock);
		c->ops->revoke(c);
		env_lock(&b->lock);
	}
	if (b->dma_revoke)
		b->dma_revoke(b);
	domain_flush(&b->domain); /* what trimming had left pending */
	env_unlock(&b->lock);
}

/* Under the lock. */
static void end(struct binding *b)
{
	b->surprised |= b->id != 0; /* it was not revoked before */
	b->open = false;
	env_store_release(&b->id, 0);
	domain_block(&b->domain, true);
}

void binding_end(struct binding *b)
{
	env_lock(&b->lock);
	end(b);
	env_unlock(&b->lock);
}

void binding_gone(struct binding *b)
{
	env_lock(&b->lock);
	b->gone = true;
	end(b);
	env_unlock(&b->lock);
}

void binding_finish(struct binding *b, uint64_t ns)
{
	env_lock(&b->lock);
	b->stats.unbind_ns = ns;
	b->told = b->generation;
	if (b->dma_end)
		b->dma_end(b);
	b->dma = NULL;
	b->dma_revoke = NULL;
	b->dma_end = NULL;
	env_unlock(&b->lock);
}

void binding_add_client(struct binding *b, struct binding_client *client)
{
	list_add_tail(&client->link, &b->clients);
	b->stats.pools++;
}

void binding_del_client(struct binding *b, struct binding_client *client)
{
	if (list_empty(&client->link))
		return; /* its revoke is on the way */
	list_del(&client->link);
	b->stats.pools--;
}

unsigned binding_bits(const struct binding *b)
{
	return b->mask_bits < b->device_bits ? b->mask_bits : b->device_bits;
}
