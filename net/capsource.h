/*
 * capsource.h - the bytes of a capture file, wherever they come from: a file or a pipe, possibly
 * through gzip or zstd.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_CAPSOURCE_H
#define NIC_CAPSOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capsource;

/*
 * All functions that return an int give 0, or -errno with a reason in words, without the file's
 * name, in error (of CAPSOURCE_ERROR bytes): -ECANCELED when the program is to end.
 */
#define CAPSOURCE_ERROR 200

int capsource_open(struct capsource **out, const char *path, char *error);
void capsource_close(struct capsource *s);
/* At *bytes, until the next call, lie *n bytes: n at least, fewer only at the end of the file. */
int capsource_peek(struct capsource *s, const uint8_t **bytes, size_t *n, char *error);
/* Move on by n bytes, which needn't have been looked at. Less at the end of the file. */
int capsource_skip(struct capsource *s, uint64_t n, char *error);
/* Begin again. -ESPIPE: it can't, as it is no file. */
int capsource_rewind(struct capsource *s, char *error);
/* Any thread: a wait for more bytes ends now, and so do all that follow. */
void capsource_cancel(struct capsource *s);

#endif
