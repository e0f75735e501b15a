#!/bin/bash
# examples_lose_no_frame.sh COMMAND PROBE GEN ROOT, then pairs of programs - the packet programs
# of examples/ compared with the same programs written as in libxdp's tutorial: lines of code,
# packets per second, frames lost at the close. It fails only if ours lose any; the rates are
# printed.
#
# SECONDS_EACH=1: how long packets are sent to each
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$3
root=$4
forwarder=$5 plain_forwarder=$6 worker=$7 plain_worker=$8 keeper=$9 plain_keeper=${10}
. "$(dirname "$0")/lib.sh"
seconds=${SECONDS_EACH:-1}

lines() { # FILE...: without blanks and comments
	cat "${@/#/$root/}" | sed 's|/\*.*\*/||; /\/\*/,/\*\//d' | grep -c '[^[:space:]]'
}
say_figures() { # NAME LINES PACKETS SECONDS
	echo "$1: $2 lines, $(awk -v n="$3" -v s="$4" 'BEGIN { printf "%d", n / s }') packets/s, $(grep -oE '[0-9]+ (frames are lost|bytes are left)' "$dir/out" | tail -1)" >>"$dir/figures"
}
flood() { # prints seconds
	in_a "$gen" frames left 60 "$seconds" | awk '{ print $NF }' >"$dir/gen"
	cat "$dir/gen"
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
	flood >/dev/null
	sleep 0.5
	finish INT
	say_figures "$1" "$2" $(($(arrived) - before)) "$seconds"
	exited 0
}
ends_itself() { # NAME LINES PROGRAM WORD...: it has what it wants, or its interface goes
	local before

	start m "${@:3}"
	ready || { cat "$dir/err"; return 1; }
	before=$(redirected)
	flood >/dev/null
	[ "$1" = ours-keep ] || [ "$1" = plain-keep ] || kill -0 "$child" 2>/dev/null && taken=$(($(redirected) - before))
	if [ -n "$deleted" ]; then ip -n "$ns"m link del mid-a; else more; fi
	finish
	say_figures "$1" "$2" "${taken:-0}" "$seconds"
	exited 0
}
more() { # until it has enough
	while kill -0 "$child" 2>/dev/null; do in_a "$gen" socket left 60 0.05 >/dev/null; done
}
lost() { # NAME
	grep "^$1:" "$dir/figures" | tail -1
}
loses_none() {
	lost "$1" | grep -qE ' 0 (frames are lost|bytes are left)' || { lost "$1"; return 1; }
}

check "a forwarder, plain" forwards plain-forward "$(lines tests/net/plain/forward.c tests/net/plain/plain.h)" "$plain_forwarder" mid-a mid-b
check "... ours" forwards ours-forward "$(lines examples/7-forward.c)" "$forwarder" xdp:mid-a xdp:mid-b
check "... has every frame home" loses_none ours-forward
[ "$(wc -l <"$root/examples/7-forward.c")" -lt 100 ] && ok "... in less than 100 lines" || not_ok "... in less than 100 lines"
deleted=
check "a receiver that hands packets to a worker, plain" ends_itself plain-worker "$(lines tests/net/plain/worker.c tests/net/plain/plain.h)" "$plain_worker" mid-a 100000
check "... ours" ends_itself ours-worker "$(lines examples/6-packets.c)" "$worker" xdp:mid-a 100000
deleted=yes
check "one that keeps 50,000 packets while the interface is deleted, plain" ends_itself plain-keep "$(lines tests/net/plain/keep.c tests/net/plain/plain.h)" "$plain_keeper" mid-a 50000
make_left
gro m mid-a
check "... ours" ends_itself ours-keep "$(lines examples/8-keep.c)" "$keeper" xdp:mid-a 50000
check "... has every frame home, and what it kept is as it was" loses_none ours-keep
sed 's/^/# /' "$dir/figures"
done_testing
