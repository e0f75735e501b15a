#!/bin/bash
# build.sh SOURCES OUT [FLAG ...] - compile the library's sources against the explorer's environment
# and link them with it. SOURCES holds src/ and include/, intact or broken. OUT/explore NAME runs a
# scenario; `addr2line -fe OUT/explore` resolves the code addresses that it prints. LIKE="SOURCES OUT":
# of another one that was built, with the same headers and flags; only what differs is compiled.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$1 out=$2
read -r like_root like_out <<<"${LIKE:-}"
shift 2
mkdir -p "$out"

# smaller than life: every path is there, with fewer turns
small="-DPOOL_REFILL=2u -DPOOL_FEW=1u -DPOOL_HINT=1u -DPOOL_SPSC_RINGS=1u -DPOOL_SPSC_SLOTS=2u
	-DPOOL_MPSC_SLOTS=2u -DPOOL_DEVICES=1u -DPOOL_SPAN=2u -DPOOL_GROW=1u -DPOOL_TRIM=2u -DPOOL_COLLECT=1u -DPOOL_RUN=1u -DKNOWN_RINGS=1u -DKNOWN_OWN=1u -DSLOT_BITS=2"
flags="-std=gnu17 -O1 -g -D_GNU_SOURCE -fno-pie -fno-strict-aliasing -fno-tree-vectorize
	-fno-stack-protector -U_FORTIFY_SOURCE -Wall -Wextra -Wno-unused-value $small -I$here -I$root/include -I$root/src
	-include env/atomics.h $*"
cc=${CC:-gcc}

# The library's own code. The compiler reports its plain accesses (machine.c has the functions),
# and its data is put where the explorer finds it.
lib=
for file in "$root"/src/pool/*.c "$root"/src/device/binding.c "$root"/src/iommu/domain.c; do
	case $file in
	*/find.c | */holders.c | */notice.c | */peak.c | */recall.c | */sample.c) continue ;; # stood in for by below.c
	esac
	object=$(basename "$file" .c).o
	if [ -n "$like_out" ] && cmp -s "$file" "$like_root${file#"$root"}"; then
		lib="$lib $like_out/$object"
		continue
	fi
	object=$out/$object
	# shellcheck disable=SC2086 # lists of flags
	$cc $flags -fsanitize=thread -c "$file" -o "$object"
	objcopy --rename-section .data=explore_data --rename-section .bss=explore_bss "$object"
	lib="$lib $object"
done
for name in machine late weaken search below scenarios; do
	# shellcheck disable=SC2086
	[ -n "$like_out" ] || $cc $flags -O2 -c "$here/$name.c" -o "$out/$name.o"
	lib="$lib ${like_out:-$out}/$name.o"
done
# shellcheck disable=SC2086
$cc -no-pie $lib -o "$out/explore"
