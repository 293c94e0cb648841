//! A process that is killed at any moment leaves no change without its entry, and no entry without its change.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the process that is killed is told its file")]

mod common;

use std::process::{Command, Stdio};
use std::time::Duration;

use audit::verify;
use common::{ADD, REMOVE, RENAME, open_file, signer};
use datatype::Datum;
use rusqlite::Connection;

/// The file that a process of its own writes.
const FILE: &str = "PANDO_TEST_AUDIT_FILE";

/// How often it is done, and so many times more as `PANDO_TEST_STEPS` says.
fn steps() -> u64 {
    15 + testkit::more_steps()
}

/// After so many kills it goes on with a new file: each looks the whole log over.
const KILLS_OF_A_FILE: u64 = 50;

/// Writes without end, and seals; only in the process that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn writes_until_killed() {
    let Ok(path) = std::env::var(FILE) else { return };
    let store = open_file(path.as_ref()).await;
    let signer = signer();
    let before = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let mut number = i64::try_from(before).unwrap();
    let mut memory = audit::Memory::default();
    loop {
        let (one, two) = (number, number + 1);
        number += 2;
        let add = |id: i64| vec![store::OwnStep::new(ADD, [id.into(), "x".into(), Datum::Null, Datum::Null])];
        let rename = store::OwnStep::new(RENAME, [one.into(), "y".into()]);
        let both = [add(one), vec![rename]].concat();
        let (first, second) = tokio::join!(store.transact(both), store.transact(add(two)));
        first.unwrap();
        second.unwrap();
        store.transact(vec![store::OwnStep::new(REMOVE, [two.into()])]).await.unwrap();
        audit::Sealer::new(store.as_ref(), &signer, &mut memory).seal(base::Timestamp(number)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_change_without_its_entry_and_no_entry_without_its_change() {
    if std::env::var(FILE).is_ok() {
        return;
    }
    let mut engine = None;
    let mut sealed = 0;
    for step in 0..steps() {
        if step % KILLS_OF_A_FILE == 0 {
            let fresh = common::Engine::embedded().await;
            fresh.store.close().await;
            engine = Some(fresh);
        }
        let path = engine.as_ref().and_then(|engine| engine.path.as_ref()).unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_killed"])
            .env(FILE, path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(60 + step * 37 % 140)).await;
        assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
        process.kill().unwrap();
        process.wait().unwrap();
        let store = open_file(path).await;
        let report = verify(store.as_ref(), &signer(), None, None).await.unwrap();
        assert_eq!(report.findings, [], "step {step}");
        sealed = sealed.max(report.sealed);
        store.close().await;
        compare(&Connection::open(path).unwrap(), step);
    }
    assert!(sealed > steps().min(KILLS_OF_A_FILE), "it wrote between being killed: {sealed}");
}

/// Counts what the entries tell, and what is there.
fn compare(file: &Connection, step: u64) {
    let count = |text: &str| file.query_row(text, [], |row| row.get::<_, i64>(0)).unwrap();
    let told = |action: &str| {
        count(&format!(
            "SELECT count(*) FROM \"pando.audit_entries\" WHERE relation = 'public.people' AND action = '{action}'"
        ))
    };
    let rows = count("SELECT count(*) FROM people");
    assert_eq!(told("insert") - told("delete"), rows, "step {step}");
    assert_eq!(told("update"), count("SELECT count(*) FROM people WHERE name = 'y'"), "step {step}");
    let strangers =
        "SELECT count(*) FROM people WHERE id NOT IN (SELECT json_extract(key, '$.id') FROM \"pando.audit_entries\"
         WHERE action = 'insert' AND key IS NOT NULL)";
    assert_eq!(count(strangers), 0, "step {step}");
}
