"""The servers written by hand (bench/handwritten): axum with rusqlite, and axum with tokio-postgres in three ways."""

from measure.load import Request
from measure.rivals.base import BODY, JSON, Rival

PATHS = {
    "point": "/climbs/{id}",
    "list30": "/climbs?after={id}&limit=30",
    "list500": "/climbs?after={id}&limit=500",
    "embeds": "/climbs-with-all?after={id}&limit=30",
}


class Handwritten(Rival):
    """On a file."""

    title = "by hand (axum, rusqlite)"

    def __init__(self, name, options, database):
        super().__init__(name, options)
        self.database = database

    def command(self):
        return [self.options.binaries["handwritten"], self.database, self.port]

    def request(self, case):
        return Request("/climbs", "POST", JSON, BODY) if case == "insert" else Request(PATHS[case])


class HandwrittenPostgres(Rival):
    """On a server. `way` is nothing, `/as` (in a transaction with role and claims) or `/json` (JSON made by PostgreSQL)."""

    TITLES = {"": "by hand (axum, tokio-postgres)", "/as": "by hand, as a role with claims", "/json": "by hand, `json_agg`"}

    def __init__(self, name, options, cluster, way=""):
        super().__init__(name, options, cluster, self.TITLES[way])
        self.way = way
        if way == "/json":
            self.cases = self.cases - {"insert"}

    def command(self):
        user = "gate" if self.way == "/as" else "plain"
        return [
            self.options.binaries["handwritten-postgres"],
            f"host={self.cluster.folder} user={user} dbname=postgres",
            self.port,
            self.options.pool,
        ]

    def request(self, case):
        if case == "insert":
            return Request(f"{self.way}/climbs", "POST", JSON, BODY)
        return Request(self.way + PATHS[case])
