/*
 * pptest.c - what the guest's scripts need beyond busybox, as one static program:
 *   pptest xdp IFINDEX            attach an XDP program that passes everything
 *   pptest pools                  what the kernel says of its page_pools, by netlink
 *   pptest hold PORT N BYTES GO   take N connections, leave the data unread until the file GO is
 *                                 there, then read it all and compare. First prints "waiting", and
 *                                 "held" when it has the connections.
 *   pptest pipe PORT N BYTES GO   the same, but the data are spliced into pipes, and all are there
 *                                 when it prints "held"
 *   pptest send ADDRESS PORT N BYTES
 *                                 open N connections and send BYTES each; prints "acked" when
 *                                 the other side's kernel has it all; ends when it hangs up
 *   pptest stream ADDRESS PORT / pptest sink PORT
 *                                 send the pattern for ever / read and compare as long as it comes
 *   pptest live IFINDEX N         let the kernel run N live frames through that XDP program
 *   pptest huge MIB               touch so much memory that huge pages are wanted for
 *
 * The interfaces are those of the kernel (netlink, bpf): Debian's headers of 6.1 lack the
 * page-pool messages, so linux/netdev.h comes from the tree that is tested.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/netdev.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "pptest: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- netlink ------------------------------------------------------------------------------ */

struct message {
	struct nlmsghdr head;
	char body[512];
};

static void put(struct message *m, unsigned type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)a + NLA_HDRLEN, data, len);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

/* Send M, call EACH for every answer until the end or the acknowledgement of it. */
static void ask(int s, struct message *m, void (*each)(struct nlmsghdr *))
{
	static char buf[1 << 16];

	m->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(s, m, m->head.nlmsg_len, 0) < 0)
		die("netlink, send");
	while (true) {
		ssize_t got = recv(s, buf, sizeof(buf), 0);
		struct nlmsghdr *h = (void *)buf;

		if (got < 0)
			die("netlink, receive");
		for (; NLMSG_OK(h, (unsigned)got); h = NLMSG_NEXT(h, got)) {
			if (h->nlmsg_type == NLMSG_ERROR) {
				errno = -((struct nlmsgerr *)NLMSG_DATA(h))->error;
				if (errno)
					die("netlink, the kernel");
				return;
			}
			if (h->nlmsg_type == NLMSG_DONE)
				return;
			if (each)
				each(h);
		}
	}
}

#define for_each_attr(a, h, skip)                                                          \
	for (struct nlattr *a = (void *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(skip));        \
	     (char *)a + NLA_HDRLEN <= (char *)(h) + (h)->nlmsg_len && a->nla_len >= NLA_HDRLEN; \
	     a = (void *)((char *)a + NLA_ALIGN(a->nla_len)))

static uint64_t number(const struct nlattr *a)
{
	uint64_t n64;
	uint32_t n32;

	if (a->nla_len == NLA_HDRLEN + sizeof(n64)) {
		memcpy(&n64, (char *)a + NLA_HDRLEN, sizeof(n64));
		return n64;
	}
	memcpy(&n32, (char *)a + NLA_HDRLEN, sizeof(n32));
	return n32;
}

static int netlink(int protocol)
{
	int s = socket(AF_NETLINK, SOCK_RAW, protocol);

	if (s < 0)
		die("netlink");
	return s;
}

static uint16_t family;

static void family_is(struct nlmsghdr *h)
{
	for_each_attr(a, h, GENL_HDRLEN) {
		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			memcpy(&family, (char *)a + NLA_HDRLEN, sizeof(family));
	}
}

static void genl(struct message *m, uint16_t type, uint8_t command, uint16_t flags)
{
	struct genlmsghdr g = {.cmd = command, .version = 1};

	*m = (struct message){.head = {.nlmsg_type = type, .nlmsg_flags = flags}};
	m->head.nlmsg_len = NLMSG_LENGTH(sizeof(g));
	memcpy(NLMSG_DATA(&m->head), &g, sizeof(g));
}

