/*
 * net.c - the calls of pagepool/net.h: they find the driver, and do what is the same for all of
 * them. Uses the public headers, the drivers' port.h, and libc.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* NULL: there is no such queue, or no device. */
static struct port_queue *queue_of(struct pp_net *net, unsigned queue)
{
	return net && queue < net->n_queues ? net->queue[queue] : NULL;
}

void port_notice(struct pp_net *net, const char *format, ...)
{
	va_list args;

	if (net->n_notices - net->n_read == PORT_NOTICES)
		return;
	va_start(args, format);
	vsnprintf(net->notice[net->n_notices++ % PORT_NOTICES], PP_NET_ERROR, format, args);
	va_end(args);
}

/* ---- parameters --------------------------------------------------------------------------- */

int port_params(void *to, size_t size, const void *from)
{
	size_t theirs;
	const char *bytes = from;

	memset(to, 0, size);
	if (!from)
		return 0;
	memcpy(&theirs, from, sizeof theirs);
	if (theirs < sizeof theirs)
		return -EINVAL;
	if (theirs > PP_PARAMS_MAX)
		return -E2BIG;
	for (size_t i = size; i < theirs; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(to, from, theirs < size ? theirs : size);
	memcpy(to, &size, sizeof size);
	return 0;
}

static int fail(char *error, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char *error, int ret, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, PP_NET_ERROR, format, args);
	va_end(args);
	return ret;
}

/* "-" is standard input for a reader, standard output for a writer. */
static bool file_is_there(const char *name, int standard, struct stat *st)
{
	return name && !(strcmp(name, "-") ? stat(name, st) : fstat(standard, st));
}

static bool regular_file(const char *name, int standard, struct stat *st)
{
	return file_is_there(name, standard, st) && S_ISREG(st->st_mode);
}

/* 0, or -EEXIST: what is read and what is written are one file. */
static int same_file(const char *read, const char *written, char *error)
{
	struct stat r, w;

	if (!regular_file(read, STDIN_FILENO, &r) || !regular_file(written, STDOUT_FILENO, &w) ||
	    r.st_dev != w.st_dev || r.st_ino != w.st_ino)
		return 0;
	return fail(error, -EEXIST,
		    "%.200s and %.200s are the same file: it can't be read and "
		    "written at once",
		    read, written);
}

/* 0, or -EEXIST: two that are written are one file, or go to one reader. */
static int same_outputs(const char *a, const char *b, char *error)
{
	struct stat sa, sb;

	if (!file_is_there(a, STDOUT_FILENO, &sa) || !file_is_there(b, STDOUT_FILENO, &sb) ||
	    S_ISCHR(sa.st_mode) || sa.st_dev != sb.st_dev || sa.st_ino != sb.st_ino)
		return 0;
	return fail(error, -EEXIST,
		    "%.200s and %.200s are the same file: two can't write to it at "
		    "once",
		    a, b);
}

static int open_soft(struct pp_net **out, const struct pp_net_soft_params *soft,
		     const struct pp_net_params *params, char *error)
{
	int ret = same_file(soft->pcap, params->writes, error);

	ret = ret ? ret : same_file(params->reads, soft->wire, error);
	ret = ret ? ret : same_file(soft->pcap, soft->wire, error);
	ret = ret ? ret : same_outputs(soft->wire, params->writes, error);
	return ret ? ret : soft_net_open(out, soft, params, error);
}

