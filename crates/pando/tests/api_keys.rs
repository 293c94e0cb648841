//! API keys, on both engines: who asks with them, what they are bound to, and when they count no more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Answer, Launch, Postgres, Project, Redis, Request, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const SECRET: &str = "a secret of more than thirty-two bytes for tokens";
const USER: &str = "11111111-1111-4111-8111-111111111111";

const SCHEMA: &str = "
create table wall (id bigint primary key, name text not null);
create table climb (id bigint primary key, wall_id bigint not null references wall (id), owner uuid default auth.uid());
create table diary (id bigint primary key, text text not null);
create function shout(word text) returns text language sql immutable as $$ select upper(word) $$;
insert into wall values (1, 'north');
insert into climb values (1, 1, null), (2, 1, '11111111-1111-4111-8111-111111111111');
insert into diary values (1, 'dear diary');
grant select on wall, climb to anon, authenticated;
grant insert on wall to authenticated;
grant all on wall, climb, diary to service_role;
alter table climb enable row level security;
create policy own on climb for select to anon, authenticated
    using ((owner is null or owner = auth.uid()) and exists (select 1 from wall where wall.id = wall_id));
";

/// A project with its database, served or not.
struct House {
    project: Project,
    postgres: Option<Postgres>,
}

impl House {
    fn launch(&self) -> Launch {
        let launch = Launch::new(BINARY);
        match &self.postgres {
            Some(postgres) => launch.variable("PANDO_DATABASE_URL", &postgres.url("gate")),
            None => launch,
        }
    }

    /// A command beside the server, or, on the embedded engine, before it.
    fn run(&self, arguments: &[&str]) -> String {
        let url = self.postgres.as_ref().map(|postgres| format!("database.url={}", postgres.url("gate")));
        let mut arguments = arguments.to_vec();
        if let Some(url) = &url {
            arguments.extend(["--set", url]);
        }
        let (code, out, error) = self.project.run(BINARY, &arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{error}");
        out
    }

    fn create(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = ["keys", "api", "create", "--json"].iter().chain(arguments).copied().collect();
        serde_json::from_str(&self.run(&all)).unwrap()
    }
}

fn house(postgres: Option<Postgres>) -> House {
    let configuration = format!("[auth]\njwt_secret = \"{SECRET}\"\n");
    let project = Project::of(&configuration, SCHEMA);
    if let Some(postgres) = &postgres {
        postgres.run(
            "create role anon; create role authenticated; create role service_role bypassrls;
             create role gate login noinherit; grant anon, authenticated, service_role to gate;
             do $$ begin execute format('grant create on database %I to gate', current_database()); end $$;
             create schema auth authorization gate; grant usage on schema auth to public;
             create function auth.uid() returns uuid language sql stable as $$
                 select nullif(current_setting('request.jwt.claims', true)::json ->> 'sub', '')::uuid $$;
             grant usage on schema public to anon, authenticated, service_role;",
        );
        postgres.run(SCHEMA);
        std::fs::remove_dir_all(project.path().join("migrations")).unwrap();
        std::fs::create_dir(project.path().join("migrations")).unwrap();
    }
    House { project, postgres }
}

fn key(made: &Value) -> &str {
    made["key"].as_str().unwrap()
}

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(Request::new("GET", path), |request, (name, value)| request.header(name, value));
    server.client().send(&request)
}

fn ids(answer: &Answer) -> Vec<i64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

