#!/bin/bash
# run.sh COMMAND ROOT - fault injection: the n-th operation that can fail fails, for n = 1, 2, 3 ...
# until a run has no n-th, once for that one alone and once for all from it on. Each time the
# command must exit by itself with 0, 1 or 3, report the failure unless it is 0, leak nothing
# (LeakSanitizer), and leave a valid file with a part of the input.
# shellcheck disable=SC2034
set -u
. "$(dirname "$0")/../tap.sh"
command=$1
root=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# a small input: 120 packets, some of them jumbo frames
tcpdump -r "$root/tests/data/real.pcap" -w "$dir/in.pcap" --time-stamp-precision=nano -c 120 2>/dev/null

prefix_of_input() { # FILE: whole packets from the beginning of the input
	local size
	size=$(stat -c %s "$1")
	tcpdump -r "$1" -nn >/dev/null 2>"$dir/judge" || return 1
	grep -q truncated "$dir/judge" && return 1
	cmp -s -n $((size - 24)) -i 24 "$1" "$dir/in.pcap"
}

# What is wrong with a run; nothing: nothing.
verdict() { # STATUS ERR OUT
	case $1 in
	0) ;;
	1 | 3) grep -q '^pagepool: ' "$2" || { echo "status $1 and not a word"; return; } ;;
	*) echo "status $1"; return ;;
	esac
	grep -qE 'ERROR: (Address|Leak)Sanitizer|runtime error' "$2" && { echo "a sanitizer's report"; return; }
	[ ! -s "$3" ] || prefix_of_input "$3" || echo "a file that is no part of the input"
}

every() { # NAME MODE ARGUMENTS: runs until none is left
	local name=$1 mode=$2 i=0 bad=0 count status what
	shift 2
	while :; do
		i=$((i + 1))
		rm -f "$dir/out.pcap"
		# shellcheck disable=SC2086
		env PP_FAULT_NTH=$i $mode PP_FAULT_COUNT="$dir/count" "$command" "$@" \
			>"$dir/stdout" 2>"$dir/stderr" </dev/null
		status=$?
		what=$(verdict $status "$dir/stderr" "$dir/out.pcap")
		if [ -n "$what" ]; then
			bad=$((bad + 1))
			echo "# $name, failure $i: $what"
			head -20 "$dir/stderr" | sed 's/^/#   /'
			[ $bad -lt 5 ] || break
		fi
		count=0
		[ ! -s "$dir/count" ] || read -r count <"$dir/count"
		[ "$count" -ge "$i" ] || [ $i -gt 5000 ] || break
	done
	[ $bad = 0 ]
	ok $? "$name: $((i - 1)) failures, one at a time${mode:+, and all from there on}"
}

device=soft:pcap=$dir/in.pcap
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1}
for mode in "" PP_FAULT_ONWARDS=1; do
	every "capture" "$mode" capture -d "$device" -w "$dir/out.pcap"
	every "capture with an unbind and a new binding" "$mode" capture -d "$device,rogue" \
		-w "$dir/out.pcap" --hold 40 --unbind-after 60 --rebind
	every "capture with a surprise removal" "$mode" capture -d "$device" \
		-w "$dir/out.pcap" --hold 40 --remove-after 60
	every "replay" "$mode" replay -d "soft:wire=$dir/wire.pcap" -r "$dir/in.pcap"
done
echo "1..$n"
exit $failed
