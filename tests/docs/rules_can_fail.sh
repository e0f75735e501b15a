#!/bin/bash
# rules_can_fail.sh ROOT BUILD [TOOL] LIBRARY... - every rule of the documentation's tests can fail: a
# copy of the tree is broken in one place at a time, and the test in question must report that rule
# and no other. Without the command, the rules about it are left out.
set -u
. "$(dirname "$0")/../tap.sh"
root=$1
build=$(realpath "$2")
shift 2
mapfile -t given < <(realpath "$@")
tool=()
[[ ${given[0]} == *.so* ]] || tool=("${given[0]}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
. "$(dirname "$0")/../broken.sh"
copy_of "$root" || exit 1

run() { # TEST
	case $1 in
	facts | pages) python3 "tests/docs/$1.py" . "${tool[@]}" ;;
	tutorial) python3 tests/docs/tutorial.py . "$build" ;;
	manual) bash tests/docs/manual.sh . "${given[@]}" ;;
	*) bash "tests/docs/$1.sh" . ;;
	esac >"$dir/said" 2>&1
}

# ---- facts ---------------------------------------------------------------------------------------

passes facts
edited facts "a function's errors are the same in its header and on its page" include/pagepool/dma.h \
	's/-EBUSY: something is mapped/-EPERM: something is mapped/'
edited facts "... and so is the table of what a caller must serialise" include/pagepool/pool.h \
	's/^\( \*   put, ref  *\)$/\1X/'
