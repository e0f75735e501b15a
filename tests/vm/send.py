#!/usr/bin/env python3
"""send.py SOCKET COUNT [LONGEST] - be the wire: send frames of mixed sizes to QEMU's stream
network back end, which takes them as fast as its NIC does. The same frames each time.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import random
import socket
import struct
import sys
import time

path, count = sys.argv[1], int(sys.argv[2])
longest = int(sys.argv[3]) if len(sys.argv) > 3 else 1514
rng = random.Random(82574)
sizes = [s for s in (60, 64, 128, 256, 590, 1500) if s < longest] + [longest]


def frame(number):
    size = rng.choice(sizes) if rng.random() < 0.7 else rng.randint(60, longest)
    head = b"\x52\x54\x00\x12\x34\x56" + b"\x02\x00\x00\x00\x00\x01" + b"\x88\xb5"
    body = struct.pack("!IH", number, size)
    return (head + body + bytes((number + i) & 0xFF for i in range(64)) * 160)[:size]


s = socket.socket(socket.AF_UNIX)
for _ in range(100):
    try:
        s.connect(path)
        break
    except OSError:
        time.sleep(0.1)
batch = []
for n in range(count):
    f = frame(n)
    batch.append(struct.pack("!I", len(f)) + f)
    if len(batch) == 64 or n == count - 1:
        s.sendall(b"".join(batch))
        batch = []
print(f"{count} frames sent", flush=True)
# what the machine sends is read and dropped, until it is gone
while s.recv(65536):
    pass
