#!/usr/bin/env python3
"""within.py WIRE FILE ... - that the packets of each capture file are, to the last byte and in
order, among those of WIRE, each file's behind the last one's. Tells how many, and how many
of WIRE's between them are in no file. A frame is 60 bytes at least: QEMU fills shorter ones up
with zeros behind its dump.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import struct
import sys


def packets(path):
    with open(path, "rb", buffering=1 << 20) as f:
        head = f.read(24)
        order = "<" if head[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        while record := f.read(16):
            _, _, length, wire = struct.unpack(order + "IIII", record.ljust(16))
            data = f.read(length)
            if len(record) < 16 or len(data) < length:
                sys.exit(f"{path} ends within a packet")
            yield max(wire, 60), data.ljust(60, b"\0")


def main():
    wire = packets(sys.argv[1])
    missing = total = 0
    for path in sys.argv[2:]:
        found = 0
        for packet in packets(path):
            for other in wire:
                if other == packet:
                    break
                missing += 1
            else:
                sys.exit(f"packet {found + 1} of {path} was never on the wire like that")
            found += 1
        total += found
    print(f"# {total} packets as they were on the wire; {missing} between them were not captured")


main()
