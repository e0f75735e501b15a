#!/bin/bash
# acquires.sh SOURCE-ROOT [NUMBER ...] - weaken each acquire and each fence of the library's code,
# one at a time. Either a scenario of the short run detects it, or acquires.txt says why it isn't
# needed there. The compiler makes the list (weaken.c), so nothing here knows where a function is.
# TAP.
set -u
# shellcheck source=tests/explore/lib.sh
. "$(dirname "$0")/lib.sh"
shift

"$dir/whole/explore" acquires >"$dir/list"
[ -s "$dir/list" ]
ok $? "it has acquires and fences"

# Small to large, until one finds it out: with every race seen and no late load, then with one.
cat >"$dir/one" <<'END'
for how in "late=0 exact=1" ""; do
	# shellcheck disable=SC2086 # a list
	"$1/whole/explore" $how without="$2" quick >"$1/out.$2" 2>&1
	! grep -q '^not ok' "$1/out.$2" || break
done
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
		ok $? "left out, $what ($place) is not found out"
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
