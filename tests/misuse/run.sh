#!/bin/bash
# run.sh PROGRAM SOURCE - every case of a program, in a process of its own, with the checker
# on and fatal. A case is caught if SIGABRT ended it, and all that it said is the one message
# that the table below expects: first line, notes, the end. `right` must end by itself with 0
# and say nothing.
#
# In the table:
#   {map}    file:line of the statement that has the mark @CASE.map. Of a message that names a
#            code address, addr2line says which line that is.
#   {#}      a number; {a}  an address; {t}  a thread
#   |        the end of a line
set -u
. "$(dirname "$0")/../tap.sh"
ulimit -c 0
program=$1
source=$2
name=$(basename "$source" .c)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export PAGEPOOL_DEBUG=dma,pages,fatal
# real stacks; the options of the caller stay
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_stack_use_after_return=0

# CASE MESSAGE; the message may use what is set here
dev='device soft0: '
pool='pool rx of device soft0: '
page='page {a}, DMA address {a}'
nothing='nothing is mapped there'
ended='the binding has ended'
forgot='its driver left'
by='by thread {t}'
expect() {
	cat <<TABLE
dma unmap_never ${dev}unmap: $nothing: DMA address 0x123000, 1500 bytes, to device, at {call}
dma unmap_double ${dev}unmap: $nothing any more: DMA address {a}, 1500 bytes, to device, at {call}|  1500 bytes were mapped there at {map}, and unmapped at {first} $by
dma unmap_foreign ${dev}unmap: $nothing: DMA address {a}, 1500 bytes, to device, at {call}|  it is mapped in another binding, of device soft1
dma unmap_failed_map ${dev}unmap: the address is the error value of a map that failed and wasn't checked: 1500 bytes, to device, at {call}
dma unmap_wrong_size ${dev}unmap: it was mapped with another size: DMA address {a}, 1400 bytes, to device, at {call}|  mapped: DMA address {a}, 1500 bytes at {a}, to device, streaming, at {map}
dma unmap_wrong_direction ${dev}unmap: it was mapped in another direction: DMA address {a}, 1500 bytes, from device, at {call}|  mapped: DMA address {a}, 1500 bytes at {a}, to device, streaming, at {map}
dma unmap_inside ${dev}unmap: it isn't where the mapping begins: DMA address {a}, 1436 bytes, to device, at {call}|  mapped: DMA address {a}, 1500 bytes at {a}, to device, streaming, at {map}
dma unmap_coherent ${dev}unmap: it was allocated as coherent memory, not mapped: DMA address {a}, 4096 bytes, bidirectional, at {call}|  mapped: DMA address {a}, 4096 bytes at {a}, bidirectional, coherent, at {map}
dma unmap_pool ${dev}unmap: the memory is a pool's: DMA address {a}, 4096 bytes, from device, at {call}|  mapped: DMA address {a}, {#} bytes at {a}, from device, a pool's, at a pool
dma free_streaming ${dev}free of coherent memory: it was mapped, not allocated as coherent memory: DMA address {a}, 4096 bytes at {a}, bidirectional, at {call}|  mapped: DMA address {a}, 4096 bytes at {a}, bidirectional, streaming, at {map}
dma free_wrong_size ${dev}free of coherent memory: it was mapped with another size: DMA address {a}, 4096 bytes at {a}, bidirectional, at {call}|  mapped: DMA address {a}, 8192 bytes at {a}, bidirectional, coherent, at {map}
dma free_wrong_cpu_address ${dev}free of coherent memory: its CPU address is another: DMA address {a}, 4096 bytes at {a}, bidirectional, at {call}|  mapped: DMA address {a}, 4096 bytes at {a}, bidirectional, coherent, at {map}
dma free_double ${dev}free of coherent memory: $nothing any more: DMA address {a}, 4096 bytes at {a}, bidirectional, at {call}|  4096 bytes were mapped there at {map}, and unmapped at {first} $by
dma map_null ${dev}map: the memory is NULL: 1500 bytes, to device, at {call}
dma map_zero ${dev}map: the length is 0: 0 bytes at {a}, to device, at {call}
dma map_wraps ${dev}map: the length wraps around: 18446744073709551515 bytes at {a}, to device, at {call}
dma map_no_direction ${dev}map: there is no such direction: 1500 bytes at {a}, no direction, at {call}
dma map_gone ${dev}map: there is no memory at all of that range: 1500 bytes at {a}, to device, at {call}
dma map_read_only ${dev}map: the device could write, and the memory is read-only: 1500 bytes at {a}, from device, at {call}
dma map_page_record ${dev}map: the memory is the library's own: 64 bytes at {a}, to device, at {call}
dma map_chunk_record ${dev}map: the memory is the library's own: 64 bytes at {a}, to device, at {call}
dma map_pool_record ${dev}map: the memory is the library's own: 64 bytes at {a}, bidirectional, at {call}
dma map_stack ${dev}map: the memory is on the calling thread's stack: 64 bytes at {a}, to device, at {call}
dma map_overlap ${dev}map: the memory is mapped already, and one of the two lets the device write: 1500 bytes at {a}, to device, at {call}|  mapped: DMA address {a}, 1500 bytes at {a}, from device, streaming, at {map}
dma map_overlap_pool ${dev}map: the memory is mapped already, and one of the two lets the device write: 1500 bytes at {a}, to device, at {call}|  mapped: DMA address {a}, {#} bytes at {a}, from device, a pool's, at a pool
dma map_beyond_mask ${dev}map: there is no IOVA left within the device's mask: 1073741824 bytes at {a}, to device, at {call}
dma alloc_zero ${dev}allocation of coherent memory: the length is 0 or wraps around: 0 bytes, bidirectional, at {call}
dma alloc_wraps ${dev}allocation of coherent memory: the length is 0 or wraps around: 18446744073709551515 bytes, bidirectional, at {call}

lifecycle forgot_streaming ${dev}$forgot 1 mapping behind:|  DMA address {a}, 1500 bytes at {a}, to device, streaming, mapped at {map} $by, {#}\.{#} s ago
lifecycle forgot_coherent ${dev}$forgot 1 mapping behind:|  DMA address {a}, 4096 bytes at {a}, bidirectional, coherent, mapped at {map} $by, {#}\.{#} s ago
lifecycle forgot_three ${dev}$forgot 3 mappings behind:(|  DMA address {a}, 1500 bytes at {a}, from device, streaming, mapped at {map} $by, {#}\.{#} s ago){3}
lifecycle failed_probe_streaming ${dev}$forgot 1 mapping behind:|  DMA address {a}, 1500 bytes at {a}, to device, streaming, mapped at {map} $by, {#}\.{#} s ago
lifecycle failed_probe_coherent ${dev}$forgot 1 mapping behind:|  DMA address {a}, 4096 bytes at {a}, bidirectional, coherent, mapped at {map} $by, {#}\.{#} s ago
lifecycle late_map ${dev}map: $ended: 1500 bytes at {a}, to device, at {call}
lifecycle late_unmap ${dev}unmap: $ended: DMA address {a}, 1500 bytes, to device, at {call}
lifecycle late_sync_for_cpu ${dev}sync for CPU: $ended: DMA address {a}, 1500 bytes, to device, at {call}
lifecycle late_sync_for_device ${dev}sync for device: $ended: DMA address {a}, 1500 bytes, to device, at {call}
lifecycle late_alloc ${dev}allocation of coherent memory: $ended: 4096 bytes, bidirectional, at {call}
lifecycle late_free ${dev}free of coherent memory: $ended: DMA address {a}, 4096 bytes at {a}, bidirectional, at {call}
lifecycle late_unmap_rebound ${dev}unmap: $ended: DMA address {a}, 1500 bytes, to device, at {call}|  it is mapped in another binding, of device soft0
lifecycle late_sync_rebound ${dev}sync for CPU: $ended: DMA address {a}, 1500 bytes, to device, at {call}|  it is mapped in another binding, of device soft0
lifecycle late_unmap_unregistered device one that is no more: unmap: $ended: DMA address {a}, 1500 bytes, to device, at {call}
lifecycle no_binding device one that is no more: map: $ended: 1500 bytes at {a}, to device, at {call}
lifecycle map_in_remove ${dev}map: the binding is ending: nothing new is mapped: 1500 bytes at {a}, to device, at {call}

sync sync_never_mapped ${dev}sync for CPU: $nothing: DMA address 0x123000, 64 bytes, from device, at {call}
sync sync_failed_map ${dev}sync for CPU: the address is the error value of a map that failed and wasn't checked: 64 bytes, from device, at {call}
sync sync_unmapped ${dev}sync for CPU: $nothing any more: DMA address {a}, 1500 bytes, from device, at {call}|  1500 bytes were mapped there at {map}, and unmapped at {unmap} $by
sync sync_foreign ${dev}sync for CPU: $nothing: DMA address {a}, 1500 bytes, from device, at {call}|  it is mapped in another binding, of device soft1
sync sync_foreign_pool ${dev}sync for CPU: $nothing: DMA address {a}, 64 bytes, from device, at {call}|  it is mapped in another binding, of device soft1
sync sync_before ${dev}sync for CPU: $nothing: DMA address {a}, 64 bytes, from device, at {call}|  mapped: DMA address {a}100, 100 bytes at {a}, from device, streaming, at {map}
sync sync_behind ${dev}sync for CPU: $nothing: DMA address {a}064, 64 bytes, from device, at {call}|  mapped: DMA address {a}000, 100 bytes at {a}, from device, streaming, at {map}
sync sync_past_end ${dev}sync for CPU: it goes past the end of the mapping: DMA address {a}3e8, 501 bytes, from device, at {call}|  mapped: DMA address {a}000, 1500 bytes at {a}, from device, streaming, at {map}
sync sync_past_pool ${dev}sync for CPU: it goes past the end of the mapping: DMA address {a}, 69632 bytes, from device, at {call}|  mapped: DMA address {a}, 65536 bytes at {a}, from device, a pool's, at a pool
sync sync_wraps ${dev}sync for CPU: it goes past the end of the mapping: DMA address {a}001, 18446744073709551615 bytes, from device, at {call}|  mapped: DMA address {a}000, 1500 bytes at {a}, from device, streaming, at {map}
sync sync_wrong_direction ${dev}sync for CPU: it was mapped in another direction: DMA address {a}, 1500 bytes, bidirectional, at {call}|  mapped: DMA address {a}, 1500 bytes at {a}, from device, streaming, at {map}
sync sync_for_cpu_never_written ${dev}sync for CPU: the device never writes there: DMA address {a}, 1500 bytes, to device, at {call}|  mapped: DMA address {a}, 1500 bytes at {a}, to device, streaming, at {map}
sync sync_for_device_never_read ${dev}sync for device: the device never reads there: DMA address {a}, 1500 bytes, to device, at {call}|  mapped: DMA address {a}, 1500 bytes at {a}, from device, streaming, at {map}
sync sync_pool_never_read ${dev}sync for device: the device never reads there: DMA address {a}, 64 bytes, to device, at {call}|  mapped: DMA address {a}, 65536 bytes at {a}, from device, a pool's, at a pool
sync missing_for_device ${dev}it reads what the CPU wrote and didn't sync for it: DMA address {a}080, 1000 bytes
sync missing_for_device_beside ${dev}it reads what the CPU wrote and didn't sync for it: DMA address {a}000, 1500 bytes
sync missing_for_device_pool ${dev}it reads what the CPU wrote and didn't sync for it: DMA address {a}000, 100 bytes
sync missing_for_cpu_unmapped ${dev}256 bytes that it wrote were never synced for the CPU, and are unmapped now: DMA address {a}000, 65536 bytes
sync missing_for_cpu_unbound ${dev}256 bytes that it wrote were never synced for the CPU, and are unmapped now: DMA address {a}000, 65536 bytes
sync missing_for_cpu_overwritten ${dev}128 bytes that it wrote were never synced for the CPU, and are overwritten now: DMA address {a}000, 1500 bytes

pages put_twice ${pool}$page, 4096 bytes, was put after its last reference was gone|  now at {call} $by|  put before at {first} $by|  got at {get} $by
pages put_twice_elsewhere ${pool}$page, 4096 bytes, was put after its last reference was gone|  now at {call} $by|  put before at {first} $by|  got at {get} $by
pages put_after_last ${pool}$page, 4096 bytes, was put after its last reference was gone|  now at {call} $by|  put before at {first} $by|  got at {get} $by
pages put_twice_in_batch ${pool}$page, 4096 bytes, was put after its last reference was gone|  now at {call} $by|  put before at {call} $by|  got at {get} $by
pages put_twice_zombie ${pool}$page, 4096 bytes, was put after its last reference was gone|  now at {call} $by|  put before at {first} $by|  got at {get} $by
pages put_fragment_twice ${pool}$page, 4096 bytes, was put after its last reference was gone|  now at {call} $by|  put before at {first} $by|  got at {get} $by
pages put_fragments_too_often ${pool}$page, 4096 bytes, was put more often than it had references
pages too_many_references ${pool}$page, 4096 bytes, was to have more references than can be counted|  at {call} $by
pages unref_too_many ${pool}$page, 4096 bytes, was put more often than it had references|  at {call} $by
pages write_after_put ${pool}$page, was written after it was put, by the CPU or a device: bytes 104 to 119 of 4096|  put at {put} $by
pages device_write_after_put ${pool}$page, was written after it was put, by the CPU or a device: bytes 4088 to 4095 of 4096|  put at {put} $by
pages write_after_put_elsewhere ${pool}$page, was written after it was put, by the CPU or a device: bytes 0 to 7 of 4096|  put at {put} $by
pages write_after_put_trim ${pool}$page, was written after it was put, by the CPU or a device: bytes 96 to 103 of 4096|  put at {put} $by
pages write_after_put_destroy ${pool}$page, was written after it was put, by the CPU or a device: bytes 96 to 103 of 4096|  put at {put} $by
pages fragment_empty ${pool}a fragment of 0 bytes aligned to 1 was asked for, of pages of 4096 bytes, at {call}
pages fragment_too_long ${pool}a fragment of 4097 bytes aligned to 1 was asked for, of pages of 4096 bytes, at {call}
pages fragment_align_odd ${pool}a fragment of 100 bytes aligned to 48 was asked for, of pages of 4096 bytes, at {call}
pages fragment_align_too_large ${pool}a fragment of 100 bytes aligned to 8192 was asked for, of pages of 4096 bytes, at {call}
pages get_elsewhere ${pool}a page was asked for by a thread that isn't the pool's owner, at {call} $by
pages get_batch_elsewhere ${pool}a page was asked for by a thread that isn't the pool's owner, at {call} $by
pages reserve_elsewhere ${pool}pages were reserved by a thread that isn't the pool's owner, at {call} $by
pages get_fragment_elsewhere ${pool}a page was asked for by a thread that isn't the pool's owner, at {call} $by
pages getter_elsewhere a getter was used that isn't the calling thread's, at {call} $by
pages getter_batch_elsewhere a getter was used that isn't the calling thread's, at {call} $by
pages getter_destroy_elsewhere a getter was used that isn't the calling thread's, at {call} $by
pages getter_destroyed a getter was used that isn't the calling thread's, at {call} $by
pages put_in_handler ${pool}a page was put by a signal's handler, in the middle of its thread's call of the library, at {call} $by
pages get_in_handler ${pool}a page was asked for by a signal's handler, in the middle of its thread's call of the library, at {call} $by
pages get_after_handover ${pool}a page was asked for by a thread that isn't the pool's owner, at {call} $by
pages get_destroyed ${pool}a page was asked for after the pool was destroyed, at {call} $by
pages get_destroyed_zombie ${pool}a page was asked for after the pool was destroyed, at {call} $by
pages get_fragment_destroyed ${pool}a page was asked for after the pool was destroyed, at {call} $by
pages attach_destroyed ${pool}attach after the pool was destroyed, at {call} $by
pages detach_destroyed ${pool}detach after the pool was destroyed, at {call} $by
pages destroy_destroyed ${pool}destroy after the pool was destroyed, at {call} $by
pages own_destroyed ${pool}own after the pool was destroyed, at {call} $by
pages trim_destroyed ${pool}trim after the pool was destroyed, at {call} $by
pages stats_destroyed ${pool}statistics after the pool was destroyed, at {call} $by
pages info_destroyed ${pool}information after the pool was destroyed, at {call} $by
pages ages_destroyed ${pool}ages after the pool was destroyed, at {call} $by
pages fd_destroyed ${pool}file descriptor after the pool was destroyed, at {call} $by
pages notice_destroyed ${pool}notice after the pool was destroyed, at {call} $by
pages notice_fd_destroyed ${pool}notice after the pool was destroyed, at {call} $by
pages reserve_destroyed ${pool}reserve after the pool was destroyed, at {call} $by
pages getter_of_destroyed ${pool}a getter was asked for after the pool was destroyed, at {call} $by
pages get_contiguous_destroyed ${pool}a page was asked for after the pool was destroyed, at {call} $by
pages recall_register_destroyed ${pool}register for recall after the pool was destroyed, at {call} $by
pages recall_destroyed ${pool}recall after the pool was destroyed, at {call} $by
TABLE
}

# The lines of the statement at whose end a mark is, as (1|2): compilers don't agree which of
# them __LINE__ is.
mark() { # CASE WORD
	awk -v mark="/* @$1.$2 */" '
		index($0, mark) {
			lines = begun && begun < NR ? begun : NR
			for (i = lines + 1; i <= NR; i++)
				lines = lines "|" i
			print "(" lines ")"
			found = 1
			exit
		}
		{ code = $0; gsub(/\/\*.*\*\//, "", code); sub(/[ \t]+$/, "", code) }
		code == "" || code ~ /[;{}]$/ { begun = 0; next }
		!begun { begun = NR }
		END { if (!found) print "no-such-mark" }' "$source"
}

# The message as an extended regular expression.
regex() { # CASE MESSAGE
	local message=$2 word
	message=${message//|/$'\n'}
	message=${message//"{#}"/[0-9]+}
	message=${message//"{t}"/[0-9]+}
	message=${message//"{a}"/0x[0-9a-f]+}
	for word in $(grep -oE '\{[a-z]+\}' <<<"$message" | tr -d '{}' | sort -u); do
		message=${message//"{$word}"/[^ ]*$name\\.c:$(mark "$1" "$word")}
	done
	echo "$message"
}

# What was said, with code addresses, which are behind the call, as places.
said() {
	local text address place
	text=$(cat "$dir/err")
	for address in $(grep -oE "[^ ]*/$(basename "$program")\+0x[0-9a-f]+" <<<"$text" | sort -u); do
		place=$(addr2line -e "$program" "$(printf '%#x' $((${address##*+} - 1)))")
		text=${text//"$address"/"${place%% *}"}
	done
	echo "$text"
}

# bash tells of a child's signal on its own standard error
commit() { # CASE; returns its status
	{ timeout 1200 "$program" "$1" >"$dir/out" 2>"$dir/err"; } 2>/dev/null
}

fatal="pagepool: PAGEPOOL_DEBUG has \`fatal\`: this was the first report"

check() { # CASE MESSAGE
	local status text
	commit "$1"
	status=$?
	text=$(said)
	[ $status = 134 ] && [[ $text =~ ^pagepool:\ $(regex "$1" "$2")$'\n'"$fatal"$ ]]
	ok $? "$name: $1"
	[[ $(tail -1 "$dir/out") != *:*not\ so* ]] || sed 's/^/# /' "$dir/out"
	[ "$(tail -n 1 <<<"$text")" = "$fatal" ] && [ $status = 134 ] ||
		echo "# status $status, not 134 (SIGABRT)"
	[[ $text =~ ^pagepool:\ $(regex "$1" "$2")$'\n'"$fatal"$ ]] || {
		sed 's/^/# said: /' <<<"$text"
		regex "$1" "$2" | sed 's/^/# not:  /'
	}
}

commit right
status=$?
[ $status = 0 ] && [ ! -s "$dir/err" ] && [ ! -s "$dir/out" ]
ok $? "$name: what is right is let be"
[ $status = 0 ] || echo "# status $status"
sed 's/^/# said: /' "$dir/out" "$dir/err"

for c in $("$program" | grep -vx right); do
	message=$(expect | sed -n "s/^$name $c //p")
	if [ -z "$message" ]; then
		ok 1 "$name: $c: the table knows it"
	else
		check "$c" "$message"
	fi
done
missing=$(expect | awk -v p="$name" '$1 == p { print $2 }' | sort | comm -23 - <("$program" | sort))
[ -z "$missing" ]
ok $? "$name: the table has no more than the program${missing:+: $missing}"
echo "1..$n"
exit $failed
