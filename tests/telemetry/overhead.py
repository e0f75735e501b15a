#!/usr/bin/env python3
"""overhead.py TOOL ROOT [ROUNDS [SECONDS]] - what 200 abusive clients cost a capture: that it loses
no packet, and that its rate stays within the noise of runs without them. Prints TAP.

By turns, in rounds whose order changes, a capture at full speed runs
  alone      with nobody about,
  elsewhere  while the abusers are at another process of the same kind: the machine is as busy,
  abused     while they are at its own socket.
So what the process pays is the difference of abused from elsewhere, whatever the machine does
beside it. The abusers have the last processor only, at a low priority.

What is compared: packets a second of processor time, of the capture's thread and of the
device's together; and packets a second of the clock. Abused is slower than elsewhere if its
median is more than 3 % below, and chance would rank the turns so less often than once in a
thousand (Mann and Whitney's test, counted out): that holds however noisy the machine is, and
the quieter it is the less is needed to fail. The telemetry's own thread is held to a tenth of
a processor: a twentieth for its looks, as documented, and what sending takes.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

tool, root = sys.argv[1], pathlib.Path(sys.argv[2])
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 9
seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 2
KINDS = ("alone", "elsewhere", "abused")
folder = tempfile.TemporaryDirectory()
environment = {**os.environ, "PAGEPOOL_RUNTIME_DIR": folder.name}
last_processor = max(os.sched_getaffinity(0))


def cpu_ns(pid, tid):
    with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
        return int(f.read().split()[0])


def thread_named(pid, name):
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm") as f:
            if f.read().strip() == name:
                return tid


def capture(options, before=None):
    p = subprocess.Popen(
        [tool, "capture", "-d", f"soft:pcap={root}/tests/data/real.pcap,loop=0,{options}", "-w", "/dev/null",
         "--hold", "500", "--json"], env=environment, stdout=subprocess.PIPE, preexec_fn=before)
    while not os.path.exists(socket(p)):
        if p.poll() is not None:
            print(f"Bail out! the capture has ended with {p.returncode}")
            sys.exit(1)
        time.sleep(0.01)
    return p


def socket(p):
    return f"{folder.name}/{p.pid}.sock"


def humble():
    os.nice(10)
    os.sched_setaffinity(0, {last_processor})


def turn(kind, decoy):
    run = capture("mask=64")
    abusers = None
    if kind != "alone":
        victim = run if kind == "abused" else decoy
        abusers = subprocess.Popen(
            [sys.executable, root / "tests/tool/abuse.py", socket(victim), str(victim.pid), str(seconds)],
            stdout=subprocess.PIPE, text=True, preexec_fn=humble)
    time.sleep(seconds)
    server = cpu_ns(run.pid, thread_named(run.pid, "pp-telemetry"))
    run.send_signal(signal.SIGINT)
    said = run.stdout.read()
    os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOWAIT)
    thread = cpu_ns(run.pid, run.pid)  # of the one that captures: it can still be asked for
    _, status, used = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    report = json.loads(said)
    seen = dict(line.rsplit(" ", 1) for line in abusers.communicate()[0].splitlines()) if abusers else {}
    both = (used.ru_utime + used.ru_stime) - server / 1e9
    n = report["packets_received"]
    return {"status": run.returncode, "report": report, "abusers": seen, "lost": n - report["packets_written"],
            "by clock": n / (report["elapsed_ns"] / 1e9), "by processor": n / both, "thread": thread / n,
            "server": server / report["elapsed_ns"]}


def chance(low, high):
    """How probable it is that values of one kind are ranked as far below as `low` is below `high`."""
    n, m = len(low), len(high)
    u = sum((a > b) + (a == b) / 2 for a in low for b in high)  # of n * m pairs, those the other way
    ways = {(0, 0): {0: 1}}  # (how many of each are placed): {u: in how many ways}
    for i in range(n + 1):
        for j in range(m + 1):
            if i or j:
                w = {}
                for k, c in ways.get((i - 1, j), {}).items():  # the next is a low one: above j high ones
                    w[k + j] = w.get(k + j, 0) + c
                for k, c in ways.get((i, j - 1), {}).items():
                    w[k] = w.get(k, 0) + c
                ways[i, j] = w
    all_ways = ways[n, m]
    return sum(c for k, c in all_ways.items() if k <= u) / sum(all_ways.values())


tests = failed = 0


def check(good, what):
    global tests, failed
    tests += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {what}", flush=True)


def main():
    decoy = capture("rate=1", humble)
    turns = {k: [] for k in KINDS}
    for i in range(rounds):
        for j in range(len(KINDS)):
            kind = KINDS[(i + j) % len(KINDS)]
            turns[kind].append(turn(kind, decoy))
    decoy.send_signal(signal.SIGINT)
    decoy.communicate()

    everybody = [t for k in KINDS for t in turns[k]]
    check(all(t["status"] == 0 for t in everybody), "every run ends as it should")
    check(all(t["lost"] == 0 and t["report"]["packets_refused"] == 0 and t["report"]["packets_missed"] == 0
              for t in everybody), f"no packet was lost, of {sum(t['report']['packets_received'] for t in everybody):,}")
    check(all(t["report"][k] == 0 for t in everybody for k in (
        "mappings_left", "iova_left", "page_table_bytes_left", "pages_leaked")), "nothing is left")
    check(all(t["abusers"]["clients"] == "200" and t["abusers"]["broken"] == "0" for t in turns["abused"]),
          "200 clients each time, and no answer was broken")
    check(sum(int(t["abusers"]["answers"]) for t in turns["abused"]) > 0, "the honest among them were answered")

    for measure in ("by processor", "by clock"):
        for kind in KINDS:
            v = sorted(t[measure] for t in turns[kind])
            print(f"# {kind:9s} {statistics.median(v):12,.0f} packets/s {measure} ({v[0]:,.0f} to {v[-1]:,.0f})")
        abused, elsewhere = ([t[measure] for t in turns[k]] for k in ("abused", "elsewhere"))
        ratio = statistics.median(abused) / statistics.median(elsewhere)
        p = chance(abused, elsewhere)
        check(ratio >= 0.97 or p >= 0.001, f"packets a second {measure}: abused {ratio:.3f} of elsewhere (chance {p:.3f})")
    for kind in KINDS:
        thread = statistics.median(t["thread"] for t in turns[kind])
        server = statistics.median(t["server"] for t in turns[kind])
        print(f"# {kind:9s} {thread:8.1f} ns of the capture's thread a packet, {100 * server:.2f} % of a processor for telemetry")
    server = statistics.median(t["server"] for t in turns["abused"])
    check(server <= 0.1, f"the telemetry's thread takes {100 * server:.2f} % of a processor")
    print(f"1..{tests}")
    sys.exit(failed > 0)


main()
