#!/bin/bash
# watch.sh TOOL LOSE - pagepool kernel watch follows each page; its output is compared with the
# pools' own counters, and with what the test did with the pages: who freed them, and how old they
# were.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

make_pair || skip_all "there is no veth, or it takes no XDP program"
# On one CPU, so that who reads a packet frees it, and leaves that to no other CPU.
taskset -cp "${cpus%% *}" $$ >/dev/null
counts() { # ROWS, CONDITION on r: what they add up to
	ask "sum(r['count'] for r in o['$1'] if $2)"
}
ours="r['pool'] == pool['id']"
now() { date +%s.%N; }

# ---- a pool that there was before; sockets that are read, a pipe that keeps a page ---------------

start old b udp 5001 5
check "a socket" hears old open
start to_old a send udp 5001 5 "$UDP"
check "... has its packets" hears old ready
run pools --json
was=$(ask "pool['in_flight']")
watch --json --sample 1
before=$(now)
for i in 1 2 3; do
	start "udp$i" b udp "501$i" 60
	check "socket $i" hears "udp$i" open
	start "to_udp$i" a send udp "501$i" 60 "$UDP"
	check "... has its 120 pages" hears "udp$i" ready
done
held=$(now)
for i in 1 2 3; do
	check "socket $i reads: more than the pool's ring takes" give_back "udp$i"
done
start piper b pipe_only 5006 $((6 * MSS)) 1000
check "a pipe" hears piper open
start to_piper a send tcp 5006 6 "$MSS"
check "... has a part of a packet that is in no socket any more" hears piper ready
in_pipe=$(now)
sleep 0.3 # so that this age is told from others
reads=$(now)
check "the pipe is read" give_back piper
read=$(now)
watched
end=$(now)
check "nothing is wrong" exited 0
is "one object, on one line" "$(wc -l <"$dir/out")" 1
is "the pool was there before" "$(ask "(pool['made'], pool['gone'])")" "(False, False)"
is "what was taken and not given back is in flight" "$(ask "$was + pool['taken'] - pool['given_back'] - pool['in_flight']")" 0
is "each that left was followed" "$(counts left_by "$ours")" "$(ask "pool['given_back']")"
is "nothing was lost" "$(ask "list(o['lost'].values())")" "[0, 0, 0, 0]"
check "many left" ask "1 / (pool['given_back'] > 50)"
check "... by a stack that says so" ask "1 / ($(counts left_by "r['pid'] in (${pid[udp1]}, ${pid[udp2]}, ${pid[udp3]}) and 'udp_recvmsg' in r['stack'] and r['stack'][0].startswith('page_pool_')") > 40)"
is "... and none in others who read" "$(ask "[r for r in o['left_by'] if $ours and 'udp_recvmsg' in r['stack'] and r['pid'] not in (${pid[udp1]}, ${pid[udp2]}, ${pid[udp3]})]")" "[]"
is "... whose frames are not our own" "$(ask "[f for l in ('left_by', 'freed_by', 'oldest') for r in o[l] for f in r['stack'] if 'watch_' in f or 'bpf_trace' in f or f.startswith('0x')]")" "[]"
is "the page that was in the pipe: who let go of it last" \
	"$(ask "sum(r['count'] for r in o['freed_by'] if r['pid'] == ${pid[piper]} and any('pipe_read' in f for f in r['stack']))")" 1
is "... and when, after it had left" \
	"$(ask "[r['pages'] for r in o['held_after'] if r['at_most_s'] >= $reads - $in_pipe and r['at_most_s'] / 2 <= $read - $held]")" "[1]"
is "all that left have been let go" "$(counts freed_by "$ours")" "$(counts left_by "$ours")"
is "the pages that are in the pool still are followed" "$(ask "len([r for r in o['oldest'] if $ours and r['left_s'] is None])")" 100
is "... the oldest as old as the first packets" "$(ask "[$end - $held - 0.1 <= r['taken_s'] <= $end - $before + 0.1 for r in o['oldest'] if $ours][0]")" True
check "... taken by veth" ask "1 / any('veth_poll' in f for f in o['oldest'][0]['stack'])"

