#!/bin/bash
# nic.sh TOOL LOSE DRIVER - pagepool kernel on a NIC whose page pools are mapped, in the virtual machine
# (tests/tool/kernel/vm): processes hold pages, the driver is unbound, they give them back. The kernel's own
# count of a zombie's pages is the judge, as none lies in the driver's ring then.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
driver=$3
nic=0000:00:04.0 peer=0000:00:05.0

UDP=1400 MSS=1448 MTU=1500 # a packet takes a page at most
exactly=1 merged=0
case $driver in
virtio_net) exactly='' ;; # or a part of one
test_nic) merged=1 ;; # its pages have room for two TCP segments: the second is copied behind the first
esac
netdev_of() { # PCI ADDRESS
	find "/sys/bus/pci/devices/$1"/net/ "/sys/bus/pci/devices/$1"/virtio*/net/ -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null
}
make_link() {
	local left right

	if [ "$driver" = test_nic ]; then
		left=testleft right=testright
	else
		left=$(netdev_of $peer) right=$(netdev_of $nic)
	fi
	ip link set dev "$left" name left && ip link set dev left netns "$ns"a &&
		ip link set dev "$right" name right && ip link set dev right netns "$ns"b
}
put_xdp() { [ "$driver" != vmxnet3 ] || ip -n "$ns"b link set dev right xdp object "$lose" section xdp; }
bound_to() { basename "$(readlink "/sys/bus/pci/devices/$nic/driver" || echo none)"; }
mended() { ! "$tool" kernel check | grep -q "^PROBLEM .*their driver has gone"; }

# Of Python, about the last run's JSON: mine, the pools of right, or zombies; of(PID), its rows
asked() {
	"$python" -IS -c '
import json, sys
o = json.load(open(sys.argv[1]))
mine = [p for p in o["pools"] if p["state"] == "zombie" or p["interface"] == "right@" + sys.argv[2] + "b"]
rows = [h for p in mine for h in p.get("holders", [])]
of = lambda pid: [h for h in rows if pid in [w["pid"] for w in h["owners"]]]
total = lambda key: sum(p[key] for p in mine)
print(eval(sys.argv[3]))' "$dir/out" "$ns" "$1"
}
of_tcp() { echo $(($1 - merged)); } # SEGMENTS: the pages that they take
# pages_are WHAT ROWS N: N pages, one a packet; or as many as N packets may have parts of
pages_are() {
	local got least

	got=$(asked "sum(h['pages'] for h in $2)")
	if [ "$exactly" ]; then
		is "$1" "$got" "$3"
	else
		least=$(asked "min(1, len($2))")
		got=$(asked "sum(h['pages'] + h['shared'] for h in $2)")
		check "$1: $got pages, of $3 packets" [ $((least >= 1 && got >= 1 && got <= $3)) = 1 ]
	fi
}
held_by() { # whose they are, while the driver is there and when it has gone
	pages_are "$1: UDP, 5 packets" "of(${pid[udp1]})" 5
	pages_are "... UDP in another process, 7 packets" "of(${pid[udp2]})" 7
	pages_are "... TCP, 8 segments" "of(${pid[tcp]})" "$(of_tcp 8)"
	pages_are "... a connection not yet accepted, 3 segments" "[h for h in of(${pid[waiting]}) if h['not_accepted']]" "$(of_tcp 3)"
	pages_are "... a connection, and a pipe with a part of one packet, 6 segments" "of(${pid[piper]})" "$(of_tcp 6)"
	is "... of which one is in the pipe" "$(asked "sum(h['pages'] + h['shared'] for h in of(${pid[piper]}) if h['place'] == 'pipe')")" 1
	pages_are "... a part of a packet that waits for the rest" "[h for h in rows if h['kind'] == 'fragments']" 1
	is "... nobody else is named" \
		"$(asked "[h for h in rows if h['kind'] not in ('pool', 'fragments') and not {w['pid'] for w in h['owners']} & {${pid[udp1]}, ${pid[udp2]}, ${pid[tcp]}, ${pid[waiting]}, ${pid[piper]}}]")" "[]"
	is "... each page is counted once" "$(asked "total('held') + total('idle') + total('not_attributed') - total('in_flight')")" 0
}

watch --json --sample 1
make_pair
status=$?
check "$driver is there" exited 0
in_b sysctl -qw net.ipv4.ipfrag_time=100000
start udp1 b udp 5001 5
start udp2 b udp 5002 7
start tcp b tcp 5003 $((8 * MSS))
start waiting b unaccepted 5004
start piper b pipe 5006 $((6 * MSS)) 1000
start nothing b nothing
for name in udp1 udp2 tcp waiting piper; do
	check "$name is open" hears "$name" open
done
before=$(date +%s.%N)
start sender a send udp 5001 5 "$UDP" udp 5002 7 "$UDP" tcp 5003 8 "$MSS" tcp 5004 3 "$MSS" tcp 5006 6 "$MSS"
start part a fragment
for name in sender part udp1 udp2 tcp piper nothing; do
	check "$name has its pages" hears "$name" ready
