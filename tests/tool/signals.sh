#!/bin/bash
# signals.sh - Ctrl-C, Ctrl-\, SIGTERM, SIGHUP, SIGPIPE, a reader that disappears, a terminal: the run ends
# when told to, the file is complete, and only a terminal shows progress.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

out=$dir/out.pcap
endless="soft:pcap=$real,loop=0"

# interrupted FILE: the last run ended because it was told to, and lost nothing.
interrupted() {
	exited 0 && report && nothing_left && accounts_for "$1" && begins "$1" "$real" || return 1
	[ "${r[end]:-}" = interrupted ] || { echo "end: ${r[end]:-}"; return 1; }
}

# stop_with SIGNAL BYTES OPTION...: let it write so much, then tell it to stop.
stop_with() {
	local signal=$1 bytes=$2

	shift; shift
	rm -f "$out"
	in_background capture -w "$out" --json "$@"
	until_true bytes_reach "$out" "$bytes" || { cat "$dir/err"; finish; return 1; }
	kill -"$signal" "$child"
	finish
	interrupted "$out"
}

signals="INT TERM QUIT HUP PIPE"
# ThreadSanitizer takes it for one that the thread itself caused, and runs the handler wherever that
# is: in its own runtime, too, whose locks the handler's calls then wait for.
[ "$sanitized" != thread ] || signals=${signals% PIPE}
for signal in $signals; do
	check "SIG$signal: the file is whole, status 0" stop_with $signal 1000000 -d "$endless,rate=20000"
	check "SIG$signal at full speed" stop_with $signal 5000000 -d "$endless"
	check "SIG$signal with pages held: they are written too" \
		stop_with $signal 100000 -d "$endless,rate=20000" --hold 5000
	check "... all of them" [ "${r[packets_received]:-0}" -gt 1500 ] # there are 5000 pages in them
	check "SIG$signal after an unbind and a second binding" \
		stop_with $signal 1000000 -d "$endless,rate=20000,rogue" --unbind-after 500 --rebind --hold 100
	check "SIG$signal while nothing comes" stop_with $signal 24 -d "$endless,rate=1"
	check "SIG$signal while all is held" stop_with $signal 24 -d "$endless,rate=20000" --hold 100000000
done

# The same for a person.
rm -f "$out"
in_background capture -w "$out" -d "$endless,rate=20000"
until_true bytes_reach "$out" 100000
kill -INT "$child"
finish
check "the report says that it was interrupted" eval 'exited 0 && grep -q ": interrupted$" "$dir/out"'

rm -f "$dir/wire"
in_background replay -d "soft:wire=$dir/wire" -r "$real" --loop 0 --json
until_true bytes_reach "$dir/wire" 1000000
kill -INT "$child"
finish
check "SIGINT during a replay: what is said to be sent is on the wire" eval \
	'exited 0 && report && nothing_left && [ "${r[end]:-}" = interrupted ] &&
		begins "$dir/wire" "$real" && has_packets "$dir/wire" "${r[packets_written]:-}"'

# ---- a reader that doesn't read -----------------------------------------------------------------

# said: the last run said so.
said() {
	grep -q "$1" "$dir/err"
}
# full_pipe: a run that writes into a pipe which nobody reads from, told to stop. What it
# holds is more than a pipe takes, so it has to wait.
not_caught() { # the signal is no longer caught: the first one has been seen
	local mask

	mask=$(awk '/^SigCgt:/ { print $2 }' "/proc/$child/status" 2>/dev/null) && (((0x$mask & 2) == 0))
}
full_pipe() {
	rm -f "$dir/pipe"
	mkfifo "$dir/pipe"
	in_background capture -w "$dir/pipe" -d "$endless" --hold 2000 --json
	exec 3<"$dir/pipe"
	head -c 1000 <&3 >"$dir/front" || return 1 # more than the header: so 2000 are held
	kill -INT "$child"
	until_true not_caught
}
# interrupted, after it has said what it waits for
at_last() {
	[ "$(complaints | wc -l)" = 1 ] && : >"$dir/err" && interrupted "$1"
}
check "SIGINT while the reader of a pipe sleeps" full_pipe
check "... it waits" kill -0 "$child"
check "... and says for what" until_true said "waiting for the reader of $dir/pipe .* a second signal"
cat <&3 >"$dir/rest"
exec 3<&-
finish
cat "$dir/front" "$dir/rest" >"$out"
check "... when the reader wakes up, it gets everything" at_last "$out"
ulimit -c 0 # no core file of a second SIGQUIT
for second in INT:130 TERM:143 QUIT:131; do
	check "SIGINT while the reader of a pipe sleeps" full_pipe
	kill -"${second%:*}" "$child"
	finish
	exec 3<&-
	is "... then SIG${second%:*} ends it at once" $status "${second#*:}"
