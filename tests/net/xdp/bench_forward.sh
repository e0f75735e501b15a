#!/bin/bash
# bench_forward.sh COMMAND GEN PLAIN - an iperf3 stream and a ping flood between two
# namespaces: through pagepool forward, a plain AF_XDP forwarder that copies each packet, and
# the kernel's bridge. Interleaved rounds.
#
# SECONDS_EACH=2 ROUNDS=2
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$2
plain=$3
. "$(dirname "$0")/lib.sh"

make_left
make_right
# the plain forwarder sends sums on as they are: those of its neighbours are to be finished
ip netns exec "$ns"a ethtool -K left tx off >/dev/null
ip netns exec "$ns"b ethtool -K right tx off >/dev/null
ip netns exec "$ns"b iperf3 -s >/dev/null 2>&1 &
answers() { in_a ping -q -c 1 -W 0.2 10.77.0.2 >/dev/null; }
measure() { # HOW: prints megabits a second, and pings a second
	local bits

	case $1 in
	pagepool) start m "$tool" forward -a xdp:mid-a -b xdp:mid-b --json ;;
	plain) start m "$plain" forward mid-a mid-b ;;
	bridge)
		ip -n "$ns"m link add bridge type bridge
		ip -n "$ns"m link set mid-a master bridge
		ip -n "$ns"m link set mid-b master bridge
		ip -n "$ns"m link set bridge up
		start m sleep 1000
		;;
	esac
	until_true answers
	until bits=$(in_a iperf3 -c 10.77.0.2 -t "${SECONDS_EACH:-2}" -f m 2>/dev/null | awk '/receiver/ { print $7 }') &&
		[ -n "$bits" ]; do sleep 0.1; done
	in_a ping -q -f -w "${SECONDS_EACH:-2}" 10.77.0.2 |
		awk -v bits="$bits" -v s="${SECONDS_EACH:-2}" '/transmitted/ { print bits, $4 / s, $1 - $4 }'
	finish TERM
	[ "$1" != bridge ] || ip -n "$ns"m link del bridge
}
for round in $(seq "${ROUNDS:-2}"); do
	for how in pagepool plain bridge; do
		echo "$how $(measure $how)"
	done
done >"$dir/figures"
"$python" -IS -c '
import statistics, sys
runs = {}
for line in open(sys.argv[1]):
    f = line.split()
    runs.setdefault(f[0], []).append([float(x) for x in f[1:]])
for how, r in runs.items():
    print(f"# {how:9} {statistics.median(x[0] for x in r):7,.0f} Mbit/s"
          f" [{min(x[0] for x in r):,.0f} .. {max(x[0] for x in r):,.0f}],"
          f" {statistics.median(x[1] for x in r):7,.0f} pings/s, {sum(x[2] for x in r):.0f} lost")
' "$dir/figures"
check "all three forward" test "$(grep -c ' [0-9.]* [0-9.]* [0-9]*$' "$dir/figures")" = $((3 * ${ROUNDS:-2}))
done_testing
