#!/bin/bash
# report.sh - the page of capture --report: it is one file, shows the run, and can't be
# broken by a name. The judge is headless Chromium: what it made of the page, and its
# console, at a desk's width and a phone's, light and dark.
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

# ---- in a browser ---------------------------------------------------------------------------

chromium=$(command -v chromium || command -v chromium-browser)
# render WIDTH SCHEME: what the browser made of it is in dom, its complaints in console
render() {
	HOME=$dir timeout -k 5 "$HANG" "$chromium" --headless=old --no-sandbox --disable-gpu --enable-logging=stderr \
		--user-data-dir="$dir/chromium" --window-size="$1,900" --blink-settings=preferredColorScheme="$2" \
		--dump-dom "file://$page" >"$dir/dom" 2>"$dir/chromium.log" </dev/null
	grep CONSOLE "$dir/chromium.log" >"$dir/console"
	[ -s "$dir/dom" ]
}
if [ -z "$chromium" ] || [ -n "$sanitized" ]; then
	skip "a browser" "there is no Chromium, or this is a sanitizer's build"
else
	run capture -d "soft:pcap=$hostile,loop=5,rogue" -w "$out" --hold 500 --unbind-after 10000 --report "$page"
	for width in 1280 390; do
		for scheme in 0 1; do # dark, light
			at="$width wide, $([ $scheme = 0 ] && echo dark || echo light)"
			check "$at: rendered" render $width $scheme
			is "$at: no complaint in the console" "$(cat "$dir/console")" ""
			is "$at: four curves" "$(grep -o '<path [^>]*stroke-width:2' "$dir/dom" | wc -l)" 4
			check "$at: the unbind is marked" grep -q 'class="name">unbound<' "$dir/dom"
			check "$at: the name did nothing" eval '! grep -q "<title>broken" "$dir/dom"'
		done
	done
fi

done_testing
