#!/bin/bash
# close_undoes_open.sh COMMAND PROBE - what opening a device changes, and restores at close.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
make_left

promiscuity() {
	ip -n "$ns"m -d link show mid-a | grep -o 'promiscuity [0-9]*'
}
promiscuous() { # WANTED WORD...
	receive "${@:2}"
	[ "$(promiscuity)" = "promiscuity $1" ] || { promiscuity; return 1; }
	finish "${signal:-INT}"
	until [ "$(promiscuity)" = "promiscuity 0" ]; do
		[ "${signal:-}" ] || return 1
		sleep 0.02
	done
}
check "promiscuous mode is asked for, and given back" promiscuous 1 promiscuous
check "... only if it is wanted" promiscuous 0
killed() {
	signal=KILL promiscuous 1 promiscuous || return 1
	while ip -n "$ns"m link show mid-a | grep -q prog.xdp; do sleep 0.02; done # the kernel takes its time
}
check "... given back by one that is killed, as the program is" killed
beside() { # another's wish stays
	ip -n "$ns"m link set mid-a promisc on
	receive promiscuous
	finish INT
	ip -n "$ns"m -d link show mid-a | grep -q 'promiscuity 1' && ip -n "$ns"m link set mid-a promisc off
}
check "... another's wish for it stays" beside

limited() { # KIB COMMAND...: without the right to lock memory
	bash -c 'ulimit -l "$1" && shift && exec "$@"' - "$1" setpriv --bounding-set=-ipc_lock \
		--inh-caps=-all "${@:2}"
}
export -f limited
memlock() { # KIB BYTES
	start m bash -c 'limited "$@"' - "$1" "$probe" send mid-a 5000 "$2"
	finish
	exited 0 && is tx_sent_min 5000 left 0
}
check "to send takes 4 MiB of locked memory" memlock 4096 1000
frames_of_4k() {
	ip -n "$ns"m link set mid-a mtu 3000
	ip -n "$ns"a link set left mtu 3000
	memlock 8192 2900
	status=$?
	ip -n "$ns"m link set mid-a mtu 1500
	ip -n "$ns"a link set left mtu 1500
	return $status
}
# the kernel gives back what the run before had locked a little after its end
at_last() {
	for _ in {1..100}; do
		"$@" >/dev/null && return
		sleep 0.1
	done
	"$@"
}
check "... 8 MiB in frames of 4 KiB" at_last frames_of_4k
too_little() {
	start m bash -c 'limited "$@"' - 1024 "$probe" send mid-a 1 60
	finish
	exited 1 && told "4096 KiB of pages must be locked.*limit is 1024 KiB: raise it \(ulimit -l\), or run with CAP_IPC_LOCK$"
}
check "... less: what to do" too_little
too_little_to_receive() {
	start m bash -c 'limited "$@"' - 1024 "$probe" receive mid-a
	finish
	exited 1 && told "limit the pool \(capture --max-pages\)$" && "$tool" capture --help | grep -q -- --max-pages
}
check "... to receive: the option that is named is there" too_little_to_receive

large() { # is there 3 GiB of memory to lock 1.2 of it?
	[ "$(awk '/MemAvailable/ { print $2 }' /proc/meminfo)" -gt 3000000 ] || { skip "more than 1 GiB" "too little memory"; return; }
	check "more than 1 GiB: registered whole, and the pool grows within" large_pool
}
large_pool() {
	start m "$tool" capture -d xdp:mid-a -w /dev/null --max-pages 600000 -c 40000 --hold 20000 --json
	while kill -0 "$child" 2>/dev/null; do
		frames a left 5000 60
	done
	finish
	exited 0 && zero mappings_left iova_left pages_leaked || return 1
	# chunks of 32 MiB: the rings and what is held have few of them
	[ "$(value chunks)" -ge 2 ] && [ "$(value chunks)" -lt 20 ] || { echo "$(value chunks) chunks"; return 1; }
	[ "$(value page_bytes_mapped)" -ge 1228800000 ] || { echo "$(value page_bytes_mapped) bytes"; return 1; }
}
large

others_receive() { # one that only sends leaves what comes to the kernel
	start m "$probe" send mid-a 100000 60 pps=5000
	until_true moving
	in_m ip -n "$ns"m addr add 10.77.0.2/24 dev mid-a
	ip -n "$ns"a neigh replace 10.77.0.2 lladdr "$(in_m cat /sys/class/net/mid-a/address)" dev left nud permanent
	in_a ping -q -c 3 -W 1 10.77.0.2 >"$dir/ping"
	status=$?
	finish INT
	ip -n "$ns"m addr del 10.77.0.2/24 dev mid-a
	return $status
}
moving() {
	[ "$(linked a left rx.packets)" -gt 100 ]
}
check "one that only sends leaves what comes to the kernel" others_receive
altname() {
	ip -n "$ns"m link property add dev mid-a altname the-one-in-the-middle-with-a-long-name
	ip -n "$ns"m link property add dev mid-a altname middle
	for name in middle the-one-in-the-middle-with-a-long-name; do
		start m "$probe" receive $name
		until_true grep -q ready "$dir/err"
		finish INT
		exited 0 || return 1
	done
	start m "$probe" receive the-one-in-the-middle-with-another-name
	finish
	exited 1 && told "there is no interface the-one-in-the-middle-with-another-name in"
}
check "an interface by another name that it has, of any length" altname
done_testing
