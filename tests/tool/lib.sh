# shellcheck shell=bash
# lib.sh - what the tests of the command share. A test is a bash script that gets the
# command's path, sources this, prints TAP and calls done_testing at its end.
#
# Who judges a capture file: tcpdump (stamps, order, length on the wire, every captured
# byte), tshark (stamps and both lengths, by a reader that isn't libpcap), capinfos (how
# many packets there are, and whether the file is whole). See same_packets.
#
# PP_SANITIZED=address|thread: the command was built with that sanitizer; what is only big is left
# out.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

set -u
export LC_ALL=C

tool=${1:?the path of the pagepool command}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
real=$here/../data/real.pcap
sanitized=${PP_SANITIZED:-}
export here real sanitized

# What a sanitizer finds ends the command with a status that no test expects.
readonly SANITIZER=86
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}halt_on_error=1:exitcode=$SANITIZER"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}halt_on_error=1:print_stacktrace=1:exitcode=$SANITIZER"
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}halt_on_error=1:exitcode=$SANITIZER"

# The command hangs: a failure that must not take the rest of the script along. Nothing
# here takes a hundredth of it.
readonly HANG=300

for need in python3 tcpdump tshark capinfos timeout; do
	if ! command -v "$need" >/dev/null; then
		echo "1..0 # SKIP there is no $need"
		exit 0
	fi
done

# The interpreter itself: `python3` may be a shim that takes longer than what it starts.
python=$(python3 -c 'import sys; print(sys.executable)')

