//! What has changed on a real PostgreSQL server, whoever has changed it: none is missed, and what did not change is left alone.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "own/engines.rs"]
mod engines;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::QualifiedName;
use store::{CHANGES, Config, PositionToken, PostgresSettings, Sources, Stamp, Store, StoreError, WatchSettings};
use testkit::{Cluster, Postgres};

fn table(name: &str) -> QualifiedName {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    QualifiedName::new(schema, name)
}

fn watching(url: &str, relations: &[&str]) -> PostgresSettings {
    let relations = relations.iter().map(|name| table(name)).collect();
    let watch = Some(WatchSettings { relations, ..WatchSettings::default() });
    PostgresSettings { watch, ..engines::settings(url) }
}

/// A node that watches these relations, whose tables are there already.
async fn node(server: &Postgres, relations: &[&str]) -> Arc<dyn Store> {
    let store = engines::open(Config::Postgres(watching(&server.url("postgres"), relations))).await;
    store.apply_own(&CHANGES, 0).await.expect("is made");
    assert_eq!(store.watch().await.expect("is watched"), []);
    store.catch_up().await.expect("looks");
    store
}

/// What is kept of some tables.
struct Kept<'s> {
    store: &'s dyn Store,
    stamps: Vec<(String, Stamp)>,
}

impl<'s> Kept<'s> {
    fn of(store: &'s dyn Store, tables: &[&str]) -> Self {
        let changes = store.changes().expect("is watched");
        let stamp = |name: &str| {
            let sources = Sources { tables: BTreeSet::from([table(name)]), ..Sources::default() };
            (name.to_owned(), changes.stamp(&sources).expect("nothing is under way"))
        };
        Self { store, stamps: tables.iter().map(|name| stamp(name)).collect() }
    }

    /// The tables of which it does not hold any more, once everything counts that has happened.
    async fn changed(&self) -> Vec<&str> {
        self.store.catch_up().await.expect("looks");
        self.gone()
    }

    /// The tables of which it does not hold any more.
    fn gone(&self) -> Vec<&str> {
        let changes = self.store.changes().expect("is watched");
        let gone = self.stamps.iter().filter(|(_, stamp)| !changes.holds(stamp));
        gone.map(|(name, _)| name.as_str()).collect()
    }
}

const SCHEMA: &str = "create table one (id bigint primary key, note text);
    create table two (id bigint primary key, one bigint references one on delete cascade, note text);
    create table three (id bigint primary key);
    create table untouched (id bigint primary key);
    insert into one values (1, 'a'), (2, 'b'); insert into two values (1, 1, 'x'), (2, 2, 'y');";

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_change_is_seen() {
    let Some(server) = Cluster::new().setting("max_prepared_transactions", "4").start_for("every_kind_of_change")
    else {
        return;
    };
    server.run(SCHEMA);
    server.run(
        "create function touch() returns void language sql as 'update one set note = note where id = 1';
         create function also() returns trigger language plpgsql as 'begin insert into three values (new.id) on conflict do nothing; return new; end';
         create trigger also after update on two for each row execute function also();
         create view shown as select id, note from one;",
    );
    let all = ["one", "two", "three", "untouched"];
    let store = node(&server, &all).await;
    for (script, expected) in [
        ("insert into one values (3, 'c')", &["one"][..]),
        ("update one set note = 'd' where id = 3", &["one"]),
        // What a foreign key does is a statement, even where it meets no row.
        ("delete from one where id = 3", &["one", "two"]),
        ("insert into one values (1, 'e') on conflict (id) do update set note = excluded.note", &["one"]),
        (
            "merge into one using (values (1)) as v (id) on v.id = one.id when matched then update set note = 'm'",
            &["one"],
        ),
        ("with added as (insert into one values (4, 'f') returning id) select count(*) from added", &["one"]),
        ("update shown set note = 'through a view' where id = 1", &["one"]),
        ("copy three from stdin;\n7\n8\n\\.\n", &["three"]),
        ("select touch()", &["one"]),
        ("do 'begin perform touch(); end'", &["one"]),
        ("update two set note = 'z' where id = 2", &["two", "three"]),
        ("delete from one where id = 1", &["one", "two"]),
        (
            "begin; savepoint s; insert into three values (20); rollback to s; update one set note = 'g'; commit",
            &["one"],
        ),
        (
            "begin; savepoint s; insert into three values (20); rollback to s; insert into three values (21); commit",
            &["three"],
        ),
        ("begin; insert into three values (22); rollback", &[]),
        ("set session_replication_role = replica; insert into three values (23)", &["three"]),
        ("begin; insert into three values (24); prepare transaction 'later'", &[]),
        ("commit prepared 'later'", &["three"]),
        (
            "begin isolation level serializable; insert into three values (25); insert into three values (26); commit",
            &["three"],
        ),
        ("truncate three", &["three"]),
        ("truncate one cascade", &["one", "two"]),
        ("select count(*) from one", &[]),
    ] {
        let kept = Kept::of(&*store, &all);
        server.run(script);
        assert_eq!(kept.changed().await, expected, "{script}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_look_that_began_before() {
    let Some(server) = Postgres::start_for("nobody_waits_for_a_look_that_began_before") else { return };
    server.run(SCHEMA);
    let store = node(&server, &["one"]).await;
    // However many ask at once, and whatever is under way: each is told of what was done before it asked.
    for round in 0..50 {
        let kept = Kept::of(&*store, &["one"]);
        let others: Vec<_> = (0..20)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.catch_up().await.map(drop) })
            })
            .collect();
        server.run(&format!("update one set note = '{round}'"));
        assert_eq!(kept.changed().await, ["one"], "{round}");
        for other in others {
            other.await.unwrap().unwrap();
        }
    }
    store.close().await;
}
