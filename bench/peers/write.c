/*
 * write.c FILE PACKETS BYTES - the limit of a capture: one core copies as many packets with a
 * header of 16 bytes each into blocks of 1 MiB, and io_uring writes the blocks. No device, no
 * pool, no IOMMU. Prints the nanoseconds it took.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include "../bench.h"

#define BLOCKS 8u
#define BLOCK (1u << 20)
#define HEADER 16u
#define SOURCE 4096u /* packets that differ; then the same again */

static struct io_uring ring;
static struct {
	char *at;
	unsigned used;
	bool busy;
} block[BLOCKS];

static void reap(void)
{
	struct io_uring_cqe *cqe;
	unsigned i;

	if (io_uring_wait_cqe(&ring, &cqe))
		fail("io_uring_wait_cqe");
	i = (unsigned)cqe->user_data;
	if (cqe->res != (int)block[i].used)
		fail("the write");
	block[i].busy = false;
	block[i].used = 0;
	io_uring_cqe_seen(&ring, cqe);
}

static void submit(int fd, unsigned i, uint64_t offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_write(sqe, fd, block[i].at, block[i].used, offset);
	sqe->user_data = i;
	block[i].busy = true;
	if (io_uring_submit(&ring) < 0)
		fail("io_uring_submit");
}

static void write_packets(int fd, const char *source, uint64_t n, unsigned bytes)
{
	uint64_t offset = 24; /* a file header's */
	unsigned i = 0;

	for (uint64_t k = 0; k < n; k++) {
		if (block[i].used + HEADER + bytes > BLOCK) {
			submit(fd, i, offset);
			offset += block[i].used;
			i = (i + 1) % BLOCKS;
			while (block[i].busy)
				reap();
		}
		memcpy(block[i].at + block[i].used, &k, HEADER / 2);
		memcpy(block[i].at + block[i].used + HEADER, source + k % SOURCE * bytes, bytes);
		block[i].used += HEADER + bytes;
	}
	if (block[i].used)
		submit(fd, i, offset);
	for (i = 0; i < BLOCKS; i++)
		while (block[i].busy)
			reap();
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 3 ? strtoull(argv[2], NULL, 10) : 0;
	unsigned bytes = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	cpu_set_t mine;
	char *source;
	double begun;
	int fd;

	if (!n || !bytes || bytes > 65536)
		fail("arguments: a file, packets, bytes of each");
	fd = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0666);
	source = malloc((size_t)SOURCE * bytes);
	if (fd < 0 || !source || io_uring_queue_init(BLOCKS, &ring, 0))
		fail("the file, or io_uring");
	processor(0);
	pin_to(0);
	CPU_ZERO(&mine);
	CPU_SET(processor(0), &mine);
	io_uring_register_iowq_aff(&ring, sizeof mine, &mine); /* its helpers too */
	memset(source, 'x', (size_t)SOURCE * bytes);
	for (unsigned i = 0; i < BLOCKS; i++) {
		block[i].at = aligned_alloc(4096, BLOCK);
		memset(block[i].at, 0, BLOCK);
	}
	begun = now_ns();
	write_packets(fd, source, n, bytes);
	printf("%.0f\n", now_ns() - begun);
	return 0;
}
