/*
 * gen.c - a packet generator for the tests: gen socket|frames IFNAME BYTES SECONDS [PPS]
 *
 * UDP packets of BYTES (without the checksum), as fast as they go or PPS a second. `socket`
 * sends numbered ones through a packet socket, past the queueing discipline: each is an skb,
 * as from a host. `frames` has the kernel send one again and again as XDP frames (an XDP
 * program run with BPF_F_TEST_XDP_LIVE_FRAMES, which redirects): so a network card's driver
 * hands packets over, before there is an skb, and several times as fast. It prints how many
 * were sent, and in how many seconds.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64u
#define MAX 1514u
#define MANY 262144u /* frames in one go: to begin and to end takes the kernel milliseconds */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Ethernet, IPv4 and UDP to nobody; the number stands behind them. */
static void fill(uint8_t *p, uint32_t len)
{
	static const uint8_t head[42] = {
		2, 0, 0, 0,  0,  2, 2, 0,  0,  0, 0, 1,  8,  0, 0x45, 0,    0,    0,    0,
		0, 0, 0, 64, 17, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2,    0x30, 0x39, 0x30, 0x3a,
	};
	uint16_t total = htons((uint16_t)(len - 14)), udp = htons((uint16_t)(len - 34));
	uint32_t sum = 0;

	memset(p, 0, len);
	memcpy(p, head, sizeof head);
	memcpy(p + 16, &total, 2);
	memcpy(p + 38, &udp, 2);
	for (int i = 14; i < 34; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16));
	p[24] = (uint8_t)(sum >> 8);
	p[25] = (uint8_t)sum;
}

/* Sends packets, about `want` of them, and returns how many, or a negative errno. */
static int (*send_some)(unsigned want);

static int fd; /* the packet socket, or the program */
static uint32_t len;
static uint8_t packet[BATCH][MAX];
static uint64_t number;

static int send_socket(unsigned want)
{
	static struct mmsghdr msg[BATCH];
	static struct iovec iov[BATCH];
	int n;

	if (want > BATCH)
		want = BATCH;
	for (unsigned i = 0; i < want; i++) {
		uint64_t k = number + i;

		memcpy(packet[i] + 42, &k, sizeof k);
		iov[i] = (struct iovec){ packet[i], len };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	n = sendmmsg(fd, msg, want, 0);
	return n >= 0 ? n : errno == ENOBUFS || errno == EAGAIN ? 0 : -errno;
}

static int send_frames(unsigned want)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet[0], .data_size_in = len,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .repeat = (int)want, .batch_size = BATCH);

	return bpf_prog_test_run_opts(fd, &run) ? -errno : (int)want;
}

static int open_socket(const char *ifname)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = (int)if_nametoindex(ifname) };
	int one = 1;

	fd = socket(AF_PACKET, SOCK_RAW, 0); /* 0: it receives nothing */
	return fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one) ||
	       bind(fd, (struct sockaddr *)&to, sizeof to);
}

/* return bpf_redirect(ifindex, 0); */
static int open_frames(const char *ifname)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_1,
		  .imm = (int)if_nametoindex(ifname) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "gen", "Dual BSD/GPL", code, 4, NULL);
	return fd < 0;
}

int main(int argc, char **argv)
{
	bool frames = argc > 1 && !strcmp(argv[1], "frames");
	double seconds = argc > 4 ? atof(argv[4]) : 0;
	uint64_t rate = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
	uint64_t begun, now;

	len = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;
	if (len < 60 || len > MAX || seconds <= 0 || (!frames && strcmp(argv[1], "socket"))) {
		fprintf(stderr, "gen socket|frames IFNAME 60..1514 SECONDS [PPS]\n");
		return 2;
	}
	if (frames ? open_frames(argv[2]) : open_socket(argv[2])) {
		perror("gen");
		return 1;
	}
	send_some = frames ? send_frames : send_socket;
	for (unsigned i = 0; i < BATCH; i++)
		fill(packet[i], len);
	begun = now_ns();
	while ((now = now_ns()) - begun < (uint64_t)(seconds * 1e9)) {
		uint64_t due = rate ? (uint64_t)((double)(now - begun) * (double)rate / 1e9) + 1 :
				      UINT64_MAX;
		int n;

		if (number >= due) {
			usleep(50);
			continue;
		}
		n = send_some(due - number < MANY ? (unsigned)(due - number) : MANY);
		if (n < 0) {
			fprintf(stderr, "gen: %s\n", strerror(-n));
			break;
		}
		number += (unsigned)n;
	}
	printf("%llu %.3f\n", (unsigned long long)number, (double)(now_ns() - begun) / 1e9);
	return 0;
}
