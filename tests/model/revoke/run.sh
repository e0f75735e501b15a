#!/bin/bash
# run.sh - the model checked exhaustively, and then its broken variants, each of which must
# be found out. TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0
failed=0

ok() { # STATUS WHAT
	n=$((n + 1))
	[ "$1" = 0 ] && echo "ok $n - $2" && return
	echo "not ok $n - $2"
	failed=1
}

if ! command -v spin >/dev/null; then
	echo "1..0 # SKIP there is no spin: apt-get install spin"
	exit 0
fi

# model NAME DEFINES: run to the end or the first error; prints how much was looked at
model() {
	local name=$1
	shift
	rm -f pan* ./*.trail
	spin "$@" -a "$here/revoke.pml" >"$name.spin" 2>&1 &&
		gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=12000 -o pan pan.c 2>"$name.cc" &&
		./pan -m200000 >"$name.out" 2>&1
	grep -E 'states, stored|max search depth too small|errors:|elapsed' "$name.out" | sed 's/^ */# /'
}

model protocol -DOPS="${OPS:-4}"
grep -q 'errors: 0' protocol.out && ! grep -qE 'too small|Search not completed|out of memory' protocol.out
ok $? "three pages, an owner, two putters, a controller: every interleaving holds"

for variant in NO_HEAVY CHECK_BEFORE_PUSH NO_EXCHANGE IGNORE_REFILLING FLAG_IN_POOL; do
	model $variant -D$variant -DOPS=4
	grep -q 'errors: [1-9]' $variant.out
	ok $? "without it, it breaks: $variant"
done
echo "1..$n"
exit $failed
