#!/bin/bash
# sent.sh COMMAND PROBE - what is said to be sent has left the interface, by the kernel's own counts
# at both ends; what couldn't be is counted under its reason.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
make_left

# arrived: packets that the other end has got since `begin`
begin() {
	before=$(linked a left rx.packets)
}
arrived() {
	echo $(($(linked a left rx.packets) - before))
}

all() {
	begin
	sends 5000 200 && is tx_sent_min 5000 tx_sent_max 5000 left 0 && [ "$(arrived)" = 5000 ]
}
check "all are sent: so it is said" all

no_carrier() {
	ip -n "$ns"a link set left down
	sends 100 200
	status=$?
	ip -n "$ns"a link set left up
	[ $status = 0 ] && is tx_no_carrier 100 tx_taken 0 tx_sent_min 0 tx_sent_max 0 left 0
}
check "no carrier: refused, each counted" no_carrier

carrier_lost() { # and found again, in mid-stream
	begin
	start m "$probe" send mid-a 3000 200 pps=3000
	for _ in 1 2 3; do
		sleep 0.15
		ip -n "$ns"a link set left down
		sleep 0.1
		ip -n "$ns"a link set left up
	done
	finish
	exited 0 && is left 0 tx_unsent 0 || return 1
	[ "$(counter tx_no_carrier)" -gt 0 ] || { echo "none was refused"; return 1; }
	[ "$(counter tx_sent_min)" = "$(arrived)" ] && [ "$(counter tx_sent_max)" = "$(arrived)" ] ||
		{ cat "$dir/out"; echo "$(arrived) arrived"; return 1; }
	[ $(($(counter tx_packets) + $(counter tx_no_carrier))) = 3000 ]
}
check "the carrier comes and goes: what arrived is what was sent" carrier_lost

too_long() {
	begin
	sends 10 1515 && is tx_too_long 10 tx_sent_max 0 && sends 10 1514 && is tx_too_long 0 tx_sent_min 10 &&
		[ "$(arrived)" = 10 ]
}
check "longer than the MTU: refused, each counted" too_long
mtu_lowered() {
	begin
	start m "$probe" send mid-a 2000 1400 pps=2000
	sleep 0.3
	ip -n "$ns"m link set mid-a mtu 1300
	finish
	ip -n "$ns"m link set mid-a mtu 1500
	exited 0 || return 1
	[ "$(counter tx_too_long)" -gt 0 ] || { echo "none was refused"; return 1; }
	is tx_sent_min "$(arrived)" tx_packets "$(arrived)" tx_too_long $((2000 - $(arrived)))
}
check "the MTU is lowered on the way" mtu_lowered
others_mtu() { # mid-a takes what left drops
	ip -n "$ns"a link set left mtu 1300
	begin
	sends 500 1400
	status=$?
	ip -n "$ns"a link set left mtu 1500
	[ $status = 0 ] && is tx_packets 500 tx_sent_min 0 tx_sent_max 0 && [ "$(arrived)" = 0 ]
}
check "the other end's MTU is smaller: dropped, so not sent" others_mtu

too_short() {
	sends 10 0 && is tx_too_short 10 && sends 10 13 && is tx_too_short 10 && sends 10 14 &&
		is tx_too_short 0 tx_sent_min 10
}
check "of no bytes, or less than a header: refused, each counted, and it ends" too_short

others_send() { # and have some dropped: whose, nobody knows
	ip -n "$ns"a link set left mtu 1300
	begin
	start m "$probe" send mid-a 1000 200 pps=1000
	frames m mid-a 100 1400
	finish
	ip -n "$ns"a link set left mtu 1500
	exited 0 || return 1
	is tx_packets 1000 tx_sent_min 900 tx_sent_max 1000 && [ "$(arrived)" = 1000 ]
}
check "others have packets dropped there meanwhile: a range" others_send
others_send_well() {
	start m "$probe" send mid-a 1000 200 pps=1000
	frames m mid-a 100 300
	finish
	exited 0 && is tx_sent_min 1000 tx_sent_max 1000
}
check "... none dropped: exact" others_send_well

gone() {
	start m "$probe" send mid-a 1000000 200
	until_true moves
	ip -n "$ns"m link del mid-a
	finish
	exited 0 && told "state 3: mid-a has gone: it was deleted" && is left 0 || return 1
	[ "$(counter tx_sent_min)" -le "$(counter tx_sent_max)" ] &&
		[ "$(counter tx_sent_max)" -le "$(counter tx_packets)" ]
}
moves() {
	[ "$(linked a left rx.packets)" -gt 20000 ]
}
check "the interface is deleted in mid-stream" gone
done_testing
