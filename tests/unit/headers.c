/*
 * headers.c - every public header compiles alone, twice in a row and without warnings; all of them
 * are in the list. The build makes one file per header from header.in, and this program checks that
 * each is there.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#include <dirent.h>
#include <pagepool/pagepool.h>
#include <string.h>

#include "tap.h"

#define DECLARE(name) int header_##name(void);
HEADERS(DECLARE)

static void each_compiles_alone(void)
{
#define ASK(name) check(header_##name(), "<pagepool/" #name ".h>");
	HEADERS(ASK)
}

static void none_is_missing_here(void)
{
	DIR *dir = opendir(HEADERS_DIR);
	unsigned found = 0, listed = 0;

#define COUNT(name) listed++;
	HEADERS(COUNT)
	require(dir, "%s is there", HEADERS_DIR);
	for (struct dirent *e; (e = readdir(dir));)
		found += strlen(e->d_name) > 2 && !strcmp(e->d_name + strlen(e->d_name) - 2, ".h");
	closedir(dir);
	check_eq(found, listed, "it holds the headers of this list, and no other");
}

int main(void)
{
	run(each_compiles_alone);
	run(none_is_missing_here);
	check(pp_version()[0], "and the library is linked");
	return tap_end();
}
