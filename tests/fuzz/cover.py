#!/usr/bin/env python3
"""cover.py FUZZER DIR - delete the inputs of a folder that reach no edge which the others don't:
libFuzzer's merge keeps the smallest first, and so too many.

SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""
import concurrent.futures
import os
import subprocess
import sys

fuzzer, folder = sys.argv[1:]


def edges(path):
    told = subprocess.run([fuzzer, path], stderr=subprocess.PIPE, check=True,
                          env=dict(os.environ, PAGEPOOL_FUZZ_EDGES="1", ASAN_OPTIONS="detect_leaks=0"))
    return {line for line in told.stderr.splitlines() if line.startswith(b"edge ")}


paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    reached = dict(zip(paths, pool.map(edges, paths)))
left = set().union(*reached.values())
if not left:
    sys.exit(f"cover.py: {fuzzer} told of no edge")
keep = set()
while left:  # the one that adds most, then the next
    best = max(paths, key=lambda path: (len(reached[path] & left), -os.path.getsize(path)))
    left -= reached[best]
    keep.add(best)
for path in set(paths) - keep:
    os.remove(path)
