//! Kept answers that nodes share on a server: what one has read another one shows, as long as it is what the database would give, whatever
//! becomes of that server. `coherence.rs` has readers, writers and troubles of all kinds at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::fleet::{eventually, metric};
use testkit::{API_ALONE, Answer, Client, Launch, Postgres, Project, Redis, Request, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");
const PATIENCE: Duration = Duration::from_secs(30);

const CONFIGURATION: &str = "
[cache]
timeout_ms = 250
[responses]
driver = \"remote\"
tables = { RULES }
check_one_in = 2
";

fn configuration(rules: &str, url: &str) -> String {
    let specific = CONFIGURATION.replace("RULES", rules).replace("[responses]", &format!("[responses]\nurl = {url:?}"));
    format!("{API_ALONE}{specific}")
}

const STRICT: &str = "\"public.people\" = \"strict\", \"public.words\" = \"strict\", \"public.waited\" = \"strict\", \
                      \"public.secrets\" = \"strict, private\", \"public.news\" = \"ttl 3600\"";

/// `waited` waits for a lock where it comes upon somebody who is called so.
const SCHEMA: &str = "
create table people (id bigint primary key, name text not null);
create table words (word text primary key, n integer not null default 0);
create table secrets (id bigint primary key, text text not null);
create table news (id bigint primary key, text text not null);
create function wait_if(name text) returns text language plpgsql immutable as $$
begin
  if name = 'waits' then perform pg_advisory_lock_shared(42); perform pg_advisory_unlock_shared(42); end if;
  return name;
end $$;
create view waited as select id, wait_if(name) as name from people;
grant select, insert, update, delete on people, words, secrets, news, waited to anon;
";

const ROLES: &str = "create role anon nologin; grant usage on schema public to anon;";

/// Nodes on one database and one server of answers.
struct Stage {
    nodes: Vec<Server>,
    project: Project,
    database: Postgres,
    redis: Redis,
}

impl Stage {
    /// `None` where there is no PostgreSQL or Redis to be had.
    fn start(test: &str, nodes: usize, rules: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let (database, redis) = (Postgres::start_for(test)?, Redis::start_for(test)?);
        database.run(ROLES);
        let configuration = configuration(rules, &redis.url());
        let project =
            Project::of(&format!("[database]\nurl = {:?}\n{configuration}", database.url("postgres")), SCHEMA);
        let launch = settings.iter().fold(Launch::new(BINARY), |launch, (name, value)| launch.set(name, value));
        let nodes: Vec<Server> = (0..nodes).map(|_| launch.start(&project)).collect();
        for node in &nodes {
            node.wait_for_where("shared-answers-changed", |line| line.to_string().contains("answers"));
        }
        Some(Self { nodes, project, database, redis })
    }

    /// How often a node has shown what another one had read.
    fn borrowed(&self, node: usize) -> f64 {
        metric(&self.nodes[node], "pando_response_cache_requests_total{outcome=\"remote_hit\"}")
    }

    /// How often a node has asked the database for something of a relation.
    fn reads(&self, node: usize, relation: &str) -> f64 {
        let lines = self.nodes[node].admin("/metrics").text();
        let is_read = |line: &&str| {
            line.starts_with("db_client_operation_duration_seconds_count{")
                && line.contains(&format!("\"{relation}\""))
                && line.contains("SELECT")
        };
        lines.lines().filter(is_read).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// The names of the answers that are shared.
    fn shared(&self) -> Vec<String> {
        let names = self.redis.ask("KEYS *:answer:*");
        names.lines().filter(|line| line.starts_with("pando:answer:")).map(str::to_owned).collect()
    }

    fn wait_until_shared(&self, count: usize) {
        eventually("answers are shared", PATIENCE, || self.shared().len() >= count);
    }

    /// Whether a text stands in an answer there.
    fn has(&self, name: &str, text: &str) -> bool {
        let script = "return string.find(redis.call('GET', KEYS[1]), ARGV[1], 1, true) and 1 or 0";
        self.redis.ask(&format!("EVAL \"{script}\" 1 {name} \"{text}\"")).contains(":1")
    }

    /// A hash of an answer there.
    fn hash(&self, name: &str) -> String {
        self.redis.ask(&format!("EVAL \"return redis.sha1hex(redis.call('GET', KEYS[1]))\" 1 {name}"))
    }

    /// How often the server of answers has run one of the scripts of nodes.
    fn scripts(&self) -> u64 {
        let stats = self.redis.ask("INFO commandstats");
        let calls = |line: &str| line.split("calls=").nth(1)?.split(',').next()?.parse::<u64>().ok();
        stats.lines().filter(|line| line.starts_with("cmdstat_evalsha:")).filter_map(calls).sum()
    }
}

fn way(answer: &Answer) -> String {
    let status = answer.header("cache-status").unwrap_or("none");
    status.split(';').nth(1).unwrap_or(status).trim().to_owned()
}

fn get(client: &mut Client, path: &str) -> Answer {
    let answer = client.send(&Request::new("GET", path));
    assert!(answer.status < 500, "{path}: {}", answer.text());
    answer
}

fn change(client: &mut Client, method: &str, path: &str, body: &Value) {
    let answer = client.send(&Request::json(method, path, body).prefer("resolution=merge-duplicates"));
    assert!(answer.status < 300, "{method} {path}: {}", answer.text());
}

const PEOPLE: &str = "/rest/v1/people?order=id";

#[test]
fn what_one_node_has_read_another_one_shows_without_asking_the_database() {
    const TEST: &str = "what_one_node_has_read_another_one_shows_without_asking_the_database";
    let Some(stage) = Stage::start(TEST, 2, STRICT, &[("responses.check_one_in", "0")]) else { return };
    let (mut one, mut other) = (stage.nodes[0].client(), stage.nodes[1].client());
    stage.database.run("insert into people values (1, 'Ann'), (2, 'Bob')");
    assert_eq!(way(&get(&mut one, PEOPLE)), "fwd=miss");
    stage.wait_until_shared(1);
    let shown = get(&mut other, PEOPLE);
    assert_eq!((way(&shown).as_str(), shown.json()[1]["name"].as_str()), ("hit", Some("Bob")));
    let again = get(&mut other, "/rest/v1/people?order=id&select=*");
    assert_eq!((way(&again).as_str(), again.header("content-range")), ("hit", shown.header("content-range")));
    assert_eq!((stage.borrowed(1), stage.reads(1, "people"), stage.reads(0, "people")), (1.0, 0.0, 1.0));
    // With a count, which is another question.
    let counted = |client: &mut Client| client.send(&Request::new("GET", PEOPLE).prefer("count=exact"));
    counted(&mut other);
    stage.wait_until_shared(2);
    let shown = counted(&mut one);
    assert_eq!((way(&shown).as_str(), shown.header("content-range")), ("hit", Some("0-1/2")));
    // Whoever writes, through whichever node or past all of them.
    stage.database.run("update people set name = 'Bea' where id = 2");
    assert_eq!(get(&mut other, PEOPLE).json()[1]["name"], "Bea");
    change(&mut one, "PATCH", "/rest/v1/people?id=eq.2", &json!({"name": "Cem"}));
    assert_eq!(get(&mut other, PEOPLE).json()[1]["name"], "Cem");
    change(&mut other, "PATCH", "/rest/v1/people?id=eq.2", &json!({"name": "Dea"}));
    assert_eq!(get(&mut one, PEOPLE).json()[1]["name"], "Dea");
    // What changes something else changes nothing of that.
    eventually("it is shared", PATIENCE, || {
        change(&mut one, "POST", "/rest/v1/words", &json!({"word": "a", "n": 1}));
        let (before, shown) = (stage.borrowed(1), get(&mut other, PEOPLE));
        assert_eq!(shown.json()[1]["name"], "Dea");
        way(&shown) == "hit" && stage.borrowed(1) >= before
    });
    assert_eq!(way(&get(&mut other, PEOPLE)), "hit");
}

#[test]
fn what_is_private_never_leaves_the_process() {
    const TEST: &str = "what_is_private_never_leaves_the_process";
    let Some(stage) = Stage::start(TEST, 2, STRICT, &[("responses.check_one_in", "0")]) else { return };
    stage
        .database
        .run("insert into secrets values (1, 'a secret text'); insert into people values (1, 'a public text')");
    let (mut one, mut other) = (stage.nodes[0].client(), stage.nodes[1].client());
    for client in [&mut one, &mut other] {
        assert_eq!(way(&get(client, "/rest/v1/secrets")), "fwd=miss");
        assert_eq!(way(&get(client, "/rest/v1/secrets")), "hit");
    }
    // What is told later was told later.
    let scripts = stage.scripts();
    get(&mut one, PEOPLE);
    stage.wait_until_shared(1);
    let shared = stage.shared();
    assert_eq!((shared.len(), stage.scripts() - scripts), (1, 1), "{shared:?}");
    assert!(stage.has(&shared[0], "a public text") && !stage.has(&shared[0], "a secret text"));
    assert_eq!((stage.reads(1, "secrets"), stage.borrowed(1)), (1.0, 0.0));
}

#[test]
fn an_age_goes_with_an_answer_from_node_to_node() {
    const TEST: &str = "an_age_goes_with_an_answer_from_node_to_node";
    let Some(stage) = Stage::start(TEST, 2, STRICT, &[]) else { return };
    stage.database.run("insert into news values (1, 'old')");
    let (mut one, mut other) = (stage.nodes[0].client(), stage.nodes[1].client());
    get(&mut one, "/rest/v1/news");
    stage.wait_until_shared(1);
    stage.database.run("update news set text = 'new'");
    eventually("it is a second old", PATIENCE, || {
        get(&mut one, "/rest/v1/news").header("age").is_some_and(|age| age != "0")
    });
    let shown = get(&mut other, "/rest/v1/news");
    assert_eq!((way(&shown).as_str(), shown.json()[0]["text"].as_str()), ("hit", Some("old")));
    assert!(shown.header("age").unwrap().parse::<u64>().unwrap() >= 1, "{:?}", shown.header("age"));
    // One who wants it younger has the database asked, and shares what he gets.
    let young =
        |client: &mut Client| client.send(&Request::new("GET", "/rest/v1/news").header("cache-control", "max-age=0"));
    assert_eq!(young(&mut other).json()[0]["text"], "new");
}

#[test]
fn one_that_was_read_before_a_change_takes_no_newer_ones_place() {
    const TEST: &str = "one_that_was_read_before_a_change_takes_no_newer_ones_place";
    const WAITED: &str = "/rest/v1/waited?order=id";
    let Some(stage) = Stage::start(TEST, 3, STRICT, &[("responses.check_one_in", "0")]) else { return };
    stage.database.run("insert into people values (1, 'waits')");
    let is_held = |granted: &str| {
        let count = format!("select count(*) from pg_locks where locktype = 'advisory' and objid = 42 and {granted}");
        stage.database.run(&count).contains('1')
    };
    thread::scope(|scope| {
        // Its session is ended below.
        scope.spawn(|| stage.database.try_run("select pg_advisory_lock(42); select pg_sleep(600)"));
        eventually("the lock is held", PATIENCE, || is_held("granted"));
        let late = scope.spawn(|| get(&mut stage.nodes[0].client(), WAITED));
        // It has noted how things are and sees them, and waits.
        eventually("the first node waits", PATIENCE, || is_held("not granted"));
        stage.database.run("update people set name = 'goes on'");
        let shown = get(&mut stage.nodes[1].client(), WAITED);
        assert_eq!(shown.json()[0]["name"], "goes on");
        stage.wait_until_shared(1);
        let (name, scripts) = (stage.shared().remove(0), stage.scripts());
        let before = stage.hash(&name);
        stage.database.run("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted");
        assert_eq!(late.join().unwrap().json()[0]["name"], "waits");
        eventually("it was told late", PATIENCE, || stage.scripts() > scripts);
        assert_eq!(stage.hash(&name), before);
        assert!(stage.has(&name, "goes on"));
        for node in &stage.nodes {
            assert_eq!(get(&mut node.client(), WAITED).json()[0]["name"], "goes on");
        }
        // Where the newer one is lost the older one is kept, and nobody shows it.
        assert_eq!(stage.borrowed(2), 1.0);
    });
}

#[test]
fn while_the_catalog_is_read_anew_those_who_wait_ask_the_database_at_most_once_more() {
    const TEST: &str = "while_the_catalog_is_read_anew_those_who_wait_ask_the_database_at_most_once_more";
    const WAITED: &str = "/rest/v1/waited?order=id";
    const MANY: usize = 40;
    let settings = [("responses.check_one_in", "0"), ("limits.overload", "off")];
    let Some(stage) = Stage::start(TEST, 1, STRICT, &settings) else { return };
    stage.database.run("insert into people values (1, 'waits')");
    let held = "select count(*) from pg_locks where locktype = 'advisory' and objid = 42 and";
    let is_held = |granted: &str| stage.database.run(&format!("{held} {granted}")).contains('1');
    thread::scope(|scope| {
        // Its session is ended below.
        scope.spawn(|| stage.database.try_run("select pg_advisory_lock(42); select pg_sleep(600)"));
        eventually("the lock is held", PATIENCE, || is_held("granted"));
        for _ in 0..MANY {
            scope.spawn(|| assert_eq!(get(&mut stage.nodes[0].client(), WAITED).json()[0]["name"], "waits"));
        }
        eventually("one reads", PATIENCE, || is_held("not granted"));
        eventually("the others are there", PATIENCE, || {
            metric(&stage.nodes[0], "http_server_active_requests") >= MANY as f64
        });
        // What is read by now is of a catalog that counts no more when it has been read.
        let reload = Request::new("POST", "/reload").header("Pando-Admin", "reload");
        assert_eq!(Client::new(stage.nodes[0].admin_address()).send(&reload).status, 200);
        stage.database.run("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted");
    });
    let reads = stage.reads(0, "waited");
    assert!(reads <= 2.0, "{reads} asked the database");
}

#[test]
fn a_node_comes_and_goes_and_reads_go_on_without_the_server() {
    const TEST: &str = "a_node_comes_and_goes_and_reads_go_on_without_the_server";
    let Some(mut stage) = Stage::start(TEST, 1, STRICT, &[]) else { return };
    stage.database.run("insert into people values (1, 'Ann')");
    let mut one = stage.nodes[0].client();
    get(&mut one, PEOPLE);
    stage.wait_until_shared(1);
    // Of what changed before it came a node knows nothing.
    let later = Launch::new(BINARY).start(&stage.project);
    later.wait_for_where("shared-answers-changed", |line| line.to_string().contains("answers"));
    stage.nodes.push(later);
    let mut later = stage.nodes[1].client();
    assert_eq!(get(&mut later, PEOPLE).json()[0]["name"], "Ann");
    stage.database.run("update people set name = 'Bea'");
    assert_eq!(get(&mut later, PEOPLE).json()[0]["name"], "Bea");
    eventually("the first one shows what it has read", PATIENCE, || {
        assert_eq!(get(&mut one, PEOPLE).json()[0]["name"], "Bea");
        stage.borrowed(0) > 0.5 || {
            stage.database.run("update people set name = 'Bea'");
            get(&mut later, PEOPLE);
            false
        }
    });
    stage.redis.kill();
    for name in ["Cem", "Dea"] {
        stage.database.run(&format!("update people set name = '{name}'"));
        for client in [&mut one, &mut later] {
            assert_eq!(get(client, PEOPLE).json()[0]["name"], name);
            assert_eq!(way(&get(client, PEOPLE)), "hit");
        }
    }
    stage.nodes[0].wait_for_where("shared-answers-changed", |line| line.to_string().contains("unreachable"));
}

#[test]
fn the_embedded_engine_shares_nothing() {
    let project = Project::of(
        &configuration("\"*\" = \"strict\"", "redis://127.0.0.1:1"),
        "create table people (id bigint primary key)",
    );
    let refusal = Launch::new(BINARY).refused(&project);
    assert!(
        refusal.error.contains("responses.driver is \"remote\", which is for a PostgreSQL server"),
        "{}",
        refusal.error
    );
}
