"""What can be counted, and is the same on the noisiest machine."""
import json
import os
import re
import subprocess
import tempfile

# Under callgrind memory is dear; there must be room for one small pool.
LESS_MEMORY = "64"
EVENTS = ("Ir", "Dr", "Dw", "Bcm", "Bim", "D1mr", "D1mw", "DLmr", "DLmw")


def own(session):
    """Instructions of this library's fast paths, by single steps, and bytes of its records."""
    counts = {}
    steps = subprocess.run([os.path.join(session.bench, "steps")], capture_output=True, text=True,
                           check=False)
    if steps.returncode == 0:
        counts.update((call, int(n)) for call, n in
                      re.findall(r"^(.*): (\d+)$", steps.stdout, re.MULTILINE))
    counts.update(json.loads(subprocess.run([os.path.join(session.bench, "record")], check=True,
                                            capture_output=True, text=True).stdout))
    return counts


def totals(session, program, pattern, lines):
    """What callgrind counts in measured_PATTERN."""
    with tempfile.NamedTemporaryFile() as out:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", "--cache-sim=yes",
             "--branch-sim=yes", f"--toggle-collect=measured_{pattern}",
             os.path.join(session.bench, program), LESS_MEMORY],
            input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
        found = dict(re.findall(r"^(events|totals): (.*)$", out.read().decode(), re.MULTILINE))
    if done.returncode or "totals" not in found:
        raise RuntimeError(f"callgrind and {program}: {done.stderr[-500:]}")
    return dict(zip(found["events"].split(), map(int, found["totals"].split())))


def dumps(command, trigger):
    """The instructions between each ZERO_STATS and the DUMP_STATS_AT of that name."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["valgrind", "--tool=callgrind",
                               f"--callgrind-out-file={folder}/out", *command],
                              capture_output=True, text=True, check=False)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                text = f.read()
            if f"Client Request: {trigger}" in text:
                found.append(int(re.search(r"^totals: (\d+)", text, re.MULTILINE)[1]))
    if done.returncode or not found:
        raise RuntimeError(f"callgrind and {' '.join(command[:3])}: {done.stderr[-500:]}")
    return found


def system_calls(command):
    """The system calls between each two of close(-1), as the lengths of memory they are for, 0
    for those that are for none."""
    found, on = [], False
    with tempfile.NamedTemporaryFile("r") as trace:
        done = subprocess.run(["strace", "-f", "-o", trace.name, *command],
                              capture_output=True, text=True, check=False)
        for line in trace:
            call = re.match(r"\d+ +(\w+)\(([^,)]*)(?:, (\d+))?", line)
            if not call:
                continue
            if call[1] == "close" and call[2] == "-1":
                on = not on
                found += [[]] if on else []
            elif on:
                memory = call[1] in ("mmap", "munmap", "mprotect", "madvise")
                found[-1].append(int(call[3] or 0) if memory else 0)
    if done.returncode or not found:
        raise RuntimeError(f"strace and {' '.join(command[:3])}: {done.stderr[-500:]}")
    return found


def of_page(session, program, pattern, extra=""):
    """Of one page got and put: the difference of a run and a longer one."""
    n = 64000
    begin = [f"open pages=4096{extra}", f"{pattern} n=12800"]
    short = totals(session, program, pattern, begin)
    long = totals(session, program, pattern, begin + [f"{pattern} n={n}"])
    of = {event: (long.get(event, 0) - short.get(event, 0)) / n for event in EVENTS}
    # callgrind's own estimate, with its weights
    of["cycles"] = (of["Ir"] + 10 * (of["Bcm"] + of["Bim"] + of["D1mr"] + of["D1mw"])
                    + 90 * (of["DLmr"] + of["DLmw"]))
    return of


def lines(session, program, pattern, extra=""):
    """Lines of 64 bytes that 32 pages got and put touch, warm, the stack's aside: read or
    written, and written."""
    with tempfile.NamedTemporaryFile("r") as trace:
        done = subprocess.run(
            ["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-file={trace.name}",
             os.path.join(session.bench, program), LESS_MEMORY],
            input=f"open pages=4096{extra}\nmarked {pattern}\n", capture_output=True, text=True,
            check=False)
        words = done.stdout.split()
        if done.returncode or len(words) < 2:
            raise RuntimeError(f"lackey and {program}: {done.stderr[-500:]}")
        mark, stack = int(words[-2], 16), int(words[-1], 16)
        touched, written, on = set(), set(), False
        for line in trace:
            if line[:2] not in (" S", " L", " M"):
                continue
            address, size = line[3:].split(",")
            address = int(address, 16)
            if address == mark and line[1] == "S":
                if on:
                    break
                on = True
            elif on and not stack - 65536 < address < stack + 65536:
                of = range(address // 64, (address + int(size) - 1) // 64 + 1)
                touched.update(of)
                if line[1] != "L":
                    written.update(of)
    return len(touched), len(written)
