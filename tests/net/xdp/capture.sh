#!/bin/bash
# capture.sh COMMAND GEN - capture from interfaces, beside tcpdump; interfaces that disappear; a
# message for everything that isn't possible.
#
# A packet that an AF_XDP socket takes never reaches the taps of its interface, where tcpdump
# listens. So both listen at a hub's monitor port, tcpdump to what the hub sends there and
# capture to what arrives at the other end of that pair.
#
# tcpdump's -s: with a device that cuts packets its ring would have a few hundred slots of 256 KiB.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$2
. "$(dirname "$0")/lib.sh"

# ---- the same packets as tcpdump -------------------------------------------------------------

ip netns add "$ns"c
make_left
make_right
make_hub() {
	ip -n "$ns"m link add hub type bridge ageing_time 0 mcast_snooping 0
	ip link add tap netns "$ns"m type veth peer name mon netns "$ns"c
	plain m hub
	plain m tap
	plain c mon
	ip -n "$ns"m link set mid-a master hub
	ip -n "$ns"m link set mid-b master hub
	ip -n "$ns"m link set tap master hub
	ip -n "$ns"m link set hub up
	ip -n "$ns"m link set tap up
	ip -n "$ns"c link set mon up
}
make_hub
if command -v nginx >/dev/null && command -v curl >/dev/null; then
	mkdir -p "$dir/www"
	head -c 300000 /dev/urandom >"$dir/www/file"
	cat >"$dir/nginx.conf" <<-EOF
		daemon off; user root; pid $dir/nginx.pid; error_log $dir/nginx.log;
		worker_processes 1;
		events { worker_connections 64; }
		http { access_log off; server { listen 10.77.0.2:8080; root $dir/www; } }
	EOF
	in_b nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/nginx.log" 2>/dev/null &
fi
in_b iperf3 -s >/dev/null 2>&1 &

traffic() {
	in_a ping -q -i 0.002 -c 300 -s 1000 10.77.0.2 >/dev/null
	in_a iperf3 -c 10.77.0.2 -t 1 -b 60M >/dev/null
	in_a iperf3 -c 10.77.0.2 -t 1 -u -b 20M -l 200 >/dev/null
	[ -d "$dir/www" ] || return 0
	in_a curl -sS --retry 5 --retry-connrefused -o "$dir/got" http://10.77.0.2:8080/file &&
		cmp "$dir/got" "$dir/www/file"
}
# Of a capture file, in an order that doesn't depend on two senders' race, without the packets
# by which the test finds out that the capture has begun, and the complaints about them.
contents() {
	tcpdump -r "$1" -nn -t -e -XX 'not udp port 12346 and not icmp[0] = 3' 2>/dev/null | awk '/^[^\t]/ { if (p) print p; p = "" } { p = p $0 }
		END { print p }' | sort
}
same_contents() {
	diff "$dir/ours" "$dir/theirs" | cut -c1-300 | head -n 8
	cmp "$dir/ours" "$dir/theirs" && [ -s "$dir/ours" ]
}
same_as_tcpdump() { # SETTINGS
	local dump

	rm -f "$dir/ours.pcap" "$dir/theirs.pcap"
	start c "$tool" capture -d "xdp:mon$1" -w "$dir/ours.pcap" --json
	until_true captures
	: >"$dir/tcpdump"
	ip netns exec "$ns"m tcpdump -i tap -Q out --immediate-mode -B 65536 -s 2000 -w "$dir/raw.pcap" 2>"$dir/tcpdump" &
	dump=$!
	until grep -q "listening on" "$dir/tcpdump"; do sleep 0.02; done
	traffic || { echo "the traffic failed"; return 1; }
	sleep 0.5
	finish INT
	kill -INT $dump
	wait $dump
	exited 0 || return 1
	zero packets_missed packets_refused mappings_left iova_left pages_leaked faults_before_unbind \
		late_calls_refused || return 1
	# tcpdump listens before the sums are finished
	"$python" -IS "$here/../packets.py" finish "$dir/raw.pcap" "$dir/theirs.pcap"
	contents "$dir/ours.pcap" >"$dir/ours"
	contents "$dir/theirs.pcap" >"$dir/theirs"
	[ "$(wc -l <"$dir/theirs")" -gt 1000 ] || { echo "tcpdump has hardly seen anything"; return 1; }
	same_contents
}
captures() {
	in_a "$gen" socket left 60 0.001 >/dev/null
	[ -e "$dir/ours.pcap" ] && [ "$(stat -c %s "$dir/ours.pcap")" -gt 24 ]
}
check "the same packets as tcpdump, of ping, iperf3 and curl" same_as_tcpdump ""
check "... in frames of 4 KiB" same_as_tcpdump ,frame=4096
in_the_stack() { # which is given packets longer than a frame, to be cut by a device
	no_offloads m tap
	same_as_tcpdump :0,mode=generic
	status=$?
	in_m ethtool -K tap tx on tso on gso on >/dev/null
	return $status
}
check "... with the program in the stack" in_the_stack
check "... copied by the kernel, as asked for" same_as_tcpdump ,mode=copy,frame=2048
for n in b m c; do
	for p in $(ip netns pids "$ns$n"); do kill "$p"; done
