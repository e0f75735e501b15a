#!/bin/bash
# bad_input.sh - whatever is wrong with the command's input: one clear message, the right exit
# status, and no received packet lost.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

in=$dir/in
out=$dir/out.pcap
"$python" "$here/make_captures.py" formats "$in" || exit 1
good=$in/few.want # eight packets

# refuses STATUS ARGUMENT...: the command ends with that status and one sentence, and has
# written no file and printed nothing.
refuses() {
	local want=$1

	shift
	[ ! -e "$out" ] || rm -f "$out"
	run "$@"
	exited "$want" || return 1
	[ ! -s "$dir/out" ] || { echo "standard output:"; cat "$dir/out"; return 1; }
	[ ! -e "$out" ] || { echo "there is a file"; return 1; }
}

# speaks_of TEXT: the last run's sentence does.
speaks_of() {
	grep -qiE -- "$1" "$dir/err" || { echo "nothing of \"$1\" in:"; cat "$dir/err"; return 1; }
}

# usage ARGUMENT...: wrong usage. The sentence names what is wrong or where help is.
usage() {
	refuses 2 "$@"
}

# ---- the command line ----------------------------------------------------------------------

run
check "no command: usage on standard error, status 2" eval \
	'[ $status = 2 ] && [ ! -s "$dir/out" ] && grep -q "^Usage: pagepool" "$dir/err"'
check "an unknown command" eval 'usage frobnicate && speaks_of frobnicate'
check "an empty command" usage ""
check "an option for a command" usage --json
check "bind without an address" eval 'usage bind && speaks_of address'
check "bind of what is no address" eval 'usage bind 00:03 && speaks_of 0000:00:03.0'
check "bind of two" usage bind 00:03.0 00:04.0
check "unbind knows no --force" usage unbind --force 00:03.0
check "doctor of what is no address" usage doctor eth0
check "capture without anything" eval 'usage capture && speaks_of "-d DEVICE and -w FILE"'
check "capture without -w" eval 'usage capture -d soft && speaks_of "-w FILE"'
check "capture without -d" eval 'usage capture -w "$out" && speaks_of "-d DEVICE"'
check "replay without anything" eval 'usage replay && speaks_of "-d DEVICE and -r FILE"'
check "replay without -r" usage replay -d soft
check "replay without -d" usage replay -r "$real"
for option in --frobnicate --frobnicate=1 -x -x1 - --js --jsonx --hold-5 file; do
	check "capture knows no \"$option\"" usage capture -d "soft:pcap=$good" -w "$out" "$option"
done
for option in -- file ''; do
	check "devices knows no \"$option\"" usage devices $option "$option"
done
for option in -w -d -c --count --hold --unbind-after --remove-after --max-pages; do
	check "$option needs a value" usage capture -d "soft:pcap=$good" -w "$out" $option
done
for option in -w -d --report -Z; do
	check "$option needs one that isn't empty" eval 'usage capture -d "soft:pcap=$good" -w "$out" $option "" && speaks_of "needs a value"'
done
for option in --json=1 --rebind=yes --json= --rebind=; do
	check "$option takes none" usage capture -d "soft:pcap=$good" -w "$out" "$option"
done
[ -n "$sanitized" ] || for number in '' ' ' x 1x 1.5 -1 +1 ' 1' '1 ' 0x10 1e3 1,000 18446744073709551616 \
	99999999999999999999999999; do
	for option in -c --hold --unbind-after --remove-after --max-pages; do
		check "$option takes no \"$number\"" usage capture -d "soft:pcap=$good" -w "$out" $option "$number"
	done
	check "--loop takes no \"$number\"" usage replay -d soft -r "$good" --loop "$number"
done
for option in -c --unbind-after --remove-after --max-pages; do
	check "$option takes no 0" usage capture -d "soft:pcap=$good" -w "$out" $option 0
done
check "--unbind-after and --remove-after" usage capture -d "soft:pcap=$good" -w "$out" \
	--unbind-after 1 --remove-after 1
