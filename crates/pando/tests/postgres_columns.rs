//! Columns and rows as PostgREST's dialect has them on a real PostgreSQL, against the binary: what is computed, what a
//! domain looks like outside, what only the server knows the name of, and what functions give.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use serde_json::{Value, json};
use testkit::{Answer, Launch, Postgres, Project, Request, Server, is_skipped};

/// A server over a database with the tables of a test, all of which `anon` may use.
struct Stage {
    server: Server,
    postgres: Postgres,
    _project: Project,
}

impl Stage {
    /// `None` where there is no PostgreSQL.
    fn set(test: &str, schema: &str) -> Option<Self> {
        Self::set_with(test, schema, "")
    }

    fn set_with(test: &str, schema: &str, configuration: &str) -> Option<Self> {
        let postgres = Postgres::start();
        if is_skipped(test, postgres.is_none(), "PostgreSQL", "install it: apt-get install postgresql") {
            return None;
        }
        let postgres = postgres.unwrap();
        postgres.run(
            "create role gate login noinherit; create role anon; grant anon to gate;
             alter default privileges in schema public grant all on tables to anon",
        );
        postgres.run(schema);
        let project = Project::new(&format!("[log]\nrequests = \"failed\"\n{configuration}"));
        let folder = postgres.socket_folder().display();
        let url = format!("postgres://gate@/postgres?host={folder}&port={}", postgres.port());
        let server = Launch::new(env!("CARGO_BIN_EXE_pando"))
            .variable("PANDO_DATABASE_URL", &url)
            .variable("PANDO_DATABASE_MIGRATE_ON_START", "false")
            .start(&project);
        Some(Self { server, postgres, _project: project })
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.server.get(path);
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// The status and code of a refusal.
    fn refusal(&self, path: &str) -> (u16, String) {
        let answer = self.server.get(path);
        (answer.status, answer.code())
    }

    fn send(&self, request: &Request) -> Answer {
        self.server.client().send(request)
    }

    /// A write that answers its rows.
    fn write(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.send(&Request::json(method, path, body).prefer("return=representation"));
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text());
        answer.json()
    }
}

#[test]
fn what_a_function_computes_of_a_written_row_is_of_that_row() {
    let Some(stage) = Stage::set(
        "what_a_function_computes_of_a_written_row_is_of_that_row",
        "create table accounts (zid int primary key, dropped text, owner_id int, a_parent int,
                                twice int generated always as (owner_id * 2) stored, pando_row text);
         alter table accounts drop column dropped;
         create view visible as select * from accounts;
         create table parts (id int primary key, account int references accounts);
         create function itself(accounts) returns setof accounts rows 1 language sql stable as 'select $1.*';
         create function parts_of(accounts) returns setof parts language sql stable
           as 'select * from parts where account = $1.zid order by id';
         create function itself(visible) returns setof visible rows 1 language sql stable as 'select $1.*';
         create function label(accounts) returns text language sql stable as 'select ''#'' || $1.zid';
         insert into accounts values (1, 2, 3); insert into parts values (7, 1), (8, 1);",
    ) else {
        return;
    };
    assert_eq!(stage.get("/accounts?select=itself(zid,twice)"), json!([{"itself": {"zid": 1, "twice": 4}}]));
    let row = json!({"zid": 1, "owner_id": 2, "a_parent": 4, "twice": 4, "pando_row": null});
    let mut whole = row.clone();
    whole["itself"] = row.clone();
    let set = json!({"a_parent": 4});
    assert_eq!(stage.write("PATCH", "/accounts?zid=eq.1&select=*,itself(*)", &set), json!([whole]));
    assert_eq!(
        stage.write("PATCH", "/accounts?zid=eq.1&select=label,itself(pando_row,zid),...parts_of(parts:id)", &set),
        json!([{"label": "#1", "itself": {"pando_row": null, "zid": 1}, "parts": [7, 8]}])
    );
    let inner = "/accounts?zid=eq.1&select=zid,parts_of!inner(id)&parts_of.id=eq.8";
    assert_eq!(stage.write("PATCH", inner, &set), json!([{"zid": 1, "parts_of": [{"id": 8}]}]));
    let added = stage.write("POST", "/accounts?select=zid,itself(owner_id,twice)", &json!({"zid": 5, "owner_id": 6}));
    assert_eq!(added, json!([{"zid": 5, "itself": {"owner_id": 6, "twice": 12}}]));
    let merge = Request::json("POST", "/accounts?select=itself(a_parent)", &json!({"zid": 5, "a_parent": 9}))
        .prefer("return=representation,resolution=merge-duplicates");
    assert_eq!(stage.send(&merge).json(), json!([{"itself": {"a_parent": 9}}]));
    let seen = stage.write("PATCH", "/visible?zid=eq.5&select=itself(zid,a_parent)", &json!({"a_parent": 10}));
    assert_eq!(seen, json!([{"itself": {"zid": 5, "a_parent": 10}}]));
    let nothing = stage.write("PATCH", "/accounts?select=itself(zid)", &json!({}));
    assert_eq!(nothing, json!([]));
    let gone =
        stage.send(&Request::new("DELETE", "/accounts?zid=eq.5&select=itself(zid)").prefer("return=representation"));
    assert_eq!(gone.json(), json!([{"itself": {"zid": 5}}]));

    // The function is given the whole row: who may not read it all may not ask for it.
    stage.postgres.run("revoke select on accounts from anon; grant select (zid, a_parent) on accounts to anon");
    let narrow = Request::json("PATCH", "/accounts?zid=eq.1&select=zid", &set).prefer("return=representation");
    assert_eq!(stage.send(&narrow).json(), json!([{"zid": 1}]));
    let wide = Request::json("PATCH", "/accounts?zid=eq.1&select=itself(zid)", &set).prefer("return=representation");
    let refused = stage.send(&wide);
    assert_eq!((refused.status, refused.code().as_str()), (401, "42501"), "{}", refused.text());
    assert_eq!(stage.refusal("/accounts?select=itself(zid)"), (401, "42501".to_owned()));
}

