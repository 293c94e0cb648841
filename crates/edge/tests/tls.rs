//! TLS: versions, certificates by name and replaced, what is not TLS, and handshakes in crowds.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use common::tls::{BOTH, certificate, client, get, open, start};
use common::{PATIENCE, Server, connect, exchange, until_closed};
use rcgen::KeyPair;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind};
use tempfile::TempDir;
use testkit::frames::{self, Frame};

#[test]
fn versions_and_protocols() {
    let folder = TempDir::new().unwrap();
    let local = certificate(folder.path(), "local", &["localhost"]);
    let server = start(&[&local], |_| {});
    for versions in [&[&TLS12][..], &[&TLS13]] {
        let config = client(&[&local], versions, &["http/1.1"]);
        let text = get(&mut open(&server, &config, "localhost").unwrap(), "/client");
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("127.0.0.1 https a"), "{text}");
        assert!(text.contains("\r\nstrict-transport-security: max-age=300\r\n"), "{text}");
        // The second time it is resumed.
        let second = open(&server, &config, "localhost").unwrap();
        assert_eq!(second.conn.handshake_kind(), Some(HandshakeKind::Resumed), "{versions:?}");
    }
    // What was agreed on counts: HTTP/2 where it was, HTTP/1.1 where nothing was, whatever the client then sends.
    let config = client(&[&local], BOTH, &["h2", "http/1.1"]);
    let mut stream = open(&server, &config, "localhost").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    let start = [frames::PREFACE.to_vec(), frames::settings(&[]).bytes(), Frame::get(1, "/client").bytes()].concat();
    stream.write_all(&start).unwrap();
    let answered = common::read_until(&mut stream, b"127.0.0.1 https ");
    assert!(answered.is_some(), "an answer in frames");
    let config = client(&[&local], BOTH, &[]);
    let mut stream = open(&server, &config, "localhost").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), None);
    stream.write_all(&start).unwrap();
    assert!(common::read_until(&mut stream, b"HTTP/1.1 400 Bad Request").is_some());
    // Nothing in common.
    let config = client(&[&local], BOTH, &["acme-tls/1"]);
    assert!(open(&server, &config, "localhost").is_err());
    server.wait_for_metric("pando_connections_dropped_total{reason=\"handshake\"} 1");
}

#[test]
fn certificates_by_name() {
    let folder = TempDir::new().unwrap();
    let first = certificate(folder.path(), "first", &["first.test"]);
    let second = certificate(folder.path(), "second", &["second.test", "*.shops.test"]);
    let server = start(&[&first, &second], |_| {});
    let config = client(&[&first, &second], BOTH, &[]);
    for (name, expected) in [("first.test", &first), ("second.test", &second), ("a.shops.test", &second)] {
        let stream = open(&server, &config, name).unwrap();
        assert_eq!(stream.conn.peer_certificates().unwrap()[0], expected.der, "{name}");
    }
    // The first is shown, and the client judges.
    assert!(open(&server, &config, "other.test").is_err());
    assert!(open(&server, &config, "127.0.0.1").is_err());
}

#[test]
fn certificates_are_replaced_while_connections_go_on() {
    let folder = TempDir::new().unwrap();
    let old = certificate(folder.path(), "local", &["localhost"]);
    let server = start(&[&old], |_| {});
    let mut open_before = open(&server, &client(&[&old], BOTH, &[]), "localhost").unwrap();

    let handle = server.certificates.clone().unwrap();
    // Whatever is wrong, the one from before goes on.
    let wrong = [
        (&old.files.certificate, "nothing of the kind".to_owned(), "has no CERTIFICATE"),
        (&old.files.key, KeyPair::generate().unwrap().serialize_pem(), "is not the key of the certificate in"),
        (
            &old.files.key,
            "-----BEGIN PRIVATE KEY-----\nsecret12\n-----END PRIVATE KEY-----\n".to_owned(),
            "its private key is none",
        ),
    ];
    for (file, text, expected) in wrong {
        let before = std::fs::read(file).unwrap();
        std::fs::write(file, text).unwrap();
        let error = handle.reload().unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        assert!(open(&server, &client(&[&old], BOTH, &[]), "localhost").is_ok());
        std::fs::write(file, before).unwrap();
    }
    std::fs::rename(&old.files.key, folder.path().join("away")).unwrap();
    assert!(handle.reload().unwrap_err().to_string().contains("cannot be read"));

    let new = certificate(folder.path(), "local", &["localhost"]);
    handle.reload().unwrap();
    let stream = open(&server, &client(&[&new], BOTH, &[]), "localhost").unwrap();
    assert_eq!(stream.conn.peer_certificates().unwrap()[0], new.der);
    assert!(open(&server, &client(&[&old], BOTH, &[]), "localhost").is_err());
    assert!(get(&mut open_before, "/zones").starts_with("HTTP/1.1 200"));
}

