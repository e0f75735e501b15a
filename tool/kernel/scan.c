/*
 * scan.c - network namespaces, interfaces and page pools of the whole machine. If the kernel lists
 * its symbols (CONFIG_KALLSYMS_ALL), its own tables are read; otherwise the walk begins at this
 * task and reaches all namespaces and interfaces, and their pools.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "scan.h"

#include "pages.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NETS_MAX 65536u
#define DEVICES_MAX 262144u
#define POOLS_MAX 262144u
#define PROC_INODES 0xEFFFFF00ull /* namespaces have numbers from here on */

void *grow(void *array_pointer, size_t *n, size_t size)
{
	void **array = array_pointer;
	char *grown;

	/* doubled whenever the number is a power of two */
	if (!(*n & (*n - 1))) {
		grown = realloc(*array, (*n ? *n * 2 : 1) * size);
		if (!grown)
			return NULL;
		*array = grown;
	}
	grown = (char *)*array + (*n)++ * size;
	return memset(grown, 0, size);
}

int scan_open(struct scan *s)
{
	memset(s, 0, sizeof *s);
	s->no_peek_errno = peek_open(&s->peek, s->no_peek);
	return s->no_peek_errno == -ENOMEM ? -ENOMEM : 0;
}

void scan_clear(struct scan *s)
{
	free(s->net);
	free(s->device);
	free(s->pool);
	s->net = NULL;
	s->device = NULL;
	s->pool = NULL;
	s->n_nets = s->n_devices = s->n_pools = 0;
	s->all_pools = false;
	*s->no_netlink = 0;
}

void scan_close(struct scan *s)
{
	peek_close(s->peek);
	scan_clear(s);
	memset(s, 0, sizeof *s);
}

double scan_jiffies_ago(struct scan *s, uint64_t then)
{
	return (double)(int64_t)(peek_jiffies(s->peek) - then) / peek_hz(s->peek);
}

/* ---- namespaces ---------------------------------------------------------------------------- */

static void name_net(struct net *net, uint64_t ours)
{
	DIR *dir = net->inode == ours ? NULL : opendir("/run/netns");
	struct dirent *e;
	struct stat st;

	if (net->inode != ours)
		snprintf(net->name, sizeof net->name, "net:[%llu]", (unsigned long long)net->inode);
	while (dir && (e = readdir(dir)))
		if (!fstatat(dirfd(dir), e->d_name, &st, 0) && st.st_ino == net->inode &&
		    e->d_name[0] != '.')
			snprintf(net->name, sizeof net->name, "%.*s", NAME_BYTES - 1, e->d_name);
	if (dir)
		closedir(dir);
}

/* All namespaces are in one ring, with its head among them: that has no inode number. */
static int scan_nets(struct scan *s)
{
	struct peek *p = s->peek;
	kaddr_t first = member_at(p, member_at(p, peek_current(p), M_task_nsproxy), M_nsproxy_net);
	kaddr_t start = first + offset_of(p, M_net_list), at = start;
	uint64_t ours = member_at(p, first, M_net_inum);
	struct net *net;

	if (!first || !has(p, M_net_list))
		return 0;
	do {
		kaddr_t address = at - offset_of(p, M_net_list);
		uint64_t inode = member_at(p, address, M_net_inum);

		if (inode >= PROC_INODES && inode <= UINT32_MAX) {
			net = grow(&s->net, &s->n_nets, sizeof *net);
			if (!net)
				return -ENOMEM;
			net->address = address;
			net->inode = inode;
			name_net(net, ours);
		}
		if (!peek_read(p, at, &at, sizeof at))
			break;
	} while (at && at != start && s->n_nets < NETS_MAX);
	return 0;
}

int scan_net_at(const struct scan *s, kaddr_t address)
{
	for (size_t i = 0; address && i < s->n_nets; i++)
		if (s->net[i].address == address)
			return (int)i;
	return -1;
}

/* ---- interfaces ---------------------------------------------------------------------------- */

