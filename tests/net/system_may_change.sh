#!/bin/bash
# system_may_change.sh COMMAND PROBE TAMPER DELETED - the system changes under a program that
# receives: it follows the change, or ends with a message.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
tamper=$3
deleted=$4

# flows PORTS: a packet from each of so many ports: their queue is chosen by a hash
flows() {
	in_a "$python" -IS -c '
import socket, sys
for port in range(20000, 20000 + int(sys.argv[1])):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("10.77.0.1", port))
    s.sendto(b"x" * 100, ("10.77.0.2", 12346))
' "$1"
}
four_queues() {
	QUEUES=4 make_left
	ip -n "$ns"a link set left txqueuelen 1000
}
# queues N: of mid-a. A veth pair's other end may not send by more, or the kernel refuses XDP
queues() {
	in_a ethtool -L left tx 1
	in_m ethtool -L mid-a rx "$1" && in_a ethtool -L left tx "$1"
}
came() { # all of N
	[ "$(awk 'NF == 6' "$dir/out" | wc -l)" -ge "$1" ]
}
from_queue() { # what of it has come
	awk -v q="$1" 'NF == 6 && $1 == q' "$dir/out" | wc -l
}
serves() { # QUEUE: a packet has come by it since
	flows 50
	[ "$(from_queue "$1")" -gt 0 ]
}

four_queues
queues_grow() { # WORD...
	queues 1
	receive show "$@"
	flows 100
	until_true came 100
	queues 4
	for q in 1 2 3; do until_true serves $q; done
	before=$(awk 'NF == 6' "$dir/out" | wc -l)
	flows 400
	until_true came $((before + 400))
	finish INT
	exited 0 && quiet && is left 0 rx_missed 0
}
check "queues are added: they are served" queues_grow
queues_shrink() {
	receive show
	for n in 1 4 2 3 4 1; do
		queues $n
		sleep 0.1
		before=$(awk 'NF == 6' "$dir/out" | wc -l)
		flows 50
		[ $n = 1 ] && until_true came $((before + 50))
	done
	finish INT
	exited 0 && quiet && is left 0
}
check "... taken away, and added again" queues_shrink
queues 4
one_queue() { # is not to have more
	queues 1
	start m "$probe" receive mid-a show first=0 count=1
	until_true grep -q ready "$dir/err"
	queues 4
	sleep 0.6
	flows 400
	until_true came 1
	sleep 0.3
	finish INT
	exited 0 && [ "$(awk 'NF == 6 && $1 > 0' "$dir/out" | wc -l)" = 0 ]
}
check "one that was named stays the only one" one_queue
two_lanes() {
	queues 4
	receive queues=2
	flows 400
	until_true all_in
	finish INT
	exited 0 && quiet && is rx_packets 400 rx_missed 0 left 0 || return 1
	[ "$(counter rx_packets_0)" -gt 0 ] && [ "$(counter rx_packets_1)" -gt 0 ] &&
		[ $(($(counter rx_packets_0) + $(counter rx_packets_1))) = 400 ]
}
all_in() { # by the interface's own count
	sleep 0.3
	[ "$(redirected)" -ge 400 ]
}
check "two threads, two queues each: all comes, by both" two_lanes
all_redirected() {
	local before

	before=$(redirected)
	flows 400
	sleep 0.3
	[ $(($(redirected) - before)) = 400 ]
}
two_lanes_grow() {
	queues 2
	receive queues=2
	queues 4
	until_true all_redirected
	finish INT
	exited 0 && quiet && is rx_missed 0 left 0 && [ "$(counter rx_packets)" -ge 400 ]
}
check "... queues are added: both serve one more" two_lanes_grow
too_many_lanes() {
	queues 2
	start m "$probe" receive mid-a queues=3
	finish
	exited 1 && told "mid-a has 2 receive queues for a program that serves 3"
}
check "more threads than queues: refused" too_many_lanes
ip -n "$ns"m link del mid-a
make_left