fn who_asks(house: &House) {
    let web = house.create(&["web"]);
    let backend = house.create(&["backend", "--secret"]);
    let user = house.project.token(BINARY, &["--role", "authenticated", "--sub", USER]);
    let anon = house.project.token(BINARY, &["--role", "anon", "--expires", "never"]);
    assert!(key(&web).starts_with("pando_publishable_") && key(&backend).starts_with("pando_secret_"));
    let server = house.launch().start(&house.project);
    let bearer = |token: &str| format!("Bearer {token}");
    let (web, backend) = (key(&web), key(&backend));
    let (anon_bearer, user_bearer, web_bearer, backend_bearer) =
        (bearer(&anon), bearer(&user), bearer(web), bearer(backend));
    // What supabase-js sends, signed out and in; each alone; and the keys of older projects.
    for (headers, expected) in [
        (vec![], vec![1]),
        (vec![("apikey", web)], vec![1]),
        (vec![("apikey", web), ("authorization", &web_bearer)], vec![1]),
        (vec![("authorization", &web_bearer)], vec![1]),
        (vec![("apikey", web), ("authorization", &user_bearer)], vec![1, 2]),
        (vec![("apikey", backend)], vec![1, 2]),
        (vec![("apikey", backend), ("authorization", &backend_bearer)], vec![1, 2]),
        (vec![("apikey", anon.as_str()), ("authorization", &anon_bearer)], vec![1]),
        (vec![("apikey", anon.as_str()), ("authorization", &user_bearer)], vec![1, 2]),
        (vec![("apikey", anon.as_str())], vec![1]),
        (vec![("apikey", "anything"), ("authorization", &user_bearer)], vec![1, 2]),
    ] {
        assert_eq!(ids(&get(&server, "/climb?select=id&order=id", &headers)), expected, "{headers:?}");
    }
    // Only the service role may read it, and a signed-in user through its key is still the user.
    assert_eq!(get(&server, "/diary", &[("apikey", backend)]).status, 200);
    assert_eq!(get(&server, "/diary", &[("apikey", backend), ("authorization", &user_bearer)]).status, 403);
    assert_eq!(get(&server, "/diary", &[("apikey", web)]).status, 401);
    let mistyped = web.replace("pando_publishable_", "pando_secret_");
    for headers in [
        vec![("apikey", mistyped.as_str())],
        vec![("apikey", "pando_secret_x")],
        vec![("apikey", web), ("authorization", &backend_bearer)],
        vec![("apikey", mistyped.as_str()), ("authorization", &user_bearer)],
    ] {
        let refused = get(&server, "/climb", &headers);
        assert_eq!((refused.status, refused.code()), (401, "PANDO401".to_owned()), "{headers:?}");
    }
    let log = server.stop().1;
    for told in [web, backend, "pando_secret_x", &mistyped] {
        assert!(!log.contains(told), "a key is in the log");
    }
}

fn bounds(house: &House) {
    let climbs = house.create(&["climbs", "--secret", "--allow", "public.climb", "--method", "get"]);
    let both = house.create(&["both", "--secret", "--allow", "public.climb", "--allow", "public.wall"]);
    let elsewhere = house.create(&["elsewhere", "--secret", "--from", "203.0.113.0/24"]);
    let here = house.create(&["here", "--secret", "--from", "127.0.0.0/8"]);
    let readers = house.create(&["readers", "--secret", "--role", "anon", "--allow", "public.climb"]);
    let server = house.launch().start(&house.project);
    let status = |made: &Value, method: &str, path: &str| {
        let request = Request::new(method, path).header("apikey", key(made));
        let answer = server.client().send(&request);
        (answer.status, if answer.status < 300 || method == "HEAD" { String::new() } else { answer.code() })
    };
    let forbidden = (403, "PANDO403".to_owned());
    let fine = (200, String::new());
    for (made, method, path, expected) in [
        (&climbs, "GET", "/climb", &fine),
        (&climbs, "HEAD", "/climb", &fine),
        (&climbs, "OPTIONS", "/climb", &fine),
        (&climbs, "OPTIONS", "/wall", &forbidden),
        (&climbs, "GET", "/wall", &forbidden),
        (&climbs, "GET", "/climb?select=id,wall(name)", &forbidden),
        (&climbs, "GET", "/climb?select=id,wall!inner()", &forbidden),
        (&climbs, "GET", "/rpc/shout?word=x", &forbidden),
        (&climbs, "GET", "/", &forbidden),
        (&climbs, "DELETE", "/climb?id=eq.7", &forbidden),
        (&both, "GET", "/climb?select=id,wall(name)", &fine),
        (&both, "GET", "/wall?select=id,climb(id)", &fine),
        (&both, "GET", "/diary", &forbidden),
        (&elsewhere, "GET", "/wall", &forbidden),
        (&here, "GET", "/wall", &fine),
        // The policy reads a table that the key is not bound to: that is the policy's business.
        (&readers, "GET", "/climb", &fine),
    ] {
        assert_eq!(status(made, method, path), *expected, "{} {method} {path}", made["name"]);
    }
    // The login looks at keys as well, before it looks at anything else.
    for (made, method, path, expected) in [
        (&climbs, "GET", "/auth/v1/settings", 200),
        (&climbs, "POST", "/auth/v1/token?grant_type=password", 403),
        (&climbs, "PUT", "/auth/v1/user", 403),
        (&elsewhere, "GET", "/auth/v1/settings", 403),
        (&here, "POST", "/auth/v1/token?grant_type=password", 400),
    ] {
        assert_eq!(status(made, method, path).0, expected, "{} {method} {path}", made["name"]);
    }
    let nobody = house.project.token(BINARY, &["--role", "none"]);
    let refused = server.client().send(&Request::new("GET", "/wall").bearer(&nobody));
    assert_eq!((refused.status, refused.code()), (401, "22023".to_owned()), "{}", refused.text());
}