dir=$(mktemp -d "${TMPDIR:-/tmp}/pagepool-test.XXXXXX") || exit 1
mounted=
child=
clean_up() {
	[ -n "$child" ] && kill -KILL "$child" 2>/dev/null
	[ -n "$mounted" ] && umount "$mounted"
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# ---- TAP ----------------------------------------------------------------------------

tests=0
failed=0

ok() {
	tests=$((tests + 1))
	echo "ok $tests - $1"
}

# not_ok DESCRIPTION [WHY]
not_ok() {
	tests=$((tests + 1))
	failed=$((failed + 1))
	echo "not ok $tests - $1"
	[ -n "${2:-}" ] && printf '%s\n' "$2" | head -n 40 | sed 's/^/# /'
}

# skip DESCRIPTION WHY
skip() {
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

# check DESCRIPTION COMMAND...: the command succeeds; else what it said is shown. It runs
# in this shell: what it sets stays.
check() {
	local what=$1

	shift
	if "$@" >"$dir/said" 2>&1; then
		ok "$what"
	else
		not_ok "$what" "$* fails
$(cat "$dir/said")"
	fi
}

# is DESCRIPTION GOT WANT
is() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "$2, not $3"
	fi
}

done_testing() {
	echo "1..$tests"
	exit $((failed != 0))
}

# ---- running the command --------------------------------------------------------------

status=
# run ARGUMENT...: sets $status; what it says is in $dir/out and $dir/err.
run() {
	timeout -k 5 "$HANG" "$tool" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
}

# What a run says once it has begun.
readonly BEGUN='^pagepool: (capturing from|forwarding between|replaying) '
# begun: the run in the background has.
begun() {
	grep -Eq "$BEGUN" "$dir/err"
}
# complaints: what standard error has, but for that
complaints() {
	grep -Ev "$BEGUN" "${1:-$dir/err}"
}

# exited WANTED: the last run's status is that, and standard error has no complaint but, when
# the status isn't 0, one sentence. Complains on standard output. Every test asks this, several
# hundred times: so without starting anything.
exited() {
	local lines=1 said=() sentences=0 line

	[ "$1" = 0 ] && lines=0
	if [ "$status" != "$1" ]; then
		echo "exit status $status, not $1; it said:"
		cat "$dir/err"
		return 1
	fi
	while IFS= read -r line || [ -n "$line" ]; do
		[[ $line =~ $BEGUN ]] || said+=("$line")
		[[ $line =~ $BEGUN || ! $line =~ ^pagepool:\ [^\ ].*[^\ ]$ ]] || sentences=$((sentences + 1))
	done <"$dir/err"
	if [ ${#said[@]} -ne $lines ] || [ $sentences -ne $lines ]; then
		echo "not $lines sentences, each on one line that begins with \"pagepool: \":"
		cat "$dir/err"
		return 1
	fi
}

# in_background ARGUMENT...: as run, but leaves it running as $child. See `finish`. Who runs the tests
# under nohup has SIGHUP ignored, and what is ignored stays so.
in_background() {
	: >"$dir/err" # of the last one: the new one's shell may be late
	env --default-signal=HUP "$tool" "$@" >"$dir/out" 2>"$dir/err" </dev/null &
	child=$!
}

# finish: wait for it. Sets $status.
finish() {
	local beat=0

	while kill -0 "$child" 2>/dev/null && [ $beat -lt $((HANG * 10)) ]; do
		beat=$((beat + 1))
		sleep 0.1
	done
	kill -KILL "$child" 2>/dev/null
	wait "$child" 2>/dev/null
	status=$?
	child=
}

# until_true COMMAND...: wait for it to become true while $child lives. 1: it never did.
until_true() {
	local beat=0

	until "$@"; do
		beat=$((beat + 1))
		if [ $beat -gt $((HANG * 20)) ] || ! kill -0 "$child" 2>/dev/null; then
			return 1
		fi
		sleep 0.05
	done
}

# bytes_reach FILE N
bytes_reach() {
	[ -e "$1" ] && [ "$(stat -c %s "$1")" -ge "$2" ]
}

# ---- capture files ---------------------------------------------------------------------

# packets FILE: how many there are; fails, with the complaint, when it isn't whole.
packets() {
	local said

	if ! said=$(capinfos -MTrc "$1" 2>"$dir/capinfos") || [ -s "$dir/capinfos" ]; then
		echo "capinfos: $(cat "$dir/capinfos")"
		return 1
	fi
	echo "${said##*$'\t'}"
}

# has_packets FILE N
has_packets() {
	local n

	n=$(packets "$1")
	if [ "$n" != "$2" ]; then
		echo "$1: $n packets, not $2"
		return 1
	fi
}

# Everything about each packet: tcpdump's view. -e: the length on the wire; -XX: all that
# was captured. tshark's view has the captured length as a number; what has no stamp is a
# pcapng block that is no packet.
by_tcpdump() {
	tcpdump -r "$1" --time-stamp-precision=nano -nn -tt -e -XX 2>"$dir/tcpdump"
}
by_tshark() {
	tshark -nr "$1" -Y frame.time_epoch -T fields -e frame.time_epoch -e frame.len \
		-e frame.cap_len 2>"$dir/tshark"
}

# seen_by VIEW FILE: prints the name of a file that has it. The same bytes are looked at once: what
# starts takes longer than what it does.
seen_by() {
	local sum kept

	sum=$(sha1sum <"$2") && kept=$dir/$1.${sum%% *}
	[ -e "$kept" ] || { $1 "$2" >"$kept.new" && mv "$kept.new" "$kept"; } || return 1
	echo "$kept"
}

# same_packets A B: in number, order, lengths (captured and on the wire), bytes, stamps.
same_packets() {
	local view n a b

	n=$(packets "$1") || { echo "$1: $n"; return 1; }
	has_packets "$2" "$n" || return 1
	for view in by_tcpdump by_tshark; do
		if ! a=$(seen_by $view "$1") || ! b=$(seen_by $view "$2"); then
			echo "$view can't read them both:"
			cat "$dir/tcpdump" "$dir/tshark" 2>/dev/null
			return 1
		fi
		if ! cmp -s "$a" "$b"; then
			echo "$view sees different packets:"
			diff "$a" "$b" | head -n 6
			return 1
		fi
	done
}

# begins FILE NATIVE: FILE is whole packets from the front of NATIVE, repeated for ever.
# NATIVE must be what the command writes: this machine's pcap with nanoseconds.
begins() {
	local size

	packets "$1" >"$dir/begins" || { cat "$dir/begins"; return 1; }
	size=$(stat -c %s "$1")
	{
		cat "$2"
		while tail -c +25 "$2" 2>/dev/null; do :; done
	} 2>/dev/null | cmp -n "$size" - "$1"
}

# ---- the report --------------------------------------------------------------------------

declare -A r=()

# report [FILE]: read the one JSON object that --json printed into r.
report() {
	local key value

	r=()
	while IFS='=' read -r key value; do
		r[$key]=$value
	done < <("$python" -IS -c '
import json, sys
text = open(sys.argv[1]).read()
for key, value in json.loads(text).items():
    print(f"{key}={value}")
' "${1:-$dir/out}" 2>/dev/null)
	if [ ${#r[@]} -eq 0 ]; then
		echo "no JSON object:"
		cat "${1:-$dir/out}"
		return 1
	fi
}

# nothing_left: the report of the last run, read by `report`, says so.
nothing_left() {
	local key bad=0

	for key in mappings_left iova_left page_table_bytes_left pages_leaked faults_before_unbind; do
		if [ "${r[$key]:-missing}" != 0 ]; then
			echo "$key: ${r[$key]:-missing}"
			bad=1
		fi
	done
	return "$bad"
}

# accounts_for FILE: as many packets were written as received, and as many are there.
accounts_for() {
	if [ "${r[packets_received]:-}" != "${r[packets_written]:-missing}" ]; then
		echo "${r[packets_received]:-no} packets received, ${r[packets_written]:-none} written"
		return 1
	fi
	if [ "${r[bytes_written]:-}" != "$(stat -c %s "$1")" ]; then
		echo "bytes_written: ${r[bytes_written]:-missing}, not $(stat -c %s "$1")"
		return 1
	fi
	has_packets "$1" "${r[packets_written]:-}"
}
