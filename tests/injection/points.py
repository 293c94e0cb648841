"""Every kind of place where a request's text could reach SQL. `*` marks the place that sqlmap fills in; where a query
parameter's value is the place, `parameter` names it instead, so that sqlmap encodes it as a browser would."""

from dataclasses import dataclass, field

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Point:
    """A request and the place in it."""

    name: str
    path: str
    parameter: str | None = None
    method: str = "GET"
    headers: dict = field(default_factory=dict)
    body: str | None = None
    # Whose token goes along: None for nobody's, "user" or "service".
    caller: str | None = None
    # The statuses with which the unchanged request is answered: the place is alive.
    alive: tuple = (200,)
    # Hashes a password for each request: fewer of them in a short run.
    slow: bool = False


def read(name, query, parameter=None, **more):
    return Point(name, f"/rest/v1/route?{query}", parameter, **more)


def header(name, value, path="/rest/v1/setter", also=(), **more):
    return Point(f"header {name}", path, headers={**dict(also), name: value}, **more)


def login(name, path, body, alive, slow=False, caller=None, method="POST"):
    return Point(f"auth {name}", f"/auth/v1/{path}", method=method, headers=JSON, body=body, caller=caller, alive=alive, slow=slow)


CLIMB = '{"name":"%s","route_id":%s,"details":%s}'

