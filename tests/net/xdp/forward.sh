#!/bin/bash
# forward.sh COMMAND GEN - packets between devices; either one disappears, the other continues.
#
# XDP_DELETIONS=200: how often an interface is deleted in mid-stream
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$2
. "$(dirname "$0")/lib.sh"

make_left
make_right

begin() { # OPTION...
	start m "$tool" forward -a xdp:mid-a -b xdp:mid-b --json "$@"
	until_true answers
}
answers() {
	in_a ping -q -c 1 -W 0.2 10.77.0.2 >/dev/null
}
nothing_left() {
	zero mappings_left iova_left pages_leaked late_calls_refused
}

# ---- between two interfaces -----------------------------------------------------------------

ip netns exec "$ns"b iperf3 -s >/dev/null 2>&1 &
# stream ARGUMENT...: once the server is there, and has done with the last one
stream() {
	until in_a iperf3 -c 10.77.0.2 "$@" >"$dir/iperf" 2>&1; do
		grep -qE "refused|busy|reset" "$dir/iperf" || { cat "$dir/iperf"; return 1; }
		sleep 0.1
	done
}
real_traffic() {
	begin "$@" || { cat "$dir/err"; return 1; }
	in_a ping -q -f -c 5000 10.77.0.2 >"$dir/ping" || return 1
	grep -q " 0% packet loss" "$dir/ping" || { cat "$dir/ping"; return 1; }
	stream -t 2 || return 1
	# the other way round, while pings flood
	in_a ping -q -i 0.002 -c 500 10.77.0.2 >"$dir/ping" &
	stream -R -t 1 || return 1
	wait $!
	finish INT
	exited 0 && nothing_left && zero packets_copied devices_lost || return 1
	[ "$(value a_to_b.packets)" -gt 5000 ] && [ "$(value b_to_a.packets)" -gt 5000 ]
}
check "a ping flood and iperf3 in both directions, no packet copied" real_traffic
check "... and with --learn" real_traffic --learn

sees_only_its_own() {
	begin --learn
	# a packet between two on the left is none of the right's business
	in_a "$python" -IS -c '
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("left", 0))
mac = bytes.fromhex
s.send(mac("ffffffffffff") + mac("020000000003") + b"\x88\xb5" + b"x" * 50)
for i in range(100):
    s.send(mac("020000000003") + mac("020000000001") + b"\x88\xb5" + b"x" * 50)
'
	answers
	finish INT
	exited 0 && nothing_left || return 1
	[ "$(value a_to_b.packets_stayed)" = 100 ] || { echo "$(value a_to_b.packets_stayed) of 100 stayed"; return 1; }
}
check "--learn keeps on a side what belongs there" sees_only_its_own

# ---- between back ends --------------------------------------------------------------------------

received() { # FILE
	tcpdump -r "$1" -nn -t -e -XX "${@:2}" 2>/dev/null
}
from_soft() { # COPIED SETTINGS
	local listen

	rm -f "$dir/wire.pcap"
	: >"$dir/tcpdump"
	ip netns exec "$ns"b tcpdump -i right -Q in -U --immediate-mode -B 65536 -s 2000 -w "$dir/right.pcap" \
		2>"$dir/tcpdump" &
	listen=$!
	until grep -q "listening on" "$dir/tcpdump"; do sleep 0.02; done
	start m "$tool" forward -a "soft:pcap=$dir/in.pcap,rate=20000,wire=$dir/wire.pcap$2" -b xdp:mid-b --json
	until_true all_out
	in_b ping -q -c 2 -W 0.2 10.77.0.1 >/dev/null
	finish INT
	kill -INT $listen
	wait $listen
	exited 0 && nothing_left || return 1
	[ "$(value packets_copied)" "$1" 0 ] || { echo "$(value packets_copied) copied"; return 1; }
	received "$dir/in.pcap" >"$dir/a"
	received "$dir/right.pcap" 'udp port 12346' >"$dir/b"
	cmp "$dir/a" "$dir/b" && [ -s "$dir/a" ] || return 1
	received "$dir/wire.pcap" 'icmp[0] = 8' >"$dir/c"
	[ -s "$dir/c" ] || { echo "nothing has come out of the software device"; return 1; }
}
all_out() {
	[ "$(tcpdump -r "$dir/right.pcap" 2>/dev/null | wc -l)" -ge 3000 ]
}
make_input() {
	start m "$tool" capture -d xdp:mid-a -w "$dir/in.pcap" -c 3000
	until_true sends
	finish
}
sends() {
	in_a "$gen" socket left 300 0.05 40000 >/dev/null
	! kill -0 "$child" 2>/dev/null
}
make_input
check "from the software device's pages out of an interface, and back" from_soft = ""
check "... one that addresses 32 bits" from_soft = ,mask=32
check "... an incoherent one" from_soft = ,incoherent
mixed() {
	in_m ip link set mid-b mtu 3000
	in_b ip link set right mtu 3000
	real_traffic_copied
	status=$?
	in_m ip link set mid-b mtu 1500
	in_b ip link set right mtu 1500
	return $status
}
real_traffic_copied() {
	begin || { cat "$dir/err"; return 1; }
	in_a ping -q -f -c 2000 10.77.0.2 >"$dir/ping" || return 1
	finish INT
	exited 0 && nothing_left || return 1
	[ "$(value packets_copied)" -ge 4000 ]
}
check "frames of two sizes: copied" mixed