/* "pool ID ifindex N inflight N detached SECONDS"; what isn't there is "-" */
static void pool_is(struct nlmsghdr *h)
{
	char ifindex[24] = "-", inflight[24] = "-", detached[24] = "-";
	uint64_t id = 0;

	for_each_attr(a, h, GENL_HDRLEN) {
		switch (a->nla_type) {
		case NETDEV_A_PAGE_POOL_ID: id = number(a); break;
		case NETDEV_A_PAGE_POOL_IFINDEX: sprintf(ifindex, "%ju", number(a)); break;
		case NETDEV_A_PAGE_POOL_INFLIGHT: sprintf(inflight, "%ju", number(a)); break;
		case NETDEV_A_PAGE_POOL_DETACH_TIME: sprintf(detached, "%ju", number(a)); break;
		}
	}
	printf("pool %ju ifindex %s inflight %s detached %s\n", id, ifindex, inflight, detached);
}

static int pools(void)
{
	int s = netlink(NETLINK_GENERIC);
	struct message m;

	genl(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	put(&m, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY_NAME, sizeof(NETDEV_FAMILY_NAME));
	ask(s, &m, family_is);
	genl(&m, family, NETDEV_CMD_PAGE_POOL_GET, NLM_F_DUMP);
	ask(s, &m, pool_is);
	return 0;
}

static int bpf(int command, union bpf_attr *attr)
{
	int status = syscall(SYS_bpf, command, attr, sizeof(*attr));

	if (status < 0)
		die("bpf");
	return status;
}

static int xdp_pass(void)
{
	struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
			       .insns = (uintptr_t)pass,
			       .insn_cnt = 2,
			       .license = (uintptr_t)"Dual BSD/GPL"};

	return bpf(BPF_PROG_LOAD, &attr);
}

/*
 * The program that is loaded already, if any: nobody else loads one in the guest. vmxnet3 forgets
 * its program when it is closed, without putting it (vmxnet3_rq_cleanup_all()), so that each one
 * that was loaded would stay for ever, and be missed when memory is compared.
 */
static int xdp_pass_once(void)
{
	union bpf_attr attr = {.start_id = 0};

	if (syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr)))
		return xdp_pass();
	attr = (union bpf_attr){.prog_id = attr.next_id};
	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

/* The kernel makes the frames in a page_pool of its own, which has an init_callback. */
static int live(int ifindex, unsigned n)
{
	static uint8_t frame[1024] = {[12] = 0x08, [13] = 0x06};
	struct xdp_md context = {.data_end = sizeof(frame), .ingress_ifindex = ifindex};
	union bpf_attr attr = {.test = {.prog_fd = xdp_pass(),
					.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
					.repeat = n,
					.data_in = (uintptr_t)frame,
					.data_size_in = sizeof(frame),
					.ctx_in = (uintptr_t)&context,
					.ctx_size_in = sizeof(context)}};

	return bpf(BPF_PROG_TEST_RUN, &attr);
}

static int xdp(int ifindex)
{
	struct ifinfomsg link = {.ifi_index = ifindex};
	struct message m = {.head = {.nlmsg_type = RTM_SETLINK}};
	uint32_t flags = XDP_FLAGS_DRV_MODE;
	char nest[64];
	struct nlattr *a = (void *)nest;
	int fd = xdp_pass_once();

	m.head.nlmsg_len = NLMSG_LENGTH(sizeof(link));
	memcpy(NLMSG_DATA(&m.head), &link, sizeof(link));
	*a = (struct nlattr){.nla_type = IFLA_XDP_FD, .nla_len = NLA_HDRLEN + sizeof(fd)};
	memcpy(a + 1, &fd, sizeof(fd));
	a = (void *)(nest + NLA_ALIGN(a->nla_len));
	*a = (struct nlattr){.nla_type = IFLA_XDP_FLAGS, .nla_len = NLA_HDRLEN + sizeof(flags)};
	memcpy(a + 1, &flags, sizeof(flags));
	put(&m, IFLA_XDP | NLA_F_NESTED, nest, 2 * (NLA_HDRLEN + 4));
	ask(netlink(NETLINK_ROUTE), &m, NULL);
	return 0;
}