done
# A terminal that goes sends two: that is one event.
check "SIGINT while the reader of a pipe sleeps" full_pipe
kill -HUP "$child"
kill -PIPE "$child"
check "... SIGHUP right behind it, and SIGPIPE, change nothing" kill -0 "$child"
until_true said "waiting for"
cat <&3 >"$dir/rest"
exec 3<&-
finish
cat "$dir/front" "$dir/rest" >"$out"
check "... the reader gets everything" at_last "$out"

# pipe_is_full: that at file descriptor 3, but for a packet or two
pipe_is_full() {
	"$python" -IS -c 'import fcntl, struct, sys, termios
sys.exit(struct.unpack("i", fcntl.ioctl(3, termios.FIONREAD, bytes(4)))[0] < 60000)'
}

# The same for what a device writes.
for what in "replay -r $real --loop 100" "forward -a $endless"; do
	rm -f "$dir/pipe"
	mkfifo "$dir/pipe"
	device=-d
	[ "${what%% *}" = replay ] || device=-b
	# shellcheck disable=SC2086 # words
	in_background $what $device "soft:wire=$dir/pipe" --json
	exec 3<"$dir/pipe"
	head -c 24 <&3 >"$dir/front"
	until_true pipe_is_full
	kill -INT "$child"
	check "SIGINT: ${what%% *} to a pipe whose reader sleeps: it says what it waits for" \
		until_true said "waiting for $dir/pipe to take what is left"
	cat <&3 >"$dir/rest"
	exec 3<&-
	finish
	cat "$dir/front" "$dir/rest" >"$out"
	sent=$("$python" -IS -c 'import json, sys; o = json.load(sys.stdin); print(o.get("packets_written", o.get("a_to_b", o).get("packets")))' <"$dir/out")
	check "... what it says was sent has come" has_packets "$out" "$sent"
done

# ---- nobody at the other end ----------------------------------------------------------------------

# catching: it has seen to its signals
catching() {
	local mask

	[ "/proc/$child/exe" -ef "$tool" ] && # no more the shell that it began as
		mask=$(awk '/^SigCgt:/ { print $2 }' "/proc/$child/status") && (((0x$mask & 2) != 0))
}
for signal in INT TERM HUP; do
	rm -f "$dir/pipe"
	mkfifo "$dir/pipe"
	in_background capture -d "$endless" -w "$dir/pipe"
	until_true catching
	kill -$signal "$child"
	finish
	check "SIG$signal while the output is a FIFO without a reader: it ends" eval \
		'exited 1 && said "interrupted before anybody opened"'
done
in_background capture -d "soft:pcap=$real" -w "$dir/pipe"
cat "$dir/pipe" >"$out"
finish
check "a FIFO whose reader comes late" eval 'exited 0 && cmp "$real" "$out"'

# libpcap takes longer for it than anybody waits
huge=$(for ((i = 0; i < 4000; i++)); do printf 'host 10.0.%d.%d or ' $((i / 256)) $((i % 256)); done)tcp
echo old >"$out"
for what in "capture -d $endless -w $out" "forward -a $endless -b soft"; do
	# shellcheck disable=SC2086 # words
	in_background $what "$huge"
	until_true catching
	kill -TERM "$child"
	finish
	check "SIGTERM: ${what%% *} while a filter is compiled: it ends" eval \
		'exited 1 && said "interrupted while" && [ "$(cat "$out")" = old ]'
done

for what in "capture -w $out -d soft:pcap=$dir/pipe" "replay -d soft:wire=$out -r $dir/pipe" \
	"forward -a soft:pcap=$dir/pipe -b soft"; do
	for writer in nobody somebody; do
		rm -f "$out"
		# shellcheck disable=SC2086 # words
		in_background $what
		[ $writer = nobody ] || exec 4>"$dir/pipe" # which writes nothing
		until_true catching
		kill -TERM "$child"
		finish
		exec 4>&-
		check "SIGTERM: ${what%% *} from a FIFO to which $writer writes: it ends" eval \
			'exited 1 && said "told to end" && [ ! -e "$out" ]'
	done
done
# The reader of packets is on another thread by then.
rm -f "$out"
in_background capture -d "soft:pcap=$dir/pipe" -w "$out" --json
exec 4>"$dir/pipe"
cat "$real" >&4
until_true bytes_reach "$out" "$(stat -c %s "$real")"
kill -TERM "$child"
finish
exec 4>&-
check "SIGTERM between two packets of a FIFO: all that came is there" eval 'interrupted "$out" && cmp "$real" "$out"'
in_background capture -d "soft:pcap=$dir/pipe" -w "$out" -c 100
exec 4>"$dir/pipe"
cat "$real" >&4 2>/dev/null
finish
exec 4>&-
check "enough of a FIFO that goes on: it ends" eval 'exited 0 && has_packets "$out" 100'
in_background capture -d "soft:pcap=$dir/pipe,loop=2" -w "$out"
cat "$real" >"$dir/pipe"
finish
check "a FIFO twice: from memory" eval 'exited 0 && cmp "$out" <(cat "$real"; tail -c +25 "$real")'
in_background capture -d "soft:pcap=$dir/pipe,loop=2" -w "$out"
{
	cat "$real"
	for ((i = 0; i < 30; i++)); do tail -c +25 "$real"; done
} >"$dir/pipe"
finish
check "... more than is kept: it ends, and says why" eval 'exited 1 && said "can.t start over" &&
	has_packets "$out" $((31 * 4680))'

