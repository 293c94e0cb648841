//! Row security over a generated matrix: policies for reading, for writing and restrictive ones, against who asks and
//! what is asked: direct, embedded, counted, aggregated, upserted, returned. The reference is a real PostgreSQL that runs what
//! PostgREST would send it; the answer, the refusal and what is in the table afterwards must be the same.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write as _;

use base::Caller;
use serde_json::{Value, json};
use support::{ALICE, BOB, Fixture, anon, migration, service, user};

const SCHEMA: &str = "
create table rooms (id int primary key, name text not null);
create table members (room int not null references rooms (id), member uuid not null, primary key (room, member));
create table items (
  id int primary key, owner uuid, room int references rooms (id), open boolean not null default true, n int not null default 1
);
create table notes (id int primary key, item int references items (id) on delete set null);
insert into rooms values (1, 'one'), (2, 'two'), (3, 'three');
insert into members values
  (1, '11111111-1111-4111-8111-111111111111'), (2, '22222222-2222-4222-8222-222222222222'),
  (3, '11111111-1111-4111-8111-111111111111'), (3, '22222222-2222-4222-8222-222222222222');
alter table members enable row level security;
create policy own on members for select using (member = auth.uid());
alter table items enable row level security;
create role clerk;
grant authenticated to clerk;
grant select on rooms, members, items, notes to anon;
grant insert on items to anon;
grant select, insert, update, delete on rooms, members, items, notes to authenticated, service_role;

create function seen() returns setof items language sql stable as $$ select * from items $$;
create function seen_by_owner() returns bigint language sql stable security definer as $$ select count(*) from items $$;
create function add(i int, o uuid, r int) returns setof items language sql as
  $$ insert into items (id, owner, room) values (i, o, r) returning * $$;
create function add_quietly(i int, o uuid) returns bigint language sql as
  $$ insert into items (id, owner, n) values (i, o, 3); select 1::bigint $$;
create function put(i int, o uuid) returns setof int language sql as
  $$ insert into items (id, owner, n) values (i, o, 50) on conflict (id) do update set owner = excluded.owner, n = excluded.n returning id $$;
create function set_n(low int) returns setof items language sql as
  $$ update items set n = 70 where id >= low returning * $$;
create function set_all() returns bigint language sql as $$ update items set n = 70; select 1::bigint $$;
create function take(o uuid) returns setof int language sql as $$ update items set owner = o where room = 2 returning id $$;
create function remove(most int) returns setof items language sql as $$ delete from items where n < most returning * $$;
create function remove_all() returns bigint language sql as $$ delete from items; select 1::bigint $$;
";

/// The rows of `items`: every owner, room and state.
fn rows() -> Vec<Value> {
    let mut rows = Vec::new();
    for owner in [Some(ALICE), Some(BOB), None] {
        for room in [1, 2, 3] {
            let id = rows.len() + 1;
            rows.push(json!({ "id": id, "owner": owner, "room": room, "open": id % 2 == 1, "n": id }));
        }
    }
    rows
}

/// What may be seen, what may be written, and what narrows both: statements that make the policies.
fn policies() -> Vec<String> {
    const OWN: &str = "owner = auth.uid()";
    const MEMBER: &str = "exists (select 1 from members m where m.room = items.room)";
    const READING: [&str; 5] = [
        "",
        "create policy r on items for select using (true);",
        "create policy r on items for select to authenticated using (OWN);",
        "create policy r on items for select using (MEMBER);",
        "create policy r on items for select using (open); create policy r2 on items for select to authenticated using (OWN);",
    ];
    const WRITING: [&str; 6] = [
        "",
        "create policy w on items for all using (true);",
        "create policy w on items for all to authenticated using (OWN) with check (OWN);",
        "create policy w on items for insert with check (MEMBER); create policy u on items for update using (open) with check (true); create policy d on items for delete using (OWN);",
        "create policy u on items for update using (OWN); create policy i on items for insert to anon with check (owner is null);",
        "create policy u on items for update using (true) with check (OWN); create policy i on items for insert with check (true); create policy d on items for delete to clerk using (true);",
    ];
    const NARROWING: [&str; 3] = [
        "",
        "create policy n on items as restrictive using (open);",
        "create policy n on items as restrictive for update to authenticated using (n < 8) with check (n < 100); create policy n2 on items as restrictive for select to anon using (room = 1);",
    ];
    let mut all = Vec::new();
    for reading in READING {
        for writing in WRITING {
            for narrowing in NARROWING {
                let text = format!("{reading} {writing} {narrowing}");
                all.push(text.replace("OWN", OWN).replace("MEMBER", MEMBER));
            }
        }
    }
    all
}

