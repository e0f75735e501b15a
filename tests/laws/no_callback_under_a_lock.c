/*
 * no_callback_under_a_lock.c - Law 12: nothing that can call back or print happens under a lock
 * that a put or an unbind takes: while a report, or the pages in flight, are being printed, every
 * other thread can proceed. (What is cancelled: cancelled_threads_harm_nobody.c; holders and
 * listeners: holders_are_asked.c, unit/device.c; a removal: removal_blocks_at_once.c.)
 *
 * If a lock is held, the test hangs.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* ---- reports ------------------------------------------------------------------------------ */

static struct soft_device d;
static struct pp_pool *pool;
static struct bunch held;
static unsigned reports;
static char last_report[16384];
static char memory[PP_BASE_PAGE];

/* What takes the locks of pool, device and IOMMU, while the report waits for it. */
static void *uses_all(void *arg)
{
	struct pp_pool_stats s;
	struct soft_device other;
	pp_iova_t iova;
	char byte;

	(void)arg;
	pp_pool_stats(pool, &s, sizeof s);
	if (held.n)
		pp_page_put(held.page[--held.n]);
	soft_device_domain(&d);
	pp_soft_read(d.iommu, 0, &byte, 1);
	soft_device_init(&other, NULL);
	soft_device_bind(&other);
	if (!pp_dma_map(pp_device_binding(d.dev), memory, 64, PP_DMA_TO_DEVICE, &iova))
		pp_dma_unmap(pp_device_binding(d.dev), iova, 64, PP_DMA_TO_DEVICE);
	pp_device_unbind(other.dev);
	soft_device_exit(&other);
	return NULL;
}

static void let_another_work(void *ctx, const char *text)
{
	(void)ctx;
	if (!reports++)
		snprintf(last_report, sizeof last_report, "%s", text);
	join(start(uses_all, NULL));
	pp_debug_reports();
	pool_stats(pool); /* by itself, too */
}

static void begin(bool incoherent)
{
	struct pp_pool_params p = small_chunks(64 * KIB);
	struct pp_soft_params soft = PP_PARAMS(struct pp_soft_params);

	soft.incoherent = incoherent;
	pp_debug_set(PP_DEBUG_DMA | PP_DEBUG_PAGES);
	reports = 0;
	soft_device_init(&d, &soft);
	pool = new_pool(soft_device_bind(&d), &p);
	held = take(pool, 40);
	pp_debug_set_report(let_another_work, NULL);
}

static void end(const char *what)
{
	if (!check(reports && strstr(last_report, what), "while it is told that %s, others work",
		   what))
		printf("# %s\n", last_report);
	pp_debug_set_report(NULL, NULL);
	pp_debug_set(0);
	put_all(&held);
	pp_pool_destroy(pool);
	soft_device_exit(&d);
	check_nothing_left("at the end");
}

/* A free page of the pool that has been written to. */
static struct pp_page *spoiled(void)
{
	struct pp_page *page = held.page[--held.n];

	pp_page_put(page);
	memset(pp_page_addr(page), 1, 8);
	return page;
}

static void written_and_got_again(void)
{
	struct bunch more;

	begin(false);
	spoiled();
	more = take(pool, 60);
	put_all(&more);
	end("was written after it was put");
}

static void written_and_trimmed(void)
{
	begin(false);
	spoiled();
	put_all(&held);
	pp_pool_trim(pool, 0);
	end("was written after it was put");
}

static void written_and_revoked(void)
{
	begin(false);
	spoiled();
	pp_device_unbind(d.dev);
	end("was written after it was put");
}

static void put_twice(void)
{
	struct pp_page *page;

	begin(false);
	page = held.page[--held.n];
	pp_page_put(page);
	pp_page_put(page);
	end("was put after its last reference was gone");
}

static void *owns(void *arg)
{
	(void)arg;
	pp_pool_own(pool);
	return NULL;
}

static void got_by_another(void)
{
	struct pp_page *page;

	begin(false);
	join(start(owns, NULL));
	check_eq(pp_page_get(&page, pool), 0, "got by another thread");
	pp_page_put(page);
	end("a thread that isn't the pool's owner");
}

static void mapped_and_forgotten(void)
{
	pp_iova_t iova;

	begin(false);
	check_eq(pp_dma_map(pp_device_binding(d.dev), memory, 64, PP_DMA_TO_DEVICE, &iova), 0,
		 "mapped");
	pp_device_unbind(d.dev);
	end("its driver left 1 mapping behind");
}

static void never_synced(void)
{
	begin(true);
	check_eq(pp_soft_write(d.iommu, pp_page_iova(held.page[0]), "x", 1), 0, "written");
	pp_device_unbind(d.dev);
	end("were never synced for the CPU");
}

static void read_and_never_synced(void)
{
	char byte;

	begin(true);
	pp_dma_sync_for_device(pp_device_binding(d.dev), pp_page_iova(held.page[0]), 64,
			       PP_DMA_BIDIRECTIONAL);
	memset(pp_page_addr(held.page[0]), 1, 64);
	check_eq(pp_soft_read(d.iommu, pp_page_iova(held.page[0]), &byte, 1), 0, "read");
	end("what the CPU wrote and didn't sync for it");
}

static void unmapped_wrongly(void)
{
	begin(false);
	check_eq(pp_dma_unmap(pp_device_binding(d.dev), 0x123000, 64, PP_DMA_TO_DEVICE), -EINVAL,
		 "refused");
	end("nothing is mapped there");
}

/* ---- the dump ------------------------------------------------------------------------------- */

static int pipes[2];
static const char tags[64][2];

static void *dump(void *arg)
{
	(void)arg;
	pp_debug_dump_pages(pipes[1]);
	close(pipes[1]);
	return NULL;
}

/* A pipe of 4 KiB, and more than that to say: it stands still until somebody reads. */
static void pages_are_dumped_to_one_who_doesn_t_read(void)
{
	struct pollfd begun = { .events = POLLIN };
	char buf[4096];
	pthread_t dumper;

	begin(false);
	for (unsigned i = 0; i < held.n; i++) /* a line each */
		pp_page_tag(held.page[i], tags[i]);
	if (pipe(pipes) || fcntl(pipes[1], F_SETPIPE_SZ, 4096) < 0)
		abort();
	dumper = start(dump, NULL);
	begun.fd = pipes[0];
	poll(&begun, 1, -1);
	for (unsigned i = 0; i < 200; i++) /* to where it stands still, as a rule */
		sched_yield();
	join(start(uses_all, NULL));
	check_eq(pp_device_unbind(d.dev), 0, "while pages are dumped others work");
	while (read(pipes[0], buf, sizeof buf) > 0)
		;
	join(dumper);
	close(pipes[0]);
	check_eq(reports, 0, "there is nothing to report");
	reports = 1;
	last_report[0] = 0;
	end("");
}

int main(void)
{
	run(written_and_got_again);
	run(written_and_trimmed);
	run(written_and_revoked);
	run(put_twice);
	run(got_by_another);
	run(mapped_and_forgotten);
	run(never_synced);
	run(read_and_never_synced);
	run(unmapped_wrongly);
	run(pages_are_dumped_to_one_who_doesn_t_read);
	return tap_end();
}
