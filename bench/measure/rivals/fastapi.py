"""FastAPI with asyncpg, under uvicorn (bench/rivals/fastapi)."""

import os

from measure.machine import BENCH, TOOLS, told
from measure.rivals.handwritten import HandwrittenPostgres

PYTHON = TOOLS / "fastapi/bin/python"


class FastApi(HandwrittenPostgres):
    """Asked as the server by hand is, and as it runs as whoever logs in."""

    def __init__(self, name, options, cluster):
        super().__init__(name, options, cluster)
        self.title = "FastAPI, asyncpg"

    @classmethod
    def missing(cls, options):
        return None if PYTHON.is_file() else "not installed (`bench/run --install`)"

    def command(self):
        return [
            PYTHON,
            "-m",
            "uvicorn",
            "server:app",
            "--app-dir",
            BENCH / "rivals/fastapi",
            "--host",
            "127.0.0.1",
            "--port",
            self.port,
            "--loop",
            "uvloop",
            "--http",
            "httptools",
            "--log-level",
            "warning",
            "--no-access-log",
        ]

    def environment(self):
        return {
            **os.environ,
            "BENCH_SOCKET": str(self.cluster.folder),
            "BENCH_POOL": str(self.options.pool),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def version(self):
        names = ("fastapi", "asyncpg", "uvicorn")
        text = "import importlib.metadata as m, sys; print(', '.join(n + ' ' + m.version(n) for n in sys.argv[1:]))"
        return f"{told(PYTHON, '-c', text, *names)}, {told(PYTHON, '--version')}"
