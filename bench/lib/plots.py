"""Plots by gnuplot: SVG without a background, in colours that can be read on white and on black."""
import os
import subprocess

GREY = "#808080"
COLOURS = ["#3f83f8", "#d97706", "#2f9e5a", "#d14b52", "#9166d6", "#1a9fa8", "#a3722a"]
HEAD = f"""
set terminal svg size 760,400 dynamic font "sans-serif,13"
set border 3 lc rgb "{GREY}"
set tics nomirror textcolor rgb "{GREY}"
set xlabel textcolor rgb "{GREY}"
set ylabel textcolor rgb "{GREY}"
set title textcolor rgb "{GREY}"
set key textcolor rgb "{GREY}"
set grid ytics lc rgb "{GREY}" lw 0.4
set datafile missing "?"
"""


def gnuplot(path, script):
    subprocess.run(["gnuplot"], input=f'{HEAD}\nset output "{path}"\n{script}', text=True, check=True)
    with open(path, encoding="utf-8") as f:
        svg = f.read()
    # some viewers paint the page white behind it: say that nothing is meant to be there
    with open(path, "w", encoding="utf-8") as f:
        f.write(svg.replace("<svg ", '<svg style="background: transparent" ', 1))


def forget(path):
    """No figures, and so no old plot either."""
    if os.path.exists(path):
        os.unlink(path)


def block(name, lines):
    return f"${name} << EOD\n" + "\n".join(lines) + "\nEOD\n"


def bars(path, title, rows, results, who):
    """A group for each contender, a bar for each row; the scale is logarithmic."""
    rows = [(row, label) for row, label in rows if row in results]
    lines = []
    for label in who:
        figures = [results[row]["figures"].get(label, {}).get("median", "?") for row, _ in rows]
        if any(f != "?" for f in figures):
            lines.append(f'"{label}" ' + " ".join(str(f) for f in figures))
    if not lines:
        return forget(path)
    plots = [f'$data using {i + 2}:xtic(1) title "{name}" lc rgb "{COLOURS[i]}"'
             for i, (_, name) in enumerate(rows)]
    gnuplot(path, block("data", lines) + f"""
set title "{title}"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set logscale y
set format y "10^{{%T}}"
set xtics rotate by -30
set ylabel "ns a page"
plot {", ".join(plots)}
""")


def lines(path, title, xlabel, ylabel, series):
    """series: name, [(x, y)]."""
    if not series:
        return forget(path)
    data = "".join(block(f"d{i}", [f"{x} {y}" for x, y in points])
                   for i, (_, points) in enumerate(series))
    plots = [f'$d{i} with linespoints lw 2 pt 7 ps 0.6 lc rgb "{COLOURS[i % len(COLOURS)]}" '
             f'title "{name}"' for i, (name, _) in enumerate(series)]
    gnuplot(path, data + f"""
set title "{title}"
set logscale xy
set format xy "10^{{%T}}"
set key outside right
set xlabel "{xlabel}"
set ylabel "{ylabel}"
plot {", ".join(plots)}
""")


def over_powers(results, prefix, key="median", scale=1.0):
    """Of the rows prefix-1e2 to -1e7: a series for each contender."""
    series = {}
    for power in range(2, 8):
        for label, f in results.get(f"{prefix}-1e{power}", {}).get("figures", {}).items():
            series.setdefault(label, []).append((10 ** power, f[key] * scale))
    return list(series.items())


def all_plots(results, where):
    os.makedirs(where, exist_ok=True)
    at = lambda name: os.path.join(where, name)  # noqa: E731
    bars(at("one-thread.svg"), "Get and put, one thread", [("single", "one page"), ("batch", "by 32")],
         results, ["array", "pagepool", "mempool", "pktmbuf", "mimalloc", "jemalloc", "glibc"])
    bars(at("across.svg"), "Get on one core, put on the other",
         [("cross", "one by one"), ("cross-batch", "by 32")], results,
         ["bare", "pagepool", "mempool", "mempool plain", "pktmbuf", "pktmbuf plain", "mimalloc",
          "jemalloc", "glibc"])
    lines(at("burst.svg"), "Get n pages, then put them", "n", "ns a page",
          over_powers(results, "burst"))
    lines(at("unbind.svg"), "Unbind", "pages in flight", "us",
          over_powers(results, "strategies", "unbind_ns", 1e-3))
    lines(at("tables.svg"), "IOMMU page tables at unbind", "pages in flight", "KiB",
          over_powers(results, "strategies", "page_table_bytes", 1 / 1024))
