#!/bin/bash
# acquires.sh SOURCE-ROOT [NUMBER ...] - leave out each acquire and each fence of the library's
# code, one at a time: what a load or a read-modify-write acquires, or all that a fence does. Either
# the scenarios of the short run find it out, or acquires.txt says why it isn't needed there. The
# list is the compiler's own (weaken.c), so nothing here knows where a function is. TAP.
#
# Each is left out only in the scenarios where it makes a difference. That is as strict as all of
# them: first the whole code is searched, and for each scenario it is noted at which operations a
# thread, in any state, acquires what it doesn't know yet, or passes a fence (weaken_note). Without
# an operation that isn't among them the search takes the same steps and finds the same: nothing.
set -u
# shellcheck source=tests/explore/lib.sh
. "$(dirname "$0")/lib.sh"
shift

"$dir/whole/explore" acquires >"$dir/list"
[ -s "$dir/list" ]
ok $? "it has acquires and fences"

# With every race seen and no late load, and with late loads: where there are none, the first has
# searched no less.
"$dir/whole/explore" late=0 exact=1 taught=1 quick >"$dir/exact" 2>&1 &
"$dir/whole/explore" taught=1 quick >"$dir/late" 2>&1
late=$?
wait $!
ok $((late + $?)) "with all of them every schedule of the short run holds"

# NUMBER STATES SCENARIO OPTION ...: small to large
awk '/ late loads? at most/ { name = $2; sub(":", "", name); late = $3; states = $8 }
	/^# taught by:/ && (FILENAME ~ /exact$/ || late > 0) {
		how = FILENAME ~ /exact$/ ? "late=0 exact=1" : "late=" late
		for (i = 4; i <= NF; i++)
			print $i, states, name, how
	}' "$dir/exact" "$dir/late" | sort -n -k 1,1 -k 2,2 >"$dir/tries"

# Until one finds it out.
cat >"$dir/one" <<'END'
grep "^$2 " "$1/tries" | while read -r number states name how; do
	# shellcheck disable=SC2086 # a list
	"$1/whole/explore" $how without="$number" "$name" || break
done >"$1/out.$2" 2>&1
END
seq "$(wc -l <"$dir/list")" | if [ $# -gt 0 ]; then printf '%s\n' "$@"; else cat; fi |
	xargs -P "$(nproc)" -n 1 sh "$dir/one" "$dir"

# FUNCTION: OPERATION: REASON
reason() {
	awk -F': ' -v f="$1" -v o="$2" '$1 == f && $2 == o { sub(/^[^:]*: [^:]*: /, ""); print }' \
		"$here/acquires.txt"
}

: >"$dir/explained"
while IFS=$'\t' read -r number function operation place; do
	out=$dir/out.$number
	[ -e "$out" ] || continue
	what="$function: $operation"
	if grep -q '^not ok' "$out"; then
		ok 0 "left out, $what ($place) is found out in $(sed -n 's/^not ok [0-9]* - //p' "$out")"
		sed -n 's/^#  *\(then: \)\?\(.*[^ ]\)$/#  \2/p' "$out" | tail -n1
	else
		why=$(reason "$function" "$operation")
		[ -n "$why" ]
		ok $? "left out, $what ($place) is not found out in the $(grep -c '^ok' "$out") searches where it makes a difference"
		echo "#  ${why:-acquires.txt does not say why}"
		echo "$what: " >>"$dir/explained"
	fi
done <"$dir/list"

# nothing is explained that isn't there, or is found out
while [ $# = 0 ] && IFS= read -r line; do
	grep -qxF "$(sed 's/^\([^:]*: [^:]*: \).*/\1/' <<<"$line")" "$dir/explained"
	ok $? "what acquires.txt explains is not found out: $(cut -d: -f1,2 <<<"$line")"
done < <(grep -v '^#\|^$' "$here/acquires.txt")
echo "1..$n"
exit $failed
