"""A session: the data, the scenarios one after the other, and what is written of them."""

import contextlib
import pathlib
import shutil
import tempfile

from measure import cluster as postgres
from measure import document, install, machine, options as command_line, recorded
from measure.rivals import pando
from measure.scenarios import alone, cached, strictness, uncached


def main(text):
    options = command_line.arguments(text)
    if options.install:
        install.install()
        return 0
    if options.write_again:
        document.write(recorded.latest())
        return 0
    machine.need("wrk", "taskset", "strip", "cargo")
    options.binaries = machine.binaries(not options.no_build)
    with tempfile.TemporaryDirectory(prefix="pando-bench-") as folder:
        # nginx and PostgreSQL run as somebody else, in folders of their own.
        pathlib.Path(folder).chmod(0o755)
        options.folder = folder
        result = measure(options)
    if options.is_check:
        return recorded.compare(result, recorded.before())
    if options.no_write or options.only or options.cases or options.scenario:
        print(document.markdown(result))
        return 0
    recorded.write(result)
    document.write(result)
    return 0


def measure(options):
    result = {
        "machine": machine.machine(),
        "settings": {
            name: getattr(options, name)
            for name in ("rows", "rounds", "seconds", "connections", "pool", "server_core", "load_core")
        },
        "skipped": {},
        "versions": {},
        "fields": {},
        "strictness": {},
        "alone": {},
    }
    folder = pathlib.Path(options.folder)
    master = folder / "master.sqlite"
    pando.migrate_sqlite(options, master)
    machine.say(f"data: {options.rows:,} climbs, {master.stat().st_size / 2**20:.0f} MiB")
    copy = lambda name: pathlib.Path(shutil.copy(master, folder / f"{name}.sqlite"))
    wanted = lambda name: name in options.scenarios
    if wanted("alone"):
        alone.measure(master, result, options)
    if wanted("sqlite"):
        uncached.on_sqlite(copy("uncached"), result, options)
    with contextlib.ExitStack() as stack:
        cluster = start_postgres(stack, result, options)
        if cluster and wanted("postgres"):
            uncached.on_postgres(cluster, result, options)
        if cluster:
            pando.note_changes(options, cluster)
        if wanted("cached"):
            cached.measure(copy("cached"), cluster, result, options)
        if wanted("strictness"):
            strictness.measure("sqlite", master, None, result, options)
            if cluster:
                strictness.measure("postgres", None, cluster, result, options)
    return result


def start_postgres(stack, result, options):
    """A PostgreSQL with the data, or nothing where there is none."""
    if not {"postgres", "cached", "strictness"} & set(options.scenarios):
        return None
    if postgres.programs() is None:
        machine.say("SKIPPED: PostgreSQL: not installed (on Debian: apt-get install postgresql)")
        result["skipped"]["PostgreSQL"] = "not installed"
        return None
    cluster = stack.enter_context(postgres.Cluster(pathlib.Path(options.folder) / "postgres", options.server_core))
    pando.migrate_postgres(options, cluster)
    result["machine"]["postgres"] = cluster.version()
    return cluster
