#!/bin/bash
# site.sh ROOT - the documentation's pages can be made, no link between them leads nowhere,
# and Chromium has no complaint about any, at a desk's width and a phone's, light and dark.
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
chromium=$(command -v chromium || command -v chromium-browser)
for page in "$dir"/site/*.html; do
	[ -n "$chromium" ] || break
	case $page in *.3.html) continue ;; esac # made as pagepool.1.html is
	complaints=
	for how in "1280 0" "1280 1" "390 0" "390 1"; do
		HOME=$dir "$chromium" --headless=old --no-sandbox --disable-gpu --enable-logging=stderr \
			--user-data-dir="$dir/chromium" --window-size="${how% *},900" \
			--blink-settings=preferredColorScheme="${how#* }" --dump-dom "file://$page" \
			2>"$dir/log" </dev/null | grep -q '<main>' || complaints="$complaints $how: no page"
		complaints=$complaints$(grep CONSOLE "$dir/log")
	done
	[ -z "$complaints" ]
	ok $? "$(basename "$page"): no complaint in the console" "$complaints"
done
echo "1..$n"
exit $failed