#[test]
fn a_domain_is_shown_and_read_as_its_casts_say() {
    let Some(stage) = Stage::set_with(
        "a_domain_is_shown_and_read_as_its_casts_say",
        "create domain color as integer check (value between 0 and 16777215);
         create function color_text(color) returns text language sql immutable
           as $$ select '#' || lpad(upper(to_hex($1)), 6, '0') $$;
         create function color_json(color) returns json language sql immutable as $$ select to_json(color_text($1)) $$;
         create function color_from_text(text) returns color language sql immutable
           as $$ select (('x' || lpad(replace($1, '#', ''), 8, '0'))::bit(32)::int)::color $$;
         create function color_from_json(json) returns color language sql immutable
           as $$ select color_from_text($1 #>> '{}') $$;
         create cast (color as json) with function color_json(color) as implicit;
         create cast (json as color) with function color_from_json(json) as implicit;
         create cast (text as color) with function color_from_text(text) as implicit;
         create domain plain as integer;
         create table paints (id int primary key, shade color default 15, other plain, name text);
         insert into paints values (1, 0, 5, 'black'), (2, 256, 6, 'dark'), (3, 123456, 7, 'blue'), (4, null, 8, 'none');
         create view shown as select id, shade from paints;
         create table cans (id int primary key, paint int references paints);
         insert into cans values (1, 2);
         create function all_paints() returns setof paints language sql stable as 'select * from paints order by id';
         create function count_paints(shade color) returns color language sql stable as 'select $1';",
        "[api]\naggregates = true\n",
    ) else {
        return;
    };
    assert_eq!(stage.get("/paints?select=id,shade&id=eq.2"), json!([{"id": 2, "shade": "#000100"}]));
    let whole = json!([{"id": 2, "shade": "#000100", "other": 6, "name": "dark"}]);
    assert_eq!(stage.get("/paints?id=eq.2"), whole);
    assert_eq!(stage.get("/shown?id=in.(3,4)&select=c:shade&order=id"), json!([{"c": "#01E240"}, {"c": null}]));
    assert_eq!(stage.get("/cans?select=paints(shade)"), json!([{"paints": {"shade": "#000100"}}]));
    assert_eq!(stage.get("/paints?select=cans(id),shade&id=eq.2"), json!([{"cans": [{"id": 1}], "shade": "#000100"}]));
    assert_eq!(stage.get("/rpc/all_paints?select=shade&id=eq.3"), json!([{"shade": "#01E240"}]));
    assert_eq!(stage.get("/paints?select=shade&order=shade.desc.nullslast&limit=1"), json!([{"shade": "#01E240"}]));
    // A cast is of what is shown.
    assert_eq!(stage.get("/paints?select=shade::text&id=eq.2"), json!([{"shade": "\"#000100\""}]));
    // What is folded and what makes a group is what the column holds.
    assert_eq!(stage.get("/paints?select=shade.count(),shade.max()"), json!([{"count": 3, "max": 123456}]));
    let groups = stage.get("/paints?select=shade,id.max()&order=shade.desc.nullslast&limit=1");
    assert_eq!(groups, json!([{"shade": "#01E240", "max": 3}]));

    for (filter, ids) in [
        ("shade=eq.000100", json!([2])),
        ("shade=not.eq.%23000100", json!([1, 3])),
        ("shade=gt.000100", json!([3])),
        ("shade=in.(000100,01E240)", json!([2, 3])),
        ("shade=not.in.(000100,01E240)", json!([1])),
        ("shade=is.null", json!([4])),
        ("shade=eq(any).{000100,01E240}", json!([2, 3])),
        ("shade=isdistinct.256", json!([1, 3, 4])),
        ("or=(shade.eq.000100,id.eq.4)", json!([2, 4])),
        ("other=eq.6", json!([2])),
    ] {
        let rows = stage.get(&format!("/paints?select=id&order=id&{filter}"));
        let found: Vec<Value> = rows.as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
        assert_eq!(json!(found), ids, "{filter}");
    }

    let body = json!([{"id": 10, "shade": "#001100"}, {"id": 11, "shade": null}]);
    let added = stage.write("POST", "/paints?select=id,shade", &body);
    assert_eq!(added, json!([{"id": 10, "shade": "#001100"}, {"id": 11, "shade": null}]));
    assert_eq!(stage.postgres.run("select shade from paints where id in (10, 11) order by id"), "4352\n\n");
    let changed = stage.write("PATCH", "/paints?shade=eq.001100&select=*", &json!({"shade": "#00FF00"}));
    assert_eq!(changed, json!([{"id": 10, "shade": "#00FF00", "other": null, "name": null}]));
    assert_eq!(
        stage.write("PATCH", "/shown?id=eq.10", &json!({"shade": "#0000FF"})),
        json!([{"id": 10, "shade": "#0000FF"}])
    );
    let merged = Request::json("POST", "/paints?select=id,shade", &json!([{"id": 10, "shade": "#000001"}]))
        .prefer("return=representation,resolution=merge-duplicates");
    assert_eq!(stage.send(&merged).json(), json!([{"id": 10, "shade": "#000001"}]));
    let put = stage.write("PUT", "/paints?id=eq.12&select=shade", &json!({"id": 12, "shade": "#00000A"}));
    assert_eq!(put, json!([{"shade": "#00000A"}]));
    let missing = Request::json(
        "POST",
        "/paints?columns=id,shade,name&select=id,shade",
        &json!([{"id": 20}, {"id": 21, "shade": "#000002"}]),
    )
    .prefer("return=representation,missing=default");
    assert_eq!(stage.send(&missing).json(), json!([{"id": 20, "shade": "#00000F"}, {"id": 21, "shade": "#000002"}]));
    // The domain's own check still has a word.
    let wrong = stage.send(&Request::json("POST", "/paints", &json!({"id": 30, "shade": "#1000000"})));
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "23514"), "{}", wrong.text());
}