# ---- nohup ----------------------------------------------------------------------------------------

rm -f "$out"
(
	trap '' HUP
	exec "$tool" capture -d "$endless,rate=20000" -w "$out" --json >"$dir/out" 2>"$dir/err" </dev/null
) &
child=$!
until_true bytes_reach "$out" 100000
kill -HUP "$child"
until_true bytes_reach "$out" "$(($(stat -c %s "$out") + 1000000))"
check "SIGHUP under nohup: it goes on" kill -0 "$child"
kill -TERM "$child"
finish
check "... until another signal" interrupted "$out"

# ---- a reader that goes away --------------------------------------------------------------------

# reader_leaves OPTION...: one sentence, the report, status 1.
reader_leaves() {
	local codes

	timeout -k 5 "$HANG" "$tool" capture -w - "$@" 2>"$dir/both" </dev/null | head -c 100000 >"$dir/front"
	codes=("${PIPESTATUS[@]}")
	status=${codes[0]}
	grep '^pagepool: ' "$dir/both" >"$dir/err"
	exited 1 || { cat "$dir/both"; return 1; }
	grep -q "can't write standard output: Broken pipe" "$dir/err" || { cat "$dir/err"; return 1; }
	[ "$(stat -c %s "$dir/front")" = 100000 ] || { echo "too little"; return 1; }
	cmp -n 100000 "$real" "$dir/front"
}
check "a reader that goes away" reader_leaves -d "$endless,rate=20000"
check "... at full speed" reader_leaves -d "$endless"
check "... with pages held" reader_leaves -d "$endless" --hold 10000
check "... and an unbind" reader_leaves -d "$endless" --hold 10000 --unbind-after 20000
check "... the report is there" grep -q 'packets received from soft' "$dir/both"

# ---- standard output as the file ------------------------------------------------------------------

timeout -k 5 "$HANG" "$tool" capture -d "soft:pcap=$real,loop=2" -w - --json 2>"$dir/err" </dev/null |
	tcpdump -nn -tt -e -XX --time-stamp-precision=nano -r - >"$dir/a" 2>/dev/null
is "-w - into tcpdump" "${PIPESTATUS[*]}" "0 0"
tcpdump -nn -tt -e -XX --time-stamp-precision=nano -r "$real" >"$dir/b" 2>/dev/null
check "... it sees the packets" cmp "$dir/a" <(cat "$dir/b" "$dir/b")
complaints >"$dir/report"
check "... the report goes to standard error" eval 'report "$dir/report" && nothing_left'
"$tool" capture -d "soft:pcap=$real" -w - 2>"$dir/err" </dev/null | cat >"$out"
is "-w - into cat" "${PIPESTATUS[*]}" "0 0"
check "... nothing but the file comes there" cmp "$out" "$real"

# ---- progress ----------------------------------------------------------------------------------

progress='[0-9,]+ packets, [0-9,]+ pages held, [0-9,]+ written'
run capture -d "soft:pcap=$real,rate=20000" -w "$out"
check "no terminal: no progress, no word on standard error" exited 0
check "... nor on standard output" eval '! grep -Eq "$progress" "$dir/out"'
# on_terminal COMMAND...: run it with a terminal. What it shows is in $dir/seen.
on_terminal() {
	timeout -k 5 "$HANG" script -qec "$1" "$dir/seen" >/dev/null 2>&1 </dev/null
}
if ! script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
	skip "progress on a terminal" "no script(1), or no terminal for it"
else
	check "a run on a terminal" \
		on_terminal "'$tool' capture -d 'soft:pcap=$real,rate=10000' -w '$out' --hold 100"
	check "... shows progress" grep -Eq "$progress" "$dir/seen"
	check "... on one line, rewritten" eval \
		'[ "$(tr "\r" "\n" <"$dir/seen" | grep -Ec "$progress")" -gt 1 ] &&
			[ "$(grep -Ec "$progress" "$dir/seen")" = 1 ]'
	check "... which tells the whole at last" eval \
		'tr "\r" "\n" <"$dir/seen" | grep -E "$progress" | tail -n 1 | grep -q "^4,680 packets, 0 pages held, 4,680 written"'
	check "... and the report after it" grep -q '4,680 packets received' "$dir/seen"
	check "... the file is right" cmp "$real" "$out"
	check "standard error elsewhere" \
		on_terminal "'$tool' capture -d 'soft:pcap=$real,rate=20000' -w '$out' 2>'$dir/err'"
	check "... no progress" eval '! grep -Eq "$progress" "$dir/seen" "$dir/err"'
fi

done_testing
