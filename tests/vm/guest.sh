# guest.sh - shell functions for the cases' part that runs inside the machine (busybox).
# shellcheck shell=sh

# to_vfio ADDRESS ... - bind PCI devices to vfio-pci by hand, as pagepool bind does
to_vfio() {
	for a; do
		echo vfio-pci >"/sys/bus/pci/devices/$a/driver_override"
		[ -e "/sys/bus/pci/devices/$a/driver" ] && echo "$a" >"/sys/bus/pci/devices/$a/driver/unbind"
		echo "$a" >/sys/bus/pci/drivers/vfio-pci/bind || return 1
	done
}

# run PROGRAM ... - a TAP program of /bin; its lines are told apart by its name
run() {
	echo "# program $*"
	"$@" 2>&1
	status=$?
	[ $status = 0 ] || failed=1
	echo "# ended $status $1"
}

# IOMMU page tables of the whole machine, KiB
table_kib() {
	awk '/nr_iommu_pages/ { print $2 * 4 }' /proc/vmstat
}
