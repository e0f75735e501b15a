"""What the tests with DPDK's own programs have in common: TAP, and a program on a terminal.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import os
import pty
import re
import subprocess
import sys
import termios


class Tap:
    """check() prints a line of the Test Anything Protocol; end() the last one, and exits."""

    def __init__(self):
        self.n = self.failed = 0

    def check(self, good, what):
        self.n += 1
        self.failed += not good
        print(f"{'' if good else 'not '}ok {self.n} - {what}", flush=True)
        return good

    def end(self):
        print(f"1..{self.n}")
        sys.exit(self.failed != 0)


def note(text):
    for line in text.splitlines():
        print("#", line, flush=True)


def eal(handler, places=(0, 1)):
    """The EAL's options: our handler loaded, `handler` the default, an lcore for each of
    places, on the first or the second processor; huge pages if there are some."""
    with open("/proc/meminfo", encoding="ascii") as f:
        free = int(re.search(r"HugePages_Free:\s+(\d+)", f.read()).group(1))
    cpus = sorted(os.sched_getaffinity(0))
    lcores = ",".join(f"{i}@{cpus[p % len(cpus)]}" for i, p in enumerate(places))
    return ["--lcores", lcores, "--no-pci", "--no-telemetry", "-m", "256",
            "-d", "librte_mempool_pagepool.so", f"--mbuf-pool-ops-name={handler}",
            *(["--in-memory"] if free >= 256 else ["--no-huge", "--no-shconf"])]


class Program:
    """A program with a prompt, on a terminal of its own, so that it writes line by line."""

    def __init__(self, command, env=None):
        self.fd, theirs = pty.openpty()
        mode = termios.tcgetattr(theirs)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, mode)
        self.child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs,
                                      env={**os.environ, **(env or {})}, close_fds=True)
        os.close(theirs)
        self.text = ""  # what was not yet waited for
        self.all = ""

    def send(self, line):
        os.write(self.fd, (line + "\n").encode())

    def wait(self, pattern):
        """Read until the pattern is there. Returns the match, or None when the program ends."""
        while True:
            found = re.search(pattern, self.text, re.M)
            if found:
                self.text = self.text[found.end():]
                return found
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # it has closed the terminal
                return None
            data = data.decode(errors="replace").replace("\r", "")
            self.text += data
            self.all += data

    def end(self):
        """Wait for its end. Returns its exit status."""
        self.wait(r"\A\Z(?!)")
        os.close(self.fd)
        return self.child.wait()


def tail(program, n=20):
    note("\n".join(line for line in program.all.splitlines()[-200:]
                   if "cache_count[" not in line)[-n * 80:])