counters="every counter that a page names is counted, every total has its line"
edited facts "$counters" docs/debugging.md '/^| `mappings_forgotten`/d'
edited facts "$counters" docs/coming-from-linux.md 's/^| `alloc_refill` | `alloc_refill`/| `alloc_refill` | `alloc_again`/'
edited facts "$counters" docs/man/pp_pool_create.3 's/^\.It Va zombies$/.It Va pools/'
broken facts "$counters" docs/man/pp_dma_map.3 '.Va no_such_counter'
broken facts "the source makes the reports of pp_debug_set(3)" docs/man/pp_debug_set.3 '.It pool %s says what it never says'
glossary="the glossary has each word once, and those of pagepool(7)"
broken facts "$glossary" docs/glossary.md '| pool | again | — | — |'
edited facts "$glossary" docs/glossary.md '/^| zombie /d'
edited facts "limits are those of the headers" docs/coming-from-linux.md 's/the cache has 512 entries/the cache has 500 entries/'
walks="the functions that architecture.md names are there, and where its walks say"
broken facts "$walks" docs/architecture.md 'See `no_such_function()`.'
edited facts "$walks" docs/architecture.md 's/^| `recall.c` | /| `notice.c` | /'
edited facts "there are as many as the pages say" docs/tutorial.md 's/^Ten programs/Nine programs/'
edited facts "the version is the same wherever it is" debian/changelog 's/0\.2\.0/0.1.9/'
edited facts "the version is the same wherever it is" meson.build "s/^soversion = '1'/soversion = '2'/"
folders="MAINTAINERS has every folder, and nothing else"
edited facts "$folders" MAINTAINERS 's, tests/gdb/,,'
edited facts "$folders" MAINTAINERS 's,tests/gdb/,& tests/none/,'
edited facts "$folders" MAINTAINERS 's/make fuzz/make fuss/'
none_of_them=$(sed 's/@return/@gives/' include/pagepool/*.h net/include/pagepool/*.h telemetry/include/pagepool/*.h | wc -l)
[ "$none_of_them" -gt 1000 ] && sed -i 's/@return/@gives/' include/pagepool/*.h net/include/pagepool/*.h telemetry/include/pagepool/*.h
run facts
fails facts "a function's errors are the same in its header and on its page
errors were found"
git checkout -q -- .
if [ ${#tool[@]} -gt 0 ]; then
	edited facts "the command's commands are those of its manual and of the pages" README.md \
		's/command: capture, forward, replay,/command: capture, forward,/'
fi

# ---- pages ---------------------------------------------------------------------------------------

# All at once, for it tries every command of every page: what is wrong is named.
wrong=(nowhere.md 'dpdk.md#no-such-heading' src/pool/none.c '[0-9]*: a fence' 'make no-such-target'
	'make check-vm CASES=none' 'meson test no_such_test' scripts/none nobody-knows-it)
[ ${#tool[@]} = 0 ] || wrong+=('pagepool nothing' 'pagepool capture --no-such-option')
passes pages
cat >>docs/net.md <<'END'

[There](nowhere.md) and [there](dpdk.md#no-such-heading); `src/pool/none.c`.

```
a fence
```

```sh
make no-such-target
scripts/none
nobody-knows-it
```

```console
$ make check-vm CASES=none
```

Run `meson test no_such_test`, `pagepool nothing`, `pagepool capture --no-such-option`.
END
run pages
fails pages "every command is one
every fenced block says what it is
every file that is named is there
every link leads somewhere"
for one in "${wrong[@]}"; do
	grep -qE "^# docs/net\.md:[ \`]*${one}" "$dir/said"
	ok $? "pages: what is wrong is named: $one"
done
restore docs/net.md
mkdir -p "$dir/empty/tests/data" && touch "$dir/empty/tests/data/README.md"
python3 tests/docs/pages.py "$dir/empty" >"$dir/said" 2>&1
fails pages "commands were found"

# ---- manual --------------------------------------------------------------------------------------

passes manual
edited manual "each exported function is in a header
each is declared there as in the header
no page, name or link is of a function that isn't there" include/pagepool/pool.h '/^PP_API void pp_pool_recall/d'
edited manual "each function of a header is in a SYNOPSIS" docs/man/pp_pool_create.3 '/^\.Fn pp_pool_recall "/d'
edited manual "... and in its page's NAME" docs/man/pp_pool_create.3 '/^\.Nm pp_pool_recall/d'
edited manual "... and can be found by its name" docs/meson.build "s/'pp_pool_recall', //"
edited manual "no page, name or link is of a function that isn't there" docs/meson.build "s/'pp_pool_recall', /&'pp_pool_new', /"
edited manual "each is declared there as in the header" docs/man/pp_pool_create.3 \
	's/^\.Fn pp_pool_recall "struct pp_pool \*pool"/.Fn pp_pool_recall "struct pp_page *page"/'
edited manual "what is read from the environment is in pagepool(7)" docs/man/pagepool.7 '/^\.It Ev PAGEPOOL_DEBUG$/d'
if [ ${#tool[@]} -gt 0 ]; then
	edited manual "all of --help is in pagepool(1)" docs/man/pagepool.1 's/unbind-after/unbind-later/'
	if "${tool[0]}" --help | grep -q '^  kernel '; then
		edited manual "... and of kernel in pagepool-kernel(1)" docs/man/pagepool-kernel.1 's/unbind-anyway/unbind-still/'
	fi
fi
rm -r include/pagepool
run manual
grep -q '^not ok .* - the headers offer functions: [0-9]*$' "$dir/said"
ok $? "manual: the headers offer functions"
git checkout -q -- .

# ---- sample, site, tutorial ----------------------------------------------------------------------

passes sample
edited sample "it compiles beside the C library's headers" README.md 's/pp_page_get(&page, nic->pool)/pp_page_get(nic->pool)/'
edited sample "it compiles beside the C library's headers" README.md 's/\bnic_remove\b/remove/'
edited sample "it compiles beside the C library's headers
the README has a driver" README.md 's/\bpp_pool_create\b/pp_pool_make/'
run site
if grep -q '^1\.\.0' "$dir/said"; then
	sed 's/^1\.\.0/# site:/' "$dir/said"
else
	passes site
	broken site "the pages are made, and every link leads somewhere" docs/net.md '[there](nowhere.md)'
fi
if [ ${#tool[@]} -gt 0 ]; then
	passes tutorial
	edited tutorial "build/examples/1-pool" docs/tutorial.md 's/^two fragments of 1,500 bytes share/two fragments of 1,500 bytes never share/'
	edited tutorial "every example has its section, in order" docs/tutorial.md '/^\[examples\/9-workers\.c\]/d'
	edited tutorial "1-pool.c has fewer than 100 lines" examples/1-pool.c '1{h;:a;s/$/\n/;/\(\n.*\)\{30\}/!ba}'
	edited tutorial "the commands were found" docs/tutorial.md 's/^```console/```text/'
fi
echo "1..$n"
exit $failed
