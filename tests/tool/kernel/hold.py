"""hold.py ROLE [ARGUMENT ...] - a process that holds pages of a page pool, or sends to those that do.

Prints "ready" once it holds what it is to hold; then reads lines: "read": give it back and print
"done". Ends with its standard input.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import fcntl
import os
import socket
import struct
import sys
import termios
import time

HERE = "10.78.0.2"
ROUTED = "10.79.0.2"  # behind the tun device


def say(text):
    print(text, flush=True)


def until(reached):
    while not reached():
        time.sleep(0.02)


def unread(s):
    """Bytes that can be read from a TCP socket, or of a UDP socket's next packet."""
    return struct.unpack("i", fcntl.ioctl(s, termios.FIONREAD, b"\0" * 4))[0]


def wait_to_end(give_back):
    say("ready")
    for line in sys.stdin:
        if line.strip() == "read":
            give_back()
            say("done")
        elif line.strip() == "end":
            break


def stamp(s):
    """Have packets stamped when they come in. It takes a moment until the kernel does so."""
    t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for each in (s, t):
        each.setsockopt(socket.SOL_SOCKET, 29, 1)  # SO_TIMESTAMP
    t.bind(("127.0.0.1", 0))

    def stamped_before():
        t.sendto(b"x", t.getsockname())
        now = time.time()
        time.sleep(0.01)
        _, control, _, _ = t.recvmsg(10, 100)
        seconds, micros = struct.unpack("ll", control[0][2])
        return seconds + micros / 1e6 <= now
    until(stamped_before)


def udp(port, packets, stamped=""):
    """Packets are looked at without being taken, which also moves them to the other of its queues."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if stamped:
        stamp(s)
    s.bind((HERE, int(port)))
    say("open")
    s.setsockopt(socket.SOL_SOCKET, 42, 0)  # SO_PEEK_OFF: each peek goes on after the one before
    for _ in range(int(packets)):
        s.recv(65536, socket.MSG_PEEK)
    wait_to_end(lambda: [s.recv(65536) for _ in range(int(packets))])


def packet(interface):
    """sees all packets, and reads none"""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((interface, 0))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    wait_to_end(s.close)


def refused():
    """an ICMP message in a socket's error queue"""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
    s.connect(("10.78.0.1", 9))
    s.send(b"x" * 4000)
    until(lambda: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    wait_to_end(lambda: s.recv(65536, socket.MSG_ERRQUEUE))


def tcp_take(s, data):
    c, _ = s.accept()
    until(lambda: unread(c) >= int(data))
    return c


def listener(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind((HERE, int(port)))
    s.listen()
    say("open")
    return s


def tcp(port, data):
    """data bytes are not read"""
    c = tcp_take(listener(port), data)

    def give_back():
        n = 0
        while n < int(data):
            n += len(c.recv(1 << 20))
    wait_to_end(give_back)


def unaccepted(port):
    s = listener(port)
    wait_to_end(s.close)


def out_of_order(port):
    c, _ = listener(port).accept()
    wait_to_end(c.close)


def pipe(port, data, part):
    """of data bytes a part goes from the socket into a pipe: the page is then in both"""
    c = tcp_take(listener(port), data)
    out, into = os.pipe()
    os.splice(c.fileno(), into, int(part))
    wait_to_end(lambda: os.read(out, 1 << 20))


def pipe_only(port, data, part):
    """the same, and the socket is read: the page has left its pool, and is in the pipe"""
    c = tcp_take(listener(port), data)
    out, into = os.pipe()
    n = os.splice(c.fileno(), into, int(part))
    while n < int(data):
        n += len(c.recv(1 << 20))
    wait_to_end(lambda: os.read(out, 1 << 20))


def tun(name):
    """packets that are routed into a tun device, and not read"""
    f = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(f, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
    wait_to_end(lambda: os.read(f, 65536))


def fragment():
    """send the first part of a packet, and never the rest"""
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 77, 0x2000, 64, socket.IPPROTO_UDP, 0,
                         socket.inet_aton("10.78.0.1"), socket.inet_aton(HERE))  # Linux fills in the zeros
    s.sendto(header + b"x" * 1000, (HERE, 0))
    wait_to_end(lambda: None)


def nothing():
    """sockets and a pipe, empty, and one with data of no pool's"""
    keep = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM), os.pipe(), socket.socketpair()]
    keep[2][0].send(b"x" * 5000)
    wait_to_end(lambda: None)


def send(*what):
    """send udp|tcp|lost|routed PORT PACKETS BYTES ...: each packet is of so many bytes"""
    keep = []
    what = list(what)
    while what:
        kind, port, packets, size = what[0], int(what[1]), int(what[2]), int(what[3])
        del what[:4]
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind in ("tcp", "lost") else socket.SOCK_DGRAM)
        keep.append(s)
        if kind in ("tcp", "lost"):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.connect((ROUTED if kind == "routed" else HERE, port))
        if kind == "lost":
            s.send(b"\xdd")
            s.sendall(b"x" * size * packets)  # at once: the answer to the first would stop the others
            continue
        for _ in range(packets):
            s.sendall(b"x" * size)
    wait_to_end(lambda: None)


globals()[sys.argv[1]](*sys.argv[2:])
