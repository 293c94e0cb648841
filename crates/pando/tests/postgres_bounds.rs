//! What a request may cost: how often it is done, on how many servers, how much memory and how many connections it takes, how
//! long it waits; and what it is told when that is too much.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Answer, Cluster, Launch, Postgres, Project, Request, Server};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const SCHEMA: &str = "
    create role anon nologin; create role door login noinherit; grant anon to door; grant pg_read_all_stats to door;
    create table notes as select id, 'note ' || id as text from generate_series(1, 2000) id;
    create view slow_notes as select id, text from notes where pg_sleep(0.0005) is not null;
    create table wide as select id, string_agg(md5(id::text || part), '') as words
        from generate_series(1, 3000) id, generate_series(1, 200) part group by id;
    create sequence tries;
    create function nap(seconds float8) returns text language sql stable as $$ select pg_sleep($1); select 'rested' $$;
    create function huge(bytes int) returns text language sql stable as $$ select repeat('x', $1) $$;
    create function die() returns text language plpgsql stable security definer
        as $$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(5); return 'alive'; end $$;
    create function collide() returns text language plpgsql security definer
        as $$ begin perform nextval('tries'); raise 'met another one' using errcode = '40001'; end $$;
    create function fail(code text, said text) returns text language plpgsql stable
        as $$ begin raise '%', said using errcode = code; end $$;
    create function hurry() returns text language plpgsql stable set statement_timeout = '100ms'
        as $$ begin perform pg_sleep(5); return 'done'; end $$;
    grant select on notes, slow_notes, wide to anon;
";

/// A primary, and so many replicas of it; each logs its statements.
struct Fleet {
    primary: Postgres,
    replicas: Vec<Postgres>,
}

impl Fleet {
    fn start(test: &str, replicas: usize, settings: &[(&str, &str)]) -> Option<Self> {
        let with = |cluster: Cluster| {
            let cluster = cluster.setting("log_statement", "all").setting("log_connections", "on");
            settings.iter().fold(cluster, |cluster, (name, value)| cluster.setting(name, value))
        };
        let primary = with(Cluster::new()).start_for(test)?;
        primary.run(SCHEMA);
        let replicas = (0..replicas).map(|_| with(Cluster::new().replica_of(&primary)).start().unwrap()).collect();
        Some(Self { primary, replicas })
    }

    fn url(server: &Postgres) -> String {
        server.url("door")
    }

    fn project(&self, more: &str) -> Project {
        let replicas: Vec<String> = self.replicas.iter().map(|replica| format!("{:?}", Self::url(replica))).collect();
        Project::new(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[log]\nrequests = \"failed\"\n\
             [auth]\njwt_secret = \"a secret of more than thirty-two letters\"\n[api]\nmax_rows = 0\n\
             [database]\nurl = {:?}\nmigrate_on_start = false\nreplicas = [{}]\n{more}\n",
            Self::url(&self.primary),
            replicas.join(", ")
        ))
    }

    /// How often a statement was begun, over all servers.
    fn executions(&self, statement: &str) -> usize {
        let begun = |server: &Postgres| {
            let log = server.log();
            log.lines().filter(|line| line.contains("LOG:  execute") && line.contains(statement)).count()
        };
        self.replicas.iter().chain([&self.primary]).map(begun).sum()
    }
}

fn launch() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_pando"))
}

/// A counter or gauge by the beginning of its line.
fn metric(server: &Server, start: &str) -> f64 {
    let text = server.admin("/metrics").text();
    let lines = text.lines().filter(|line| line.starts_with(start));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn becomes(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Status and code of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code())
}

/// A client that asks, and does not wait for the answer.
fn ask_and_leave(server: &Server, path: &str) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(150));
}

/// Ends a loop, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the replica replays ends a long read while its rows are counted: the primary answers it.
#[test]
fn a_long_read_that_is_in_the_way_of_replay_goes_to_the_primary() {
    const TEST: &str = "a_long_read_that_is_in_the_way_of_replay_goes_to_the_primary";
    let Some(fleet) = Fleet::start(TEST, 1, &[("max_standby_streaming_delay", "50ms")]) else { return };
    let server = launch().start(&fleet.project(""));
    let replica = &fleet.replicas[0];
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let counts = "select count(*) from pg_stat_activity where usename = 'door' and state = 'active'
                          and query like '%count(%slow_notes%'";
            while !is_over.load(Ordering::Relaxed) {
                // What asks may be in the way as well.
                if replica.try_run(counts).is_ok_and(|counting| counting != "0\n") {
                    fleet.primary.run("update notes set text = text where id < 100; vacuum notes");
                }
            }
        });
        let stop = Stop(&is_over);
        let answer = server.get("/rest/v1/slow_notes");
        drop(stop);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json().as_array().unwrap().len(), 2_000);
    });
    let conflicts = "select sum(confl_snapshot) > 0 from pg_stat_database_conflicts";
    becomes("there was a conflict", || replica.run(conflicts) == "t\n");
    assert_eq!(metric(&server, "pando_replica_fallbacks_total{reason=\"failed\"}"), 1.0);
}

/// A row that nobody can answer is found out once, and no server is blamed for it.
#[test]
fn a_row_that_is_too_large_is_asked_for_once() {
    const TEST: &str = "a_row_that_is_too_large_is_asked_for_once";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    let before = peak();
    let refused = server.get("/rest/v1/rpc/huge?bytes=100000000");
    assert_eq!(refusal(&refused), (413, "54000".to_owned()), "{}", refused.text());
    assert!(refused.text().contains("limits.max_buffered_bytes"), "{}", refused.text());
    assert_eq!(fleet.executions("\"huge\""), 1);
    assert_eq!(metric(&server, "pando_replica_up"), 2.0);
    // 32 MiB may be held at once.
    assert!(peak() < before + 60, "{before} MiB became {} MiB", peak());
    let whole = server.get("/rest/v1/rpc/huge?bytes=30000000");
    assert_eq!((whole.status, whole.text().len()), (200, 30_000_002));
}

