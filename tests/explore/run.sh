#!/bin/bash
# run.sh SOURCE-ROOT [quick] - explore the library's own code, and broken copies of it, each of
# which must be detected with the right message. TAP. ONLY: a pattern, for the names of copies.
set -u
# shellcheck source=tests/explore/lib.sh
. "$(dirname "$0")/lib.sh"
quick=${2:-}

processors=$(nproc)
# job COMMAND ...: in the background, as one of as many as there are processors; results prints what
# they said, in order
job() {
	n=$((n + 1))
	while [ "$(jobs -rp | wc -l)" -ge "$processors" ]; do wait -n; done
	(n=$((n - 1)) && "$@") >"$dir/said.$n" &
}

results() {
	wait
	for i in $(seq 2 $n); do cat "$dir/said.$i"; done
	! grep -q '^not ok' "$dir"/said.* || failed=1
	echo "1..$n"
	exit $failed
}

whole() {
	# shellcheck disable=SC2086 # empty or a word
	"$dir/whole/explore" $quick >"$dir/out" 2>&1
	ok $? "every schedule of every scenario${quick:+ of the short run} holds"
	grep -v '^ok\|^1\.\.' "$dir/out" | sed 's/^\([^#]\)/# \1/'
}

# where FUNCTION: the file under src/ or include/ that defines it, and the line where it begins
where() {
	(cd "$root" && grep -nE "^[a-zA-Z_].*\b$1\(" -r src/pool src/device src/iommu include/pagepool |
		while IFS=: read -r file line _; do
			# a declaration has a semicolon before anything else begins
			sed -n "$line,\$p" "$file" | grep -m1 -E ';$|; /\*|^\{' | grep -q '^{' &&
				echo "$file $line"
		done | head -n1)
}

