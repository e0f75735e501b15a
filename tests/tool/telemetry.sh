#!/bin/bash
# telemetry.sh - monitoring a run: stat, its JSON and OpenMetrics, top; and 200 abusive clients at
# once do no harm. OpenMetrics is judged by Prometheus' own parser for Python, top by tmux.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

# A folder of our own, so that other runs on this machine are not found.
export PAGEPOOL_RUNTIME_DIR=$dir/run
out=$dir/out.pcap
prometheus=
for p in /usr/bin/python3 "$python"; do
	"$p" -c 'import prometheus_client.openmetrics.parser' 2>/dev/null && prometheus=$p && break
done

# look ARGUMENT...: as run, while $child runs; sets $status, says into out2 and err2
look() {
	timeout -k 5 "$HANG" "$tool" "$@" >"$dir/out2" 2>"$dir/err2" </dev/null
	status=$?
}
says() { # TEXT: the one sentence of a failure has it
	[ "$(wc -l <"$dir/err2")" = 1 ] && grep -qF -- "$1" "$dir/err2" || { cat "$dir/err2"; return 1; }
}
json() { # EXPRESSION of o that must be true
	"$python" -IS -c 'import json, sys; o = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' \
		"$dir/out2" "$1" || { cat "$dir/out2"; return 1; }
}
watchable() {
	[ -S "$dir/run/$child.sock" ]
}

look stat
check "stat without a process" [ "$status" = 1 ]
check "... says that there is none" says "no process of this user"
# Processes that were killed leave their sockets: more of them than stat takes in, of numbers that
# nobody has.
leave_sockets() {
	mkdir -p -m 700 "$dir/run"
	"$python" -IS - "$dir/run" <<'P'
import os, socket, sys
os.chdir(sys.argv[1])
for pid in range(4194100, 4194200):
    if not os.path.exists(f"/proc/{pid}"):
        socket.socket(socket.AF_UNIX).bind(f"{pid}.sock")
P
}
leave_sockets
is "(100 sockets that nobody listens at)" "$(find "$dir/run" -name '*.sock' | wc -l)" 100
look stat
check "stat among sockets of processes that have ended: there is none" says "no process of this user"
is "... and they are gone" "$(find "$dir/run" -name '*.sock' | wc -l)" 0
leave_sockets
in_background capture -d "soft:pcap=$real,loop=0,rate=2000" -w /dev/null
until_true watchable
is "a run that begins removes them" "$(ls "$dir/run")" "$child.sock"
leave_sockets
look stat
check "stat looks past them" grep -q "process $child" "$dir/out2"
kill -KILL "$child"
finish
look stat
is "a killed run's socket goes, too" "$(ls "$dir/run")" ""
look stat -p 999999999999
check "a process number that can't be" [ "$status" = 2 ]
look stat -p $$
check "a process that doesn't offer anything" [ "$status" = 1 ]
check "... is told" says "exports no statistics"
look stat --json --openmetrics
check "two formats can't be combined" [ "$status" = 2 ]

in_background capture -d "soft:pcap=$real,loop=0,rate=20000,rogue" -w "$out" --hold 500
check "a run offers its socket" until_true watchable
is "... of mode 600" "$(stat -c %a "$dir/run/$child.sock")" 600
look stat
check "stat finds it" [ "$status" = 0 ]
check "... names the process" grep -q "process $child" "$dir/out2"
check "... and its pool" grep -q '^soft rx  *soft  *alive' "$dir/out2"
look stat -p "$child" --json
check "--json" json 'o["protocol"] == 1 and o["pid"] == '"$child"
check "... pools" json '[p["name"] for p in o["pools"]] == ["soft rx", "soft tx"]'
check "... in flight at most what there is" json 'all(p["stats"]["in_flight"] <= p["stats"]["pages"] for p in o["pools"])'
check "... a device, bound to the binding that the pool has" json 'o["devices"][0]["binding"] == o["pools"][0]["bindings"][0] != 0'
header=$here/../../include/pagepool/stats.h
for what in POOL:'o["pools"][0]["stats"]' DEVICE:'o["devices"][0]["stats"]' DOMAIN:'o["devices"][0]["domain"]'; do
	names=$(awk -v list="PP_${what%%:*}_STATS" '$0 ~ "define " list { on = 1 } on && match($0, /X\([a-z_]+,/) { printf "%s ", substr($0, RSTART + 2, RLENGTH - 3) } on && !/\\$/ { exit }' "$header")
	check "... every statistic of ${what%%:*}" json "set('$names'.split()) == set(${what#*:})"
