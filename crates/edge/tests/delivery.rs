//! How answers leave and how bodies come in: tags, conditions, codings, and what caches may keep.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

mod common;

use std::io::Write;

use common::{Reply, Server, connect, rows};
use delivery::{Coding, RequestCoding, compress, decompress};
use edge::{AllowedOrigins, PersonalAnswers};

const MOST: usize = 10 * 1024 * 1024;

/// The body as the client reads it.
fn opened(reply: &Reply) -> Vec<u8> {
    match reply.header("content-encoding") {
        None => reply.body.clone(),
        Some(name) => {
            let coding = Coding::of_name(name.as_bytes()).unwrap();
            decompress(&[RequestCoding::Known(coding)], &reply.body, MOST).unwrap()
        }
    }
}

fn tag(reply: &Reply) -> &str {
    reply.header("etag").unwrap_or_else(|| panic!("no tag: {:?}", reply.headers))
}

/// `POST` with a body of bytes.
fn post(server: &Server, headers: &str, body: &[u8]) -> Reply {
    let mut stream = connect(server.api);
    let head = format!("POST /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(format!("{head}{headers}\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    Reply::read_to_end(&mut stream)
}

#[test]
fn every_coding_says_the_same_under_a_name_of_its_own() {
    let server = Server::plain();
    let plain = server.get("/rows/5000", "");
    assert_eq!((plain.header("content-encoding"), plain.body.len()), (None, 5000));
    assert_eq!(plain.header("vary"), Some("Accept, Accept-Encoding"));
    let mut tags = vec![tag(&plain).to_owned()];
    for (accepted, coding) in [("gzip", "gzip"), ("gzip, br", "br"), ("gzip, deflate, br, zstd", "zstd")] {
        let reply = server.get("/rows/5000", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!(reply.header("content-encoding"), Some(coding), "{accepted}");
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()), "{accepted}");
        assert_eq!(reply.header("vary"), Some("Accept, Accept-Encoding"), "{accepted}");
        assert!(reply.body.len() < 2500 && opened(&reply) == plain.body, "{accepted}");
        tags.push(tag(&reply).to_owned());
        server.wait_for_metric(&format!("pando_uncompressed_bytes_total{{coding=\"{coding}\"}} 5000"));
    }
    assert!(tags.iter().enumerate().all(|(index, tag)| !tags[..index].contains(tag)), "{tags:?}");
    // Whichever it shows, it is told that this one counts.
    for tag in tags {
        let headers = format!("Accept-Encoding: gzip, br, zstd\r\nIf-None-Match: \"x\", W/{tag}\r\n");
        let reply = server.get("/rows/5000", &headers);
        assert_eq!((reply.status, reply.header("etag").unwrap(), reply.body.len()), (304, tag.as_str(), 0));
        for gone in ["content-type", "content-length", "content-encoding", "content-range"] {
            assert_eq!(reply.header(gone), None, "{gone}");
        }
        assert_eq!(reply.header("vary"), Some("Accept, Accept-Encoding"));
        assert_eq!(reply.header("cache-control"), Some("no-cache"));
        assert!(reply.header("date").is_some() && reply.header("x-request-id").is_some());
    }
}