done
ip -n "$ns"m link del hub
ip netns del "$ns"c

# ---- packets out ---------------------------------------------------------------------------------

all_there() { # tcpdump has written them down, or has lost some
	n=$(contents "$dir/theirs.pcap" | wc -l)
	[ "$n" -ge "$(contents "$dir/ours.pcap" | wc -l)" ] || { sleep 0.5; [ "$n" = "$(contents "$dir/theirs.pcap" | wc -l)" ]; }
}
replayed() {
	start b tcpdump -i right -Q in -U --immediate-mode -B 65536 -s 2000 -w "$dir/theirs.pcap"
	until_true grep -q "listening on" "$dir/err"
	in_m "$tool" replay -d xdp:mid-b -r "$dir/ours.pcap" --json >"$dir/replay" || return 1
	until_true all_there
	finish INT
	contents "$dir/ours.pcap" >"$dir/ours"
	contents "$dir/theirs.pcap" >"$dir/theirs"
	same_contents
}
check "replay sends a capture out of an interface, every byte" replayed

# ---- several queues ----------------------------------------------------------------------------------

ip -n "$ns"m link del mid-a
QUEUES=4 make_left
ip -n "$ns"a link set left txqueuelen 1000
flows() { # 400 packets from as many ports: the sender's queues are chosen by their hash
	in_a "$python" -IS -c '
import socket
for port in range(20000, 20400):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("10.77.0.1", port))
    s.sendto(b"x" * 100, ("10.77.0.2", 9))
'
}
queue_counts() {
	in_m ethtool -S mid-a | awk '/xdp_redirect:/ { print $2 }'
}
from_flows() {
	tcpdump -r "$dir/ours.pcap" -nn 'udp dst port 9' 2>/dev/null | wc -l
}
every_queue() {
	start m "$tool" capture -d xdp:mid-a -w "$dir/ours.pcap" --json
	steered
	flows
	sleep 0.3
	finish INT
	exited 0 && zero packets_missed pages_leaked mappings_left || return 1
	[ "$(from_flows)" = 400 ] || { echo "not 400 packets"; return 1; }
	[ "$(queue_counts | awk '$1 > 0' | wc -l)" -ge 2 ] || { echo "one queue has had all:"; queue_counts; return 1; }
}
check "all of an interface's queues are served" every_queue
some_flows() {
	flows
	sleep 0.1
	[ "$(from_flows)" -gt 0 ]
}
one_queue() {
	local before n

	start m "$tool" capture -d xdp:mid-a:2 -w "$dir/ours.pcap" --json
	until_true some_flows
	sleep 0.3
	before=$(from_flows)
	flows
	sleep 0.3
	finish INT
	exited 0 && zero pages_leaked || return 1
	n=$(($(from_flows) - before))
	[ "$n" -gt 0 ] && [ "$n" -lt 400 ] || { echo "$n packets of 400"; return 1; }
}
check "one queue: what comes by the others goes to the stack" one_queue
unset QUEUES
ip -n "$ns"m link del mid-a
make_left

# ---- the interface goes --------------------------------------------------------------------------------

# loses HOW COMMAND...: the command takes the interface away in mid-stream; pages are held
loses() {
	local flood

	start m "$tool" capture -d xdp:mid-a -w "$dir/ours.pcap" --hold 5000 --json
	steered
	in_a "$gen" socket left 200 1 30000 >/dev/null 2>&1 &
	flood=$!
	sleep 0.5
	"$@"
	finish
	wait $flood
	exited 3 || return 1
	said "gone" || return 1
	zero mappings_left iova_left pages_leaked late_calls_refused || return 1
	[ "$(value in_flight_at_unbind)" -gt 5000 ] || { echo "few in flight"; return 1; }
	[ "$(value packets_written)" = "$(value packets_received)" ] || { echo "not all written"; return 1; }
	# all of them are what was sent: nothing has been written over
	[ "$(tcpdump -r "$dir/ours.pcap" -nn "udp and src 10.77.0.1 and len <= 200" 2>/dev/null | wc -l)" = \
		"$(value packets_received)" ] || { echo "some packets are none of ours"; return 1; }
}
check "ip link del in mid-stream: told, all that came is written" loses ip -n "$ns"m link del mid-a
make_left
check "... ip link set down" loses ip -n "$ns"m link set mid-a down
ip -n "$ns"m link set mid-a up
check "... into another namespace" loses ip -n "$ns"m link set mid-a netns "$ns"b
ip -n "$ns"b link del mid-a
make_left
check "... and the other end is deleted" loses ip -n "$ns"a link del left
make_left