static int add_device(struct scan *s, kaddr_t address, unsigned net)
{
	struct peek *p = s->peek;
	struct device *d = grow(&s->device, &s->n_devices, sizeof *d);
	char name[32];

	if (!d)
		return -ENOMEM;
	d->address = address;
	d->net = net;
	d->ifindex = (unsigned)member_at(p, address, M_dev_ifindex);
	d->parent = member_at(p, address, M_dev_parent);
	peek_string(p, address + offset_of(p, M_dev_name), name, 17);
	snprintf(d->name, sizeof d->name, "%.16s%s%.40s", name, *s->net[net].name ? "@" : "",
		 s->net[net].name);
	if (d->parent) {
		d->bus_device = member_at(p, d->parent, M_device_parent);
		peek_string(p, member_at(p, d->parent, M_device_kobj_name), d->bus, sizeof d->bus);
		peek_string(p,
			    member_at(p, member_at(p, d->parent, M_device_driver), M_driver_name),
			    d->driver, sizeof d->driver);
	} else {
		peek_string(p, member_at(p, member_at(p, address, M_dev_link_ops), M_link_ops_kind),
			    d->driver, sizeof d->driver);
	}
	return 0;
}

static int scan_devices(struct scan *s)
{
	struct peek *p = s->peek;

	for (unsigned i = 0; i < s->n_nets; i++) {
		kaddr_t head = s->net[i].address + offset_of(p, M_net_devices), at = head;
		size_t limit = s->n_devices + DEVICES_MAX;

		while (peek_read(p, at, &at, sizeof at) && at && at != head &&
		       s->n_devices < limit) {
			int ret = add_device(s, at - offset_of(p, M_dev_list), i);

			if (ret)
				return ret;
		}
	}
	return 0;
}

/* Whose pool it is: of the interface it names, or of one on the device it maps for. */
static const struct device *device_of(const struct scan *s, kaddr_t netdev, kaddr_t dev)
{
	const struct device *d, *found = NULL, *above = NULL;

	for (size_t i = 0; i < s->n_devices; i++) {
		d = &s->device[i];
		if (netdev && d->address == netdev)
			return d;
		if (dev &&
		    (d->parent == dev || d->address + offset_of(s->peek, M_dev_device) == dev))
			found = d;
		if (dev && d->bus_device == dev)
			above = d;
	}
	return found ? found : above;
}

/* ---- a pool -------------------------------------------------------------------------------- */

#define PP_FLAG_DMA_MAP 1u
#define LOOPBACK_IFINDEX 1

static void name_pool(struct scan *s, struct pool *pool, const void *copy)
{
	struct peek *p = s->peek;
	kaddr_t netdev = member_in(p, copy, M_pool_netdev), dev = member_in(p, copy, M_pool_dev);
	const struct device *d = device_of(s, netdev, dev);

	/* pools of an interface that has gone, or to another namespace, are the loopback's */
	if (d && d->ifindex == LOOPBACK_IFINDEX)
		d = device_of(s, 0, dev);
	if (d) {
		snprintf(pool->interface, sizeof pool->interface, "%s", d->name);
		snprintf(pool->driver, sizeof pool->driver, "%s", d->driver);
	} else if (!pool->zombie) {
		peek_string(p, member_at(p, dev, M_device_kobj_name), pool->interface,
			    sizeof pool->interface);
	}
	pool->interface_gone = !d && (pool->zombie || netdev);
}

static void date_pool(struct scan *s, struct pool *pool, const void *copy)
{
	struct peek *p = s->peek;
	struct timespec now;
	uint64_t detached = member_in(p, copy, M_pool_detach_time);

	clock_gettime(CLOCK_BOOTTIME, &now);
	pool->zombie_s = -1;
	pool->zombie =
		detached || (has(p, M_pool_user_cnt) && !member_in(p, copy, M_pool_user_cnt));
	if (detached > (uint64_t)now.tv_sec + 1) /* Linux 6.12 has seconds here, 6.18 nanoseconds */
		detached /= 1000000000;
	if (detached)
		pool->zombie_s = now.tv_sec - (int64_t)detached;
	else if (pool->zombie && member_in(p, copy, M_pool_defer_start))
		pool->zombie_s =
			(int64_t)scan_jiffies_ago(s, member_in(p, copy, M_pool_defer_start));
}

static void fill_pool(struct scan *s, struct pool *pool, const void *copy)
{
	struct peek *p = s->peek;
	uint64_t flags = member_in(p, copy, has(p, M_pool_flags) ? M_pool_flags : M_pool_flags_old);

	pool->id = member_in(p, copy, M_pool_id);
	pool->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE) << member_in(p, copy, M_pool_order);
	pool->taken = (uint32_t)member_in(p, copy, M_pool_hold);
	pool->given_back = (uint32_t)member_in(p, copy, M_pool_release);
	pool->in_flight = (int32_t)(pool->taken - pool->given_back);
	if (has(p, M_pool_dma_map))
		pool->mapped = member_in(p, copy, M_pool_dma_map) ? YES : NO;
	else
		pool->mapped = flags & PP_FLAG_DMA_MAP ? YES : NO;
	pool->napi = member_in(p, copy, M_pool_napi_id);
	date_pool(s, pool, copy);
	if (!pool->napi && !pool->zombie)
		pool->napi = member_at(p, member_in(p, copy, M_pool_napi), M_napi_id);
	name_pool(s, pool, copy);
}

