#!/bin/bash
# floors.sh ROOT LIBRARY - the layers: an include points down a floor or stays on it, what is
# outside of the library sees its public headers only, back ends see their contract and env only,
# and the library needs nothing but libc.
set -u
. "$(dirname "$0")/../tap.sh"
cd "$1" || exit 1
library=$2

# what a folder's files may include with "": a floor below, or their own
may() { # FOLDER FLOORS-AS-REGEX WHAT
	local bad
	bad=$(grep -rnE '^#include "' "$1" --include='*.[ch]' | grep -vE "\"($2)/")
	[ -z "$bad" ]
	ok $? "$3"
	[ -z "$bad" ] || echo "$bad" | sed 's/^/# /'
}

may src/env 'env' "env uses no floor"
may src/iommu 'env|iommu' "iommu uses env"
may src/device 'env|iommu|device' "device uses iommu and env"
may src/dma 'env|iommu|device|dma' "dma uses device, iommu and env"
may src/pool 'env|iommu|device|dma|pool' "pool uses the floors below it"
may src/iommu/soft 'env|iommu/soft' "the software IOMMU sees the contract and env only"
may src/iommu/vfio 'env|iommu/vfio' "the VFIO back end sees the contract and env only"

# no leaks: lines of FOLDERS that match, but for those that are let pass, are against the rule
never() { # WHAT PATTERN BUT-FOR FOLDER...
	local bad
	bad=$(grep -rnE -e "$2" "${@:4}" --include='*.[ch]' | grep -vE "$3")
	[ -z "$bad" ]
	ok $? "$1"
	[ -z "$bad" ] || echo "$bad" | sed 's/^/# /'
}

never "env sees of the public headers types.h and debug.h only" \
	'#include <pagepool/' '<pagepool/(types|debug)\.h>' src/env
never "iommu sees of them those of its own floor, too" '#include <pagepool/' \
	'<pagepool/(types|debug|stats|iommu|soft|vfio|pci|inline/(probe|mmio))\.h>' src/iommu
never "device doesn't see those of dma and pool, dma not those of pool" '#include <pagepool/' \
	'^src/device/.*<pagepool/(types|debug|stats|iommu|device)\.h>|^src/dma/.*<pagepool/(types|debug|stats|iommu|device|dma)\.h>' \
	src/device src/dma
never "a pool reaches the domain through dma only" '->domain\b|\bdomain_[a-z]+\(' '^$' src/pool
never "a domain's statistics are written in its own folder only" \
	'domain\.stats\.[a-z_]+ *([-+]?=|\+\+|--)' '^src/iommu/' src
never "a back end's operations are called by its domain only, but for its end" \
	'iommu->ops->' '^src/iommu/domain\.|ops->destroy\(' src
never "lists with a pointer to what points here are those of env/list.h" \
	'\*next, \*\*[a-z]+;' '^src/env/list\.h:' src include

bad=$(grep -rnE '#include [<"](env|iommu|device|dma|pool)/' net tool telemetry examples bench dpdk \
	--include='*.[ch]')
[ -z "$bad" ]
ok $? "drivers, command, examples, benchmark and DPDK handler use public headers only"
[ -z "$bad" ] || echo "$bad" | sed 's/^/# /'

# of net/ the command and the examples see what programs see; the file reader is shared
bad=$(grep -rnE '#include [<"](\.\./)*(net/)?(port|e1000e/|soft/|virtio/|xdp/(driver|link|umem))' tool telemetry examples \
	--include='*.[ch]')
[ -z "$bad" ]
ok $? "the command and the examples use of the network drivers their public header only"
[ -z "$bad" ] || echo "$bad" | sed 's/^/# /'

bad=$(grep -rnE '__atomic_|pthread_(mutex|create)|malloc\(|mmap\(' src --include='*.[ch]' |
	grep -v '^src/env/\|^src/iommu/vfio/pci.c:.*mmap(') # registers are no memory
[ -z "$bad" ]
ok $? "above env nothing names an atomic, a mutex or an allocator itself"
[ -z "$bad" ] || echo "$bad" | sed 's/^/# /'

if nm -D "$library" | grep -q '__asan_\|__tsan_'; then
	n=$((n + 1))
	echo "ok $n - the library needs libc only # SKIP a sanitizer's build"
else
	tls=$(readelf -lW "$library" | awk '$1 == "TLS" { print $6 }') # hexadecimal
	tls=$((tls))
	[ $tls -gt 0 ] && [ $tls -le 64 ]
	ok $? "a thread's own is what the fast paths need, a cache line: $tls bytes"
	needed=$(readelf -d "$library" | awk '/NEEDED/ { print $5 }' | grep -vE 'libc\.so|ld-linux')
	[ -z "$needed" ]
	ok $? "the library needs libc only"
fi

bad=$(git ls-files 2>/dev/null | grep -E '\.[ch]$' | grep -v '^linux/series/' | xargs -r grep -L 'SPDX-License-Identifier')
[ -z "$bad" ]
ok $? "every source file has its licence line"
[ -z "$bad" ] || echo "$bad" | sed 's/^/# /'
echo "1..$n"
exit $failed
