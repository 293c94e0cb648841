//! The program's own tables: made once, before others' and beside them, on both engines; and followed.
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

use base::{QualifiedName, SystemClock};
use datatype::Datum;
use engines::{Engine, on_both, settings};
use parking_lot::Mutex;
use store::{
    Config, Follower, Follows, MigrationOutcome, OWED_VERSION, OwnMigration, OwnMigrations, OwnRow, OwnStatement,
    OwnStep, OwnTable, PostgresSettings, Store, StoreError,
};
use testkit::Postgres;

const SCHEMA: &str = "create table first (id bigint primary key);";

/// As those of a login.
const OWN: OwnMigrations = OwnMigrations {
    owner: "auth",
    number: 7,
    schema: "auth",
    without: "auth.enabled = false",
    all: &[
        OwnMigration {
            name: "0001_users.sql",
            text: "
                create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');
                create table auth.users (
                    instance_id uuid null,
                    id uuid not null primary key,
                    email varchar(255) null,
                    phone text null unique default null,
                    phone_confirmed_at timestamptz null,
                    email_confirmed_at timestamptz null,
                    confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
                    raw_user_meta_data jsonb null,
                    is_sso_user boolean not null default false,
                    created_at timestamptz null default now()
                );
                create unique index users_email_partial_key on auth.users (email) where (is_sso_user = false);
                create index users_instance_id_email_idx on auth.users (instance_id, lower(email));
                comment on table auth.users is 'Auth: Stores user login data within a secure schema.';",
            standing: &[OwnTable { name: "users", columns: &["id", "email", "confirmed_at"] }],
        },
        OwnMigration {
            name: "0002_sessions.sql",
            text: "
                create table auth.sessions (
                    id uuid not null primary key,
                    user_id uuid not null references auth.users (id) on delete cascade,
                    aal auth.aal_level null default 'aal1',
                    ip inet null,
                    not_after timestamptz null,
                    constraint sessions_ip_check check (ip is not null or aal is not null)
                );
                create index sessions_user_id_idx on auth.sessions (user_id);",
            standing: &[],
        },
    ],
};

const NOTES: OwnMigrations = OwnMigrations {
    owner: "pando",
    number: 1,
    schema: "pando",
    without: "nothing",
    all: &[OwnMigration {
        name: "0001_notes.sql",
        text: "create table pando.notes (id bigint primary key, note text not null, changed_at timestamptz not null default now());",
        standing: &[],
    }],
};

async fn apply(engine: &Engine, own: &'static OwnMigrations) -> Vec<MigrationOutcome> {
    let mut outcomes = Vec::new();
    for place in 0..own.all.len() {
        outcomes.push(engine.store.apply_own(own, place).await.expect("applies"));
    }
    outcomes
}

async fn own_names(engine: &Engine) -> Vec<String> {
    let applied = engine.store.applied_migrations().await.expect("lists");
    applied.into_iter().filter(|known| known.version < OWED_VERSION).map(|known| known.name).collect()
}

