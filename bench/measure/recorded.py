"""What was recorded: all of the last run, and its ratios, which a later run is compared with."""

import json
import sys

from measure.machine import BENCH

LATEST = BENCH / "results/latest.json"
RATIOS = BENCH / "results/ratios.json"
# So much worse than the recorded median, at the better end of what was found now, is slower and not noise.
TOLERANCE = 0.10


def latest():
    return json.loads(LATEST.read_text())


def write(result):
    LATEST.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    RATIOS.write_text(json.dumps({"machine": result["machine"], "ratios": ratios(result)}, indent=1, ensure_ascii=False) + "\n")


def ratios(result):
    """`field: ours / theirs` and the median of the ratio of requests per CPU-second."""
    return {
        f"{field}: {ours} / {theirs}": numbers["median"]
        for field, found in result["fields"].items()
        for ours, beside in found["ratios"].items()
        for theirs, numbers in beside.items()
    }


def before():
    """The ratios that were recorded last."""
    if not RATIOS.is_file():
        sys.exit(f"{RATIOS} is not there: a whole run records it")
    return json.loads(RATIOS.read_text())["ratios"]


def compare(result, before):
    """Prints every ratio beside the recorded one; 1 if something got slower."""
    slower = []
    for field, found in result["fields"].items():
        for ours, beside in found["ratios"].items():
            for theirs, now in beside.items():
                name = f"{field}: {ours} / {theirs}"
                if name not in before:
                    print(f"  new     {name:64} {now['median']:.2f}")
                    continue
                is_slower = now["high"] < before[name] * (1 - TOLERANCE)
                word = "SLOWER" if is_slower else "faster" if now["low"] > before[name] * (1 + TOLERANCE) else "same"
                print(f"  {word:7} {name:64} {before[name]:.2f} -> {now['median']:.2f} ({now['low']:.2f} to {now['high']:.2f})")
                if is_slower:
                    slower.append(name)
    print(f"{len(slower)} got slower" + "".join(f"\n  {name}" for name in slower))
    return 1 if slower else 0