/* ---- TCP ------------------------------------------------------------------------------------ */

/* What the connection's bytes are from number AT on, eight of them: no period that a page or a
 * segment has. */
static uint64_t pattern(unsigned connection, uint64_t at)
{
	uint64_t x = (at / 8 + 1) * 0x9e3779b97f4a7c15u + connection * 0xd1342543de82ef95u;

	return x ^ x >> 29;
}

static uint8_t buf[1 << 16];

static void fill(unsigned connection, uint64_t at, size_t len)
{
	uint64_t x = pattern(connection, at);

	for (size_t i = 0; i < len; i++, at++) {
		if (at % 8 == 0)
			x = pattern(connection, at);
		buf[i] = x >> (at % 8 * 8);
	}
}

static bool same(unsigned connection, uint64_t at, size_t len)
{
	uint64_t x = pattern(connection, at);

	for (size_t i = 0; i < len; i++, at++) {
		if (at % 8 == 0)
			x = pattern(connection, at);
		if (buf[i] != (uint8_t)(x >> (at % 8 * 8)))
			return false;
	}
	return true;
}

/* Closed means closed: no FIN is sent again and again through a NIC that has gone. */
static void forget_at_close(int s)
{
	struct linger at_once = {.l_onoff = 1};

	setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static int listening(int port, size_t room)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	int s = socket(AF_INET, SOCK_STREAM, 0), one = 1, size = room > 1u << 29 ? 1 << 29 : (int)room;

	forget_at_close(s); /* accepted ones inherit it */
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(s, (void *)&at, sizeof(at)) || listen(s, 1024))
		die("listen");
	printf("waiting\n");
	fflush(stdout);
	return s;
}

static int connected(const char *address, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int s = socket(AF_INET, SOCK_STREAM, 0), size = 1 << 22;

	forget_at_close(s);
	inet_pton(AF_INET, address, &to.sin_addr);
	if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) ||
	    connect(s, (void *)&to, sizeof(to)))
		die("connect");
	return s;
}

/* A pipe with all that comes from a socket: the pages themselves, no copies. */
static int spliced(int s, uint64_t bytes)
{
	int ends[2];
	ssize_t got;

	if (pipe(ends) || fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) < 0)
		die("pipe");
	while (bytes && (got = splice(s, NULL, ends[1], NULL, bytes, SPLICE_F_MOVE)) > 0)
		bytes -= got;
	if (bytes)
		die("splice");
	return ends[0];
}

/* The connection's number is its first byte: they may come in any order. */
static int hold(int port, unsigned n, uint64_t bytes, const char *go, bool in_pipes)
{
	int listener = listening(port, 8 * bytes + 65536), *s = calloc(n, sizeof(*s));
	unsigned wrong = 0;

	for (unsigned i = 0; i < n; i++)
		if ((s[i] = accept(listener, NULL, NULL)) < 0)
			die("accept");
	for (unsigned i = 0; i < n && in_pipes; i++)
		s[i] = spliced(s[i], bytes + 1);
	printf("held\n");
	fflush(stdout);
	while (access(go, F_OK))
		usleep(10000);
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = 0;
		uint8_t me;
		ssize_t got;

		if (read(s[i], &me, 1) != 1)
			die("a connection's number");
		while (at < bytes && (got = read(s[i], buf, sizeof(buf))) > 0) {
			if (!same(me, at, got)) {
				wrong++;
				break;
			}
			at += got;
		}
		if (at != bytes) {
			printf("connection %u: right up to byte %ju\n", me, at);
			wrong++;
		}
	}
	printf("%u connections, %ju bytes each, %u wrong\n", n, bytes, wrong);
	return wrong != 0;
}

