#!/bin/bash
# bind.sh - bind refuses a device that is in use unless --force is given. Runs in a mount namespace
# with a fake /sys: nothing real is touched.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

if [ "$(id -u)" != 0 ] || ! unshare -mn true 2>/dev/null; then
	echo "1..0 # SKIP it takes the right to make namespaces"
	exit 0
fi
if [ -z "${PP_BIND_INSIDE:-}" ]; then
	PP_BIND_INSIDE=1 exec unshare -mn "$0" "$@"
fi
mount --make-rprivate / && mount -t tmpfs none /sys || exit 1

pci=/sys/bus/pci
mkdir -p $pci/devices $pci/drivers/{nvme,ixgbe,vfio-pci} /sys/kernel/iommu_groups/7/devices /sys/class/{net,block}
: >$pci/drivers_probe
mock() { # ADDRESS DRIVER: a device, bound
	local d=$pci/devices/$1

	rm -rf "$d" $pci/drivers/*/unbind
	mkdir -p "$d"
	: >"$d/driver_override"
	ln -s "$pci/drivers/$2" "$d/driver"
	: >"$pci/drivers/$2/unbind"
	ln -s /sys/kernel/iommu_groups/7 "$d/iommu_group"
}
disk() { # NAME [BELOW]: a block device of the controller, or of none
	local d=${2:-$pci/devices/0000:09:00.0/host0}/$1

	mkdir -p "$d/holders"
	ln -sfn "$d" "/sys/class/block/$1"
}
interface() { # NAME [LOWER]: a network interface of the NIC, or one on top of another
	local d=$pci/devices/0000:0a:00.0

	[ $# = 1 ] || d=/sys/devices/virtual
	mkdir -p "$d/net/$1"
	ln -sfn "$d/net/$1" "/sys/class/net/$1"
	if [ $# = 1 ]; then
		ln -sfn "$d" "$d/net/$1/device"
	else
		ln -sfn "$d/net/$1" "/sys/class/net/$2/upper_$1"
	fi
}
# kept ADDRESS DRIVER WORDS: it is refused, with these words, and the driver keeps it
kept() {
	run bind "$1"
	exited 1 && grep -q -- "$3" "$dir/err" || { cat "$dir/err"; return 1; }
	[ ! -s "$pci/drivers/$2/unbind" ] || { echo "told to let go"; return 1; }
}
# taken ADDRESS DRIVER OPTION...: the driver is told to let go
taken() {
	run bind "$1" "${@:3}"
	grep -qx "$1" "$pci/drivers/$2/unbind" || { cat "$dir/err"; return 1; }
}

disk_is() {
	kept 0000:09:00.0 nvme "$1"
}
nic_is() {
	kept 0000:0a:00.0 ixgbe "$1"
}
fresh_disk() {
	rm -rf /sys/class/block/* /sys/devices/virtual
	mock 0000:09:00.0 nvme
	disk ppt0
	disk ppt0p1 $pci/devices/0000:09:00.0/host0/ppt0
}
mkdir "$dir/mnt"

fresh_disk
check "a disk that nobody uses is taken" taken 0000:09:00.0 nvme
fresh_disk
mount -t tmpfs /dev/ppt0p1 "$dir/mnt"
check "a partition is mounted" disk_is "its disk ppt0p1 is mounted on $dir/mnt"
check "... --force takes it" taken 0000:09:00.0 nvme --force
umount "$dir/mnt"
fresh_disk
disk dm-9 /sys/devices/virtual
disk md9 /sys/devices/virtual
ln -s x /sys/class/block/ppt0p1/holders/md9
ln -s x /sys/class/block/md9/holders/dm-9
check "a volume lies on a partition" disk_is "dm-9 is built on its disk"
mount -t tmpfs /dev/dm-9 "$dir/mnt"
check "... and is mounted" disk_is "its disk dm-9 is mounted"
umount "$dir/mnt"
fresh_disk
disk ppt1 /sys/devices/virtual
mkdir -p /sys/devices/virtual/ppsub
ln -s /sys/devices/virtual/ppsub /sys/devices/virtual/ppt1/device
mkdir -p $pci/devices/0000:09:00.0/nvme/nvme77
ln -s $pci/devices/0000:09:00.0/nvme/nvme77 /sys/devices/virtual/ppsub/nvme77
mount -t tmpfs /dev/ppt1 "$dir/mnt"
check "a disk of several paths" disk_is "its disk ppt1 is mounted"
umount "$dir/mnt"
fresh_disk
mkdir -p $pci/devices/0000:09:00.0/tty/pp-tty
mount -t tmpfs none /dev/shm # a place in /dev that is ours
: >/dev/shm/tty
printf 'MAJOR=1\nDEVNAME=shm/tty\n' >$pci/devices/0000:09:00.0/tty/pp-tty/uevent
exec 5</dev/shm/tty
check "a device file is open" disk_is "process .* has /dev/shm/tty open"
exec 5<&-
check "... no more" taken 0000:09:00.0 nvme

fresh_nic() {
	ip link del ppn0 2>/dev/null
	rm -rf /sys/class/net/* /sys/devices/virtual
	mock 0000:0a:00.0 ixgbe
	ip link add ppn0 type veth peer name ppn1
	ip link set ppn1 up
	interface ppn0
}
fresh_nic
check "a NIC that nobody uses is taken" taken 0000:0a:00.0 ixgbe
fresh_nic
ip link set ppn0 up
check "... also if it is up, with a link-local address" taken 0000:0a:00.0 ixgbe
fresh_nic
ip addr add 10.77.0.1/24 dev ppn0
check "its interface has an address" nic_is "its interface ppn0 has an address"
check "... --force takes it" taken 0000:0a:00.0 ixgbe --force
fresh_nic
ip link set ppn0 up
ip route add 10.78.0.0/16 dev ppn0
check "a route leads over it" nic_is "a route uses its interface ppn0"
ip route add default dev ppn0
check "... the default route" nic_is "its interface ppn0 carries the default route"
fresh_nic
ip link set ppn0 up
ip -6 route add 2001:db8:77::/48 dev ppn0
check "an IPv6 route" nic_is "a route uses its interface ppn0"
fresh_nic
interface ppbr0 ppn0
check "a bridge has it" nic_is "ppbr0 is built on its interface ppn0"
ip link add ppbr0 type veth peer name ppbr1
ip addr add 10.79.0.1/24 dev ppbr0
check "... which has an address" nic_is "its interface ppbr0 has an address"
ip link del ppbr0
fresh_nic
ip link set ppn0 up
"$python" -c 'import socket, time; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3); s.bind(("ppn0", 3)); print("bound", flush=True); time.sleep(1000)' >"$dir/packet" &
child=$!
until_true test -s "$dir/packet"
check "a program captures on it" nic_is "a program has a packet socket on its interface ppn0"
kill -KILL $child
wait $child 2>/dev/null
child=

done_testing
