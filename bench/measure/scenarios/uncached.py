"""Uncached: each request is a question to the database."""

import shutil

from measure.rivals.fastapi import FastApi
from measure.rivals.fastify import Fastify
from measure.rivals.handwritten import Handwritten, HandwrittenPostgres
from measure.rivals.pando import Pando
from measure.rivals.pgbench import PgBench
from measure.rivals.pocketbase import PocketBase
from measure.rivals.postgrest import PostgREST
from measure.scenarios.field import available, started
from measure.turns import take_turns

# Inserts last: what they add is not asked for.
CASES = ["point", "list30", "list500", "embeds", "insert"]


def on_sqlite(file, result, options):
    """Each has a copy of the file; PocketBase has its own."""
    copy = shutil.copy(file, file.with_name("handwritten.sqlite"))
    candidates = [
        (Pando, "pando", lambda: Pando("pando", options, title="Pando", database=file)),
        (Handwritten, "handwritten", lambda: Handwritten("handwritten", options, copy)),
        (PocketBase, "pocketbase", lambda: PocketBase("pocketbase", options)),
    ]
    measure("sqlite", candidates, result, options)


def on_postgres(cluster, result, options):
    """All in one database."""
    by_hand = lambda name, way: (HandwrittenPostgres, name, lambda: HandwrittenPostgres(name, options, cluster, way))
    candidates = [
        (Pando, "pando-postgres", lambda: Pando("pando-postgres", options, cluster, title="Pando")),
        by_hand("handwritten-postgres", ""),
        by_hand("handwritten-role", "/as"),
        by_hand("handwritten-json", "/json"),
        (Fastify, "fastify", lambda: Fastify("fastify", options, cluster)),
        (FastApi, "fastapi", lambda: FastApi("fastapi", options, cluster)),
        (PostgREST, "postgrest", lambda: PostgREST("postgrest", options, cluster)),
        (PgBench, "pgbench", lambda: PgBench("pgbench", options, cluster)),
        (PgBench, "pgbench-settings", lambda: PgBench("pgbench-settings", options, cluster, True)),
    ]
    measure("postgres", candidates, result, options)


def measure(engine, candidates, result, options):
    with started(available(candidates, result["skipped"], options), result["versions"]) as rivals:
        for case in CASES:
            if options.cases and case not in options.cases:
                continue
            able = [rival for rival in rivals if case in rival.cases]
            for rival in able:
                rival.verify(case)
            field = f"{engine}.{case}"
            result["fields"][field] = take_turns(
                field, able, lambda rival, seconds: rival.turn([rival.request(case)], seconds), options
            )
