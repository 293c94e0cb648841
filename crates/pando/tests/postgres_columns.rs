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
