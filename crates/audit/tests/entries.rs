//! Every change has its entry, and every entry its change, the same on both engines.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use audit::Entry;
use common::{ADD, ADD_PET, Engine, REMOVE, RENAME};
use datatype::Datum;
use serde_json::Value;
use store::{OwnStep, StoreError};

/// What has to be the same on both engines.
fn told(entries: &[Entry]) -> Vec<(String, Option<String>, Option<String>, String)> {
    let told = |entry: &Entry| (entry.action.clone(), entry.relation.clone(), entry.key.clone(), entry.change.clone());
    entries.iter().map(told).collect()
}

async fn check(engine: &Engine) {
    let statements =
        if engine.store.catalog().is_native() { audit::STATEMENTS_OF_SERVERS } else { audit::STATEMENTS_OF_FILES };
    engine.store.try_own(audit::STATEMENTS).await.unwrap();
    engine.store.try_own(statements).await.unwrap();

    engine.fill().await;
    let entries = engine.entries().await;
    let names: Vec<String> = entries
        .iter()
        .map(|entry| {
            format!("{} {} {}", entry.action, entry.relation.as_deref().unwrap(), entry.key.as_deref().unwrap_or("-"))
        })
        .collect();
    assert_eq!(
        names[..5],
        [
            "insert public.people {\"id\":1}",
            "insert public.people {\"id\":2}",
            "insert public.pets {\"id\":7}",
            "update public.people {\"id\":2}",
            "insert public.notes -",
        ]
    );
    // What a cascade takes along is written down as well.
    let mut last: Vec<&str> = names[5..].iter().map(String::as_str).collect();
    last.sort_unstable();
    assert_eq!(last, ["delete public.people {\"id\":1}", "delete public.pets {\"id\":7}"]);

    let update: Value = serde_json::from_str(&entries[3].change).unwrap();
    assert_eq!(update["columns"], serde_json::json!(["name", "secret"]));
    assert_eq!(update["values"], serde_json::json!({"old": {"name": "Zoë"}, "new": {"name": "Zoe"}}));
    assert_ne!(update["old"], update["new"]);
    let insert: Value = serde_json::from_str(&entries[1].change).unwrap();
    assert_eq!(insert["new"], update["old"], "the row that came is the row that was");
    assert!(!entries.iter().any(|entry| entry.change.contains("hidden")), "a masked value stands nowhere");
    assert!(entries[0].context.starts_with("{\"role\":\"pando\""), "{}", entries[0].context);

    nothing_of_what_failed(engine).await;
}

async fn nothing_of_what_failed(engine: &Engine) {
    let before = engine.entries().await.len();
    let steps = vec![OwnStep::new(RENAME, [2.into(), "Nobody".into()]), OwnStep::new(REMOVE, [99.into()]).exactly(1)];
    assert!(matches!(engine.store.transact(steps).await, Err(StoreError::Missed { step: 1, .. })));
    // A foreign key speaks after the row was written.
    let refused = engine.store.transact(vec![OwnStep::new(ADD_PET, [8.into(), 99.into(), "Stray".into()])]).await;
    assert!(matches!(refused, Err(StoreError::Violated(_))), "{refused:?}");
    let refused =
        engine.store.transact(vec![OwnStep::new(ADD, [2.into(), "Twice".into(), Datum::Null, Datum::Null])]).await;
    assert!(matches!(refused, Err(StoreError::Violated(_))), "{refused:?}");
    assert_eq!(engine.entries().await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded() {
    let engine = Engine::embedded().await;
    check(&engine).await;
    engine.store.close().await;
    // The triggers are there again when the file is opened again, and the file itself has none.
    let path = engine.path.clone().unwrap();
    let plain = rusqlite::Connection::open(&path).unwrap();
    let triggers: i64 =
        plain.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'", [], |row| row.get(0)).unwrap();
    assert_eq!(triggers, 0);
    let mut again = engine;
    again.store = common::open_file(&path).await;
    let before = again.entries().await.len();
    again.run(RENAME, [2.into(), "Again".into()]).await;
    assert_eq!(again.entries().await.len(), before + 1);
    again.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server() {
    let Some(engine) = Engine::server("entries::server").await else { return };
    check(&engine).await;
    assert_eq!(engine.store.audit().await.unwrap(), [], "a second time it is as before");
    let embedded = Engine::embedded().await;
    embedded.fill().await;
    let (mut here, mut there) = (told(&embedded.entries().await), told(&engine.entries().await));
    here.sort();
    there.sort();
    assert_eq!(here, there, "both engines say the same of the same changes, to the hash");
    embedded.store.close().await;
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_as_many_columns_as_there_may_be_are_written_down() {
    let engine = Engine::embedded().await;
    let script = |columns: usize| {
        let columns: Vec<String> = (1..columns).map(|number| format!("c{number} int")).collect();
        let text = format!("create table broad (id bigint primary key, {});", columns.join(", "));
        sql::ddl::translate("test.sql", &text, engine.store.catalog().snapshot())
    };
    let refused = script(500).unwrap_err().to_string();
    assert!(refused.contains("test.sql:1") && refused.contains("at most 499"), "{refused}");
    let migration = store::Migration {
        version: 2,
        name: "0002_broad.sql".to_owned(),
        checksum: "2".to_owned(),
        script: store::MigrationScript::Translated(Box::new(script(499).unwrap())),
        owes: None,
    };
    engine.store.apply_migration(migration).await.unwrap();
    engine.run(ADD_BROAD, []).await;
    engine.run(CHANGE_BROAD, []).await;
    let entries = engine.entries().await;
    assert_eq!(entries.iter().map(|entry| &*entry.action).collect::<Vec<_>>(), ["insert", "update"]);
    assert!(entries[1].change.starts_with("{\"columns\":[\"c498\"]"), "{}", entries[1].change);
    engine.store.close().await;
}

const ADD_BROAD: store::OwnStatement = store::OwnStatement::new("INSERT INTO public.broad (id) VALUES (1)", &[]);
const CHANGE_BROAD: store::OwnStatement =
    store::OwnStatement::new("UPDATE public.broad SET c498 = 7 WHERE id = 1", &[]);

/// Rows of any size have entries that can be sealed, with keys of any length.
#[tokio::test(flavor = "multi_thread")]
async fn entries_are_bounded_on_the_embedded_engine() {
    let engine = Engine::embedded().await;
    let text = "create table named (name text primary key);";
    let script = sql::ddl::translate("test.sql", text, engine.store.catalog().snapshot()).unwrap();
    let migration = store::Migration {
        version: 2,
        name: "0002_named.sql".to_owned(),
        checksum: "2".to_owned(),
        script: store::MigrationScript::Translated(Box::new(script)),
        owes: None,
    };
    engine.store.apply_migration(migration).await.unwrap();
    let long = "x".repeat(3_000_000);
    engine.run(ADD_NAMED, [long.clone().into()]).await;
    engine.run(ADD, [1.into(), "x".into(), Datum::Null, Datum::Null]).await;
    engine.run(ADD_PET, [1.into(), 1.into(), long.into()]).await;
    let entries = engine.entries().await;
    assert!(entries[0].key.as_ref().unwrap().starts_with("{\"sha256\":\""), "{:?}", entries[0].key);
    assert!(entries[2].change.contains("\"values_left_out\":30000"), "{}", entries[2].change.len());
    assert!(entries.iter().all(|entry| entry.change.len() < 70_000));
    assert_eq!(engine.seal().await, 3);
    engine.store.close().await;
}

const ADD_NAMED: store::OwnStatement =
    store::OwnStatement::new("INSERT INTO public.named (name) VALUES ($1)", &["text"]);
