//! Promotions while the old primary is still there, which is what tells whether a node believes it any more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::thread;
use std::time::Duration;

use serde_json::json;
use testkit::fleet::{eventually, id_of, metric, read, token_of, write};
use testkit::{Answer, Client, Fleet, Launch, Postgres, Request};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How soon a node has to have understood. It is meant to be five seconds; a busy machine takes longer.
const RECOVERY: Duration = Duration::from_secs(20);

fn launch() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_pando"))
}

/// Writes until a note is on the new primary, and gives the answer.
fn written_on(new: &Postgres, client: &mut Client, body: &str) -> Answer {
    let mut written = None;
    eventually("writes after the promotion", RECOVERY, || {
        let answer = write(client, body);
        let is_there = answer.status == 201
            && new.run(&format!("SELECT count(*) FROM notes WHERE id = {} AND body = '{body}'", id_of(&answer))).trim()
                == "1";
        written = is_there.then_some(answer);
        is_there
    });
    written.unwrap()
}

/// Has a replica receive nothing any more, so that it does not come further than the one that is promoted.
fn cut_off(replica: &Postgres) {
    replica.run("ALTER SYSTEM SET primary_conninfo = ''");
    replica.run("SELECT pg_reload_conf()");
    eventually("it receives nothing", PATIENCE, || {
        replica.run("SELECT count(*) FROM pg_stat_wal_receiver").trim() == "0"
    });
}

fn change(client: &mut Client, id: u64, body: &str, token: &str) -> Answer {
    let request = Request::json("PATCH", &format!("/rest/v1/notes?id=eq.{id}"), &json!({ "body": body }));
    client.send(&request.header("pando-position", token))
}

#[test]
fn what_a_client_has_seen_of_a_promotion_is_believed() {
    const TEST: &str = "what_a_client_has_seen_of_a_promotion_is_believed";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let knows = launch().start(&fleet.project(""));
    // This one does not know of the replica that is promoted.
    let project = fleet.project_of(&[Fleet::url(&fleet.replicas[1])], "");
    let does_not = launch().start(&project);
    let mut client = knows.client();
    let id = id_of(&write(&mut client, "before"));
    eventually("the replica has it", RECOVERY, || fleet.replicas[0].run("SELECT count(*) FROM notes").trim() != "0");
    fleet.replicas[0].promote();
    let after = written_on(&fleet.replicas[0], &mut client, "after");
    let (after, token) = (id_of(&after), token_of(&after));

    let mut other = does_not.client();
    assert_eq!(write(&mut other, "lost").status, 201, "nobody has told it yet");
    let found = read(&mut other, &format!("/rest/v1/notes?id=eq.{after}"), Some(&token));
    assert!(found.status == 503 || found.text().contains("after"), "{} {}", found.status, found.text());
    assert_eq!(change(&mut other, id, "changed", &token).status, 503);
    let kept = fleet.primary.run(&format!("SELECT body FROM notes WHERE id = {id}"));
    assert_eq!(kept.trim(), "before", "what was replaced is not written to");
    // Now it knows, whoever asks.
    let refused = write(&mut other, "where is it?");
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{}", refused.text());
    assert_eq!(fleet.primary.run("SELECT count(*) FROM notes WHERE body = 'where is it?'").trim(), "0");
}

#[test]
fn what_a_replica_follows_is_believed() {
    const TEST: &str = "what_a_replica_follows_is_believed";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let project = fleet.project_of(&[Fleet::url(&fleet.replicas[1])], "");
    let server = launch().start(&project);
    let mut client = server.client();
    assert_eq!(write(&mut client, "before").status, 201);
    cut_off(&fleet.replicas[1]);
    fleet.replicas[0].promote();
    fleet.replicas[1].follow(&fleet.replicas[0]);
    eventually("nothing is written to the old primary", PATIENCE, || write(&mut client, "lost").status == 503);
}

