"""Processes: CPU seconds and memory of a process and of all that descend from it."""

import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


def tree(root):
    """The process and all that descend from it, as far as they live now."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        # Any of them may end at any time, which is none of the measurement's business.
        try:
            tasks = list(pathlib.Path(f"/proc/{pid}/task").glob("*/children"))
        except OSError:
            continue
        for children in tasks:
            try:
                waiting += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def cpu_seconds(root):
    """CPU seconds of the tree since each of it was started, in the kernel and outside of it.

    Children that have ended count as well: what they used went into the `cutime` and `cstime` of whoever waited for them, so what
    moves from one place of this sum to another is neither lost nor counted twice. The kernel tells hundredths of a second.
    """
    total = 0
    for pid in tree(root):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICKS


def memory(root):
    """MiB of the tree: its share of what it has in memory (PSS), what of it is no file's pages, and its peak (RSS)."""
    kilobytes = {"Pss": 0, "Pss_Anon": 0, "VmHWM": 0}
    for pid in tree(root):
        for file in ("smaps_rollup", "status"):
            try:
                lines = pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                name, _, rest = line.partition(":")
                if name in kilobytes:
                    kilobytes[name] += int(rest.split()[0])
    names = {"Pss": "pss", "Pss_Anon": "anonymous", "VmHWM": "peak_rss"}
    return {names[name]: round(number / 1024, 1) for name, number in kilobytes.items()}
