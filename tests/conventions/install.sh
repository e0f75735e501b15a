#!/bin/bash
# install.sh BUILD CC PREFIX - an installation with DESTDIR: every file is below the prefix, and an
# example builds with the flags that pkg-config prints, shared and static, and runs.
set -u
export LC_ALL=C
build=$1
prefix=$3
read -ra cc <<<"$2"
. "$(dirname "$0")/../tap.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
top=$dir/root$prefix

check() { # WHAT COMMAND...
	"${@:2}" >"$dir/said" 2>&1
	local status=$?
	ok $status "$1"
	[ $status = 0 ] || sed 's/^/# /' "$dir/said"
}
in_place() { # FILE...: below the prefix; * and ? are patterns
	local f
	for f; do
		compgen -G "$top/$f" || { echo "there is no $f"; return 1; }
	done
}
check "it installs" meson install -C "$build" --no-rebuild --destdir "$dir/root"
check "nothing is outside of the prefix" eval '! find "$dir/root" -type f -not -path "$top/*" | grep .'
library=$(dirname "$(find "$top" -name libpagepool.so)")
check "headers, libraries, manual" in_place include/pagepool/{pagepool,pci,inline/fast}.h "${library#"$top/"}/libpagepool.so.1" \
	"${library#"$top/"}/libpagepool.a" "${library#"$top/"}/pkgconfig/pagepool.pc" share/pagepool/gdb/pagepool.py share/man/man3/pp_page_put.3 share/man/man7/pagepool.7
soname() { readelf -d "$library/libpagepool.so" | grep -q 'SONAME.*\[libpagepool\.so\.1\]'; }
check "the library's name" soname
versions() { # of all that is exported; the rest is the linker's
	nm -D --defined-only "$library/libpagepool.so" | awk '$2 != "A" { n++; if (!/@@PAGEPOOL_/) { bad = 1; print } }
		END { exit bad || !n }'
}
check "every symbol has a version" versions
export PKG_CONFIG_SYSROOT_DIR=$dir/root PKG_CONFIG_LIBDIR=$library/pkgconfig
example=$(dirname "$0")/../../examples/4-unbind.c
build_with() { # OUTPUT FLAG...
	read -ra flags < <(pkg-config --cflags --libs "${@:2}" pagepool)
	"${cc[@]}" "$example" -o "$dir/$1" "${flags[@]}" -pthread
}
check "an example builds with what pkg-config says" build_with shared
check "... and runs" env LD_LIBRARY_PATH="$library" "$dir/shared"
rm -f "$library"/libpagepool.so*
check "... statically too" build_with static --static
check "... and runs" "$dir/static"
echo "1..$n"
exit $failed
