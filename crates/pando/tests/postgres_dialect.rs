//! What of PostgREST's dialect only a PostgreSQL server can do, against the binary on a real one: what surrounds the statement
//! of a request in its transaction, and the forms of its answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use serde_json::{Value, json};
use testkit::{Answer, Launch, Postgres, Project, Request, Server, is_skipped};

/// Who logs in and who asks, a table that can be asked for, and a function that tells settings.
const SCHEMA: &str = "
    create role gate login noinherit;
    create role anon; create role clerk; create role auditor;
    grant anon, clerk, auditor to gate;
    create schema inside; grant usage on schema inside to anon, clerk, auditor;
    create schema extra; grant usage on schema extra to anon, clerk;
    create table boats (id integer primary key, name text not null, length numeric, dock integer);
    create table docks (id integer primary key, name text);
    alter table boats add foreign key (dock) references docks;
    insert into docks values (1, 'north'), (2, 'south');
    insert into boats values (1, 'Ada', 4.5, 1), (2, 'Bo', 12, 2), (3, 'Cy', null, 1);
    grant select, insert, update, delete on boats, docks to anon, clerk;
    create function told(name text) returns text language sql stable as $$ select current_setting(name, true) $$;
    create function told_late(name text) returns text language sql volatile as $$ select current_setting(name, true) $$;
";

fn database(test: &str, more: &str) -> Option<Postgres> {
    let postgres = Postgres::start_for(test)?;
    postgres.run(SCHEMA);
    postgres.run(more);
    Some(postgres)
}

fn project(more: &str) -> Project {
    let file = "[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n\
                [log]\nrequests = \"failed\"\n";
    Project::new(&format!("{file}{more}"))
}

fn launch(postgres: &Postgres) -> Launch {
    let url = postgres.url("gate");
    Launch::new(env!("CARGO_BIN_EXE_pando"))
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
}

fn call(server: &Server, name: &str, arguments: Value) -> Answer {
    server.client().send(&Request::json("POST", &format!("/rpc/{name}"), &arguments))
}

const PRE_REQUEST: &str = "
    create table inside.visits (method text);
    grant insert on inside.visits to anon, clerk;
    create function inside.check_request() returns void language plpgsql as $$
    declare
      asked json := current_setting('request.headers', true)::json;
    begin
      case asked->>'x-want'
        when 'teapot' then raise sqlstate 'PT418' using message = 'no coffee here';
        when 'denied' then raise insufficient_privilege using message = 'not you';
        when 'json' then raise sqlstate 'PGRST' using
          message = '{\"code\": \"123\", \"message\": \"payment\"}', detail = '{\"status\": 402, \"headers\": {\"X-Till\": \"open\"}}';
        when 'headers' then
          perform set_config('response.headers', '[{\"X-Checked\": \"' || current_user || '\"}]', true);
          perform set_config('response.status', '202', true);
        when 'write' then insert into inside.visits values (current_setting('request.method'));
        else null;
      end case;
      perform set_config('app.tenant', 'from the check', true);
    end $$;";

