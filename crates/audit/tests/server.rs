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
        "alter table people disable trigger all",
        "drop trigger pando_audit_truncate on people",
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
    // What a function can do in a request of Pando's: say who asked, that it came from outside, nothing, or take it back; on
    // tables of both functions.
    let claims = [
        "'{\"role\":\"admin\",\"user\":\"1\"}'",
        "'{\"outside\":\"postgres\"}'",
        "'{\"outside\":\"postgres\",\"user\":\"victim\"}'",
        "''",
        "null",
        "'{\"role\":\"admin\",\"signature\":\"0000\"}'",
        "repeat('x', 100000)",
    ];
    for (place, claim) in claims.into_iter().enumerate() {
        for table in ["people", "wide"] {
            engine.server.as_ref().unwrap().run(&format!(
                "begin; select set_config('pando.audit', '{{}}', true); commit; set role web; begin;
                 select set_config('pando.audit', {claim}, true); insert into {table} (id, name) values ({}, 'forged'); commit;",
                place + 2
            ));
        }
    }
    // Who never had to do with the setting is who logged in.
    engine.server.as_ref().unwrap().run("insert into people (id, name) values (99, 'outside')");
    engine.seal().await;
    let entries = engine.entries().await;
    assert_eq!(entries.len(), 2 + 2 * claims.len());
    assert_eq!(entries.last().unwrap().context, "{\"outside\":\"postgres\"}");
    assert!(entries.iter().all(|entry| entry.context.len() < 2_000));
    let forged: Vec<Finding> = entries[1..entries.len() - 1].iter().map(|entry| Finding::Unsigned(entry.id)).collect();
    let report = verify(engine.store.as_ref(), &signer(), Some(&key()), None).await.unwrap();
    assert_eq!(report.findings, forged, "{entries:#?}");
    assert_eq!(report.kinds["unsigned"], 2 * claims.len() as u64);
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_become_partitions_and_tables_again() {
    let Some(engine) = engine("server::partitions").await else { return };
    let server = engine.server.as_ref().unwrap();
    server.run(
        "create table logs (id bigint, kind text, primary key (id, kind)) partition by list (kind);
         create table logs_a partition of logs for values in ('a');
         create table logs_b (id bigint, kind text not null, primary key (id, kind));",
    );
    assert_eq!(engine.store.audit().await.unwrap(), []);
    let row_triggers = |table: &str| {
        let count = format!(
            "select count(*) from pg_trigger where tgrelid = '{table}'::regclass and tgname like 'pando_audit_%' and tgtype & 1 = 1"
        );
        server.run(&count).trim().to_owned()
    };
    server.run("alter table logs attach partition logs_b for values in ('b')");
    assert_eq!(engine.store.audit().await.unwrap(), []);
    assert_eq!(
        (row_triggers("logs"), row_triggers("logs_a"), row_triggers("logs_b")),
        ("1".into(), "1".into(), "1".into())
    );
    server.run("insert into logs values (1, 'a'), (2, 'b'); truncate logs_b;");
    server.run("alter table logs detach partition logs_b");
    assert_eq!(engine.store.audit().await.unwrap(), []);
    assert_eq!(row_triggers("logs_b"), "1");
    server.run("insert into logs_b values (3, 'b'); alter table logs attach partition logs_b for values in ('b');");
    assert_eq!(engine.store.audit().await.unwrap(), []);
    server.run("delete from logs where id = 3; truncate logs_a;");
    let told: Vec<String> = engine
        .entries()
        .await
        .iter()
        .map(|entry| format!("{} {}", entry.action, entry.relation.as_deref().unwrap_or_default()))
        .collect();
    let expected = [
        "insert public.logs_a",
        "insert public.logs_b",
        "truncate public.logs_b",
        "insert public.logs_b",
        "delete public.logs_b",
        "truncate public.logs_a",
    ];
    assert_eq!(told, expected);
    // What is as it should be is not made again: that would be told to all nodes, each of which would come again.
    let made = "select string_agg(xmin::text, ',' order by oid) from pg_proc where proname like 'audit_%'
                union all select string_agg(xmin::text, ',' order by oid) from pg_trigger where tgname like 'pando_audit%'";
    let before = server.run(made);
    assert_eq!(engine.store.audit().await.unwrap(), []);
    assert_eq!(server.run(made), before);
    // A function that prints otherwise is put back.
    server.run("alter function pando.audit_change() reset all");
    assert_eq!(engine.store.audit().await.unwrap(), []);
    assert!(server.run("select proconfig from pg_proc where proname = 'audit_change'").contains("search_path"));
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_in_use_is_told_and_watched_later() {
    let Some(engine) = engine("server::used").await else { return };
    let server = engine.server.as_ref().unwrap();
    server.run("create table used (id bigint primary key); create table unused (id bigint primary key);");
    let holders =
        "select count(*) from pg_locks where relation = 'used'::regclass and mode = 'RowExclusiveLock' and granted";
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let held = "begin; lock table used in row exclusive mode; select pg_sleep(600);";
            server.try_run(held)
        });
        testkit::fleet::eventually("the table is in use", std::time::Duration::from_secs(60), || {
            server.run(holders).trim() == "1"
        });
        let left_out =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(engine.store.audit()).unwrap());
        server.run("select pg_terminate_backend(pid) from pg_locks where relation = 'used'::regclass and granted");
        holder.join().unwrap().unwrap_err();
        assert_eq!(left_out.len(), 1, "{left_out:?}");
        assert!(!left_out[0].is_refused && left_out[0].problem.contains("public.used"), "{left_out:?}");
        assert!(server.run("select tgname from pg_trigger where tgrelid = 'unused'::regclass").contains("pando_audit"));
    });
    assert_eq!(engine.store.audit().await.unwrap(), []);
    engine.store.close().await;
}

/// As the database may be filled with a row of any size.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_row_has_an_entry_of_bounded_size() {
    let Some(engine) = engine("server::large").await else { return };
    let server = engine.server.as_ref().unwrap();
    server.run(
        "insert into people (id, name) values (1, 'x'); insert into pets (id, owner, name) values (1, 1, repeat('x', 40000000));",
    );
    let entries = engine.entries().await;
    let large = entries.last().unwrap();
    assert!(
        large.change.len() < 1_000 && large.change.contains("\"values_left_out\":400000"),
        "{}",
        large.change.len()
    );
    assert_eq!(engine.seal().await, 2);
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
    server.run("create schema kept; create table kept.e as table pando.audit_entries; create table kept.t as table pando.audit_tiles;
         create table kept.h as table pando.audit_head; create table kept.c as table pando.audit_checkpoints;");
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
        "update pando.audit_entries as e set at = o.at, change = o.change, context = o.context, key = o.key from pando.audit_entries as o
          where o.id <> e.id and ID in (o.id, e.id) and abs(o.id - e.id) = 1",
        "update pando.audit_head set size = size - 1",
        "update pando.audit_head set size = 0, transaction_number = 0, entry = 0",
        "delete from pando.audit_tiles",
        "update pando.audit_tiles set entries = replace(entries, '[', '[0,') where level = 0",
        "delete from pando.audit_checkpoints",
        "update pando.audit_checkpoints set note = replace(note, 'pando', 'pandu')",
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
             delete from pando.audit_tiles; insert into pando.audit_tiles table kept.t;
             delete from pando.audit_head; insert into pando.audit_head table kept.h;
             delete from pando.audit_checkpoints; insert into pando.audit_checkpoints table kept.c; commit;",
        );
    }
    assert_eq!(verify(store, &signer, None, None).await.unwrap(), whole);
    engine.store.close().await;
}