fn life(house: &House) {
    let short = house.create(&["short", "--expires", "1s"]);
    let web = house.create(&["web"]);
    let serve = || house.launch().set("auth.require_api_key", "true").start(&house.project);
    let status = |server: &Server, key: &str| get(server, "/wall", &[("apikey", key)]).status;
    let server = serve();
    let without = server.get("/wall");
    assert_eq!((without.status, without.code()), (401, "PANDO401".to_owned()));
    let anon = house.project.token(BINARY, &["--role", "anon"]);
    assert_eq!(get(&server, "/wall", &[("apikey", &anon)]).status, 200, "an older key");
    let user = format!("Bearer {}", house.project.token(BINARY, &["--role", "authenticated"]));
    assert_eq!(get(&server, "/wall", &[("authorization", &user)]).status, 401, "a user without a program");
    assert_eq!(get(&server, "/wall", &[("apikey", "a.b.c"), ("authorization", &user)]).status, 401);
    assert_eq!(status(&server, key(&web)), 200);
    // Whoever signs in needs one too; links of mails and other providers lead here without.
    for (method, path) in [
        ("POST", "/auth/v1/signup"),
        ("POST", "/auth/v1/token?grant_type=password"),
        ("POST", "/auth/v1/token?grant_type=refresh_token"),
        ("POST", "/auth/v1/otp"),
        ("POST", "/auth/v1/recover"),
        ("POST", "/auth/v1/verify"),
        ("GET", "/auth/v1/user"),
        ("PUT", "/auth/v1/user"),
    ] {
        let ask = |request: Request| server.client().send(&request.header("authorization", &user));
        let answer = ask(Request::json(method, path, &json!({})));
        assert_eq!((answer.status, answer.code()), (401, "PANDO401".to_owned()), "{method} {path}");
        let answer = ask(Request::json(method, path, &json!({})).header("apikey", key(&web)));
        assert_ne!(answer.status, 401, "{method} {path} {}", answer.text());
    }
    for path in
        ["verify?token=x&type=signup", "authorize?provider=x", "callback?code=x", ".well-known/jwks.json", "health"]
    {
        assert_ne!(server.get(&format!("/auth/v1/{path}")).status, 401, "{path}");
    }
    until("it expires", || status(&server, key(&short)) == 401);

    // The embedded engine's file is the server's; a server of PostgreSQL's is told by the table.
    let is_shared = house.postgres.is_some();
    let mut server = Some(server);
    let change = |arguments: &[&str], server: &mut Option<Server>| {
        if !is_shared {
            server.take().unwrap().stop();
        }
        let out = house.run(arguments);
        if !is_shared {
            *server = Some(serve());
        }
        out
    };
    let next = change(&["keys", "api", "rotate", "web", "--overlap", "1h", "--json"], &mut server);
    let next: Value = serde_json::from_str(&next).unwrap();
    assert_eq!((&next["kind"], &next["rotated_from"]), (&web["kind"], &web["id"]));
    until("the successor counts", || status(server.as_ref().unwrap(), key(&next)) == 200);
    assert_eq!(status(server.as_ref().unwrap(), key(&web)), 200, "both count for a while");
    let changed = Instant::now();
    change(&["keys", "api", "revoke", web["id"].as_str().unwrap()], &mut server);
    until("the former counts no more", || status(server.as_ref().unwrap(), key(&web)) == 401);
    if is_shared {
        assert!(changed.elapsed() < Duration::from_secs(5), "{:?}", changed.elapsed());
    }
    assert_eq!(status(server.as_ref().unwrap(), key(&next)), 200);
    let listed = change(&["keys", "api", "list", "--json"], &mut server);
    for made in [&short, &web, &next] {
        assert!(!listed.contains(key(made)), "a key is shown once");
        assert!(listed.contains(made["prefix"].as_str().unwrap()));
    }
    let (code, _, error) = house.project.run(BINARY, &["keys", "api", "create", " "]);
    assert!(code != 0 && !error.contains("panicked"), "{error}");
    let scope = json!({"relations": [], "methods": [], "networks": []});
    assert_eq!(next["scope"], scope);
}

