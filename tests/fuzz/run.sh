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

# A seed that the calls have moved away from does something else, and nothing fails.
as_named() {
	local seed glob line status=0
	PAGEPOOL_FUZZ_TRACE=1 "$fuzzer" "${common[@]}" "$seeds"/* >"$dir/trace" 2>&1 || return
	for seed in "$seeds"/*; do
		awk -v seed="$seed" '/^Running: / { on = $2 == seed } on' "$dir/trace" >"$dir/one"
		seed=${seed##*/}
		grep -v '^#' "$seeds.txt" | while IFS=: read -r glob line; do
			# shellcheck disable=SC2053 # it is a pattern
			[[ $seed == $glob ]] && echo "$line"
		done >"$dir/lines"
		[ -s "$dir/lines" ] || { echo "$seed: $seeds.txt doesn't say what it does"; status=1; }
		while read -r line; do
			grep -qE -- "$line" "$dir/one" || { echo "$seed: not found: $line"; status=1; }
		done <"$dir/lines"
	done
	return $status
}
[ ! -f "$seeds.txt" ] || check "each that was written by hand does what its name says" as_named
check "$runs inputs made from them" "$fuzzer" "${common[@]}" -seed=1 -runs="$runs" -max_len=600 \
	-len_control=0 -print_new=0 -print_funcs=0 "$dir/new" "$corpus"
echo "1..$n"
exit $failed
