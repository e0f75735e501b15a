/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* compat.h - where 6.1 and 6.12 keep page_pool's header. */
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#include <net/page_pool/helpers.h>
#else
#include <net/page_pool.h>
#endif
