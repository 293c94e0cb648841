"""sqlmap over every place of `points.py`: of Pando, where it has to find nothing, and of the vulnerable twin, where it has
to find all of them. `crates/pando/tests/injection.rs` starts Pando and this.

    run.py --url http://127.0.0.1:8000 --engine sqlite --level 5 --risk 3 --user TOKEN --service TOKEN

The last line but one tells the answers by their status, the last one is
`N places, N alive, N vulnerable, N failed, N requests, N answered`; what is not as it should be is named above."""

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from points import POINTS
from relay import Relay
from twin import LEARN, Twin

CLEAN = "all tested parameters do not appear to be injectable"
FOUND = "sqlmap identified the following injection point"


class Quiet(urllib.request.HTTPRedirectHandler):
    """Redirects are answers."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(Quiet)


def headers(point, tokens):
    given = {name: value.format(**tokens) for name, value in point.headers.items()}
    if point.caller:
        given["Authorization"] = f"Bearer {tokens[point.caller]}"
    return given


def status(point, url, tokens, learn):
    """How the unchanged request is answered."""
    plain = {name: value.replace("*", "") for name, value in headers(point, tokens).items()}
    if learn:
        plain[LEARN] = "yes"
    body = point.body.replace("*", "").encode() if point.body is not None else None
    request = urllib.request.Request(url + point.path.replace("*", "").replace(">", "%3E"), body, plain, method=point.method)
    try:
        with OPENER.open(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def request_file(point, url, tokens, folder):
    host = url.removeprefix("http://")
    lines = [f"{point.method} {point.path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers(point, tokens).items()]
    path = folder / "request.txt"
    path.write_text("\n".join(lines) + "\n\n" + (point.body or ""))
    return path


def command_line(point, url, dbms, tokens, options, folder):
    command = ["sqlmap", "-r", str(request_file(point, url, tokens, folder)), "--batch", "--ignore-stdin", "--flush-session"]
    command += [f"--dbms={dbms}", f"--level={options.level}", f"--risk={options.risk}", f"--output-dir={folder}"]
    # Refusals are answers, of which there is something to learn.
    command += ["--ignore-code=401,404", "--skip-waf", "--disable-coloring", f"--time-sec={options.seconds}"]
    if options.technique:
        command.append(f"--technique={options.technique}")
    if point.parameter:
        command += ["-p", point.parameter]
    return command


def attack(point, url, dbms, tokens, options):
    """What sqlmap says (`clean`, `vulnerable`, or `failed`), why, how long it took, and the answers by their status."""
    twin = None if url else Twin()
    if twin:
        status(point, twin.url, tokens, True)
    relay = Relay(url or twin.url)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = command_line(point, relay.url, dbms, tokens, options, Path(folder))
        try:
            text = subprocess.run(command, capture_output=True, timeout=options.patience, stdin=subprocess.DEVNULL).stdout
        except subprocess.TimeoutExpired as expired:
            text = (expired.stdout or b"") + f"\nnot done after {options.patience} s".encode()
        text = text.decode("utf-8", "replace")
    took = time.monotonic() - begin
    for server in filter(None, [relay, twin]):
        server.shutdown()
        server.server_close()
    if FOUND in text:
        return "vulnerable", text[text.index(FOUND):], took, relay.statuses
    outcome = "clean" if CLEAN in text else "failed"
    return outcome, text[-3000:], took, relay.statuses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", help="of Pando; the twin is attacked without it")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--risk", type=int, default=1)
    parser.add_argument("--technique", default="", help="sqlmap's letters; all without it")
    parser.add_argument("--seconds", type=int, default=2, help="what counts as a delay")
    parser.add_argument("--patience", type=int, default=3600, help="seconds for one place")
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--only", default="", help="places whose name has this in it")
    parser.add_argument("--skip-slow", action="store_true", help="leave out what hashes a password each time")
    parser.add_argument("--user", default="user-token")
    parser.add_argument("--service", default="service-token")
    options = parser.parse_args()
    tokens = {"user": options.user, "service": options.service}
    twin, url = not options.url, options.url
    dbms = "sqlite" if twin else options.engine
    points = [point for point in POINTS if options.only in point.name and not (options.skip_slow and point.slow)]

    alive = len(points)
    for point in points if url else []:
        found = status(point, url, tokens, False)
        if found not in point.alive:
            alive -= 1
            print(f"{point.name}: the unchanged request is answered with {found}, not {point.alive}")
    outcomes, statuses = Counter(), Counter()
    with ThreadPoolExecutor(options.parallel) as pool:
        attacked = pool.map(lambda point: attack(point, url, dbms, tokens, options), points)
        for point, (outcome, text, took, answers) in zip(points, attacked):
            outcomes[outcome] += 1
            statuses += answers
            told = " ".join(f"{status}:{count}" for status, count in sorted(answers.items()))
            print(f"{point.name}: {outcome} after {took:.0f} s ({told})", flush=True)
            if outcome == "failed" or (outcome == "vulnerable" and not twin):
                print(text, flush=True)
    # What a limit or a fault answers says nothing about SQL.
    answered = sum(count for status, count in statuses.items() if status < 500 and status != 429)
    print(" ".join(f"{status}:{count}" for status, count in sorted(statuses.items())))
    print(f"{len(points)} places, {alive} alive, {outcomes['vulnerable']} vulnerable, {outcomes['failed']} failed, "
          f"{sum(statuses.values())} requests, {answered} answered")
    wanted = outcomes["vulnerable" if twin else "clean"] == len(points)
    return 0 if wanted and alive == len(points) else 1


if __name__ == "__main__":
    sys.exit(main())
