/*
 * top.c - pagepool top: the table of stat, or of kernel pools, with rates, live (ncurses).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "loop.h"
#include "watch.h"
#ifdef HAVE_KERNEL
#include "kernel/kernel.h"
#endif

#include <curses.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The table's lines, as far as the screen reaches; headings stand out. The text is freed. */
static void draw(char *text)
{
	char *line, *rest;
	int y = 0;

	erase();
	for (rest = text; (line = strsep(&rest, "\n")) && y < LINES - 1; y++) {
		bool heading = !strncmp(line, "POOL ", 5) || !strncmp(line, "DEVICE ", 7);

		attrset(heading ? A_BOLD : A_NORMAL);
		mvaddnstr(y, 0, line, COLS);
	}
	attrset(A_REVERSE);
	mvaddnstr(LINES - 1, 0, " q: quit ", COLS);
	attrset(A_NORMAL);
	refresh();
	free(text);
}

/* Until q, or the process ends. A failure is told once the screen is put back. */
static int show(struct watched *w, int interval_ms, bool *ended)
{
	json_t *before = NULL, *now;
	int key = ERR;

	*ended = false;
	while (key != 'q' && !stop_asked()) {
		char *text = NULL;
		size_t size;
		FILE *f;

		now = watch_ask(w, ended);
		if (!now)
			break;
		f = open_memstream(&text, &size);
		if (f) {
			table_print(f, now, before);
			fclose(f);
			draw(text);
		}
		json_decref(before);
		before = now;
		timeout(interval_ms);
		key = getch();
	}
	json_decref(before);
	return key == 'q' || *ended || stop_asked() ? EXIT_OK : EXIT_ERROR;
}

static SCREEN *screen_open(void)
{
	SCREEN *screen = stop_fd_open() >= 0 ? newterm(NULL, stdout, stdin) : NULL;

	if (!screen) {
		say("can't use this terminal; is TERM set?");
		return NULL;
	}
	cbreak();
	noecho();
	curs_set(0);
	return screen;
}

static void screen_close(SCREEN *screen)
{
	endwin();
	delscreen(screen);
}

#ifdef HAVE_KERNEL
/* The kernel's page pools, until q. 0 or a negative errno. */
static int show_kernel(int interval_ms)
{
	struct scan s;
	uint64_t was = loop_now(), now;
	int key = ERR, ret = scan_open(&s);

	while (!ret && key != 'q' && !stop_asked()) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		now = loop_now();
		ret = f ? kernel_pools_show(f, &s, (double)(now - was) / 1e9) : -ENOMEM;
		was = now;
		if (f)
			fclose(f);
		draw(text);
		timeout(interval_ms);
		key = getch();
	}
	scan_close(&s);
	return ret;
}

static int top_kernel(int interval_ms)
{
	SCREEN *screen = screen_open();
	int ret;

	if (!screen)
		return EXIT_ERROR;
	ret = show_kernel(interval_ms);
	screen_close(screen);
	if (ret)
		say("can't list the kernel's page pools: %s", strerror(-ret));
	return ret ? EXIT_ERROR : EXIT_OK;
}
#endif

static int top_process(const char *pid, int interval_ms)
{
	bool usage, ended;
	struct watched w;
	SCREEN *screen;
	int status;

	if (watch_open(&w, pid, &usage))
		return usage ? EXIT_USAGE : EXIT_ERROR;
	screen = screen_open();
	if (!screen) {
		watch_close(&w);
		return EXIT_ERROR;
	}
	status = show(&w, interval_ms, &ended);
	screen_close(screen);
	if (status != EXIT_OK)
		say("%s", w.error);
	if (ended)
		printf("process %d has ended\n", w.pid);
	watch_close(&w);
	return status;
}

int top_main(int argc, char **argv)
{
	const char *pid = NULL;
	uint64_t interval = 1000;
	bool kernel = false;
	const struct option_def defs[] = {
		{ "pid", 'p', "PID", "the process; not needed if there is only one", OPTION_TEXT,
		  &pid },
		{ "interval", 'i', "MS", "milliseconds between updates (1000)", OPTION_COUNT,
		  &interval },
#ifdef HAVE_KERNEL
		{ "kernel", 'k', NULL, "the running kernel's page pools instead", OPTION_FLAG,
		  &kernel },
#endif
		{ 0 },
	};

	if (options_parse(argc, argv, "top",
			  "Show the pools and devices of a running process, live.", defs))
		return EXIT_USAGE;
	if (interval > 3600000) {
		say("--interval is at most 3600000, an hour");
		return EXIT_USAGE;
	}
	if (kernel && pid) {
		say("--kernel and --pid can't be combined");
		return EXIT_USAGE;
	}
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		say("top needs a terminal; pagepool %s prints the same once",
		    kernel ? "kernel pools" : "stat");
		return EXIT_ERROR;
	}
#ifdef HAVE_KERNEL
	if (kernel)
		return top_kernel((int)interval);
#endif
	return top_process(pid, (int)interval);
}
