"""The benchmark's endpoints with FastAPI and asyncpg, as a good engineer would write them who needs only these.

Run by uvicorn with uvloop and httptools, one worker. BENCH_SOCKET is the folder of PostgreSQL's socket, BENCH_POOL how many connections.
"""

import contextlib
import os

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

COLUMNS = "id, name, route_id, sent, attempts, climbed_at, note"
POINT = f"SELECT {COLUMNS} FROM climbs WHERE id = $1"
LIST = f"SELECT {COLUMNS} FROM climbs WHERE id > $1 ORDER BY id LIMIT $2"
OUTER = """SELECT climbs.id, climbs.name, climbs.sent, route.id AS route_id, route.name AS route_name, route.grade
    FROM climbs JOIN route ON route.id = climbs.route_id WHERE climbs.id > $1 ORDER BY climbs.id LIMIT $2"""
INNER = "SELECT climb_id, id, body, stars FROM comments WHERE climb_id = ANY ($1)"
INSERT = "INSERT INTO climbs (name, route_id, sent, attempts, note) VALUES ($1, $2, $3, $4, $5)"


class NewClimb(BaseModel):
    name: str
    route_id: int
    sent: bool = False
    attempts: int = 1
    note: str | None = None


@contextlib.asynccontextmanager
async def lifespan(app):
    size = int(os.environ["BENCH_POOL"])
    async with asyncpg.create_pool(
        host=os.environ["BENCH_SOCKET"], user="plain", database="postgres", min_size=size, max_size=size
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


def answer(rows):
    return Response(orjson.dumps(rows), media_type="application/json")


@app.get("/climbs/{id}")
async def point(id: int, request: Request):
    return answer([dict(row) for row in await request.app.state.pool.fetch(POINT, id)])


@app.get("/climbs")
async def page(after: int, limit: int, request: Request):
    return answer([dict(row) for row in await request.app.state.pool.fetch(LIST, after, limit)])


@app.get("/climbs-with-all")
async def with_all(after: int, limit: int, request: Request):
    async with request.app.state.pool.acquire() as connection:
        climbs = await connection.fetch(OUTER, after, limit)
        said = await connection.fetch(INNER, [row["id"] for row in climbs])
    by_climb = {row["id"]: [] for row in climbs}
    for row in said:
        by_climb[row["climb_id"]].append({"id": row["id"], "body": row["body"], "stars": row["stars"]})
    return answer(
        [
            {
                "id": row["id"],
                "name": row["name"],
                "sent": row["sent"],
                "route": {"id": row["route_id"], "name": row["route_name"], "grade": row["grade"]},
                "comments": by_climb[row["id"]],
            }
            for row in climbs
        ]
    )


@app.post("/climbs", status_code=201)
async def insert(climb: NewClimb, request: Request):
    await request.app.state.pool.execute(INSERT, climb.name, climb.route_id, climb.sent, climb.attempts, climb.note)
    return Response(status_code=201)
