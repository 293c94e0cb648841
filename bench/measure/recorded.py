"""What was recorded: all of the last run, and its ratios, which a later run is compared with."""

import json
import sys

from measure.machine import BENCH

LATEST = BENCH / "results/latest.json"
RATIOS = BENCH / "results/ratios.json"
# So much below the recorded range, at the better end of what was found now, is slower and not noise.
TOLERANCE = 0.10
# What has to be the same for ratios to be of the same thing.
ALIKE = ("rows", "connections", "pool")


def latest():
    return json.loads(LATEST.read_text())


def write(result):
    LATEST.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    short = {"machine": result["machine"], "settings": result["settings"], "ratios": ratios(result)}
    RATIOS.write_text(json.dumps(short, indent=1, ensure_ascii=False) + "\n")


def ratios(result):
    """`field: ours / theirs`, and the ratio of requests per CPU-second with its quartiles."""
    return {
        f"{field}: {ours} / {theirs}": numbers
        for field, found in result["fields"].items()
        for ours, beside in found["ratios"].items()
        for theirs, numbers in beside.items()
    }


def before():
    """What was recorded last."""
    if not RATIOS.is_file():
        sys.exit(f"{RATIOS} is not there: a whole run records it")
    return json.loads(RATIOS.read_text())


def compare(result, before):
    """Prints every ratio beside the recorded one; 1 if something got slower."""
    other = [name for name in ALIKE if result["settings"][name] != before["settings"][name]]
    if other:
        print("not quite the same: " + ", ".join(f"{name} was {before['settings'][name]}" for name in other))
    slower = []
    for name, now in ratios(result).items():
        then = before["ratios"].get(name)
        word = judged(then, now)
        was = f"{then['median']:.3g} -> " if then else ""
        print(f"  {word:7} {name:68} {was}{now['median']:.3g} ({now['low']:.3g} to {now['high']:.3g})")
        slower += [name] if word == "SLOWER" else []
    print(f"{len(slower)} got slower" + "".join(f"\n  {name}" for name in slower))
    return 1 if slower else 0


def judged(then, now):
    if then is None:
        return "new"
    if now["high"] < then["low"] * (1 - TOLERANCE):
        return "SLOWER"
    return "faster" if now["low"] > then["high"] * (1 + TOLERANCE) else "same"
