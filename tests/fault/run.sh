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
	tcpdump -r "$1" -nn >/dev/null 2>"$dir/judge" || return 1
	[[ $(<"$dir/judge") != *truncated* ]] || return 1
	size=$(stat -c %s "$1")
	cmp -s -n $((size - 24)) -i 24 "$1" "$dir/in.pcap"
}

# $wrong: what is wrong with a run. Little is started for it: there are some thousand runs.
verdict() { # STATUS ERR OUT
	local said
	said=$(<"$2")
	wrong=
	case $1 in
	0) ;;
	1 | 3) [[ $'\n'$said == *$'\n'"pagepool: "* ]] || { wrong="status $1 and not a word"; return; } ;;
	*) wrong="status $1"; return ;;
	esac
	[[ ! $said =~ ERROR:\ (Address|Leak)Sanitizer|runtime\ error ]] || { wrong="a sanitizer's report"; return; }
	[ ! -s "$3" ] || prefix_of_input "$3" || wrong="a file that is no part of the input"
}

every() { # NAME ARGUMENTS: runs until none is left
	local name=$1 i=0 bad=0 count wrong
	shift
	export PP_FAULT_NTH PP_FAULT_COUNT=$dir/count
	while :; do
		i=$((i + 1))
		PP_FAULT_NTH=$i
		[ ! -e "$dir/out.pcap" ] || rm -f "$dir/out.pcap"
		"$command" "$@" >"$dir/stdout" 2>"$dir/stderr" </dev/null
		verdict $? "$dir/stderr" "$dir/out.pcap"
		if [ -n "$wrong" ]; then
			bad=$((bad + 1))
			echo "# $name, failure $i: $wrong"
			head -20 "$dir/stderr" | sed 's/^/#   /'
			[ $bad -lt 5 ] || break
		fi
		count=0
		[ ! -s "$dir/count" ] || read -r count <"$dir/count"
		[ "$count" -ge "$i" ] || [ $i -gt 5000 ] || break
	done
	[ $bad = 0 ]
	ok $? "$name: $((i - 1)) failures, one at a time${PP_FAULT_ONWARDS:+, and all from there on}"
}

device=soft:pcap=$dir/in.pcap
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1}
unset PP_FAULT_ONWARDS
for onwards in "" 1; do
	[ -z "$onwards" ] || export PP_FAULT_ONWARDS=1
	every "capture" capture -d "$device" -w "$dir/out.pcap"
	every "capture with an unbind and a new binding" capture -d "$device,rogue" \
		-w "$dir/out.pcap" --hold 40 --unbind-after 60 --rebind
	every "capture with a surprise removal" capture -d "$device" \
		-w "$dir/out.pcap" --hold 40 --remove-after 60
	every "replay" replay -d "soft:wire=$dir/wire.pcap" -r "$dir/in.pcap"
done
echo "1..$n"
exit $failed
