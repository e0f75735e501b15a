#!/bin/bash
# rounds.sh COMMAND GEN ROUNDS-PROGRAM - open and close under traffic: see rounds.c.
#
# XDP_ROUNDS=100: how often
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
gen=$2
. "$(dirname "$0")/lib.sh"

make_left
ip netns exec "$ns"a "$gen" socket left 300 1000000 20000 >/dev/null &
ip netns exec "$ns"m "$3" mid-a "${XDP_ROUNDS:-100}"
