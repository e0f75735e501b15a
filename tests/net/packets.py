"""Packets for whole.sh, and the judge of what has come of them.

send IFNAME SOURCE DESTINATION  UDP, TCP and IPv6 by the stack, which leaves sums to the device; prints
                                how many packets of UDP that were
hex IFNAME FILE                 sends each line of the file
judge IFNAME COUNT BYTES        what comes is what probe.c sends, COUNT packets of BYTES bytes, in order
raw IFNAME PSEUDO               200 UDP packets through a packet socket, sums right, wrong, and (PSEUDO 1)
                                that of the pseudo-header; prints each in hex
sums FILE                       each TCP and UDP packet that the probe has shown: all sums right
tagged FILE TPID TCI            each has this tag
untagged FILE                   none has one
finish FROM TO                  a capture file, with the sums finished that a stack has left to a device

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import random
import socket
import struct
import sys


def total(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return s


def shown(path):
    """The packets, without what isn't a test's own: of port 12346 and above."""
    for line in open(path):
        f = line.split()
        if len(f) == 6:
            yield bytes.fromhex(f[5])


def transport(p):
    """Tags, protocol, pseudo-header, the transport's bytes; None: neither TCP nor UDP."""
    at = 12
    tags = []
    while p[at:at + 2] in (b"\x81\0", b"\x88\xa8"):
        tags.append(struct.unpack(">HH", p[at:at + 4]))
        at += 4
    kind = p[at:at + 2]
    p = p[at + 2:]
    if kind == b"\x08\0":
        head, length, proto = (p[0] & 15) * 4, struct.unpack(">H", p[2:4])[0], p[9]
        rest, ends = p[head:length], p[12:20]
    elif kind == b"\x86\xdd":
        proto, rest, ends = p[6], p[40:40 + struct.unpack(">H", p[4:6])[0]], p[8:40]
    else:
        return tags, None, None, None
    return tags, proto, ends + struct.pack(">II", proto, len(rest)), rest


def sums(path):
    n = wrong = 0
    for p in shown(path):
        _, proto, pseudo, rest = transport(p)
        if proto in (6, 17):
            n += 1
            wrong += total(pseudo + rest) != 0xFFFF
    print("%d of %d sums are wrong" % (wrong, n))
    return n < 300 or wrong


def tagged(path, tpid, tci):
    n = wrong = 0
    for p in shown(path):
        tags, proto, _, _ = transport(p)
        if proto in (6, 17):
            n += 1
            wrong += tags != [(int(tpid, 0), int(tci, 0))]
    print("%d of %d tags are wrong" % (wrong, n))
    return n < 300 or wrong


def untagged(path):
    tags = [transport(p)[0] for p in shown(path)]
    return not tags or any(tags)


def finish(source, to):
    """Without a judgement of what is right: only where the pseudo-header's sum stands."""
    data = bytearray(open(source, "rb").read())
    at = 24
    while at + 16 <= len(data):
        n = struct.unpack("<I", data[at + 8:at + 12])[0]
        p = bytes(data[at + 16:at + 16 + n])
        _, proto, pseudo, rest = transport(p)
        if proto in (6, 17):
            field = 16 if proto == 6 else 6
            if rest[field:field + 2] == struct.pack(">H", total(pseudo)):
                rest = bytes(rest)
                where = at + 16 + p.index(rest) + field
                data[where:where + 2] = struct.pack(">H", (0xFFFF - total(rest)) or 0xFFFF)
        at += 16 + n
    open(to, "wb").write(data)


def send(ifname, source, destination):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
    for n in range(300):
        s.sendto(random.randbytes(n * 4 + n % 3), (destination, 12346))
    # one packet that the device is to cut into 10
    s.setsockopt(socket.IPPROTO_UDP, 103, 1000)
    s.sendto(b"g" * 10000, (destination, 12346))
    t = socket.socket()
    t.setblocking(False)
    t.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
    t.connect_ex((destination, 12346))
    print(310)


def udp(payload, sum_of):
    ends = bytes.fromhex("0a4d00010a4d0002")
    u = struct.pack(">HHHH", 12345, 12346, 8 + len(payload), 0) + payload
    pseudo = ends + struct.pack(">II", 17, len(u))
    u = u[:6] + struct.pack(">H", sum_of(pseudo, u)) + u[8:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(u), 1, 0x4000, 64, 17, 0) + ends
    ip = ip[:10] + struct.pack(">H", 0xFFFF - total(ip)) + ip[12:]
    return bytes.fromhex("0200000000020200000000010800") + ip + u


def packet_socket(ifname, protocol):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    s.bind((ifname, protocol))
    return s


def hex_(ifname, path):
    s = packet_socket(ifname, 0)
    s.setsockopt(socket.SOL_SOCKET, 32, 16 << 20)  # SO_SNDBUFFORCE
    for line in open(path):
        s.send(bytes.fromhex(line))


def judge(ifname, count, size):
    s = packet_socket(ifname, 0x88B5)
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    print("ready", flush=True)
    for i in range(int(count)):
        got = s.recv(70000)
        want = bytes.fromhex("02000000000202000000000188b5") + struct.pack("<Q", i)
        want += bytes((i + k + (k >> 8)) & 0xFF for k in range(22, int(size)))
        if got != want:
            at = next((k for k in range(min(len(got), len(want))) if got[k] != want[k]), None)
            return "packet %d: %d bytes, %d were sent; byte %s differs" % (i, len(got), len(want), at)


def raw(ifname, pseudo):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.bind((ifname, 0))
    right = lambda p, u: 0xFFFF - total(p + u)
    kinds = [right, lambda p, u: (right(p, u) + 77) & 0xFFFF]
    if pseudo == "1":
        kinds.append(lambda p, u: total(p))
    for i in range(200):
        p = udp(random.randbytes(50 + i), kinds[i % len(kinds)])
        s.send(p)
        print(p.hex())


sys.exit({f.__name__.strip("_"): f for f in (send, hex_, judge, raw, sums, tagged, untagged, finish)}[sys.argv[1]](*sys.argv[2:]))
