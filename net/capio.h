/*
 * capio.h - opens the descriptors of capture files and waits for them so that a program that is
 * told to end can do so, whatever is at the other end.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_CAPIO_H
#define NIC_CAPIO_H

#include <stdbool.h>

/*
 * From now on, in the whole process, whatever waits for the reader or writer of a pipe gives up
 * once this descriptor is readable; -1: never. Call before the first file is opened.
 */
void capio_stop_on(int fd);
/*
 * Open for reading: "-" is standard input. A FIFO needs no writer yet. The descriptor, or -errno.
 */
int capio_open_read(const char *path);
/*
 * Open for writing, without truncating; "-" is standard output. Waits until a FIFO has a reader.
 * *created: the file didn't exist before. The descriptor, or -errno; -ECANCELED: told to end while
 * waiting.
 */
int capio_open_write(const char *path, bool *created);
/*
 * Wait until there is something to read. 0, or -ECANCELED: told to end, or `cancel`, a descriptor
 * or -1, is readable.
 */
int capio_wait(int fd, int cancel);

#endif
