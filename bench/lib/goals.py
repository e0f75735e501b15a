"""The goals, and whether they are met: a goal for each line of the list, of one part or
several. A goal whose rows were not run is left out, so that a part of the table can be run."""


class Missing(Exception):
    """A figure that was not measured."""


class Results:
    def __init__(self, rows, counts):
        self.rows, self.counts = rows, counts

    def at(self, row, label, key="median"):
        try:
            return self.rows[row]["figures"][label][key]
        except KeyError:
            raise Missing(f"{row}, {label}") from None

    def count(self, name):
        try:
            return self.counts[name]
        except (KeyError, TypeError):
            raise Missing(name) from None


def part(what, value, at_most=None, at_least=None, least=None):
    met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    goal = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}"
    out = {"what": what, "value": round(value, 3), "goal": goal, "met": met}
    if least is not None:
        out["of_the_least"] = round(least, 3)
    return out


def ratio(r, what, row, mine, other, at_most):
    value = r.at(row, mine) / r.at(row, other)
    return part(what, value, at_most, least=r.at(row, mine, "least") / r.at(row, other, "least"))


def parity(r, what, row, mine, other):
    """At most as much as the other, give or take what that differs from itself, a second time."""
    again = r.at(row, other + " again") / r.at(row, other)
    return ratio(r, what, row, mine, other, round(max(again, 1 / again), 3))


def single(r):
    return [parity(r, "of a plain stack that checks", "single", "pagepool", "checked")]


def batch(r):
    return [parity(r, "of rte_mempool", "batch", "pagepool", "mempool"),
            ratio(r, "of rte_pktmbuf bulk", "batch", "pagepool", "pktmbuf", 0.3)]


def across(r):
    parts = []
    for row, how in (("cross", "single"), ("cross-batch", "by 32")):
        parts.append(ratio(r, f"{how}, of handing bare pointers", row, "pagepool", "bare", 1.25))
        parts.append(parity(r, f"{how}, of rte_mempool", row, "pagepool", "mempool"))
        for peer in ("mempool plain", "pktmbuf", "pktmbuf plain"):
            parts.append(ratio(r, f"{how}, of {peer}", row, "pagepool", peer, 1))
    for k in (2, 4):
        parts.append(parity(r, f"by 32, {k} returners, of rte_mempool", f"returners-{k}", "pagepool",
                            "mempool"))
    return parts


def turns(r):
    return [ratio(r, f"{how}, two pools in turn, of one", row, "two in turn", "one pool", 1.3)
            for row, how in (("turns-own", "one thread"), ("turns-put", "put elsewhere"))]


def getters(r):
    parts = [ratio(r, "on two cores, of rte_mempool", "getters-2", "pagepool-getters", "mempool", 1)]
    for row, how in (("getters-1", "one thread"), ("getters-2", "on two cores"),
                     ("getters-4", "two on each")):
        parts.append(ratio(r, f"{how}, of one pool a thread", row, "pagepool-getters",
                           "pagepool-owners", 1.15))
    return parts


def window(r):
    return [parity(r, "of rte_mempool", "window-1e6", "pagepool", "mempool"),
            ratio(r, "of rte_pktmbuf", "window-1e6", "pagepool", "pktmbuf", 1),
            ratio(r, "by 32, of rte_mempool and a word read of each object", "window-1e6-batch",
                  "pagepool", "mempool-word", 1.2)]


def bursts(r):
    rows = [(10 ** power, f"burst-1e{power}") for power in range(2, 7)]
    rows = [(n, row) for n, row in rows if row in r.rows]
    return ([parity(r, f"{n:,} keeping, of rte_mempool", row, "pagepool keeping", "mempool")
             for n, row in rows]
            + [ratio(r, f"{n:,}, of rte_pktmbuf", row, "pagepool", "pktmbuf", 1) for n, row in rows]
            + [ratio(r, f"{n:,} with default settings, of keeping", row, "pagepool",
                     "pagepool keeping", 1.5) for n, row in rows])


def fragments(r):
    return [parity(r, f"{size:,} bytes, of rte_mempool", f"fragments-{size}", "pagepool-fragments",
                   "mempool")
            for size in (256, 512, 1024, 2048) if f"fragments-{size}" in r.rows]


def mapped(r):
    return [part(f"{call}, mapped less unmapped, instructions",
                 r.count(call) - r.count(call + " unmapped"), 0)
            for call in ("pp_page_get", "pp_page_put", "pp_page_get_batch", "pp_page_put_batch")]


def fresh(r):
    return [ratio(r, "in transparent huge pages", "grow", "pagepool thp", "mmap thp", 1.05),
            ratio(r, "in base pages", "grow", "pagepool base", "mmap base", 1.1)]


