#!/usr/bin/env python3
"""lengths.py ROOT - a function of the products' sources fits on a screen: 40 lines at most, without
blank lines, comments and the rows of tables and initialisers. A line of a comment has at most 100
columns; clang-format looks after the code. So has a line of the documentation; tables, fenced
blocks, mdoc's macros and what bench/report writes may be wider. TAP.
"""
import glob
import os
import re
import sys

SCREEN, COLUMNS = 40, 100
os.chdir(sys.argv[1])
failed = False


def none(number, what, bad):
    global failed
    failed |= bool(bad)
    print(f"{'not ok' if bad else 'ok'} {number} - {what}")
    print("".join(f"# {line}\n" for line in bad), end="")


def lines_of(name):
    with open(name, encoding="utf-8") as f:
        return f.read().splitlines()


def code(lines):
    """How many of a function's lines are code: comments, blank lines and tables aren't."""
    n, table = 0, False
    for line in map(str.strip, lines):
        if table:
            table = line != "};"
        elif line and not line.startswith(("/*", "*")):
            table = line.endswith("= {")
            n += 1
    return n


def long_functions(name):
    begun = None
    lines = lines_of(name)
    for at, line in enumerate(lines):
        if line == "{":
            begun = at
        elif line == "}" and begun is not None:
            if (n := code(lines[begun + 1:at])) > SCREEN:
                yield f"{name}:{begun}: {n} lines: {lines[begun - 1].strip()}"
            begun = None


def long_lines(name):
    wide = False
    for at, line in enumerate(lines_of(name), 1):
        if line.startswith("```") or re.match(r"<!-- |\.Bd .*-literal|\.Ed", line):
            wide = not re.match(r"<!-- end|\.Ed", line) and not (wide and line.startswith("```"))
        elif len(line) > COLUMNS and not wide and not re.match(r"\s*\||\.[A-Z]", line):
            yield f"{name}:{at}: {len(line)} columns"


def long_comments(name):
    for at, line in enumerate(lines_of(name), 1):
        width = len(line.expandtabs(8))
        if width > COLUMNS and line.lstrip().startswith(("/*", "* ")):
            yield f"{name}:{at}: {width} columns"


sources = [s for d in ("src", "include", "net", "telemetry", "dpdk", "tool", "examples")
           for s in glob.glob(f"{d}/**/*.[ch]", recursive=True)]
commented = sources + [s for d in ("tests", "bench", "linux") for s in glob.glob(f"{d}/**/*.[ch]", recursive=True)]
pages = glob.glob("*.md") + glob.glob("*/*.md") + glob.glob("docs/man/*") + glob.glob(".github/**/*.md", recursive=True)
none(1, "there are sources and pages", [] if len(sources) > 100 and len(pages) > 30 else ["too few"])
none(2, f"no function has more than {SCREEN} lines", [s for f in sorted(sources) for s in long_functions(f)])
none(3, f"no line of the documentation has more than {COLUMNS} columns", [s for f in sorted(pages) for s in long_lines(f)])
none(4, f"no line of a comment has more than {COLUMNS} columns", [s for f in sorted(commented) for s in long_comments(f)])
print("1..4")
sys.exit(failed)
