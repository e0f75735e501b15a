/*
 * ioas.c - an IOVA space and the record of what is mapped in it: devices that share a
 * space map the same memory at the same address, and the kernel is to hear of it once.
 *
 * Invariant, under the space's lock: the kernel maps exactly the recorded regions.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

#define BUCKETS 64u /* to begin with */

int ioas_get(struct ioas **out, const struct interface *interface, struct ioas *share, char *error)
{
	struct ioas *s;
	int ret;

	*out = NULL;
	if (share) {
		env_lock(&share->lock);
		share->refs++;
		env_unlock(&share->lock);
		*out = share;
		return 0;
	}
	s = env_zalloc(sizeof *s);
	if (s)
		s->bucket = env_zalloc(BUCKETS * sizeof *s->bucket);
	if (!s || !s->bucket) {
		env_free(s);
		return vfio_say(error, -ENOMEM, "no memory");
	}
	s->interface = interface;
	s->n_buckets = BUCKETS;
	s->refs = 1;
	env_lock_init(&s->lock);
	ret = interface->ioas_open(s, error);
	if (ret) {
		env_lock_destroy(&s->lock);
		env_free(s->bucket);
		env_free(s);
		return ret;
	}
	*out = s;
	return 0;
}

void ioas_put(struct ioas *s)
{
	unsigned refs;

	env_lock(&s->lock);
	refs = --s->refs;
	env_unlock(&s->lock);
	if (refs)
		return;
	s->interface->ioas_close(s);
	for (size_t i = 0; i < s->n_buckets; i++) /* of devices that were closed too early */
		while (s->bucket[i]) {
			struct region *r = s->bucket[i];

			s->bucket[i] = r->next;
			env_free(r);
		}
	env_lock_destroy(&s->lock);
	env_free(s->bucket);
	env_free(s);
}

/* ---- the record: a hash by the address that a region begins at ------------------------- */

static struct region **find(struct ioas *s, pp_iova_t iova)
{
	uint64_t h = (iova / PP_BASE_PAGE) * 0x9E3779B97F4A7C15u;
	struct region **p = &s->bucket[h >> 32 & (s->n_buckets - 1)];

	while (*p && (*p)->iova != iova)
		p = &(*p)->next;
	return p;
}

/* Twice the buckets; stays as it is when there is no memory. */
static void grow(struct ioas *s)
{
	struct region **old = s->bucket, **bucket = env_zalloc(2 * s->n_buckets * sizeof *bucket);
	size_t n = s->n_buckets;

	if (!bucket)
		return;
	s->bucket = bucket;
	s->n_buckets = 2 * n;
	for (size_t i = 0; i < n; i++)
		for (struct region *r = old[i], *next; r; r = next) {
			next = r->next;
			r->next = NULL;
			*find(s, r->iova) = r;
		}
	env_free(old);
}

static void forget(struct ioas *s, struct region **p)
{
	struct region *r = *p;

	*p = r->next;
	s->n_regions--;
	env_free(r);
}

/* ---- map, unmap ------------------------------------------------------------------------ */

static int map_locked(struct ioas *s, pp_iova_t iova, void *addr, size_t len, unsigned prot)
{
	struct region **p = find(s, iova), *r = *p;
	int ret;

	if (r) { /* a sharer's: then it has to be the very same */
		if (r->addr != addr || r->len != len || r->prot != prot)
			return -EEXIST;
		r->refs++;
		return 0;
	}
	r = env_zalloc(sizeof *r);
	if (!r)
		return -ENOMEM;
	ret = s->interface->map(s, iova, addr, len, prot);
	if (ret) {
		env_free(r);
		return ret;
	}
	*r = (struct region){ .iova = iova, .addr = addr, .len = len, .prot = prot, .refs = 1 };
	*p = r;
	if (++s->n_regions > s->n_buckets)
		grow(s);
	return 0;
}

int ioas_map(struct ioas *s, pp_iova_t iova, void *addr, size_t len, unsigned prot)
{
	int ret;

	env_lock(&s->lock);
	ret = map_locked(s, iova, addr, len, prot);
	env_unlock(&s->lock);
	return ret;
}

/* Tell the kernel of a run of regions that nobody has any more. False: it did otherwise. */
static bool unmap_run(struct ioas *s, pp_iova_t from, pp_iova_t to)
{
	return from == to || s->interface->unmap(s, from, to - from) == to - from;
}

/*
 * Region by region: neighbours that are nobody's any more are one call to the kernel.
 * Stops short where the record or the kernel disagrees; the library makes sure of that.
 */
static size_t unmap_locked(struct ioas *s, pp_iova_t iova, size_t len)
{
	pp_iova_t at = iova, run = iova; /* [run, at) waits to be unmapped */

	while (at - iova < len) {
		struct region **p = find(s, at);
		size_t n = *p ? (*p)->len : 0;

		if (!n || n > len - (at - iova))
			break;
		if (--(*p)->refs) { /* stays mapped for a sharer */
			if (!unmap_run(s, run, at))
				return run - iova;
			run = at + n;
		} else {
			forget(s, p);
		}
		at += n;
	}
	return unmap_run(s, run, at) ? at - iova : run - iova;
}

size_t ioas_unmap(struct ioas *s, pp_iova_t iova, size_t len)
{
	size_t unmapped;

	env_lock(&s->lock);
	unmapped = unmap_locked(s, iova, len);
	env_unlock(&s->lock);
	return unmapped;
}

/* ---- usable ranges ----------------------------------------------------------------------- */

void vfio_range_add(struct pp_iommu *iommu, uint64_t first, uint64_t last)
{
	struct pp_iova_range *r = iommu->ranges;
	unsigned n = iommu->n_ranges, least = 0;

	first = (first + PP_BASE_PAGE - 1) & ~(uint64_t)(PP_BASE_PAGE - 1);
	last = last == UINT64_MAX ? last : ((last + 1) & ~(uint64_t)(PP_BASE_PAGE - 1)) - 1;
	if (last < first || last - first < PP_BASE_PAGE - 1)
		return;
	if (n == PP_IOMMU_RANGES) { /* the smallest one makes room, or is the new one */
		for (unsigned i = 1; i < n; i++)
			if (r[i].last - r[i].first < r[least].last - r[least].first)
				least = i;
		if (last - first <= r[least].last - r[least].first)
			return;
		memmove(&r[least], &r[least + 1], (n - least - 1) * sizeof *r);
		n--;
	}
	r[n] = (struct pp_iova_range){ first, last };
	iommu->n_ranges = n + 1;
}
