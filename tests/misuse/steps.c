/*
 * steps.c - the instructions that the fast paths execute with the checker off: a child makes each
 * call once, with warm caches, and its parent single-steps it. Prints for each call a line with its
 * name and number of instructions, then their addresses in the program, one per line. Exits with 77
 * where that isn't possible.
 *
 * Batches are of 32. `unmapped` is a pool for no device; `elsewhere` is not the owner's thread;
 * `in turn` is a put after one to another pool of the same owner.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "misuse.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#define BATCH 32
#define ENDED 4

extern char __executable_start[];

static char memory[PP_BASE_PAGE] __attribute__((aligned(PP_BASE_PAGE)));
static struct device dev;
static struct pp_pool *pool, *unmapped;
static struct pp_page *batch[256], *findable;

static void *put_elsewhere(void *page)
{
	pp_page_put(page);
	return NULL;
}

static void *own_elsewhere(void *arg)
{
	pp_pool_own(pool);
	return arg;
}

/* What is stepped through: from the first instruction of fn to its return. */
static const struct {
	const char *name;
	void *fn;
} calls[] = {
	{ "pp_page_get", (void *)pp_page_get },
	{ "pp_page_put", (void *)pp_page_put },
	{ "pp_page_get_batch", (void *)pp_page_get_batch },
	{ "pp_page_put_batch", (void *)pp_page_put_batch },
	{ "pp_page_get unmapped", (void *)pp_page_get },
	{ "pp_page_put unmapped", (void *)pp_page_put },
	{ "pp_page_get_batch unmapped", (void *)pp_page_get_batch },
	{ "pp_page_put_batch unmapped", (void *)pp_page_put_batch },
	{ "pp_page_put in turn", (void *)pp_page_put },
	{ "pp_frag_get", (void *)pp_frag_get },
	{ "pp_dma_sync_for_cpu", (void *)pp_dma_sync_at },
	{ "pp_dma_sync_for_device", (void *)pp_dma_sync_at },
	{ "pp_page_put elsewhere", (void *)pp_page_put },
	{ "pp_page_put_batch elsewhere", (void *)pp_page_put_batch },
	{ "pp_page_from_addr", (void *)pp_page_from_addr },
	{ "pp_page_from_iova", (void *)pp_page_from_iova },
};
#define CALLS (sizeof calls / sizeof calls[0])

/* Not inlined. */
static int (*volatile page_get)(struct pp_page **out, struct pp_pool *pool) = pp_page_get;
static void (*volatile page_put)(struct pp_page *page) = pp_page_put;
static int (*volatile frag_get)(struct pp_frag *out, struct pp_pool *pool, uint32_t len,
				uint32_t align) = pp_frag_get;

static void begin(void)
{
	raise(SIGUSR1); /* "step through the next one" */
}

static void by_the_owner(struct pp_pool *from, void (*mark)(void))
{
	need(!page_get(batch, from)); /* the first put after one to another pool is slower */
	page_put(batch[0]);
	mark();
	need(!page_get(batch, from));
	mark();
	page_put(batch[0]);
	mark();
	need(pp_page_get_batch(batch, BATCH, from) == BATCH);
	mark();
	pp_page_put_batch(batch, BATCH);
}

