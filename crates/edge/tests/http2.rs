//! What is sent over HTTP/2 to harm: each attack against the real front door, which stays there for others.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use common::Server;
use testkit::frames::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM};

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/zones")];

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The whole connection, with this code (RFC 9113 section 7).
    Connection(u32),
    /// This request alone, with this code.
    Request(u32),
    /// It was answered: with this status.
    Answered(String),
}

const PROTOCOL_ERROR: u32 = 1;
const FRAME_SIZE_ERROR: u32 = 6;
const ENHANCE_YOUR_CALM: u32 = 11;

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload.try_into().unwrap())
}

/// Reads on to what decides about the first request.
fn end(stream: &mut TcpStream) -> End {
    loop {
        let frame = Frame::read(stream).expect("an answer");
        match frame.kind {
            GOAWAY if code(&frame.payload[4..8]) != 0 => return End::Connection(code(&frame.payload[4..8])),
            RST_STREAM => return End::Request(code(&frame.payload)),
            // The status is the first field: one of the table for the usual ones, otherwise as text.
            HEADERS => {
                let status = match frame.payload.as_slice() {
                    [0x88, ..] => "200".to_owned(),
                    [0x8c, ..] => "400".to_owned(),
                    [_, 3, digits @ ..] => String::from_utf8_lossy(&digits[..3]).into_owned(),
                    [_, length @ 0x82..=0x83, digits @ ..] => huffman_status(&digits[..usize::from(length & 3)]),
                    other => panic!("a status in {other:?}"),
                };
                return End::Answered(status);
            }
            _ => {}
        }
    }
}

/// Three digits, each of 5 or 6 bits: digits 0 to 2 are 00000 to 00010, 3 to 9 are 011001 to 011111.
fn huffman_status(bytes: &[u8]) -> String {
    let bits = bytes.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (32 - 8 * bytes.len());
    let (mut at, mut text) = (0, String::new());
    while text.len() < 3 {
        let bits = bits << at;
        let (five, six) = (bits >> 27, bits >> 26);
        let (digit, length) = if five < 3 { (five, 5) } else { (six - 25 + 3, 6) };
        text.push_str(&digit.to_string());
        at += length;
    }
    text
}

fn send(server: &Server, frames: &[Frame]) -> End {
    let mut stream = frames::open(server.api, &[]);
    for frame in frames {
        if frame.write(&mut stream).is_err() {
            break;
        }
    }
    end(&mut stream)
}

fn with(changed: &[(&str, &str)]) -> Vec<Frame> {
    let fields: Vec<_> = GET.into_iter().chain(changed.iter().copied()).collect();
    vec![Frame::headers(1, &fields)]
}

#[test]
fn malformed_requests_are_refused() {
    let server = Server::plain();
    let [method, scheme, authority, path] = GET;
    let malformed = |fields: &[(&str, &str)]| vec![Frame::headers(1, fields)];
    let refused = End::Request(PROTOCOL_ERROR);
    for (name, frames, expected) in [
        ("a proper one", with(&[]), End::Answered("200".to_owned())),
        ("no method", malformed(&[scheme, authority, path]), End::Request(PROTOCOL_ERROR)),
        ("no path", malformed(&[method, scheme, authority]), End::Request(PROTOCOL_ERROR)),
        ("two methods", with(&[(":method", "POST")]), End::Request(PROTOCOL_ERROR)),
        ("two paths", with(&[(":path", "/smuggled")]), End::Request(PROTOCOL_ERROR)),
        ("an unknown pseudo-header", with(&[(":smuggled", "a")]), End::Request(PROTOCOL_ERROR)),
        ("a status in a request", with(&[(":status", "200")]), End::Request(PROTOCOL_ERROR)),
        (
            "a pseudo-header behind others",
            malformed(&[method, scheme, ("a", "b"), authority, path]),
            End::Request(PROTOCOL_ERROR),
        ),
        ("large letters", with(&[("X-A", "b")]), End::Request(PROTOCOL_ERROR)),
        ("a connection header", with(&[("connection", "close")]), End::Request(PROTOCOL_ERROR)),
        ("a transfer coding", with(&[("transfer-encoding", "chunked")]), End::Request(PROTOCOL_ERROR)),
        ("an upgrade", with(&[("upgrade", "h2c")]), End::Request(PROTOCOL_ERROR)),
        ("TE beyond trailers", with(&[("te", "gzip")]), End::Request(PROTOCOL_ERROR)),
        ("a line feed in a value", with(&[("a", "b\r\nc: d")]), End::Request(PROTOCOL_ERROR)),
        ("another host", with(&[("host", "b")]), End::Answered("400".to_owned())),
        ("the same host", with(&[("host", "a")]), End::Answered("200".to_owned())),
        ("two hosts", with(&[("host", "a"), ("host", "a")]), End::Answered("400".to_owned())),
        (
            "a host that is none",
            malformed(&[method, scheme, (":authority", "a@b"), path]),
            End::Answered("400".to_owned()),
        ),
        (
            "less data than its length",
            vec![
                Frame::new(
                    HEADERS,
                    END_HEADERS,
                    1,
                    &frames::block(&[GET.as_slice(), &[("content-length", "5")]].concat()),
                ),
                Frame::new(DATA, END_STREAM, 1, b"abc"),
            ],
            refused,
        ),
    ] {
        let got = send(&server, &frames);
        // What is wrong with fields may end the request or the connection (RFC 9113 section 8.1.1).
        let is_fine =
            got == expected || (expected == End::Request(PROTOCOL_ERROR) && got == End::Connection(PROTOCOL_ERROR));
        assert!(is_fine, "{name}: {got:?}, not {expected:?}");
    }
}