static int send_all(const char *address, int port, unsigned n, uint64_t bytes)
{
	int *s = calloc(n, sizeof(*s));
	uint8_t end;

	for (unsigned i = 0; i < n; i++) {
		uint8_t me = i;

		s[i] = connected(address, port);
		if (send(s[i], &me, 1, 0) != 1)
			die("send");
		for (uint64_t at = 0; at < bytes;) {
			size_t len = bytes - at < sizeof(buf) ? bytes - at : sizeof(buf);
			ssize_t sent;

			fill(me, at, len);
			sent = send(s[i], buf, len, 0);
			if (sent < 0)
				die("send");
			at += sent;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		int left;

		while (!ioctl(s[i], SIOCOUTQ, &left) && left)
			usleep(5000);
	}
	printf("acked\n");
	fflush(stdout);
	return recv(s[0], &end, 1, 0) < 0; /* never comes if the NIC has gone: killed then */
}

static int stream(const char *address, int port)
{
	int s = connected(address, port);
	uint64_t at = 0;
	ssize_t sent;

	do {
		fill(0, at, 16384);
		sent = send(s, buf, 16384, 0);
		at += sent > 0 ? sent : 0;
	} while (sent > 0);
	return 0;
}

static int sinking = -1;

/* Not by EINTR alone: the signal may come between two calls of recv(). */
static void enough(int signal)
{
	(void)signal;
	shutdown(sinking, SHUT_RD);
}

/* Until it is told to end by SIGTERM: what came before must have been right. */
static int sink(int port)
{
	struct sigaction end = {.sa_handler = enough};
	int listener = listening(port, 1 << 18);
	uint64_t at = 0;
	ssize_t got;

	sigaction(SIGTERM, &end, NULL);
	sinking = accept(listener, NULL, NULL);
	while ((got = recv(sinking, buf, sizeof(buf), 0)) > 0) {
		if (!same(0, at, got)) {
			printf("wrong within %zd bytes at %ju\n", got, at);
			return 1;
		}
		at += got;
	}
	printf("%ju bytes were right\n", at);
	return 0;
}

/* Which were huge the kernel's counters tell (thp_fault_alloc, thp_fault_fallback). */
static int huge(size_t mib)
{
	size_t bytes = mib << 20, huge_page = 2 << 20;
	char *at = mmap(NULL, bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("mmap");
	at += huge_page - (uintptr_t)at % huge_page;
	if (madvise(at, bytes, MADV_HUGEPAGE))
		die("madvise");
	for (size_t i = 0; i < bytes; i += 4096)
		at[i] = 1;
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "xdp") && argc == 3)
		return xdp(atoi(argv[2]));
	if (!strcmp(what, "live") && argc == 4)
		return live(atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(what, "huge") && argc == 3)
		return huge(strtoull(argv[2], NULL, 10));
	if (!strcmp(what, "pools") && argc == 2)
		return pools();
	if (!strcmp(what, "hold") && argc == 6)
		return hold(atoi(argv[2]), atoi(argv[3]), strtoull(argv[4], NULL, 10), argv[5], false);
	if (!strcmp(what, "pipe") && argc == 6)
		return hold(atoi(argv[2]), atoi(argv[3]), strtoull(argv[4], NULL, 10), argv[5], true);
	if (!strcmp(what, "send") && argc == 6)
		return send_all(argv[2], atoi(argv[3]), atoi(argv[4]), strtoull(argv[5], NULL, 10));
	if (!strcmp(what, "stream") && argc == 4)
		return stream(argv[2], atoi(argv[3]));
	if (!strcmp(what, "sink") && argc == 3)
		return sink(atoi(argv[2]));
	fprintf(stderr, "pptest: see the head of pptest.c\n");
	return 2;
}
