#!/bin/bash
# holders.sh TOOL LOSE - pagepool kernel holders: processes hold pages in every way that the command
# knows; it names each with its count, and nobody else.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

make_pair || skip_all "there is no veth, or it takes no XDP program"
start udp1 b udp 5001 5
start udp2 b udp 5002 7
start tcp b tcp 5003 $((8 * MSS))
start waiting b unaccepted 5004
start behind b out_of_order 5005
start piper b pipe 5006 $((6 * MSS)) 1000
start nothing b nothing
for name in udp1 udp2 tcp waiting behind piper; do
	check "$name is open" hears "$name" open
done
before=$(date +%s.%N)
start sender a send udp 5001 5 "$UDP" udp 5002 7 "$UDP" tcp 5003 8 "$MSS" tcp 5004 3 "$MSS" lost 5005 4 "$MSS" tcp 5006 6 "$MSS" \
	udp 5999 1 15000
for name in sender udp1 udp2 tcp piper behind nothing; do
	check "$name has its pages" hears "$name" ready
done
[ $failed = 0 ] || done_testing
until_true received $((3 * MSS)) 5004
until_true counted TCPOFOQueue 4
until_true counted ReasmReqds 2
sent=$(date +%s.%N)

looked=$(date +%s.%N)
run holders --json
end=$(date +%s.%N)
check "holders --json" exited 0
check "the pool is there" ask '1 / (pool is not None)'
is "UDP, 5 packets" "$(ask "held(${pid[udp1]}, 'receive queue')")" 10
is "UDP in another process, 7 packets" "$(ask "held(${pid[udp2]}, 'receive queue')")" 14
is "TCP, 8 segments" "$(ask "held(${pid[tcp]}, 'receive queue')")" 16
is "... in no other place" "$(ask "sum(h['pages'] for h in of(${pid[tcp]}))")" 16
is "a connection not yet accepted, 3 segments: its listener's" \
	"$(ask "[(h['pages'], h['not_accepted']) for h in of(${pid[waiting]})]")" "[(6, True)]"
is "TCP out of order, 4 segments" "$(ask "held(${pid[behind]}, 'out-of-order queue')")" 8
is "fragments of a packet whose last one is lost, 2 of them" \
	"$(ask "[(h['pages'], h['local'], h['remote']) for h in pool['holders'] if h['kind'] == 'fragments']")" \
	"[(4, '10.78.0.2', '10.78.0.1')]"
is "a pipe with a part of one packet" "$(ask "[h['pages'] + h['shared'] for h in of(${pid[piper]}) if h['place'] == 'pipe']")" "[1]"
is "... of a connection with 6: all pages are counted once" "$(ask "sum(h['pages'] for h in of(${pid[piper]}))")" 12
is "nobody else is named" \
	"$(ask "[h for h in pool['holders'] if h['kind'] != 'pool' and h['kind'] != 'fragments' and not {w['pid'] for w in h['owners']} & {${pid[udp1]}, ${pid[udp2]}, ${pid[tcp]}, ${pid[waiting]}, ${pid[behind]}, ${pid[piper]}}]")" "[]"
is "all pages in flight are accounted for" "$(ask "pool['held'] + pool['idle'] + pool['not_attributed'] - pool['in_flight']")" 0
is "... none is left over" "$(ask "pool['not_attributed']")" 0
is "nothing moved, nothing was cut" "$(ask "(o['queues_moving'], o['queues_cut'], o['packet_heads'])")" "(0, 0, True)"
is "the connection's addresses" \
	"$(ask "[(h['protocol'], h['local'], h['remote'].split(':')[0], h['namespace']) for h in of(${pid[tcp]})]")" \
	"[('TCP', '10.78.0.2:5003', '10.78.0.1', '${ns}b')]"
age() { # NAME SENT-BEFORE SENT-AFTER LOOKED-BEFORE LOOKED-AFTER: whether it is right, or what it is
	ask "[($4 - $3 - 0.02 <= h['age_s'] <= $5 - $2 + 0.02) or h['age_s'] for h in of(${pid[$1]})]"
}
is "a connection: since the last segment, at least" "$(age tcp "$before" "$sent" "$looked" "$end")" "[True]"

