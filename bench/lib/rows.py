"""The rows of the table: who contends, and at what."""
PLAIN = " plain=1"
OURS = ["pagepool", "pagepool-shared"]
DPDK = ["mempool", "pktmbuf"]
MALLOCS = ["mimalloc", "jemalloc", "glibc"]


class Row:
    """One row: the same lines to each contender, and the time of the last, ns a page."""

    unit = "ns a page"

    def __init__(self, name, title, who, what, pages=16384, before=(), each=None, least=0,
                 opening=""):
        self.name, self.title, self.what = name, title, what
        self.who = who          # labels; "mempool plain" is the program mempool
        self.pages, self.before, self.least, self.opening = pages, before, least, opening
        self.each = each or {}  # of a label: what its lines have at their end

    def extra(self, label):
        extra = self.each.get(label, "")
        if label.endswith(" plain"):
            extra += PLAIN
        if label.endswith(" sp"):
            extra += " sp=1"
        if label.endswith(" unmapped"):
            extra += " mapped=0"
        return extra

    def measure(self, session):
        who = [w for w in self.who if session.has(w.split()[0])]
        n, at = {}, {}
        for label in who:
            c = at[label] = session.contender(label, label.split()[0])
            extra = self.extra(label)
            c.ask(f"open pages={self.pages}{self.opening}{extra}")
            for line in self.before:
                c.ask(line + extra)
            least = f" least={self.least}" if self.least else ""
            n[label] = int(c.ask(f"calibrate {self.what}{extra} ms={session.ms}{least}"))
        figures = session.by_turns(who, lambda label: session.sample(
            at[label], f"{self.what}{self.extra(label)} n={n[label]}"))
        for label in who:
            at[label].ask("close")
            if self.pages > 500000:
                session.drop(label)
        return {"title": self.title, "unit": self.unit,
                "command": f"bench/run --only {self.name}",
                "figures": figures}

    def show(self, result):
        print(f"\n{self.title}, {self.unit}{'':4}[{result['command']}]")
        for label, f in result["figures"].items():
            print(f"  {label:22} {f['median']:10.2f}   ({f['least']:.2f} to {f['most']:.2f})")


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


def crossing(name, title, what):
    dpdk = [d + how for d in DPDK for how in ("", " plain")] + ["mempool sp"]
    return Row(name, title, OURS + ["bare"] + dpdk + MALLOCS, what)


def table(quick):
    rows = [
        Row("single", "Get and put a page, one thread",
            ["pagepool", "pagepool unmapped", "pagepool-shared", "array", "array-memory"]
            + DPDK + MALLOCS, "single"),
        Row("batch", "Get and put 32, one thread",
            ["pagepool", "pagepool unmapped", "pagepool-shared", "array"] + DPDK + MALLOCS, "batch"),
        crossing("cross", "Get on one core, put on the other, one by one", "cross"),
        crossing("cross-batch", "Get on one core, put on the other, by 32", "cross batch=32"),
        crossing("cross-touch", "The same one by one, 1,536 bytes written and read",
                 "cross touch=1"),
        crossing("cross-batch-touch", "The same by 32, 1,536 bytes written and read",
                 "cross batch=32 touch=1"),
    ]
    for k in (2, 4):
        rows.append(Row(f"returners-{k}", f"{k} threads on the other core return, by 32",
                        ["pagepool", "bare", "mempool", "mempool plain", "pktmbuf", "pktmbuf plain"]
                        + MALLOCS, f"cross batch=32 threads={k}"))
    for power in range(2, 7):
        w = 10 ** power
        if quick and power in (3, 5):
            continue
        for by in (1, 32):
            if by == 32 and power not in (3, 6):
                continue
            who = ["pagepool"] + DPDK + (MALLOCS if power < 6 else MALLOCS[:1])
            name = f"window-1e{power}" + ("-batch" if by > 1 else "")
            rows.append(Row(name, f"A window of {w:,} pages in flight, "
                            + ("one by one" if by == 1 else "by 32"), who,
                            "window" + (" batch=32" if by > 1 else ""), pages=w,
                            before=[f"fill window={w}"], least=w))
    for size in (256, 512, 1024, 2048):
        if quick and size in (512, 1024):
            continue
        rows.append(Row(f"fragments-{size}", f"Pieces of {size} bytes, a window of 1,024",
                        ["pagepool-fragments"] + DPDK + MALLOCS, "window",
                        before=["fill window=1024"], opening=f" bytes={size}"))
    rows.append(Row("skew", "A window of 1,000; the first page of each 512 of 32,768 stays out",
                    ["pagepool"] + DPDK + MALLOCS, "window", pages=32768,
                    before=["skew pages=32768 window=1000"]))
    rows.append(Grow("grow", "A fresh page, from nothing, and a word written to it",
                     ["pagepool thp", "mmap thp", "pagepool base", "mmap base"] + DPDK + MALLOCS,
                     "", pages=8192 if quick else 65536))
    return rows