/// A read may be what ended the connection: it is done again once, and not on every server there is.
#[test]
fn a_read_that_ends_its_connection_is_done_again_once() {
    const TEST: &str = "a_read_that_ends_its_connection_is_done_again_once";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    let refused = server.get("/rest/v1/rpc/die");
    assert_eq!(refusal(&refused), (503, "PGRST001".to_owned()), "{}", refused.text());
    assert_eq!(fleet.executions("\"die\""), 2);
    assert_eq!(metric(&server, "pando_replica_up"), 2.0);
    assert_eq!(server.get("/rest/v1/notes?id=eq.7").text(), r#"[{"id":7,"text":"note 7"}]"#);
    assert_eq!(metric(&server, "pando_replica_reads_total{server=\"primary\"}"), 0.0);
}

#[test]
fn who_leaves_while_waiting_waits_no_more() {
    let Some(fleet) = Fleet::start("who_leaves_while_waiting_waits_no_more", 0, &[]) else { return };
    let server = launch().start(&fleet.project("connections = 1"));
    let pending = || metric(&server, "db_client_connection_pending_requests");
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(server.get("/rest/v1/rpc/nap?seconds=3").status, 200));
        becomes("the connection is taken", || metric(&server, "db_client_connection_count") >= 1.0);
        thread::sleep(Duration::from_millis(200));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| ask_and_leave(&server, "/rest/v1/notes?limit=1"));
            }
        });
    });
    thread::sleep(Duration::from_millis(200));
    assert_eq!(pending(), 0.0);
}

/// What the server says in a language of its own, or a function in the server's words, is told by its code.
#[test]
fn errors_are_known_by_their_codes() {
    let Some(fleet) = Fleet::start("errors_are_known_by_their_codes", 1, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    let fail = |code: &str, said: &str| server.get(&format!("/rest/v1/rpc/fail?code={code}&said={said}"));
    let timeout = fail("57014", "storniere%20Anfrage%20wegen%20Zeit%C3%BCberschreitung");
    assert_eq!(refusal(&timeout), (500, "57014".to_owned()), "{}", timeout.text());
    assert!(timeout.text().contains("storniere Anfrage"), "{}", timeout.text());
    assert_eq!(metric(&server, "pando_replica_reads_total{server=\"primary\"}"), 0.0);
    // Its own error, though the code is that of a statement that is not prepared any more.
    let stale = fail("26000", "mine");
    assert_eq!(refusal(&stale), (400, "26000".to_owned()), "{}", stale.text());
    assert_eq!(stale.json()["message"], "mine");
    // A bound that is not one of Pando's.
    let hurried = server.get("/rest/v1/rpc/hurry");
    assert_eq!(refusal(&hurried), (500, "57014".to_owned()), "{}", hurried.text());
    let hint = hurried.json()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("statement_timeout") && hint.contains("function"), "{hint}");
    // Whoever the server does not know is nobody.
    let claims = ["--role", "nobody"];
    let token = fleet.project("").token(env!("CARGO_BIN_EXE_pando"), &claims);
    let unknown = server.client().send(&Request::new("GET", "/rest/v1/notes").bearer(token.trim()));
    assert_eq!(refusal(&unknown), (401, "22023".to_owned()), "{}", unknown.text());
}

/// What is left of a page that turned out to be long is not worth a connection.
#[test]
fn wide_rows_leave_their_connection() {
    let Some(fleet) = Fleet::start("wide_rows_leave_their_connection", 0, &[]) else { return };
    let server = launch().start(&fleet.project("connections = 1"));
    let connections = || fleet.primary.log().matches("connection authorized: user=door").count();
    assert_eq!(server.get("/rest/v1/wide?select=id&limit=1").status, 200);
    let before = connections();
    for _ in 0..5 {
        let answer = server.get("/rest/v1/wide");
        assert_eq!((answer.status, answer.json().as_array().unwrap().len()), (200, 3_000));
    }
    assert_eq!(connections(), before);
}

/// A read waits once, however many servers it asks.
#[test]
fn waiting_does_not_add_up() {
    let Some(fleet) = Fleet::start("waiting_does_not_add_up", 1, &[]) else { return };
    let server = launch().start(&fleet.project("connections = 1\nwait_ms = 1000"));
    thread::scope(|scope| {
        for preference in ["freshness=strong", "freshness=session"] {
            let nap = Request::new("GET", "/rest/v1/rpc/nap?seconds=4").prefer(preference);
            let server = &server;
            scope.spawn(move || assert_eq!(server.client().send(&nap).status, 200));
        }
        thread::sleep(Duration::from_millis(500));
        let start = Instant::now();
        let refused = server.get("/rest/v1/notes?limit=1");
        assert_eq!(refusal(&refused), (503, "PANDO503".to_owned()), "{}", refused.text());
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_millis(1_600), "refused after {elapsed:?}");
    });
}

/// Whoever met another one steps back for a moment, a few times.
#[test]
fn collisions_are_done_again_after_a_pause() {
    let Some(fleet) = Fleet::start("collisions_are_done_again_after_a_pause", 0, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    let collide = || server.client().send(&Request::json("POST", "/rest/v1/rpc/collide", &serde_json::json!({})));
    assert_eq!(collide().code(), "40001");
    let start = Instant::now();
    assert_eq!(collide().code(), "40001");
    let elapsed = start.elapsed();
    assert_eq!(fleet.primary.run("select last_value from tries"), "8\n");
    assert!(elapsed > Duration::from_millis(15), "four times within {elapsed:?}");
}
