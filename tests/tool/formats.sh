#!/bin/bash
# formats.sh - the packets that come out are those that went in, whatever wrote them.
#
# Each format is judged twice: by tcpdump, tshark and capinfos against the input, and
# byte for byte against the same packets as make_captures.py writes them in the form
# that the command promises. What varies the way through the device (options, settings)
# is held against the second.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

in=$dir/in
out=$dir/out.pcap
"$python" "$here/make_captures.py" formats "$in" || exit 1

# captures INPUT WANT [SETTINGS [OPTION...]]: a run with that input writes those bytes.
captures() {
	local input=$1 want=$2 settings=${3:-}

	shift; shift; shift
	[ ! -e "$out" ] || rm -f "$out"
	run capture -d "soft:pcap=$input$settings" -w "$out" "$@"
	exited 0 && cmp "$want" "$out"
}

# repeated FILE N: its packets N times over.
repeated() {
	local i

	cat "$1"
	for ((i = 1; i < $2; i++)); do
		tail -c +25 "$1"
	done
}

# ---- formats ------------------------------------------------------------------------

for file in "$in"/pcap*; do
	name=${file##*/}
	case $name in
	*-us-*) want=$in/us.want ;;
	*-ns-*) want=$in/ns.want ;;
	*-clocks-*) want=$in/clocks.want ;;
	*-2038-*) want=$in/2038.want ;;
	*-raw-*) want=$in/raw.want ;;
	*-simple-*) want=$in/simple.want ;;
	*-odd-*) want=$in/odd.want ;;
	*-fcs-*) want=$in/fcs.want ;;
	*) not_ok "$name" "nobody knows what it should become"; continue ;;
	esac
	check "$name: the bytes of a native pcap with nanoseconds" captures "$file" "$want" ""
	# the same bytes again are the same packets
	[ -z "$sanitized" ] || continue
	# tcpdump's libpcap takes a pcap's seconds for signed ones, cuts packets at a wrong snap length,
	# and reads no file with several link types, snap lengths or byte orders
	case $name in
	*-2038-* | *-odd-* | *-others-* | *-sections-* | *-gz-* | *-fcs-* | *-simple-*) ;;
	*) check "$name: the same packets, say tcpdump, tshark, capinfos" same_packets "$file" "$out" ;;
	esac
done
if command -v zstd >/dev/null; then
	zstd -qc "$in/ns.want" >"$in/zst"
	check "zstd" captures "$in/zst" "$in/ns.want" ""
	zstd -qc "$in/ns.want" | cat "$in/zst" - >"$in/zst-2"
	run capture -d "soft:pcap=$in/zst-2" -w "$out"
	check "... two frames: the second header is no packet" exited 1
else
	skip "zstd" "there is no zstd"
fi
for file in "$in/pcap-ns-gz-le" "$in/pcapng-ns-gz-be" "$in/pcapng-ns-sections-le"; do
	check "${file##*/}: again and again" eval 'captures "$file" "$in/ns.want" ,loop=2 -c 200 &&
		run capture -d "soft:pcap=$file,loop=3" -w "$out" && exited 0 && has_packets "$out" 600'
done
run capture -d "soft:pcap=$in/ns.want" -w "$dir/a,b"
check "a comma in the output's name" eval 'exited 0 && cmp "$in/ns.want" "$dir/a,b"'
run capture -d "soft:pcap=$dir/a,b" -w "$out"
check "... in the input's: how is told" eval 'exited 2 && grep -qF "\\," "$dir/err"'
check "... with a backslash" captures "$dir/a\\,b" "$in/ns.want" ,mask=40
run replay -d "soft:wire=$dir/c\\,d,mask=40" -r "$dir/a,b"
check "... and in the wire's" eval 'exited 0 && cmp "$in/ns.want" "$dir/c,d"'
check "no packets: a file of only a header" captures "$in/none.want" "$in/none.want" ""
run capture -d soft -w "$out"
check "no input at all: the same" eval 'exited 0 && cmp "$in/none.want" "$out"'

cp "$real" "$in/real.want"
check "real traffic: the bytes" captures "$real" "$in/real.want" ""
check "real traffic: the same packets, say tcpdump, tshark, capinfos" same_packets "$real" "$out"

# ---- ways through the device -----------------------------------------------------------

