//! Reads the catalog of a real PostgreSQL that nobody prepared for Pando.
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{QualifiedName, SystemClock};
use catalog::{
    Cardinality, Catalog, DefaultValue, Expression, Identity, NativeRelationKind, Privilege, Relation, Relationship,
    RoleStanding, Routine, RoutineResult,
};
use datatype::{Datum, Type};
use store::{Config, Observer, Operation, PositionKey, PostgresSettings, ReplicaSettings};
use testkit::{Postgres, is_skipped};

struct Silent;

impl Observer for Silent {
    fn operation(&self, _: &Operation<'_>) {}
    fn batch(&self, _: u64, _: Duration) {}
}

/// A server with the roles of these tests: `gate` logs in, and may become `visitor`.
fn server(test: &str) -> Option<Postgres> {
    let postgres = Postgres::start_for(test)?;
    postgres.run("create role gate login noinherit; create role visitor; grant visitor to gate;");
    Some(postgres)
}

/// The catalog as `gate` reads it.
async fn read(postgres: &Postgres) -> Arc<Catalog> {
    let settings = PostgresSettings {
        replicas: ReplicaSettings::default(),
        remote_apply: Vec::new(),
        position_key: PositionKey::new(&base::Secret::new("")),
        url: postgres.url("gate"),
        environment: BTreeMap::new(),
        connections: 1,
        prepared_statements: 64,
        stream_timeout: Duration::from_secs(60),
        wait: Duration::from_secs(60),
        statement_timeout: Duration::from_secs(60),
        role_timeouts: BTreeMap::new(),
        max_buffered_bytes: 1 << 20,
        extra_search_path: Vec::new(),
        application: Vec::new(),
        channel: None,
        migration_lock_timeout: Duration::from_secs(3),
        migration_lock_attempts: 1,
        pre_request: None,
        hoisted: Vec::new(),
        audit: None,
        watch: None,
    };
    let store = store::open(Config::Postgres(settings), Arc::new(SystemClock), Arc::new(Silent)).await.unwrap();
    let catalog = store.catalog();
    store.close().await;
    catalog
}

fn name(name: &str) -> QualifiedName {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    QualifiedName::new(schema, name)
}

fn relation<'c>(catalog: &'c Catalog, called: &str) -> &'c Relation {
    catalog.relation(&name(called)).unwrap_or_else(|| panic!("{called} is not in the catalog"))
}

/// What a view's columns are: `shown=table.column`, by name.
fn origins(catalog: &Catalog, called: &str) -> String {
    let view = relation(catalog, called).view().unwrap();
    let one = |(shown, origin): (&Arc<str>, &catalog::Origin)| format!("{shown}={}.{}", origin.relation, origin.column);
    let all: Vec<String> = view.origins.iter().map(one).collect();
    all.join(" ").replace("public.", "")
}

fn key(catalog: &Catalog, called: &str) -> String {
    relation(catalog, called).primary_key.join(",")
}

/// What can be done with a relation besides reading it.
fn possible(catalog: &Catalog, called: &str) -> String {
    let native = relation(catalog, called).native.as_ref().unwrap();
    let all = [(native.is_insertable, "insert"), (native.is_updatable, "update"), (native.is_deletable, "delete")];
    all.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

fn way(relationship: &Relationship) -> String {
    let pairs = |columns: &[(Arc<str>, Arc<str>)]| {
        columns.iter().map(|(from, to)| format!("{from}={to}")).collect::<Vec<_>>().join(",")
    };
    let how = match &relationship.cardinality {
        Cardinality::ManyToOne { constraint, columns } => format!("n:1 {constraint} {}", pairs(columns)),
        Cardinality::OneToMany { constraint, columns } => format!("1:n {constraint} {}", pairs(columns)),
        Cardinality::OneToOne { constraint, columns, .. } => format!("1:1 {constraint} {}", pairs(columns)),
        Cardinality::ManyToMany(junction) => format!("n:n {}", junction.relation.name),
        Cardinality::Computed { function, is_to_one, .. } => {
            format!("{function} {}", if *is_to_one { "1" } else { "n" })
        }
    };
    format!("{} {how}", relationship.to.name)
}

/// The relationships that start at a relation, those to the relations in `to` only, sorted.
fn ways(catalog: &Catalog, from: &str, to: &[&str]) -> Vec<String> {
    let all = catalog.relationships_from(&name(from)).iter();
    let mut ways: Vec<String> = all.filter(|way| to.contains(&&*way.to.name)).map(way).collect();
    ways.sort();
    ways
}

fn routine<'c>(catalog: &'c Catalog, called: &str) -> &'c Routine {
    let all: Vec<&Arc<Routine>> =
        catalog.snapshot().routines.values().filter(|found| &*found.signature.name.name == called).collect();
    assert_eq!(all.len(), 1, "{called}");
    all[0]
}

