//! Replicas that hang, that are several behind one URL, or that a request itself brings down.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::thread;
use std::time::{Duration, Instant};

use testkit::fleet::{eventually, id_of, metric, read, token_of, write};
use testkit::{Answer, Fleet, Launch, Postgres, Server};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon reads have to go on.
const RECOVERY: Duration = Duration::from_secs(5);

fn launch() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_pando"))
}

#[test]
fn a_url_that_leads_to_several_servers_shows_nobody_the_past() {
    const TEST: &str = "a_url_that_leads_to_several_servers_shows_nobody_the_past";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let both: Vec<&Postgres> = fleet.replicas.iter().collect();
    let server = launch().start(&fleet.project_of(&[Fleet::url_of(&both)], "max_replica_lag_ms = 1500"));
    // At once, so that each takes a connection of its own: of eight, some lead here and some there.
    let missed = |id: u64, token: Option<&str>| {
        let is_missed = |_: u32| {
            let found = read(&mut server.client(), &format!("/rest/v1/rpc/slow_note?wanted={id}"), token);
            assert_eq!(found.status, 200, "{}", found.text());
            found.json().as_array().unwrap().is_empty()
        };
        thread::scope(|scope| {
            let readers: Vec<_> = (0..8).map(|number| scope.spawn(move || is_missed(number))).collect();
            readers.into_iter().map(|reader| reader.join().unwrap()).filter(|is_missed| *is_missed).count()
        })
    };
    let mut client = server.client();
    missed(1, None);
    // Whichever of them is looked at, once it is the other one that is behind.
    for paused in [[false, true], [true, false]] {
        fleet.pause(&paused);
        let written = write(&mut client, "mine");
        assert_eq!(missed(id_of(&written), Some(&token_of(&written))), 0);
        thread::sleep(Duration::from_millis(2500));
        assert_eq!(missed(id_of(&written), None), 0, "nobody is shown what is that old");
        fleet.pause(&[false, false]);
        let reads = || {
            metric(&server, "pando_replica_reads_total")
                - metric(&server, "pando_replica_reads_total{server=\"primary\"}")
        };
        let before = reads();
        eventually("the replicas are read again", PATIENCE, || {
            missed(1, None);
            reads() >= before + 8.0
        });
    }
}

/// Reads of so many clients at once; gives the answers, and how long the last one took.
fn slow_reads(server: &Server, count: usize, path: &str) -> (Vec<Answer>, Duration) {
    let start = Instant::now();
    let answers = thread::scope(|scope| {
        let readers: Vec<_> = (0..count).map(|_| scope.spawn(|| read(&mut server.client(), path, None))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    (answers, start.elapsed())
}

#[test]
fn reads_leave_a_replica_that_hangs() {
    const TEST: &str = "reads_leave_a_replica_that_hangs";
    let Some(mut fleet) = Fleet::start(TEST, 1, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    id_of(&write(&mut server.client(), "first"));
    eventually("the replica has it", RECOVERY, || fleet.replicas[0].run("SELECT count(*) FROM notes").trim() == "1");
    let replica = &mut fleet.replicas[0];
    let (answers, duration) = thread::scope(|scope| {
        let reads = scope.spawn(|| slow_reads(&server, 4, "/rest/v1/rpc/slow_note?wanted=1"));
        thread::sleep(Duration::from_millis(150));
        replica.freeze();
        reads.join().unwrap()
    });
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.text().contains("first")));
    assert!(duration > Duration::from_secs(1), "they were answered before it hung: {duration:?}");
    assert!(duration < RECOVERY, "{duration:?}");
    fleet.replicas[0].thaw();
    eventually("the replica is used again", PATIENCE, || metric(&server, "pando_replica_up") == 1.0);
}

#[test]
fn what_ends_its_connection_is_done_twice_and_not_everywhere() {
    const TEST: &str = "what_ends_its_connection_is_done_twice_and_not_everywhere";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    fleet.primary.run(
        "CREATE FUNCTION fatal() RETURNS int LANGUAGE sql STABLE SECURITY DEFINER AS
         'SELECT pg_terminate_backend(pg_backend_pid())::int';",
    );
    let server = launch().start(&fleet.project(""));
    eventually("both replicas are there", PATIENCE, || metric(&server, "pando_replica_up") == 2.0);
    let answer = read(&mut server.client(), "/rest/v1/rpc/fatal", None);
    assert_eq!(answer.status, 503, "{}", answer.text());
    let times = |server: &Postgres| server.log().matches("terminating connection due to administrator command").count();
    let all = [&fleet.primary, &fleet.replicas[0], &fleet.replicas[1]].map(times);
    assert_eq!(all.iter().sum::<usize>(), 2, "{all:?}");
    assert_eq!(metric(&server, "pando_replica_up"), 2.0, "nobody is given up over it");
}
