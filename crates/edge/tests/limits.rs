//! What the front door refuses: too large, too many, too slow.
#![allow(missing_docs)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Reply, Server};

const SHORT: Duration = Duration::from_millis(200);

#[test]
fn bodies_have_a_limit() {
    let server = Server::start(|config| config.limits.max_body_bytes = 1000);
    let post = |headers: &str, body: &str| {
        server.send(&format!("POST /zones HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n{body}"))
    };
    let (fits, large) = ("x".repeat(1000), "x".repeat(1001));
    assert_eq!(post("Content-Length: 1000\r\n", &fits).json()["body"], fits);
    assert_eq!(post("Transfer-Encoding: chunked\r\n", &format!("3e8\r\n{fits}\r\n0\r\n\r\n")).status, 200);
    for reply in [
        post("Content-Length: 1001\r\n", &large),
        post("Transfer-Encoding: chunked\r\n", &format!("3e9\r\n{large}\r\n0\r\n\r\n")),
        // Asks before it sends, and is told not to.
        post("Content-Length: 1001\r\nExpect: 100-continue\r\n", ""),
    ] {
        assert_eq!((reply.status, reply.code().as_str()), (413, "PANDO413"));
        let details = reply.json()["details"].as_str().unwrap().to_owned();
        assert!(details.contains("1000 bytes (limits.max_body_bytes)"), "{details}");
    }
}

#[test]
fn heads_have_limits() {
    let server = Server::start(|config| {
        config.limits.max_uri_bytes = 100;
        config.limits.max_header_bytes = 2000;
        config.limits.max_headers = 10;
    });
    assert_eq!(server.get(&format!("/{}", "x".repeat(99)), "").status, 200);
    let reply = server.get(&format!("/{}?{}", "x".repeat(50), "y".repeat(50)), "");
    assert_eq!((reply.status, reply.code().as_str()), (414, "PANDO414"));
    assert!(reply.json()["details"].as_str().unwrap().contains("limits.max_uri_bytes = 100"));
    let many: String = (0..20).map(|number| format!("X-{number}: 1\r\n")).collect();
    // The last one has more to send than the server will read.
    let long = |bytes: usize| format!("X-Long: {}\r\n", "x".repeat(bytes));
    for headers in [many, long(2000), long(300_000)] {
        let reply = server.get("/zones", &headers);
        assert_eq!((reply.status, reply.code().as_str()), (431, "PANDO431"));
        assert_eq!((reply.header("connection"), reply.header("date").is_some()), (Some("close"), true));
        assert_eq!(reply.header("content-length").unwrap().parse::<usize>().unwrap(), reply.body.len());
        let details = reply.json()["details"].as_str().unwrap().to_owned();
        assert!(details.contains("2000 bytes (limits.max_header_bytes)"), "{details}");
        assert!(details.contains("10 headers (limits.max_headers)"), "{details}");
    }
}

#[test]
fn what_is_not_http_is_refused() {
    let server = Server::plain();
    for garbage in [
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nbroken header\r\n\r\n",
        "POST /zones HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "POST /zones HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ] {
        let reply = server.send(garbage);
        assert_eq!((reply.status, reply.code().as_str()), (400, "PANDO400"), "{garbage:?}");
        // As the second request as well.
        let mut stream = server.connect();
        stream.write_all(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        Reply::read_one(&mut stream);
        stream.write_all(garbage.as_bytes()).unwrap();
        assert_eq!(Reply::read_to_end(&mut stream).code(), "PANDO400", "{garbage:?}");
    }
    let mut stream = server.connect();
    stream.write_all(b"POST /zones HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n").unwrap();
    assert_eq!(Reply::read_to_end(&mut stream).status, 400);
    assert_eq!(server.send("CONNECT a:80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status, 405);
    server.wait_for_metric("pando_connections_dropped_total{reason=\"protocol\"}");
}

#[test]
fn too_many_requests_are_shed() {
    let server = Server::start(|config| config.limits.max_requests = 1);
    let mut running = server.connect();
    running.write_all(b"GET /gate HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    server.wait_for_gate();
    let reply = server.get("/zones", "Origin: http://shop.test\r\n");
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "PANDO503", Some("1")));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "a page has to be able to read it");
    assert!(reply.json()["details"].as_str().unwrap().contains("limits.max_requests = 1"));
    server.open.notify_one();
    assert_eq!(Reply::read_to_end(&mut running).status, 200);
    server.wait_for_metric("http_server_active_requests 0");
    assert_eq!(server.get("/zones", "").status, 200);
    server.wait_for_metric("pando_shed_total{limit=\"limits.max_requests\"} 1");
}

#[test]
fn too_many_connections_are_turned_away() {
    let server = Server::start(|config| config.limits.max_connections = 2);
    let mut inside: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut inside {
        stream.write_all(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        Reply::read_one(stream);
    }
    let mut outside = server.connect();
    let reply = Reply::read_to_end(&mut outside);
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "PANDO503", Some("1")));
    assert_eq!(reply.header("content-length").unwrap().parse::<usize>().unwrap(), reply.body.len());
    server.wait_for_metric("http_server_open_connections 2");
    drop(inside);
    server.wait_for_metric("http_server_open_connections 0");
    assert_eq!(server.get("/zones", "").status, 200);
    server.wait_for_metric("pando_connections_dropped_total{reason=\"too-many\"} 1");
}

