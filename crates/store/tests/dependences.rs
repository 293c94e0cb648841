//! What the rows of relations depend on, as a real PostgreSQL understands its views, policies and functions.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "own/engines.rs"]
mod engines;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::QualifiedName;
use catalog::{ClaimsAsked, Dependence};
use store::{CHANGES, Config, DeclaredFunction, PostgresSettings, Store, WatchSettings};
use testkit::Postgres;

fn name(name: &str) -> QualifiedName {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    QualifiedName::new(schema, name)
}

/// As `pando bootstrap` makes them, and Supabase.
const AUTH: &str = r#"
    create schema auth;
    create function auth.uid() returns uuid language sql stable as $$
      select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
    create function auth.jwt() returns jsonb language sql stable as $$
      select coalesce(nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
"#;

/// Everything that a relation may be made from.
const SCHEMA: &str = r#"
    create type mood as enum ('good', 'bad');
    create table notes (id bigint primary key, owner uuid, org text, at timestamptz default now(), mood mood);
    create table members (org text, member uuid, primary key (org, member));
    create table logs (at date, text text) partition by range (at);
    create table logs_old partition of logs for values from ('2000-01-01') to ('2020-01-01');
    create table animals (id bigint primary key); create table cats (lives int) inherits (animals);

    create function twice(int) returns int language sql immutable as 'select $1 * 2';
    create function is_member(text) returns boolean language plpgsql stable as 'begin return exists (select from public.members where org = $1); end';
    create function is_admin() returns boolean language plpgsql stable as 'begin return false; end';
    create function any_member(text) returns boolean language sql stable
      begin atomic; select exists (select from public.members where org = $1 and member = auth.uid()); end;
    create function org() returns text language sql as $$ select current_setting('request.jwt.claims', true)::json ->> 'org' $$;
    create function roll() returns int language sql volatile as 'select 4';

    create table by_owner (like notes); alter table by_owner enable row level security;
    create policy own on by_owner using (owner = auth.uid());
    create table by_select (like notes); alter table by_select enable row level security;
    create policy own on by_select for select using (owner = (select auth.uid()));
    create policy write on by_select for insert with check (public.is_member(org));
    create table by_jwt (like notes); alter table by_jwt enable row level security;
    create policy own on by_jwt using (org = (auth.jwt() -> 'app_metadata' ->> 'org') and owner::text = ((select auth.jwt()) ->> 'sub'));
    create table by_whole (like notes); alter table by_whole enable row level security;
    create policy own on by_whole using (auth.jwt() @> '{"a": 1}');
    create table by_setting (like notes); alter table by_setting enable row level security;
    create policy own on by_setting using (owner = (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub')::uuid);
    create table by_function (like notes); alter table by_function enable row level security;
    create policy own on by_function using (org = org());
    create table by_members (like notes); alter table by_members enable row level security;
    create policy own on by_members using (exists (select from members m where m.org = by_members.org and m.member = auth.uid()));
    create table by_atomic (like notes); alter table by_atomic enable row level security;
    create policy own on by_atomic using (any_member(org));
    create table by_unknown (like notes); alter table by_unknown enable row level security;
    create policy own on by_unknown using (is_member(org));
    create table by_declared (like notes); alter table by_declared enable row level security;
    create policy own on by_declared using (is_admin());
    create table by_header (like notes); alter table by_header enable row level security;
    create policy own on by_header using (current_setting('request.headers', true)::json ->> 'x' = 'y');
    create table by_computed (like notes); alter table by_computed enable row level security;
    create policy own on by_computed using (current_setting('request.' || org, true) = 'y');
    create table by_app (like notes); alter table by_app enable row level security;
    create policy own on by_app using (current_setting('app.settings.site') = org);
    create table off (like notes); create policy own on off using (is_member(org));

    create view plain as select id, org from notes;
    create view joined with (security_invoker) as select n.id, m.owner from notes n join by_owner m on m.id = n.id;
    create view over as select * from joined;
    create view counting as with c as (select org, count(*) from members group by org) select * from c where org in (select org from notes);
    create view now_ as select id from notes where at < now();
    create view today as select id from notes where at < current_date;
    create view texts as select 'now'::text::timestamptz as t from notes;
    create view enums as select (org)::mood as m, to_char(at, 'YYYY') as y, date_trunc('day', at), twice(4), (id, org) < (4, 'x') as less from notes;
    create view who as select current_user as u, id from notes;
    create view rolled as select roll() as r from notes;
    create view random_ as select random() from notes;
    create view sampled as select id from notes tablesample bernoulli (10);
    create view systems as select relname from pg_class;
    create view many as select json_agg(n) as all, jsonb_build_object('a', max(id)), row_number() over (order by max(id)) from notes n group by org;
    create view functions as select * from generate_series(1, 3) g, notes;
    create materialized view kept as select id from notes;
    create view over_kept as select * from kept;
    create view of_logs as select * from logs_old;
"#;

fn settings(url: &str, relations: &[&str]) -> PostgresSettings {
    let declared = DeclaredFunction {
        tables: BTreeSet::from([name("members")]),
        claims: ClaimsAsked::Named(BTreeSet::from(["role".into()])),
    };
    let functions = BTreeMap::from([(name("is_admin"), declared)]);
    let watch = Some(WatchSettings {
        relations: relations.iter().map(|relation| name(relation)).collect(),
        functions,
        ..WatchSettings::default()
    });
    let application = vec![("app.settings.site".to_owned(), "x".to_owned())];
    PostgresSettings { watch, application, ..engines::settings(url) }
}

async fn open(settings: PostgresSettings) -> Arc<dyn Store> {
    let store = engines::open(Config::Postgres(settings)).await;
    store.apply_own(&CHANGES, 0).await.expect("is made");
    store.watch().await.expect("is watched");
    store
}

/// `tables | claims | obstacle`.
fn shown(dependence: &Dependence) -> String {
    let tables: Vec<String> = dependence.tables.iter().map(|table| table.to_string().replace("public.", "")).collect();
    let claims = match &dependence.claims {
        ClaimsAsked::All => "*".to_owned(),
        ClaimsAsked::Named(names) => names.iter().map(|name| &**name).collect::<Vec<_>>().join(" "),
    };
    format!("{} | {claims} | {}", tables.join(" "), dependence.obstacle.as_deref().unwrap_or_default())
        .trim_end()
        .to_owned()
}

const EXPECTED: &[(&str, &str)] = &[
    ("notes", "notes |  |"),
    ("off", "off |  |"),
    ("logs", "logs logs_old |  |"),
    ("logs_old", "logs logs_old |  |"),
    ("animals", "animals cats |  |"),
    ("cats", "animals cats |  |"),
    ("by_owner", "by_owner | sub |"),
    ("by_select", "by_select | sub |"),
    ("by_jwt", "by_jwt | app_metadata sub |"),
    ("by_whole", "by_whole | * |"),
    ("by_setting", "by_setting | sub |"),
    ("by_function", "by_function | org |"),
    ("by_members", "by_members members | sub |"),
    ("by_atomic", "by_atomic members | sub |"),
    (
        "by_unknown",
        "by_unknown |  | policy \"own\" of public.by_unknown calls public.is_member, of which nothing is known; \
                    responses.functions can say what it reads",
    ),
    ("by_declared", "by_declared members | role |"),
    (
        "by_header",
        "by_header |  | policy \"own\" of public.by_header asks for the setting request.headers, which may be another one in each request",
    ),
    ("by_computed", "by_computed |  | policy \"own\" of public.by_computed asks for a setting whose name is computed"),
    ("by_app", "by_app |  |"),
    ("plain", "notes |  |"),
    ("joined", "by_owner notes | sub |"),
    ("over", "by_owner notes | sub |"),
    ("counting", "members notes |  |"),
    ("now_", "notes |  | view public.now_ calls now, which may give something else each time"),
    ("today", "notes |  | view public.today asks for CURRENT_DATE, which is something else each time"),
    ("texts", "notes |  | view public.texts reads text as a date, a moment or another value that may mean `now`"),
    ("enums", "notes |  |"),
    ("who", "notes |  |"),
    (
        "rolled",
        "notes |  | view public.rolled calls public.roll, of which nothing is known; responses.functions can say what it reads",
    ),
    ("random_", "notes |  | view public.random_ calls random, which may give something else each time"),
    ("sampled", "notes |  | view public.sampled reads a sample of rows, which is another one each time"),
    ("systems", "pg_catalog.pg_class |  | pg_catalog.pg_class is the server's own, whose changes are not noticed"),
    ("many", "notes |  |"),
    ("functions", "notes |  |"),
    ("kept", " |  | public.kept is a materialized view: its rows change when it is refreshed, which is not noticed"),
    (
        "over_kept",
        " |  | public.kept is a materialized view: its rows change when it is refreshed, which is not noticed",
    ),
    ("of_logs", "logs logs_old |  |"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_relations_depend_on() {
    let Some(server) = Postgres::start_for("what_relations_depend_on") else { return };
    server.run(AUTH);
    server.run(SCHEMA);
    let all: Vec<&str> = EXPECTED.iter().map(|(relation, _)| *relation).collect();
    let store = open(settings(&server.url("postgres"), &all)).await;
    let catalog = store.catalog();
    let dependences = &catalog.snapshot().dependences;
    let found: Vec<(&str, String)> =
        all.iter().map(|relation| (*relation, shown(&dependences[&name(relation)]))).collect();
    let expected: Vec<(&str, String)> =
        EXPECTED.iter().map(|(relation, text)| (*relation, (*text).to_owned())).collect();
    assert_eq!(found, expected);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_watched_is_not_kept() {
    let Some(server) = Postgres::start_for("what_is_not_watched_is_not_kept") else { return };
    server.run(AUTH);
    server.run(SCHEMA);
    let store = open(settings(&server.url("postgres"), &["counting"])).await;
    let catalog = store.catalog();
    let of = |relation: &str| shown(&catalog.snapshot().dependences[&name(relation)]);
    assert_eq!(of("members"), "members |  |", "it is watched for the view's sake");
    assert_eq!(of("animals"), "animals cats |  | changes of public.animals are not noticed");
    store.close().await;
    // Nothing is known of a function that looks at every request.
    let settings = settings(&server.url("postgres"), &["counting"]);
    let store = open(PostgresSettings { pre_request: Some(name("is_admin")), ..settings }).await;
    let catalog = store.catalog();
    let obstacles =
        catalog.snapshot().dependences.values().map(|dependence| dependence.obstacle.as_deref().unwrap_or_default());
    assert!(obstacles.into_iter().all(|obstacle| obstacle.contains("database.pre_request")));
    store.close().await;
}
