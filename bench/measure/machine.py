"""The machine: what it is, what it has, which core is whose; and the binaries that are measured."""

import os
import pathlib
import platform
import shutil
import socket
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
TOOLS = BENCH / ".tools"


def say(text):
    print(text, file=sys.stderr, flush=True)


def need(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; on Debian: apt-get install wrk util-linux binutils postgresql, and rustup")


def told(*command):
    """The first line that a command says, from either of its outputs; nothing if it is not there."""
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30)
    except OSError:
        return ""
    return next(iter((done.stdout.strip() or done.stderr.strip()).splitlines()), "")


def cores(wanted):
    """The core of servers and the core of the load. They are the same where the machine has only one."""
    server, _, load = wanted.partition(",")
    there = {str(core) for core in os.sched_getaffinity(0)}
    if server in there and load in there:
        return server, load
    only = min(there)
    say(f"core {wanted} is not there: servers and load share core {only}, and latencies mean little")
    return only, only


def pinned(core, command):
    return ["taskset", "-c", core, *map(str, command)]


def free_port():
    """A port of this machine that nobody listens at now."""
    with socket.socket() as socket_:
        socket_.bind(("127.0.0.1", 0))
        return socket_.getsockname()[1]


def machine():
    """What it ran on, without its name."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "rustc": told("rustc", "--version"),
        "wrk": told("wrk", "-v").split("[")[0].strip(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def binaries(is_built):
    """Pando (`PANDO_BINARY`, or built here) and the servers written by hand, in release."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    given = os.environ.get("PANDO_BINARY")
    wanted = [(BENCH, "handwritten")] if given else [(ROOT, "pando"), (BENCH, "handwritten")]
    for folder, package in wanted if is_built else []:
        subprocess.run(["cargo", "build", "--release", "-p", package], cwd=folder, env=environment, check=True)
    found = {
        "pando": pathlib.Path(given).resolve() if given else target / "release/pando",
        "handwritten": target / "release/handwritten",
        "handwritten-postgres": target / "release/handwritten-postgres",
    }
    for path in found.values():
        if not path.is_file():
            sys.exit(f"{path} is not there")
    return found
