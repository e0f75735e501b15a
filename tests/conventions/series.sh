#!/bin/bash
# series.sh ROOT - linux/series: a tree that it does not fit is refused with a sentence and left as
# it was; on the sources of a kernel that it fits, if scripts/vm-prebuilt has fetched one, each step
# becomes a commit, and the patches make the same tree. Nothing is fetched or compiled. TAP.
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
mapfile -t steps < <(grep -v '^#' "$series/steps")

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
refused "is Linux 7.1, and the series is for 7.2" "$dir/older"
ok $? "another version is refused"
tree "$dir/other" 2
refused "${steps[0]} does not fit this tree" "$dir/other"
ok $? "a tree that the first step does not fit is refused"
[ "$(git -C "$dir/other" log --oneline | wc -l)" = 1 ] && [ -z "$(git -C "$dir/other" status --porcelain)" ]
ok $? "... and has no more than it had"

for step in "${steps[@]}"; do
	awk 'length > 75 && !/^(Fixes|Link): / { bad = 1 } END { exit bad }' "$series/$step/message"
	ok $? "$step: its message has no long line"
done

source=$(find "$kept" -maxdepth 2 -path '*/prebuilt-7.2-*/source' 2>/dev/null | head -n 1)
if [ ! -f "$source/tools/testing/selftests/Makefile" ]; then
	echo "ok $((n += 1)) # SKIP no sources of Linux 7.2: scripts/vm-prebuilt 7.2 fetches them"
	echo "1..$n"
	exit $failed
fi
cp -r "$source" "$dir/tree"
"$series/make" "$dir/tree" >"$dir/said" 2>&1 || sed 's/^/# /' "$dir/said"
[ "$(git -C "$dir/tree" log --format=%s | wc -l)" = $((${#steps[@]} + 1)) ]
ok $? "each step is a commit"
! grep -q "STEP_" "$dir/tree/net/core/page_pool_chunk.c"
ok $? "no mark of a step is left"
git -C "$dir/tree" checkout -q --detach page-pool~${#steps[@]} && git -C "$dir/tree" am -q "$OUT"/series/000[1-9]*.patch &&
	git -C "$dir/tree" diff --quiet page-pool
ok $? "the patches apply, and make the same tree"
! grep -q '\*\*\* [A-Z]* HERE' "$OUT"/series/0000*
ok $? "there is a cover letter"
cp -r "$series" "$dir/series"
echo 'semantic net/core/page_pool.c none.cocci' >"$dir/series/held-mem/edit"
printf '@@\n@@\n-no_such_call();\n' >"$dir/series/held-mem/none.cocci"
git -C "$dir/tree" checkout -q -f --detach page-pool~${#steps[@]} && git -C "$dir/tree" branch -q -D page-pool && rm -rf "$OUT"
series=$dir/series
refused "held-mem/none.cocci finds nothing to change" "$dir/tree"
ok $? "a step that does not fit is refused"
[ "$(git -C "$dir/tree" log --format=%s | head -n 1)" = "page_pool: give idle chunks back" ]
ok $? "... and the branch ends before it"
echo "1..$n"
exit $failed
