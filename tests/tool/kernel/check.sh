#!/bin/bash
# check.sh TOOL LOSE - pagepool kernel check agrees with BTF, sysfs and the pools.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

make_pair || skip_all "there is no veth, or it takes no XDP program"
run check
check "it looks" eval '[ "$status" = 0 ] || [ "$status" = 1 ]'
# another reader of the same
if command -v bpftool >/dev/null; then
	bpftool btf dump file /sys/kernel/btf/vmlinux format c |
		awk '/^struct page_pool \{/ { on = 1 } on; /^}/ { on = 0 }' >"$dir/page_pool"
	if grep -q dma_mapped "$dir/page_pool"; then
		check "this kernel is mended, as bpftool sees it" grep -q "^ok .*dma_mapped" "$dir/out"
	else
		check "this kernel isn't mended, as bpftool sees it" grep -q "^PROBLEM .*driver has gone" "$dir/out"
	fi
fi
check "the driver" grep -qE "^note +driver veth: [0-9]+ page pools?, not mapped by page_pool" "$dir/out"
groups=$(find /sys/kernel/iommu_groups -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
if [ "$groups" = 0 ]; then
	check "no IOMMU" grep -qE "^note +IOMMU: none, or off" "$dir/out"
else
	check "the IOMMU" grep -qE "^note +IOMMU: on, $groups groups" "$dir/out"
fi

start udp b udp 5001 5
check "a socket" hears udp open
start sender a send udp 5001 5 "$UDP"
check "... has its packets" hears udp ready
ip -n "$ns"b link del right
run check
check "the interface goes: a problem" eval 'exited 1 && grep -qE "^PROBLEM [0-9]+ pools? (is a zombie|are zombies)" "$dir/out"'
check "... and what to do" grep -q "pagepool kernel holders" "$dir/out"

try "${without_rights[@]}" kernel check
check "without rights: whether it is mended, and what can't be seen" eval 'grep -q "page_pool.dma_mapped\|driver has gone" "$dir/out" &&
	grep -q "^note .*no permission to load BPF programs" "$dir/out" && [ ! -s "$dir/err" ]'
try "${without_btf[@]}" kernel check
check "without BTF" grep -q "^note .*can't tell .*CONFIG_DEBUG_INFO_BTF" "$dir/out"
run check more
check "an argument" eval 'exited 2 && said "doesn.t know \"more\""'
done_testing