#[test]
fn a_function_looks_at_every_request_first() {
    let Some(postgres) = database("a_function_looks_at_every_request_first", PRE_REQUEST) else { return };
    let project = project("[database]\npre_request = \"inside.check_request\"\n");
    let server = launch(&postgres).start(&project);
    assert!(!server.log().contains("there is no function"), "{}", server.log());
    let ask = |method: &str, want: &str, body: Option<Value>| {
        let request = match &body {
            Some(body) => Request::json(method, "/boats", body),
            None => Request::new(method, "/boats?id=eq.1&select=id"),
        };
        server.client().send(&request.header("X-Want", want).prefer("count=exact"))
    };
    let boat = json!({"id": 9, "name": "Di"});

    assert_eq!(ask("GET", "nothing", None).json(), json!([{"id": 1}]));
    for (method, body) in [("GET", None), ("POST", Some(boat.clone()))] {
        let teapot = ask(method, "teapot", body.clone());
        assert_eq!((teapot.status, teapot.code().as_str()), (418, "PT418"), "{}", teapot.text());
        let denied = ask(method, "denied", body.clone());
        assert_eq!((denied.status, denied.code().as_str()), (401, "42501"), "{}", denied.text());
        let own = ask(method, "json", body.clone());
        assert_eq!((own.status, own.header("x-till")), (402, Some("open")), "{}", own.text());
        let headers = ask(method, "headers", body);
        assert_eq!((headers.status, headers.header("x-checked")), (202, Some("anon")), "{}", headers.text());
    }
    assert_eq!(postgres.run("select count(*) from boats where id = 9"), "1\n", "of four writes one was let through");

    // A request that only reads cannot write there either; one that writes can, and it is one transaction.
    let refused = ask("GET", "write", None);
    assert_eq!((refused.status, refused.code().as_str()), (405, "25006"), "{}", refused.text());
    assert_eq!(ask("POST", "write", Some(boat)).status, 409, "the boat is there already");
    assert_eq!(postgres.run("select count(*) from inside.visits"), "0\n", "what fails leaves nothing behind");
    assert_eq!(ask("POST", "write", Some(json!({"id": 10, "name": "Ed"}))).status, 201);
    assert_eq!(postgres.run("select method from inside.visits"), "POST\n");

    // What it sets is there for the statement, and gone with the transaction.
    assert_eq!(server.get("/rpc/told?name=app.tenant").json(), "from the check");
    assert_eq!(call(&server, "told", json!({"name": "app.tenant"})).json(), "from the check");
}

/// Also where an answer is long and is begun anew to be streamed.
#[test]
fn a_long_answer_is_looked_at_too() {
    let Some(postgres) = database("a_long_answer_is_looked_at_too", PRE_REQUEST) else { return };
    postgres.run("insert into boats select id, 'x' from generate_series(100, 5000) id");
    let project = project("[database]\npre_request = \"inside.check_request\"\n[api]\nmax_rows = 0\n");
    let server = launch(&postgres).start(&project);
    let ask = |want: &str| server.client().send(&Request::new("GET", "/boats").header("X-Want", want));
    let headers = ask("headers");
    assert_eq!((headers.status, headers.header("x-checked")), (202, Some("anon")));
    assert_eq!(headers.json().as_array().unwrap().len(), 4_904);
    assert_eq!(ask("teapot").status, 418);
}

#[test]
fn a_function_that_is_not_there_is_named_and_lets_nobody_through() {
    let Some(postgres) = database("a_function_that_is_not_there_is_named_and_lets_nobody_through", "") else { return };
    let project = project("[database]\npre_request = \"inside.gone\"\n");
    let server = launch(&postgres).start(&project);
    assert!(server.log().contains("database.pre_request: there is no function inside.gone"), "{}", server.log());
    let refused = server.get("/boats");
    assert_eq!((refused.status, refused.code().as_str()), (404, "42883"), "{}", refused.text());
}