/* What words can't say wrong. */
static int sane(const struct port_words *w, char *error)
{
	char full[PP_VFIO_ADDRESS];

	if (w->kind == PORT_XDP && !w->xdp.ifname)
		return fail(error, -EINVAL, "an interface must be named");
	if (w->kind == PORT_XDP && w->xdp.frame && w->xdp.frame != 2048 && w->xdp.frame != 4096)
		return fail(error, -EINVAL, "a frame has 2048 or 4096 bytes, not %u", w->xdp.frame);
	if (w->kind == PORT_VFIO && !w->vfio.vfio &&
	    (!w->vfio.address || !pp_vfio_parse_address(full, w->vfio.address)))
		return fail(error, -EINVAL, "\"%.150s\" is no PCI address, as in 0000:00:03.0",
			    w->vfio.address ? w->vfio.address : "");
	if (w->kind == PORT_SOFT && w->soft.address_bits &&
	    (w->soft.address_bits < 32 || w->soft.address_bits > 64))
		return fail(error, -EINVAL, "a device has 32 to 64 bits of address, not %u",
			    w->soft.address_bits);
	return 0;
}

/* The parameters of one kind of device, as words have them or as the caller does. */
static int typed(struct port_words *w, const struct pp_net_params *p, char *error)
{
	int kinds = !!p->device + !!p->xdp + !!p->vfio + !!p->soft, ret = 0;

	if (kinds != 1)
		return fail(error, -EINVAL, "one device must be named, not %d", kinds);
	if (p->device)
		return port_words(w, p->device, error);
	w->kind = p->xdp ? PORT_XDP : p->vfio ? PORT_VFIO : PORT_SOFT;
	if (p->xdp)
		ret = port_params(&w->xdp, sizeof w->xdp, p->xdp);
	else if (p->vfio)
		ret = port_params(&w->vfio, sizeof w->vfio, p->vfio);
	else
		ret = port_params(&w->soft, sizeof w->soft, p->soft);
	return ret ? ret : sane(w, error);
}

static int open_kind(struct pp_net **out, const struct port_words *w, const struct pp_net_params *p,
		     char *error)
{
	switch (w->kind) {
	case PORT_SOFT: return open_soft(out, &w->soft, p, error);
	case PORT_VFIO: return vfio_net_open(out, &w->vfio, p, error);
	case PORT_XDP: return xdp_net_open(out, &w->xdp, p, error);
	}
	return -EOPNOTSUPP;
}

int pp_net_open(struct pp_net **out, const struct pp_net_params *params, char *error)
{
	char spare[PP_NET_ERROR], *say = error ? error : spare;
	struct port_words words = { 0 };
	struct pp_net_params p = { 0 };
	int ret = out && params ? port_params(&p, sizeof p, params) : -EINVAL;

	if (out)
		*out = NULL;
	*say = 0;
	if (!ret)
		ret = typed(&words, &p, say);
	if (!ret) {
		ret = open_kind(out, &words, &p, say);
		ret = ret == -EINVAL ? -EIO : ret; /* that one is for words and parameters */
	}
	if (ret && !*say)
		fail(say, ret, "can't open %s: %s", params && p.device ? p.device : "the device",
		     strerror(-ret));
	free(words.text);
	return ret;
}

void pp_net_close(struct pp_net *net)
{
	if (!net)
		return;
	pp_net_unbind(net);
	net->ops->close(net);
}

/* Fill in the caller's structure, which may be of another version, or NULL. */
static void hand_out(void *to, size_t size, const void *from, size_t ours)
{
	if (!to)
		return;
	memset(to, 0, size);
	memcpy(to, from, size < ours ? size : ours);
}

void pp_net_info(struct pp_net *net, struct pp_net_info *info, size_t size)
{
	struct pp_net_info now = { 0 };

	if (net) {
		now = net->info;
		now.queues = net->n_queues;
		if (net->ops->info)
			net->ops->info(net, &now);
	}
	hand_out(info, size, &now, sizeof now);
}

/* ---- pools -------------------------------------------------------------------------------- */

int pp_net_pool_params(struct pp_net *net, unsigned queue, struct pp_pool_params *params)
{
	const struct port_queue *q = queue_of(net, queue);
	size_t size = params ? params->size : 0;

	if (!q || size < sizeof size)
		return -EINVAL;
	hand_out(params, size, &q->required, sizeof q->required);
	params->size = size;
	return 0;
}

