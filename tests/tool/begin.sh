#!/bin/bash
# begin.sh - a run that can't start destroys nothing: whatever prevents it, an existing output file
# is unchanged, and a new one isn't left behind. What only slows a run down doesn't prevent it.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

old=$dir/old
out=$dir/out.pcap
page=$dir/page.html
few=soft:pcap=$real

# without CALLS COMMAND...: as run, where the kernel refuses these system calls
without() {
	local calls=$1

	shift
	timeout -k 5 "$HANG" "$python" -IS "$here/without.py" "$calls" "$tool" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	status=$?
}
without io_uring_setup --version
can_forbid=$((status != 99))

# untouched RUN ARGUMENT...: with an output and a page that were there before it ends with 1 and one
# sentence, and they are as they were; without, none is there after it.
untouched() {
	echo precious >"$old"
	echo '<!doctype html>precious' >"$page"
	"$@" -w "$old" --report "$page"
	exited 1 || return 1
	grep -qx precious "$old" || { echo "the output is lost"; return 1; }
	grep -q precious "$page" || { echo "the page is lost"; return 1; }
	rm -f "$out" "$page"
	"$@" -w "$out" --report "$page"
	exited 1 || return 1
	! begun || { echo "it says that it has begun"; return 1; }
	[ ! -e "$out" ] || { echo "an output is left"; return 1; }
	[ ! -e "$page" ] || { echo "a page is left"; return 1; }
}
check "the input isn't there" untouched run capture -d "soft:pcap=$dir/missing"
if [ $can_forbid = 1 ]; then
	check "the kernel has no membarrier" untouched without membarrier capture -d "$few"
	check "... which is named" grep -q membarrier "$dir/err"
else
	skip "the kernel has no membarrier" "no filter of system calls here"
fi
echo '<!doctype html>precious' >"$page"
run capture -d "$few" -w "$dir/missing/x" --report "$page"
check "the output can't be opened: the page is as it was" eval 'exited 1 && grep -q precious "$page"'
echo precious >"$old"
run capture -d "$few" -w "$old" --report "$dir/missing/x"
check "the page can't be opened: the output is as it was" eval 'exited 1 && grep -qx precious "$old"'
rm -f "$out"
run capture -d "$few" -w "$out" --report "$out"
check "one name for output and page: refused, and no file is left" eval 'exited 1 && [ ! -e "$out" ]'

# ---- it begins: said once, to whom it may concern -------------------------------------------------

# says_when SENTENCE ARGUMENT...: while it runs; the output is there by then
says_when() {
	local want=$1

	shift
	rm -f "$out"
	in_background "$@"
	until_true begun || { cat "$dir/err"; return 1; }
	[ "$(cat "$dir/err")" = "pagepool: $want" ] || { cat "$dir/err"; return 1; }
	[ -e "$out" ] || { echo "there is no output"; return 1; }
	kill -INT "$child"
	finish
	exited 0
}
slow=$few,loop=0,rate=1
check "capture says when it has begun" says_when "capturing from $slow" capture -d "$slow" -w "$out"
check "forward does" says_when "forwarding between $slow and soft:wire=$out" forward -a "$slow" -b "soft:wire=$out"
check "replay does" says_when "replaying $real through soft:wire=$out" \
	replay -d "soft:wire=$out" -r "$real" --pps 1 --loop 0

# ---- io_uring is forbidden ------------------------------------------------------------------------

# slower OPTION...: the same file as with io_uring
slower() {
	rm -f "$out"
	without io_uring_setup capture -d "$few" -w "$out" "$@"
	exited 0 && cmp "$real" "$out"
}
if [ $can_forbid = 1 ]; then
	check "no io_uring: the capture is the same" slower
	check "... with pages held" slower --hold 1000
	check "... with an unbind" slower --hold 100 --unbind-after 1000 --rebind
	check "... into a pipe" eval 'without io_uring_setup capture -d "$few" -w /dev/fd/3 3> >(cat >"$out"); wait $!
		exited 0 && cmp "$real" "$out"'
	check "... for ever, with a limit" eval 'without io_uring_setup capture -d "$few,loop=0" -w "$out" -c 100000 --json &&
		exited 0 && report && nothing_left && accounts_for "$out" && begins "$out" "$real"'
	if [ -w /dev/full ]; then
		without io_uring_setup capture -d "$few" -w /dev/full
		check "... and a full disk is told" eval 'exited 1 && grep -qi "no space left" "$dir/err"'
	fi
else
	skip "no io_uring" "no filter of system calls here"
fi

# ---- what is for people, and what is for programs -------------------------------------------------

# clean PATH [REDIRECTION]: what comes through a pipe is the capture and nothing else; the report
# is on standard error.
clean() {
	"$tool" capture -d "$few" -w "$1" 2>"$dir/err" </dev/null | cat >"$out"
	[ "${PIPESTATUS[*]}" = "0 0" ] || return 1
	cmp "$real" "$out" && grep -q "packets received" "$dir/err"
}
for path in - /dev/stdout /dev/fd/1 /proc/self/fd/1; do
	check "-w $path into a pipe: nothing but the capture" clean $path
done
"$tool" capture -d "$few" -w "$out" >"$out" 2>"$dir/err" </dev/null
check "standard output and -w are one file" cmp "$real" "$out"
ln -f "$out" "$dir/link"
"$tool" capture -d "$few" -w "$out" >"$dir/link" 2>"$dir/err" </dev/null
check "... by two names" cmp "$real" "$out"
"$tool" capture -d "$few" -w - >"$out" 2>&1 </dev/null
check "standard error and -w are one file" cmp "$real" "$out"
"$tool" capture -d "$few" -w - 2>&1 </dev/null | cat >"$out"
check "... a pipe" cmp "$real" "$out"
"$tool" capture -d "$few" -w /dev/null 2>"$dir/err" >/dev/null </dev/null
check "/dev/null for both: that is no file to be kept clean" [ -z "$(complaints)" ]
"$tool" capture -d "$few" -w "$out" --report - >"$page" 2>"$dir/err" </dev/null
check "--report -: the page and nothing else" eval '[ "$(head -c 15 "$page")" = "<!doctype html>" ] &&
	[ "$(tail -n 1 "$page")" = "</html>" ] && grep -q "packets received" "$dir/err"'

# Closed descriptors: no file takes the place of standard output or standard error.
"$tool" capture -d "$few" -w "$out" >&- 2>&- <&-
check "all three are closed: the capture is right" cmp "$real" "$out"
"$tool" capture -d "$few" -w - >&- 2>"$dir/err" </dev/null
status=$?
check "-w - and no standard output" eval 'exited 1 && grep -q "standard output" "$dir/err"'

done_testing