run holders right
check "holders, for people" eval 'exited 0 && grep -qE "^ +16 +.* python3[^ ]*\[${pid[tcp]}\] fd [0-9]+, TCP 10.78.0.2:5003 from 10.78.0.1:[0-9]+ - receive queue, in ${ns}b$" "$dir/out"'
check "... the remainder is a number" grep -qE "^ +0 +- +not attributed$" "$dir/out"
id=$("$tool" kernel pools --json >"$dir/out"; ask "pool['id']")
run holders "$id" --json
is "by the pool's number" "$(ask "len(o['pools'])")" 1
run holders no-such-interface
check "an interface that isn't there" eval 'exited 1 && said "no page pool and no interface \"no-such-interface\""'
run holders lo
check "an interface without pools" eval 'exited 0 && grep -q "^no page pool of lo$" "$dir/out"'

# What is given back is idle in the pool, to the page.
idle=$(run holders --json; ask "pool['idle']")
check "udp1 reads" give_back udp1
run holders --json
is "... then it holds none" "$(ask "held(${pid[udp1]}, 'receive queue')")" 0
is "... and they are in the pool or on their way there" "$(ask "pool['idle'] + pool['not_attributed']")" $((idle + 10))
# What a CPU frees for others goes into the pool's ring.
in_pool() {
	for _ in {1..5}; do
		wake_cpus
		run holders --json
		[ "$(ask "(pool['idle'], pool['not_attributed'])")" != "($1, 0)" ] || return 0
	done
	ask "(pool['idle'], pool['not_attributed'])"
	return 1
}
check "... and at last all of them are in it" in_pool $((idle + 10))

# An error's packet, and a socket that sees every packet: the same pages, counted once.
start refused b refused
check "an ICMP message" hears refused ready
start all b packet right
check "a socket that sees all" hears all ready
start again b udp 5007 2 stamped
check "... and another" hears again open
before=$(date +%s.%N)
start sender2 a send udp 5007 2 "$UDP"
check "... has its packets" hears again ready
sent=$(date +%s.%N)
run holders --json
end=$(date +%s.%N)
check "the error queue" ask "1 / (held(${pid[refused]}, 'error queue') > 0)"
is "two holders of the same pages" "$(ask "[sum(h['pages'] + h['shared'] for h in of(p)) for p in (${pid[all]}, ${pid[again]})]")" "[4, 4]"
is "... which count once" "$(ask "sum(h['pages'] for h in of(${pid[all]}) + of(${pid[again]}))")" 4
is "stamped packets: their age" "$(age again "$before" "$sent" "$sent" "$end")" "[True]"
is "... is told as it is" "$(ask "[h['age_at_least'] for h in of(${pid[again]})]")" "[False]"
is "... none is counted twice" "$(ask "pool['held'] + pool['idle'] + pool['not_attributed'] - pool['in_flight']")" 0

# Packets that are routed on: into a tun device that nobody reads. (With a capture under way their heads
# would be copied.)
end all
if [ -c /dev/net/tun ]; then
	start tun b tun deep
	check "a tun device" hears tun ready
	ip -n "$ns"b link set deep mtu 7000 up
	ip -n "$ns"b route add 10.79.0.0/24 dev deep
	ip -n "$ns"a route add 10.79.0.0/24 via 10.78.0.2
	in_b sysctl -qw net.ipv4.ip_forward=1
	start sender3 a send routed 5008 3 "$UDP"
	check "... and packets into it" hears sender3 ready
	until_true counted ForwDatagrams 3
	run holders --json
	is "... of 3 packets" "$(ask "[(h['kind'], h['pages'] + h['shared']) for h in of(${pid[tun]})]")" "[('tun', 6)]"
fi

# The interface goes: a zombie, with the same holders.
ip -n "$ns"b link del right
"$tool" kernel holders --json >"$dir/out"
zombie="[p for p in o['pools'] if p['id'] == $id][0]"
is "the interface goes: its pool is a zombie" "$(ask "(${zombie}['state'], ${zombie}['interface_gone'])")" "('zombie', True)"
is "... and its holders are named as before" \
	"$(ask "sum(h['pages'] for h in ${zombie}['holders'] if ${pid[tcp]} in [w['pid'] for w in h['owners']])")" 16
run holders "$id"
check "... for people" grep -q "^pool $id of an interface that has gone, zombie" "$dir/out"
done_testing
