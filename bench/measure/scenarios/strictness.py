"""The cost of strictness: reads and writes mixed, with answers kept by each of the three rules, and not at all."""

import dataclasses
import shutil

from measure.load import Request
from measure.machine import say
from measure.rivals.base import JSON
from measure.rivals.pando import Pando
from measure.scenarios.field import started
from measure.turns import take_turns

RULES = {"strict": "strict", "session": "session", "ttl": "ttl 60", "none": None}
# Parts of the load that are writes.
SHARES = [0.01, 0.10, 0.50]
READ = Request("/climbs?id=eq.{hot}")
WRITE = Request("/climbs?id=eq.{hot}", "PATCH", {**JSON, "Prefer": "return=minimal"}, '{"attempts":{attempts}}')


class Mixed(Pando):
    """Pando with one of the rules."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.title = f"`{self.rule}`" if self.rule else "nothing kept"


def measure(engine, file, cluster, result, options):
    """`file` for the embedded engine (each rule has a copy), or `cluster`."""
    rivals = []
    for name, rule in RULES.items():
        database = shutil.copy(file, file.with_name(f"{name}.sqlite")) if file else None
        rivals.append(Mixed(f"{engine}-{name}", options, cluster, rule=rule, database=database))
    found = result["strictness"].setdefault(engine, {})
    with started(rivals, {}):
        for share in SHARES:
            requests = [dataclasses.replace(WRITE, share=share), dataclasses.replace(READ, share=1 - share)]
            field = f"{engine}, {share:.0%} writes"
            runs = take_turns(field, rivals, lambda rival, seconds: rival.turn(requests, seconds), options)["runs"]
            found[f"{share:.2f}"] = {name: runs[f"{engine}-{name}"] for name in RULES}
            ratios = ", ".join(
                f"{name} {run['hit_ratio']:.3f}" for name, run in found[f"{share:.2f}"].items() if "hit_ratio" in run
            )
            say(f"{field:18} hit ratio: {ratios}")
