//! Two connections that PgBouncer lets use the same sessions, transaction by transaction.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use testkit::{Pooler, Postgres, is_skipped};
use wire::{Connection, Event, Format, Query, Settings, Target};

/// What a statement that is kept prepared answers: its value, or the code of its error.
async fn ask(connection: &mut Connection, text: &str) -> String {
    let mut flight = connection.flight();
    flight.execute(&Query { format: Format::Text, ..Query::new("", text) }).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    let mut answer = String::new();
    loop {
        match connection.next().await.unwrap() {
            Event::Row(row) => answer = String::from_utf8(row.get(0).unwrap().to_vec()).unwrap(),
            Event::Failed { error, .. } => answer = error.code,
            Event::Ready(_) => return answer,
            _ => {}
        }
    }
}

/// Before PgBouncer 1.21 a name means whatever somebody has prepared under it in the session that one happens to get. Both
/// connections have prepared one statement each; neither may ever be given the other's rows.
#[tokio::test]
async fn the_statement_of_another_connection_is_never_executed() {
    const TEST: &str = "the_statement_of_another_connection_is_never_executed";
    let Some(postgres) = Postgres::start_for(TEST) else { return };
    let pooler = Pooler::start(&postgres, &["postgres"], &["default_pool_size = 2"]);
    if is_skipped(TEST, pooler.is_none(), "PgBouncer", "install it: apt-get install pgbouncer") {
        return;
    }
    let pooler = pooler.unwrap();
    let url = pooler.url("postgres");
    let target = Target::parse(&url, &|_| None).unwrap();
    let mut first = Connection::open(&target, &Settings::default()).await.unwrap();
    let mut second = Connection::open(&target, &Settings::default()).await.unwrap();
    assert_eq!(ask(&mut first, "SELECT 'mine'").await, "mine");
    // The session that was used last is given first: it is held, so that the second prepares its own in another one.
    first.batch("BEGIN").await.unwrap();
    assert_eq!(ask(&mut second, "SELECT 'yours'").await, "yours");
    first.batch("COMMIT").await.unwrap();
    let answer = ask(&mut second, "SELECT 'yours'").await;
    assert!(["yours", "26000"].contains(&answer.as_str()), "the second is answered {answer:?}");
}
