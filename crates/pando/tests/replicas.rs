//! Replicas: nobody is shown a state before their own writes, whichever node and replica answers; and the tests that say so
//! find each of the known ways of being wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::fleet::{eventually, id_of, metric, read, token_of, write};
use testkit::{Answer, Client, Fleet, Launch, Postgres, Project, Request, Server, more_steps};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon reads have to go on after a server was lost.
const RECOVERY: Duration = Duration::from_secs(5);

const HEADER: &str = "pando-position";

fn launch() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_pando"))
}

fn reads(servers: &[Server]) -> (f64, f64) {
    let sum = |start: &str| servers.iter().map(|server| metric(server, start)).sum::<f64>();
    let primary = sum("pando_replica_reads_total{server=\"primary\"}");
    (sum("pando_replica_reads_total") - primary, primary)
}

/// Pairs of a write and a read of it over random nodes, by several clients, until so many are done. Gives those that did not
/// find what they had written.
fn pairs(servers: &[Server], count: u64, with_token: bool) -> (u64, u64) {
    let (done, stale) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let (done, stale) = (&done, &stale);
            scope.spawn(move || {
                let mut clients: Vec<Client> = servers.iter().map(Server::client).collect();
                let mut turn = worker;
                while done.fetch_add(1, Ordering::Relaxed) < count {
                    turn = turn.wrapping_mul(31).wrapping_add(7);
                    let written = write(&mut clients[turn % servers.len()], "mine");
                    let (id, token) = (id_of(&written), token_of(&written));
                    let reader = &mut clients[(turn / 7) % servers.len()];
                    let path = format!("/rest/v1/notes?id=eq.{id}");
                    let found = read(reader, &path, with_token.then_some(token.as_str()));
                    assert_eq!(found.status, 200, "{}", found.text());
                    if found.json().as_array().unwrap().is_empty() {
                        stale.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (count, stale.into_inner())
}

#[test]
fn nobody_is_shown_a_state_before_their_own_writes() {
    const TEST: &str = "nobody_is_shown_a_state_before_their_own_writes";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let count = 400 + more_steps();
    let project = fleet.project("primary_reads_per_second = 100000\nreplica_wait_ms = 20");
    let servers: Vec<Server> = (0..3).map(|_| launch().start(&project)).collect();
    let mut stale = 0;
    for paused in [[false, false], [true, false], [false, false]] {
        fleet.pause(&paused);
        stale += pairs(&servers, count, true).1;
    }
    let (replicas, primary) = reads(&servers);
    let share = replicas / (replicas + primary);
    println!("{} pairs, {stale} stale, {:.1} % of the reads from replicas", 3 * count, share * 100.0);
    assert_eq!(stale, 0);
    assert!(share >= 0.7, "{replicas} reads from replicas, {primary} from the primary");
    fleet.pause(&[true, true]);
    assert_eq!(pairs(&servers, count / 10, true).1, 0);
    // Behind at first, and too far behind to be asked after some time.
    let of = |reason: &str| {
        let start = format!("pando_replica_fallbacks_total{{reason=\"{reason}\"}}");
        servers.iter().map(|server| metric(server, &start)).sum::<f64>()
    };
    assert!(of("behind") + of("nobody") >= (count / 10) as f64, "with all of them paused the primary answers");
    // The test can fail: without their positions they are shown the past, by replicas that are not far enough behind to be left.
    fleet.pause(&[false, false]);
    for server in &servers {
        eventually("both replicas are asked again", PATIENCE, || metric(server, "pando_replica_up") == 2.0);
    }
    fleet.pause(&[true, true]);
    assert!(pairs(&servers, 100, false).1 > 0);
}

/// One replica that shows each write half a second late, and one node that does something wrong, or nothing.
fn late(test: &str, wrong: &str) -> Option<(Fleet, Project, Server)> {
    let fleet = Fleet::start(test, 1, &[("recovery_min_apply_delay", "150ms")])?;
    let project = fleet.project("replica_wait_ms = 2000\nprimary_reads_per_second = 1");
    let server = launch().variable("PGTEST_POSITIONS", wrong).start(&project);
    Some((fleet, project, server))
}

/// Of ten, how many writes were not found by who wrote them.
fn missed(server: &Server, path: impl Fn(u64) -> String) -> usize {
    let mut client = server.client();
    let mut miss = |_: u32| {
        let written = write(&mut client, "mine");
        let found = read(&mut client, &path(id_of(&written)), Some(&token_of(&written)));
        assert_eq!(found.status, 200, "{}", found.text());
        found.json().as_array().unwrap().is_empty()
    };
    (0..10).filter(|number| miss(*number)).count()
}

#[test]
fn each_known_way_of_being_wrong_is_found() {
    const TEST: &str = "each_known_way_of_being_wrong_is_found";
    let plain = |id: u64| format!("/rest/v1/notes?id=eq.{id}");
    let slow = |id: u64| format!("/rest/v1/rpc/slow_note?wanted={id}");
    let Some((_fleet, _project, server)) = late(TEST, "") else { return };
    assert_eq!((missed(&server, plain), missed(&server, slow)), (0, 0));
    assert_eq!(metric(&server, "pando_replica_reads_total{server=\"primary\"}"), 0.0, "it waited for the replica");
    for wrong in ["ignored", "before-commit"] {
        let (_fleet, _project, server) = late(TEST, wrong).unwrap();
        assert!(missed(&server, plain) > 0, "{wrong}");
    }
    let (_fleet, _project, server) = late(TEST, "after-read").unwrap();
    assert!(missed(&server, slow) > 0, "after-read");
}

/// Brings the primary's log to the end of a page, where the place of the next record lies behind the head of a page that
/// nobody has written yet.
const TO_THE_END_OF_A_PAGE: &str = "
    DO $$
    DECLARE place bigint; free bigint; overhead bigint;
    BEGIN
        FOR attempt IN 1..200 LOOP
            place := pg_current_wal_insert_lsn() - '0/0';
            PERFORM pg_logical_emit_message(false, '', repeat('x', 304));
            overhead := (pg_current_wal_insert_lsn() - '0/0') - place - 304;
            free := 8192 - (pg_current_wal_insert_lsn() - '0/0') % 8192;
            CONTINUE WHEN free < 1000 OR overhead > 100;
            PERFORM pg_logical_emit_message(false, '', repeat('x', (free - overhead)::int));
            IF (pg_current_wal_insert_lsn() - '0/0') % 8192 = 24 THEN RETURN; END IF;
        END LOOP;
        RAISE 'the end of a page was not met';
    END $$;
    SELECT pg_sleep(1)";

#[test]
fn a_page_that_was_not_begun_is_not_waited_for() {
    const TEST: &str = "a_page_that_was_not_begun_is_not_waited_for";
    let Some(fleet) = Fleet::start(TEST, 1, &[]) else { return };
    fleet.primary.run("ALTER ROLE gate SET synchronous_commit = off");
    let waits = |wrong: &str| {
        let project = fleet.project("");
        let server = launch().variable("PGTEST_POSITIONS", wrong).start(&project);
        let mut client = server.client();
        let foreign = format!("B{}", &token_of(&write(&mut client, "to be spoilt"))[1..]);
        fleet.primary.run(TO_THE_END_OF_A_PAGE);
        let renewed = token_of(&read(&mut client, "/rest/v1/notes?limit=1", Some(&foreign)));
        assert_eq!(read(&mut client, "/rest/v1/notes?limit=1", Some(&renewed)).status, 200);
        metric(&server, "pando_replica_fallbacks_total{reason=\"behind\"}")
    };
    assert_eq!(waits(""), 0.0);
    assert_eq!(waits("next-record"), 1.0);
}

#[test]
fn commits_that_do_not_wait_for_the_disk_are_found() {
    const TEST: &str = "commits_that_do_not_wait_for_the_disk_are_found";
    let Some(fleet) = Fleet::start(TEST, 1, &[]) else { return };
    fleet.primary.run("ALTER ROLE gate SET synchronous_commit = off");
    let project = fleet.project("replica_wait_ms = 2000");
    let server = launch().start(&project);
    assert_eq!(missed(&server, |id| format!("/rest/v1/notes?id=eq.{id}")), 0);
}

/// Ends a loop, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn reads_survive_the_loss_of_servers() {
    const TEST: &str = "reads_survive_the_loss_of_servers";
    let Some(mut fleet) = Fleet::start(TEST, 2, &[("hot_standby_feedback", "on")]) else { return };
    let project = fleet.project("");
    let server = launch().start(&project);
    let mut client = server.client();
    let written = write(&mut client, "before");
    let (id, token) = (id_of(&written), token_of(&written));
    let path = format!("/rest/v1/notes?id=eq.{id}");
    let is_read = |client: &mut Client, token: &mut String| {
        let answer = read(client, &path, Some(token));
        assert!(matches!(answer.status, 200 | 503), "{} {}", answer.status, answer.text());
        // Whatever happens: never an answer from before.
        assert!(answer.status == 503 || answer.json()[0]["body"] == "before", "{}", answer.text());
        if let Some(renewed) = answer.header(HEADER) {
            renewed.clone_into(token);
        }
        answer.status == 200
    };
    let mut own = token.clone();

    // Readers go on all the while.
    let stops = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop = Stop(&stops);
        let reader = scope.spawn(|| {
            let mut client = server.client();
            let mut token = token.clone();
            let mut longest = Duration::ZERO;
            let mut last = Instant::now();
            while !stops.load(Ordering::Relaxed) {
                if is_read(&mut client, &mut token) {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
            }
            longest.max(last.elapsed())
        });

        fleet.replicas[1].kill();
        eventually("reads after the loss of a replica", RECOVERY, || is_read(&mut client, &mut own));
        fleet.replicas[1].start_again();
        eventually("the replica is used again", PATIENCE, || metric(&server, "pando_replica_up") == 2.0);

        fleet.primary.kill();
        eventually("reads after the loss of the primary", RECOVERY, || is_read(&mut client, &mut own));
        let refused = write(&mut client, "nobody takes it");
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.header("retry-after").is_some());

        fleet.replicas[0].promote();
        fleet.replicas[1].follow(&fleet.replicas[0]);
        let mut after = None;
        eventually("writes after the promotion", RECOVERY, || {
            after = Some(write(&mut client, "after")).filter(|answer| answer.status == 201);
            after.is_some()
        });
        // What was told before the promotion still counts, by the new primary, and is renewed.
        let mut renewed = None;
        eventually("the old position is renewed", RECOVERY, || {
            let answer = read(&mut client, &path, Some(&token));
            renewed = answer.header(HEADER).map(str::to_owned);
            answer.status == 200 && renewed.is_some()
        });
        assert_ne!(renewed.as_deref(), Some(token.as_str()));
        let after = after.unwrap();
        let answer = read(&mut client, &format!("/rest/v1/notes?id=eq.{}", id_of(&after)), Some(&token_of(&after)));
        assert_eq!(answer.json()[0]["body"], "after", "{}", answer.text());
        let name = fleet.replicas[1].socket_folder().display().to_string();
        let start = format!("pando_replica_reads_total{{server=\"{name}");
        let before = metric(&server, &start);
        let mut fresh = token_of(&after);
        eventually("the other replica follows the new primary", PATIENCE, || {
            is_read(&mut client, &mut fresh);
            metric(&server, &start) > before
        });

        // The old primary comes back on its own history: nothing is written there.
        fleet.primary.start_again();
        thread::sleep(Duration::from_secs(2));
        for _ in 0..20 {
            assert_eq!(write(&mut client, "where is it?").status, 201);
        }
        assert_eq!(fleet.primary.run("SELECT count(*) FROM notes WHERE body <> 'before'").trim(), "0");

        drop(stop);
        let longest = reader.join().unwrap();
        println!("the longest time without an answer: {longest:?}");
        assert!(longest < RECOVERY, "reads stood still for {longest:?}");
    });
}

#[test]
fn who_asks_for_it_is_answered_by_the_primary() {
    const TEST: &str = "who_asks_for_it_is_answered_by_the_primary";
    let Some(fleet) = Fleet::start(TEST, 1, &[]) else { return };
    let project = fleet.project(
        "primary_reads_per_second = 2\nreplica_wait_ms = 20\nposition_cookie_seconds = 30\n\
         [database.freshness]\n\"public.slow_note\" = \"strong\"",
    );
    let server = launch().start(&project);
    let mut client = server.client();
    fleet.pause(&[true]);
    let written = write(&mut client, "new");
    let (id, token) = (id_of(&written), token_of(&written));
    let path = format!("/rest/v1/notes?id=eq.{id}");
    let primary = || metric(&server, "pando_replica_reads_total{server=\"primary\"}");
    let is_found = |answer: &Answer| answer.json().as_array().is_some_and(|rows| !rows.is_empty());
    let prefer = |client: &mut Client, preference: &str| {
        let request = Request::new("GET", &path).header(HEADER, &token).prefer(preference);
        client.send(&request)
    };

    let strong = prefer(&mut client, "freshness=strong");
    assert!(is_found(&strong), "{}", strong.text());
    assert_eq!(strong.header("preference-applied"), Some("freshness=strong"));
    assert_eq!(primary(), 1.0);
    assert!(!is_found(&prefer(&mut client, "freshness=eventual")), "the replica is paused");
    assert!(!is_found(&read(&mut client, &path, None)), "nobody said what they had seen");
    assert_eq!(primary(), 1.0);
    // A function of the operator's choice, and one that nobody knows anything of.
    assert!(is_found(&read(&mut client, &format!("/rest/v1/rpc/slow_note?wanted={id}"), None)));
    assert_eq!(read(&mut client, "/rest/v1/rpc/dice", None).status, 200);
    assert_eq!(primary(), 3.0);
    // A table that replicas do not have.
    assert_eq!(read(&mut client, "/rest/v1/drafts", None).status, 200);
    assert_eq!(metric(&server, "pando_replica_fallbacks_total{reason=\"failed\"}"), 1.0);
    // The primary takes two a second in their place; the cookie shows a position as the header does.
    let cookie = written.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let answers: Vec<Answer> =
        (0..6).map(|_| client.send(&Request::new("GET", &path).header("cookie", &cookie))).collect();
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(answers.iter().all(|answer| answer.status == 503 || is_found(answer)));
    assert!(refused.len() >= 2, "{}", refused.len());
    assert!(refused.iter().all(|answer| answer.header("retry-after").is_some()));
    assert!(metric(&server, "pando_replica_fallbacks_total{reason=\"refused\"}") >= 2.0);
    fleet.pause(&[false]);
    eventually("the replica has it", PATIENCE, || is_found(&prefer(&mut client, "freshness=session")));
}

#[test]
fn what_computes_more_than_a_row_says_is_for_the_primary() {
    const TEST: &str = "what_computes_more_than_a_row_says_is_for_the_primary";
    let Some(fleet) = Fleet::start(TEST, 1, &[]) else { return };
    fleet.primary.run(
        "CREATE FUNCTION shout(notes) RETURNS text LANGUAGE sql STABLE AS 'SELECT upper($1.body)';
         CREATE FUNCTION chance(notes) RETURNS double precision LANGUAGE sql VOLATILE AS 'SELECT random()';
         CREATE FUNCTION account(notes) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.body';
         CREATE FUNCTION kin(notes) RETURNS SETOF notes LANGUAGE sql STABLE AS 'SELECT * FROM notes';
         CREATE FUNCTION some_kin(notes) RETURNS SETOF notes LANGUAGE sql VOLATILE AS 'SELECT * FROM notes'",
    );
    let server = launch().start(&fleet.project("[database.freshness]\n\"public.account\" = \"strong\""));
    let mut client = server.client();
    let mut by_primary = |query: &str| {
        let before = reads(std::slice::from_ref(&server)).1;
        let answer = read(&mut client, &format!("/rest/v1/notes?{query}"), None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        reads(std::slice::from_ref(&server)).1 > before
    };
    for query in ["select=id,shout", "select=id,kin(id)", "shout=eq.X"] {
        assert!(!by_primary(query), "{query}");
    }
    for query in ["select=id,chance", "chance=gt.0", "order=chance", "select=id,some_kin(id)", "select=id,account"] {
        assert!(by_primary(query), "{query}");
    }
}

#[test]
fn a_replica_that_falls_behind_is_left() {
    const TEST: &str = "a_replica_that_falls_behind_is_left";
    let Some(fleet) = Fleet::start(TEST, 1, &[]) else { return };
    let project = fleet.project("max_replica_lag_ms = 1500");
    let server = launch().start(&project);
    let mut client = server.client();
    fleet.pause(&[true]);
    id_of(&write(&mut client, "not replayed"));
    let is_found = |client: &mut Client| {
        let answer = read(client, "/rest/v1/notes?body=eq.not replayed".replace(' ', "%20").as_str(), None);
        answer.json().as_array().is_some_and(|rows| !rows.is_empty())
    };
    assert!(!is_found(&mut client), "for a moment the past is good enough");
    eventually("the replica is left", RECOVERY, || is_found(&mut client));
    let told = server.wait_for("replica-changed");
    assert!(told.get("event.reason").is_some() || told.get("destination.address").is_some(), "{told}");
    fleet.pause(&[false]);
    eventually("it is used again", PATIENCE, || metric(&server, "pando_replica_lag") == 0.0);
}

#[test]
fn what_is_no_replica_is_refused() {
    const TEST: &str = "what_is_no_replica_is_refused";
    let Some(mut fleet) = Fleet::start(TEST, 0, &[]) else { return };
    fleet.replicas.extend(Postgres::start());
    Fleet::fill(&fleet.replicas[0]);
    let refusal = launch().refused(&fleet.project(""));
    assert!(refusal.error.contains("is no replica of database.url"), "{}", refusal.error);
}
