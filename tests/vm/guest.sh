# guest.sh - shell functions for the part of a case that runs in the guest (busybox).
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

# fault interrupts of all IOMMUs that the kernel has handled
fault_interrupts() {
	awk '/dmar/ { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

# check WHAT COMMAND ... - one line of TAP; what the command prints is shown
tests=0
check() {
	what=$1
	shift
	tests=$((tests + 1))
	if said=$("$@" 2>&1); then
		echo "ok $tests - $what"
	else
		echo "not ok $tests - $what"
		failed=1
	fi
	[ -z "$said" ] || echo "$said" | sed 's/^/# /'
}

# says STATUS TEXT COMMAND ... - it ends so, and says that
says() {
	status=$1 text=$2
	shift 2
	answer=$("$@" 2>&1)
	is=$?
	echo "$answer"
	[ $is = "$status" ] || { echo "exit status $is, not $status"; return 1; }
	echo "$answer" | grep -qF -- "$text"
}

# ready_with FILE TEXT - say so, in the background, once a capture has begun its file: frames that
# come while its driver starts QEMU may drop, as a card does
ready_with() {
	{
		until [ -s "$1" ]; do sleep 1; done
		sleep 1
		echo "# $2"
	} &
}

# driver ADDRESS - which it is bound to
driver() {
	basename "$(readlink "/sys/bus/pci/devices/$1/driver" || echo none)"
}

# reported "KEY OP NUMBER" ... - what /tmp/report, which is JSON, says
reported() {
	for claim; do
		set -- $claim
		is=$(sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" /tmp/report)
		case $2 in
		==) [ "$is" = "$3" ] ;;
		">=") [ "$is" -ge "$3" ] ;;
		esac || { echo "$1 is ${is:-not there}, not $2 $3"; return 1; }
	done
}
