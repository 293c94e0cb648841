//! What functions at `/rpc` take and give on a real PostgreSQL, against the binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod stage;

use serde_json::{Value, json};
use stage::Stage;
use testkit::Request;

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
