"""PostgREST, where it is on the path."""

import os
import shutil

from measure.machine import told
from measure.rivals.pando import PATHS
from measure.load import Request
from measure.rivals.base import BODY, JSON, Rival


class PostgREST(Rival):
    """It is asked what Pando is asked."""

    title = "PostgREST"

    @classmethod
    def missing(cls, options):
        return None if shutil.which("postgrest") else "not on the path"

    def command(self):
        return ["postgrest"]

    def environment(self):
        return {
            **os.environ,
            "PGRST_DB_URI": self.cluster.url("gate"),
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": "anon",
            "PGRST_DB_POOL": str(self.options.pool),
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(self.port),
            "PGRST_LOG_LEVEL": "crit",
        }

    def version(self):
        return told("postgrest", "--version")

    def request(self, case):
        if case == "insert":
            return Request("/climbs", "POST", {**JSON, "Prefer": "return=minimal"}, BODY)
        return Request(PATHS[case])
