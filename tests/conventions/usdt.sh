#!/bin/bash
# usdt.sh LIBRARY on|off - the library has the probes that docs/telemetry.md lists or, built without
# them, none; and each is fit for perf. Judged by readelf.
set -u
export LC_ALL=C
notes=$(readelf -n "$1" | awk '/Provider:/ { p = $2 } /Name:/ { n = $2 }
	/Arguments:/ { if (p) { printf "%s:%s", p, n; for (i = 2; i <= NF; i++) printf " %s", $i; print "" } p = "" }')
names=$(printf '%s\n' "$notes" | awk 'NF { print $1 }' | sort -u | tr '\n' ' ')
want=
[ "$2" = on ] && want="pagepool:fault pagepool:get pagepool:grow pagepool:put pagepool:revoke "
echo "1..2"
failed=0
if [ "$names" = "$want" ]; then
	echo "ok 1 - probes: ${want:-none}"
else
	echo "not ok 1 - probes: ${want:-none}"
	echo "# there are: $names"
	failed=1
fi
# perf leaves a constant out, and refuses a probe whose places differ in number or type
shapes=$(printf '%s\n' "$notes" | sed -E 's/@\$[^ ]*/ (a constant)/g; s/@[^ ]*//g' | sort -u)
if [ "$(printf '%s\n' "$shapes" | awk '{ print $1 }' | sort | uniq -d)" = "" ] && [[ $shapes != *constant* ]]; then
	echo "ok 2 - each has the same arguments in all its places"
else
	echo "not ok 2 - each has the same arguments in all its places"
	printf '%s\n' "$shapes" | sed 's/^/# /'
	failed=1
fi
exit $failed