#[test]
fn clients_say_how_much_they_like_a_coding() {
    let server = Server::plain();
    for (accepted, coding) in [
        ("zstd;q=0.5, gzip", Some("gzip")),
        ("identity;q=1, gzip;q=0.5", None),
        ("gzip;q=0, *", None),
        ("*", Some("gzip")),
        ("identity;q=0, x-gzip", Some("gzip")),
        ("identity;q=0", None),
        ("compress, exi", None),
        ("gzip;q=7", None),
    ] {
        let reply = server.get("/rows/5000", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!((reply.status, reply.header("content-encoding")), (200, coding), "{accepted}");
        assert_eq!(opened(&reply), rows(5000), "{accepted}");
    }
}

#[test]
fn what_gains_nothing_or_may_not_be_touched_goes_as_it_is() {
    let server = Server::plain();
    let accepted = "Accept-Encoding: gzip, br, zstd\r\n";
    for (path, vary) in [
        ("/rows/800", Some("Accept, Accept-Encoding")),
        ("/picture", None),
        ("/untouched", None),
        ("/auth/v1/token", None),
        ("/created", None),
    ] {
        let reply = server.get(path, accepted);
        assert_eq!((reply.header("content-encoding"), reply.header("vary")), (None, vary), "{path}");
    }
    assert_eq!(server.get("/auth/v1/token", "").header("etag"), None);
    let without = Server::start(|config| config.delivery.compresses = false);
    let reply = without.get("/rows/5000", accepted);
    assert_eq!((reply.header("content-encoding"), reply.header("vary")), (None, Some("Accept")));
}

#[test]
fn large_bodies_and_streams_are_compressed_too() {
    let server = Server::plain();
    for (accepted, bytes) in [("gzip", 300_000), ("br", 300_000), ("zstd", 300_000)] {
        let reply = server.get(&format!("/rows/{bytes}"), &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!(reply.header("content-encoding"), Some(accepted));
        assert!(opened(&reply) == rows(bytes), "{accepted}");
    }
    for accepted in ["gzip", "br", "zstd"] {
        // HTTP/1.0: the body is what comes until the end, without chunks around it.
        let reply = server.send(&format!("GET /stream HTTP/1.0\r\nAccept-Encoding: {accepted}\r\n\r\n"));
        assert_eq!((reply.header("content-encoding"), reply.header("etag")), (Some(accepted), None));
        assert_eq!(opened(&reply), b"piece,piece,piece,", "{accepted}");
        server.wait_for_metric(&format!("pando_uncompressed_bytes_total{{coding=\"{accepted}\"}} {}", 300_000 + 18));
        let mut broken = connect(server.api);
        broken
            .write_all(format!("GET /broken HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accepted}\r\n\r\n").as_bytes())
            .unwrap();
        let bytes = common::until_closed(&mut broken);
        assert!(!bytes.ends_with(b"0\r\n\r\n"), "what is broken off does not look whole");
    }
}

#[test]
fn a_piece_of_a_stream_leaves_before_the_next_one_is_there() {
    let server = Server::plain();
    let mut stream = connect(server.api);
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
    let begun = common::read_until(&mut stream, &[0x1f, 0x8b]).unwrap();
    assert!(String::from_utf8_lossy(&begun).contains("content-encoding: gzip"));
}

#[test]
fn a_head_says_what_its_get_says() {
    let server = Server::plain();
    for headers in ["", "Accept-Encoding: zstd\r\n"] {
        let get = server.get("/rows/5000", headers);
        let head = server.send(&format!("HEAD /rows/5000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        for name in ["etag", "vary", "content-type", "content-encoding", "content-length", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        let condition = format!("If-None-Match: {}\r\n", tag(&get));
        let raw = format!("HEAD /rows/5000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}{condition}\r\n");
        assert_eq!(server.send(&raw).status, 304);
    }
}

#[test]
fn conditions_are_looked_at_in_order() {
    let server = Server::plain();
    let known = tag(&server.get("/rows/5000", "")).to_owned();
    for (headers, status) in [
        ("If-None-Match: *\r\n".to_owned(), 304),
        ("If-None-Match: nonsense\r\n".to_owned(), 200),
        (format!("If-Match: {known}\r\n"), 200),
        (format!("If-Match: {known}\r\nIf-None-Match: {known}\r\n"), 304),
        ("If-Match: \"other\"\r\n".to_owned(), 412),
        (format!("If-Match: W/{known}\r\n"), 412),
        ("If-Modified-Since: Tue, 07 Nov 2090 08:49:37 GMT\r\n".to_owned(), 200),
    ] {
        assert_eq!(server.get("/rows/5000", &headers).status, status, "{headers}");
    }
    assert_eq!(server.get("/rows/5000", "If-Match: \"other\"\r\n").code(), "PANDO412");
    assert_eq!(
        server.get("/stream", "").header("cache-control"),
        Some("no-store"),
        "nobody could ask whether it counts"
    );
    // What is streamed has no tag, so nobody can have seen it; that there is something holds.
    assert_eq!(server.get("/stream", "If-Match: \"other\"\r\n").code(), "PANDO412");
    for headers in ["If-Match: *\r\n", "If-None-Match: \"other\"\r\n", ""] {
        assert_eq!(server.get("/stream", headers).status, 200, "{headers}");
    }
    // Whoever asks for some rows otherwise is not shown all of them by a cache.
    let varies = server.get("/rows/5000", "If-Range: \"other\"\r\n").header("vary").unwrap().to_owned();
    assert!(varies.contains("If-Range"), "{varies}");
    // What others have is their tag's, not that of another content.
    let other = tag(&server.get("/rows/4999", "")).to_owned();
    assert_ne!(known, other);
    assert_eq!(server.get("/rows/5000", &format!("If-None-Match: {other}\r\n")).status, 200);
    assert_eq!(server.get("/missing", "").header("etag").is_some(), server.get("/missing", "").status == 200);
    let post = server.send("POST /rows/900 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIf-None-Match: *\r\n\r\n");
    assert_eq!((post.status, post.header("etag")), (200, None), "writes are for whoever writes");
}

#[test]
fn a_tag_of_its_own_stays() {
    let server = Server::plain();
    assert_eq!(tag(&server.get("/tagged", "")), "W/\"mine,really\"");
    let coded = server.get("/tagged", "Accept-Encoding: br\r\n");
    assert_eq!(tag(&coded), "W/\"mine,really-br\"");
    let reply = server.get("/tagged", "If-None-Match: \"mine,really\"\r\n");
    assert_eq!((reply.status, reply.header("content-range")), (304, None));
    assert_eq!(reply.header("cache-control"), Some("private, no-cache"), "a cookie is for one client");
    assert_eq!(reply.header("set-cookie"), Some("a=b"));
    // What is coded already was chosen by conditions as well.
    let coded = server.get("/coded", "Accept-Encoding: br, zstd\r\nIf-Match: \"file\"\r\n");
    assert_eq!((coded.status, tag(&coded), coded.header("content-encoding")), (200, "\"file-br\"", Some("br")));
    assert_eq!(coded.body, rows(5000));
    let public = server.get("/untouched", "");
    let reply = server.get("/untouched", &format!("If-None-Match: {}\r\n", tag(&public)));
    assert_eq!((reply.status, reply.header("set-cookie")), (304, None), "a cache would hand it to others");
}

#[test]
fn what_caches_may_keep() {
    let server = Server::plain();
    let strict = Server::start(|config| config.delivery.personal_answers = PersonalAnswers::NoStore);
    for (path, headers, expected, of_strict) in [
        ("/zones", "", "no-cache", "no-cache"),
        ("/zones", "Authorization: Bearer x\r\n", "private, no-cache", "no-store"),
        ("/zones", "apikey: x\r\n", "private, no-cache", "no-store"),
        ("/zones", "Cookie: a=b\r\n", "private, no-cache", "no-store"),
        ("/auth/v1/user", "apikey: x\r\n", "no-store", "no-store"),
        ("/auth/v1/settings", "", "no-store", "no-store"),
        ("/storage/v1/x", "", "no-store", "no-store"),
        ("/panic", "", "no-store", "no-store"),
    ] {
        assert_eq!(server.get(path, headers).header("cache-control"), Some(expected), "{path} {headers}");
        assert_eq!(strict.get(path, headers).header("cache-control"), Some(of_strict), "{path} {headers}");
    }
    let reply = server.send("POST /zones HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn what_an_answer_depends_on_stands_on_one_line() {
    let origins = vec!["https://app.example.com".to_owned()];
    let server = Server::start(|config| config.origins = AllowedOrigins::List(origins));
    for headers in ["", "Origin: https://app.example.com\r\n", "Origin: https://other.example.com\r\n"] {
        let reply = server.get("/rows/900", headers);
        let vary: Vec<_> = reply.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value).collect();
        assert_eq!(vary, ["Accept, Accept-Encoding, Origin"], "{headers}");
    }
}

#[test]
fn bodies_come_in_every_coding() {
    let server = Server::plain();
    for bytes in [1, 5000, 200_000] {
        let body = rows(bytes);
        for (name, coding) in
            [("gzip", Coding::Gzip), ("X-Gzip", Coding::Gzip), ("br", Coding::Brotli), ("zstd", Coding::Zstandard)]
        {
            let reply = post(&server, &format!("Content-Encoding: {name}\r\n"), &compress(coding, &body).unwrap());
            assert_eq!((reply.status, reply.text()), (200, format!("{bytes} None None").as_str()), "{name}");
        }
    }
    let reply = post(&server, "Content-Encoding: identity\r\n", b"abc");
    assert_eq!(reply.text(), "3 None Some(\"3\")");
    let twice = compress(Coding::Gzip, &compress(Coding::Brotli, b"abc").unwrap()).unwrap();
    let reply = post(&server, "Content-Encoding: br, identity\r\nContent-Encoding: gzip\r\n", &twice);
    assert_eq!(reply.text(), "3 None None");
}

#[test]
fn bodies_that_cannot_be_opened_are_refused() {
    let server = Server::start(|config| config.limits.max_body_bytes = 100_000);
    let gzip = |body: &[u8]| compress(Coding::Gzip, body).unwrap();
    let whole = gzip(&rows(5000));
    for (coding, body, status, code) in [
        ("compress", whole.clone(), 415, "PANDO415"),
        ("gzip, gzip, gzip", whole.clone(), 415, "PANDO415"),
        ("gzip", whole[..whole.len() - 1].to_vec(), 400, "PANDO400"),
        ("gzip", [&whole[..], b"x"].concat(), 400, "PANDO400"),
        ("zstd", whole.clone(), 400, "PANDO400"),
        ("br", b"[1,2]".to_vec(), 400, "PANDO400"),
        ("deflate", b"[1,2]".to_vec(), 400, "PANDO400"),
        ("gzip", gzip(&rows(100_001)), 413, "PANDO413"),
        ("gzip", gzip(&vec![0; 99_000]), 413, "PANDO413"),
        ("gzip, gzip", gzip(&gzip(&vec![0; 9_000_000])), 413, "PANDO413"),
    ] {
        let reply = post(&server, &format!("Content-Encoding: {coding}\r\n"), &body);
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{coding} {:?}", reply.json());
        let taken = (status == 415).then_some("gzip, br, zstd, deflate");
        assert_eq!(reply.header("accept-encoding"), taken, "{coding}");
    }
    assert_eq!(post(&server, "Content-Encoding: gzip\r\n", &gzip(&rows(100_000))).status, 200);
    // The connection goes on after a refusal.
    let mut stream = connect(server.api);
    for _ in 0..2 {
        stream
            .write_all(b"POST /length HTTP/1.1\r\nHost: a\r\nContent-Encoding: x\r\nContent-Length: 3\r\n\r\nabc")
            .unwrap();
        assert_eq!(Reply::read_one(&mut stream).status, 415);
    }
}

#[test]
fn the_page_is_delivered_like_everything_else() {
    let server = Server::start(|config| config.docs = true);
    let page = server.get("/docs/", "Accept-Encoding: br\r\n");
    assert_eq!(
        (page.status, page.header("content-encoding"), page.header("cache-control")),
        (200, Some("br"), Some("no-cache"))
    );
    let known = format!("If-None-Match: {}\r\nAccept-Encoding: br\r\n", tag(&page));
    let again = server.get("/docs/", &known);
    assert_eq!((again.status, again.header("content-type")), (304, None));
    assert!(again.header("content-security-policy").is_some());
}
