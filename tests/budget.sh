#!/bin/bash
# budget.sh STEPS BUDGET OPTIMIZATION SANITIZER - the instructions of each fast path against the
# stored budget: a twentieth more, or one instruction, is let pass.
#
# budget.sh STEPS BUDGET store - write the budget anew; see `make budget`.
set -u
. "$(dirname "$0")/tap.sh"
steps=$1
budget=$2

# what STEPS was compiled with
built_by() {
	readelf -p .comment "$steps" | awk '
		/clang version/ { clang = $0; sub(/.*clang version /, "", clang); sub(/[ -].*/, "", clang) }
		/GCC: / { gcc = $NF }
		END { print clang ? "clang " clang : "gcc " gcc }'
}

counts() { grep ': [0-9]*$' <<<"$out" | sort; }

out=$("$steps")
status=$?

if [ "$3" = store ]; then
	[ "$status" = 0 ] || { echo "The fast paths can't be stepped through here." >&2; exit 1; }
	{
		echo "# Instructions of a call, batches of 32, checker off: checked by tests/budget.sh,"
		echo "# written by make budget with the compiler"
		echo "compiler: $(built_by)"
		counts
	} >"$budget"
	exit
fi

skip_all() { # WHY
	echo "1..0 # SKIP $1"
	exit 0
}

compiler=$(sed -n 's/^compiler: //p' "$budget")
[ "$(built_by)" = "$compiler" ] || skip_all "the budget is $compiler's, not $(built_by)'s"
[ "$3" = 2 ] || skip_all "the budget is that of -O2"
[ "$4" = none ] || skip_all "instructions of a sanitizer's build are not the library's"
[ $status = 77 ] && skip_all "no stepping through a process here"

[ $status = 0 ]
ok $? "every fast path was stepped through"
while IFS=: read -r call allowed; do
	allowed=${allowed# }
	slack=$((allowed < 20 ? 1 : allowed / 20))
	took=$(counts | sed -n "s/^$call: //p")
	[ -n "$took" ] && [ "$took" -le $((allowed + slack)) ]
	ok $? "$call: ${took:-no} instructions, the budget is $allowed"
	[ -z "$took" ] || [ "$took" -ge $((allowed - slack)) ] ||
		echo "# that is fewer: make budget stores it"
done < <(grep -v -e '^#' -e '^compiler: ' "$budget")
for call in pp_page_get pp_page_put pp_page_get_batch pp_page_put_batch; do
	cmp -s <(counts | sed -n "s/^$call: //p") <(counts | sed -n "s/^$call unmapped: //p")
	ok $? "$call: as many for a mapped pool as for an unmapped one"
done
echo "1..$n"
exit $failed
