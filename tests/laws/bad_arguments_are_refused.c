/*
 * bad_arguments_are_refused.c - invalid arguments: NULL where something is required, and parameters
 * out of range. A call that returns an errno fails with -EINVAL, and in either debug mode a message
 * names the call and what is wrong or allowed; the other calls do nothing.
 *
 * bad_arguments_are_refused ROOT: every public call is in here.
 *
 * Not checked by the library, to save instructions: pp_page_get, pp_page_get_batch,
 * pp_page_get_nogrow, pp_page_put, pp_page_put_batch, pp_page_ref, pp_page_unref, pp_frag_get's
 * pool and place, pp_page_addr, pp_page_iova, pp_page_size, pp_page_user, pp_page_index,
 * pp_page_headroom, pp_page_data, pp_page_data_iova, pp_page_refs; what fast.h and frag.h call for
 * them: pp_page_get_slow, pp_page_get_raced, pp_page_put_slow, pp_page_put_raced, pp_frag_get_slow,
 * pp_frag_get_raced. Nothing can be wrong with the parameters of pp_pool_defaults, pp_debug_set,
 * pp_debug_get, pp_debug_set_report, pp_debug_reports, pp_debug_dump_pages,
 * pp_debug_dump_pages_signal, pp_binding_alive, pp_vfio_locked_limit and pp_version.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <pagepool/vfio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static char said[4096];

static void listen(void *ctx, const char *text)
{
	(void)ctx;
	snprintf(said, sizeof said, "%s", text);
}

static void watch(unsigned what)
{
	said[0] = 0;
	pp_debug_set(what);
	pp_debug_set_report(listen, NULL);
}

static void has_said(const char *call, const char *name, const char *words)
{
	if (!check(strstr(said, name) && strstr(said, words), "%s: the sentence has `%s`, `%s`",
		   call, name, words))
		printf("# it is: %s\n", said);
}

/* Without debug mode and in either kind of it. */
#define refused(name, words, call) refused_with(-EINVAL, name, words, call)
#define refused_with(errno_, name, words, call)                                                    \
	do {                                                                                       \
		static const unsigned modes[] = { 0, PP_DEBUG_DMA, PP_DEBUG_PAGES };               \
		for (unsigned i_ = 0; i_ < 3; i_++) {                                              \
			watch(modes[i_]);                                                          \
			check_eq((call), (errno_), #call);                                         \
			if (modes[i_])                                                             \
				has_said(#call, (name), (words));                                  \
			else                                                                       \
				check(!said[0], "%s: no word without debug mode", #call);          \
		}                                                                                  \
		pp_debug_set_report(NULL, NULL);                                                   \
		pp_debug_set(0);                                                                   \
	} while (0)

/* ---- devices -------------------------------------------------------------------------------- */

static int probe(struct pp_device *dev, pp_binding_t binding, void *ctx)
{
	(void)dev, (void)binding, (void)ctx;
	return 0;
}

static void removed(struct pp_device *dev, pp_binding_t binding, enum pp_remove_why why, void *ctx)
{
	(void)dev, (void)binding, (void)why, (void)ctx;
}

static void drivers(void)
{
	struct pp_driver drv = { "driver", NULL, probe, removed, NULL };
	struct pp_notifier deaf = { 0 };

	refused("pp_driver_register", "no driver", pp_driver_register(NULL));
	drv.name = NULL;
	refused("pp_driver_register", "no name", pp_driver_register(&drv));
	drv = (struct pp_driver){ "driver", NULL, NULL, removed, NULL };
	refused("pp_driver_register", "no probe", pp_driver_register(&drv));
	drv = (struct pp_driver){ "driver", NULL, probe, NULL, NULL };
	refused("pp_driver_register", "no remove", pp_driver_register(&drv));
	refused("pp_driver_unregister", "no driver", pp_driver_unregister(NULL));
	refused("pp_notifier_register", "no notifier", pp_notifier_register(NULL));
	refused("pp_notifier_register", "no callback", pp_notifier_register(&deaf));
	refused("pp_notifier_unregister", "no notifier", pp_notifier_unregister(NULL));
}

static void registration(void)
{
	struct pp_device_params p = PP_PARAMS(struct pp_device_params);
	struct pp_device *dev = (void *)1;
	struct pp_iommu *iommu;

	require(!pp_soft_create(&iommu, NULL), "a domain");
	p.name = "device";
	p.iommu = iommu;
	refused("pp_device_register", "nowhere to store", pp_device_register(NULL, &p));
	refused("pp_device_register", "no parameters", pp_device_register(&dev, NULL));
	check(!dev, "and no device");
	p.address_bits = 65;
	refused("pp_device_register", "32 to 64", pp_device_register(&dev, &p));
	p.address_bits = 0;
	p.name = NULL;
	refused("pp_device_register", "no name", pp_device_register(&dev, &p));
	p.name = "device";
	p.iommu = NULL;
	refused("pp_device_register", "no IOMMU domain", pp_device_register(&dev, &p));
	p.size = 1;
	refused("pp_device_register", "size", pp_device_register(&dev, &p));
	pp_soft_destroy(iommu);
}

static void lifecycle(void)
{
	struct soft_device d;

	refused("pp_device_bind", "no device", pp_device_bind(NULL, NULL));
	refused("pp_device_unbind", "no device", pp_device_unbind(NULL));
	refused("pp_device_remove", "no device", pp_device_remove(NULL, PP_REMOVAL_ORDERLY));
	soft_device_init(&d, NULL);
	soft_device_bind(&d);
	refused("pp_device_remove", "PP_REMOVAL_ORDERLY",
		pp_device_remove(d.dev, (enum pp_removal)2));
	check_eq(pp_device_state(d.dev), PP_DEVICE_BOUND, "and it is bound still");
	soft_device_exit(&d);
}

static void devices_say_nothing(void)
{
	struct pp_device_stats s;
	struct pp_domain_stats domain;

	memset(&s, 1, sizeof s);
	memset(&domain, 1, sizeof domain);
	check_eq(pp_device_state(NULL), PP_DEVICE_GONE, "pp_device_state(NULL)");
	check_eq(pp_device_binding(NULL).id, 0, "pp_device_binding(NULL)");
	check(!pp_device_name(NULL)[0], "pp_device_name(NULL)");
	check(!pp_device_resource(NULL) && !pp_device_data(NULL),
	      "pp_device_resource(NULL), _data");
	check_eq(pp_device_address_bits(NULL), 0, "pp_device_address_bits(NULL)");
	check_eq(pp_device_id(NULL), 0, "pp_device_id(NULL)");
	pp_device_stats(NULL, &s, sizeof s);
	pp_domain_stats(NULL, &domain, sizeof domain);
	check(!s.bindings && !domain.maps, "pp_device_stats(NULL), pp_domain_stats(NULL)");
	pp_device_stats(NULL, NULL, sizeof s);
	pp_domain_stats(NULL, NULL, sizeof domain);
	pp_device_set_data(NULL, &s);
	pp_device_unregister(NULL);
	pp_device_each(NULL, NULL);
}

/* ---- mappings ---------------------------------------------------------------------------- */

static char memory[2 * PP_BASE_PAGE];

static void mappings(void)
{
	struct soft_device d;
	pp_binding_t b;
	pp_iova_t iova;

	soft_device_init(&d, NULL);
	b = soft_device_bind(&d);
	refused("pp_dma_set_mask", "32 to 64", pp_dma_set_mask(b, 31));
	refused("pp_dma_set_mask", "32 to 64", pp_dma_set_mask(b, 65));
	refused("map", "nowhere to store", pp_dma_map(b, memory, 1, PP_DMA_TO_DEVICE, NULL));
	refused("map", "NULL", pp_dma_map(b, NULL, 1, PP_DMA_TO_DEVICE, &iova));
	refused("map", "length is 0", pp_dma_map(b, memory, 0, PP_DMA_TO_DEVICE, &iova));
	refused("map", "wraps", pp_dma_map(b, memory, SIZE_MAX, PP_DMA_TO_DEVICE, &iova));
	refused("map", "direction", pp_dma_map(b, memory, 1, (enum pp_dma_dir)3, &iova));
	check_eq(soft_device_domain(&d).mappings, 0, "nothing was mapped");
	check(!pp_dma_map_at(b, memory, 9, PP_DMA_TO_DEVICE, &iova, NULL),
	      "a call without a call site");
	check(!pp_dma_sync_at(b, iova, 9, PP_DMA_TO_DEVICE, false, NULL), "a sync without one");
	check(!pp_dma_unmap_at(b, iova, 9, PP_DMA_TO_DEVICE, NULL), "an unmap without one");
	watch(PP_DEBUG_DMA);
	check_eq(pp_dma_unmap_at(b, iova, 9, PP_DMA_TO_DEVICE, NULL), -EINVAL, "twice");
	has_said("pp_dma_unmap_at", "unmap", "an unknown call site");
	pp_debug_set_report(NULL, NULL);
	pp_debug_set(0);
	soft_device_exit(&d);
}

static void coherent_memory(void)
{
	struct soft_device d;
	void *cpu = memory;
	pp_binding_t b;
	pp_iova_t iova;

	soft_device_init(&d, NULL);
	b = soft_device_bind(&d);
	refused("coherent", "nowhere to store", pp_dma_alloc_coherent(b, 1, NULL, &iova));
	refused("coherent", "nowhere to store", pp_dma_alloc_coherent(b, 1, &cpu, NULL));
	check(!cpu, "a failed call left an address");
	refused("coherent", "length is 0", pp_dma_alloc_coherent(b, 0, &cpu, &iova));
	require(!pp_dma_alloc_coherent_at(b, 1, &cpu, &iova, NULL), "coherent memory");
	refused("coherent", "NULL", pp_dma_free_coherent(b, 1, NULL, iova));
	check_eq(soft_device_domain(&d).mappings, 1, "it is there still");
	check(!pp_dma_free_coherent_at(b, 1, cpu, iova, NULL), "and goes");
	soft_device_exit(&d);
}

/* ---- pools ------------------------------------------------------------------------------- */

static int create_of(const struct pp_pool_params *p)
{
	struct pp_pool *pool = (void *)1;
	int ret = pp_pool_create(&pool, pp_binding_none(), p);

	check(!ret == !!pool, "whether there is a pool");
	if (!ret)
		pp_pool_destroy(pool);
	return ret;
}

static int create(struct pp_pool_params p)
{
	return create_of(&p);
}

static struct pp_pool_params with(uint32_t page_size, uint32_t chunk_size, int dir, int mem)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.page_size = page_size;
	p.chunk_size = chunk_size;
	p.dir = (enum pp_dma_dir)dir;
	p.memory = (enum pp_memory)mem;
	return p;
}

static void creation(void)
{
	static const uint32_t pages[] = { 1024, 3000, 4u << 20 },
			      chunks[] = { 2048, 12288, 1u << 31 };
	struct pp_pool_params none = { 0 }, p = pp_pool_defaults();
	struct {
		struct pp_pool_params p;
		uint64_t more;
	} longer;

	refused("pp_pool_create", "nowhere to store",
		pp_pool_create(NULL, pp_binding_none(), NULL));
	refused("pp_pool_create", "size", create(none));
	memset(&longer, 0, sizeof longer);
	longer.p = pp_pool_defaults();
	longer.p.size = sizeof longer;
	check_eq(create_of(&longer.p), 0, "longer parameters whose rest is zero");
	longer.more = 1;
	refused_with(-E2BIG, "pp_pool_create", "newer", create_of(&longer.p));
	longer.p.size = SIZE_MAX; /* no memory behind it is looked at */
	refused_with(-E2BIG, "pp_pool_create", "set their size", create_of(&longer.p));
	for (unsigned i = 0; i < 3; i++) {
		refused("page_size is", "power of two", create(with(pages[i], 0, 0, 0)));
		refused("chunk_size is", "power of two", create(with(0, chunks[i], 0, 0)));
	}
	refused("dir is 3", "PP_DMA_BIDIRECTIONAL", create(with(0, 0, 3, 0)));
	refused("dir is -1", "PP_DMA_BIDIRECTIONAL", create(with(0, 0, -1, 0)));
	refused("memory is 3", "PP_MEMORY_THP", create(with(0, 0, 0, 3)));
	p.find = 4;
	refused("find is 4", "PP_FIND_IOVA", create(p));
	p.find = 0;
	p.address_bits = 31;
	refused("address_bits is 31", "32 to 64", create(p));
	p.address_bits = 65;
	refused("address_bits is 65", "32 to 64", create(p));
	p.address_bits = 64;
	p.headroom = 4096;
	refused("headroom is 4096", "less than page_size", create(p));
	p.headroom = 4095;
	check_eq(create(p), 0, "and all but the last byte");
}

static void kinds_of_memory(void)
{
	struct pp_pool_params p = pp_pool_defaults();

	p.numa_node = -1;
	refused("numa_node is -1", "PP_NUMA_NODE", create(p));
	p.numa_node = PP_NUMA_NODE(1024);
	refused("numa_node is 1025", "PP_NUMA_NODE", create(p));
	p.numa_node = PP_NUMA_NODE(1023);
	check_eq(create(p), 0, "a node that isn't there is a wish");
	p = with(0, 4u << 20, 0, PP_MEMORY_HUGETLB);
	p.memory_strict = true;
	refused("memory_strict", "1073741824", create(p));
	p.chunk_size = 0;
	p.area = 8u << 20;
	refused("memory_strict", "needs `shared`", create(p));
	p = with(0, 1u << 20, 0, PP_MEMORY_THP);
	p.memory_strict = true;
	refused("memory_strict", "2097152 at least", create(p));
	p.memory = PP_MEMORY_HUGETLB;
	p.shared = true;
	refused("memory_strict", "2097152 at least", create(p));
}

static void areas_of_ones_own(void)
{
	struct pp_pool_params p = with(0, 65536, 0, PP_MEMORY_BASE);
	char *area = aligned_alloc(65536, 65536);

	p.area_fd = 1;
	refused("area_fd", "area_addr is not", create(p));
	p.area_fd = 0;
	p.area_ctx = area;
	refused("area_ctx", "area_addr is not", create(p));
	p.area_addr = area;
	refused("area_addr is", "multiples of chunk_size", create(p));
	p.area = 65536;
	check_eq(create(p), 0, "an area");
	p.area_addr = area + 4096;
	refused("area_addr is", "multiples of chunk_size", create(p));
	p.area_addr = area;
	p.shared = true;
	refused("shared is set", "the caller's", create(p));
	p.shared = false;
	p.memory_strict = true;
	refused("memory_strict is set", "the caller's", create(p));
	p.memory_strict = false;
	p.area_fd = -1;
	refused("area_fd is -1", "negative", create(p));
	p.area_fd = 12345;
	check_eq(create(p), -EBADF, "a descriptor that isn't open");
	p.area_fd = 1;
	p.area_offset = 512;
	refused("area_offset 512", "multiple of", create(p));
	free(area);
}

static void pools(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct pp_recall deaf = { 0 };
	struct pp_page *many[513];
	int blocking = eventfd(0, 0), no_event[2];
	struct pp_frag f;

	refused("pp_pool_attach", "no pool", pp_pool_attach(NULL, pp_binding_none()));
	refused("pp_pool_detach", "no pool", pp_pool_detach(NULL, pp_binding_none()));
	refused("pp_pool_reserve", "no pool", pp_pool_reserve(NULL, 1));
	refused("pp_pool_own", "no pool", pp_pool_own(NULL));
	refused("pp_pool_fd", "no pool", pp_pool_fd(NULL));
	refused("pp_pool_ages", "no pool", pp_pool_ages(NULL, NULL, 0));
	refused("pp_pool_ages", "no room", pp_pool_ages(pool, NULL, 1));
	refused("pp_page_fd", "no page", pp_page_fd(NULL, NULL));
	refused("pp_page_get_contiguous", "1 to the pages", pp_page_get_contiguous(many, 0, pool));
	refused("pp_page_get_contiguous", "512", pp_page_get_contiguous(many, 513, pool));
	require(!pp_page_get(&many[0], pool), "a page");
	refused("pp_page_sync_for_device", "there is no page",
		pp_page_sync_for_device(pp_binding_none(), NULL, 0, 1));
	refused("pp_page_sync_for_cpu", "the page has 4096",
		pp_page_sync_at(pp_binding_none(), many[0], 4000, 97, true, NULL));
	pp_page_put(many[0]);
	refused("fragment", "0 bytes", pp_frag_get_batch(&f, 1, pool, 0, 1));
	refused("pp_pool_notice", "no pool", pp_pool_notice(NULL, NULL, NULL));
	refused("pp_pool_notice_fd", "no pool", pp_pool_notice_fd(NULL, -1));
	refused("pp_pool_notice_fd", "EFD_NONBLOCK", pp_pool_notice_fd(pool, blocking));
	require(!pipe2(no_event, O_NONBLOCK), "a pipe");
	refused("pp_pool_notice_fd", "is not an eventfd", pp_pool_notice_fd(pool, no_event[1]));
	close(blocking);
	close(no_event[0]);
	close(no_event[1]);
	refused("pp_recall_register", "no pool", pp_recall_register(NULL, &deaf));
	refused("pp_recall_register", "no holder", pp_recall_register(pool, NULL));
	refused("pp_recall_register", "no callback", pp_recall_register(pool, &deaf));
	refused("pp_recall_unregister", "no holder", pp_recall_unregister(NULL));
	refused("fragment", "0 bytes", pp_frag_get(&f, pool, 0, 1));
	refused("fragment", "aligned to 3", pp_frag_get(&f, pool, 8, 3));
	pp_pool_destroy(pool);
}

static void getters(void)
{
	struct pp_pool *pool = new_pool(pp_binding_none(), NULL);
	struct pp_getter *getter;
	struct pp_page *page;

	refused("pp_getter_create", "no pool", pp_getter_create(&getter, NULL));
	refused("pp_getter_create", "nowhere", pp_getter_create(NULL, pool));
	refused("a getter", "isn't the calling thread's", pp_getter_get_batch(&page, 1, NULL));
	refused("a getter", "isn't the calling thread's", pp_getter_get_nogrow(&page, 1, NULL));
	require(!pp_getter_create(&getter, pool), "a getter");
	pp_getter_destroy(getter);
	refused("a getter", "isn't the calling thread's", pp_getter_get(&page, getter));
	pp_getter_destroy(NULL);
	pp_pool_destroy(pool);
}

static void budgets(void)
{
	refused("pp_budget_create", "nowhere to store", pp_budget_create(NULL, 1));
	pp_budget_set(NULL, 1);
	check_eq(pp_budget_used(NULL), 0, "pp_budget_used(NULL)");
	pp_budget_destroy(NULL);
}

static void pools_say_nothing(void)
{
	struct pp_pool_stats s;
	struct pp_pool_info info;

	memset(&s, 1, sizeof s);
	memset(&info, 1, sizeof info);
	pp_pool_stats(NULL, &s, sizeof s);
	pp_pool_info(NULL, &info, sizeof info);
	check(!s.pages && !info.id, "pp_pool_stats(NULL), pp_pool_info(NULL)");
	pp_pool_stats(NULL, NULL, sizeof s);
	pp_pool_info(NULL, NULL, sizeof info);
	pp_totals(NULL, sizeof(struct pp_totals));
	check(pp_pool_revoked(NULL), "pp_pool_revoked(NULL): there is nothing to be got");
	check_eq(pp_pool_trim(NULL, 0), 0, "pp_pool_trim(NULL)");
	pp_pool_own(NULL);
	check(!pp_pool_page(NULL, 0) && !pp_page_from_addr(NULL) && !pp_page_from_iova(0),
	      "pp_pool_page(NULL), pp_page_from_addr(NULL), pp_page_from_iova(0)");
	pp_pool_recall(NULL);
	pp_pool_each(NULL, NULL);
	pp_pool_destroy(NULL);
	pp_page_tag(NULL, "tag");
}

/* ---- back ends, debug mode --------------------------------------------------------------- */

static void software_iommu(void)
{
	struct pp_soft_params p = PP_PARAMS(struct pp_soft_params);
	struct pp_iommu *iommu = (void *)1;
	struct {
		struct pp_soft_params p;
		uint64_t more;
	} longer;
	struct pp_soft_fault f;

	refused("pp_soft_create", "nowhere to store", pp_soft_create(NULL, NULL));
	p.address_bits = 31;
	refused("pp_soft_create", "32 to 64", pp_soft_create(&iommu, &p));
	p.size = 0;
	refused("pp_soft_create", "size", pp_soft_create(&iommu, &p));
	memset(&longer, 0, sizeof longer);
	longer.p.size = sizeof longer;
	longer.more = 1;
	refused_with(-E2BIG, "pp_soft_create", "newer", pp_soft_create(&iommu, &longer.p));
	check(!iommu, "and no domain");
	refused("pp_soft_read", "no domain", pp_soft_read(NULL, 0, memory, 1));
	refused("pp_soft_write", "no domain", pp_soft_write(NULL, 0, memory, 1));
	require(!pp_soft_create(&iommu, NULL), "a domain");
	refused("pp_soft_read", "no buffer", pp_soft_read(iommu, 0, NULL, 1));
	check_eq(pp_soft_faults(NULL, &f, 1), 0, "pp_soft_faults(NULL)");
	check_eq(pp_soft_faults(iommu, NULL, 1), 0, "pp_soft_faults to nowhere");
	check(pp_soft_fault_name((enum pp_soft_fault_reason)99)[0], "pp_soft_fault_name of none");
	pp_soft_destroy(iommu);
	pp_soft_destroy(NULL);
}

static void vfio_opening(void)
{
	struct pp_vfio_params p = PP_PARAMS(struct pp_vfio_params);
	char full[PP_VFIO_ADDRESS], error[PP_VFIO_ERROR];
	struct pp_vfio *v = (void *)1;

	refused("pp_vfio_open", "nowhere to store", pp_vfio_open(NULL, &p, error));
	refused("pp_vfio_open", "no parameters", pp_vfio_open(&v, NULL, error));
	check(!v && strstr(error, "parameters"), "no device, and the sentence is the caller's too");
	refused("pp_vfio_open", "no PCI address", pp_vfio_open(&v, &p, NULL));
	p.address = "0000:00:1f.0";
	p.api = (enum pp_vfio_api)9;
	refused("pp_vfio_open", "interface 9", pp_vfio_open(&v, &p, NULL));
	p.size = 0;
	refused("pp_vfio_open", "size", pp_vfio_open(&v, &p, NULL));
	check(!pp_vfio_parse_address(NULL, "00:03.0") && !pp_vfio_parse_address(full, NULL),
	      "pp_vfio_parse_address(NULL)");
	pp_vfio_close(NULL);
}

static void vfio_devices(void)
{
	volatile void *mmio = memory;
	uint32_t value;
	int fd = -1;

	refused("pp_vfio_bar", "no device", pp_vfio_bar(NULL, 0, &mmio, NULL));
	refused("pp_vfio_config_read", "no device", pp_vfio_config_read(NULL, 0, 4, &value));
	refused("pp_vfio_config_write", "no device", pp_vfio_config_write(NULL, 0, 4, 0));
	refused("pp_vfio_bus_master", "no device", pp_vfio_bus_master(NULL, true));
	refused("pp_vfio_reset", "no device", pp_vfio_reset(NULL));
	refused("pp_vfio_irq_enable", "no device", pp_vfio_irq_enable(NULL, PP_VFIO_MSI, 1, &fd));
	refused("pp_vfio_irq_unmask", "no device", pp_vfio_irq_unmask(NULL));
	refused("pp_vfio_request_fd", "no device", pp_vfio_request_fd(NULL));
	pp_vfio_irq_disable(NULL, PP_VFIO_MSI);
	check(!mmio && value == UINT32_MAX, "what is left of failed calls");
	check_eq(pp_vfio_irq_count(NULL, PP_VFIO_MSI), 0, "pp_vfio_irq_count(NULL)");
	check(!pp_vfio_requested(NULL) && !pp_vfio_iommu(NULL), "pp_vfio_requested(NULL), _iommu");
	check(!pp_vfio_address(NULL)[0] && !pp_vfio_error(NULL)[0],
	      "pp_vfio_address(NULL), _error");
	check_eq(pp_vfio_api(NULL), PP_VFIO_ANY, "pp_vfio_api(NULL)");
}

static void debug_words(void)
{
	unsigned what = 99;

	refused("pp_debug_parse", "no list", pp_debug_parse(NULL, &what));
	refused("pp_debug_parse", "nowhere to store", pp_debug_parse("dma", NULL));
	refused("\"page\"", "dma, pages and fatal", pp_debug_parse("dma,page", &what));
	check_eq(what, 99, "and the flags are as they were");
}

/* Of what was said of one call the rest is said too. */
static void each_sentence_is_printed(void)
{
	watch(PP_DEBUG_PAGES);
	check_eq(create(with(1024, 0, 0, 0)), -EINVAL, "a size");
	has_said("pp_pool_create", "page_size is 1024", "power of two");
	check_eq(create(with(3000, 0, 0, 0)), -EINVAL, "another");
	has_said("pp_pool_create", "page_size is 3000", "power of two");
	said[0] = 0;
	check_eq(create(with(3000, 0, 0, 0)), -EINVAL, "the same again");
	check(!said[0], "is printed once");
	pp_debug_set_report(NULL, NULL);
	pp_debug_set(0);
}

/* ---- all calls are here ------------------------------------------------------------------ */

static char *contents(const char *path)
{
	static char text[1 << 17];
	FILE *f = fopen(path, "r");
	size_t n;

	require(f, "%s", path);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

/* The name before the first bracket of a declaration, cut off there; NULL: it is of no function. */
static char *declared(char *declaration)
{
	char *bracket = strpbrk(declaration, "(;"), *name;

	if (!bracket || *bracket == ';')
		return NULL;
	for (name = bracket; name[-1] == '_' || isalnum((unsigned char)name[-1]); name--)
		;
	*bracket = 0;
	return strncmp(name, "pp_", 3) ? NULL : name;
}

/* Each call that a header declares, looked for in this file. Returns how many there are. */
static unsigned look_for_calls(const char *header, const char *here)
{
	unsigned n = 0;

	for (char *at = contents(header); (at = strstr(at, "\nPP_API ")); at++) {
		char *name = declared(at + 8);

		if (!name)
			continue;
		n++;
		if (!strstr(here, name))
			check(0, "%s is in here", name);
		at = name + strlen(name);
	}
	return n;
}

static const char *root;

static void all_calls_are_here(void)
{
	char path[4096];
	char *here;
	unsigned n = 0;
	glob_t headers;

	snprintf(path, sizeof path, "%s/tests/laws/bad_arguments_are_refused.c", root);
	here = strdup(contents(path));
	snprintf(path, sizeof path, "%s/include/pagepool/*.h", root);
	require(here && !glob(path, 0, NULL, &headers), "the headers");
	snprintf(path, sizeof path, "%s/include/pagepool/inline/*.h", root);
	require(!glob(path, GLOB_APPEND, NULL, &headers), "... and what they include");
	for (size_t i = 0; i < headers.gl_pathc; i++)
		n += look_for_calls(headers.gl_pathv[i], here);
	check(n > 60, "the headers declare %u calls", n);
	globfree(&headers);
	free(here);
}

int main(int argc, char **argv)
{
	root = argc > 1 ? argv[1] : ".";
	run(drivers);
	run(registration);
	run(lifecycle);
	run(devices_say_nothing);
	run(mappings);
	run(coherent_memory);
	run(creation);
	run(kinds_of_memory);
	run(areas_of_ones_own);
	run(pools);
	run(getters);
	run(budgets);
	run(pools_say_nothing);
	run(software_iommu);
	run(vfio_opening);
	run(vfio_devices);
	run(debug_words);
	run(each_sentence_is_printed);
	run(all_calls_are_here);
	check_nothing_left("at the end");
	return tap_end();
}
