/*
 * peek.c - reads the running kernel's memory through the programs of peek.bpf.c (libbpf).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "peek.h"

#include "peek.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define BTF_FILE "/sys/kernel/btf/vmlinux"

/* All symbols that are asked for: the kernel's list is long, and read once. */
static const char *const symbols[] = { "page_pools", "mem_id_ht", "softnet_data",
				       "__per_cpu_offset", "net_hotdata" };
#define N_SYMBOLS (sizeof symbols / sizeof symbols[0])

struct peek {
	struct peek_bpf *bpf;
	struct layout *layout;
	int memory_fd, now_fd;
	bool symbols_read;
	kaddr_t symbol[N_SYMBOLS];
};

const struct layout *peek_layout(const struct peek *p)
{
	return p->layout;
}

/* ---- open, close --------------------------------------------------------------------------- */

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

/* "none integrity [confidentiality]": the one in brackets is in force. */
static bool locked_down(void)
{
	FILE *f = fopen("/sys/kernel/security/lockdown", "re");
	char text[128] = "";

	if (f && !fgets(text, sizeof text, f))
		*text = 0;
	if (f)
		fclose(f);
	return strstr(text, "[confidentiality]");
}

static int refuse(int ret, char error[PEEK_ERROR])
{
	if (locked_down())
		snprintf(error, PEEK_ERROR,
			 "the kernel is locked down (confidentiality), so its memory "
			 "can't be read; boot it without lockdown=confidentiality");
	else if (ret == -EPERM || ret == -EACCES)
		snprintf(error, PEEK_ERROR,
			 "no permission to load BPF programs; run it as root on the host "
			 "(CAP_BPF and CAP_PERFMON, in the first user namespace)");
	else if (ret == -ENOSYS || ret == -EINVAL)
		snprintf(error, PEEK_ERROR,
			 "the kernel takes no BPF programs of the kind needed (Linux "
			 "5.15 with CONFIG_BPF_SYSCALL has them): %s",
			 strerror(-ret));
	else
		snprintf(error, PEEK_ERROR, "the BPF programs can't be loaded: %s", strerror(-ret));
	return ret;
}

/* Kernels before 5.11 count BPF memory as locked; harmless on the others. */
static void raise_memlock(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &all);
}

static int load(struct peek *p, char error[PEEK_ERROR])
{
	int ret;

	p->bpf = peek_bpf__open();
	if (!p->bpf)
		return refuse(-errno, error);
	ret = peek_bpf__load(p->bpf);
	if (ret)
		return refuse(ret, error);
	p->memory_fd = bpf_program__fd(p->bpf->progs.peek_memory);
	p->now_fd = bpf_program__fd(p->bpf->progs.peek_now);
	if (!peek_current(p))
		return refuse(-EINVAL, error);
	p->bpf->bss->pid_level =
		(uint32_t)member_at(p, member_at(p, peek_current(p), M_task_pid), M_pid_level);
	return 0;
}

int peek_open(struct peek **out, char error[PEEK_ERROR])
{
	struct peek *p = calloc(1, sizeof *p);
	int ret;

	*out = NULL;
	if (!p) {
		snprintf(error, PEEK_ERROR, "no memory");
		return -ENOMEM;
	}
	libbpf_set_print(quiet);
	raise_memlock();
	if (access(BTF_FILE, F_OK)) {
		snprintf(error, PEEK_ERROR,
			 "this kernel doesn't describe its structures (%s is missing); "
			 "it takes one with CONFIG_DEBUG_INFO_BTF",
			 BTF_FILE);
		ret = -ENOENT;
		goto fail;
	}
	p->layout = layout_open();
	if (!p->layout) {
		ret = -errno;
		snprintf(error, PEEK_ERROR, "can't read %s: %s", BTF_FILE, strerror(-ret));
		goto fail;
	}
	ret = load(p, error);
	if (ret)
		goto fail;
	*out = p;
	return 0;
fail:
	peek_close(p);
	return ret;
}

void peek_close(struct peek *p)
{
	if (!p)
		return;
	peek_bpf__destroy(p->bpf);
	layout_close(p->layout);
	free(p);
}

/* ---- memory -------------------------------------------------------------------------------- */

static bool run(int fd)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	return !bpf_prog_test_run_opts(fd, &opts) && !opts.retval;
}

static void peek_some(struct peek *p, struct peek_part *parts, size_t n)
{
	bool ran;

	for (size_t i = 0; i < n; i++) {
		struct peek_request *r = &p->bpf->bss->requests[i];

		r->address = parts[i].address;
		r->len = parts[i].len <= PEEK_BYTES ? parts[i].len : PEEK_BYTES;
		r->error = -EIO;
	}
	p->bpf->bss->request_count = (uint32_t)n;
	ran = run(p->memory_fd);
	for (size_t i = 0; i < n; i++) {
		parts[i].ok = ran && !p->bpf->bss->requests[i].error;
		if (parts[i].ok)
			memcpy(parts[i].to, p->bpf->bss->answers[i], parts[i].len);
		else
			memset(parts[i].to, 0, parts[i].len);
	}
}

