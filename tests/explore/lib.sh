# lib.sh - how run.sh and acquires.sh begin; to be sourced, with SOURCE-ROOT first among the
# arguments. It builds the library's code over the explorer's environment: $dir/whole/explore. here:
# this folder; root: SOURCE-ROOT; dir: what goes at the end.
# shellcheck shell=bash
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
root=$(cd "$1" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

if [ "$(uname -m)" != x86_64 ]; then
	echo "1..0 # SKIP the explorer's coroutines are for x86-64"
	exit 0
fi

"$here/build.sh" "$root" "$dir/whole" -Werror >"$dir/log" 2>&1
ok $? "the library's code compiles over the explorer's environment"
sed 's/^/# /' "$dir/log"
