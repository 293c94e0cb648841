//! What goes wrong with a PostgreSQL in use: it stops, connections are cut, everything is taken, statements take too long,
//! clients go away. Each has a clear answer, none a wrong one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Answer, Cluster, Launch, Postgres, Project, Request, Server};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Within which everything is well again.
const RECOVERY: Duration = Duration::from_secs(5);

/// What no output may hold.
const CANARY: &str = "c4n4ry-passw0rd";

const CONFIGURATION: &str = "[api]\nschemas = [\"public\"]\nmax_rows = 0\n[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n";

/// How many rows the long lists have: far more than fits between the server and a client that does not read.
const WIDE_ROWS: u64 = 40_000;
const NARROW_ROWS: u64 = 300_000;

fn database(test: &str, cluster: Cluster) -> Option<Postgres> {
    let postgres = cluster.start_for(test)?;
    postgres.run(&format!(
        "create role anon nologin; create role door login noinherit; grant anon to door;
         create table notes (id bigint primary key, text text not null);
         insert into notes select id, 'note ' || id from generate_series(1, 100) id;
         create table wide as select id, repeat(md5(id::text), 30) as words from generate_series(1, {WIDE_ROWS}) id;
         create table narrow as select id, md5(id::text) as words from generate_series(1, {NARROW_ROWS}) id;
         create function nap(seconds float8) returns text language sql as $$ select pg_sleep(seconds); select 'rested' $$;
         grant select, insert on notes, wide, narrow to anon;"
    ));
    Some(postgres)
}

fn launch(postgres: &Postgres, variables: &[(&str, &str)]) -> Launch {
    let url = postgres.url("door");
    let launch = Launch::new(env!("CARGO_BIN_EXE_pando"))
        .set("log.requests", "failed")
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false");
    variables.iter().fold(launch, |launch, (name, value)| launch.variable(name, value))
}

/// A note, and what it has to say.
fn note(id: u64) -> (String, String) {
    (format!("/notes?id=eq.{id}"), format!(r#"[{{"id":{id},"text":"note {id}"}}]"#))
}

/// An answer while something is wrong: the right one, or an honest one.
fn is_served(answer: &Answer, right: &str) -> bool {
    if answer.status == 503 {
        assert_eq!(answer.header("retry-after"), Some("1"), "{}", answer.text());
        return false;
    }
    assert_eq!((answer.status, answer.text().as_str()), (200, right));
    true
}

fn becomes(what: &str, within: Duration, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < within, "{what} within {within:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the server answers a short read.
fn is_well(server: &Server) -> bool {
    let (path, right) = note(7);
    is_served(&server.get(&path), &right)
}

/// Cuts the connections that requests use, as the server's administrator would; gives how many.
fn cut(postgres: &Postgres) -> u64 {
    let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'door'
               and not query like 'LISTEN%'";
    postgres.run(cut).trim().parse().unwrap()
}

/// What requests have running on the server.
fn running(postgres: &Postgres) -> u64 {
    let running = "select count(*) from pg_stat_activity where usename = 'door' and state <> 'idle'";
    postgres.run(running).trim().parse().unwrap()
}

/// An answer that is read by hand, its head read already.
struct Reading(BufReader<TcpStream>);

impl Reading {
    fn begin(server: &Server, path: &str) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reading = Self(BufReader::new(stream));
        reading.0.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).unwrap();
        reading
    }

    /// Begins to read a streamed answer.
    fn begin_stream(server: &Server, path: &str) -> Self {
        let mut reading = Self::begin(server, path);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            reading.0.read_line(&mut head).unwrap();
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("transfer-encoding: chunked"), "{head}");
        reading.0.read_exact(&mut vec![0; 100_000]).unwrap();
        reading
    }

    /// Reads to the end of the connection. A body that is whole ends with the last chunk and leaves the connection open.
    fn breaks_off(mut self) {
        let mut rest = Vec::new();
        // Whether the connection is closed or reset is all the same.
        let ended = self.0.read_to_end(&mut rest);
        assert!(!rest.ends_with(b"\r\n0\r\n\r\n"), "the answer ends as if it were whole");
        if let Err(error) = ended {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the answer neither goes on nor ends");
        }
    }
}