# edit COPY FUNCTION SED: in COPY. False, and said: there is nothing that it fits
edit() {
	local copy=$1 file=$2 sed=$3 line
	case $file in
	*/*) ;;
	*)
		read -r file line <<<"$(where "$2")"
		sed="${line:-1},/^}/{$3
			}"
		;;
	esac
	if [ -f "$copy/$file" ]; then
		cp "$copy/$file" "$copy/before"
		sed -i "$sed" "$copy/$file"
		cmp -s "$copy/$file" "$copy/before" || return 0
	fi
	ok 1 "the way to break it no longer fits $2 (${file:-nowhere})"
	return 1
}

# break_it NAME SCENARIO MESSAGE [FUNCTION SED ...]: SED is for the lines of the function, wherever
# that is. In place of FUNCTION: a file, for one that is in no function. Or: -DFLAG
break_it() {
	local name=$1 scenario=$2 message=$3 flag="" copy=$dir/$1 like="$root $dir/whole"
	shift 3
	mkdir "$copy"
	cp -r "$root/src" "$root/include" "$copy"
	while [ $# -gt 0 ]; do
		case $1 in
		-D*) flag=$1; like=; shift; continue ;;
		esac
		edit "$copy" "$1" "$2" || { echo "# $name"; return; }
		shift 2
	done
	# all of it, if a header was changed
	diff -rq --exclude='*.c' "$root/src" "$copy/src" >/dev/null && diff -rq "$root/include" "$copy/include" >/dev/null || like=
	if ! LIKE=$like "$here/build.sh" "$copy" "$copy" ${flag:+"$flag"} >"$copy/log" 2>&1; then
		ok 1 "the broken variant $name compiles"
		sed 's/^/# /' "$copy/log"
		return
	fi
	"$copy/explore" "$scenario" >"$copy/out" 2>&1
	grep -qE "^#  .*($message)" "$copy/out"
	ok $? "found out in $scenario: $name"
	[ -z "${VERBOSE:-}" ] || grep '^#' "$copy/out"
	grep '^#' "$copy/out" | sed -n '1p;$p'
	rm -rf "$copy"
}

breaks() {
	[[ $1 =~ ${ONLY:-.} ]] && job break_it "$@"
}

[ -n "${ONLY:-}" ] || job whole

# ---- what each of the subtle steps is for ------------------------------------------------
breaks no_heavy_barrier get-unbind '1 pages in flight, not 0' -DBROKEN_HEAVY
breaks look_before_push put-destroy 'leak' \
	pp_fast_push '/pp_store_relaxed(&anchor->slot\[/i uint32_t seen = pp_load_relaxed(&anchor->revoked);
		/pushed + 1)/,/raced/s/pp_load_relaxed(&anchor->revoked)/seen/'
breaks drain_leaves_it get-unbind 'touches freed memory' \
	slots_drain 's/env_xchg_acq_rel(\(&slot\[i\]\), NULL)/env_load_relaxed(\1)/'
breaks spill_keeps_what_went spill-trim-unbind 'comes home twice|put twice|touches freed' \
	cache_spill 's/pages + n, POOL_REFILL - n);/pages, POOL_REFILL - n);/'
breaks spill_loses_the_rest own-spill-trim '1 pages in flight, not 0' spill_back 's/cache_push(anchor, pages, n);/;/'
breaks waited_without_barrier wait 'are told of' wait_begin 's/env_barrier_heavy();/;/'
[ -z "$quick" ] || results
breaks waited_not_looked_at wait 'are told of' wait_begin 's/back = pages_are_back(pool);/back = false;/'
breaks waited_at_home wait-home 'are told of' put_beyond 's/wait_look(anchor);//'
breaks next_owner_not_told wait-own 'are told of' wait_over 's/tell(pool_anchor(pool));//'
breaks told_twice wait-two 'are told of' tell 's/if (take_bits(anchor, .*/take_bits(anchor, ANCHOR_WAITED);/'
breaks refilling_ignored refill-unbind 'comes home twice' drain 's/env_load_acquire(&pool->refilling)/0/'
breaks look_before_spsc batch-unbind '2 pages in flight, not 0' \
	spsc_pushed '/env_store_release/i uint32_t seen = env_load_relaxed(\&anchor->revoked);
		s/revoke_seen(anchor)/seen/'
breaks drain_leaves_spsc batch-unbind 'touches freed memory' \
	spsc_drain 's/env_xchg_acq_rel(\(.*\), NULL)/env_load_relaxed(\1)/'
breaks tail_overtakes_page refill 'signal 11|data race: a page' spsc_pushed 's/env_store_release(&spsc->tail/env_store_relaxed(\&spsc->tail/'
breaks left_spsc_skipped spsc-handed-on 'a page is lost' \
	remote_take 's/spsc_take(pool/!env_load_relaxed(\&pool->spsc_thread[i]) ? 0 : &/'
breaks told_after_publishing remote-destroy 'data race: free|touches freed memory' \
	spsc_pushed '/if (tell)/d; /&spsc->tail_hint/d
		/env_store_release(&spsc->tail/a if (tell) env_store_relaxed(\&spsc->tail_hint, tail + k);'
breaks slot_not_emptied ring-full 'twice' mpsc_take 's/env_store_relaxed(&mpsc->slot.*;//'
breaks count_overtakes_page get-unbind 'data race: (free|a page)' \
	pp_fast_push 's/pp_store_release(&anchor->pushed/pp_store_relaxed(\&anchor->pushed/'
breaks published_early come-look 'data race: plain load' \
	pp_pool_create '/^\tpool_publish(pool);$/d' pool_new '/^\tret = memory_begin/i pool_publish(pool);'
breaks next_pool_not_held come-look 'touches freed memory|data race' \
	pools_each '/^\t\tpool_unref(pool);$/d; /fn(pool, ctx);/a pool_unref(pool);'
breaks anchor_freed remote-destroy 'data race: (free|a page)' anchors_put 's/^\t\tanchors.free = anchor;/\t\tenv_free(anchor);/'
breaks listed_on_the_stack relay-trim 'touches freed memory' \
	became_idle '/collect_returned/d;s/c->on == CHUNK_NONE/0/' \
	pool_shrink '/collect_returned/d'
breaks inbox_above_count relay 'without an end' \
	src/pool/pool.h 's/\(#define CHUNK_COMPLETE\) .*/\1 (1u << 31)/
		s/\(#define CHUNK_PAGES(n)\) .*/\1 ((uint32_t)(n))/
		s/\(#define CHUNK_COUNT(n_free)\) .*/\1 ((int32_t)((n_free) \& ~CHUNK_COMPLETE))/'
breaks chunk_not_looked_at_again home-one 'a page is lost' \
	scan_chunk 's/if (env_load_seq_cst(&c->free_bits\[w\])/if (0/'
breaks unlock_without_kick put-destroy 'leak' pool_unlock 's/pool_try_reclaim(pool);//'
breaks no_fence_before_kick put-destroy 'leak' pool_try_reclaim 's/env_fence_seq_cst();.*the push.*//'
breaks handler_not_waited_for zombie-dump 'leak' lock_to_reclaim 's/!pool_is_zombie(pool)/1/'
breaks look_not_told zombie-dump 'leak' pool_look_begin 's/env_store_relaxed(&pool->dumps, dumps + 1);//'
breaks count_without_reference zombie 'destroyed while it is held' \
	chunk_count_free 's/pool_ref(hold);/;/' chunk_account 's/pool_unref(pool);/;/'
breaks put_waits home 'must not wait|deadlock' \
	lock_to_reclaim 's/env_trylock(&pool->lock)/(env_lock(\&pool->lock), 1)/'
breaks unmap_without_flush get-unbind 'device can' pool_unmap_all 's/spans_flush.*;//'
breaks trim_without_invalidation trimming 'memory goes|IOVA is given back' trim 's/spans_retire(.*/chunk_invalidated(\&c->pending);/'
breaks slot_free_too_soon regrow 'device can use already' chunk_remove 's/chunk_move(c, CHUNK_NONE);/& c->span->dead |= 1ull << c->slot; if (c->span->live != 1ull << c->slot) list_add(\&c->span->hole, \&pool->holes);/'
breaks owned_in_place own 'handed out twice|data race: a page' own_locked 's/is_free_for(anchor, self)/1/'
breaks left_without_flag own 'a page is lost' revoke_left 's/.*old->revoked, ANCHOR_LEFT.*//'
breaks left_without_barrier own 'a page is lost' revoke_left 's/env_barrier_heavy();/;/'
breaks left_cache_not_drained_again own 'a page is lost' settle 's/left_drain(pool, anchor)/(void)0/'
breaks left_anchor_not_revoked own-away '2 pages in flight, not 0' \
	pool_revoke 's/a = pool->anchors; a; a = a->next/a = pool->anchor; a; a = NULL/'
breaks taken_without_flag take 'twice|without an end|lost|fails though|signal 11' \
	close_others 's/env_or_relaxed(&a->revoked, ANCHOR_TAKEN)/0/'
breaks taken_without_barrier take-one 'twice|data race' close_others 's/env_barrier_heavy();/;/'
breaks taken_not_counted take 'signal 11|lost|fails though|twice' take_oldest '/&anchor->taken, taken + n/d'
breaks rest_not_moved take-half 'signal 11|lost|twice' cache_settle 's/env_store_relaxed(&anchor->slot\[i\],.*/;/; s/^.*env_load_relaxed(&anchor->slot\[taken + i\])).*//'
breaks pop_not_taken_back take 'nobody has allocated|lost' pop_raced '/env_store_release(&anchor->popped/s/ - n)/)/'
breaks getter_not_revoked take-unbind 'pages in flight, not 0' \
	pool_revoke 's/a = pool->anchors; a; a = a->next/a = pool->anchor; a; a = NULL/'
breaks getter_not_asked take-wait 'are told of' set_waited 's/env_or_relaxed(&a->revoked, ANCHOR_ASK);/;/'
breaks both_wait_one_told take-wait-both 'are told of' set_waited 's/ANCHOR_WAITED | (has_getters(pool) ? ANCHOR_MORE : 0u)/ANCHOR_WAITED/'
breaks shared_not_looked_at share 'data race|twice' take_remote 's/ && !has_getters(pool)//'
breaks shared_without_barrier share 'data race|twice' has_one_now 's/env_barrier_heavy();/;/'
breaks filled_though_not_empty share-left 'twice' refill_locked 's/if (!settled_count(pool, anchor))//' \
	take_remote 's/return pool_is_over(pool) ? 0 : cache_count(anchor);/return 0;/'
breaks owners_refill_ignored share 'data race|twice' remote_is_ours 's/ && !env_load_acquire(&pool->refilling)//'
breaks page_not_kept take-one 'too long|without an end' \
	fill 's/\*out = pages\[0\];//; /owner_add(&anchor->popped, 1)/d; /popped_otherwise/d'
breaks fragment_not_counted cut-unbind '1 pages in flight, not 0' frag_raced 's/pool->frag_closed <= held/pool->frag_closed < held/'
breaks fragment_looked_before cut-unbind 'a page comes home twice' \
	pp_fast_frag '/open->end = at + len/i uint32_t seen = pp_load_relaxed(&anchor->revoked);
		s/!pp_load_relaxed(&anchor->revoked)/!seen/'
breaks used_up_not_taken_out cut-unbind 'a page is there that someone holds' take_out 's/env_store_relaxed(&pool->frag_page, NULL);//'
breaks stock_added_in_place cut-short-unbind 'a page comes home twice' add_stock 's/take_out(pool)/env_load_relaxed(\&pool->frag_page)/'
breaks pool_freed_twice put-destroy 'destroyed while it is held|data race' pool_ref_unless_gone 's/while (refs)/for (;;)/'
results
