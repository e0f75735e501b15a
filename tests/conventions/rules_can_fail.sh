#!/bin/bash
# rules_can_fail.sh ROOT LIBRARY BUILD CC PREFIX - every rule of the conventions can fail: a copy of
# the tree is broken in one place at a time, and the test in question must report that rule and no
# other. Where a test judges the library, its probes or an installation instead of the tree, it is
# given a broken one.
set -u
. "$(dirname "$0")/../tap.sh"
root=$1
library=$(realpath "$2")
build=$(realpath "$3")
cc=$4
prefix=$5
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/../broken.sh"
copy_of "$root" tests/{data,fuzz,explore} || exit 1

run() { # TEST
	case $1 in
	floors | symbols) bash "tests/conventions/$1.sh" . "$library" ;;
	lengths) python3 tests/conventions/lengths.py . ;;
	*) bash "tests/conventions/$1.sh" . ;;
	esac >"$dir/said" 2>&1
}

# ---- floors ------------------------------------------------------------------------------------

passes floors
broken floors "env uses no floor" src/env/hash.c '#include "iommu/iova.h"'
broken floors "iommu uses env" src/iommu/iova.c '#include "device/binding.h"'
broken floors "device uses iommu and env" src/device/binding.c '#include "dma/mappings.h"'
broken floors "dma uses device, iommu and env" src/dma/dma.c '#include "pool/pool.h"'
broken floors "pool uses the floors below it" src/pool/chunk.c '#include "net/port.h"'
broken floors "the software IOMMU sees the contract and env only" src/iommu/soft/table.c '#include "iommu/domain.h"'
broken floors "the VFIO back end sees the contract and env only" src/iommu/vfio/ioas.c '#include "iommu/iova.h"'
broken floors "env sees of the public headers types.h and debug.h only" src/env/user.c '#include <pagepool/pool.h>'
broken floors "iommu sees of them those of its own floor, too" src/iommu/soft/soft.c '#include <pagepool/device.h>'
broken floors "device doesn't see those of dma and pool, dma not those of pool" src/device/device.c '#include <pagepool/dma.h>'
broken floors "device doesn't see those of dma and pool, dma not those of pool" src/dma/dma.c '#include <pagepool/pool.h>'
broken floors "a pool reaches the domain through dma only" src/pool/span.c 'static void f(void) { domain_flush(0); }'
broken floors "a domain's statistics are written in its own folder only" src/dma/dma.c 'static void f(void) { b->domain.stats.maps++; }'
broken floors "a back end's operations are called by its domain only, but for its end" src/device/device.c \
	'static void f(void) { iommu->ops->block(iommu, true); }'
broken floors "lists with a pointer to what points here are those of env/list.h" src/pool/pool.h 'struct a { struct a *next, **link; };'
broken floors "drivers, command, examples, benchmark and DPDK handler use public headers only" bench/space.c '#include "pool/pool.h"'
broken floors "the command and the examples use of the network drivers their public header only" tool/capture.c '#include "../net/port.h"'
broken floors "above env nothing names an atomic, a mutex or an allocator itself" src/pool/chunk.c 'static void *f(void) { return malloc(1); }'
printf 'int f(void);\n' >src/new.c && git add src/new.c
run floors
fails floors "every source file has its licence line"
git rm -q -f src/new.c
if ! nm -D "$library" | grep -q '__asan_\|__tsan_'; then
	sound=$library library=$dir/libpagepool.so
	echo '__thread char large[4096]; double cos(double); double f(double x) { return cos(x) + large[0]; }' >"$dir/lib.c"
	$cc -shared -fPIC -o "$library" "$dir/lib.c" -Wl,--no-as-needed -lm
	run floors
	large=$(sed -n 's/^not ok [0-9]* - \(a thread.s own .*\)/\1/p' "$dir/said")
	fails floors "$large
the library needs libc only"
	library=$sound
fi

# ---- symbols, lengths, models, format, commits ---------------------------------------------------

