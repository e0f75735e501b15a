#!/bin/bash
# run.sh SOURCES PROGRAM ... - every program must be caught: each of its cases commits one
# error under PAGEPOOL_DEBUG=dma,pages,fatal, and must be ended by SIGABRT after the message
# that belongs to it. The case `right` of each must end by itself and say nothing.
set -u
sources=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
failed=0
export PAGEPOOL_DEBUG=dma,pages,fatal
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}handle_abort=0:detect_leaks=0"
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}handle_abort=0"
ulimit -c 0

ok() { # STATUS WHAT
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	echo "not ok $n - $2"
	sed 's/^/# /' "$dir/err"
	failed=1
}

# What is said of each case, as extended regular expressions, one after the other. @WORD is
# the line that bears the mark @CASE.WORD in the source.
addr='DMA address 0x[0-9a-f]+'
code='[^ ]+\+0x[0-9a-f]+'
expected() { # CASE
	case $1 in
	unmap_never) echo "soft0: unmap: nothing is mapped there: $addr, 1500 bytes .*@call" ;;
	unmap_double) echo "soft0: unmap: nothing is mapped there any more: $addr, 1500 bytes .*@call
		1500 bytes were mapped there at .*@map, and unmapped at .*@first by thread" ;;
	unmap_foreign) echo "soft0: unmap: nothing is mapped there: $addr.*@call
		mapped in another binding, of device soft1" ;;
	unmap_failed_map) echo "soft0: unmap: the address is the error value of a map that failed.*@call" ;;
	unmap_wrong_size) echo "soft0: unmap: it was mapped with another size: $addr, 1400 bytes.*@call
		mapped: $addr, 1500 bytes at 0x.*, to device, streaming, at .*@map" ;;
	unmap_wrong_direction) echo "soft0: unmap: it was mapped in another direction.*@call
		mapped: $addr, 1500 bytes at .*, to device, streaming" ;;
	unmap_inside) echo "soft0: unmap: it isn't where the mapping begins.*@call" ;;
	unmap_coherent) echo "soft0: unmap: it was allocated as coherent memory, not mapped.*@call" ;;
	unmap_pool) echo "soft0: unmap: the memory is a pool's.*@call" ;;
	free_streaming) echo "soft0: free of coherent memory: it was mapped, not allocated.*@call" ;;
	free_wrong_size) echo "soft0: free of coherent memory: it was mapped with another size.*@call" ;;
	free_wrong_cpu_address) echo "soft0: free of coherent memory: its CPU address is another.*@call" ;;
	free_double) echo "soft0: free of coherent memory: nothing is mapped there any more.*@call
		were mapped there at .*, and unmapped at" ;;
	map_null) echo "soft0: map: the memory is NULL.*@call" ;;
	map_zero) echo "soft0: map: the length is 0.*@call" ;;
	map_wraps) echo "soft0: map: the length wraps around.*@call" ;;
	map_no_direction) echo "soft0: map: there is no such direction.*@call" ;;
	map_gone) echo "soft0: map: there is no memory at all of that range.*@call" ;;
	map_read_only) echo "soft0: map: the device could write, and the memory is read-only.*@call" ;;
	map_page_record | map_chunk_record | map_pool_record)
		echo "soft0: map: the memory is the library's own.*@call" ;;
	map_stack) echo "soft0: map: the memory is on the calling thread's stack.*@call" ;;
	map_overlap) echo "soft0: map: the memory is mapped already, and one of the two lets.*@call
		mapped: $addr, 1500 bytes at 0x.*, from device, streaming, at .*@map" ;;
	map_overlap_pool) echo "soft0: map: the memory is mapped already.*@call
		mapped: .*, a pool's" ;;
	map_beyond_mask) echo "soft0: map: there is no IOVA left within the device's mask.*@call" ;;
	alloc_zero | alloc_wraps) echo "allocation of coherent memory: the length is 0 or wraps.*@call" ;;
	forgot_streaming | failed_probe_streaming) echo "soft0: its driver left 1 mapping behind
		$addr, 1500 bytes at 0x.*, to device, streaming, mapped at .*@map by thread" ;;
	forgot_coherent | failed_probe_coherent) echo "soft0: its driver left 1 mapping behind
		$addr, 4096 bytes at 0x.*, bidirectional, coherent, mapped at .*@map by thread" ;;
	forgot_three) echo "soft0: its driver left 3 mappings behind
		1500 bytes at 0x.*, from device, streaming, mapped at .*@map by thread" ;;
	late_map) echo "soft0: map: the binding has ended.*@call" ;;
	late_unmap) echo "soft0: unmap: the binding has ended: $addr, 1500 bytes.*@call" ;;
	late_sync_for_cpu) echo "soft0: sync for CPU: the binding has ended.*@call" ;;
	late_sync_for_device) echo "soft0: sync for device: the binding has ended.*@call" ;;
	late_alloc) echo "soft0: allocation of coherent memory: the binding has ended.*@call" ;;
	late_free) echo "soft0: free of coherent memory: the binding has ended.*@call" ;;
	late_unmap_rebound) echo "soft0: unmap: the binding has ended.*@call
		mapped in another binding, of device soft0" ;;
	late_sync_rebound) echo "soft0: sync for CPU: the binding has ended.*@call" ;;
	late_unmap_unregistered) echo "one that is no more: unmap: the binding has ended.*@call" ;;
	no_binding) echo "map: the binding has ended.*@call" ;;
	map_in_remove) echo "soft0: map: the binding has ended.*@call" ;;
	put_*) echo "pool rx of device soft0: page 0x.*, $addr, 4096 bytes, was put after its last
		now at $code.* by thread
		put before at $code.* by thread
		got at $code.* by thread" ;;
	*write_after_put*) echo "pool rx of device soft0: page 0x.*, $addr, was written after it was put
		put at $code.* by thread" ;;
	fragment_empty) echo "pool rx of device soft0: a fragment of 0 bytes" ;;
	fragment_too_long) echo "a fragment of 4097 bytes aligned to 1 was asked for, of pages of 4096" ;;
	fragment_align_odd) echo "a fragment of 100 bytes aligned to 48" ;;
	fragment_align_too_large) echo "a fragment of 100 bytes aligned to 8192" ;;
	get_*destroyed*) echo "pool rx of device soft0: a page was asked for after the pool was destroyed, at $code" ;;
	get_*) echo "pool rx of device soft0: a page was asked for by a thread that isn't the pool's owner, at $code" ;;
	sync_never_mapped) echo "soft0: sync for CPU: nothing is mapped there: $addr, 64 bytes.*@call" ;;
	sync_failed_map) echo "soft0: sync for CPU: the address is the error value.*@call" ;;
	sync_unmapped) echo "soft0: sync for CPU: nothing is mapped there any more.*@call
		were mapped there at .*, and unmapped at" ;;
	sync_foreign) echo "soft0: sync for CPU: nothing is mapped there.*@call
		mapped in another binding, of device soft1" ;;
	sync_foreign_pool) echo "soft0: sync for CPU: nothing is mapped there.*@call" ;;
	sync_before | sync_behind) echo "soft0: sync for CPU: nothing is mapped there.*@call
		mapped: $addr, 100 bytes" ;;
	sync_past_end | sync_past_pool | sync_wraps) echo "sync for CPU: it goes past the end of the mapping.*@call
		mapped: $addr" ;;
	sync_wrong_direction) echo "soft0: sync for CPU: it was mapped in another direction.*@call" ;;
	sync_for_cpu_never_written) echo "soft0: sync for CPU: the device never writes there.*@call" ;;
	sync_for_device_never_read | sync_pool_never_read)
		echo "soft0: sync for device: the device never reads there.*@call" ;;
	missing_for_device*) echo "device soft0: it reads what the CPU wrote and didn't sync for it: $addr" ;;
	missing_for_cpu_overwritten) echo "soft0: 128 bytes that it wrote were never synced for the CPU, and are overwritten" ;;
	missing_for_cpu_*) echo "soft0: 256 bytes that it wrote were never synced for the CPU, and are unmapped" ;;
	*) echo "a message that run.sh doesn't know" ;;
	esac
}

