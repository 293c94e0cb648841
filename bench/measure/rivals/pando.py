"""Pando, on a file or on a server, in the ways that are compared."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request

from measure import data
from measure.load import Request
from measure.machine import BENCH, free_port, told
from measure.rivals.base import BODY, JSON, Rival

EMBEDS = "select=id,name,sent,route(id,name,grade),comments(id,body,stars)"
PATHS = {
    "point": "/climbs?id=eq.{id}",
    "list30": "/climbs?id=gt.{id}&order=id&limit=30",
    "list500": "/climbs?id=gt.{id}&order=id&limit=500",
    "embeds": f"/climbs?{EMBEDS}&id=gt.{{id}}&order=id&limit=30",
}


class Pando(Rival):
    """Defaults throughout, apart from what is named: `rule` keeps answers (docs/responses.md)."""

    is_pando = True
    title = "Pando"
    # Who logs in at a server.
    user = "gate"

    def __init__(self, name, options, cluster=None, title=None, rule=None, database=None, settings=()):
        super().__init__(name, options, cluster, title)
        self.admin_port = free_port()
        self.rule, self.settings = rule, list(settings)
        self.database = database or self.folder / "data.sqlite"

    def prepare(self):
        shutil.copytree(BENCH / "schema", self.folder, dirs_exist_ok=True)

    def command(self):
        return [self.options.binaries["pando"], "serve", *self.configuration()]

    def configuration(self):
        """The words of the command line that say how it is run."""
        url = self.cluster.url(self.user) if self.cluster else f"sqlite:{self.database}"
        # What is measured is what an answer costs, not who is turned away when others take the processor.
        settings = [
            "limits.overload=off",
            f"database.url={url}",
            f"server.listen=127.0.0.1:{self.port}",
            f"server.admin_listen=127.0.0.1:{self.admin_port}",
        ]
        if self.cluster:
            settings += [f"database.connections={self.options.pool}", "database.migrate_on_start=false"]
        return ["--config", self.folder, *(part for setting in settings + self.settings for part in ("--set", setting))]

    def environment(self):
        return surroundings(self.rule)

    def version(self):
        return told(self.options.binaries["pando"], "--version")

    def request(self, case):
        if case == "insert":
            return Request("/climbs", "POST", {**JSON, "Prefer": "return=minimal"}, BODY)
        return Request(PATHS[case])

    def pause(self):
        """It asks PostgreSQL of its own accord what has changed, which would be charged to whoever else uses the same server."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kept(self):
        """How many reads were asked, and of how many the answer was kept, since the start."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = {
            name: float(number)
            for name, number in re.findall(r'pando_response_cache_requests_total\{outcome="(\w+)"\} (\S+)', text)
        }
        return sum(found.values()), sum(found.get(name, 0) for name in ("hit", "shared", "stale"))

    def turn(self, requests, seconds):
        """As of all; `hit_ratio` as well where answers are kept."""
        if not self.rule:
            return super().turn(requests, seconds)
        asked, hits = self.kept()
        turn = super().turn(requests, seconds)
        asked_then, hits_then = self.kept()
        turn.also["hit_ratio"] = (hits_then - hits) / max(asked_then - asked, 1)
        return turn


def surroundings(rule=None):
    """The environment, without what is said in it of Pando, and with the rule that keeps answers."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PANDO_")}
    return {**own, "PANDO_RESPONSES_TABLES": json.dumps({"public.climbs": rule})} if rule else own


def migrate_sqlite(options, path):
    """A file with the data, made by Pando's migration."""
    run(options, surroundings(), "migrate", "up", "--config", BENCH / "schema", "--set", f"database.url=sqlite:{path}")
    data.fill_sqlite(path, options.rows)


def migrate_postgres(options, cluster):
    """The roles, Pando's own tables, the schema, the data, and triggers that note changes; `plain` may read without becoming anybody."""
    owner = ["--config", BENCH / "schema", "--set", f"database.url={cluster.url('postgres')}"]
    run(options, surroundings(), "bootstrap", "--authenticator", "gate", *owner)
    run(options, surroundings(), "migrate", "up", *owner)
    cluster.psql("CREATE ROLE plain LOGIN INHERIT IN ROLE anon")
    data.fill_postgres(cluster, options.rows)


def note_changes(options, cluster):
    """Triggers, and the rights to see what they note: only where answers are kept, since each of them is paid for by writes."""
    owner = ["--config", BENCH / "schema", "--set", f"database.url={cluster.url('postgres')}"]
    run(options, surroundings("strict"), "bootstrap", "--authenticator", "gate", *owner)
    cluster.psql("GRANT TRIGGER ON climbs TO gate")


def run(options, environment, *words):
    command = [str(options.binaries["pando"]), *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
