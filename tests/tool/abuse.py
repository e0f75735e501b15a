#!/usr/bin/env python3
"""abuse.py SOCKET PID SECONDS - every kind of bad client at once, for so long, or until the
process ends. Prints what the honest ones among them saw, as "key value" lines."""
import json
import os
import random
import socket
import sys
import threading
import time

path, pid, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
seed = int.from_bytes(os.urandom(4), "little")
print("seed", seed, flush=True)
rng = random.Random(seed)
until = time.monotonic() + seconds
seen = {"answers": 0, "snapshots": set(), "refusals": 0, "broken": 0, "refused_connections": 0}
lock = threading.Lock()


def running():
    return time.monotonic() < until and os.path.exists(path)


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect(path)
    return s


def repeat(what):
    while running():
        try:
            with connect() as s:
                what(s)
        except OSError:
            with lock:
                seen["refused_connections"] += 1
            time.sleep(0.05)


def honest(s):
    f = s.makefile("rw")
    while running():
        f.write("all\n")
        f.flush()
        line = f.readline()
        if not line:
            return
        with lock:
            try:
                o = json.loads(line)
                seen["answers"] += 1
                seen["snapshots"].add(o["time_ns"])
            except (ValueError, KeyError):
                seen["broken"] += 1
        time.sleep(0.01)


def mute(s):
    while running():
        time.sleep(0.1)


def slow(s):
    """asks for much and reads next to nothing"""
    s.settimeout(0.2)
    while running():
        try:
            s.sendall(b"all\n" * 10)
        except socket.timeout:
            pass
        try:
            s.recv(1)
        except socket.timeout:
            pass
        time.sleep(0.1)


def flood(s):
    """as many requests as the socket takes, answers read and dropped"""
    s.setblocking(False)
    while running():
        for f in (lambda: s.send(b"all\ntotals\n" * 500), lambda: s.recv(1 << 20)):
            try:
                f()
            except BlockingIOError:
                time.sleep(0.001)


def garbage(s):
    while running():
        s.sendall(rng.randbytes(rng.randrange(1, 3000)))
        with lock:
            seen["refusals"] += b'"error"' in s.recv(65536)


def knock(s):
    """comes and goes, in the middle of a word too"""
    s.sendall(b"al")


kinds = [(honest, 40), (mute, 60), (slow, 40), (flood, 20), (garbage, 20), (knock, 20)]
threads = [threading.Thread(target=repeat, args=(what,), daemon=True) for what, n in kinds for _ in range(n)]
for t in threads:
    t.start()
for t in threads:
    t.join()
seen["snapshots"] = len(seen["snapshots"])
print("clients", len(threads))
for key, value in seen.items():
    print(key, value)
