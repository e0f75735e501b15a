/*
 * capio.h - opens the descriptors of capture files and waits for them in such a way that a program
 * that is told to end can do so, whatever is at the other end.
 *
 * SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
 */
#ifndef NIC_CAPIO_H
#define NIC_CAPIO_H

#include <stdbool.h>

/*
 * From now on, for the whole process: what waits for a reader or a writer of a pipe gives up when
 * this descriptor is readable. -1: nothing does. Before the first file is opened.
 */
void capio_stop_on(int fd);
/*
 * Open for reading: "-" is standard input. A FIFO needs no writer yet. The descriptor, or -errno.
 */
int capio_open_read(const char *path);
/*
 * Open for writing: "-" is standard output. What is in the file stays. A FIFO is waited for until
 * it has a reader. *created: the file wasn't there before. The descriptor, or -errno; -ECANCELED:
 * told to end while waiting.
 */
int capio_open_write(const char *path, bool *created);
/*
 * Wait until there is something to read. 0, or -ECANCELED: told to end, or `cancel`, a descriptor
 * or -1, is readable.
 */
int capio_wait(int fd, int cancel);

#endif
