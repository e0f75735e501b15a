#!/bin/bash
# replay.sh COMMAND GEN - replay through an interface: packets reported as sent have left it.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

make_left

# file FILE LENGTH[xCOUNT][@SECONDS]...: packets, one behind the other
file() {
	"$python" -IS -c '
import struct, sys
out = struct.pack("<IHHIIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1)
for what in sys.argv[2:]:
    what, _, at = what.partition("@")
    length, _, count = what.partition("x")
    data = (bytes.fromhex("02000000000102000000000988b5") + bytes(65536))[:int(length)]
    ns = int(float(at or 0) * 10**9)
    out += (struct.pack("<IIII", 1 + ns // 10**9, ns % 10**9, len(data), len(data)) + data) * int(count or 1)
open(sys.argv[1], "wb").write(out)' "$@"
}
# out INTERFACE: packets that the kernel has sent by it
out() {
	in_m cat "/sys/class/net/$1/statistics/tx_packets"
}
# replays STATUS SENT SENTENCE: of $dir/in.pcap, with $options; what it says has left, has
options=()
replays() {
	local before

	before=$(out mid-a)
	start m "$tool" replay -d xdp:mid-a -r "$dir/in.pcap" --json "${options[@]}"
	finish
	exited "$1" || return 1
	[ -z "$3" ] || said "$3" || return 1
	[ "$(value packets_written)" = "$2" ] && [ $(($(out mid-a) - before)) = "$2" ] ||
		{ echo "$(($(out mid-a) - before)) have left"; cat "$dir/out"; return 1; }
}

file "$dir/in.pcap" 100x30
check "packets as they should be" replays 0 30 ""
file "$dir/in.pcap" 1700x20 100x10
check "longer than the MTU: said, and not said to be sent" replays 1 10 "20 packets were left out .*20 longer"
check "... under a name of its own" eval '[ "$(value packets_too_long)" = 20 ]'
file "$dir/in.pcap" 100 0 13x2 100
check "no bytes, or no whole header" replays 1 2 "3 packets were left out .*3 shorter"
check "... under a name of its own" eval '[ "$(value packets_too_short)" = 3 ]'
file "$dir/in.pcap" 100x100
ip -n "$ns"a link set left down
check "no carrier" replays 1 0 "100 packets were left out .*100 while the device had no carrier"
check "... under a name of its own" eval '[ "$(value packets_no_carrier)" = 100 ]'
ip -n "$ns"a link set left up

file "$dir/in.pcap" 100 100@0.2 100@0.5
check "as far apart as the file says" eval 'replays 0 3 "" && [ "$(value elapsed_ns)" -ge 500000000 ]'
file "$dir/in.pcap" 100 100@100000000
options=(--topspeed)
check "... or not" replays 0 2 ""

forwards() {
	local before

	file "$dir/in.pcap" 1700x10 60 100x5 5000x2
	before=$(out mid-a)
	start m "$tool" forward -a "soft:pcap=$dir/in.pcap" -b xdp:mid-a -c 18 --json
	finish
	exited 1 && said "12 packets were left out" || return 1
	[ "$(value a_to_b.packets)" = 6 ] && [ $(($(out mid-a) - before)) = 6 ] &&
		[ "$(value a_to_b.dropped)" = 12 ] || { cat "$dir/out"; return 1; }
}
check "forward: the same rule" forwards

done_testing
