#!/bin/bash
# unbind.sh TOOL LOSE - pagepool kernel unbind: it takes an interface down, waits for its pages and
# names their holders; if it gives up, everything is restored, routes and addresses included. The
# driver to unbind is a file that the test makes, as veth has none.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

make_pair || skip_all "there is no veth, or it takes no XDP program"
in_b sysctl -qw net.ipv6.conf.right.disable_ipv6=0 2>/dev/null && six=1 || six=
ip -n "$ns"b addr add 10.78.1.2/24 dev right
ip -n "$ns"b route add 10.80.0.0/16 via 10.78.0.1 metric 7
ip -n "$ns"b route add default via 10.78.0.1
ip -n "$ns"b route add 10.81.0.0/16 dev right table 99
if [ "$six" ]; then
	ip -n "$ns"b addr add 2001:db8::2/64 dev right nodad
	ip -n "$ns"b -6 route add 2001:db8:1::/48 via 2001:db8::1
	ip -n "$ns"b neigh replace 2001:db8::1 lladdr 02:00:00:00:00:01 dev right nud permanent
fi
# all that ip tells of it but what changes by itself
state() {
	ip -n "$ns"b -o addr show dev right | sed 's/tentative//; s/ \+/ /g' | sort
	ip -n "$ns"b -4 route show table all | sort
	ip -n "$ns"b -6 route show table all | grep -v '^multicast\|^anycast\|^local fe80\|proto ra' | sort
	ip -n "$ns"b neigh show dev right nud permanent | sort
	ip -n "$ns"b -o link show dev right | grep -o '<[^>]*>\|mtu [0-9]*\|xdp[a-z/]*'
}
as_before() { diff "$dir/before" <(state); }
is_down() { ! ip -n "$ns"b -o link show dev right | grep -q '[<,]UP[,>]'; }
unbind() { try in_b "$tool" kernel unbind "$@"; } # ARGUMENT...: in b, to the end
# begin ARGUMENT...: the same in the background, until the interface is down
begin() {
	beside ip netns exec "$ns"b "$tool" kernel unbind "$@"
	until_true eval 'is_down || ! beside_runs'
	is_down
}
hold() { # NAME PORT: 10 pages
	start "$1" b udp "$2" 5
	hears "$1" open && start "to_$1" a send udp "$2" 5 "$UDP" && hears "$1" ready
}

# What the kernel sets by itself shall have come to rest.
until_true eval '! ip -n "$ns"b -o addr show dev right | grep -q tentative'
check "a socket has pages" hold udp 5001
state >"$dir/before"

# ---- nothing is done --------------------------------------------------------------------------

unbind right
check "a virtual interface" eval 'exited 1 && said "right is virtual.*--down" && as_before'
unbind right --down
check "one in use" eval 'exited 1 && said "right is left alone: its interface right has an address; --force" && as_before'
unbind no-such --down
check "one that isn't there" eval 'exited 1 && said "no interface and no PCI device \"no-such\"" && as_before'
unbind
check "none" eval 'exited 2 && said "needs an interface or a PCI address"'
unbind right --down --unbind-anyway
check "--down and --unbind-anyway" eval 'exited 2 && said "be combined" && as_before'
unbind right --down --force --dry-run
check "--dry-run" eval 'exited 0 && grep -q "^right is up, and would be taken down$" "$dir/out" && grep -q "^10 pages of its 1 pool are held" "$dir/out" && as_before'
check "... names the holders" grep -qE "^ +10 +.*python3[^ ]*\[${pid[udp]}\] fd [0-9]+, UDP" "$dir/out"
try in_b "${without_btf[@]}" kernel unbind right --down --force
check "it can't be seen whether pages are out" eval 'exited 1 && said "can.t be seen: .*CONFIG_DEBUG_INFO_BTF" && as_before'
try in_b "${without_rights[@]}" kernel unbind right --down --force
check "without rights" eval 'exited 1 && said "right is left alone: .*no permission to load BPF programs" && as_before'

# ---- given up -----------------------------------------------------------------------------------

