#!/usr/bin/env python3
"""openvswitch.py INSTEAD.so [CHANGES] - Debian's Open vSwitch with DPDK, unmodified, switches
between two net_af_packet ports with mbufs of our handler, and then the same with DPDK's own. Frames
pass all the time, while a port's MTU and its ring are changed, or it is taken away and added. Each
such change makes a mempool; Open vSwitch frees the one before when its mbufs are back. So after the
last change there are no more of them, and no more memory is in use, than after the first.

It runs in a network namespace and a folder of its own. INSTEAD.so, which all tests here are given,
isn't used.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import dpdk

VSWITCHD = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
OURS = "pagepool"
CHANGES = int(sys.argv[2]) if len(sys.argv) > 2 else 100
HEAD = bytes.fromhex("020000000002" "020000000001" "88b5")
LONGEST = 100  # numbers in a frame
PORTS = ("west", "east")
# a port's old mempool is looked at when the next one is made: so many may be there besides
WAITING = 2
LIMIT = 60  # seconds, for what never comes


def more_of(number):
    """What follows a number in its frame: the number, as often as it says."""
    return number * (int.from_bytes(number, "big") % LONGEST)


class Stream:
    """Frames into one interface and out of the other, each with a number, until the end."""

    def __init__(self, into, out):
        self.into, self.out = (socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) for _ in "io")
        self.into.bind((into, 0))
        self.out.bind((out, 0x88b5))
        self.out.settimeout(0.2)
        self.sent, self.got, self.wrong, self.more = 0, 0, 0, True
        self.came = threading.Condition()
        self.threads = [threading.Thread(target=f) for f in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        pause = threading.Event()
        while self.more:
            for _ in range(16):
                number = self.sent.to_bytes(8, "big")
                try:
                    self.into.send(HEAD + number + more_of(number))
                    self.sent += 1
                except OSError:  # the other end is not up
                    pass
            pause.wait(0.005)

    def _receive(self):
        while self.more:
            try:
                frame = self.out.recv(65536)
            except (TimeoutError, OSError):
                continue
            number = frame[14:22]
            good = frame[:14] == HEAD and frame[22:] == more_of(number)
            with self.came:
                self.got += 1
                self.wrong += not good
                self.came.notify()

    def passes(self, n=32):
        """Wait until n more have come. True: they have."""
        with self.came:
            until = self.got + n
            return self.came.wait_for(lambda: self.got >= until, LIMIT)

    def end(self):
        self.more = False
        for thread in self.threads:
            thread.join()
        self.into.close()
        self.out.close()


class Switch:
    """Open vSwitch in a folder."""

    def __init__(self, handler):
        self.dir = tempfile.mkdtemp(prefix="ovs")
        self.env = {**os.environ, "OVS_RUNDIR": self.dir, "OVS_DBDIR": self.dir,
                    "OVS_LOGDIR": self.dir, "XDG_RUNTIME_DIR": self.dir}
        self.db = f"unix:{self.dir}/db.sock"
        self.log = open(f"{self.dir}/log", "w", encoding="utf-8")
        self.programs = []
        self.tool("ovsdb-tool", "create", f"{self.dir}/conf.db", SCHEMA)
        self.start("ovsdb-server", f"{self.dir}/conf.db", f"--remote=p{self.db}")
        self.configure("--no-wait", "--retry", "init")
        extra = ("--no-huge --legacy-mem --no-pci --no-telemetry -m 1024 "
                 "-d librte_mempool_pagepool.so --mbuf-pool-ops-name=" + handler)
        self.configure("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                       "other_config:per-port-memory=true", "other_config:pmd-maxsleep=100",
                       f"other_config:dpdk-extra={extra}")
        self.start(VSWITCHD, self.db)

    def start(self, *command):
        # pylint: disable-next=consider-using-with
        self.programs.append(subprocess.Popen(command, env=self.env, stdin=subprocess.DEVNULL,
                                              stdout=self.log, stderr=self.log))

    def tool(self, *command):
        return subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)

    def configure(self, *words):
        """ovs-vsctl, which waits until the switch has done it. True: it has."""
        done = self.tool("ovs-vsctl", f"--timeout={LIMIT}", f"--db={self.db}", *words)
        if done.returncode or done.stderr:
            dpdk.note(done.stderr)
        return done.returncode == 0 and not done.stderr

    def ask(self, *words):
        return self.tool("ovs-appctl", f"--timeout={LIMIT}", "-t",
                         f"{self.dir}/ovs-vswitchd-dpdk.{self.programs[1].pid}.ctl", *words).stdout

    def resident(self):
        with open(f"/proc/{self.programs[1].pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) << 10

    def end(self):
        """The vswitchd's exit status."""
        self.ask("exit", "--cleanup")
        try:
            status = self.programs[1].wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.programs[1].kill()
            status = self.programs[1].wait()
        self.programs[0].terminate()
        self.programs[0].wait()
        self.log.close()
        return status

    def said(self):
        """What it has logged that matters."""
        with open(f"{self.dir}/log", encoding="utf-8", errors="replace") as f:
            return "".join([line for line in f if re.search(r"\|(ERR|EMER)\||MEMPOOL|pagepool",
                                                            line)][-40:])

    def remove(self):
        shutil.rmtree(self.dir)


