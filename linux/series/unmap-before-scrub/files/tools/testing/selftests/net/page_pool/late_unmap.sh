#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# late_unmap.sh - is no page of a page_pool unmapped when page_pool_destroy() has returned? Loads
# late_unmap.ko, which says how. Needs two CPUs and CONFIG_KPROBES.

readonly KSFT_SKIP=4
dir=$(dirname "$0")
params=/sys/module/late_unmap/parameters

if [ "$(id -u)" -ne 0 ]; then
	echo "SKIP: must be run as root"
	exit $KSFT_SKIP
fi
if [ "$(nproc)" -lt 2 ]; then
	echo "SKIP: needs two CPUs"
	exit $KSFT_SKIP
fi
if ! insmod "$dir/modules/late_unmap.ko"; then
	echo "SKIP: late_unmap.ko can't be loaded: is CONFIG_KPROBES set?"
	exit $KSFT_SKIP
fi
read -r unmapped <"$params/unmapped"
read -r late <"$params/late"
rmmod late_unmap

echo "# $late of $unmapped pages were unmapped after page_pool_destroy()"
if [ "$unmapped" -eq 0 ]; then
	echo "SKIP: no release came to dma_unmap_page_attrs()"
	exit $KSFT_SKIP
fi
[ "$late" -eq 0 ]
