/*
 * ioas.c - an IOVA space and the record of what is mapped in it: devices that share a space map the
 * same memory at the same address, but the kernel must map it only once.
 *
 * Invariant, under the space's lock: the kernel maps exactly the recorded regions.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "iommu/vfio/vfio.h"

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
	if (!s || hashtab_start(&s->regions)) {
		env_free(s);
		return vfio_say(error, -ENOMEM, "no memory");
	}
	s->interface = interface;
	s->refs = 1;
	env_lock_init(&s->lock);
	ret = interface->ioas_open(s, error);
	if (ret) {
		env_lock_destroy(&s->lock);
		hashtab_end(&s->regions);
		env_free(s);
		return ret;
	}
	*out = s;
	return 0;
}

static void forget(struct ioas *s, struct region *r)
{
	hashtab_del(&s->regions, &r->node);
	env_free(r);
}

void ioas_put(struct ioas *s)
{
	struct hash_node *node;
	unsigned refs;

	env_lock(&s->lock);
	refs = --s->refs;
	env_unlock(&s->lock);
	if (refs)
		return;
	s->interface->ioas_close(s);
	while ((node = hashtab_first(&s->regions))) /* of devices that were closed too early */
		forget(s, env_container_of(node, struct region, node));
	env_lock_destroy(&s->lock);
	hashtab_end(&s->regions);
	env_free(s);
}

/* ---- the record: by the address that a region begins at -------------------------------- */

static struct region *find(struct ioas *s, pp_iova_t iova)
{
	struct hash_node *node = hashtab_find(&s->regions, hash_of(iova));

	return node ? env_container_of(node, struct region, node) : NULL;
}

/* ---- map, unmap ------------------------------------------------------------------------ */

static int map_locked(struct ioas *s, pp_iova_t iova, void *addr, size_t len, unsigned prot)
{
	struct region *r = find(s, iova);
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
	hashtab_add(&s->regions, &r->node, hash_of(iova));
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
		struct region *r = find(s, at);
		size_t n = r ? r->len : 0;

		if (!n || n > len - (at - iova))
			break;
		if (--r->refs) { /* stays mapped for a sharer */
			if (!unmap_run(s, run, at))
				return run - iova;
			run = at + n;
		} else {
			forget(s, r);
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

/* The library has read what it can use, and told it so: see pp_iommu.name. */
static bool is_registered(const struct pp_vfio *v)
{
	return v->iommu.name[0];
}

static size_t smallest_page(const struct pp_iommu *iommu)
{
	return iommu->page_sizes & -iommu->page_sizes;
}

/* What both can use. */
static void intersect(struct pp_iommu *out, const struct pp_iommu *a, const struct pp_iommu *b)
{
	size_t page = smallest_page(a) > smallest_page(b) ? smallest_page(a) : smallest_page(b);

	*out = (struct pp_iommu){ .page_sizes =
					  (a->page_sizes & b->page_sizes & ~(page - 1)) | page };
	for (unsigned i = 0, j = 0; i < a->n_ranges && j < b->n_ranges;) {
		const struct pp_iova_range *x = &a->ranges[i], *y = &b->ranges[j];

		vfio_range_add(out, x->first > y->first ? x->first : y->first,
			       x->last < y->last ? x->last : y->last);
		if (x->last < y->last)
			i++;
		else
			j++;
	}
}

static bool same_limits(const struct pp_iommu *a, const struct pp_iommu *b)
{
	return a->page_sizes == b->page_sizes && a->n_ranges == b->n_ranges &&
	       !memcmp(a->ranges, b->ranges, a->n_ranges * sizeof a->ranges[0]);
}

static void set_limits(struct pp_vfio *v, const struct pp_iommu *limits)
{
	v->iommu.page_sizes = limits->page_sizes;
	v->iommu.n_ranges = limits->n_ranges;
	memcpy(v->iommu.ranges, limits->ranges, sizeof limits->ranges);
}

/* A sharer that is registered and would be left with less than it has; or NULL. */
static struct pp_vfio *narrowed(const struct ioas *s, const struct pp_iommu *limits)
{
	for (struct pp_vfio *p = s->sharers; p; p = p->sharer)
		if (is_registered(p) && !same_limits(&p->iommu, limits))
			return p;
	return NULL;
}

int ioas_join(struct ioas *s, struct pp_vfio *v, char *error)
{
	struct pp_iommu limits = v->iommu;
	const struct pp_vfio *wider;
	int ret = 0;

	env_lock(&s->lock);
	if (s->sharers) /* they have the same ones */
		intersect(&limits, &s->sharers->iommu, &v->iommu);
	wider = narrowed(s, &limits);
	if (!limits.n_ranges) {
		ret = vfio_say(error, -EOPNOTSUPP, "%s can use no IOVA that %s can", v->address,
			       s->sharers ? s->sharers->address : "anyone");
	} else if (wider) {
		ret = vfio_say(
			error, -ERANGE,
			"%s can use fewer IOVAs than %s, which is registered with the space that "
			"they are to share: open both first",
			v->address, wider->address);
	} else {
		v->sharer = s->sharers;
		s->sharers = v;
		for (struct pp_vfio *p = s->sharers; p; p = p->sharer)
			set_limits(p, &limits);
	}
	env_unlock(&s->lock);
	return ret;
}

void ioas_leave(struct ioas *s, struct pp_vfio *v)
{
	struct pp_vfio **p = &s->sharers;

	env_lock(&s->lock);
	while (*p && *p != v)
		p = &(*p)->sharer;
	if (*p)
		*p = v->sharer;
	env_unlock(&s->lock);
}

void vfio_range_add(struct pp_iommu *iommu, uint64_t first, uint64_t last)
{
	struct pp_iova_range *r = iommu->ranges;
	unsigned n = iommu->n_ranges, least = 0;
	uint64_t page = smallest_page(iommu);

	if (page < PP_BASE_PAGE)
		page = PP_BASE_PAGE;
	if (last < first || last < page - 1 || first > UINT64_MAX - (page - 1))
		return;
	first = (first + page - 1) & ~(page - 1);
	last -= (last + 1) & (page - 1);
	if (last < first) /* not one page is whole */
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
