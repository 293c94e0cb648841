//! How much one may ask: policies by headers and codes, on one node and on several with a real Redis that is taken away; prices;
//! timeouts of roles on both engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Answer, Engine, Launch, Postgres, Project, Redis, Request, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

const SECRET: &str = "[auth]\njwt_secret = \"a-secret-of-the-tests-of-limits-0815\"\n[database]\nseed = \"\"\n";

const SCHEMA: &str = "
create table notes (id integer primary key, topic text, stars integer);
create index notes_topic on notes (topic);
grant select, insert, update, delete on notes to anon, authenticated;
";

fn project(limits: &str) -> Project {
    Project::of(&format!("{SECRET}{limits}"), SCHEMA)
}

fn start(limits: &str) -> Server {
    Launch::new(BINARY).start(&project(limits))
}

fn metric(server: &Server, name: &str) -> f64 {
    let text = server.admin("/metrics").text();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

fn fields(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit-policy").unwrap_or_default(), answer.header("ratelimit").unwrap_or_default())
}

#[test]
fn an_address_that_asks_too_much_is_told_when_to_come_again() {
    let server = start(
        "[limits]\nexempt_networks = []\n[limits.rates]\naddress = \"per address 1/h burst 3\"\nuser = \"off\"\ncost = \"off\"",
    );
    for left in (0..3).rev() {
        let answer = server.get("/rest/v1/notes");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (policy, standing) = fields(&answer);
        assert_eq!(policy, "\"address\";q=3;w=10800");
        assert!(standing.starts_with(&format!("\"address\";r={left};t=")), "{standing}");
    }
    let refused = server.get("/rest/v1/notes");
    assert_eq!((refused.status, refused.code()), (429, "PANDO429".to_owned()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&wait), "{wait}");
    assert!(fields(&refused).1.starts_with("\"address\";r=0;t="), "{:?}", fields(&refused));
    let body = refused.json();
    for (member, expected) in [("details", "(limits.rates)"), ("hint", "Retry-After"), ("message", "Too many requests")]
    {
        assert!(body[member].as_str().unwrap().contains(expected), "{body}");
    }
    // A wrong token is not even looked at.
    let forged = server.client().send(&Request::new("GET", "/rest/v1/notes").bearer("x.y.z"));
    assert_eq!(forged.status, 429);
    assert_eq!(metric(&server, "pando_rate_limit_requests_total{policy=\"address\",outcome=\"refused\"}"), 2.0);
    assert_eq!(metric(&server, "pando_rate_limit_requests_total{policy=\"address\",outcome=\"allowed\"}"), 3.0);
}

#[test]
fn the_login_is_charged_like_the_api_and_refreshes_are_told_503() {
    let server = start(
        "[limits]\nexempt_networks = []\n[limits.rates]\naddress = \"per address 1/h burst 2\"\nuser = \"off\"\ncost = \"off\"",
    );
    let ask = |path: &str| server.client().send(&Request::json("POST", path, &json!({"refresh_token": "x"})));
    assert_eq!(server.get("/auth/v1/health").status, 200);
    let wrong = ask("/auth/v1/token?grant_type=refresh_token");
    assert_eq!((wrong.status, fields(&wrong).0), (400, "\"address\";q=2;w=7200"), "{}", wrong.text());
    assert_eq!(ask("/auth/v1/signup").status, 429);
    let refused = ask("/auth/v1/token?grant_type=refresh_token");
    assert_eq!(refused.status, 503, "auth-js signs its user out on 429: {}", refused.text());
    assert!(refused.header("retry-after").is_some());
}

/// The server's catalog says which columns are indexed.
#[test]
fn searches_are_charged_by_the_indexes_of_a_server() {
    let Some(postgres) = Postgres::start_for("searches_are_charged_by_the_indexes_of_a_server") else { return };
    let schema = format!(
        "{SCHEMA}
         create table pages (id integer primary key, words tsvector, part integer, tags jsonb);
         create index on pages using gin (words);
         create index on pages (part) where part > 5;
         grant select on pages to authenticated;"
    );
    let configuration = format!("{SECRET}[limits.rates]\ncost = \"per user 100/d burst 1000 in cost\"");
    let project = Project::of(&configuration, &schema);
    let (code, out, error) = project.run(BINARY, &["bootstrap", "--url", &postgres.url("postgres")]);
    assert_eq!(code, 0, "{out}{error}");
    let server = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &postgres.url("postgres")).start(&project);
    let token = project.token(BINARY, &["--role", "authenticated", "--sub", "ada"]);
    let mut last = 1000;
    for (path, cost) in [
        ("/notes?id=eq.7", 1),
        ("/notes?topic=eq.slab&limit=10", 1),
        ("/notes?stars=eq.3&limit=10", 21),
        ("/notes?or=(id.eq.1,stars.eq.3)&limit=10", 21),
        ("/notes?topic=like.s*&limit=10", 21),
        ("/pages?words=fts.slab&limit=10", 1),
        ("/pages?part=eq.7&limit=10", 21),
        ("/notes?limit=10", 1),
    ] {
        let answer = server.client().send(&Request::new("GET", &format!("/rest/v1{path}")).bearer(&token));
        assert_eq!(answer.status, 200, "{path} {}", answer.text());
        let fields = answer.header("ratelimit").unwrap();
        let item = fields.split(", ").find(|item| item.starts_with("\"cost\"")).unwrap();
        let left: u64 = item.split(';').find_map(|part| part.strip_prefix("r=")).unwrap().parse().unwrap();
        assert_eq!(last - left, cost, "{path}");
        last = left;
    }
}

