#!/bin/bash
# unbind.sh - the driver is unbound, or the device disappears, with any number of pages in flight:
# no mapping of the device is left, and every packet that was received is written correctly.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

out=$dir/out.pcap
many=100000 # pages in flight

# left_nothing STATUS HOLD SETTINGS OPTION...: run it, and check what holds of every run.
left_nothing() {
	local want_status=$1 hold=$2 settings=$3

	shift; shift; shift
	rm -f "$out"
	run capture -d "soft:pcap=$real,$settings" -w "$out" --hold "$hold" --json "$@"
	exited "$want_status" && report && nothing_left && accounts_for "$out" &&
		begins "$out" "$real"
}

# holds EXPRESSION: of the report's numbers.
holds() {
	(($1)) || { echo "not so: $1"; declare -p r; return 1; }
}

# in_flight N
in_flight() {
	holds "r[in_flight_at_unbind] >= $1 && r[unbind_ns] > 0"
}

# ended N HOW: the run ended there, with at least so many packets
ended() {
	holds "r[packets_received] >= $1" || return 1
	[ "${r[end]:-}" = "$2" ] || { echo "end: ${r[end]:-}, not $2"; return 1; }
}

# ---- the number of pages ----------------------------------------------------------------

check "unbind, $many pages held" left_nothing 0 $many loop=0 --unbind-after $many
check "... they were in flight" in_flight $many
check "... and the run ended there" ended $many "unbound as requested"
check "... the device made no fault, nobody made a late call" \
	holds "r[faults_after_unbind] == 0 && r[late_calls_refused] == 0"

check "unbind and bind again, $many pages held" \
	left_nothing 0 $many loop=30 --unbind-after $many --rebind
check "... they were in flight" in_flight $many
check "... nothing was lost on the way" \
	holds "r[packets_received] == 30 * 4680 && r[bindings] == 2"

check "removal, $many pages held" left_nothing 0 $many loop=0 --remove-after $many
check "... they were in flight" in_flight $many
check "... and the run ended there" ended $many "removed as requested"

million="unbind, 1,000,000 pages held"
available=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
room=$(df -Pk "$dir" | awk 'NR == 2 { print int($4 / 1048576) }')
if [ -n "$sanitized" ]; then
	skip "$million" "too much under a sanitizer"
elif [ "${available:-0}" -lt 8 ] || [ "${room:-0}" -lt 2 ]; then
	skip "$million" "it takes 8 GiB of memory and 2 GiB in $dir"
else
	check "$million" left_nothing 0 1000000 loop=0 --unbind-after 1000000
	check "... they were in flight" in_flight 1000000
	check "... and the run ended there" ended 1000000 "unbound as requested"
	rm -f "$out"
fi

# ---- where it can happen -------------------------------------------------------------------

for after in 1 2 511 512 513 4679 4680 4681; do
	check "unbind after $after packets" left_nothing 0 0 loop=2 --unbind-after $after
	check "... and bind again" eval \
		"left_nothing 0 100 loop=2 --unbind-after $after --rebind && holds 'r[packets_received] == 9360'"
	check "removal after $after packets" left_nothing 0 100 loop=2 --remove-after $after
done
check "unbind after more packets than there are: no unbind" eval \
	'left_nothing 0 10 loop=1 --unbind-after 5000 && ended 4680 "end of input"'
check "-c before the unbind: no unbind" eval \
	'left_nothing 0 10 loop=0 -c 50 --unbind-after 5000 && has_packets "$out" 50'
check "-c after the second binding began" eval \
	'left_nothing 0 10 loop=0 -c 7000 --unbind-after 2000 --rebind && has_packets "$out" 7000'
for settings in incoherent mask=32 invalidate=deferred rate=30000; do
	check "unbind and bind again: $settings" eval \
		"left_nothing 0 1000 loop=1,$settings --unbind-after 2000 --rebind &&
			holds 'r[packets_received] == 4680'"
	check "removal: $settings" left_nothing 0 1000 loop=1,$settings --remove-after 2000
done

# ---- a device that doesn't stop ----------------------------------------------------------

for how in strict deferred; do
	for option in "--unbind-after 20000" "--unbind-after 20000 --rebind" "--remove-after 20000"; do
		# shellcheck disable=SC2086 # it may be two words
		check "rogue, $how, $option: no byte changes" \
			left_nothing 0 20000 loop=7,rogue,invalidate=$how $option
		check "... every access faults" holds "r[faults_after_unbind] > 0"
	done
	check "rogue, $how, at the end of the input" left_nothing 0 500 loop=1,rogue,invalidate=$how
	check "... every access faults" holds "r[faults_after_unbind] > 0"
	check "rogue, $how, incoherent, 32 bits: no byte changes" \
		left_nothing 0 5000 loop=7,rogue,incoherent,mask=32,invalidate=$how --unbind-after 6000
	check "... every access faults" holds "r[faults_after_unbind] > 0"
done

# A slow line: the device sleeps when it is taken away, and never has to find out.
check "rogue, asleep when it is taken away" \
	left_nothing 0 0 loop=1,rogue,rate=100 --remove-after 20
check "... every access faults" holds "r[faults_after_unbind] > 0"

# ---- a device that vanishes -------------------------------------------------------------

for n in 1 2000 20000; do
	check "gone after $n packets: exit status 3, the file is complete" \
		left_nothing 3 1500 loop=0,gone=$n
	check "... all $n are there" eval "ended $n 'device lost' && holds 'r[packets_received] == $n'"
	check "gone after $n packets, and rogue" left_nothing 3 1500 loop=0,gone=$n,rogue
	check "... every access faults" holds "r[faults_after_unbind] > 0"
done
check "gone after the unbind and the second binding" eval \
	'left_nothing 3 100 loop=0,gone=8000 --unbind-after 3000 --rebind && ended 8000 "device lost"'
check "gone after the run's end: nobody notices" left_nothing 0 100 loop=1,gone=8000

# ---- a device that lies: what it lies about is dropped, the rest is right --------------------

rm -f "$out"
run capture -d "soft:pcap=$real,lies" -w "$out" --hold 100 --json
check "lengths that lie: refused, counted, nothing breaks" eval 'exited 0 && report && nothing_left &&
	accounts_for "$out" && holds "r[packets_refused] > 0" &&
	holds "r[packets_received] + r[packets_refused] == 4680"'

# ---- the report for people --------------------------------------------------------------------

run capture -d "soft:pcap=$real,rogue" -w "$out" --hold 100 --unbind-after 2000 --rebind
check "the report speaks of the unbind" grep -Eq '^unbound +in [0-9.]+ us, with [0-9,]+ pages in flight; then bound again$' "$dir/out"
check "... and of what is left" grep -q '^left  *0 mappings, 0 bytes of IOVA, 0 bytes of page tables; 0 pages leaked$' "$dir/out"
run capture -d "soft:pcap=$real" -w "$out" --remove-after 2000
check "the report speaks of the removal" grep -q '^removed ' "$dir/out"

done_testing
