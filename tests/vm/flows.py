#!/usr/bin/env python3
"""flows.py INTERFACE COUNT - send COUNT frames of 64 UDP flows out of an interface, and wait until
each has come back as it was. No more than 32 are under way: a tap device drops what a machine
is too slow for.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import socket
import struct
import sys

interface, count = sys.argv[1], int(sys.argv[2])
MACS = b"\x52\x54\x00\x12\x34\x56" + b"\x02\x00\x00\x00\x00\x01"
SIZES = (60, 128, 590, 1514, 4084, 9014)


def words(data):
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def frame(number):
    size = SIZES[number % len(SIZES)] - 14
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, number, 0, 64, 17, 0,
                       bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2)))
    total = words(head)
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    udp = struct.pack("!HHHHI", 1024 + number % 64, 9, size - 20, 0, number)
    body = bytes((number + i) & 0xFF for i in range(size - 20 - len(udp)))
    return MACS + b"\x08\x00" + head + udp + body


s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((interface, 3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.settimeout(60)
under_way = {}
sent = back = 0
while back < count:
    while sent < count and len(under_way) < 32:
        under_way[sent] = frame(sent)
        s.send(under_way[sent])
        sent += 1
    data, address = s.recvfrom(16384)
    if address[2] == socket.PACKET_OUTGOING or data[6:12] != MACS[6:]:
        continue
    number = struct.unpack("!I", data[42:46])[0]
    if under_way.pop(number, None) != data:
        sys.exit(f"frame {number} came back as something else, or twice")
    back += 1
print(f"{back} came back", flush=True)