int pp_net_use_pool(struct pp_net *net, unsigned queue, struct pp_pool *pool)
{
	struct port_queue *q = queue_of(net, queue);

	if (!q)
		return -EINVAL;
	if (net->n_bound)
		return -EBUSY;
	q->supplied = pool;
	return 0;
}

/* Parameters of a pool that suits all; a device that needs an area is choosier. */
static int common_params(struct pp_pool_params *p, struct pp_net *const *nets, unsigned n,
			 unsigned queue)
{
	const struct port_queue *chosen = NULL;

	for (unsigned i = 0; i < n; i++) {
		const struct port_queue *q = queue_of(nets[i], queue);

		if (nets[i] && !q)
			return -EINVAL;
		if (!q)
			continue;
		if (chosen && chosen->required.area && q->required.area &&
		    chosen->required.page_size != q->required.page_size)
			return -EXDEV;
		if (!chosen || q->required.area > chosen->required.area)
			chosen = q;
	}
	if (!chosen)
		return -EINVAL;
	*p = chosen->required;
	return 0;
}

int pp_net_share_pool(struct pp_pool **out, struct pp_net *const *nets, unsigned n, unsigned queue)
{
	struct pp_pool_params p;
	int ret = out && nets ? common_params(&p, nets, n, queue) : -EINVAL;

	if (out)
		*out = NULL;
	for (unsigned i = 0; i < n && !ret; i++)
		if (nets[i] && nets[i]->n_bound)
			ret = -EBUSY;
	if (ret)
		return ret;
	p.name = "shared";
	p.dir = PP_DMA_BIDIRECTIONAL;
	ret = pp_pool_create(out, pp_binding_none(), &p);
	for (unsigned i = 0; i < n && !ret; i++)
		if (nets[i])
			pp_net_use_pool(nets[i], queue, *out);
	return ret;
}

struct pp_pool *pp_net_pool(struct pp_net *net, unsigned queue)
{
	const struct port_queue *q = queue_of(net, queue);

	return q ? q->rx_pool : NULL;
}

struct pp_pool *pp_net_send_pool(struct pp_net *net, unsigned queue)
{
	const struct port_queue *q = queue_of(net, queue);

	return q ? q->tx_pool : NULL;
}

struct pp_device *pp_net_device(struct pp_net *net, unsigned queue)
{
	const struct port_queue *q = queue_of(net, queue);

	return q ? q->dev : NULL;
}

int pp_net_own(struct pp_net *net, unsigned queue)
{
	const struct port_queue *q = queue_of(net, queue);
	int ret = 0;

	if (!q)
		return -EINVAL;
	if (q->rx_pool)
		ret = pp_pool_own(q->rx_pool);
	if (q->tx_pool && q->tx_pool != q->rx_pool && !ret)
		ret = pp_pool_own(q->tx_pool);
	return ret;
}

/* ---- the binding ----------------------------------------------------------------------------- */

static void bind_failed(struct pp_net *net, int ret)
{
	const char *why = net->ops->error(net);

	if (why && *why)
		snprintf(net->error, sizeof net->error, "%s", why);
	else
		snprintf(net->error, sizeof net->error, "can't bind the driver of %s: %s%s",
			 net->name, strerror(-ret),
			 ret == -ENOSYS ? "; the kernel must have membarrier(2)" : "");
}

/* The queues of one device stand side by side, and are bound with the first of them. */
static bool goes_along(const struct pp_net *net, unsigned i)
{
	return i && net->queue[i]->dev == net->queue[i - 1]->dev;
}

/* End the bindings of the first net->n_bound queues. */
static int end_bindings(struct pp_net *net, bool gone)
{
	unsigned n = net->n_bound;
	int ret = n ? 0 : -ENODEV;

	for (unsigned i = 0; i < n; i++) {
		struct pp_device *dev = net->queue[i]->dev;
		int one = 0;

		if (!goes_along(net, i))
			one = gone ? pp_device_remove(dev, PP_REMOVAL_SURPRISE) :
				     pp_device_unbind(dev);
		ret = ret ? ret : one;
	}
	net->n_bound = 0;
	if (n && net->ops->end)
		net->ops->end(net);
	return ret;
}