#[test]
fn by_default_a_client_on_this_machine_notices_nothing() {
    let server = start("");
    let mut client = server.client();
    for _ in 0..2500 {
        let answer = client.get("/rest/v1/notes?id=eq.1");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(fields(&answer), ("", ""));
    }
}

#[test]
fn writes_are_charged_by_rows_and_searches_by_indexes() {
    let project = project("[limits]\nmax_query_cost = 250\n[limits.rates]\ncost = \"per user 1/m burst 1000 in cost\"");
    let server = Launch::new(BINARY).start(&project);
    let token = project.token(BINARY, &["--role", "authenticated", "--sub", "ada"]);
    let rows = |from: u32, count: u32| -> Value {
        (from..from + count).map(|id| json!({ "id": id, "topic": "slab", "stars": 3 })).collect()
    };
    let ask = |request: Request| server.client().send(&request.bearer(&token));
    let left = |answer: &Answer| -> u64 {
        let item = answer.header("ratelimit").unwrap().split(", ").find(|item| item.starts_with("\"cost\"")).unwrap();
        item.split(';').find_map(|part| part.strip_prefix("r=")).unwrap().parse().unwrap()
    };
    let bulk = ask(Request::json("POST", "/rest/v1/notes", &rows(1, 200)));
    assert_eq!(bulk.status, 201, "{}", bulk.text());
    assert_eq!(left(&bulk), 1000 - 201);
    let point = ask(Request::new("GET", "/rest/v1/notes?id=eq.7"));
    assert_eq!(left(&point), 799 - 1);
    let indexed = ask(Request::new("GET", "/rest/v1/notes?topic=eq.slab&limit=10"));
    assert_eq!(left(&indexed), 798 - 1);
    let searched = ask(Request::new("GET", "/rest/v1/notes?stars=eq.3&limit=10"));
    assert_eq!(left(&searched), 797 - 21);
    let either = ask(Request::new("GET", "/rest/v1/notes?or=(id.eq.1,stars.eq.3)&limit=10"));
    assert_eq!(left(&either), 776 - 21);
    let both = ask(Request::new("GET", "/rest/v1/notes?and=(id.eq.1,stars.eq.3)&limit=10"));
    assert_eq!(left(&both), 755 - 1);
    let too_expensive = ask(Request::json("POST", "/rest/v1/notes", &rows(1000, 300)));
    assert_eq!((too_expensive.status, too_expensive.code()), (413, "PANDO413".to_owned()));
    assert!(too_expensive.text().contains("limits.max_query_cost = 250"), "{}", too_expensive.text());
    for from in [2000, 3000, 4000] {
        assert_eq!(ask(Request::json("POST", "/rest/v1/notes", &rows(from, 200))).status, 201);
    }
    let refused = ask(Request::json("POST", "/rest/v1/notes", &rows(5000, 200)));
    assert_eq!((refused.status, refused.code()), (429, "PANDO429".to_owned()));
    assert_eq!(ask(Request::new("GET", "/rest/v1/notes?id=gte.5000")).json(), json!([]), "nothing was written");
    // Another user, and the role that runs the place.
    let other = project.token(BINARY, &["--role", "authenticated", "--sub", "bob"]);
    let answer = server.client().send(&Request::new("GET", "/rest/v1/notes?id=eq.7").bearer(&other));
    assert_eq!(left(&answer), 999);
    // What a change touches is not known before, unless it names one row by its key.
    let by_bob = |request: Request| left(&server.client().send(&request.bearer(&other)));
    assert_eq!(by_bob(Request::json("PATCH", "/rest/v1/notes?id=eq.7", &json!({ "stars": 4 }))), 999 - 2);
    assert_eq!(by_bob(Request::new("DELETE", "/rest/v1/notes?id=eq.7")), 997 - 1);
    assert_eq!(by_bob(Request::new("DELETE", "/rest/v1/notes?id=gte.100000")), 996 - 101);
    assert_eq!(by_bob(Request::json("PATCH", "/rest/v1/notes?stars=gte.9", &json!({ "stars": 9 }))), 895 - 122);
}

