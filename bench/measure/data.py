"""Data: the same in every database and at every run, and what each question has to be answered with."""

import datetime
import json
import sqlite3
import subprocess

ROUTES = 1_000
COMMENTS = 3
WORDS = ["Sloper", "Dihedral", "Roof", "Crimp", "Arête", "Slab", "Chimney", "Overhang"]
GRADES = ["4a", "5b", "5c", "6a", "6a+", "6b", "7a"]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
FINISH = "ANALYZE route; ANALYZE climbs; ANALYZE comments; PRAGMA wal_checkpoint(TRUNCATE);"
CLIMB = ("id", "name", "route_id", "sent", "attempts", "climbed_at", "note")


def route(id):
    return {"id": id, "name": f"{WORDS[id % 8]} {id}", "grade": GRADES[id % 7], "metres": 5 + id % 30}


def climb(id):
    """Moments are microseconds since 1970, in whole milliseconds: some rivals know no finer ones."""
    note = f'held the {WORDS[id % 5]} "just so"' if id % 3 else None
    return {
        "id": id,
        "name": f"{WORDS[id % 8]} and {WORDS[id * 5 % 7]} {id}",
        "route_id": 1 + id * 7919 % ROUTES,
        "sent": id % 2 == 0,
        "attempts": 1 + id % 9,
        "climbed_at": 1_700_000_000_000_000 + id * 61_120_000,
        "note": note,
    }


def comments(id):
    return [
        {
            "id": (id - 1) * COMMENTS + place,
            "climb_id": id,
            "body": f"The {WORDS[(id + place) % 8]} was worth it",
            "stars": 1 + (id + place) % 5,
        }
        for place in range(1, COMMENTS + 1)
    ]


def tables(rows):
    """Each table with its columns and its rows."""
    yield "route", ("id", "name", "grade", "metres"), (tuple(route(id).values()) for id in range(1, ROUTES + 1))
    yield "climbs", CLIMB, (tuple(climb(id).values()) for id in range(1, rows + 1))
    yield (
        "comments",
        ("id", "climb_id", "body", "stars"),
        (tuple(comment.values()) for id in range(1, rows + 1) for comment in comments(id)),
    )


def fill_sqlite(path, rows):
    """Into the tables that Pando's migration made."""
    connection = sqlite3.connect(path)
    with connection:
        for table, columns, lines in tables(rows):
            places = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", lines)
    connection.executescript(FINISH)
    connection.close()


def fill_pocketbase(path, rows):
    """Into the collections of rivals/pocketbase: an id is fifteen digits, a missing note is empty."""
    connection = sqlite3.connect(path)
    change = {
        "id": _long,
        "route_id": _long,
        "climb_id": _long,
        "climbed_at": lambda micros: moment(micros, " ", "Z"),
        "note": lambda note: note or "",
    }
    with connection:
        for table, columns, lines in tables(rows):
            places = ", ".join("?" * len(columns))
            changes = [change.get(column, lambda value: value) for column in columns]
            made = ([how(value) for how, value in zip(changes, line)] for line in lines)
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", made)
    connection.executescript(FINISH)
    connection.close()


def fill_postgres(cluster, rows):
    """Into tables that are there."""
    for table, columns, lines in tables(rows):
        command = cluster.command(f"COPY {table} ({', '.join(columns)}) FROM STDIN")
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as copy:
            for line in lines:
                values = dict(zip(columns, line))
                if "climbed_at" in values:
                    values["climbed_at"] = moment(values["climbed_at"])
                copy.stdin.write("\t".join(r"\N" if value is None else str(value) for value in values.values()) + "\n")
        if copy.returncode:
            raise SystemExit(f"{table} could not be filled")
        cluster.psql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    cluster.psql("VACUUM ANALYZE")


def expected(case, id):
    """What the question has to be answered with, in the form of `canonical`."""
    if case == "point":
        return [_known(climb(id))]
    if case != "embeds":
        return [_known(climb(next)) for next in range(id + 1, id + 1 + int(case.removeprefix("list")))]
    found = []
    for next in range(id + 1, id + 31):
        row, of = climb(next), route(climb(next)["route_id"])
        said = [{name: comment[name] for name in ("id", "body", "stars")} for comment in comments(next)]
        found.append(
            {
                "id": next,
                "name": row["name"],
                "sent": row["sent"],
                "route": {name: of[name] for name in ("id", "name", "grade")},
                "comments": said,
            }
        )
    return found


def canonical(body):
    """Rows of an answer as `expected` has them: moments as microseconds, comments by their id (nothing orders them)."""
    rows = json.loads(body)
    for row in rows if isinstance(rows, list) else [rows]:
        if "climbed_at" in row:
            row["climbed_at"] = microseconds(row["climbed_at"])
        row.get("comments", []).sort(key=lambda comment: comment["id"])
    return rows if isinstance(rows, list) else [rows]


def moment(micros, between="T", zone="+00:00"):
    text = (EPOCH + datetime.timedelta(microseconds=micros)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return text.replace(" ", between) + zone


def printed(row):
    """A row with its moment as PostgreSQL prints it in JSON: no zeros at the end of a fraction."""
    return {**row, "climbed_at": moment(row["climbed_at"], zone="").rstrip("0").rstrip(".") + "+00:00"}


def microseconds(text):
    return round((datetime.datetime.fromisoformat(text) - EPOCH) / datetime.timedelta(microseconds=1))


def _known(row):
    return {name: row[name] for name in CLIMB}


def _long(id):
    return f"{id:015d}"


def compact(rows):
    """JSON as Pando writes it."""
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()
