"""The rows of the table: who contends, and at what."""
import json
import os
import resource
import shutil
import statistics
import struct
import subprocess
import tempfile

import counts
from contend import summary

PLAIN = " plain=1"
OURS = ["pagepool", "pagepool-shared"]
DPDK = ["mempool", "pktmbuf"]
AGAIN = " again"  # the same peer a second time: what differs then is noise
CONTROL = ["mempool" + AGAIN]
WORD = ["mempool-word"]  # what it costs to look at each object, as references ask for
MALLOCS = ["mimalloc", "jemalloc", "glibc"]


class Row:
    """One row: the same lines to each contender, and the time of the last, ns a page."""

    unit = "ns a page"

    def __init__(self, name, title, who, what, pages=16384, before=(), each=None, least=0,
                 opening="", program=None):
        self.name, self.title, self.what = name, title, what
        self.program = program  # of all labels; None: the first word of each
        self.who = who          # labels; "mempool plain" is the program mempool
        self.pages, self.before, self.least, self.opening = pages, before, least, opening
        self.each = each or {}  # of a label: what its lines have at their end

    def extra(self, label):
        label = label.removesuffix(AGAIN)
        extra = self.each.get(label, "")
        if label.endswith(" plain"):
            extra += PLAIN
        if label.endswith(" sp"):
            extra += " sp=1"
        if label.endswith(" unmapped"):
            extra += " mapped=0"
        if label.endswith(" back"):
            extra += " back=1"
        if label.endswith(" keeping"):
            extra += " keep=1"
        return extra

    def program_of(self, label):
        return self.program or label.split()[0]

    def ms(self, session):
        """One thread's sample can be so short that it fits between two other programs' turns."""
        if not self.what.startswith(("cross", "work")):
            return 2
        return 6 if session.quick else 12

    def measure(self, session):
        who = [w for w in self.who if session.has(self.program_of(w))]
        n, at = {}, {}
        for label in who:
            c = at[label] = session.contender(label, self.program_of(label))
            extra = self.extra(label)
            c.ask(f"open pages={self.pages}{self.opening}{extra}")
            for line in self.before:
                c.ask(line + extra)
            least = f" least={self.least}" if self.least else ""
            n[label] = int(c.ask(f"calibrate {self.what}{extra} ms={self.ms(session)}{least}"))
        figures = session.by_turns(who, lambda label: session.undisturbed(
            lambda: at[label].sample(f"{self.what}{self.extra(label)} n={n[label]}")))
        for label in who:
            at[label].ask("close")
            if self.pages > 500000 or self.program:
                session.drop(label)  # gives its gigabytes back, and what stays open
        return {"title": self.title, "unit": self.unit,
                "command": f"bench/run --only {self.name}",
                "figures": figures}

    def show(self, result):
        print(f"\n{self.title}, {self.unit}{'':4}[{result['command']}]")
        for label, f in result["figures"].items():
            print(f"  {label:22} {f['median']:10.2f}   ({f['least']:.2f} to {f['most']:.2f})")


class Beside(Row):
    """What a call costs by what else there is, in bench/space.c. `each`: what that is."""

    unit = "ns"

    def __init__(self, name, title, what, each):
        super().__init__(name, title, list(each), what, each=each, program="space")


class Longest(Row):
    """The longest of many calls: bench/longest.c chooses some, callgrind counts those."""

    unit = "user instructions (system calls, bytes of memory that they are for)"

    def __init__(self, name, title, ways, powers):
        super().__init__(name, title, [f"{way} 1e{p}" for way in ways for p in powers], "")

    def count(self, session, way, pages):
        program = os.path.join(session.bench, "longest")
        calls = subprocess.run([program, way, pages], check=True, capture_output=True,
                               text=True).stdout.split()
        command = [program, way, pages, *calls]
        instructions = counts.dumps(command, "counted")
        system = counts.system_calls(command)
        return {"median": max(instructions), "calls counted": len(instructions),
                "system calls": max(len(lengths) for lengths in system),
                "bytes": max(sum(lengths) for lengths in system)}

    def measure(self, session):
        figures = {}
        if session.has("longest") and shutil.which("valgrind") and shutil.which("strace"):
            figures = {label: self.count(session, label.split()[0],
                                         str(int(float(label.split()[1])))) for label in self.who}
        return {"title": self.title, "unit": self.unit,
                "command": f"bench/run --only {self.name}", "figures": figures}

    def show(self, result):
        print(f"\n{self.title}, {self.unit}    [{result['command']}]")
        for label, f in result["figures"].items():
            print(f"  {label:22} {f['median']:10,} ({f['system calls']}, {f['bytes']:,})")


