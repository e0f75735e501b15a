#!/bin/bash
# usdt.sh LIBRARY on|off - the probes that docs/telemetry.md names are there, or, in a build
# without them, nothing of any is. readelf says so.
set -u
notes=$(readelf -n "$1" | awk '/Provider:/ { p = $2 } /Name:/ { if (p) print p ":" $2; p = "" }' | sort -u | tr '\n' ' ')
want=
[ "$2" = on ] && want="pagepool:fault pagepool:get pagepool:grow pagepool:put pagepool:revoke "
echo "1..1"
if [ "$notes" = "$want" ]; then
	echo "ok 1 - probes: ${want:-none}"
else
	echo "not ok 1 - probes: ${want:-none}"
	echo "# there are: $notes"
	exit 1
fi