on_both!(each_step_is_applied_once_and_remembered_apart, |engine| {
    assert_eq!(apply(engine, &OWN).await, [MigrationOutcome::Applied; 2]);
    assert_eq!(apply(engine, &OWN).await, [MigrationOutcome::Present; 2]);
    let mut names = own_names(engine).await;
    names.sort();
    assert_eq!(names, ["auth/0001_users.sql", "auth/0002_sessions.sql"]);
    let catalog = engine.store.catalog();
    let users = catalog.snapshot().relations.get(&QualifiedName::new("auth", "users")).expect("is there");
    assert!(users.column("confirmed_at").is_some());
    // The statements of the program find them, and files of the author's may refer to them.
    engine
        .migrate(
            2,
            "create table profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
             create function handle_new_user() returns trigger language plpgsql security definer as $$
               begin
                 insert into public.profiles (id, name) values (new.id, new.raw_user_meta_data ->> 'name');
                 return new;
               end;
             $$;
             create trigger on_auth_user_created after insert on auth.users
               for each row execute function handle_new_user();",
        )
        .await;
    const USER: OwnStatement = OwnStatement::new(
        "INSERT INTO auth.users (id, email, email_confirmed_at, raw_user_meta_data) VALUES ($1, $2, $3, $4)
         RETURNING confirmed_at = email_confirmed_at AS is_confirmed",
        &["uuid", "text", "timestamptz", "jsonb"],
    );
    const SESSION: OwnStatement = OwnStatement::new(
        "INSERT INTO auth.sessions (id, user_id, ip) VALUES ($1, $1, $2) RETURNING ip, aal",
        &["uuid", "inet"],
    );
    const BY_AAL: OwnStatement =
        OwnStatement::new("SELECT id, ip FROM auth.sessions WHERE aal = $1 ORDER BY aal", &["auth.aal_level"]);
    const PROFILE: OwnStatement = OwnStatement::new("SELECT name FROM public.profiles", &[]);
    let id = "11111111-1111-4111-8111-111111111111";
    let moment = base::Timestamp(1_700_000_000_000_000);
    let user = vec![id.into(), "a@example.com".into(), moment.into(), r#"{"name": "Ada"}"#.into()];
    let steps = vec![
        OwnStep::new(USER, user),
        OwnStep::new(SESSION, [id.into(), "192.0.2.7".into()]),
        OwnStep::new(BY_AAL, ["aal1".into()]).exactly(1),
        OwnStep::new(PROFILE, []).exactly(1),
    ];
    let answers = engine.store.transact(steps).await.expect("writes");
    assert!(answers[0].rows[0].get::<bool>("is_confirmed").unwrap());
    assert_eq!(answers[1].rows[0].get::<&str>("ip").unwrap(), "192.0.2.7");
    assert_eq!(answers[1].rows[0].get::<&str>("aal").unwrap(), "aal1");
    assert_eq!(answers[3].rows[0].get::<&str>("name").unwrap(), "Ada");
});

on_both!(tables_that_are_there_are_left_and_have_to_fit, |engine| {
    engine
        .migrate(2, "create schema if not exists auth; create table auth.users (id uuid primary key, email text);")
        .await;
    let refused = engine.store.apply_own(&OWN, 0).await;
    let Err(StoreError::Migration { name, problem }) = refused else { panic!("{refused:?}") };
    assert_eq!(name, "auth/0001_users.sql");
    assert!(problem.contains("they lack column confirmed_at of auth.users"), "{problem}");
    assert!(problem.contains("auth.enabled = false"), "{problem}");
    assert_eq!(own_names(engine).await, Vec::<String>::new());
    engine.migrate(3, "alter table auth.users add column confirmed_at timestamptz;").await;
    assert_eq!(engine.store.apply_own(&OWN, 0).await.expect("fits"), MigrationOutcome::Left);
    assert_eq!(own_names(engine).await, ["auth/0001_users.sql"]);
    assert_eq!(engine.store.apply_own(&OWN, 0).await.expect("is known"), MigrationOutcome::Present);
});

on_both!(nobody_is_granted_anything_by_default, |engine| {
    let roles = if engine.store.catalog().is_native() { "create role anon; create role service_role;" } else { "" };
    engine
        .migrate(
            2,
            &format!(
                "{roles} alter default privileges grant all on tables to anon, service_role;
                      create table open (id bigint primary key);"
            ),
        )
        .await;
    apply(engine, &OWN).await;
    apply(engine, &NOTES).await;
    let catalog = engine.store.catalog();
    let relation =
        |schema: &str, name: &str| catalog.snapshot().relations.get(&QualifiedName::new(schema, name)).cloned();
    assert!(relation("public", "open").expect("is there").grants.iter().any(|grant| &*grant.role == "anon"));
    for (schema, name) in [("auth", "users"), ("auth", "sessions"), ("pando", "notes")] {
        // A server tells only of what somebody may see.
        let grants = relation(schema, name).map(|relation| relation.grants.clone()).unwrap_or_default();
        let others: Vec<_> = grants.iter().filter(|grant| &*grant.role != "postgres").collect();
        assert!(others.is_empty(), "{schema}.{name}: {others:?}");
    }
    const GRANTED: OwnStatement = OwnStatement::new(
        "SELECT count(*) AS granted FROM information_schema.table_privileges
          WHERE table_schema IN ('auth', 'pando') AND grantee <> 'postgres'",
        &[],
    );
    if catalog.is_native() {
        let answers = engine.store.consult(vec![OwnStep::new(GRANTED, [])]).await.expect("reads");
        assert_eq!(answers[0].rows[0].get::<i64>("granted").unwrap(), 0);
    }
});

on_both!(what_fails_leaves_nothing_behind, |engine| {
    const BROKEN: OwnMigrations = OwnMigrations {
        all: &[OwnMigration {
            name: "0001_broken.sql",
            text: "create table pando.fine (id bigint primary key); create table pando.broken (id nowhere.type);",
            standing: &[],
        }],
        number: 9,
        ..NOTES
    };
    let refused = engine.store.apply_own(&BROKEN, 0).await;
    assert!(
        matches!(&refused, Err(StoreError::Migration { name, .. }) if name == "pando/0001_broken.sql"),
        "{refused:?}"
    );
    assert_eq!(own_names(engine).await, Vec::<String>::new());
    let catalog = engine.store.catalog();
    assert!(!catalog.snapshot().relations.contains_key(&QualifiedName::new("pando", "fine")));
});

/// However many nodes start at once, each step is applied once.
#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_take_turns() {
    let Some(server) = Postgres::start_for("several_nodes_take_turns") else { return };
    let mut nodes = Vec::new();
    for _ in 0..6 {
        let settings = PostgresSettings { connections: 2, ..settings(&server.url("postgres")) };
        nodes.push(engines::open(Config::Postgres(settings)).await);
    }
    let mut starts = Vec::new();
    for store in nodes.clone() {
        starts.push(tokio::spawn(async move {
            let mut applied = 0;
            for place in 0..OWN.all.len() {
                let outcome = store.apply_own(&OWN, place).await.expect("applies");
                applied += u32::from(outcome == MigrationOutcome::Applied);
            }
            applied
        }));
    }
    let mut applied = 0;
    for start in starts {
        applied += start.await.expect("ends");
    }
    assert_eq!(applied, 2);
    for store in nodes {
        assert!(store.catalog().snapshot().schemas.contains_key("auth"));
        store.close().await;
    }
}

