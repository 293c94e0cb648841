"""Turns: a round gives each rival its turn, and ratios are taken within a round, so that a machine that slows down favours nobody."""

import contextlib
import dataclasses
import random
import statistics

from measure.machine import say

WARM_UP_SECONDS = 1


@dataclasses.dataclass
class Turn:
    """What came of one turn."""

    requests: int
    seconds: float
    server_cpu: float
    database_cpu: float
    microseconds: dict  # of latency, by percentile
    bytes: int
    memory: dict
    also: dict = dataclasses.field(default_factory=dict)

    @property
    def per_cpu_second(self):
        return self.requests / max(self.server_cpu + self.database_cpu, 0.01)


def take_turns(field, rivals, ask, options):
    """Runs all in turns: `ask(rival, seconds)` gives a `Turn`. The warm-up is thrown away, the order is another in each round."""
    turns = {rival.name: [] for rival in rivals}
    with paused(rivals):
        for rival in rivals:
            alone(rival, ask, WARM_UP_SECONDS)
        for number in range(options.rounds):
            # By chance, and the same at every run: nobody always follows the same one.
            for rival in random.Random(f"{field} {number}").sample(rivals, len(rivals)):
                turns[rival.name].append(alone(rival, ask, options.seconds))
    found = {"runs": {name: summary(list_) for name, list_ in turns.items()}, "ratios": {}}
    for ours in (rival.name for rival in rivals if rival.is_pando):
        found["ratios"][ours] = {
            rival.name: ratio(turns[ours], turns[rival.name]) for rival in rivals if rival.name != ours and not rival.is_pando
        }
    for name, run in found["runs"].items():
        beside = ", ".join(
            f"{ours} {ratios[name]['median']:.2f} beside it" for ours, ratios in found["ratios"].items() if name in ratios
        )
        say(
            f"{field:18} {name:28} {run['per_cpu_second']:>9,.0f}/CPU-s {run['per_second']:>9,.0f}/s  p50 {run['p50_us']:,.0f} µs"
            f"  p99 {run['p99_us']:,.0f} µs  {beside}"
        )
    return found


@contextlib.contextmanager
def paused(rivals):
    """All of them, until the end."""
    for rival in rivals:
        rival.pause()
    try:
        yield
    finally:
        for rival in rivals:
            rival.resume()


def alone(rival, ask, seconds):
    """A turn, in which the others are paused."""
    rival.resume()
    try:
        return ask(rival, seconds)
    finally:
        rival.pause()


def summary(turns):
    """Medians over the rounds."""
    middle = lambda numbers: statistics.median(list(numbers))
    pace = quartiles([turn.per_cpu_second for turn in turns])
    found = {
        "per_cpu_second": round(pace["median"], 1),
        "per_cpu_second_quartiles": [round(pace["low"], 1), round(pace["high"], 1)],
        "per_second": round(middle(turn.requests / turn.seconds for turn in turns), 1),
        "server_us": round(middle(turn.server_cpu / max(turn.requests, 1) for turn in turns) * 1e6, 2),
        "database_us": round(middle(turn.database_cpu / max(turn.requests, 1) for turn in turns) * 1e6, 2),
        "bytes": round(middle(turn.bytes / max(turn.requests, 1) for turn in turns)),
    }
    for percentile in ("p50", "p99", "p999"):
        found[f"{percentile}_us"] = round(middle(turn.microseconds[percentile] for turn in turns))
    for kind in turns[0].memory:
        found[f"{kind}_mib"] = max(turn.memory[kind] for turn in turns)
    for name in turns[0].also:
        found[name] = round(middle(turn.also[name] for turn in turns), 4)
    return found


def ratio(ours, theirs):
    """Ours by theirs, in requests per CPU-second, of turns of the same round."""
    found = quartiles([mine.per_cpu_second / other.per_cpu_second for mine, other in zip(ours, theirs)])
    return {name: float(f"{value:.3g}") for name, value in found.items()}


def quartiles(numbers):
    if len(numbers) == 1:
        return {"low": numbers[0], "median": numbers[0], "high": numbers[0]}
    low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return {"low": low, "median": median, "high": high}
