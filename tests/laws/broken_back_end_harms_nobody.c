/*
 * broken_back_end_harms_nobody.c - Law 13, of back ends that break their contract: each of their
 * functions breaks it at each of its calls in turn, while a pool on two devices grows, is trimmed,
 * unbound and destroyed, and memory is mapped and unmapped. The process survives; memory that the
 * device could still reach is neither handed out again nor freed; what holders wrote is intact. The
 * other device, whose back end is honest, keeps working.
 *
 * Nobody can detect that a back end claims to have done something and hasn't: for invalidate, block
 * and a failed map, only that nothing else breaks is tested.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <limits.h>

enum op { MAP, UNMAP, INVALIDATE, BLOCK, SYNC, STATS, OPS };

enum lie {
	DONE,    /* it does what it is asked, and says otherwise */
	UNDONE,  /* it does nothing */
	IN_PART, /* it does half of it */
};

struct sort {
	const char *words;
	enum op op;
	enum lie lie;
	long long returns; /* of unmap, NONE: what it did */
	unsigned what;     /* of these: */
};

#define TOLD 1u /* it is told in debug mode, and counted */
#define LOST 2u /* the domain is broken by it, at once */
#define EVER 4u /* from that call on it is always so */
#define NEXT 8u /* and so does the next unmap: it does nothing, and returns 4096 */

#define NONE LLONG_MIN

static const struct sort sorts[] = {
	{ "map maps, and returns 1", MAP, DONE, 1, TOLD },
	{ "map doesn't, and returns 4096", MAP, UNDONE, 4096, TOLD },
	{ "map maps, and returns INT_MIN", MAP, DONE, INT_MIN, TOLD },
	{ "map maps half, and returns 1", MAP, IN_PART, 1, TOLD | LOST },
	{ "map maps, and returns 1, and unmap doesn't", MAP, DONE, 1, TOLD | LOST | NEXT },
	{ "map doesn't, and returns 0", MAP, UNDONE, 0, 0 },
	{ "map maps half, and returns 0", MAP, IN_PART, 0, 0 },
	{ "map returns -EAGAIN", MAP, UNDONE, -EAGAIN, EVER },
	{ "map returns -EEXIST", MAP, UNDONE, -EEXIST, EVER },
	{ "map returns -ENODEV", MAP, UNDONE, -ENODEV, EVER },
	{ "map returns -ENOSPC", MAP, UNDONE, -ENOSPC, EVER },
	{ "unmap doesn't, and returns 0", UNMAP, UNDONE, 0, TOLD | LOST },
	{ "unmap doesn't, and returns -EIO", UNMAP, UNDONE, -EIO, TOLD | LOST },
	{ "unmap never does, and returns 0", UNMAP, UNDONE, 0, TOLD | LOST | EVER },
	{ "unmap does, and returns 0", UNMAP, DONE, 0, TOLD | LOST },
	{ "unmap unmaps half, and says so", UNMAP, IN_PART, NONE, TOLD | LOST },
	{ "unmap does, and returns 4096 more", UNMAP, DONE, 4096, TOLD | LOST },
	{ "invalidate doesn't", INVALIDATE, UNDONE, 0, 0 },
	{ "block doesn't", BLOCK, UNDONE, 0, 0 },
	{ "sync returns 7", SYNC, UNDONE, 7, TOLD },
	{ "sync returns INT_MIN", SYNC, DONE, INT_MIN, TOLD },
	{ "sync returns -EIO", SYNC, UNDONE, -EIO, EVER },
	{ "stats fills in all", STATS, UNDONE, 0, 0 },
};

/* What it was told to unmap and didn't: the device can reach it until it is blocked. */
struct reach {
	pp_iova_t iova;
	char *addr;
	size_t len;
};

struct liar {
	struct pp_iommu iommu; /* what the library has; first */
	struct pp_iommu *soft; /* what the device has */
	const struct sort *sort;
	unsigned at; /* the call of that function that it lies at */
	unsigned calls;
	bool lied, next;
	struct reach mapped[256], left[64]; /* by map calls; after a lie */
	unsigned n_mapped, n_left;
};