/* Only what came to us by a pointer in a page needs this: anything may be there. */
static bool plausible(struct scan *s, const void *copy)
{
	struct peek *p = s->peek;
	int64_t in_flight = (int32_t)(uint32_t)(member_in(p, copy, M_pool_hold) -
						member_in(p, copy, M_pool_release));

	return member_in(p, copy, M_pool_order) <= 20 &&
	       member_in(p, copy, M_pool_ring_size) <= 1u << 20 &&
	       member_in(p, copy, M_pool_cache_count) <= 1u << 10 &&
	       member_in(p, copy, M_pool_ring_queue) >> 63 && in_flight > -(1 << 20);
}

static int add_pool(struct scan *s, kaddr_t address)
{
	size_t size = size_of(s->peek, T_page_pool);
	char *copy;
	int at = -1;

	for (size_t i = 0; i < s->n_pools; i++)
		if (s->pool[i].address == address)
			return (int)i;
	copy = size && s->n_pools < POOLS_MAX ? malloc(size) : NULL;
	if (copy && peek_read(s->peek, address, copy, size) && plausible(s, copy)) {
		struct pool *pool = grow(&s->pool, &s->n_pools, sizeof *pool);

		if (pool) {
			pool->address = address;
			fill_pool(s, pool, copy);
			at = (int)s->n_pools - 1;
		}
	}
	free(copy);
	return at;
}

int scan_pool_at(struct scan *s, kaddr_t address)
{
	if (s->all_pools) {
		for (size_t i = 0; i < s->n_pools; i++)
			if (s->pool[i].address == address)
				return (int)i;
		return -1;
	}
	return add_pool(s, address);
}

/* ---- all pools ----------------------------------------------------------------------------- */

#define XA_SLOTS 64
#define XA_DEPTH 11

static bool xa_is_node(kaddr_t entry)
{
	return (entry & 3) == 2 && entry > 4096;
}

/* An array of pointers by number (xarray): what is in it, depth first. */
static void walk_xarray(struct scan *s, kaddr_t entry, unsigned depth)
{
	kaddr_t slots[XA_SLOTS];

	if (!entry || s->n_pools >= POOLS_MAX)
		return;
	if (!xa_is_node(entry)) {
		if (!(entry & 3))
			add_pool(s, entry);
		return;
	}
	if (depth >= XA_DEPTH ||
	    !peek_read(s->peek, (entry & ~3ull) + offset_of(s->peek, M_xa_node_slots), slots,
		       sizeof slots))
		return;
	for (unsigned i = 0; i < XA_SLOTS; i++)
		walk_xarray(s, slots[i], depth + 1);
}

/* Linux 6.8 and newer have a table of all pools. */
static void from_table(struct scan *s)
{
	kaddr_t table = peek_symbol(s->peek, "page_pools");

	if (!table || !has(s->peek, M_pool_id))
		return;
	walk_xarray(s, member_at(s->peek, table, M_xa_head), 0);
	s->all_pools = true;
}

/* They, and older ones, have a table of what XDP registered as its memory. */
static void from_xdp_memory(struct scan *s)
{
	struct peek *p = s->peek;
	int64_t type = enumerator(p, "xdp_mem_type", "MEM_TYPE_PAGE_POOL");
	kaddr_t symbol = peek_symbol(p, "mem_id_ht"), table = 0, node;
	struct hash_walk walk;

	if (!symbol || type < 0 || !peek_read(p, symbol, &table, sizeof table))
		return;
	hash_begin(&walk, p, table);
	while ((node = hash_next(&walk))) {
		kaddr_t memory = node - offset_of(p, M_mem_node), pool;

		if ((int64_t)member_at(p, memory, M_mem_type) != type)
			continue;
		pool = member_at(p, memory, M_mem_pool);
		if (pool)
			add_pool(s, pool);
	}
}

