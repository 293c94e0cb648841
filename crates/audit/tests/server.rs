//! What only a server has: others who log in, roles of requests, commits out of order.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::disallowed_methods, reason = "another thread is at work meanwhile")]

mod common;

use audit::{Finding, verify};
use common::{ADD, Engine, key, signer};
use datatype::Datum;

async fn engine(test: &str) -> Option<Engine> {
    let engine = Engine::server(test).await?;
    engine
        .server
        .as_ref()
        .unwrap()
        .run("create role web; grant select, insert, update, delete, truncate on all tables in schema public to web;");
    Some(engine)
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_from_outside_are_written_down_and_roles_cannot_touch_entries() {
    let Some(engine) = engine("server::outside").await else { return };
    let server = engine.server.as_ref().unwrap();
    server.run("set role web; insert into people (id, name) values (1, 'outside'); truncate pets;");
    let entries = engine.entries().await;
    let told: Vec<(&str, &str)> = entries.iter().map(|entry| (&*entry.action, &*entry.context)).collect();
    assert_eq!(told[0].0, "insert");
    assert!(told[0].1.starts_with("{\"outside\":"), "{told:?}");
    assert_eq!(told[1].0, "truncate");
    assert_eq!(entries[1].key, None);
    for forbidden in [
        "select * from pando.audit_entries",
        "insert into pando.audit_entries (transaction_number, at, action, change, context) values (1, now(), 'x', '{}', '{}')",
        "update pando.audit_entries set context = '{}'",
        "delete from pando.audit_entries",
        "truncate pando.audit_entries",
        "update pando.audit_head set size = 0",
        "select pando.audit_change()",
        "alter table people disable trigger pando_audit",
        "drop trigger pando_audit on people",
        "set session_replication_role = replica",
    ] {
        let refused = server.try_run(&format!("set role web; {forbidden};"));
        assert!(refused.is_err(), "{forbidden}: {refused:?}");
    }
    assert_eq!(engine.entries().await, entries);
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_cannot_be_said_by_others() {
    let Some(engine) = engine("server::forged").await else { return };
    engine.run(ADD, [1.into(), "of the program".into(), Datum::Null, Datum::Null]).await;
    let script = "set role web; begin; select set_config('pando.audit', '{\"role\":\"admin\",\"user\":\"1\"}', true);
         insert into people (id, name) values (2, 'forged'); commit;";
    engine.server.as_ref().unwrap().run(script);
    engine.seal().await;
    let entries = engine.entries().await;
    let report = verify(engine.store.as_ref(), &signer(), Some(&key()), None).await.unwrap();
    assert_eq!(report.findings, [Finding::Unsigned(entries[1].id)]);
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_late_is_sealed() {
    let Some(engine) = engine("server::late").await else { return };
    let server = engine.server.as_ref().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server
                .run("begin; insert into people (id, name) values (1, 'early, and late'); select pg_sleep(3); commit;");
        });
        std::thread::sleep(std::time::Duration::from_millis(1500));
        server.run("insert into people (id, name) values (2, 'meanwhile')");
    });
    // Both are there, and the one with the lower number came last.
    let seen = engine.seal().await;
    assert_eq!(seen, 2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            server
                .run("begin; insert into people (id, name) values (3, 'early, and late'); select pg_sleep(3); commit;");
        });
        std::thread::sleep(std::time::Duration::from_millis(1500));
        server.run("insert into people (id, name) values (4, 'meanwhile')");
        let sealed = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(engine.seal()));
        assert_eq!(sealed, 0, "one before it may still come");
    });
    assert_eq!(engine.seal().await, 2);
    let report = verify(engine.store.as_ref(), &signer(), None, None).await.unwrap();
    assert_eq!((report.sealed, report.waiting, &report.findings[..]), (4, 0, &[][..]));
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_seal_at_once_seal_each_entry_once() {
    let Some(engine) = engine("server::two").await else { return };
    let (store, signer) = (engine.store.as_ref(), signer());
    for round in 0..10_i64 {
        for number in 0..5_i64 {
            engine.run(ADD, [(round * 5 + number).into(), "x".into(), Datum::Null, Datum::Null]).await;
        }
        let (left, right) = tokio::join!(engine.seal(), engine.seal());
        assert_eq!(left + right, 5);
    }
    let report = verify(store, &signer, None, None).await.unwrap();
    assert_eq!((report.sealed, report.waiting, &report.findings[..]), (50, 0, &[][..]));
    engine.store.close().await;
}

/// How often it is done, and so many times more as `PANDO_TEST_STEPS` says.
fn steps() -> u64 {
    60 + testkit::more_steps()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_of_a_sealed_log_is_found() {
    let Some(engine) = engine("server::mutations").await else { return };
    for number in 1..=20_i64 {
        engine.run(ADD, [number.into(), "Somebody".into(), Datum::Null, Datum::Null]).await;
    }
    engine.seal().await;
    let server = engine.server.as_ref().unwrap();
    let (store, signer) = (engine.store.as_ref(), signer());
    let whole = verify(store, &signer, None, None).await.unwrap();
    assert_eq!((whole.sealed, whole.findings.len()), (20, 0));
    server.run("create schema kept; create table kept.e as table pando.audit_entries; create table kept.t as table pando.audit_tiles;");
    let ids: Vec<i64> = engine.entries().await.iter().map(|entry| entry.id).collect();
    // A line each, with the place of an entry in `ID` and of a byte in `BYTE`.
    let lines = [
        "update pando.audit_entries set context = overlay(context placing '~' from 1 + BYTE % length(context)) where id = ID",
        "update pando.audit_entries set change = overlay(change placing '~' from 1 + BYTE % length(change)) where id = ID",
        "update pando.audit_entries set at = at + interval '1 microsecond' where id = ID",
        "update pando.audit_entries set action = 'delete' where id = ID",
        "update pando.audit_entries set relation = null where id = ID",
        "delete from pando.audit_entries where id = ID",
        "delete from pando.audit_entries where id >= ID",
        "insert into pando.audit_entries overriding system value select -id, transaction_number, at, action, relation, key, change, context
           from pando.audit_entries where id = ID",
        "update pando.audit_tiles set hashes = set_byte(hashes, BYTE % length(hashes), 255 - get_byte(hashes, BYTE % length(hashes)))",
        "update pando.audit_entries set key = '{}' where id = ID",
    ];
    for step in 0..steps() {
        let (id, byte) = (ids[(step * 7 % 20) as usize], step * 7919 % 1_000);
        let line = lines[(step % lines.len() as u64) as usize];
        let line = line.replace("ID", &id.to_string()).replace("BYTE", &byte.to_string());
        server.run(&line);
        let report = verify(store, &signer, None, None).await.unwrap();
        assert!(!report.findings.is_empty(), "step {step}: not found: {line}");
        server.run(
            "begin; delete from pando.audit_entries; insert into pando.audit_entries overriding system value table kept.e;
             delete from pando.audit_tiles; insert into pando.audit_tiles table kept.t; commit;",
        );
    }
    assert_eq!(verify(store, &signer, None, None).await.unwrap(), whole);
    engine.store.close().await;
}
