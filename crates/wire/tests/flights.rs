//! Flights on a real PostgreSQL: what is sent together, what comes back, and in which state that leaves the connection.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use base::Limit;
use support::{PLENTY, Seen, connect, local, server_error, started, until_ready, value};
use testkit::{Cluster, Postgres};
use tokio::time::timeout;
use wire::{Connection, Error, Event, Format, Query, Settings, Step, TransactionStatus};

/// A query of the space "s" that gives text, so that a test can read it.
fn text(text: &str) -> Query<'_> {
    Query { format: Format::Text, ..Query::new("s", text) }
}

fn one(step: Step, value: &str) -> Seen {
    Seen::Row(step, vec![Some(value.as_bytes().to_vec())])
}

const IDLE: Seen = Seen::Ready(TransactionStatus::Idle);

async fn run(connection: &mut Connection, queries: &[Query<'_>]) -> (Vec<Step>, Vec<Seen>) {
    let mut flight = connection.flight();
    let steps = queries.iter().map(|query| flight.execute(query).unwrap()).collect();
    flight.sync();
    flight.send().await.unwrap();
    let seen = until_ready(connection).await;
    assert!(connection.is_usable());
    (steps, seen)
}

/// The names of what the server has prepared.
async fn prepared(connection: &mut Connection) -> Vec<String> {
    let rows = connection.query("SELECT name FROM pg_prepared_statements ORDER BY name", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// One server for all; the tests that need settings of their own start another.
macro_rules! on_postgres {
    ($($name:ident)*) => {
        #[tokio::test]
        async fn flights_on_a_real_server() {
            let Some(postgres) = started("flights", Cluster::new()) else { return };
            $(eprintln!("{}", stringify!($name)); $name(&postgres).await;)*
        }
    };
}

on_postgres! {
    several_statements_travel_together
    values_come_binary_with_their_columns
    an_error_skips_the_rest_and_the_next_flight_is_fine
    an_error_at_the_commit_comes_with_the_sync
    several_syncs_in_one_flight
    a_statement_that_failed_to_parse_is_not_known
    a_failure_between_parse_and_the_end_keeps_the_books_right
    the_least_used_statement_is_closed
    a_flight_that_is_not_sent_leaves_nothing
    portals_are_suspended_and_resumed
    portals_live_as_long_as_their_transaction
    a_result_type_that_changed_needs_forget
    nothing_is_prepared_behind_a_pooler
    spaces_do_not_share_statements
    simple_texts
    notifications_and_notices
    parameters_are_kept_up_to_date
    a_statement_is_cancelled
    an_abandoned_flight_is_drained
    a_dropped_send_breaks_the_connection
    large_flights_and_answers_do_not_wait_for_each_other
    a_large_result_is_read_row_by_row
    copy_is_refused
    what_cannot_be_sent_is_refused
    errors_have_all_their_fields
    a_killed_session_is_told
    long_messages_are_refused
}

async fn several_statements_travel_together(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    postgres.run("CREATE ROLE visitor; GRANT visitor TO postgres;");
    let queries = [
        Query { parameters: &[Some(b"{\"sub\":1}")], ..text("SELECT set_config('request.claims', $1, true)") },
        text("SET LOCAL ROLE visitor"),
        text("SELECT current_user || current_setting('request.claims')"),
    ];
    for _ in 0..3 {
        let (steps, seen) = run(&mut connection, &queries).await;
        let expected = [
            one(steps[0], "{\"sub\":1}"),
            Seen::Complete(steps[0], "SELECT 1".to_owned()),
            Seen::Complete(steps[1], "SET".to_owned()),
            one(steps[2], "visitor{\"sub\":1}"),
            Seen::Complete(steps[2], "SELECT 1".to_owned()),
            IDLE,
        ];
        assert_eq!(seen, expected);
        assert_eq!(value(&mut connection, "SELECT current_user").await, "postgres", "the role ends with the Sync");
    }
    assert_eq!(connection.prepared_statements(), 3);
    connection.close().await.unwrap();
}

async fn values_come_binary_with_their_columns(postgres: &Postgres) {
    postgres.run("CREATE TABLE columns (id int, name varchar(10))");
    let mut connection = connect(postgres).await;
    let query = Query {
        parameters: &[Some(b"7"), None, Some(b"")],
        types: &[23],
        ..Query::new(
            "s",
            "SELECT $1 AS id, $2::text AS nothing, $3::text AS empty, c.name FROM columns AS c RIGHT JOIN (SELECT) AS x ON true",
        )
    };
    let (steps, seen) = run(&mut connection, &[query]).await;
    assert_eq!(seen[0], Seen::Row(steps[0], vec![Some(vec![0, 0, 0, 7]), None, Some(vec![]), None]));
    let columns = connection.columns(steps[0]).unwrap();
    let outline: Vec<_> =
        columns.iter().map(|column| (column.name.as_str(), column.type_oid, column.attribute)).collect();
    assert_eq!(outline, [("id", 23, 0), ("nothing", 25, 0), ("empty", 25, 0), ("name", 1043, 2)]);
    assert_eq!(columns[3].type_modifier, 14);
    assert_ne!(columns[3].table_oid, 0);
    // Prepared by now: the columns are there before anything is sent.
    let mut flight = connection.flight();
    let step = flight.execute(&query).unwrap();
    drop(flight);
    assert_eq!(connection.columns(step).map(|columns| columns.len()), None, "the flight was not sent");
    let rows = connection.query("SELECT $1::int + 1, NULL, $2", &["41", "x"]).await.unwrap();
    assert_eq!(rows[0].iter().collect::<Vec<_>>(), [Some("42"), None, Some("x")]);
}

async fn an_error_skips_the_rest_and_the_next_flight_is_fine(postgres: &Postgres) {
    postgres.run("CREATE TABLE undone (id int)");
    let mut connection = connect(postgres).await;
    let queries = [text("INSERT INTO undone VALUES (1)"), text("SELECT 1 / 0"), text("SELECT 'never'")];
    for _ in 0..2 {
        let (steps, seen) = run(&mut connection, &queries).await;
        let expected =
            [Seen::Complete(steps[0], "INSERT 0 1".to_owned()), Seen::Failed(Some(steps[1]), "22012".to_owned()), IDLE];
        assert_eq!(seen, expected);
    }
    assert_eq!(value(&mut connection, "SELECT count(*) FROM undone").await, "0");
    let (steps, seen) = run(&mut connection, &queries[2..]).await;
    assert_eq!(seen, [one(steps[0], "never"), Seen::Complete(steps[0], "SELECT 1".to_owned()), IDLE]);
}

async fn an_error_at_the_commit_comes_with_the_sync(postgres: &Postgres) {
    postgres.run("CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    let mut connection = connect(postgres).await;
    let (steps, seen) = run(&mut connection, &[text("INSERT INTO late VALUES (1), (1)")]).await;
    let expected = [Seen::Complete(steps[0], "INSERT 0 2".to_owned()), Seen::Failed(None, "23505".to_owned()), IDLE];
    assert_eq!(seen, expected);
}

async fn several_syncs_in_one_flight(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let mut flight = connection.flight();
    let first = flight.execute(&text("SELECT nothing_like_this")).unwrap();
    flight.sync();
    // The same text in the next stretch: whether the first parse succeeds is not known yet.
    let second = flight.execute(&text("SELECT nothing_like_this")).unwrap();
    flight.sync();
    let third = flight.execute(&text("SELECT 'fine'")).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    assert_eq!(until_ready(&mut connection).await, [Seen::Failed(Some(first), "42703".to_owned()), IDLE]);
    assert!(!connection.is_usable());
    assert_eq!(until_ready(&mut connection).await, [Seen::Failed(Some(second), "42703".to_owned()), IDLE]);
    let seen = until_ready(&mut connection).await;
    assert_eq!(seen, [one(third, "fine"), Seen::Complete(third, "SELECT 1".to_owned()), IDLE]);
    assert!(matches!(connection.next().await, Err(Error::NothingAwaited)));
    assert!(connection.is_usable());
}

async fn a_statement_that_failed_to_parse_is_not_known(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let query = text("SELECT id FROM comes_later");
    for _ in 0..2 {
        let (steps, seen) = run(&mut connection, &[query]).await;
        assert_eq!(seen, [Seen::Failed(Some(steps[0]), "42P01".to_owned()), IDLE]);
        assert_eq!(connection.prepared_statements(), 0);
    }
    postgres.run("CREATE TABLE comes_later AS SELECT 5 AS id");
    let (steps, seen) = run(&mut connection, &[query]).await;
    assert_eq!(seen[0], one(steps[0], "5"));
    assert_eq!(prepared(&mut connection).await.len(), 1);
}

async fn a_failure_between_parse_and_the_end_keeps_the_books_right(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    // The first is parsed and fails in Bind; the second, of the same text, is skipped; the third never arrives at Parse.
    let bad = Query { parameters: &[Some(b"x")], ..text("SELECT $1::int") };
    let good = Query { parameters: &[Some(b"9")], ..bad };
    let (steps, seen) = run(&mut connection, &[bad, good, text("SELECT 'third'")]).await;
    assert_eq!(seen, [Seen::Failed(Some(steps[0]), "22P02".to_owned()), IDLE]);
    assert_eq!(connection.prepared_statements(), 1, "the first is parsed and described");
    let (steps, seen) = run(&mut connection, &[good, text("SELECT 'third'"), good]).await;
    assert_eq!((&seen[0], &seen[2], &seen[4]), (&one(steps[0], "9"), &one(steps[1], "third"), &one(steps[2], "9")));
    assert_eq!(prepared(&mut connection).await.len(), 2);
    // With a Flush instead of a Sync the server skips until a Sync comes, whatever is sent in between.
    let mut flight = connection.flight();
    flight.execute(&text("SELECT 1 / 0")).unwrap();
    flight.flush();
    flight.send().await.unwrap();
    assert!(matches!(connection.next().await, Ok(Event::Failed { .. })));
    let mut flight = connection.flight();
    flight.execute(&text("SELECT 'skipped'")).unwrap();
    flight.flush();
    flight.send().await.unwrap();
    assert!(!connection.is_usable());
    let mut flight = connection.flight();
    flight.execute(&text("SELECT 'skipped too'")).unwrap();
    flight.sync();
    let last = flight.execute(&text("SELECT 'skipped'")).unwrap();
    flight.send().await.unwrap();
    assert_eq!(until_ready(&mut connection).await, [IDLE]);
    assert_eq!(until_ready(&mut connection).await[0], one(last, "skipped"));
    assert!(connection.is_usable());
}

async fn the_least_used_statement_is_closed(postgres: &Postgres) {
    let settings = Settings { prepared_statements: 3, ..Settings::default() };
    let mut connection = Connection::open(&local(postgres), &settings).await.unwrap();
    let texts: Vec<String> = (0..20).map(|number| format!("SELECT {number}")).collect();
    for round in 0..3 {
        for (number, query) in texts.iter().enumerate() {
            let queries = [text(query), text("SELECT 'always'")];
            let (steps, seen) = run(&mut connection, &queries).await;
            assert_eq!(seen[0], one(steps[0], &number.to_string()), "round {round}");
            assert_eq!(seen[2], one(steps[1], "always"));
            assert!(connection.prepared_statements() <= 3);
        }
    }
    // This flight closes what the last one put out.
    assert!(prepared(&mut connection).await.len() <= 3);
    let statements = prepared(&mut connection).await;
    assert_eq!(statements.len(), 3, "{statements:?}");
    // All in one flight, more than fit.
    let queries: Vec<Query<'_>> = texts.iter().map(|query| text(query)).collect();
    let (steps, seen) = run(&mut connection, &queries).await;
    assert_eq!(seen.len(), 41);
    assert_eq!(seen[38], one(steps[19], "19"));
    prepared(&mut connection).await;
    assert_eq!(prepared(&mut connection).await.len(), 3);
}

async fn a_flight_that_is_not_sent_leaves_nothing(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let mut flight = connection.flight();
    flight.execute(&text("SELECT 'a'")).unwrap();
    flight.sync();
    drop(flight);
    assert!(connection.is_usable());
    assert_eq!(connection.prepared_statements(), 0);
    let (steps, seen) = run(&mut connection, &[text("SELECT 'a'")]).await;
    assert_eq!(seen[0], one(steps[0], "a"));
}

async fn portals_are_suspended_and_resumed(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let query = Query { max_rows: 2, ..text("SELECT * FROM generate_series(1, 5)") };
    let mut flight = connection.flight();
    let step = flight.execute(&query).unwrap();
    let other = flight.execute(&text("SELECT 'between'")).unwrap();
    flight.flush();
    flight.send().await.unwrap();
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(Seen::Complete(step, _)) if *step == other) {
        seen.push(Seen::of(connection.next().await.unwrap()));
    }
    let expected = [
        one(step, "1"),
        one(step, "2"),
        Seen::Suspended(step),
        one(other, "between"),
        Seen::Complete(other, "SELECT 1".to_owned()),
    ];
    assert_eq!(seen, expected);
    assert!(!connection.is_usable(), "the transaction goes on");
    let mut flight = connection.flight();
    flight.resume(step, 2).unwrap();
    flight.resume(step, 0).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    let expected = [
        one(step, "3"),
        one(step, "4"),
        Seen::Suspended(step),
        one(step, "5"),
        Seen::Complete(step, "SELECT 1".to_owned()),
        IDLE,
    ];
    assert_eq!(until_ready(&mut connection).await, expected);
    let mut flight = connection.flight();
    assert!(matches!(flight.resume(step, 0), Err(Error::Query(_))), "its transaction is over");
}

async fn portals_live_as_long_as_their_transaction(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    connection.batch("BEGIN").await.unwrap();
    let query = Query { max_rows: 1, ..text("SELECT * FROM generate_series(1, 3)") };
    let (steps, seen) = run(&mut connection, &[query, query]).await;
    let open = Seen::Ready(TransactionStatus::Open);
    let expected =
        [one(steps[0], "1"), Seen::Suspended(steps[0]), one(steps[1], "1"), Seen::Suspended(steps[1]), open.clone()];
    assert_eq!(seen, expected);
    let mut flight = connection.flight();
    flight.resume(steps[0], 0).unwrap();
    flight.close(steps[1]);
    flight.close(steps[1]);
    assert!(flight.resume(steps[1], 0).is_err(), "it was closed");
    flight.sync();
    flight.send().await.unwrap();
    let expected = [one(steps[0], "2"), one(steps[0], "3"), Seen::Complete(steps[0], "SELECT 2".to_owned()), open];
    assert_eq!(until_ready(&mut connection).await, expected);
    assert_eq!(value(&mut connection, "SELECT count(*) FROM pg_cursors WHERE name LIKE 'pando%'").await, "1");
    connection.batch("COMMIT").await.unwrap();
    assert_eq!(connection.transaction_status(), TransactionStatus::Idle);
    assert!(connection.flight().resume(steps[0], 0).is_err());
}

async fn a_result_type_that_changed_needs_forget(postgres: &Postgres) {
    postgres.run("CREATE TABLE changing AS SELECT 1 AS a");
    let mut connection = connect(postgres).await;
    let query = text("SELECT * FROM changing");
    run(&mut connection, &[query]).await;
    postgres.run("ALTER TABLE changing ADD b text DEFAULT 'new'");
    let (steps, seen) = run(&mut connection, &[query]).await;
    assert_eq!(seen, [Seen::Failed(Some(steps[0]), "0A000".to_owned()), IDLE]);
    connection.forget();
    assert_eq!(connection.prepared_statements(), 0);
    let (steps, seen) = run(&mut connection, &[query]).await;
    assert_eq!(seen[0], Seen::Row(steps[0], vec![Some(b"1".to_vec()), Some(b"new".to_vec())]));
    assert_eq!(connection.columns(steps[0]).unwrap().len(), 2);
    assert_eq!(prepared(&mut connection).await.len(), 1);
    // Somebody else's DEALLOCATE.
    connection.batch("DEALLOCATE ALL").await.unwrap();
    let (steps, seen) = run(&mut connection, &[query]).await;
    assert_eq!(seen, [Seen::Failed(Some(steps[0]), "26000".to_owned()), IDLE]);
    connection.forget();
    assert_eq!(run(&mut connection, &[query]).await.1.len(), 3);
}

async fn nothing_is_prepared_behind_a_pooler(postgres: &Postgres) {
    let settings = Settings { prepared_statements: 0, ..Settings::default() };
    let mut connection = Connection::open(&local(postgres), &settings).await.unwrap();
    let queries = [
        Query { parameters: &[Some(b"1")], ..text("SELECT $1") },
        text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"),
        Query { max_rows: 1, ..text("SELECT 'portal'") },
    ];
    for _ in 0..2 {
        let (steps, seen) = run(&mut connection, &queries).await;
        assert_eq!(
            (&seen[0], &seen[2], &seen[4]),
            (&one(steps[0], "1"), &one(steps[1], "0"), &one(steps[2], "portal"))
        );
        assert!(connection.columns(steps[0]).is_some_and(|columns| columns.len() == 1));
    }
    assert_eq!(connection.prepared_statements(), 0);
    assert!(prepared(&mut connection).await.is_empty());
}

async fn spaces_do_not_share_statements(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let queries =
        [text("SELECT 1"), Query { space: Some("t"), ..text("SELECT 1") }, Query { space: None, ..text("SELECT 1") }];
    run(&mut connection, &queries).await;
    run(&mut connection, &queries).await;
    assert_eq!(prepared(&mut connection).await.len(), 2);
}

async fn simple_texts(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let mut flight = connection.flight();
    let step = flight
        .simple("SELECT 1; CREATE TABLE simple (a int, b int); INSERT INTO simple VALUES (1, NULL) RETURNING *;")
        .unwrap();
    let empty = flight.simple(" ").unwrap();
    flight.send().await.unwrap();
    let expected = [
        one(step, "1"),
        Seen::Complete(step, "SELECT 1".to_owned()),
        Seen::Complete(step, "CREATE TABLE".to_owned()),
        Seen::Row(step, vec![Some(b"1".to_vec()), None]),
        Seen::Complete(step, "INSERT 0 1".to_owned()),
        IDLE,
    ];
    assert_eq!(until_ready(&mut connection).await, expected);
    assert_eq!(until_ready(&mut connection).await, [Seen::Complete(empty, String::new()), IDLE]);
    assert_eq!(Event::affected("INSERT 0 12"), Some(12));
    assert_eq!(Event::affected("CREATE TABLE"), None);
    let error =
        server_error(connection.batch("CREATE TABLE gone (a int); SELECT nothing; CREATE TABLE gone2 (a int)").await);
    assert_eq!((error.code.as_str(), error.position), ("42703", Some(35)));
    assert_eq!(value(&mut connection, "SELECT to_regclass('gone') IS NULL").await, "t");
    assert!(connection.is_usable());
}

async fn notifications_and_notices(postgres: &Postgres) {
    let mut listening = connect(postgres).await;
    let mut other = connect(postgres).await;
    listening.batch("LISTEN news").await.unwrap();
    let waiting = tokio::spawn(async move {
        let first = listening.notification().await.unwrap();
        (listening, first)
    });
    other.batch("NOTIFY news, 'one'").await.unwrap();
    let (mut listening, first) = waiting.await.unwrap();
    assert_eq!((first.channel.as_str(), first.payload.as_str(), first.process_id), ("news", "one", other.process_id()));
    other.batch("NOTIFY news, 'two'; NOTIFY news").await.unwrap();
    // They come with the answers of a flight as well, and waiting may be given up without a loss.
    assert_eq!(value(&mut listening, "SELECT pg_sleep(0)").await, "");
    let payloads = [listening.notification().await.unwrap().payload, listening.notification().await.unwrap().payload];
    assert_eq!(payloads, ["two", ""]);
    assert!(timeout(Duration::from_millis(20), listening.notification()).await.is_err());
    assert!(listening.is_usable());
    let burst: String = (0..1100).map(|number| format!("NOTIFY news, '{number}';")).collect();
    other.batch(&burst).await.unwrap();
    while listening.lost_notifications() == 0 {
        value(&mut listening, "SELECT 1").await;
    }
    assert_eq!(listening.lost_notifications(), 76);
    assert_eq!(listening.notification().await.unwrap().payload, "76");
    listening.batch("DO $$ BEGIN RAISE NOTICE 'look'; RAISE WARNING 'out'; END $$").await.unwrap();
    let notices: Vec<_> =
        listening.take_notices().into_iter().map(|notice| (notice.severity, notice.message)).collect();
    assert_eq!(notices, [("NOTICE".to_owned(), "look".to_owned()), ("WARNING".to_owned(), "out".to_owned())]);
    assert!(listening.take_notices().is_empty());
}

async fn parameters_are_kept_up_to_date(postgres: &Postgres) {
    let mut target = local(postgres);
    target.application_name = Some("first".to_owned());
    target.options = Some("-c search_path=elsewhere".to_owned());
    let settings =
        Settings { parameters: vec![("TimeZone".to_owned(), "Asia/Tokyo".to_owned())], ..Settings::default() };
    let mut connection = Connection::open(&target, &settings).await.unwrap();
    assert_eq!(connection.parameter("application_name"), Some("first"));
    assert_eq!(connection.parameter("TimeZone"), Some("Asia/Tokyo"));
    assert_eq!(connection.parameter("client_encoding"), Some("UTF8"));
    assert_eq!(value(&mut connection, "SHOW search_path").await, "elsewhere");
    connection.batch("SET application_name = 'second'").await.unwrap();
    assert_eq!(connection.parameter("application_name"), Some("second"));
    let process_id = connection.process_id().to_string();
    assert_eq!(value(&mut connection, "SELECT pg_backend_pid()").await, process_id);
}

async fn a_statement_is_cancelled(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let canceller = connection.canceller();
    assert!(!format!("{canceller:?}").contains("secret"));
    let mut flight = connection.flight();
    let step = flight.execute(&text("SELECT pg_sleep(600)")).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    // Once it sleeps.
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event = 'PgSleep'",
        connection.process_id()
    );
    let mut other = connect(postgres).await;
    while value(&mut other, &asleep).await != "1" {}
    tokio::spawn(async move { canceller.clone().cancel().await }).await.unwrap().unwrap();
    assert_eq!(until_ready(&mut connection).await, [Seen::Failed(Some(step), "57014".to_owned()), IDLE]);
    assert_eq!(value(&mut connection, "SELECT 'on'").await, "on");
}

async fn an_abandoned_flight_is_drained(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let many = text("SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    let mut flight = connection.flight();
    flight.execute(&many).unwrap();
    flight.execute(&text("SELECT 'kept'")).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    assert!(matches!(connection.next().await, Ok(Event::Row(_))));
    assert!(!connection.is_usable());
    assert!(
        matches!(connection.query("SELECT 1", &[]).await, Err(Error::Query(_))),
        "its answer would be behind the others"
    );
    assert!(matches!(connection.notification().await, Err(Error::Query(_))));
    let few = Limit::new("bytes", 100_000);
    let mut tries = 0;
    while let Err(error) = connection.drain(few).await {
        assert!(matches!(error, Error::TooMuch(_)), "{error}");
        tries += 1;
    }
    assert!(tries <= 30);
    assert!(connection.is_usable());
    // The same with a future that is dropped while it waits, and without a Sync.
    let mut holder = connect(postgres).await;
    holder.batch("SELECT pg_advisory_lock(1)").await.unwrap();
    let mut flight = connection.flight();
    flight.execute(&text("SELECT pg_advisory_xact_lock(1)")).unwrap();
    flight.execute(&many).unwrap();
    flight.flush();
    flight.send().await.unwrap();
    assert!(timeout(Duration::from_millis(10), connection.next()).await.is_err());
    assert!(!connection.is_usable());
    assert!(timeout(Duration::from_millis(10), connection.drain(PLENTY)).await.is_err());
    holder.batch("SELECT pg_advisory_unlock(1)").await.unwrap();
    assert_eq!(connection.drain(PLENTY).await.unwrap(), TransactionStatus::Idle);
    assert!(connection.is_usable());
    assert_eq!(value(&mut connection, "SELECT 'again'").await, "again");
    // In a transaction that is open, the status tells.
    connection.batch("BEGIN").await.unwrap();
    let mut flight = connection.flight();
    flight.execute(&text("SELECT 1 / 0")).unwrap();
    flight.flush();
    flight.send().await.unwrap();
    assert_eq!(connection.drain(PLENTY).await.unwrap(), TransactionStatus::Failed);
}

async fn a_dropped_send_breaks_the_connection(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let mut holder = connect(postgres).await;
    holder.batch("SELECT pg_advisory_lock(2)").await.unwrap();
    let mut flight = connection.flight();
    flight.execute(&text("SELECT pg_advisory_xact_lock(2)")).unwrap();
    let long = "x".repeat(32 << 20);
    let parameters = [Some(long.as_bytes())];
    flight.execute(&Query { parameters: &parameters, ..text("SELECT length($1)") }).unwrap();
    flight.sync();
    // The server waits for the lock and does not read, so that not all of it can be sent.
    assert!(timeout(Duration::from_millis(20), flight.send()).await.is_err());
    assert!(!connection.is_usable());
    assert!(matches!(connection.drain(PLENTY).await, Err(Error::Broken)));
    assert!(matches!(connection.query("SELECT 1", &[]).await, Err(Error::Broken)));
    assert!(matches!(connection.close().await, Err(Error::Broken)));
}

async fn large_flights_and_answers_do_not_wait_for_each_other(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let long = "x".repeat(8 << 20);
    let parameters = [Some(long.as_bytes())];
    let echo = Query { parameters: &parameters, ..text("SELECT $1") };
    let (steps, seen) = run(&mut connection, &[echo, echo, echo]).await;
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[4], one(steps[2], &long));
}

async fn a_large_result_is_read_row_by_row(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let before = resident();
    let mut flight = connection.flight();
    flight.execute(&text("SELECT repeat('x', 1000000) FROM generate_series(1, 100)")).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    let (mut bytes, mut most) = (0, 0);
    loop {
        match connection.next().await.unwrap() {
            Event::Row(row) => {
                bytes += row.get(0).map_or(0, <[u8]>::len);
                most = most.max(resident());
            }
            Event::Ready(_) => break,
            _ => {}
        }
    }
    assert_eq!(bytes, 100_000_000);
    assert!(most < before + (32 << 20), "{before} {most}");
}

/// The memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

async fn copy_is_refused(postgres: &Postgres) {
    for statement in ["COPY (SELECT 1) TO STDOUT", "CREATE TEMP TABLE c (a int); COPY c FROM STDIN"] {
        let mut connection = connect(postgres).await;
        assert!(matches!(connection.batch(statement).await, Err(Error::Copy)), "{statement}");
        assert!(!connection.is_usable());
    }
}

async fn what_cannot_be_sent_is_refused(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let many = vec![None; 70_000];
    let mut flight = connection.flight();
    assert!(matches!(flight.execute(&text("SELECT '\0'")), Err(Error::Query(_))));
    assert!(matches!(flight.simple("SELECT '\0'"), Err(Error::Query(_))));
    assert!(matches!(flight.execute(&Query { parameters: &many, ..text("SELECT 1") }), Err(Error::Query(_))));
    let step = flight.execute(&text("SELECT 'still'")).unwrap();
    flight.send().await.unwrap();
    assert_eq!(until_ready(&mut connection).await[0], one(step, "still"));
    // A value with a NUL byte is the server's to refuse.
    let query = Query { parameters: &[Some(b"\0")], ..text("SELECT $1::text") };
    assert!(matches!(&run(&mut connection, &[query]).await.1[0], Seen::Failed(_, code) if code == "22021"));
}

async fn errors_have_all_their_fields(postgres: &Postgres) {
    postgres.run("CREATE TABLE fields (id int CONSTRAINT positive CHECK (id > 0), name text NOT NULL)");
    let mut connection = connect(postgres).await;
    let error = server_error(connection.query("INSERT INTO fields VALUES (-1, 'x')", &[]).await);
    assert_eq!((error.severity.as_str(), error.code.as_str()), ("ERROR", "23514"));
    assert_eq!((error.schema.as_deref(), error.table.as_deref()), (Some("public"), Some("fields")));
    assert_eq!(error.constraint.as_deref(), Some("positive"));
    assert!(error.detail.as_deref().is_some_and(|detail| detail.contains("-1")) && error.routine.is_some());
    let error = server_error(connection.query("INSERT INTO fields VALUES (1)", &[]).await);
    assert_eq!((error.code.as_str(), error.column.as_deref()), ("23502", Some("name")));
    let error = server_error(connection.query("SELECT nam FROM fields", &[]).await);
    assert_eq!((error.position, error.code.as_str(), error.hint.is_some()), (Some(8), "42703", true));
    assert!(error.to_string().contains("Hint:") && !error.is_fatal());
    let error = server_error(connection.query("DO 'BEGIN PERFORM 1 / 0; END'", &[]).await);
    assert!(error.context.is_some_and(|context| context.contains("line 1")) && error.internal_query.is_none());
}

async fn a_killed_session_is_told(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let mut idle = connect(postgres).await;
    let mut other = connect(postgres).await;
    let mut flight = connection.flight();
    flight.execute(&text("SELECT pg_sleep(600)")).unwrap();
    flight.sync();
    flight.send().await.unwrap();
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event = 'PgSleep'",
        connection.process_id()
    );
    while value(&mut other, &asleep).await != "1" {}
    let (busy, waiting) = (connection.process_id(), idle.process_id());
    value(&mut other, &format!("SELECT pg_terminate_backend({busy}), pg_terminate_backend({waiting})")).await;
    assert!(
        matches!(connection.next().await, Ok(Event::Failed { error, .. }) if error.code == "57P01" && error.is_fatal())
    );
    assert!(matches!(connection.next().await, Err(Error::Closed)));
    assert!(!connection.is_usable());
    assert_eq!(server_error(idle.notification().await).code, "57P01");
    assert!(!idle.is_usable());
}

async fn long_messages_are_refused(postgres: &Postgres) {
    let limit = Limit::new("bytes of a message in a test", 100_000);
    let settings = Settings { message_bytes: limit, ..Settings::default() };
    let mut connection = Connection::open(&local(postgres), &settings).await.unwrap();
    assert_eq!(value(&mut connection, "SELECT length(repeat('x', 200000))").await, "200000");
    let error = connection.query("SELECT repeat('x', 200000)", &[]).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { bytes: 200_010, .. }), "{error}");
    assert!(error.to_string().contains("bytes of a message in a test = 100000"));
    assert!(!connection.is_usable());
}
