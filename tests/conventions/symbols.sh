#!/bin/bash
# symbols.sh ROOT LIBRARY... - what a library exports, what its headers declare and what its symbol
# map lists are the same. The map lists each symbol by its name: no pattern lets one out by mistake.
set -u
. "$(dirname "$0")/../tap.sh"
root=$1
shift
mapfile -t libraries < <(realpath "$@")
cd "$root" || exit 1

declared() { # HEADER...
	awk '/^PP_API/ { on = 1 } on { print } /;/ { on = 0 }' "$@" |
		grep -oE '\bpp_[a-z0-9_]+(\(| __attribute__)' | sed 's/[( ].*//' | sort -u
}
exported() { # LIBRARY
	nm -D --defined-only "$1" | awk '$2 ~ /[TDBR]/ { sub(/@.*/, "", $3); print $3 }' | grep '^pp_' | sort -u
}
listed() { # MAP: the global symbols of all versions
	awk '/global:/ { on = 1; next } /local:/ { on = 0 } on { print $1 }' "$1" | tr -d ';' | sort -u
}
same() { # WHAT EXPECTED FOUND
	[ "$2" = "$3" ]
	ok $? "$1"
	[ "$2" = "$3" ] || diff <(echo "$2") <(echo "$3") | sed 's/^/# /'
}

for library in "${libraries[@]}"; do
	name=$(basename "${library%%.so*}")
	case $name in
	libpagepool) map=src/$name.map headers='include/pagepool/*.h include/pagepool/inline/*.h' ;;
	*) map=${name#libpagepool-}/$name.map headers="${name#libpagepool-}/include/pagepool/*.h" ;;
	esac
	# shellcheck disable=SC2086 # a list of patterns
	offered=$(declared $headers)
	[ -n "$offered" ]
	ok $? "$name: its headers declare functions"
	same "$name: its map lists them, one by one" "$offered" "$(listed "$map")"
	same "$name: it exports them and nothing else" "$offered" "$(exported "$library")"
done
echo "1..$n"
exit $failed
