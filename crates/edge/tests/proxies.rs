//! Where requests come from when proxies stand between.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::Write;
use std::time::Duration;

use common::{Reply, Server};
use edge::{ForwardedHeader, Proxies};

fn server(networks: &[&str], header: ForwardedHeader, protocol: bool) -> Server {
    let networks: Vec<String> = networks.iter().map(|&network| network.to_owned()).collect();
    Server::start(|config| {
        config.proxies = Proxies::new(&networks, header, protocol).unwrap();
        config.limits.header_read_timeout = Duration::from_millis(300);
    })
}

const LOCAL: &[&str] = &["127.0.0.0/8"];
const FORWARDED: &str = "X-Forwarded-For: 1.2.3.4, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n\
                         X-Forwarded-Host: gym.test\r\nForwarded: for=198.51.100.7;proto=https;host=rfc.test\r\n";

#[test]
fn headers_count_only_from_trusted_proxies() {
    for (networks, header, expected) in [
        (&[][..], ForwardedHeader::XForwardedFor, "127.0.0.1 http a"),
        (&["10.0.0.0/8"], ForwardedHeader::XForwardedFor, "127.0.0.1 http a"),
        (LOCAL, ForwardedHeader::XForwardedFor, "203.0.113.9 https gym.test"),
        (LOCAL, ForwardedHeader::Forwarded, "198.51.100.7 https rfc.test"),
    ] {
        let server = server(networks, header, false);
        assert_eq!(server.get("/client", FORWARDED).text(), expected, "{networks:?}");
    }
}

fn second(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, addresses].concat()
}

const REQUEST: &[u8] = b"GET /client HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn connections_begin_with_a_header_of_the_proxy_protocol() {
    let server = server(&["127.0.0.0/8", "10.0.0.0/8"], ForwardedHeader::XForwardedFor, true);
    let four = second(0x21, 0x11, &[203, 0, 113, 9, 127, 0, 0, 1, 1, 2, 3, 4, 3, 0, 1, 0]);
    let headers: [(&[u8], &str); 4] = [
        (b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n", "203.0.113.9"),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
        (&four, "203.0.113.9"),
        (&second(0x20, 0, &[]), "127.0.0.1"),
    ];
    for (header, expected) in headers {
        for size in [1, 7, 1000] {
            let mut stream = server.connect();
            stream.set_nodelay(true).unwrap();
            for piece in [header, REQUEST].concat().chunks(size) {
                stream.write_all(piece).unwrap();
            }
            let reply = Reply::read_to_end(&mut stream);
            assert_eq!(reply.text(), format!("{expected} http a"), "{}", String::from_utf8_lossy(header));
        }
    }
    // A proxy that looks into what it carries, behind one that does not.
    let mut stream = server.connect();
    stream.write_all(b"PROXY TCP4 10.0.0.1 127.0.0.1 4711 443\r\n").unwrap();
    stream.write_all(b"GET /client HTTP/1.0\r\nX-Forwarded-For: 203.0.113.77\r\n\r\n").unwrap();
    assert_eq!(Reply::read_to_end(&mut stream).text(), "203.0.113.77 http ");
    // The client's own words do not count.
    let mut stream = server.connect();
    stream.write_all(b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n").unwrap();
    stream.write_all(b"GET /client HTTP/1.0\r\nX-Forwarded-For: 203.0.113.77\r\n\r\n").unwrap();
    assert_eq!(Reply::read_to_end(&mut stream).text(), "203.0.113.9 http ");
}

#[test]
fn without_the_header_nobody_comes_in() {
    let server = server(LOCAL, ForwardedHeader::XForwardedFor, true);
    let too_long = second(0x21, 0x11, &[0; 5000]);
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    for wrong in [REQUEST, b"PROXY TCP4 a b 1 2\r\nGET / HTTP/1.0\r\n\r\n", &too_long, &endless] {
        let mut stream = server.connect();
        stream.write_all(wrong).unwrap();
        assert_eq!(common::until_closed(&mut stream), b"", "{}", String::from_utf8_lossy(wrong));
    }
    server.wait_for_metric("pando_connections_dropped_total{reason=\"proxy-header\"} 4");
    // Silent, and half a header.
    for slow in ["", "PROXY TCP4 203"] {
        let mut stream = server.connect();
        stream.write_all(slow.as_bytes()).unwrap();
        assert_eq!(common::until_closed(&mut stream), b"");
    }
    server.wait_for_metric("pando_connections_dropped_total{reason=\"slow-head\"} 2");
}

#[test]
fn the_header_is_taken_from_trusted_proxies_alone() {
    let server = server(&["10.0.0.0/8"], ForwardedHeader::XForwardedFor, true);
    let mut stream = server.connect();
    let _refused = stream.write_all(b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 443\r\n");
    assert_eq!(common::until_closed(&mut stream), b"");
    server.wait_for_metric("pando_connections_dropped_total{reason=\"proxy-header\"} 1");
}