/// Arguments and result of a function: `a integer, b text? -> setof (x integer)`.
fn signature(routine: &Routine) -> String {
    let arguments = routine.arguments.iter().map(|argument| {
        let name = argument.name.as_deref().unwrap_or("_");
        format!("{name} {}{}", argument.data_type, if argument.default.is_some() { "?" } else { "" })
    });
    let arguments: Vec<String> = arguments.collect();
    let result = match &routine.returns.result {
        RoutineResult::Void => "void".to_owned(),
        RoutineResult::Value(data_type) => data_type.to_string(),
        RoutineResult::Row { columns, relation } => {
            let columns: Vec<String> = columns.iter().map(|(name, data_type)| format!("{name} {data_type}")).collect();
            let relation = relation.as_ref().map(|relation| relation.name.to_string()).unwrap_or_default();
            format!("{relation}({})", columns.join(", "))
        }
    };
    let set = if routine.returns.is_set { "setof " } else { "" };
    let variadic = if routine.native.as_ref().unwrap().is_variadic { "variadic " } else { "" };
    format!("{variadic}{} -> {set}{result}", arguments.join(", "))
}

#[tokio::test]
async fn views_show_columns_of_tables() {
    let Some(postgres) = server("views_show_columns_of_tables") else { return };
    postgres.run(
        r#"create schema hidden;
        create table authors (id int primary key, name text);
        create table hidden.books (id int primary key, title text, author int references authors (id), editor int references authors);
        create table prints (book int references hidden.books, edition int, note text, primary key (book, edition));
        create view books as select id, title, author as writer, editor from hidden.books;
        create view over_books as select title, writer as scribe, id as book_id from books;
        create view over_over as select scribe, book_id from over_books where scribe > 0;
        create view joined as select b.id, b.title, a.id as author_id, a.name from hidden.books b join authors a on a.id = b.author;
        create view left_joined as select b.id, b.author, p.edition from hidden.books b left join prints p on p.book = b.id;
        create view merged as select id, name, title from authors join (select id, title from hidden.books) b using (id);
        create view united as select id, author from hidden.books union all select id, editor from hidden.books;
        create view selected as select s.id, s.a from (select id, author as a from hidden.books offset 0) s;
        create view with_cte as with c as (select id, author from hidden.books) select id, author from c;
        create view recursive_cte as with recursive c (id, author) as
            (select id, author from hidden.books union all select c.id, c.author from c where false) select id, author from c;
        create view computing as select id + 0 as id, author::bigint as author, (select name from authors a where a.id = b.author) as name from hidden.books b;
        create view grouped as select author, count(*) from hidden.books group by author;
        create view twice as select id, author as one, author as two from hidden.books;
        create view some_prints as select book, note from prints;
        create view all_prints as select edition as e, book as b from prints;
        create view constants as select 1 as id, 'a' as name;
        create view around as select a.id, l.id as book from authors a cross join lateral (select id from hidden.books b where b.author = a.id) l;
        create view odd as select id as ":resorigtbl 7", author as "a (b) {c} \ d", title as "<>" from hidden.books;
        create view "Needs ""Quotes""" as select id as "The Id", author as "select" from hidden.books;
        create materialized view stored as select id, author from hidden.books;
        create view over_stored as select id, author as a from stored;
        create view by_trigger as select a.id, a.name from authors a limit 5;
        create function instead() returns trigger language plpgsql as 'begin return new; end';
        create trigger instead instead of insert on by_trigger for each row execute function instead();
        create view by_rule as select distinct id from authors;
        create rule remove as on delete to by_rule do instead delete from authors where authors.id = old.id;
        create view of_system as select oid::int as id, relname from pg_class;"#,
    );
    let catalog = read(&postgres).await;
    for (view, expected) in [
        ("books", "editor=hidden.books.editor id=hidden.books.id title=hidden.books.title writer=hidden.books.author"),
        ("over_books", "book_id=hidden.books.id scribe=hidden.books.author title=hidden.books.title"),
        ("over_over", "book_id=hidden.books.id scribe=hidden.books.author"),
        ("joined", "author_id=authors.id id=hidden.books.id name=authors.name title=hidden.books.title"),
        ("left_joined", "author=hidden.books.author edition=prints.edition id=hidden.books.id"),
        ("merged", "id=authors.id name=authors.name title=hidden.books.title"),
        ("united", ""),
        ("selected", "a=hidden.books.author id=hidden.books.id"),
        ("with_cte", "author=hidden.books.author id=hidden.books.id"),
        ("recursive_cte", ""),
        ("computing", ""),
        ("grouped", "author=hidden.books.author"),
        ("twice", "id=hidden.books.id one=hidden.books.author two=hidden.books.author"),
        ("constants", ""),
        ("around", "book=hidden.books.id id=authors.id"),
        ("odd", r":resorigtbl 7=hidden.books.id <>=hidden.books.title a (b) {c} \ d=hidden.books.author"),
        (r#"Needs "Quotes""#, "The Id=hidden.books.id select=hidden.books.author"),
        ("stored", "author=hidden.books.author id=hidden.books.id"),
        ("over_stored", "a=hidden.books.author id=hidden.books.id"),
        ("of_system", ""),
    ] {
        assert_eq!(origins(&catalog, view), expected, "{view}");
    }
    for (view, expected) in [
        ("books", "id"),
        ("over_over", "book_id"),
        ("joined", "author_id,id"),
        ("some_prints", ""),
        ("all_prints", "b,e"),
        ("united", ""),
        ("stored", "id"),
    ] {
        assert_eq!(key(&catalog, view), expected, "{view}");
    }
    for (view, expected) in [
        ("hidden.books", "insert update delete"),
        ("books", "insert update delete"),
        ("joined", ""),
        ("stored", ""),
        ("by_trigger", "insert"),
        ("by_rule", "delete"),
        ("constants", ""),
    ] {
        assert_eq!(possible(&catalog, view), expected, "{view}");
    }
    assert_eq!(relation(&catalog, "stored").native.as_ref().unwrap().kind, NativeRelationKind::MaterializedView);
    assert_eq!(ways(&catalog, "over_books", &["authors"]), ["authors n:1 books_author_fkey scribe=id"]);
    assert_eq!(ways(&catalog, "over_stored", &["joined"]), ["joined n:1 books_author_fkey a=author_id"]);
    assert_eq!(ways(&catalog, "united", &["authors", "books"]), [""; 0]);
    assert_eq!(ways(&catalog, "all_prints", &["books"]), ["books n:1 prints_book_fkey b=id"; 2]);
}

#[tokio::test]
async fn keys_lead_from_table_to_table() {
    let Some(postgres) = server("keys_lead_from_table_to_table") else { return };
    postgres.run(
        r"create table zones (a int, b int, c int unique, primary key (b, a), unique (c, a));
        create table sites (id int primary key, za int, zb int, parent int references sites, twin int unique references sites,
            foreign key (za, zb) references zones (a, b) on delete cascade on update set null);
        create table halls (id int primary key references sites, c int, other int references zones (c));
        create unique index halls_other on halls (other);
        create unique index halls_c on halls (c);
        create table pairs (site int references sites, hall int references halls, primary key (site, hall));
        create table loose (site int references sites, hall int references halls, unique (site, hall));
        create table events (id int, day date, site int references sites, primary key (id, day)) partition by range (day);
        create table events_old partition of events for values from ('2000-01-01') to ('2010-01-01');
        create table events_new partition of events for values from ('2010-01-01') to ('2020-01-01') partition by list (id);
        create table events_new_1 partition of events_new for values in (1);
        alter table events_old add constraint own foreign key (id) references sites;
        create table guests (event int, day date, foreign key (event, day) references events (id, day));
        create table ancestors (id int primary key, site int references sites);
        create table heirs (more int) inherits (ancestors);
        create table late (id int primary key, site int, exclude using btree (site with =));
        alter table late add constraint late_site foreign key (site) references sites not valid;
        create unlogged table faded (id int);
        create temp table passing (id int);",
    );
    let catalog = read(&postgres).await;
    assert_eq!(key(&catalog, "zones"), "b,a");
    assert_eq!(relation(&catalog, "zones").primary_key_name.as_deref(), Some("zones_pkey"));
    assert_eq!(ways(&catalog, "sites", &["zones"]), ["zones n:1 sites_za_zb_fkey za=a,zb=b"]);
    let composite = relation(&catalog, "sites").foreign_keys.iter().find(|key| key.columns.len() == 2).unwrap();
    assert_eq!(composite.on_delete, catalog::ReferentialAction::Cascade);
    assert_eq!(composite.on_update, catalog::ReferentialAction::SetNull);
    assert_eq!(
        ways(&catalog, "sites", &["sites"]),
        [
            "sites 1:1 sites_twin_fkey id=twin",
            "sites 1:1 sites_twin_fkey twin=id",
            "sites 1:n sites_parent_fkey id=parent",
            "sites n:1 sites_parent_fkey parent=id"
        ]
    );
    // A unique index is no constraint: only that makes one to one.
    assert_eq!(ways(&catalog, "halls", &["zones"]), ["zones n:1 halls_other_fkey other=c"]);
    assert_eq!(
        ways(&catalog, "halls", &["sites"]),
        ["sites 1:1 halls_id_fkey id=id", "sites n:n pairs"],
        "the primary key of pairs makes it a junction, the unique constraint of loose does not"
    );
    assert_eq!(
        ways(&catalog, "sites", &["events", "events_old", "events_new"]),
        ["events 1:n events_site_fkey id=site"]
    );
    assert_eq!(ways(&catalog, "events", &["guests"]), ["guests 1:n guests_event_day_fkey id=event,day=day"]);
    assert_eq!(ways(&catalog, "guests", &["events"]), ["events n:1 guests_event_day_fkey event=id,day=day"]);
    assert_eq!(relation(&catalog, "events").native.as_ref().unwrap().kind, NativeRelationKind::PartitionedTable);
    assert_eq!(key(&catalog, "events"), "id,day");
    for partition in ["events_old", "events_new", "events_new_1", "passing"] {
        assert!(catalog.relation(&name(partition)).is_none(), "{partition}");
    }
    assert_eq!(ways(&catalog, "late", &["sites"]), ["sites n:1 late_site site=id"]);
    assert_eq!(relation(&catalog, "heirs").columns.len(), 3);
    // Keys are not inherited.
    assert_eq!(key(&catalog, "heirs"), "");
    assert_eq!(ways(&catalog, "heirs", &["sites"]), [""; 0]);
    assert!(catalog.relation(&name("faded")).is_some());
}

#[tokio::test]
async fn columns_have_their_types_and_defaults() {
    let Some(postgres) = server("columns_have_their_types_and_defaults") else { return };
    postgres.run(
        r#"alter database postgres set DateStyle to 'SQL, DMY';
        alter database postgres set IntervalStyle to sql_standard;
        alter database postgres set TimeZone to 'Asia/Tokyo';
        alter database postgres set bytea_output to escape;
        create schema extensions; create schema "Odd Types";
        create extension citext schema extensions; create extension hstore schema extensions;
        create type mood as enum ('sad', 'ok', 'it''s');
        create type "Odd Types"."Level" as enum ('low', 'high');
        create type place as (street text, floor smallint);
        create type spread as range (subtype = float8);
        create domain code as varchar(5) not null default 'abc' check (value <> '');
        create domain subcode as code;
        create domain price as numeric(10, 2);
        create domain moods as mood[];
        create domain nothing as text;
        create sequence counter;
        create table things (
            always int generated always as identity, bydefault bigint generated by default as identity,
            counted serial, small smallserial, by_hand int default nextval('counter'), shifted int default nextval('counter') + 5,
            doubled int generated always as (counted * 2) stored,
            code code, subcode subcode, own_code subcode default 'xyz', price price, moods moods, nothing nothing,
            mood mood default 'ok', quoted mood default 'it''s', level "Odd Types"."Level" default 'high',
            place place, places place[], spread spread, span int4range default '[1,5)',
            ci extensions.citext default 'Hello', pairs extensions.hstore, tags text[] default '{}', grid int[][],
            amount numeric(12, 3) default 1.5, below numeric default -2.25, whole int default -7, big bigint default 10000000000,
            ratio float8 default 0.1, short varchar(7) default 'x', fixed char(3) default 'a', yes boolean default true,
            said text default 'it''s a \ ''day''', empty text default '', day date default '2020-02-01',
            moment timestamptz default '2020-02-01 00:00:00+00', lasting interval default '1 day 02:00:00',
            bytes bytea default '\x0001', id uuid default gen_random_uuid(), doc jsonb default '{"a": [1]}', words tsvector,
            now timestamptz default now(), today date default current_date, sum int default 1 + 1, none text default null,
            required text not null, bits bit(3), address inet default '10.0.0.1', price2 money, document xml, one "char",
            called name);
        create table "Odd Names" ("Id Of" int primary key, "a.b" text, "q""q" int, "ünï" text, dropped int);
        alter table "Odd Names" drop column dropped;
        comment on table things is 'Things, ''all'' of them';
        comment on column things.said is 'said so';
        comment on schema "Odd Types" is 'odd';"#,
    );
    let catalog = read(&postgres).await;
    let things = relation(&catalog, "things");
    let column = |name: &str| things.column(name).unwrap_or_else(|| panic!("{name}"));
    let of_type = |name: &str| column(name).data_type.clone();
    assert_eq!(column("always").default, DefaultValue::Identity(Identity::Always));
    for counted in ["bydefault", "counted", "small", "by_hand"] {
        assert_eq!(column(counted).default, DefaultValue::Identity(Identity::ByDefault), "{counted}");
        assert!(column(counted).native.as_ref().unwrap().default.as_ref().unwrap().starts_with("nextval("));
    }
    assert!(matches!(column("doubled").default, DefaultValue::Generated(_)));
    assert_eq!(column("doubled").native.as_ref().unwrap().default, None);
    for (name, expected) in [
        ("code", Type::Varchar(Some(5))),
        ("subcode", Type::Varchar(Some(5))),
        ("price", Type::Numeric(Some((10, 2)))),
        ("nothing", Type::Text),
        ("amount", Type::Numeric(Some((12, 3)))),
        ("below", Type::Numeric(None)),
        ("short", Type::Varchar(Some(7))),
        ("id", Type::Uuid),
    ] {
        assert_eq!(of_type(name), expected, "{name}");
    }
    assert_eq!(column("subcode").domain, Some(name("subcode")));
    assert!(!column("code").is_nullable && !column("subcode").is_nullable && !column("required").is_nullable);
    assert!(column("price").is_nullable && column("mood").is_nullable);
    let printed = |name: &str| column(name).native.as_ref().unwrap().type_name.to_string();
    for (name, expected) in [
        ("subcode", "public.subcode"),
        ("level", "\"Odd Types\".\"Level\""),
        ("ci", "extensions.citext"),
        ("tags", "text[]"),
        ("places", "public.place[]"),
        ("fixed", "character(3)"),
        ("bits", "bit(3)"),
        ("one", "\"char\""),
        ("amount", "numeric(12,3)"),
    ] {
        assert_eq!(printed(name), expected, "{name}");
    }
    let kind = |name: &str| match of_type(name) {
        Type::Native(native) => native.kind.clone(),
        other => panic!("{name}: {other:?}"),
    };
    let Type::Enum(mood) = of_type("mood") else { panic!("mood") };
    assert_eq!(mood.labels, ["sad", "ok", "it's"].map(Arc::from));
    assert_eq!(kind("moods"), datatype::NativeKind::Array(Type::Enum(mood)));
    assert_eq!(kind("tags"), datatype::NativeKind::Array(Type::Text));
    assert_eq!(kind("grid"), datatype::NativeKind::Array(Type::Integer));
    assert_eq!(kind("place"), datatype::NativeKind::Composite);
    assert!(matches!(kind("places"), datatype::NativeKind::Array(Type::Native(_))));
    assert_eq!(kind("words"), datatype::NativeKind::TextSearch);
    assert_eq!(kind("spread"), datatype::NativeKind::Other);
    assert_eq!(kind("ci"), datatype::NativeKind::Other);
    assert_eq!(catalog.snapshot().enums.len(), 2, "each enumeration once: {:?}", catalog.snapshot().enums);

    let text = |text: &str| Datum::Text(text.to_owned());
    for (name, expected) in [
        ("code", text("abc")),
        ("subcode", text("abc")),
        ("own_code", text("xyz")),
        ("mood", text("ok")),
        ("quoted", text("it's")),
        ("level", text("high")),
        ("span", text("[1,5)")),
        ("ci", text("Hello")),
        ("amount", text("1.5")),
        ("below", text("-2.25")),
        ("whole", Datum::Integer(-7)),
        ("big", Datum::Integer(10_000_000_000)),
        ("ratio", Datum::Real(0.1)),
        ("short", text("x")),
        ("yes", Datum::Integer(1)),
        ("said", text(r"it's a \ 'day'")),
        ("empty", text("")),
        ("day", Datum::Integer(18_293)),
        ("moment", Datum::Integer(18_293 * 86_400_000_000)),
        ("lasting", text("1 day 02:00:00")),
        ("bytes", Datum::Bytes(vec![0, 1])),
        ("doc", text(r#"{"a": [1]}"#)),
        ("address", text("10.0.0.1")),
        // Whatever is computed is only known to be there, and so are arrays.
        ("shifted", Datum::Null),
        ("id", Datum::Null),
        ("now", Datum::Null),
        ("today", Datum::Null),
        ("sum", Datum::Null),
        ("tags", Datum::Null),
    ] {
        let DefaultValue::Expression(Expression::Value { value, .. }) = &column(name).default else {
            panic!("{name}: {:?}", column(name).default)
        };
        assert_eq!(*value, expected, "{name}");
    }
    assert_eq!(column("required").default, DefaultValue::None);
    assert_eq!(column("none").default, DefaultValue::None);
    assert_eq!(column("tags").native.as_ref().unwrap().default.as_deref(), Some("'{}'::text[]"));

    let odd = relation(&catalog, "Odd Names");
    let names: Vec<&str> = odd.columns.iter().map(|column| &*column.name).collect();
    assert_eq!(names, ["Id Of", "a.b", "q\"q", "ünï"]);
    assert_eq!(key(&catalog, "Odd Names"), "Id Of");
    assert_eq!(things.comment.as_deref(), Some("Things, 'all' of them"));
    assert_eq!(column("said").comment.as_deref(), Some("said so"));
    assert_eq!(catalog.snapshot().schemas["Odd Types"].as_deref(), Some("odd"));
}

#[tokio::test]
async fn functions_of_all_kinds() {
    let Some(postgres) = server("functions_of_all_kinds") else { return };
    postgres.run(
        r#"create extension hstore; create extension citext;
        create table people (id int primary key, name text);
        create table pets (id int primary key, owner int references people);
        create type pair as (a int, b text);
        create domain person as people;
        create domain "text/csv" as text;
        create function nullary() returns int language sql as 'select 1';
        create function sums(a int, b int default 2, c int default 3) returns int language sql immutable as 'select 1';
        create function many(first text, variadic rest int[]) returns int language sql stable strict as 'select 1';
        create function nothing(a int) returns void language sql security definer as '';
        create function one_out(a int, out x int) language sql as 'select 1';
        create function outs(a int, out x int, inout y text, out z bool) language sql as 'select 1, $2, true';
        create function nameless_outs(a int, out int, out text) language sql as 'select 1, $$a$$::text';
        create function nameless_out(a int, out int) language sql as 'select 1';
        create function tabled(a int) returns table (x int, "Y z" text) language sql as 'select 1, $$a$$::text';
        create function all_rows() returns setof people language sql as 'select * from people';
        create function one_row() returns people language sql as 'select * from people';
        create function all_pairs() returns setof pair language sql as 'select 1, $$a$$::text';
        create function records_out(out a int, out b int) returns setof record language sql as 'select 1, 2';
        create function records() returns setof record language sql as 'select 1, 2';
        create function texts() returns setof text language sql as 'select $$a$$::text';
        create function alias() returns person language sql as 'select row(1, $$a$$)::people::person';
        create function csv() returns "text/csv" language sql as 'select $$a$$::text';
        create function array_of(a people[]) returns int[] language sql as 'select null::int[]';
        create function anything(a anyelement) returns anyelement language sql as 'select $1';
        create function json_body(json) returns int language sql as 'select 1';
        create function jsonb_body(jsonb) returns int language sql as 'select 1';
        create function text_body(text) returns int language sql as 'select 1';
        create function bytea_body(bytea) returns int language sql as 'select 1';
        create function xml_body(xml) returns int language sql as 'select 1';
        create function int_body(int) returns int language sql as 'select 1';
        create function two_unnamed(int, text) returns int language sql as 'select 1';
        create function overloaded(a int) returns int language sql as 'select 1';
        create function overloaded(a text) returns int language sql as 'select 1';
        create function overloaded(a int, b int) returns int language sql as 'select 1';
        create function on_change() returns trigger language plpgsql as 'begin return new; end';
        create function on_command() returns event_trigger language plpgsql as 'begin end';
        create aggregate summed(int) (sfunc = int4pl, stype = int);
        create procedure done(a int) language sql as '';
        create function "Odd ""Name"(" An Arg" int) returns int language sql as 'select 1';
        create schema elsewhere;
        create function elsewhere.overloaded(a int) returns int language sql as 'select 1';
        comment on function nullary() is 'none at all';
        revoke execute on function nullary() from public; grant execute on function nullary() to visitor;
        create function full_name(people) returns text language sql as 'select $1.name';
        create function owned(people) returns setof pets language sql as 'select * from pets';
        create function pets(people) returns setof pets language sql as 'select * from pets';
        create function favourite(p people) returns setof pets rows 1 language sql as 'select * from pets';
        create function single(people) returns pets language sql as 'select * from pets';
        create function numbers(people) returns setof int language sql as 'select 1';
        create function two(people, int) returns text language sql as 'select $1.name';
        create function forget(people) returns void language sql as '';"#,
    );
    let catalog = read(&postgres).await;
    for (called, expected) in [
        ("nullary", " -> integer"),
        ("sums", "a integer, b integer?, c integer? -> integer"),
        ("many", "variadic first text, rest integer[] -> integer"),
        ("nothing", "a integer -> void"),
        ("one_out", "a integer -> (x integer)"),
        ("outs", "a integer, y text -> (x integer, y text, z boolean)"),
        ("nameless_outs", "a integer -> (column1 integer, column2 text)"),
        ("nameless_out", "a integer -> integer"),
        ("tabled", "a integer -> setof (x integer, Y z text)"),
        ("all_rows", " -> setof people(id integer, name text)"),
        ("one_row", " -> people(id integer, name text)"),
        ("all_pairs", " -> setof (a integer, b text)"),
        ("records_out", " -> setof (a integer, b integer)"),
        ("records", " -> setof record"),
        ("texts", " -> setof text"),
        ("alias", " -> people(id integer, name text)"),
        ("csv", " -> text"),
        ("json_body", "_ json -> integer"),
        ("jsonb_body", "_ jsonb -> integer"),
        ("text_body", "_ text -> integer"),
        ("bytea_body", "_ bytea -> integer"),
        ("xml_body", "_ xml -> integer"),
        ("Odd \"Name", " An Arg integer -> integer"),
        ("favourite", "p people -> setof pets(id integer, owner integer)"),
    ] {
        assert_eq!(signature(routine(&catalog, called)).replace("public.", ""), expected, "{called}");
    }
    assert!(routine(&catalog, "nothing").is_security_definer);
    assert!(routine(&catalog, "many").is_strict);
    assert_eq!(routine(&catalog, "nullary").comment.as_deref(), Some("none at all"));
    assert_eq!(routine(&catalog, "nullary").executors, ["postgres", "visitor"].map(Arc::from));
    assert!(routine(&catalog, "sums").executors.contains(&Arc::from("public")));
    assert_eq!(routine(&catalog, "csv").native.as_ref().unwrap().media_type.as_deref(), Some("text/csv"));
    assert_eq!(catalog.routines_named(&name("overloaded")).count(), 3);
    assert_eq!(catalog.routines_named(&name("elsewhere.overloaded")).count(), 1);
    assert_eq!(catalog.routines_in("elsewhere").count(), 1);
    let all: Vec<&str> = catalog.routines_in("public").map(|routine| &*routine.signature.name.name).collect();
    for absent in [
        "on_change",
        "on_command",
        "summed",
        "done",
        "int_body",
        "two_unnamed",
        "hstore_in",
        "citextin",
        "citext_larger",
    ] {
        assert!(!all.contains(&absent), "{absent}");
    }
    let computed = &relation(&catalog, "people").native.as_ref().unwrap().computed;
    let computed: Vec<&str> = computed.iter().map(|column| &*column.name).collect();
    assert_eq!(computed, ["full_name"]);
    // The function pets stands in the place of the foreign key; the way back is still the key's.
    assert_eq!(
        ways(&catalog, "people", &["pets"]),
        ["pets public.favourite 1", "pets public.owned n", "pets public.pets n", "pets public.single 1"]
    );
    assert_eq!(ways(&catalog, "pets", &["people"]), ["people n:1 pets_owner_fkey owner=id"]);
}

#[tokio::test]
async fn rights_are_read_as_they_were_granted() {
    let Some(postgres) = server("rights_are_read_as_they_were_granted") else { return };
    postgres.run(
        r#"create role "Odd Role"; create role reader; create role staff noinherit; create role chief inherit; create role lone;
        create role freed bypassrls; create role powerful superuser;
        grant reader to staff; grant reader to chief; grant staff to gate; grant visitor to chief;
        create schema closed; create schema entered; grant usage on schema entered to "Odd Role";
        revoke all on schema public from public; grant usage on schema public to visitor;
        create table closed.secrets (id int primary key, name text);
        create table notes (id int primary key, body text, owner text);
        alter table notes enable row level security;
        create table forced (id int); alter table forced enable row level security; alter table forced force row level security;
        grant select (id, body), update (body) on notes to visitor;
        grant insert on notes to visitor;
        grant select, delete on notes to reader;
        grant select on notes to public;
        grant references (id), truncate on notes to "Odd Role";"#,
    );
    let catalog = read(&postgres).await;
    let notes = relation(&catalog, "notes");
    assert!(notes.row_security && !notes.forces_row_security);
    assert!(relation(&catalog, "forced").forces_row_security);
    // What the login role may not look into is in the catalog all the same: whoever it becomes may.
    assert_eq!(relation(&catalog, "closed.secrets").columns.len(), 2);
    assert_eq!(key(&catalog, "closed.secrets"), "id");
    let may = |role: &str, privilege, column| notes.allows(&[role], privilege, column);
    assert!(may("visitor", Privilege::Update, Some("body")) && !may("visitor", Privilege::Update, Some("owner")));
    assert!(!may("visitor", Privilege::Update, None));
    assert!(may("visitor", Privilege::Insert, None) && !may("visitor", Privilege::Delete, None));
    assert!(may("reader", Privilege::Delete, None) && !may("reader", Privilege::Insert, None));
    assert!(may("public", Privilege::Select, None) && may("postgres", Privilege::Delete, None));
    assert!(catalog.may_enter(&["Odd Role"], "entered") && !catalog.may_enter(&["visitor"], "entered"));
    assert!(catalog.may_enter(&["visitor"], "public") && !catalog.may_enter(&["Odd Role"], "public"));
    assert_eq!(catalog.role_standing("visitor"), RoleStanding::Assumable);
    assert_eq!(catalog.role_standing("reader"), RoleStanding::Assumable, "through staff");
    assert_eq!(catalog.role_standing("lone"), RoleStanding::NotGranted);
    assert_eq!(catalog.role_standing("nobody"), RoleStanding::Unknown);
    // A role without INHERIT has the rights of another one only once it has become that.
    assert_eq!(catalog.roles_of("staff"), ["staff"]);
    let mut of_chief = catalog.roles_of("chief");
    of_chief.sort_unstable();
    assert_eq!(of_chief, ["chief", "reader", "visitor"]);
    assert!(catalog.bypasses_row_security("freed") && catalog.bypasses_row_security("powerful"));
    assert!(!catalog.bypasses_row_security("visitor"));
}

#[tokio::test]
async fn foreign_tables_are_tables_of_another_kind() {
    const TEST: &str = "foreign_tables_are_tables_of_another_kind";
    let Some(postgres) = server(TEST) else { return };
    let available =
        postgres.run("select count(*) from pg_available_extensions where name in ('file_fdw', 'postgres_fdw');");
    if is_skipped(TEST, available.trim() != "2", "file_fdw and postgres_fdw", "install postgresql-contrib") {
        return;
    }
    postgres.run(
        "create extension file_fdw; create extension postgres_fdw;
        create server files foreign data wrapper file_fdw;
        create server nowhere foreign data wrapper postgres_fdw options (host '/nowhere');
        create foreign table lines (id int not null, line text) server files options (filename '/dev/null');
        create foreign table remote (id int, name text default 'x') server nowhere;
        create foreign table fixed (id int) server nowhere options (updatable 'false');
        create view over_remote as select id, name from remote;",
    );
    let catalog = read(&postgres).await;
    for (table, expected) in
        [("lines", ""), ("remote", "insert update delete"), ("fixed", ""), ("over_remote", "insert update delete")]
    {
        assert_eq!(possible(&catalog, table), expected, "{table}");
    }
    assert_eq!(relation(&catalog, "remote").native.as_ref().unwrap().kind, NativeRelationKind::ForeignTable);
    assert_eq!(relation(&catalog, "lines").columns.len(), 2);
    assert_eq!(origins(&catalog, "over_remote"), "id=remote.id name=remote.name");
}

/// PostgreSQL fails to say what can be done with such a table, and with a view over it.
#[tokio::test]
async fn a_foreign_data_wrapper_without_a_handler_keeps_nobody_from_starting() {
    let Some(postgres) = server("a_foreign_data_wrapper_without_a_handler_keeps_nobody_from_starting") else { return };
    postgres.run(
        "create table whole (id int primary key);
        create view over_whole as select id from whole;
        create foreign data wrapper broken; create server broken foreign data wrapper broken;
        create foreign table lost (id int) server broken;",
    );
    let catalog = read(&postgres).await;
    assert_eq!(possible(&catalog, "lost"), "");
    assert_eq!(possible(&catalog, "over_whole"), "insert update delete");
    postgres.run("create view over_lost as select id from lost; create function later(a int) returns int language sql as 'select 1';");
    let catalog = read(&postgres).await;
    assert_eq!(possible(&catalog, "over_lost"), "insert update delete", "the server refuses it by itself");
    assert_eq!(origins(&catalog, "over_whole"), "id=whole.id");
    assert_eq!(catalog.routines_named(&name("later")).count(), 1);
}

/// Ten thousand tables of 12 columns with two keys each, a thousand views and a thousand functions. It takes a minute to make
/// them, so it is run by hand: `cargo test -p store --test introspection --release -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "makes 10,000 tables"]
async fn ten_thousand_tables_are_read() {
    const TABLES: usize = 10_000;
    let Some(postgres) = server("ten_thousand_tables_are_read") else { return };
    postgres.run(&format!(
        r"select format('create table t%s (id int generated always as identity primary key, title text not null default %L,
            before int references t%s, far int references t%s, a text, b int default 1, c timestamptz default now(), d uuid,
            e jsonb, f numeric(10, 2), g boolean default true, h text[])', n, 'new', greatest(n - 1, 1), greatest(n / 2, 1))
            from generate_series(1, {TABLES}) n \gexec
        select format('create view v%s as select t.id, t.title as name, t.before, o.far from t%1$s t left join t%s o on o.id = t.far',
            n * 10, n) from generate_series(1, {TABLES} / 10) n \gexec
        select format('create function f%s(a int, b text default null) returns setof t%1$s stable language sql as $$ select * from t%1$s $$', n)
            from generate_series(1, {TABLES} / 10) n \gexec
        analyze;"
    ));
    let start = std::time::Instant::now();
    let catalog = read(&postgres).await;
    println!("read within {:?}", start.elapsed());
    assert_eq!(catalog.snapshot().relations.len(), TABLES + TABLES / 10);
    assert_eq!(catalog.snapshot().routines.len(), TABLES / 10);
    let middle = ways(&catalog, "t5000", &["t4999", "t2500", "t5001", "t10000"]);
    assert_eq!(middle.len(), 4, "{middle:?}");
    assert_eq!(key(&catalog, "v5000"), "id");
}
