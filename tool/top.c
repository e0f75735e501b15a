/*
 * top.c - pagepool top: the table of stat with rates, again and again (ncurses).
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include "watch.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The table's lines, as far as the screen reaches; headings stand out. */
static void draw(const json_t *now, const json_t *before)
{
	char *text = NULL, *line, *rest;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int y = 0;

	if (!f)
		return;
	table_print(f, now, before);
	fclose(f);
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
		now = watch_ask(w, ended);
		if (!now)
			break;
		draw(now, before);
		json_decref(before);
		before = now;
		timeout(interval_ms);
		key = getch();
	}
	json_decref(before);
	return key == 'q' || *ended || stop_asked() ? EXIT_OK : EXIT_ERROR;
}

int top_main(int argc, char **argv)
{
	const char *pid = NULL;
	uint64_t interval = 1000;
	const struct option_def defs[] = {
		{ "pid", 'p', "PID", "the process; not needed if there is only one", OPTION_TEXT, &pid },
		{ "interval", 'i', "MS", "milliseconds between two looks (1000)", OPTION_COUNT, &interval },
		{ 0 },
	};
	bool usage, ended;
	struct watched w;
	SCREEN *screen;
	int status;

	if (options_parse(argc, argv, "top", "Show the pools and devices of a running process, live.",
			  defs))
		return EXIT_USAGE;
	if (interval > 3600000) {
		say("--interval is at most 3600000, an hour");
		return EXIT_USAGE;
	}
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		say("top needs a terminal; pagepool stat prints the same once");
		return EXIT_ERROR;
	}
	if (watch_open(&w, pid, &usage))
		return usage ? EXIT_USAGE : EXIT_ERROR;
	screen = stop_fd_open() >= 0 ? newterm(NULL, stdout, stdin) : NULL;
	if (!screen) {
		say("can't use this terminal; is TERM set?");
		watch_close(&w);
		return EXIT_ERROR;
	}
	cbreak();
	noecho();
	curs_set(0);
	status = show(&w, (int)interval, &ended);
	endwin();
	delscreen(screen);
	if (status != EXIT_OK)
		say("%s", w.error);
	if (ended)
		printf("process %d has ended\n", w.pid);
	watch_close(&w);
	return status;
}
