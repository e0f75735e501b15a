#!/usr/bin/env python3
"""autotest.py INSTEAD.so - DPDK's mempool_autotest and mbuf_autotest with our handler: as the
default of mbuf pools, and then in place of ring_mp_mc wherever the test asks for that.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import sys

import dpdk


def autotest(name, env):
    program = dpdk.Program(["dpdk-test"] + dpdk.eal("pagepool"), env)
    program.wait("RTE>>")
    program.send(name)
    result = program.wait(r"^Test (OK|Failed)|^Bad arguments")
    good = result and result.group(1) == "OK"
    if not good:
        dpdk.tail(program)
    used = program.all.count("ops_name: <pagepool>")
    program.send("quit")
    return good, program.end(), used


tap = dpdk.Tap()
for name in "mempool_autotest", "mbuf_autotest":
    for what, env in (("our handler as the default", {}),
                      ("our handler in place of ring_mp_mc, too",
                       {"LD_PRELOAD": sys.argv[1], "PP_DPDK_OPS": "pagepool"})):
        good, status, used = autotest(name, env)
        tap.check(good and status == 0, f"{name} passes, {what}")
        if name == "mempool_autotest":
            tap.check(used > 0, f"and ran on it ({used} dumps of its mempools name it)")
tap.end()
