//! What one request does to its session on a real PostgreSQL, and what the next one on the same connection sees of it: nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use serde_json::{Value, json};
use testkit::{Cluster, Launch, Postgres, Project, Request, Server};

const SCHEMA: &str = "
    create role anon; create role clerk; create role gate login noinherit; grant anon, clerk to gate;
    create schema inside; grant usage on schema inside to anon, clerk;
    create table letters (id integer primary key, owner text);
    insert into letters values (1, 'alice');
    grant select, insert on letters to anon;
    alter table letters enable row level security;
    -- As Supabase's own auth.uid() does: the older setting first.
    create policy own on letters for select to anon using (owner = coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''), current_setting('request.jwt.claims', true)::json ->> 'sub'));
    create policy any_new on letters for insert to anon with check (true);
    create function keep(name text, value text) returns text language sql volatile as $$ select set_config(name, value, false) $$;
    create function keep_stable(name text, value text) returns text language plpgsql stable as $$
        begin perform set_config(name, value, false); return value; end $$;
    create function told(name text) returns text language sql stable as $$ select current_setting(name, true) $$;
    create function session() returns integer language sql stable as $$ select pg_backend_pid() $$;
    create function leaves_table() returns void language plpgsql as $$
        begin create temp table letters as select 1 as id, 'mine'::text as owner; end $$;
    create function holds_rows() returns void language plpgsql as $$
        begin execute 'declare kept cursor with hold for select 1'; end $$;
    create function cursors() returns bigint language sql stable as $$ select count(*) from pg_cursors where name = 'kept' $$;
    create table numbered (id serial primary key); grant insert, select on numbered to anon;
    grant usage on sequence numbered_id_seq to anon;
    create function last_number() returns bigint language plpgsql stable as $$
        begin return lastval(); exception when object_not_in_prerequisite_state then return null; end $$;
    create function locks() returns void language sql as $$ select pg_advisory_lock(7) $$;
    create function becomes() returns void language plpgsql as $$ begin set role clerk; end $$;
    create function stays() returns trigger language plpgsql as $$
        begin perform set_config('request.jwt.claim.sub', 'alice', false); return new; end $$;
    create table checked (id serial primary key, name text check (keep_stable('request.jwt.claim.sub', name) is not null));
    grant insert on checked to anon; grant usage on sequence checked_id_seq to anon;
    create domain kept as text check (value is null or keep_stable('request.jwt.claim.sub', value) is not null);
    create domain over_kept as kept;
    create table of_domains (name over_kept, names kept[], held boolean default pg_try_advisory_lock(77));
    grant insert on of_domains to anon;
    create trigger stays before insert on letters for each row execute function stays();
    create table plain (id integer primary key, name text); grant insert, select, update on plain to anon;
    create table odd (id integer); grant insert on odd to anon;
    create table forgetful (id integer primary key, name text); grant insert, select, update on forgetful to anon;
    create function forgets() returns trigger language plpgsql as $$ begin deallocate all; return new; end $$;
    create trigger forgets before insert or update on forgetful for each row execute function forgets();
    create function inside.zoned() returns void language plpgsql as $$
        begin
            if current_setting('request.headers', true)::json ->> 'x-zone' is not null then
                perform set_config('timezone', current_setting('request.headers', true)::json ->> 'x-zone', true);
            end if;
        end $$;
    create view moments as select timestamptz '2024-01-01 00:00:00+00' as at from generate_series(1, 2);
    grant select on moments to anon, clerk;
";

fn serve(test: &str, configuration: &str) -> Option<(Postgres, Server)> {
    serve_on(Cluster::new(), test, configuration)
}

fn serve_on(cluster: Cluster, test: &str, configuration: &str) -> Option<(Postgres, Server)> {
    let postgres = cluster.start_for(test)?;
    postgres.run(SCHEMA);
    let url = postgres.url("gate");
    // One connection: everybody is the next one on it.
    let launch = Launch::new(env!("CARGO_BIN_EXE_pando"))
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_CONNECTIONS", "1")
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false");
    let project = Project::new(configuration);
    let server = launch.start(&project);
    Some((postgres, server))
}

fn call(server: &Server, name: &str, arguments: Value) -> Value {
    let answer = server.client().send(&Request::json("POST", &format!("/rpc/{name}"), &arguments));
    assert!(answer.status < 300, "{name}: {}", answer.text());
    if answer.status == 204 { Value::Null } else { answer.json() }
}

