#!/bin/bash
# run.sh FUZZER NAME RUNS - the short, deterministic run of one fuzzer: every input of its corpus,
# every input written by hand or found earlier, then RUNS inputs derived from the corpus with a
# fixed seed.
set -u
. "$(dirname "$0")/../tap.sh"
fuzzer=$1
corpus=$(dirname "$0")/corpus/$2
found=$(dirname "$0")/found/$2
seeds=$(dirname "$0")/seeds/$2
runs=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/new"

# a failure's input, to be run again: it is shown, as the folder goes
check() { # WHAT COMMAND...
	"${@:2}" >"$dir/log" 2>&1
	local status=$?
	ok $status "$1"
	[ $status != 0 ] || return
	tail -60 "$dir/log" | cut -c 1-300 | sed 's/^/# /'
	for input in "$dir"/crash-* "$dir"/leak-* "$dir"/timeout-* "$dir"/oom-*; do
		[ -f "$input" ] && echo "# the input, in base64: $(base64 -w 0 "$input")"
	done
}

# no input may make it slow either, but how slow the machine is, is no fault: no time limits
common=(-timeout=0 -rss_limit_mb=0 "-artifact_prefix=$dir/")
inputs=("$corpus"/*)
[ ! -d "$found" ] || inputs+=("$found"/*)
[ ! -d "$seeds" ] || inputs+=("$seeds"/*)
check "${#inputs[@]} inputs that are kept" "$fuzzer" "${common[@]}" "${inputs[@]}"
check "$runs inputs made from them" "$fuzzer" "${common[@]}" -seed=1 -runs="$runs" -max_len=600 \
	-len_control=0 -print_new=0 -print_funcs=0 "$dir/new" "$corpus"
echo "1..$n"
exit $failed
