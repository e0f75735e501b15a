#!/bin/bash
# packets_span_pages.sh COMMAND PROBE - packets longer than a page: received, sent, forwarded,
# captured and replayed, compared byte for byte with what the kernel's packet sockets and tcpdump
# see.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
py() { "$python" -IS "$here/packets.py" "$@"; }

mtu() { # of all four ends
	ip -n "$ns"m link set mid-a mtu "$1"
	ip -n "$ns"a link set left mtu "$1"
	ip -n "$ns"m link set mid-b mtu "$1"
	ip -n "$ns"b link set right mtu "$1"
}
make_left
make_right
mtu 9000
lengths="60 1514 1792 1793 3583 3584 3585 3839 3840 3841 4096 7680 7681 9013 9014"
list() { # LENGTH...: the packets of random bytes, in hex, to send
	"$python" -IS -c '
import random, sys
for n in sys.argv[1:]:
    print((bytes.fromhex("02000000000202000000000188b5") + random.randbytes(int(n) - 14)).hex())' "$@"
}
shown() {
	[ "$(awk 'NF == 6' "$dir/out" | grep -c 0188b5)" -ge "$1" ]
}

# receives COUNT WORD...: packets of all lengths that a packet socket at the other end sends
receives() {
	for _ in $(seq "$1"); do list $lengths; done >"$dir/sent"
	receive show "${@:2}"
	in_a "$python" -IS "$here/packets.py" hex left "$dir/sent"
	until_true shown "$(wc -l <"$dir/sent")"
	finish INT
	exited 0 && is left 0 rx_missed 0 rx_refused 0 || return 1
	awk 'NF == 6 && $6 ~ /0188b5/ { print $6 }' "$dir/out" | cmp - "$dir/sent"
	awk 'NF == 6 && length($6) != 2 * $2' "$dir/out" | grep . && return 1
	return 0
}
check "of all lengths up to the MTU: received as they were sent" receives 20
check "... in frames of 2 KiB" receives 20 frame=2048
check "... with room for one segment at a time" receives 20 few
check "... with the program in the stack" receives 20 generic

sums() {
	receive show
	in_a "$python" -IS "$here/packets.py" send left 10.77.0.1 10.77.0.2 >/dev/null
	in_a "$python" -IS -c '
import random, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(3000, 8973, 50):
    s.sendto(random.randbytes(n), ("10.77.0.2", 12346))'
	until_true shown_udp 430
	finish INT
	exited 0 && is left 0 rx_missed 0 rx_refused 0 && py sums "$dir/out"
}
shown_udp() {
	[ "$(awk 'NF == 6' "$dir/out" | wc -l)" -ge "$1" ]
}
check "sums that are left to a device are finished, over all pieces" sums

# sends_whole BYTES WORD...: what the probe sends is what a packet socket at the other end gets
sends_whole() {
	: >"$dir/judged" # what the last one said
	ip netns exec "$ns"a "$python" -IS "$here/packets.py" judge left 200 "$1" >"$dir/judged" 2>&1 &
	judge=$!
	until grep -q ready "$dir/judged"; do kill -0 $judge || return 1; sleep 0.02; done
	sends 200 "$@" && is tx_taken 200 tx_packets 200 tx_sent_min 200 tx_sent_max 200 tx_unsent 0 left 0 || return 1
	wait $judge || { cat "$dir/judged"; return 1; }
}
for n in 60 4096 4097 9014; do
	check "$n bytes are sent, and arrive as they are" sends_whole $n
done
check "... in pieces of 600 bytes" sends_whole 9000 piece=600
check "... in 18 pieces, the most that there may be" sends_whole 9000 piece=500
too_many() {
	sends 10 9000 piece=499 && is tx_malformed 10 tx_taken 0 left 0
}
check "... in 19: refused, each counted" too_many
header_cut() {
	sends 10 9000 piece=13 && is tx_malformed 10 left 0 && sends 10 200 piece=14 && is tx_sent_min 10 tx_malformed 0
}
check "a header in two pieces: refused" header_cut
too_long() {
	sends 10 9015 && is tx_too_long 10 tx_malformed 0 tx_taken 0 left 0
}
check "longer than the MTU: refused" too_long

