#!/bin/bash
# site.sh ROOT - the documentation's site can be built, and has no dead link.
# tests/telemetry/pages.sh looks at it in a browser.
set -u
root=$1
/usr/bin/python3 -c 'import markdown' 2>/dev/null || { echo "1..0 # SKIP there is no python3-markdown"; exit 0; }
command -v mandoc >/dev/null || { echo "1..0 # SKIP there is no mandoc"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/../tap.sh"

said=$("$root/scripts/site" "$dir/site" 2>&1)
status=$?
ok $status "the pages are made, and every link leads somewhere"
[ $status = 0 ] || printf '%s\n' "$said" | sed 's/^/# /'
echo "1..$n"
exit $failed