/// Readers, writers and long reads, all the time; in between the server is gone.
#[test]
fn a_server_that_stops_and_starts_under_load() {
    let Some(mut postgres) = database("a_server_that_stops_and_starts_under_load", Cluster::new()) else { return };
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[]).start(&project);
    let (is_over, next, [served, refused, long]) = (AtomicBool::new(false), AtomicU64::new(1_000), Counts::default());
    let kept: Mutex<Vec<u64>> = Mutex::default();
    thread::scope(|scope| {
        for reader in 0..3 {
            let (server, is_over, served, refused) = (&server, &is_over, &served, &refused);
            scope.spawn(move || {
                let mut client = server.client();
                for id in (0..).map(|turn| 1 + (reader * 31 + turn) % 100) {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let (path, right) = note(id);
                    let count = if is_served(&client.get(&path), &right) { served } else { refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = server.client();
                while !is_over.load(Ordering::Relaxed) {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    let body = serde_json::json!({"id": id, "text": "new"});
                    let answer = client.send(&Request::json("POST", "/notes", &body));
                    match answer.status {
                        201 => kept.lock().unwrap().push(id),
                        // It may have been written or not; it was not said that it was.
                        503 => assert_eq!(answer.header("retry-after"), Some("1")),
                        other => panic!("{other} {}", answer.text()),
                    }
                }
            });
        }
        scope.spawn(|| {
            let right = WIDE_ROWS as usize;
            while !is_over.load(Ordering::Relaxed) {
                // One that breaks off is an error here; one that is whole has to hold all.
                let Ok(answer) = server.client().try_send(&Request::new("GET", "/wide")) else { continue };
                if answer.status == 200 {
                    assert_eq!(answer.text().matches("{\"id\":").count(), right);
                    long.fetch_add(1, Ordering::Relaxed);
                } else {
                    assert_eq!(answer.status, 503, "{}", answer.text());
                }
            }
        });
        // What fails in between ends the test, and not only a thread of it.
        let end = End(&is_over);
        becomes("requests are served", PATIENCE, || served.load(Ordering::Relaxed) > 200);
        for _ in 0..3 {
            postgres.stop();
            let before = refused.load(Ordering::Relaxed);
            becomes("requests are refused", PATIENCE, || refused.load(Ordering::Relaxed) > before + 20);
            postgres.start_again();
            let before = served.load(Ordering::Relaxed);
            becomes("requests are served again", RECOVERY, || served.load(Ordering::Relaxed) > before + 100);
        }
        let before = long.load(Ordering::Relaxed);
        becomes("a long list is whole again", PATIENCE, || long.load(Ordering::Relaxed) > before);
        drop(end);
    });
    let mut kept = kept.into_inner().unwrap();
    kept.sort_unstable();
    assert!(kept.len() > 20, "only {} rows were written", kept.len());
    let found = postgres.run("select id from notes where id >= 1000 order by id");
    let found: std::collections::BTreeSet<u64> = found.lines().map(|line| line.parse().unwrap()).collect();
    let lost: Vec<&u64> = kept.iter().filter(|id| !found.contains(id)).collect();
    assert!(lost.is_empty(), "{lost:?} were told to be written");
}

type Counts = [AtomicU64; 3];

/// Ends the threads of a test, also when it fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_long_answer_that_is_cut_breaks_off() {
    let Some(postgres) = database("a_long_answer_that_is_cut_breaks_off", Cluster::new()) else { return };
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[]).start(&project);
    for _ in 0..3 {
        let reading = Reading::begin_stream(&server, "/wide");
        assert!(cut(&postgres) > 0);
        reading.breaks_off();
        assert!(is_well(&server));
    }
    // The same list, whole.
    assert_eq!(server.get("/wide?select=id").text().matches("{\"id\":").count(), WIDE_ROWS as usize);
}

