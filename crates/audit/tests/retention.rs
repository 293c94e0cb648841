//! Entries that are old enough are forgotten, and nothing else can be taken away under that name.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use audit::{AuditError, Finding, Report, check, forget, prove, verify};
use base::{Clock, SystemClock, Timestamp};
use common::{ADD, Engine, RENAME, signer};
use datatype::Datum;
use store::{OwnStatement, OwnStep};

const TAKE_AWAY: OwnStatement = OwnStatement::new("DELETE FROM pando.audit_entries WHERE id = $1", &["bigint"]);
const CLAIM_MORE: OwnStatement =
    OwnStatement::new("UPDATE pando.audit_forgotten SET size = size + 256 WHERE size > 0", &[]);
const TAKE_BACK: OwnStatement =
    OwnStatement::new("UPDATE pando.audit_forgotten SET size = size - 256 WHERE size > 0", &[]);
const FORGET_THE_NOTE: OwnStatement = OwnStatement::new("DELETE FROM pando.audit_forgotten WHERE size > 0", &[]);
const ALTER: OwnStatement =
    OwnStatement::new("UPDATE pando.audit_entries SET context = '{}' WHERE id = $1", &["bigint"]);

/// Later than everything in the log.
fn later() -> Timestamp {
    Timestamp(SystemClock.now().0 + 3_600_000_000)
}

async fn report(engine: &Engine) -> Report {
    verify(engine.store.as_ref(), &signer(), None, None).await.unwrap()
}

/// Two tiles and a bit, sealed.
async fn filled(engine: &Engine) {
    for fifty in 0..12_i64 {
        let add =
            |number| OwnStep::new(ADD, [Datum::from(fifty * 50 + number), "Somebody".into(), Datum::Null, Datum::Null]);
        engine.store.transact((0..50_i64).map(add).collect()).await.unwrap();
    }
    assert_eq!(engine.seal().await, 600);
}

async fn old_entries_are_forgotten(engine: Engine) {
    filled(&engine).await;
    let (store, signer, now) = (engine.store.as_ref(), signer(), SystemClock.now());
    let ids: Vec<i64> = engine.entries().await.iter().map(|entry| entry.id).collect();
    // All are too young.
    assert_eq!(forget(store, &signer, Timestamp(now.0 - 3_600_000_000), now).await.unwrap(), 0);
    assert_eq!(engine.entries().await.len(), 600);
    for (gone, left) in [(256, 344), (256, 88), (0, 88)] {
        assert_eq!(forget(store, &signer, later(), now).await.unwrap(), gone);
        assert_eq!(engine.entries().await.len(), left);
        let found = report(&engine).await;
        assert_eq!((found.sealed, found.forgotten, &found.findings[..]), (600, 600 - left as u64, &[][..]));
    }
    // The log goes on, and what is there can be proved.
    engine.run(RENAME, [1.into(), "Renamed".into()]).await;
    assert_eq!(engine.seal().await, 1);
    assert_eq!(report(&engine).await.findings, []);
    let last = *ids.last().unwrap();
    assert_eq!(check(&prove(store, last).await.unwrap(), &signer.verifier()).unwrap().index, 599);
    assert!(matches!(prove(store, ids[0]).await, Err(AuditError::Unproven { .. })));
    // What was not forgotten is missed.
    engine.run(TAKE_AWAY, [last.into()]).await;
    assert!(report(&engine).await.findings.contains(&Finding::Removed(last)));
    // A note that says more is none, and neither is one of less, nor no note at all.
    engine.run(CLAIM_MORE, []).await;
    assert!(report(&engine).await.findings.iter().any(|found| matches!(found, Finding::Forgotten { size: 768, .. })));
    engine.run(TAKE_BACK, []).await;
    assert!(!report(&engine).await.findings.iter().any(|found| matches!(found, Finding::Forgotten { .. })));
    engine.run(FORGET_THE_NOTE, []).await;
    assert!(report(&engine).await.findings.contains(&Finding::Removed(ids[0])));
    engine.store.close().await;
}

async fn what_was_altered_is_kept(engine: Engine) {
    filled(&engine).await;
    let id = engine.entries().await[100].id;
    engine.run(ALTER, [id.into()]).await;
    let refused = forget(engine.store.as_ref(), &signer(), later(), SystemClock.now()).await;
    assert!(matches!(&refused, Err(AuditError::Broken(text)) if text.contains(&format!("entry {id}"))), "{refused:?}");
    assert_eq!(engine.entries().await.len(), 600);
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_entries_of_a_file_are_forgotten() {
    old_entries_are_forgotten(Engine::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_entries_of_a_server_are_forgotten() {
    let Some(engine) = Engine::server("retention::forgotten").await else { return };
    old_entries_are_forgotten(engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_in_a_file_is_kept() {
    what_was_altered_is_kept(Engine::embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_on_a_server_is_kept() {
    let Some(engine) = Engine::server("retention::altered").await else { return };
    what_was_altered_is_kept(engine).await;
}
