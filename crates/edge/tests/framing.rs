//! How requests may be framed: `framing/probes.txt` against the real front door, each probe in one piece and byte by byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::Write;
use std::time::Duration;

use common::{Server, until_closed};

struct Probe {
    name: String,
    expected: Vec<String>,
    bytes: Vec<u8>,
}

fn probes() -> Vec<Probe> {
    let text = include_str!("framing/probes.txt");
    let blocks = text.split("\n\n").filter(|block| !block.starts_with('#'));
    blocks
        .map(|block| {
            let (head, lines) = block.split_once('\n').unwrap_or_else(|| panic!("a probe has two lines: {block}"));
            let [name, standard, expected] = head.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("name, standard, expected: {head}")
            };
            assert!(standard.starts_with("RFC 9"), "{head}");
            let expected = expected.split(' ').map(|word| String::from_utf8(unescape(word)).unwrap()).collect();
            let bytes = unescape(&lines.replace('\n', "").replace("{16k}", &"x".repeat(16 * 1024)));
            Probe { name: name.to_owned(), expected, bytes }
        })
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = match after.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'0' => (0, 1),
            b'\\' => (b'\\', 1),
            b'x' => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            other => panic!("\\{}", char::from(other)),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The answers one after the other, as the file writes them.
fn answers(mut bytes: &[u8]) -> Vec<String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().to_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let body = &bytes[end + 4..][..length];
        bytes = &bytes[end + 4 + length..];
        let body = match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(json) => json["body"].as_str().unwrap_or_default().to_owned(),
            Err(_) => String::from_utf8(body.to_vec()).unwrap(),
        };
        answers.push(if status == "200" && !body.is_empty() { format!("200={body}") } else { status });
    }
    if answers.is_empty() { vec!["closed".to_owned()] } else { answers }
}

fn server() -> Server {
    Server::start(|config| {
        config.limits.header_read_timeout = Duration::from_secs(3);
        config.limits.body_read_timeout = Duration::from_millis(400);
    })
}

/// What is wrong with the answer to a probe in pieces of this size.
fn run(server: &Server, probe: &Probe, size: usize) -> Option<String> {
    let mut stream = server.connect();
    stream.set_nodelay(true).unwrap();
    // Whoever is refused may be closed while it sends.
    let _closed = probe.bytes.chunks(size).try_for_each(|piece| stream.write_all(piece));
    let got = answers(&until_closed(&mut stream));
    let Probe { name, expected, .. } = probe;
    (got != *expected).then(|| format!("{name} (pieces of {size}): expected {expected:?}, got {got:?}"))
}

#[test]
fn every_probe_is_answered_as_the_standard_says() {
    let probes = probes();
    assert!(probes.len() >= 80, "{}", probes.len());
    let server = server();
    // All at once: whoever is refused is listened to for a while, so that it sees why.
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = probes
            .iter()
            .flat_map(|probe| [usize::MAX, 1].map(|size| (probe, size)))
            // Byte by byte, but the long ones.
            .filter(|(probe, size)| *size > 1 || probe.bytes.len() < 1000)
            .map(|(probe, size)| {
                scope.spawn({
                    let server = &server;
                    move || run(server, probe, size)
                })
            })
            .collect();
        runs.into_iter().filter_map(|run| run.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {} probes:\n{}", wrong.len(), probes.len(), wrong.join("\n"));
    server.wait_for_metric("http_server_active_requests 0");
}
