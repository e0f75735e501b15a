# shellcheck shell=bash
# lib.sh - what the tests of AF_XDP share: namespaces of their own, TAP, waiting.
#
# All traffic stays in network namespaces that the test makes and takes away again:
#
#   a: left (10.77.0.1) ---- mid-a :m: mid-b ---- right (10.77.0.2) :b
#
# The judges are the kernel's and others': tcpdump, ping, iperf3, interface counters.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

set -u
export LC_ALL=C

tool=${1:?the path of the pagepool command}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export here
for need in ip tcpdump ping iperf3 ethtool python3 setpriv; do
	if ! command -v "$need" >/dev/null; then
		echo "1..0 # SKIP there is no $need"
		exit 0
	fi
done
ns=xdp$$
if ! ip netns add "$ns"a 2>/dev/null; then
	echo "1..0 # SKIP no right to make network namespaces"
	exit 0
fi
ip netns add "$ns"m
ip netns add "$ns"b
python=$(python3 -c 'import sys; print(sys.executable)')
dir=$(mktemp -d "${TMPDIR:-/tmp}/pagepool-xdp.XXXXXX") || exit 1

clean_up() {
	local n p

	trap - EXIT
	exec 2>/dev/null # what the shell has to say of those that are killed
	for n in a m b c; do
		for p in $(ip netns pids "$ns$n" 2>/dev/null); do
			kill -KILL "$p" 2>/dev/null
		done
		ip netns del "$ns$n" 2>/dev/null
	done
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

in_a() { ip netns exec "$ns"a "$@"; }
in_m() { ip netns exec "$ns"m "$@"; }
in_b() { ip netns exec "$ns"b "$@"; }

# gro NAMESPACE INTERFACE: have its driver poll, so that it takes XDP frames without a program
gro() { ip netns exec "$ns$1" ethtool -K "$2" gro on; }

# An interface as the kernel makes it, what it leaves to hardware and all; but that nobody sends
# by it unasked.
plain() { # NAMESPACE INTERFACE
	ip netns exec "$ns$1" sysctl -qw "net.ipv6.conf.$2.disable_ipv6=1" 2>/dev/null
}
# What the kernel would leave to hardware (sums, big packets) must be in the packets. For tests of
# what can't be had otherwise.
no_offloads() { # NAMESPACE INTERFACE
	ip netns exec "$ns$1" ethtool -K "$2" rx off tx off tso off gso off gro off >/dev/null 2>&1
}

# make_left, make_right: a pair of interfaces, up, of which one end is in m.
make_left() {
	ip link add left netns "$ns"a address 02:00:00:00:00:01 ${QUEUES:+numtxqueues $QUEUES} type veth \
		peer name mid-a netns "$ns"m ${QUEUES:+numrxqueues $QUEUES numtxqueues $QUEUES} || return 1
	[ -z "${QUEUES:-}" ] || in_m ethtool -L mid-a rx "$QUEUES"
	plain a left
	plain m mid-a
	ip -n "$ns"a addr add 10.77.0.1/24 dev left
	ip -n "$ns"a neigh replace 10.77.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent
	ip -n "$ns"a link set left up
	ip -n "$ns"m link set mid-a up
}
make_right() {
	ip link add right netns "$ns"b address 02:00:00:00:00:02 type veth peer name mid-b netns "$ns"m
	plain b right
	plain m mid-b
	ip -n "$ns"b addr add 10.77.0.2/24 dev right
	ip -n "$ns"b neigh replace 10.77.0.1 lladdr 02:00:00:00:00:01 dev right nud permanent
	ip -n "$ns"b link set right up
	ip -n "$ns"m link set mid-b up
}

# ---- TAP -------------------------------------------------------------------------------

tests=0
failed=0

ok() {
	tests=$((tests + 1))
	echo "ok $tests - $1"
}
not_ok() { # DESCRIPTION [WHY]
	tests=$((tests + 1))
	failed=$((failed + 1))
	echo "not ok $tests - $1"
	[ -n "${2:-}" ] && printf '%s\n' "$2" | head -n 40 | sed 's/^/# /'
	return 0
}
check() { # DESCRIPTION COMMAND...
	local what=$1 why

	shift
	# what a test that failed has left running is ended, so that the next one can begin
	if why=$(child='' && { "$@" || { status=$?; [ -z "$child" ] || finish KILL; exit 1; }; } 2>&1); then
		ok "$what"
	else
		not_ok "$what" "$* fails: $why"
	fi
}
skip() { # DESCRIPTION WHY
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}
done_testing() {
	echo "1..$tests"
	exit $((failed != 0))
}

# ---- running ------------------------------------------------------------------------------

# start NAMESPACE COMMAND...: in the background; $child, output in $dir/out and $dir/err
start() {
	local n=$1

	shift
	: >"$dir/out"
	: >"$dir/err"
	ip netns exec "$ns$n" "$@" >"$dir/out" 2>"$dir/err" &
	child=$! # ip becomes the command
}
# finish [SIGNAL]: end it and wait. Sets $status.
finish() {
	[ -n "${1:-}" ] && kill "-$1" "$child" 2>/dev/null
	wait "$child" 2>/dev/null
	status=$?
	child=
}
# until_true COMMAND...: wait for it while $child lives. A fork is what takes long on some machines:
# so the wait, and what is asked for again and again, are the shell's own.
exec {nothing}<> <(:)
until_true() {
	until "$@"; do
		kill -0 "$child" 2>/dev/null || return 1
		read -rt 0.02 -u "$nothing" || : # it fails when the time is up
	done
}
# has FILE WORD
has() {
	local text

	IFS= read -rd '' text <"$1"
	[[ $text == *"$2"* ]]
}
# steered: the child's sockets are there: packets for mid-a go to them (native XDP's count).
count_redirected() { # [INTERFACE-IN-M]: sets $count
	local name n

	count=0
	while read -r name n; do
		[[ $name != *xdp_redirect: ]] || count=$((count + n))
	done < <(in_m ethtool -S "${1:-mid-a}")
}
redirected() {
	count_redirected "$@"
	echo "$count"
}
more_redirected() { # THAN INTERFACE-IN-M
	if [ "${2:-mid-a}" = mid-a ]; then
		in_a "$gen" socket left 60 0.001 >/dev/null
	else
		in_b "$gen" socket right 60 0.001 >/dev/null
	fi
	[ "$(redirected "${2:-mid-a}")" -gt "$1" ]
}
steered() {
	until_true more_redirected "$(redirected "${1:-mid-a}")" "${1:-mid-a}"
}

# value KEY [FILE]: of the JSON object that the last run printed, nested keys with dots
value() {
	"$python" -IS -c '
import json, sys
v = json.load(open(sys.argv[2]))
for k in sys.argv[1].split("."):
    v = v[k]
print(v)' "$1" "${2:-$dir/out}"
}
# zero KEY...: of the last run's report
zero() {
	local key v

	for key; do
		v=$(value "$key")
		[ "$v" = 0 ] || { echo "$key: $v"; return 1; }
	done
}
exited() {
	[ "$status" = "$1" ] || { echo "exit status $status, not $1; it said:"; cat "$dir/err"; return 1; }
}
# said WHAT [N]: among N sentences; that a run has begun is none of them.
said() {
	grep -qE -- "$1" "$dir/err" || { echo "nothing of \"$1\" in:"; cat "$dir/err"; return 1; }
	[ "$(grep -cvE '^pagepool: (capturing from|forwarding between|replaying) ' "$dir/err")" = "${2:-1}" ] ||
		{ echo "not ${2:-1} sentences:"; cat "$dir/err"; return 1; }
}
