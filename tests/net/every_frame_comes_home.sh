#!/bin/bash
# every_frame_comes_home.sh COMMAND PROBE - a program that holds pages is closed under traffic,
# loses its interface, has it moved to another namespace, and has its queues changed, on one queue
# and on four: every frame comes home.
#
# ROUNDS=50: of each
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
rounds=${ROUNDS:-50}

traffic() { # until it is killed
	ip netns exec "$ns"a "$python" -IS -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(("left", 0))
while True:
    try:
        s.send(bytes.fromhex("02000000000202000000000188b5") + bytes(86))
    except OSError:
        if not any(n == "left" for _, n in socket.if_nameindex()):
            break' >/dev/null 2>&1 &
	sender=$! # not a function: that would leave it behind
}
once() { # QUEUES COMMAND...: the end of one round
	ip -n "$ns"m link show mid-a >/dev/null 2>&1 || QUEUES=4 make_left
	receive queues="$1" keep=500 pages=4096
	traffic
	count_redirected
	until_true more_packets "$count"
	"${@:2}"
	finish ${signal:+"$signal"}
	kill $sender 2>/dev/null
	wait $sender 2>/dev/null
	exited 0 && is left 0 rx_refused 0
}
more_packets() {
	count_redirected && [ "$count" -gt "$1" ]
}
fewer_and_more() {
	for n in 2 4; do
		in_a ethtool -L left tx 1
		in_m ethtool -L mid-a rx $n
	done
}
moved() {
	ip -n "$ns"m link set mid-a netns "$ns"b && ip -n "$ns"b link del mid-a
}
all() { # QUEUES SIGNAL COMMAND...
	signal=$2
	for ((i = 1; i <= rounds; i++)); do
		once "$1" "${@:3}" || { echo "round $i"; return 1; }
	done
}
for n in 1 4; do
		check "$rounds times, $n queues: closed under traffic" all $n INT true
	check "... the interface is deleted" all $n "" ip -n "$ns"m link del mid-a
	check "... it goes to another namespace" all $n "" moved
	check "... its queues are changed, and it is closed" all $n INT fewer_and_more
done
done_testing