unbind right --down --force --timeout 0
check "pages are held, and the time is up" eval 'exited 1 && said "right is left alone: 10 pages of its pools are still held"'
check "... whose holder is named" grep -qE "^ +10 +.*python3[^ ]*\[${pid[udp]}\] fd [0-9]+, UDP" "$dir/out"
check "... and all is as it was" as_before
check "it waits" begin right --down --force --timeout 1000
tell INT
ended
check "interrupted" eval 'exited 1 && said "stopped"'
check "... and all is as it was" as_before
check "it waits" begin right --down --force --timeout 1000
ip -n "$ns"b link set right up
ended
check "somebody brings it up" eval 'exited 1 && said "right was brought up by somebody else"'

# ---- done ---------------------------------------------------------------------------------------

for what in "route add 10.80.0.0/16 via 10.78.0.1 metric 7" "route add default via 10.78.0.1" "addr add 2001:db8::2/64 dev right nodad"; do
	# shellcheck disable=SC2086 # words
	ip -n "$ns"b $what 2>/dev/null # who took it up gave it none of these
done
check "it waits" begin right --down --force --timeout 1000
until_true grep -q UDP "$dir/out"
check "... and names whom for" grep -qE "^ +10 +.*python3[^ ]*\[${pid[udp]}\] fd [0-9]+, UDP" "$dir/out"
check "the pages come back" give_back udp
ended
check "it is down" eval 'exited 0 && is_down && grep -q "^right is down, and all pages of its pools are back\.$" "$dir/out"'

# ---- a driver -----------------------------------------------------------------------------------

# /sys as it would be if right were a PCI device of the driver "fake"
fake=$dir/devices/0000:00:77.0
mkdir -p "$fake/net" "$dir/drivers/fake" "$dir/class/right" "$dir/bus/pci"
ln -s "$dir/drivers/fake" "$fake/driver"
ln -s "$dir/bus/pci" "$fake/subsystem"
ln -s "$fake" "$dir/class/right/device"
: >"$dir/drivers/fake/unbind"
real=$tool
# shellcheck disable=SC2016 # the inner shell's
printf '#!/bin/sh\nexec unshare -m sh -c '\''mount --bind "$1" /sys/class/net && shift && exec "$@"'\'' - %q %q "$@"\n' \
	"$dir/class" "$real" >"$dir/faked"
chmod +x "$dir/faked"
tool=$dir/faked
unbound() { cat "$dir/drivers/fake/unbind"; }

ip -n "$ns"b link set right up
ip -n "$ns"b neigh replace 10.78.0.1 lladdr 02:00:00:00:00:01 dev right nud permanent
check "a socket has pages" hold again 5002
unbind right
check "a driver: one in use" eval 'exited 1 && said "0000:00:77.0 is left alone: its interface right has an address"'
unbind right --force --timeout 0
check "... with pages held" eval 'exited 1 && said "10 pages of its pools are still held" && ! is_down'
is "... isn't unbound" "$(unbound)" ""
check "it waits" begin right --force --timeout 1000
is "... and doesn't unbind meanwhile" "$(unbound)" ""
check "the pages come back" give_back again
ended
check "it is unbound" eval 'exited 0 && grep -q "^0000:00:77.0 is unbound from fake\. Back: echo 0000:00:77.0 >/sys/bus/pci/drivers/fake/bind$" "$dir/out"'
is "... by its driver's file" "$(unbound)" 0000:00:77.0

ip -n "$ns"b link set right up
ip -n "$ns"b neigh replace 10.78.0.1 lladdr 02:00:00:00:00:01 dev right nud permanent
check "a socket has pages" hold third 5003
: >"$dir/drivers/fake/unbind"
unbind right --force --timeout 0 --unbind-anyway
check "when told, even with pages held" eval 'exited 0 && grep -q "is unbound from fake, with 10 pages held" "$dir/out"'
is "... by its driver's file" "$(unbound)" 0000:00:77.0
check "the pages come back" give_back third
ip -n "$ns"b link set right up
rm "$dir/drivers/fake/unbind"
unbind right --force
check "the driver can't be unbound" eval 'exited 1 && said "0000:00:77.0 can.t be unbound from fake: .*No such file" && ! is_down'
rm "$fake/driver"
unbind right --force
check "there is no driver" eval 'exited 1 && said "0000:00:77.0 is bound to no driver" && ! is_down'
done_testing