edited symbols "libpagepool: its map lists them, one by one" src/libpagepool.map '/pp_pool_trim;/d'
broken symbols "libpagepool: it exports them and nothing else
libpagepool: its map lists them, one by one" include/pagepool/pool.h 'PP_API void pp_pool_new(void);'
broken lengths "no function has more than 40 lines" src/pool/chunk.c "static void f(void)\n{\n$(printf '\\tf();\\n%.0s' {1..41})}"
broken lengths "no line of a comment has more than 100 columns" src/pool/chunk.c "/* $(printf 'word %.0s' {1..21}) */"
broken lengths "no line of the documentation has more than 100 columns" docs/net.md "$(printf 'word %.0s' {1..21})"
mkdir "$dir/empty" && (cd "$dir/empty" && python3 "$copy/tests/conventions/lengths.py" . >"$dir/said")
fails lengths "there are sources and pages"
broken models "what the code says of its models is there" src/pool/chunk.c '/* Model: home.pml, no_such_label. */'
broken models "what the models say of the code is there" tests/model/home.pml '/* chunk.c: no_such_function */'
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
	bash tests/conventions/format.sh "$dir/empty" >"$dir/said" 2>&1 </dev/null
	fails format "there are sources in src include examples tests net tool telemetry bench dpdk"
	broken format "they are laid out as .clang-format says; if not: make format" src/version.c 'int  two_blanks;'
fi
committed() { # MESSAGE
	git commit -q --allow-empty -m "$1"
	run commits
	fails commits "their messages have the form that CONTRIBUTING.md asks for"
	git reset -q --hard HEAD^
}
git commit -q --allow-empty -m "area: do something" -m "This is why."
passes commits
committed "area: do something"
committed $'area: do something\nand more\n\nThis is why.'
committed "area: do something."$'\n\nThis is why.'
committed "fixup! area: do something"$'\n\nThis is why.'
committed "squash! area: do something"$'\n\nThis is why.'
committed "amend! area: do something"$'\n\nThis is why.'
committed "area: do something that takes more words to tell than a line of a log has room for"$'\n\nThis is why.'

branch=$(git symbolic-ref --short HEAD)
git checkout -q --orphan root && git commit -q -m "All of it" -m "This is why." # nothing is before it
run commits
fails commits "there are commits to look at: 0"
git checkout -q "$branch"

# ---- probes: what readelf says of a library --------------------------------------------------------

mkdir "$dir/bin"
probes() { # RULE on|off NAME:ARGUMENTS...
	local rule=$1 what=$2 note
	shift 2
	for note; do
		printf '    Provider: pagepool\n    Name: %s\n    Arguments: %s\n' "${note%%:*}" "${note#*:}"
	done >"$dir/notes"
	printf '#!/bin/sh\ncat %s\n' "$dir/notes" >"$dir/bin/readelf"
	chmod +x "$dir/bin/readelf"
	PATH=$dir/bin:$PATH bash tests/conventions/usdt.sh "$library" "$what" >"$dir/said" 2>&1
	fails usdt "$rule"
	rm "$dir/bin/readelf"
}
five=("fault:8@%rax 4@%ebx 8@%rcx" "get:8@%rax 4@%ebx" "grow:8@%rax 4@%ebx 8@%rcx" "put:8@%rax 4@%ebx" "revoke:8@%rax 8@%rbx 8@%rcx")
probes "" on "${five[@]}"
probes "probes: none" off "${five[@]}"
probes "probes: pagepool:fault pagepool:get pagepool:grow pagepool:put pagepool:revoke " on "${five[@]:1}"
probes "each has the same arguments in all its places" on "${five[@]}" "get:8@%rax 8@%rbx"
probes "each has the same arguments in all its places" on "${five[@]}" 'get:8@%rax 4@$1'

# ---- an installation: meson installs one that lacks something -----------------------------------------

