#!/bin/bash
# report.sh ROOT - the summary of the checks counts what happened: a program that hangs, dies or
# fails is a failure, whatever its TAP said. Tested on a project of six programs. TAP.
set -u
. "$(dirname "$0")/../tap.sh"
report_script=$1/scripts/report
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

program() { # NAME SCRIPT
	printf '#!/bin/sh\n%s\n' "$2" >"$dir/$1.sh"
	chmod +x "$dir/$1.sh"
	echo "test('$1', find_program('./$1.sh')${3:-})" >>"$dir/meson.build"
}
tap=", protocol : 'tap'"
run() { meson setup "$dir/build" "$dir" && meson test -C "$dir/build"; }
counted() { # STATUS LINE: of scripts/report
	local status
	python3 "$report_script" "$dir/build/meson-logs/testlog.junit.xml" >"$dir/said"
	status=$?
	[ "$status" = "$1" ] && [ "$(tail -1 "$dir/said")" = "$2" ] && return
	sed 's/^/# /' "$dir/said"
	return 1
}

echo "project('six')" >"$dir/meson.build"
program good 'echo 1..2; echo ok 1; echo "ok 2 # SKIP no reason"' "$tap"
run >"$dir/log" 2>&1
counted 0 "1 passed, 0 failed, 1 skipped"
ok $? "what passed and what was skipped is counted"
rm -rf "$dir/build"
program hangs 'echo 1..2; echo ok 1; sleep 1000; echo ok 2' "$tap, timeout : 1"
program dies 'echo 1..2; echo ok 1; echo ok 2; kill -9 $$' "$tap, suite : 'some'"
program fails 'echo 1..2; echo ok 1; echo "# the reason"; echo not ok 2; exit 1' "$tap"
program plain 'echo plainly; exit 1'
program silent 'sleep 1000' ', timeout : 1'
run >"$dir/log" 2>&1
counted 1 "5 passed, 5 failed, 1 skipped"
ok $? "so is, once each, what hangs, dies or fails"
grep -q 'fails: 2 failed' "$dir/said" && grep -q '^    # the reason' "$dir/said" &&
	grep -q '^    plainly' "$dir/said"
ok $? "what failed is named, with what it printed"
echo "1..$n"
exit $failed
