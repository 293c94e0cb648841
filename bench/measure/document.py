"""docs/benchmarks.md and its plots, from what was found: every sentence about who is faster is made of the figures."""

from measure import plot
from measure.machine import ROOT, say

TITLES = {
    "point": "one row by its primary key",
    "list30": "list of 30",
    "list500": "list of 500",
    "embeds": "list of 30, each with a to-one and a to-many embed",
    "insert": "insert",
}
ENGINES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
# In the field, ours, the rival, the ratio that is aimed at, and what for.
AIMS = [
    ("cached", "pando-sqlite-strict", "nginx", 1.0),
    ("cached", "pando-postgres-strict", "nginx", 1.0),
    ("cached", "pando-postgres-ttl", "nginx", 1.0),
    ("cached", "pando-file", "nginx", 1.0),
    ("cached", "pando-sqlite-strict", "varnish", 2.0),
    ("cached", "pando-postgres-strict", "varnish", 2.0),
    ("cached", "pando-postgres-ttl", "varnish", 2.0),
    *((f"sqlite.{case}", "pando", "handwritten", 1.0) for case in TITLES),
    *(
        (f"postgres.{case}", "pando-postgres", rival, 1.0)
        for case in TITLES
        for rival in ("handwritten-role", "handwritten-postgres")
    ),
    *((f"sqlite.{case}", "pando", "pocketbase", 10.0) for case in TITLES if case != "insert"),
]
# What does less than a server has to do: nobody can be faster, so it is no loss not to be.
FLOORS = ("pgbench", "pgbench-settings")


def write(result):
    for name, picture in plots(result).items():
        (ROOT / "docs" / f"benchmarks-{name}.svg").write_text(picture)
    (ROOT / "docs/benchmarks.md").write_text(markdown(result))
    say("written: docs/benchmarks.md, docs/benchmarks-*.svg")


def markdown(result):
    parts = [head(result)]
    if "cached" in result["fields"]:
        parts.append(cached(result))
    for engine in ENGINES:
        if any(field.startswith(f"{engine}.") for field in result["fields"]):
            parts.append(uncached(engine, result))
    if result["strictness"]:
        parts.append(strictness(result))
    if result["alone"]:
        parts.append(alone(result))
    parts += [verdicts(result), losses(result), versions(result)]
    return "\n\n".join(parts) + "\n"


def head(result):
    machine, settings = result["machine"], result["settings"]
    is_apart = settings["server_core"] != settings["load_core"]
    pinned = (
        f"Servers, and PostgreSQL with them, are pinned to core {settings['server_core']}, the load to core {settings['load_core']}"
        if is_apart
        else "Servers and the load share one core"
    )
    return f"""# Benchmarks

<!-- Written by bench/run (`just bench`); run it again instead of editing this. The plots and bench/results/ are its too. -->

Pando beside what else one could take, in one run on one machine: {machine["cpu"]}, {machine["cores"]} cores,
{machine["memory_gib"]} GiB; {machine["system"]}; load {machine["load_before"]} before it began, which is others' work. {pinned}.
{settings["rounds"]} rounds of {settings["seconds"]} s: in each every rival has its turn, in an order that changes; before the first each is
warmed up for a second that does not count. {settings["connections"]} connections that ask again as soon as they are answered;
{settings["pool"]} connections to PostgreSQL; {settings["rows"]:,} climbs, 1,000 routes, three comments on each climb.

What counts is **requests per CPU-second**: of the server with all its processes, and of PostgreSQL where there is one, children that
have ended included. The ratio is Pando's by the rival's in the same round, the median of all rounds, with the quartiles behind it: 1.00 is
equal, less is a loss. It holds on a machine that does other things as well, where times do not. Take latencies as a hint: the load
waits for its answers, so that a server that stands still is asked less, and with others on its core a server waits for them too. Memory is
the most that was seen after a turn, shared pages by their share (PSS), without PostgreSQL's.

Each answer is compared with what the data demand before it is measured: the same rows in the same order, for the cached kilobyte the same
bytes. A request that fails ends the run. Pando runs with its defaults, except that it never turns anybody away
(`limits.overload = "off"`); PostgreSQL with its own, except `fsync = off`, so that the disk is no part of it, `autovacuum = off` and
`shared_buffers`. `just bench --check` compares with the ratios recorded here."""


