"""pgbench: the statements alone, prepared, which is the floor of whatever stands before PostgreSQL."""

import re
import subprocess

from measure.machine import pinned, told
from measure.rivals.base import Rival
from measure.turns import Turn

COLUMNS = "id, name, route_id, sent, attempts, climbed_at, note"
ID = "\\set id random(1, :rows - 600)"
STATEMENTS = {
    "point": (ID, f"SELECT {COLUMNS} FROM climbs WHERE id = :id;"),
    "list30": (ID, f"SELECT {COLUMNS} FROM climbs WHERE id > :id ORDER BY id LIMIT 30;"),
    "list500": (ID, f"SELECT {COLUMNS} FROM climbs WHERE id > :id ORDER BY id LIMIT 500;"),
    "embeds": (
        ID,
        "SELECT climbs.id, climbs.name, sent, ROW(route.id, route.name, grade), ARRAY(SELECT ROW(id, body, stars) FROM comments "
        "WHERE climb_id = climbs.id) FROM climbs JOIN route ON route.id = route_id WHERE climbs.id > :id ORDER BY climbs.id LIMIT 30;",
    ),
    "insert": (
        "\\set route random(1, 1000)",
        "INSERT INTO climbs (name, route_id, sent, attempts, note) VALUES ('Roof and Slab', :route, true, 3, 'held the Crimp');",
    ),
}
# What Pando sets before a read, with the values of the load's requests.
SETTINGS = {
    "transaction_read_only": "on",
    "search_path": "public",
    "request.jwt.claims": '{"role":"anon"}',
    "request.method": "GET",
    "request.path": "/climbs",
    "request.headers": '{"host":"127.0.0.1:18120"}',
    "request.cookies": "{}",
    "role": "anon",
}


class PgBench(Rival):
    """`with_settings`: after what has to be set for each request, in one flight. Of its own CPU time nothing counts: it is the load."""

    def __init__(self, name, options, cluster, with_settings=False):
        super().__init__(name, options, cluster, "pgbench, with settings" if with_settings else "pgbench")
        self.with_settings = with_settings
        if with_settings:
            self.cases = self.cases - {"insert"}

    def start(self):
        return 0.0

    def verify(self, case):
        pass

    def request(self, case):
        return case

    def version(self):
        return told(self.cluster.programs / "pgbench", "--version")

    def turn(self, requests, seconds):
        choice, statement = STATEMENTS[requests[0]]
        if self.with_settings:
            calls = ", ".join(f"set_config(:n{place}, :v{place}, true)" for place in range(len(SETTINGS)))
            statement = f"\\startpipeline\nSELECT {calls};\n{statement}\n\\endpipeline"
        script = self.folder / f"{requests[0]}.sql"
        script.write_text(f"{choice}\n{statement}\n")
        values = [f"-D{kind}{place}={text}" for place, pair in enumerate(SETTINGS.items()) for kind, text in zip("nv", pair)]
        words = [
            "-n",
            "-M",
            "prepared",
            "-h",
            self.cluster.folder,
            "-U",
            "gate" if self.with_settings else "plain",
            "-c",
            self.options.pool,
            "-j",
            1,
            "-T",
            seconds,
            "-l",
            "--log-prefix",
            self.folder / "log",
            "-D",
            f"rows={self.options.rows}",
            *values,
            "-f",
            script,
        ]
        before = self.database_cpu_seconds()
        output = subprocess.run(
            pinned(self.options.load_core, [self.cluster.programs / "pgbench", *words, "postgres"]),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        used = self.database_cpu_seconds() - before
        done = int(re.search(r"transactions actually processed: (\d+)", output)[1])
        return Turn(done, seconds, 0.0, used, self.latencies(), 0, {})

    def latencies(self):
        """From its log, whose third column is microseconds."""
        times = []
        for path in self.folder.glob("log.*"):
            times += [int(line.split()[2]) for line in path.read_text().splitlines()]
            path.unlink()
        times.sort()
        return {
            name: times[min(int(len(times) * part), len(times) - 1)]
            for name, part in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)]
        }