static struct liar *liar_of(struct pp_iommu *iommu)
{
	return (struct liar *)iommu;
}

/* Is this the call? */
static bool lies(struct liar *l, enum op op)
{
	if (l->sort->op != op || ++l->calls < l->at ||
	    (l->calls > l->at && !(l->sort->what & EVER)))
		return false;
	l->lied = true;
	l->next = l->sort->what & NEXT;
	return true;
}

/* How much of it is done. */
static size_t part_of(const struct liar *l, bool lie, size_t len)
{
	if (!lie || l->sort->lie == DONE)
		return len;
	return l->sort->lie == UNDONE ? 0 : len / 2 & ~(size_t)(PP_BASE_PAGE - 1);
}

static void note(struct liar *l, pp_iova_t iova, char *addr, size_t len)
{
	if (l->n_mapped == 256)
		abort();
	if (len)
		l->mapped[l->n_mapped++] = (struct reach){ iova, addr, len };
}

/* It is there now, whether it was ever touched or not. */
static void leave(struct liar *l, pp_iova_t iova, char *addr, size_t len)
{
	if (l->n_left == 64)
		abort();
	l->left[l->n_left++] = (struct reach){ iova, addr, len };
	for (size_t i = 0; i < len; i += PP_BASE_PAGE)
		*(volatile char *)(addr + i) += 0;
}

/* The device reaches [iova, iova + len) no more; or, if it wasn't unmapped, it still does. */
static void note_unmap(struct liar *l, pp_iova_t iova, size_t len, bool left)
{
	for (unsigned i = 0; i < l->n_mapped; i++) {
		struct reach *m = &l->mapped[i];
		pp_iova_t first = m->iova > iova ? m->iova : iova;
		pp_iova_t end = m->iova + m->len < iova + len ? m->iova + m->len : iova + len;

		if (first >= end)
			continue;
		if (left)
			leave(l, first, m->addr + (first - m->iova), end - first);
		if (first == m->iova && end == m->iova + m->len)
			*m-- = l->mapped[--l->n_mapped], i--;
		else if (first == m->iova) {
			m->addr += end - first;
			m->len -= end - first;
			m->iova = end;
		} else {
			if (end < m->iova + m->len)
				note(l, end, m->addr + (end - m->iova), m->iova + m->len - end);
			m->len = first - m->iova;
		}
	}
}

static int liar_map(struct pp_iommu *iommu, pp_iova_t iova, void *addr, size_t len,
		    size_t page_size, unsigned prot)
{
	struct liar *l = liar_of(iommu);
	bool lie = lies(l, MAP);
	size_t part = part_of(l, lie, len);
	int ret = part ? l->soft->ops->map(l->soft, iova, addr, part, page_size, prot) : 0;

	if (!ret)
		note(l, iova, addr, part);
	return lie ? (int)l->sort->returns : ret;
}

static size_t liar_unmap(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct liar *l = liar_of(iommu);
	bool lie = lies(l, UNMAP), next = l->next;
	size_t part = next ? 0 : part_of(l, lie, len);
	size_t did = part ? l->soft->ops->unmap(l->soft, iova, part) : 0;

	note_unmap(l, iova, part, false);
	note_unmap(l, iova + part, len - part, true);
	l->next = false;
	if (next)
		return 4096;
	if (!lie || l->sort->returns == NONE)
		return did;
	return l->sort->returns > 0 ? did + (size_t)l->sort->returns : (size_t)l->sort->returns;
}

static void liar_invalidate(struct pp_iommu *iommu, pp_iova_t iova, size_t len)
{
	struct liar *l = liar_of(iommu);

	if (!lies(l, INVALIDATE))
		l->soft->ops->invalidate(l->soft, iova, len);
}

static void liar_block(struct pp_iommu *iommu, bool on)
{
	struct liar *l = liar_of(iommu);

	if (!lies(l, BLOCK))
		l->soft->ops->block(l->soft, on);
}