/// Short reads are done again on another connection; what cannot be is refused.
#[test]
fn short_answers_that_are_cut_are_right_or_refused() {
    let Some(postgres) = database("short_answers_that_are_cut_are_right_or_refused", Cluster::new()) else { return };
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[("PANDO_DATABASE_CONNECTIONS", "3")]).start(&project);
    let (is_over, [served, refused, _]) = (AtomicBool::new(false), Counts::default());
    thread::scope(|scope| {
        for reader in 0..4 {
            let (server, is_over, served, refused) = (&server, &is_over, &served, &refused);
            scope.spawn(move || {
                let mut client = server.client();
                for id in (0..).map(|turn| 1 + (reader * 31 + turn) % 100) {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let (path, right) = note(id);
                    let count = if is_served(&client.get(&path), &right) { served } else { refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let end = End(&is_over);
        let once = |_| {
            thread::sleep(Duration::from_millis(30));
            cut(&postgres)
        };
        let cuts: u64 = (0..60).map(once).sum();
        assert!(cuts > 20, "only {cuts} connections were cut");
        drop(end);
    });
    let (served, refused) = (served.into_inner(), refused.into_inner());
    assert!(served > 100 && served > refused, "{served} were served, {refused} refused");
    assert!(is_well(&server));
}

#[test]
fn slow_queries_that_take_all_connections() {
    let Some(postgres) = database("slow_queries_that_take_all_connections", Cluster::new()) else { return };
    let project = Project::new(CONFIGURATION);
    let settings = [("PANDO_DATABASE_CONNECTIONS", "2"), ("PANDO_DATABASE_WAIT_MS", "300")];
    let server = launch(&postgres, &settings).start(&project);
    let answers: Vec<(Answer, Duration)> = at_once(12, |_| {
        let start = Instant::now();
        (server.get("/rpc/nap?seconds=3"), start.elapsed())
    });
    let served = answers.iter().filter(|(answer, _)| is_served(answer, "\"rested\"")).count();
    assert_eq!(served, 2);
    for (answer, elapsed) in answers.iter().filter(|(answer, _)| answer.status == 503) {
        assert!(*elapsed < Duration::from_millis(2_500), "refused after {elapsed:?}");
        assert!(answer.text().contains("all connections to PostgreSQL are in use"), "{}", answer.text());
    }
    for _ in 0..20 {
        assert!(is_well(&server));
    }
}

fn at_once<T: Send>(count: usize, ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let ask = &ask;
    thread::scope(|scope| {
        let asked: Vec<_> = (0..count).map(|turn| scope.spawn(move || ask(turn))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

/// As PostgREST has it: 500 for both, with PostgreSQL's own code and words.
#[test]
fn statements_and_locks_that_take_too_long() {
    let Some(postgres) = database("statements_and_locks_that_take_too_long", Cluster::new()) else { return };
    postgres.run("alter role anon set statement_timeout = '700ms'; alter role anon set lock_timeout = '200ms'");
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[("PANDO_DATABASE_CONNECTIONS", "1")]).start(&project);
    let slow = server.get("/rpc/nap?seconds=30");
    assert_eq!((slow.status, slow.code().as_str()), (500, "57014"), "{}", slow.text());
    assert!(slow.text().contains("canceling statement due to statement timeout"), "{}", slow.text());
    assert!(is_well(&server));
    let is_held = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            postgres.run("begin; lock table notes; create table held (); select pg_sleep(2); rollback");
            is_held.store(true, Ordering::Relaxed);
        });
        let locks = "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted
                     and relation = 'notes'::regclass";
        becomes("the table is locked", PATIENCE, || postgres.run(locks) == "1\n");
        let refused = server.get("/notes");
        assert!(!is_held.load(Ordering::Relaxed), "the lock was let go before the answer");
        assert_eq!((refused.status, refused.code().as_str()), (500, "55P03"), "{}", refused.text());
    });
    assert!(is_well(&server));
}

/// A client that reads nothing holds a transaction open; the server's own bound ends it.
#[test]
fn an_answer_that_nobody_reads_is_ended_by_the_server() {
    let Some(postgres) = database("an_answer_that_nobody_reads_is_ended_by_the_server", Cluster::new()) else { return };
    postgres.run("alter role anon set idle_in_transaction_session_timeout = '300ms'");
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[("PANDO_DATABASE_CONNECTIONS", "1")]).start(&project);
    let reading = Reading::begin_stream(&server, "/narrow");
    assert_eq!(running(&postgres), 1);
    becomes("the transaction is ended", RECOVERY, || running(&postgres) == 0);
    reading.breaks_off();
    assert!(is_well(&server));
    assert!(postgres.log().contains("idle-in-transaction timeout"), "{}", postgres.log());
}

/// Whoever pauses for longer than a piece may take, or reads on when the answer had to be over, has a part of it: that must not
/// look like all of it.
#[test]
fn an_answer_that_is_given_up_breaks_off() {
    let Some(postgres) = database("an_answer_that_is_given_up_breaks_off", Cluster::new()) else { return };
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[]).start(&project);
    let hurried = launch(&postgres, &[("PANDO_LIMITS_STREAM_TIMEOUT_SECONDS", "1")]).start(&project);
    let slow = Reading::begin_stream(&server, "/narrow");
    let late = Reading::begin_stream(&hurried, "/narrow");
    thread::sleep(Duration::from_secs(2));
    late.breaks_off();
    // Longer than the ten seconds of a piece.
    thread::sleep(Duration::from_secs(10));
    slow.breaks_off();
    for server in [&server, &hurried] {
        becomes("its connection is free", RECOVERY, || running(&postgres) == 0);
        assert!(is_well(server));
    }
}

#[test]
fn what_a_client_left_behind_ends_on_the_server() {
    let Some(postgres) = database("what_a_client_left_behind_ends_on_the_server", Cluster::new()) else { return };
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[]).start(&project);
    for path in ["/wide", "/narrow"] {
        let reading = Reading::begin_stream(&server, path);
        assert_eq!(running(&postgres), 1, "{path}");
        drop(reading);
        becomes(&format!("{path} is ended"), RECOVERY, || running(&postgres) == 0);
    }
    // Nothing was answered yet: the statement is cancelled.
    let waiting = Reading::begin(&server, "/rpc/nap?seconds=60");
    becomes("the statement runs", PATIENCE, || running(&postgres) == 1);
    drop(waiting);
    becomes("the statement is ended", RECOVERY, || running(&postgres) == 0);
    assert!(is_well(&server));
}