for name in ns real; do
	want=$in/$name.want
	for hold in 1 1000 100000; do
		check "$name: --hold $hold" captures "$want" "$want" "" --hold $hold
	done
	for settings in incoherent mask=32 mask=48 invalidate=deferred invalidate=strict \
		incoherent,mask=32,invalidate=deferred rate=1000000 rogue,incoherent; do
		check "$name: $settings" captures "$want" "$want" ",$settings"
	done
	repeated "$want" 3 >"$in/$name-3"
	check "$name: loop=3" captures "$want" "$in/$name-3" ",loop=3"
	check "$name: loop=3 with --hold 500, incoherent, deferred" \
		captures "$want" "$in/$name-3" ",loop=3,incoherent,invalidate=deferred" --hold 500
	check "$name: loop=3, the pool as small as it may be" \
		captures "$want" "$in/$name-3" ",loop=3" --hold 100 --max-pages 612
done
# large FILE PAGES...: a packet of so many pages each, over and over, with a small one now and then
large() {
	"$python" -IS -c '
import struct, sys
with open(sys.argv[1], "wb") as f:
    pages = [int(n) for n in sys.argv[2:]]
    f.write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, max(pages) * 4096 - 7, 1))
    for i in range(24):
        n = 60 if i % 4 == 3 else pages[i % len(pages)] * 4096 - 7
        f.write(struct.pack("=IIII", 1, i, n, n) + bytes([i]) * n)' "$@"
}
# The device needs its whole ring for such a packet, or most of it.
for pages in "300" "400 2" "512 300" "512"; do
	# shellcheck disable=SC2086 # a list of numbers
	large "$in/large" $pages
	check "packets of $pages pages, the pool as small as it may be" \
		captures "$in/large" "$in/large" "" --max-pages 512
	check "... some held" captures "$in/large" "$in/large" "" --hold 100 --max-pages 612
done
# A write is over just when the loop has looked for it and is about to sleep.
late() {
	LD_PRELOAD=$PP_LATE_LIBRARY PP_LATE=$1 "$tool" capture -d "soft:pcap=$in/large" -w "$out" --max-pages 512 &&
		cmp "$in/large" "$out"
}
large "$in/large" 300
for n in 1 2 3 4; do
	if [ -n "$sanitized" ]; then
		skip "a write that is over at look $n" "a sanitizer has to be loaded first"
	else
		export -f late
		export tool in out PP_LATE_LIBRARY
		check "a write that is over at look $n" timeout -k 5 "$HANG" bash -c "late $n"
	fi
done
check "a given rate" captures "$in/us.want" "$in/us.want" ",rate=2000"
check "a given rate, some held, incoherent" \
	captures "$in/us.want" "$in/us.want" ",rate=2000,incoherent" --hold 50

# ---- so many and no more -----------------------------------------------------------------

# counts N SETTINGS [OPTION...]: with -c N there are N packets, the first ones.
counts() {
	local n=$1 settings=$2

	shift; shift
	run capture -d "soft:pcap=$in/ns.want$settings" -w "$out" -c "$n" "$@"
	exited 0 && has_packets "$out" "$n" && begins "$out" "$in/ns.want"
}
for n in 1 7 9 199 200; do
	check "-c $n" counts $n ""
	check "-c $n of an endless input, some held" counts $n ,loop=0 --hold 60
done
check "-c 1001 of an endless input" counts 1001 ,loop=0
check "-c 450 of an endless input with a given rate" counts 450 ,loop=0,rate=5000
run capture -d "soft:pcap=$in/ns.want" -w "$out" -c 1000
check "-c beyond the end: all there is" eval 'exited 0 && cmp "$in/ns.want" "$out"'

# ---- where to --------------------------------------------------------------------------

head -c 1000000 /dev/zero >"$dir/old"
run capture -d "soft:pcap=$in/few.want" -w "$dir/old"
check "a longer file that was there is replaced" eval 'exited 0 && cmp "$in/few.want" "$dir/old"'

# to_stdout COMMAND...: the command gets the capture file on its standard input.
to_stdout() {
	"$tool" capture -d "soft:pcap=$in/ns.want" -w - 2>"$dir/err" | "$@"
	[ "${PIPESTATUS[*]}" = "0 0" ]
}
check "-w - into a pipe: the bytes" to_stdout cmp - "$in/ns.want"
check "-w - into a file: the bytes" \
	eval 'to_stdout cat >"$dir/file" && cmp "$dir/file" "$in/ns.want" &&
		"$tool" capture -d "soft:pcap=$in/ns.want" -w - >"$dir/file" 2>/dev/null &&
		cmp "$dir/file" "$in/ns.want"'

