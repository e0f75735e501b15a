"""What is to be reached, and whether it is."""


class Missing(Exception):
    """A row that was not run."""


def judge(results):
    def figure(row, label):
        try:
            return results[row]["figures"][label]
        except KeyError:
            raise Missing(row) from None

    judged = []

    def ratio(what, row, mine, other, at_most):
        try:
            a, b = figure(row, mine), figure(row, other)
        except Missing:
            return
        value = a["median"] / b["median"]
        judged.append({"what": what, "value": round(value, 3), "goal": f"<= {at_most}",
                       "met": value <= at_most,
                       "of_the_least": round(a["least"] / b["least"], 3)})

    ratio("get+put single / rte_mempool", "single", "pagepool", "mempool", 0.3)
    ratio("get+put single / rte_pktmbuf", "single", "pagepool", "pktmbuf", 0.2)
    ratio("get+put single / array stack", "single", "pagepool", "array", 4)
    ratio("batch of 32 / rte_mempool", "batch", "pagepool", "mempool", 1.2)
    ratio("batch of 32 / rte_pktmbuf bulk", "batch", "pagepool", "pktmbuf", 0.3)
    for row in ("cross", "cross-batch"):
        ratio(f"{row} / bare pointers", row, "pagepool", "bare", 1.25)
        for peer in ("mempool", "mempool plain", "pktmbuf", "pktmbuf plain"):
            ratio(f"{row} / {peer}", row, "pagepool", peer, 1)
    ratio("window of 1e6 / rte_pktmbuf", "window-1e6", "pagepool", "pktmbuf", 1)
    ratio("fresh page / mmap, THP", "grow", "pagepool thp", "mmap thp", 1.1)
    ratio("fresh page / mmap, base", "grow", "pagepool base", "mmap base", 1.1)
    return judged


def show(judged):
    if not judged:
        return
    print(f"\n{'goal':50} {'value':>9} {'goal':>9}  {'':8} of the least samples")
    for g in judged:
        print(f"{g['what']:50} {g['value']:>9} {g['goal']:>9}  {'met' if g['met'] else 'NOT MET':8} "
              f"{g.get('of_the_least', ''):>9}")