#[test]
fn what_is_not_encrypted_is_told_so() {
    let folder = TempDir::new().unwrap();
    let local = certificate(folder.path(), "local", &["localhost"]);
    let server = start(&[&local], |_| {});
    let reply = server.get("/zones", "");
    assert_eq!((reply.status, reply.code().as_str()), (400, "PANDO400"));
    assert!(reply.json()["hint"].as_str().unwrap().contains("https://"));
    assert_eq!(reply.header("strict-transport-security"), None);

    let redirect = server.redirect.unwrap();
    let port = server.api.port();
    for (request, status, location) in [
        (
            "GET /zones?a=b HTTP/1.1\r\nHost: api.test:80\r\n\r\n",
            308,
            Some(format!("https://api.test:{port}/zones?a=b")),
        ),
        (
            "POST /zones HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\n{}",
            308,
            Some(format!("https://api.test:{port}/zones")),
        ),
        ("GET /zones HTTP/1.1\r\n\r\n", 400, None),
        ("GET /zones HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, None),
    ] {
        let reply = exchange(redirect, request);
        assert_eq!((reply.status, reply.header("location")), (status, location.as_deref()), "{request}");
    }
}

#[test]
fn nobody_is_sent_to_a_server_that_stops() {
    let folder = TempDir::new().unwrap();
    let local = certificate(folder.path(), "local", &["localhost"]);
    let mut server = start(&[&local], |_| {});
    let mut running = open(&server, &client(&[&local], BOTH, &[]), "localhost").unwrap();
    running.write_all(b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.wait_for_gate();
    server.begin_stop();
    server.wait_for_draining();
    assert!(TcpStream::connect(server.redirect.unwrap()).is_err());
    server.open.notify_one();
    assert!(common::read_until(&mut running, b"opened").is_some());
    assert_eq!(server.join().in_flight, 0);
}

/// The first thing that a client sends.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut hello = Vec::new();
    let mut connection = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
    connection.write_tls(&mut hello).unwrap();
    hello
}

/// Connections on which this was sent.
fn connections(server: &Server, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let connection = |_| {
        let mut stream = connect(server.api);
        stream.write_all(bytes).unwrap();
        stream
    };
    (0..count).map(connection).collect()
}

#[test]
fn slow_handshakes_keep_nobody_out_and_are_let_go() {
    let folder = TempDir::new().unwrap();
    let local = certificate(folder.path(), "local", &["localhost"]);
    let server = start(&[&local], |config| {
        config.limits.header_read_timeout = Duration::from_secs(3);
        config.limits.max_handshakes = 4;
    });
    let config = client(&[&local], BOTH, &[]);
    let whole = hello(&config);
    let slow = [
        connections(&server, 10, b""),
        connections(&server, 10, &whole[..1]),
        connections(&server, 10, &whole[..whole.len() / 2]),
    ];
    // All of it, but never what the server then waits for; one after the other, since they may wait for the server too.
    let unfinished: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = connections(&server, 1, &whole).remove(0);
            stream.read_exact(&mut [0]).unwrap();
            stream
        })
        .collect();
    server.wait_for_metric("http_server_open_connections 38");
    let mut stream = open(&server, &config, "localhost").unwrap();
    assert!(get(&mut stream, "/zones").starts_with("HTTP/1.1 200"));
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-head\"} 38");
    server.wait_for_metric("pando_connections_dropped_total{reason=\"too-many-handshakes\"} 0");
    drop((slow, unfinished));
}

#[test]
fn crowds_of_handshakes_stay_outside() {
    let folder = TempDir::new().unwrap();
    let local = certificate(folder.path(), "local", &["localhost"]);
    // No place at all: what waits for the server is turned away, what the server waits for is not.
    let server = start(&[&local], |config| {
        config.limits.header_read_timeout = Duration::from_millis(1500);
        config.limits.max_handshakes = 0;
    });
    let whole = hello(&client(&[&local], BOTH, &[]));
    let begun = connections(&server, 3, &whole[..whole.len() / 2]);
    for mut outside in connections(&server, 2, &whole) {
        assert_eq!(until_closed(&mut outside), b"");
    }
    server.wait_for_metric("pando_connections_dropped_total{reason=\"too-many-handshakes\"} 2");
    server.wait_for_metric("pando_shed_total{limit=\"limits.max_handshakes\"} 2");
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-head\"} 3");
    drop(begun);
}

#[test]
fn slow_readers_are_let_go_here_too() {
    let folder = TempDir::new().unwrap();
    let local = certificate(folder.path(), "local", &["localhost"]);
    let server = start(&[&local], |config| config.limits.write_timeout = Duration::from_millis(300));
    let mut stream = open(&server, &client(&[&local], BOTH, &[]), "localhost").unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.wait_for_metric("http_server_active_requests 1");
    server.wait_for_metric("http_server_active_requests 0");
    server.wait_for_metric("http_server_open_connections 0");
}

/// Many handshakes that are never finished, while an open connection asks.
#[test]
fn a_flood_of_handshakes_leaves_requests_alone() {
    let folder = TempDir::new().unwrap();
    let local = certificate(folder.path(), "local", &["localhost"]);
    let server = start(&[&local], |_| {});
    let config = client(&[&local], BOTH, &[]);
    let mut asking = open(&server, &config, "localhost").unwrap();
    let hello = hello(&config);
    let (stop, is_stopped) = std::sync::mpsc::channel::<()>();
    let flood = std::thread::spawn({
        let address = server.api;
        move || {
            let mut sent = 0;
            while is_stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                if let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) {
                    sent += u32::from(stream.write_all(&hello).is_ok());
                }
            }
            sent
        }
    });
    for _ in 0..50 {
        write!(asking, "GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(common::read_until(&mut asking, b"\"path\":\"/zones\"").is_some());
    }
    drop(stop);
    assert!(flood.join().unwrap() > 50);
    server.wait_for_metric("http_server_open_connections 1");
    assert!(get(&mut asking, "/zones").starts_with("HTTP/1.1 200"));
}