static int liar_sync(struct pp_iommu *iommu, pp_iova_t iova, size_t len, bool for_cpu)
{
	struct liar *l = liar_of(iommu);
	bool lie = lies(l, SYNC);
	int ret =
		lie && l->sort->lie == UNDONE ? 0 : l->soft->ops->sync(l->soft, iova, len, for_cpu);

	return lie ? (int)l->sort->returns : ret;
}

static void liar_stats(struct pp_iommu *iommu, struct pp_domain_stats *out)
{
	struct liar *l = liar_of(iommu);

	if (lies(l, STATS))
		memset(out, 0xff, sizeof *out);
	else
		l->soft->ops->stats(l->soft, out);
}

/* What it had left mapped has tables. */
static void liar_destroy(struct pp_iommu *iommu)
{
	struct liar *l = liar_of(iommu);

	for (unsigned i = 0; i < l->n_left; i++)
		l->soft->ops->unmap(l->soft, l->left[i].iova, l->left[i].len);
	pp_soft_destroy(l->soft);
}

static const struct pp_iommu_ops liar_ops = {
	.kind = "liar",
	.destroy = liar_destroy,
	.map = liar_map,
	.unmap = liar_unmap,
	.invalidate = liar_invalidate,
	.block = liar_block,
	.sync = liar_sync,
	.stats = liar_stats,
};

/* ---- the scenario ------------------------------------------------------------------------- */

static struct liar liar;
static struct soft_device bad, good;
static struct pp_pool *pool;
static struct bunch held;
static char memory[4][8 * PP_BASE_PAGE] __attribute__((aligned(65536)));
static unsigned wrong; /* in all runs of a sort */
static unsigned told;
static char last_report[16384];

static void expect(bool ok, const char *what)
{
	if (!ok && wrong++ < 4)
		printf("# %s, at call %u: not so: %s\n", liar.sort->words, liar.at, what);
}

static void hear(void *ctx, const char *text)
{
	(void)ctx;
	if (!strstr(text, "breaks its contract"))
		return;
	told++;
	snprintf(last_report, sizeof last_report, "%s", text);
}

static bool broken(void)
{
	return soft_device_domain(&bad).bytes_lost;
}

static bool incoherent(void)
{
	return liar.sort->op == SYNC;
}

static void register_both(const struct sort *sort, unsigned at)
{
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);

	memset(&liar, 0, sizeof liar);
	liar.sort = sort;
	liar.at = at;
	soft.incoherent = incoherent();
	soft.deferred = at % 2;
	if (pp_soft_create(&liar.soft, &soft))
		abort();
	liar.iommu = *liar.soft;
	liar.iommu.ops = &liar_ops;
	p.name = "liar0";
	p.iommu = &liar.iommu;
	soft_device_register(&bad, liar.soft, &p);
	soft_device_init(&good, NULL);
}

/* No memory or address that the device might reach is among those. */
static bool apart(const struct bunch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		for (unsigned j = 0; j < liar.n_left; j++) {
			const struct reach *r = &liar.left[j];

			if ((uint64_t)((char *)pp_page_addr(b->page[i]) - r->addr) < r->len ||
			    pp_page_iova(b->page[i]) - r->iova < r->len)
				return false;
		}
	return true;
}

/* Nothing of what the device may reach has gone back to the system. */
static bool resident(void)
{
	for (unsigned i = 0; i < liar.n_left; i++)
		for (size_t at = 0; at < liar.left[i].len; at += PP_BASE_PAGE)
			if (!in_memory(liar.left[i].addr + at))
				return false;
	return true;
}

/* As take, of a pool that may not be able to grow. */
static void take_some(struct bunch *b, struct pp_pool *from, unsigned n)
{
	int got = 1;

	while (b->n < n && got > 0) {
		got = pp_page_get_batch(b->page + b->n, n - b->n, from);
		b->n += got > 0 ? (unsigned)got : 0;
	}
}

