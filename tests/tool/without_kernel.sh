#!/bin/bash
# without_kernel.sh TOOL - a command built without `pagepool kernel` says so, and how to get it;
# everything else works. And the packages that it needs are not required of those who don't want it.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

run kernel
check "kernel" eval 'exited 1 && grep -q "built without the kernel command.*make KERNEL=1" "$dir/err"'
run kernel pools --json
check "kernel with a command" eval 'exited 1 && [ "$(wc -l <"$dir/err")" = 1 ] && [ ! -s "$dir/out" ]'
run --help
check "--help" eval 'exited 0 && grep -q "^  capture" "$dir/out" && ! grep -q "^  kernel" "$dir/out"'

# a machine on which no package is installed
mkdir "$dir/bin"
printf '#!/bin/sh\nexit 1\n' >"$dir/bin/dpkg-query"
chmod +x "$dir/bin/dpkg-query"
needed() { # WHAT...
	PATH=$dir/bin:$PATH "$here/../../scripts/deps" --needed "$@" 2>&1 | tr ' ' '\n'
}
asks_for_clang() { needed "$1" | grep -qx clang && needed "$1" | grep -qx bpftool; }
asks_for_neither() { needed "$1" | grep -qx gcc && ! needed "$1" | grep -qx 'clang\|bpftool\|libmnl-dev'; }
check "make and make run ask for no clang" asks_for_neither run
check "make KERNEL=1 does" asks_for_clang kernel
check "make check does" asks_for_clang check
done_testing
