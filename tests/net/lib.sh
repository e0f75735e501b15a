# shellcheck shell=bash
# lib.sh - what the tests of libpagepool-net on interfaces share: tests/net/xdp/lib.sh, and the probe.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
probe=${2:?the probe}
# shellcheck source=tests/net/xdp/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/xdp/lib.sh"
here=$(dirname "${BASH_SOURCE[0]}")

# receive WORD...: the probe on mid-a, in the background; it has its sockets
receive() {
	start m "$probe" receive mid-a "$@"
	until_true has "$dir/err" ready
}
# sends COUNT BYTES [WORD...]: the probe sends from mid-a, to its end
sends() {
	start m "$probe" send mid-a "$@"
	finish
	exited 0
}
# is NAME VALUE ...: these counters of the last run are so
is() {
	while [ $# -gt 0 ]; do
		look_up "$1"
		[ "$count" = "$2" ] || { echo "$1 is $count, not $2; all:"; grep -v ' 0$' "$dir/out" | cut -c1-80; cat "$dir/err"; return 1; }
		shift 2
	done
}
look_up() { # NAME: sets $count, to nothing where there is no such counter
	local name

	while read -r name count; do
		[ "$name" != "$1" ] || return 0
	done <"$dir/out"
	count=
}
counter() {
	look_up "$1"
	echo "$count"
}
# told SENTENCE: it has said so
told() {
	grep -qE -- "$1" "$dir/err" || { echo "nothing of \"$1\" in:"; cat "$dir/err"; return 1; }
}
quiet() { # nothing but that it is ready
	! grep -v '^ready$' "$dir/err"
}
# linked NAMESPACE INTERFACE KEY: of the interface's own counters, as in tx.packets
linked() {
	ip -n "$ns$1" -j -s link show "$2" | "$python" -IS -c '
import json, sys
v = json.load(sys.stdin)[0]["stats64"]
for k in sys.argv[1].split("."):
    v = v[k]
print(v)' "$3"
}
# frames NAMESPACE INTERFACE COUNT BYTES [EVERY]: of 0x88b5, by a packet socket
frames() {
	ip netns exec "$ns$1" "$python" -IS -c '
import errno, socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind((sys.argv[1], 0))
head = bytes.fromhex("02000000000202000000000188b5")
for i in range(int(sys.argv[2])):
    try:
        s.send((head + i.to_bytes(4, "big") + b"p" * int(sys.argv[3]))[:int(sys.argv[3])])
    except OSError as e:
        if e.errno != errno.ENOBUFS: # it was dropped
            raise
    if len(sys.argv) > 4:
        time.sleep(float(sys.argv[4]))
' "${@:2}"
}
# comes N: at least so many packets have been shown
comes() {
	[ "$(grep -c 88b5 "$dir/out")" -ge "$1" ]
}
