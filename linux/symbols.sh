#!/bin/sh
# symbols.sh - do two built kernel trees offer the same page_pool?
#
#   linux/symbols.sh TREE_STOCK TREE_OURS
#
# Compares what net/core/page_pool.o defines for the rest of the kernel and what it exports to
# modules (with the CRC of each symbol's type, where modversions are on). Prints what differs.
# SPDX-License-Identifier: GPL-2.0-only
set -eu
[ $# = 2 ] || { echo "symbols.sh: say which trees: symbols.sh TREE_STOCK TREE_OURS" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# offered TREE - "defined NAME" and "exported NAME [CRC]"; the shrinker's initcall is our own
offered() {
	object=$1/net/core/page_pool.o
	[ -f "$object" ] || { echo "symbols.sh: $object is missing: build the tree first" >&2; return 1; }
	nm -g --defined-only "$object" | awk '{ print "defined", $3 }'
	nm "$object" | awk '$3 ~ /^__export_symbol_/ { sub("__export_symbol_", "", $3); print "exported", $3 }'
	for list in Module.symvers vmlinux.symvers; do
		[ -f "$1/$list" ] || continue
		awk '$2 ~ /^page_pool_/ { print "exported", $2, $1, $4 }' "$1/$list"
		break
	done
}
offered "$1" >"$work/all" || exit 1
sort "$work/all" >"$work/stock"
offered "$2" >"$work/all" || exit 1
sort "$work/all" >"$work/ours"
grep -q '^exported' "$work/stock" || { echo "symbols.sh: $1 exports no page_pool: is it built?" >&2; exit 1; }
diff "$work/stock" "$work/ours" >"$work/diff" && { echo "$(grep -c ^defined "$work/ours") symbols, the same in both"; exit 0; }
echo "symbols.sh: the trees differ (<: stock alone, >: ours alone)" >&2
cat "$work/diff"
exit 1
