//! What leaves a connection in which state.

use super::*;

pub async fn notifications_and_notices(postgres: &Postgres) {
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

pub async fn parameters_are_kept_up_to_date(postgres: &Postgres) {
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

pub async fn a_statement_is_cancelled(postgres: &Postgres) {
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

pub async fn an_abandoned_flight_is_drained(postgres: &Postgres) {
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

pub async fn a_dropped_send_breaks_the_connection(postgres: &Postgres) {
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

pub async fn a_killed_session_is_told(postgres: &Postgres) {
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
