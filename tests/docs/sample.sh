#!/bin/bash
# sample.sh ROOT - the driver in the README compiles as it is, beside the C library's headers,
# without a warning.
set -u
. "$(dirname "$0")/../tap.sh"
root=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cat >"$dir/sample.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <pagepool/pagepool.h>

/* the reader's own */
struct nic {
	struct pp_pool *pool;
};
void nic_post(struct nic *nic, struct pp_page *page, pp_iova_t iova);
void nic_stop(struct nic *nic);
void consume(void *data, size_t len, struct pp_page *page);

C
sed -n '/^```c$/,/^```$/p' "$root/README.md" | sed '/^```/d' >>"$dir/sample.c"
grep -q pp_pool_create "$dir/sample.c"
ok $? "the README has a driver"
${CC:-cc} -std=gnu17 -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter \
	-I "$root/include" -fsyntax-only "$dir/sample.c" >"$dir/log" 2>&1
ok $? "it compiles beside the C library's headers"
sed 's/^/# /' "$dir/log"
echo "1..$n"
exit $failed