POINTS = [
    # Values of filters, of every family of types and operators.
    read("filter integer", "id=eq.1", "id"),
    read("filter text", "name=eq.Layback", "name"),
    read("filter enum", "grade=eq.6a", "grade"),
    read("filter numeric", "metres=gte.9.5", "metres"),
    read("filter date", "set_on=lt.2030-01-01", "set_on"),
    read("filter boolean", "retired=is.false", "retired"),
    read("filter in", "id=in.(1,2*)"),
    read("filter ilike", "name=ilike.l%25", "name"),
    read("filter match", "name=match.La", "name"),
    read("filter any", "name=like(any).{La,Wa*}"),
    read("filter negated", "name=not.eq.Nothing", "name"),
    Point("filter uuid", "/rest/v1/climbs?climber=eq.11111111-1111-4111-8111-111111111111", "climber"),
    Point("filter moment", "/rest/v1/climbs?climbed_at=gt.2020-01-01T00:00:00Z", "climbed_at"),
    Point("filter json", "/rest/v1/climbs?details->>shoe=eq.red", "details->>shoe", alive=(200,)),
    # Names and words of the dialect.
    read("filter operator", "id=eq*.1"),
    read("filter column", "name*=eq.Layback"),
    Point("filter json path", "/rest/v1/climbs?details->>shoe*=eq.red"),
    read("logic tree", "or=(id.eq.1,name.eq.Layback*)"),
    read("logic word", "and*=(id.eq.1)", alive=(200,)),
    read("embedded filter", "select=id,setter(name)&setter.name=eq.Mina", "setter.name"),
    read("select column", "select=id,name*"),
    read("select alias", "select=title*:name"),
    read("select cast", "select=id::text*"),
    read("select aggregate", "select=grade,id.count()*"),
    read("select embed", "select=id,setter*(name)"),
    read("select embed hint", "select=id,setter!route_setter_id_fkey*(name)"),
    read("select embedded column", "select=id,setter(name*)"),
    read("order column", "order=id*"),
    read("order direction", "order=id.desc*"),
    read("embedded order", "select=id,setter(name)&setter.order=name", "setter.order"),
    read("limit", "limit=3", "limit"),
    read("offset", "limit=3&offset=1", "offset"),
    # Paths.
    Point("path relation", "/rest/v1/route*"),
    Point("path function", "/rest/v1/rpc/routes_of*?setter_name=Mina"),
    # Functions.
    Point("call argument", "/rest/v1/rpc/routes_of?setter_name=Mina", "setter_name"),
    Point("call argument name", "/rest/v1/rpc/routes_of?setter_name*=Mina"),
    Point("call body", "/rest/v1/rpc/routes_of", method="POST", headers=JSON, body='{"setter_name":"Mina*"}'),
    Point("call filter", "/rest/v1/rpc/routes_of?setter_name=Mina&name=neq.x", "name"),
    # Bodies. Nothing is kept of these writes: Prefer asks for a rollback.
    *(
        Point(f"body {name}", path, method=method, caller="user", headers={**JSON, "Prefer": "tx=rollback"}, body=body, alive=alive)
        for name, path, method, body, alive in [
            ("text", "/rest/v1/climbs", "POST", CLIMB % ("a*", 1, "{}"), (201,)),
            ("number", "/rest/v1/climbs", "POST", CLIMB % ("a", '"1*"', "{}"), (201,)),
            ("json", "/rest/v1/climbs", "POST", CLIMB % ("a", 1, '{"shoe":"red*"}'), (201,)),
            ("column", "/rest/v1/climbs?columns=name,route_id", "POST", '{"name":"a","route_id":1,"attempts*":2}', (201,)),
            ("columns", "/rest/v1/climbs?columns=name,route_id*", "POST", '{"name":"a","route_id":1}', (201,)),
            ("update", "/rest/v1/climbs?id=eq.1", "PATCH", '{"name":"a*"}', (204,)),
            ("update filter", "/rest/v1/climbs?id=eq.1*", "PATCH", '{"name":"a"}', (204,)),
            ("delete filter", "/rest/v1/climbs?id=eq.1*", "DELETE", None, (204,)),
        ]
    ),
    Point("body csv", "/rest/v1/climbs", method="POST", caller="user", body="name,route_id\na*,1\n",
          headers={"Content-Type": "text/csv", "Prefer": "tx=rollback"}, alive=(201,)),
    Point("body form", "/rest/v1/climbs", method="POST", caller="user", body="name=a*&route_id=1",
          headers={"Content-Type": "application/x-www-form-urlencoded", "Prefer": "tx=rollback"}, alive=(201,)),
    Point("on_conflict", "/rest/v1/setter?on_conflict=name*", method="POST", caller="service",
          headers={**JSON, "Prefer": "resolution=merge-duplicates, tx=rollback"},
          body='{"name":"Mina","since":"2020-01-01"}', alive=(200, 201)),
    # Headers.
    header("Range", "0-2*", alive=(200, 206)),
    header("Prefer", "count=exact*", alive=(200, 206)),
    Point("header Prefer timezone", "/rest/v1/climbs", headers={"Prefer": "timezone=Europe/Berlin*"}),
    header("Accept", "application/json*"),
    header("Accept-Profile", "public*"),
    header("Content-Profile", "public*", path="/rest/v1/rpc/routes_of", method="POST", body='{"setter_name":"Mina"}', also=JSON.items()),
    header("Authorization", "Bearer {user}*"),
    header("apikey", "{user}*"),
    header("Cookie", "session=abc*"),
    header("User-Agent", "curl/8*"),
    header("Referer", "https://gym.example.com/a*"),
    header("X-Forwarded-For", "203.0.113.7*"),
    header("X-Request-Id", "abc*"),
    header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01*"),
    # The login.
    login("token e-mail", "token?grant_type=password", '{"email":"nobody@example.com*","password":"not-the-one-at-all"}', (400,), slow=True),
    login("token password", "token?grant_type=password", '{"email":"nobody@example.com","password":"not-the-one*"}', (400,), slow=True),
    login("token kind", "token?grant_type=password*", '{"email":"nobody@example.com","password":"not-the-one-at-all"}', (400,), slow=True),
    login("refresh token", "token?grant_type=refresh_token", '{"refresh_token":"abcdefgh*"}', (400,)),
    login("recover", "recover", '{"email":"nobody@example.com*"}', (200,)),
    # Of the code: a few guesses of one address are answered, and the others refused. Of the address: all.
    login("verify code", "verify", '{"type":"recovery","email":"nobody@example.com","token":"123456*"}', (403,)),
    login("verify address", "verify", '{"type":"recovery","email":"nobody@example.com*","token":"123456"}', (403,)),
    login("verify hash", "verify", '{"type":"recovery","token_hash":"abcdef*"}', (403,)),
    login("exchange", "token?grant_type=pkce", '{"auth_code":"11111111-1111-4111-8111-111111111111*","code_verifier":"abc"}', (400, 403, 404)),
    Point("auth verify link", "/auth/v1/verify?token=abcdef&type=recovery", "token", alive=(303, 302, 403)),
    Point("auth user of admin", "/auth/v1/admin/users/11111111-1111-4111-8111-111111111112*", caller="service", alive=(404,)),
    Point("auth users of admin", "/auth/v1/admin/users?page=1&per_page=10", "per_page", caller="service"),
]
