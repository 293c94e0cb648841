//! Requests that both engines answer alike, against the binary on the embedded one; `postgres_columns.rs` asks the same of
//! a PostgreSQL server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use serde_json::{Value, json};
use testkit::{Launch, Project, Request, Server};

const SCHEMA: &str = "
    create table clients (id int primary key, name text, data jsonb);
    create table projects (id int primary key, client int references clients, name text);
    create table tasks (id int primary key, project int references projects);
    create table counters (id int primary key, count int, client int references clients);
    insert into clients values (1, 'Microsoft', '{\"c\": [1, {\"b\": 2}]}'), (2, 'Apple', null), (3, 'None', null);
    insert into projects values (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
    insert into tasks values (1, 1), (2, 2), (3, 3);
    insert into counters values (1, 10, 1), (2, 20, 1);
    create function all_projects() returns setof projects language sql stable as 'select * from projects';
    create function add_them(a int, b int) returns int language sql immutable as 'select a + b';
    create function add_client() returns int language sql volatile as 'insert into clients values (9, ''new'') returning id';
    grant insert on clients to anon;
    grant select on clients, projects, tasks, counters to anon;";

fn start(configuration: &str) -> (Project, Server) {
    let project = Project::of(&format!("[log]\nrequests = \"failed\"\n{configuration}"), SCHEMA);
    let server = Launch::new(env!("CARGO_BIN_EXE_pando")).start(&project);
    (project, server)
}

fn get(server: &Server, path: &str) -> Value {
    let answer = server.get(path);
    assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.text());
    answer.json()
}

#[test]
fn count_is_the_number_of_rows_where_no_column_is_called_so() {
    for configuration in ["", "[api]\naggregates = true\n"] {
        let (_project, server) = start(configuration);
        let embedded = json!([
            {"name": "Microsoft", "projects": [{"count": 2}]},
            {"name": "Apple", "projects": [{"count": 1}]},
            {"name": "None", "projects": [{"count": 0}]},
        ]);
        assert_eq!(get(&server, "/clients?select=name,projects(count)&order=id"), embedded);
        assert_eq!(get(&server, "/projects?select=count"), json!([{"count": 3}]));
        assert_eq!(get(&server, "/projects?select=total:count::text&id=gt.1"), json!([{"total": "2"}]));
        assert_eq!(get(&server, "/rpc/all_projects?select=count"), json!([{"count": 3}]));
        let counters = get(&server, "/clients?select=counters(count)&id=eq.1");
        assert_eq!(counters, json!([{"counters": [{"count": 10}, {"count": 20}]}]), "a column of that name is meant");
        let mixed = server.get("/projects?select=name,count");
        assert_eq!((mixed.status, mixed.code().as_str()), (400, "42803"), "{}", mixed.text());
        assert_eq!(server.get("/projects?count=eq.1").code(), "42703");
    }
}

#[test]
fn an_embed_of_nothing_but_empty_embeds_is_not_shown() {
    let (_project, server) = start("");
    let inner = "/tasks?select=id,projects!inner(clients!inner())&projects.clients.name=eq.Apple";
    assert_eq!(get(&server, inner), json!([{"id": 3}]));
    assert_eq!(get(&server, "/clients?select=name,projects(tasks())&id=eq.2"), json!([{"name": "Apple"}]));
    assert_eq!(get(&server, "/clients?select=name,...projects(tasks())&id=eq.2"), json!([{"name": "Apple"}]));
    assert_eq!(
        get(&server, "/clients?select=name,projects(id,tasks(projects()))&id=eq.2"),
        json!([{"name": "Apple", "projects": [{"id": 3}]}])
    );
}

#[test]
fn one_value_or_row_is_counted_as_one() {
    let (_project, server) = start("");
    let range = |request: Request| {
        let answer = server.client().send(&request.prefer("count=exact"));
        assert!(answer.status < 300, "{} {}", answer.status, answer.text());
        answer.header("content-range").map(str::to_owned)
    };
    let one = Some("0-0/1".to_owned());
    assert_eq!(range(Request::new("GET", "/rpc/add_them?a=3&b=4")), one);
    assert_eq!(range(Request::new("HEAD", "/rpc/add_them?a=3&b=4")), one);
    assert_eq!(range(Request::json("POST", "/rpc/add_them", &json!({"a": 3, "b": 4}))), one);
    assert_eq!(range(Request::json("POST", "/rpc/add_client", &json!({}))), one);
}

#[test]
fn nothing_has_members_that_an_arrow_has_made_text() {
    let (_project, server) = start("");
    assert_eq!(get(&server, "/clients?select=data->c->1->>b&id=eq.1"), json!([{"b": "2"}]));
    for (path, message) in [
        ("select=data->>c->1", "operator does not exist: text -> integer"),
        ("select=data->>c->>b", "operator does not exist: text ->> unknown"),
        ("select=id&data->>c->>1=eq.1", "operator does not exist: text ->> integer"),
        ("select=id&order=data->>c->b", "operator does not exist: text -> unknown"),
    ] {
        let answer = server.get(&format!("/clients?{path}"));
        assert_eq!((answer.status, answer.code().as_str()), (404, "42883"), "{path}: {}", answer.text());
        assert_eq!(answer.json()["message"], message, "{path}");
    }
}

#[test]
fn what_was_asked_before_is_not_planned_again() {
    let (_project, server) = start("[server]\nserver_timing = true\n");
    let ask = |path: &str| {
        let answer = server.get(path);
        let steps = answer.header("server-timing").unwrap().to_owned();
        (steps.contains("render"), answer.json().as_array().map(Vec::len))
    };
    for (first, rows, again, rows_again) in [
        ("/clients?id=eq.1", 1, "/clients?id=eq.9", 0),
        ("/clients?name=neq.Apple&id=gt.1", 1, "/clients?name=neq.known&id=gt.0", 3),
        ("/clients?select=id&name=eq.App%6Ce", 1, "/clients?select=id&name=eq.a%40+b:c", 0),
        ("/clients?or=(id.eq.1,id.eq.2)", 2, "/clients?or=(id.eq.1,id.eq.2)", 2),
        ("/clients?order=id", 3, "/clients?order=id", 3),
    ] {
        assert_eq!(ask(first), (true, Some(rows)), "{first}");
        assert_eq!(ask(again), (false, Some(rows_again)), "{again} after {first}");
    }
    assert_eq!(server.get("/clients?id=eq.x").code(), "22P02");
    assert_eq!(server.get("/clients?id=eq.99999999999").code(), "22003");
}
