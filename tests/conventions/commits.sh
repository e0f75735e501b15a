#!/bin/bash
# commits.sh ROOT - the form of the commits that have come since this test: a subject of at most 72
# columns without a full stop, an empty line, a body; no fixup! or squash! is left. Skipped where
# there is no git history.
set -u
. "$(dirname "$0")/../tap.sh"
cd "$1" || exit 1

git rev-parse --git-dir >/dev/null 2>&1 && [ "$(git rev-parse --is-shallow-repository)" = false ] ||
	{ echo "1..0 # SKIP there is no git history"; exit 0; }
first=$(git log --format=%H --diff-filter=A -- tests/conventions/commits.sh | tail -1)
[ -n "$first" ] || { echo "1..0 # SKIP this test isn't committed"; exit 0; }

wrong() { # MESSAGE: what is wrong with it, a line for each
	local subject second body
	{ IFS= read -r subject; IFS= read -r second; IFS= read -r -d '' body; } <<<"$1"
	[ ${#subject} -le 72 ] || echo "#   the subject has ${#subject} columns, at most 72"
	[[ $subject != *. ]] || echo "#   the subject ends with a full stop"
	[[ ! $subject =~ ^(fixup|squash|amend)! ]] || echo "#   it belongs into another commit"
	[ -z "$second" ] || echo "#   the subject is more than one line"
	[ -n "${body//[[:space:]]/}" ] || echo "#   there is no body, which says why"
}
bad=
count=0
while IFS= read -r -d '' commit; do
	count=$((count + 1))
	message=${commit#*$'\n'}
	said=$(wrong "$message")
	[ -z "$said" ] || bad+="# ${commit%%$'\n'*} ${message%%$'\n'*}:"$'\n'$said$'\n'
done < <(git log -z --no-merges --format='%h%n%B' "$first^..HEAD")
[ $count -gt 0 ]
ok $? "there are commits to look at: $count"
[ -z "$bad" ]
ok $? "their messages have the form that CONTRIBUTING.md asks for"
printf %s "$bad"
echo "1..$n"
exit $failed
