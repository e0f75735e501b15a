#!/bin/bash
# rotate.sh - capture to several files (-b), as dumpcap does; and as another user (-Z).
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

into=$dir/into
# fresh: an empty folder, $into
fresh() {
	rm -rf "$into"
	mkdir "$into"
}
# capture OPTION...: into $into/out.pcap, with --json
capture() {
	fresh
	run capture -d "soft:pcap=$real" -w "$into/out.pcap" --json "$@"
	exited 0 && report && nothing_left
}
# names FROM TO: the files are those, numbered, and no others
names() {
	local i want=

	for ((i = $1; i <= $2; i++)); do
		want+=$(printf 'out_%05d_STAMP.pcap ' "$i")
	done
	found=$(cd "$into" && printf '%s\n' * | sed -E 's/_20[0-9]{12}\./_STAMP./' | tr '\n' ' ')
	[ "$found" = "$want" ] || { echo "$found, not $want"; return 1; }
}
# together FILE: all files, one after the other, are FILE's packets; each is whole
together() {
	local f

	for f in "$into"/*; do
		packets "$f" >/dev/null || return 1
	done
	mergecap -a -F nsecpcap -w "$dir/all.pcap" "$into"/* && same_packets "$1" "$dir/all.pcap"
}
# each_has N: packets, but the last, which has what is left
each_has() {
	local f last
	local -a all=("$into"/*)

	last=${all[-1]}
	for f in "${all[@]}"; do
		[ "$f" = "$last" ] || has_packets "$f" "$1" || return 1
	done
}

check "-b packets:" eval 'capture -b packets:1000 && names 1 5 && each_has 1000 && together "$real" && [ "${r[files]}" = 5 ]'
check "... one a file" eval 'capture -b packets:1 -c 30 && names 1 30 && each_has 1'
check "... as many as there are: one file" eval 'capture -b packets:4680 && names 1 1 && together "$real"'
check "-b filesize:" eval 'capture -b filesize:500 && names 1 6 && together "$real"'
# a file is over when it has reached the size: it is longer by less than a packet, and its header
sizes() {
	local f size
	local -a all=("$into"/*)

	for f in "${all[@]::${#all[@]}-1}"; do
		size=$(stat -c %s "$f")
		[ "$size" -ge "$1" ] && [ "$size" -lt $(($1 + 66000)) ] || { echo "$f: $size"; return 1; }
	done
}
check "... of that size, or one packet more" sizes 500000
check "what is said to be written is in the files" \
	[ "$(stat -c %s "$into"/* | paste -sd+ | bc 2>/dev/null || stat -c %s "$into"/* | awk '{ n += $1 } END { print n }')" = "${r[bytes_written]}" ]
check "-b files: of the last" eval 'capture -b packets:500 -b files:3 && names 8 10'
check "... more than there are" eval 'capture -b packets:1000 -b files:99 && names 1 5 && together "$real"'
check "whichever comes first" eval 'capture -b packets:1000 --ring-buffer=filesize:100000 -b duration:1000 && names 1 5'
check "held, unbound, bound again" \
	eval 'capture -b packets:700 --hold 900 --unbind-after 2000 --rebind && names 1 7 && each_has 700 && together "$real"'
check "a filter, a count: of what is written" \
	eval 'capture -b packets:100 -c 250 udp or tcp && names 1 3 && each_has 100'
check "-s" eval 'capture -b packets:1000 -s 60 && names 1 5 && editcap -F nsecpcap -s 60 "$real" "$dir/cut" && together "$dir/cut"'
fresh
run capture -d "soft:pcap=$real" -w "$into/out.x.pcapng" -b packets:2000
check "pcapng: each file is whole" eval 'exited 0 && together "$real" && [ -e "$into"/out.x_00003_*.pcapng ]'
fresh
run capture -d "soft:pcap=$real" -w "$into/.out" -b packets:4000
check "a name without an ending" eval 'exited 0 && [ -e "$into"/.out_00002_2* ]'
fresh
in_background capture -d "soft:pcap=$real,rate=300,loop=0" -w "$into/out.pcap" -b duration:1
until_true eval '[ -e "$into"/out_00003_* ] 2>/dev/null'
kill -INT "$child"
finish
check "-b duration:, and a signal" eval 'exited 0 && names 1 3 && for f in "$into"/*; do
	packets "$f" >/dev/null || exit 1; done'
fresh
in_background capture -d "soft:pcap=$real,rate=1" -w "$into/out.pcap" -b duration:2
until_true eval '[ -e "$into"/out_00002_* ] 2>/dev/null'
check "... the next begins when it is time, whether packets come or not" names 1 2
kill -INT "$child"
finish

# ---- what can't be ----------------------------------------------------------------------------------

refused() { # SENTENCE OPTION...
	local what=$1

	shift
	fresh
	run capture -d "soft:pcap=$real" -w "$into/out.pcap" "$@"
	exited 2 && grep -qF -- "$what" "$dir/err" && [ -z "$(ls -A "$into")" ]
}
check "no such word" refused '-b takes filesize:KB' -b size:5
check "no number" refused 'filesize: takes a whole number of at least 1, not "1k"' -b filesize:1k
check "0" refused 'packets: takes a whole number of at least 1' -b packets:0
check "files: alone" refused "says how many files are kept" -b files:5
check "more files than anybody keeps" refused "no more than 100000" -b packets:1 -b files:100001
check "a size that is none" refused "the number is too large" -b filesize:18446744073709551615
check "standard output" refused "standard output is a single file" -b packets:1 -w -
check "... by another name" refused "standard output is a single file" -b packets:1 -w /dev/stdout
check "a device" refused "/dev/null exists and is not a regular file" -b packets:1 -w /dev/null
check "a folder" refused "exists and is not a regular file" -b packets:1 -w "$into"
check "... with a slash" refused "is none" -b packets:1 -w "$into/"
check "no name" refused 'needs a value, and "" is none' -b packets:1 -w ""
fresh
run capture -d "soft:pcap=$real" -w "$dir/nowhere/out.pcap" -b packets:5
check "no such folder" exited 1
# The folder goes while the first file is written: the next one can't be begun.
fresh
rm -rf "$dir/away"
in_background capture -d "soft:pcap=$real,rate=2000,loop=0" -w "$into/out.pcap" -b packets:1000 --hold 300 --json
until_true eval '[ -e "$into"/out_00001_* ] 2>/dev/null'
mv "$into" "$dir/away"
finish
all_there() {
	exited 1 && grep -q "can't write $into/out_0.*No such file" "$dir/err" && report && nothing_left &&
		[ "${r[end]}" = "the next file could not be begun" ] &&
		[ "${r[packets_written]}" = "${r[packets_received]}" ] || return 1
	into=$dir/away
	mergecap -a -F nsecpcap -w "$dir/all.pcap" "$into"/* && has_packets "$dir/all.pcap" "${r[packets_received]}" &&
		begins "$dir/all.pcap" "$real"
}
check "the next file can't be begun: said once, and all that was received is there" all_there
into=$dir/into

if [ "$(id -u)" = 0 ]; then
	fresh
	if mount -t tmpfs -o size=300k none "$into" 2>/dev/null; then
		mounted=$into
		run capture -d "soft:pcap=$real" -w "$into/out.pcap" -b packets:100
		check "a disk that is full: said, and each file is whole" eval '[ "$status" = 1 ] && grep -q "No space left" "$dir/err" &&
			grep -q "the files hold the first" "$dir/err" && for f in "$into"/*; do packets "$f" >/dev/null || exit 1; done'
		umount "$into"
		mounted=
	fi
fi

# ---- as another user -----------------------------------------------------------------------------------

run capture -d "soft:pcap=$real" -w "$dir/out.pcap" -Z "no such user"
check "-Z: there is no such user" eval 'exited 1 && [ ! -e "$dir/out.pcap" ]'
if [ "$(id -u)" != 0 ] || ! id nobody >/dev/null 2>&1; then
	skip "-Z" "it takes root, and a user nobody"
else
	chmod 711 "$dir"
	cp "$real" "$dir/real.pcap"
	chmod 644 "$dir/real.pcap"
	fresh
	chown nobody "$into"
	run capture -d "soft:pcap=$dir/real.pcap" -w "$into/out.pcap" -Z nobody -b packets:1000 -b files:2 --report "$into/report.html"
	check "-Z: files are the user's, old ones go" \
		eval 'exited 0 && [ "$(stat -c %U "$into"/* | sort -u)" = nobody ] && [ "$(ls "$into" | wc -l)" = 3 ]'
	run capture -d "soft:pcap=$dir/real.pcap" -w "$dir/out.pcap" -Z nobody
	check "... where it may write" eval 'exited 1 && grep -q "Permission denied" "$dir/err" && [ ! -e "$dir/out.pcap" ]'
	echo old >"$dir/old.pcap"
	run capture -d "soft:pcap=$dir/real.pcap" -w "$dir/old.pcap" -Z nobody
	check "... a file of root's stays" eval 'exited 1 && [ "$(cat "$dir/old.pcap")" = old ]'
	for command in "capture -d soft:pcap=$dir/real.pcap,rate=100 -w $into/slow.pcap" \
		"forward -a soft:pcap=$dir/real.pcap,rate=100 -b soft"; do
		# shellcheck disable=SC2086 # words
		in_background $command -Z nobody
		pid=$child
		until_true grep -q "^Uid:.$(id -u nobody).$(id -u nobody).$(id -u nobody)" "/proc/$child/status" 2>/dev/null
		check "${command%% *}: of root's rights few stay" eval \
			'! (($(sed -n "s/^CapPrm:\t/0x/p" "/proc/$child/status") & ~0x8000007000)) && grep -q "^Groups:.[0-9]* *$" "/proc/$child/status"'
		kill -INT "$child"
		finish
		check "... and it ends as ever" exited 0
		run stat -p "$pid"
		check "... and leaves no socket behind" exited 1
	done
fi

# Two runs that begin in the same second would give their files the same names.
two_at_once() {
	local pid on_disk=0 said=0 written file

	mkdir "$dir/two"
	"$tool" capture -d "soft:pcap=$dir/real.pcap" -w "$dir/two/o.pcap" -b packets:500 --json >"$dir/one.json" 2>/dev/null &
	pid=$!
	"$tool" capture -d "soft:pcap=$dir/real.pcap" -w "$dir/two/o.pcap" -b packets:500 --json >"$dir/other.json" 2>/dev/null
	wait $pid
	for file in "$dir"/two/*; do
		on_disk=$((on_disk + $(tcpdump -nr "$file" 2>/dev/null | wc -l)))
	done
	for file in "$dir/one.json" "$dir/other.json"; do
		written=$(sed -n 's/.*"packets_written": \([0-9]*\).*/\1/p' "$file")
		said=$((said + ${written:-0}))
	done
	echo "$said said to be written, $on_disk there"
	[ $said -gt 0 ] && [ $said = $on_disk ]
}
check "two rings of one name at once: none loses what the other wrote" two_at_once

done_testing
