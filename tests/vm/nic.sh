# nic.sh - for the part of a case that runs on the host: a NIC whose wire is a socket, to which
# send.py sends, with QEMU's dump of what really arrived at the NIC.
# shellcheck shell=bash

# one of virtio's, for NIC: by default it is an 82574L
VIRTIO=virtio-net-pci,disable-legacy=on,iommu_platform=on

# nic [OPTION [WIRE]] - arguments for QEMU: the NIC, and the dump in $OUT/WIRE.pcap
nic() {
	local wire=${2:-wire}
	printf '%s\n' -netdev "stream,id=on-$wire,server=on,addr.type=unix,addr.path=$OUT/$wire" \
		-object "filter-dump,id=dump-$wire,netdev=on-$wire,file=$OUT/$wire.pcap" \
		-device "${NIC:-e1000e},netdev=on-$wire,mac=52:54:00:12:34:56,${1:-addr=3}"
}

# ready TEXT - wait until the guest has said so; false: it has ended
ready() {
	until grep -qF -- "$1" "$OUT/share/log" 2>/dev/null; do
		kill -0 "$qemu" 2>/dev/null || return 1
		sleep 0.2
	done
}

# frames_come COUNT [LONGEST] - in the background
frames_come() {
	python3 tests/vm/send.py "$OUT/wire" "$@" >"$OUT/sender" 2>&1 8>&- & # 8: the lock
}
