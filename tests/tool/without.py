#!/usr/bin/env python3
"""without.py CALL[,CALL...] COMMAND...: run it where the kernel refuses these system calls with
EPERM, as containers' filters do. Exit status 99: there can be no filter here.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import ctypes
import os
import platform
import struct
import sys

NUMBER = {
    "x86_64": {"io_uring_setup": 425, "membarrier": 324},
    "aarch64": {"io_uring_setup": 425, "membarrier": 283},
}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM


def main():
    numbers = NUMBER.get(platform.machine(), {})
    calls = sys.argv[1].split(",")
    if any(c not in numbers for c in calls):
        sys.exit(99)
    code = struct.pack("HBBI", LOAD_NUMBER, 0, 0, 0)
    for c in calls:
        code += struct.pack("HBBI", EQUAL, 0, 1, numbers[c]) + struct.pack("HBBI", RETURN, 0, 0, REFUSE)
    code += struct.pack("HBBI", RETURN, 0, 0, ALLOW)
    buf = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buf)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        sys.exit(99)
    os.execv(sys.argv[2], sys.argv[2:])


main()