/// The role that logs in may not make tables, or not use those that are there: the refusal says what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_rights_is_told_what_to_do() {
    let Some(server) = Postgres::start_for("a_role_without_rights_is_told_what_to_do") else { return };
    server
        .run("create role gate login noinherit; create role owner login; grant create on database postgres to owner;");
    let open = async |user: &str| engines::open(Config::Postgres(settings(&server.url(user)))).await;
    let refusal = async |store: &Arc<dyn Store>| match store.apply_own(&OWN, 0).await {
        Err(StoreError::Migration { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let gate = open("gate").await;
    let problem = refusal(&gate).await;
    for part in ["GRANT CREATE ON DATABASE", "pando migrate up", "auth.enabled = false"] {
        assert!(problem.contains(part), "{problem}");
    }
    // Another program's tables.
    server.run(
        "create schema auth; create table auth.users (id uuid primary key, email text, confirmed_at timestamptz);
         create schema pando authorization gate;",
    );
    let problem = refusal(&gate).await;
    assert!(problem.contains("\"gate\", who logs in, may not read and write auth.users: GRANT USAGE"), "{problem}");
    server.run("grant usage on schema auth to gate; grant all on auth.users to gate; alter table auth.users enable row level security;");
    let problem = refusal(&gate).await;
    assert!(problem.contains("row security hides rows of auth.users from \"gate\""), "{problem}");
    server.run("alter role gate bypassrls;");
    assert_eq!(gate.apply_own(&OWN, 0).await.expect("fits"), MigrationOutcome::Left);
    gate.close().await;
}

/// What came, and whether it was lost.
#[derive(Default)]
struct Told {
    notes: Mutex<Vec<String>>,
    lost: Mutex<u32>,
}

impl Follows for Told {
    fn take(&self, rows: &[OwnRow]) -> Result<(), StoreError> {
        for row in rows {
            self.notes.lock().push(row.get("note")?);
        }
        Ok(())
    }

    fn lost(&self, _: &StoreError) {
        *self.lost.lock() += 1;
    }
}

const FOLLOWED: OwnStatement = OwnStatement::new(
    "SELECT id, note, changed_at FROM pando.notes WHERE changed_at >= $1 ORDER BY changed_at, id",
    &["timestamptz"],
);
const NOTE: OwnStatement = OwnStatement::new("INSERT INTO pando.notes (id, note) VALUES ($1, $2)", &["bigint", "text"]);
/// As a transaction that began a while ago and is committed only now.
const LATE: OwnStatement = OwnStatement::new(
    "INSERT INTO pando.notes (id, note, changed_at) VALUES ($1, $2, now() - interval '20 seconds')",
    &["bigint", "text"],
);
const CHANGE: OwnStatement =
    OwnStatement::new("UPDATE pando.notes SET note = $2, changed_at = now() WHERE id = $1", &["bigint", "text"]);

const SOON: Duration = Duration::from_secs(5);

fn note(statement: OwnStatement, id: i64, text: &str) -> OwnStep {
    OwnStep::new(statement, [Datum::Integer(id), text.into()]).exactly(1)
}

on_both!(changes_of_a_followed_table_are_handed_on_once, |engine| {
    apply(engine, &NOTES).await;
    engine.store.transact(vec![note(NOTE, 1, "before")]).await.expect("writes");
    let told = Arc::new(Told::default());
    let follower = Follower::begin(engine.store.clone(), Arc::new(SystemClock), FOLLOWED, told.clone());
    follower.caught_up(SOON).await.expect("reads");
    assert_eq!(*told.notes.lock(), ["before"]);
    engine.store.transact(vec![note(NOTE, 2, "new"), note(CHANGE, 1, "changed")]).await.expect("writes");
    // Without being told, within its own time.
    let deadline = tokio::time::Instant::now() + SOON;
    while told.notes.lock().len() < 3 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    engine.store.transact(vec![note(LATE, 3, "late")]).await.expect("writes");
    follower.caught_up(SOON).await.expect("reads");
    follower.caught_up(SOON).await.expect("reads");
    let mut notes = told.notes.lock().clone();
    notes.sort();
    assert_eq!(notes, ["before", "changed", "late", "new"]);
    assert!(follower.age().expect("has looked") < SOON);
    follower.stop();
    engine.store.transact(vec![note(NOTE, 4, "unseen")]).await.expect("writes");
    let stopped = follower.caught_up(Duration::from_millis(700)).await;
    assert!(matches!(stopped, Err(StoreError::Closed)), "{stopped:?}");
    assert_eq!(told.notes.lock().len(), 4);
});

/// A server that is gone for a while: what is known grows old, and is caught up with afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_is_followed_on() {
    let Some(mut server) = Postgres::start_for("a_server_that_comes_back_is_followed_on") else { return };
    let store = engines::open(Config::Postgres(settings(&server.url("postgres")))).await;
    store.apply_own(&NOTES, 0).await.expect("applies");
    let told = Arc::new(Told::default());
    let follower = Follower::begin(store.clone(), Arc::new(SystemClock), FOLLOWED, told.clone());
    follower.caught_up(SOON).await.expect("reads");
    server.stop();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(follower.age().expect("has looked") > Duration::from_secs(1));
    assert_eq!(*told.lost.lock(), 1, "a loss is told once");
    server.start_again();
    server.run("insert into pando.notes (id, note) values (1, 'back')");
    follower.caught_up(Duration::from_secs(20)).await.expect("reads");
    assert_eq!(*told.notes.lock(), ["back"]);
    store.close().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(follower.age().expect("has looked") >= Duration::from_millis(500), "it ends with the store");
}
