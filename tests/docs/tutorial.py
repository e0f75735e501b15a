#!/usr/bin/env python3
"""tutorial.py ROOT BUILD - the tutorial works: every command of its console blocks, run in a folder
laid out like a clone after `make`, prints what the page shows, line by line
("..." stands for any lines). Every example is in it, in order, and has fewer than 100 lines.
"""
import os
import re
import subprocess
import sys
import tempfile

from shared import end, ok, read

root, build = map(os.path.abspath, sys.argv[1:3])


def matches(shown, printed):
    """Whether the lines are those that are shown."""
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in shown)
    return re.fullmatch(pattern, printed) is not None


def steps(text):
    """Each command of a console block with the lines shown below it."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.S | re.M):
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, *shown = step.splitlines()
            yield command, shown


text = read(f"{root}/docs/tutorial.md")
sources = sorted((f for f in os.listdir(f"{root}/examples") if f.endswith(".c")),
                 key=lambda f: int(f.split("-")[0]))
linked = re.findall(r"^\[examples/(\S+\.c)\]\(", text, re.M)
ok(linked == sources and len(sources) >= 6, "every example has its section, in order", f"{linked}\n{sources}")
for source in sources:
    lines = read(f"{root}/examples/{source}").count("\n")
    ok(lines < 100, f"{source} has fewer than 100 lines", f"it has {lines}")

with tempfile.TemporaryDirectory() as clone:
    for entry in os.listdir(root):
        if entry not in ("build", "out", ".git"):
            os.symlink(f"{root}/{entry}", f"{clone}/{entry}")
    os.symlink(build, f"{clone}/build")
    env = {k: v for k, v in os.environ.items() if k != "PAGEPOOL_DEBUG"}
    run = 0
    for command, shown in steps(text):
        if command == "make":  # what it would build is there
            continue
        run += 1
        done = subprocess.run(command, shell=True, cwd=clone, env=env, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ok(done.returncode == 0 and matches(shown, done.stdout), command,
           f"exit status {done.returncode}\n{done.stdout}")
    ok(run >= len(sources), "the commands were found", str(run))
end()