fn over_http(house: &House) {
    let bound = house.create(&["bound", "--secret", "--allow", "public.climb"]);
    let here = house.create(&["here", "--secret", "--from", "127.0.0.0/8"]);
    let short = house.create(&["short", "--secret", "--expires", "1d"]);
    let counted = house.create(&["counted", "--secret", "--quota", "100/day"]);
    let web = house.create(&["web"]);
    let server = house.launch().start(&house.project);
    let admin = house.project.token(BINARY, &["--role", "service_role"]);
    let ask = |method: &str, path: &str, bearer: &str, body: Value| {
        let path = format!("/auth/v1/admin/api-keys{path}");
        let request = if body.is_null() { Request::new(method, &path) } else { Request::json(method, &path, &body) };
        server.client().send(&request.bearer(bearer))
    };
    let made = ask("POST", "", &admin, json!({"name": "backend", "kind": "secret"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(get(&server, "/diary", &[("apikey", key(&made))]).status, 200, "at once");
    assert_eq!(ask("GET", "", key(&made), Value::Null).json().as_array().unwrap().len(), 6);
    let id = made["id"].as_str().unwrap();
    let next = ask("POST", &format!("/{id}/rotate"), key(&made), json!({"overlap_seconds": 0})).json();
    assert_eq!(get(&server, "/diary", &[("apikey", key(&made))]).status, 401);
    assert_eq!(get(&server, "/diary", &[("apikey", key(&next))]).status, 200);
    // Neither a bound key nor a publishable one may make keys, nor whoever is signed in.
    let user = house.project.token(BINARY, &["--role", "authenticated", "--sub", USER]);
    for bearer in [key(&bound), key(&here), key(&short), key(&counted), key(&web), user.as_str()] {
        for (method, body) in [("GET", Value::Null), ("POST", json!({"name": "mine", "kind": "secret"}))] {
            assert_eq!(ask(method, "", bearer, body).status, 403);
        }
    }
    let itself = format!("/{}", counted["id"].as_str().unwrap());
    assert_eq!(ask("PATCH", &itself, key(&counted), json!({"quota": null})).status, 403);
    for role in ["none", "supabase_admin"] {
        let refused = ask("POST", "", &admin, json!({"name": "web", "role": role}));
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
    let id = next["id"].as_str().unwrap();
    assert_eq!(ask("DELETE", &format!("/{id}"), &admin, Value::Null).status, 200);
    assert_eq!(get(&server, "/diary", &[("apikey", key(&next))]).status, 401);
}

/// How many of so many requests are answered.
fn answered(server: &Server, path: &str, key: &str, requests: usize) -> usize {
    (0..requests).filter(|_| get(server, path, &[("apikey", key)]).status == 200).count()
}

fn quotas(house: &House) {
    let few = house.create(&["few", "--secret", "--quota", "5/month"]);
    let priced = house.create(&["priced", "--quota", "25/month in cost"]);
    let free = house.create(&["free"]);
    assert_eq!(
        (&few["quota"], &free["quota"]),
        (&json!({"amount": 5, "per": "month", "in": "requests"}), &Value::Null)
    );
    let serve = || house.launch().start(&house.project);
    let server = serve();
    let first = get(&server, "/wall?limit=1", &[("apikey", key(&few))]);
    assert_eq!(first.status, 200, "a secret key's role is exempt from policies, and not from its quota");
    let policy = first.header("ratelimit-policy").unwrap();
    assert!(policy.contains("\"api-key.quota\";q=5;w=2"), "{policy}");
    assert!(first.header("ratelimit").unwrap().contains("\"api-key.quota\";r=4;t="));
    // What fails counts as well.
    assert_eq!(get(&server, "/nothing", &[("apikey", key(&few))]).status, 404);
    assert_eq!(answered(&server, "/wall", key(&few), 2), 2);

    // A server that was stopped in the middle of a month goes on where it was.
    server.stop();
    let server = serve();
    assert_eq!(answered(&server, "/wall", key(&few), 3), 1);
    let refused = get(&server, "/wall", &[("apikey", key(&few))]);
    assert_eq!((refused.status, refused.code()), (429, "PANDO429".to_owned()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    assert!(refused.text().contains("5 requests per month"), "{}", refused.text());
    assert_eq!(answered(&server, "/wall", key(&free), 9), 9);

    // Of the price: a read of all rows, of which api.max_rows are given at most, costs 11 points.
    assert_eq!(answered(&server, "/wall", key(&priced), 5), 2);
    assert_eq!(answered(&server, "/wall?id=eq.1", key(&priced), 1), 1, "what costs 1 still fits");

    // Over HTTP: read and changed while it counts.
    let admin = house.project.token(BINARY, &["--role", "service_role"]);
    let ask = |method: &str, path: &str, body: Value| {
        let path = format!("/auth/v1/admin/api-keys{path}");
        let request = if body.is_null() { Request::new(method, &path) } else { Request::json(method, &path, &body) };
        server.client().send(&request.bearer(&admin))
    };
    let listed = ask("GET", "", Value::Null).json();
    let of = |name: &str| listed.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap().clone();
    assert_eq!((&of("few")["usage"]["used"], &of("priced")["usage"]["used"]), (&json!(5), &json!(23)));
    assert_eq!(of("free")["usage"], Value::Null);
    let id = few["id"].as_str().unwrap();
    let changed = ask("PATCH", &format!("/{id}"), json!({"quota": {"amount": 7, "per": "month"}}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(answered(&server, "/wall", key(&few), 5), 2, "what was used stays used");
    // A successor shares it.
    let next = ask("POST", &format!("/{id}/rotate"), json!({})).json();
    assert_eq!(answered(&server, "/wall", key(&next), 1), 0);
    assert_eq!(ask("PATCH", &format!("/{id}"), json!({"quota": null})).status, 200);
    assert_eq!(answered(&server, "/wall", key(&few), 9), 9);
    for wrong in [json!({}), json!({"quota": 5}), json!({"quota": {"amount": 0, "per": "day"}}), json!({"name": "x"})] {
        assert_eq!(ask("PATCH", &format!("/{id}"), wrong.clone()).status, 400, "{wrong}");
    }
    server.stop();
    let shown = house.run(&["keys", "api", "list"]);
    assert!(shown.contains("23 of 25/month in cost") && shown.contains("7 of 7/month"), "{shown}");
    house.run(&["keys", "api", "change", "priced", "--quota", "none"]);
    let (code, _, error) = house.project.run(BINARY, &["keys", "api", "create", "x", "--quota", "5/year"]);
    assert!(code != 0 && error.contains("1000/day"), "{error}");
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: it never came true");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn quotas_on_the_embedded_engine() {
    quotas(&house(None));
}

#[test]
fn quotas_on_postgresql() {
    let Some(postgres) = Postgres::start_for("quotas_on_postgresql") else { return };
    quotas(&house(Some(postgres)));
}

#[test]
fn a_quota_is_of_all_nodes_and_goes_on_without_their_redis() {
    let test = "a_quota_is_of_all_nodes_and_goes_on_without_their_redis";
    let (Some(postgres), Some(redis)) = (Postgres::start_for(test), Redis::start_for(test)) else { return };
    let house = house(Some(postgres));
    let few = house.create(&["few", "--quota", "40/month"]);
    let cache = format!("[cache]\nurl = \"{}\"\ntimeout_ms = 1000\n", redis.url());
    std::fs::write(house.project.path().join("pando.toml"), format!("[auth]\njwt_secret = \"{SECRET}\"\n{cache}"))
        .unwrap();
    let (one, two) = (house.launch().start(&house.project), house.launch().start(&house.project));
    let is_up = |server: &Server| server.admin("/metrics").text().contains("pando_cache_up{driver=\"redis\"} 1");
    until("both have found Redis", || is_up(&one) && is_up(&two));
    assert_eq!(answered(&one, "/wall", key(&few), 12) + answered(&two, "/wall", key(&few), 12), 24);
    // Alone, a node allows a quarter of the 16 that are left as far as it knows: one has seen 12 of them used.
    drop(redis);
    let alone = answered(&two, "/wall", key(&few), 40);
    assert_eq!(alone, 4);
    assert!(answered(&one, "/wall", key(&few), 40) <= 7);
}

#[test]
fn who_asks_on_the_embedded_engine() {
    who_asks(&house(None));
}

#[test]
fn bounds_on_the_embedded_engine() {
    bounds(&house(None));
}

#[test]
fn life_on_the_embedded_engine() {
    life(&house(None));
}

#[test]
fn over_http_on_the_embedded_engine() {
    over_http(&house(None));
}

#[test]
fn over_http_on_postgresql() {
    let Some(postgres) = Postgres::start_for("over_http_on_postgresql") else { return };
    over_http(&house(Some(postgres)));
}

#[test]
fn who_asks_on_postgresql() {
    let Some(postgres) = Postgres::start_for("who_asks_on_postgresql") else { return };
    who_asks(&house(Some(postgres)));
}

#[test]
fn bounds_on_postgresql() {
    let Some(postgres) = Postgres::start_for("bounds_on_postgresql") else { return };
    bounds(&house(Some(postgres)));
}

#[test]
fn life_on_postgresql() {
    let Some(postgres) = Postgres::start_for("life_on_postgresql") else { return };
    life(&house(Some(postgres)));
}
