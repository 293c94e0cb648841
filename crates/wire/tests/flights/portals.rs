//! Portals that are suspended.

use super::*;

pub async fn portals_are_suspended_and_resumed(postgres: &Postgres) {
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

pub async fn portals_live_as_long_as_their_transaction(postgres: &Postgres) {
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
    let mut flight = connection.flight();
    let unsent = flight.execute(&query).unwrap();
    drop(flight);
    assert!(connection.flight().resume(unsent, 0).is_err(), "it was never sent");
    connection.batch("COMMIT").await.unwrap();
    assert_eq!(connection.transaction_status(), TransactionStatus::Idle);
    assert!(connection.flight().resume(steps[0], 0).is_err());
}