if ! nm -D "$library" | grep -q '__asan_\|__tsan_'; then
	meson install -C "$build" --no-rebuild --destdir "$dir/whole" >/dev/null 2>&1
	lib=$(dirname "$(find "$dir/whole" -name libpagepool.so)")
	lib=${lib#"$dir/whole"}
	cat >"$dir/bin/meson" <<-'END'
		#!/bin/bash
		# install -C BUILD --no-rebuild --destdir TO
		mkdir -p "$6" && cp -a "$WHOLE/." "$6" && cd "$6" && eval "$SPOIL"
	END
	chmod +x "$dir/bin/meson"
	export WHOLE=$dir/whole SPOIL
	installed() { # RULE COMMAND: run where it is installed
		SPOIL=$2
		PATH=$dir/bin:$PATH bash tests/conventions/install.sh "$build" "$cc" "$prefix" >"$dir/said" 2>&1
		fails install "$1"
	}
	installed "" :
	installed "it installs" false
	installed "nothing is outside of the prefix" 'mkdir -p srv && touch srv/file'
	installed "headers, libraries, manual" "rm .$prefix/share/man/man3/pp_page_put.3*"
	echo 'int pp_new(void) { return 0; }' >"$dir/new.c"
	installed "... and runs
an example builds with what pkg-config says
every symbol has a version
the library's name" "$cc -shared -fPIC -o .$lib/libpagepool.so.1 $dir/new.c"
	installed "... and runs
... statically too
an example builds with what pkg-config says" "sed -i '/^Libs/d' .$lib/pkgconfig/pagepool.pc"
	echo 'void _exit(int); __attribute__((constructor)) void begin(void) { _exit(1); }' >"$dir/begin.c"
	installed "... and runs" "$cc -c -o $dir/begin.o $dir/begin.c &&
		for member in \$(ar t .$lib/libpagepool.a | grep pool_pool); do
			ar x --output $dir .$lib/libpagepool.a \$member &&
			ld -r -o $dir/both.o $dir/\$member $dir/begin.o && mv $dir/both.o $dir/\$member &&
			ar r .$lib/libpagepool.a $dir/\$member
		done"
	installed "... and runs
... statically too" "ar d .$lib/libpagepool.a \$(ar t .$lib/libpagepool.a | grep pool_pool)"
fi

# ---- the count of the checks, and the kernel series ----------------------------------------------------

edited report "so is, once each, what hangs, dies or fails" scripts/report 's/^        failed += len(bad)/        failed += 0/'
edited report "so is, once each, what hangs, dies or fails
what passed and what was skipped is counted" scripts/report 's/^        skipped += len(skip)/        skipped += 0/'
edited report "what failed is named, with what it printed" scripts/report 's/^    print(line)/    pass/'
if command -v spatch >/dev/null; then
	kept=${PAGEPOOL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pagepool}
	there() { compgen -G "$kept/prebuilt-$1-[0-9]*/source/net/Kconfig" >/dev/null; }
	if there 6.12 && there 7.2; then # many at once: a run takes half a minute
		sed -i '1s,^,/* STEP_X */\n,' linux/series/chunk/page_pool_chunk.c
		sed -i 's/|| \[ \$named -gt 0 \]; then/; then/; s/SUBJECT HERE/SUBJECT THERE/g' linux/series/make
		sed -i 's/finds nothing to change/changes nothing/' linux/series/apply
		sed -i 's/ || exec / || /; $a echo "/* again */" >>"$1/net/core/page_pool_chunk.c"' linux/apply
		run series
		fails series "... and twice changes nothing
a step that does not fit is refused
a step that is named is a patch without a cover letter
no mark of a step is left
the tree is the one that apply makes
there is a cover letter"
		git checkout -q -- linux
		broken series "... and the branch ends before it
... and twice changes nothing
a step that does not fit is refused
a step that is named is a patch without a cover letter
apply fits 6.12
apply fits 7.2
each step is a commit
the patches apply, and make the same tree" linux/series/shrinker/edit 'line net/core/page_pool.c no_such_line it'
	fi
	export PAGEPOOL_CACHE=$dir/empty
	edited series "no tree is refused" linux/series/make 's/say which kernel tree/which tree/'
	edited series "what is no kernel tree is refused" linux/series/make 's/is no kernel tree: unpack/: unpack/'
	edited series "another version is refused" linux/series/apply 's/and the series is for/which is not for/'
	edited series "a tree that the first step does not fit is refused" linux/series/apply 's/ does not fit this tree/ fits not/'
	edited series "... and has no more than it had" linux/series/make 's/^	in_tree commit -q -m "Linux .*/&; in_tree commit -q --allow-empty -m more/'
	edited series "held-mem: its message has no long line" linux/series/held-mem/message "\$s/\$/ $(printf 'word %.0s' {1..20})/"
fi
echo "1..$n"
exit $failed