unbinds() { # OPTION...
	start m "$tool" capture -d xdp:mid-a -w "$dir/ours.pcap" --hold 3000 --json "$@"
	until_true sends
	finish
	exited 0 && zero mappings_left iova_left pages_leaked late_calls_refused || return 1
	[ "$(value packets_written)" = "$(value packets_received)" ]
}
sends() { # until the command ends
	in_a "$gen" socket left 200 0.2 30000 >/dev/null
	! kill -0 "$child" 2>/dev/null
}
check "unbound in mid-stream" unbinds --unbind-after 8000
# free pages are poisoned and looked at: the kernel hasn't written to one after the close
export PAGEPOOL_DEBUG=dma,pages,fatal
check "... with the checker on" unbinds --unbind-after 8000 --rebind -c 20000
check "... removed in mid-stream" unbinds --remove-after 8000
unset PAGEPOOL_DEBUG
check "removed in mid-stream" unbinds --remove-after 8000
check "unbound and bound again" unbinds --unbind-after 8000 --rebind -c 20000

# ---- what can't be ----------------------------------------------------------------------------------------

refuses() { # STATUS SENTENCE COMMAND...
	local want=$1 sentence=$2

	shift 2
	start m "$@"
	finish
	exited "$want" && said "$sentence"
}
c="capture -w $dir/no.pcap -d"
# shellcheck disable=SC2086 # words
{
	check "no such interface" refuses 1 "no interface nosuch" "$tool" $c xdp:nosuch
	check "no name" refuses 2 "no name" "$tool" $c xdp:
	check "a long name that no interface has" refuses 1 "no interface longer-than-fifteen" "$tool" $c xdp:longer-than-fifteen
	check "no such queue" refuses 1 "no queue 7" "$tool" $c xdp:mid-a:7
	check "no number of a queue" refuses 2 "no number" "$tool" $c xdp:mid-a:x
	check "no such setting" refuses 2 "frame=2048\|4096" "$tool" $c xdp:mid-a,frame=3000
	check "no zero-copy mode" refuses 1 "no zero-copy" "$tool" $c xdp:mid-a,mode=zerocopy
	check "too many pages" refuses 1 "too many" "$tool" $c xdp:mid-a --max-pages 100000000
	check "no rights" refuses 1 "CAP_NET_ADMIN" setpriv --bounding-set=-all --inh-caps=-all \
		"$tool" $c xdp:mid-a
	check "no right for the program" refuses 1 "CAP_(BPF|NET_ADMIN)" setpriv \
		--bounding-set=-bpf,-sys_admin --inh-caps=-all "$tool" $c xdp:mid-a
	check "no right for sockets" refuses 1 "CAP_NET_RAW" setpriv \
		--bounding-set=-net_raw --inh-caps=-all "$tool" $c xdp:mid-a
	check "memlock too small" refuses 1 "ulimit -l" bash -c 'ulimit -l 64 && exec "$@"' - setpriv \
		--bounding-set=-ipc_lock --inh-caps=-all "$tool" $c xdp:mid-a
	ip -n "$ns"m link set mid-a mtu 40000
	check "an MTU that 18 frames don't take" refuses 1 "MTU of 40000.*mtu 32234" "$tool" $c xdp:mid-a,frame=2048
	ip -n "$ns"m link set mid-a mtu 1500
	ip -n "$ns"m link set mid-a down
	check "an interface that is down" refuses 1 "ip link set mid-a up" "$tool" $c xdp:mid-a
	ip -n "$ns"m link set mid-a up
}
twice() {
	local first

	start m "$tool" capture -d xdp:mid-a -w "$dir/ours.pcap"
	first=$child
	steered
	refuses 1 "another XDP program" "$tool" capture -d xdp:mid-a -w "$dir/no.pcap" &&
		refuses 1 "queue 0 of mid-a is taken" "$tool" replay -d xdp:mid-a -r "$dir/theirs.pcap"
	status=$?
	kill -INT "$first"
	wait "$first"
	return $status
}
check "an interface, and a queue, that another has" twice

done_testing
