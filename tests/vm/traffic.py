#!/usr/bin/env python3
"""traffic.py SOCKET COUNT [SIZES] - be the wire of a NIC of QEMU's (-netdev dgram): send
COUNT Ethernet frames to its socket; 0: for ever. SIZES is "mixed" (60 to 1514 bytes),
"jumbo" (a tenth of them up to 9018) or a number. QEMU takes them as fast as the NIC does: it stops
reading its socket while the NIC has no room, and this waits.

A frame carries its number, and bytes that follow from it, so that anyone can check it.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import random
import socket
import struct
import sys
import time

HEAD = bytes.fromhex("525400123456" "020000000001" "88b5")  # local experimental ethertype
NOISE = random.Random(7).randbytes(1 << 16)


def frame(n, size):
    """The nth frame: its number, its size, and noise that begins at another place in each."""
    at = n * 37 % (len(NOISE) - 10000)
    return (HEAD + struct.pack(">QH", n, size) + NOISE[at:at + size])[:size]


def sizes(how):
    if how.isdigit():
        return [int(how)]
    r = random.Random(3)
    small = [60, 64, 65, 128, 256, 512, 1024, 1500, 1513, 1514]
    large = [4092, 4095, 4096, 4097, 4100, 8191, 8192, 8193, 9000, 9017, 9018]
    edges = [large if how == "jumbo" and r.random() < 0.1 else small for _ in range(4099)]
    return [r.choice(e) if r.random() < 0.5 else r.randint(60, e[-1]) for e in edges]


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    mix = sizes(sys.argv[3] if len(sys.argv) > 3 else "mixed")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    while True:
        try:
            s.connect(path)
            break
        except OSError:
            time.sleep(0.1)
    n = 0
    try:
        while not count or n < count:
            s.send(frame(n, mix[n % len(mix)]))
            n += 1
    except OSError:
        if count:
            raise  # else the machine has ended, as it should
    print(n, "frames sent")


main()
