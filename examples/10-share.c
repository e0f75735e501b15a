/*
 * 10-share.c - pages for another process: it maps the file that they lie in, and says of each by
 * its place there that it is done with it. It is killed in the middle, and what it had is put.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <pagepool/pagepool.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGES 200u
#define SIZE 4096u

/* Send a file descriptor over a socket or, with fd -1, receive one. */
static int pass(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = { 0 };
	struct iovec data = { &byte, 1 };
	struct msghdr m = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control };
	struct cmsghdr *head = (struct cmsghdr *)control;

	m.msg_controllen = sizeof control;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof fd);
	*(int *)CMSG_DATA(head) = fd;
	if ((fd < 0 ? recvmsg(socket, &m, 0) : sendmsg(socket, &m, 0)) == 1)
		fd = *(int *)CMSG_DATA(head);
	return fd;
}

/* The other process. It is killed with half of the pages. */
static void consume(int socket)
{
	int fd = pass(socket, -1);
	uint64_t at; /* where a page lies in the file, which is what it holds */

	for (unsigned n = 0; n < PAGES / 2; n++) {
		uint64_t *page;

		recv(socket, &at, sizeof at, MSG_WAITALL);
		page = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, (off_t)at);
		if (page != MAP_FAILED && *page == at && !munmap(page, SIZE))
			send(socket, &at, sizeof at, 0);
	}
	raise(SIGKILL);
}

/* What the consumer says that it is done with is looked up: it is trusted with nothing. */
static int drive(struct pp_pool *pool, int socket)
{
	static struct pp_page *lent[PAGES * 8];
	unsigned back = 0, left = 0;
	struct pp_page *page;
	uint64_t at;

	pass(socket, pp_pool_fd(pool));
	for (unsigned i = 0; i < PAGES && !pp_page_get(&page, pool); i++) {
		pp_page_fd(page, &at);
		lent[at / SIZE] = page;
		*(uint64_t *)pp_page_addr(page) = at;
		send(socket, &at, sizeof at, MSG_NOSIGNAL);
	}
	while (recv(socket, &at, sizeof at, MSG_WAITALL) == sizeof at)
		if (at / SIZE < PAGES * 8 && lent[at / SIZE]) {
			pp_page_put(lent[at / SIZE]);
			lent[at / SIZE] = NULL;
			back++;
		}
	for (unsigned i = 0; i < PAGES * 8; i++) /* the socket is closed: it has ended */
		if (lent[i]) {
			pp_page_put(lent[i]);
			left++;
		}
	pp_pool_destroy(pool);
	printf("%u pages came back; %u were put when the consumer was killed\n", back, left);
	return back == PAGES / 2 && left == PAGES / 2 ? 0 : 1;
}

int main(void)
{
	struct pp_pool_params params = pp_pool_defaults();
	struct pp_pool *pool;
	int end[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, end))
		return 1;
	if (!fork()) { /* anybody with a socket will do */
		close(end[0]);
		consume(end[1]);
	}
	close(end[1]);
	params.shared = true;
	return pp_pool_create(&pool, pp_binding_none(), &params) ? 1 : drive(pool, end[0]);
}
