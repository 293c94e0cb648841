//! Whatever is done to sealed entries behind the program's back is found.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use audit::{AuditError, Finding, Memory, verify};
use common::{ADD, Engine, RENAME, signer};
use datatype::Datum;
use rusqlite::{Connection, params};
use testkit::Chance;

/// How often it is done, and so many times more as `PANDO_TEST_STEPS` says.
fn steps() -> u64 {
    300 + testkit::more_steps()
}

/// Does something to the log, and gives what.
fn mutate(file: &Connection, numbers: &mut Chance, entries: i64) -> String {
    let id = numbers.below(entries as u64) as i64 + 1;
    let other = (id + numbers.below(entries as u64 - 1) as i64) % entries + 1;
    let table = "\"pando.audit_entries\"";
    let columns = ["transaction_number", "at", "action", "relation", "key", "change", "context"];
    match numbers.below(14) {
        0 => {
            let column = columns[numbers.below(2) as usize];
            let text = format!("UPDATE {table} SET {column} = {column} + 1 WHERE id = ?1");
            file.execute(&text, [id]).unwrap();
            text
        }
        1 => {
            // One character becomes another one.
            let column = columns[2 + numbers.below(5) as usize];
            let value: Option<String> =
                file.query_row(&format!("SELECT {column} FROM {table} WHERE id = ?1"), [id], |row| row.get(0)).unwrap();
            let mut letters: Vec<char> = value.unwrap_or_else(|| "x".to_owned()).chars().collect();
            let place = numbers.below(letters.len() as u64) as usize;
            letters[place] = if letters[place] == 'q' { 'r' } else { 'q' };
            let value: String = letters.into_iter().collect();
            file.execute(&format!("UPDATE {table} SET {column} = ?2 WHERE id = ?1"), params![id, value]).unwrap();
            format!("{column} of {id} is {value}")
        }
        2 => {
            file.execute(&format!("DELETE FROM {table} WHERE id = ?1"), [id]).unwrap();
            format!("{id} is gone")
        }
        3 => {
            file.execute(&format!("DELETE FROM {table} WHERE id >= ?1"), [id]).unwrap();
            format!("everything from {id} on is gone")
        }
        4 => {
            // Two change places: all but their ids.
            let same: bool = id == other;
            if same {
                return mutate(file, numbers, entries);
            }
            for (from, to) in [(id, -1), (other, id), (-1, other)] {
                file.execute(&format!("UPDATE {table} SET id = ?2 WHERE id = ?1"), [from, to]).unwrap();
            }
            format!("{id} and {other} have changed places")
        }
        5 => {
            // Squeezed in, with an id that nobody has: before all others.
            let text = format!(
                "INSERT INTO {table} (id, transaction_number, at, action, relation, key, change, context)
                 SELECT -?1, transaction_number, at, action, relation, key, change, context FROM {table} WHERE id = ?1"
            );
            file.execute(&text, [id]).unwrap();
            format!("{id} stands there twice")
        }
        6 => {
            let text =
                "UPDATE \"pando.audit_tiles\" SET hashes = CAST(substr(hashes, 1, ?1) || x'00' || substr(hashes, ?1 + 2) AS BLOB)
                         WHERE level = 0 AND substr(hashes, ?1 + 1, 1) <> x'00'";
            let changed = file.execute(text, [numbers.below(32 * entries as u64) as i64]).unwrap();
            if changed == 0 {
                return mutate(file, numbers, entries);
            }
            "a byte of a hash is another one".to_owned()
        }
        7 => {
            let by = if numbers.below(2) == 0 { 1 } else { -1 };
            file.execute("UPDATE \"pando.audit_head\" SET size = size + ?1", [by]).unwrap();
            format!("the head goes by {by}")
        }
        8 => {
            file.execute("UPDATE \"pando.audit_head\" SET size = 0, transaction_number = 0, entry = 0", []).unwrap();
            "the head is at the beginning".to_owned()
        }
        9 => {
            // Two entries of a tile change places; the hashes stay.
            let text: String = file
                .query_row("SELECT entries FROM \"pando.audit_tiles\" WHERE level = 0 AND number = 0", [], |row| {
                    row.get(0)
                })
                .unwrap();
            let mut ids: Vec<i64> = serde_json::from_str(&text).unwrap();
            let (one, two) = ((id - 1) as usize, (other - 1) as usize);
            if one == two {
                return mutate(file, numbers, entries);
            }
            ids.swap(one, two);
            let text = serde_json::to_string(&ids).unwrap();
            file.execute("UPDATE \"pando.audit_tiles\" SET entries = ?1 WHERE level = 0 AND number = 0", [text])
                .unwrap();
            format!("places {one} and {two} of the tile are of one another")
        }
        10 => {
            file.execute("DELETE FROM \"pando.audit_tiles\" WHERE level = 0 AND number = 0", []).unwrap();
            "a tile is gone".to_owned()
        }
        11 => {
            let text = "DELETE FROM \"pando.audit_checkpoints\" WHERE size = (SELECT max(size) FROM \"pando.audit_checkpoints\")";
            file.execute(text, []).unwrap();
            "the last checkpoint is gone".to_owned()
        }
        12 => {
            // That of another size takes its place.
            let text = "UPDATE \"pando.audit_checkpoints\" SET note = (SELECT note FROM \"pando.audit_checkpoints\" ORDER BY size LIMIT 1)
                         WHERE size = (SELECT max(size) FROM \"pando.audit_checkpoints\")";
            file.execute(text, []).unwrap();
            "the last checkpoint is the first".to_owned()
        }
        _ => {
            let text = "UPDATE \"pando.audit_checkpoints\" SET note = replace(note, char(10) || size || char(10), char(10) || (size + 1) || char(10))";
            file.execute(text, []).unwrap();
            "the checkpoints are of other sizes".to_owned()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_of_a_sealed_log_is_found() {
    let engine = Engine::embedded().await;
    for number in 1..=40_i64 {
        engine.run(ADD, [number.into(), "Somebody".into(), Datum::Null, Datum::Null]).await;
        if number % 7 == 0 {
            engine.seal().await;
        }
    }
    engine.seal().await;
    let (store, signer) = (engine.store.as_ref(), signer());
    let whole = verify(store, &signer, None, None).await.unwrap();
    assert_eq!((whole.sealed, whole.waiting, &whole.findings[..]), (40, 0, &[][..]));
    // What is done behind its back, on a copy of the tables that is put back afterwards.
    let file = Connection::open(engine.path.as_ref().unwrap()).unwrap();
    file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let tables = ["audit_entries", "audit_tiles", "audit_checkpoints", "audit_head"];
    for table in tables {
        file.execute_batch(&format!("CREATE TEMP TABLE {table} AS SELECT * FROM \"pando.{table}\"")).unwrap();
    }
    let mut numbers = Chance::seeded(7);
    for step in 0..steps() {
        let done = mutate(&file, &mut numbers, 40);
        let report = verify(store, &signer, None, None).await.unwrap();
        assert!(!report.findings.is_empty(), "step {step}: not found: {done}");
        for table in tables {
            file.execute_batch(&format!(
                "BEGIN; DELETE FROM \"pando.{table}\"; INSERT INTO \"pando.{table}\" SELECT * FROM temp.{table}; COMMIT"
            ))
            .unwrap();
        }
    }
    assert_eq!(verify(store, &signer, None, None).await.unwrap(), whole);
    engine.store.close().await;
}

async fn cut_off(engine: &Engine) -> Vec<Finding> {
    engine.fill().await;
    engine.run(RENAME, [2.into(), "Sealed".into()]).await;
    engine.seal().await;
    let answers = engine.store.consult(vec![store::OwnStep::new(NOTE, [])]).await.unwrap();
    let note: String = answers[0].first().unwrap().get("note").unwrap();
    engine.run(RENAME, [2.into(), "More".into()]).await;
    engine.seal().await;
    let (store, signer) = (engine.store.as_ref(), signer());
    let report = verify(store, &signer, None, Some(&note)).await.unwrap();
    assert_eq!(report.findings, [], "{} sealed", report.sealed);
    assert_eq!(report.waiting, 0);
    // Everything anew, sealed with the right key by somebody who has just started: only who has kept a checkpoint can tell.
    for forget in FORGET {
        engine.run(*forget, []).await;
    }
    engine.run(RENAME, [2.into(), "Anew".into()]).await;
    engine.seal().await;
    assert_eq!(verify(store, &signer, None, None).await.unwrap().findings, []);
    verify(store, &signer, None, Some(&note)).await.unwrap().findings
}

const NOTE: store::OwnStatement =
    store::OwnStatement::new("SELECT note FROM pando.audit_checkpoints ORDER BY size DESC LIMIT 1", &[]);
const FORGET: &[store::OwnStatement] = &[
    store::OwnStatement::new("DELETE FROM pando.audit_entries WHERE id > 0", &[]),
    store::OwnStatement::new("DELETE FROM pando.audit_tiles WHERE level >= 0", &[]),
    store::OwnStatement::new("DELETE FROM pando.audit_checkpoints WHERE size > 0", &[]),
    store::OwnStatement::new(
        "UPDATE pando.audit_head SET size = 0, transaction_number = 0, entry = 0 WHERE id = 1",
        &[],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_log_made_anew_is_found_by_a_checkpoint_in_a_file() {
    let engine = Engine::embedded().await;
    assert_eq!(cut_off(&engine).await, [Finding::Rewritten { size: 8 }]);
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_made_anew_is_found_by_a_checkpoint_on_a_server() {
    let Some(engine) = Engine::server("mutations::server").await else { return };
    assert_eq!(cut_off(&engine).await, [Finding::Rewritten { size: 8 }]);
    engine.store.close().await;
}

/// Adds entries, a transaction of them.
async fn add(engine: &Engine, ids: std::ops::Range<i64>) {
    let step = |id: i64| store::OwnStep::new(ADD, [id.into(), "Somebody".into(), Datum::Null, Datum::Null]);
    let steps: Vec<store::OwnStep> = ids.map(step).collect();
    for some in steps.chunks(60) {
        engine.store.transact(some.to_vec()).await.unwrap();
    }
}

/// Whoever remembers what was sealed signs nothing else.
async fn remembered(engine: &Engine) {
    let (mut one, mut two) = (Memory::default(), Memory::default());
    add(engine, 0..40).await;
    assert_eq!(engine.seal_on(&mut one).await.unwrap(), 40);
    assert_eq!(engine.seal_on(&mut two).await.unwrap(), 0);
    // What others seal meanwhile is a continuation, over a tile and more.
    let mut late_comer = None;
    for hundred in 1..7_i64 {
        add(engine, hundred * 100..hundred * 100 + 100).await;
        assert_eq!(engine.seal_on(&mut two).await.unwrap(), 100);
        // 340 entries: a tile and a part of the next.
        late_comer = late_comer.or_else(|| (hundred == 3).then(|| two.clone()));
    }
    add(engine, 1_000..1_001).await;
    assert_eq!(engine.seal_on(&mut one).await.unwrap(), 1);
    assert_eq!(engine.seal_on(&mut two).await.unwrap(), 0);
    let report = verify(engine.store.as_ref(), &signer(), None, None).await.unwrap();
    assert_eq!((report.sealed, &report.findings[..]), (641, &[][..]));

    // What others are said to have sealed, and the hash above it is that of another tile.
    let mut late = late_comer.unwrap();
    let answer = engine.store.consult(vec![store::OwnStep::new(ABOVE, [])]).await.unwrap();
    let above: Vec<u8> = answer[0].first().unwrap().get::<&[u8]>("hashes").unwrap().to_vec();
    let forged: Vec<u8> =
        above.iter().enumerate().map(|(place, byte)| if place < 32 { *byte } else { !byte }).collect();
    engine.run(PUT_ABOVE, [forged.into()]).await;
    refused(engine.seal_on(&mut late).await);
    engine.run(PUT_ABOVE, [above.into()]).await;
    assert_eq!(engine.seal_on(&mut late).await.unwrap(), 0);

    // Everything anew, with the right key, as long as before or longer.
    for forget in FORGET {
        engine.run(*forget, []).await;
    }
    refused(engine.seal_on(&mut one).await);
    add(engine, 3_000..4_000).await;
    refused(engine.seal_on(&mut one).await);
    engine.seal().await;
    refused(engine.seal_on(&mut one).await);
    refused(engine.seal_on(&mut two).await);
}

fn refused(outcome: Result<u64, AuditError>) {
    assert!(matches!(outcome, Err(AuditError::Rewritten(_))), "{outcome:?}");
}

const ABOVE: store::OwnStatement =
    store::OwnStatement::new("SELECT hashes FROM pando.audit_tiles WHERE level = 1 AND number = 0", &[]);
const PUT_ABOVE: store::OwnStatement =
    store::OwnStatement::new("UPDATE pando.audit_tiles SET hashes = $1 WHERE level = 1 AND number = 0", &["bytea"]);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_that_does_not_go_on_from_what_was_signed_in_a_file() {
    let engine = Engine::embedded().await;
    remembered(&engine).await;
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_that_does_not_go_on_from_what_was_signed_on_a_server() {
    let Some(engine) = Engine::server("mutations::remembered").await else { return };
    remembered(&engine).await;
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_tile_is_sealed_and_found_whole() {
    let engine = Engine::embedded().await;
    for hundred in 0..6_i64 {
        let steps: Vec<store::OwnStep> = (0..60_i64)
            .map(|number| {
                let id = hundred * 60 + number;
                store::OwnStep::new(ADD, [id.into(), "Somebody".into(), Datum::Null, Datum::Null])
            })
            .collect();
        engine.store.transact(steps).await.unwrap();
        assert_eq!(engine.seal().await, 60);
    }
    let report = verify(engine.store.as_ref(), &signer(), None, None).await.unwrap();
    assert_eq!((report.sealed, report.waiting, &report.findings[..]), (360, 0, &[][..]));
    let file = Connection::open(engine.path.as_ref().unwrap()).unwrap();
    file.execute("UPDATE \"pando.audit_tiles\" SET hashes = zeroblob(32) WHERE level = 1", []).unwrap();
    let report = verify(engine.store.as_ref(), &signer(), None, None).await.unwrap();
    assert!(matches!(&report.findings[..], [Finding::Tiles(_)]), "{:?}", report.findings);
    engine.store.close().await;
}
