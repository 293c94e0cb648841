//! The promise of `store::Store` about writes that are done once, on both engines: how long, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "own/engines.rs"]
mod engines;
mod support;

use std::sync::Arc;

use base::{Failure, Limit, Timestamp};
use engines::{Engine, on_both};
use http::{HeaderMap, StatusCode};
use store::{Body, Idempotency, KeptAnswer, Ran, Shelf, idempotency};
use support::{anon, collect, job, request};

const SCHEMA: &str = "create table items (id bigint primary key, note text);";
const GRANT: &str = "grant select, insert on items to anon;";

/// A minute, in the units of a moment.
const MINUTE: i64 = 60_000_000;

/// Roles are of a whole server, and a file has those of the API.
async fn granted(engine: &Engine) {
    let roles = if engine.store.catalog().is_native() { "create role anon;" } else { "" };
    engine.migrate(2, &format!("{roles}{GRANT}")).await;
}

async fn ready(engine: &Engine) {
    granted(engine).await;
    for place in 0..idempotency::MIGRATIONS.all.len() {
        engine.store.apply_own(&idempotency::MIGRATIONS, place).await.expect("applies");
    }
}

/// Writes a row with a key at a moment; gives the status, and whether it was an answer of before.
async fn write(engine: &Engine, id: i64, key: u8, now: Timestamp) -> Result<(u16, bool), Failure> {
    let store = &*engine.store;
    let asked = request("POST", "/items", &format!("{{\"id\":{id}}}"), "")?;
    let answer = Arc::new(|ran: Ran| {
        let Body::Full(body) = ran.body else { panic!("a stream") };
        Ok(KeptAnswer { status: StatusCode::CREATED, headers: HeaderMap::new(), body, is_replayed: false })
    });
    let expires_at = Timestamp(now.0 + MINUTE);
    let most_bytes = Limit::new("most", 1_000);
    let shelf = Arc::new(Shelf::new(Limit::new("all", 1 << 20)));
    let idempotency = Idempotency { key: [key; 32], fingerprint: [key; 32], expires_at, most_bytes, shelf, answer };
    let mut job = job(store, &anon(), &asked, true)?;
    (job.now, job.idempotency) = (now, Some(idempotency));
    let ran = store.run(job).await?;
    let kept = ran.kept.expect("an answer");
    Ok((kept.status.as_u16(), kept.is_replayed))
}

async fn count(engine: &Engine) -> String {
    let asked = request("GET", "/items?select=count()", "", "").unwrap();
    let ran = engine.store.run(job(&*engine.store, &anon(), &asked, true).unwrap()).await.unwrap();
    collect(ran).await.unwrap().body
}

on_both!(an_answer_is_kept_for_its_time_and_then_makes_room, |engine| {
    ready(engine).await;
    let at = |minutes: i64| Timestamp(1_700_000_000_000_000 + minutes * MINUTE);
    assert_eq!(write(engine, 1, 1, at(0)).await.unwrap(), (201, false));
    assert_eq!(write(engine, 1, 1, Timestamp(at(1).0 - 1)).await.unwrap(), (201, true));
    // Its time is over, though it stands there still: the write is done again, which its key forbids here.
    assert_eq!(write(engine, 1, 1, at(1)).await.unwrap_err().code, "23505");
    assert_eq!(write(engine, 2, 1, at(2)).await.unwrap(), (201, false));
    assert_eq!(write(engine, 2, 1, at(2)).await.unwrap(), (201, true));
    assert_eq!(count(engine).await, r#"[{"count":2}]"#);
    for key in 2..7 {
        assert_eq!(write(engine, i64::from(key) + 10, key, at(3)).await.unwrap(), (201, false));
    }
    let sweep = |minutes, most| idempotency::sweep(&*engine.store, at(minutes), most);
    assert_eq!(sweep(3, 10).await.unwrap(), 1);
    assert_eq!(sweep(4, 3).await.unwrap(), 3);
    assert_eq!(sweep(4, 3).await.unwrap(), 2);
    assert_eq!(sweep(4, 3).await.unwrap(), 0);
});

on_both!(its_statements_make_sense, |engine| {
    ready(engine).await;
    engine.store.try_own(idempotency::STATEMENTS).await.unwrap();
    if engine.store.catalog().is_native() {
        engine.store.try_own(idempotency::STATEMENTS_OF_SERVERS).await.unwrap();
    }
});

on_both!(without_its_table_nothing_is_written, |engine| {
    granted(engine).await;
    assert!(write(engine, 1, 1, Timestamp(1_700_000_000_000_000)).await.is_err());
    assert_eq!(count(engine).await, r#"[{"count":0}]"#);
});