void peek_parts(struct peek *p, struct peek_part *parts, size_t n)
{
	for (size_t i = 0; i < n; i += PEEK_BATCH)
		peek_some(p, parts + i, n - i < PEEK_BATCH ? n - i : PEEK_BATCH);
}

bool peek_read(struct peek *p, kaddr_t address, void *to, size_t len)
{
	bool ok = true;

	for (size_t done = 0; done < len && ok;) {
		struct peek_part parts[PEEK_BATCH];
		size_t n = 0;

		for (; n < PEEK_BATCH && done < len; n++) {
			uint32_t piece =
				len - done < PEEK_BYTES ? (uint32_t)(len - done) : PEEK_BYTES;

			parts[n] = (struct peek_part){ address + done, (char *)to + done, piece,
						       false };
			done += piece;
		}
		peek_some(p, parts, n);
		for (size_t i = 0; i < n; i++)
			ok &= parts[i].ok;
	}
	if (!ok)
		memset(to, 0, len);
	return ok;
}

void peek_string(struct peek *p, kaddr_t address, char *to, size_t size)
{
	struct peek_part part = { address, to, (uint32_t)(size - 1), false };

	memset(to, 0, size);
	if (!address)
		return;
	peek_parts(p, &part, 1);
	/* it may lie at the end of what can be read */
	for (size_t i = 0; !part.ok && i < size - 1; i++)
		if (!peek_read(p, address + i, to + i, 1) || !to[i])
			break;
	for (size_t i = 0; to[i]; i++)
		if (to[i] < ' ' || to[i] > '~')
			to[i] = '?';
}

/* ---- symbols and time ---------------------------------------------------------------------- */

static void read_symbols(struct peek *p)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512], name[256];
	unsigned long long at;

	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%llx %*c %255s", &at, name) != 2)
			continue;
		for (size_t i = 0; i < N_SYMBOLS; i++)
			if (!p->symbol[i] && !strcmp(name, symbols[i]))
				p->symbol[i] = at;
	}
	if (f)
		fclose(f);
	p->symbols_read = true;
}

kaddr_t peek_symbol(struct peek *p, const char *name)
{
	if (!p->symbols_read)
		read_symbols(p);
	for (size_t i = 0; i < N_SYMBOLS; i++)
		if (!strcmp(symbols[i], name))
			return p->symbol[i];
	return 0;
}

kaddr_t peek_current(struct peek *p)
{
	return run(p->now_fd) ? p->bpf->bss->current_task : 0;
}

uint64_t peek_jiffies(struct peek *p)
{
	return run(p->now_fd) ? p->bpf->bss->jiffies_now : 0;
}

/* Jiffies begin five minutes before they pass 2^32; so far they count the time since boot. */
unsigned peek_hz(struct peek *p)
{
	static const unsigned rates[] = { 100, 250, 300, 1000, 24,   48,  64,
					  128, 200, 256, 512,  1024, 1200 };
	uint64_t jiffies = peek_jiffies(p);
	unsigned best = rates[0];
	double least = 0;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		uint64_t start = (uint32_t)(-300 * (int)rates[i]);
		double off = ((double)jiffies - (double)start) / rates[i] - (double)now.tv_sec;

		off = off < 0 ? -off : off;
		if (!i || off < least) {
			least = off;
			best = rates[i];
		}
	}
	return best;
}

/* ---- lists --------------------------------------------------------------------------------- */

static int read_list(int fd, void (*fn)(const struct peek_file *file, void *ctx), void *ctx)
{
	struct peek_file files[256];
	char *at = (char *)files;
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, at + have, sizeof files - have)) != 0) {
		size_t whole;

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		have += (size_t)n;
		whole = have / sizeof files[0];
		for (size_t i = 0; i < whole; i++)
			fn(&files[i], ctx);
		have -= whole * sizeof files[0];
		memmove(at, at + whole * sizeof files[0], have);
	}
	return 0;
}

int peek_list(struct peek *p, enum peek_list what,
	      void (*fn)(const struct peek_file *file, void *ctx), void *ctx)
{
	struct bpf_program *prog =
		what == PEEK_FILES ? p->bpf->progs.peek_files : p->bpf->progs.peek_tcp;
	struct bpf_link *link = bpf_program__attach_iter(prog, NULL);
	int fd, ret;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	ret = fd < 0 ? fd : read_list(fd, fn, ctx);
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return ret;
}