static void use_pool(void)
{
	struct pp_pool_params p = small_chunks(16 * KIB);
	unsigned before;

	p.idle_chunks = 2;
	pool = NULL;
	held = (struct bunch){ calloc(64, sizeof *held.page), 0 };
	if (pp_pool_create(&pool, pp_device_binding(bad.dev), &p))
		return;
	take_some(&held, pool, 20);
	fill_all(&held, 1);
	expect(all_different(&held), "no page is out twice");
	pp_pool_attach(pool, pp_device_binding(good.dev));
	before = held.n;
	take_some(&held, pool, 40);
	for (unsigned i = before; i < held.n; i++)
		fill(held.page[i], 1);
	expect(all_different(&held), "no page is out twice after an attach");
	while (held.n > 10) /* all of some chunks, and parts of others */
		pp_page_put(held.page[--held.n]);
	pp_pool_trim(pool, 0);
	expect(all_filled(&held, 1), "pages hold what was written after a trim");
	expect(resident(), "what the device may reach is kept in a trim");
	before = held.n;
	take_some(&held, pool, 50);
	for (unsigned i = before; i < held.n; i++)
		fill(held.page[i], 1);
	expect(all_different(&held), "no page is out twice after a trim");
}

/* The driver's own memory, mapped and unmapped; the device can't reach it then. */
static void use_memory(void)
{
	pp_binding_t b = pp_device_binding(bad.dev);
	pp_iova_t iova[4], ring;
	char byte = 1;
	void *cpu;

	for (unsigned i = 0; i < 4; i++)
		if (pp_dma_map(b, memory[i], sizeof memory[i], PP_DMA_BIDIRECTIONAL, &iova[i]))
			iova[i] = PP_IOVA_NONE;
	if (!pp_dma_alloc_coherent(b, 3 * PP_BASE_PAGE, &cpu, &ring)) {
		memset(cpu, 1, 3 * PP_BASE_PAGE);
		pp_dma_free_coherent(b, 3 * PP_BASE_PAGE, cpu, ring);
	}
	pp_dma_alloc_coherent(b, 3 * PP_BASE_PAGE, &cpu, &ring); /* left for the unbind */
	for (unsigned i = 0; i < 3; i++) {                       /* one is left for the unbind */
		bool was = broken();
		int ret;

		if (iova[i] == PP_IOVA_NONE)
			continue;
		ret = pp_dma_unmap(b, iova[i], sizeof memory[i], PP_DMA_BIDIRECTIONAL);
		expect(ret == 0 || ret == -EIO, "an unmap returns 0 or -EIO");
		expect(ret || was || !broken(), "one that breaks the domain doesn't return 0");
		expect(liar.sort->op == INVALIDATE || liar.sort->op == BLOCK ||
			       pp_soft_write(bad.iommu, iova[i], &byte, 1),
		       "then the device can't write there");
	}
}

/* With pages in flight. */
static void unbind(void)
{
	expect(!pp_device_unbind(bad.dev), "unbound");
	expect(all_filled(&held, 1), "pages in flight hold what was written after an unbind");
	for (unsigned i = 0; i < held.n && liar.sort->op != INVALIDATE && liar.sort->op != BLOCK;
	     i++)
		expect(pp_soft_write(bad.iommu, pp_page_iova(held.page[i]), "x", 1),
		       "the device can't write to pages in flight");
}

/* What is given out now isn't what a device might reach that lied. */
static void give_out(void)
{
	struct pp_pool_params p = small_chunks(16 * KIB);
	struct bunch more = { calloc(300, sizeof *more.page), 0 };
	struct pp_pool *other;

	other = new_pool(pp_device_binding(good.dev), &p);
	take_some(&more, other, 300);
	expect(more.n == 300, "the other device's pools grow");
	expect(apart(&more), "no memory or address is given out that a device may reach");
	fill_all(&more, 2);
	expect(resident(), "nor given back to the system");
	expect(all_filled(&more, 2) && all_filled(&held, 1), "all hold what was written");
	put_all(&more);
	pp_pool_destroy(other);
}

static void begin_anew(void)
{
	int ret = pp_device_bind(bad.dev, &bad.drv);

	expect(ret == (broken() ? -EIO : 0),
	       "a domain that is broken can't be bound again, others can");
	give_out();
}