int pp_net_bind(struct pp_net *net)
{
	int ret = !net ? -EINVAL : net->n_bound ? -EBUSY : 0;

	if (ret)
		return ret;
	net->error[0] = 0;
	if (net->ops->begin)
		ret = net->ops->begin(net);
	for (unsigned i = 0; i < net->n_queues && !ret; i++) {
		if (!goes_along(net, i))
			ret = pp_device_bind(net->queue[i]->dev, &net->drv);
		net->n_bound += !ret;
	}
	if (!ret)
		return 0;
	bind_failed(net, ret);
	if (net->n_bound)
		end_bindings(net, false);
	else if (net->ops->end)
		net->ops->end(net);
	return ret;
}

int pp_net_unbind(struct pp_net *net)
{
	if (!net)
		return -EINVAL;
	net->error[0] = 0;
	return end_bindings(net, false);
}

int pp_net_remove(struct pp_net *net)
{
	return net ? end_bindings(net, true) : -EINVAL;
}

int pp_net_quiet(struct pp_net *net)
{
	if (!net)
		return -EINVAL;
	if (net->n_bound)
		return -EBUSY;
	return net->ops->quiet(net) ? 0 : -ETIMEDOUT;
}

/* ---- packets, and how it is ------------------------------------------------------------------ */

unsigned pp_net_receive(struct pp_net *net, unsigned queue, struct pp_net_seg *seg, unsigned n)
{
	struct port_queue *q = queue_of(net, queue);

	return q && seg ? net->ops->receive(q, seg, n) : 0;
}

unsigned pp_net_send(struct pp_net *net, unsigned queue, const struct pp_net_seg *seg, unsigned n)
{
	struct port_queue *q = queue_of(net, queue);

	return q && seg ? net->ops->send(q, seg, n) : 0;
}

unsigned pp_net_reap(struct pp_net *net, unsigned queue)
{
	struct port_queue *q = queue_of(net, queue);

	return q ? net->ops->reap(q) : 0;
}

int pp_net_event_fd(struct pp_net *net, unsigned queue)
{
	struct port_queue *q = queue_of(net, queue);

	return q ? net->ops->event_fd(q) : -EINVAL;
}

void pp_net_arm(struct pp_net *net, unsigned queue)
{
	struct port_queue *q = queue_of(net, queue);

	if (q)
		net->ops->arm(q);
}

enum pp_net_state pp_net_state(struct pp_net *net)
{
	return net ? net->ops->state(net) : PP_NET_GONE;
}

const char *pp_net_error(struct pp_net *net)
{
	const char *why = !net ? NULL : net->error[0] ? net->error : net->ops->error(net);

	return why ? why : "";
}

const char *pp_net_notice(struct pp_net *net)
{
	return !net || net->n_read == net->n_notices ? NULL :
						       net->notice[net->n_read++ % PORT_NOTICES];
}

/* All members are 64 bits wide. */
static void add(struct pp_net_stats *sum, const struct pp_net_stats *one)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)one;

	for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void pp_net_stats(struct pp_net *net, unsigned queue, struct pp_net_stats *stats, size_t size)
{
	struct pp_net_stats sum = { 0 };

	for (unsigned i = 0; net && i < net->n_queues; i++) {
		struct pp_net_stats one = { 0 };

		if (queue != PP_NET_ALL_QUEUES && queue != i)
			continue;
		add(&one, &net->queue[i]->stats);
		one.tx_sent_min = one.tx_sent_max = one.tx_packets;
		if (net->ops->stats)
			net->ops->stats(net->queue[i], &one);
		add(&sum, &one);
	}
	if (net && net->ops->totals && (queue == PP_NET_ALL_QUEUES || net->n_queues == 1))
		net->ops->totals(net, &sum);
	hand_out(stats, size, &sum, sizeof sum);
}
