#!/bin/bash
# pools.sh TOOL LOSE - pagepool kernel pools: all pools are listed, zombies first; without
# privilege, without BTF, in a container it says so in one sentence.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

make_pair || skip_all "there is no veth, or it takes no XDP program"
start udp b udp 5001 5
check "a socket" hears udp open
start sender a send udp 5001 5 "$UDP"
check "... has its packets" hears udp ready

run pools --json
check "pools --json" exited 0
is "one object, on one line" "$(wc -l <"$dir/out")" 1
is "the pool of the veth" "$(ask "(pool['driver'], pool['state'], pool['mapped'], pool['interface_gone'])")" \
	"('veth', 'alive', False, False)"
is "... has what its socket holds in flight" "$(ask "pool['in_flight'] >= 10 and pool['in_flight_bytes'] == pool['in_flight'] * 4096")" True
is "... and a number" "$(ask "pool['id'] > 0")" True
id=$(ask "pool['id']")
in_flight=$(ask "pool['in_flight']")
run --json
is "without a command it's the same" "$(ask "(pool['id'], pool['in_flight'])")" "($id, $in_flight)"
run
check "for people" eval 'exited 0 && grep -qE "^$id +right@${ns}b +veth +- +alive +$in_flight +[0-9.]+ [KM]iB +no$" "$dir/out"'
run pools --interval 10
check "twice" eval 'exited 0 && grep -qE "^$id +right@${ns}b " "$dir/out"'
run pools --openmetrics
check "--openmetrics" eval 'exited 0 && grep -qxF "pagepool_kernel_pool_in_flight{pool=\"$id\",interface=\"right@${ns}b\",driver=\"veth\"} $in_flight" "$dir/out"'
if /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null; then
	check "... is OpenMetrics" /usr/bin/python3 -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
assert len(list(parse(open(sys.argv[1]).read()))) >= 5' "$dir/out"
fi

# The interface goes while its pages are held: a zombie, before all others.
before=$(date +%s)
ip -n "$ns"b link del right
make_pair
run pools --json
end=$(date +%s)
zombie="[p for p in o['pools'] if p['id'] == $id][0]"
is "the interface goes: a zombie" "$(ask "(${zombie}['state'], ${zombie}['interface_gone'])")" "('zombie', True)"
is "... before those that are alive" \
	"$(ask "[p['state'] for p in o['pools']] == sorted([p['state'] for p in o['pools']], reverse=True)")" True
is "... its age" "$(ask "0 <= ${zombie}['detached_s'] <= $end - $before + 1")" True
run
check "... for people" grep -qE "^$id +\(gone\) +- +- +zombie [0-9.]+ (s|min) +[0-9]+ " "$dir/out"
end udp
run pools --json
until_true eval "run pools --json; [ \"\$(ask \"[p for p in o['pools'] if p['id'] == $id]\")\" = '[]' ]"
ok 0 "its holder ends: it has gone"

# ---- live -------------------------------------------------------------------------------------

if "$tool" --help | grep -q '^ *top ' && command -v tmux >/dev/null; then
	mux() { tmux -L "$ns" "$@"; }
	shows() { mux capture-pane -p | grep -qE "$1"; }
	mux new-session -d -x 120 -y 24 "'$tool' top --kernel -i 100 2>'$dir/err'; echo \$? >'$dir/top'; sleep 100"
	check "top shows the pool" until_true shows "^[0-9]+ +right@${ns}b +veth +- alive"
	mux send-keys q
	check "... and ends with q" until_true test -s "$dir/top"
	is "... with status 0" "$(cat "$dir/top")" 0
	mux kill-server
fi
try "$tool" top --kernel
check "top --kernel without a terminal" eval 'exited 1 && said "top needs a terminal; pagepool kernel pools prints the same once"'
try "$tool" top --kernel --pid 1
check "--kernel and --pid" eval 'exited 2 && said "be combined"'

# ---- what is wrong is said ---------------------------------------------------------------------

run pools --json --openmetrics
check "--json and --openmetrics" eval 'exited 2 && said "be combined"'
run pools --interval 10 --json
check "--interval and --json" eval 'exited 2 && said "for the table only"'
run nonsense
check "an unknown command" eval 'exited 2 && said "no command \"nonsense\""'
run --help
check "--help" eval 'exited 0 && grep -q "^  pools" "$dir/out" && grep -q "^  holders" "$dir/out"'
try "${without_rights[@]}" kernel
check "without rights: what the kernel lists, and a sentence" eval 'exited 0 && said "no permission to load BPF programs; run it as root"'
try "${without_rights[@]}" kernel holders
check "... holders can't" eval 'exited 1 && said "no permission to load BPF programs"'
try "${without_btf[@]}" kernel
check "without BTF" eval 'exited 0 && said "CONFIG_DEBUG_INFO_BTF"'
try "${without_btf[@]}" kernel holders
check "... holders can't" eval 'exited 1 && said "CONFIG_DEBUG_INFO_BTF"'
try unshare -pf --mount-proc "$tool" kernel
check "in a container" eval 'exited 0 && said "this is a container"'
done_testing
