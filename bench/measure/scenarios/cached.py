"""A cached kilobyte: what an answer costs that nobody has to make any more."""

import contextlib
import subprocess
import sys
import time

from measure import data
from measure.load import Request
from measure.machine import BENCH, free_port, pinned
from measure.rivals.files import GZIP, PATH, Nginx, Varnish
from measure.rivals.pando import Pando
from measure.scenarios.field import available, started
from measure.turns import take_turns

FEW = 1_000
# Seven rows are a kilobyte of JSON.
REQUEST = Request("/climbs?id=gt.4200&order=id&limit=7", headers=GZIP)


class CachedPando(Pando):
    """Asked for the kilobyte alone."""

    def request(self, case):
        return REQUEST

    def is_ready(self):
        return self.ask(REQUEST)[0] == 200


class PandoFile(Pando):
    """The same bytes as a file of its folder `public`."""

    def __init__(self, *arguments, body, **settings):
        super().__init__(*arguments, **settings)
        self.body = body

    def prepare(self):
        super().prepare()
        (self.folder / "public").mkdir(exist_ok=True)
        (self.folder / "public/climbs.json").write_bytes(self.body)

    def request(self, case):
        return Request(PATH, headers=GZIP)

    def is_ready(self):
        # Its compressed form is made beside the requests.
        status, headers, _ = self.ask(self.request("cached"))
        return status == 200 and headers.get("content-encoding") == "gzip"


def measure(sqlite, cluster, result, options):
    """`sqlite` is a file with the data, `cluster` a server with it, or nothing."""
    body = kilobyte()
    port = free_port()
    pando = lambda name, title, **more: (
        CachedPando,
        name,
        lambda: CachedPando(name, options, title=title, settings=traced(port), **more),
    )
    candidates = [
        pando("pando-sqlite-strict", "Pando, `strict`, SQLite", rule="strict", database=sqlite),
        (Nginx, "nginx", lambda: Nginx("nginx", options, body)),
        (Nginx, "nginx-log", lambda: Nginx("nginx-log", options, body, "nginx, static file, with a log", Nginx.LOGGED)),
        (Varnish, "varnish", lambda: Varnish("varnish", options, body)),
        (
            PandoFile,
            "pando-file",
            lambda: PandoFile("pando-file", options, title="Pando, static file", settings=traced(port), body=body),
        ),
    ]
    if cluster:
        candidates[1:1] = [
            pando("pando-postgres-strict", "Pando, `strict`, PostgreSQL", cluster=cluster, rule="strict"),
            pando("pando-postgres-ttl", "Pando, `ttl 60`, PostgreSQL", cluster=cluster, rule="ttl 60"),
        ]
    with sink(port, options), started(available(candidates, result["skipped"], options), result["versions"]) as rivals:
        for rival in rivals:
            verify(rival, body)
        result["kilobyte"] = len(body)
        result["fields"]["cached"] = take_turns("cached", rivals, lambda rival, seconds: ask(rival, seconds), options)
    variants(sqlite, result, options)


def variants(sqlite, result, options):
    """What the log and traces cost, on a kept answer: each request with a line, each request with its spans, neither."""
    port = free_port()
    ways = {
        "pando-quiet": ("Pando, no lines, no traces", ["log.requests=failed"]),
        "pando-lines": ("Pando, a line per request (default)", []),
        "pando-traced": ("Pando, every request traced, no lines", traced(port, 1)),
    }
    if options.is_check:
        return
    # One at a time holds the file.
    with sink(port, options):
        turns = {}
        for name, (title, settings) in ways.items():
            with CachedPando(name, options, title=title, rule="strict", database=sqlite, settings=settings) as rival:
                result["versions"][name] = {"title": title, "version": rival.version()}
                verify(rival, kilobyte())
                turns |= take_turns("cached, ways", [rival], lambda rival, seconds: ask(rival, seconds), options)["runs"]
    result["ways"] = turns


def kilobyte():
    """The bytes, made of the data alone."""
    return data.compact([data.printed(data.climb(id)) for id in range(4201, 4208)])


def verify(rival, body):
    """Ends the measurement unless all give the same bytes, compressed, with a tag, and Pando and Varnish from what they keep."""
    request = rival.request("cached")
    for _ in range(50):
        status, headers, found = rival.ask(request)
        kept = "hit" in headers.get("cache-status", "") if isinstance(rival, CachedPando) else True
        kept = kept and (" " in headers["x-varnish"] if "x-varnish" in headers else True)
        if kept:
            break
        time.sleep(0.05)
    if status != 200 or found != body or headers.get("content-encoding") != "gzip" or "etag" not in headers or not kept:
        sys.exit(f"{rival.name} answers {request.path} with {status} {headers} {found}\nand not with {body}")


def ask(rival, seconds):
    turn = rival.turn([rival.request("cached")], seconds)
    # Of few answers those that were under way when the turn began or ended are too many.
    if turn.requests > FEW and turn.also.get("hit_ratio", 1) < 0.99:
        sys.exit(
            f"{rival.name} answered {turn.also['hit_ratio']:.3f} of the requests from what it keeps; that is not what is measured"
        )
    return turn


def traced(port, share=0.01):
    """Metrics are on anyway. A line for each request is off here, as it is at nginx and Varnish."""
    return ["log.requests=failed", f"telemetry.otlp_endpoint=http://127.0.0.1:{port}", f"telemetry.sample_ratio={share}"]


@contextlib.contextmanager
def sink(port, options):
    """A collector of traces beside the load, whose CPU time counts for nobody."""
    process = subprocess.Popen(pinned(options.load_core, [sys.executable, BENCH / "measure/sink.py", port]))
    try:
        yield
    finally:
        process.terminate()
        process.wait()
