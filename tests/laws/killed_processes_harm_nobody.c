/*
 * killed_processes_harm_nobody.c - laws 4 and 5 between processes: a consumer has mapped the file
 * that a pool's memory lies in. When the driver's process is killed, in the middle of anything, the
 * consumer's pages keep their contents, and the memory goes with the last process. When the
 * consumer is killed, the driver finds its socket closed and puts the pages that it had.
 *
 * ROUNDS: how often; 5.
 *
 * What a device can reach is told by the kernel, where the device is real (in the virtual machine):
 * by the IOMMU's page tables, as debugfs shows them.
 *
 * That the memory has gone is told by inotify(7): a file without a name is deleted when nobody has
 * it open or mapped any more. Nothing else on the machine can bring that about.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "laws.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define PAGES 10000u
#define WORDS (PP_BASE_PAGE / 8)

static unsigned rounds(void)
{
	const char *text = getenv("ROUNDS");

	return text ? (unsigned)atoi(text) : 5;
}

static struct pp_pool_params shared(void)
{
	struct pp_pool_params p = small_chunks(2 * MIB);

	p.shared = true;
	return p;
}

/* ---- what goes over the socket ----------------------------------------------------------- */

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		abort();
	}
}

static void send_all(int to, const void *data, size_t n)
{
	for (const char *at = data; n;) {
		ssize_t sent = send(to, at, n, MSG_NOSIGNAL);

		must(sent > 0, "send");
		at += sent;
		n -= (size_t)sent;
	}
}

static bool receive_all(int from, void *data, size_t n)
{
	return recv(from, data, n, MSG_WAITALL) == (ssize_t)n;
}

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static void send_fd(int to, int fd)
{
	union control control = { .room = { 0 } };
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr m = { .msg_iov = &data,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof control.room };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	must(sendmsg(to, &m, MSG_NOSIGNAL) == 1, "sendmsg");
}

static int receive_fd(int from)
{
	union control control;
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr m = { .msg_iov = &data,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof control.room };
	int fd;

	must(recvmsg(from, &m, MSG_CMSG_CLOEXEC) == 1, "recvmsg");
	memcpy(&fd, CMSG_DATA(&control.head), sizeof fd);
	return fd;
}

/* What a page holds, by its place in the file: as both processes know it. */
static uint64_t word_of(uint64_t offset, unsigned round, unsigned i)
{
	return (offset ^ (uint64_t)round << 48) * 0x9E3779B97F4A7C15u + i;
}

static void write_page(void *addr, uint64_t offset, unsigned round)
{
	for (unsigned i = 0; i < WORDS; i++)
		((uint64_t *)addr)[i] = word_of(offset, round, i);
}

static bool is_as_written(const void *addr, uint64_t offset, unsigned round)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (((const uint64_t *)addr)[i] != word_of(offset, round, i))
			return false;
	return true;
}

/* A process with one end of a socket of which the other is *end. Nothing is shared but that. */
static pid_t start_process(void (*live)(int socket, unsigned round), unsigned round, int *end)
{
	int ends[2];
	pid_t pid;

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "socketpair");
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		close(ends[0]);
		live(ends[1], round);
		_exit(0);
	}
	close(ends[1]);
	*end = ends[0];
	return pid;
}

static void kill_process(pid_t pid)
{
	int how = -1;

	must(!kill(pid, SIGKILL) && waitpid(pid, &how, 0) == pid, "kill");
	must(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL, "it died of something else");
}

static uint64_t size_of(int fd, uint64_t *memory)
{
	struct stat s;

	must(!fstat(fd, &s), "fstat");
	*memory = 512 * (uint64_t)s.st_blocks;
	return (uint64_t)s.st_size;
}

/* ---- what devices can reach --------------------------------------------------------------- */

/* Rows in the page tables of a device, one for each page mapped; -1: the kernel doesn't tell. */
static long rows_of(const char *device)
{
	char path[96], line[256];
	long n = 0;
	FILE *tables;

	snprintf(path, sizeof path, "/sys/kernel/debug/iommu/intel/%s/domain_translation_struct",
		 device);
	tables = fopen(path, "r");
	while (tables && fgets(line, sizeof line, tables))
		n += !strncmp(line, "0x", 2);
	if (!tables)
		return -1;
	fclose(tables);
	return n;
}