/// The library does not know that nothing follows (RFC 9110 section 9.3.2).
#[test]
fn a_head_is_answered_by_its_head_alone() {
    let server = Server::plain();
    for (path, tells_length) in [("/rows/5000", true), ("/zones", true), ("/stream", false), ("/endless", false)] {
        let mut stream = frames::open(server.api, &[]);
        let [_, scheme, authority, _] = GET;
        Frame::headers(1, &[(":method", "HEAD"), scheme, authority, (":path", path)]).write(&mut stream).unwrap();
        let mut of_head = Vec::new();
        loop {
            let frame = Frame::read(&mut stream).expect("an answer");
            match (frame.stream, frame.kind) {
                (1, kind) => {
                    of_head.push(frame);
                    if kind == HEADERS {
                        // What comes behind its head would come before all of this one's answer.
                        Frame::headers(3, &GET).write(&mut stream).unwrap();
                    }
                }
                (3, DATA) if frame.flags & END_STREAM != 0 => break,
                _ => {}
            }
        }
        let [head] = of_head.as_slice() else { panic!("{path}: {} frames", of_head.len()) };
        assert_eq!((head.kind, head.flags & END_STREAM), (HEADERS, END_STREAM), "{path}");
        // `content-length` stands in the table of names at 28 (RFC 7541, appendix A).
        let has_length = head.payload.windows(2).any(|two| two == [0x0f, 0x0d]);
        assert_eq!(has_length, tells_length, "{path}");
    }
}

#[test]
fn malformed_frames_end_the_connection() {
    let server = Server::plain();
    for (name, frame, expected) in [
        ("a frame larger than agreed", Frame::new(DATA, 0, 1, &[0; 17_000]), FRAME_SIZE_ERROR),
        ("data of no request", Frame::new(DATA, 0, 1, b"a"), PROTOCOL_ERROR),
        ("a continuation of nothing", Frame::new(CONTINUATION, END_HEADERS, 1, &[]), PROTOCOL_ERROR),
        ("a request with an even number", Frame::headers(2, &GET), PROTOCOL_ERROR),
        // COMPRESSION_ERROR by the standard; the library calls it this.
        (
            "fields that cannot be decompressed",
            Frame::new(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 20]),
            PROTOCOL_ERROR,
        ),
        ("a window of nothing more", Frame::window_update(0, 0), PROTOCOL_ERROR),
        // FRAME_SIZE_ERROR by the standard.
        ("half a ping", Frame::new(PING, 0, 0, &[0; 4]), PROTOCOL_ERROR),
    ] {
        assert_eq!(send(&server, &[frame]), End::Connection(expected), "{name}");
    }
}