static void end_all(struct pp_totals before)
{
	struct pp_domain_stats s;
	struct pp_totals now;

	put_all(&held);
	expect(resident(), "nor when the last page is put");
	pp_pool_destroy(pool);
	give_out();
	s = soft_device_domain(&bad);
	expect(!!s.breaches == (liar.lied && ((liar.sort->what & TOLD) || broken())),
	       "it is counted, if it can be seen");
	expect(!s.breaches == !told, "and told in debug mode");
	expect(!broken() || strstr(last_report, "liar0"), "with the device");
	expect(!liar.lied || !(liar.sort->what & LOST) || broken(), "the domain is broken");
	expect(s.mappings == 0 && s.bytes_mapped == 0, "the books are closed");
	soft_device_exit(&bad);
	soft_device_exit(&good);
	now = totals();
	expect(!now.pools && !now.zombies, "no pool is left");
	expect(s.bytes_lost || now.iova_bytes == before.iova_bytes,
	       "no IOVA is lost but what a device may reach");
	expect(s.bytes_lost || now.chunk_bytes == before.chunk_bytes, "nor memory");
}

/* False: it never came to that call. */
static bool lie_once(const struct sort *sort, unsigned at)
{
	struct pp_totals before = totals();
	bool lied;

	told = 0;
	pp_debug_set_report(hear, NULL);
	register_both(sort, at);
	if (pp_device_bind(bad.dev, &bad.drv) || pp_device_bind(good.dev, &good.drv))
		abort();
	use_memory();
	use_pool();
	soft_device_domain(&bad);
	unbind();
	begin_anew();
	lied = liar.lied;
	end_all(before);
	return lied;
}

static void lie_at_each_call(const struct sort *sort)
{
	unsigned at = 1, step = device_step();

	wrong = 0;
	pp_debug_set(PP_DEBUG_DMA);
	while (lie_once(sort, at))
		at += step;
	check(!wrong && at > 1, "%s, at each of %u calls", sort->words, at - 1);
	pp_debug_set(0);
	pp_debug_set_report(NULL, NULL);
}

/* ---- while it is told ------------------------------------------------------------------------ */

static struct pp_page *one;

static void *uses_all(void *arg)
{
	struct pp_pool_stats s;

	(void)arg;
	pp_pool_stats(pool, &s, sizeof s);
	soft_device_domain(&bad);
	if (one)
		pp_page_put(one);
	one = NULL;
	return NULL;
}

static void let_another_work(void *ctx, const char *text)
{
	hear(ctx, text);
	join(start(uses_all, NULL));
}

/* Where a lock is held the test hangs. */
static void others_work_while_it_is_told(void)
{
	static const char *const words[] = { "map maps half, and returns 1",
					     "unmap doesn't, and returns 0" };

	for (unsigned i = 0; i < 2; i++) {
		const struct sort *sort = sorts;
		struct pp_pool_params p = small_chunks(16 * KIB);

		while (strcmp(sort->words, words[i]))
			sort++;
		told = 0;
		pp_debug_set(PP_DEBUG_DMA);
		pp_debug_set_report(let_another_work, NULL);
		register_both(sort, i ? 1 : 2);
		pool = new_pool(soft_device_bind(&bad), &p);
		held = (struct bunch){ calloc(64, sizeof *held.page), 0 };
		require(!pp_page_get(&one, pool), "a page");
		take_some(&held, pool, 40);
		if (i)
			pp_device_unbind(bad.dev);
		check(told && strstr(last_report, "liar0") && strstr(last_report, "0x"),
		      "while it is told that %s, others work", words[i]);
		pp_debug_set(0);
		pp_debug_set_report(NULL, NULL);
		put_all(&held);
		pp_pool_destroy(pool);
		soft_device_exit(&bad);
		soft_device_exit(&good);
	}
}

int main(void)
{
	run(others_work_while_it_is_told);
	for (unsigned i = 0; i < sizeof sorts / sizeof sorts[0]; i++)
		lie_at_each_call(&sorts[i]);
	return tap_end();
}