#[test]
fn lag_is_measured_after_a_promotion() {
    const TEST: &str = "lag_is_measured_after_a_promotion";
    let Some(fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let server = launch().start(&fleet.project("max_replica_lag_ms = 1500"));
    let mut client = server.client();
    cut_off(&fleet.replicas[1]);
    fleet.replicas[0].promote();
    fleet.replicas[1].follow(&fleet.replicas[0]);
    written_on(&fleet.replicas[0], &mut client, "after");
    eventually("the other replica follows the new primary", PATIENCE, || metric(&server, "pando_replica_up") == 1.0);
    fleet.replicas[1].run("SELECT pg_wal_replay_pause()");
    let id = id_of(&write(&mut client, "not replayed"));
    eventually("the replica is left", RECOVERY, || {
        let found = read(&mut client, &format!("/rest/v1/notes?id=eq.{id}"), None);
        found.json().as_array().is_some_and(|rows| !rows.is_empty())
    });
}

#[test]
fn a_primary_that_hangs_is_passed_over() {
    const TEST: &str = "a_primary_that_hangs_is_passed_over";
    let Some(mut fleet) = Fleet::start(TEST, 2, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    let mut client = server.client();
    assert_eq!(write(&mut client, "before").status, 201);
    cut_off(&fleet.replicas[1]);
    fleet.primary.freeze();
    fleet.replicas[0].promote();
    fleet.replicas[1].follow(&fleet.replicas[0]);
    eventually("the node knows of the promotion", PATIENCE, || metric(&server, "pando_replica_up") == 1.0);
    written_on(&fleet.replicas[0], &mut client, "after");
}

#[test]
fn changes_of_the_schema_are_heard_after_a_promotion() {
    const TEST: &str = "changes_of_the_schema_are_heard_after_a_promotion";
    let Some(fleet) = Fleet::start(TEST, 1, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    let mut client = server.client();
    fleet.replicas[0].promote();
    written_on(&fleet.replicas[0], &mut client, "after");
    // What is read because of the promotion itself is over by then.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(client.get("/rest/v1/later").status, 404);
    fleet.replicas[0].run("CREATE TABLE later (id int); GRANT SELECT ON later TO anon; NOTIFY pgrst, 'reload schema'");
    eventually("the table is known", RECOVERY, || client.get("/rest/v1/later").status == 200);
}

#[test]
fn changes_of_the_schema_are_heard_after_a_silence() {
    const TEST: &str = "changes_of_the_schema_are_heard_after_a_silence";
    let Some(fleet) = Fleet::start(TEST, 0, &[]) else { return };
    let server = launch().start(&fleet.project(""));
    let mut client = server.client();
    // As it is for a node whose connection was cut without a word: the process at its other end does nothing any more.
    let listens = "SELECT pid FROM pg_stat_activity WHERE usename = 'gate'
                   AND (query LIKE 'LISTEN%' OR query LIKE '%pg_is_in_recovery()%')";
    let frozen = fleet.primary.run(listens);
    fleet.primary.freeze_session(frozen.trim());
    fleet.primary.run("CREATE TABLE later (id int); GRANT SELECT ON later TO anon; NOTIFY pgrst, 'reload schema'");
    eventually("the table is known", PATIENCE, || client.get("/rest/v1/later").status == 200);
}

#[test]
fn the_schema_is_that_of_the_new_primary() {
    const TEST: &str = "the_schema_is_that_of_the_new_primary";
    let Some(fleet) = Fleet::start(TEST, 1, &[]) else { return };
    cut_off(&fleet.replicas[0]);
    fleet.primary.run("CREATE TABLE later (id int); GRANT SELECT ON later TO anon");
    // One that nobody tells of changes.
    let server = launch().start(&fleet.project("channel = \"\""));
    let mut client = server.client();
    let asked = client.get("/rest/v1/later");
    assert_eq!(asked.status, 200, "{}", asked.text());
    fleet.replicas[0].promote();
    eventually("the table is not known any more", RECOVERY, || client.get("/rest/v1/later").code() == "PGRST205");
}