# The marks of a case by the lines they are on: "WORD (FILE:LINE|FILE:LINE-1)", since a call
# that takes two lines is named by its first, and bears its mark on the second.
marks() { # CASE
	grep -nEo "@$1\.[a-z]+" "$sources"/*.c |
		awk -F '[:.@/]' -v OFS= '{ f = $(NF - 5) ".c:"; l = $(NF - 3)
			print $NF, " (", f, l, "|", f, l - 1, ")" }'
}

told() { # CASE: is all that is expected in the message?
	local pattern word place
	expected "$1" | while read -r pattern; do
		while read -r word place; do
			pattern=${pattern//@$word/$place}
		done < <(marks "$1")
		grep -qE -- "$pattern" "$dir/err" || { echo "# nothing of: $pattern"; exit 1; }
	done
}

for program in "$@"; do
	for c in $("$program"); do
		"$program" "$c" >"$dir/out" 2>"$dir/err"
		status=$?
		what="${program##*/} $c"
		if [ "$c" = right ]; then
			[ $status = 0 ] && [ ! -s "$dir/err" ]
			ok $? "$what: nothing to be said"
			continue
		fi
		# 134: SIGABRT
		[ $status = 134 ] && told "$c"
		ok $? "$what is caught"
	done
done
echo "1..$n"
exit $failed
