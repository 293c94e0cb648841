//! Which statements are prepared.

use super::*;

pub async fn a_statement_that_failed_to_parse_is_not_known(postgres: &Postgres) {
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

pub async fn a_failure_between_parse_and_the_end_keeps_the_books_right(postgres: &Postgres) {
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

pub async fn the_least_used_statement_is_closed(postgres: &Postgres) {
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

pub async fn a_result_type_that_changed_needs_forget(postgres: &Postgres) {
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

pub async fn nothing_is_prepared_behind_a_pooler(postgres: &Postgres) {
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

pub async fn spaces_do_not_share_statements(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    let queries =
        [text("SELECT 1"), Query { space: Some("t"), ..text("SELECT 1") }, Query { space: None, ..text("SELECT 1") }];
    run(&mut connection, &queries).await;
    run(&mut connection, &queries).await;
    assert_eq!(prepared(&mut connection).await.len(), 2);
}