#[test]
fn what_a_role_has_set_for_itself_counts() {
    let Some(postgres) = database(
        "what_a_role_has_set_for_itself_counts",
        "alter role anon set statement_timeout = '300ms';
         alter role anon set timezone = 'Asia/Tokyo';
         alter role anon set client_encoding = 'LATIN1';
         alter role anon set log_duration = on;
         alter role anon set intervalstyle = 'iso_8601';
         alter role anon set bytea_output = 'escape';
         alter role anon set extra_float_digits = -3;
         create view printed as select interval '26 hours' as i, array[interval '26 hours'] as many, '\\x00ff'::bytea as b,
             array['\\x00ff'::bytea] as all_b, 0.1::float8 + 0.2::float8 as f, array[0.1::float8 + 0.2::float8] as all_f;
         create view padded as select 'ab'::char(5) as c, inet '1.2.3.4' as i, inet '10.1.0.0/16' as n, null::char(2) as e;
         grant select on printed, padded to anon;
         alter role anon set work_mem = '5MB';
         alter role anon in database postgres set work_mem = '6MB';
         alter role clerk set default_transaction_isolation = 'serializable';
         create table moments (at timestamptz); insert into moments values ('2024-01-01 00:00:00+00');
         grant select on moments to anon;
         create function nap() returns void language sql as $$ select pg_sleep(20) $$;",
    ) else {
        return;
    };
    let project = project("");
    let server = launch(&postgres).start(&project);
    let log = server.log();
    assert!(log.contains("warning: ALTER ROLE anon SET log_duration: "), "{log}");
    assert!(log.contains("warning: ALTER ROLE anon SET client_encoding: "), "{log}");

    assert!(log.contains("warning: ALTER ROLE anon SET IntervalStyle: "), "{log}");
    // Some of it PostgreSQL prints, some Pando: it has to look alike.
    let printed = r#"[{"i":"26:00:00","many":["26:00:00"],"b":"\\x00ff","all_b":["\\x00ff"],"f":0.30000000000000004,"all_f":[0.30000000000000004]}]"#;
    assert_eq!(server.get("/printed").text(), printed);
    let padded = server.client().send(&Request::new("GET", "/padded").header("Accept", "text/csv"));
    assert_eq!(padded.text(), "c,i,n,e\n\"ab   \",1.2.3.4,10.1.0.0/16,");

    let late = server.get("/rpc/nap");
    assert_eq!((late.status, late.code().as_str()), (500, "57014"), "{}", late.text());
    assert_eq!(server.get("/rpc/told?name=statement_timeout").json(), "300ms");
    assert_eq!(server.get("/rpc/told?name=work_mem").json(), "6MB", "what is said for the database counts more");
    assert_eq!(server.get("/rpc/told?name=client_encoding").json(), "UTF8");
    assert_eq!(server.get("/moments").json(), json!([{"at": "2024-01-01T09:00:00+09:00"}]));
    let asked = Request::new("GET", "/moments").prefer("timezone=UTC");
    assert_eq!(server.client().send(&asked).json(), json!([{"at": "2024-01-01T00:00:00+00:00"}]));

    let token = project.token(env!("CARGO_BIN_EXE_pando"), &["--role", "clerk"]);
    let level = |request: Request| server.client().send(&request.bearer(&token)).json();
    assert_eq!(level(Request::new("GET", "/rpc/told?name=transaction_isolation")), "serializable");
    let write = Request::json("POST", "/rpc/told_late", &json!({"name": "transaction_isolation"}));
    assert_eq!(level(write), "serializable");
    assert_eq!(level(Request::new("GET", "/rpc/told?name=transaction_read_only")), "on");
    // Nothing of one role's settings stays on a connection for the next.
    assert_eq!(level(Request::new("GET", "/rpc/told?name=work_mem")), "4MB");
    assert_eq!(level(Request::new("GET", "/rpc/told?name=statement_timeout")), "30s", "that of the configuration");
    let written = Request::json("POST", "/boats", &json!({"id": 20, "name": "Fi"})).bearer(&token);
    assert_eq!(server.client().send(&written).status, 201);
    assert_eq!(postgres.run("select name from boats where id = 20"), "Fi\n", "it is committed");
    let twice = Request::json("POST", "/boats", &json!({"id": 20, "name": "Fi"})).bearer(&token);
    assert_eq!(server.client().send(&twice).code(), "23505");
    drop(server);

    // The role that logs in has the last word on its own bound.
    postgres.run("alter role gate set statement_timeout = '7s'");
    let server = launch(&postgres).start(&project);
    let told = Request::new("GET", "/rpc/told?name=statement_timeout").bearer(&token);
    assert_eq!(server.client().send(&told).json(), "7s");
    assert_eq!(server.get("/rpc/told?name=statement_timeout").json(), "300ms");
}

/// From 15 on the right to set something can be granted to the role that logs in; then it counts for those it becomes.
#[test]
fn a_granted_setting_counts() {
    let Some(postgres) = database("a_granted_setting_counts", "") else { return };
    let version: u32 = postgres.run("show server_version_num").trim().parse().unwrap();
    if is_skipped("a_granted_setting_counts", version < 150_000, "PostgreSQL 15", "apt-get install postgresql-15") {
        return;
    }
    postgres.run(
        "alter role anon set log_min_duration_statement = 1001; grant set on parameter log_min_duration_statement to gate;",
    );
    let server = launch(&postgres).start(&project(""));
    assert_eq!(server.get("/rpc/told?name=log_min_duration_statement").json(), "1001ms");
    assert!(!server.log().contains("log_min_duration_statement"), "{}", server.log());
}