#[test]
fn nodes_count_together_and_by_themselves_when_redis_is_gone() {
    let test = "nodes_count_together_and_by_themselves_when_redis_is_gone";
    nodes_count_together_and_by_themselves(Engine::Redis, test);
}

#[test]
fn nodes_count_together_and_by_themselves_when_valkey_is_gone() {
    let test = "nodes_count_together_and_by_themselves_when_valkey_is_gone";
    nodes_count_together_and_by_themselves(Engine::Valkey, test);
}

fn nodes_count_together_and_by_themselves(engine: Engine, test: &str) {
    let Some(mut redis) = Redis::start_engine_for(engine, test) else { return };
    let limits = format!(
        "[cache]\nurl = \"{}\"\ntimeout_ms = 2000\nlocal_share = 0.5\n[limits]\nexempt_networks = []\n[limits.rates]\n\
         address = \"per address 1/h burst 10\"\nuser = \"off\"\ncost = \"off\"",
        redis.url()
    );
    let (one, two) = (start(&limits), start(&limits));
    for node in [&one, &two] {
        until(|| metric(node, "pando_cache_up{driver=\"redis\"}") == 1.0);
    }
    let allowed = |node: &Server, tries: usize| (0..tries).filter(|_| node.get("/rest/v1/notes").status == 200).count();
    assert_eq!(allowed(&one, 6) + allowed(&two, 6), 10);
    assert!(!redis.ask("KEYS *").contains("127.0.0.1"));

    redis.kill();
    for node in [&one, &two] {
        assert_eq!(allowed(node, 8), 5, "half of ten each");
        let event = node.wait_for("cache-changed");
        assert!(event["event"]["reason"].is_string() || event["event.reason"].is_string(), "{event}");
        assert_eq!(metric(node, "pando_cache_up{driver=\"redis\"}"), 0.0);
        assert!(metric(node, "pando_cache_answered_locally_total") >= 8.0);
    }

    redis.start_again();
    for node in [&one, &two] {
        until(|| metric(node, "pando_cache_up{driver=\"redis\"}") == 1.0);
    }
    assert_eq!(allowed(&one, 6) + allowed(&two, 6), 10, "a server that was started again knows nothing");
}

#[test]
fn without_its_redis_a_node_starts_all_the_same() {
    let limits = "[cache]\nurl = \"redis://127.0.0.1:1\"\n[limits]\nexempt_networks = []\n\
                  [limits.rates]\naddress = \"per address 1/h burst 8\"";
    let server = start(limits);
    let allowed = (0..8).filter(|_| server.get("/rest/v1/notes").status == 200).count();
    assert_eq!(allowed, 2);
}

#[test]
fn a_role_has_a_timeout_of_its_own_on_both_engines() {
    let limits = "[limits]\nstatement_timeout_seconds = 30\nrole_statement_timeout_seconds = { anon = 1 }\n[api]\naggregates = true\n";
    let heavy = "
        create table n (i integer primary key);
        create view pairs as select a.i as x, b.i as y from n a cross join n b cross join n c where (a.i * b.i + c.i) % 7 = 8;
        grant select on pairs, n to anon; grant insert on n to anon;";
    let embedded = Launch::new(BINARY).start(&Project::of(&format!("{SECRET}{limits}"), heavy));
    let rows: Value = (0..1500).map(|i| json!({ "i": i })).collect();
    let filled = embedded.client().send(&Request::json("POST", "/rest/v1/n", &rows));
    assert_eq!(filled.status, 201, "{}", filled.text());
    let began = Instant::now();
    let slow = embedded.get("/rest/v1/pairs?limit=1");
    assert!(slow.status >= 500 && began.elapsed() < Duration::from_secs(15), "{} {:?}", slow.text(), began.elapsed());

    let Some(postgres) = Postgres::start_for("a_role_has_a_timeout_of_its_own_on_both_engines") else { return };
    postgres.run(
        "create role anon; create role member; create role gate login noinherit in role anon, member;
         create function nap() returns text language sql stable as $$ select pg_sleep(3); select 'rested' $$;",
    );
    let file = SECRET.replace("[database]\n", &format!("[database]\nurl = \"{}\"\n", postgres.url("gate")));
    let project = Project::new(&format!("{file}{limits}"));
    let server = Launch::new(BINARY).start(&project);
    let slow = server.get("/rest/v1/rpc/nap");
    assert_eq!(slow.code(), "57014", "{}", slow.text());
    let token = project.token(BINARY, &["--role", "member"]);
    let patient = server.client().send(&Request::new("GET", "/rest/v1/rpc/nap").bearer(&token));
    assert_eq!(patient.status, 200, "{}", patient.text());
    // What the server says of the role stands in its place.
    postgres.run("alter role anon set statement_timeout = '20s'");
    let again = Launch::new(BINARY).start(&project);
    assert_eq!(again.get("/rest/v1/rpc/nap").status, 200);
}

/// Waits for something that happens by itself.
fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