/* Twice everything: the first time fills caches, and stops for nothing. */
static void child(pp_binding_t b, pp_iova_t iova, bool stop)
{
	void (*mark)(void) = stop ? begin : (void (*)(void))getpid;
	struct pp_frag frag;

	by_the_owner(pool, mark);
	by_the_owner(unmapped, mark);
	need(!page_get(batch, pool));
	mark();
	page_put(batch[0]);                   /* the one before it went to the other pool */
	need(!frag_get(&frag, pool, 64, 64)); /* opens the page */
	pp_page_put(frag.page);
	mark();
	need(!frag_get(&frag, pool, 64, 64));
	pp_page_put(frag.page);
	mark();
	need(!pp_dma_sync_for_cpu(b, iova, 1500, PP_DMA_BIDIRECTIONAL));
	mark();
	need(!pp_dma_sync_for_device(b, iova, 1500, PP_DMA_BIDIRECTIONAL));
	need(pp_page_get_batch(batch, BATCH + 1 + ENDED, pool) == BATCH + 1 + ENDED);
	pp_pool_own(pool); /* as in a thread that has put to no pool of its own */
	/* as many threads as there are SPSC rings, which leave them to the next when they end */
	for (unsigned i = 0; i < ENDED; i++)
		elsewhere(put_elsewhere, batch[BATCH + 1 + i]);
	elsewhere(own_elsewhere, NULL);
	page_put(batch[BATCH]); /* finds an SPSC ring */
	mark();
	page_put(batch[0]);
	mark();
	pp_page_put_batch(batch + 1, BATCH - 1);
	pp_pool_own(pool);
	mark();
	need(pp_page_from_addr((char *)pp_page_addr(findable) + 1) == findable);
	mark();
	need(pp_page_from_iova(pp_page_iova(findable) + 1) == findable);
}

/* Let the owner have more pages at hand than any of the calls takes away. */
static void fill(struct pp_pool *p)
{
	unsigned n = sizeof batch / sizeof batch[0];

	for (unsigned i = 0; i < n; i++)
		need(!pp_page_get(batch + i, p));
	pp_page_put_batch(batch, n);
}

/* A pool whose pages can be found: one of them. */
static void get_findable(void)
{
	struct pp_pool_params p = pp_pool_defaults();
	struct pp_pool *found;

	p.find = PP_FIND_ADDR | PP_FIND_IOVA;
	need(!pp_pool_create(&found, pp_binding_none(), &p));
	need(!pp_page_get(&findable, found));
}

static void run_child(void)
{
	pp_binding_t b;
	pp_iova_t iova;

	pp_debug_set(0);
	get_findable();
	b = device_start(&dev, "soft0", false);
	pool = pool_new(b, "rx", PP_DMA_BIDIRECTIONAL);
	unmapped = pool_new(pp_binding_none(), "unmapped", PP_DMA_BIDIRECTIONAL);
	need(!pp_dma_map(b, memory, 1500, PP_DMA_BIDIRECTIONAL, &iova));
	fill(pool);
	fill(unmapped);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	child(b, iova, false);
	child(b, iova, true);
	_exit(0);
}

static unsigned long ip(pid_t pid, unsigned long *sp)
{
	struct user_regs_struct regs;

	need(!ptrace(PTRACE_GETREGS, pid, NULL, &regs));
	*sp = regs.rsp;
	return regs.rip;
}

static void step(pid_t pid)
{
	int status;

	need(!ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL));
	need(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	need(WSTOPSIG(status) == SIGTRAP);
}

/* The child is about to make the call. */
static void follow(pid_t pid, const char *name, void *fn)
{
	static unsigned long at[100000];
	unsigned long sp, back, now;
	unsigned n = 0;

	while (ip(pid, &sp) != (unsigned long)fn)
		step(pid);
	back = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, (void *)sp, NULL);
	while ((now = ip(pid, &sp)) != back) {
		need(n < sizeof at / sizeof at[0]);
		at[n++] = now;
		step(pid);
	}
	printf("%s: %u\n", name, n);
	for (unsigned i = 0; i < n; i++)
		printf("0x%lx\n", at[i] - (unsigned long)__executable_start);
}

int main(void)
{
	pid_t pid = fork();
	unsigned call = 0;
	int status;

	need(pid >= 0);
	if (!pid)
		run_child();
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGUSR1 && call < CALLS) {
			follow(pid, calls[call].name, calls[call].fn);
			call++;
		}
		need(!ptrace(PTRACE_CONT, pid, NULL, NULL));
	}
	if (WIFEXITED(status) && WEXITSTATUS(status))
		return WEXITSTATUS(status);
	need(WIFEXITED(status) && call == CALLS);
	return 0;
}
#else
int main(void)
{
	return 77;
}
#endif
