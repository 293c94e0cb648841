"""The vulnerable twin: a server with the routes of Pando's that puts every piece of a request into SQL as text. It tells
nothing of errors, so that only how it behaves gives it away. sqlmap has to find each place of `points.py` here with the
very options with which it finds none in Pando."""

import json
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

# Asks for what an honest request has to be known from then on, as rows of a real application would be there.
LEARN = "X-Learn"
# Seconds after which a statement is broken off, like the statement timeout of any server.
PATIENCE = 3


class Twin(ThreadingHTTPServer):
    """Listens on a free port until it is shut down."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.execute("create table pieces (kind text, piece text)")
        self.database.set_progress_handler(self.is_overdue, 10_000)
        self.deadline = float("inf")
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def is_overdue(self):
        return time.monotonic() > self.deadline

    def handle_error(self, *_):
        """Clients hang up as they like."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def pieces(self):
        """Kind and text of each piece, names and values alike."""
        address = urlsplit(self.path)
        for segment in address.path.split("/")[2:]:
            yield "path", unquote(segment)
        for name, value in parse_qsl(address.query, keep_blank_values=True):
            yield "name", name
            yield "value", value
        for name, value in self.headers.items():
            if name.lower() not in ("host", "connection", "content-length", "accept-encoding", LEARN.lower()):
                yield f"header {name.lower()}", value
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        if body:
            yield from self.members(body)

    @staticmethod
    def members(body):
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            for name, value in parsed.items():
                yield "member", name
                if isinstance(value, dict):
                    yield from Handler.members(json.dumps(value))
                else:
                    yield "given", value if isinstance(value, str) else json.dumps(value)
        else:
            fields = parse_qsl(body, keep_blank_values=True) if "\n" not in body else []
            for name, value in fields:
                yield "member", name
                yield "given", value
            # CSV: what a payload puts into a cell may have commas of its own, so that only the last one is cut at.
            for line in body.splitlines() if not fields else []:
                for cell in line.rsplit(",", 1):
                    yield "given", cell

    def answer(self):
        found = 0
        status = 200
        with self.server.lock:
            for kind, piece in self.pieces():
                if self.headers.get(LEARN):
                    # With all that it begins with: a comment in a payload takes away what stands behind the place.
                    begins = [(kind, piece[:length]) for length in range(len(piece) + 1)]
                    self.server.database.executemany("insert into pieces values (?, ?)", begins)
                # The hole: text of a request becomes text of a statement.
                statement = f"select count(*) from pieces where kind = '{kind}' and piece = '{piece}'"
                self.server.deadline = time.monotonic() + PATIENCE
                try:
                    found += self.server.database.execute(statement).fetchone()[0] > 0
                except (sqlite3.Error, sqlite3.Warning, TypeError):
                    status = 400
        text = json.dumps({"found": found} if status == 200 else {"message": "this is not understood"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass
