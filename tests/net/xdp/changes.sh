#!/bin/bash
# changes.sh COMMAND GEN - the interfaces change under forward while iperf3 sends both ways: to the packet,
# what the kernels on both sides have sent is what the report says was received, and what it says was
# sent is what they have received.
#
# XDP_CHANGES=200: rounds of each change
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$2
QUEUES=4
. "$(dirname "$0")/lib.sh"
rounds=${XDP_CHANGES:-20}

make_left
make_right
ip netns exec "$ns"b iperf3 -s >/dev/null 2>&1 &

# counter NAMESPACE INTERFACE rx|tx: of its packets
counter() {
	ip -n "$ns$1" -j -s link show "$2" |
		"$python" -IS -c 'import json, sys; print(json.load(sys.stdin)[0]["stats64"][sys.argv[1]]["packets"])' "$3"
}
counters() {
	echo "$(counter a left tx) $(counter b right rx) $(counter b right tx) $(counter a left rx)"
}
flows() { # more than 50 packets have come through since it was THAT; or none will any more
	[ "$(counter b right rx)" -gt $(($1 + 50)) ] || grep -q "gone" "$dir/err"
}
begins() {
	grep -q '^pagepool: forwarding between' "$dir/err"
}
connected() {
	kill -0 "${iperf:-none}" 2>/dev/null ||
		{ ip netns exec "$ns"a iperf3 -c 10.77.0.2 --bidir -t 86400 >"$dir/iperf" 2>&1 & iperf=$!; }
	flows "$1"
}
same_for_a_second() {
	local now

	now=$(counters)
	sleep 1
	[ "$now" = "$(counters)" ]
}

# ---- what changes --------------------------------------------------------------------------------

neighbours() { # that an interface which goes down forgets
	ip -n "$ns"a neigh replace 10.77.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent
	ip -n "$ns"b neigh replace 10.77.0.1 lladdr 02:00:00:00:00:01 dev right nud permanent
}
carrier() { # ROUND: of one device or the other
	set -- $(($1 % 2)) a left b right
	[ "$1" = 0 ] || shift 2
	ip -n "$ns$2" link set "$3" down
	ip -n "$ns$2" link set "$3" up
	neighbours
}
queues() { # one more in each round; the kernel takes none away that has a socket
	in_m ethtool -L mid-a rx $(($1 + 1)) && in_a ethtool -L left tx $(($1 + 1))
}
one_queue() { # a veth pair's other end may not send by more
	in_a ethtool -L left tx 1
	in_m ethtool -L mid-a rx 1
}
name() {
	local old=mid-a new=mid-x

	[ $(($1 % 2)) = 1 ] || { old=mid-x; new=mid-a; }
	ip -n "$ns"m link set $old name $new
}

# ---- the sums -----------------------------------------------------------------------------------------

# sums BEFORE AFTER PASSED: the report between two looks at the counters; so many packets went to the stack
sums() {
	"$python" -IS - "$dir/out" "$3" $1 $2 <<'P'
import json, sys
report = json.load(open(sys.argv[1]))
passed, n = int(sys.argv[2]), list(map(int, sys.argv[3:]))
bad = False
for i, way in enumerate(("a_to_b", "b_to_a")):
    r = report[way]
    sent, received = n[4 + 2 * i] - n[2 * i], n[5 + 2 * i] - n[1 + 2 * i]
    lost = r["packets_missed"] + r["packets_dropped_before"] + r["packets_refused"]
    came = r["packets"] + r["dropped"]
    here = passed if way == "a_to_b" else 0
    right = came + lost + here == sent and r["packets"] <= received <= r["packets_at_most"]
    print(f"{way}: {sent} sent to it = {came} received + {lost} lost + {here} passed; "
          f"{r['packets']} to {r['packets_at_most']} sent by it = {received} arrived"
          + ("" if right else ": WRONG"))
    bad |= not right or sent < 1000
sys.exit(bad)
P
}
changes() { # KIND ROUNDS: so many of it, each with traffic before and after
	local kind=$1 rounds=$2 i before passed=0 tap= iperf=

	start m "$tool" forward -a xdp:mid-a -b xdp:mid-b --json
	until_true begins || { cat "$dir/err"; return 1; }
	before=$(counters)
	if [ "$kind" = queues ]; then # one that is new has no socket for a moment
		: >"$dir/tcpdump"
		ip netns exec "$ns"m tcpdump -i mid-a -Q in -B 65536 -s 60 -w "$dir/passed" 2>"$dir/tcpdump" &
		tap=$!
		until grep -q "listening on" "$dir/tcpdump"; do sleep 0.02; done
	fi
	until_true connected "$(counter b right rx)"
	for ((i = 1; i <= rounds; i++)); do
		$kind $i || return 1
		until_true flows "$(counter b right rx)" || { echo "it ended in round $i:"; cat "$dir/err"; return 1; }
	done
	kill "$iperf"
	until_true same_for_a_second
	if [ -n "$tap" ]; then
		kill -INT $tap
		wait $tap
		passed=$(tcpdump -nr "$dir/passed" 2>/dev/null | wc -l)
	fi
	finish INT
	! grep "gone" "$dir/err" || return 1
	sums "$before" "$(counters)" "$passed" >"$dir/note" || { cat "$dir/note" "$dir/out" "$dir/err"; return 1; }
}
queue_changes() { # in as many runs as it takes
	local run

	for ((run = 0; run * 3 < rounds; run++)); do
		one_queue && changes queues 3 || return 1
	done
}
shown() {
	sed 's/^/# /' "$dir/note" 2>/dev/null
	rm -f "$dir/note"
}
check "the carrier goes $rounds times under iperf3: the counts are the kernels'" changes carrier "$rounds"
shown
check "interfaces are renamed $rounds times" changes name "$rounds"
shown
ip -n "$ns"m link set mid-x name mid-a 2>/dev/null
check "queues are added $rounds times" queue_changes
shown
done_testing
