"""What can be said on the command line."""

import argparse

from measure import machine

SCENARIOS = ["cached", "sqlite", "postgres", "strictness", "alone"]


def arguments(text):
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check",
        dest="is_check",
        action="store_true",
        help="a smaller run: compares with the ratios that were recorded last, and fails where something got slower",
    )
    parser.add_argument(
        "--install", action="store_true", help="put PocketBase, Fastify and FastAPI into bench/.tools (pip, npm), and end"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each comparison (default 7, with --check 3)")
    parser.add_argument("--seconds", type=int, help="length of each turn (default 4, with --check 2)")
    parser.add_argument("--rows", type=int, default=100_000, help="climbs in the table (default 100,000)")
    parser.add_argument("--connections", type=int, default=32, help="connections of the load (default 32)")
    parser.add_argument("--pool", type=int, default=16, help="connections to PostgreSQL (default 16)")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; may be repeated")
    parser.add_argument(
        "--case", dest="cases", action="append", help="only this kind of request (point, list30, …); may be repeated"
    )
    parser.add_argument("--rival", dest="only", action="append", help="only this rival; may be repeated")
    parser.add_argument("--cores", default="0,1", help="the servers' core and the load's (default 0,1)")
    parser.add_argument("--no-build", action="store_true", help="take the binaries that are there")
    parser.add_argument("--no-write", action="store_true", help="print the document instead of writing it, and record nothing")
    parser.add_argument(
        "--write-again", action="store_true", help="measure nothing: write the document from what was recorded last"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.is_check else 7)
    options.seconds = options.seconds or (2 if options.is_check else 4)
    options.scenarios = options.scenario or (SCENARIOS[:3] if options.is_check else SCENARIOS)
    if options.is_check:
        options.only = options.only or [
            "nginx",
            "varnish",
            "handwritten",
            "handwritten-postgres",
            "handwritten-role",
            "pocketbase",
        ]
    options.server_core, options.load_core = machine.cores(options.cores)
    return options