class Grow(Row):
    """Each sample is a new process: only then all of its memory is fresh."""

    def measure(self, session):
        who = [w for w in self.who if session.has(w.split()[0])]

        def sample(label):
            c = session.fresh(label.split()[0])
            memory = {"thp": 1, "base": 2}.get(label.split()[-1], 0)
            value = c.ask(f"grow pages={self.pages}" + (f" memory={memory}" if memory else ""))
            c.end()
            return value

        figures = session.by_turns(who, sample)
        return {"title": self.title, "unit": self.unit,
                "command": f"bench/run --only {self.name}",
                "figures": figures}


class Given(Row):
    """What an unbind gives back, and the system's price of it: bench/given.c, a sample a run."""

    unit = "ns"

    def __init__(self, name, title, pages, held):
        super().__init__(name, title, ["unbind", "the same calls alone"], "", pages)
        self.held = held

    def measure(self, session):
        def sample(_):
            *took, disturbed = subprocess.run(
                [os.path.join(session.bench, "given"), str(self.pages), str(self.held)],
                check=True, capture_output=True, text=True).stdout.split()
            return [float(t) for t in took], int(disturbed)

        pairs = session.by_turns(["pair"], lambda _: session.undisturbed(lambda: sample(_)),
                                 3 if session.quick else 7, summarise=False)["pair"]
        return {"title": self.title, "unit": self.unit, "command": f"bench/run --only {self.name}",
                "figures": {label: summary(took) for label, took in zip(self.who, zip(*pairs))}}


STRATEGIES = ["each", "late", "radix", "radix-best", "items", "wait", "ours"]


class Strategies(Row):
    """Each sample is a run of the whole scenario of bench/strategies/strategy.h."""

    unit = "what happens at unbind"
    columns = [("get+put", "get_put_ns", "ns"), ("growth", "growth_ns", "ns/page"),
               ("unmapped", "unmap_ns", "us"), ("unbind", "unbind_ns", "us"), ("mappings", "mappings", ""),
               ("IOVA", "iova_bytes", "KiB"), ("tables", "page_table_bytes", "KiB"),
               ("record", "record_bytes", "KiB"), ("left: maps", "mappings_left", ""),
               ("IOVA", "iova_bytes_left", "KiB"), ("tables", "page_table_bytes_left", "KiB"),
               ("late calls", "late_calls_refused", "")]

    def __init__(self, name, title, runs, samples=None):
        super().__init__(name, title, list(runs), "")
        self.runs, self.samples = runs, samples  # label: arguments

    def measure(self, session):
        def run(label):
            program, *args = self.runs[label].split()
            out = subprocess.run([os.path.join(session.bench, "strategy-" + program), *args],
                                 check=True, capture_output=True, text=True).stdout
            result = json.loads(out)
            # who waits, or works for long, is disturbed in any case
            return result, result["disturbed"] if result["unbind_ns"] < 2e7 else 0

        def sample(label):
            return session.undisturbed(lambda: run(label))

        who = [w for w in self.who if session.has("strategy-" + self.runs[w].split()[0])]
        turns = session.by_turns(who, sample, self.samples, summarise=False)
        figures = {}
        for label, values in turns.items():
            figures[label] = {key: statistics.median(v[key] for v in values) for key in values[0]}
            unbinds = [v["unbind_ns"] for v in values]
            figures[label]["least"], figures[label]["most"] = min(unbinds), max(unbinds)
            figures[label]["samples"] = len(values)
        return {"title": self.title, "unit": self.unit, "figures": figures,
                "command": f"bench/run --only {self.name}"}

    def show(self, result):
        print(f"\n{self.title}, {self.unit}    [{result['command']}]")
        print(f"  {'':14}" + "".join(f"{head:>12}" for head, _, _ in self.columns))
        print(f"  {'':14}" + "".join(f"{unit:>12}" for _, _, unit in self.columns))
        for label, f in result["figures"].items():
            cells = []
            for _, key, unit in self.columns:
                value = f[key] / {"us": 1000, "KiB": 1024}.get(unit, 1)
                cells.append(f"{value:12,.1f}" if unit else f"{value:12,.0f}")
            print(f"  {label:14}" + "".join(cells))