def cached(result):
    found = result["fields"]["cached"]
    text = f"""## A cached kilobyte

{result["kilobyte"]:,} bytes of JSON, which travel gzipped, with an `ETag`. Pando has metrics on, one request in a hundred traced, no line
per request; it makes sure of each answer that it is still what the database would give (`strict`), or does not (`ttl`). nginx serves a
file that was compressed ahead, with files kept open, without a log, and once with; Varnish has the answer in its memory. Pando's
own static file is beside them.

![Requests per CPU-second of a cached kilobyte](benchmarks-cached.svg)

""" + table(found, result)
    if result.get("ways"):
        text += "\n\nWhat lines and traces cost, of `strict` on SQLite (each by itself, not in turns):\n\n| | per CPU-second | p50 / p99 / p99.9 |\n|---|--:|--:|\n"
        text += "\n".join(
            f"| {title(name, result)} | {run['per_cpu_second']:,.0f} | {times(run)} |" for name, run in result["ways"].items()
        )
    return text


def uncached(engine, result):
    text = {
        "sqlite": """Each has the same rows in a file of its own. The server by hand (`bench/handwritten`) has the same SQLite and the same promises of
durability and nothing else: no roles, no filters, no metrics, no log. PocketBase answers an insert with the row, the others with nothing.""",
        "postgres": """All in one database. Pando sets role, claims and what else functions and policies may read of every request; the server by hand sets
nothing, as a role it sets role and claims in a transaction, all sent at once; `json_agg` is the same server with JSON made by PostgreSQL.
Fastify and FastAPI set nothing. pgbench is the bare statement, prepared, and then after the settings that Pando makes: the floor, since its own
CPU time does not count.""",
    }[engine]
    parts = [
        f"## Uncached, on {ENGINES[engine]}\n\n{text}\n\n![Requests per CPU-second on {ENGINES[engine]}](benchmarks-{engine}.svg)"
    ]
    for case in TITLES:
        if f"{engine}.{case}" in result["fields"]:
            parts.append(f"### {TITLES[case].capitalize()}\n\n" + table(result["fields"][f"{engine}.{case}"], result))
    return "\n\n".join(parts)


def table(found, result):
    """Who, per CPU-second, each of ours beside it, latencies, where the time goes, memory."""
    ours = list(found["ratios"])
    heads = (
        ["Pando beside it"] if len(ours) == 1 else [f"{title(name, result).removeprefix('Pando, ')} beside it" for name in ours]
    )
    has_database = any(run["database_us"] for run in found["runs"].values())
    columns = [
        "",
        "per CPU-second",
        *heads,
        "p50 / p99 / p99.9",
        "CPU, µs" + (": server + PostgreSQL" if has_database else ""),
        "MiB",
    ]
    out = [row(columns), row(["---"] + ["--:"] * (len(columns) - 1))]
    for name, run in found["runs"].items():
        cpu = f"{run['server_us']:,.0f}" + (f" + {run['database_us']:,.0f}" if has_database else "")
        cells = [ratio(found["ratios"][one].get(name)) for one in ours]
        memory = f"{run['pss_mib']:.0f}" if "pss_mib" in run else ""
        label = f"**{title(name, result)}**" if name in found["ratios"] else title(name, result)
        out.append(row([label, f"{run['per_cpu_second']:,.0f}", *cells, times(run), cpu, memory]))
    return "\n".join(out)


def strictness(result):
    first = next(iter(result["strictness"].values()))
    names = list(next(iter(first.values())))
    text = """## The cost of strictness

Reads of one of a thousand climbs by its key, the first far more often than the last (1 is asked for as often as 500 to 999), and changes
of climbs that are chosen the same way: `strict` never shows what a write has outdated, `session` for a second at most (whoever reads
here has not written), `ttl 60` for a minute. An answer about one row outlives changes of others; on SQLite `session` is `strict`.
Before each share answers are as the one before has left them.

![Hit ratio and requests per CPU-second by rule and share of writes](benchmarks-strictness.svg)

"""
    out = [
        row(
            [
                "",
                "writes",
                *(f"{label(name)}: hits" for name in names if name != "none"),
                *(f"{label(name)}: per CPU-second" for name in names),
            ]
        ),
        row(["---", "--:"] + ["--:"] * (2 * len(names) - 1)),
    ]
    for engine, shares in result["strictness"].items():
        for share, runs in shares.items():
            hits = [f"{runs[name]['hit_ratio']:.1%}" for name in names if name != "none"]
            paces = [f"{runs[name]['per_cpu_second']:,.0f}" for name in names]
            out.append(row([ENGINES[engine], f"{float(share):.0%}", *hits, *paces]))
    return text + "\n".join(out)


def alone(result):
    out = [
        "## By themselves",
        "",
        row(["", "binary, stripped", "idle memory (PSS)", "… not of files", "start to first answer"]),
        row(["---", "--:", "--:", "--:", "--:"]),
    ]
    for found in result["alone"].values():
        out.append(
            row(
                [
                    found["title"],
                    f"{found['size_mib']} MiB",
                    f"{found['idle_pss_mib']} MiB",
                    f"{found['idle_anonymous_mib']} MiB",
                    f"{found['start_ms']:.0f} ms",
                ]
            )
        )
    return "\n".join(out)


