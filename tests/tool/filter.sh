#!/bin/bash
# filter.sh - capture and forward with a filter expression take the packets that tcpdump takes with
# it, and count the others.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

"$python" "$here/make_captures.py" formats "$dir/in" || exit 1
out=$dir/out.pcap
want=$dir/want.pcap

# by_both FILE EXPRESSION...: the same packets, and received = written + filtered
by_both() {
	local file=$1

	shift
	tcpdump -r "$file" --time-stamp-precision=nano -w "$want" "$@" 2>"$dir/err" || { cat "$dir/err"; return 1; }
	run capture -d "soft:pcap=$file" -w "$out" --json "$@"
	exited 0 && same_packets "$want" "$out" && report && nothing_left || return 1
	[ $((r[packets_received] - r[packets_filtered])) = "${r[packets_written]}" ] || { cat "$dir/out"; return 1; }
	run forward -a "soft:pcap=$file" -b "soft:wire=$out,mask=${mask:-64}" --json "$@"
	exited 0 && same_packets "$want" "$out" || return 1
	"$python" -IS -c 'import json, sys
o = json.load(open(sys.argv[1]))["a_to_b"]
assert o["packets"] + o["packets_filtered"] == int(sys.argv[2]) and not o["packets_stayed"], o' \
		"$dir/out" "$(packets "$file")"
}
for e in tcp "udp port 53" "not ip" "greater 1000" "tcp[tcpflags] & tcp-syn != 0" "ether[1000] > 100" "ip6 or arp"; do
	check "real traffic: $e" by_both "$real" "$e"
done
# packets of several pages, of none, cut ones
for e in "greater 5000" "len = 65536" "ether[5000] > 100" "ether[60000] & 1 = 0" "ether[0] = 2" "ether proto 0x88b5"; do
	check "long packets: $e" by_both "$dir/in/ns.want" "$e"
done
check "several words" by_both "$real" udp and port 53
check "... behind --" by_both "$real" -- len '>=' 1514
mask=32
check "between pools of their own" by_both "$real" udp
check "none is wanted" by_both "$real" "ip and arp or len < 1"

tcpdump -r "$real" --time-stamp-precision=nano -w "$want" -c 30 udp 2>/dev/null
run capture -d "soft:pcap=$real" -w "$out" -c 30 udp
check "-c counts what is wanted" eval 'exited 0 && same_packets "$want" "$out" && grep -q "^filtered  [0-9,]* packets left out by the filter" "$dir/out"'
run forward -a "soft:pcap=$real" -b "soft:wire=$out" -c 30 udp
check "... forward too" eval 'exited 0 && same_packets "$want" "$out" && grep -q "^filtered " "$dir/out"'
tcpdump -r "$real" --time-stamp-precision=nano -w "$want" -s 0 tcp 2>/dev/null
run capture -d "soft:pcap=$real" -w "$out" --hold 500 --unbind-after 2000 --rebind tcp
check "held, unbound, bound again" eval 'exited 0 && same_packets "$want" "$out"'
run capture -d "soft:pcap=$real,loop=3" -w "$out" --max-pages 612 --hold 100 udp port 53
check "what isn't wanted isn't held: a small pool suffices" eval 'exited 0 && has_packets "$out" 252'

printf old >"$out"
for e in "tcp prot 80" "port" "vlan 70000" "ether[" ")"; do
	run capture -d "soft:pcap=$real" -w "$out" "$e"
	check "\"$e\": refused, and the file is as it was" eval 'exited 2 && grep -qF "the filter \"$e\" can'"'"'t be used" "$dir/err" &&
		[ "$(cat "$out")" = old ]'
	run forward -a "soft:pcap=$real" -b soft "$e"
	check "... by forward" exited 2
done
run capture -d "soft:pcap=$dir/in/raw.want" -w "$out" ether host 2:0:0:0:0:1
check "one that the link type hasn't" eval 'exited 2 && [ "$(cat "$out")" = old ]'
run replay -d soft -r "$real" tcp
check "replay has none" exited 2

done_testing
