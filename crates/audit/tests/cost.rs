//! What the entries cost: writes with and without them, in turns, in one run. It measures and asserts nothing, so it is run by
//! hand: `bench/audit`.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and this one tells")]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{ADD, ADD_LEFT_OUT, Engine};
use datatype::Datum;
use store::{OwnStatement, OwnStep, Store};
use testkit::Cluster;

const ROUNDS: usize = 8;
const WRITERS: i64 = 16;
const ROUND: Duration = Duration::from_secs(1);

/// Writes a second by several writers, each waiting for its answer.
async fn throughput(store: &Arc<dyn Store>, step: impl Fn(i64) -> OwnStep + Copy + Send + 'static, from: i64) -> f64 {
    let (begin, mut writers) = (Instant::now(), Vec::new());
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            let mut done = 0_i64;
            while begin.elapsed() < ROUND {
                store.transact(vec![step(from + done * WRITERS + writer)]).await.expect("writes");
                done += 1;
            }
            done
        }));
    }
    let mut all = 0;
    for writer in writers {
        all += writer.await.expect("a count");
    }
    all as f64 / begin.elapsed().as_secs_f64()
}

async fn measure(name: &str, engine: &Engine, with: OwnStatement, without: OwnStatement, turn: i64) {
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let from = (i64::try_from(round).expect("small") + turn * 100) * 10_000_000;
        let audited = throughput(&engine.store, move |id| OwnStep::new(with, values(with, id)), from).await;
        let plain = throughput(&engine.store, move |id| OwnStep::new(without, values(without, id)), from).await;
        println!("{name}: {audited:.0}/s with entries, {plain:.0}/s without: {:.3}", audited / plain);
        ratios.push(audited / plain);
    }
    ratios.sort_by(f64::total_cmp);
    println!("{name}: median {:.3}", ratios.get(ROUNDS / 2).copied().unwrap_or_default());
}

fn values(statement: OwnStatement, id: i64) -> Vec<Datum> {
    match statement.parameters() {
        ["bigint"] => vec![id.into()],
        _ => vec![id.into(), "Somebody".into(), Datum::Null, Datum::Null],
    }
}

/// The same table as `left_out`, with entries.
const ADD_COUNTED: OwnStatement = OwnStatement::new("INSERT INTO public.counted (id) VALUES ($1)", &["bigint"]);
/// The same table as `people`, with entries that have no values.
const ADD_WIDE: OwnStatement = OwnStatement::new(
    "INSERT INTO public.wide (id, name, born, seen, weight, score, data, raw, is_here, code, secret)
     VALUES ($1, $2, '2001-02-03', $3, 71.50, 0.1, '{\"b\": [1, null], \"a\": \"x\\ny\"}', $4, true,
             '6f1a3c1e-2f7e-4c53-9d0e-0a8b7c6d5e4f', 'hidden')",
    &["bigint", "text", "timestamptz", "bytea"],
);
/// The same table, without entries.
const ADD_UNSEEN: OwnStatement = OwnStatement::new(
    "INSERT INTO unseen.people (id, name, born, seen, weight, score, data, raw, is_here, code, secret)
     VALUES ($1, $2, '2001-02-03', $3, 71.50, 0.1, '{\"b\": [1, null], \"a\": \"x\\ny\"}', $4, true,
             '6f1a3c1e-2f7e-4c53-9d0e-0a8b7c6d5e4f', 'hidden')",
    &["bigint", "text", "timestamptz", "bytea"],
);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn embedded() {
    let engine = Engine::embedded().await;
    measure("SQLite, one column", &engine, ADD_COUNTED, ADD_LEFT_OUT, 0).await;
    measure("SQLite, eleven columns", &engine, ADD_WIDE, ADD_UNSEEN, 1).await;
    measure("SQLite, eleven columns with values", &engine, ADD, ADD_UNSEEN, 2).await;
    engine.store.close().await;
}

async fn on_a_server(name: &str, cluster: Cluster) {
    let Some(engine) = Engine::server_with("cost::server", cluster).await else { return };
    measure(&format!("{name}, one column"), &engine, ADD_COUNTED, ADD_LEFT_OUT, 0).await;
    measure(&format!("{name}, eleven columns"), &engine, ADD_WIDE, ADD_UNSEEN, 1).await;
    measure(&format!("{name}, eleven columns with values"), &engine, ADD, ADD_UNSEEN, 2).await;
    engine.store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn server() {
    on_a_server("PostgreSQL", Cluster::new().setting("fsync", "on")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn server_without_a_disk() {
    on_a_server("PostgreSQL, fsync off", Cluster::new()).await;
}
