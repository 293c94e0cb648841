"""By themselves: how large a program is, how fast it starts, what it takes when nobody asks."""

import pathlib
import shutil
import statistics
import subprocess
import time

from measure.machine import say
from measure.rivals.handwritten import Handwritten
from measure.rivals.pando import Pando
from measure.rivals.pocketbase import PROGRAM, PocketBase
from measure.scenarios.field import available, started

STARTS = 7


def measure(file, result, options):
    copies = [shutil.copy(file, file.with_name(f"alone-{name}.sqlite")) for name in ("pando", "handwritten")]
    candidates = [
        (Pando, "pando", lambda: Pando("alone-pando", options, title="Pando", database=copies[0])),
        (Handwritten, "handwritten", lambda: Handwritten("alone-handwritten", options, copies[1])),
        (PocketBase, "pocketbase", lambda: PocketBase("alone-pocketbase", options)),
    ]
    programs = {
        "alone-pando": options.binaries["pando"],
        "alone-handwritten": options.binaries["handwritten"],
        "alone-pocketbase": PROGRAM,
    }
    for rival in available(candidates, result["skipped"], options):
        with started([rival], {}):
            time.sleep(1.5)
            idle = rival.memory()
            times = []
            for _ in range(STARTS):
                rival.stop()
                times.append(rival.start() * 1000)
        name = rival.name.removeprefix("alone-")
        result["alone"][name] = {
            "title": rival.title,
            "size_mib": stripped(programs[rival.name], options),
            "idle_pss_mib": idle["pss"],
            "idle_anonymous_mib": idle["anonymous"],
            "start_ms": round(statistics.median(times), 1),
            "longest_start_ms": round(max(times), 1),
        }
        say(f"alone: {result['alone'][name]}")


def stripped(binary, options):
    copy = pathlib.Path(options.folder) / "stripped"
    subprocess.run(["strip", "-o", str(copy), str(binary)], check=True)
    return round(copy.stat().st_size / 2**20, 1)
