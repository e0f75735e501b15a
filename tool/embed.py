#!/usr/bin/env python3
"""embed.py NAME INPUT OUTPUT - a file's bytes as a C string, for a program to carry along.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import sys

name, source, target = sys.argv[1:]
data = open(source, "rb").read() + b"\0"
with open(target, "w") as out:
    out.write(f"static const char {name}[] = {{\n")
    for i in range(0, len(data), 16):
        out.write("".join(f"{b if b < 128 else b - 256}," for b in data[i:i + 16]) + "\n")
    out.write("};\n")