# between_words: others write to the same file before and after.
between_words() {
	{
		printf before
		"$tool" capture -d "soft:pcap=$in/ns.want" -w - 2>/dev/null
		printf after
	} >"$dir/file"
	{
		printf before
		cat "$in/ns.want"
		printf after
	} | cmp - "$dir/file"
}
check "-w - into a file that others write to before and after" between_words

# A pipe has no end to seek to; some inputs are pipes.
from_pipe() {
	timeout -k 5 "$HANG" "$tool" capture -d "soft:pcap=/dev/stdin" -w "$out" \
		< <(cat "$1") >"$dir/out" 2>"$dir/err"
	status=$?
	exited 0 && cmp "$1" "$out"
}
check "an input that is a pipe" from_pipe "$in/ns.want"

# "-" is the standard input of all that reads, and the standard output of all that writes.
check "soft:pcap=-: standard input" eval '"$tool" capture -d soft:pcap=- -w "$out" <"$in/ns.want" >"$dir/out" 2>"$dir/err"; status=$?
	exited 0 && cmp "$in/ns.want" "$out"'
check "... a pipe" eval 'cat "$in/ns.want" | "$tool" capture -d soft:pcap=- -w "$out" >"$dir/out" 2>"$dir/err"; status=$?
	exited 0 && cmp "$in/ns.want" "$out"'
check "... that has to be read again" eval 'cat "$in/ns.want" | "$tool" capture -d soft:pcap=-,loop=3 -w "$out" >"$dir/out" 2>"$dir/err"; status=$?
	exited 0 && cmp "$in/ns-3" "$out"'
check "replay -r -, soft:wire=-: a filter" eval '"$tool" replay -d soft:wire=- -r - <"$in/ns.want" >"$out" 2>"$dir/err"
	cmp "$in/ns.want" "$out" && grep -q "sent through" "$dir/err"'
check "... between pipes" eval 'cat "$in/ns.want" | "$tool" replay -d soft:wire=- -r - 2>"$dir/err" | cmp - "$in/ns.want"'
check "... soft:wire=/dev/stdout" eval '"$tool" replay -d soft:wire=/dev/stdout -r - <"$in/ns.want" 2>"$dir/err" | cmp - "$in/ns.want"'
cp "$in/ns.want" "$dir/both"
"$tool" replay -d "soft:wire=$dir/both" -r - <"$dir/both" >"$dir/out" 2>"$dir/err"
check "... from a file into itself: refused, and it is as it was" cmp "$in/ns.want" "$dir/both"

# ---- pcapng -----------------------------------------------------------------------------------

ng=$dir/out.pcapng
# as_pcapng FILE OPTION...: the packets are the same, for tcpdump and tshark and for us
as_pcapng() {
	local input=$1

	shift
	run capture -d "soft:pcap=$input" -w "$ng" "$@"
	exited 0 && same_packets "$input" "$ng" || return 1
	run capture -d "soft:pcap=$ng" -w "$out"
	exited 0 && cmp "$input" "$out"
}
for name in ns real none; do
	check "$name as pcapng" as_pcapng "$in/$name.want"
	check "... some held, and bound again" as_pcapng "$in/$name.want" --hold 100 --unbind-after 50 --rebind
done
check "raw as pcapng" as_pcapng "$in/raw.want"
check "with its check sequences as pcapng" eval 'run capture -d "soft:pcap=$in/fcs.want" -w "$ng" && exited 0 &&
	run capture -d "soft:pcap=$ng" -w "$out" && exited 0 && cmp "$in/fcs.want" "$out"'
# The blocks, by a reader that isn't ours.
run capture -d "soft:pcap=$in/ns.want" -w - --pcapng --hold 30 --unbind-after 50 --rebind
check "a pcapng's blocks: names, counters, what became of the driver" "$python" -IS - "$dir/out" <<'P'
import struct, sys
data = open(sys.argv[1], "rb").read()
def options(body):
    found, at = {}, 0
    while at + 4 <= len(body):
        code, n = struct.unpack_from("=HH", body, at)
        if not code:
            assert at + 4 == len(body)
            break
        found[code] = body[at + 4:at + 4 + n]
        at += 4 + (n + 3) // 4 * 4
    return found
