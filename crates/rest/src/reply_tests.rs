//! The answers' heads; `tests/corpus.rs` compares them with all recorded ones.

use std::sync::Arc;

use super::*;
use crate::settings::{Limits, Settings, TransactionEnd};
use crate::{Incoming, parse};

fn request(line: &str, prefer: &str, body: &str) -> ApiRequest {
    let (method, address) = line.split_once(' ').unwrap();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut headers = HeaderMap::new();
    headers.insert("prefer", prefer.parse().unwrap());
    let settings = Settings {
        schemas: vec![Arc::from("public"), Arc::from("ops")],
        legacy_schema_error: false,
        openapi_enabled: true,
        transaction_end: TransactionEnd::Commit,
        limits: Limits::default(),
    };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let body = Bytes::copy_from_slice(body.as_bytes());
    parse(Incoming { method: &method, path, query, headers: &headers, body }, &settings).unwrap()
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

#[test]
fn statuses_and_ranges() {
    for (line, prefer, body, rows, total, inserted, status, range) in [
        ("GET /zones", "", "", 6, None, None, 200, "0-5/*"),
        ("GET /zones", "", "", 0, None, None, 200, "*/*"),
        ("GET /zones?limit=5&offset=58", "count=exact", "", 2, Some(60), None, 206, "58-59/60"),
        ("GET /zones?offset=60", "count=exact", "", 0, Some(60), None, 206, "*/60"),
        ("GET /zones?limit=0&offset=99", "count=exact", "", 0, Some(60), None, 206, "*/60"),
        ("GET /zones", "count=exact", "", 0, Some(0), None, 200, "*/0"),
        ("POST /zones", "", "{}", 1, None, None, 201, "*/*"),
        ("POST /zones", "count=exact", "[{},{}]", 2, None, None, 201, "*/2"),
        ("POST /zones", "resolution=merge-duplicates", "[{}]", 1, None, Some(0), 200, "*/*"),
        ("POST /zones", "resolution=merge-duplicates", "[{}]", 1, None, Some(1), 201, "*/*"),
        ("POST /zones", "resolution=ignore-duplicates", "[{}]", 0, None, Some(0), 201, "*/*"),
        ("PATCH /zones", "", "{}", 2, None, None, 204, "0-1/*"),
        ("PATCH /zones", "return=representation", "{}", 0, None, None, 200, "*/*"),
        ("DELETE /zones", "count=exact", "", 2, None, None, 204, "*/2"),
        ("PUT /zones?code=eq.A", "return=representation", "{}", 1, None, Some(1), 201, ""),
        ("PUT /zones?code=eq.A", "return=representation", "{}", 1, None, Some(0), 200, ""),
        ("PUT /zones?code=eq.A", "", "{}", 1, None, Some(1), 204, ""),
    ] {
        let outcome = Outcome {
            rows,
            total,
            inserted,
            location: None,
            is_void: false,
            resolution_applied: true,
            ..Outcome::default()
        };
        let head = head(&request(line, prefer, body), &outcome).unwrap();
        assert_eq!(
            (head.status.as_u16(), text(&head.headers, "content-range")),
            (status, range.to_owned()),
            "{line} {prefer}"
        );
    }
}

#[test]
fn a_page_beyond_the_rows() {
    let request = request("GET /parcels?offset=61", "count=exact", "");
    let outcome = Outcome { rows: 0, total: Some(60), ..Outcome::default() };
    let failure = head(&request, &outcome).unwrap_err();
    let reply = refuse(&failure, Some(&request), ErrorForm::Plain);
    assert_eq!(reply.head.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(text(&reply.head.headers, "content-range"), "*/60");
    assert_eq!(text(&reply.head.headers, "preference-applied"), "count=exact");
    assert_eq!(text(&reply.head.headers, "content-location"), "/parcels?offset=61");
    assert_eq!(
        reply.body,
        r#"{"code":"PGRST103","details":"An offset of 61 was requested, but there are only 60 rows.","hint":null,"message":"Requested range not satisfiable"}"#
    );
}

#[test]
fn locations() {
    let request = request("POST /Lost%20Found", "return=headers-only", "{}");
    let key = [("item no", Some("A&b c/é")), ("x", None)];
    let key = key.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).to_vec();
    let outcome = Outcome { rows: 1, location: Some(key), ..Outcome::default() };
    let head = head(&request, &outcome).unwrap();
    assert_eq!(text(&head.headers, "location"), "/Lost%20Found?item%20no=eq.A%26b%20c%2F%C3%A9&x=is.null");
    assert_eq!(text(&head.headers, "content-type"), "");
}

#[test]
fn a_name_cannot_break_out_of_a_header() {
    let request = request("GET /a%0D%0ASet-Cookie:x", "", "");
    let head = head(&request, &Outcome::default()).unwrap();
    assert_eq!(text(&head.headers, "content-location"), "/a%0D%0ASet-Cookie:x");
}

#[test]
fn refusals() {
    let failure = Failure::new(Kind::Unauthenticated, "PGRST303", "JWT \"x\" expired")
        .with_json_details(serde_json::json!([{"a": 1}]))
        .with_hint("sign in")
        .with_inside("secret")
        .with_retry_after(3);
    let reply = refuse(&failure, None, ErrorForm::Plain);
    assert_eq!(reply.head.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        text(&reply.head.headers, "www-authenticate"),
        "Bearer error=\"invalid_token\", error_description=\"JWT \\\"x\\\" expired\""
    );
    assert_eq!(text(&reply.head.headers, "proxy-status"), "PostgREST; error=PGRST303");
    assert_eq!(text(&reply.head.headers, "retry-after"), "3");
    assert_eq!(reply.body, r#"{"code":"PGRST303","details":[{"a":1}],"hint":"sign in","message":"JWT \"x\" expired"}"#);
    let anonymous = refuse(&Failure::new(Kind::Unauthenticated, "42501", "permission denied"), None, ErrorForm::Plain);
    assert_eq!(text(&anonymous.head.headers, "www-authenticate"), "Bearer");
}

#[test]
fn a_refused_method_is_told_the_others() {
    let allow = |failure: &Failure| text(&refuse(failure, None, ErrorForm::Plain).head.headers, "allow").to_owned();
    let of = |code: &'static str| allow(&Failure::new(Kind::MethodNotAllowed, code, "no"));
    assert_eq!(of("PGRST117"), "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE");
    assert_eq!(of("PGRST101"), "OPTIONS,GET,HEAD,POST");
    assert_eq!(of("25006"), "OPTIONS,POST");
    assert_eq!(allow(&Failure::from(crate::fault::Fault::MethodOnRoot("POST".into()))), "OPTIONS,GET,HEAD");
    let other = refuse(&Failure::new(Kind::BadRequest, "PGRST100", "no"), None, ErrorForm::Plain);
    assert!(!other.head.headers.contains_key("allow"));
}

#[test]
fn the_answer_to_options() {
    let reply = options(&[Method::GET, Method::HEAD]);
    assert_eq!(text(&reply.head.headers, "allow"), "OPTIONS,GET,HEAD");
    assert!(reply.body.is_empty());
}

#[test]
fn an_error_that_a_schema_raises_does_not_frame_its_answer() {
    let mut failure = Failure::new(Kind::BadRequest, "123", "oh");
    let headers = [("Content-Length", "3"), ("connection", "close"), ("X-Pot", "stout")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    failure.custom = Some(Box::new(base::CustomAnswer { status: 418, reason: None, headers }));
    let reply = refuse(&failure, None, ErrorForm::Plain);
    assert_eq!((reply.head.status.as_u16(), &reply.head.headers["x-pot"]), (418, &HeaderValue::from_static("stout")));
    assert!(!reply.head.headers.contains_key("content-length") && !reply.head.headers.contains_key("connection"));
    failure.custom = Some(Box::new(base::CustomAnswer { status: 100, ..base::CustomAnswer::default() }));
    assert_eq!(refuse(&failure, None, ErrorForm::Plain).head.status.as_u16(), 400);
}
