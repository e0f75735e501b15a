#!/bin/bash
# format.sh ROOT - the C sources in the folders below are formatted as .clang-format says (`make
# format`), by Debian 12's clang-format 14.
set -u
. "$(dirname "$0")/../tap.sh"
cd "$1" || exit 1
folders="src include examples tests net tool telemetry bench dpdk"

clang-format --version 2>/dev/null | grep -q 'version 14\.' || { echo "1..0 # SKIP there is no clang-format 14"; exit 0; }
# shellcheck disable=SC2086 # a list of words
sources=$(find $folders -name '*.[ch]' | sort)
[ -n "$sources" ]
ok $? "there are sources in $folders"
# shellcheck disable=SC2086
said=$(clang-format --dry-run -Werror $sources 2>&1)
status=$?
ok $status "they are laid out as .clang-format says; if not: make format"
[ $status = 0 ] || printf '%s\n' "$said" | grep error: | sed 's/^/# /'
echo "1..$n"
exit $failed
