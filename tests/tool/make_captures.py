#!/usr/bin/env python3
"""Makes capture files for the tests of the command, always the same ones.

make_captures.py formats DIR        the same packets in every format
make_captures.py bad DIR REAL       broken files; prints a table of them
make_captures.py mutants DIR N      N files with a few bytes changed
make_captures.py kinds DIR          one more small file of each kind that is met in the wild

Names ending in .want are what pagepool should write: this machine's pcap with
nanoseconds.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import gzip
import os
import random
import struct
import sys

SNAPLEN = 262144
ETHERNET, RAW = 1, 101
NATIVE = "<" if sys.byteorder == "little" else ">"


def pcap_header(order, nano, link=ETHERNET, snaplen=SNAPLEN, magic=None, major=2, minor=4):
    magic = magic if magic is not None else (0xA1B23C4D if nano else 0xA1B2C3D4)
    return struct.pack(order + "IHHiIII", magic, major, minor, 0, 0, snaplen, link)


def pcap_record(order, sec, frac, data, wire, caplen=None):
    caplen = len(data) if caplen is None else caplen
    return struct.pack(order + "IIII", sec, frac, caplen, wire) + data


def pcap(order, nano, packets, link=ETHERNET, snaplen=SNAPLEN):
    return pcap_header(order, nano, link, snaplen) + b"".join(
        pcap_record(order, ns // 10**9, ns % 10**9 // (1 if nano else 1000), data, wire)
        for ns, data, wire in packets)


def want(packets, link=ETHERNET):
    return pcap(NATIVE, True, packets, link)


# ---- pcapng ------------------------------------------------------------------------------

def padded(data):
    return data + bytes(-len(data) % 4)


def block(order, kind, body, total=None, trailer=None):
    size = 12 + len(padded(body))
    total = size if total is None else total
    return (struct.pack(order + "II", kind, total) + padded(body)
            + struct.pack(order + "I", total if trailer is None else trailer))


def options(order, *opts):
    return b"".join(struct.pack(order + "HH", code, len(value)) + padded(value)
                    for code, value in opts) + struct.pack(order + "HH", 0, 0)


def section(order, magic=0x1A2B3C4D):
    return block(order, 0x0A0D0D0A,
                 struct.pack(order + "IHHq", magic, 1, 0, -1) + options(order, (4, b"pagepool")))


def interface(order, resol=None, offset=None, link=ETHERNET, snaplen=SNAPLEN):
    opts = [(2, b"eth0")]
    if resol is not None:
        opts.append((9, bytes([resol])))
    if offset is not None:
        opts.append((14, struct.pack(order + "q", offset)))
    return block(order, 1, struct.pack(order + "HHI", link, 0, snaplen) + options(order, *opts))


def enhanced(order, ticks, data, wire, number=0, caplen=None, **lies):
    caplen = len(data) if caplen is None else caplen
    body = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, caplen, wire)
    return block(order, 6, body + padded(data) + options(order, (1, b"a comment")), **lies)


def pcapng(order, nano, packets):
    """Packets, and blocks between them that a reader has to step over."""
    out = [section(order), interface(order, 9 if nano else None)]
    for i, (ns, data, wire) in enumerate(packets):
        if i % 50 == 20:
            out.append(block(order, 4, struct.pack(order + "HH", 0, 0)))  # name resolution
            out.append(block(order, 0x0BAD, b"nobody knows this block"))
        out.append(enhanced(order, ns if nano else ns // 1000, data, wire))
    out.append(block(order, 5, struct.pack(order + "III", 0, 0, 0)))  # statistics
    return b"".join(out)


# ---- the packets ---------------------------------------------------------------------------

def payload(rng, size):
    """An Ethernet frame of a type for experiments, so that nobody dissects it."""
    head = bytes.fromhex("0200000000010200000000 0288b5".replace(" ", ""))
    return (head + rng.getrandbits(8 * size + 8).to_bytes(size + 1, "little"))[:size]


FRACTIONS = [0, 1, 999, 1000, 999999999, 999999000, 500000000, 123456789, 1001, 100000000]


def the_packets():
    rng = random.Random(2)
    # a page more or less, a packet of several pages, 64 KiB, all that libpcap takes
    sizes = [0, 1, 13, 14, 15, 60, 64, 1514, 1518, 2048, 4095, 4096, 4097, 8191, 8192, 8193,
             9000, 9014, 65535, 65536, 65537, 262143, 262144, 1, 0, 14]
    packets = [(s, s) for s in sizes]
    packets += [(0, 60), (1, 9014), (14, 1514), (96, 1514), (4096, 4097), (262144, 300000),
                (68, 0xFFFFFFFF)]  # cut by a snap length
    while len(packets) < 200:
        size = rng.choice([60, 66, 74, 128, 590, 1514, 1514, 9014])
        packets.append((size, size))
    second = 1700000000
    out = []
    for i, (size, wire) in enumerate(packets):
        second += rng.choice([0, 0, 1, 3600, -1])  # not always forward
        out.append((second * 10**9 + FRACTIONS[i % len(FRACTIONS)], payload(rng, size), wire))
    out[40] = (0, *out[40][1:])
    out[41] = ((2**31 - 1) * 10**9 + 999999999, *out[41][1:])
    return out


def in_microseconds(packets):
    return [(ns // 1000 * 1000, data, wire) for ns, data, wire in packets]


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def formats(out):
    ns = the_packets()
    us = in_microseconds(ns)
    write(f"{out}/ns.want", want(ns))
    write(f"{out}/us.want", want(us))
    for order, end in (("<", "le"), (">", "be")):
        write(f"{out}/pcap-us-{end}", pcap(order, False, us))
        write(f"{out}/pcap-ns-{end}", pcap(order, True, ns))
        write(f"{out}/pcapng-us-{end}", pcapng(order, False, us))
        write(f"{out}/pcapng-ns-{end}", pcapng(order, True, ns))
        # several interfaces, each with its own clock; two sections
        some, blocks = [], []
        clocks = [(9, None, 10**9), (3, None, 10**3), (0x8A, None, 2**10), (6, 1000000, 10**6)]
        blocks.append(section(order))
        blocks += [interface(order, resol, offset) for resol, offset, _ in clocks]
        for i, (_, data, wire) in enumerate(ns[:60]):
            number = i % len(clocks)
            _, offset, per_second = clocks[number]
            ticks = (1600000000 - (offset or 0) + i) * per_second + per_second // 2
            some.append((ticks * 10**9 // per_second + (offset or 0) * 10**9, data, wire))
            blocks.append(enhanced(order, ticks, data, wire, number))
        blocks += [section(order), interface(order, 9)]
        for t, data, wire in ns[60:70]:
            some.append((t, data, wire))
            blocks.append(enhanced(order, t, data, wire))
        write(f"{out}/pcapng-clocks-{end}", b"".join(blocks))
        # stamps after 2038: the seconds are unsigned
        late = [(s * 10**9 + 999999999, data, wire) for s, (_, data, wire) in
                zip((2**31 - 1, 2**31, 2**31 + 1, 4000000000, 2**32 - 1), ns[5:10])]
        write(f"{out}/pcap-2038-{end}", pcap(order, True, late))
        write(f"{out}/pcapng-2038-{end}", pcapng(order, True, late))
        # interfaces of which no packet comes, of another link type and snap length
        others = section(order) + interface(order, link=RAW) + interface(order, snaplen=0xFFFFFFFF)
        write(f"{out}/pcapng-ns-others-{end}", others + interface(order, 9) + interface(order, snaplen=60)
              + b"".join(enhanced(order, t, d, w, 2) for t, d, w in ns) + interface(order, link=147))
        # each section in the byte order that the one before had not
        both = [section(o) + interface(o, 9) + b"".join(enhanced(o, t, d, w) for t, d, w in some)
                for o, some in ((order, ns[:50]), (">" if order == "<" else "<", ns[50:100]), (order, ns[100:]))]
        write(f"{out}/pcapng-ns-sections-{end}", b"".join(both))
        # blocks of the first drafts, and packets without a time
        old = [block(order, 2, struct.pack(order + "HHIIII", 0, 7, t >> 32, t & 0xFFFFFFFF, len(d), w) + padded(d))
               for t, d, w in ns]
        write(f"{out}/pcapng-ns-old-{end}", section(order) + interface(order, 9) + b"".join(old))
        simple = [(0, d[:500], w) for _, d, w in ns if w >= len(d) and (len(d) >= 500 or len(d) == w)]
        write(f"{out}/pcapng-simple-{end}", section(order) + interface(order, snaplen=500) + b"".join(
            block(order, 3, struct.pack(order + "I", w) + padded(d)) for _, d, w in simple))
        # records of a patched libpcap; lengths the other way round
        write(f"{out}/pcap-us-patched-{end}", pcap_header(order, False, magic=0xA1B2CD34) + b"".join(
            struct.pack(order + "IIIIIHBB", ns // 10**9, ns % 10**9 // 1000, len(d), w, 3, 0x800, 4, 0) + d
            for ns, d, w in us))
        write(f"{out}/pcap-us-swapped-{end}", pcap_header(order, False, minor=2) + b"".join(
            struct.pack(order + "IIII", ns // 10**9, ns % 10**9 // 1000, w, len(d)) + d for ns, d, w in us))
        # a fraction of more than a second; more bytes than the snap length says
        odd = [(1000 * 10**9 + 3841916976000, ns[5][1], ns[5][2])]
        write(f"{out}/pcap-odd-{end}", pcap_header(order, False, snaplen=10) + pcap_record(
            order, 1000, 3841916976, *odd[0][1:]))
        # with the frame check sequence, as the link type says
        fcs = 0x24000000 | ETHERNET
        write(f"{out}/pcap-fcs-{end}", pcap(order, True, ns[:20], fcs))
        write(f"{out}/pcapng-fcs-{end}", section(order) + block(order, 1, struct.pack(
            order + "HHI", ETHERNET, 0, 0) + options(order, (9, b"\x09"), (13, b"\x20"))) + b"".join(
            enhanced(order, t, d, w) for t, d, w in ns[:20]))
        # packed
        for name in ("pcap-ns", "pcapng-ns"):
            with open(f"{out}/{name}-{end}", "rb") as f:
                data = f.read()
            write(f"{out}/{name}-gz-{end}", gzip.compress(data[:5000], mtime=0) + gzip.compress(data[5000:], mtime=0))
        # no Ethernet
        ip = [(t, bytes.fromhex("45000014000000004001000007f0000107f00001")[:20], 20)
              for t, _, _ in ns[:10]]
        write(f"{out}/pcap-raw-{end}", pcap(order, True, ip, RAW))
    write(f"{out}/clocks.want", want(some))
    write(f"{out}/2038.want", want(late))
    write(f"{out}/raw.want", want(ip, RAW))
    write(f"{out}/simple.want", want(simple))
    write(f"{out}/odd.want", want(odd))
    write(f"{out}/fcs.want", want(ns[:20], fcs))
    # a time that a pcap file can't tell
    far = [((2**32 + 5) * 10**9 + 7, ns[5][1], ns[5][2]), ((2**32 - 1) * 10**9, ns[6][1], ns[6][2])]
    write(f"{out}/far", section("<") + interface("<", 9) + b"".join(enhanced("<", t, d, w) for t, d, w in far))
    # eight packets, for what is done many times
    write(f"{out}/few.want", want(ns[5:13]))
    write(f"{out}/none.want", want([]))


# ---- bad files -------------------------------------------------------------------------------

def bad(out, real_path):
    """Prints, for each: file, exit status wanted (1, or 0 when what is there is all right),
    packets in front of what is bad (- when the file can't even be opened), description, what is
    to be said of it."""
    with open(real_path, "rb") as f:
        real = f.read()
    starts = []
    at = 24
    while at < len(real):
        starts.append(at)
        at += 16 + struct.unpack_from(NATIVE + "I", real, at + 8)[0]
    starts.append(at)
    big = max(range(len(starts) - 1), key=lambda i: starts[i + 1] - starts[i])
    count = 0

    def add(data, status, before, what, says="is broken"):
        nonlocal count
        count += 1
        name = f"bad-{count}"
        write(f"{out}/{name}", data)
        print(name, status, before, what, says, sep="\t")

    for n in (1, 3, 4, 5, 12, 23):
        add(real[:n], 1, "-", f"cut after {n} bytes of the file's header")
    add(real[:24], 0, 0, "cut after the file's header: no packets")
    for i, name in ((0, "first packet"), (1, "second packet"), (big, "biggest packet"),
                    (3000, "packet 3001"), (len(starts) - 2, "last packet")):
        here, end = starts[i], starts[i + 1]
        middle = 16 + (end - here - 16) // 2
        for n in (1, 8, 15, 16, 17, middle, end - here - 1) if i < 2 else (1, 16, middle):
            add(real[:here + n], 1, i, f"cut {n} bytes into the {name}")
        add(real[:end], 0, i + 1, f"cut behind the {name}: whole")

    good = the_packets()[5:13]
    for order, end in (("<", "little"), (">", "big")):
        front = pcap(order, True, good)
        data = bytes(300000)
        for caplen in (262145, 300000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF):
            add(front + pcap_record(order, 1, 1, data, caplen, caplen), 1, len(good),
                f"a captured length of {caplen:#x}, {end} endian")
        add(front + pcap_record(order, 1, 1, bytes(50), 60, 60), 1, len(good),
            f"the last packet shorter than it says, {end} endian")
        add(front + b"\xff" * 64, 1, len(good), f"ones behind the packets, {end} endian")
        add(front + bytes(15), 1, len(good), f"15 zeros behind the packets, {end} endian")
        header = [("a magic number of nobody", {"magic": 0xDEADBEEF}),
                  ("version 1.0", {"major": 1, "minor": 0}), ("version 3.0", {"major": 3})]
        for what, lie in header:
            add(pcap_header(order, True, **lie) + front[24:], 1, "-", f"{what}, {end} endian")

        # pcapng
        head = section(order) + interface(order, 9)
        body = b"".join(enhanced(order, t, d, w) for t, d, w in good)
        n = len(good)
        frame = enhanced(order, 1, bytes(60), 60)
        for total in (0, 1, 3, 4, 11, 13, 0x7FFFFFFF, 0xFFFFFFFF):
            add(head + body + enhanced(order, 1, bytes(60), 60, total=total), 1, n,
                f"pcapng, a block's length of {total:#x}, {end} endian")
        add(head + body + enhanced(order, 1, bytes(60), 60, trailer=8), 1, n,
            f"pcapng, a block's two lengths differ, {end} endian")
        for caplen in (200, 262145, 0x7FFFFFFF, 0xFFFFFFFF):
            add(head + body + enhanced(order, 1, bytes(60), caplen, caplen=caplen), 1, n,
                f"pcapng, a captured length of {caplen:#x} in a small block, {end} endian")
        add(head + body + enhanced(order, 1, bytes(60), 60, number=7), 1, n,
            f"pcapng, a packet of an unknown interface, {end} endian")
        add(section(order) + frame + interface(order, 9), 1, "-",
            f"pcapng, a packet before all interfaces, {end} endian")
        add(section(order), 1, "-", f"pcapng, no interface, {end} endian")
        add(section(order, magic=0x12345678) + interface(order, 9) + body, 1, "-",
            f"pcapng, a byte-order magic of nobody, {end} endian")
        add(head + body + interface(order, 9, link=RAW) + enhanced(order, 1, bytes(60), 60, 1),
            1, n, f"pcapng, packets of two link types, {end} endian", "can't be read on")
        add(head + body + section(order) + interface(order, 9, -1) + enhanced(order, 5, bytes(60), 60),
            1, n, f"pcapng, a packet of before 1970, {end} endian", "can't be read on")
        add(head + body + section(order) + interface(order, 6, 2**40) + enhanced(order, 5, bytes(60), 60),
            1, n, f"pcapng, a packet of a far future, {end} endian", "can't be read on")
        add(head + body + block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 9, 0, -1)),
            1, n, f"pcapng, a section of version 9, {end} endian", "can't be read on")
        add(head + body + block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 7, 1, 0, -1)),
            1, n, f"pcapng, a second section in a byte order of nobody, {end} endian")
        add(head + body + block(order, 0x0BAD, bytes(100), trailer=8), 1, n,
            f"pcapng, an unknown block whose two lengths differ, {end} endian")
        add(head + body + block(order, 0x0BAD, bytes(100), total=0xFFFFFFF0), 1, n,
            f"pcapng, an unknown block that ends nowhere, {end} endian")
        add(head + body + block(order, 1, struct.pack(order + "HHIHH", 1, 0, 0, 9, 60000)), 1, n,
            f"pcapng, an option longer than its block, {end} endian")
        for kind, size in ((1, 4), (2, 16), (3, 0), (6, 16), (0x0A0D0D0A, 8)):
            add(head + body + block(order, kind, struct.pack(order + "I", 0x1A2B3C4D)[:size].ljust(size, b"\0")),
                1, n, f"pcapng, block {kind:#x} of {size} bytes, {end} endian")
        add(section(order) + interface(order, 0x7F) + body, 1, "-",
            f"pcapng, a resolution of 10^-127 s, {end} endian")
        for cut in (2, 7, 11, 20):
            add(head[:cut], 1, "-", f"pcapng, cut after {cut} bytes, {end} endian")
        for cut in (1, 4, 8, 20, len(frame) - 1):
            add(head + body + frame[:cut], 1, n,
                f"pcapng, cut {cut} bytes into a packet's block, {end} endian")
    add(b"", 1, "-", "an empty file")
    add(bytes(4096), 1, "-", "zeros")
    add(b"\xff" * 4096, 1, "-", "ones")
    add(b"this is no capture file at all, but a text of some length\n" * 10, 1, "-", "a text")
    add(b"\x1f\x8b" + real[:4096], 1, "-", "something that looks like gzip")
    add(b"\x28\xb5\x2f\xfd" + real[:4096], 1, "-", "something that looks like zstd")
    whole = gzip.compress(real, 6, mtime=0)
    add(whole[:10], 1, "-", "the header of gzip and nothing")


def mutants(out, n):
    """Small files with a few bytes changed, behind the header of a pcap (whose link type
    may be anything), anywhere in a pcapng."""
    rng = random.Random(3)
    good = the_packets()[5:17]
    sources = []
    for order in "<>":
        sources += [(pcap(order, True, good), 24), (pcap(order, False, good), 24),
                    (pcapng(order, True, good), 0)]
    for i in range(n):
        data, first = sources[i % len(sources)]
        data = bytearray(data)
        # the numbers are where the records are short: aim there
        for _ in range(rng.choice([1, 1, 2, 5, 20])):
            at = rng.randrange(first, min(len(data), first + rng.choice([64, 400, 1 << 20])))
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        if rng.random() < 0.2:
            del data[rng.randrange(first, len(data)):]
        write(f"{out}/mutant-{i}", bytes(data))


# ---- kinds ------------------------------------------------------------------------------------

LINKS = (0, 1, 9, 50, 101, 105, 113, 127, 147, 192, 220, 228, 229, 276)  # LINKTYPE_ numbers
DBUS = 231  # which may have longer packets than others


def kinds(out):
    ns = the_packets()
    for order, end in (("<", "le"), (">", "be")):
        for link in LINKS:
            write(f"{out}/link-{link}-{end}", pcap(order, True, ns[:8], link))
            write(f"{out}/link-{link}-ng-{end}", section(order) + interface(order, 9, link=link) + b"".join(
                enhanced(order, t, d, w) for t, d, w in ns[:8]))
        # as dumpcap has it: names, filters, comments, hashes, drops; a snap length that cuts
        rich = block(order, 1, struct.pack(order + "HHI", ETHERNET, 0, 96) + options(
            order, (2, b"eth0"), (3, b"a description"), (9, b"\x09"), (11, b"\0tcp port 80"), (12, b"Linux")))
        body = [block(order, 6, struct.pack(order + "IIIII", 0, t >> 32, t & 0xFFFFFFFF, len(d[:96]), w)
                      + padded(d[:96]) + options(order, (1, b"x" * (i % 5)), (2, bytes(4)), (3, b"\2" + bytes(4)),
                                                 (4, bytes(8)), (2988, bytes(5)))) for i, (t, d, w) in enumerate(ns)]
        odd = [block(order, kind, bytes(size)) for kind in (0x0BAD, 0x40000BAD, 0x80000BAD)
               for size in (4, 100)] + [block(order, 4, bytes(4)), block(order, 5, bytes(12))]
        write(f"{out}/rich-{end}", section(order) + rich + b"".join(odd + body + odd))
        # a section whose length is said; interfaces of one name; one without a packet
        twins = b"".join(interface(order, 9) for _ in range(3)) + b"".join(
            enhanced(order, t, d, w, i % 2) for i, (t, d, w) in enumerate(ns[:50]))
        write(f"{out}/twins-{end}", block(order, 0x0A0D0D0A, struct.pack(
            order + "IHHq", 0x1A2B3C4D, 1, 0, len(twins))) + twins + section(order) + interface(order, 9))
        # frame check sequences of all lengths that a header can tell
        for words in (1, 2, 4, 15):
            write(f"{out}/fcs-{words}-{end}", pcap(order, True, ns[:8], words << 28 | 0x04000000 | ETHERNET))
        # the longest packets that 512 pages take
        write(f"{out}/large-{end}", pcap(order, True, [(t, bytes(n), n) for t, n in (
            (1, 2 << 20), (2, (2 << 20) - 1), (3, 4096), (4, 262145))], DBUS, 128 << 20))
        # the last time that there is for us, by two clocks; one second more, and less than none
        last = 2**64 - 1
        end_of = section(order) + interface(order, 9) + interface(order, 9, 18 * 10**9) + interface(order, 0, -1)
        write(f"{out}/last-time-{end}", end_of + enhanced(order, 0, b"first", 5) + enhanced(order, last, b"last", 4)
              + enhanced(order, last - 18 * 10**18, b"the same", 8, 1))
        write(f"{out}/after-last-{end}", end_of + enhanced(order, 0, b"first", 5) + enhanced(
            order, last - 18 * 10**18 + 1, b"x", 1, 1))
        write(f"{out}/before-first-{end}", end_of + enhanced(order, 0, b"first", 5) + enhanced(order, 0, b"x", 1, 2))
        write(f"{out}/largest-ticks-{end}", section(order) + interface(order, 0, 2**63 - 1) + enhanced(
            order, last, b"x", 1))
    write(f"{out}/cut-short", pcap("<", True, ns)[:-1])
    write(f"{out}/no-packet", pcap("<", True, []))
    write(f"{out}/no-packet-ng", section("<") + interface("<"))
    write(f"{out}/no-capture", b"#!/bin/sh\necho this is no capture\n")
    # of two link types: a device has one
    write(f"{out}/two-links", section("<") + interface("<", 9) + interface("<", 9, link=RAW) + b"".join(
        enhanced("<", t, d, w, i > 9) for i, (t, d, w) in enumerate(ns[:20])))
    write(f"{out}/too-large", pcap("<", True, [(1, b"x", 1), (2, bytes((2 << 20) + 1), (2 << 20) + 1)],
                                   DBUS, 128 << 20))


def main():
    what, out = sys.argv[1], sys.argv[2]
    os.makedirs(out, exist_ok=True)
    if what == "formats":
        formats(out)
    elif what == "bad":
        bad(out, sys.argv[3])
    elif what == "mutants":
        mutants(out, int(sys.argv[3]))
    elif what == "kinds":
        kinds(out)
    else:
        sys.exit("formats, bad, kinds or mutants")


if __name__ == "__main__":
    main()