check "--rebind alone" usage capture -d "soft:pcap=$good" -w "$out" --rebind
check "--rebind after a removal" usage capture -d "soft:pcap=$good" -w "$out" --rebind --remove-after 1
check "--max-pages too small for the ring" usage capture -d "soft:pcap=$good" -w "$out" --max-pages 1
check "--max-pages too small for what is held" eval \
	'usage capture -d "soft:pcap=$good" -w "$out" --max-pages 1000 --hold 1000 && speaks_of "at least 1512"'
check "--hold and --max-pages whose sum doesn't fit: no nonsense is told" eval \
	'usage capture -d "soft:pcap=$good" -w "$out" --max-pages 1000 --hold 18446744073709551615 &&
		! speaks_of "at least [0-9]{1,4}\\b" >/dev/null'
run capture -d "soft:pcap=$good" -w "$out" -c 18446744073709551615 --hold 18446744073709551615 \
	--unbind-after 18446744073709551615
check "the biggest numbers that there are" eval 'exited 0 && cmp "$good" "$out"'

# ---- devices -------------------------------------------------------------------------------

for device in '' hard sof softy soft0 SOFT 'soft ' "soft,pcap=$good" :soft eth0 xdp: vfi; do
	check "no device \"${device%%,*}\"" usage capture -d "$device" -w "$out"
done
for setting in frobnicate frobnicate=1 pcap pcap= loop loop= loop=x loop=-1 rate rate=0 rate=-5 \
	rate=1e6 rate=18446744073709551616 mask mask=0 mask=31 mask=65 mask=4294967328 mask=x \
	incoherent=1 incoherent= rogue=yes lies=1 invalidate invalidate= invalidate=lazy gone=0 \
	wire wire= = ',' ',,' 'pcap =x' ' ' loop=1,,loop=2 ,loop=1; do
	check "no setting \"$setting\"" usage capture -d "soft:$setting" -w "$out"
done
check "one bad setting among good ones" eval \
	'usage capture -d "soft:pcap=$good,loop=2,rogued,mask=40" -w "$out" && speaks_of rogued'
for address in '' x 00:03 0000:00:03.8 0000:00:03.0x 00:-3.0 ,poll; do
	check "vfio: \"$address\" is no address" eval \
		'usage capture -d "vfio:$address" -w "$out" && speaks_of "vfio:0000:00:03.0"'
done
for setting in frobnicate poll=1 rogue=yes api api= api=vfio pcap=x ' ' ,poll = poll,,rogue; do
	check "vfio: no setting \"$setting\"" eval \
		'usage capture -d "vfio:00:03.0,$setting" -w "$out" && speaks_of "it takes poll"'
done
check "vfio: a device that isn't there" eval \
	'refuses 1 capture -d vfio:fffe:7f:1e.7 -w "$out" && speaks_of fffe:7f:1e.7'
check "replay, an unknown device" usage replay -d hard -r "$good"
check "replay, a bad setting" usage replay -d soft:mask=7 -r "$good"

# ---- inputs that can't be opened --------------------------------------------------------------

# unreadable PATH: neither command takes it as its input.
unreadable() {
	refuses 1 capture -d "soft:pcap=$1" -w "$out" && speaks_of "${1##*/}" &&
		refuses 1 replay -d "soft:wire=$out" -r "$1" && speaks_of "${1##*/}"
}
touch "$dir/empty"
check "an input that isn't there" unreadable "$dir/missing"
check "an input in a folder that isn't there" unreadable "$dir/missing/x"
check "an input below a file" unreadable "$good/x"
check "an input that is a folder" unreadable "$dir"
check "an empty input" unreadable "$dir/empty"
check "/dev/null as the input" unreadable /dev/null
check "an input with a very long name" eval \
	'refuses 1 capture -d "soft:pcap=$dir/$(printf "%0300d" 0)" -w "$out"'
check "an input with a path of 5000 bytes" eval \
	'refuses 1 capture -d "soft:pcap=$dir/$(printf "%05000d" 0)" -w "$out"'

echo precious >"$dir/old"
run capture -d "soft:pcap=$dir/missing" -w "$dir/old"
check "an input that isn't there: what the output was stays" grep -qx precious "$dir/old"

# As somebody who may not do everything. Root may.
as=()
if [ "$(id -u)" = 0 ]; then
	as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 711 "$dir"
	mkdir -m 777 "$dir/open"
	"${as[@]}" "$tool" --version >/dev/null 2>&1 || as=()