def processor_ns():
    """Of all the programs that have been run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e9


class Capture(Row):
    """The command captures packets from the software device; beside it, copying and writing. Of the
    processors' time, over all threads; and by the clock."""

    unit = "ns a packet"
    bytes = 1500
    source = 4096  # as many packets as write.c copies from

    def __init__(self, name, title, packets):
        super().__init__(name, title, ["pagepool capture", "memcpy + io_uring",
                                       "memcpy on another core + io_uring"], "")
        self.packets = packets - packets % self.source

    def make_input(self, path):
        record = struct.pack("=IIII", 1, 0, self.bytes, self.bytes) + b"x" * self.bytes
        with open(path, "wb") as f:
            f.write(struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
            f.write(record * self.source)

    def measure(self, session):
        there = "/dev/shm" if os.access("/dev/shm", os.W_OK) else session.build
        n = self.packets
        elapsed = {label: [] for label in self.who}

        def captured():
            done = json.loads(subprocess.run(
                [os.path.join(session.build, "tool/pagepool"), "capture", "--json", "-d",
                 f"soft:pcap={source},loop={n // self.source}", "-w", output],
                check=True, capture_output=True, text=True).stdout)
            if done["packets_written"] != n:
                raise RuntimeError("the capture is not complete")
            return done["elapsed_ns"]

        def written(apart):
            return float(subprocess.run(
                [os.path.join(session.bench, "write"), output, str(n), str(self.bytes), *apart],
                check=True, capture_output=True, text=True).stdout)

        def sample(label):
            begun = processor_ns()
            elapsed[label].append((captured() if label == self.who[0] else
                                   written(["apart"] if "another" in label else [])) / n)
            os.unlink(output)
            return (processor_ns() - begun) / n

        with tempfile.TemporaryDirectory(dir=there) as folder:
            source, output = (os.path.join(folder, name) for name in ("in.pcap", "out.pcap"))
            self.make_input(source)
            figures = session.by_turns([w for w in self.who if session.has("write")], sample)
        figures |= {f"{label}, by the clock": summary(v) for label, v in elapsed.items() if v}
        return {"title": self.title, "unit": self.unit, "where": there,
                "command": f"bench/run --only {self.name}", "figures": figures}


def crossing(name, title, what):
    dpdk = [d + how for d in DPDK for how in ("", " plain")] + ["mempool sp"]
    return Row(name, title, OURS + ["bare", "bare there and back"] + dpdk + CONTROL + WORD + MALLOCS, what)


def table(quick):
    rows = [
        Row("single", "Get and put a page, one thread",
            ["pagepool", "pagepool unmapped", "pagepool-shared", "array", "array-memory", "checked",
             "checked" + AGAIN] + DPDK + MALLOCS, "single"),
        Row("batch", "Get and put 32, one thread",
            ["pagepool", "pagepool unmapped", "pagepool-shared", "array"] + DPDK + CONTROL
            + MALLOCS, "batch"),
        crossing("cross", "Get on one core, put on the other, one by one", "cross"),
        crossing("cross-batch", "Get on one core, put on the other, by 32", "cross batch=32"),
        crossing("cross-touch", "The same one by one, 1,536 bytes written and read",
                 "cross touch=1"),
        crossing("cross-batch-touch", "The same by 32, 1,536 bytes written and read",
                 "cross batch=32 touch=1"),
    ]
    pools = {"one pool": "", "two in turn": " pools=2", "four in turn": " pools=4"}
    rows.append(Row("turns-own", "Get and put pages of several pools, one thread", list(pools),
                    "single", each=pools, program="pagepool-turns"))
    rows.append(Row("turns-put", "Put pages of several pools that another core got",
                    list(pools), "apart", each=pools, program="pagepool-turns"))
    for k in (2, 4):
        rows.append(Row(f"returners-{k}", f"{k} threads on the other core return, by 32",
                        ["pagepool", "bare", "mempool", "mempool plain", "pktmbuf", "pktmbuf plain"]
                        + CONTROL + WORD + MALLOCS, f"cross batch=32 threads={k}"))
    for k, threads in (1, "one thread"), (2, "a thread on each of two cores"), (4, "two on each"):
        rows.append(Row(f"getters-{k}", f"Get 32 one by one and put them, {threads}",
                        ["pagepool-getters", "pagepool-owners"] + DPDK + MALLOCS,
                        f"work threads={k}"))
    for power in range(2, 7):
        w = 10 ** power
        if quick and power in (3, 5):
            continue
        for by in (1, 32):
            if by == 32 and (power not in (3, 6) or quick):
                continue
            who = ["pagepool"] + DPDK + CONTROL + (MALLOCS if power < 6 else MALLOCS[:not quick])
            if by == 32:
                who += WORD
            name = f"window-1e{power}" + ("-batch" if by > 1 else "")
            rows.append(Row(name, f"A window of {w:,} pages in flight, "
                            + ("one by one" if by == 1 else "by 32"), who,
                            "window" + (" batch=32" if by > 1 else ""), pages=w,
                            before=[f"fill window={w}"], least=w))
    for power in range(2, 7):
        if quick and power in (3, 6):
            continue
        n = 10 ** power
        rows.append(Row(f"burst-1e{power}", f"Get {n:,}, then put {n:,}",
                        ["pagepool", "pagepool keeping"] + DPDK + CONTROL + WORD
                        + (MALLOCS if power < 6 else MALLOCS[:1]), "burst",
                        pages=n, before=[f"fill window={n}"], least=2 * n))
    for size in (256, 512, 1024, 2048):
        if quick and size in (512, 1024):
            continue
        for by in (1, 32):
            rows.append(Row(f"fragments-{size}" + ("-batch" if by > 1 else ""),
                            f"Pieces of {size} bytes, a window of 1,024"
                            + (", by 32" if by > 1 else ""),
                            ["pagepool-fragments"] + DPDK + CONTROL + ["mempool-ref"] + MALLOCS,
                            "window" + (" batch=32" if by > 1 else ""),
                            before=["fill window=1024"], opening=f" bytes={size}"))
    rows.append(Row("skew", "A window of 1,000; the first page of each 512 of 32,768 stays out",
                    ["pagepool"] + DPDK + MALLOCS, "window", pages=32768,
                    before=["skew pages=32768 window=1000"]))
    rows.append(Grow("grow", "A fresh page, from nothing, and a word written to it",
                     ["pagepool thp", "mmap thp", "pagepool base", "mmap base"] + DPDK + MALLOCS,
                     "", pages=8192 if quick else 65536))
    for power in range(3, 8):
        if quick and power in (4, 7):
            continue
        n = 10 ** power
        who = STRATEGIES if power < 7 else ["late", "radix-best", "items", "ours"]
        samples = None if power < 6 else (3 if quick or power == 7 else 7)
        if quick and power == 6:
            who = ["late", "radix-best", "items", "ours"]
        rows.append(Strategies(f"strategies-1e{power}", f"{n:,} pages in flight",
                               {w: f"{w} {n}" for w in who}, samples))
    rows.append(Strategies("flat", "1,000,000 pages grown to; of these in flight",
                           {f"ours 1e{p}": f"ours 1000000 {10 ** p}" for p in range(3, 7)},
                           3 if quick else 7))
    for power in (3, 4):
        if not quick or power == 4:
            rows.append(Given(f"given-1e{power}", f"Memory given back in an unbind of 1,000,000 pages, "
                              f"{10 ** power:,} in flight", 10 ** 6, 10 ** power))
    rows.append(Beside("map-beside", "Map and unmap 4 KiB beside other mappings", "map",
                       {"alone": "", "beside 1": " beside=1"}
                       | {f"beside 1e{p}": f" beside={10 ** p}" for p in range(2, 7)
                          if not quick or p in (2, 4, 6)}))
    rows.append(Beside("register-beside", "Register a device that leaves out IOVA space", "register",
                       {"beside nothing": "", "beside 12 GiB in use": " gib=12"}))
    rows.append(Beside("get-fails", "A get that grows by a chunk, two that fail; mapping and "
                       "populating a chunk's memory", "get",
                       {"grows": "", "no IOVA": " lack=iova", "no memory": " lack=memory",
                        "mmap populated": " only=memory"}))
    powers = (4, 5 if quick else 6)
    rows.append(Longest("longest-put", "The longest put of all of a pool's pages",
                        ["put-in-order", "put-scattered", "put-elsewhere"], powers))
    rows.append(Longest("longest-get", "The longest get of pages that are there",
                        ["get-reserved"], powers))
    rows.append(Capture("capture", "Packets of 1,500 bytes into a file, processor time over all threads",
                        100000 if quick else 400000))
    return rows
