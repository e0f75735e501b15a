#!/bin/bash
# completion.sh - bash and zsh complete what --help lists. zsh runs on a terminal, as for a user
# (tmux).
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"

scripts=$(cd "$here/../../completion" && pwd)
mkdir "$dir/bin"
ln -s "$(realpath "$tool")" "$dir/bin/pagepool"
PATH=$dir/bin:$PATH

# by_bash WORD...: what bash offers for the last one
by_bash() {
	bash --norc -c 'source "$1/pagepool.bash"; shift; COMP_LINE=$*; COMP_POINT=${#COMP_LINE}
		compopt() { :; }; _pagepool; printf "%s\n" "${COMPREPLY[@]}"' - "$scripts" "$@" | sort -u
}
helped() { # ARGUMENT...: the options that the help has
	"$tool" "$@" --help | grep -oE -- '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,' | sort -u
}

is "bash: a command" "$(by_bash pagepool cap)" capture
is "bash: all commands" "$(by_bash pagepool "" | grep -v -- -- | tr '\n' ' ')" \
	"$("$tool" --help | awk '/^  [a-z]/ { print $1 }' | sort | tr '\n' ' ')"
for command in $("$tool" --help | awk '/^  [a-z]/ { print $1 }'); do
	is "bash: $command's options" "$(by_bash pagepool "$command" -)" "$(helped "$command")"
done
if "$tool" --help | grep -q '^  kernel '; then
	is "bash: the commands of kernel" "$(by_bash pagepool kernel "" | tr '\n' ' ')" \
		"$("$tool" kernel --help | awk '/^  [a-z]/ { print $1 }' | sort | tr '\n' ' ')"
	for command in $("$tool" kernel --help | awk '/^  [a-z]/ { print $1 }'); do
		is "bash: the options of kernel $command" "$(by_bash pagepool kernel "$command" -)" "$(helped kernel "$command")"
	done
	is "bash: an interface" "$(by_bash pagepool kernel holders l)" "$(cd /sys/class/net && printf '%s\n' l*)"
fi
is "bash: an option" "$(by_bash pagepool capture --unb)" --unbind-after
is "bash: when a file is over" "$(by_bash pagepool capture -b fi | tr '\n' ' ')" "files: filesize: "
is "bash: a user" "$(by_bash pagepool capture -Z nobod)" nobody
is "bash: a device" "$(by_bash pagepool capture -d so)" soft:
is "bash: ... of the two of forward" "$(by_bash pagepool forward -a soft: --device-b x)" xdp:
# a colon ends a word, so what comes after it is all that is to be offered
is "bash: an interface" "$(by_bash pagepool capture -d xdp:l)" "$(cd /sys/class/net && printf '%s\n' l*)"
is "bash: a PCI device" "$(by_bash pagepool bind "")" "$(ls /sys/bus/pci/devices)"

if ! command -v zsh >/dev/null || ! command -v tmux >/dev/null; then
	skip "zsh" "there is no zsh, or no tmux"
else
	mux() { tmux -L "pagepool-zsh-$$" -f /dev/null "$@"; }
	shows() { mux capture-pane -p | grep -qE -- "$1" || { mux capture-pane -p; return 1; }; }
	sleep 1000 &
	child=$! # what until_true waits with
	mux new-session -d -x 150 -y 40 "ZDOTDIR=$dir PATH=$PATH zsh -f"
	mux send-keys "fpath=($scripts \$fpath); PS1='> '; autoload -U compinit; compinit -u -d $dir/dump; echo rea''dy" Enter
	check "zsh: it starts" until_true shows '^ready'
	mux send-keys "pagepool cap" Tab
	check "zsh: a command" until_true shows '^> pagepool capture'
	mux send-keys -- "--unb" Tab
	check "zsh: an option" until_true shows '^> pagepool capture --unbind-after'
	if "$tool" --help | grep -q '^  kernel '; then
		mux send-keys C-u
		mux send-keys "pagepool kernel hol" Tab
		check "zsh: a command of kernel" until_true shows '^> pagepool kernel holders'
	fi
	mux send-keys C-u
	mux send-keys "pagepool stat -" Tab Tab
	check "zsh: the options, with their meaning" until_true shows 'openmetrics +-- print it as'
	check "zsh: letters too" until_true shows '--pid +-p +--'
	mux send-keys C-u
	mux send-keys "pagepool forward -a xd" Tab
	check "zsh: a device" until_true shows '^> pagepool forward -a xdp:'
	mux send-keys C-u
	mux send-keys "pagepool capture -b pac" Tab
	check "zsh: when a file is over" until_true shows '^> pagepool capture -b packets:'
	mux send-keys C-u
	mux send-keys "pagepool forward -a xdp:"
	mux send-keys "l" Tab
	check "zsh: an interface" until_true shows '^> pagepool forward -a xdp:lo'
	mux kill-server
	kill "$child"
	child=
fi

done_testing
