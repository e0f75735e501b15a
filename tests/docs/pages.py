#!/usr/bin/env python3
"""pages.py ROOT [TOOL] - everything that README.md and the other pages refer to exists: linked files
and headings, named files, commands. Every fenced block says what it is
(c, sh, console or text); in sh and console blocks, and where prose has `make ...` or
`pagepool ...`, a make target, a subcommand, an option, a case or a script must exist.
"""
import glob
import os
import re
import shlex
import subprocess
import sys

from shared import end, none, read

root = os.path.abspath(sys.argv[1])
tool = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
os.chdir(root)
pages = sorted(glob.glob("*.md") + glob.glob("docs/*.md") + glob.glob("*/README.md") + ["tests/data/README.md"])
# what a page may call that is not ours
OTHERS = {"cc", "apt-get", "ninja", "ldconfig", "perf", "bpftrace", "dpdk-testpmd", "socat", "taskset", "python3",
          "addr2line", "sudo", "cmp", "ls", "gdb", "git", "echo", "cd", "./program", "./pagepool", "modprobe",
          "ovs-vsctl"}
# where our sources are; other paths in the pages are Linux's
OURS = r"(?:src|include/pagepool|net/(?!core|ipv4)|tool|telemetry|dpdk|examples|bench|scripts|docs|linux/(?!vfio|iommufd)|" \
    r"tests|completion|debian|\.github)/"


def prose(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)


def anchors(page):
    """The names by which a page's headings can be linked to, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(read(page)), re.M):
        heading = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return found


def dead_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        if not os.path.exists(path):
            yield f"{page}: {target}: there is no such file"
        elif anchor and path.endswith(".md") and anchor not in anchors(path):
            yield f"{page}: {target}: there is no such heading"


def missing_files(page):
    for name in re.findall(rf"`({OURS}[\w./*{{}},<>+-]*)`", prose(read(page))):
        pattern = re.sub(r"<\w+>|\bNAME\b", "*", name)
        choices = re.search(r"\{(.*?)\}", pattern)
        for one in choices[1].split(",") if choices else [""]:
            if not glob.glob(pattern.replace(choices[0], one) if choices else pattern):
                yield f"{page}: `{name}` is not in the tree"


def helps(*words):
    """What --help of a subcommand prints; None: there is no such subcommand."""
    done = subprocess.run([tool, *words, "--help"], text=True, capture_output=True, check=False)
    return None if done.returncode else done.stdout


def wrong_pagepool(words):
    if not tool or not words:
        return None
    sub = words[:1]
    if sub == ["kernel"] and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
        sub = words[:2]
    if sub[0].startswith("-"):
        sub = []
    text = helps(*sub)
    if text is None:
        return f"pagepool has no {' '.join(sub)}"
    for word in words[len(sub):]:
        option = re.match(r"--[a-z-]+|-[a-zA-Z]$", word)
        if option and not re.search(rf"(^|[ ,]){re.escape(option[0])}\b", text, re.M):
            return f"pagepool {' '.join(sub)} has no {option[0]}"
    return None


def wrong_make(words):
    done = subprocess.run(["make", "-n", *words], text=True, capture_output=True, check=False,
                          env={**os.environ, "MAKEFLAGS": ""})
    if done.returncode:
        return done.stderr.splitlines()[0]
    cases = {"check-vm": ["tests/vm/cases"], "check-kernel": ["linux/tests/cases"], "check-kernel-quick": ["linux/tests/quick"]}
    for word in words:
        if word.startswith("CASES="):
            for case in word[6:].split():
                if not any(os.path.exists(f"{d}/{case}") for d in cases.get(words[0], [])):
                    return f"make {words[0]} has no case {case}"
    return None


def wrong_meson(words):
    known = read("meson_options.txt")
    for word in words:
        option = re.match(r"-D(\w+)=", word)
        if option and not re.search(rf"option\('{option[1]}'", known) and not option[1].startswith("b_"):
            return f"meson has no option {option[1]}"
    names = [w for w in words[1:] if not w.startswith(("-", "build", "out"))]
    if words[:1] == ["test"]:
        tests = "".join(read(f) for f in glob.glob("*/meson.build") + glob.glob("tests/**/meson.build", recursive=True))
        for name in names:
            if f"'{name}'" not in tests:
                return f"there is no test {name}"
    return None


def wrong_script(path, words):
    if path.startswith(("build", "out/")):
        return None
    if not os.access(path, os.X_OK):
        return f"there is no script {path}"
    for option in [w for w in words if w.startswith("--")]:
        if option not in read(path):
            return f"{path} has no {option}"
    return None


def wrong(command):
    """What is wrong with a command of ours, or None."""
    try:
        words = shlex.split(command)
    except ValueError:  # a script of several lines
        words = command.split()
    while words and (re.match(r"\w+=", words[0]) or words[0] == "sudo"):
        words.pop(0)
    if not words:
        return None
    name, rest = words[0], words[1:]
    if name in ("pagepool", "./pagepool") or name.endswith("/tool/pagepool"):
        return wrong_pagepool(rest)
    if name == "make":
        return wrong_make(rest)
    if name == "meson":
        return wrong_meson(rest)
    if "/" in name and name not in OTHERS:
        return wrong_script(name, rest)
    return None if name in OTHERS else f"{name}: unknown to tests/docs/pages.py"


def commands(page):
    """What a reader would type: of sh blocks each line, of console blocks those after a prompt, and
    what prose has of make and of the command."""
    text = read(page)
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```$", text, re.S | re.M):
        block = re.sub(r"'[^'\n]*\n[^']*'", "''", block)  # a script in quotes is one word
        for line in block.splitlines():
            if kind == "console" and not re.match(r"[$#] ", line):
                continue
            line = re.sub(r"^[$#] " if kind == "console" else r"^#.*", "", line)
            line = re.sub(r"\s#\s.*", "", line)
            line = re.sub(r"\$\([^)]*\)", "", line)
            yield from (c.strip() for c in re.split(r"&&|\|", line) if c.strip())
    for code in re.findall(r"`((?:make|pagepool|meson) [^`]+)`", prose(text)):
        yield from (c.strip() for c in re.split(r"&&", code.replace("\\|", "/").replace("\n", " ")))


def unmarked(page):
    opened = False
    for number, line in enumerate(read(page).splitlines(), 1):
        if line.startswith("```"):
            opened = not opened
            if opened and line not in ("```c", "```sh", "```console", "```text"):
                yield f"{page}:{number}: a fence without c, sh, console or text"


none("every link leads somewhere", [bad for page in pages for bad in dead_links(page)])
none("every file that is named is there", [bad for page in pages for bad in missing_files(page)])
none("every fenced block says what it is", [bad for page in pages for bad in unmarked(page)])
tried = [(page, command) for page in pages for command in commands(page)]
none("every command is one", [f"{page}: {command}: {bad}" for page, command in tried if (bad := wrong(command))])
none("commands were found", [] if len(tried) > 60 else [str(len(tried))])
end()
