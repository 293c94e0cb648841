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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base::QualifiedName;
use store::{
    CHANGES, Config, OwnStatement, OwnStep, PositionToken, PostgresSettings, Sources, Stamp, Store, StoreError,
    WatchSettings,
};
use testkit::{Cluster, Pooler, Postgres, is_skipped};

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
        // What a foreign key does is a statement; here it meets no row.
        ("delete from one where id = 3", &["one"]),
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
        ("update two set note = 'z' where id = 99", &[]),
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

/// A change is told by the keys of its rows, where the row is all that decides what is shown of it.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_told_by_their_keys() {
    let Some(server) = Postgres::start_for("rows_are_told_by_their_keys") else { return };
    server.run(SCHEMA);
    server.run(
        "create table things (id uuid primary key, note text); create table second (note text, id bigint primary key);
         create table pairs (id bigint, other bigint, primary key (id, other)); create table words (id text primary key);
         create table parts (id bigint primary key) partition by range (id); create table part partition of parts for values from (0) to (100);
         create table parents (id bigint primary key); create table children (primary key (id)) inherits (parents);
         create table peers (id bigint primary key, of bigint); alter table peers enable row level security;
         create policy p on peers using (exists (select from peers as other where other.id = peers.of));
         create table ruled (id integer primary key); alter table ruled enable row level security;
         create policy p on ruled using (exists (select from three where three.id = ruled.id));
         alter table three add column note text; create table settings (id bigint primary key, key text, value text, r text, keys text, noted text);
         create table reserved (id bigint primary key, pando_key text); create table dropped (gone text, id smallint primary key); alter table dropped drop column gone",
    );
    let names = ["one", "two", "three", "things", "ruled", "dropped", "settings"];
    let others = ["second", "reserved", "pairs", "words", "parts", "part", "parents", "children", "peers"];
    let all: Vec<_> = names.into_iter().chain(others).collect();
    let store = node(&server, &all).await;
    let row_key = |name: &str| store.catalog().snapshot().dependences[&table(name)].row_key.clone();
    for name in names {
        assert_eq!(row_key(name).as_deref(), Some("id"), "{name}");
    }
    for name in others {
        assert_eq!(row_key(name), None, "{name}");
    }
    let of_rows = |rows: &[(&'static str, &'static str)]| {
        let changes = store.changes().expect("is watched");
        let stamp = |(name, key): &(&'static str, &'static str)| {
            let rows = BTreeMap::from([(table(name), (*key).to_owned())]);
            ((*name, *key), changes.stamp(&Sources { rows, ..Sources::default() }).expect("nothing is under way"))
        };
        rows.iter().map(stamp).collect::<Vec<_>>()
    };
    let rows = [("one", "1"), ("one", "2"), ("one", "3"), ("two", "1"), ("two", "2"), ("three", "1"), ("three", "70")];
    let id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let rows: Vec<_> = rows.into_iter().chain([("things", id), ("dropped", "-5"), ("settings", "7")]).collect();
    let everything = |name: &str| rows.iter().copied().filter(|(of, _)| *of == name).collect::<Vec<_>>();
    for (script, expected) in [
        ("insert into one values (3, 'c')", vec![("one", "3")]),
        ("update one set note = 'd' where id = 1", vec![("one", "1")]),
        ("update one set id = 30 where id = 3", vec![("one", "3")]),
        ("update one set id = 3 where id = 30", vec![("one", "3")]),
        ("insert into one values (1, 'e'), (4, 'f') on conflict (id) do update set note = excluded.note", vec![("one", "1")]),
        ("insert into one values (1, 'e'), (2, 'f') on conflict do nothing", vec![]),
        ("merge into one using (values (2), (5)) as v (id) on v.id = one.id when matched then delete when not matched then insert values (v.id, 'm')",
            vec![("one", "2"), ("two", "2")]),
        ("delete from one where id = 1", vec![("one", "1"), ("two", "1")]),
        ("copy one from stdin;\n1\tx\n8\ty\n\\.\n", vec![("one", "1")]),
        ("insert into things values ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'x'), ('b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'y')", vec![("things", id)]),
        ("insert into dropped values (-5), (5)", vec![("dropped", "-5")]),
        ("insert into settings values (7, 'colour', 'red'); update settings set key = 'hue', value = 'blue'; delete from settings", vec![("settings", "7")]),
        ("insert into reserved values (1, 'x'); update reserved set pando_key = 'y'", vec![]),
        ("insert into three select generate_series(1, 64)", vec![("three", "1")]),
        ("update three set note = 'n'", vec![("three", "1")]),
        // Too many to be named.
        ("update three set note = 'm' where id between 2 and 64; insert into three select generate_series(100, 200)", everything("three")),
        ("delete from three", everything("three")),
        ("truncate three", everything("three")),
        ("begin; savepoint s; update one set note = 'u' where id = 3; rollback to s; update one set note = 'v' where id = 1; commit", vec![("one", "1")]),
        ("begin; update one set note = 'u' where id = 3; update one set note = 'v' where id = 1; commit", vec![("one", "1"), ("one", "3")]),
        // Many statements of one transaction are not told one by one either, whatever the path says and whatever stands in its way.
        ("create schema other; create table other.pando_new (key bigint); create table other.pando_old (key bigint); create type other.text as enum ('x');
          create function other.no(integer, integer) returns boolean language sql as 'select false'; create function other.no(text, text) returns boolean language sql as 'select false';
          create operator other.= (function = other.no, leftarg = integer, rightarg = integer); create operator other.= (function = other.no, leftarg = text, rightarg = text); set search_path = other, public, pg_catalog;
          update public.one set note = 'w' where id = 3", vec![("one", "3")]),
        ("do $$ begin for i in 1000 .. 1300 loop insert into three values (i); end loop; end $$", everything("three")),
        ("set session_replication_role = replica; update one set note = 'r' where id = 1", vec![("one", "1")]),
        // Without the primary key many rows may have the same one.
        ("alter table two drop constraint two_one_fkey; alter table one drop constraint one_pkey; insert into one select 1 from generate_series(1, 100);
          insert into one values (2, 'behind all others')", everything("one")),
        ("update one set note = 'y'", everything("one")),
        ("delete from one where note = 'y' and id = 1; insert into one values (1, 'again')", everything("one")),
        // Nobody's write fails for what has become of the key, and nothing is missed.
        ("alter table one rename column id to number; update one set note = 'x' where number = 1", vec![("one", "1")]),
        ("alter table one add other text; update one set note = 'x' where number = 1", vec![("one", "1")]),
        ("alter table two alter id type text; insert into two values ('1', null, 'z')", everything("two")),
    ] {
        let kept = of_rows(&rows);
        let tables: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        let whole = Kept::of(&*store, &tables);
        let before = server.run("select txid_current()");
        server.run(script);
        store.catch_up().await.expect("looks");
        let changes = store.changes().expect("is watched");
        let gone: Vec<_> = kept.iter().filter(|(_, stamp)| !changes.holds(stamp)).map(|(row, _)| *row).collect();
        let notes = server.run(&format!("select distinct relation::regclass || ' ' || key from pando.changes where transaction_number > {before}"));
        let notes: BTreeSet<&str> = notes.lines().collect();
        let is_told = |(name, key): &(&str, &str)| notes.contains(&*format!("{name} {key}")) || notes.contains(&*format!("{name} "));
        let told: Vec<_> = rows.iter().copied().filter(is_told).collect();
        if script.contains("alter table one rename") || script.contains("add other") || script.contains("alter id type") {
            // What became of the table may have been noticed by now as well, and then everything counts.
            assert!(expected.iter().all(|row| gone.contains(row)), "{script}: {gone:?}");
            wait_until_kept(&*store, "one").await;
            store.reload().await.expect("is read");
        } else {
            assert_eq!(told, expected, "{script}: {notes:?}");
            // Two rows may have a counter in common.
            assert!(expected.iter().all(|row| gone.contains(row)), "{script}: {gone:?}");
            assert_eq!(whole.gone(), tables, "{script}: whoever depends on the table is told as well");
        }
    }
    let most: u64 = server.run("select max(notes) from (select count(*) as notes from pando.changes group by transaction_number, relation) as n").trim().parse().unwrap();
    assert_eq!(most, 257, "notes of one transaction");
    store.close().await;
}

/// Whoever owns a table makes casts and types as he likes; none of it runs as the owner of what notes changes.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_run_as_who_notes_changes() {
    let Some(server) = Postgres::start_for("nobody_else_is_run_as_who_notes_changes") else { return };
    server.run(
        "create role owner; grant create on schema public to owner; set role owner;
         create table one (id bigint primary key, note text)",
    );
    let store = node(&server, &["one"]).await;
    assert_eq!(store.catalog().snapshot().dependences[&table("one")].row_key.as_deref(), Some("id"));
    server.run(
        "set session authorization owner;
         create type pg_temp.wicked as (a int); create table seen (who text);
         create function pg_temp.tell() returns void language plpgsql volatile as $$begin insert into public.seen values (current_user); end$$;
         create function pg_temp.told() returns text language plpgsql immutable as $$begin perform pg_temp.tell(); return 'x'; end$$;
         create function pg_temp.cast_it(pg_temp.wicked) returns text language sql immutable as 'select pg_temp.told()';
         create cast (pg_temp.wicked as text) with function pg_temp.cast_it(pg_temp.wicked);
         alter table one drop constraint one_pkey; alter table one alter id drop not null;
         alter table one alter id type pg_temp.wicked using null; insert into one values (row(3)::pg_temp.wicked, 'x'), (null, 'y');
         update one set note = 'z'; select pg_temp.told(); delete from one",
    );
    assert_eq!(server.run("select distinct who from seen").trim(), "owner", "and the cast works");
    store.close().await;
}

