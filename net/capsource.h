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
 * All functions that return an int return 0, or -errno with the reason as text, without the file's
 * name, in error (CAPSOURCE_ERROR bytes). -ECANCELED: the program is to end.
 */
#define CAPSOURCE_ERROR 200

int capsource_open(struct capsource **out, const char *path, char *error);
void capsource_close(struct capsource *s);
/* Until the next call there are *n bytes at *bytes: at least n, or fewer at the end of the file. */
int capsource_peek(struct capsource *s, const uint8_t **bytes, size_t *n, char *error);
/* Skip n bytes, whether looked at or not; fewer at the end of the file. */
int capsource_skip(struct capsource *s, uint64_t n, char *error);
/* Begin again. -ESPIPE: it can't, as it is no file. */
int capsource_rewind(struct capsource *s, char *error);
/* Any thread: a wait for more bytes ends now, and so do all that follow. */
void capsource_cancel(struct capsource *s);

#endif
