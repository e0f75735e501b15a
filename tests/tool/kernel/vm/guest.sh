# guest.sh - shell functions for the cases of pagepool kernel inside the machine, beside those of
# tests/vm/guest.sh: the host's own files are there, read-only, so what runs here is what runs there.
# shellcheck shell=sh

# as_host PATH ... - a program with the host's files as root: bash, ip, python3, what was built. /tmp and
# /run are the guest's. (Of a bare name busybox would run its own.)
as_host() {
	if [ ! -d /host/proc/self ]; then
		mkdir -p /host
		mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro,cache=loose host /host
		for at in proc sys dev; do mount --bind /$at /host/$at; done
		mount --bind /sys/kernel/debug /host/sys/kernel/debug
		for at in tmp run; do mount -t tmpfs $at /host/$at; done
	fi
	LD_LIBRARY_PATH= PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot /host "$@"
}
# driver_module NAME - of this kernel, and what it depends on
driver_module() { as_host /usr/sbin/modprobe -d "$modules" "$1"; }
