#!/bin/bash
# account.sh - the reports of forward and replay account correctly for every packet.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

wire=$dir/wire.pcap
# way KEY: of the direction from a to b
way() {
	"$python" -IS -c 'import json, sys
print(json.load(open(sys.argv[1]))["a_to_b"][sys.argv[2]])' "$dir/out" "$1"
}
forward() { # INPUT OUTPUT [OPTION...]
	rm -f "$wire"
	run forward -a "soft:pcap=$1" -b "soft:wire=$wire$2" --json "${@:3}"
}

# ---- forward: as many as asked for, and no more said than sent --------------------------------

all_sent() { # N
	exited 0 && has_packets "$wire" "$1" || return 1
	[ "$(way packets)" = "$1" ] && [ "$(way dropped)" = 0 ] || { cat "$dir/out"; return 1; }
}
for n in 1 10 64 65 1000; do
	forward "$real,loop=0" "" -c $n
	check "forward -c $n" all_sent $n
done
forward "$real" ",rate=4000" -c 100
check "... to a slow device, which is waited for" all_sent 100
forward "$real" ",rate=20000"
check "the end of the input: likewise" all_sent 4680

interrupted() {
	rm -f "$wire"
	in_background forward -a "soft:pcap=$real" -b "soft:wire=$wire,rate=2000" --json
	until_true bytes_reach "$wire" 25
	kill -INT "$child"
	finish
	[ "$(way packets)" = "$(packets "$wire")" ] && [ "$(way packets)" -gt 0 ] || {
		echo "$(way packets) said to be sent, $(packets "$wire") on the wire"
		return 1
	}
	[ "$(way dropped)" = 0 ] && exited 0
}
check "SIGINT: what has been received is sent" interrupted

# more than it sends in the time that it is given after a signal
unsent() {
	rm -f "$wire"
	in_background forward -a "soft:pcap=$real" -b "soft:wire=$wire,rate=10" --json
	until_true bytes_reach "$wire" 25
	kill -INT "$child"
	finish
	[ "$(grep -c "waiting for $wire to take what is left" "$dir/err")" = 1 ] || { cat "$dir/err"; return 1; }
	sed -i '/waiting for/d' "$dir/err"
	exited 1 && [ "$(way packets)" = "$(packets "$wire")" ] && [ "$(way packets_unsent)" -gt 0 ] &&
		grep -q "still unsent at the end" "$dir/err" || { cat "$dir/out" "$dir/err"; return 1; }
}
check "... as far as it goes; the rest is unsent, and that is an error" unsent

# ---- forward: what comes in, and as what it goes out ---------------------------------------------

# header FILE LINKTYPE [PACKETS]
header() {
	"$python" -IS -c 'import struct, sys
n = int(sys.argv[3])
open(sys.argv[1], "wb").write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, int(sys.argv[2])) +
                              (struct.pack("<IIII", 1, 2, 60, 60) + bytes(60)) * n)' "$1" "$2" "${3:-0}"
}
header "$dir/none.pcap" 1
forward "$dir/none.pcap" ""
check "a file without packets: it ends" all_sent 0
run forward -a "soft:wire=$wire" -b "soft:pcap=$dir/none.pcap" --json
check "... on the other side, too" all_sent 0

header "$dir/wifi.pcap" 105 3
type_is() { # LINKTYPE
	[ "$(od -An -tu4 -j20 -N4 "$wire" | tr -d ' ')" = "$1" ] || { od -c "$wire" | head -3; return 1; }
}
forward "$dir/wifi.pcap" ""
check "802.11 stays what it is" eval 'all_sent 3 && type_is 105'
rm -f "$wire"
run forward -a "soft:wire=$wire" -b "soft:pcap=$dir/wifi.pcap" --json
check "... the other way round" eval 'exited 0 && has_packets "$wire" 3 && type_is 105'
run forward -a "soft:pcap=$real" -b "soft:pcap=$dir/wifi.pcap"
check "two link types are refused" eval 'exited 1 && grep -q "link types 1 .* and 105" "$dir/err"'

# ---- a device in software that goes ----------------------------------------------------------------

# It may go when a packet is on the wire and not yet reported as sent.
gone() {
	local more

	rm -f "$wire"
	run forward -a "soft:pcap=$real" -b "soft:wire=$wire" --remove-b 100 --json
	more=$(($(packets "$wire") - $(way packets)))
	exited 0 && [ $(($(way packets) + $(way dropped))) = 4680 ] && [[ $more = [01] ]] ||
		{ cat "$dir/out"; return 1; }
}
check "taken away as asked for: sent and lost are all" gone

# ---- the ends that all three have in common -----------------------------------------------------------

# lasted: duration reached, and no less
lasted() {
	exited 0 && "$python" -IS -c 'import json, sys
o = json.load(open(sys.argv[1]))
assert o["end"] == "duration reached" and o["elapsed_ns"] >= 1e9, o' "$dir/out"
}
run capture -d "soft:pcap=$real,loop=0,rate=1000" -w "$wire" --duration 1 --json
check "capture --duration" eval 'lasted && report && accounts_for "$wire"'
run capture -d "soft:pcap=$real,loop=0" -w "$wire" --duration 1 --hold 100 --json
check "... without a pause" eval 'lasted && report && accounts_for "$wire"'
forward "$real,loop=0,rate=1000" "" --duration 1
check "forward --duration" eval 'lasted && [ "$(way packets)" = "$(packets "$wire")" ]'
for pace in --topspeed "--pps 50" --recorded; do
	# shellcheck disable=SC2086 # words
	run replay -d "soft:wire=$wire" -r "$real" --loop 0 $pace --duration 1 --json
	check "replay --duration, $pace" eval 'lasted && report && has_packets "$wire" "${r[packets_written]}"'
done
run replay -d soft -r "$dir/none.pcap" --loop 0 --json
check "no packets again and again: it ends" exited 0
head -c 500000 "$real" >"$dir/broken.pcap"
forward "$dir/broken.pcap" ""
check "forward of a broken file: one sentence, and the packets before it" eval 'exited 1 &&
	grep -q "broken after 356 packets" "$dir/err" && [ "$(way packets)" = 356 ]'

done_testing
