#!/bin/bash
# proof.sh SECONDS - that the stateful fuzzer can fail: the core is broken in one way after
# the other, in a copy, and the fuzzer must find each within so many seconds, from its
# corpus. Prints a table: what was broken, the seconds, what it said.
#
# shellcheck disable=SC2016,SC2054 # $ is sed's, the commas are clang's
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
dir=out/fuzz-proof
rm -rf $dir
mkdir -p $dir/objects $dir/new
cp -r src $dir/src
flags=(-std=gnu17 -O2 -g -D_GNU_SOURCE -DPP_FAULTS -DPP_VERSION='"proof"' -fno-strict-aliasing -Iinclude
	"-I$dir/src" -Itests -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-coverage=trace-cmp
	-fno-sanitize-recover=undefined)

object() { # FILE: of the copy, or of the fuzzer
	clang "${flags[@]}" -c "$1" -o "$dir/objects/$(echo "${1#"$dir"/}" | tr / _).o"
}
export -f object
for file in $(find $dir/src -name '*.c') tests/fuzz/calls*.c tests/fuzz/reference.c; do
	object "$file"
done

# try WHAT FILE SED [FILE SED]
try() {
	local what=$1 begun status=0 files=() said
	shift
	while [ $# -gt 0 ]; do
		sed -i -E "$2" "$dir/src/$1"
		if cmp -s "src/$1" "$dir/src/$1"; then
			echo "proof.sh: nothing to break in src/$1: $2" >&2
			exit 1
		fi
		object "$dir/src/$1"
		files+=("$1")
		shift 2
	done
	clang -fsanitize=fuzzer,address,undefined $dir/objects/*.o -lpthread -ldl -o $dir/broken
	rm -rf $dir/new
	mkdir $dir/new
	begun=${EPOCHREALTIME/./}
	ASAN_OPTIONS=detect_leaks=1 timeout $((seconds + 60)) $dir/broken -seed=1 -max_total_time="$seconds" -timeout=20 \
		-max_len=600 -len_control=0 -print_funcs=0 -artifact_prefix=$dir/ $dir/new tests/fuzz/corpus/calls \
		>$dir/log 2>&1 || status=$?
	cp $dir/log "$dir/log-$(echo "$what" | tr -c 'a-z\n' -)"
	said=$(grep -aE -m 1 '^(tests|\.\.)/.*calls.*: |ERROR: |runtime error|pagepool: ' $dir/log |
		sed 's/^[^ ]* //; s/0x[0-9a-f]*/…/g' | cut -c 1-110)
	if [ $status = 0 ]; then
		said='**not found**'
		missed=1
	fi
	begun=$(((${EPOCHREALTIME/./} - begun) / 100000))
	printf '| %s | %d.%d | %s |\n' "$what" $((begun / 10)) $((begun % 10)) "${said//|/\\|}"
	for file in "${files[@]}"; do
		cp "src/$file" "$dir/src/$file"
		object "$dir/src/$file"
	done
}

missed=0
echo '| broken | seconds | what the fuzzer said |'
echo '|---|---|---|'
try 'unmap does not invalidate' dma/space.c '/^\tdomain_invalidate\(&b->domain, m->block/d'
try 'one span stays mapped at a revocation' pool/chunk.c \
	'/^void pool_unmap_all/,/^}/s/if \(span->map\[at\]\)$/if (span->map[at] \&\& (pos->next != \&pool->spans || pos->prev == \&pool->spans))/'
try 'the domain is not blocked when a binding ends' device/binding.c '/^void binding_end/,/^}/{/domain_block/d}'
try 'draining loses a page of the cache' pool/page.c \
	'/^void place_drain/,/^}/s/for \(uint32_t i = 0; i < count/for (uint32_t i = 1; i < count/'
try 'draining forgets a page that another thread put' pool/returns.c '/^static void lane_drain/,/^}/s/i != tail; i/i + 1 < tail; i/'
try 'a full cache loses a page' pool/page.c 's/pool_bring_home\(pages, POOL_REFILL\)/pool_bring_home(pages, POOL_REFILL - 1)/'
try 'another errno for a binding that has ended' device/binding.c \
	'/^int binding_enter/,/^}/{/env_unlock/,/return/s/-ENODEV/-EINVAL/}'
try 'late calls are not counted' device/binding.c 's/env_add_relaxed\(&b->late, 1\)/(void)0/'
try 'mappings of a device that has gone count as forgotten' dma/space.c 's/bool forgot = b->id != 0 && s->n/bool forgot = s->n/'
try 'a page put twice is not told (debug mode)' pool/watch.c \
	'/^bool watch_put/,/^}/s/if \(env_load_acquire/if (0 \&\& env_load_acquire/' \
	pool/chunk.c 's/^\t\twatch_double_put\(.*NULL\);/\t\t;/'
try 'the owner'"'"'s puts are miscounted' pool/page.c 's/^(\tenv_count\(&pool->filled, n\);)/\1 env_count(\&pool->filled, n == 256);/'
try 'a trim leaves invalidations pending' pool/chunk.c '/^void pool_shrink/,/^}/{/if \(pool->at\[i\].binding\)/d;/domain_flush/d}'
try 'a device may write what it may only read' dma/space.c 's/\[PP_DMA_TO_DEVICE\] = PP_PROT_READ/[PP_DMA_TO_DEVICE] = PP_PROT_READ | PP_PROT_WRITE/'
try 'a sync for the CPU leaves out the last byte' iommu/soft/shadow.c 's/memcpy\(addr, p->bytes \+ off, n\)/memcpy(addr, p->bytes + off, n - 1)/'
try 'fragments overlap' pool/frag.c 's/pool->frag_off = off \+ len;/pool->frag_off = off + len - (len > 100);/'
try 'a failed map keeps its IOVA' dma/space.c '/^iova:/,/^memory:/{/iova_put/d}'
try 'a failed attach leaves an attachment' pool/pool.c '/^static int attach_locked/,/^}/{/pool->n_at--/d}'
try 'a failed growth leaves a chunk'"'"'s record' pool/chunk.c '/if \(ret \|\| i >= span->n\)/,/continue/{/chunk_delete/d}'
try 'holders are not asked at a detach' pool/pool.c '/^int pp_pool_detach/,/^}/s/ask = ask && pool->revoked/ask = false/'
try 'a binding'"'"'s name is used again' device/binding.c 's/\+\+b->generation << SLOT_BITS/(b->generation |= 1) << SLOT_BITS/'
try 'no notice before an unbind' device/device.c 's/^\t\tnotify\(dev, PP_EVENT_UNBIND_DRIVER\);/\t\t;/'
try 'a driver may map in its remove' device/binding.c '/^void binding_close/,/^}/s/b->open = false/b->open = true/'
exit $missed
