//! What nodes of one server tell each other: an answer of another node is taken only where it shows every change that counts here.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "own/engines.rs"]
mod engines;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base::QualifiedName;
use parking_lot::Mutex;
use store::{
    CHANGES, Config, OwnStatement, OwnStep, PostgresSettings, SharedMoment, Sources, Stamp, Store, WatchSettings,
};
use testkit::Postgres;

fn table(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

/// A node that watches these tables.
async fn node(url: &str, names: &[&str]) -> Arc<dyn Store> {
    let watch =
        Some(WatchSettings { relations: names.iter().map(|name| table(name)).collect(), ..WatchSettings::default() });
    let store = engines::open(Config::Postgres(PostgresSettings { watch, ..engines::settings(url) })).await;
    store.apply_own(&CHANGES, 0).await.expect("is made");
    assert_eq!(store.watch().await.expect("is watched"), []);
    store.catch_up().await.expect("looks");
    store
}

fn stamp(store: &dyn Store, name: &str) -> Option<Stamp> {
    store.changes().unwrap().stamp(&Sources { tables: BTreeSet::from([table(name)]), ..Sources::default() })
}

fn moment(store: &dyn Store) -> SharedMoment {
    store.counted_with_moment().expect("it has looked").1
}

/// The same as other nodes read it.
fn sent(moment: &SharedMoment) -> SharedMoment {
    SharedMoment::from_bytes(*moment.history(), &moment.to_bytes().unwrap()).unwrap()
}

/// Whether an answer of that moment is taken, once everything counts that has happened.
async fn is_taken(store: &dyn Store, moment: &SharedMoment, name: &str) -> bool {
    store.catch_up().await.expect("looks");
    store.sees_what_counts(&sent(moment), &stamp(store, name).unwrap())
}

async fn until_taken(store: &dyn Store, from: &dyn Store, name: &str) {
    let start = Instant::now();
    loop {
        from.catch_up().await.expect("looks");
        if is_taken(store, &moment(from), name).await {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "nothing is taken any more");
        tokio::task::yield_now().await;
    }
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

/// What was read, with the moment that goes with it.
type Answers = Arc<Mutex<VecDeque<(SharedMoment, Vec<i64>)>>>;

/// Transactions of any length that add rows, committed in any order, while one node reads and another one takes what it has read.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_taken_that_lacks_what_counts() {
    let Some(server) = Postgres::start_for("no_answer_is_taken_that_lacks_what_counts") else { return };
    for name in COUNTED {
        server.run(&format!("create table {name} (id bigint generated always as identity)"));
    }
    // The tables are not changed equally often.
    server.run(
        "create procedure write(seed double precision) language plpgsql as $$ begin
           perform setseed(seed);
           for round in 1..150 loop
             for place in 1..1 + (random() * 2)::int loop
               execute format('insert into t%s default values', floor(random() * random() * random() * 4)::int);
               perform pg_sleep(random() * random() * 0.03);
             end loop;
             if random() < 0.2 then rollback; else commit; end if;
           end loop; end $$",
    );
    let (reader, taker) =
        (node(&server.url("postgres"), &COUNTED).await, node(&server.url("postgres"), &COUNTED).await);
    let server = Arc::new(server);
    let writers: Vec<_> = (0..6)
        .map(|number| {
            let server = server.clone();
            tokio::task::spawn_blocking(move || server.run(&format!("call write({})", f64::from(number) / 8.0)))
        })
        .collect();
    let (answers, is_over): (Answers, _) = (Answers::default(), Arc::new(AtomicBool::new(false)));
    let reading = tokio::spawn({
        let (answers, is_over) = (answers.clone(), is_over.clone());
        async move {
            while !is_over.load(Ordering::Relaxed) {
                reader.catch_up().await.expect("looks");
                let moment = moment(&*reader);
                let read = counts(&*reader).await;
                let mut answers = answers.lock();
                answers.push_back((sent(&moment), read));
                if answers.len() > 30 {
                    answers.pop_front();
                }
            }
            reader.close().await;
        }
    });
    let (mut taken, mut refused) = (0, 0);
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        let before = counts(&*taker).await;
        taker.catch_up().await.expect("looks");
        let stamps = COUNTED.map(|name| stamp(&*taker, name));
        for (moment, read) in answers.lock().iter() {
            for (place, stamp) in stamps.iter().enumerate() {
                let Some(stamp) = stamp else { continue };
                if taker.sees_what_counts(moment, stamp) {
                    taken += 1;
                    let (had, name) = (read[place], COUNTED[place]);
                    assert!(had >= before[place], "{had} rows of {name}, and there were {} before", before[place]);
                } else {
                    refused += 1;
                }
            }
        }
    }
    is_over.store(true, Ordering::Relaxed);
    reading.await.unwrap();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(taken > 1_000 && refused > 1_000, "it has shown nothing: {taken} {refused}");
    taker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_taken_until_what_it_is_about_changes() {
    let Some(server) = Postgres::start_for("an_answer_is_taken_until_what_it_is_about_changes") else { return };
    server.run("create table one (id bigint); create table other (id bigint)");
    let url = server.url("postgres");
    let (reader, taker) = (node(&url, &["one", "other"]).await, node(&url, &["one", "other"]).await);
    reader.catch_up().await.unwrap();
    let first = moment(&*reader);
    assert!(is_taken(&*taker, &first, "one").await);
    // The taker looks after the next transaction, and has seen more than the moment in which the reader sees the change.
    server.run("insert into one values (1)");
    reader.catch_up().await.unwrap();
    let second = moment(&*reader);
    server.run("create table whatever (); drop table whatever; insert into other values (1)");
    assert_eq!([is_taken(&*taker, &first, "one").await, is_taken(&*taker, &second, "one").await], [false, true]);
    assert_eq!([is_taken(&*taker, &first, "other").await, is_taken(&*taker, &second, "other").await], [false; 2]);
    assert!(first.rank() < second.rank());
    // A node that comes later knows nothing of what was before.
    let later = node(&url, &["one", "other"]).await;
    assert!(!is_taken(&*later, &first, "one").await);
    until_taken(&*later, &*reader, "one").await;
    for store in [reader, taker, later] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_besides_rows_ends_it_as_well() {
    let Some(server) = Postgres::start_for("what_decides_besides_rows_ends_it_as_well") else { return };
    server.run("create table one (id bigint); alter table one enable row level security; create policy all_rows on one using (true)");
    let url = server.url("postgres");
    let (reader, taker) = (node(&url, &["one"]).await, node(&url, &["one"]).await);
    reader.catch_up().await.unwrap();
    let (before, kept) = (moment(&*reader), stamp(&*taker, "one").unwrap());
    assert!(is_taken(&*taker, &before, "one").await);
    server.run("alter policy all_rows on one using (id > 0)");
    let start = Instant::now();
    while taker.changes().unwrap().holds(&kept) {
        assert!(start.elapsed() < Duration::from_secs(20), "it is not noticed");
        taker.catch_up().await.unwrap();
    }
    for _ in 0..3 {
        assert!(!is_taken(&*taker, &before, "one").await);
    }
    until_taken(&*taker, &*reader, "one").await;
    reader.close().await;
    taker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_of_another_history_are_of_no_use() {
    let Some(mut server) = Postgres::start_for("moments_of_another_history_are_of_no_use") else { return };
    server.run("create table one (id bigint)");
    let url = server.url("postgres");
    let store = node(&url, &["one"]).await;
    let first = moment(&*store);
    store.close().await;
    // A copy has the same notes, and the same name for the time in which they were kept.
    // Sessions end a moment after they were closed.
    while server.try_run("create database copy template postgres").is_err_and(|error| error.contains("being accessed"))
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let copied = url.replacen("/postgres?", "/copy?", 1);
    assert_ne!(copied, url);
    let (store, copy) = (node(&url, &["one"]).await, node(&copied, &["one"]).await);
    assert_eq!(first.history(), moment(&*store).history());
    assert_ne!(first.history(), moment(&*copy).history());
    copy.catch_up().await.unwrap();
    store.catch_up().await.unwrap();
    assert!(!is_taken(&*store, &moment(&*copy), "one").await);
    copy.close().await;
    // A crash empties the notes.
    let before = moment(&*store);
    server.kill();
    server.start_again();
    let start = Instant::now();
    while store.catch_up().await.is_err() || moment(&*store).history() == before.history() {
        assert!(start.elapsed() < Duration::from_secs(60), "it is not noticed");
        tokio::task::yield_now().await;
    }
    assert!(!is_taken(&*store, &before, "one").await);
    let now = moment(&*store);
    assert!(is_taken(&*store, &now, "one").await);
    store.close().await;
}
