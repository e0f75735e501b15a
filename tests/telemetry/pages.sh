#!/bin/bash
# pages.sh TOOL ROOT - how Chromium renders the documentation's site, and the page of a capture's
# report whose input's name would break it if it could. PP_SHOTS: a folder for screenshots.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
set -eu
tool=$(realpath "$1")
root=$(realpath "$2")
here=$(realpath "$(dirname "$0")")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

/usr/bin/python3 -c 'import markdown' 2>/dev/null || { echo "1..0 # SKIP there is no python3-markdown"; exit 0; }
"$root/scripts/site" "$dir/site" >"$dir/said" 2>&1 || { cat "$dir/said"; exit 1; }

# A name that would end the element that holds the data, and run.
hostile="$dir/<script>document.title='broken'<"
mkdir "$hostile"
hostile="$hostile/script>&\"'.pcap"
cp "$root/tests/data/real.pcap" "$hostile"
"$tool" capture -d "soft:pcap=$hostile,loop=5,rogue" -w /dev/null --hold 500 --unbind-after 10000 --rebind \
	--no-telemetry --report "$dir/report.html" >"$dir/said" 2>&1 || { cat "$dir/said"; exit 1; }

exec "$here/look.py" ${PP_SHOTS:+--shots "$PP_SHOTS"} "$dir"/site/*.html \
	--expect 'document.title.startsWith("pagepool: 23,400 packets")=true' \
	--expect 'document.querySelectorAll("path[style*=\"stroke-width:2\"]").length=4' \
	--expect '[...document.querySelectorAll(".name")].some(e => /unbound/.test(e.textContent))=true' \
	--expect '[...document.querySelectorAll(".name")].some(e => /bound again/.test(e.textContent))=true' \
	--expect '[...document.querySelectorAll("path[style*=\"stroke-width:2\"]")].every(e => Math.abs(e.getBBox().x + e.getBBox().width - e.ownerSVGElement.clientWidth + 10) < 1)=true' \
	"$dir/report.html"