#[test]
fn headers_have_limits() {
    let server = Server::start(|config| config.limits.max_headers = 50);
    let long = "x".repeat(40 * 1024);
    let pieces: Vec<Vec<u8>> =
        frames::block(&[GET.as_slice(), &[("a", &long)]].concat()).chunks(16_000).map(<[u8]>::to_vec).collect();
    let last = pieces.len() - 1;
    let frames: Vec<Frame> = pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| {
            let kind = if at == 0 { HEADERS } else { CONTINUATION };
            let flags = if at == 0 { END_STREAM } else { 0 } | if at == last { END_HEADERS } else { 0 };
            Frame::new(kind, flags, 1, piece)
        })
        .collect();
    assert_eq!(send(&server, &frames), End::Answered("431".to_owned()), "too many bytes");
    let many: Vec<String> = (0..51).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(send(&server, &with(&many)), End::Answered("431".to_owned()), "too many of them");
    // A field that is kept once and named ten thousand times in few bytes (a header bomb).
    let name = frames::block(&[("bomb", &"x".repeat(3000))]);
    let kept = [&[0x40][..], &name[1..]].concat();
    let bomb = [frames::block(&GET), kept, vec![0xbe; 10_000]].concat();
    let got = send(&server, &[Frame::new(HEADERS, END_STREAM | END_HEADERS, 1, &bomb)]);
    let is_refused = matches!(&got, End::Answered(status) if status == "431") || matches!(got, End::Connection(_));
    assert!(is_refused, "{got:?}");
}

#[test]
fn continuations_without_end_are_ended() {
    let server = Server::plain();
    let mut stream = frames::open(server.api, &[]);
    Frame::new(HEADERS, END_STREAM, 1, &frames::block(&GET)).write(&mut stream).unwrap();
    let piece = Frame::new(CONTINUATION, 0, 1, &[]).bytes();
    let sent = (0..1_000_000).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(sent < 1_000_000);
    server.wait_for_metric("http_server_open_connections 0");
    assert_eq!(server.get("/zones", "").status, 200);
}

#[test]
fn rapid_resets_end_the_connection() {
    let server = Server::start(|config| config.limits.max_resets = 50);
    let mut stream = frames::open(server.api, &[]);
    for number in 0..20_000 {
        let bytes = [Frame::get(1 + 2 * number, "/zones").bytes(), Frame::reset(1 + 2 * number).bytes()].concat();
        if stream.write_all(&bytes).is_err() {
            break;
        }
    }
    let frames = frames::until_closed(&mut stream);
    server.wait_for_metric("http_server_open_connections 0");
    if let Some(goaway) = frames.iter().rev().find(|frame| frame.kind == GOAWAY) {
        assert_eq!(code(&goaway.payload[4..8]), ENHANCE_YOUR_CALM);
    }
    assert_eq!(server.get("/zones", "").status, 200);
}

#[test]
fn one_connection_has_so_many_requests() {
    let server = Server::start(|config| config.limits.max_streams = 4);
    let mut stream = frames::open(server.api, &[]);
    for number in 0..8 {
        frames::get(&mut stream, 1 + 2 * number, "/gate");
    }
    // REFUSED_STREAM: the client may ask again.
    assert_eq!(end(&mut stream), End::Request(7));
    server.wait_for_metric("http_server_active_requests 4");
}

/// Frames that want to be acknowledged, by a client that reads no answer: neither memory nor others suffer.
#[test]
fn floods_of_pings_and_settings_are_held_up() {
    let server = Server::start(|config| config.limits.write_timeout = Duration::from_millis(500));
    for flood in [Frame::new(PING, 0, 0, &[0; 8]), frames::settings(&[(4, 65_535)])] {
        let mut stream = frames::open(server.api, &[]);
        stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let bytes = flood.bytes().repeat(1000);
        // Sent in one second at most, to be over whether or not the server ends it.
        let sent = (0..2000).take_while(|_| stream.write_all(&bytes).is_ok()).count();
        assert_eq!(server.get("/zones", "").status, 200, "after {sent} thousand frames");
        drop(stream);
    }
    server.wait_for_metric("http_server_open_connections 0");
    let metrics = server.telemetry.render_metrics();
    let resident = metrics.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    assert!(resident.unwrap().parse::<u64>().unwrap() < 512 << 20, "{resident:?}");
}