/* The pools that name an interface hang on it. */
static void from_device(struct scan *s, const struct device *d)
{
	struct peek *p = s->peek;
	kaddr_t at = has(p, M_pool_user_list) ? member_at(p, d->address, M_dev_pools) : 0;

	for (unsigned i = 0; at && i < 65536; i++) {
		add_pool(s, at - offset_of(p, M_pool_user_list));
		if (!peek_read(p, at, &at, sizeof at))
			break;
	}
}

/* veth's pools name none, and are in its queues. */
static void from_veth(struct scan *s, const struct device *d)
{
	struct peek *p = s->peek;
	kaddr_t private = d->address + ((size_of(p, T_net_device) + 31) & ~31ull);
	kaddr_t queue = member_at(p, private, M_veth_rq);
	uint64_t queues = member_at(p, d->address, M_dev_rx_queues);

	if (strcmp(d->driver, "veth") || !size_of(p, T_veth_rq) || !has(p, M_veth_rq_pool))
		return;
	for (uint64_t i = 0; i < queues && i < 4096; i++, queue += size_of(p, T_veth_rq)) {
		kaddr_t pool = member_at(p, queue, M_veth_rq_pool);

		if (pool && member_at(p, queue, M_veth_rq_dev) == d->address)
			add_pool(s, pool);
	}
}

/* ---- what the kernel lists ----------------------------------------------------------------- */

static struct pool *listed(struct scan *s, const struct netdev_pool *n)
{
	char name[IF_NAMESIZE] = "";
	struct timespec now;
	struct pool *pool;

	for (size_t i = 0; i < s->n_pools; i++)
		if (s->pool[i].id == n->id)
			return &s->pool[i];
	pool = grow(&s->pool, &s->n_pools, sizeof *pool);
	if (!pool)
		return NULL;
	clock_gettime(CLOCK_BOOTTIME, &now);
	pool->id = n->id;
	pool->napi = n->napi;
	pool->in_flight = (int64_t)n->in_flight;
	pool->page_bytes = n->in_flight ? n->bytes / n->in_flight : 0;
	pool->zombie = n->detach_time;
	pool->zombie_s = n->detach_time ? now.tv_sec - (int64_t)n->detach_time : -1;
	pool->interface_gone = !n->ifindex;
	if (n->ifindex && if_indextoname(n->ifindex, name)) {
		char path[64], target[256];
		ssize_t len;

		snprintf(pool->interface, sizeof pool->interface, "%s", name);
		snprintf(path, sizeof path, "/sys/class/net/%s/device/driver", name);
		len = readlink(path, target, sizeof target - 1);
		target[len > 0 ? len : 0] = 0;
		if (strrchr(target, '/'))
			snprintf(pool->driver, sizeof pool->driver, "%.63s",
				 strrchr(target, '/') + 1);
	}
	return pool;
}

static int from_netlink(struct scan *s)
{
	struct netdev_pool *list;
	size_t n;
	int ret = netdev_pools(&list, &n, &s->stats_missing, s->no_netlink);

	for (size_t i = 0; !ret && i < n; i++) {
		struct pool *pool = listed(s, &list[i]);

		if (!pool) {
			free(list);
			return -ENOMEM;
		}
		pool->has_stats = list[i].has_stats;
		memcpy(pool->stats, list[i].stats, sizeof pool->stats);
	}
	if (!ret)
		free(list);
	return ret == -ENOMEM ? ret : 0;
}

int scan_pools(struct scan *s)
{
	int ret;

	if (s->peek) {
		ret = scan_nets(s);
		ret = ret ? ret : scan_devices(s);
		if (ret)
			return ret;
		from_table(s);
		if (!s->all_pools)
			from_xdp_memory(s);
		for (size_t i = 0; !s->all_pools && i < s->n_devices; i++) {
			from_device(s, &s->device[i]);
			from_veth(s, &s->device[i]);
		}
	}
	return from_netlink(s);
}

static int older_first(const void *a, const void *b)
{
	const struct pool *x = a, *y = b;
	int names;

	if (x->zombie != y->zombie)
		return y->zombie - x->zombie;
	if (x->zombie && x->zombie_s != y->zombie_s)
		return x->zombie_s > y->zombie_s ? -1 : 1;
	names = strcmp(x->interface, y->interface);
	return names ? names : (x->id > y->id) - (x->id < y->id);
}

void scan_sort(struct scan *s)
{
	if (s->n_pools)
		qsort(s->pool, s->n_pools, sizeof *s->pool, older_first);
}