def verdicts(result):
    out = ["## The aims", "", row(["", "aim", "seen", ""]), row(["---", "--:", "--:", "---"])]
    for field, ours, rival, aim in AIMS:
        seen = result["fields"].get(field, {"ratios": {}})["ratios"].get(ours, {}).get(rival)
        if seen:
            word = "reached" if seen["median"] >= aim else "**missed**"
            out.append(row([f"{where(field, ours, result)}, beside {title(rival, result)}", f"{aim:.1f}", ratio(seen), word]))
    return "\n".join(out)


def losses(result):
    """Wherever somebody else does more with a second of CPU."""
    lost = []
    for field, found in result["fields"].items():
        for ours, beside in found["ratios"].items():
            lost += [
                (seen["median"], f"{where(field, ours, result)}, beside {title(rival, result)}: {ratio(seen)}")
                for rival, seen in beside.items()
                if seen["median"] < 1 and rival not in FLOORS
            ]
    lines = [f"- {words}" for _, words in sorted(lost)] or ["Nowhere, in this run."]
    slow = [words for words in strict_losses(result)]
    return "\n".join(
        ["## Where Pando loses", "", "The worst first; what only pgbench does better is left to the tables.", "", *lines, *slow]
    )


def strict_losses(result):
    """Rules that cost more than they save."""
    for engine, shares in result["strictness"].items():
        for share, runs in shares.items():
            for name, run in runs.items():
                part = run["per_cpu_second"] / runs["none"]["per_cpu_second"]
                if part < 1:
                    yield f"- {ENGINES[engine]}, {float(share):.0%} writes: keeping answers by {label(name)} costs more than it saves ({part:.2f} of nothing kept)"


def versions(result):
    machine = result["machine"]
    out = [
        "## Versions, and who is not here",
        "",
        f"- {machine['rustc']}; {machine['wrk']}" + (f"; PostgreSQL {machine['postgres']}" if "postgres" in machine else ""),
    ]
    seen = dict.fromkeys(found["version"] for found in result["versions"].values() if found["version"])
    out += [f"- {version}" for version in seen]
    out += [f"- **skipped**: {name}, {reason}" for name, reason in result["skipped"].items()] or ["- Nothing was skipped."]
    return "\n".join(out)


def plots(result):
    found = {}
    if "cached" in result["fields"]:
        found["cached"] = plot.bars(
            "A cached kilobyte: requests per CPU-second, with quartiles", [panel("", result["fields"]["cached"], result)]
        )
    for engine in ENGINES:
        panels = [
            panel(TITLES[case], result["fields"][f"{engine}.{case}"], result)
            for case in TITLES
            if f"{engine}.{case}" in result["fields"]
        ]
        if panels:
            found[engine] = plot.bars(f"Uncached on {ENGINES[engine]}: requests per CPU-second, with quartiles", panels)
    if result["strictness"]:
        found["strictness"] = strictness_plot(result)
    return found


def panel(name, found, result):
    return name, [
        (title(rival, result).replace("`", ""), run["per_cpu_second"], run["per_cpu_second_quartiles"], rival in found["ratios"])
        for rival, run in found["runs"].items()
    ]


def strictness_plot(result):
    names = list(next(iter(next(iter(result["strictness"].values())).values())))
    rows = []
    for engine, shares in result["strictness"].items():
        groups = lambda key: [
            (f"{float(share):.0%} writes", [runs[name].get(key) for name in names]) for share, runs in shares.items()
        ]
        rows.append(
            [
                (f"{ENGINES[engine]}: hit ratio", groups("hit_ratio"), lambda value: f"{value:.0%}"),
                (
                    f"{ENGINES[engine]}: requests per CPU-second",
                    groups("per_cpu_second"),
                    lambda value: f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.0f}",
                ),
            ]
        )
    return plot.columns("The cost of strictness", rows, [label(name).replace("`", "") for name in names])


def label(rule):
    return "nothing kept" if rule == "none" else f"`{rule}`"


def where(field, ours, result):
    if field == "cached":
        return f"cached, {title(ours, result)}"
    engine, case = field.split(".")
    return f"{ENGINES[engine]}, {TITLES[case]}"


def title(name, result):
    return result["versions"][name]["title"]


def ratio(seen):
    text = lambda number: f"{number:.2f}" if number >= 0.1 else f"{number:.2g}"
    return f"{text(seen['median'])} ({text(seen['low'])} to {text(seen['high'])})" if seen else ""


def times(run):
    text = lambda micros: f"{micros / 1000:.1f} ms" if micros >= 1000 else f"{micros:.0f} µs"
    return " / ".join(text(run[f"{percentile}_us"]) for percentile in ("p50", "p99", "p999"))


def row(cells):
    return f"| {' | '.join(cells)} |"
