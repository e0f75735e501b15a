#!/bin/bash
# zero_copy_pages_wait.sh COMMAND PROGRAM - zero_copy_pages_wait.c, on an interface of its own.
#
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
. "$(dirname "$0")/lib.sh"
make_left
in_m "$probe" mid-a