fi
may_not() {
	timeout -k 5 "$HANG" "${as[@]}" "$tool" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
	exited 1 && speaks_of "permission denied"
}
cp "$good" "$dir/secret"
chmod 000 "$dir/secret"
mkdir "$dir/closed"
chmod 555 "$dir/closed"
mkdir -p "$dir/open"
if [ "$(id -u)" = 0 ] && [ ${#as[@]} = 0 ]; then
	skip "an input that may not be read" "root may, and nobody else can run the command"
	skip "an output that may not be written" "root may, and nobody else can run the command"
else
	check "an input that may not be read" may_not capture -d "soft:pcap=$dir/secret" -w "$dir/open/x"
	check "... and for replay" may_not replay -d soft -r "$dir/secret"
	check "an output that may not be written" may_not capture -d soft -w "$dir/closed/x"
	check "... and for replay" may_not replay -d "soft:wire=$dir/closed/x" -r "$good"
fi

# ---- inputs that end too soon, or lie ---------------------------------------------------------

# in_front FILE STATUS N [OPTION...]: of the input FILE the N packets in front of what is
# bad are written, those that tcpdump finds there; with options, what was written without.
in_front() {
	run capture -d "soft:pcap=$1${settings:-}" -w "$out" --json "${@:4}"
	exited "$2" && report && nothing_left && accounts_for "$out" && has_packets "$out" "$3" || return 1
	[ "$2" = 0 ] || speaks_of "${says:-is broken} after $3 packets: .+" || return 1
	if [ $# -gt 3 ]; then
		cmp "$dir/without" "$out"
		return
	fi
	cp "$out" "$dir/without"
	[ "${says:-is broken}" = "is broken" ] || return 0 # tcpdump reads on
	by_tcpdump "$1" >"$dir/view.a"
	by_tcpdump "$out" >"$dir/view.b" || { cat "$dir/tcpdump"; return 1; }
	cmp "$dir/view.a" "$dir/view.b"
}
sent_in_front() {
	rm -f "$out"
	run replay -d "soft:wire=$out" -r "$1" --json
	exited "$2" && report && nothing_left && has_packets "$out" "$3" || return 1
	[ "${r[packets_written]:-}" = "$3" ] || { echo "packets_written: ${r[packets_written]:-}"; return 1; }
}
mkdir "$dir/bad"
"$python" "$here/make_captures.py" bad "$dir/bad" "$real" >"$dir/table" || exit 1
while IFS=$'\t' read -r file want before what says; do
	file=$dir/bad/$file
	if [ "$before" = - ]; then
		check "input: $what" unreadable "$file"
		continue
	fi
	check "input: $what" in_front "$file" "$want" "$before"
	check "... what came before is right with most of it held" \
		in_front "$file" "$want" "$before" --hold 1000000
	check "... and for replay" sent_in_front "$file" "$want" "$before"
done <"$dir/table"
says=

# Lies that libpcap believes are the input's packets then.
# believes HEADER-AND-RECORD: tcpdump and the command see the same.
believes() {
	run capture -d "soft:pcap=$1" -w "$out"
	exited 0 && by_tcpdump "$1" >"$dir/view.a" && by_tcpdump "$out" >"$dir/view.b" &&
		cmp "$dir/view.a" "$dir/view.b"
}
"$python" - "$here" "$dir" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from make_captures import *
out = sys.argv[2]
data = bytes(range(100))
write(f"{out}/more-than-wire", pcap_header("<", True) + pcap_record("<", 1, 1, data, 10))
write(f"{out}/more-than-snap", pcap_header("<", True, snaplen=64) + pcap_record("<", 1, 1, data, 100))
write(f"{out}/snap-zero", pcap_header(">", True, snaplen=0) + pcap_record(">", 1, 1, data, 100))
write(f"{out}/snap-huge", pcap_header(">", True, snaplen=0xFFFFFFFF) + pcap_record(">", 1, 1, data, 100))
write(f"{out}/wire-huge", pcap_header("<", True) + pcap_record("<", 1, 1, data, 0xFFFFFFFF))
END
check "more bytes captured than were on the wire" believes "$dir/more-than-wire"
run capture -d "soft:pcap=$dir/more-than-snap" -w "$out"
check "more bytes captured than the snap length: none is lost" eval \
	'exited 0 && [ "$(tail -c 100 "$out" | cksum)" = "$(tail -c 100 "$dir/more-than-snap" | cksum)" ]'
check "a snap length of 0" believes "$dir/snap-zero"
check "a snap length of 4294967295" believes "$dir/snap-huge"
check "4294967295 bytes on the wire" believes "$dir/wire-huge"

head -c 1000 "$real" >"$dir/cut"
whole=$(tcpdump -nr "$dir/cut" 2>/dev/null | wc -l)
settings=,loop=0
check "a truncated input in an endless loop ends where it is cut" in_front "$dir/cut" 1 "$whole"
settings=
check "a truncated input after an unbind and a second binding" \
	in_front "$dir/cut" 1 "$whole" --unbind-after 1 --rebind

# Any bytes at all: an end with 0 or 1, at most one sentence, and a whole file.
survives() {
	local file bad=0

	for file in "$dir"/mutants/*; do
		rm -f "$out"
		run capture -d "soft:pcap=$file" -w "$out"
		if [ "$status" -le 1 ] && exited "$status" && { [ ! -e "$out" ] || packets "$out"; } >"$dir/why" 2>&1
		then
			continue
		fi
		echo "${file##*/}: exit status $status"
		cat "$dir/why" "$dir/err"
		bad=1
	done
	return "$bad"
}
mutants=150
"$python" "$here/make_captures.py" mutants "$dir/mutants" $mutants
check "$mutants inputs with a few bytes changed" survives

# ---- outputs ---------------------------------------------------------------------------------

mkdir "$dir/folder"
# unwritable PATH: neither command takes it as its output.
unwritable() {
	run capture -d "soft:pcap=$real" -w "$1"
	exited 1 && speaks_of "can't write .*${1##*/}" || return 1
	run replay -d "soft:wire=$1" -r "$real"
	exited 1 && speaks_of "can't write .*${1##*/}"
}
check "an output in a folder that isn't there" unwritable "$dir/missing/x"
check "an output below a file" unwritable "$good/x"
check "an output that is a folder" unwritable "$dir/folder"
if [ -w /dev/full ]; then
	run capture -d "soft:pcap=$real" -w /dev/full
	check "/dev/full" eval 'exited 1 && speaks_of "no space left"'
	run replay -d soft:wire=/dev/full -r "$real"
	check "/dev/full for replay" eval 'exited 1 && speaks_of "no space left"'
	"$tool" capture -d "soft:pcap=$real" -w - >/dev/full 2>"$dir/err" </dev/null
	is "/dev/full as standard output" $? 1
	for command in "capture -w $out" "replay -r $real" "capture --json -w $out"; do
		# shellcheck disable=SC2086 # words
		"$tool" $command -d "soft:pcap=$good" >/dev/full 2>"$dir/err" </dev/null
		status=$?
		check "${command% *}: a report that can't be written" exited 1
	done
else
	skip "/dev/full" "there is none"
fi

# The output is the input: no program can do that, but it can leave the input alone.
cp "$real" "$dir/both"
run capture -d "soft:pcap=$dir/both" -w "$dir/both"
check "capture into its own input: refused, and the input is as it was" eval \
	'[ $status != 0 ] && cmp "$real" "$dir/both"'
cp "$real" "$dir/both"
run replay -d "soft:wire=$dir/both" -r "$dir/both"
check "replay into its own input: refused, and the input is as it was" eval \
	'[ $status != 0 ] && cmp "$real" "$dir/both"'

for files in "pcap=$dir/both wire=$dir/both" "wire=$dir/both pcap=$dir/both" "wire=$dir/both wire=$dir/both" \
	"pcap=$dir/both,wire=$dir/both pcap=$real"; do
	run forward -a "soft:${files% *}" -b "soft:${files#* }"
	check "forward ${files//$dir\//}: refused, and the file is as it was" eval 'exited 1 && speaks_of "the same file" && cmp "$real" "$dir/both"'
done
"$tool" forward -a "soft:pcap=$real,wire=-" -b "soft:pcap=$real,wire=-" 2>"$dir/err" </dev/null | cat >"$dir/front"
status=${PIPESTATUS[0]}
check "two that write to one pipe: refused" eval 'exited 1 && speaks_of "the same file" && [ ! -s "$dir/front" ]'

# ---- full ----------------------------------------------------------------------------------------

# grouped N: 1234567 as 1,234,567
grouped() {
	sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"
}
# stopped_by WHY FILE: the last run could write no more. The file is whole packets, from
# the first on, as many as the report says.
stopped_by() {
	exited 1 && speaks_of "can't write .*: $1; it holds the first [0-9,]+ packets" && report && nothing_left ||
		return 1
	has_packets "$2" "${r[packets_written]:-}" && begins "$2" "$real" || return 1
	[ "${r[bytes_written]:-}" = "$(stat -c %s "$2")" ] || { echo "bytes_written"; return 1; }
	speaks_of "first $(grouped "${r[packets_written]:-0}") packets"
}
full=$dir/full
mkdir "$full"
if mount -t tmpfs -o size=1m pagepool-test "$full" 2>/dev/null; then
	mounted=$full
	for options in "" "--hold 100" "--hold 3000" "--hold 100000" "--hold 50 --unbind-after 3000" \
		"--unbind-after 1000 --rebind" "--remove-after 4000"; do
		for settings in "" ,loop=0; do
			# without an unbind there has to be one: an endless input is never all held
			[ -n "$settings" ] && [ "$options" = "--hold 100000" ] && continue
			rm -f "$full"/*
			# shellcheck disable=SC2086 # words
			run capture -d "soft:pcap=$real$settings" -w "$full/x" --json $options
			check "a full disk: ${settings#,} $options" stopped_by "no space left on device" "$full/x"
			case $options in
			*after*) continue ;; # may be the end before it
			esac
			check "... nearly all of it was used" [ "$(stat -c %s "$full/x")" -gt 900000 ]
		done
	done
	rm -f "$full"/*
	for how in ">" ">>"; do # standard error has the report too
		rm -f "$full"/*
		eval '"$tool" capture -d "soft:pcap=$real" -w - --json '"$how"'"$full/x" 2>"$dir/both" </dev/null'
		status=$?
		grep '^pagepool: ' "$dir/both" >"$dir/err"
		grep -v '^pagepool: ' "$dir/both" >"$dir/out"
		check "a full disk behind standard output, $how" stopped_by "no space left on device" "$full/x"
	done
	rm -f "$full"/*
	head -c 1048576 /dev/zero >"$full/ballast"
	run capture -d "soft:pcap=$real" -w "$full/x"
	check "no room for the file's header: none is left" eval 'exited 1 && speaks_of "no space left" && [ ! -e "$full/x" ]'
	run replay -d "soft:wire=$full/x" -r "$real"
	check "... for replay" eval 'exited 1 && speaks_of "no space left" && [ ! -e "$full/x" ]'
	run forward -a "soft:pcap=$real" -b "soft:wire=$full/x"
	check "... for forward" eval '[ $status = 1 ] && grep -q "No space left" "$dir/err" && [ ! -e "$full/x" ]'
	run capture -d "soft:pcap=$real" -w "$out" --report "$full/x"
	check "... for a report" eval 'exited 1 && speaks_of "no space left" && cmp "$real" "$out" && [ ! -e "$full/x" ]'
	run capture -d "soft:pcap=$real" -w "$full/x.pcap" -b packets:10
	check "... for a ring" eval 'exited 1 && speaks_of "no space left" && [ "$(ls "$full")" = ballast ]'
	for file in new old; do # a packet that is sent is in the file, and the file is whole
		rm -f "$full"/*
		[ $file = new ] || echo old >"$full/x"
		run replay -d "soft:wire=$full/x" -r "$real" --json
		check "a full disk for replay, $file file: what is sent is there" eval 'exited 1 && speaks_of "no space left" && report &&
			nothing_left && [ "${r[packets_written]}" -gt 100 ] && has_packets "$full/x" "${r[packets_written]}" &&
			begins "$full/x" "$real" && [ "$(stat -c %s "$full/x")" -gt 900000 ]'
	done
	rm -f "$full"/*
	run forward -a "soft:pcap=$real" -b "soft:wire=$full/x" --json
	check "... for forward" eval '[ $status = 1 ] && grep -q "No space left" "$dir/err" && has_packets "$full/x" \
		"$("$python" -IS -c "import json, sys; print(json.load(sys.stdin)[\"a_to_b\"][\"packets\"])" <"$dir/out")"'
	rm -f "$full"/*
	umount "$full" && mounted=
else
	skip "a full disk" "it takes the right to mount a small one"
fi

# A limit on a file's size does the same for everybody.
limited() {
	(
		ulimit -f "$1" || exit 99
		exec "$tool" capture -d "soft:pcap=$real" -w "$out" --json "${@:2}" >"$dir/out" 2>"$dir/err"
	) </dev/null
	status=$?
	stopped_by "file too large" "$out"
}
# The same for pcapng, whose packets have something behind them.
limited_pcapng() {
	local kib=$1

	(
		ulimit -f "$kib" || exit 99
		exec "$tool" capture -d "soft:pcap=$real" -w "$dir/x.pcapng" --json "${@:2}" >"$dir/out" 2>"$dir/err"
	) </dev/null
	status=$?
	exited 1 && report && has_packets "$dir/x.pcapng" "${r[packets_written]:-}" &&
		[ "${r[bytes_written]:-}" = "$(stat -c %s "$dir/x.pcapng")" ]
}
limited_replay() {
	local size

	(
		ulimit -f "$1" || exit 99
		exec "$tool" replay -d "soft:wire=$out" -r "$real" --json >"$dir/out" 2>"$dir/err"
	) </dev/null
	status=$?
	size=$(stat -c %s "$out")
	exited 1 && speaks_of "file too large" && report && has_packets "$out" "${r[packets_written]}" &&
		begins "$out" "$real" && [ "$size" -gt $(($1 * 1024 - 65536)) ] && [ "$size" -le $(($1 * 1024)) ]
}
check "a file that replay may fill with 1500 KiB" limited_replay 1500
for kib in 1 100 1500 2570; do
	check "a pcapng that may have $kib KiB" limited_pcapng $kib
	check "a file that may have $kib KiB" limited $kib
	check "... with most of it held" limited $kib --hold 3000
done

# ---- no memory ------------------------------------------------------------------------------------

# starved KIB OPTION...
starved() {
	(
		ulimit -v "$1" || exit 99
		exec "$tool" capture -d "soft:pcap=$real,loop=0" -w "$out" --json "${@:2}" >"$dir/out" 2>"$dir/err"
	) </dev/null
	status=$?
	exited 1 && speaks_of "no memory" && report && nothing_left && accounts_for "$out" &&
		begins "$out" "$real"
}
if [ -n "$sanitized" ]; then
	skip "no memory" "a sanitizer takes too much itself"
else
	check "no memory for what shall be held: what was received is written" starved 300000 --hold 1000000
	check "... with an unbind that never comes" starved 300000 --hold 1000000 --unbind-after 1000000
	rm -f "$out"
	for kib in 16000 24000 32000 40000 48000 64000 80000; do
		(
			ulimit -v $kib
			exec "$tool" capture -d "soft:pcap=$good" -w "$out" --no-telemetry >"$dir/out" \
				2>"$dir/err"
		) </dev/null
		status=$?
		# 127: too little for the loader itself
		check "$kib KiB of memory: it works or says why not" eval \
			'[ $status = 127 ] || { [ "$status" -le 1 ] && exited "$status"; }'
	done
fi

# ---- devices that won't go on, without a file at stake --------------------------------------------

# It may say so at any moment: also between a look and a wait.
again_and_again() {
	local i

	for ((i = 0; i < 30; i++)); do
		run replay -d soft:lies -r "$real" -c 3
		exited 1 || return 1
	done
}
check "a device that lies about what it has sent: one sentence, each time" again_and_again
for device in "soft:lies" "soft:pcap=$good,gone=5"; do
	for n in 1 3 100; do
		run replay -d "$device" -r "$real" -c $n
		# it may have been sent before; it may not hang
		check "replay -c $n through ${device%%=*}: an end" eval \
			'[ $status = 0 ] || exited 1 || exited 3'
	done
done

done_testing
