# bash completion for pagepool. What there is to complete, the command itself says: its
# --help is the only list of its commands and options.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

# _pagepool_reply WORD CANDIDATE...: those that WORD begins. bash may take a colon for the end of
# a word (COMP_WORDBREAKS): then what is before the last one is there already.
_pagepool_reply() {
	local word=$1 there=

	shift
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word")
	[[ $COMP_WORDBREAKS != *:* || $word != *:* ]] || there=${word%"${word##*:}"}
	COMPREPLY=("${COMPREPLY[@]#"$there"}")
}

_pagepool_in() { # FOLDER [PREFIX]: the names in a folder of /sys
	local f

	for f in "$1"/*; do
		[ -e "$f" ] && echo "${2-}${f##*/}"
	done
}

_pagepool() {
	local line=${COMP_LINE:0:COMP_POINT} pci=/sys/bus/pci/devices
	local word=${line##*[[:space:]]}
	local -a before
	read -ra before <<<"${line%"$word"}"
	local tool=${before[0]-pagepool} command=${before[1]-} last=${before[${#before[@]} - 1]}
	local -a sub=()

	# kernel has commands of its own
	[[ $command != kernel || ${before[2]-} != [a-z]* ]] || sub=("${before[2]}")

	COMPREPLY=()
	if [ ${#before[@]} -le 1 ]; then
		_pagepool_reply "$word" "$("$tool" --help 2>/dev/null | sed -nE 's/^  ([a-z-]+) .*/\1/p')"
		return
	fi
	# what is a device to forward
	[ "$command $last" != "capture -b" ] || last=--ring-buffer
	case $last in
	-d | --device | -a | --device-a | -b | --device-b)
		case $word in
		vfio:*) _pagepool_reply "$word" "$(_pagepool_in $pci vfio:)" ;;
		xdp:*) _pagepool_reply "$word" "$(_pagepool_in /sys/class/net xdp:)" ;;
		*=*) compopt -o default ;; # soft:pcap=FILE
		*) _pagepool_reply "$word" soft: vfio: xdp:; compopt -o nospace ;;
		esac
		return
		;;
	-p | --pid) _pagepool_reply "$word" "$(pgrep -x pagepool)"; return ;;
	-Z | --user) mapfile -t COMPREPLY < <(compgen -u -- "$word"); return ;;
	--ring-buffer) _pagepool_reply "$word" filesize: duration: packets: files:; compopt -o nospace; return ;;
	-w | -r | --write | --read | --report) compopt -o default; return ;;
	esac
	case $word in
	-*) _pagepool_reply "$word" "$("$tool" "$command" "${sub[@]}" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,')" ;;
	*)
		case $command in
		bind | unbind | doctor) _pagepool_reply "$word" "$(_pagepool_in $pci)" ;;
		kernel)
			case ${sub[0]-} in
			'') _pagepool_reply "$word" "$("$tool" kernel --help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p')" ;;
			*) _pagepool_reply "$word" "$(_pagepool_in /sys/class/net)" ;;
			esac
			;;
		*) compopt -o default ;;
		esac
		;;
	esac
}
complete -F _pagepool pagepool