renamed() {
	receive show
	frames a left 10 100
	until_true comes 10
	ip -n "$ns"m link set mid-a down
	finish
	told "state 3: mid-a has gone down" || return 1
	ip -n "$ns"m link set mid-a up
	receive show
	ip -n "$ns"m link property add dev mid-a altname another-name-of-it
	ip -n "$ns"m link set mid-a name mid-x
	until_true told "notice: xdp:mid-a is mid-x now"
	frames a left 10 100
	until_true comes 10
	kill -USR1 "$child" # bound again, by its new name
	until_true bound_twice
	frames a left 10 100
	until_true comes 20
	ip -n "$ns"m link set mid-x name mid-a
	finish INT
	exited 0 && is left 0
}
bound_twice() {
	[ "$(grep -c ready "$dir/err")" = 2 ]
}
check "renamed: told, followed, and can be bound again" renamed

detached() {
	receive show
	frames a left 10 100
	until_true comes 10
	in_m "$tamper" detach mid-a $child || return 1
	finish
	exited 0 && told "state 3: the XDP program on mid-a has gone" && is left 0
}
check "the program is taken off: ended, with a word" detached
mtu_raised() {
	receive show
	ip -n "$ns"m link set mid-a mtu 3000
	until_true told "notice: mid-a has an MTU of 3000 now: packets of more than 1792 bytes"
	ip -n "$ns"a link set left mtu 3000
	frames a left 10 2900
	frames a left 10 1000
	until_true comes 10
	finish INT
	ip -n "$ns"a link set left mtu 1500
	ip -n "$ns"m link set mid-a mtu 1500
	exited 0 && is left 0 rx_packets 10 rx_too_long 10 rx_missed 0
}
check "the MTU is raised beyond a frame: told, what is lost is counted" mtu_raised
command_tells() { # COMMAND...: while it runs, and nothing comes
	start m "$tool" "$@"
	until_true told "^pagepool: (capturing|forwarding|replaying)"
	ip -n "$ns"m link set mid-a mtu 3000
	ip -n "$ns"m link set mid-a name mid-x
	until_true told "pagepool: xdp:mid-a is mid-x now"
	finish INT
	ip -n "$ns"m link set mid-x name mid-a mtu 1500
	exited 0
}
command_tells_mtu() {
	command_tells "$@" && told "pagepool: mid-a has an MTU of 3000 now"
}
check "... capture tells, and of a new name" command_tells_mtu capture -d xdp:mid-a -w "$dir/x.pcap"
check "... forward does" command_tells_mtu forward -a xdp:mid-a -b "soft:wire=$dir/x.pcap"
flaps() {
	receive show
	frames a left 10 100
	ip -n "$ns"a link set left down
	ip -n "$ns"a link set left up
	frames a left 10 100
	until_true comes 20
	finish INT
	exited 0 && quiet
}
check "the carrier comes and goes: it goes on" flaps

ends() { # SENTENCE COMMAND...
	local sentence=$1

	shift
	receive show
	frames a left 10 100
	"$@"
	finish
	exited 0 && told "state 3: mid-a has gone$sentence" && is left 0
}
check "another namespace" ends " to another network namespace" ip -n "$ns"m link set mid-a netns "$ns"b
ip -n "$ns"b link del mid-a
make_left
check "... with another name there" ends " to another network namespace" \
	ip -n "$ns"m link set mid-a netns "$ns"b name mid-y
ip -n "$ns"b link del mid-y
make_left
check "deleted" ends ": it was deleted" ip -n "$ns"m link del mid-a
make_left
check "the other end is deleted" ends ": it was deleted" ip -n "$ns"a link del left
make_left
check "set down" ends " down: ip link set mid-a up, and begin again" ip -n "$ns"m link set mid-a down
ip -n "$ns"m link del mid-a

many() { # threads, when it goes: none sleeps on
	four_queues
	receive queues=4
	flows 100
	ip -n "$ns"m link del mid-a
	finish
	exited 0 && told "state 3: mid-a has gone: it was deleted" && is left 0
}
between() { # two looks at it: the kernel takes the program off, but nobody else did
	make_left
	export PP_DELETED=mid-a PP_AT=3
	start m env LD_PRELOAD="$deleted" "$probe" receive mid-a
	finish
	exited 0 && told "state 3: mid-a has gone: it was deleted" && is left 0
}
check "deleted between two looks: not that the program was taken off" between
check "deleted under four threads: all end" many
done_testing