/// Only casts that happen by themselves, through a function that the caller's login may run.
#[test]
fn other_casts_of_a_domain_say_nothing() {
    let Some(stage) = Stage::set(
        "other_casts_of_a_domain_say_nothing",
        "create domain shade as integer; create domain hidden as integer;
         create function shade_json(shade) returns json language sql immutable as $$ select '\"shade\"'::json $$;
         create function hidden_json(hidden) returns json language sql immutable as $$ select '\"hidden\"'::json $$;
         create cast (shade as json) with function shade_json(shade) as assignment;
         create cast (hidden as json) with function hidden_json(hidden) as implicit;
         revoke execute on function hidden_json(hidden) from public;
         create table spots (a shade, b hidden); insert into spots values (1, 2);",
    ) else {
        return;
    };
    assert_eq!(stage.get("/spots"), json!([{"a": 1, "b": 2}]));
}

/// As supabase-js has always asked for it: `select('*, comments(count)')`.
#[test]
fn count_is_the_number_of_rows_where_no_column_is_called_so() {
    const SCHEMA: &str = "
        create table clients (id int primary key, name text);
        create table projects (id int primary key, client int references clients, name text);
        create table counters (id int primary key, count int, client int references clients);
        insert into clients values (1, 'Microsoft'), (2, 'Apple'), (3, 'None');
        insert into projects values (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
        insert into counters values (1, 10, 1), (2, 20, 1);
        create function all_projects() returns setof projects language sql stable as 'select * from projects';";
    for configuration in ["", "[api]\naggregates = true\n"] {
        let Some(stage) =
            Stage::set_with("count_is_the_number_of_rows_where_no_column_is_called_so", SCHEMA, configuration)
        else {
            return;
        };
        let embedded = json!([
            {"name": "Microsoft", "projects": [{"count": 2}]},
            {"name": "Apple", "projects": [{"count": 1}]},
            {"name": "None", "projects": [{"count": 0}]},
        ]);
        assert_eq!(stage.get("/clients?select=name,projects(count)&order=id"), embedded);
        let filtered = stage.get("/clients?select=*,n:projects(count)&projects.name=eq.a&id=eq.1");
        assert_eq!(filtered, json!([{"id": 1, "name": "Microsoft", "n": [{"count": 1}]}]));
        assert_eq!(stage.get("/projects?select=count"), json!([{"count": 3}]));
        assert_eq!(stage.get("/projects?select=total:count::text&id=gt.1"), json!([{"total": "2"}]));
        assert_eq!(stage.get("/rpc/all_projects?select=count"), json!([{"count": 3}]));
        let counters = stage.get("/clients?select=counters(count)&id=eq.1");
        assert_eq!(counters, json!([{"counters": [{"count": 10}, {"count": 20}]}]), "a column of that name is meant");
        assert_eq!(stage.refusal("/projects?select=name,count"), (400, "42803".to_owned()));
        assert_eq!(stage.refusal("/projects?count=eq.1").0, 400);
    }
}

#[test]
fn lengths_that_a_function_does_not_have_cut_nothing() {
    let Some(stage) = Stage::set(
        "lengths_that_a_function_does_not_have_cut_nothing",
        "create function fch(c char(3)) returns text language sql immutable as 'select $1::text || ''!''';
         create function fbit(b bit(3)) returns bit varying language sql immutable as 'select $1';
         create function fchs(cs char(3)[], bs bit(3)[]) returns text language sql immutable
           as 'select array_to_string($1, ''-'') || array_to_string($2, ''-'')';
         create function many(variadic cs char(3)[]) returns text language sql immutable
           as 'select array_to_string($1, ''-'')';",
    ) else {
        return;
    };
    let post = |name: &str, body: Value| stage.send(&Request::json("POST", &format!("/rpc/{name}"), &body)).json();
    assert_eq!(stage.get("/rpc/fch?c=ab"), json!("ab!"));
    assert_eq!(post("fch", json!({"c": "abc"})), json!("abc!"));
    assert_eq!(stage.get("/rpc/fbit?b=101"), json!("101"));
    assert_eq!(post("fbit", json!({"b": "011"})), json!("011"));
    assert_eq!(post("fchs", json!({"cs": ["ab", "cd"], "bs": ["101"]})), json!("ab-cd101"));
    assert_eq!(stage.get("/rpc/many?cs=ab&cs=cd"), json!("ab-cd"));
}

#[test]
fn an_embed_of_nothing_but_empty_embeds_is_not_shown() {
    let Some(stage) = Stage::set(
        "an_embed_of_nothing_but_empty_embeds_is_not_shown",
        "create table clients (id int primary key, name text);
         create table projects (id int primary key, client int references clients);
         create table tasks (id int primary key, project int references projects);
         insert into clients values (1, 'Apple'), (2, 'Other');
         insert into projects values (1, 1), (2, 2);
         insert into tasks values (1, 1), (2, 2), (3, 1);",
    ) else {
        return;
    };
    let inner = stage.get("/tasks?select=id,projects!inner(clients!inner())&projects.clients.name=eq.Apple&order=id");
    assert_eq!(inner, json!([{"id": 1}, {"id": 3}]));
    assert_eq!(stage.get("/clients?select=name,projects(tasks())&id=eq.1"), json!([{"name": "Apple"}]));
    assert_eq!(stage.get("/clients?select=name,...projects(tasks())&id=eq.1"), json!([{"name": "Apple"}]));
    assert_eq!(
        stage.get("/clients?select=name,projects(id,tasks(projects()))&id=eq.1"),
        json!([{"name": "Apple", "projects": [{"id": 1}]}])
    );
}

#[test]
fn a_function_may_give_records_of_any_columns() {
    let Some(stage) = Stage::set(
        "a_function_may_give_records_of_any_columns",
        "create table projects (id int primary key, name text, client_id int);
         insert into projects values (1, 'Windows 7', 1), (2, 'Windows 10', 1);
         create function one_record() returns record language sql as 'select * from projects where id = 1';
         create function some_records() returns setof record language sql as 'select * from projects order by id';
         create function record_of(wanted int) returns record language sql stable
           as 'select p.id, p.name, p.client_id from projects p where id = wanted';",
    ) else {
        return;
    };
    let row = json!({"id": 1, "name": "Windows 7", "client_id": 1});
    let post = |name: &str, body: Value| stage.send(&Request::json("POST", &format!("/rpc/{name}"), &body)).json();
    assert_eq!(post("one_record", json!({})), row);
    assert_eq!(stage.get("/rpc/one_record"), row);
    let rows = json!([row, {"id": 2, "name": "Windows 10", "client_id": 1}]);
    assert_eq!(post("some_records", json!({})), rows);
    assert_eq!(stage.get("/rpc/some_records?limit=1"), json!([row]));
    assert_eq!(stage.get("/rpc/record_of?wanted=1"), row);
    assert_eq!(post("record_of", json!({"wanted": 1})), row);
    assert_eq!(stage.get("/rpc/record_of?wanted=9"), Value::Null);
    let counted = stage.send(&Request::new("GET", "/rpc/some_records").prefer("count=exact"));
    assert_eq!(counted.header("content-range"), Some("0-1/2"));
}

#[test]
fn one_value_or_row_is_counted_as_one() {
    let Some(stage) = Stage::set(
        "one_value_or_row_is_counted_as_one",
        "create table calls (id serial, at timestamptz default now());
         grant all on sequence calls_id_seq to anon;
         create function notes() returns setof int language sql volatile
           as 'insert into calls select from generate_series(1, 5) returning id';
         create table projects (id int primary key, name text);
         insert into projects values (1, 'a');
         create function add_them(a int, b int) returns int language sql immutable as 'select $1 + $2';
         create function note() returns int language sql volatile as 'insert into calls default values returning id';
         create function project() returns projects language sql stable as 'select * from projects limit 1';
         create function nobody() returns void language sql as '';",
    ) else {
        return;
    };
    let range = |request: Request| {
        let answer = stage.send(&request.prefer("count=exact"));
        assert!(answer.status < 300, "{} {}", answer.status, answer.text());
        answer.header("content-range").map(str::to_owned)
    };
    let one = Some("0-0/1".to_owned());
    assert_eq!(range(Request::new("GET", "/rpc/add_them?a=3&b=4")), one);
    assert_eq!(range(Request::new("HEAD", "/rpc/add_them?a=3&b=4")), one);
    assert_eq!(range(Request::json("POST", "/rpc/add_them", &json!({"a": 3, "b": 4}))), one);
    assert_eq!(range(Request::new("GET", "/rpc/project")), one);
    assert_eq!(range(Request::json("POST", "/rpc/note", &json!({}))), one);
    assert_eq!(stage.postgres.run("select count(*) from calls"), "1\n", "to count it, it is not called again");
    let notes = || Request::json("POST", "/rpc/notes", &json!({}));
    assert_eq!(range(notes()), Some("0-4/5".to_owned()));
    assert_eq!(stage.postgres.run("select count(*) from calls"), "6\n", "nor are many rows");
    let page = Request::json("POST", "/rpc/notes?limit=2&offset=1", &json!({}));
    assert_eq!(range(page), Some("1-2/5".to_owned()));
    assert_eq!(range(Request::new("GET", "/rpc/project?id=eq.9")), Some("*/0".to_owned()));
}
