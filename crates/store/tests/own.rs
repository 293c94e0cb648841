//! What the store promises of the program's own statements, sentence by sentence, on both engines: the cases know neither.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "own/engines.rs"]
mod engines;

use std::sync::Arc;
use std::time::Duration;

use base::{Kind, Timestamp};
use datatype::Datum;
use engines::{Engine, on_both};
use store::{OwnAnswer, OwnRow, OwnStatement, OwnStep, Store, StoreError, ViolationKind};

const ID: &str = "11111111-1111-4111-8111-111111111111";
const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// Tables as those of a login, and a user's own trigger on them.
const SCHEMA: &str = "
    create schema if not exists auth;
    create type auth.level as enum ('low', 'high');
    create table auth.users (
        id uuid not null primary key,
        email varchar(255) null,
        is_sso boolean not null default false,
        logins integer not null default 0,
        version bigint not null default 1,
        level auth.level null,
        meta jsonb null,
        secret bytea null,
        created_at timestamptz not null default now(),
        updated_at timestamptz null,
        constraint users_logins_check check (logins >= 0)
    );
    create unique index users_email_partial_key on auth.users (email) where (is_sso = false);
    create table auth.identities (
        id uuid not null default gen_random_uuid() primary key,
        user_id uuid not null,
        provider text not null,
        provider_id text not null,
        constraint identities_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
        constraint identities_provider_id_provider_unique unique (provider_id, provider)
    );
    create table profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
    create function handle_new_user() returns trigger language plpgsql security definer as $$
      begin
        insert into public.profiles (id, name) values (new.id, new.meta ->> 'name');
        return new;
      end;
    $$;
    create trigger on_auth_user_created after insert on auth.users for each row execute function handle_new_user();
    create function touched() returns trigger language plpgsql as $$
      begin
        new.updated_at = '2020-01-01 00:00:00+00';
        return new;
      end;
    $$;
    create trigger users_touched before update on auth.users for each row execute function touched();
";

const ADD: OwnStatement = OwnStatement::new("INSERT INTO auth.users (id, email) VALUES ($1, $2)", &["uuid", "text"]);
const COUNT: OwnStatement = OwnStatement::new("SELECT count(*) AS users FROM auth.users", &[]);
const IDENTITY: OwnStatement = OwnStatement::new(
    "INSERT INTO auth.identities (user_id, provider, provider_id) VALUES ($1, $2, $3) RETURNING id",
    &["uuid", "text", "text"],
);
const GUARDED: OwnStatement = OwnStatement::new(
    "UPDATE auth.users SET version = version + 1, logins = logins + 1 WHERE id = $1 AND version = $2 RETURNING version",
    &["uuid", "bigint"],
);
const VERSION: OwnStatement = OwnStatement::new("SELECT version, logins FROM auth.users WHERE id = $1", &["uuid"]);

fn add(id: &str, email: &str) -> OwnStep {
    OwnStep::new(ADD, [id.into(), email.into()])
}

async fn one(store: &dyn Store, statement: OwnStatement, values: Vec<Datum>) -> OwnRow {
    let answers = store.consult(vec![OwnStep::new(statement, values)]).await.expect("reads");
    answers[0].first().expect("a row").clone()
}

async fn users(engine: &Engine) -> i64 {
    one(&*engine.store, COUNT, Vec::new()).await.get("users").expect("a number")
}

async fn transact(engine: &Engine, steps: Vec<OwnStep>) -> Result<Vec<OwnAnswer>, StoreError> {
    engine.store.transact(steps).await
}

