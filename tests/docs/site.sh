#!/bin/bash
# site.sh ROOT - the documentation's pages can be made, and no link between them leads nowhere.
# What a browser makes of them is tests/watch/pages.sh's.
set -u
root=$1
/usr/bin/python3 -c 'import markdown' 2>/dev/null || { echo "1..0 # SKIP there is no python3-markdown"; exit 0; }
command -v mandoc >/dev/null || { echo "1..0 # SKIP there is no mandoc"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
failed=0

ok() { # STATUS WHAT [WHY]
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	echo "not ok $n - $2"
	printf '%s\n' "${3:-}" | sed 's/^/# /'
	failed=1
}

said=$("$root/scripts/site" "$dir/site" 2>&1)
ok $? "the pages are made, and every link leads somewhere" "$said"
echo "1..$n"
exit $failed
