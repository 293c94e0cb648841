//! Short reads share connections to PostgreSQL: each is answered as if it were alone, whoever asks beside it, whatever fails or hangs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::{Launch, Postgres, Project, Request, Server};

const SCHEMA: &str = "
    create role anon; create role clerk; create role door login noinherit; grant anon, clerk to door;
    create table letters (id integer primary key, owner text not null, words text not null);
    insert into letters select id, 'p' || id % 8, repeat(md5(id::text), 1 + id % 50) from generate_series(1, 400) id;
    alter table letters enable row level security; grant select on letters to anon;
    create policy own on letters for select to anon
        using (owner = current_setting('request.headers', true)::json ->> 'x-who');
    create table locked (id integer primary key); insert into locked values (1); grant select on locked to anon;
    create table secret (id integer primary key); insert into secret values (1); grant select on secret to clerk;
    create table broken (id integer primary key, of integer not null); insert into broken values (1, 0); grant select on broken to anon;
    alter table broken enable row level security; create policy p on broken for select to anon using (1 / of = 1);
";

/// Everybody who asks at the same time.
const ASKING: u64 = 24;
/// A question that is asked of all who ask, in turns.
const ROUNDS: u64 = 60;

fn serve(test: &str) -> Option<(Postgres, Project, Server)> {
    let postgres = Postgres::start_for(test)?;
    postgres.run(SCHEMA);
    let url = postgres.url("door");
    let project = Project::new("[api]\nanonymous_role = \"anon\"\n");
    let server = Launch::new(env!("CARGO_BIN_EXE_pando"))
        .set("log.requests", "failed")
        .set("limits.overload", "off")
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_CONNECTIONS", "16")
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
        .start(&project);
    Some((postgres, project, server))
}

/// What one of them asks, and whether the answer is the right one.
fn ask(client: &mut testkit::Client, who: u64, turn: u64) -> u16 {
    let id = 1 + (who * 61 + turn * 7) % 400;
    let get = |path: &str| Request::new("GET", path).header("x-who", format!("p{}", who % 8));
    match turn % 5 {
        0 => {
            let answer = client.send(&get("/secret?id=eq.1"));
            assert!(matches!(answer.status, 401 | 404 | 503), "{}: {}", answer.status, answer.text());
            answer.status
        }
        1 => {
            let answer = client.send(&get("/broken?id=eq.1"));
            let is_division = answer.status == 400 && answer.code() == "22012";
            assert!(is_division || answer.status == 503, "{}: {}", answer.status, answer.text());
            answer.status
        }
        2 => {
            let answer = client.send(&get(&format!("/letters?id=gt.{id}&order=id&limit=20&select=id,owner")));
            if answer.status == 200 {
                let first = (id + 1..=400).filter(|id| id % 8 == who % 8).take(20);
                let right: Vec<_> = first.map(|id| json!({"id": id, "owner": format!("p{}", id % 8)})).collect();
                assert_eq!(answer.json(), json!(right));
            }
            answer.status
        }
        _ => {
            let answer = client.send(&get(&format!("/letters?id=eq.{id}&select=id,owner")));
            if answer.status == 200 {
                let right =
                    if id % 8 == who % 8 { json!([{"id": id, "owner": format!("p{}", who % 8)}]) } else { json!([]) };
                assert_eq!(answer.json(), right, "{id} for {who}");
            }
            answer.status
        }
    }
}

#[test]
fn each_is_answered_as_if_it_were_alone() {
    let Some((_postgres, _project, server)) = serve("each_is_answered_as_if_it_were_alone") else { return };
    thread::scope(|scope| {
        for who in 0..ASKING {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for turn in 0..ROUNDS {
                    assert_ne!(ask(&mut client, who, turn), 503);
                }
            });
        }
    });
    let (answered, alone) = (shared_reads(&server, "answered"), shared_reads(&server, "alone"));
    println!("{answered} of {} answered together, {alone} went on alone", ASKING * ROUNDS);
    // On a machine that is busy with other things more go alone.
    assert!(answered > ASKING, "{answered} were answered together, {alone} went on alone");
}

