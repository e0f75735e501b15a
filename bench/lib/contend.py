"""Contenders: processes that wait to be told what to run, and samples of them by turns."""
import os
import statistics
import subprocess
import sys
import time

# Debian's DPDK sizes its memory at the start; it is touched only as it is used.
DPDK_MEMORY = "6144"
RETRIES = 4


class Contender:
    """A program of bench/peers or bench/strategies, answering a number to each line."""

    def __init__(self, path):
        args = [path]
        if os.path.basename(path) in ("mempool", "mempool-word", "mempool-ref", "pktmbuf"):
            args.append(DPDK_MEMORY)
        self.path = path
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)

    def ask_line(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"{self.path} ended while it ran: {line}")
        return answer

    def ask(self, line):
        return float(self.ask_line(line).split()[0])

    def sample(self, line):
        value, disturbed = self.ask_line(line).split()
        return float(value), int(disturbed)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def summary(values):
    values = sorted(values)
    return {"median": statistics.median(values), "least": values[0], "most": values[-1],
            "samples": len(values)}


class Session:
    def __init__(self, build, samples, quick):
        self.bench = os.path.join(build, "bench")
        self.build = build
        self.samples = samples
        self.quick = quick
        self.running = {}
        self.taken = self.disturbed = 0
        self.patience = 5 if quick else 40  # seconds for what is in vain

    def has(self, program):
        return os.access(os.path.join(self.bench, program), os.X_OK)

    def fresh(self, program):
        return Contender(os.path.join(self.bench, program))

    def contender(self, label, program):
        if label not in self.running:
            self.running[label] = self.fresh(program)
        return self.running[label]

    def drop(self, label):
        self.running.pop(label).end()

    def by_turns(self, names, sample, samples=None, summarise=True):
        """sample(name) for all, self.samples times; a summary of each, or the list."""
        values = {name: [] for name in names}
        for turn in range(samples or self.samples):
            for name in names if turn % 2 == 0 else reversed(names):
                values[name].append(sample(name))
        return {name: summary(v) if summarise else v for name, v in values.items()}

    def undisturbed(self, take):
        """take() gives a value, and how often another program had our processor meanwhile: the
        value of the least disturbed of some attempts."""
        best = None
        for _ in range(1 + RETRIES):
            begun = time.monotonic()
            value, disturbed = take()
            if best is None or disturbed < best[1]:
                best = (value, disturbed)
            if not disturbed or self.patience <= 0:
                break
            self.patience -= time.monotonic() - begun
        self.taken += 1
        self.disturbed += best[1] > 0
        return best[0]

    def end(self):
        for c in self.running.values():
            try:
                c.end()
            except OSError:
                print(f"{c.path} had ended before", file=sys.stderr)