/* Of all devices that programs may have; -1: there is none. */
static long rows_of_tables(void)
{
	DIR *devices = opendir("/sys/bus/pci/drivers/vfio-pci");
	const struct dirent *device;
	long n = -1, rows;

	while (devices && (device = readdir(devices))) {
		rows = strchr(device->d_name, ':') ? rows_of(device->d_name) : -1;
		if (rows >= 0)
			n = n < 0 ? rows : n + rows;
	}
	if (devices)
		closedir(devices);
	return n;
}

/* ---- the driver is killed ---------------------------------------------------------------- */

/* Pages come, are written and go, chunks too, until it is killed; and the other end hears of it. */
static void go_on(struct pp_pool *pool, int socket)
{
	for (;;) {
		struct bunch b = take(pool, 3000);

		for (unsigned i = 0; i < b.n; i += 7)
			memset(pp_page_addr(b.page[i]), 0xFF, PP_BASE_PAGE);
		put_all(&b);
		pp_pool_trim(pool, 0);
		send(socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void driver(int socket, unsigned round)
{
	static uint64_t offset[PAGES];
	struct pp_pool_params p = shared();
	struct soft_device d;
	struct pp_pool *pool;
	struct bunch b;

	soft_device_init(&d, NULL);
	must(!pp_pool_create(&pool, soft_device_bind(&d), &p), "pp_pool_create");
	b = take(pool, PAGES);
	for (unsigned i = 0; i < PAGES; i++) {
		must(pp_page_fd(b.page[i], &offset[i]) == pp_pool_fd(pool), "pp_page_fd");
		write_page(pp_page_addr(b.page[i]), offset[i], round);
	}
	send_fd(socket, pp_pool_fd(pool));
	send_all(socket, offset, sizeof offset);
	go_on(pool, socket);
}

/* inotify tells when the file has gone. */
static int watch(int fd)
{
	char name[64];
	int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	must(events >= 0 && inotify_add_watch(events, name, IN_DELETE_SELF) >= 0, "inotify");
	return events;
}

static bool has_gone(int events)
{
	struct inotify_event e[8];
	ssize_t n = read(events, e, sizeof e);

	return n >= (ssize_t)sizeof e[0] && e[0].mask & IN_DELETE_SELF;
}

struct found {
	unsigned wrong, early, left, mapped, judged;
};

static void consume(int socket, pid_t pid, unsigned round, struct found *found)
{
	static uint64_t offset[PAGES];
	uint64_t size, memory;
	int fd = receive_fd(socket), events = watch(fd);
	char byte, *map;

	must(receive_all(socket, offset, sizeof offset), "the pages' offsets");
	size = size_of(fd, &memory);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	must(map != MAP_FAILED, "mmap");
	close(fd);
	for (unsigned i = 0; i <= round % 4; i++)
		must(receive_all(socket, &byte, 1), "the driver is at work");
	for (unsigned i = 0; i < round * 37 % 1000; i++)
		sched_yield();
	found->judged += rows_of_tables() >= (long)(size / MIB / 2);
	kill_process(pid);
	found->mapped += rows_of_tables() > 0;
	for (unsigned i = 0; i < PAGES; i++)
		found->wrong += !is_as_written(map + offset[i], offset[i], round);
	close(socket);
	found->early += has_gone(events);
	munmap(map, size);
	found->left += !has_gone(events);
	close(events);
}

static void driver_is_killed(void)
{
	struct found found = { 0 };
	unsigned n = rounds();
	int socket;

	for (unsigned round = 0; round < n; round++) {
		pid_t pid = start_process(driver, round, &socket);

		consume(socket, pid, round, &found);
	}
	check_eq(found.wrong, 0, "%u drivers were killed: %u pages hold what they held", n,
		 n * PAGES);
	if (rows_of_tables() < 0) {
		tap_skip("nothing is mapped in the IOMMU", "no device here is real");
	} else {
		check_eq(found.judged, n, "the kernel knew what was mapped in the IOMMU");
		check_eq(found.mapped, 0, "and nothing is, once the driver has died");
	}
	check_eq(found.early, 0, "while they are mapped their memory is there");
	check_eq(found.left, 0, "and is gone after that");
}

/* ---- the consumer is killed -------------------------------------------------------------- */

#define LENT 3000u
#define BACK 1000u

struct told {
	uint64_t index, offset;
};

/* Reads each page, gives every third back, and waits to be killed. */
static void consumer(int socket, unsigned round)
{
	static struct told page[LENT];
	static uint64_t back[BACK];
	int fd = receive_fd(socket);

	must(receive_all(socket, page, sizeof page), "pages");
	for (unsigned i = 0; i < LENT; i++) {
		char *map =
			mmap(NULL, PP_BASE_PAGE, PROT_READ, MAP_SHARED, fd, (off_t)page[i].offset);

		must(map != MAP_FAILED && is_as_written(map, page[i].offset, round),
		     "a page's contents");
		munmap(map, PP_BASE_PAGE);
		back[i / 3] = page[i].index;
	}
	send_all(socket, back, sizeof back);
	pause();
}

struct lending {
	struct pp_pool *pool;
	struct pp_page *lent[PAGES]; /* by index: to this consumer, and not put yet */
	unsigned n, odd;
};

/* The consumer says that it is done with a page. It may say what it likes. */
static void give_back(struct lending *l, uint64_t index)
{
	if (index >= PAGES || !l->lent[index] || l->lent[index] != pp_pool_page(l->pool, index)) {
		l->odd++;
		return;
	}
	pp_page_put(l->lent[index]);
	l->lent[index] = NULL;
	l->n--;
}

static void lend(struct lending *l, int socket, unsigned round)
{
	static struct told page[LENT];

	for (unsigned i = 0; i < LENT; i++) {
		struct pp_page *p;

		must(!pp_page_get(&p, l->pool), "a page");
		page[i].index = pp_page_index(p);
		pp_page_fd(p, &page[i].offset);
		write_page(pp_page_addr(p), page[i].offset, round);
		must(page[i].index < PAGES, "an index");
		l->lent[page[i].index] = p;
		l->n++;
	}
	send_all(socket, page, sizeof page);
}

static void consumer_is_killed(void)
{
	struct pp_pool_params p = shared();
	struct lending l = { .pool = NULL };
	unsigned kept = 0, n = rounds();
	bool empties = kernel_empties_files();

	for (unsigned round = 0; round < n; round++) {
		static uint64_t back[BACK];
		uint64_t memory;
		int socket, fd;
		pid_t pid = start_process(consumer, round, &socket);

		l.pool = new_pool(pp_binding_none(), &p);
		fd = pp_pool_fd(l.pool);
		send_fd(socket, fd);
		lend(&l, socket, round);
		must(receive_all(socket, back, sizeof back), "what is given back");
		for (unsigned i = 0; i < BACK; i++)
			give_back(&l, back[i]);
		kill_process(pid);
		kept += pool_stats(l.pool).in_flight == LENT - BACK && l.n == LENT - BACK;
		must(!receive_all(socket, back, 1), "the socket is closed");
		for (uint64_t i = 0; i < PAGES; i++)
			if (l.lent[i])
				give_back(&l, i);
		kept += !pool_stats(l.pool).in_flight && !l.n;
		pp_pool_trim(l.pool, 0);
		size_of(fd, &memory);
		kept += !memory || !empties;
		close(socket);
		pp_pool_destroy(l.pool);
	}
	check_eq(kept, 3 * n, "%u consumers were killed: what they had is put, and its memory gone",
		 n);
	check_eq(l.odd, 0, "nothing else came back");
	check_nothing_left("at the end");
}

int main(void)
{
	run(driver_is_killed);
	run(consumer_is_killed);
	return tap_end();
}
