//! Clients that take places without using them: from one address, slow in every way, and over HTTP/2.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::frames::{self, Frame};
use common::{Reply, Server, until_closed};
use edge::{ForwardedHeader, Proxies};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn one_address_has_so_many_connections() {
    let server = Server::start(|config| config.limits.max_connections_per_address = 2);
    let inside: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    server.wait_for_metric("http_server_open_connections 2");
    let reply = Reply::read_to_end(&mut server.connect());
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "PANDO503", Some("1")));
    let details = reply.json()["details"].as_str().unwrap().to_owned();
    assert!(details.contains("limits.max_connections_per_address = 2"), "{details}");
    server.wait_for_metric("pando_connections_dropped_total{reason=\"too-many-from-address\"} 1");
    server.wait_for_metric("pando_shed_total{limit=\"limits.max_connections_per_address\"} 1");
    // Another address of the same machine.
    let other = std::net::SocketAddr::from(([127, 0, 0, 2], 0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(other).unwrap();
        let stream = socket.connect(server.api).await.unwrap();
        stream.writable().await.unwrap();
        stream.try_write(b"GET /client HTTP/1.0\r\n\r\n").unwrap();
        stream.readable().await.unwrap();
        let mut bytes = [0; 4096];
        let count = stream.try_read(&mut bytes).unwrap();
        assert!(String::from_utf8_lossy(&bytes[..count]).contains("127.0.0.2"));
    });
    drop(inside);
    server.wait_for_metric("http_server_open_connections 0");
    assert_eq!(server.get("/zones", "").status, 200);
}

#[test]
fn trusted_proxies_are_not_counted_but_those_behind_them_are() {
    let trusted = |protocol| Proxies::new(&["127.0.0.1".to_owned()], ForwardedHeader::Forwarded, protocol).unwrap();
    let server = Server::start(|config| {
        config.limits.max_connections_per_address = 1;
        config.proxies = trusted(false);
    });
    let _inside: Vec<TcpStream> = (0..5).map(|_| server.connect()).collect();
    server.wait_for_metric("http_server_open_connections 5");
    assert_eq!(server.get("/zones", "").status, 200);

    let server = Server::start(|config| {
        config.limits.max_connections_per_address = 1;
        config.proxies = trusted(true);
    });
    let connect = |address: &str| {
        let mut stream = server.connect();
        write!(stream, "PROXY TCP4 {address} 127.0.0.1 1 2\r\nGET /client HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stream
    };
    let mut inside = connect("203.0.113.1");
    assert_eq!(Reply::read_one(&mut inside).text(), "203.0.113.1 http a");
    assert_eq!(until_closed(&mut connect("203.0.113.1")), b"");
    assert_eq!(Reply::read_one(&mut connect("203.0.113.2")).status, 200);
    server.wait_for_metric("pando_connections_dropped_total{reason=\"too-many-from-address\"} 1");
}

#[test]
fn slow_bodies_do_not_take_the_places_of_others() {
    let server = Server::start(|config| config.limits.max_requests = 2);
    let mut slow: Vec<TcpStream> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"POST /zones HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").unwrap();
            stream
        })
        .collect();
    server.wait_for_metric("http_server_active_requests 2");
    assert_eq!(server.get("/zones", "").status, 200, "requests without a body are answered");
    let reply = server.send("POST /zones HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!((reply.status, reply.code().as_str()), (503, "PANDO503"), "no more than so many are received");
    for stream in &mut slow {
        stream.write_all(b"defghij").unwrap();
        assert_eq!(Reply::read_one(stream).json()["body"], "abcdefghij");
    }
}

/// The answer is small, so that it is the operating system that holds it.
#[test]
fn what_the_system_holds_has_to_be_taken_too() {
    let server = Server::start(|config| config.limits.write_timeout = Duration::from_millis(1000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        let stream = socket.connect(server.api).await.unwrap();
        stream.writable().await.unwrap();
        for _ in 0..40 {
            stream.try_write(b"GET /zones HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        server.wait_for_metric("http_server_open_connections 1");
        // Longer than the idle time would be: the connection is given up by the system.
        server.wait_for_metric("http_server_open_connections 0");
        drop(stream);
    });
}

#[test]
fn an_answer_over_http2_has_to_be_taken() {
    let server = Server::start(|config| {
        config.limits.write_timeout = SHORT;
        config.limits.max_requests = 8;
    });
    // A window of nothing, and 8 requests: all that are answered at once.
    let mut stream = frames::open(server.api, &[(frames::INITIAL_WINDOW_SIZE, 0)]);
    for number in 0..8 {
        frames::get(&mut stream, 1 + 2 * number, "/zones");
    }
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-reader\"} 1");
    server.wait_for_metric("http_server_active_requests 0");
    assert_eq!(server.get("/zones", "").status, 200);
}

#[test]
fn a_byte_now_and_then_does_not_hold_an_answer() {
    let server = Server::start(|config| config.limits.write_timeout = SHORT);
    let mut stream = frames::open(server.api, &[(frames::INITIAL_WINDOW_SIZE, 0)]);
    frames::get(&mut stream, 1, "/endless");
    let is_ended = (0..200).any(|_| {
        std::thread::park_timeout(Duration::from_millis(20));
        Frame::window_update(1, 1).write(&mut stream).is_err()
    });
    assert!(is_ended);
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-reader\"} 1");
}

#[test]
fn requests_that_are_given_up_again_and_again_end_the_connection() {
    let server = Server::start(|config| config.limits.max_resets = 20);
    let mut stream = frames::open(server.api, &[]);
    let mut sent = 0;
    for number in 0..5000 {
        let is_sent = Frame::get(1 + 2 * number, "/never").write(&mut stream).is_ok()
            && Frame::reset(1 + 2 * number).write(&mut stream).is_ok();
        if !is_sent {
            break;
        }
        sent = number;
    }
    // A server that takes no end of it would have read all of them.
    let mut rest = Vec::new();
    let _closed = stream.read_to_end(&mut rest);
    server.wait_for_metric("http_server_open_connections 0");
    server.wait_for_metric("http_server_active_requests 0");
    assert!(sent > 10);
    assert_eq!(server.get("/zones", "").status, 200);
}