#[test]
fn what_a_function_has_set_counts_for_the_whole_transaction() {
    let Some(postgres) = database(
        "what_a_function_has_set_counts_for_the_whole_transaction",
        "create function nap(seconds float) returns void language sql
           set statement_timeout = '200ms' as $$ select pg_sleep(seconds) $$;
         create function level() returns text language plpgsql
           set default_transaction_isolation = 'REPEATABLE READ' set work_mem = '7MB'
           as $$ begin return current_setting('transaction_isolation'); end $$;
         create function rows_of() returns setof boats language sql stable
           set statement_timeout = '5s' as $$ select * from boats order by id $$;
         create function bound(boats) returns text language sql stable as $$ select current_setting('statement_timeout') $$;
         create function room(boats) returns text language sql stable as $$ select current_setting('work_mem') $$;
         alter role anon set default_transaction_isolation = 'serializable';",
    ) else {
        return;
    };
    let server = launch(&postgres).start(&project(""));
    for answer in [server.get("/rpc/nap?seconds=20"), call(&server, "nap", json!({"seconds": 20}))] {
        assert_eq!((answer.status, answer.code().as_str()), (500, "57014"), "{}", answer.text());
    }
    assert_eq!(server.get("/rpc/nap?seconds=0").status, 204);
    // The function's own level counts more than the role's.
    assert_eq!(server.get("/rpc/level").json(), "repeatable read");
    assert_eq!(call(&server, "level", json!({})).json(), "repeatable read");
    assert_eq!(server.get("/rpc/told?name=transaction_isolation").json(), "serializable");
    // Seen outside of the function: in the statement around it.
    let rows = server.get("/rpc/rows_of?select=bound,room&limit=1").json();
    assert_eq!(rows, json!([{"bound": "5s", "room": "4MB"}]));
    drop(server);

    let server = launch(&postgres).start(&project("[database]\nhoisted_settings = []\n"));
    assert_eq!(server.get("/rpc/rows_of?select=bound&limit=1").json(), json!([{"bound": "30s"}]));
    assert_eq!(server.get("/rpc/level").json(), "serializable");
}

/// Functions over rows and what functions call are found as PostgreSQL finds them: along the search path alone.
#[test]
fn names_are_looked_for_along_the_search_path() {
    let Some(postgres) = database(
        "names_are_looked_for_along_the_search_path",
        "create function extra.shout(boats) returns text language sql stable as $$ select upper($1.name) $$;
         create function inside.whisper(boats) returns text language sql stable as $$ select lower($1.name) $$;
         create function extra.twice(n integer) returns integer language sql immutable as $$ select 2 * n $$;
         create function calls_twice() returns integer language plpgsql stable as $$ begin return twice(21); end $$;",
    ) else {
        return;
    };
    let server = launch(&postgres).start(&project("[database]\nextra_search_path = [\"extra\"]\n"));
    let shouted = server.get("/boats?select=shout,docks(name)&shout=lt.C&order=shout.desc");
    assert_eq!(
        shouted.json(),
        json!([{"shout": "BO", "docks": {"name": "south"}}, {"shout": "ADA", "docks": {"name": "north"}}])
    );
    assert_eq!(server.get("/rpc/calls_twice").json(), 42);
    assert_eq!(server.get("/rpc/twice?n=1").code(), "PGRST202", "what is searched is not exposed by that");
    let lost = server.get("/boats?select=whisper");
    assert_eq!((lost.status, lost.code().as_str()), (400, "42703"), "{}", lost.text());
    drop(server);

    let server = launch(&postgres).start(&project("[database]\nextra_search_path = []\n"));
    assert_eq!(server.get("/boats?select=shout").code(), "42703");
    assert_eq!(server.get("/rpc/calls_twice").code(), "42883");
}

