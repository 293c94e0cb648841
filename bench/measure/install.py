"""Rivals that come from package registries, in the versions that bench/rivals pins, into bench/.tools."""

import shutil
import subprocess
import sys

from measure.machine import BENCH, TOOLS, say


def install():
    for name in ("pocketbase", "fastapi"):
        run(sys.executable, "-m", "venv", TOOLS / name)
        run(TOOLS / name / "bin/pip", "install", "--quiet", "-r", BENCH / "rivals" / name / "requirements.txt")
    if shutil.which("npm") is None:
        say("SKIPPED: Fastify: npm is not there")
        return
    (TOOLS / "fastify").mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "package-lock.json", "server.js"):
        shutil.copy(BENCH / "rivals/fastify" / file, TOOLS / "fastify" / file)
    run("npm", "ci", "--silent", "--prefix", TOOLS / "fastify")


def run(*command):
    say(" ".join(map(str, command)))
    subprocess.run(list(map(str, command)), check=True)