/// Something that is asked: of PostgreSQL in SQL, of Pando in the dialect.
struct Asked {
    sql: String,
    method: &'static str,
    url: String,
    body: String,
    prefer: &'static str,
    /// Whether the answer is the count of the rows and not the rows.
    is_counted: bool,
}

const FULL: &str = "return=representation";

fn asked() -> Vec<Asked> {
    let mut all = Vec::new();
    let mut read = |sql: &str, url: &str| {
        let (url, prefer) = url.split_once(' ').unwrap_or((url, ""));
        let prefer = if prefer.is_empty() { "" } else { "count=exact" };
        let is_counted = !prefer.is_empty();
        all.push(Asked {
            sql: sql.to_owned(),
            method: "GET",
            url: url.to_owned(),
            body: String::new(),
            prefer,
            is_counted,
        });
    };
    let rows = |query: &str| format!("select coalesce(json_agg(x), '[]') from ({query}) x");
    read(&rows("select * from items order by id"), "/items?order=id");
    read(&rows("select id from items where owner is null order by id"), "/items?select=id&owner=is.null&order=id");
    read(&rows("select id from items where id = 5"), "/items?select=id&id=eq.5");
    read(&rows("select id from items where not (n > 3) order by id"), "/items?select=id&n=not.gt.3&order=id");
    read("select count(*) from items", "/items?limit=1 counted");
    read(&rows("select count(*), sum(n) from items"), "/items?select=count(),n.sum()");
    read(
        &rows("select room, count(*) from items group by room order by room"),
        "/items?select=room,count()&order=room",
    );
    read(
        &rows(
            "select r.id, coalesce((select json_agg(json_build_object('id', i.id) order by i.id) from items i where i.room = r.id), '[]') items from rooms r order by r.id",
        ),
        "/rooms?select=id,items(id)&order=id&items.order=id",
    );
    read(
        &rows(
            "select r.id, (select json_agg(json_build_object('count', c)) from (select count(*) c from items i where i.room = r.id) y) items from rooms r order by r.id",
        ),
        "/rooms?select=id,items(count())&order=id",
    );
    read(
        &rows(
            "select r.id from rooms r where exists (select 1 from items i where i.room = r.id and i.n > 4) order by r.id",
        ),
        "/rooms?select=id,items!inner()&items.n=gt.4&order=id",
    );
    read(
        &rows(
            "select n.id, (select json_build_object('id', i.id) from items i where i.id = n.item) items from notes n order by n.id",
        ),
        "/notes?select=id,items(id)&order=id",
    );
    read(&rows("select * from members order by room, member"), "/members?order=room,member");

    let mut call = |sql: &str, name: &str, body: Value| {
        let is_value = sql.starts_with("value ");
        let called = sql.trim_start_matches("value ");
        let (sql, url) = match is_value {
            true => (format!("select to_json(x) from {called} x"), format!("/rpc/{name}")),
            false if called.contains("put(") || called.contains("take(") => (
                format!("select coalesce(json_agg(x order by x), '[]') from {called} x"),
                format!("/rpc/{name}?order=pgrst_scalar"),
            ),
            false => (
                format!("select coalesce(json_agg(x order by id), '[]') from {called} x"),
                format!("/rpc/{name}?order=id"),
            ),
        };
        all.push(Asked { sql, method: "POST", url, body: body.to_string(), prefer: "", is_counted: false });
    };
    call("seen()", "seen", json!({}));
    call("value seen_by_owner()", "seen_by_owner", json!({}));
    for owner in [ALICE, BOB] {
        call(&format!("add(20, '{owner}', 1)"), "add", json!({ "i": 20, "o": owner, "r": 1 }));
        call(&format!("add(4, '{owner}', 2)"), "add", json!({ "i": 4, "o": owner, "r": 2 }));
        call(&format!("value add_quietly(20, '{owner}')"), "add_quietly", json!({ "i": 20, "o": owner }));
        call(&format!("put(2, '{owner}')"), "put", json!({ "i": 2, "o": owner }));
        call(&format!("put(21, '{owner}')"), "put", json!({ "i": 21, "o": owner }));
        call(&format!("take('{owner}')"), "take", json!({ "o": owner }));
    }
    call("set_n(1)", "set_n", json!({ "low": 1 }));
    call("set_n(7)", "set_n", json!({ "low": 7 }));
    call("value set_all()", "set_all", json!({}));
    call("remove(5)", "remove", json!({ "most": 5 }));
    call("value remove_all()", "remove_all", json!({}));

    let written = |statement: &str, full: bool| match full {
        true => format!("with x as ({statement} returning *) select coalesce(json_agg(x order by id), '[]') from x"),
        false => format!("with x as ({statement} returning 1) select count(*) from x"),
    };
    let mut write = |statement: &str, method: &'static str, url: &str, body: Value, prefers: [&'static str; 2]| {
        for prefer in prefers {
            let full = prefer.contains(FULL);
            let url = if full {
                format!("{url}{}order=id", if url.contains('?') { '&' } else { '?' })
            } else {
                url.to_owned()
            };
            let body = if body.is_null() { String::new() } else { body.to_string() };
            all.push(Asked { sql: written(statement, full), method, url, body, prefer, is_counted: !full });
        }
    };
    let plain = ["", FULL];
    for owner in [Some(ALICE), Some(BOB), None] {
        for room in [1, 2] {
            let value = owner.map_or("null".to_owned(), |owner| format!("'{owner}'"));
            let body = json!({ "id": 20, "owner": owner, "room": room, "open": true });
            let insert = format!("insert into items (id, owner, room, open) values (20, {value}, {room}, true)");
            write(&insert, "POST", "/items", body, plain);
        }
    }
    write(
        &format!("insert into items (id, owner) values (20, '{ALICE}'), (21, '{BOB}')"),
        "POST",
        "/items",
        json!([{ "id": 20, "owner": ALICE }, { "id": 21, "owner": BOB }]),
        plain,
    );
    let merge = ["resolution=merge-duplicates", "resolution=merge-duplicates,return=representation"];
    let ignore = ["resolution=ignore-duplicates", "resolution=ignore-duplicates,return=representation"];
    for (id, owner) in [(1, ALICE), (2, ALICE), (4, ALICE), (4, BOB), (7, BOB), (30, ALICE)] {
        let values = format!("insert into items (id, owner, n) values ({id}, '{owner}', 50)");
        let body = json!({ "id": id, "owner": owner, "n": 50 });
        let update = "on conflict (id) do update set id = excluded.id, owner = excluded.owner, n = excluded.n";
        write(&format!("{values} {update}"), "POST", "/items", body.clone(), merge);
        write(&format!("{values} on conflict (id) do nothing"), "POST", "/items", body, ignore);
    }
    write("update items set n = 60 where true", "PATCH", "/items", json!({ "n": 60 }), plain);
    write("update items set n = 200 where id < 6", "PATCH", "/items?id=lt.6", json!({ "n": 200 }), plain);
    write("update items set open = false where id = 7", "PATCH", "/items?id=eq.7", json!({ "open": false }), plain);
    for owner in [ALICE, BOB] {
        let update = format!("update items set owner = '{owner}' where room = 3");
        write(&update, "PATCH", "/items?room=eq.3", json!({ "owner": owner }), plain);
    }
    write("delete from items where true", "DELETE", "/items", Value::Null, plain);
    write("delete from items where id in (1, 5)", "DELETE", "/items?id=in.(1,5)", Value::Null, plain);
    write("delete from items where n > 6", "DELETE", "/items?n=gt.6", Value::Null, plain);
    all
}