def port(number):
    """The words that add a port."""
    return ("add-port", "br0", PORTS[number], "--", "set", "Interface", PORTS[number], "type=dpdk",
            f"options:dpdk-devargs=net_af_packet{number},iface={PORTS[number]}-in")


def change(switch, i):
    """The i-th change: every fifth takes a port away and adds it, the others are of its MTU and the
    size of its ring, on which that of its mempool depends."""
    name = PORTS[i % 2]
    if i % 5 == 4:
        return switch.configure("del-port", "br0", name) and switch.configure(*port(i % 2))
    return switch.configure("set", "Interface", name, f"mtu_request={(1500, 1300)[i // 2 % 2]}",
                            f"options:n_rxq_desc={(512, 1024, 2048)[i // 2 % 3]}")


def mempools(switch, handler):
    """How many the ports have, or had; and the names of their handlers."""
    text = switch.ask("netdev-dpdk/get-mempool-info")
    return (len(re.findall(r"^mempool <ovs", text, re.M)),
            set(re.findall(r"ops_name: <(\w+)>", text)) == {handler})


def changes(tap, switch, stream, handler):
    """Returns the memory in use after each."""
    went_on, resident = 0, []
    for i in range(CHANGES):
        if not (change(switch, i) and stream.passes()):
            break
        went_on += 1
        resident.append(switch.resident())
    tap.check(went_on == CHANGES, f"{handler}: frames pass again after each of {CHANGES} changes" +
              ("" if went_on == CHANGES else f": only after {went_on}"))
    return resident


def run(tap, handler):
    failed, switch = tap.failed, Switch(handler)
    good = switch.configure("add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=netdev",
                            "--", *port(0), "--", *port(1))
    stream = Stream("west-out", "east-out")
    tap.check(good and stream.passes(), f"{handler}: frames pass from port to port")
    n, ours = mempools(switch, handler)
    tap.check(n == 2 and ours, f"{handler}: the ports' mempools are this handler's")
    resident = changes(tap, switch, stream, handler)
    n, ours = mempools(switch, handler)
    tap.check(n <= 2 + WAITING and ours, f"{handler}: {n} mempools are there after it")
    stream.end()
    tap.check(stream.got and not stream.wrong,
              f"{handler}: {stream.got} frames of {stream.sent} have come, each as it was sent")
    if resident:
        most = max(resident[:5])  # of the first of each kind
        said = f"{handler}: {resident[-1] >> 20} MiB resident after it, at first {most >> 20}"
        if handler == OURS:
            tap.check(resident[-1] <= most + (most >> 2), said)
        else:
            dpdk.note(said)  # DPDK's own heap may come apart; that is not ours to judge
    tap.check(switch.end() == 0, f"{handler}: Open vSwitch ends well")
    if tap.failed != failed:
        dpdk.note(switch.said())
    switch.remove()


def interfaces():
    """Two veth pairs in a network namespace of our own: nobody else sends there."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):  # CLONE_NEWNET
        return False
    for name in ("lo", *PORTS):
        if name != "lo":
            subprocess.run(["ip", "link", "add", f"{name}-in", "type", "veth", "peer", "name",
                            f"{name}-out"], check=True)
        for end in ("lo",) if name == "lo" else (f"{name}-in", f"{name}-out"):
            with open(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6", "w", encoding="ascii") as f:
                f.write("1")
            subprocess.run(["ip", "link", "set", end, "arp", "off", "up"], check=True)
    return True


def needs():
    """What is missing, or None."""
    for path in (VSWITCHD, SCHEMA):
        if not os.path.exists(path):
            return "the package openvswitch-switch-dpdk is not installed"
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        return "it needs root, and /dev/net/tun"
    return None if interfaces() else "it needs a network namespace of its own"


os.environ["PATH"] += ":/usr/sbin:/sbin"
missing = needs()
if missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(77)
results = dpdk.Tap()
for each in OURS, "ring_mp_mc":
    run(results, each)
results.end()
