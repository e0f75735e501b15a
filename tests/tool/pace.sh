#!/bin/bash
# pace.sh - when replay sends packets: none too early (a slow machine may always be late); and
# without waiting if asked to: the file lasts for years.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

# file FILE SECONDS...: packets of 100 bytes, with these stamps
file() {
	"$python" -IS -c '
import struct, sys
out = struct.pack("<IHHIIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1)
for at in sys.argv[2:]:
    ns = int(float(at) * 10**9)
    out += struct.pack("<IIII", ns // 10**9, ns % 10**9, 100, 100) + bytes(100)
open(sys.argv[1], "wb").write(out)' "$@"
}
# takes MILLISECONDS PACKETS ARGUMENT...: at least
takes() {
	run replay -d "soft:wire=$dir/wire" -r "$dir/in" --json "${@:3}"
	exited 0 && report && has_packets "$dir/wire" "$2" || return 1
	[ "${r[elapsed_ns]}" -ge $(($1 * 1000000)) ] || { echo "${r[elapsed_ns]} ns"; return 1; }
}

file "$dir/in" 1 1.1 1.3
check "as the file says" takes 300 3 --recorded
check "... each time anew" takes 600 6 --recorded --loop 2
file "$dir/in" 1.3 1 1 1.5
check "... one that is stamped before its predecessor follows at once" takes 200 4 --recorded
file "$dir/in" 1 100000000 2 200000000
check "the software device doesn't wait" takes 0 4
check "... asked not to" takes 0 4 -t
check "--pps" takes 300 4 --pps 10
check "... over all passes" takes 700 8 --pps 10 --loop 2
check "--rate: 100 bytes are 800 bits" takes 300 4 --rate 8000

waits() {
	in_background replay -d "soft:wire=$dir/wire" -r "$dir/in" --recorded --json
	until_true grep -q "due in 9999[0-9]* s; --topspeed" "$dir/err" || return 1
	kill -INT "$child"
	finish
	exited 0 2>/dev/null >"$dir/ignored"
	report && [ "$status" = 0 ] && [ "${r[end]}" = interrupted ] && has_packets "$dir/wire" 1
}
check "a long wait is told, and can be interrupted" waits

# As far apart as times can be: 584 years. Nothing wraps, on no pass. (What is due then is due at the
# end of time, as counted from when the machine was started.)
"$python" -IS - "$here" "$dir/far.pcapng" <<'P'
import sys
sys.path.insert(0, sys.argv[1])
from make_captures import *
write(sys.argv[2], section("<") + interface("<", 9) + enhanced("<", 2**64 - 1, b"late", 4) + enhanced("<", 0, b"early", 5)
      + enhanced("<", 2**64 - 1, b"late", 4) + enhanced("<", 0, b"early", 5))
P
run replay -d "soft:wire=$dir/wire" -r "$dir/far.pcapng" --topspeed
check "a far stamp on the wire: it is told" eval 'exited 1 && grep -q "7 February 2106" "$dir/err"'
run replay -d soft -r "$dir/far.pcapng" --recorded --loop 3 --json
check "the first is the farthest: nothing is waited for" eval 'exited 0 && report && [ "${r[packets_written]}" = 12 ]'
"$python" -IS - "$here" "$dir/far.pcapng" <<'P'
import sys
sys.path.insert(0, sys.argv[1])
from make_captures import *
write(sys.argv[2], section("<") + interface("<", 9) + enhanced("<", 0, b"early", 5) + enhanced("<", 2**64 - 1, b"late", 4))
P
run replay -d soft -r "$dir/far.pcapng" --recorded --json --duration 1
check "584 years to wait" eval '[ "$status" = 0 ] && grep -q "due in 184[0-9]\{8\} s; --topspeed" "$dir/err" && report && [ "${r[packets_written]} ${r[end]}" = "1 duration reached" ]'
for pace in "--pps 18446744073709551615" "--rate 18446744073709551615" "--rate 1 -c 1"; do
	# shellcheck disable=SC2086 # words
	run replay -d soft -r "$dir/far.pcapng" $pace
	check "$pace" exited 0
done

refused() { # ARGUMENT...
	run replay -d soft -r "$dir/in" "$@"
	exited 2 && grep -q "can.t be combined" "$dir/err"
}
check "two of them" refused --pps 1 --rate 1
check "two others" refused -t --recorded
for what in "--pps 0" "--rate 0" "--rate 1M" "--pps -1"; do
	# shellcheck disable=SC2086
	run replay -d soft -r "$dir/in" $what
	check "$what" exited 2
done
done_testing
