#!/bin/bash
# run.sh - check the models exhaustively, then their broken variants, each of which must be
# detected. TAP.
set -u
. "$(dirname "$0")/../tap.sh"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

if ! command -v spin >/dev/null; then
	echo "1..0 # SKIP there is no spin: apt-get install spin"
	exit 0
fi

# model FILE NAME DEFINES: run to the end or the first error; prints how much was looked at
model() {
	local file=$1 name=$2
	shift 2
	rm -f pan* ./*.trail
	spin "$@" -a "$here/$file" >"$name.spin" 2>&1 &&
		gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=12000 -DVECTORSZ=2048 -o pan pan.c 2>"$name.cc" &&
		./pan -m1000000 >"$name.out" 2>&1
	grep -E 'states, stored|max search depth too small|errors:|elapsed' "$name.out" | sed 's/^ */# /'
}

holds() { # FILE NAME WHAT DEFINES
	local file=$1 name=$2 what=$3
	shift 3
	model "$file" "$name" "$@"
	grep -q 'errors: 0' "$name.out" && ! grep -qE 'too small|not completed|out of memory' "$name.out"
	ok $? "$what: every interleaving holds"
}

breaks() { # FILE VARIANT DEFINES
	local file=$1 variant=$2
	shift 2
	model "$file" "$variant" "-D$variant" "$@"
	grep -q 'errors: [1-9]' "$variant.out"
	ok $? "the broken variant $variant is found out"
}

holds revoke.pml protocol "an owner, two putters with a spsc and the ring, a controller, three pages" \
	-DOPS="${OPS:-4}"
holds revoke.pml ring "the same, both with the ring" -DOWN_RINGS=0 -DOPS="${OPS:-3}"
for variant in NO_HEAVY CHECK_BEFORE_PUSH NO_EXCHANGE IGNORE_REFILLING FLAG_IN_POOL; do
	breaks revoke.pml $variant -DOPS=4
done
holds home.pml home "coming home, a chunk of one page" -DGETS=4
holds home.pml home2 "coming home, a chunk of two pages" -DNP=2 -DGETS=2
for variant in COLLECT_EARLY INBOX_HIGH; do
	breaks home.pml $variant -DGETS=4
done
holds own.pml own "another owner, three pages"
for variant in IN_PLACE NO_HEAVY NO_FLAG NO_EXCHANGE; do
	breaks own.pml $variant
done
holds take.pml take "taking from another's cache, four pages"
for variant in NO_HEAVY NO_FLAG POP_KEPT NOT_MOVED NOT_COUNTED; do
	breaks take.pml $variant
done
echo "1..$n"
exit $failed