#[test]
fn a_password_that_is_changed_meanwhile() {
    let cluster = Cluster::new().tcp().access("host all all 127.0.0.1/32 scram-sha-256");
    let Some(postgres) = database("a_password_that_is_changed_meanwhile", cluster) else { return };
    let password = |password: &str| postgres.run(&format!("alter role door password '{password}'"));
    password(CANARY);
    let project = Project::new(CONFIGURATION);
    let url = format!("postgres://door@127.0.0.1:{}/postgres", postgres.port());
    let settings = [("PANDO_DATABASE_URL", url.as_str()), ("PGPASSWORD", CANARY)];
    let server = launch(&postgres, &settings).start(&project);
    assert!(is_well(&server));
    password("another one");
    assert!(is_well(&server), "open connections stay");
    cut(&postgres);
    let (path, _) = note(7);
    let refused = server.get(&path);
    assert_eq!((refused.status, refused.code().as_str()), (503, "PGRST001"), "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(!refused.text().contains("password"), "{}", refused.text());
    becomes("the log says why", RECOVERY, || {
        server.get(&path);
        server.log().contains("password authentication failed")
    });
    password(CANARY);
    becomes("it is well again", RECOVERY, || is_well(&server));
    assert!(!server.log().contains(CANARY), "a password is told");
}

#[test]
fn a_server_without_free_connections() {
    // Five for everybody, one of which listens.
    let cluster = Cluster::new().setting("max_connections", "8").setting("superuser_reserved_connections", "3");
    let Some(postgres) = database("a_server_without_free_connections", cluster) else { return };
    let project = Project::new(CONFIGURATION);
    let server = launch(&postgres, &[("PANDO_DATABASE_CONNECTIONS", "16")]).start(&project);
    let answers = at_once(12, |_| server.get("/rpc/nap?seconds=2"));
    let served = answers.iter().filter(|answer| is_served(answer, "\"rested\"")).count();
    assert!((1..=4).contains(&served), "{served} were served");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.code(), "PGRST001", "{}", answer.text());
    }
    assert!(postgres.log().contains("remaining connection slots are reserved"), "{}", postgres.log());
    for _ in 0..20 {
        assert!(is_well(&server));
    }
}