#[test]
fn nothing_of_a_session_is_left_for_the_next_request() {
    let Some((postgres, server)) = serve("nothing_of_a_session_is_left_for_the_next_request", "") else { return };
    let session = server.get("/rpc/session").json();
    let told = |name: &str| server.get(&format!("/rpc/told?name={name}")).json();
    assert_eq!(server.get("/letters").json(), json!([]));
    call(&server, "keep", json!({"name": "request.jwt.claim.sub", "value": "alice"}));
    assert_eq!(server.get("/letters").json(), json!([]), "nobody has become alice");
    server.get("/rpc/keep_stable?name=request.jwt.claim.sub&value=alice");
    assert_eq!(server.get("/letters").json(), json!([]));
    let before = told("statement_timeout");
    call(&server, "keep", json!({"name": "statement_timeout", "value": "0"}));
    assert_eq!(told("statement_timeout"), before, "the bound is there again");
    call(&server, "leaves_table", json!({}));
    assert_eq!(server.get("/letters").json(), json!([]), "the table of that name is the one of the schema");
    call(&server, "becomes", json!({}));
    assert_eq!(told("role"), "anon");
    call(&server, "holds_rows", json!({}));
    assert_eq!(server.get("/rpc/cursors").json(), 0);
    assert_eq!(server.client().send(&Request::json("POST", "/numbered", &json!({}))).status, 201);
    assert_eq!(server.get("/rpc/last_number").json(), Value::Null, "another client's number");
    let twice =
        Request::json("POST", "/numbered?columns=id", &json!([{"id": 70}, {}, {"id": 70}])).prefer("missing=default");
    assert_eq!(server.client().send(&twice).status, 409);
    assert_eq!(server.get("/rpc/last_number").json(), Value::Null, "nor one that was drawn in vain");
    // Checks, domains and defaults do as they like.
    for (table, row) in [
        ("checked", json!({"name": "alice"})),
        ("of_domains", json!({"name": "alice"})),
        ("of_domains", json!({"names": ["alice"]})),
    ] {
        let written = Request::json("POST", &format!("/{table}"), &row);
        assert_eq!(server.client().send(&written).status, 201, "{table}");
        assert_eq!(server.get("/letters").json(), json!([]), "{row} in {table}");
    }
    call(&server, "locks", json!({}));
    assert_eq!(server.get("/letters").json(), json!([]));
    assert_eq!(postgres.run("select count(*) from pg_locks where locktype = 'advisory'"), "0\n");
    // A trigger does so as well.
    let written = Request::json("POST", "/letters", &json!({"id": 2, "owner": "bob"}));
    assert_eq!(server.client().send(&written).status, 201);
    assert_eq!(server.get("/letters").json(), json!([]));
    // What it began with stands, and the connection was the same all the time.
    assert_eq!(told("bytea_output"), "hex");
    assert_eq!(server.get("/rpc/session").json(), session);
}

/// Once is enough, however its transaction ends.
#[test]
fn a_session_is_cleaned_once() {
    let cluster = Cluster::new().setting("log_statement", "all");
    let configuration = "api.transaction_end = \"commit-allow-override\"\n";
    let Some((postgres, server)) = serve_on(cluster, "a_session_is_cleaned_once", configuration) else { return };
    let mut client = server.client();
    let row = |id: i32| Request::json("POST", "/plain", &json!({"id": id, "name": "a"}));
    let patch = |id: i32| Request::json("PATCH", &format!("/plain?id=eq.{id}"), &json!({"name": "b"}));
    let put = Request::json("PUT", "/plain?id=eq.9", &json!({"id": 9, "name": "c"}));
    let ways = [
        ("with the flight", row(1), 201),
        ("once it is known how many", patch(1).prefer("handling=strict, max-affected=1"), 204),
        ("once it is known that it is the one", put, 204),
        ("undone", row(2).prefer("tx=rollback"), 201),
        ("refused", row(1), 409),
        ("on a condition", patch(1).header("if-match", "*"), 204),
        ("of a call", Request::json("POST", "/rpc/told", &json!({"name": "role"})), 200),
    ];
    let cleaned = || postgres.log().matches("DISCARD TEMP").count();
    for (way, request, status) in ways {
        let before = cleaned();
        let answer = client.send(&request);
        assert_eq!(answer.status, status, "{way}: {}", answer.text());
        assert_eq!(server.get("/plain?id=eq.0").json(), json!([]));
        assert_eq!(cleaned() - before, 1, "{way}");
    }
}

