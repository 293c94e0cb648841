//! JSON Schema of columns, on both engines: what is refused and how it is told, what the contract says, and schemas that are none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a panic is how a test fails, and a test may wait"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Answer, Launch, Postgres, Project, Request, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_pando");

const CONFIGURATION: &str =
    "[auth]\njwt_secret = \"a-secret-of-more-than-thirty-two-characters\"\n[database]\nseed = \"\"\n";

const SCHEMA: &str = r##"
create table climb (
  id integer primary key,
  grade integer check (grade > 0),
  details jsonb,
  tags json not null default '[]'
);
comment on column climb.details is 'What the setter says.
@schema {
  "type": "object", "required": ["holds"], "additionalProperties": false,
  "properties": {"holds": {"type": "integer", "minimum": 1}, "colour": {"enum": ["red", "blue"]}, "setter": {"$ref": "#/$defs/person"}},
  "$defs": {"person": {"type": "object", "properties": {"mail": {"format": "email"}, "code": {"pattern": "^[a-z]{2}$"}}}}
}';
comment on column climb.tags is '@schema {"type": "array", "items": {"type": "string"}, "maxItems": 2}';
create view shown as select id, details, tags from climb;
grant select, insert, update, delete on climb, shown to anon;
"##;

fn write(server: &Server, method: &str, path: &str, body: &Value, accept: Option<&str>) -> Answer {
    let request = Request::json(method, path, body).prefer("return=representation");
    let request = match accept {
        Some(accept) => request.header("Accept", accept),
        None => request,
    };
    server.client().send(&request)
}

fn documents(server: &Server) {
    let good =
        json!({"id": 1, "grade": 3, "details": {"holds": 5, "setter": {"mail": "a@example.com"}}, "tags": ["x"]});
    assert_eq!(write(server, "POST", "/climb", &good, None).status, 201);
    // NULL is no document, and what is not given is not looked at.
    assert_eq!(write(server, "POST", "/climb", &json!({"id": 2, "details": null}), None).status, 201);
    let wrong = json!({"id": 3, "details": {"holds": 0, "setter": {"code": "ABC"}, "more": "secret"}});
    let refused = write(server, "POST", "/climb", &wrong, None);
    assert_eq!((refused.status, refused.code()), (400, "23514".to_owned()), "{}", refused.text());
    let told = refused.json();
    let message = told["message"].as_str().unwrap();
    assert!(message.starts_with("column \"details\" of relation \"climb\" violates its JSON Schema"), "{message}");
    for pointer in ["\"/holds\": ", "\"/setter/code\": "] {
        assert!(told["details"].as_str().unwrap().contains(pointer), "{told}");
    }
    assert!(told.get("errors").is_none() && !refused.text().contains("secret"), "{told}");

    // All of it, row by row and column by column, beside what else is wrong.
    let rows = json!([
        {"id": 4, "grade": 1, "details": {"holds": 1}, "tags": []},
        {"id": 5, "grade": -1, "details": {"holds": "many"}, "tags": ["a", 2, "c"]},
    ]);
    let problem = write(server, "POST", "/climb", &rows, Some("application/problem+json"));
    assert_eq!(problem.status, 400);
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    let problem = problem.json();
    assert_eq!((&problem["status"], &problem["code"]), (&json!(400), &json!("23514")));
    let errors = problem["errors"].as_array().unwrap();
    let mut found: Vec<(u64, String, Value)> = errors
        .iter()
        .map(|error| {
            (error["row"].as_u64().unwrap(), error["columns"][0].as_str().unwrap().to_owned(), error["pointer"].clone())
        })
        .collect();
    found.sort_by_key(|(row, column, pointer)| (*row, column.clone(), pointer.to_string()));
    let expected = [
        (1, "details".to_owned(), json!("/holds")),
        (1, "grade".to_owned(), Value::Null),
        (1, "tags".to_owned(), json!("")),
        (1, "tags".to_owned(), json!("/1")),
    ];
    assert_eq!(found, expected, "{problem}");
    assert_eq!(server.get("/climb?id=in.(4,5)").json(), json!([]), "all or nothing");

    // Every way to write it.
    let wrong = json!({"holds": 0});
    let upsert =
        Request::json("POST", "/climb", &json!({"id": 1, "details": wrong})).prefer("resolution=merge-duplicates");
    for request in [
        Request::json("PATCH", "/climb?id=eq.1", &json!({"details": wrong})),
        Request::json("PUT", "/climb?id=eq.1", &json!({"id": 1, "grade": 1, "details": wrong, "tags": []})),
        Request::json("PATCH", "/shown?id=eq.1", &json!({"details": wrong})),
        Request::json("POST", "/shown", &json!({"id": 9, "details": wrong})),
        Request::json("POST", "/climb?columns=id,details", &json!([{"id": 9, "details": wrong}])),
        Request::new("POST", "/climb").header("Content-Type", "text/csv").body("id,details\n9,x\n"),
        upsert,
    ] {
        let refused = server.client().send(&request);
        assert_eq!((refused.status, refused.code()), (400, "23514".to_owned()), "{request:?} {}", refused.text());
    }
    let kept = server.get("/climb?select=details->holds&id=eq.1").json();
    assert_eq!(kept, json!([{"holds": 5}]));
    let changed = write(server, "PATCH", "/climb?id=eq.1", &json!({"details": {"holds": 7}}), None);
    assert_eq!((changed.status, &changed.json()[0]["details"]), (200, &json!({"holds": 7})));
}