done

look stat --openmetrics
check "--openmetrics" [ "$status" = 0 ]
if [ -z "$prometheus" ]; then
	skip "Prometheus' parser accepts it" "there is no python3-prometheus-client"
else
	check "Prometheus' parser accepts it" "$prometheus" - "$dir/out2" "$header" <<'P'
import re, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = {f.name: f for f in text_string_to_metric_families(open(sys.argv[1]).read())}
names = re.findall(r"X\(([a-z_]+), ", open(sys.argv[2]).read())[1:]  # the first is how to read the lists
for name in names:
    base = re.sub("_ns$", "_seconds", name)
    assert any(f"pagepool_{scope}_{base}" in families for scope in ("pool", "device", "domain")), name
pools = families["pagepool_pool_in_flight"].samples
assert [s.labels["pool"] for s in pools] == ["soft rx", "soft tx"], pools
assert pools[0].labels["device"] == "soft"
assert families["pagepool_pool_alloc_fast"].type == "counter"
assert families["pagepool_pool_in_flight"].type == "gauge"
assert families["pagepool_pools"].samples[0].value == 2
P
fi

if ! "$tool" --help | grep -q '^ *top '; then
	skip "top" "this build has no ncurses"
elif ! command -v tmux >/dev/null; then
	skip "top" "there is no tmux"
else
	mux() { tmux -L "pagepool-$$" -f /dev/null "$@"; }
	shows() { mux capture-pane -p | grep -q "$1"; }
	mux new-session -d -x 120 -y 24 "PAGEPOOL_RUNTIME_DIR=$dir/run '$tool' top -i 100 2>'$dir/err2'; echo \$? >'$dir/top'; sleep 100"
	check "top shows the pool" until_true shows '^soft rx  *soft  *alive'
	check "... with rates" until_true shows 'GETS/s'
	mux send-keys q
	check "... and ends with q" until_true test -s "$dir/top"
	is "... with status 0" "$(cat "$dir/top")" 0
	mux kill-server
fi
look top
check "top without a terminal" [ "$status" = 1 ]
check "... says so" says "needs a terminal"
kill -INT "$child"
finish
check "the run ends as ever" exited 0
check "... and takes its socket along" [ ! -e "$dir/run/$child.sock" ]

run capture -d "soft:pcap=$real" -w "$out" --no-telemetry -c 1
check "--no-telemetry" exited 0

# ---- 200 bad clients at once ---------------------------------------------------------------

ulimit -n 1024
in_background capture -d "soft:pcap=$real,loop=0,rogue" -w /dev/null --hold 500 --unbind-after 200000 \
	--rebind --json
until_true watchable
"$python" "$here/abuse.py" "$dir/run/$child.sock" "$child" "${PP_ABUSE_SECONDS:-4}" >"$dir/abuse" 2>&1
sed 's/^/# /' "$dir/abuse"
value() { awk -v key="$1" '$1 == key { print $2 }' "$dir/abuse"; }
check "the process is alive" kill -0 "$child"
check "no answer was broken" [ "$(value broken)" = 0 ]
check "the honest were answered" [ "$(value answers)" -gt 0 ]
# each snapshot serves all for 100 ms, two requests have one each
check "it was looked at ten times a second at most" \
	[ "$(value snapshots)" -le $((${PP_ABUSE_SECONDS:-4} * 10 + 12)) ]
kill -INT "$child"
finish
check "the run ends as ever" exited 0
check "... its report" report
check "... no packet was lost" eval '[ "${r[packets_received]}" = "${r[packets_written]}" ] && [ "${r[packets_refused]}" = 0 ]'
check "... nothing is left" nothing_left

done_testing
