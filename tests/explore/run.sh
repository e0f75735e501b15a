#!/bin/bash
# run.sh SOURCE-ROOT [quick] - explore the library's own code, and then broken copies of it,
# each of which must be found out, with the message that fits. TAP.
set -u
. "$(dirname "$0")/../tap.sh"
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$1" && pwd)
quick=${2:-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

if [ "$(uname -m)" != x86_64 ]; then
	echo "1..0 # SKIP the explorer's coroutines are for x86-64"
	exit 0
fi

"$here/build.sh" "$root" "$dir/whole" -Werror >"$dir/log" 2>&1
ok $? "the library's code compiles over the explorer's environment"
sed 's/^/# /' "$dir/log"
# shellcheck disable=SC2086 # empty or a word
"$dir/whole/explore" $quick >"$dir/out" 2>&1
ok $? "every schedule of every scenario${quick:+ of the short run} holds"
grep -v '^ok\|^1\.\.' "$dir/out" | sed 's/^\([^#]\)/# \1/'

# breaks NAME SCENARIO MESSAGE FILE SED [FILE SED ...], or -DFLAG for FILE SED
breaks() {
	local name=$1 scenario=$2 message=$3 flag="" copy=$dir/broken
	shift 3
	rm -rf "$copy"
	mkdir "$copy"
	cp -r "$root/src" "$root/include" "$copy"
	while [ $# -gt 0 ]; do
		case $1 in
		-D*) flag=$1; shift; continue ;;
		esac
		sed -i "$2" "$copy/$1"
		if cmp -s "$copy/$1" "$root/$1"; then
			ok 1 "the way to break it, $name, no longer fits $1"
			return
		fi
		shift 2
	done
	if ! "$here/build.sh" "$copy" "$dir/$name" ${flag:+"$flag"} >"$dir/log" 2>&1; then
		ok 1 "the broken variant $name compiles"
		sed 's/^/# /' "$dir/log"
		return
	fi
	"$dir/$name/explore" "$scenario" >"$dir/out" 2>&1
	grep -qE "^#  .*($message)" "$dir/out"
	ok $? "found out in $scenario: $name"
	[ -z "${VERBOSE:-}" ] || grep '^#' "$dir/out"
	grep '^#' "$dir/out" | sed -n '1p;$p'
}

# ---- what each of the subtle steps is for ------------------------------------------------
chunk=src/pool/chunk.c reclaim=src/pool/reclaim.c span=src/pool/span.c structs=src/pool/pool.h
pool=src/pool/pool.c owner=src/pool/owner.c remote=src/pool/remote.c revoke=src/pool/revoke.c
fast=include/pagepool/fast.h

breaks no_heavy_barrier get-unbind 'data race: free' -DBROKEN_HEAVY
breaks look_before_push put-destroy 'leak' \
	$fast '/pp_store_relaxed(&gate->slot\[/i uint32_t seen = pp_load_relaxed(&gate->revoked);
		/pushed + 1)/,/raced/s/pp_load_relaxed(&gate->revoked)/seen/'
breaks drain_leaves_it get-unbind 'touches freed memory' \
	$revoke '/^static uint64_t cache_drain/,/^}/s/env_xchg_acq_rel(\(&gate->slot\[i\]\), NULL)/env_load_relaxed(\1)/'
[ -z "$quick" ] || { echo "1..$n"; exit $failed; }
breaks refilling_ignored refill-unbind 'comes home twice' $revoke 's/env_load_acquire(&pool->refilling)/0/'
breaks look_before_lane batch-unbind '2 pages in flight, not 0' \
	$remote '/lane_pushed(struct/,/^}/{/env_store_release/i uint32_t seen = env_load_relaxed(\&gate->revoked);
		s/revoke_seen(gate)/seen/;}'
breaks drain_leaves_lane batch-unbind 'touches freed memory' \
	$revoke '/^static void lane_drain/,/^}/s/env_xchg_acq_rel(\(.*\), NULL)/env_load_relaxed(\1)/'
breaks tail_overtakes_page refill 'signal 11' $remote 's/env_store_release(&lane->tail/env_store_relaxed(\&lane->tail/'
breaks left_lane_skipped lane-handed-on 'a page is lost' \
	$remote '/^unsigned remote_take/,/^}/s/: lane_take(/: !env_load_relaxed(\&pool->lane_thread[i]) ? 0 &/'
breaks pool_touched_after_push remote-destroy 'data race: free' \
	$remote 's/env_store_release(&lane->tail, tail + k);/& env_store_relaxed(\&lane->tail, tail + k);/'
