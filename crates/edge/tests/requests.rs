//! What requests get from the front door.
#![allow(missing_docs)]

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{PATIENCE, Reply, Server};
use edge::AllowedOrigins;

#[test]
fn the_api_is_mounted_twice() {
    let server = Server::plain();
    for (path, expected) in [
        ("/zones?select=code&limit=1", "/zones"),
        ("/rest/v1/zones?select=code&limit=1", "/zones"),
        ("/rest/v1?select=code&limit=1", "/"),
        ("/rest/v1/?select=code&limit=1", "/"),
        ("/rest/v1/rpc/f?select=code&limit=1", "/rpc/f"),
        ("/a%20b?select=code&limit=1", "/a%20b"),
    ] {
        let json = server.get(path, "").json();
        assert_eq!((&json["path"], &json["query"]), (&expected.into(), &"select=code&limit=1".into()), "{path}");
    }
    for path in ["/storage/v1/object", "/storage/v1", "/realtime/v1/x", "/functions/v1/hello"] {
        let reply = server.get(path, "");
        assert_eq!((reply.status, reply.code().as_str()), (404, "PANDO404"), "{path}");
        assert!(reply.json()["message"].as_str().unwrap().contains("not available"));
        assert!(reply.json()["hint"].is_string() && reply.json().get("details").is_some());
    }
}

