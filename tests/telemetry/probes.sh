#!/bin/bash
# probes.sh TOOL ROOT - run the one-liners of docs/telemetry.md, as they are there, on a run of the
# command: perf and bpftrace count what its own report says. Needs root and a build with
# -Dusdt=enabled.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
set -u
export LC_ALL=C
skip_all() { echo "1..0 # SKIP $*"; exit 0; }

[ "$(id -u)" = 0 ] || skip_all "probes need root"
# in a mount namespace of its own, for the kernel's folder of events
[ -n "${PP_OWN_MOUNTS:-}" ] || PP_OWN_MOUNTS=1 exec unshare --mount "$0" "$@" || skip_all "no mount namespace can be made"
events=/sys/kernel/tracing/uprobe_events
[ -e $events ] || mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
[ -w $events ] || skip_all "this kernel has no events in user space (CONFIG_UPROBE_EVENTS), or doesn't let us have them"
! grep -q sdt_pagepool $events || skip_all "somebody else watches: there are events sdt_pagepool"

# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
tool=$(realpath "$1")
root=$(realpath "$2")
dir=$(mktemp -d)
trap 'perf probe -q -d "sdt_pagepool:*" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
export HOME=$dir PERF_BUILDID_DIR=$dir/ids PAGEPOOL_RUNTIME_DIR=$dir/run
ln -s "$tool" pagepool
run="./pagepool capture -d soft:pcap=$root/tests/data/real.pcap,rogue -w /dev/null --hold 2000 --unbind-after 2340 --json"

# told KEY: a number of the report in the file `said`
told() { grep -o "\"$1\": *[0-9]*" said | grep -o '[0-9]*$'; }
check() { # WHAT COMMAND...
	"${@:2}"
	local status=$?
	ok $status "$1"
	[ $status = 0 ] || sed 's/^/# /' said
}
faults() { echo $(($(told faults_before_unbind) + $(told faults_after_unbind))); }
count() { awk -v e="sdt_pagepool:$1" '$2 == e { gsub(",", "", $1); print $1 }' stat; }

# ---- perf -------------------------------------------------------------------------------------

if ! command -v perf >/dev/null; then
	ok 0 "perf # SKIP there is no perf (linux-perf)"
else
	while read -r line; do
		# shellcheck disable=SC2086 # the words of a line of the document
		eval "$line" >said 2>&1
		check "$line" [ $? = 0 ]
	done < <(grep -E '^perf (buildid-cache|probe) --add ' "$root/docs/telemetry.md")
	perf stat -o stat -e 'sdt_pagepool:*' $run >said 2>&1
	check "perf stat on a run" [ $? = 0 ]
	sed 's/^/# /' stat
	for probe in get put grow; do
		check "perf counts $probe" [ "0$(count $probe)" -gt 0 ]
	done
	check "... both pools' revocation" [ "$(count revoke)" = 2 ]
	check "... each of the rogue's faults" [ "$(count fault)" = "$(faults)" ]
	perf probe -q -d 'sdt_pagepool:*'
fi

# ---- bpftrace ---------------------------------------------------------------------------------

trace() { # SCRIPT: the run's words and the script's are in `said`
	timeout -k 5 300 bpftrace -e "$1" -c "$run" >said 2>&1
}
if ! command -v bpftrace >/dev/null; then
	ok 0 "bpftrace # SKIP there is no bpftrace"
elif ! timeout -k 5 300 bpftrace -e 'BEGIN { exit(); }' >said 2>&1; then
	ok 0 "bpftrace # SKIP it can do nothing here: $(tail -n 1 said)"
else
	while read -r line; do
		script=${line#*\'}
		trace "${script%\'*}"
		check "$line" [ $? = 0 ]
		grep -E '^(@|soft)' said | sed 's/^/# /'
		case $script in
		*:revoke*) check "... it has the number that the report has" \
			grep -q "^soft rx: $(told in_flight_at_unbind) in flight" said ;;
		*:fault*) check "... it has the number that the report has" \
			[ "$(awk '/^@\[soft, / { sum += $NF } END { print sum }' said)" = "$(faults)" ] ;;
		*:grow*) check "... it has the number that the report has" \
			grep -q "^@\[soft rx\]: $(told chunks)$" said ;;
		esac
	done < <(grep "^bpftrace -e '" "$root/docs/telemetry.md")
	trace 'usdt:./pagepool:pagepool:get { @got = sum(arg1); } usdt:./pagepool:pagepool:put { @put = sum(arg1); }'
	check "as many pages were put as got" eval '[ "$(grep -c "^@" said)" = 2 ] &&
		[ "$(grep "^@" said | cut -d: -f2 | sort -u | wc -l)" = 1 ]'
	grep '^@' said | sed 's/^/# /'
fi

echo "1..$n"
exit $failed
