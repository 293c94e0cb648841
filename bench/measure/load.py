"""The load: requests as templates, and wrk, which sends them."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

from measure.machine import BENCH, pinned, say


@dataclasses.dataclass(frozen=True)
class Request:
    """A request. `{id}` and its like (load.lua) become another number each time, in the path and in the body."""

    path: str
    method: str = "GET"
    headers: dict = dataclasses.field(default_factory=dict)
    body: str | None = None
    share: float = 1.0

    def filled(self, **values):
        """The same with values of one's own, for a single question."""

        def put(text):
            for name, value in values.items():
                text = text.replace("{" + name + "}", str(value))
            return text

        return dataclasses.replace(self, path=put(self.path), body=None if self.body is None else put(self.body))


def send(port, requests, seconds, options):
    """Sends as fast as it is answered, and tells what came of it. Any failure ends the measurement."""
    script = pathlib.Path(options.folder) / f"requests-{port}.lua"
    script.write_text("return {\n" + "".join(map(_lua, requests)) + "}\n")
    environment = {**os.environ, "BENCH_REQUESTS": str(script), "BENCH_ROWS": str(options.rows)}
    command = pinned(
        options.load_core,
        [
            "wrk",
            "-t1",
            f"-c{options.connections}",
            f"-d{seconds}s",
            "--timeout",
            "10s",
            "-s",
            BENCH / "load.lua",
            f"http://127.0.0.1:{port}",
        ],
    )
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    line = next((line for line in output.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        sys.exit(f"wrk gave no result:\n{output}")
    told = json.loads(line.removeprefix("RESULT "))
    if not told["requests"]:
        say(f"NOTHING was answered in {seconds} s: {requests[0].path} at port {port}")
    if told["failed"]:
        sys.exit(f"{told['failed']} of {told['requests']} requests failed: {requests[0].path} at port {port}\n{output}")
    return told


def _lua(request):
    headers = "".join(f"[{_quoted(name)}]={_quoted(value)}," for name, value in request.headers.items())
    body = "nil" if request.body is None else _quoted(request.body)
    return (
        f"  {{ share={request.share}, method={_quoted(request.method)}, path={_quoted(request.path)}, "
        f"headers={{{headers}}}, body={body} }},\n"
    )


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
