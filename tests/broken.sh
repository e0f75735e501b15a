# broken.sh - for tests of tests: a copy of the tree is broken in one place at a time, and the test in
# question must report that rule and no other. To be sourced behind tap.sh; what sources it has $dir
# and a function `run TEST`, whose output goes to $dir/said.
# shellcheck shell=bash disable=SC2034,SC2154

# copy_of ROOT WITHOUT...: into $dir/copy, which becomes the current folder
copy_of() {
	local from=$1 f
	shift
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@localhost
	export GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@localhost
	copy=$dir/copy
	mkdir "$copy"
	for f in "$from"/*; do # not what was built
		[ "$(basename "$f")" = out ] || [ -d "$f/meson-private" ] || cp -r "$f" "$copy"
	done
	cp -r "$from/.ci" "$from/.github" "$from/.clang-format" "$copy"
	cd "$copy" && rm -rf "$@" && git init -q . && git commit -q --allow-empty -m "Nothing yet" &&
		git add -A -f . && git commit -q -m "All of it" -m "This is why."
}

# fails TEST RULE - the test said "not ok" of this rule, and of no other
fails() {
	local status=0
	[ "$(grep '^not ok' "$dir/said" | sed 's/^not ok [0-9]* - //' | LC_ALL=C sort -u)" = "$2" ] || status=1
	ok $status "$1: ${2//$'\n'/, }"
	[ $status = 0 ] || sed 's/^/# /' "$dir/said"
}

# passes TEST - the copy as it is
passes() {
	run "$1"
	grep -q '^ok' "$dir/said" && ! grep '^not ok' "$dir/said"
	ok $? "$1: the copy as it is passes"
}

# broken TEST RULE FILE LINE - with this line at the end of the file
broken() {
	printf '%b\n' "$4" >>"$3"
	run "$1"
	fails "$1" "$2"
	restore "$3"
}

# edited TEST RULE FILE SED - which must change something
edited() {
	sed -i "$4" "$3"
	if git diff --quiet -- "$3"; then
		ok 1 "$1: $4 changes nothing in $3"
		return
	fi
	run "$1"
	fails "$1" "$2"
	restore "$3"
}

restore() { # FILE
	git checkout -q -- "$1" 2>/dev/null || rm -f "$1"
}