# ---- a pool that is made, and goes, meanwhile; a page that has left and is held still -------------

watch --json --sample 1
ip -n "$ns"b link set dev right xdp off
put_xdp
start aged b udp 5009 5
check "a socket" hears aged open
start to_aged a send udp 5009 5 "$UDP"
check "... has its packets" hears aged ready
start piper2 b pipe_only 5007 $((6 * MSS)) 1000
check "a pipe" hears piper2 open
aged=$(now)
start to_piper2 a send tcp 5007 6 "$MSS"
check "... keeps a page" hears piper2 ready
run pools --json
id=$(ask "[p['id'] for p in mine if p['state'] == 'alive'][0]")
ip -n "$ns"b link del right
make_pair
sleep 1 # so that it is told from what left when the interface went
ending=$(now)
end aged
end old
# The kernel looks once a second whether all pages are back. Whether the pool has gone can't be asked:
# with no page in a socket, no way leads to one whose interface has gone.
for _ in 1 2 3 4 5; do
	wake_cpus
	sleep 1
done
watched
end=$(now)
check "nothing is wrong" exited 0
ours="r['pool'] == $id"
is "the new pool was made, and has gone" "$(ask "[(p['made'], p['gone'], p['taken'] > 0) for p in o['pools'] if p['id'] == $id]")" "[(True, True, True)]"
check "how old its pages were" ask "1 / (sum(r['pages'] for r in o['ages'] if $ours and r['at_most_s'] >= $ending - $aged) >= 10)"
is "... none older than the test" "$(ask "[r for r in o['ages'] if $ours and r['at_most_s'] / 2 > $end - $read]")" "[]"
is "the page in the pipe is held still" "$(ask "[r['left_s'] >= $ending - $aged - 1 for r in o['oldest'] if $ours]")" "[True]"
give_back piper2

# ---- a sample; for people -----------------------------------------------------------------------

watch --sample 4
start few b udp 5008 60
check "a socket" hears few open
start to_few a send udp 5008 60 "$UDP"
check "... has its packets" hears few ready
watched
check "which sample" grep -qE " one page in 4 was followed: [0-9]{2,} were taken " "$dir/out"
check "... the pool" grep -qE "^[0-9]+ +right@${ns}b +veth +alive +1[0-9][0-9] +1[0-9][0-9] +0$" "$dir/out"
check "... who took them" eval 'grep -qE "^ +[0-9]+  pool [0-9]+ of right@${ns}b, the oldest since [0-9]" "$dir/out" && grep -q "veth_poll" "$dir/out"'
id=$(sed -nE "s/^([0-9]+) +right@${ns}b .*/\1/p" "$dir/out")
watch --json --sample 4
check "its socket is read" give_back few
ip -n "$ns"b link del right # and all that the pool has taken leaves it
watched
sampled=$(counts left_by "r['pool'] == $id")
check "one in 4 of the pool's pages, or so" eval 'echo "$sampled"; [ "$sampled" -ge 10 ] && [ "$sampled" -le 64 ]'
run watch --duration 1
check "--duration" eval 'exited 0 && grep -q "^watched for 1.0 s; one page in 64" "$dir/out" && [ ! -s "$dir/err" ]'

# ---- what is wrong is said ---------------------------------------------------------------------

run watch --duration 0
check "--duration 0" eval 'exited 2 && said "takes a whole number of at least 1"'
run watch --sample x
check "--sample x" eval 'exited 2 && said "takes a whole number of at least 1"'
try "${without_rights[@]}" kernel watch --duration 1
check "without rights" eval 'exited 1 && said "can.t watch: no permission to load BPF programs; run it as root"'
try "${without_btf[@]}" kernel watch --duration 1
check "without BTF" eval 'exited 1 && said "CONFIG_DEBUG_INFO_BTF"'
done_testing