fn callers() -> Vec<(&'static str, Caller)> {
    let clerk = Caller { role: "clerk".into(), ..user(ALICE) };
    vec![
        ("anon", anon()),
        ("authenticated", user(ALICE)),
        ("authenticated", user(BOB)),
        ("clerk", clerk),
        ("service_role", service()),
    ]
}

/// Runs one statement as somebody, tells what came of it and what the table then holds, and undoes it.
const JUDGE: &str = "
create function judge(who text, claims text, statement text) returns text language plpgsql as $judge$
declare answer text; state text;
begin
  begin
    perform set_config('request.jwt.claims', claims, true);
    perform set_config('role', who, true);
    execute statement into answer;
    perform set_config('role', 'postgres', true);
    execute 'select coalesce(json_agg(x order by id), ''[]'') from items x' into state;
    raise exception using errcode = 'ZZ001', message = json_build_array('fine', answer, state)::text;
  exception
    when sqlstate 'ZZ001' then return sqlerrm;
    when others then return json_build_array('refused', sqlstate)::text;
  end;
end $judge$;
";

/// What came of it: a refusal's code, or the answer and the table.
#[derive(Debug, PartialEq)]
enum Outcome {
    Refused(String),
    Fine(Value, Value),
}

fn ask_postgres(postgres: &testkit::Postgres, all: &[Asked]) -> Vec<Outcome> {
    let prelude = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/corpus/prelude.sql");
    let mut script =
        format!("set client_min_messages = error;\n{}\n", std::fs::read_to_string(prelude).expect("it is there"));
    script.push_str(SCHEMA);
    let seed = json!(rows()).to_string();
    let _ = writeln!(script, "insert into items select * from json_populate_recordset(null::items, '{seed}');");
    let _ = writeln!(script, "insert into notes values (1, 1), (2, 5), (3, 9), (4, null);\n{JUDGE}");
    for policies in policies() {
        script.push_str(DROPS);
        let _ = writeln!(script, "{policies}");
        for (role, caller) in callers() {
            let claims = json!({ "sub": caller.claims.text("sub"), "role": role }).to_string();
            for asked in all {
                let _ = writeln!(script, "select judge('{role}', '{claims}', $s${}$s$);", asked.sql);
            }
        }
    }
    let printed = postgres.run(&script);
    printed
        .lines()
        .filter(|line| line.starts_with('['))
        .map(|line| match serde_json::from_str::<Vec<Value>>(line).expect(line).as_slice() {
            [_, code] => Outcome::Refused(code.as_str().unwrap_or_default().to_owned()),
            [_, answer, state] => Outcome::Fine(parsed(answer), parsed(state)),
            _ => Outcome::Refused(format!("not understood: {line}")),
        })
        .collect()
}

fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap_or("null")).expect("JSON")
}

const DROPS: &str = "
drop policy if exists r on items; drop policy if exists r2 on items; drop policy if exists w on items;
drop policy if exists u on items; drop policy if exists i on items; drop policy if exists d on items;
drop policy if exists n on items; drop policy if exists n2 on items;
";

/// Puts the table back as it was.
async fn reset(fixture: &Fixture) {
    fixture.ask(&service(), "DELETE", "/items", "", "").await.expect("goes");
    fixture.ask(&service(), "POST", "/items", &json!(rows()).to_string(), "").await.expect("comes back");
    for (note, item) in [(1, 1), (2, 5), (3, 9)] {
        let body = json!({ "item": item }).to_string();
        fixture.ask(&service(), "PATCH", &format!("/notes?id=eq.{note}"), &body, "").await.expect("comes back");
    }
}

async fn ask_pando(fixture: &Fixture, caller: &Caller, asked: &Asked) -> Outcome {
    match fixture.ask(caller, asked.method, &asked.url, &asked.body, asked.prefer).await {
        Err(failure) => Outcome::Refused(failure.code.into_owned()),
        Ok(answer) => {
            let body = if asked.is_counted {
                json!(if asked.method == "GET" { answer.ran.total.unwrap_or_default() } else { answer.ran.rows })
            } else {
                serde_json::from_str(&answer.body).expect("JSON")
            };
            let state = fixture.ask(&service(), "GET", "/items?order=id", "", "").await.expect("reads").body;
            Outcome::Fine(body, serde_json::from_str(&state).expect("JSON"))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_security_is_that_of_postgresql() {
    let postgres = testkit::Postgres::start();
    let hint = "install it: apt-get install postgresql-15";
    if testkit::is_skipped("row_security_is_that_of_postgresql", postgres.is_none(), "PostgreSQL", hint) {
        return;
    }
    let postgres = postgres.expect("it is there");
    let all = asked();
    let expected = ask_postgres(&postgres, &all);
    let fixture = Fixture::with(SCHEMA).await;
    fixture.ask(&service(), "POST", "/notes", r#"[{"id":1},{"id":2},{"id":3},{"id":4}]"#, "").await.expect("notes");
    let mut expected = expected.into_iter();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (version, policies) in policies().iter().enumerate() {
        let change = migration(version as i64 + 2, &format!("{DROPS}{policies}"), &*fixture.store);
        fixture.store.apply_migration(change).await.expect("applies");
        reset(&fixture).await;
        let whole = json!(rows());
        for (role, caller) in callers() {
            for asked in &all {
                let theirs = expected.next().expect("as many answers as questions");
                let ours = ask_pando(&fixture, &caller, asked).await;
                if matches!(&ours, Outcome::Fine(_, state) if *state != whole) {
                    reset(&fixture).await;
                }
                compared += 1;
                if ours != theirs && wrong.len() < 20 {
                    wrong.push(format!(
                        "{policies}\nas {role}: {} {} {} {}\n  PostgreSQL: {theirs:?}\n  Pando:      {ours:?}",
                        asked.method, asked.url, asked.body, asked.prefer
                    ));
                }
            }
        }
    }
    assert!(expected.next().is_none());
    assert!(wrong.is_empty(), "of {compared} compared, wrong among others:\n{}", wrong.join("\n"));
    println!("{compared} compared, 0 leaks, 0 wrongly refused");
}
