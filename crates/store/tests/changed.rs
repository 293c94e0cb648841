//! Which tables a write may change, as the catalogs of both engines have it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "own/engines.rs"]
mod engines;
mod support;

use engines::{Engine, on_both};
use support::{anon, job, request};

const SCHEMA: &str = "
create table shelves (id bigint primary key);
create table books (id bigint primary key, shelf bigint references shelves on delete cascade);
create table pages (id bigint primary key, book bigint references books on delete set null);
create table lonely (id bigint primary key, shelf bigint references shelves, note text default 'none' check (note <> ''));
create table sources (id bigint primary key);
create function copy_source() returns trigger language plpgsql security definer set search_path = '' as $$
begin insert into public.lonely (id) values (new.id); return new; end $$;
create trigger copied after insert on sources for each row execute function copy_source();
create function add_one() returns void language sql as $$ insert into public.lonely (id) values (1) $$;
";

/// What only a server has.
const OF_SERVERS: &str = "
create view through as select id, note from lonely;
create function roll() returns text language sql volatile as $$ select 'four' $$;
create function steady() returns text language sql stable as $$ select 'five' $$;
create table rolled (id bigint primary key, note text default roll());
create table steadied (id bigint primary key, note text default steady());
create table policed (id bigint primary key);
create policy p on policed using (roll() = 'four');
create domain checked as text check (value <> roll());
create table of_domain (id bigint primary key, note checked);
create domain over_checked as checked;
create table of_outer_domain (id bigint primary key, note over_checked);
create table of_array (id bigint primary key, notes checked[]);
create type pair as (one text, other over_checked);
create table of_composite (id bigint primary key, pair pair);
create type span as range (subtype = checked);
create table of_range (id bigint primary key, span span);
create table of_row (id bigint primary key, whole of_composite);
create domain filled as text default roll();
create table of_filled (id bigint primary key, note filled);
create function same(text, text) returns boolean language sql volatile as $$ select $1 = $2 $$;
create operator === (leftarg = text, rightarg = text, function = same);
create table of_operator (id bigint primary key, note text check (note === 'a'));
create table reads_policed (id bigint primary key);
create policy p on reads_policed using (exists (select from policed));
create view over_policed as select id, roll() from policed;
create table reads_view (id bigint primary key);
create policy p on reads_view using (exists (select from over_policed));
create function quiet() returns text language plpgsql stable as $$ begin return 'quiet'; end $$;
create table plpgsql_only (id bigint primary key, words text, note text default quiet(), found tsvector generated always as (to_tsvector('english', words)) stored);
create policy p on plpgsql_only using (quiet() = 'quiet');
create index on plpgsql_only using gin (to_tsvector('english', words));
create table of_policed (id bigint primary key, policed bigint references policed);
create domain calm as text check (value <> steady());
create type calm_pair as (one calm, two calm[]);
create table calmed (id bigint primary key, note calm, pair calm_pair, refers bigint references policed);
create table ruled (id bigint primary key);
create rule r as on insert to ruled do also insert into lonely values (9);
create table logs (at date, text text) partition by range (at);
create table logs_old partition of logs for values from ('2000-01-01') to ('2020-01-01');
create table animals (id bigint primary key); create table cats (lives int) inherits (animals);
create table lined (id bigint primary key, note text);
create function fickle(lined) returns text language sql volatile as $$ select $1.note $$;
";

const GRANT: &str = "grant select, insert, update, delete on all tables in schema public to anon;";

fn changed(engine: &Engine, asked: &str, body: &str) -> Option<String> {
    let (method, url) = asked.split_once(' ').expect("a method");
    let store = &*engine.store;
    // What is answered is read as well.
    let prefer = if url.contains("select=") { "return=representation" } else { "" };
    let plan =
        job(store, &anon(), &request(method, url, body, prefer).expect("parses"), true).expect("is planned").plan;
    let names = plan::changed(&plan, &store.catalog())?;
    Some(names.iter().map(|name| &*name.name).collect::<Vec<_>>().join(" "))
}

on_both!(what_a_write_may_change, |engine| {
    let is_server = engine.store.catalog().is_native();
    if is_server {
        engine.migrate(3, &["create role anon;", OF_SERVERS].concat()).await;
    }
    engine
        .migrate(
            4,
            if is_server {
                GRANT
            } else {
                "grant select, insert, update, delete on shelves, books, pages, lonely, sources to anon;"
            },
        )
        .await;
    for (asked, body, expected) in [
        ("POST /lonely", "{\"id\":1}", Some("lonely")),
        ("PATCH /pages?id=eq.1", "{\"book\":1}", Some("pages")),
        ("DELETE /books?id=eq.1", "", Some("books pages")),
        ("DELETE /shelves?id=eq.1", "", Some("books pages shelves")),
        ("POST /sources", "{\"id\":1}", if is_server { None } else { Some("lonely sources") }),
        ("POST /rpc/add_one", "{}", None),
    ] {
        assert_eq!(changed(engine, asked, body).as_deref(), expected, "{asked}");
    }
    let of_servers = [
        ("through", None),
        ("rolled", None),
        ("steadied", Some("steadied")),
        ("policed", None),
        ("of_domain", None),
        ("of_outer_domain", None),
        ("of_array", None),
        ("of_composite", None),
        ("of_range", None),
        ("of_row", None),
        ("of_filled", None),
        ("of_operator", None),
        ("reads_policed", None),
        ("reads_view", None),
        ("calmed", Some("calmed")),
        ("plpgsql_only", Some("plpgsql_only")),
        ("of_policed", Some("of_policed")),
        ("of_policed?select=id,policed(id)", None),
        ("ruled", None),
        ("animals", None),
        ("cats", None),
        ("lined", None),
    ];
    for (name, expected) in of_servers.into_iter().filter(|_| is_server) {
        assert_eq!(changed(engine, &format!("POST /{name}"), "{\"id\":1}").as_deref(), expected, "{name}");
    }
    if is_server {
        assert_eq!(changed(engine, "POST /logs", "{\"text\":\"a\"}"), None);
    }
});
