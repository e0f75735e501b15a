# nic.sh - for the cases' part on the host: a NIC whose wire is a socket (traffic.py sends
# there), with QEMU's dump of what the NIC was really sent.
# shellcheck shell=bash

# nic [OPTION] - arguments for QEMU: the NIC, and the dump in $OUT/wire.pcap
nic() {
	printf '%s\n' -netdev "dgram,id=wire,local.type=unix,local.path=$OUT/wire.socket,remote.type=unix,remote.path=$OUT/far.socket"
	printf '%s\n' -object "filter-dump,id=dump,netdev=wire,file=$OUT/wire.pcap"
	printf '%s\n' -device "e1000e,netdev=wire,${1:-addr=3}"
}

# ready TEXT - wait until the guest has said so; false: it has ended
ready() {
	until grep -qF -- "$1" "$OUT/share/log" 2>/dev/null; do
		kill -0 "$qemu" 2>/dev/null || return 1
		sleep 0.2
	done
}

# packets FILE - all its packets in hexadecimal, without their times, by tcpdump's word
packets() {
	tcpdump -t -n -xx -r "$1" 2>/dev/null
}

# same_packets A B - all of them, none more
same_packets() {
	cmp <(packets "$1") <(packets "$2") >&2 && [ "$(packets "$1" | head -c 1)" ]
}
