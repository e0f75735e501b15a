"""Where the figures come from."""
import os
import platform
import subprocess


def first_line(command):
    try:
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return out.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            info = dict(line.split(":", 1) for line in f.read().split("\n\n")[0].splitlines()
                        if ":" in line)
        info = {k.strip(): v.strip() for k, v in info.items()}
        return "{model name}, family {cpu family} model {model}".format(**info)
    except (OSError, KeyError, ValueError):
        return platform.processor()


def describe(build):
    here = os.path.dirname(os.path.abspath(__file__))
    commit = first_line(["git", "-C", here, "rev-parse", "--short=12", "HEAD"])
    # the figures' own files and texts aside: measuring writes them
    if first_line(["git", "-C", here, "status", "--porcelain", "--untracked-files=no", "--",
                   ":/", ":!/docs", ":!/README.md", ":!/bench/results.json"]) != "unknown":
        commit += "+"  # and what is not committed
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(f.readline().split()[1]) // 1024
    return {
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": memory,
        "kernel": platform.release(),
        "compiler": first_line([os.environ.get("CC", "gcc"), "--version"]),
        "dpdk": first_line(["pkg-config", "--modversion", "libdpdk"]),
        "build": build,
        "commit": commit,
    }


def line(where):
    return ("{processor}; {processors} processors, {memory_mib} MiB; Linux {kernel}; {compiler}; "
            "DPDK {dpdk}; commit {commit}").format(**where)
