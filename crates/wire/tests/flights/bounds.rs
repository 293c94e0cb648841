//! What is large, and what is refused.

use super::*;

pub async fn large_flights_and_answers_do_not_wait_for_each_other(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let long = "x".repeat(8 << 20);
    let parameters = [Some(long.as_bytes())];
    let echo = Query { parameters: &parameters, ..text("SELECT $1") };
    let (steps, seen) = run(&mut connection, &[echo, echo, echo]).await;
    assert_eq!(seen.len(), 7);
    assert_eq!(seen[4], one(steps[2], &long));
}

pub async fn a_large_result_is_read_row_by_row(postgres: &Postgres) {
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

pub async fn copy_is_refused(postgres: &Postgres) {
    for statement in ["COPY (SELECT 1) TO STDOUT", "CREATE TEMP TABLE c (a int); COPY c FROM STDIN"] {
        let mut connection = connect(postgres).await;
        assert!(matches!(connection.batch(statement).await, Err(Error::Copy)), "{statement}");
        assert!(!connection.is_usable());
    }
}

pub async fn what_cannot_be_sent_is_refused(postgres: &Postgres) {
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

pub async fn long_messages_are_refused(postgres: &Postgres) {
    let limit = Limit::new("bytes of a message in a test", 100_000);
    let settings = Settings { message_bytes: limit, ..Settings::default() };
    let mut connection = Connection::open(&local(postgres), &settings).await.unwrap();
    assert_eq!(value(&mut connection, "SELECT length(repeat('x', 200000))").await, "200000");
    let error = connection.query("SELECT repeat('x', 200000)", &[]).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { bytes: 200_010, .. }), "{error}");
    assert!(error.to_string().contains("bytes of a message in a test = 100000"));
    assert!(!connection.is_usable());
}
