/*
 * output.h - the file that a run writes: opened before the run, truncated when it begins.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef TOOL_OUTPUT_H
#define TOOL_OUTPUT_H

#include "tool.h"

struct output {
	int fd;        /* -1: not open */
	char *name;    /* for messages */
	bool standard; /* it is standard output's file, whose contents are somebody else's */
	bool regular;  /* it can be cut */
	bool append;   /* each write goes to its end */
	bool created;  /* it wasn't there before */
	uint64_t base; /* where in the file our part begins */
};

/* True if `path` is standard output, under whatever name. */
bool output_is_standard(const char *path);
/*
 * Open `path`; standard output if that is "-" or another name of the same file. Waits for a FIFO's
 * reader. Doesn't touch the contents. 0, or -1 after saying what is wrong.
 */
int output_open(struct output *o, const char *path);
/* The run begins: empty it. 0, or -1 after saying what is wrong. */
int output_begin(struct output *o);
/* The run never began: close it, and remove it if it wasn't there before. */
void output_abandon(struct output *o);
/* Close it. 0, or -1 after saying what is wrong. */
int output_close(struct output *o);
#endif
