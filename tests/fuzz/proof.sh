#!/bin/bash
# proof.sh SECONDS [WORDS] - check that the stateful fuzzer can fail: break a copy of the core in
# one way after the other; the fuzzer must detect each within SECONDS, starting from its corpus.
# Prints a table: what was broken, the seconds, what it reported. WORDS: only breakages whose
# description matches.
#
# shellcheck disable=SC2016,SC2054,SC2086 # $ is sed's, the commas are clang's, CC is words
set -eu
cd "$(dirname "$0")/../.."
seconds=$1
only=${2:-}
dir=out/fuzz-proof
rm -rf $dir
mkdir -p $dir/objects $dir/new
cp -r src $dir/src
flags=(-std=gnu17 -O2 -g -D_GNU_SOURCE -DPP_FAULTS -DPP_VERSION='"proof"' -fno-strict-aliasing -Iinclude
	"-I$dir/src" -Itests -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-coverage=trace-cmp
	-fno-sanitize-recover=undefined)

object() { # FILE: of the copy, or of the fuzzer
	${CC:-clang} "${flags[@]}" -c "$1" -o "$dir/objects/$(echo "${1#"$dir"/}" | tr / _).o"
}
export -f object
for file in $(find $dir/src -name '*.c') tests/fuzz/{backend,crowd,reference,calls*}.c; do
	object "$file"
done

# break FLOOR SED: in whichever of its files
break_it() {
	local file changed=0

	for file in $(cd src && echo "$1"/*.c); do
		sed -i -E "$2" "$dir/src/$file"
		cmp -s "src/$file" "$dir/src/$file" && continue
		object "$dir/src/$file"
		files+=("$file")
		changed=1
	done
	if [ $changed = 0 ]; then
		echo "proof.sh: nothing to break in src/$1: $2" >&2
		exit 1
	fi
}

# try WHAT FLOOR SED [FLOOR SED]
try() {
	local what=$1 begun status=0 files=() said
	[[ $what =~ $only ]] || return 0
	shift
	while [ $# -gt 0 ]; do
		break_it "$1" "$2"
		shift 2
	done
	clang -fsanitize=fuzzer,address,undefined $dir/objects/*.o -lpthread -ldl -o $dir/broken
	rm -rf $dir/new
	mkdir $dir/new
	begun=${EPOCHREALTIME/./}
	ASAN_OPTIONS=detect_leaks=1 timeout $((seconds + 60)) $dir/broken -seed=1 -max_total_time="$seconds" -timeout=20 \
		-max_len=600 -len_control=0 -print_funcs=0 -artifact_prefix=$dir/ $dir/new tests/fuzz/corpus/calls \
		tests/fuzz/seeds/calls \
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
try 'unmap does not invalidate' dma '/^\tdomain_invalidate\(&b->domain, m->block/d'
try 'one span stays mapped at a revocation' pool \
	'/^void pool_unmap_all/,/^}/s/if \(span->map\[at\]\)$/if (span->map[at] \&\& (pos->next != \&pool->spans || pos->prev == \&pool->spans))/'
try 'the domain is not blocked when a binding ends' device '/^static void end\(/,/^}/{/domain_block/d}'
try 'draining loses a page of the cache' pool \
	'/^static uint64_t slots_drain/,/^}/s/for \(uint64_t i = 0; i </for (uint64_t i = 1; i </'
try 'draining forgets a page that another thread put' pool '/^static void spsc_drain/,/^}/s/i != tail; i/i + 1 < tail; i/'
try 'a full cache loses a page' pool '/^static void cache_spill/,/^}/s/uint32_t n = 0/uint32_t n = 1/'
try 'another errno for a binding that has ended' device \
	'/^int binding_enter/,/^}/{/env_unlock/,/return/s/-ENODEV/-EINVAL/}'
try 'late calls are not counted' device 's/env_add_relaxed\(&b->late, 1\)/(void)0/'
try 'mappings of a device that has gone count as forgotten' dma 's/bool forgot = s->hash.n && !b->surprised/bool forgot = s->hash.n/'
try 'a page put twice is not told (debug mode)' pool \
	'/^bool holders_put/,/^}/s/if \(env_load_acquire/if (0 \&\& env_load_acquire/' \
	pool 's/^\t\tmisuse_double_put\(.*NULL\);/\t\t;/'
try 'the owner'"'"'s puts are miscounted' pool 's/^(\tenv_add_relaxed\(&anchor->pool->filled, n\);)/\1 env_add_relaxed(\&anchor->pool->filled, n == 256);/'
try 'a trim leaves invalidations pending' pool '/^static void pool_shrink/,/^}/{/if \(pool->at\[i\].binding\)/d;/spans_flush/d}'
try 'a device may write what it may only read' dma 's/\[PP_DMA_TO_DEVICE\] = PP_PROT_READ/[PP_DMA_TO_DEVICE] = PP_PROT_READ | PP_PROT_WRITE/'
try 'a sync for the CPU leaves out the last byte' iommu/soft 's/memcpy\(addr, p->bytes \+ off, n\)/memcpy(addr, p->bytes + off, n - 1)/'
try 'fragments overlap' pool 's/open->end = at \+ len;/open->end = at + len - (len > 100);/'
try 'a failed map keeps its IOVA' dma '/^static void release\(/,/^}/{/iova_put/d}'
try 'a failed attach leaves an attachment' pool '/^static int attach_locked/,/^}/{/pool->n_at--/d}'
try 'a failed growth leaves a chunk'"'"'s record' pool '/^static int fill_slots/,/^}/s/unsigned i = 0; i < n; i\+\+/unsigned i = 1; i < n; i++/'
try 'holders are not asked at a detach' pool '/^int pp_pool_detach/,/^}/s/ask = ask && pool_is_revoked\(pool\)/ask = false/'
try 'a binding'"'"'s name is used again' device 's/^\tb->generation\+\+;/\tb->generation |= 1;/'
try 'no notice before an unbind' device 's/^\t\tnotify\(dev, PP_EVENT_UNBIND_DRIVER\);/\t\t;/'
try 'a driver may map in its remove' device '/^bool binding_close/,/^}/s/b->open = false/b->open = true/'
# more threads than SPSC rings
try 'the shared MPSC ring loses a page of a batch' pool '/^static unsigned mpsc_push/,/^}/s/i < k; i\+\+/i + 1 < k || !i; i++/'
try 'draining forgets the shared MPSC ring' pool '/^static void remote_drain/,/^}/{/mpsc_drain/d}'
try 'a full shared MPSC ring takes one more' pool '/^static unsigned mpsc_push/,/^}/s/room = POOL_MPSC_SLOTS - /room = POOL_MPSC_SLOTS + 1 - /; /^static unsigned mpsc_push/,/^}/s/room > POOL_MPSC_SLOTS\)/room > POOL_MPSC_SLOTS + 1)/'
try 'the SPSC ring of a thread that has ended is not drained' pool '/^static void spsc_drain/,/^}/s/i != tail; i/i != tail \&\& env_load_acquire(spsc->thread); i/'
# windows
try 'a window is out of use but for its last page' iommu 's/\{ first, last \};/{ first, last - 4096 };/'
try 'a window that was in use is handed out again' iommu 's/iova->marked \|\| !keep/!keep/'
try 'a window stays when its device has gone' iommu '/^void windows_release/,/^}/s/unsigned i = 0;/unsigned i = 1;/'
try 'IOVA that a back end can'"'"'t use is taken for it' iommu 's/if \(r->first <= octave_last\(k\) && r->last >= 1ull << k\)/if (r->last >= 1ull << k)/'
# another back end, and its failures
try 'a mapping that can'"'"'t be split is split' pool 's/if \(spans_can_split\(b\)\)/if (true)/'
try 'a failed map leaves what the same growth mapped' pool '/^static int map_slots/,/^}/{/span_unmap_slots\(pool, span, b, done\)/d}'
try 'a failed map leaves what other devices have' pool '/^int span_map_new/,/^}/s/for \(; ret && mapped;/for (; false;/'
try 'what a broken map has mapped stays' iommu 's/if \(ret != said\)/if (false)/'
try 'a back end'"'"'s errno is the library'"'"'s own word' pool 's/while \(ret == POOL_AGAIN\)/while (ret == POOL_AGAIN || ret == -EAGAIN)/'
try 'one domain for two devices' device '/^static int claim_iommu/,/^}/s/-EBUSY :/0 :/'
try 'ranges that end before they begin' iommu 's/if \(r->first > r->last\)/if (false)/'
# limits, other owners
try 'a pool grows beyond its limit' pool '/^static int new_chunks/,/^}/s/left = pool->params.max_pages - pool->n_pages/left = pool->params.max_pages - pool->n_pages + 1/'
try 'a new owner does not get what is in the cache' pool '/^static void move_cache/,/^}/s/uint64_t i = 0; i < count/uint64_t i = 1; i < count/'
# getters
try 'getters: what lies in the caches of others is not found' pool '/^static int find_some/,/^}/s/!n && is_shared\(pool\)/false/'
try 'getters: what was taken from a cache is still counted' pool '/^static unsigned take_oldest/,/^}/s/taken \+ n\)/taken)/'
try 'getters: what is left in a cache is not moved down' pool '/^void cache_settle/,/^}/s/i < left && taken/false/'
try 'getters: a revocation forgets their caches' pool '/^static void drain/,/^}/s/a = pool->anchors; a; a = a->next/a = pool->anchor; a; a = NULL/'
exit $missed
