/*
 * kernel.c - pagepool kernel: selects one of its commands, and has what they share.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "held.h"
#include "kernel.h"

#include <string.h>
#include <sys/stat.h>

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "pools", kernel_pools_main, "list the machine's page pools (the default)" },
	{ "holders", kernel_holders_main, "show who holds their pages" },
	{ "watch", kernel_watch_main,
	  "show where pages leave them from now on, and what goes wrong" },
	{ "check", kernel_check_main, "check whether this kernel unmaps them in time" },
	{ "unbind", kernel_unbind_main,
	  "take a device from its driver once all its pages are back" },
};

static void usage(void)
{
	printf("Usage: pagepool kernel [COMMAND] [OPTION ...]\n"
	       "Look at the page pools of the running kernel.\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].what);
	printf("\n  --help     show this help; COMMAND --help shows a command's\n");
}

int kernel_main(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage();
		return EXIT_OK;
	}
	if (argc < 2 || argv[1][0] == '-')
		return kernel_pools_main(argc, argv);
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].main(argc - 1, argv + 1);
	say("kernel has no command \"%s\"; see pagepool kernel --help", argv[1]);
	return EXIT_USAGE;
}

/* ---- what they share ------------------------------------------------------------------------ */

int kernel_scan(struct scan *s)
{
	struct held h;
	int ret = scan_pools(s);

	if (ret || !s->peek || s->all_pools)
		return ret;
	ret = held_scan(&h, s);
	held_close(&h);
	return ret;
}

#define FIRST_PID_NAMESPACE 0xEFFFFFFCu

/* True in a container: its processes are not all that there are. */
static bool contained(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino != FIRST_PID_NAMESPACE;
}

const char *kernel_note(const struct scan *s, unsigned i)
{
	static char text[PEEK_ERROR + 100];
	const char *notes[3];
	unsigned n = 0;

	if (*s->no_netlink && !s->peek)
		notes[n++] = s->no_netlink;
	if (!s->peek) {
		snprintf(text, sizeof text,
			 "only what the kernel lists to this network namespace is "
			 "here: %s",
			 s->no_peek);
		notes[n++] = text;
	}
	if (contained())
		notes[n++] = "this is a container: processes outside of it can't be seen; run it "
			     "on the host";
	return i < n ? notes[i] : NULL;
}

json_t *kernel_notes(const struct scan *s)
{
	json_t *notes = json_array();
	const char *note;

	for (unsigned i = 0; (note = kernel_note(s, i)); i++)
		json_array_append_new(notes, json_string(note));
	return notes;
}

const char *kernel_pool_name(const struct pool *pool, char buf[32])
{
	if (pool->id)
		snprintf(buf, 32, "%llu", (unsigned long long)pool->id);
	else
		snprintf(buf, 32, "@%llx", (unsigned long long)pool->address);
	return buf;
}

const char *kernel_pool_state(const struct pool *pool, char buf[40])
{
	char age[16];

	if (!pool->zombie)
		snprintf(buf, 40, "alive");
	else if (pool->zombie_s < 0)
		snprintf(buf, 40, "zombie");
	else
		snprintf(buf, 40, "zombie %s",
			 table_ago((uint64_t)pool->zombie_s * 1000000000, age));
	return buf;
}