/// What a trigger leaves behind cannot keep the session from being cleaned: neither what is called in the place of the system's functions, nor
/// what is prepared in the place of others' statements.
#[test]
fn nothing_that_is_left_keeps_a_session_from_being_cleaned() {
    let test = "nothing_that_is_left_keeps_a_session_from_being_cleaned";
    let Some((postgres, server)) = serve(test, "") else { return };
    postgres.run(
        "create schema evil; grant usage on schema evil to public; create table evil.notes (id integer); grant insert on evil.notes to public;
         create function evil.later() returns trigger language plpgsql as $$
             begin perform set_config('request.jwt.claim.sub', 'alice', false); return null; end $$;
         create constraint trigger later after insert on evil.notes deferrable initially deferred
             for each row execute function evil.later();
         create function evil.pg_current_wal_flush_lsn() returns pg_lsn language plpgsql as $$
             begin insert into evil.notes values (1); return '0/1'; end $$;
         create function evil.replaces() returns trigger language plpgsql as $$
             declare it record;
             begin
                 perform set_config('search_path', 'evil, pg_catalog', false);
                 perform set_config('request.jwt.claim.sub', 'alice', false);
                 for it in select name from pg_prepared_statements where statement ~ '^(CLOSE|RESET|UNLISTEN|DISCARD|COMMIT|ROLLBACK)' loop
                     execute format('deallocate %I', it.name);
                     execute format('prepare %I as select where false', it.name);
                 end loop;
                 return new;
             end $$;
         create trigger odd before insert on odd for each row execute function evil.replaces();",
    );
    let mut client = server.client();
    for round in 0..3 {
        let written = client.send(&Request::json("POST", "/odd", &json!({"id": round})));
        assert_eq!(written.status, 201, "{}", written.text());
        assert_eq!(server.get("/letters").json(), json!([]), "round {round}");
        // What is acknowledged is kept, in whichever way its transaction ends.
        let row = json!({"id": round, "name": "a"});
        assert_eq!(client.send(&Request::json("POST", "/plain", &row)).status, 201);
        let patch = Request::json("PATCH", &format!("/plain?id=eq.{round}"), &json!({"name": "b"}));
        assert_eq!(client.send(&patch.prefer("handling=strict, max-affected=1")).status, 204);
        assert_eq!(postgres.run(&format!("select name from plain where id = {round}")), "b\n");
    }
}

/// A trigger that forgets what is prepared takes the end of its own transaction with it, and the cleaning.
#[test]
fn what_a_trigger_forgets_is_prepared_anew() {
    let Some((_postgres, server)) = serve("what_a_trigger_forgets_is_prepared_anew", "") else { return };
    let mut client = server.client();
    for id in 0..4 {
        let prepared = Request::json("POST", "/plain", &json!({"id": id, "name": "a"}));
        assert_eq!(client.send(&prepared).status, 201);
        let prepared = Request::json("PATCH", &format!("/plain?id=eq.{id}"), &json!({"name": "b"}));
        assert_eq!(client.send(&prepared.prefer("handling=strict, max-affected=1")).status, 204);
        let row = Request::json("POST", "/forgetful", &json!({"id": id, "name": "a"}));
        assert_eq!(client.send(&row).status, 201);
        let patch = Request::json("PATCH", &format!("/forgetful?id=eq.{id}"), &json!({"name": "b"}));
        let answer = client.send(&patch.prefer("handling=strict, max-affected=1"));
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert_eq!(server.get(&format!("/forgetful?id=eq.{id}&select=name")).json(), json!([{"name": "b"}]));
    }
}

#[test]
fn the_zone_that_a_function_before_the_request_sets_counts() {
    const TEST: &str = "the_zone_that_a_function_before_the_request_sets_counts";
    let Some((_postgres, server)) = serve(TEST, "[database]\npre_request = \"inside.zoned\"\n") else {
        return;
    };
    let at = |zone: &str| {
        let answer = server.client().send(&Request::new("GET", "/moments?limit=1").header("X-Zone", zone));
        answer.json()[0]["at"].as_str().map(str::to_owned)
    };
    assert_eq!(at("Asia/Tokyo").as_deref(), Some("2024-01-01T09:00:00+09:00"));
    assert_eq!(at("<+05:30>-05:30").as_deref(), Some("2024-01-01T05:30:00+05:30"));
    let none = server.get("/moments?limit=1").json();
    assert_eq!(none[0]["at"], "2024-01-01T00:00:00+00:00");
}

#[test]
fn the_metrics_name_the_engine_and_its_pool() {
    let Some((_postgres, server)) = serve("the_metrics_name_the_engine_and_its_pool", "") else { return };
    server.get("/letters");
    let metrics = server.admin("/metrics").text();
    assert!(metrics.contains("db_system_name=\"postgresql\""), "{metrics}");
    assert!(metrics.contains("db_client_connection_max{db_client_connection_pool_name=\"primary\"} 1"), "{metrics}");
}
