"""A PostgreSQL of its own, on a socket in its folder."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

from measure import processes
from measure.machine import BENCH, pinned

# The disk is no part of what is compared.
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "fsync": "off",
    "autovacuum": "off",
    "timezone": "UTC",
    "max_connections": "200",
}


def programs():
    """Where PostgreSQL's programs are: the newest version of Debian's packages, or the path; nothing without it."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return pathlib.Path(initdb).parent if initdb else None


class Cluster:
    """A server that lives as long as the `with`."""

    def __init__(self, folder, core):
        self.folder, self.core, self.programs = pathlib.Path(folder), core, programs()

    def __enter__(self):
        self.folder.mkdir(exist_ok=True)
        # PostgreSQL refuses to run as root.
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
        if user:
            os.chown(self.folder, 65534, 65534)
        made = [
            *user,
            self.programs / "initdb",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
            self.folder / "data",
        ]
        subprocess.run(list(map(str, made)), check=True, stdout=subprocess.DEVNULL, cwd="/")
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = pinned(self.core, [*user, self.programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings])
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/")
        for _ in range(600):
            if subprocess.run(self.command("SELECT 1"), capture_output=True).returncode == 0:
                return self
            time.sleep(0.05)
        sys.exit("PostgreSQL did not start")

    def __exit__(self, *_):
        # "Fast": whoever is still connected is sent away.
        self.process.send_signal(2)
        self.process.wait()

    def url(self, user):
        return f"postgres://{user}@/postgres?host={self.folder}"

    def command(self, text):
        return [
            str(self.programs / "psql"),
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(self.folder),
            "-U",
            "postgres",
            "-d",
            "postgres",
            "-c",
            text,
        ]

    def psql(self, text):
        return subprocess.run(self.command(text), check=True, capture_output=True, text=True).stdout.strip()

    def version(self):
        return self.psql("SHOW server_version").split()[0]

    def cpu_seconds(self):
        """Of all its processes, and of those that have ended: whoever is measured has it to himself for that turn."""
        return processes.cpu_seconds(self.process.pid)

    def schema(self):
        """The tables, without Pando."""
        self.psql("CREATE ROLE anon NOLOGIN; CREATE ROLE gate LOGIN IN ROLE anon")
        self.psql((BENCH / "schema/migrations/0001_bench.sql").read_text())
