#!/bin/bash
# sent_packets_have_left.sh COMMAND PROBE - packets reported as sent have left the interface, by
# the kernel's own counters at both ends; packets that couldn't be sent are counted by reason.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
make_left

# arrived: packets that the other end has got since `begin`
begin() {
	before=$(linked a left rx.packets)
}
arrived() {
	echo $(($(linked a left rx.packets) - before))
}

all() {
	begin
	sends 5000 200 && is tx_sent_min 5000 tx_sent_max 5000 left 0 && [ "$(arrived)" = 5000 ]
}
check "all are sent: so it is said" all

no_carrier() {
	ip -n "$ns"a link set left down
	sends 100 200
	status=$?
	ip -n "$ns"a link set left up
	[ $status = 0 ] && is tx_no_carrier 100 tx_taken 0 tx_sent_min 0 tx_sent_max 0 left 0
}
check "no carrier: refused, each counted" no_carrier

carrier_lost() { # and found again, in mid-stream, as long as that is
	begin
	start m "$probe" send mid-a 6000 200 pps=3000
	until_true eval '[ "$(arrived)" -gt 0 ]'
	while kill -0 "$child" 2>/dev/null; do
		ip -n "$ns"a link set left down
		sleep 0.1
		ip -n "$ns"a link set left up
		sleep 0.15
	done
	finish
	exited 0 && is left 0 tx_unsent 0 || return 1
	[ "$(counter tx_no_carrier)" -gt 0 ] || { echo "none was refused"; return 1; }
	[ "$(counter tx_sent_min)" = "$(arrived)" ] && [ "$(counter tx_sent_max)" = "$(arrived)" ] ||
		{ cat "$dir/out"; echo "$(arrived) arrived"; return 1; }
	[ $(($(counter tx_packets) + $(counter tx_no_carrier))) = 6000 ]
}
check "the carrier comes and goes: what arrived is what was sent" carrier_lost

too_long() {
	begin
	sends 10 1515 && is tx_too_long 10 tx_sent_max 0 && sends 10 1514 && is tx_too_long 0 tx_sent_min 10 &&
		[ "$(arrived)" = 10 ]
}
check "longer than the MTU: refused, each counted" too_long
mtu_lowered() {
	begin
	start m "$probe" send mid-a 2000 1400 pps=2000
	sleep 0.3
	ip -n "$ns"m link set mid-a mtu 1300
	finish
	ip -n "$ns"m link set mid-a mtu 1500
	exited 0 || return 1
	[ "$(counter tx_too_long)" -gt 0 ] || { echo "none was refused"; return 1; }
	is tx_sent_min "$(arrived)" tx_packets "$(arrived)" tx_too_long $((2000 - $(arrived)))
}
check "the MTU is lowered on the way" mtu_lowered
others_mtu() { # mid-a takes what left drops
	ip -n "$ns"a link set left mtu 1300
	begin
	sends 500 1400
	status=$?
	ip -n "$ns"a link set left mtu 1500
	[ $status = 0 ] && is tx_packets 500 tx_sent_min 0 tx_sent_max 0 && [ "$(arrived)" = 0 ]
}
check "the other end's MTU is smaller: dropped, so not sent" others_mtu

too_short() {
	sends 10 0 && is tx_too_short 10 && sends 10 13 && is tx_too_short 10 && sends 10 14 &&
		is tx_too_short 0 tx_sent_min 10
}
check "of no bytes, or less than a header: refused, each counted, and it ends" too_short

others_send() { # and have some dropped: whose, nobody knows
	ip -n "$ns"a link set left mtu 1300
	begin
	start m "$probe" send mid-a 1000 200 pps=1000
	frames m mid-a 100 1400
	finish
	ip -n "$ns"a link set left mtu 1500
	exited 0 || return 1
	is tx_packets 1000 tx_sent_min 900 tx_sent_max 1000 && [ "$(arrived)" = 1000 ]
}
check "others have packets dropped there meanwhile: a range" others_send
others_send_well() {
	start m "$probe" send mid-a 1000 200 pps=1000
	frames m mid-a 100 300
	finish
	exited 0 && is tx_sent_min 1000 tx_sent_max 1000
}
check "... none dropped: exact" others_send_well

