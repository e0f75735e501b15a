/*
 * capfile.c - fuzzes the reader of capture files: the input is the file. Whatever it says,
 * each packet's bytes can be read, an error is one sentence that names the file, and to
 * begin again gives the same packets.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <capfile.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 20000 /* packets that are read of one file */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* What a pass over the file came upon. */
struct pass {
	uint64_t n, sum;
	int end;
};

static uint64_t add(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ b[i]) * 0x100000001B3u;
	return sum;
}

/* One line that names the file; the rest of the buffer is as it was. */
static void check_sentence(const char *error, const char *path)
{
	size_t len = strnlen(error, CAPFILE_ERROR);

	must(len > 0 && len < CAPFILE_ERROR - 1, "no sentence, or one without an end");
	must(strstr(error, path) != NULL, "a sentence that doesn't name the file");
	must(error[CAPFILE_ERROR] == 0x55, "a sentence longer than the buffer");
}

static struct pass read_all(struct capfile *f, const char *path)
{
	char error[CAPFILE_ERROR + 1];
	struct capfile_packet p;
	struct pass pass = { .sum = 14695981039346656037u };

	memset(error, 0x55, sizeof error);
	while (pass.n < MOST && (pass.end = capfile_next(f, &p, error)) == 1) {
		pass.n++;
		pass.sum = add(pass.sum, p.bytes, p.len); /* each of its bytes can be read */
		pass.sum = add(pass.sum, &p.len, sizeof p.len);
		pass.sum = add(pass.sum, &p.wire_len, sizeof p.wire_len);
		pass.sum = add(pass.sum, &p.time_ns, sizeof p.time_ns);
	}
	must(pass.end == 0 || pass.end == 1 || pass.end == -EINVAL, "another result");
	if (pass.end < 0)
		check_sentence(error, path);
	return pass;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];
	char error[CAPFILE_ERROR + 1];
	struct capfile *f = (struct capfile *)1;
	struct pass first, again;
	int ret;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	must(!ftruncate(fd, 0) && pwrite(fd, data, size, 0) == (ssize_t)size,
	     "can't write the input");
	memset(error, 0x55, sizeof error);
	ret = capfile_open(&f, path, error);
	if (ret) {
		must(ret == -EINVAL && !f, "another result of an open that failed");
		check_sentence(error, path);
		capfile_close(NULL);
		return 0;
	}
	(void)capfile_link_type(capfile_dlt(f));
	first = read_all(f, path);
	must(!capfile_rewind(f, error), "what could be opened can't be opened again");
	again = read_all(f, path);
	must(first.n == again.n && first.sum == again.sum && first.end == again.end,
	     "the second time the packets were others");
	capfile_close(f);
	return 0;
}
