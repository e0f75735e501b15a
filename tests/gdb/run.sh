#!/bin/bash
# run.sh ROOT PROGRAM - scripts/gdb/pagepool.py prints the pools of crash.c correctly, in the live
# process and from a core.
set -u
root=$1
program=$2
. "$(dirname "$0")/../tap.sh"
command -v gdb >/dev/null || { echo "1..0 # SKIP there is no gdb"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cat >"$dir/ask" <<'G'
pagepool pools
pagepool pool alive
pagepool holders
pagepool page held[2]
pagepool page held[4]
pagepool page held[5]
pagepool page inside
pagepool pool nobody
G
gdb() { command gdb -nx -batch -iex 'set debuginfod enabled off' "$@" </dev/null; }
gdb -ex run -ex "generate-core-file $dir/core" -ex "source $root/scripts/gdb/pagepool.py" \
	-x "$dir/ask" "$program" >"$dir/live" 2>&1
if ! grep -q 'received signal SIGTRAP' "$dir/live"; then
	echo "1..0 # SKIP gdb can't run a program here"
	exit 0
fi
gdb -ex "source $root/scripts/gdb/pagepool.py" -x "$dir/ask" "$program" "$dir/core" >"$dir/core.said" 2>&1

shows() { # FILE WHAT LINE: an extended expression for a whole line
	grep -qxE -- "$3" "$1"
	local status=$?
	ok $status "$2"
	[ $status = 0 ] || { echo "# $3"; sed 's/^/# /' "$1"; }
}
for from in live core.said; do
	said=$dir/$from
	from=${from%.said}
	shows "$said" "$from: a zombie, with its pages in flight" '1 +destroyed +1 +512 +2  zombie of device nic0'
	shows "$said" "$from: a living pool" '2 +alive +1 +512 +2  alive'
	shows "$said" "$from: where its pages are" '  2 in flight, 253 in the owner.s cache, 1 put by other threads, 256 in the chunks'
	shows "$said" "$from: its chunk" '  chunk 0x[0-9a-f]+, DMA address 0x[0-9a-f]+: 256 of 512 pages home'
	shows "$said" "$from: holders that nobody noted" ' +2  not known: the pool was made without PAGEPOOL_DEBUG=pages'
	shows "$said" "$from: a holder with a tag" ' +1  got at (watched \(.*crash\.c\)|.*crash\.c:[0-9]+) by thread [0-9]+, tagged reassembly'
	shows "$said" "$from: a page with references" '  3 references; holder not known: .*'
	shows "$said" "$from: a page that its owner put" "  free: in the owner's cache"
	shows "$said" "$from: a page that another thread put" '  free: put by another thread'
	shows "$said" "$from: a page by an address in it" 'page 0x[0-9a-f]+ of pool zombie of device nic0, DMA address 0x[0-9a-f]+'
	grep -q 'There is no pool nobody' "$said"
	ok $? "$from: a pool that isn't there"
done
echo "1..$n"
exit $failed
