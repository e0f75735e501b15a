#!/usr/bin/env python3
"""testpmd.py [INSTEAD.so [PACKETS]] - dpdk-testpmd forwards between two software ports, with
mbufs of our handler, and counts itself: what it has received it has sent or dropped, and in the
end every mbuf is back in the mempool.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import re
import sys

import dpdk

PACKETS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000
MBUFS = 20000
PROMPT = r"testpmd> "
# how its answers end
DUMPED = r"no statistics available"
STARTED = r"packet forwarding - ports=\d+"
COUNTED = r"Accumulated forward statistics[^+]*\++\n(.*\n){2}\s*\++"


def command(program, line, until):
    """Send a line. Returns what the program says up to and with the pattern `until`; prompts are
    no good for that, the terminal's line editor prints them as it likes."""
    start = len(program.all) - len(program.text)
    program.send(line)
    program.wait(until)
    return program.all[start:len(program.all) - len(program.text)]


def counts(text):
    """testpmd's sums over all ports: (received, sent, dropped), or None."""
    text = text.partition("Accumulated forward statistics")[2]
    rx = re.search(r"RX-packets:\s*(\d+)\s+RX-dropped:\s*(\d+)", text)
    tx = re.search(r"TX-packets:\s*(\d+)\s+TX-dropped:\s*(\d+)", text)
    return rx and tx and (int(rx[1]), int(tx[1]), int(rx[2]) + int(tx[2]))


def free(text):
    """The mbufs that a dump of the mempool finds free, and its handler."""
    found = [int(n) for n in re.findall(r"(?:total_cache_count|common_pool_count)=(\d+)", text)]
    return sum(found), re.search(r"ops_name: <(\w+)>", text)[1]


def forward(tap, what, ports, sent_first, lossless):
    program = dpdk.Program(["dpdk-testpmd"] + dpdk.eal("pagepool", (0, 0, 1)) +
                           [f"--vdev={port}" for port in ports] +
                           ["--", "-i", "--nb-cores=2", f"--total-num-mbufs={MBUFS}"])
    if not tap.check(program.wait(PROMPT), f"{what}: testpmd starts"):
        dpdk.tail(program)
        return
    before, handler = free(command(program, "dump_mempool mb_pool_0", DUMPED))
    tap.check(handler == "pagepool" and before == MBUFS,
              f"{what}: its {before} mbufs are the handler {handler}'s")
    command(program, "start" + (" tx_first 4" if sent_first else ""), STARTED)
    rx = 0
    while rx < PACKETS:
        now = counts(command(program, "show fwd stats all", COUNTED))
        if not now:
            break
        rx = now[0]
    rx, tx, dropped = counts(command(program, "stop", COUNTED + r"\s+Done\.")) or (0, 0, 1)
    first = 2 * 4 * 32 if sent_first else 0
    tap.check(rx >= PACKETS, f"{what}: {rx} packets are received")
    tap.check(tx + (0 if lossless else dropped) == rx + first,
              f"{what}: as many are sent{'' if lossless else ' or dropped'}: {tx}" +
              (f" with the first {first}" if first else "") +
              ("" if lossless else f", {dropped} by full rings"))
    if lossless:
        tap.check(dropped == 0, f"{what}: none is dropped")
    # what is still in the ports is taken out
    command(program, "set fwd rxonly", "Set rxonly packet forwarding mode")
    command(program, "start", STARTED)
    command(program, "stop", COUNTED + r"\s+Done\.")
    after, _ = free(command(program, "dump_mempool mb_pool_0", DUMPED))
    tap.check(after == MBUFS, f"{what}: {after} of {MBUFS} mbufs are back")
    program.send("quit")
    tap.check(program.end() == 0, f"{what}: testpmd ends well")


tap = dpdk.Tap()
forward(tap, "net_ring to net_ring", ("net_ring0", "net_ring1"), True, True)
forward(tap, "net_null to net_null", ("net_null0", "net_null1"), False, True)
forward(tap, "net_null to net_ring and back, mbufs freed by the other lcore",
        ("net_null0", "net_ring0"), False, False)
tap.end()
