//! A process that is killed in the middle of the program's own transactions: what was answered is there, and nothing is there in
//! half. The test starts itself as the victim.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "own/engines.rs"]
mod engines;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use datatype::Datum;
use engines::{Engine, settings};
use store::{Config, OwnStatement, OwnStep, SqliteSettings, Store};
use testkit::Postgres;

const SCHEMA: &str = "create table pairs (id bigint primary key, version bigint not null);
    insert into pairs (id, version) values (0, 0);";

/// Where the victim works: a file, or the address of a server.
const PLACE: &str = "PANDO_TEST_OWN_VICTIM";

const GUARD: OwnStatement =
    OwnStatement::new("UPDATE public.pairs SET version = version + 1 WHERE id = 0 AND version = $1", &["bigint"]);
const ADD: OwnStatement =
    OwnStatement::new("INSERT INTO public.pairs (id, version) VALUES ($1, $2)", &["bigint", "bigint"]);
const STATE: OwnStatement = OwnStatement::new(
    "SELECT (SELECT version FROM public.pairs WHERE id = 0) AS version, count(*) AS rows, coalesce(max(id), 0) AS last
       FROM public.pairs WHERE id > 0",
    &[],
);

/// Each transaction moves the guard and adds two rows.
fn steps(version: i64) -> Vec<OwnStep> {
    let add = |id: i64| OwnStep::new(ADD, [Datum::Integer(id), Datum::Integer(version)]);
    let guard = OwnStep::new(GUARD, [Datum::Integer(version)]).exactly(1);
    vec![add(2 * version + 1), guard, add(2 * version + 2)]
}

async fn state(store: &dyn Store) -> (i64, i64, i64) {
    let answers = store.consult(vec![OwnStep::new(STATE, [])]).await.expect("reads");
    let row = &answers[0].rows[0];
    (row.get("version").unwrap(), row.get("rows").unwrap(), row.get("last").unwrap())
}

/// Writes until it is killed, and says what was answered. A test of its own only when it is started so.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "this is how the test tells it apart")]
async fn victim() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let config = if place.starts_with("postgres") {
        Config::Postgres(settings(&place))
    } else {
        Config::Sqlite(SqliteSettings::new(Path::new(&place)))
    };
    let store = engines::open(config).await;
    let (mut version, _, _) = state(&*store).await;
    loop {
        store.transact(steps(version)).await.expect("writes");
        version += 1;
        println!("kept {version}");
    }
}

/// Kills a victim after so many answers; gives the last version that was answered.
fn kill_one(place: &str, answers: usize) -> i64 {
    let mut victim = Command::new(std::env::current_exe().expect("this program"))
        .args(["victim", "--exact", "--nocapture", "--test-threads=1"])
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut kept = 0;
    let lines = BufReader::new(victim.stdout.take().expect("is piped")).lines();
    let told = lines.map_while(Result::ok).filter_map(|line| line.split_once("kept ")?.1.parse::<i64>().ok());
    for (number, version) in told.enumerate() {
        kept = version;
        if number + 1 == answers {
            victim.kill().expect("is killed");
        }
    }
    victim.wait().expect("ends");
    kept
}

/// The process is gone, and what runs on a server may take a moment to end with it.
async fn check(store: &Arc<dyn Store>, kept: i64) {
    let (version, rows, last) = state(&**store).await;
    assert!(version >= kept, "what was answered is gone: {version} of {kept}");
    assert_eq!((rows, last), (2 * version, 2 * version), "a transaction is there in half");
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("test.sqlite");
    let engine = Engine::in_file(&path, SCHEMA).await;
    engine.store.close().await;
    for round in 1..=12 {
        let kept = kill_one(path.to_str().expect("a name"), 3 * round);
        let engine = engines::open(Config::Sqlite(SqliteSettings::new(&path))).await;
        check(&engine, kept).await;
        engine.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server() {
    let Some(server) = Postgres::start_for("own_killed::server") else { return };
    let engine = Engine::on_server(&server.url("postgres"), SCHEMA).await;
    for round in 1..=12 {
        let kept = kill_one(&server.url("postgres"), 3 * round);
        check(&engine.store, kept).await;
    }
    engine.store.close().await;
}
