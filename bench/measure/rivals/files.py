"""Servers of the same kilobyte: nginx from a file, Varnish from its memory."""

import gzip
import http.server
import os
import shutil
import threading

from measure.load import Request
from measure.machine import told
from measure.rivals.base import Rival

PATH = "/climbs.json"
GZIP = {"Accept-Encoding": "gzip"}
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log error; {user}
events {{ worker_connections 1024; }}
http {{
  types {{ application/json json; }}
  sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000;
  open_file_cache max=100 inactive=1h; open_file_cache_valid 1h;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
  scgi_temp_path {folder}/t5;
  gzip_vary on; {more}
  server {{ listen 127.0.0.1:{port}; root {folder}/public; }}
}}
"""


class Kept(Rival):
    """Answers one request, always with the same bytes."""

    def __init__(self, name, options, body, title=None):
        super().__init__(name, options, title=title)
        self.body = body

    def request(self, case):
        return Request(PATH, headers=GZIP)


class Nginx(Kept):
    """As fast as it goes: compressed ahead, files kept open, no log, one worker. `more` says it otherwise."""

    title = "nginx, static file"
    BEST = "gzip_static on; access_log off;"
    # A log line for each request, as Debian's configuration has it; what is written goes nowhere, as Pando's lines do.
    LOGGED = "gzip_static on; access_log /dev/null combined;"

    def __init__(self, name, options, body, title=None, more=BEST):
        super().__init__(name, options, body, title)
        self.more = more

    @classmethod
    def missing(cls, options):
        return None if shutil.which("nginx") else "not on the path"

    def prepare(self):
        (self.folder / "public").mkdir(exist_ok=True)
        (self.folder / "public/climbs.json").write_bytes(self.body)
        (self.folder / "public/climbs.json.gz").write_bytes(gzip.compress(self.body, 9, mtime=0))
        user = "user nobody nogroup;" if os.getuid() == 0 else ""
        words = NGINX.format(folder=self.folder, port=self.port, more=self.more, user=user)
        (self.folder / "nginx.conf").write_text(words)

    def command(self):
        return ["nginx", "-e", self.folder / "log", "-c", self.folder / "nginx.conf"]

    def version(self):
        return told("nginx", "-v").removeprefix("nginx version: ")


class Varnish(Kept):
    """Its defaults, with what is behind it asked once."""

    title = "Varnish, cached"

    @classmethod
    def missing(cls, options):
        return None if shutil.which("varnishd") else "not on the path"

    def prepare(self):
        self.origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _origin(self.body))
        threading.Thread(target=self.origin.serve_forever, daemon=True).start()
        (self.folder / "bench.vcl").write_text(
            f'vcl 4.1;\nbackend origin {{ .host = "127.0.0.1"; .port = "{self.origin.server_port}"; }}\n'
            "sub vcl_backend_response { set beresp.ttl = 1d; set beresp.do_gzip = true; }\n"
        )

    def command(self):
        return [
            "varnishd",
            "-F",
            "-j",
            "none",
            "-n",
            self.folder / "work",
            "-a",
            f"127.0.0.1:{self.port}",
            "-f",
            self.folder / "bench.vcl",
            "-s",
            "malloc,64m",
        ]

    def stop(self):
        super().stop()
        self.origin.shutdown()
        self.origin.server_close()

    def version(self):
        return told("varnishd", "-V").partition(" (")[2].partition(" ")[0].replace("-", " ")


def _origin(body):
    class Origin(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            for name, value in [("Content-Type", "application/json"), ("ETag", '"the-same"'), ("Content-Length", str(len(body)))]:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Origin
