#!/bin/bash
# files.sh - make check-files (scripts/check-files) on one small file of each kind: what capture and
# replay write is what they read, by an independent reader and by Wireshark. And the check itself
# can fail: it detects what a broken command does wrong.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

checker=$here/../../scripts/check-files
make="$here/make_captures.py"

# judged FOLDER [TOOL]: $status, and what was said in $dir/out
judged() {
	timeout -k 5 $((HANG * 4)) "$python" "$checker" "${2:-$tool}" "$1" >"$dir/out" 2>"$dir/err"
	status=$?
}
# says WANTED TEXT...: that status, and a line for each pattern
says() {
	local text

	[ "$status" = "$1" ] || { echo "exit status $status"; cat "$dir/out" "$dir/err"; return 1; }
	shift
	for text; do
		grep -qE -- "$text" "$dir/out" || { echo "nothing about \"$text\""; cat "$dir/out"; return 1; }
	done
}

for folder in formats kinds; do
	"$python" "$make" $folder "$dir/$folder" || exit 1
done
command -v zstd >/dev/null && zstd -q "$dir/formats/ns.want" -o "$dir/formats/zst"
cp "$real" "$dir/kinds/real"
judged "$dir/formats"
check "every format: all identical, but for a time that pcap can't tell" \
	says 0 'capture files: [0-9]+ identical, 1 refused .*, 0 different' 'far: .* after 7 February 2106'
judged "$dir/kinds"
check "every kind: identical, or refused with a sentence" says 0 ' 0 different, 0 unreadable; 1 other files passed over' \
	"two-links can't be read on after 10 packets: .* of link type RAW" 'cut-short is broken after 199 packets' \
	"link-220-be can't be read on after 0 packets: .* byte order of the machine" \
	'too-large: .*512 pages' ' 13 refused ' \
	"last-time-be: .* 7 February 2106" 'after-last-le can.t be read on after 1 packets: .* after 2554' \
	'before-first-be can.t be read on after 1 packets: .* before 1970' 'largest-ticks-le: .* after 2554'
"$python" "$make" mutants "$dir/mutants" 45
judged "$dir/mutants"
check "files with a few bytes changed: no packet that isn't in the file" says 0 ' 0 different'

# a remedy that a sentence names has to be one
tshark -nr "$dir/kinds/two-links" -Y frame.interface_id==1 -w "$dir/other" 2>/dev/null
run replay -d soft -r "$dir/other" --json
check "the other link type's packets, as the sentence says" eval 'exited 0 && report && [ "${r[packets_written]}" = 10 ]'
editcap "$dir/kinds/link-220-be" "$dir/other" 2>/dev/null
run replay -d soft -r "$dir/other" --json
check "those of another byte order, as the sentence says" eval 'exited 0 && report && [ "${r[packets_written]}" = 8 ]'

# ---- the judge -------------------------------------------------------------------------------------

# liar COMMANDS: a command that does as ours, then that with what was written, $out
liar() {
	cat >"$dir/liar" <<-L
		#!/bin/bash
		"$(realpath "$tool")" "\$@"; status=\$?
		[ "\$1" = capture ] && out=\$5 || { out=\${3#soft:wire=}; }
		$1
		exit \$status
	L
	chmod +x "$dir/liar"
}
mkdir "$dir/one" "$dir/broken" "$dir/none"
cp "$dir/formats/ns.want" "$dir/one/in"
head -c -1 "$dir/one/in" >"$dir/broken/in"
byte() { # N: change a byte of the file's
	echo "printf '\\002' | dd of=\"\$out\" bs=1 seek=$1 conv=notrunc status=none"
}
for lie in "20 packet 1: (link|fcs) is" "24 packet 1: ns is" "28 packet 1: ns is" "36 packet 1: wire is" \
	"60 packet 2: digest is|ns is"; do
	liar "[[ \$out = *ng ]] || $(byte "${lie%% *}")"
	judged "$dir/one" "$dir/liar"
	check "a byte changed at ${lie%% *}: seen" says 1 "^different  .*${lie#* }" '1 different'
done
liar 'editcap "$out" "$out.x" 1; [[ $out != *ng ]] || mv "$out.x" "$out"'
judged "$dir/one" "$dir/liar"
check "a packet left out: seen" says 1 'different  .*: pcapng: '
liar '[[ $out = *ng || $1 = replay ]] || truncate -s -1 "$out"'
judged "$dir/one" "$dir/liar"
check "a damaged file: seen" says 1 'pcap: what was written is damaged'
liar 'status=0'
judged "$dir/broken" "$dir/liar"
check "damage that isn't told: seen" says 1 'taken as whole, but cut in a packet'
liar 'status=139'
judged "$dir/one" "$dir/liar"
check "a crash: seen" says 1 'status 139'
judged "$dir/none"
check "nothing to check" says 2 '^0 capture files'
cp "$dir/broken/in" "$dir/none/"$'in\377'
PYTHONIOENCODING=utf-8:strict judged "$dir/none"
check "a name that is no UTF-8" says 0 '^1 capture files: 0 identical, 1 refused'
mkdir "$dir/shut" "$dir/shut/folder"
cp "$dir/one/in" "$dir/shut/in"
cp "$dir/one/in" "$dir/shut/mine"
chmod 0 "$dir/shut/mine" "$dir/shut/folder"
# Root reads them all the same, unless it gives up that right.
python=$dir/rightless
printf '#!/bin/bash\nexec setpriv %s "%s" "$@"\n' \
	"$([ "$(id -u)" != 0 ] || echo --bounding-set=-dac_override,-dac_read_search)" "$(command -v python3)" >"$python"
chmod +x "$python"
judged "$dir/shut"
check "what can't be read is said, the others are checked" \
	says 1 '^unreadable  .*/mine: ' '^unreadable  .*/folder: ' '^1 capture files: 1 identical' '2 unreadable;'

done_testing