gone() {
	start m "$probe" send mid-a 1000000 200
	until_true moves
	ip -n "$ns"m link del mid-a
	finish
	exited 0 && told "state 3: mid-a has gone: it was deleted" && is left 0 || return 1
	[ "$(counter tx_sent_min)" -le "$(counter tx_sent_max)" ] &&
		[ "$(counter tx_sent_max)" -le "$(counter tx_packets)" ]
}
moves() {
	[ "$(linked a left rx.packets)" -gt 20000 ]
}
check "the interface is deleted in mid-stream" gone

# ---- what the command reports ----------------------------------------------------------------

make_left
pcap() { # FILE BYTES COUNT ...: a capture file with so many packets of so many bytes, and so on
	"$python" -IS -c '
import struct, sys
out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
args = [int(a) for a in sys.argv[2:]]
for size, count in zip(args[::2], args[1::2]):
    for i in range(count):
        p = bytes.fromhex("02000000000102000000000988b5") + i.to_bytes(4, "big")
        p = p.ljust(size, b"x")[:size]
        out += struct.pack("<IIII", 1, i, size, size) + p
open(sys.argv[1], "wb").write(out)
' "$@"
}
forwarded() {
	pcap "$dir/in.pcap" 1514 20 1515 10 5000 5 60 20
	begin
	start m "$tool" forward -a "soft:pcap=$dir/in.pcap" -b xdp:mid-a -c 55 --json
	finish
	exited 1 && told "15 packets were left out or lost: 15 longer than the device can send" || return 1
	[ "$(value a_to_b.packets)" = 40 ] && [ "$(value a_to_b.packets_at_most)" = 40 ] &&
		[ "$(value a_to_b.dropped)" = 15 ] && [ "$(arrived)" = 40 ] || cat "$dir/out"
}
check "forward: what is forwarded has arrived, the rest is dropped" forwarded
in_wire() {
	tcpdump -nn -e -r "$dir/wire.pcap" 2>/dev/null | grep -c 0x88b5
}
wire_grows() {
	[ -s "$dir/wire.pcap" ] && sleep 0.2
}
slow_device() { # SIGNAL OPTION...
	pcap "$dir/in.pcap" 1000 300
	rm -f "$dir/wire.pcap"
	start m "$tool" forward -a "soft:pcap=$dir/in.pcap" -b "soft:wire=$dir/wire.pcap,rate=800" --json "${@:2}"
	[ -z "$1" ] || until_true wire_grows
	finish $1
	exited 0 || return 1
	[ "$(value a_to_b.packets)" = "$(in_wire)" ] && [ "$(value a_to_b.packets)" -gt 0 ] || { cat "$dir/out"; in_wire; return 1; }
}
check "... to a slow device, to the end of the input" slow_device ""
check "... to a count" slow_device "" -c 100
check "... to a signal" slow_device TERM
replayed() {
	pcap "$dir/in.pcap" 1514 20 1515 10 0 1 13 1 60 20
	begin
	start m "$tool" replay -d xdp:mid-a -r "$dir/in.pcap" --json
	finish
	exited 1 && told "12 packets were left out or lost: 10 longer than the device can send, 2 shorter than the device can send" &&
		[ "$(value packets_written)" = 40 ] && [ "$(arrived)" = 40 ]
}
check "replay: the same" replayed
others_drop() {
	pcap "$dir/in.pcap" 1400 50 60 50
	ip -n "$ns"a link set left mtu 1300
	begin
	start m "$tool" replay -d xdp:mid-a -r "$dir/in.pcap" --json
	finish
	ip -n "$ns"a link set left mtu 1500
	exited 1 && told "50 packets were left out or lost: 50 dropped by the interface" && [ "$(value packets_written)" = 50 ] &&
		[ "$(arrived)" = 50 ]
}
check "... what the other end drops is said" others_drop
done_testing