/// A table whose rows cannot be told any more is told of as such, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_follows_what_the_table_is() {
    let Some(server) = Postgres::start_for("what_is_told_follows_what_the_table_is") else { return };
    server.run(SCHEMA);
    let store = node(&server, &["one"]).await;
    let triggers = "select count(*) from pg_trigger where tgrelid = 'one'::regclass and tgname like 'pando%'";
    for (script, key, count) in [
        ("select", Some("id"), "4"),
        ("create table below (primary key (id)) inherits (one)", None, "4"),
        ("drop table below", Some("id"), "4"),
        ("drop trigger pando_changes_update on one", Some("id"), "4"),
        ("alter table one disable trigger pando_changes_delete", Some("id"), "4"),
    ] {
        server.run(script);
        for round in 0.. {
            assert!(round < 300, "{script}: it is left as it is");
            let catalog = store.catalog();
            let dependence = &catalog.snapshot().dependences[&table("one")];
            let is_told = dependence.obstacle.is_none() && dependence.row_key.as_deref() == key;
            if is_told && server.run(triggers).trim() == count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
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

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_name_a_part_or_the_whole_are_seen_by_both() {
    let Some(server) = Postgres::start_for("statements_that_name_a_part_or_the_whole") else { return };
    server.run(
        "create table logs (at date, note text) partition by range (at);
         create table logs_old partition of logs for values from ('2000-01-01') to ('2020-01-01') partition by range (at);
         create table logs_oldest partition of logs_old for values from ('2000-01-01') to ('2010-01-01');
         create table logs_new partition of logs for values from ('2020-01-01') to ('2040-01-01');
         create table animals (id bigint); create table cats () inherits (animals); insert into cats values (1);",
    );
    let store = node(&server, &["logs", "animals", "logs_oldest"]).await;
    let catalog = store.catalog();
    let dependences = &catalog.snapshot().dependences;
    let holds = |kept: &Kept<'_>, relation: &str| {
        // Whoever keeps an answer of a relation keeps it by all tables that it depends on.
        let gone = kept.gone();
        dependences[&table(relation)].tables.iter().all(|table| !gone.contains(&&*table.name))
    };
    let all = ["logs", "logs_old", "logs_oldest", "logs_new", "animals", "cats"];
    for (script, changed) in [
        ("insert into logs values ('2005-01-01', 'a')", &["logs", "logs_old", "logs_oldest"][..]),
        ("insert into logs_oldest values ('2005-01-01', 'b')", &["logs", "logs_old", "logs_oldest"]),
        ("update logs_old set note = 'c'", &["logs", "logs_old", "logs_oldest"]),
        ("update logs set at = '2030-01-01' where note = 'c'", &["logs", "logs_old", "logs_oldest", "logs_new"]),
        ("truncate logs_new", &["logs", "logs_new"]),
        ("copy logs from stdin;\n2005-01-01\tx\n\\.\n", &["logs", "logs_old", "logs_oldest"]),
        ("update animals set id = 2", &["animals", "cats"]),
        ("delete from cats", &["animals", "cats"]),
    ] {
        let kept = Kept::of(&*store, &all);
        server.run(script);
        kept.changed().await;
        for relation in changed {
            assert!(!holds(&kept, relation), "{script}: {relation}");
        }
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_restarted_or_has_crashed_leaves_nothing_that_counts() {
    let Some(mut server) =
        Cluster::new().setting("max_prepared_transactions", "4").start_for("a_server_that_was_restarted")
    else {
        return;
    };
    server.run(SCHEMA);
    let store = node(&server, &["one", "two", "three"]).await;
    for is_crash in [true, false, true] {
        let id = server.run("select count(*) + 100 from three").trim().to_owned();
        server.run(&format!("begin; insert into three values ({id}); prepare transaction 'through'"));
        let kept = Kept::of(&*store, &["one", "two"]);
        if is_crash {
            server.kill();
        } else {
            server.run("checkpoint");
            server.stop();
        }
        assert!(matches!(store.catch_up().await, Err(StoreError::Unreachable(_) | StoreError::Timeout)), "{is_crash}");
        server.start_again();
        caught_up(&*store).await;
        assert_eq!(kept.gone(), ["one", "two"], "{is_crash}");
        // A prepared transaction outlives a crash, and its notes do not.
        let kept = Kept::of(&*store, &["three"]);
        server.run("commit prepared 'through'");
        assert_eq!(kept.changed().await, ["three"], "{is_crash}");
        let kept = Kept::of(&*store, &["one", "two"]);
        server.run("update one set note = 'again'");
        assert_eq!(kept.changed().await, ["one"], "{is_crash}");
    }
    store.close().await;
}

/// Looks until it succeeds: a server that was gone is not tried again at once.
async fn caught_up(store: &dyn Store) -> Option<PositionToken> {
    for _ in 0..600 {
        if let Ok(position) = store.catch_up().await {
            return position;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server is not found again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_costs_nothing_that_is_kept() {
    let Some(server) = Postgres::start_for("a_connection_that_breaks_costs_nothing") else { return };
    server.run(SCHEMA);
    let store = node(&server, &["one", "two"]).await;
    let kept = Kept::of(&*store, &["one", "two"]);
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'";
    server.run(end);
    server.run("update one set note = 'meanwhile'");
    caught_up(&*store).await;
    assert_eq!(kept.gone(), ["one"]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_leaves_nothing_that_counts() {
    let Some(mut primary) = Cluster::new().start_for("a_promotion_leaves_nothing_that_counts") else { return };
    primary.run(SCHEMA);
    let standby = Cluster::new().replica_of(&primary).start().expect("is installed");
    let mut settings = watching(&primary.url("postgres"), &["one", "two"]);
    settings.replicas.urls = vec![standby.url("postgres")];
    let store = engines::open(Config::Postgres(settings)).await;
    store.apply_own(&CHANGES, 0).await.expect("is made");
    assert_eq!(store.watch().await.expect("is watched"), []);
    let position = store.catch_up().await.expect("looks").expect("tells");
    let kept = Kept::of(&*store, &["one", "two"]);
    // What was made has to be there as well.
    let point = primary.run("select pg_current_wal_insert_lsn()").trim().to_owned();
    while standby.run(&format!("select pg_last_wal_replay_lsn() >= '{point}'")).trim() != "t" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    primary.stop();
    standby.promote();
    caught_up(&*store).await;
    assert_eq!(kept.gone(), ["one", "two"]);
    assert!(!store.knows(&position), "of another history nothing is known");
    // What decides besides rows is compared there anew, which may count as a change of all, once or twice.
    let start = Instant::now();
    loop {
        let kept = Kept::of(&*store, &["one", "two"]);
        standby.run("update one set note = 'there'");
        let changed = kept.changed().await;
        if changed == ["one"] {
            break;
        }
        assert!(changed == ["one", "two"] && start.elapsed() < Duration::from_secs(20), "{changed:?}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_see_the_same_and_one_that_slept_forgets() {
    let Some(server) = Postgres::start_for("two_nodes_see_the_same") else { return };
    server.run(SCHEMA);
    let first = node(&server, &["one", "two"]).await;
    let second = node(&server, &["one", "two"]).await;
    let kept = [Kept::of(&*first, &["one", "two"]), Kept::of(&*second, &["one", "two"])];
    server.run("update two set note = 'q'");
    for kept in &kept {
        assert_eq!(kept.changed().await, ["two"]);
    }
    // Another node has tidied away what was not seen: everything that is visible now.
    let kept = Kept::of(&*first, &["one", "two"]);
    server.run(
        "update one set note = 'r'; update pando.changes_horizon set moment = txid_current_snapshot()::text; delete from pando.changes",
    );
    assert_eq!(kept.changed().await, ["one", "two"]);
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_tidied_away() {
    let Some(server) = Postgres::start_for("notes_are_tidied_away") else { return };
    server.run(SCHEMA);
    let mut settings = watching(&server.url("postgres"), &["one"]);
    settings.watch.as_mut().unwrap().notes_kept = Duration::from_secs(2);
    let store = engines::open(Config::Postgres(settings)).await;
    store.apply_own(&CHANGES, 0).await.expect("is made");
    store.watch().await.expect("is watched");
    store.catch_up().await.expect("looks");
    // More than one batch of them, by transactions that have ended long ago.
    server.run("insert into pando.changes select number % 400 + 1, 1, number from generate_series(1, 25000) as number");
    let kept = Kept::of(&*store, &["one"]);
    for _ in 0..600 {
        if server.run("select count(*) = 0 from pando.changes where relation = 1").trim() == "t" {
            store.catch_up().await.expect("looks");
            assert_eq!(kept.gone(), [""; 0], "a node that looks is not bothered");
            store.close().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing is tidied away");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_besides_rows_is_noticed() {
    let Some(server) = Postgres::start_for("what_decides_besides_rows_is_noticed") else { return };
    server.run(SCHEMA);
    server.run("create view shown as select id from one; create role somebody; create role others;
        create function is_it() returns boolean language sql stable begin atomic; select exists (select from three); end;
        create type mood as enum ('glad', 'sad'); create type flavour as enum ('sweet'); create domain some_text as text;
        create type place as (number int, flavours flavour[]); create type address as (street text, place place);
        create function as_text(address) returns text language sql immutable as 'select $1.street';
        create cast (address as text) with function as_text(address);
        create text search configuration words (copy = simple);
        alter table one add column mood mood, add column addresses address[], add column texts some_text;");
    let store = node(&server, &["one", "shown", "later"]).await;
    for script in [
        "grant select on one to somebody",
        "alter table one enable row level security",
        "create policy p on one using (is_it())",
        "create or replace function is_it() returns boolean language sql stable begin atomic; select exists (select from two); end",
        "create or replace view shown as select id + 0 as id from one",
        "grant others to somebody",
        "alter role somebody bypassrls",
        "alter role somebody set timezone = 'Europe/Berlin'",
        "alter table one rename column note to text",
        "alter table one disable trigger pando_changes",
        "alter type mood rename value 'sad' to 'blue'",
        "alter type address rename attribute street to road",
        "alter type place rename attribute number to storey",
        "alter type flavour add value 'sour'",
        "alter system set default_text_search_config = 'german'; select pg_reload_conf()",
        "alter system set datestyle = 'sql, dmy'; select pg_reload_conf()",
        // Only sessions that begin from now on have it.
        "alter role postgres set datestyle = 'german'",
        "alter text search configuration words drop mapping for word",
        "create or replace function as_text(address) returns text language sql immutable as 'select $1.road || 1'",
        "create table later (id bigint)",
    ] {
        let kept = Kept::of(&*store, &["one"]);
        let catalog = store.catalog();
        server.run(script);
        if script.contains("later") {
            // Of a table that nobody knows of yet nobody has anything; somebody tells of it.
            store.reload().await.expect("is read");
        }
        for round in 0.. {
            assert!(round < 300, "{script}: nobody has noticed");
            if kept.gone() == ["one"] && !Arc::ptr_eq(&catalog, &store.catalog()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        wait_until_kept(&*store, "one").await;
    }
    wait_until_kept(&*store, "later").await;
    let kept = Kept::of(&*store, &["later", "three", "two"]);
    server.run("insert into later values (1); insert into two values (9, null, 'of the policy')");
    assert_eq!(kept.changed().await, ["later", "two"]);
    // What is the same as before is not read again, whichever session looks at it: there are two comparisons in this time.
    for round in 0.. {
        assert!(round < 10, "it is read again and again");
        let catalog = store.catalog();
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        if Arc::ptr_eq(&catalog, &store.catalog()) {
            break;
        }
    }
    store.close().await;
}

/// Where something stands in the way of keeping anything, it is noticed as well that it does so no more.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_may_go_away() {
    let Some(server) = Postgres::start_for("what_stands_in_the_way_may_go_away") else { return };
    server.run(SCHEMA);
    server.run(
        "create function unknown() returns boolean language plpgsql stable as 'begin return true; end';
         alter table one enable row level security; create policy p on one using (unknown())",
    );
    let store = node(&server, &["one"]).await;
    let obstacle = store.catalog().snapshot().dependences[&table("one")].obstacle.clone();
    assert!(obstacle.is_some_and(|obstacle| obstacle.contains("public.unknown")));
    server.run("alter policy p on one using (true)");
    wait_until_kept(&*store, "one").await;
    store.close().await;
}

/// As a dump is loaded whose triggers are switched off meanwhile: they come back as ones that a replication does not fire.
#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_was_switched_off_and_on_is_fired_always_again() {
    let Some(server) = Postgres::start_for("a_trigger_that_was_switched_off_and_on") else { return };
    server.run(SCHEMA);
    let store = node(&server, &["one"]).await;
    server.run("alter table one disable trigger all; alter table one enable trigger all");
    let enabled = "select tgenabled from pg_trigger where tgname = 'pando_changes' and tgrelid = 'one'::regclass";
    for round in 0.. {
        assert!(round < 300, "it is left as it is");
        if server.run(enabled).trim() == "A" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    wait_until_kept(&*store, "one").await;
    let kept = Kept::of(&*store, &["one"]);
    server.run("set session_replication_role = replica; update one set note = 'replicated'");
    assert_eq!(kept.changed().await, ["one"]);
    store.close().await;
}

/// Waits until answers of a relation can be kept: triggers are put where they are missing, and the catalog says so.
async fn wait_until_kept(store: &dyn Store, relation: &str) {
    let mut obstacle = None;
    for _ in 0..300 {
        let catalog = store.catalog();
        obstacle = catalog.snapshot().dependences.get(&table(relation)).map(|dependence| dependence.obstacle.clone());
        if obstacle == Some(None) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{relation}: {obstacle:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_known_once_a_look_began_behind_it() {
    let Some(server) = Postgres::start_for("a_position_is_known") else { return };
    server.run(SCHEMA);
    let store = node(&server, &["one"]).await;
    let shown = store.catch_up().await.expect("looks").expect("tells");
    for round in 0.. {
        assert!(round < 100, "it is never known");
        // Something is written, seen by a look, and the next one began behind it.
        server.run("update one set note = 'further'; checkpoint");
        store.catch_up().await.expect("looks");
        if store.knows(&shown) {
            break;
        }
    }
    assert!(!store.knows(&store.counted().expect("tells")), "of the place where it is nothing follows");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_are_no_triggers() {
    let Some(server) = Postgres::start_for("without_the_setting_there_are_no_triggers") else { return };
    server.run(SCHEMA);
    let count = "select count(*) from pg_trigger where tgname = 'pando_changes'";
    node(&server, &["one", "two"]).await.close().await;
    assert_eq!(server.run(count).trim(), "2");
    node(&server, &["one"]).await.close().await;
    assert_eq!(server.run(count).trim(), "1");
    let store = engines::open(Config::Postgres(engines::settings(&server.url("postgres")))).await;
    assert_eq!(store.watch().await.expect("is watched"), []);
    assert!(store.changes().is_none() && store.catch_up().await.expect("nothing to do").is_none());
    assert_eq!(server.run(count).trim(), "0");
    store.close().await;
}

/// How many rows there are, in the order of the tables.
const COUNTS: OwnStatement = OwnStatement::new(
    "SELECT count(*) AS rows FROM public.t0 UNION ALL SELECT count(*) FROM public.t1
     UNION ALL SELECT count(*) FROM public.t2 UNION ALL SELECT count(*) FROM public.t3",
    &[],
);
const COUNTED: [&str; 4] = ["t0", "t1", "t2", "t3"];

async fn counts(store: &dyn Store) -> Vec<i64> {
    let answers = store.consult(vec![OwnStep::new(COUNTS, [])]).await.expect("reads");
    answers[0].rows.iter().map(|row| row.get("rows").unwrap()).collect()
}

/// Transactions of any length, committed in any order, with what is undone in them, while it is looked all the time: what still holds
/// after a look has not changed before it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_order_of_commits_none_is_missed() {
    let Some(server) = Postgres::start_for("whatever_the_order_of_commits") else { return };
    for name in COUNTED {
        server.run(&format!("create table {name} (id bigint generated always as identity)"));
    }
    server.run(
        "create procedure write(seed double precision) language plpgsql as $$ begin
           perform setseed(seed);
           for round in 1..250 loop
             for place in 1..1 + (random() * 3)::int loop
               begin
                 execute format('insert into t%s default values', (random() * 3)::int);
                 if random() < 0.3 then raise exception 'undone'; end if;
               exception when raise_exception then null;
               end;
               perform pg_sleep(random() * random() * 0.02);
             end loop;
             if random() < 0.2 then rollback; else commit; end if;
           end loop; end $$",
    );
    let store = node(&server, &COUNTED).await;
    let server = Arc::new(server);
    let writers: Vec<_> = (0..8)
        .map(|number| {
            let server = server.clone();
            tokio::task::spawn_blocking(move || server.run(&format!("call write({})", f64::from(number) / 8.0)))
        })
        .collect();
    let is_over = Arc::new(AtomicBool::new(false));
    let lookers: Vec<_> = (0..3)
        .map(|_| {
            let (store, is_over) = (store.clone(), is_over.clone());
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    store.catch_up().await.expect("looks");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let (mut held, mut gone) = (0, 0);
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let changes = store.changes().expect("is watched");
        let stamp =
            |name: &&str| changes.stamp(&Sources { tables: BTreeSet::from([table(name)]), ..Sources::default() });
        let stamps: Vec<Option<Stamp>> = COUNTED.iter().map(stamp).collect();
        let before = counts(&*store).await;
        for _ in 0..4 {
            let after = counts(&*store).await;
            store.catch_up().await.expect("looks");
            for (place, stamp) in stamps.iter().enumerate() {
                let Some(stamp) = stamp else { continue };
                if changes.holds(stamp) {
                    held += 1;
                    assert_eq!(before[place], after[place], "a change of {} was missed", COUNTED[place]);
                } else {
                    gone += 1;
                }
            }
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for looker in lookers {
        looker.await.unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(held > 100 && gone > 100, "it has shown nothing: {held} {gone}");
    store.close().await;
}

/// Not a check: what waiting for looks costs, on this machine.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test -p store --test server_changes -- --ignored --nocapture looks"]
async fn how_many_looks_are_waited_for() {
    let Some(server) = Postgres::start_for("how_many_looks_are_waited_for") else { return };
    server.run(SCHEMA);
    let store = node(&server, &["one"]).await;
    for waiters in [1_u32, 10, 100] {
        let started = Instant::now();
        let all: Vec<_> = (0..waiters)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    for _ in 0..1_000 {
                        store.catch_up().await.expect("looks");
                    }
                })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
        let (each, elapsed) = (started.elapsed() / 1_000, started.elapsed().as_secs_f64());
        println!("{waiters} who wait: {each:?} each, {:.0} a second", f64::from(waiters) * 1_000.0 / elapsed);
    }
    store.close().await;
}

/// A role that logs in and owns nothing: what it may not do is told with what to do, and nothing is kept that depends on it.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_put_no_trigger_says_so() {
    let Some(server) = Postgres::start_for("who_may_put_no_trigger_says_so") else { return };
    server.run(SCHEMA);
    node(&server, &[]).await.close().await;
    server.run(
        "create role gate login; grant usage, create on schema pando to gate; grant select, insert, delete on pando.changes to gate;
         grant select, insert, update on pando.changes_horizon to gate; grant trigger on one to gate; grant select on one, two to gate",
    );
    let store = engines::open(Config::Postgres(watching(&server.url("gate"), &["one", "two"]))).await;
    let left_out = store.watch().await.expect("is watched");
    assert_eq!(left_out.len(), 1);
    assert!(left_out[0].is_refused && left_out[0].problem.contains("GRANT TRIGGER ON \"public\".\"two\" TO \"gate\""));
    let obstacle = |name: &str| store.catalog().snapshot().dependences[&table(name)].obstacle.clone();
    assert_eq!((obstacle("one"), obstacle("two").as_deref()), (None, Some("changes of public.two are not noticed")));
    let kept = Kept::of(&*store, &["one"]);
    server.run("update one set note = 'by another'");
    assert_eq!(kept.changed().await, ["one"]);
    server.run("grant trigger on two to gate");
    assert_eq!(store.watch().await.expect("is watched"), []);
    assert_eq!(obstacle("two"), None);
    store.close().await;
}

/// A role that may not make what tells of rows gets on with what tells of tables.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_make_what_tells_of_rows_is_told_of_tables() {
    let Some(server) = Postgres::start_for("who_may_not_make_what_tells_of_rows") else { return };
    server.run(SCHEMA);
    node(&server, &["two"]).await.close().await;
    server.run(
        "create role gate login; grant usage on schema pando to gate; grant select, insert, delete on pando.changes to gate;
         grant select, insert, update on pando.changes_horizon to gate; grant trigger, select on one to gate; drop function pando.note_rows cascade; drop trigger pando_changes on two",
    );
    let store = engines::open(Config::Postgres(watching(&server.url("gate"), &["one"]))).await;
    assert_eq!(store.watch().await.expect("is watched"), []);
    let dependence = store.catalog().snapshot().dependences[&table("one")].clone();
    assert_eq!((dependence.obstacle.as_deref(), dependence.row_key.as_deref()), (None, None));
    let kept = Kept::of(&*store, &["one"]);
    server.run("update one set note = 'by another'");
    assert_eq!(kept.changed().await, ["one"]);
    store.close().await;
}

/// A server compiles what seems to cost much, which takes longer than any look.
#[tokio::test(flavor = "multi_thread")]
async fn no_look_is_compiled() {
    let told = Cluster::new().setting("session_preload_libraries", "auto_explain");
    let Some(server) = told.setting("auto_explain.log_min_duration", "0").start_for("no_look_is_compiled") else {
        return;
    };
    server.run(SCHEMA);
    let store = node(&server, &["one", "two"]).await;
    for _ in 0..3 {
        let kept = Kept::of(&*store, &["one"]);
        server.run("update one set note = 'j'");
        assert_eq!(kept.changed().await, ["one"]);
    }
    store.close().await;
    let log = server.log();
    for asked in ["FROM pando.changes WHERE transaction_number", "string_agg(concat_ws(' ', f.kind"] {
        assert!(log.contains(asked), "{asked} is not among what was run");
    }
    let compiled: Vec<_> = log.split("duration: ").filter(|plan| plan.contains("JIT:")).collect();
    assert!(compiled.is_empty(), "{}", compiled.join("\n"));
}

/// Behind a pooler, which gives each statement to whichever session is free.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_none_is_missed() {
    let Some(server) = Postgres::start_for("behind_a_pooler_none_is_missed") else { return };
    server.run(SCHEMA);
    let pooler = Pooler::start(&server, &["postgres"], &["default_pool_size = 3"]);
    if is_skipped(
        "behind_a_pooler_none_is_missed",
        pooler.is_none(),
        "PgBouncer",
        "install it: apt-get install pgbouncer",
    ) {
        return;
    }
    let pooler = pooler.expect("was started");
    let settings = PostgresSettings { prepared_statements: 0, ..watching(&pooler.url("postgres"), &["one", "two"]) };
    let store = engines::open(Config::Postgres(settings)).await;
    store.apply_own(&CHANGES, 0).await.expect("is made");
    assert_eq!(store.watch().await.expect("is watched"), []);
    store.catch_up().await.expect("looks");
    for (script, changed) in [("update one set note = 'p'", "one"), ("insert into two values (7, 1, 'p')", "two")] {
        let kept = Kept::of(&*store, &["one", "two"]);
        server.run(script);
        assert_eq!(kept.changed().await, [changed]);
    }
    store.close().await;
}
