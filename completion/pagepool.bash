# bash completion for pagepool. What there is to complete, the command itself says: its
# --help is the only list of its commands and options.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

_pagepool() {
	local tool=${COMP_WORDS[0]} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]-} words

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words=$("$tool" --help 2>/dev/null | sed -nE 's/^  ([a-z-]+) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	case $prev in
	-d | --device) mapfile -t COMPREPLY < <(compgen -W "soft:" -- "$cur"); compopt -o nospace; return ;;
	-p | --pid) mapfile -t COMPREPLY < <(compgen -W "$(pgrep -x pagepool)" -- "$cur"); return ;;
	-w | -r | --write | --read | --report) compopt -o default; return ;;
	esac
	case $cur in
	-*)
		words=$("$tool" "$command" --help 2>/dev/null | grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	*) compopt -o default ;; # pcap=FILE and the like
	esac
}
complete -F _pagepool pagepool
