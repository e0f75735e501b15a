#!/bin/bash
# report.sh - the page of capture --report: a single file that contains the run, and no other file
# is overwritten for it. tests/telemetry/pages.sh looks at it in a browser.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

out=$dir/out.pcap
page=$dir/page.html

# A name that would end the element that holds the data, and run.
hostile="$dir/<script>document.title='broken'<"
mkdir -p "$hostile"
hostile="$hostile/script>&\"'.pcap"
cp "$real" "$hostile"
run capture -d "soft:pcap=$hostile,loop=5,rogue" -w "$out" --hold 500 --unbind-after 10000 --rebind --report "$page"
check "a run with a report" exited 0
check "it begins as HTML does" eval '[ "$(head -c 15 "$page")" = "<!doctype html>" ]'
check "it asks for no other file" eval '! grep -oE "(src|href)=\"[^\"]*\"|url\(|@import|https?://[a-z0-9.]*" "$page" | grep -v "href=\"data:,\"" | grep -v http://www.w3.org'
check "it has the run" "$python" -IS - "$page" <<'P'
import json, re, sys
page = open(sys.argv[1]).read()
o = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])
s = o["samples"]
assert s == sorted(s, key=lambda x: x[0]) and 3 <= len(s) <= 2048, len(s)
assert s[-1][1] == s[-1][2] == o["report"]["packets_received"] == o["report"]["packets_written"]
assert s[-1][3] == s[-1][4] == 0, s[-1]
assert max(x[3] for x in s) >= 500
unbound = [m["time_ns"] for m in o["marks"] if m["what"] == "unbound"]
assert len(unbound) == 1, o["marks"]
after = min((x for x in s if x[0] <= unbound[0]), key=lambda x: unbound[0] - x[0])
assert after[4] == 0 and after[3] >= 500, after  # nothing mapped, pages in flight
assert [m["what"] for m in o["marks"]] == ["bound", "unbound", "bound again", "end: unbound"], o["marks"]
P

run capture -d "soft:pcap=$real" -w "$out" -c 10 --report "$page"
check "a page is overwritten" exited 0
echo "precious" >"$dir/precious"
run capture -d "soft:pcap=$real" -w "$out" -c 10 --report "$dir/precious"
check "another file isn't" exited 1
is "... not a byte of it" "$(cat "$dir/precious")" precious
run capture -d "soft:pcap=$real" -w "$out" -c 10 --report "$real"
check "nor the input" exited 1
run capture -d "soft:pcap=$real" -w "$page" -c 10 --report "$page"
check "nor is it the capture" exited 1
run capture -d "soft:pcap=$real" -w "$out" -c 10 --report "$dir/none/page"
check "a folder that isn't there" exited 1
run capture -d "soft:pcap=$real" -w "$out" -c 10 --report /dev/full
check "a full disk" exited 1

done_testing
