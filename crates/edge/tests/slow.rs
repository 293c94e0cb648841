//! Clients that take places without using them: from one address, slow in every way, and over HTTP/2.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Reply, Server, until_closed};
use edge::{ForwardedHeader, Proxies};
use testkit::frames::{self, Frame};

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
    let reply = server.send_from([127, 0, 0, 2], "GET /client HTTP/1.0\r\n\r\n");
    assert!(reply.text().contains("127.0.0.2"), "{reply:?}");
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

const OTHER: [u8; 4] = [127, 0, 0, 2];

/// With the limits that there are by default: as many requests as are worked on at once, over a handful of connections.
#[test]
fn answers_that_nobody_takes_keep_nobody_from_being_served() {
    let server = Server::plain();
    let _stuck: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = frames::open(server.api, &[(frames::INITIAL_WINDOW_SIZE, 0)]);
            (0..128).for_each(|number| frames::get(&mut stream, 1 + 2 * number, "/zones"));
            stream
        })
        .collect();
    // As many as it may have connections. The others are answered without a body, so that nothing is left of them.
    server.wait_for_metric("pando_shed_total{limit=\"limits.max_connections_per_address\"} 512");
    server.wait_for_metric("http_server_active_requests 512");
    let get = "GET /zones HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(server.send_from(OTHER, get).status, 200);
    let refused = server.send(get);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.json()["details"].as_str().unwrap().contains("limits.max_connections_per_address = 512"));
}

#[test]
fn bodies_that_never_come_keep_nobody_from_sending_theirs() {
    let server = Server::plain();
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/zones")];
    let _silent: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = frames::open(server.api, &[]);
            for number in 0..128 {
                let head = Frame::new(frames::HEADERS, frames::END_HEADERS, 1 + 2 * number, &frames::block(&post));
                head.write(&mut stream).unwrap();
            }
            stream
        })
        .collect();
    server.wait_for_metric("http_server_active_requests 256");
    let reply =
        server.send_from(OTHER, "POST /zones HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!((reply.status, &reply.json()["body"]), (200, &"abc".into()));
    server.wait_for_metric("pando_shed_total{limit=\"limits.max_requests_per_address\"} 768");
    // Those who have a place do not keep it either.
    server.wait_for_metric("http_server_active_requests 0");
}

/// The library has all of the answer as soon as there is room for one byte of it.
#[test]
fn the_last_bytes_over_http2_have_to_be_taken_too() {
    let long = format!("/zones?{}", "x".repeat(15_000));
    let longer = format!("{long}&{}", "y".repeat(1_000));
    for (path, length) in [("/client", 16), ("/stream", 18), (&long, 0), (&longer, 0)] {
        let length = match length {
            0 => Server::plain().get(path, "").body.len(),
            length => length,
        };
        for window in [1, length / 2, length - 1] {
            let server = Server::start(|config| config.limits.write_timeout = SHORT);
            let mut stream = frames::open(server.api, &[(frames::INITIAL_WINDOW_SIZE, u32::try_from(window).unwrap())]);
            frames::get(&mut stream, 1, path);
            server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-reader\"} 1");
            server.wait_for_metric("http_server_active_requests 0");
        }
        // Whoever takes all of it gets all of it.
        let server = Server::start(|config| config.limits.write_timeout = SHORT);
        let mut stream = frames::open(server.api, &[(frames::INITIAL_WINDOW_SIZE, 1 << 20)]);
        frames::get(&mut stream, 1, path);
        let mut taken = 0;
        loop {
            let frame = Frame::read(&mut stream).unwrap();
            taken += if frame.kind == frames::DATA { frame.payload.len() } else { 0 };
            if frame.stream == 1 && frame.flags & frames::END_STREAM != 0 {
                break;
            }
        }
        assert_eq!(taken, length);
        server.wait_for_metric("http_server_active_requests 0");
    }
}

#[test]
fn who_begins_like_http2_and_goes_is_not_waited_for() {
    let server = Server::plain();
    let mut stream = server.connect();
    stream.write_all(b"P").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(until_closed(&mut stream), b"");
    server.wait_for_metric("http_server_open_connections 0");
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-head\"} 0");
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