at, blocks = 0, []
while at < len(data):
    kind, n = struct.unpack_from("=II", data, at)
    assert n % 4 == 0 and struct.unpack_from("=I", data, at + n - 4)[0] == n, (kind, n)
    blocks.append((kind, data[at + 8:at + n - 4]))
    at += n
assert at == len(data)
kinds = [k for k, _ in blocks]
assert kinds[:2] == [0x0A0D0D0A, 1] and kinds.count(6) == 200 and set(kinds) == {0x0A0D0D0A, 1, 5, 6}, kinds
interface = options(blocks[1][1][8:])
assert interface[2] == b"soft" and interface[9] == b"\x09", interface
notes = [options(b[12:]) for k, b in blocks if k == 5]
assert len(notes) == 2 and b"unbound, with" in notes[0][1], notes
assert struct.unpack("=Q", notes[-1][4])[0] == 200 and struct.unpack("=Q", notes[-1][5])[0] == 0, notes
P
run capture -d "soft:pcap=$in/far" -w "$ng"
check "a time after 2106 in a pcapng" eval 'exited 0 && same_packets "$in/far" "$ng"'
run capture -d "soft:pcap=$in/far" -w "$out"
check "... in a pcap: it is told" eval 'exited 1 && grep -q "1 packets have a time after" "$dir/err" && has_packets "$out" 2'

run replay -d "soft:wire=$out" -r "$in/far"
check "... on the wire: it is told, and nothing wrong is there" eval 'exited 1 && grep -q "after 7 February 2106" "$dir/err" && has_packets "$out" 0'

# ---- cut ----------------------------------------------------------------------------------------

# cut_to N FILE: as editcap cuts them
cut_to() {
	local format=nsecpcap

	[ "$2" = "$out" ] || format=pcapng
	run capture -d "soft:pcap=$in/ns.want" -w "$2" -s "$1"
	exited 0 && editcap -F $format -s "$1" "$in/ns.want" "$dir/cut" && same_packets "$dir/cut" "$2"
}
for n in 1 14 96 256 257 4096 4097 10000 262144; do
	check "-s $n" cut_to $n "$out"
	check "-s $n, pcapng" cut_to $n "$ng"
done
run capture -d "soft:pcap=$in/ns.want" -w "$out" -s 0
check "-s 0: all" eval 'exited 0 && cmp "$in/ns.want" "$out"'

# ---- replay --------------------------------------------------------------------------------

# replays INPUT WANT [SETTINGS [OPTION...]]
replays() {
	local input=$1 want=$2 settings=${3:-}

	shift; shift; shift
	rm -f "$out"
	run replay -d "soft:wire=$out$settings" -r "$input" "$@"
	exited 0 && cmp "$want" "$out"
}
for file in "$in"/pcap*-[un]s-*; do
	name=${file##*/}
	case $name in
	*-us-*) want=$in/us.want ;;
	*) want=$in/ns.want ;;
	esac
	check "replay of $name: the bytes" replays "$file" "$want" ""
done
check "replay of real traffic" replays "$real" "$real" ""
check "replay: the same packets, say tcpdump, tshark, capinfos" same_packets "$real" "$out"
check "replay of no packets" replays "$in/none.want" "$in/none.want" ""
check "replay of packets that aren't Ethernet" replays "$in/raw.want" "$in/raw.want" ""
for settings in incoherent mask=32 invalidate=deferred rate=1000000 rogue; do
	check "replay: $settings" replays "$in/ns.want" "$in/ns.want" ",$settings"
done
check "replay --loop 3" replays "$in/ns.want" "$in/ns-3" "" --loop 3
check "replay --loop 3 of real traffic" replays "$real" "$in/real-3" "" --loop 3
run replay -d "soft:wire=$out" -r "$real" -c 5000 --loop 0 --json
check "replay -c 5000 --loop 0" \
	eval 'exited 0 && has_packets "$out" 5000 && begins "$out" "$real"'
check "replay: the report agrees" eval 'report && nothing_left &&
	[ "${r[packets_received]:-} ${r[packets_written]:-}" = "5000 5000" ]'

done_testing
