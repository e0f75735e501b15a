#!/bin/bash
# zero_cost.sh LIBRARY STEPS OPTIMIZATION SANITIZER - with the checker off the fast paths pay
# nothing for it: no test of a switch, no call, no memory of it touched.
#
#  - In the static library's objects: what the hot functions refer to. The switch is a static
#    variable of debug.c; the only ways to it are pp_debug_get and the functions of
#    env/debug.h.
#  - In the running program: STEPS prints every instruction that each call executes; none is
#    in a function or a file of the checker.
set -u
. "$(dirname "$0")/../tap.sh"
library=$1
steps=$2
optimization=$3
sanitizer=$4

skip_all() { # WHY
	echo "1..0 # SKIP $1"
	exit 0
}

[ "$sanitizer" = none ] || skip_all "instructions of a sanitizer's build are not the library's"
case $optimization in
2 | 3 | s) ;;
*) skip_all "a build without optimization has no fast path" ;;
esac
command -v objdump addr2line >/dev/null || skip_all "there is no objdump"

# ---- what the objects refer to -------------------------------------------------------------

# The symbols that the code of a function refers to, its cold part included.
refers() { # FUNCTION
	objdump -dr --no-show-raw-insn "$library" | awk -v fn="$1" '
		/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); sub(/\.cold(\.[0-9]+)?$/, "", name) }
		name == fn && /R_[A-Z0-9_]+/ { sub(/[-+]0x[0-9a-f]+$/, "", $3); print $3 }' | sort -u
}

# With -ffunction-sections or without, an object's own references.
object_refers() { # OBJECT: the name of the source with _ for /
	objdump -r "$library" | awk -v object="$1" '
		/file format/ { on = index($0, object ".c.o") > 0 }
		on && $2 ~ /^R_/ { sub(/[-+]0x[0-9a-f]+$/, "", $3); print $3 }' | sort -u
}

switch='^(pp_debug_|debug_)'

has() { # FUNCTION
	nm "$library" 2>/dev/null | grep -q " T $1\$"
}

for fn in pp_page_get pp_page_put pp_page_get_batch pp_page_put_batch pp_dma_sync_at binding_peek; do
	has $fn && ! refers $fn | grep -qE "$switch"
	ok $? "$fn refers to nothing of the checker's switch"
	refers $fn | grep -E "$switch" | sed 's/^/# /'
done
for object in src_pool_cache src_pool_owner src_pool_remote src_pool_revoke; do
	[ -n "$(object_refers $object)" ] && ! object_refers $object | grep -qE "$switch"
	ok $? "nor does anything in $object.c.o"
done
# the test of the test: where the switch is looked at, this finds it
refers pp_dma_map_at | grep -qE "$switch"
ok $? "pp_dma_map_at does"

# ---- what is executed ----------------------------------------------------------------------

out=$("$steps")
status=$?
if [ $status = 77 ]; then
	n=$((n + 1))
	echo "ok $n - what is executed # SKIP no stepping through a process here"
	echo "1..$n"
	exit $failed
fi
[ $status = 0 ]
ok $? "every fast path was stepped through"
[ $status = 0 ] || tail -1 <<<"$out" | sed 's/^/# /'

# Functions, inlined ones too, and files of the instructions of one call.
executed() { # NAME
	awk -v name="$1: " 'index($0, name) == 1 { on = 1; next } /: / { on = 0 } on' <<<"$out" |
		sort -u | addr2line -f -i -e "$steps" | paste - - | sort -u
}

while read -r line; do
	call=${line%: *}
	parts=$(executed "$call")
	bad=$(grep -E "^(pp_debug_|debug_|holders_|misuse_|check_|env_(symbol|now_ns|thread_id|is_ours))|/(debug|holders|check)\.[ch]:" \
		<<<"$parts")
	[ -n "$parts" ] && [ -z "$bad" ]
	ok $? "$call: none of its ${line##*: } instructions is the checker's"
	[ -z "$bad" ] || sed 's/^/# /' <<<"$bad"
	echo "# $(cut -f1 <<<"$parts" | sort -u | tr '\n' ' ')"
done < <(grep ': ' <<<"$out")
echo "1..$n"
exit $failed