# ---- one goes, the other goes on ------------------------------------------------------------------

ends() { # OPTION: the side that it names goes after 2000 packets; the other goes on
	begin "$1" 2000
	in_a ping -q -f -c 3000 -w 1 10.77.0.2 >/dev/null
	in_b ping -q -f -c 500 -w 1 10.77.0.1 >/dev/null
	in_a ping -q -f -c 500 -w 1 10.77.0.2 >/dev/null
	kill -0 "$child" || { echo "it has ended:"; cat "$dir/err"; return 1; }
	finish INT
	exited 0 && nothing_left || return 1
	[ "$(value "$2.dropped")" -gt 0 ] || { echo "nothing came from the other"; return 1; }
}
check "a unbound in mid-stream" ends --unbind-a b_to_a
check "b unbound in mid-stream" ends --unbind-b a_to_b
check "a removed in mid-stream" ends --remove-a b_to_a
check "b removed in mid-stream" ends --remove-b a_to_b

goes() { # COMMAND...: takes mid-a away
	begin
	ip netns exec "$ns"b ping -q -f 10.77.0.1 >/dev/null 2>&1 &
	sleep 0.3
	"$@"
	until_true said "a: .*gone"
	sleep 0.2
	kill $!
	finish INT
	exited 3 && nothing_left || return 1
	[ "$(value devices_lost)" = 1 ] && [ "$(value b_to_a.dropped)" -gt 0 ]
}
check "ip link set down" goes ip -n "$ns"m link set mid-a down
ip -n "$ns"m link set mid-a up

resident() {
	awk '/^RssAnon/ { print $2 }' "/proc/$child/status"
}
fds() {
	find "/proc/$child/fd" -type l | wc -l
}
deletions() {
	local n=${XDP_DELETIONS:-200} i kib open flood now

	begin --wait || { cat "$dir/err"; return 1; }
	ip netns exec "$ns"b ping -q -f 10.77.0.1 >/dev/null 2>&1 &
	flood=$!
	for i in $(seq "$n"); do
		# mid-stream: frames are in every ring
		ip -n "$ns"m link del mid-a
		make_left
		until_true answers || { echo "it ended in round $i:"; tail -n 3 "$dir/err"; return 1; }
		if [ "$i" = $((n / 10 + 2)) ]; then
			kib=$(resident)
			open=$(fds)
		fi
	done
	now=$(resident)
	echo "resident: $kib KiB after $((n / 10 + 2)) rounds, $now KiB after $n; descriptors: $open, $(fds)" >"$dir/note"
	[ "$(fds)" = "$open" ] || { cat "$dir/note"; return 1; }
	# a sanitizer keeps freed memory for a while
	[ "$now" -le $((kib + 2048)) ] || [ -n "${PP_SANITIZED:-}" ] || { cat "$dir/note"; return 1; }
	kill $flood
	finish INT
	exited 0 && nothing_left || return 1
	[ "$(value devices_lost)" -ge "$n" ] && [ "$(value devices_lost)" = "$(value devices_back)" ] ||
		{ cat "$dir/out"; return 1; }
}
check "ip link del in mid-stream, ${XDP_DELETIONS:-200} times: no leak, the other goes on" deletions
sed 's/^/# /' "$dir/note"

both_go() {
	begin --wait || { cat "$dir/err"; return 1; }
	printf 'link del mid-a\nlink del mid-b\n' | ip -n "$ns"m -batch -
	until_true said "gone" 2
	make_left
	make_right
	until_true answers
	finish INT
	exited 0 && nothing_left && zero packets_copied || return 1
	[ "$(value devices_back)" = 2 ]
}
check "both go, and both come back: to a new pool" both_go

# ---- what can't be ---------------------------------------------------------------------------------

refuses() { # STATUS SENTENCE ARGUMENT...
	local want=$1 sentence=$2

	shift 2
	start m "$tool" forward "$@"
	finish
	exited "$want" && said "$sentence"
}
check "no devices" refuses 2 "-a DEVICE and -b DEVICE"
check "one device" refuses 2 "-a DEVICE and -b DEVICE" -a soft
check "no such device" refuses 2 "no device" -a soft -b nosuch
check "no such interface" refuses 1 "no interface" -a soft -b xdp:nosuch
check "the same interface twice" refuses 1 "another XDP program" -a xdp:mid-a -b xdp:mid-a

done_testing
