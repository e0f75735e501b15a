# guest.sh - shell functions for the page_pool's cases inside the machine, beside those of
# tests/vm/guest.sh. The kernel's command line leaves kind= (of scripts/vm-kernel) and rounds=
# in the environment.
# shellcheck shell=sh
debug=/sys/kernel/debug

# pci VENDOR:DEVICE - where it is
pci() {
	for d in /sys/bus/pci/devices/*; do
		[ "$(cat "$d/vendor"):$(cat "$d/device")" = "0x${1%:*}:0x${1#*:}" ] || continue
		basename "$d"
		return
	done
}
unbind() { echo "$1" >"/sys/bus/pci/devices/$1/driver/unbind"; }
bind() { echo "$1" >"/sys/bus/pci/drivers/$2/bind"; }
remove() { echo 1 >"/sys/bus/pci/devices/$1/remove"; }
rescan() { echo 1 >/sys/bus/pci/rescan; }

# edu_pool: tell the driver; its state, as variables state_KEY
edu() { echo "$*" >$debug/edu_pool/do; }
get_state() { # without a fork, as edu
	while read -r key is; do eval "state_$key=$is"; done <$debug/edu_pool/state
}
state_is() {
	get_state
	for claim; do
		eval "is=\$state_${claim%% *}"
		[ "$is" -eq "${claim##* }" ] || { echo "${claim%% *} is $is, not ${claim##* }"; return 1; }
	done
}
# fragment ORDER - of free memory no block is larger; -1: no longer so
fragment() { echo "$1" >/sys/module/fragment/parameters/down_to; }

# the DMA API's own judge: with all_errors it counts each, and does not stop at the first. Debian's
# kernels have none, nor page_owner, nor kmemleak.
all_errors() { [ ! -e $debug/dma-api ] || echo 1 >$debug/dma-api/all_errors; }
no_dma_error() {
	[ -e $debug/dma-api ] || { echo "there is no dma-debug here"; return; }
	is=$(cat $debug/dma-api/error_count)
	[ "$is" = 0 ] || { echo "dma-debug counts $is errors"; return 1; }
}
# faults N - so many more of the IOMMU's than there were at $faults_before
faults() {
	is=$(($(fault_interrupts) - faults_before))
	[ "$is" -eq "$1" ] || { echo "$is faults and not $1"; return 1; }
}

# pools without their driver that wait for pages, as netlink tells
zombies() { pptest pools | grep -vc 'detached -$'; }
zombies_and_pages() { pptest pools | awk '$NF != "-" { n += 1 + $6 } END { print n + 0 }'; }

# next_look - what is freed but lies about has a way out on each CPU: it receives something, as what
# another one freed for it lies in its list till then (skb_attempt_defer_free); the timers of a
# second run out on it, as a pool that was destroyed looks for its pages once a second; and it does
# the work that these queued, as stat_refresh queues its own behind that and waits for it.
next_look() {
	for cpu in 1 2; do
		taskset $cpu ping -c 1 127.0.0.1 >/dev/null 2>&1
		taskset $cpu sleep 2
	done
	echo 1 >/proc/sys/vm/stat_refresh
}
# none_left COUNT - until that command prints 0; false: a pool has looked twice and nothing changed
none_left() {
	was=-1
	same=0
	while is=$($1) && [ "$is" != 0 ]; do
		same=$((is == was ? same + 1 : 0))
		[ $same -lt 2 ] || return 1
		was=$is
		next_look
	done
}
no_zombie() { none_left zombies_and_pages || { pptest pools; return 1; }; }

# what is free when caches are empty, KiB; with what CPUs have in lists of their own, which may be
# tens of MiB and which MemAvailable leaves out
free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh
	awk '/^MemAvailable/ { n += $2 } $1 == "count:" { n += $2 * 4 } END { print n }' /proc/meminfo /proc/zoneinfo
}

# memory_before, memory_is_back - what a run left, by four judges: page_owner (pages that a
# page_pool took and somebody has still), kmemleak, and what is free, within 8 MiB
memory_before() {
	[ ! -e $debug/kmemleak ] || echo clear >$debug/kmemleak
	free_before=$(free_kib)
	cat /proc/slabinfo >/tmp/slabs
}
grown_slabs() { # KiB, the ten that grew most
	awk 'NR == FNR { was[$1] = $15 * $6; next } $15 * $6 > was[$1] && $1 in was {
		print ($15 * $6 - was[$1]) * 4, $1, $2 " objects of " $4 }' /tmp/slabs /proc/slabinfo | sort -rn | head
}
# Whose pages they are says the function that called the page allocator: further out there may be
# a page_pool's that an interrupt came upon, whose softirq then allocated for somebody else.
pool_stacks() {
	[ -e $debug/page_owner_stacks ] || return
	awk 'BEGIN { RS = ""; FS = "\n" } {
		for (i = 1; $i ~ /^ _*(alloc_pages|get_page_from_freelist|post_alloc_hook)/; i++) ;
		if ($i ~ /^ (_*page_pool_|pool_|chunk_)/) print
	}' $debug/page_owner_stacks/show_stacks
}
pool_pages() { pool_stacks | awk '$1 == "nr_base_pages:" { n += $2 } END { print n + 0 }'; }
# the large ones only: much faster
pool_pages_about() {
	echo 64 >$debug/page_owner_stacks/count_threshold
	pool_pages
	echo 0 >$debug/page_owner_stacks/count_threshold
}
no_pool_page() {
	[ -e $debug/page_owner_stacks ] || { echo "there is no page_owner here"; return; }
	none_left pool_pages || { pool_stacks; return 1; }
}
no_leak() {
	[ -e $debug/kmemleak ] || { echo "there is no kmemleak here"; return; }
	sleep 6 # kmemleak looks at nothing that is younger
	echo scan >$debug/kmemleak
	sleep 6
	echo scan >$debug/kmemleak
	said=$(cat $debug/kmemleak)
	[ -z "$said" ] || { echo "$said"; return 1; }
}
memory_is_back() {
	no_leak || return 1
	is=$(free_kib)
	echo "$free_before KiB were free, $is are"
	[ $((free_before - is)) -le 8192 ] || { grown_slabs; return 1; }
}

# a network namespace for the peer: at_peer COMMAND ... runs in it, to_peer INTERFACE moves there.
# What runs beside starts with $peer: nsenter becomes the program, and $! is that. (A function with
# & behind it is a shell, and the program a child that outlives it.)
peer_start() {
	unshare -n sleep 1000000 &
	there=$!
	until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do usleep 1000; done
	peer="nsenter -t $there -n"
	# QEMU's NICs drop what comes too fast: it is sent again soon
	at_peer sh -c 'echo 20000 >/proc/sys/net/ipv4/tcp_rto_min_us'
}
at_peer() { $peer "$@"; }
no_program() {
	left=$(pidof pptest)
	[ -z "$left" ] || { ps; return 1; }
}
to_peer() { # it has 10.0.0.2/24
	ip link set "$1" netns $there && at_peer ip addr add 10.0.0.2/24 dev "$1" && at_peer ip link set "$1" up
}
# said TEXT FILE PID - wait until the program has said so there; false: it has ended
said() {
	until grep -q "$1" "$2"; do kill -0 "$3" && usleep 10000 || return 1; done 2>/dev/null
}
# hold_data KIB - 8 connections from the peer, so much each, lie unread here; read_data: until now.
# hold_data KIB pipe - and 8 more, spliced into pipes
hold_data() {
	rm -f /tmp/go
	holders=
	senders=
	hold_in hold 5000 "$1" || return 1
	[ -z "$2" ] || hold_in "$2" 5002 "$1"
}
hold_in() {
	bytes=$(($3 * 1024))
	rm -f "/tmp/$1" "/tmp/$1-sent"
	pptest "$1" "$2" 8 $bytes /tmp/go >"/tmp/$1" 2>&1 &
	holder=$!
	said waiting "/tmp/$1" $holder || return 1
	$peer pptest send 10.0.0.1 "$2" 8 $bytes >"/tmp/$1-sent" 2>&1 &
	sender=$!
	{ said acked "/tmp/$1-sent" $sender && said held "/tmp/$1" $holder; } ||
		{ cat "/tmp/$1" "/tmp/$1-sent"; return 1; }
	holders="$holders $holder"
	senders="$senders $sender"
}
read_data() { # and compare
	touch /tmp/go
	status=0
	for holder in $holders; do wait $holder || status=1; done
	for sender in $senders; do
		kill -9 $sender 2>/dev/null
		{ wait $sender; } 2>/dev/null # "Killed"
	done
	[ $status = 0 ] || cat /tmp/hold /tmp/pipe
	return $status
}

# ---- a NIC at $nic, peer at its other end ---------------------------------------------------------
# vmxnet3 with an XDP program; pages that wait are page_owner's to tell, as its pools have no names
nic_id=15ad:07b0
nic_driver=vmxnet3
nic_xdp=1
nic_pipe=
nic_held=pool_pages_about
nic_least=300
# virtio - virtio-net instead, whose pools netlink knows; some of its pages are in pipes besides
virtio() {
	nic_id=1af4:1041
	nic_driver=virtio-pci
	nic_xdp=
	nic_pipe=pipe
	nic_held=pages_waiting
	[ ! -d /lib/modules ] || { modprobe virtio_net && modprobe e1000e; }
	nic_least=200
}
pages_waiting() { pptest pools | awk '$NF != "-" { n += $6 } END { print n + 0 }'; }
# interface PCI-DEVICE - its name
interface() {
	for d in "/sys/bus/pci/devices/$1/net"/* "/sys/bus/pci/devices/$1"/virtio*/net/*; do
		[ ! -e "$d" ] || basename "$d"
	done
}
nic_up() {
	eth=$(interface "$nic")
	[ -z "$nic_xdp" ] || pptest xdp "$(cat "/sys/class/net/$eth/ifindex")" || return 1
	ip addr add 10.0.0.1/24 dev "$eth" && ip link set "$eth" up
}
# the driver leaves for good; memory is compared then, as it holds 10 MiB. And virtio-net frees
# what it has sent when it sends the next: up to a ring of the stream's data.
nic_down() {
	at_peer ping -c 2 -W 1 10.0.0.1 >/dev/null 2>&1
	ip link set "$eth" down
	unbind "$nic"
	no_pool_page
}
# unplug, plug - the host does it, see the case
unplug() {
	echo "# unplug"
	while [ -e "/sys/bus/pci/devices/$1" ]; do usleep 10000; done
}
plug() {
	echo "# plug"
	until [ "$(driver "$1")" = $nic_driver ] && [ -n "$(interface "$1")" ]; do usleep 10000; done
}
# what takes it away, from under two kinds of connections; and what brings it back
away() {
	hold_data 64 $nic_pipe || return 1
	rm -f /tmp/sink
	pptest sink 5001 >/tmp/sink 2>&1 &
	sink=$!
	said waiting /tmp/sink $sink || return 1
	$peer pptest stream 10.0.0.1 5001 >/dev/null 2>&1 &
	stream=$!
	read -r was <"/sys/class/net/$eth/statistics/rx_packets"
	is=$was
	until [ $((is - was)) -gt 100 ]; do
		kill -0 $stream || return 1
		read -r is <"/sys/class/net/$eth/statistics/rx_packets"
	done
	$1 "$nic"
	[ "$(driver "$nic")" = none ]
}
back() {
	case $1 in
	unbind) bind "$nic" $nic_driver ;;
	remove) rescan ;;
	unplug) plug "$nic" ;;
	esac
	[ "$(driver "$nic")" = $nic_driver ] && nic_up
}
nic_round() {
	away "$1" || return 1
	held=$($nic_held)
	[ $((i % 3)) = 0 ] || read_data || return 1
	kill -TERM $sink
	wait $sink || { cat /tmp/sink; return 1; }
	kill -9 $stream 2>/dev/null
	{ wait $stream; } 2>/dev/null
	back "$1" || return 1
	[ $((i % 3)) != 0 ] || read_data # each third time late
}
# nic_rounds N WAY ... - so often, the ways in turn; then all that must hold
nic_rounds() {
	all_errors
	faults_before=$(fault_interrupts)
	nic=$(pci $nic_id)
	peer_start
	to_peer "$(interface 0000:00:05.0)"
	check "the NIC is up${nic_xdp:+, with an XDP program}" nic_up
	eth=$(interface "$nic")
	i=0
	least=1000000
	n=$1
	shift
	while [ $i -lt "$n" ]; do
		[ $i != $# ] || { # each way once: caches are warm
			nic_down
			memory_before
			bind "$nic" $nic_driver
			nic_up
		}
		i=$((i + 1))
		way=$1
		shift
		set -- "$@" "$way"
		nic_round "$way" || { echo "round $i, $way: failed"; i=-$i; break; }
		least=$((held < least ? held : least))
		[ $((i % 100)) != 0 ] || echo "# round $i: $least pages and more were in flight, $(free_kib) KiB are free"
	done
	check "$n rounds, all data right" [ $i = "$n" ]
	check "pages were in flight in all" [ $least -ge $nic_least ]
	echo "# $least pages or more were in flight in each round"
	check "the DMA API has no complaint" no_dma_error
	check "the IOMMU saw no fault" faults 0
	check "no program of the test is left" no_program
	check "no page is left" nic_down
	check "no pool is left waiting" no_zombie
	check "the memory is back" memory_is_back
	kill $there
	[ -z "$failed" ]
}