CHUNKS = -(-10 ** 6 // 512)


def unbind(r):
    ours = r.at("strategies-1e6", "ours", "unbind_ns")
    flat, unmap = ([r.at("flat", f"ours 1e{p}", what) for p in range(3, 7)]
                   for what in ("unbind_ns", "unmap_ns"))
    return [part("times faster than the page-wise walk at its best",
                 r.at("strategies-1e6", "radix-best", "unbind_ns") / ours, at_least=800),
            part("until no device reaches anything, 1e3 to 1e6 in flight, most by least",
                 max(unmap) / min(unmap), 1.5),
            part("us a chunk", max(flat + [ours]) / 1000 / CHUNKS, 2)]


def given(r):
    rows = [(10 ** p, f"given-1e{p}") for p in (3, 4) if f"given-1e{p}" in r.rows]
    return [ratio(r, f"{n:,} of 1,000,000 in flight", row, "unbind", "the same calls alone", 1.3)
            for n, row in rows]


def growing(r):
    return [ratio(r, "of mmap and populating one chunk", "get-fails", "grows", "mmap populated", 1.5)]


def lookup(r):
    return [part(f"instructions of {call}", r.count(call), 12)
            for call in ("pp_page_from_addr", "pp_page_from_iova")]


def record(r):
    return [part("bytes a page to know what is mapped", r.count("record a page"), 0),
            part("bytes a page of all that a pool keeps", r.count("all a page"), 16)]


def tables(r):
    return [part("times less than page-wise", r.at("strategies-1e6", "radix-best", "page_table_bytes")
                 / r.at("strategies-1e6", "ours", "page_table_bytes"), at_least=200)]


def capture(r):
    def ratio(key="median"):
        return (r.at("capture", "pagepool capture", key)
                / r.at("capture", "memcpy + io_uring", key))
    return [part("of memcpy and io_uring's processor time", ratio(), 1.3, least=ratio("least"))]


def longest(r):
    parts = []
    for row, ways in (("longest-put", ("put-in-order", "put-scattered", "put-elsewhere")),
                      ("longest-get", ("get-reserved",))):
        labels = r.rows.get(row, {"figures": {}})["figures"]
        for way in ways:
            few, many = ([label for label in labels if label.split()[0] == way] + [None] * 2)[:2]
            # not all that can come together does among few pages: a tenth more is let pass
            for key, what, goal in (("median", "instructions", 1.1),
                                    ("system calls", "system calls", 1),
                                    ("bytes", "bytes that they are for", 1)):
                most, least = r.at(row, many, key), r.at(row, few, key)
                # nothing at few pages: then it is one, so that something at many shows
                parts.append(part(f"{what}, {way}, {many.split()[1]} by 1e4",
                                  max(most, 1) / max(least, 1), goal))
    return parts


def failing(r):
    return [ratio(r, f"of one that grows by a chunk, for want of {what}", "get-fails", f"no {what}",
                  "grows", 0.1) for what in ("IOVA", "memory")]


def beside(r):
    figures = r.rows["map-beside"]["figures"] if "map-beside" in r.rows else {}
    many = [f["median"] for label, f in figures.items() if label.startswith("beside 1e")]
    if not many:
        raise Missing("map-beside")
    return [part("beside 1e2 to 1e6, most by least", max(many) / min(many), 1.5),
            ratio(r, "alone, of beside one", "map-beside", "alone", "beside 1", 1.5)]


def register(r):
    return [ratio(r, "beside 12 GiB in use, of beside nothing", "register-beside",
                  "beside 12 GiB in use", "beside nothing", 1.5)]


GOALS = [
    ("get+put, one thread, single", single),
    ("batches of 32, one thread", batch),
    ("across cores, single and batched, payload untouched", across),
    ("several pools in turn", turns),
    ("several threads get from one pool", getters),
    ("window of 1,000,000 pages in flight", window),
    ("get n, then put n, again and again", bursts),
    ("fragments, a window of 1,024", fragments),
    ("mapped against unmapped pool, get+put", mapped),
    ("fresh page from growth (touched)", fresh),
    ("unbind, 1,000,000 pages in flight", unbind),
    ("memory given back in an unbind, of the same calls alone", given),
    ("record per page", record),
    ("page from an address", lookup),
    ("page-table bytes, 1,000,000 pages, 2 MiB memory", tables),
    ("longest put, and longest get of pages that are there", longest),
    ("a get that grows by a chunk", growing),
    ("a get that fails", failing),
    ("map and unmap of 4 KiB beside others", beside),
    ("registration of a device", register),
    ("capture on the software device, 1,500-byte packets", capture),
]


def judge(rows, counts):
    r = Results(rows, counts)
    judged = []
    for what, parts in GOALS:
        try:
            found = parts(r)
        except Missing:
            continue
        if not found:
            continue
        judged.append({"what": what,
                       "value": "; ".join(f"{p['value']:g} {p['what']}" for p in found),
                       "goal": "; ".join(f"{p['goal']} {p['what']}" for p in found),
                       "met": all(p["met"] for p in found), "parts": found})
    return judged


def show(judged):
    if judged:
        print(f"\n{'':60} {'':>10} {'goal':>8}  {'':8} of the least samples")
    for g in judged:
        print(f"{g['what']:81}{'met' if g['met'] else 'NOT MET'}")
        for p in g["parts"]:
            print(f"    {p['what']:56} {p['value']:>10} {p['goal']:>8}  "
                  f"{'' if p['met'] else 'not met':8} {p.get('of_the_least', ''):>8}")
