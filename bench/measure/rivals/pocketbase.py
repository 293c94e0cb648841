"""PocketBase, on its own SQLite."""

import json
import subprocess

from measure import data
from measure.load import Request
from measure.machine import BENCH, TOOLS, told
from measure.rivals.base import JSON, Rival

PROGRAM = TOOLS / "pocketbase/bin/pocketbase"
RECORDS = "/api/collections/climbs/records"
PAGE = RECORDS + "?filter=(id%3E'{long_id}')&sort=id&skipTotal=true&perPage="
BODY = '{"name":"Roof and Slab","route_id":"{long_route}","sent":true,"attempts":{attempts},"note":"held the Crimp"}'


class PocketBase(Rival):
    """Its rules let anybody read and insert; it answers an insert with the row, since it knows no other way."""

    title = "PocketBase"

    @classmethod
    def missing(cls, options):
        return None if PROGRAM.is_file() else "not installed (`bench/run --install`)"

    def prepare(self):
        words = ["--dir", self.folder / "data", "--migrationsDir", BENCH / "rivals/pocketbase/migrations"]
        subprocess.run([str(PROGRAM), "migrate", "up", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
        data.fill_pocketbase(self.folder / "data/data.db", self.options.rows)

    def command(self):
        return [
            PROGRAM,
            "serve",
            "--http",
            f"127.0.0.1:{self.port}",
            "--dir",
            self.folder / "data",
            "--migrationsDir",
            BENCH / "rivals/pocketbase/migrations",
        ]

    def version(self):
        return told(PROGRAM, "--version")

    def request(self, case):
        paths = {
            "point": RECORDS + "/{long_id}",
            "list30": PAGE + "30",
            "list500": PAGE + "500",
            "embeds": PAGE + "30&expand=route_id,comments_via_climb_id",
        }
        return Request(RECORDS, "POST", JSON, BODY) if case == "insert" else Request(paths[case])

    def rows(self, body):
        told = json.loads(body)
        return [_row(record) for record in told.get("items", [told])]


def _row(record):
    if "expand" not in record:
        return {
            **{name: record[name] for name in ("name", "sent", "attempts")},
            "id": int(record["id"]),
            "note": record["note"] or None,
            "route_id": int(record["route_id"]),
            "climbed_at": data.microseconds(record["climbed_at"]),
        }
    route, said = record["expand"]["route_id"], record["expand"]["comments_via_climb_id"]
    comments = [{"id": int(comment["id"]), "body": comment["body"], "stars": comment["stars"]} for comment in said]
    return {
        "id": int(record["id"]),
        "name": record["name"],
        "sent": record["sent"],
        "comments": sorted(comments, key=lambda one: one["id"]),
        "route": {"id": int(route["id"]), "name": route["name"], "grade": route["grade"]},
    }
