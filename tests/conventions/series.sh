#!/bin/bash
# series.sh ROOT - linux/series and linux/apply: a tree that they don't fit is refused with a message
# and left unchanged; on the sources of a kernel that they fit, 6.12 and 7.2, if scripts/vm-prebuilt
# has fetched them, each step becomes a commit, and the patches produce the same tree, as apply does.
# Nothing is fetched or compiled. TAP.
set -u
. "$(dirname "$0")/../tap.sh"
series=$1/linux/series
kept=${PAGEPOOL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pagepool}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for tool in spatch git perl; do
	command -v $tool >/dev/null || { echo "1..0 # SKIP there is no $tool"; exit; }
done
export OUT=$dir/out GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@localhost
export GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@localhost
mapfile -t steps < <(awk '!/^#/ { print $1 }' "$series/steps")

refused() { # SENTENCE ARGUMENT ...: of make
	local sentence=$1
	shift
	! "$series/make" "$@" >"$dir/said" 2>&1 && [ "$(grep -c "$sentence" "$dir/said")" = 1 ] && [ ! -e "$OUT" ] && return
	sed 's/^/# /' "$dir/said"
	return 1
}

# tree DIRECTORY PATCHLEVEL - what passes for a kernel
tree() {
	mkdir -p "$1/net/core"
	printf 'VERSION = 7\nPATCHLEVEL = %s\n' "$2" >"$1/Makefile"
	echo 'int page_pool;' >"$1/net/core/page_pool.c"
	touch "$1/Kconfig"
}

refused "say which kernel tree"
ok $? "no tree is refused"
refused "is no kernel tree: unpack" "$dir"
ok $? "what is no kernel tree is refused"
tree "$dir/older" 1
refused "is Linux 7.1, and the series is for 6.12 and 7.2" "$dir/older"
ok $? "another version is refused"
tree "$dir/other" 2
refused "${steps[0]} does not fit this tree" "$dir/other"
ok $? "a tree that the first step does not fit is refused"
[ "$(git -C "$dir/other" log --oneline | wc -l)" = 1 ] && [ -z "$(git -C "$dir/other" status --porcelain)" ]
ok $? "... and has no more than it had"

for step in "${steps[@]}" iommufd-unmap-by-leaf; do
	awk 'length > 75 && !/^(Fixes|Link): / { bad = 1 } END { exit bad }' "$series/$step/message"
	ok $? "$step: its message has no long line"
done

# laid VERSION - by apply, once and twice; its sources are $source, if they are there
laid() {
	source=$(find "$kept" -maxdepth 2 -path "*/prebuilt-$1-[0-9]*/source" 2>/dev/null | head -n 1)
	[ -f "$source/net/Kconfig" ] || { echo "ok $((n += 1)) # SKIP no sources of Linux $1: scripts/vm-prebuilt $1 fetches them"; return; }
	cp -r "$source" "$dir/laid-$1"
	"$series/../apply" "$dir/laid-$1" && cp -r "$dir/laid-$1" "$dir/twice" && "$series/../apply" "$dir/twice"
	ok $? "apply fits $1"
	[ -f "$dir/twice/net/core/page_pool_chunk.c" ] && diff -r "$dir/laid-$1" "$dir/twice" >/dev/null && rm -r "$dir/twice"
	ok $? "... and twice changes nothing"
}
laid 6.12
laid 7.2
if [ ! -f "$source/net/Kconfig" ]; then
	echo "1..$n"
	exit $failed
fi
cp -r "$source" "$dir/tree"
"$series/make" "$dir/tree" >"$dir/said" 2>&1 || sed 's/^/# /' "$dir/said"
[ "$(git -C "$dir/tree" log --format=%s | wc -l)" = $((${#steps[@]} + 1)) ]
ok $? "each step is a commit"
diff -r -x .git "$dir/tree" "$dir/laid-7.2" >/dev/null
ok $? "the tree is the one that apply makes"
! grep -q "STEP_" "$dir/tree/net/core/page_pool_chunk.c"
ok $? "no mark of a step is left"
mapfile -t patches < <(find "$OUT/series" -name '*.patch' ! -name '0000-*' | sort)
git -C "$dir/tree" checkout -q --detach page-pool~${#steps[@]} && git -C "$dir/tree" am -q "${patches[@]}" &&
	git -C "$dir/tree" diff --quiet page-pool
ok $? "the patches apply, and make the same tree"
! grep -q '\*\*\* [A-Z]* HERE' "$OUT"/series/0000*
ok $? "there is a cover letter"
# again - the tree as it was, without the branch
again() {
	git -C "$dir/tree" checkout -q -f --detach "page-pool~$1" && git -C "$dir/tree" branch -q -D page-pool && rm -rf "$OUT"
}
again ${#steps[@]}
if [ -f "$source/drivers/iommu/iommu-pages.h" ]; then
	"$series/make" "$dir/tree" iommufd-unmap-by-leaf >"$dir/said" 2>&1 || sed 's/^/# /' "$dir/said"
	[ "$(cd "$OUT/series" && echo *)" = 0001-iommufd-ask-once-for-each-entry-when-a-range-is-unma.patch ]
	ok $? "a step that is named is a patch without a cover letter"
	again 1
fi
cp -r "$series" "$dir/series"
echo 'semantic net/core/page_pool.c none.cocci' >"$dir/series/held-mem/edit"
printf '@@\n@@\n-no_such_call();\n' >"$dir/series/held-mem/none.cocci"
series=$dir/series
refused "held-mem/none.cocci finds nothing to change" "$dir/tree"
ok $? "a step that does not fit is refused"
[ "$(git -C "$dir/tree" log --format=%s | head -n 1)" = "page_pool: give idle chunks back" ]
ok $? "... and the branch ends before it"
echo "1..$n"
exit $failed
