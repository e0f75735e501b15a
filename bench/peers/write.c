/*
 * write.c FILE PACKETS BYTES [apart] - the limit of a capture: one core copies as many packets with
 * a header of 16 bytes each into blocks of 1 MiB, and io_uring writes the blocks. No device, no
 * pool, no IOMMU. `apart`: the other core copies, as a device would be that isn't this one, so that
 * what is written lies in another's cache. Prints the nanoseconds it took.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <fcntl.h>
#include <liburing.h>
#include <semaphore.h>
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

static struct {
	const char *source;
	uint64_t n, next; /* packets, and the next one to be copied */
	unsigned bytes;
	bool apart;
	sem_t full, empty; /* blocks, where another thread copies */
} copy;

/* A block full of packets, or with the last of them. */
static void fill(unsigned i)
{
	for (; copy.next < copy.n && block[i].used + HEADER + copy.bytes <= BLOCK; copy.next++) {
		char *to = block[i].at + block[i].used;

		memcpy(to, &copy.next, HEADER / 2);
		memcpy(to + HEADER, copy.source + copy.next % SOURCE * copy.bytes, copy.bytes);
		block[i].used += HEADER + copy.bytes;
	}
}

static void *copy_apart(void *arg)
{
	pin_to(1);
	for (unsigned i = 0; copy.next < copy.n; i = (i + 1) % BLOCKS) {
		sem_wait(&copy.empty);
		fill(i);
		sem_post(&copy.full);
	}
	return arg;
}

static void write_packets(int fd)
{
	uint64_t blocks = copy.n / (BLOCK / (HEADER + copy.bytes)) + 1;
	uint64_t offset = 24; /* a file header's */
	unsigned i = 0;

	for (uint64_t k = 0; k < blocks; k++, i = (i + 1) % BLOCKS) {
		while (block[i].busy) {
			reap();
			sem_post(&copy.empty);
		}
		if (copy.apart)
			sem_wait(&copy.full);
		else
			fill(i);
		submit(fd, i, offset);
		offset += block[i].used;
	}
	for (i = 0; i < BLOCKS; i++)
		while (block[i].busy)
			reap();
}

int main(int argc, char **argv)
{
	cpu_set_t mine;
	pthread_t thread;
	double begun;
	int fd;

	copy.n = argc > 3 ? strtoull(argv[2], NULL, 10) : 0;
	copy.bytes = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	copy.apart = argc > 4;
	/* so that the last block is no empty one */
	if (!copy.n || !copy.bytes || copy.bytes > 65536 ||
	    copy.n % (BLOCK / (HEADER + copy.bytes)) == 0)
		fail("arguments: a file, packets, bytes of each");
	fd = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0666);
	copy.source = memset(malloc((size_t)SOURCE * copy.bytes), 'x', (size_t)SOURCE * copy.bytes);
	if (fd < 0 || io_uring_queue_init(BLOCKS, &ring, 0) || sem_init(&copy.full, 0, 0) ||
	    sem_init(&copy.empty, 0, BLOCKS))
		fail("the file, or io_uring");
	processor(0);
	pin_to(0);
	CPU_ZERO(&mine);
	CPU_SET(processor(0), &mine);
	io_uring_register_iowq_aff(&ring, sizeof mine, &mine); /* its helpers too */
	for (unsigned i = 0; i < BLOCKS; i++) {
		block[i].at = aligned_alloc(4096, BLOCK);
		memset(block[i].at, 0, BLOCK);
	}
	begun = now_ns();
	if (copy.apart && pthread_create(&thread, NULL, copy_apart, NULL))
		fail("pthread_create");
	write_packets(fd);
	if (copy.apart)
		pthread_join(thread, NULL);
	printf("%.0f\n", now_ns() - begun);
	return 0;
}
