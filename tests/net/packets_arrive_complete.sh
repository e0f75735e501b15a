#!/bin/bash
# packets_arrive_complete.sh COMMAND PROBE TAMPER - packets arrive complete: VLAN tags and
# checksums that the other end of a veth pair leaves out of band are filled in, right ones and
# wrong ones are not changed, and timestamps tell when a packet arrived. Default offloads.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
tamper=$3
py() { "$python" -IS "$here/packets.py" "$@"; }
make_left

# receives WORD...: what the stack at the other end sends
receives() {
	receive show "$@"
	in_a "$python" -IS "$here/packets.py" send left 10.77.0.1 10.77.0.2 >/dev/null
	until_true counted "${count:-311}"
	finish INT
	exited 0 && is left 0 rx_missed 0 rx_refused 0
}
counted() {
	[ "$(awk 'NF == 6' "$dir/out" | wc -l)" -ge "$1" ]
}
sums() {
	receives "$@" && quiet && py sums "$dir/out"
}
check "sums that are left to a device are finished" sums
raw() { # PSEUDO WORD...
	receive show "${@:2}"
	in_a "$python" -IS "$here/packets.py" raw left "$1" >"$dir/sent"
	until_true counted 200
	finish INT
	exited 0 || return 1
	awk 'NF == 6 { print $6 }' "$dir/out" | cmp - "$dir/sent"
}
check "... what a packet has else, right or wrong or the pseudo-header's, stays" raw 1
sums_in_the_stack() {
	# one packet for ten would be longer than a frame
	in_a ethtool -K left tx-udp-segmentation off
	receives generic
	status=$?
	in_a ethtool -K left tx-udp-segmentation on
	[ $status = 0 ] && py sums "$dir/out"
}
check "with the program in the stack: sums are finished" sums_in_the_stack
check "... what is right or wrong stays" raw 0 generic

tags() { # TPID TCI
	in_a "$tamper" tag left "$1" "$2" || return 1
	receives && quiet && py tagged "$dir/out" "$1" "$2" && py sums "$dir/out"
}
check "a tag that is beside the packet is put in, and the sum is finished" tags 0x8100 0x6005
check "... a provider's" tags 0x88a8 7
filtered() { # as many as asked for, and each is tagged; it ends when it has them
	start m "$tool" capture -d xdp:mid-a -w "$dir/vlan.pcap" -c 250 --json vlan 7 and not vlan 5
	while kill -0 "$child" 2>/dev/null; do # its sockets come when they come
		in_a "$python" -IS "$here/packets.py" send left 10.77.0.1 10.77.0.2 >/dev/null
	done
	finish
	exited 0 && [ "$(tcpdump -r "$dir/vlan.pcap" vlan 7 2>/dev/null | wc -l)" = 250 ]
}
in_a "$tamper" tag left 0x8100 7
check "a filter sees a tag that was beside the packet" filtered
in_a "$tamper" tag left 0x88a8 7
tags_in_the_stack() {
	in_a ethtool -K left tx-udp-segmentation off
	receives generic
	status=$?
	in_a ethtool -K left tx-udp-segmentation on
	[ $status = 0 ] && told "VLAN tags.*mode=generic.*tx-vlan-offload off"
}
check "with the program in the stack they can't be seen: told, with what to type" tags_in_the_stack
typed() {
	in_a ethtool -K left tx-udp-segmentation off tx-vlan-offload off tx-vlan-stag-hw-insert off
	receives generic
	status=$?
	in_a ethtool -K left tx-udp-segmentation on tx-vlan-offload on tx-vlan-stag-hw-insert on
	[ $status = 0 ] && py tagged "$dir/out" 0x88a8 7 && py sums "$dir/out"
}
check "... which helps" typed

feature() {
	in_m ethtool -k mid-a | awk '/^rx-vlan-offload:/ { print $2 }'
}
offload() { # a card that takes tags out itself: veth stands in for it
	start m "$tamper" tags mid-a
	until_true grep -q changed "$dir/out"
	[ "$(feature)" = off ] || { echo "it is $(feature)"; return 1; }
	finish INT
	exited 0 && [ "$(feature)" = on ]
}
check "an interface that takes tags out is told to leave them, and put back" offload

stamps() { # nobody polls while they come
	receive show hold
	in_a "$python" -IS -c '
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("left", 0))
for i in range(50):
    s.send(bytes.fromhex("02000000000202000000000188b5") + time.time_ns().to_bytes(8, "big") + b"x" * 60)
    time.sleep(0.01)
'
	date +%s%N >"$dir/until"
	kill -USR1 "$child"
	until_true comes 50
	finish INT
	exited 0 || return 1
	"$python" -IS -c '
import sys
end, sent, came = int(open(sys.argv[2]).read()), [], []
for line in open(sys.argv[1]):
    f = line.split()
    if len(f) == 6 and f[5][24:28] == "88b5":
        sent.append(int(f[5][28:44], 16))
        came.append(int(f[2]))
        assert f[3] == "2", f[3]
assert len(sent) == 50
early = sum(c < s for s, c in zip(sent, came))
late = sum(c > end for c in came)
beyond = sum(c > s for c, s in zip(came, sent[1:]))
print(early, "before they were sent,", late, "after all,", beyond, "after the next")
sys.exit(early or late or beyond > 10 or came != sorted(came))
' "$dir/out" "$dir/until"
}
in_a tc qdisc del dev left clsact
check "stamps are those of the arrival, not of the look" stamps
done_testing
