"""Reads capture files, to judge what the command makes of them: from the specifications (RFC drafts
opsawg-pcap and opsawg-pcapng) and not from net/, so that a mistake is not made twice.

    packets, complaint = read_capture.read(path)

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import bz2
import collections
import hashlib
import lzma
import struct
import subprocess
import zlib

# ns since the epoch; bytes in the file and on the wire; a digest of the former; LINKTYPE_ number and
# bits of frame check sequence at a packet's end, None where that isn't said; the section's interface
Packet = collections.namedtuple("Packet", "ns len wire digest link fcs interface")


class Damaged(Exception):
    """Why it can't be read any further."""


class NoCapture(Exception):
    """It isn't a capture file at all."""


def unpack(data):
    """What is in it, if it is compressed; Damaged: as far as it goes, in args[1]."""
    if data[:2] == b"\x1f\x8b":
        out, left = b"", data
        try:
            while left[:2] == b"\x1f\x8b":
                member = zlib.decompressobj(31)
                out += member.decompress(left)
                if not member.eof:
                    raise Damaged("its gzip data end too soon", out)
                left = member.unused_data
        except zlib.error as e:
            raise Damaged(f"gzip: {e}", out) from e
        if left:
            raise Damaged("something else behind its gzip data", out)
        return out
    try:
        if data[:6] == b"\xfd7zXZ\0":
            return lzma.decompress(data)
        if data[:3] == b"BZh":
            return bz2.decompress(data)
    except (lzma.LZMAError, OSError, ValueError) as e:
        raise Damaged(str(e), b"") from e
    if data[:4] in (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"):
        name = "zstd" if data[0] == 0x28 else "lz4"
        done = subprocess.run([name, "-dc"], input=data, capture_output=True, check=False)
        if done.returncode:
            raise Damaged(f"{name} can't unpack it", done.stdout)
        return done.stdout
    return data


def packet(ns, data, wire, link, fcs, interface=0):
    return Packet(ns, len(data), wire, hashlib.sha256(data).digest(), link, fcs, interface)


# ---- pcap --------------------------------------------------------------------------------

MAGICS = {0xA1B2C3D4: (1000, 16), 0xA1B23C4D: (1, 16), 0xA1B2CD34: (1000, 24)}


def pcap_order(data):
    for order in "<>":
        if len(data) >= 4 and struct.unpack_from(order + "I", data)[0] in MAGICS:
            return order
    return None


def pcap(data):
    order = pcap_order(data)
    if len(data) < 24:
        raise Damaged("cut in its header")
    magic, major, minor, _, _, _, link = struct.unpack_from(order + "IHHIIII", data)
    unit, head = MAGICS[magic]
    if (major, minor) != (543, 0) and (major != 2 or minor > 4):
        raise Damaged(f"version {major}.{minor}")
    fcs = (link >> 28) * 16 if link & 0x04000000 else None
    at = 24
    while at < len(data):
        if at + head > len(data):
            raise Damaged("cut in a packet's header")
        sec, frac, size, wire = struct.unpack_from(order + "IIII", data, at)
        # until 2.2 the other way round; 2.3 and DG/UX had both
        if (major, minor) != (2, 4) and (minor in (1, 2) or major == 2 and minor == 0 or size > wire):
            size, wire = wire, size
        at += head
        if at + size > len(data):
            raise Damaged("cut in a packet")
        yield packet(sec * 10**9 + frac * unit, data[at:at + size], wire, link & 0x03FFFFFF, fcs)
        at += size


# ---- pcapng ------------------------------------------------------------------------------

SECTION, INTERFACE, OLD, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
Interface = collections.namedtuple("Interface", "link snaplen fcs per_second offset name")


def options(order, body):
    """Code to value; the first of each counts."""
    found, at = {}, 0
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if not code:
            break
        if at + 4 + size > len(body):
            raise Damaged("an option that is longer than its block")
        found.setdefault(code, body[at + 4:at + 4 + size])
        at += 4 + (size + 3) // 4 * 4
    return found


def interface(order, body):
    if len(body) < 8:
        raise Damaged("an interface's block that is too short")
    link, _, snaplen = struct.unpack_from(order + "HHI", body)
    opts = options(order, body[8:])
    value = opts.get(9, b"\x06")[0]
    per_second = 2 ** (value & 0x7F) if value & 0x80 else 10 ** value
    offset = struct.unpack(order + "q", opts[14])[0] if len(opts.get(14, b"")) == 8 else 0
    fcs = opts[13][0] if opts.get(13) and opts[13][0] else None
    return Interface(link, snaplen, fcs, per_second, offset, opts.get(2, b"").decode("utf-8", "replace"))


def blocks(data):
    """Order, type, body of each."""
    at, order = 0, None
    while at < len(data):
        if at + 12 > len(data):
            raise Damaged("cut in a block")
        if data[at:at + 4] == b"\n\r\r\n":
            magic = data[at + 8:at + 12]
            order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(magic)
            if not order:
                raise Damaged("a section whose byte order is none")
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12 or size % 4 or at + size > len(data):
            raise Damaged(f"a block of {size} bytes")
        if struct.unpack_from(order + "I", data, at + size - 4)[0] != size:
            raise Damaged("a block's two lengths differ")
        yield order, kind, data[at + 8:at + size - 4]
        at += size


def ng_packet(order, kind, body, interfaces):
    """What the block of a packet holds."""
    least = {OLD: 20, ENHANCED: 20, SIMPLE: 4}[kind]
    if len(body) < least:
        raise Damaged("a packet's block that is too short")
    if kind == SIMPLE:
        number, high, low, (wire,) = 0, 0, 0, struct.unpack_from(order + "I", body)
        size = wire
        if interfaces and interfaces[0].snaplen:
            size = min(wire, interfaces[0].snaplen)
    elif kind == OLD:
        number, _, high, low, size, wire = struct.unpack_from(order + "HHIIII", body)
    else:
        number, high, low, size, wire = struct.unpack_from(order + "IIIII", body)
    if number >= len(interfaces):
        raise Damaged("a packet of an interface that there isn't")
    if least + size > len(body):
        raise Damaged("a packet that is longer than its block")
    i = interfaces[number]
    ticks = high << 32 | low
    ns = i.offset * 10**9 + ticks * 10**9 // i.per_second
    if kind == SIMPLE:
        ns = 0
    return packet(ns, body[least:least + size], wire, i.link, i.fcs, number)


def pcapng(data, interfaces):
    for order, kind, body in blocks(data):
        if kind == SECTION:
            if len(body) < 16:
                raise Damaged("a section's header that is too short")
            if struct.unpack_from(order + "HH", body, 4) not in ((1, 0), (1, 2)):
                raise Damaged("a section of another version")
            interfaces.clear()
        elif kind == INTERFACE:
            interfaces.append(interface(order, body))
        elif kind in (OLD, SIMPLE, ENHANCED):
            yield ng_packet(order, kind, body, interfaces)


# ---- any ---------------------------------------------------------------------------------

def is_capture(data):
    return pcap_order(data) is not None or data[:4] == b"\n\r\r\n"


def read(path, interfaces=None):
    """A list of packets, and why there are no more: None at a proper end. NoCapture. `interfaces`: a
    list that is to hold those of the last section."""
    with open(path, "rb") as f:
        data = f.read()
    complaint, found = None, []
    try:
        data = unpack(data)
    except Damaged as e:
        complaint, data = e.args
    if not is_capture(data):
        raise NoCapture
    try:
        for p in pcap(data) if pcap_order(data) else pcapng(data, [] if interfaces is None else interfaces):
            found.append(p)
    except Damaged as e:
        complaint = complaint or e.args[0]
    return found, complaint
