//! What is sent together and what comes back.

use super::*;

pub async fn several_statements_travel_together(postgres: &Postgres) {
    let mut connection = connect(postgres).await;
    postgres.run("CREATE ROLE visitor; GRANT visitor TO postgres;");
    let queries = [
        Query { parameters: &[Some(b"{\"sub\":1}")], ..text("SELECT set_config('request.claims', $1, true)") },
        text("SELECT set_config('role', 'visitor', true)"),
        text("SELECT current_user || current_setting('request.claims')"),
    ];
    for _ in 0..3 {
        let (steps, seen) = run(&mut connection, &queries).await;
        let expected = [
            one(steps[0], "{\"sub\":1}"),
            Seen::Complete(steps[0], "SELECT 1".to_owned()),
            one(steps[1], "visitor"),
            Seen::Complete(steps[1], "SELECT 1".to_owned()),
            one(steps[2], "visitor{\"sub\":1}"),
            Seen::Complete(steps[2], "SELECT 1".to_owned()),
            IDLE,
        ];
        assert_eq!(seen, expected);
        assert_eq!(value(&mut connection, "SELECT current_user").await, "postgres", "the role ends with the Sync");
        assert!(connection.take_notices().is_empty());
    }
    // SET LOCAL does the same with a warning.
    let (_, seen) = run(&mut connection, &[text("SET LOCAL ROLE visitor"), text("SELECT current_user")]).await;
    assert!(matches!(&seen[1], Seen::Row(_, values) if values[0].as_deref() == Some(b"visitor")));
    assert_eq!(connection.take_notices()[0].code, "25P01");
    assert_eq!(connection.prepared_statements(), 5);
    connection.close().await.unwrap();
}

pub async fn values_come_binary_with_their_columns(postgres: &Postgres) {
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

pub async fn an_error_skips_the_rest_and_the_next_flight_is_fine(postgres: &Postgres) {
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

pub async fn an_error_at_the_commit_comes_with_the_sync(postgres: &Postgres) {
    postgres.run("CREATE TABLE late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    let mut connection = connect(postgres).await;
    let (steps, seen) = run(&mut connection, &[text("INSERT INTO late VALUES (1), (1)")]).await;
    let expected = [Seen::Complete(steps[0], "INSERT 0 2".to_owned()), Seen::Failed(None, "23505".to_owned()), IDLE];
    assert_eq!(seen, expected);
}

pub async fn several_syncs_in_one_flight(postgres: &Postgres) {
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

pub async fn a_flight_that_is_not_sent_leaves_nothing(postgres: &Postgres) {
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

pub async fn simple_texts(postgres: &Postgres) {
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

pub async fn errors_have_all_their_fields(postgres: &Postgres) {
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
