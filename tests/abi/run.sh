#!/bin/bash
# run.sh ROOT LIBRARY DUMP ... - the libraries against the ABI that was stored (abidiff): no
# function, type, value or version has changed or gone. New functions may come.
set -u
root=$(cd "$1" && pwd) || exit 1
shift
command -v abidiff >/dev/null || { echo "1..0 # SKIP there is no abidiff (abigail-tools)"; exit 0; }
n=0
failed=0

while [ $# -gt 0 ]; do
	n=$((n + 1))
	if ! readelf -S "$1" | grep -q '\.debug_info'; then
		echo "ok $n - $(basename "$1") # SKIP it has no debug information"
	elif said=$(abidiff --headers-dir2 "$root/include" --headers-dir2 "$root/telemetry/include" --headers-dir2 "$root/net/include" \
		--drop-private-types --suppressions "$root/tests/abi/private.abignore" --no-added-syms "$2" "$1" 2>&1); then
		echo "ok $n - $(basename "$1") is what $(basename "$2") says"
	else
		echo "not ok $n - $(basename "$1") is what $(basename "$2") says"
		printf '%s\n' "$said" "If it is meant: make abi" | sed 's/^/# /'
		failed=1
	fi
	shift 2
done
echo "1..$n"
exit $failed