on_both!(all_of_a_transaction_is_kept_or_nothing, |engine| {
    let answers = transact(engine, vec![add(ID, "a@example.com"), add(OTHER, "b@example.com")]).await.expect("writes");
    assert_eq!(answers.iter().map(|answer| answer.affected).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(users(engine).await, 2);
    let third = "33333333-3333-4333-8333-333333333333";
    let refused = transact(engine, vec![add(third, "c@example.com"), add(ID, "d@example.com")]).await;
    assert!(matches!(refused, Err(StoreError::Violated(_))), "{refused:?}");
    assert_eq!(users(engine).await, 2, "the first statement of a transaction that failed was kept");
});

on_both!(an_expectation_that_is_missed_undoes_everything_and_is_named, |engine| {
    transact(engine, vec![add(ID, "a@example.com")]).await.expect("writes");
    let guard = || OwnStep::new(GUARDED, [ID.into(), Datum::Integer(7)]);
    for (guard, found) in [(guard().exactly(1), 0), (guard().at_least_one(), 0)] {
        let missed = transact(engine, vec![add(OTHER, "b@example.com"), guard]).await;
        assert!(matches!(missed, Err(StoreError::Missed { step: 1, rows }) if rows == found), "{missed:?}");
        assert_eq!(users(engine).await, 1);
    }
    // What comes after it would fail as well, and is not what is told.
    let missed = transact(engine, vec![guard().exactly(1), add(ID, "c@example.com")]).await;
    assert!(matches!(missed, Err(StoreError::Missed { step: 0, rows: 0 })), "{missed:?}");
    let missed = transact(engine, vec![OwnStep::new(COUNT, []).exactly(2)]).await;
    assert!(matches!(missed, Err(StoreError::Missed { step: 0, rows: 1 })), "{missed:?}");
    let answers = transact(engine, vec![guard(), OwnStep::new(COUNT, []).exactly(1)]).await.expect("anything may come");
    assert_eq!((answers[0].affected, answers[1].affected), (0, 1));
    let kept = transact(engine, vec![OwnStep::new(GUARDED, [ID.into(), Datum::Integer(1)]).exactly(1)]).await;
    assert_eq!(kept.expect("is as expected")[0].rows[0].get::<i64>("version").unwrap(), 2);
});

on_both!(of_several_guarded_changes_exactly_one_wins, |engine| {
    transact(engine, vec![add(ID, "a@example.com")]).await.expect("writes");
    for version in 1..=5 {
        let mut rivals = Vec::new();
        for _ in 0..12 {
            let store = engine.store.clone();
            let guard = OwnStep::new(GUARDED, [ID.into(), Datum::Integer(version)]).exactly(1);
            rivals.push(tokio::spawn(async move { store.transact(vec![guard]).await }));
        }
        let mut won = 0;
        for rival in rivals {
            match rival.await.expect("runs") {
                Ok(_) => won += 1,
                Err(StoreError::Missed { step: 0, rows: 0 }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(won, 1);
    }
    let row = one(&*engine.store, VERSION, vec![ID.into()]).await;
    assert_eq!((row.get::<i64>("version").unwrap(), row.get::<i64>("logins").unwrap()), (6, 5));
});

on_both!(values_of_all_types_come_back_as_they_were, |engine| {
    const ALL: OwnStatement = OwnStatement::new(
        "INSERT INTO auth.users (id, email, is_sso, logins, version, level, meta, secret, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         RETURNING id, email, is_sso, logins, version, level, meta, secret, created_at, updated_at, logins + 1 AS more",
        &["uuid", "text", "boolean", "integer", "bigint", "auth.level", "jsonb", "bytea", "timestamptz"],
    );
    let now = Timestamp(1_700_000_000_123_456);
    let values: Vec<Datum> = vec![
        // Taken as PostgreSQL takes it, kept as it prints it.
        ID.to_uppercase().into(),
        "ä '\"; DROP TABLE auth.users; --".into(),
        true.into(),
        Datum::Integer(3),
        Datum::Integer(i64::MAX),
        "high".into(),
        r#"{"b":1,  "a":[1.50,null,"x"]}"#.into(),
        vec![0_u8, 255, 7].into(),
        now.into(),
    ];
    let answers = transact(engine, vec![OwnStep::new(ALL, values)]).await.expect("writes");
    let check = |row: &OwnRow| {
        assert_eq!(row.get::<&str>("id").unwrap(), ID);
        assert_eq!(row.get::<Option<String>>("email").unwrap().unwrap(), "ä '\"; DROP TABLE auth.users; --");
        assert!(row.get::<bool>("is_sso").unwrap());
        assert_eq!(row.get::<i64>("logins").unwrap(), 3);
        assert_eq!(row.get::<i64>("version").unwrap(), i64::MAX);
        assert_eq!(row.get::<&str>("level").unwrap(), "high");
        assert_eq!(row.get::<&str>("meta").unwrap(), r#"{"a": [1.50, null, "x"], "b": 1}"#);
        assert_eq!(row.get::<serde_json::Value>("meta").unwrap()["b"], 1);
        assert_eq!(row.get::<&[u8]>("secret").unwrap(), [0, 255, 7]);
        assert_eq!(row.get::<Timestamp>("created_at").unwrap(), now);
        assert_eq!(row.get::<Option<Timestamp>>("updated_at").unwrap(), None);
    };
    check(&answers[0].rows[0]);
    assert_eq!(answers[0].rows[0].get::<i64>("more").unwrap(), 4);
    const BY_ALL: OwnStatement = OwnStatement::new(
        "SELECT * FROM auth.users WHERE id = $1 AND is_sso = $2 AND level = $3 AND created_at = $4 AND secret = $5
           AND meta = $6 AND email = $7 LIMIT $8",
        &["uuid", "boolean", "auth.level", "timestamptz", "bytea", "jsonb", "text", "bigint"],
    );
    let meta = r#"{"a":[1.5,null,"x"],"b":1}"#;
    let email = "ä '\"; DROP TABLE auth.users; --";
    let values =
        [ID.into(), true.into(), "high".into(), now.into(), vec![0_u8, 255, 7].into(), meta.into(), email.into()];
    let values = values.into_iter().chain([Datum::Integer(1)]).collect();
    check(&one(&*engine.store, BY_ALL, values).await);
    // NULL of any type.
    const NULLS: OwnStatement = OwnStatement::new(
        "UPDATE auth.users SET email = $2, level = $3, meta = $4, secret = $5 WHERE id = $1
         RETURNING email, level, meta, secret",
        &["uuid", "text", "auth.level", "jsonb", "bytea"],
    );
    let step = OwnStep::new(NULLS, [ID.into(), Datum::Null, Datum::Null, Datum::Null, Datum::Null]);
    let answers = transact(engine, vec![step]).await.expect("writes");
    assert!(answers[0].rows[0].values().iter().all(Datum::is_null));
});

on_both!(what_a_row_does_not_hold_is_an_error_and_no_panic, |engine| {
    transact(engine, vec![add(ID, "a@example.com")]).await.expect("writes");
    const READ: OwnStatement = OwnStatement::new("SELECT email, logins, meta FROM auth.users", &[]);
    let row = one(&*engine.store, READ, Vec::new()).await;
    for refused in [
        row.get::<&str>("nowhere").map(drop),
        row.get::<&str>("meta").map(drop),
        row.get::<&str>("logins").map(drop),
        row.get::<i64>("email").map(drop),
        row.get::<bool>("logins").map(drop),
        row.get::<Timestamp>("logins").map(drop),
    ] {
        assert!(matches!(refused, Err(StoreError::Engine(_))), "{refused:?}");
    }
});

on_both!(triggers_of_the_schema_fire, |engine| {
    const WITH_META: OwnStatement =
        OwnStatement::new("INSERT INTO auth.users (id, meta) VALUES ($1, $2)", &["uuid", "jsonb"]);
    const PROFILE: OwnStatement = OwnStatement::new("SELECT name FROM public.profiles WHERE id = $1", &["uuid"]);
    const TOUCH: OwnStatement =
        OwnStatement::new("UPDATE auth.users SET logins = 1 WHERE id = $1 RETURNING updated_at", &["uuid"]);
    let steps = vec![
        OwnStep::new(WITH_META, [ID.into(), r#"{"name":"Ada"}"#.into()]),
        OwnStep::new(PROFILE, [ID.into()]).exactly(1),
        OwnStep::new(TOUCH, [ID.into()]).exactly(1),
    ];
    let answers = transact(engine, steps).await.expect("writes");
    assert_eq!(answers[1].rows[0].get::<&str>("name").unwrap(), "Ada");
    let touched = answers[2].rows[0].get::<Timestamp>("updated_at").unwrap();
    assert_eq!(touched, Timestamp(1_577_836_800_000_000), "RETURNING shows what a trigger has set");
    const REMOVE: OwnStatement =
        OwnStatement::new("DELETE FROM auth.users WHERE id = $1 RETURNING id, meta", &["uuid"]);
    let answers = transact(engine, vec![OwnStep::new(REMOVE, [ID.into()]).exactly(1)]).await.expect("removes");
    assert_eq!(answers[0].rows[0].get::<&str>("id").unwrap(), ID);
    let left = engine.store.consult(vec![OwnStep::new(PROFILE, [ID.into()])]).await.expect("reads");
    assert_eq!(left[0].rows.len(), 0, "rows that follow are gone as well");
});

on_both!(violated_constraints_have_one_name, |engine| {
    const LESS: OwnStatement = OwnStatement::new("UPDATE auth.users SET logins = -1 WHERE id = $1", &["uuid"]);
    const NOBODY: OwnStatement =
        OwnStatement::new("UPDATE auth.users SET is_sso = $2 WHERE id = $1", &["uuid", "boolean"]);
    const RENAME: OwnStatement = OwnStatement::new("UPDATE auth.users SET email = $2 WHERE id = $1", &["uuid", "text"]);
    let steps = vec![
        add(ID, "a@example.com"),
        add(OTHER, "b@example.com"),
        OwnStep::new(IDENTITY, [ID.into(), "email".into(), "1".into()]),
    ];
    transact(engine, steps).await.expect("writes");
    let third = "33333333-3333-4333-8333-333333333333";
    use ViolationKind::{Check, ForeignKey, NotNull, Unique};
    for (step, kind, constraint) in [
        (add(ID, "c@example.com"), Unique, "users_pkey"),
        (add(third, "a@example.com"), Unique, "users_email_partial_key"),
        (OwnStep::new(RENAME, [OTHER.into(), "a@example.com".into()]), Unique, "users_email_partial_key"),
        (
            OwnStep::new(IDENTITY, [OTHER.into(), "email".into(), "1".into()]),
            Unique,
            "identities_provider_id_provider_unique",
        ),
        (OwnStep::new(IDENTITY, [third.into(), "email".into(), "2".into()]), ForeignKey, "identities_user_id_fkey"),
        (OwnStep::new(LESS, [ID.into()]), Check, "users_logins_check"),
        (OwnStep::new(NOBODY, [ID.into(), Datum::Null]), NotNull, ""),
    ] {
        let refused = transact(engine, vec![step]).await.expect_err("is refused");
        assert_eq!(refused.unique_violation(), (kind == Unique).then_some(constraint), "{refused}");
        let StoreError::Violated(violation) = refused else { panic!("{refused}") };
        assert_eq!((violation.kind, &*violation.constraint), (kind, constraint));
    }
});

on_both!(a_value_that_its_type_does_not_take_is_the_caller_s_fault, |engine| {
    const LEVEL: OwnStatement = OwnStatement::new("SELECT id FROM auth.users WHERE level = $1", &["auth.level"]);
    const META: OwnStatement = OwnStatement::new("SELECT $1 AS meta", &["jsonb"]);
    const SMALL: OwnStatement = OwnStatement::new("SELECT id FROM auth.users WHERE logins = $1", &["integer"]);
    for (step, code) in [
        (add("no uuid", "a"), "22P02"),
        (OwnStep::new(LEVEL, ["middle".into()]), "22P02"),
        (OwnStep::new(META, ["{".into()]), "22P02"),
        (OwnStep::new(SMALL, [Datum::Integer(1 << 40)]), "22003"),
        (add(ID, "a\0b"), "22021"),
    ] {
        let refused = transact(engine, vec![step.clone()]).await.expect_err("is refused");
        let StoreError::Refused(failure) = &refused else { panic!("{step:?}: {refused}") };
        assert_eq!((failure.kind, &*failure.code), (Kind::BadRequest, code), "{failure}");
    }
    // The program's own faults.
    for step in
        [OwnStep::new(ADD, [ID.into()]), OwnStep::new(LEVEL, [Datum::Integer(1)]), OwnStep::new(META, [true.into()])]
    {
        let refused = transact(engine, vec![step]).await;
        assert!(matches!(refused, Err(StoreError::Engine(_))), "{refused:?}");
    }
});

on_both!(rows_that_exist_are_left_or_taken_over, |engine| {
    const KEEP: OwnStatement = OwnStatement::new(
        "INSERT INTO auth.identities (user_id, provider, provider_id) VALUES ($1, $2, $3)
         ON CONFLICT (provider_id, provider) DO NOTHING RETURNING user_id",
        &["uuid", "text", "text"],
    );
    const TAKE: OwnStatement = OwnStatement::new(
        "INSERT INTO auth.identities (user_id, provider, provider_id) VALUES ($1, $2, $3)
         ON CONFLICT (provider_id, provider) DO UPDATE SET user_id = excluded.user_id RETURNING user_id",
        &["uuid", "text", "text"],
    );
    const COPY: OwnStatement = OwnStatement::new(
        "INSERT INTO auth.identities (user_id, provider, provider_id)
         SELECT id, $1, email FROM auth.users WHERE NOT EXISTS
           (SELECT FROM auth.identities AS known WHERE known.user_id = users.id) RETURNING provider, provider_id",
        &["text"],
    );
    transact(engine, vec![add(ID, "a@example.com"), add(OTHER, "b@example.com")]).await.expect("writes");
    let identity = |statement, id: &str| OwnStep::new(statement, [id.into(), "email".into(), "1".into()]);
    let steps =
        vec![identity(KEEP, ID), identity(KEEP, OTHER), identity(TAKE, OTHER), OwnStep::new(COPY, ["x".into()])];
    let answers = transact(engine, steps).await.expect("writes");
    assert_eq!(answers.iter().map(|answer| answer.affected).collect::<Vec<_>>(), [1, 0, 1, 1]);
    assert_eq!(answers[2].rows[0].get::<&str>("user_id").unwrap(), OTHER);
    assert_eq!(answers[3].rows[0].get::<&str>("provider_id").unwrap(), "a@example.com");
});

on_both!(what_only_reads_sees_what_was_committed_and_cannot_write, |engine| {
    transact(engine, vec![add(ID, "a@example.com")]).await.expect("writes");
    let steps = vec![OwnStep::new(COUNT, []), OwnStep::new(VERSION, [ID.into()]).exactly(1)];
    let answers = engine.store.consult(steps).await.expect("reads");
    assert_eq!(answers[0].rows[0].get::<i64>("users").unwrap(), 1);
    for steps in [vec![add(OTHER, "b@example.com")], vec![OwnStep::new(COUNT, []), add(OTHER, "b@example.com")]] {
        let refused = engine.store.consult(steps).await;
        assert!(matches!(refused, Err(StoreError::Engine(_))), "{refused:?}");
    }
    assert_eq!(users(engine).await, 1);
    let missed = engine.store.consult(vec![OwnStep::new(VERSION, [OTHER.into()]).at_least_one()]).await;
    assert!(matches!(missed, Err(StoreError::Missed { step: 0, rows: 0 })), "{missed:?}");
});

on_both!(a_statement_that_makes_no_sense_is_the_program_s_fault, |engine| {
    for statement in [
        OwnStatement::new("SELECT nowhere FROM auth.users", &[]),
        OwnStatement::new("SELECT id FROM auth.nobody", &[]),
        OwnStatement::new("UPDATE auth.users SET nowhere = 1", &[]),
    ] {
        let refused = transact(engine, vec![add(ID, "a@example.com"), OwnStep::new(statement, [])]).await;
        assert!(matches!(refused, Err(StoreError::Engine(_))), "{refused:?}");
    }
    assert_eq!(users(engine).await, 0);
});

on_both!(statements_can_be_tried_without_running_them, |engine| {
    const SOUND: &[OwnStatement] = &[
        ADD,
        COUNT,
        IDENTITY,
        GUARDED,
        VERSION,
        OwnStatement::new("DELETE FROM auth.users WHERE level = $1 RETURNING id", &["auth.level"]),
    ];
    engine.store.try_own(SOUND).await.expect("all of them make sense");
    assert_eq!(users(engine).await, 0);
    const NO_COLUMN: &[OwnStatement] = &[COUNT, OwnStatement::new("SELECT nowhere FROM auth.users", &[])];
    const NO_PARAMETER: &[OwnStatement] =
        &[COUNT, OwnStatement::new("DELETE FROM auth.users WHERE id = $2::uuid", &["uuid"])];
    const TWO: &[OwnStatement] = &[COUNT, OwnStatement::new("SELECT 1 AS one; SELECT 2 AS two", &[])];
    for wrong in [NO_COLUMN, NO_PARAMETER, TWO] {
        let refused = engine.store.try_own(wrong).await;
        assert!(matches!(refused, Err(StoreError::Engine(_))), "{refused:?}");
    }
});

on_both!(a_long_read_is_answered_and_a_large_answer_refused, |engine| {
    const MANY: OwnStatement = OwnStatement::new(
        "INSERT INTO auth.users (id, email, is_sso) VALUES ($1, $2, true) RETURNING email",
        &["uuid", "text"],
    );
    const READ: OwnStatement = OwnStatement::new("SELECT a.email FROM auth.users AS a, auth.users AS b", &[]);
    let long = "x".repeat(250);
    let mut steps = Vec::new();
    for number in 0..60 {
        steps.push(OwnStep::new(
            MANY,
            [format!("11111111-1111-4111-8111-1111111111{number:02}").into(), long.clone().into()],
        ));
    }
    transact(engine, steps).await.expect("writes");
    // Far longer than what is read beside the requests at once.
    const LONG: OwnStatement =
        OwnStatement::new("SELECT count(*) AS rows FROM auth.users AS a, auth.users AS b, auth.users AS c", &[]);
    assert_eq!(one(&*engine.store, LONG, Vec::new()).await.get::<i64>("rows").unwrap(), 216_000);
    let refused = engine.store.consult(vec![OwnStep::new(READ, [])]).await;
    assert!(matches!(&refused, Err(StoreError::Refused(failure)) if failure.kind == Kind::TooLarge), "{refused:?}");
    assert_eq!(users(engine).await, 60, "the connection can be used on");
});

on_both!(a_change_of_the_schema_is_no_trouble, |engine| {
    const WHOLE: OwnStatement = OwnStatement::new("SELECT * FROM auth.users WHERE id = $1", &["uuid"]);
    transact(engine, vec![add(ID, "a@example.com")]).await.expect("writes");
    let before = one(&*engine.store, WHOLE, vec![ID.into()]).await.values().len();
    engine.migrate(2, "alter table auth.users add column nickname text default 'none';").await;
    let row = one(&*engine.store, WHOLE, vec![ID.into()]).await;
    assert_eq!(row.values().len(), before + 1);
    assert_eq!(row.get::<&str>("nickname").unwrap(), "none");
    transact(engine, vec![OwnStep::new(WHOLE, [ID.into()]).exactly(1)]).await.expect("reads");
});

on_both!(counting_under_contention_loses_nothing, |engine| {
    transact(engine, vec![add(ID, "a@example.com")]).await.expect("writes");
    let mut workers = Vec::new();
    for _ in 0..6 {
        let store: Arc<dyn Store> = engine.store.clone();
        workers.push(tokio::spawn(async move {
            for _ in 0..15 {
                // Read, decide, write guarded; again when somebody else was faster.
                loop {
                    let version: i64 = one(&*store, VERSION, vec![ID.into()]).await.get("version").unwrap();
                    let guard = OwnStep::new(GUARDED, [ID.into(), version.into()]).exactly(1);
                    match store.transact(vec![guard]).await {
                        Ok(_) => break,
                        Err(StoreError::Missed { .. }) => {}
                        Err(StoreError::Busy(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }));
    }
    for worker in workers {
        worker.await.expect("ends");
    }
    let row = one(&*engine.store, VERSION, vec![ID.into()]).await;
    assert_eq!(row.get::<i64>("logins").unwrap(), 90);
});