# ---- the command ---------------------------------------------------------------------------------

answers() {
	in_a ping -q -c 1 -W 0.2 10.77.0.2 >/dev/null
}
forwards() {
	start m "$tool" forward -a xdp:mid-a -b xdp:mid-b --json
	until_true answers
	in_a ping -q -M do -s 8972 -i 0.002 -c 500 10.77.0.2 >"$dir/ping"
	grep -q " 0% packet loss" "$dir/ping" || { cat "$dir/ping"; return 1; }
	ip netns exec "$ns"b iperf3 -s -1 >/dev/null 2>&1 &
	until in_a iperf3 -c 10.77.0.2 -t 1 >"$dir/iperf" 2>&1; do
		grep -qE "refused|busy" "$dir/iperf" || { cat "$dir/iperf"; return 1; }
		sleep 0.1
	done
	finish INT
	exited 0 && zero packets_copied mappings_left iova_left pages_leaked late_calls_refused
}
check "forwarded: ping and iperf3 with an MTU of 9000, none copied by us" forwards
written() { # FILE: of our packets, in hex
	tcpdump -nn -t -xx -r "$1" ether proto 0x88b5 2>/dev/null | awk '
		/^\t/ { for (i = 2; i <= NF; i++) printf "%s", $i; next }
		NR > 1 { print "" }
		END { print "" }' | cut -c1-18028
}
redirects() { # its sockets are there
	in_a "$python" -IS "$here/packets.py" hex left "$dir/knock"
	[ "$(redirected)" -gt "$1" ]
}
captured() {
	for _ in 1 2 3; do list $lengths; done >"$dir/sent"
	start m "$tool" capture -d xdp:mid-a -w "$dir/big.pcap" -c "$(wc -l <"$dir/sent")" ether proto 0x88b5
	echo "02000000000202000000000188b6$(printf '00%.0s' {1..46})" >"$dir/knock"
	until_true redirects "$(redirected)"
	in_a "$python" -IS "$here/packets.py" hex left "$dir/sent"
	finish
	exited 0 && written "$dir/big.pcap" | cmp - "$dir/sent"
}
check "captured: the file has each packet whole" captured
replayed() {
	: >"$dir/tcpdump"
	ip netns exec "$ns"a tcpdump -i left -Q in -U --immediate-mode -B 65536 -s 10000 -w "$dir/left.pcap" ether proto 0x88b5 2>"$dir/tcpdump" &
	local listener=$!
	until grep -q listening "$dir/tcpdump"; do sleep 0.02; done
	start m "$tool" replay -d xdp:mid-a -r "$dir/big.pcap" --topspeed --json
	finish
	exited 0 || return 1
	until [ "$(written "$dir/left.pcap" | wc -l)" -ge "$(wc -l <"$dir/sent")" ]; do sleep 0.1; done
	kill $listener
	wait $listener
	written "$dir/left.pcap" | cmp - "$dir/sent"
}
check "replayed: what leaves is what is in the file" replayed

mtu 65535
refused() {
	start m "$probe" receive mid-a frame=2048
	finish
	exited 1 && told "MTU of 65535, and 18 frames of 2048 bytes.*leave out frame=2048, or ip link set mid-a mtu 32234"
}
check "an MTU that 18 frames don't take: refused, with what to type" refused
lengths="60 9014 32000 65549"
check "... larger frames do: up to the longest packet that there is" receives 3
raised() { # while it runs
	mtu 9000
	receive show frame=2048
	mtu 65535
	until_true told "notice: mid-a has an MTU of 65535 now: packets of more than 32256 bytes can't be received"
	list 60 65549 32200 32256 >"$dir/sent"
	in_a "$python" -IS "$here/packets.py" hex left "$dir/sent"
	until_true shown 3
	finish INT
	exited 0 && is left 0 rx_refused 1 rx_missed 0 || return 1
	awk 'NF == 6 && $6 ~ /0188b5/ { print $6 }' "$dir/out" | cmp - <(sed 2d "$dir/sent")
}
check "... raised beyond them while it runs: told, and the rest comes whole" raised
done_testing
