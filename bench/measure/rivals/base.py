"""A rival: a server that can be started, asked, looked at and ended."""

import gzip
import http.client
import json
import pathlib
import signal
import subprocess
import sys
import time

from measure import data, load, processes
from measure.machine import free_port, pinned
from measure.turns import Turn

BODY = '{"name":"Roof and Slab","route_id":{route},"sent":true,"attempts":{attempts},"note":"held the Crimp"}'
JSON = {"Content-Type": "application/json"}


class Rival:
    """One of those that are measured. What it is stands in the class, how this one is run in its fields."""

    title = ""
    is_pando = False
    # Which requests it can be asked.
    cases = frozenset({"point", "list30", "list500", "embeds", "insert"})

    def __init__(self, name, options, cluster=None, title=None):
        self.name, self.port, self.options, self.cluster = name, free_port(), options, cluster
        self.title = title or self.title
        self.folder = pathlib.Path(options.folder) / name
        self.process = None

    @classmethod
    def missing(cls, options):
        """Why it cannot be measured on this machine; nothing if it can."""
        return None

    def prepare(self):
        """Makes what it needs, in `self.folder`."""

    def command(self):
        """What starts it; the process may have children, which are charged to it."""
        raise NotImplementedError

    def environment(self):
        return None

    def version(self):
        return ""

    def request(self, case):
        """The template of a request."""
        raise NotImplementedError

    def rows(self, body):
        """The rows of an answer as `data.canonical` has them."""
        return data.canonical(body)

    def is_ready(self):
        """Whether it answers."""
        return self.ask(self.request("point").filled(id=1, long_id=f"{1:015d}"))[0] == 200

    # What follows is the same for all.

    def __enter__(self):
        self.folder.mkdir(exist_ok=True)
        self.folder.chmod(0o755)
        self.prepare()
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts it and gives the seconds until it answered for the first time."""
        command = pinned(self.options.server_core, self.command())
        began = time.perf_counter()
        with (self.folder / "log").open("wb") as log:
            quiet = log if self.keeps_output else subprocess.DEVNULL
            self.process = subprocess.Popen(command, stdout=quiet, stderr=log, env=self.environment(), cwd=self.folder)
        while True:
            try:
                if self.is_ready():
                    return time.perf_counter() - began
            except (OSError, http.client.HTTPException):
                pass
            if self.process.poll() is not None or time.perf_counter() - began > 60:
                self.stop()
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                sys.exit(f"{self.name} did not start: {' '.join(command)}\n{said}")
            time.sleep(0.001)

    keeps_output = False

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def ask(self, request):
        """One request: status, headers (in small letters), body without its coding."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            body = answer.read()
            return answer.status, headers, gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        finally:
            connection.close()

    def pause(self):
        """Does nothing until it is resumed, not even what it does by itself: others are measured."""

    def resume(self):
        """Goes on."""

    def verify(self, case):
        """Ends the measurement unless it answers what it has to."""
        if case == "insert":
            status, _, body = self.ask(self.request(case).filled(route=7, long_route=f"{7:015d}", attempts=3))
            if status not in (200, 201):
                sys.exit(f"{self.name} refuses to insert: {status} {body[:500]}")
            return
        for id in (1, 2, 777, self.options.rows - 600):
            request = self.request(case).filled(id=id, long_id=f"{id:015d}")
            status, _, body = self.ask(request)
            if status != 200 or self.rows(body) != data.expected(case, id):
                sys.exit(
                    f"{self.name} answers {request.path} with {status} {body[:1500]}\nand not with "
                    f"{json.dumps(data.expected(case, id))[:1500]}"
                )

    def turn(self, requests, seconds):
        """Is asked for so many seconds, and charged for its processes, and for PostgreSQL where it uses it."""
        before, before_database = self.cpu_seconds(), self.database_cpu_seconds()
        told = load.send(self.port, requests, seconds, self.options)
        used, used_database = self.cpu_seconds() - before, self.database_cpu_seconds() - before_database
        return Turn(told["requests"], told["microseconds"] / 1e6, used, used_database, told, told["bytes"], self.memory())

    def cpu_seconds(self):
        return processes.cpu_seconds(self.process.pid)

    def database_cpu_seconds(self):
        return self.cluster.cpu_seconds() if self.cluster else 0.0

    def memory(self):
        return processes.memory(self.process.pid)