breaks slot_not_emptied ring-full 'twice' $remote '/^static unsigned ring_take/,/^}/s/env_store_relaxed(&ring->slot.*;//'
breaks count_overtakes_page get-unbind 'data race: free' \
	$fast 's/pp_store_release(&gate->pushed/pp_store_relaxed(\&gate->pushed/'
breaks published_early come-look 'signal 11|plain access' \
	$pool '/^\tpool_publish(pool);$/d; /ret = gate_get/i pool_publish(pool);'
breaks gate_freed remote-destroy 'data race: free' $owner 's/^\t\tgates.free = g;/\t\tenv_free(g);/'
breaks listed_on_the_stack relay-trim 'touches freed memory' \
	$reclaim '/^static void became_idle/,/^}/{/collect_returned/d;s/c->on == CHUNK_NONE/0/;}
		/^static void pool_shrink/,/^}/{/collect_returned/d;}'
breaks inbox_above_count relay 'without an end' \
	$structs 's/\(#define CHUNK_INBOX\) .*/\1 (1u << 31)/
		s/\(#define CHUNK_PAGES(n)\) .*/\1 ((uint32_t)(n))/
		s/\(#define CHUNK_COUNT(n_home)\) .*/\1 ((int32_t)((n_home) \& ~CHUNK_INBOX))/'
breaks chunk_not_looked_at_again home-one 'a page is lost' \
	$chunk '/^static unsigned scan_chunk/,/^}/s/if (env_load_seq_cst(&c->home\[w\])/if (0/'
breaks unlock_without_kick put-destroy 'leak' $reclaim '/^void pool_unlock/,/^}/s/pool_kick(pool);//'
breaks no_fence_before_kick put-destroy 'leak' $reclaim '/^void pool_kick/,/^}/s/env_fence_seq_cst();.*the push.*//'
breaks handler_not_waited_for zombie-dump 'leak' $reclaim '/^static bool lock_to_kick/,/^}/s/!pool_is_zombie(pool)/1/'
breaks look_not_told zombie-dump 'leak' $reclaim '/^bool pool_look_begin/,/^}/s/env_store_relaxed(&pool->dumps, dumps + 1);//'
breaks count_without_reference zombie 'destroyed while it is held' \
	$chunk '/^bool chunk_count_home/,/^}/s/pool_ref(hold);/;/
		/^static void chunk_account/,/^}/s/pool_unref(pool);/;/'
breaks put_waits home 'must not wait|deadlock' \
	$reclaim '/^static bool lock_to_kick/,/^}/s/env_trylock(&pool->lock)/(env_lock(\&pool->lock), 1)/'
breaks unmap_without_flush get-unbind 'device can' $span '/^void pool_unmap_all/,/^}/s/spans_flush.*;//'
breaks trim_without_invalidation trimming 'memory goes|IOVA is given back' $reclaim '/^static void trim(/,/^}/s/spans_retire(.*/chunk_invalidated(\&c->pending);/'
breaks slot_free_too_soon regrow 'device can use already' $chunk '/^void chunk_remove/,/^}/s/chunk_move(c, CHUNK_NONE);/& c->span->dead |= 1ull << c->slot; if (c->span->live != 1ull << c->slot) list_add(\&c->span->hole, \&pool->holes);/'
breaks owned_in_place own 'handed out twice' $owner '/^static int own_locked/,/^}/s/is_free_for(gate, self)/1/'
breaks left_without_flag own '1 pages in flight, not 0' $revoke '/^void revoke_left/,/^}/s/.*old->revoked, GATE_LEFT.*//'
breaks left_without_barrier own '2 pages in flight, not 0' $revoke '/^void revoke_left/,/^}/s/env_barrier_heavy();/;/'
breaks left_cache_not_drained_again own '1 pages in flight, not 0' $revoke '/^static void settle/,/^}/s/left_drain(pool, gate)/(void)0/'
breaks left_gate_not_revoked own-away '2 pages in flight, not 0' \
	$revoke '/^void pool_revoke/,/^}/s/g = pool->gates; g; g = g->next/g = pool->gate; g; g = NULL/'
breaks fragment_not_counted cut-unbind '1 pages in flight, not 0' $revoke 's/pool->frag_closed >= users/pool->frag_closed > users/'
breaks pool_freed_twice put-destroy 'destroyed while it is held|data race' $pool '/^bool pool_ref_unless_gone/,/^}/s/while (refs)/for (;;)/'
echo "1..$n"
exit $failed
