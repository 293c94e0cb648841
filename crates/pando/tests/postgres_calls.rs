//! Calls of functions on a real PostgreSQL: which function a request means, what it is told when there is none, and what a
//! function says about its own answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;
use testkit::{Launch, Postgres, Project, Request, Server};

const SCHEMA: &str = "
    create role anon; create role gate login noinherit in role anon;
    create function words(variadic v text[] default '{}') returns text[] language sql stable as $$ select v $$;
    create function named(name text) returns text language sql stable as $$ select name $$;
    create function add_them(a integer, b integer) returns integer language sql stable as $$ select a + b $$;
    create function several(a integer) returns integer language sql stable as $$ select a $$;
    create function several(a integer, b integer, c integer) returns integer language sql stable as $$ select a $$;
    create function document(xml) returns text language sql stable as $$ select 'xml: ' || $1::text $$;
    create function takes_text(text) returns text language sql stable as $$ select 'text: ' || $1 $$;
    create function number(integer) returns integer language sql stable as $$ select $1 $$;
    create function either(json) returns text language sql stable as $$ select 'json' $$;
    create function either(jsonb) returns text language sql stable as $$ select 'jsonb' $$;
    create function costs() returns void language plpgsql as $$
        begin raise sqlstate 'PT402' using message = 'Pay Up Now'; end $$;
    create function teapot() returns void language plpgsql as $$
        begin
            raise sqlstate 'PGRST' using message = '{\"code\":\"X1\",\"message\":\"short and stout\"}',
                detail = '{\"status\":332,\"status_text\":\"My Custom Status\",\"headers\":{\"X-Pot\":\"tea\"}}';
        end $$;
    create function splits() returns void language plpgsql as $$
        begin raise sqlstate 'PT402' using message = E'one\\r\\nX-Smuggled: yes'; end $$;
    create table kept (id integer primary key, document json, binary_document jsonb);
    grant select, insert on kept to anon;
";

fn serve(test: &str) -> Option<(Postgres, Server)> {
    let postgres = Postgres::start_for(test)?;
    postgres.run(SCHEMA);
    let url = postgres.url("gate");
    let launch = Launch::new(env!("CARGO_BIN_EXE_pando"))
        .variable("PANDO_DATABASE_URL", &url)
        .variable("PANDO_DATABASE_MIGRATE_ON_START", "false");
    let server = launch.start(&Project::new(""));
    Some((postgres, server))
}

#[test]
fn a_body_chooses_the_function_that_takes_it() {
    let Some((_postgres, server)) = serve("a_body_chooses_the_function_that_takes_it") else { return };

    let send = |name: &str, kind: &str, body: &str| {
        let request = Request::new("POST", &format!("/rpc/{name}")).header("Content-Type", kind);
        server.client().send(&request.body(body.as_bytes().to_vec()))
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    assert_eq!(send("words", FORM, "v=hi&v=there").json(), json!(["hi", "there"]));
    assert_eq!(send("words", FORM, "v=hi").json(), json!(["hi"]));
    assert_eq!(send("named", FORM, "name=a&name=b").json(), json!("b"), "as in a query: the last one counts");
    assert_eq!(send("document", "text/xml", "<a>1</a>").json(), json!("xml: <a>1</a>"));
    assert_eq!(send("takes_text", "text/plain", "plain").json(), json!("text: plain"));
    for (name, kind) in [("takes_text", "text/xml"), ("document", "text/plain"), ("number", "text/plain")] {
        let refused = send(name, kind, "1");
        assert_eq!((refused.status, refused.json()["code"].as_str()), (404, Some("PGRST202")), "{name} {kind}");
        assert_eq!(refused.json()["message"], format!("Could not find the function public.{name} in the schema cache"));
        assert_eq!(refused.json()["hint"], json!(null));
    }
    // A table is another matter: which of two values was meant nobody can say.
    let twice =
        server.client().send(&Request::new("POST", "/kept").header("Content-Type", FORM).body(b"id=1&id=2".to_vec()));
    assert_eq!((twice.status, twice.json()["code"].as_str()), (400, Some("PGRST102")));
}

#[test]
fn who_misses_a_function_is_told_the_nearest() {
    let Some((_postgres, server)) = serve("who_misses_a_function_is_told_the_nearest") else { return };
    for (target, hint) in [
        ("/rpc/add_them?a=1&b=2&smthelse=blabla", "Perhaps you meant to call the function public.add_them(a, b)"),
        ("/rpc/several?a=1&b=2&wrong_arg=value", "Perhaps you meant to call the function public.several(a, b, c)"),
    ] {
        let answer = server.client().send(&Request::new("GET", target));
        assert_eq!((answer.status, answer.json()["hint"].as_str()), (404, Some(hint)), "{target}");
    }
    let either = server.client().send(&Request::json("POST", "/rpc/either", &json!({"A": 1})));
    let message =
        "Could not choose the best candidate function between: public.either( => json), public.either( => jsonb)";
    assert_eq!((either.status, either.json()["message"].as_str()), (300, Some(message)));
}

#[test]
fn a_function_chooses_the_words_beside_its_status() {
    let Some((_postgres, server)) = serve("a_function_chooses_the_words_beside_its_status") else { return };
    let head = |name: &str| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        write!(stream, "POST /rpc/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    assert!(head("costs").starts_with("HTTP/1.1 402 Pay Up Now\r\n"), "{}", head("costs"));
    assert!(head("teapot").starts_with("HTTP/1.1 332 My Custom Status\r\n"), "{}", head("teapot"));
    let split = head("splits");
    assert!(split.starts_with("HTTP/1.1 402 Payment Required\r\n"), "{split}");
    assert!(!split.to_lowercase().contains("\r\nx-smuggled"), "{split}");
}

#[test]
fn a_document_may_repeat_a_key() {
    let Some((_postgres, server)) = serve("a_document_may_repeat_a_key") else { return };
    let body = br#"{"id":1,"document":{"a":1,"a":2},"binary_document":{"a":1,"a":2}}"#;
    let request = Request::new("POST", "/kept").header("Prefer", "return=representation");
    let answer = server.client().send(&request.header("Content-Type", "application/json").body(body.to_vec()));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.text(), r#"[{"id":1,"document":{"a":1,"a":2},"binary_document":{"a": 2}}]"#);
}