#[test]
fn location_stays_as_the_service_gives_it() {
    let server = Server::plain();
    let reply =
        server.send("POST /rest/v1/created HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!((reply.status, reply.header("location")), (201, Some("/zones?code=eq.A")));
    assert_eq!((reply.header("content-length"), reply.body.len()), (Some("0"), 0));
}

#[test]
fn exactly_one_proper_host() {
    let server = Server::plain();
    for (hosts, status) in [
        ("Host: a\r\n", 200),
        ("Host: [::1]:8000\r\n", 200),
        ("", 400),
        ("Host:\r\n", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a, b\r\n", 400),
        ("Host: user@a\r\n", 400),
        ("Host: a/b\r\n", 400),
    ] {
        let reply = server.send(&format!("GET /zones HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"));
        assert_eq!(reply.status, status, "{hosts:?}");
        if status == 400 {
            assert_eq!(reply.code(), "PANDO400");
        }
    }
    assert_eq!(server.send("GET /zones HTTP/1.0\r\n\r\n").status, 200);
    // Refused even when the client wants to go on: what follows may be somebody else's request.
    let reply = server.send("GET /zones HTTP/1.1\r\n\r\nGET /zones HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
    assert!(!reply.text().contains("HTTP/1.1"));
}

#[test]
fn ids_and_timings() {
    let server = Server::plain();
    let reply = server.get("/zones", "X-Request-Id: mine-1\r\n");
    assert_eq!(reply.header("x-request-id"), Some("mine-1"));
    assert_eq!(reply.header("server"), Some("pando"));
    let timing = reply.header("server-timing").unwrap();
    assert!(
        timing.starts_with("parse;dur=0.") && timing.contains(", run;dur=") && timing.contains(", total;dur="),
        "{timing}"
    );
    let made = server.get("/zones", "X-Request-Id: not <sane>\r\n");
    let made = made.header("x-request-id").unwrap();
    assert!(made.len() == 16 && made.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
    for refused in [server.get("/storage/v1", ""), server.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")] {
        assert!(refused.header("x-request-id").is_some() && refused.header("server-timing").is_some());
    }
    let quiet = Server::start(|config| config.server_timing = false);
    assert_eq!(quiet.get("/zones", "").header("server-timing"), None);
}

#[test]
fn a_request_is_logged_and_counted_by_its_template() {
    let server = Server::plain();
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nX-Request-Id: mine-2\r\n";
    server.get("/rest/v1/very-secret-name?code=eq.very-secret-value", parent);
    server.wait_for_metric("http_server_active_requests 0");
    let log = server.log();
    let line = log.iter().find(|line| line["event.action"] == "request-finished").unwrap();
    for (name, expected) in [
        ("url.path", "/{relation}"),
        ("http.request.id", "mine-2"),
        ("trace.id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("pando.relation", "zones"),
        ("event.outcome", "success"),
    ] {
        assert_eq!(line[name], expected, "{name}");
    }
    let metrics = server.admin("GET", "/metrics");
    let metrics = metrics.text();
    let count = "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/{relation}\",http_response_status_code=\"200\"} 1";
    assert!(metrics.contains(count), "{metrics}");
    assert!(metrics.contains("# {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"}"));
    assert!(!format!("{log:?}{metrics}").contains("very-secret"));
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let server = Server::plain();
    let get = server.get("/zones", "");
    let head = server.send("HEAD /zones HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-type"), get.header("content-type"));
    // The fake's body names the method, which is one letter longer.
    assert_eq!(head.header("content-length").unwrap().parse::<usize>().unwrap(), get.body.len() + 1);
    let refused = server.send("HEAD /storage/v1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!((refused.status, refused.body.len()), (404, 0));
    let unsized_body = server.send("HEAD /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!((unsized_body.status, unsized_body.body.len()), (200, 0));
}

#[test]
fn many_requests_on_one_connection() {
    let server = Server::plain();
    let mut stream = server.connect();
    for number in 0..5 {
        write!(stream, "POST /zones?n={number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        let json = Reply::read_one(&mut stream).json();
        assert_eq!((&json["query"], &json["body"]), (&format!("n={number}").into(), &"body".into()));
    }
    // Chunked, in two pieces.
    stream.write_all(b"POST /zones HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").unwrap();
    stream.write_all(b"4\r\ndefg\r\n0\r\n\r\n").unwrap();
    assert_eq!(Reply::read_one(&mut stream).json()["body"], "abcdefg");
}

#[test]
fn streamed_bodies() {
    let server = Server::plain();
    let reply = server.get("/stream", "");
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.text(), "6\r\npiece,\r\n6\r\npiece,\r\n6\r\npiece,\r\n0\r\n\r\n");
    // Without its last chunk the client cannot take it for a whole one.
    let mut stream = server.connect();
    stream.write_all(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes);
    assert!(!String::from_utf8_lossy(&bytes).ends_with("0\r\n\r\n"));
    server.wait_for_metric("http_server_active_requests 0");
    let log = server.log();
    let outcomes: Vec<_> = log
        .iter()
        .filter(|line| line["event.action"] == "request-finished")
        .map(|line| line["event.outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["success", "failure"]);
}

#[test]
fn a_panic_is_one_failed_request() {
    let server = Server::plain();
    let mut stream = server.connect();
    stream.write_all(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let reply = Reply::read_one(&mut stream);
    assert_eq!((reply.status, reply.code().as_str()), (500, "PANDO500"));
    assert!(!reply.text().contains("value that nobody"));
    stream.write_all(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(Reply::read_one(&mut stream).status, 200);
    server.wait_for_metric("pando_request_panics_total 1");
    let log = format!("{:?}", server.log());
    assert!(log.contains("request-panicked") && !log.contains("value that nobody"));
}

#[test]
fn cross_origin_requests_are_answered_as_postgrest_does() {
    let any = Server::plain();
    let listed = Server::start(|config| {
        config.origins = AllowedOrigins::List(vec!["http://shop.test".to_owned(), "http://desk.test".to_owned()]);
    });
    // (server, request line, headers, status, allow-origin, credentials, methods)
    let methods = Some("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");
    let post = "Access-Control-Request-Method: POST\r\n";
    for (server, request, origin, more, allowed, credentials, allow_methods) in [
        (&any, "GET /zones", Some("http://shop.test"), "", Some("*"), None, None),
        (&any, "GET /zones", Some("null"), "", Some("*"), None, None),
        (&any, "GET /storage/v1", Some("http://shop.test"), "", Some("*"), None, None),
        (&any, "GET /zones", None, "", None, None, None),
        (&any, "OPTIONS /zones", None, "", Some("*"), None, None),
        (&any, "OPTIONS /zones", Some("http://shop.test"), post, Some("*"), None, methods),
        (&any, "OPTIONS /nowhere", Some("http://shop.test"), post, Some("*"), None, methods),
        (&listed, "GET /zones", Some("http://shop.test"), "", Some("http://shop.test"), Some("true"), None),
        (&listed, "GET /zones", Some("http://desk.test"), "", Some("http://desk.test"), Some("true"), None),
        (&listed, "GET /zones", Some("http://evil.test"), "", None, None, None),
        (&listed, "GET /zones", None, "", None, None, None),
        (&listed, "OPTIONS /zones", Some("http://desk.test"), post, Some("http://desk.test"), Some("true"), methods),
        (&listed, "OPTIONS /zones", Some("http://evil.test"), post, None, None, None),
    ] {
        let origin_line = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
        let reply =
            server.send(&format!("{request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{origin_line}{more}\r\n"));
        let case = format!("{request} from {origin:?} {more}");
        assert_eq!(reply.header("access-control-allow-origin"), allowed, "{case}");
        assert_eq!(reply.header("access-control-allow-credentials"), credentials, "{case}");
        assert_eq!(reply.header("access-control-allow-methods"), allow_methods, "{case}");
        assert_eq!(reply.header("access-control-max-age"), allow_methods.map(|_| "86400"), "{case}");
        if allow_methods.is_some() {
            assert_eq!((reply.status, reply.text(), reply.header("content-type")), (200, "", None), "{case}");
        }
        let exposes = reply.header("access-control-expose-headers").is_some();
        assert_eq!(exposes, origin.is_some() && allowed.is_some() && allow_methods.is_none(), "{case}");
    }
}

#[test]
fn the_admin_address() {
    let server = Server::plain();
    let metrics = server.admin("GET", "/metrics");
    assert_eq!(metrics.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(metrics.text().ends_with("# EOF\n"));
    for (method, path, status) in [
        ("GET", "/", 200),
        ("GET", "/live", 200),
        ("HEAD", "/live", 200),
        ("GET", "/ready", 200),
        ("GET", "/zones", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/", 405),
        ("GET", "/reload", 405),
        // What a page in a browser could send: without the header that makes it ask first.
        ("POST", "/reload", 403),
    ] {
        assert_eq!(server.admin(method, path).status, status, "{method} {path}");
    }
    // A page may have led a name of its own here; what an operator types into his browser, or a scraper asks by, is answered.
    let ask = |host: &str, mark: &str| {
        let raw = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{mark}\r\n");
        common::exchange(server.admin, &raw).status
    };
    let browser = "Accept-Language: en\r\n";
    for near in ["127.0.0.1:9187", "[::1]:9187", "192.0.2.1", "localhost:1", "a.localhost", "pando:9187"] {
        assert_eq!(ask(near, browser), 200, "{near}");
    }
    for mark in [browser, "Origin: http://evil.test\r\n", "Sec-Fetch-Site: same-origin\r\n"] {
        assert_eq!(ask("evil.test:9187", mark), 403, "{mark}");
    }
    assert_eq!(ask("pando.internal.test:9187", ""), 200);
    *server.ready.lock() = Err("the database is being opened");
    let reply = server.admin("GET", "/ready");
    assert_eq!((reply.status, &reply.json()["reason"]), (503, &"the database is being opened".into()));
    assert_eq!(server.admin("GET", "/live").status, 200);
    // The API's address knows nothing of it.
    assert_eq!(server.get("/metrics", "").json()["path"], "/metrics");
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let server = tokio::task::spawn_blocking(Server::plain).await.unwrap();
    let socket = tokio::net::TcpStream::connect(server.api).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    for (number, text) in ["body".to_owned(), "b".to_owned(), "body".repeat(500_000)].into_iter().enumerate() {
        let body = Full::new(bytes::Bytes::from(text.clone()));
        let request = http::Request::post(format!("http://a/rest/v1/zones?n={number}")).body(body).unwrap();
        let reply = sender.send_request(request).await.unwrap();
        assert_eq!(reply.status(), 200);
        let bytes = reply.into_body().collect().await.unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&json["path"], &json["body"]), (&"/zones".into(), &text.into()));
    }
    let request = http::Request::get("http://a/broken").body(Full::new(bytes::Bytes::new())).unwrap();
    // The reset may overtake the answer's head.
    if let Ok(reply) = sender.send_request(request).await {
        assert!(reply.into_body().collect().await.is_err());
    }
    // Ends at once: an idle HTTP/2 connection does not hold the server.
    let drained = tokio::task::spawn_blocking(move || {
        let mut server = server;
        server.begin_stop();
        server.join()
    });
    let drained = tokio::time::timeout(PATIENCE, drained).await.unwrap().unwrap();
    assert_eq!(drained.in_flight, 0);
}

#[test]
fn draining_finishes_what_runs() {
    let mut server = Server::plain();
    let mut running = server.connect();
    running.write_all(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut idle = server.connect();
    idle.write_all(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    Reply::read_one(&mut idle);
    server.wait_for_gate();
    server.begin_stop();
    // Idle connections are closed, the probes tell it, the running request is finished.
    assert_eq!(idle.read(&mut [0; 16]).unwrap(), 0);
    let ready = server.admin("GET", "/ready");
    assert_eq!((ready.status, &ready.json()["reason"]), (503, &"draining".into()));
    assert!(std::net::TcpStream::connect(server.api).is_err());
    server.open.notify_one();
    let reply = Reply::read_to_end(&mut running);
    assert_eq!((reply.status, reply.text(), reply.header("connection")), (200, "\"opened\"", Some("close")));
    assert_eq!(server.join().in_flight, 0);
    assert!(std::net::TcpStream::connect(server.admin).is_err());
}

#[test]
fn draining_cuts_off_what_does_not_finish() {
    let mut server = Server::start(|config| config.limits.drain_timeout = Duration::from_millis(50));
    let mut stream = server.connect();
    stream.write_all(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.wait_for_gate();
    server.begin_stop();
    assert_eq!(server.join().in_flight, 1);
    let mut rest = Vec::new();
    let _closed = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let log = server.log();
    let line = log.iter().find(|line| line["event.action"] == "request-finished").unwrap();
    assert_eq!((&line["http.response.status_code"], &line["event.outcome"]), (&499.into(), &"failure".into()));
}

#[test]
fn raw_signs_in_the_target_are_taken_as_their_codes() {
    let server = Server::plain();
    for (target, path, query) in [
        ("/v?select=jb->>a", "/v", "select=jb-%3E%3Ea"),
        ("/v?name=eq.\"x\"", "/v", "name=eq.%22x%22"),
        ("/v?select=\"a%20b\"", "/v", "select=%22a%20b%22"),
        ("/<a>?b=<", "/%3Ca%3E", "b=%3C"),
        ("/v?a=`{}|\\^'", "/v", "a=`{}|\\^'"),
    ] {
        let json = server.get(target, "").json();
        assert_eq!((&json["path"], &json["query"]), (&path.into(), &query.into()), "{target}");
    }
    // Only inside of the target.
    for broken in ["G>T / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1>\r\nHost: a\r\n\r\n"] {
        assert_eq!(server.send(broken).status, 400, "{broken:?}");
    }
}

#[test]
fn raw_signs_elsewhere_stay() {
    let server = Server::plain();
    let mut stream = server.connect();
    let body = "\r\n\r\nGET /<\"> HTTP/1.1\r\n\r\n";
    let length = body.len();
    let hex = format!("{length:x}");
    for round in 0..3 {
        for request in [
            format!("GET /v?n=>{round} HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("POST /v?n=>{round} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"),
            format!(
                "POST /v?n=>{round} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{hex};a=\"b\"\r\n{body}\r\n0\r\nX-T: >\r\n\r\n"
            ),
        ] {
            stream.write_all(request.as_bytes()).unwrap();
            let json = Reply::read_one(&mut stream).json();
            assert_eq!(json["query"], format!("n=%3E{round}"), "{request}");
            assert_eq!(json["body"], if request.starts_with("GET") { "" } else { body }, "{request}");
        }
    }
    // Headers as well, and byte by byte as well.
    let request = "POST /v?n=<> HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\r\nContent-Length: 3\r\n\r\n<\">";
    for byte in request.as_bytes() {
        stream.write_all(std::slice::from_ref(byte)).unwrap();
    }
    let reply = Reply::read_one(&mut stream);
    assert_eq!((&reply.json()["query"], &reply.json()["body"]), (&"n=%3C%3E".into(), &"<\">".into()));
}

#[test]
fn raw_signs_in_pipelined_requests() {
    let server = Server::plain();
    let get = |last: &str| format!("GET /v?a=>{last} HTTP/1.1\r\nHost: a\r\n");
    let post = "POST /v?b=\" HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n<\">";
    let all = format!("{}\r\n{post}{post}{}Connection: close\r\n\r\n", get("1"), get("2"));
    let mut stream = server.connect();
    stream.write_all(all.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 4, "{text}");
    for (part, count) in [("a=%3E1", 1), ("a=%3E2", 1), ("b=%22", 2), ("<\\\">", 2)] {
        assert_eq!(text.matches(part).count(), count, "{part} in {text}");
    }
}

#[test]
fn a_length_given_twice_over_is_refused() {
    let server = Server::plain();
    let (length, chunked) = ("Content-Length: 5\r\n", "transfer-encoding: chunked\r\n");
    for headers in [format!("{length}{chunked}"), format!("{chunked}{length}")] {
        let reply = server.send(&format!(
            "POST /v HTTP/1.1\r\nHost: a\r\n{headers}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
        assert!(!reply.text().contains("smuggled"));
        assert_eq!(reply.code(), "PANDO400");
    }
}

#[test]
fn unknown_expectations_are_refused() {
    let server = Server::plain();
    for expect in ["200-ok", "100-continue, more"] {
        let reply = server.get("/v", &format!("Expect: {expect}\r\n"));
        assert_eq!((reply.status, reply.code().as_str()), (417, "PANDO417"), "{expect}");
    }
    for expect in ["100-Continue", ""] {
        assert_eq!(server.get("/v", &format!("Expect: {expect}\r\n")).status, 200, "{expect}");
    }
}

#[test]
fn draining_answers_who_has_just_come() {
    let mut server = Server::plain();
    let mut fresh: Vec<_> = (0..50).map(|_| server.connect()).collect();
    let mut half = server.connect();
    half.write_all(b"GET /zo").unwrap();
    server.begin_stop();
    server.wait_for_draining();
    half.write_all(b"nes HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    fresh.push(half);
    for (number, stream) in fresh.iter_mut().enumerate().filter(|(number, _)| *number != 0) {
        if number < 50 {
            stream.write_all(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        let reply = Reply::read_to_end(stream);
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{number}");
    }
    // The first one never asks, and does not hold the server up.
    assert_eq!(server.join().in_flight, 0);
}