/// Waits until the server closes, whatever it says before.
fn wait_for_close(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes);
    bytes
}

#[test]
fn slow_heads_are_let_go() {
    let server = Server::start(|config| config.limits.header_read_timeout = SHORT);
    // Silent; a few bytes; bytes of either protocol; all of an HTTP/2 preface; a second head that never ends.
    let starts: [&[u8]; 6] = [
        b"",
        b"G",
        b"P",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\nGET /zones HTTP",
    ];
    let mut streams: Vec<TcpStream> = starts
        .iter()
        .map(|start| {
            let mut stream = server.connect();
            stream.write_all(start).unwrap();
            stream
        })
        .collect();
    // The last one sends its second head apart, so that it is not buffered with the first.
    let last = streams.last_mut().unwrap();
    Reply::read_one(last);
    last.write_all(b"/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
    for stream in &mut streams {
        wait_for_close(stream);
    }
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-head\"} 6");
    server.wait_for_metric("http_server_open_connections 0");
}

#[test]
fn a_trickle_does_not_buy_time() {
    let server = Server::start(|config| config.limits.header_read_timeout = SHORT);
    let mut stream = server.connect();
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    // One header line every 10 ms would take 10 s; the server ends it long before.
    let is_ended = (0..1000).any(|_| {
        let is_refused = stream.write_all(b"X: y\r\n").is_err();
        let is_closed = match stream.read(&mut [0; 512]) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        };
        is_refused || is_closed
    });
    assert!(is_ended);
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-head\"} 1");
}

#[test]
fn slow_bodies_are_refused() {
    let server = Server::start(|config| config.limits.body_read_timeout = SHORT);
    for framing in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut stream = server.connect();
        write!(stream, "POST /zones HTTP/1.1\r\nHost: a\r\n{framing}").unwrap();
        let reply = Reply::read_to_end(&mut stream);
        assert_eq!((reply.status, reply.code().as_str()), (408, "PANDO408"));
        assert!(reply.json()["details"].as_str().unwrap().contains("limits.body_read_timeout"));
    }
}

#[test]
fn slow_answers_are_given_up() {
    let server = Server::start(|config| config.limits.request_timeout = SHORT);
    let reply = server.get("/never", "");
    assert_eq!((reply.status, reply.code().as_str()), (504, "PANDO504"));
}

#[test]
fn slow_readers_are_let_go() {
    let server = Server::start(|config| config.limits.write_timeout = SHORT);
    let mut stream = server.connect();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-reader\"} 1");
    server.wait_for_metric("http_server_active_requests 0");
    drop(stream);
}

#[test]
fn idle_connections_are_closed() {
    let server = Server::start(|config| config.limits.idle_timeout = SHORT);
    let mut stream = server.connect();
    stream.write_all(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    Reply::read_one(&mut stream);
    assert!(wait_for_close(&mut stream).is_empty());
    server.wait_for_metric("pando_connections_dropped_total{reason=\"idle\"} 1");
}

#[test]
fn eight_hundred_slow_connections_do_not_stay() {
    let server = Server::start(|config| {
        config.limits.header_read_timeout = Duration::from_millis(500);
        config.limits.max_connections_per_address = 1_000;
    });
    let slow: Vec<TcpStream> = (0..800)
        .filter_map(|_| TcpStream::connect(server.api).ok())
        .map(|mut stream| {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
            stream
        })
        .collect();
    assert_eq!(server.get("/zones", "").status, 200, "others are served meanwhile");
    server.wait_for_metric(&format!("pando_connections_dropped_total{{reason=\"slow-head\"}} {}", slow.len()));
    server.wait_for_metric("http_server_open_connections 0");
}