/// PostgREST makes arrays of the arrays inside: one of each member for every row of the outer spread.
#[test]
fn a_spread_of_many_inside_of_another_gives_arrays_of_arrays() {
    let Some(postgres) = database(
        "a_spread_of_many_inside_of_another_gives_arrays_of_arrays",
        "create table ropes (id integer primary key, boat integer references boats, length integer);
         insert into ropes values (1, 1, 10), (2, 1, 20), (3, 3, 30); grant select on ropes to anon;",
    ) else {
        return;
    };
    let server = launch(&postgres).start(&project(""));
    let path = "/docks?select=dock:name,...boats(boat:name,...ropes(rope:id,length))&order=id&boats.order=id&boats.ropes.order=id";
    assert_eq!(
        server.get(path).text(),
        r#"[{"dock":"north","boat":["Ada","Cy"],"rope":[[1,2],[3]],"length":[[10,20],[30]]},{"dock":"south","boat":["Bo"],"rope":[[]],"length":[[]]}]"#
    );
    let csv = server.client().send(&Request::new("GET", path).header("Accept", "text/csv"));
    assert_eq!(
        csv.text(),
        "dock,boat,rope,length\nnorth,\"[\"\"Ada\"\", \"\"Cy\"\"]\",\"[[1, 2], [3]]\",\"[[10, 20], [30]]\"\nsouth,\"[\"\"Bo\"\"]\",[[]],[[]]"
    );
}

/// What no engine does is not laid at the door of one that is not in use.
#[test]
fn what_is_not_supported_is_said_of_this_engine() {
    let Some(postgres) = database("what_is_not_supported_is_said_of_this_engine", "") else { return };
    let server = launch(&postgres).start(&project("[api]\naggregates = true\n"));
    let refused = server.get("/docks?select=id.sum(),boats(name)");
    assert_eq!(refused.code(), "0A000");
    assert_eq!(refused.json()["message"], "Grouping by the rows of 'boats' is not supported");
}

/// Rows that a function wrote are counted without calling it again.
#[test]
fn a_function_that_writes_is_called_once_however_its_rows_are_counted() {
    let Some(postgres) = database(
        "a_function_that_writes_is_called_once_however_its_rows_are_counted",
        "create table calls (id serial, n integer); grant select, insert on calls to anon;
         grant usage on sequence calls_id_seq to anon;
         create function note(wanted integer) returns setof calls language sql volatile as
           $$ insert into calls (n) select generate_series(1, wanted) returning * $$;",
    ) else {
        return;
    };
    let server = launch(&postgres).start(&project(""));
    for (calls, count) in [(1, "exact"), (2, "planned"), (3, "estimated")] {
        let request =
            Request::json("POST", "/rpc/note?limit=1", &json!({"wanted": 3})).prefer(&format!("count={count}"));
        let answer = server.client().send(&request);
        assert_eq!((answer.status, answer.json().as_array().unwrap().len()), (206, 1), "{count}: {}", answer.text());
        if count != "planned" {
            assert_eq!(answer.header("content-range"), Some("0-0/3"), "{count}");
        }
        assert_eq!(server.get("/calls?select=id").json().as_array().unwrap().len(), calls * 3, "{count}");
    }
    for (path, status, range) in [
        ("/rpc/note", 200, "0-2/3"),
        ("/rpc/note?limit=2&offset=1", 206, "1-2/3"),
        ("/rpc/note?n=gt.1&order=n.desc", 200, "0-1/2"),
        ("/rpc/note?offset=5", 416, "*/3"),
        ("/rpc/note?n=gt.9", 200, "*/0"),
    ] {
        let request = Request::json("POST", path, &json!({"wanted": 3})).prefer("count=exact");
        let answer = server.client().send(&request);
        assert_eq!((answer.status, answer.header("content-range")), (status, Some(range)), "{path}: {}", answer.text());
    }
    let written = server.get("/calls?select=id").json().as_array().unwrap().len();
    assert_eq!(written, 9 + 5 * 3, "each call wrote once");
}