fn contract(project: &Project, arguments: &[&str]) {
    let run = |what: &[&str]| {
        let (code, out, error) = project.run(BINARY, &[what, arguments].concat());
        assert_eq!(code, 0, "{error}");
        out
    };
    let types = run(&["types", "ts"]);
    let person = "setter?: { code?: Json; mail?: Json; [key: string]: Json | undefined }";
    assert!(
        types.contains(&format!("details: {{ colour?: \"red\" | \"blue\"; holds: number; {person} }} | null")),
        "{types}"
    );
    assert!(types.contains("tags?: (string)[]"), "{types}");
    let openapi: Value = serde_json::from_str(&run(&["openapi", "--role", "anon"])).unwrap();
    let schemas = &openapi["components"]["schemas"];
    let reference = "#/components/schemas/climb.json.details";
    assert_eq!(schemas["climb"]["properties"]["details"]["anyOf"], json!([{"$ref": reference}, {"type": "null"}]));
    assert_eq!(schemas["climb"]["properties"]["details"]["description"], "What the setter says.");
    assert_eq!(schemas["climb.json.details"]["required"], json!(["holds"]));
    assert_eq!(schemas["climb.json.details"]["$id"], "urn:pando:json:climb.json.details");
    assert!(
        schemas["shown"]["properties"]["tags"]["anyOf"][0]["$ref"].is_string()
            || schemas["shown"]["properties"]["tags"]["allOf"][0]["$ref"].is_string()
    );
}

#[test]
fn documents_fit_on_the_embedded_engine() {
    let project = Project::of(CONFIGURATION, SCHEMA);
    documents(&Launch::new(BINARY).start(&project));
    contract(&project, &[]);
}

#[test]
fn documents_fit_on_postgresql() {
    let Some(postgres) = Postgres::start_for("documents_fit_on_postgresql") else { return };
    let project = Project::of(CONFIGURATION, SCHEMA);
    let url = format!("database.url={}", postgres.url("postgres"));
    let (code, out, error) = project.run(BINARY, &["bootstrap", "--url", &postgres.url("postgres")]);
    assert_eq!(code, 0, "{out}{error}");
    let server = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &postgres.url("postgres")).start(&project);
    documents(&server);
    contract(&project, &["--set", &url]);

    // One that comes while it is served counts with the next reading of the catalog; one that is none changes nothing.
    postgres.run("comment on column climb.tags is '@schema {\"maxItems\": 0}'");
    let wrong = json!({"id": 20, "tags": ["a"]});
    until("it counts", || write(&server, "POST", "/climb", &wrong, None).status == 400);
    postgres.run("comment on column climb.tags is '@schema {\"maxItems\": \"many\"}'");
    let line = server.wait_for("catalog-not-loaded");
    assert!(line.to_string().contains("climb.tags"), "{line}");
    assert_eq!(write(&server, "POST", "/climb", &wrong, None).status, 400, "the former goes on");
    server.stop();
    let refusal = Launch::new(BINARY).variable("PANDO_DATABASE_URL", &postgres.url("postgres")).refused(&project);
    assert!(format!("{refusal:?}").contains("climb.tags"), "{refusal:?}");
}

#[test]
fn what_is_no_schema_is_refused_with_its_migration() {
    for (comment, expected) in [
        ("comment on column t.d is '@schema {\"type\": \"objekt\"}';", "no JSON Schema"),
        ("comment on column t.d is '@schema {\"$ref\": \"https://example.com/x.json\"}';", "no JSON Schema"),
        ("comment on column t.d is '@schema details.json';", "no JSON"),
        ("comment on column t.id is '@schema {}';", "json and jsonb"),
        ("comment on column t.d is '@schema {}'; alter table t alter column d type text;", "json and jsonb"),
    ] {
        let project =
            Project::of(CONFIGURATION, &format!("create table t (id integer primary key, d jsonb);\n{comment}"));
        let (code, out, error) = project.run(BINARY, &["migrate", "check"]);
        let refusal = format!("{:?}", Launch::new(BINARY).refused(&project));
        assert!(refusal.contains(expected), "{comment}: {refusal}");
        if !comment.contains("alter table") {
            assert!(code != 0 && format!("{out}{error}").contains("0001"), "{comment}: {out}{error}");
        }
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}: it never came true");
        std::thread::sleep(Duration::from_millis(50));
    }
}
