# shellcheck shell=bash
# lib.sh - what the tests of pagepool kernel share: TAP, two network namespaces with a veth pair
# between them whose right end takes its packets into a page pool (XDP), processes that hold
# pages of it (hold.py), and reading the command's JSON.
#
#   a: left (10.78.0.1) ---- right (10.78.0.2) :b
#
# MTU and sizes are chosen so that each packet of 3,600 to 6,972 bytes takes exactly two pages:
# veth copies a packet into one whole page for its head (3,520 bytes) and one for the rest.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

set -u
export LC_ALL=C

tool=${1:?the path of the pagepool command}
lose=${2:?the path of lose.bpf.o}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../../tap.sh"
UDP=6000 MSS=6948 MTU=7000 # bytes of a packet; of a full TCP segment

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0 # meson takes 77 from programs that don't print TAP only
}
for need in ip ss python3 setpriv unshare; do
	command -v "$need" >/dev/null || skip_all "there is no $need"
done
[ "$(id -u)" = 0 ] || skip_all "it takes root"
[ -e /sys/kernel/btf/vmlinux ] || skip_all "this kernel has no BTF"
# what it takes to load BPF programs: CAP_BPF and CAP_PERFMON, in the first user namespace
capable() {
	local caps from to n

	caps=$((16#$(awk '/^CapEff/ { print $2 }' /proc/self/status)))
	read -r from to n </proc/self/uid_map
	[ $((caps >> 38 & 3)) = 3 ] && [ "$from $to $n" = "0 0 4294967295" ]
}
capable || skip_all "it takes CAP_BPF and CAP_PERFMON in the first user namespace"
ns=ppk$$
ip netns add "$ns"a 2>/dev/null || skip_all "no permission to make network namespaces"
ip netns add "$ns"b
dir=$(mktemp -d "${TMPDIR:-/tmp}/pagepool-kernel.XXXXXX") || exit 1
python=$(python3 -c 'import sys; print(sys.executable)')

clean_up() {
	local n p

	trap - EXIT
	exec 2>/dev/null # what the shell has to say of those that are killed
	tmux -L "$ns" kill-server
	for n in a b; do
		for p in $(ip netns pids "$ns$n" 2>/dev/null); do
			kill -KILL "$p"
		done
		ip netns del "$ns$n"
	done
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

in_a() { ip netns exec "$ns"a "$@"; }
in_b() { ip netns exec "$ns"b "$@"; }

check() { # WHAT COMMAND...
	"${@:2}" >"$dir/said" 2>&1
	local status=$?
	ok $status "$1"
	[ $status = 0 ] || { echo "# ${*:2} fails"; head -n 40 "$dir/said" | sed 's/^/# /'; }
}
counter() { # NAME of /proc/net/netstat or snmp in b
	in_b cat /proc/net/netstat /proc/net/snmp | awk -v name="$1" '
		!(NR % 2) { split($0, value); for (i in key) if (key[i] == name) print value[i] }
		NR % 2 { delete key; split($0, key) }'
}
counted() { [ "$(counter "$1")" -ge "$2" ]; }
received() { # BYTES by a connection to PORT
	in_b ss -Htn state established "sport = :$2" | awk -v n="$1" '$1 >= n { ok = 1 } END { exit !ok }'
}
is() { # WHAT GOT WANT
	[ "$2" = "$3" ]
	ok $? "$1"
	[ "$2" = "$3" ] || echo "# it is $2, not $3"
}
until_true() { # COMMAND...; the time limit of the whole test is meson's
	until "$@"; do sleep 0.05; done
}
done_testing() {
	echo "1..$n"
	exit $failed
}

# left and right, each in its namespace; the XDP program that makes right have a pool
make_link() { ip link add left netns "$ns"a type veth peer name right netns "$ns"b; }
put_xdp() { ip -n "$ns"b link set dev right xdp object "$lose" section xdp.frags; }
make_pair() {
	make_link || return 1
	in_a sysctl -qw net.ipv6.conf.left.disable_ipv6=1 2>/dev/null
	in_b sysctl -qw net.ipv6.conf.right.disable_ipv6=1 2>/dev/null
	ip -n "$ns"a addr add 10.78.0.1/24 dev left
	ip -n "$ns"b addr add 10.78.0.2/24 dev right
	ip -n "$ns"b link set lo up
	ip -n "$ns"a link set left mtu "$MTU" address 02:00:00:00:00:01 up
	ip -n "$ns"b link set right mtu "$MTU" address 02:00:00:00:00:02 up
	ip -n "$ns"a neigh replace 10.78.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent
	ip -n "$ns"b neigh replace 10.78.0.1 lladdr 02:00:00:00:00:01 dev right nud permanent
	put_xdp
}

# ---- processes ---------------------------------------------------------------------------------

declare -A pid=() to=() from=()

# start NAME NAMESPACE ROLE ARGUMENT...: hold.py; told to by ${to[NAME]}, says to ${from[NAME]}
start() {
	local name=$1

	mkfifo "$dir/$name.in" "$dir/$name.out"
	ip netns exec "$ns$2" "$python" -u "$here/hold.py" "${@:3}" <"$dir/$name.in" >"$dir/$name.out" 2>"$dir/$name.err" &
	pid[$name]=$!
	# shellcheck disable=SC1083,SC2086 # bash assigns to an array's elements here
	exec {to[$name]}>"$dir/$name.in" {from[$name]}<"$dir/$name.out"
}
# hears NAME LINE: waits for it to say so
hears() {
	local line

	while read -r line <&"${from[$1]}"; do
		[ "$line" != "$2" ] || return 0
	done
	echo "$1 has ended; it said:"
	cat "$dir/$1.err"
	return 1
}
give_back() { # NAME
	echo read >&"${to[$1]}"
	hears "$1" "done" && wake_cpus
}
end() { # NAME
	echo end >&"${to[$1]}"
	wait "${pid[$1]}"
	unset "pid[$1]" # it may be another one's from now on
}

# A CPU frees what others gave it to be freed when it takes in packets: loopback's will do.
cpus=$(python3 -c 'import os; print(*os.sched_getaffinity(0))')
wake_cpus() {
	local cpu

	for cpu in $cpus; do
		taskset -c "$cpu" python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))'
	done
}

# ---- the command ---------------------------------------------------------------------------------

# try COMMAND...: sets $status; what it says is in $dir/out and $dir/err
try() {
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
}
run() { try "$tool" kernel "$@"; } # ARGUMENT...: pagepool kernel
# pagepool where something is missing: in front of its arguments
cp "$tool" "$dir/pagepool" && chmod 755 "$dir" "$dir/pagepool" # a user without rights must reach it
without_rights=(setpriv --reuid=65534 --clear-groups "--inh-caps=-all" "$dir/pagepool")
# shellcheck disable=SC2016 # the inner shell's
without_btf=(unshare -m sh -c 'mount -t tmpfs none /sys/kernel/btf && exec "$@"' - "$tool")
# beside COMMAND...: in the background; what it says is in $dir/out and $dir/err
beside() {
	rm -f "$dir/out" "$dir/err" # who waits for a word doesn't find an old one
	"$@" >"$dir/out" 2>"$dir/err" </dev/null &
	job=$!
}
# Whether it runs. The shell knows, and doesn't take another process, with its number, for it.
beside_runs() { jobs -rp | grep -qx "$job"; }
tell() { # SIGNAL, to it
	! beside_runs || kill "-$1" "$job"
}
ended() { # sets $status
	wait "$job"
	status=$?
}
# watch ARGUMENT...: pagepool kernel watch beside, until it watches. Until watched, which ends it, other
# commands may run.
watch() {
	beside "$tool" kernel watch "$@"
	until_true eval 'grep -qs "watching; Ctrl-C ends it" "$dir/err" || ! beside_runs'
	watching=$job
	mv "$dir/out" "$dir/watch.out"
	mv "$dir/err" "$dir/watch.err"
}
watched() {
	job=$watching
	tell INT
	ended
	mv "$dir/watch.out" "$dir/out"
	mv "$dir/watch.err" "$dir/err"
}
exited() {
	[ "$status" = "$1" ] || { echo "exit status $status, not $1; it said:"; cat "$dir/err"; return 1; }
}
# one sentence that says this; where the test is in a container itself, that is said too
said() {
	grep -qE -- "$1" "$dir/err" || { echo "nothing of \"$1\" in:"; cat "$dir/err"; return 1; }
	[ "$(grep -cv "this is a container" "$dir/err")" = 1 ] || [[ $1 == *container* ]] || { echo "not one sentence:"; cat "$dir/err"; return 1; }
}
# ask EXPRESSION: of Python, about the last run's JSON, o; `pool` is the only one of right@b
ask() {
	"$python" -IS -c '
import json, sys
o = json.load(open(sys.argv[1]))
mine = [p for p in o["pools"] if p["interface"] == "right@" + sys.argv[2] + "b"]
pool = mine[0] if mine else None
of = lambda pid: [h for h in pool["holders"] if pid in [w["pid"] for w in h["owners"]]]
held = lambda pid, place: sum(h["pages"] for h in of(pid) if h["place"] == place)
print(eval(sys.argv[3]))' "$dir/out" "$ns" "$1"
}