done
[ $failed = 0 ] || done_testing
until_true received $((3 * MSS)) 5004
until_true counted ReasmReqds 1
sent=$(date +%s.%N)

run pools --json
is "its pools: driver, mapped" "$(asked "sorted({(p['driver'], p['mapped'], p['state']) for p in mine if p['in_flight']})")" "[('$driver', True, 'alive')]"

looked=$(date +%s.%N)
run holders --json
end=$(date +%s.%N)
check "holders" exited 0
held_by "with its driver"
is "a connection: since the last segment, at least" \
	"$(asked "[($looked - $sent - 0.1 <= h['age_s'] <= $end - $before + 0.1) or h['age_s'] for h in of(${pid[tcp]})]")" "[True]"

# ---- unbound ---------------------------------------------------------------------------------------

unbinds=$(bound_to)
echo $nic >"/sys/bus/pci/drivers/$unbinds/unbind"
gone=$(date +%s.%N)
run holders --json
end=$(date +%s.%N)
held_by "without it"
is "... all pages in flight are accounted for, to the page" "$(asked "total('not_attributed')")" 0
is "... and none is idle" "$(asked "total('idle')")" 0
is "... their pools are zombies since then" "$(asked "[p['detached_s'] for p in mine if p['in_flight'] and not -1 <= p['detached_s'] <= $end - $gone + 2]")" "[]"
late=$(asked "total('in_flight')")
for name in udp1 udp2 tcp piper; do
	check "$name reads" give_back "$name"
done
for name in udp1 udp2 tcp piper waiting nothing; do
	end $name
done
ip netns del "$ns"b # and what it waits for with it
all_back() {
	wake_cpus
	run pools --json
	zombies=$(asked "[(p['in_flight'], p['detached_s']) for p in o['pools'] if p['state'] == 'zombie']")
	echo "# zombies, pages and age: $zombies"
	[ "$zombies" = "[]" ]
}
until_true all_back
watched

# ---- what watch has seen ----------------------------------------------------------------------------

# virtio_net has its pools since it was bound, the others since the interface is up
is "watch: pools of $driver were made, and have gone" "$(asked "sorted({(p['made'], p['gone']) for p in o['pools'] if p['taken'] and p['mapped'] and not (p['interface'] or '').startswith('left')})")" \
	"[($([ "$driver" = virtio_net ] && echo False || echo True), True)]"
is "... each page that left was followed" "$(asked "sum(r['count'] for r in o['left_by'])")" "$(asked "o['left']")"
check "... no fewer than were held" asked "1 / (o['left'] >= $late)"
is "... nothing was lost" "$(asked "list(o['lost'].values())")" "[0, 0, 0, 0]"
check "... pages left that had been held since before" asked "1 / (sum(a['pages'] for a in o['ages'] if a['at_most_s'] >= $gone - $sent) >= ($late if '$exactly' else 1))"
is "... none is older than the test" "$(asked "[a for a in o['ages'] if a['at_most_s'] / 2 > $(date +%s.%N) - $before + 60]")" "[]"
is "... nothing else is wrong" "$(asked "(o['negative'], o['freed_while_a_pools'])")" "([], [])"
if mended; then
	is "... and no page was unmapped late" "$(asked "o['late_unmaps']")" "[]"
	check "... so all is well" exited 0
else
	is "... each of them was unmapped late: the device has no driver" "$(asked "sum(r['count'] for r in o['late_unmaps'])")" "$late"
	is "... which device" "$(asked "{r['device'] for r in o['late_unmaps']}")" "{'$nic'}"
	is "... by whom" "$(asked "[r['stack'] for r in o['late_unmaps'] if not any('page_pool' in f for f in r['stack'])]")" "[]"
	check "... so something is wrong" exited 1
fi
[ "$driver" = test_nic ] || done_testing

# ---- a driver that errs --------------------------------------------------------------------------------

ip netns add "$ns"b
echo $nic >"/sys/bus/pci/drivers/$unbinds/bind"
make_pair
check "it is bound again" [ "$(bound_to)" = "$unbinds" ]
watch --json --sample 1
echo negative >/sys/module/test_nic/parameters/err
echo freed >/sys/module/test_nic/parameters/err
watched
check "watch: something is wrong" exited 1
is "... a pool got back more than it gave out" "$(asked "[(r['count'], any('err_negative' in f for f in r['stack'])) for r in o['negative']]")" "[(1, True)]"
is "... a page was freed while it was a pool's" "$(asked "[(r['count'], any('err_freed' in f for f in r['stack'])) for r in o['freed_while_a_pools']]")" "[(1, True)]"
is "... whose" "$(asked "sorted({r['pool_address'] for l in ('negative', 'freed_while_a_pools') for r in o[l]}) == [p['address'] for p in mine if p['state'] == 'alive']")" True
is "... nothing was unmapped late" "$(asked "o['late_unmaps']")" "[]"
done_testing
