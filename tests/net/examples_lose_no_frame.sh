#!/bin/bash
# examples_lose_no_frame.sh COMMAND PROBE GEN ROOT, then pairs of programs - the packet programs
# of examples/ compared with the same programs written as in libxdp's tutorial: lines of code,
# packets per second, frames lost at the close. It fails only if ours lose any; the rates are
# printed, and ours of the plain one's in pairs that run in turn.
#
# SECONDS_EACH=1: how long packets are sent to each forwarder
# RUNS=1: pairs
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$3
root=$4
forwarder=$5 plain_forwarder=$6 worker=$7 plain_worker=$8 keeper=$9 plain_keeper=${10}
. "$(dirname "$0")/lib.sh"
seconds=${SECONDS_EACH:-1}
runs=${RUNS:-1}
taken=200000 # packets that each receiver takes

lines() { # FILE...: without blanks and comments
	cat "${@/#/$root/}" | sed 's|/\*.*\*/||; /\/\*/,/\*\//d' | grep -c '[^[:space:]]'
}
say_figures() { # NAME LINES [PACKETS SECONDS]
	echo "$1: $2 lines, ${3:+$(awk -v n="$3" -v s="$4" 'BEGIN { printf "%d", n / s }') packets/s, }$(grep -oE '[0-9]+ (frames are lost|bytes are left)' "$dir/out" | tail -1)" >>"$dir/figures"
}
flood() { # SECONDS: as fast as they go
	in_a "$gen" frames left 60 "$1" >"$dir/gen"
}
make_left
gro m mid-a
make_right
gro a left
gro b right

# ready: its sockets get what is sent
ready() {
	until_true more_redirected "$(redirected)"
}
arrived() {
	linked b right rx.packets
}
forwards() { # NAME LINES PROGRAM WORD...
	local before

	start m "${@:3}"
	ready || { cat "$dir/err"; return 1; }
	before=$(arrived)
	flood "$seconds"
	sleep 0.5
	finish INT
	say_figures "$1" "$2" $(($(arrived) - before)) "$seconds"
	exited 0
}
takes() { # NAME LINES PROGRAM WORD...: it ends when it has what it takes
	local begun flooding

	start m "${@:3}"
	ready || { cat "$dir/err"; return 1; }
	begun=$EPOCHREALTIME
	flood 600 &
	flooding=$!
	finish
	say_figures "$1" "$2" "$taken" "$(awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')"
	kill $(ip netns pids "$ns"a) 2>/dev/null
	wait "$flooding" 2>/dev/null
	exited 0
}
keeps() { # NAME LINES PROGRAM WORD...: it ends when its interface goes
	start m "${@:3}"
	ready || { cat "$dir/err"; return 1; }
	flood 1
	ip -n "$ns"m link del mid-a
	finish
	say_figures "$1" "$2"
	exited 0
}
lost() { # NAME
	grep "^$1:" "$dir/figures" | tail -1
}
loses_none() {
	lost "$1" | grep -qE ' 0 (frames are lost|bytes are left)' || { lost "$1"; return 1; }
}

of_plain() { # OURS PLAIN: the median of the pairs' ratios, the least and the most
	paste -d' ' <(grep "^$1:" "$dir/figures") <(grep "^$2:" "$dir/figures") |
		sed -E 's|[^/]* ([0-9]+) packets/s|\1 |g; s/[^0-9 ]//g' | awk '{ print $1 / $2 }' | sort -n |
		awk '{ r[NR] = $1 } END { printf "'"$1"': %.2f of '"$2"' (%.2f to %.2f in %d runs)\n", r[int((NR + 1) / 2)], r[1], r[NR], NR }'
}

for ((run = 1; run <= runs; run++)); do
	check "a forwarder, plain" forwards plain-forward "$(lines tests/net/plain/forward.c tests/net/plain/plain.h)" "$plain_forwarder" mid-a mid-b
	check "... ours" forwards ours-forward "$(lines examples/7-forward.c)" "$forwarder" xdp:mid-a xdp:mid-b
	check "... has every frame home" loses_none ours-forward
	check "a receiver that hands packets to a worker, plain" takes plain-worker "$(lines tests/net/plain/worker.c tests/net/plain/plain.h)" "$plain_worker" mid-a "$taken"
	check "... ours" takes ours-worker "$(lines examples/6-packets.c)" "$worker" xdp:mid-a "$taken"
done
[ "$(wc -l <"$root/examples/7-forward.c")" -lt 100 ] && ok "our forwarder has less than 100 lines" || not_ok "our forwarder has less than 100 lines"
check "one that keeps 50,000 packets while the interface is deleted, plain" keeps plain-keep "$(lines tests/net/plain/keep.c tests/net/plain/plain.h)" "$plain_keeper" mid-a 50000
make_left
gro m mid-a
check "... ours" keeps ours-keep "$(lines examples/8-keep.c)" "$keeper" xdp:mid-a 50000
check "... has every frame home, and what it kept is as it was" loses_none ours-keep
{ of_plain ours-forward plain-forward; of_plain ours-worker plain-worker; } >>"$dir/figures"
sed 's/^/# /' "$dir/figures"
done_testing
