#!/bin/bash
# bench.sh COMMAND GEN PLAIN - packets a second and loss, side by side: pagepool capture with
# 50,000 pages in flight, tcpdump -w, dumpcap, and plain AF_XDP loops. A plain loop drops what it
# receives (plain), or holds 50,000 frames before it does (plain-hold, the like of pagepool-null,
# which writes to /dev/null), or writes those to a file then (plain-file, the like of pagepool).
# Interleaved rounds; the sender is pinned to one processor, the receiver to another.
#
# SECONDS_EACH=0.5 ROUNDS=1; `make bench-xdp` takes 2 and 5. TOOLS, SIZES: only those. FILES: where
# the captures go. XDP_JUDGE=1: fail below what is asked for, which needs a machine that does
# nothing else
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$2
plain=$3
. "$(dirname "$0")/lib.sh"

each=${SECONDS_EACH:-0.5}
rounds=${ROUNDS:-1}
tools=${TOOLS:-plain plain-hold pagepool-null plain-file pagepool tcpdump dumpcap}
files=${FILES:-/dev/shm}
[ -w "$files" ] || files=$dir
capture=$files/pagepool-xdp.$$.pcap
trap 'rm -f "$capture"; clean_up' EXIT
make_left
gro m mid-a

# begin TOOL: start it, and wait until it receives. False: it has ended.
begin() {
	case $1 in
	pagepool) start m taskset -c 1 "$tool" capture -d xdp:mid-a -w "$capture" --hold 50000 --json ;;
	pagepool-null) start m taskset -c 1 "$tool" capture -d xdp:mid-a -w /dev/null --hold 50000 --json ;;
	plain) start m taskset -c 1 "$plain" rx mid-a ;;
	plain-hold) start m taskset -c 1 "$plain" rx mid-a 50000 ;;
	plain-file) start m taskset -c 1 "$plain" rx mid-a 50000 "$capture" ;;
	tcpdump) start m taskset -c 1 tcpdump -i mid-a -w "$capture" ;;
	dumpcap) start m taskset -c 1 dumpcap -q -P -i mid-a -w "$capture" ;;
	esac
	case $1 in
	pagepool* | plain*) steered ;;
	tcpdump) until_true grep -q "listening on" "$dir/err" ;;
	dumpcap) until_true grep -q "File:" "$dir/err" ;;
	esac
}
# receive TOOL BYTES [RATE]: prints packets received, sent, seconds, the receiver's ticks
receive() {
	local got sent cpu

	# a plain loop doesn't wait until the kernel has freed the last one's queue
	for _ in {1..50}; do
		begin "$1" && break
		sleep 0.1
	done
	cpu=$(awk '{ print $14 + $15 }' "/proc/$child/stat")
	# a rate is kept by what sends small lots
	sent=$(in_a taskset -c 0 "$gen" "$([ -n "${3:-}" ] && echo socket || echo "${GEN:-frames}")" \
		left "$2" "$each" "${3:-0}")
	# what is on its way is received before the end
	until_true quiet
	cpu=$(($(awk '{ print $14 + $15 }' "/proc/$child/stat") - cpu))
	finish INT
	case $1 in
	pagepool*) got=$(value packets_received) ;;
	plain*) got=$(cat "$dir/out") ;;
	tcpdump) got=$(awk '/packets captured/ { print $1 }' "$dir/err") ;;
	dumpcap) got=$(sed -n 's/^Packets received.*: \([0-9]*\)\/.*/\1/p' "$dir/err") ;;
	esac
	rm -f "$capture"
	echo "$got $sent $cpu"; [ -z "${VERBOSE:-}" ] || echo "$1 $2: $got of $sent" >&2
}
quiet() { # the receiver has not run for a moment
	local before now

	before=$(awk '{ print $14 + $15 }' "/proc/$child/stat")
	sleep 0.2
	now=$(awk '{ print $14 + $15 }' "/proc/$child/stat")
	[ "$before" = "$now" ]
}

for bytes in ${SIZES:-60 1500}; do
	for round in $(seq "$rounds"); do
		for t in $tools; do
			echo "$bytes full $t $(receive "$t" "$bytes")"
		done
	done
	for t in plain pagepool tcpdump dumpcap; do
		[[ " $tools " != *" $t "* ]] ||
			echo "$bytes ${RATE:-50000} $t $(receive "$t" "$bytes" "${RATE:-50000}")"
	done
done >"$dir/figures"

# shellcheck disable=SC2016 # python
"$python" -IS -c '
import statistics, sys
runs = {}
for line in open(sys.argv[1]):
    f = line.split()
    runs.setdefault(tuple(f[:3]), []).append((int(f[3]), int(f[4]), float(f[5]), int(f[6])))
test, bad, judge = 0, 0, sys.argv[2] == "1"
pps = {}
for (size, rate, tool), r in runs.items():
    if rate == "full":
        v = [got / took for got, _, took, _ in r]
        pps[size, tool] = v
        print(f"# {size:>4} bytes  {tool:13} {statistics.median(v):9,.0f} packets/s"
              f"  [{min(v):,.0f} .. {max(v):,.0f}],"
              f" {statistics.median(1e7 * t / max(1, got) for got, _, _, t in r):,.0f} ns of the processor each")
    else:
        got, sent, _, _ = r[0]
        print(f"# {size:>4} bytes  {tool:13} of {sent:,} at {rate}/s lost {max(0, sent - got):,}")
def ratio(size, ours, other):
    # round by round: what disturbs one disturbs the next one too
    return statistics.median(a / b for a, b in zip(pps[size, ours], pps[size, other]))
for size, tool in list(pps):
    for ours, other, least in (("pagepool", "tcpdump", 2), ("pagepool", "plain-file", 0.95),
                               ("pagepool-null", "plain-hold", 0.95), ("pagepool", "plain", None)):
        if tool != ours or (size, other) not in pps:
            continue
        r = ratio(size, ours, other)
        line = f"{size} bytes, 50,000 pages in flight: {ours} is {r:.2f} times {other}"
        if least is None:
            print(f"# {line}, which holds and writes nothing")
            continue
        test += 1
        word = "ok" if r >= least or not judge else "not ok"
        bad |= word != "ok"
        print(f"{word} {test} - {line}, {least} asked for")
print(f"1..{test}")
sys.exit(bad)
' "$dir/figures" "${XDP_JUDGE:-0}"
