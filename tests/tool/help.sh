#!/bin/bash
# help.sh - the command's contract: everything that --help lists exists; everything that the
# contract says is in --help and in the manual page.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

man=$here/../../docs/man/pagepool.1

# prints ARGUMENT...: succeeds, says something on standard output only.
prints() {
	run "$@"
	exited 0 && [ -s "$dir/out" ]
}

# mentions TEXT...: what the last run printed has all that.
mentions() {
	local text

	for text; do
		grep -qF -- "$text" "$dir/out" || { echo "no $text in:"; cat "$dir/out"; return 1; }
	done
}

check "--help" prints --help
check "... names the commands" mentions "pagepool COMMAND" capture replay stat bind unbind doctor --version
check "-h" prints -h
check "--version" prints --version
check "... is a name and a version" grep -Eqx 'pagepool [0-9]+\.[0-9]+\.[0-9]+[^ ]*' "$dir/out"

capture_options="--device --write --count --hold --unbind-after --remove-after --rebind
	--max-pages --json --report --no-telemetry --help -d -w -c"
device_settings="soft[:pcap=FILE] loop=N rate=PPS mask=BITS incoherent
	invalidate=strict|deferred rogue vfio:ADDRESS"
replay_options="--device --read --count --loop --json --help -d -r -c"

check "capture --help" prints capture --help
check "... has -Z as one that may be left out" mentions "[-Z USER]"
# shellcheck disable=SC2086 # words
check "... has all of the contract's options" mentions $capture_options
# shellcheck disable=SC2086
check "... and the device's settings" mentions $device_settings
check "capture -h" prints capture -h
check "replay --help" prints replay --help
# shellcheck disable=SC2086
check "... has all options" mentions $replay_options
for command in bind unbind doctor; do
	check "$command --help" prints $command --help
done
check "devices --help" prints devices --help
check "devices: what -d takes" eval 'prints devices && grep -q "^soft  *in software" "$dir/out"'
if unshare -rn true 2>/dev/null; then
	# /sys stays that of the namespace before
	timeout -k 5 "$HANG" unshare -rn sh -c 'ip link set lo up; ip link add pp-one type veth peer name pp-two;
		ip -j link >"$1"; shift; exec "$@"' sh "$dir/links" "$tool" devices --json >"$dir/out" 2>"$dir/err"
	check "... interfaces of this network namespace, as JSON" "$python" -IS -c 'import json, sys
o = {d["device"]: d["what"] for d in json.load(open(sys.argv[1]))}
links = {"xdp:" + l["ifname"]: l for l in json.load(open(sys.argv[2])) if l["link_type"] == "ether"}
assert "soft" in o and {d for d in o if d.startswith("xdp:")} in (set(links), set()), (o, links)
assert "xdp:pp-one" not in o or o["xdp:pp-one"].startswith("down, MTU 1500, 1 queue, driver veth"), o' "$dir/out" "$dir/links"
fi
check "bind --help has its options" eval 'prints bind --help && mentions --force ADDRESS'
check "help wins over what is missing" prints capture -d soft --help

# Every option, in every spelling.
out=$dir/out.pcap
spelled() {
	rm -f "$out"
	run capture "$@"
	exited 0 && has_packets "$out" 1
}
check "-d X -w X -c N" spelled -d "soft:pcap=$real" -w "$out" -c 1
check "-dX -wX -cN" spelled "-dsoft:pcap=$real" "-w$out" -c1
check "--device X --write X --count N" spelled --device "soft:pcap=$real" --write "$out" --count 1
check "--device=X --write=X --count=N" spelled "--device=soft:pcap=$real" "--write=$out" --count=1
check "all options at once" spelled -c 1 --hold=5 --unbind-after=3 --rebind --max-pages 1000 --json \
	-w "$out" -d "soft:pcap=$real,loop=0,rate=1000000,mask=40,incoherent,invalidate=deferred,rogue"
check "the last of two counts" \
	spelled -c 100 -w "$out" -d "soft:pcap=$real" -c 1

# The report's keys are a contract.
run capture -d "soft:pcap=$real" -w "$out" -c 1 --json
check "--json: one object, on one line" eval 'report && [ "$(wc -l <"$dir/out")" = 1 ]'
keys="packets_received packets_written bytes_written in_flight_at_unbind unbind_ns mappings_left
	iova_left page_table_bytes_left faults_before_unbind faults_after_unbind late_calls_refused
	pages_leaked chunks page_bytes_mapped"
for command in capture replay; do
	[ $command = replay ] && rm -f "$out" && run replay -d soft -r "$real" -c 1 --json
	report >/dev/null
	for key in $keys; do
		check "$command --json: $key is a number" eval '[[ ${r[$key]:-} =~ ^[0-9]+$ ]]'
	done
done

# The man page says what --help says, and the other way round.
if [ ! -r "$man" ]; then
	skip "the man page agrees" "there is no $man"
else
	# as text: no macros, one line
	if command -v mandoc >/dev/null; then
		mandoc -T ascii "$man" | sed $'s/.\b//g'
	elif command -v man >/dev/null; then
		MANWIDTH=200 man -P cat -l "$man" 2>/dev/null | sed $'s/.\b//g'
	else
		sed 's/^\.[A-Z][A-Za-z] //; s/Fl -/--/g; s/Fl \([a-z]\)/-\1/g' "$man"
	fi >"$dir/man"
	cp "$dir/man" "$dir/out"
	# shellcheck disable=SC2086 # words
	check "the man page has all of the contract's keys" mentions $keys
	for command in capture replay stat bind unbind doctor; do
		for option in $("$tool" $command --help | grep -oE -- '--[a-z-]+' | sort -u); do
			case $option in
			--device | --write | --count | --read) continue ;; # there by their letters
			esac
			check "the man page has $command's $option" mentions "$option"
		done
	done
	for setting in $("$tool" capture --help | grep -oE '\[[:,][a-z]+=?' | tr -d '[:,' | sort -u); do
		check "the man page has the setting $setting" mentions "$setting"
	done
fi

done_testing