/// What became of the reads that were given to a shared connection.
fn shared_reads(server: &Server, outcome: &str) -> u64 {
    let metrics = server.admin("/metrics").text();
    let name = format!("pando_shared_reads_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("it is shown").parse().unwrap()
}

/// Holds a table until [`unlock`].
fn lock(postgres: &Postgres) -> thread::JoinHandle<Result<String, String>> {
    let holder = postgres.console();
    let holding = thread::spawn(move || {
        holder.try_run("begin; lock table locked in access exclusive mode; select pg_sleep(600); commit")
    });
    while postgres.run("select count(*) from pg_locks where relation = 'locked'::regclass and granted").trim() == "0" {
        thread::sleep(Duration::from_millis(20));
    }
    holding
}

fn unlock(postgres: &Postgres) {
    postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()");
}

/// What runs for those who have gone is ended, also where it was shared.
#[test]
fn nothing_runs_for_those_who_have_gone() {
    let Some((postgres, _project, server)) = serve("nothing_runs_for_those_who_have_gone") else { return };
    let holding = lock(&postgres);
    let waiting =
        || postgres.run("select count(*) from pg_stat_activity where wait_event_type = 'Lock'").trim().to_owned();
    let mut leaving: Vec<_> = (0..12).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    for client in &mut leaving {
        client.write_all(b"GET /locked?id=eq.1 HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    }
    while waiting() == "0" {
        thread::sleep(Duration::from_millis(20));
    }
    // Those that shared have gone alone by then.
    thread::sleep(Duration::from_millis(300));
    drop(leaving);
    let start = Instant::now();
    while waiting() != "0" {
        assert!(start.elapsed() < Duration::from_secs(20), "{} still wait", waiting());
        thread::sleep(Duration::from_millis(50));
    }
    unlock(&postgres);
    drop(holding.join());
    assert_eq!(server.get("/locked?id=eq.1").json(), json!([{"id": 1}]));
}

/// One that waits for a lock keeps nobody else waiting: who is behind it goes alone, and so does its statement from then on.
#[test]
fn one_that_hangs_keeps_nobody_else() {
    let Some((postgres, _project, server)) = serve("one_that_hangs_keeps_nobody_else") else { return };
    let holding = lock(&postgres);
    let released = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            let (server, released) = (&server, &released);
            scope.spawn(move || {
                let answer = server.client().get("/locked?id=eq.1");
                assert_eq!(answer.json(), json!([{"id": 1}]));
                released.fetch_add(1, Ordering::Relaxed);
            });
        }
        let others: Vec<_> = (0..ASKING)
            .map(|who| {
                let server = &server;
                scope.spawn(move || {
                    let mut client = server.client();
                    (0..ROUNDS).for_each(|turn| assert_ne!(ask(&mut client, who, turn), 503));
                })
            })
            .collect();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(released.load(Ordering::Relaxed), 0, "the lock is held");
        unlock(&postgres);
    });
    assert_eq!(released.into_inner(), 6);
    drop(holding.join());
}

/// A connection that is cut takes nobody's answer along, and gives nobody another one's.
#[test]
fn a_connection_that_is_cut_is_nobodys_answer() {
    let Some((postgres, _project, server)) = serve("a_connection_that_is_cut_is_nobodys_answer") else { return };
    let is_over = AtomicBool::new(false);
    let (served, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for who in 0..ASKING {
            let (server, is_over, served, refused) = (&server, &is_over, &served, &refused);
            scope.spawn(move || {
                let mut client = server.client();
                for turn in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let count = if ask(&mut client, who, turn) == 503 { refused } else { served };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let start = Instant::now();
        for _ in 0..25 {
            postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'door'");
            let enough = served.load(Ordering::Relaxed) + 2 * ASKING;
            while served.load(Ordering::Relaxed) < enough && start.elapsed() < Duration::from_secs(120) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let (served, refused) = (served.into_inner(), refused.into_inner());
    println!("{served} served, {refused} refused");
    assert!(served > 25 * 2 * ASKING, "{served} were served, {refused} refused");
    assert_eq!(ask(&mut server.client(), 3, 2), 200);
}
