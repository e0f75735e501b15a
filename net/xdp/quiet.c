/*
 * quiet.c - frames that a card may still access after the close. In zero-copy mode the kernel stops
 * a card's queue some time after its socket is closed; until then nobody may use a frame that was
 * posted. So such frames are kept here, and put once the queue is quiet.
 *
 * The queue is quiet when another socket can be bound to it: the kernel permits that only after the
 * driver has stopped the queue.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qp.h"

#define LOOK_MS 10
#define LONGEST_MS 3000
#define ENTRIES 16u /* of a ring that is never used */

/* The frames of a binding that has ended. */
struct xdp_kept {
	struct xdp_kept *next;
	struct xdp_frame *frame;
	uint64_t n_frames;
};

/* ---- is a queue quiet? ------------------------------------------------------------------- */

/* What a socket must have to be bound. */
static bool set_up(int fd, void *frame, size_t size)
{
	struct xdp_umem_reg umem = { .addr = (uintptr_t)frame, .len = size, .chunk_size = 2048 };
	const unsigned entries = ENTRIES;

	return !setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) &&
	       !setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &entries, sizeof entries) &&
	       !setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &entries, sizeof entries) &&
	       !setsockopt(fd, SOL_XDP, XDP_TX_RING, &entries, sizeof entries);
}

/* True if the queue can be had, or the interface is down, gone, or has no such queue any more. */
static bool is_quiet(unsigned ifindex, unsigned queue)
{
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
				     .sxdp_flags = XDP_COPY,
				     .sxdp_ifindex = ifindex,
				     .sxdp_queue_id = queue };
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *frame = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	bool quiet = false;

	if (fd >= 0 && frame != MAP_FAILED && set_up(fd, frame, size))
		quiet = !bind(fd, (struct sockaddr *)&addr, sizeof addr) || errno == ENODEV ||
			errno == ENETDOWN || errno == EINVAL;
	if (fd >= 0)
		close(fd);
	if (frame != MAP_FAILED)
		munmap(frame, size);
	return quiet;
}

/* ---- the frames -------------------------------------------------------------------------- */

static void put_posted(struct xdp_frame *frame, uint64_t n)
{
	for (uint64_t i = 0; frame && i < n; i++)
		for (unsigned k = frame[i].rx + frame[i].tx; k; k--)
			pp_page_put(frame[i].page);
	free(frame);
}

static void put_kept(struct xdp_qp *qp)
{
	while (qp->kept) {
		struct xdp_kept *k = qp->kept;

		qp->kept = k->next;
		put_posted(k->frame, k->n_frames);
		free(k);
	}
}

void xdp_quiet_begin(struct xdp_qp *qp)
{
	struct xdp_kept *k = qp->umem->stopping ? malloc(sizeof *k) : NULL;

	if (k) {
		*k = (struct xdp_kept){ qp->kept, qp->frame, qp->n_frames };
		qp->kept = k;
	} else if (!qp->umem->stopping) {
		put_posted(qp->frame, qp->n_frames);
	}
	/* else there is no memory to remember them by: they are never used again */
	qp->frame = NULL;
	qp->n_frames = 0;
}

bool xdp_quiet_look(struct xdp_qp *qp)
{
	for (uint64_t left = qp->umem->stopping; left; left &= left - 1) {
		unsigned queue = (unsigned)__builtin_ctzll(left);

		if (qp->x->link.gone || is_quiet(qp->x->link.index, queue))
			qp->umem->stopping &= ~(1ull << queue);
	}
	if (!qp->umem->stopping)
		put_kept(qp);
	return !qp->umem->stopping;
}

bool xdp_quiet_wait(struct xdp_qp *qp)
{
	for (unsigned ms = 0; ms < LONGEST_MS; ms += LOOK_MS) {
		if (xdp_quiet_look(qp))
			return true;
		poll(NULL, 0, LOOK_MS);
	}
	return xdp_quiet_look(qp);
}

void xdp_quiet_end(struct xdp_qp *qp)
{
	if (xdp_quiet_wait(qp))
		return;
	while (qp->kept) { /* their pages stay in flight for ever */
		struct xdp_kept *k = qp->kept;

		qp->kept = k->next;
		free(k->frame);
		free(k);
	}
}
