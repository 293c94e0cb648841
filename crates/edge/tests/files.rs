//! Static files, through a real front door.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod common;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use base::SystemClock;
use common::{Reply, Server};
use delivery::{Coding, RequestCoding, decompress};
use files::{Look, Settings, Site};
use proptest::prelude::*;

/// More than is held in memory by the server of these tests.
const LARGE: usize = 700_000;

fn large() -> Vec<u8> {
    (0..LARGE).map(|place| u8::try_from((place * 7 + place / 251) % 256).unwrap()).collect()
}

fn script() -> String {
    (0..400).map(|number| format!("export const value{number} = {number};\n")).collect()
}

fn fill(folder: &Path) {
    for name in ["assets", "guide", "rest/v1", "docs", ".git", ".well-known", "photos"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let script = script();
    for (name, content) in [
        ("index.html", "<!doctype html><title>home</title>"),
        ("guide/index.html", "<!doctype html><title>guide</title>"),
        ("digits.txt", "0123456789"),
        ("empty.txt", ""),
        ("assets/app.js", script.as_str()),
        ("assets/app-BxY12abc.js", script.as_str()),
        ("assets/app.3f2a9c1b.css", "a{}"),
        ("rest/v1/zones", "shadow"),
        ("docs/index.html", "shadow"),
        (".env", "SECRET=1"),
        (".git/config", "secret"),
        (".well-known/security.txt", "Contact: mailto:a@example.com"),
        ("été & co.txt", "summer"),
        ("zones", "a file named like a table"),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    std::fs::write(folder.join("photos/large.bin"), large()).unwrap();
    std::fs::write(folder.parent().unwrap().join("secret.txt"), "SECRET=1").unwrap();
    symlink("../secret.txt", folder.join("link.txt")).unwrap();
    symlink("..", folder.join("up")).unwrap();
    symlink("digits.txt", folder.join("same.txt")).unwrap();
}

struct Stage {
    server: Server,
    site: Site,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let public = folder.path().join("public");
        fill(&public);
        let mut settings = Settings::new(&public);
        settings.reserved = edge::RESERVED.map(str::to_owned).to_vec();
        settings.kept = Some(folder.path().join("kept"));
        settings.max_memory_bytes = 200_000;
        change(&mut settings);
        let (site, _reading) = Site::open(settings, Arc::new(SystemClock)).unwrap();
        site.make_smaller(|| true).unwrap();
        let served = site.clone();
        let server = Server::start_with(|config| config.docs = true, |edge| edge.with_files(served));
        Self { server, site, folder }
    }

    fn plain() -> Self {
        Self::new(|_| {})
    }

    fn public(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("public").join(name)
    }

    fn get(&self, path: &str, headers: &str) -> Reply {
        self.server.get(path, headers)
    }

    /// Once the folder has been looked at again: that is done for a part of the time only.
    fn get_when_settled(&self, path: &str) -> Reply {
        for _ in 0..2_000 {
            let reply = self.get(path, "");
            if reply.status != 503 {
                return reply;
            }
            assert_eq!(reply.header("retry-after"), Some("1"));
            std::thread::park_timeout(common::PATIENCE / 4_000);
        }
        panic!("{path} changes for ever");
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> Reply {
        self.server.send(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n"))
    }
}

#[test]
fn types_and_caching() {
    let stage = Stage::plain();
    for (path, content_type, cache_control, varies) in [
        ("/", "text/html; charset=utf-8", "no-cache", true),
        ("/index.html", "text/html; charset=utf-8", "no-cache", true),
        ("/guide/", "text/html; charset=utf-8", "no-cache", true),
        ("/digits.txt", "text/plain; charset=utf-8", "public, max-age=300, must-revalidate", true),
        ("/same.txt", "text/plain; charset=utf-8", "public, max-age=300, must-revalidate", true),
        ("/assets/app.js", "text/javascript; charset=utf-8", "public, max-age=300, must-revalidate", true),
        ("/assets/app-BxY12abc.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", true),
        ("/assets/app.3f2a9c1b.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable", true),
        ("/photos/large.bin", "application/octet-stream", "public, max-age=300, must-revalidate", false),
        ("/.well-known/security.txt", "text/plain; charset=utf-8", "public, max-age=300, must-revalidate", true),
        ("/%C3%A9t%C3%A9%20&%20co.txt", "text/plain; charset=utf-8", "public, max-age=300, must-revalidate", true),
    ] {
        // A token makes no difference: everybody gets the same.
        let reply = stage.get(path, "Authorization: Bearer x\r\n");
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), Some(content_type), "{path}");
        assert_eq!(reply.header("cache-control"), Some(cache_control), "{path}");
        assert_eq!(reply.header("vary"), varies.then_some("Accept-Encoding"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("accept-ranges"), Some("bytes"), "{path}");
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()), "{path}");
        assert!(reply.header("last-modified").is_some() && reply.header("etag").unwrap().starts_with('"'), "{path}");
    }
    assert_eq!(stage.get("/digits.txt", "").text(), "0123456789");
    assert_eq!(stage.get("/empty.txt", "").header("content-length"), Some("0"));
    assert!(stage.get("/photos/large.bin", "").body == large());
}

#[test]
fn the_api_stays_where_it_is() {
    let stage = Stage::new(|settings| settings.fallback = Some("index.html".to_owned()));
    let html = "Accept: text/html\r\n";
    for path in ["/rest/v1/zones", "/rest/v1/", "/rest/v1/rpc/f"] {
        for headers in ["", html] {
            let reply = stage.get(path, headers);
            assert_eq!(reply.json()["method"], "GET", "{path}");
        }
    }
    // What is no file is a relation of the API at the root.
    assert_eq!(stage.get("/routes?select=a", "").json()["path"], "/routes");
    assert_eq!(stage.ask("POST", "/routes", "Content-Length: 0\r\n").json()["method"], "POST");
    assert!(!stage.get("/docs/", html).text().contains("shadow"));
    assert_eq!(stage.get("/storage/v1/x", html).status, 404);
    // A file wins over a relation at the root, which is still below /rest/v1.
    assert_eq!(stage.get("/zones", "").text(), "a file named like a table");
}

#[test]
fn only_reading() {
    let stage = Stage::plain();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let reply = stage.ask(method, "/digits.txt", "Content-Length: 0\r\n");
        assert_eq!((reply.status, reply.code().as_str()), (405, "PANDO405"), "{method}");
        assert_eq!(reply.header("allow"), Some("OPTIONS,GET,HEAD"), "{method}");
    }
    let reply = stage.ask("OPTIONS", "/digits.txt", "");
    assert_eq!((reply.status, reply.header("allow")), (204, Some("OPTIONS,GET,HEAD")));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    let headers = "Origin: http://a.test\r\nAccess-Control-Request-Method: GET\r\n";
    assert_eq!(stage.ask("OPTIONS", "/digits.txt", headers).status, 200);
    assert_eq!(stage.get("/digits.txt", "Origin: http://a.test\r\n").header("access-control-allow-origin"), Some("*"));
}

#[test]
fn heads_are_those_of_get() {
    let stage = Stage::plain();
    for path in ["/", "/digits.txt", "/photos/large.bin", "/assets/app.js"] {
        for headers in ["", "Accept-Encoding: br\r\n", "If-None-Match: *\r\n"] {
            let (get, head) = (stage.get(path, headers), stage.ask("HEAD", path, headers));
            assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
            let told = |reply: &Reply| {
                let of_moment = ["date", "x-request-id", "server-timing"];
                let mut headers = reply.headers.clone();
                headers.retain(|(name, _)| !of_moment.contains(&name.as_str()));
                headers.sort();
                headers
            };
            assert_eq!(told(&head), told(&get), "{path} {headers}");
        }
    }
    let head = stage.ask("HEAD", "/digits.txt", "Range: bytes=0-1\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
}

#[test]
fn ranges() {
    let stage = Stage::plain();
    for (range, status, content_range, body) in [
        ("bytes=2-5", 206, Some("bytes 2-5/10"), "2345"),
        ("bytes=-3", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=8-", 206, Some("bytes 8-9/10"), "89"),
        ("bytes=0-100", 206, Some("bytes 0-9/10"), "0123456789"),
        ("bytes=10-", 416, Some("bytes */10"), ""),
        ("bytes=-0", 416, Some("bytes */10"), ""),
        ("bytes=5-2", 200, None, "0123456789"),
        ("lines=1-2", 200, None, "0123456789"),
    ] {
        let reply = stage.get("/digits.txt", &format!("Range: {range}\r\n"));
        assert_eq!((reply.status, reply.header("content-range")), (status, content_range), "{range}");
        if status == 416 {
            assert_eq!(
                (reply.code().as_str(), reply.header("cache-control")),
                ("PANDO416", Some("no-store")),
                "{range}"
            );
        } else {
            assert_eq!(reply.text(), body, "{range}");
        }
    }
    // Across pieces of a file that is read from the disk.
    let whole = large();
    for (first, last) in [(0, 0), (100, 131_071), (131_071, 131_072), (5, 600_000), (LARGE - 1, LARGE - 1)] {
        let reply = stage.get("/photos/large.bin", &format!("Range: bytes={first}-{last}\r\n"));
        assert_eq!(reply.header("content-range"), Some(format!("bytes {first}-{last}/{LARGE}").as_str()));
        assert_eq!(reply.header("content-length"), Some((last - first + 1).to_string().as_str()));
        assert!(reply.status == 206 && reply.body == whole[first..=last], "{first}-{last}");
    }
    assert_eq!(stage.get("/empty.txt", "Range: bytes=0-\r\n").status, 416);
}

/// The parts of a multipart body: what is said of each, and its bytes.
fn parts(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    let boundary = reply.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let cut = |bytes: &[u8], by: &[u8]| -> Vec<Vec<u8>> {
        let (mut rest, mut all) = (bytes, Vec::new());
        while let Some(at) = rest.windows(by.len()).position(|window| window == by) {
            all.push(rest[..at].to_vec());
            rest = &rest[at + by.len()..];
        }
        all.push(rest.to_vec());
        all
    };
    let body = [b"\r\n".as_slice(), &reply.body].concat();
    let pieces = cut(&body, format!("\r\n--{boundary}").as_bytes());
    assert_eq!(pieces.last().unwrap(), b"--\r\n");
    pieces[1..pieces.len() - 1]
        .iter()
        .map(|piece| {
            let halves = cut(piece, b"\r\n\r\n");
            (String::from_utf8(halves[0].clone()).unwrap(), halves[1..].join(b"\r\n\r\n".as_slice()))
        })
        .collect()
}

#[test]
fn several_ranges() {
    let stage = Stage::plain();
    let reply = stage.get("/digits.txt", "Range: bytes=0-1, 4-5, -1\r\n");
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    let head = |range: &str| format!("\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/10");
    let expected = [(head("0-1"), b"01".to_vec()), (head("4-5"), b"45".to_vec()), (head("9-9"), b"9".to_vec())];
    assert_eq!((reply.status, parts(&reply)), (206, expected.to_vec()));

    let whole = large();
    let reply = stage.get("/photos/large.bin", "Range: bytes=650000-, 0-9, 200000-499999\r\n");
    assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
    let bodies: Vec<Vec<u8>> = parts(&reply).into_iter().map(|(_, body)| body).collect();
    assert!(bodies == [whole[650_000..].to_vec(), whole[..10].to_vec(), whole[200_000..500_000].to_vec()]);

    // One that is left is sent as one; too many, and those that overlap, as the whole.
    assert_eq!(stage.get("/digits.txt", "Range: bytes=0-1,20-\r\n").header("content-range"), Some("bytes 0-1/10"));
    let many = vec!["0-0"; 17].join(",");
    for range in [many.as_str(), "0-9,0-9", "0-9,5-14"] {
        let reply = stage.get("/photos/large.bin", &format!("Range: bytes={range}\r\n"));
        assert_eq!((reply.status, reply.body.len()), (200, LARGE), "{range}");
    }
}

#[test]
fn ranges_of_what_the_client_has_begun() {
    let stage = Stage::plain();
    let plain = stage.get("/assets/app.js", "");
    let coded = stage.get("/assets/app.js", "Accept-Encoding: br\r\n");
    let (tag, coded_tag) = (plain.header("etag").unwrap(), coded.header("etag").unwrap());
    let begun = |tag: &str, encoding: &str| {
        let headers = format!("Range: bytes=5-14\r\nIf-Range: {tag}\r\nAccept-Encoding: {encoding}\r\n");
        stage.get("/assets/app.js", &headers)
    };
    let reply = begun(tag, "br");
    assert_eq!((reply.status, reply.header("content-encoding"), reply.header("etag")), (206, None, Some(tag)));
    assert_eq!(reply.body, plain.body[5..15]);
    let reply = begun(coded_tag, "br");
    assert_eq!((reply.status, reply.header("content-encoding")), (206, Some("br")));
    assert_eq!((reply.header("etag"), &reply.body[..]), (Some(coded_tag), &coded.body[5..15]));
    for other in ["\"other\"", &format!("W/{tag}"), "Mon, 06 Nov 2023 08:49:37 GMT"] {
        assert_eq!(begun(other, "identity").status, 200, "{other}");
    }
    // A date is that of every form: a part of one could be put to that of another. What has one form goes on by it.
    let date = plain.header("last-modified").unwrap();
    let reply = begun(date, "br");
    assert_eq!((reply.status, reply.header("content-encoding"), reply.body == coded.body), (200, Some("br"), true));
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    std::fs::File::options().append(true).open(stage.public("photos/large.bin")).unwrap().set_modified(old).unwrap();
    stage.site.look(Look::Now).unwrap();
    let one_form = stage.get("/photos/large.bin", "");
    let date = one_form.header("last-modified").unwrap();
    let reply = stage.get("/photos/large.bin", &format!("Range: bytes=0-9\r\nIf-Range: {date}\r\n"));
    assert_eq!((reply.status, reply.body.len()), (206, 10));
    // Without it, parts are of the file as it is.
    let reply = stage.get("/assets/app.js", "Range: bytes=0-5\r\nAccept-Encoding: br\r\n");
    assert_eq!((reply.status, reply.header("content-encoding"), reply.text()), (206, None, "export"));
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let stage = Stage::plain();
    let reply = stage.get("/assets/app.js", "Accept-Encoding: gzip\r\n");
    let (coded, date) = (reply.header("etag").unwrap(), reply.header("last-modified").unwrap());
    let plain = stage.get("/assets/app.js", "");
    let plain = plain.header("etag").unwrap();
    assert_ne!(coded, plain);
    for (headers, tag) in [
        (format!("If-None-Match: {plain}\r\n"), plain),
        (format!("If-None-Match: W/{plain}\r\n"), plain),
        (format!("If-None-Match: \"x\", {coded}\r\nAccept-Encoding: gzip\r\n"), coded),
        ("If-None-Match: *\r\n".to_owned(), plain),
        (format!("If-Modified-Since: {date}\r\n"), plain),
        // Without a tag, the one that 200 would have (RFC 9110 section 15.4.5).
        (format!("If-Modified-Since: {date}\r\nAccept-Encoding: gzip\r\n"), coded),
        ("If-None-Match: *\r\nAccept-Encoding: gzip\r\n".to_owned(), coded),
    ] {
        let reply = stage.get("/assets/app.js", &headers);
        assert_eq!((reply.status, reply.body.len()), (304, 0), "{headers}");
        assert_eq!(reply.header("etag"), Some(tag), "{headers}");
        assert_eq!(reply.header("cache-control"), Some("public, max-age=300, must-revalidate"));
        assert_eq!(reply.header("vary"), Some("Accept-Encoding"));
        assert_eq!((reply.header("content-type"), reply.header("content-length")), (None, None));
    }
    for headers in [
        "If-None-Match: \"x\"\r\n".to_owned(),
        format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}\r\n"),
        // Later than the file, but no date of its own: the file may be one that somebody has gone back to.
        "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n".to_owned(),
        format!("If-Match: {plain}\r\n"),
        format!("If-Match: {plain}\r\nAccept-Encoding: br\r\n"),
    ] {
        assert_eq!(stage.get("/assets/app.js", &headers).status, 200, "{headers}");
    }
    let reply = stage.get("/assets/app.js", "If-Match: \"x\"\r\n");
    assert_eq!(
        (reply.status, reply.code().as_str(), reply.header("cache-control")),
        (412, "PANDO412", Some("no-store"))
    );
    assert!(reply.json()["hint"].is_string());
    let head = stage.ask("HEAD", "/assets/app.js", "If-Match: \"x\"\r\n");
    assert_eq!((head.status, head.body.len()), (412, 0));
}

#[test]
fn compressed_forms() {
    let stage = Stage::plain();
    let script = script();
    for (accepted, coding) in [("br", Coding::Brotli), ("zstd", Coding::Zstandard), ("gzip", Coding::Gzip)] {
        let reply = stage.get("/assets/app.js", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!(reply.header("content-encoding"), Some(accepted));
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
        assert!(reply.body.len() * 3 < script.len(), "{accepted}: {}", reply.body.len());
        let plain = decompress(&[RequestCoding::Known(coding)], &reply.body, script.len()).unwrap();
        assert_eq!(String::from_utf8(plain).unwrap(), script, "{accepted}");
        assert!(reply.header("etag").unwrap().ends_with(&format!("{}\"", coding.tag_suffix())));
    }
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip, deflate, br", Some("br")),
        ("gzip;q=1, br;q=0.5", Some("gzip")),
        ("br;q=0, gzip;q=0", None),
        ("identity", None),
    ] {
        let reply = stage.get("/assets/app.js", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!(reply.header("content-encoding"), coding, "{accepted}");
    }
    // As long as none is made, nothing else goes under its tag.
    let (site, _reading) = Site::open(Settings::new(stage.public("")), Arc::new(SystemClock)).unwrap();
    let server = Server::start_with(|_| {}, |edge| edge.with_files(site));
    let reply = server.get("/assets/app.js", "Accept-Encoding: br\r\n");
    assert_eq!((reply.header("content-encoding"), reply.text() == script), (None, true));
    assert_eq!(reply.header("etag"), stage.get("/assets/app.js", "").header("etag"));
    // Too small, and of a kind that does not shrink.
    for path in ["/digits.txt", "/photos/large.bin"] {
        assert_eq!(stage.get(path, "Accept-Encoding: br\r\n").header("content-encoding"), None, "{path}");
    }
}

#[test]
fn what_a_build_tool_has_compressed_is_used_where_it_is_of_this_file() {
    let stage = Stage::plain();
    let script = script();
    // Brotli of another level than Pando's own, so that it is known again.
    let given = delivery::compress(Coding::Gzip, script.as_bytes()).unwrap();
    let stale = delivery::compress(Coding::Brotli, b"of an earlier build").unwrap();
    std::fs::write(stage.public("assets/app.js.gz"), &given).unwrap();
    std::fs::write(stage.public("assets/app.js.br"), &stale).unwrap();
    // A change by which the script is read anew.
    std::fs::write(stage.public("assets/app.js"), format!("{script} ")).unwrap();
    std::fs::write(stage.public("assets/app.js"), &script).unwrap();
    let (site, _) = Site::open(Settings::new(stage.public("")), Arc::new(SystemClock)).unwrap();
    site.make_smaller(|| true).unwrap();
    let server = Server::start_with(|_| {}, |edge| edge.with_files(site));
    let gzip = server.get("/assets/app.js", "Accept-Encoding: gzip\r\n");
    assert_eq!((gzip.header("content-encoding"), gzip.body == given), (Some("gzip"), true));
    let brotli = server.get("/assets/app.js", "Accept-Encoding: br\r\n");
    let plain = decompress(&[RequestCoding::Known(Coding::Brotli)], &brotli.body, script.len()).unwrap();
    assert_eq!(String::from_utf8(plain).unwrap(), script);
    // By its own name it is a file like any other.
    let itself = server.get("/assets/app.js.gz", "Accept-Encoding: gzip\r\n");
    assert_eq!((itself.header("content-type"), itself.header("content-encoding")), (Some("application/gzip"), None));
}

/// A part that was begun with one encoder's bytes is never gone on with in another's.
#[test]
fn the_same_file_compressed_otherwise_has_another_tag() {
    let stage = Stage::plain();
    let own = stage.get("/assets/app.js", "Accept-Encoding: gzip\r\n");
    let own_tag = own.header("etag").unwrap();
    let given = delivery::compress(Coding::Gzip, script().as_bytes()).unwrap();
    assert!(given[..] != own.body[..]);
    std::fs::write(stage.public("assets/app.js.gz"), &given).unwrap();
    let (site, _) = Site::open(Settings::new(stage.public("")), Arc::new(SystemClock)).unwrap();
    site.make_smaller(|| true).unwrap();
    let server = Server::start_with(|_| {}, |edge| edge.with_files(site));
    let get = |headers: &str| server.get("/assets/app.js", headers);
    let other = get("Accept-Encoding: gzip\r\n");
    let other_tag = other.header("etag").unwrap();
    assert!(other.body == given && other_tag != own_tag);
    let resumed = get(&format!("Range: bytes=5-\r\nIf-Range: {own_tag}\r\nAccept-Encoding: gzip\r\n"));
    assert_eq!((resumed.status, resumed.body == given), (200, true));
    let resumed = get(&format!("Range: bytes=5-\r\nIf-Range: {other_tag}\r\nAccept-Encoding: gzip\r\n"));
    assert_eq!((resumed.status, &resumed.body[..]), (206, &given[5..]));
    assert_eq!(get(&format!("If-None-Match: {own_tag}\r\nAccept-Encoding: gzip\r\n")).status, 200);
    // The file as it is has the same tag all the same.
    assert_eq!(get("").header("etag"), stage.get("/assets/app.js", "").header("etag"));
}

#[test]
fn a_restart_finds_what_was_compressed() {
    let stage = Stage::plain();
    let kept = stage.folder.path().join("kept");
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let made = names();
    assert_eq!(made.len(), 3, "one script under two names, in three codings");
    let inodes = || {
        use std::os::unix::fs::MetadataExt;
        names().iter().map(|name| std::fs::metadata(kept.join(name)).unwrap().ino()).collect::<Vec<_>>()
    };
    let before = inodes();
    let mut settings = Settings::new(stage.public(""));
    settings.kept = Some(kept.clone());
    // Nothing in memory: the compressed forms are read from there as well.
    settings.max_memory_bytes = 0;
    let (site, _) = Site::open(settings, Arc::new(SystemClock)).unwrap();
    assert_eq!(site.make_smaller(|| true).unwrap(), 0);
    assert_eq!((names(), inodes()), (made.clone(), before));
    let served = site.clone();
    let server = Server::start_with(|_| {}, |edge| edge.with_files(served));
    let reply = server.get("/assets/app.js", "Accept-Encoding: br\r\n");
    assert_eq!(reply.header("content-encoding"), Some("br"));
    // Somebody clears the folder while it is served.
    std::fs::remove_dir_all(&kept).unwrap();
    let reply = server.get("/assets/app.js", "Accept-Encoding: br\r\n");
    assert_eq!((reply.status, reply.header("content-encoding"), reply.text()), (200, None, script().as_str()));
    // Nothing of what is gone from the folder stays.
    std::fs::write(stage.public("assets/app.js"), "short").unwrap();
    std::fs::write(stage.public("assets/app-BxY12abc.js"), "short").unwrap();
    std::fs::write(stage.public("other.css"), script()).unwrap();
    site.look(Look::Now).unwrap().unwrap();
    site.make_smaller(|| true).unwrap();
    assert_eq!(names().len(), 3);
}

#[test]
fn folders_get_their_slash() {
    let stage = Stage::plain();
    std::fs::create_dir_all(stage.public("guide/a:b é")).unwrap();
    std::fs::write(stage.public("guide/a:b é/index.html"), "deep").unwrap();
    stage.site.look(Look::Now).unwrap();
    for (path, place) in
        [("/guide", "./guide/"), ("/guide?a=b", "./guide/?a=b"), ("/guide/a:b%20%C3%A9", "./a:b%20%C3%A9/")]
    {
        let reply = stage.get(path, "");
        assert_eq!((reply.status, reply.header("location")), (308, Some(place)), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-cache"), "{path}");
    }
    assert_eq!(stage.get("/guide/a:b%20%C3%A9/", "").text(), "deep");
    // One without a page is nobody's.
    assert_eq!(stage.get("/photos", "").json()["path"], "/photos");
    assert_eq!(stage.get("/photos/", "").json()["path"], "/photos/");
}

#[test]
fn pages_of_applications() {
    let stage = Stage::new(|settings| settings.fallback = Some("index.html".to_owned()));
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    for path in ["/people/7", "/people/7/", "/a.b/c", "/photos", "/guide2?x=y"] {
        let reply = stage.get(path, browser);
        assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-cache")), "{path}");
        assert_eq!(reply.header("vary"), Some("Accept, Accept-Encoding"), "{path}");
        assert!(reply.text().contains("home"), "{path}");
    }
    assert_eq!(stage.ask("HEAD", "/people/7", browser).status, 200);
    // Not where a file was meant, a program asks, something is written, or a path is odd: those go on to the API.
    for (method, path, headers) in [
        ("GET", "/assets/gone.js", browser),
        // Functions may give pages.
        ("GET", "/rpc/page", browser),
        ("GET", "/rpc/page?a=b", browser),
        ("GET", "/people", ""),
        ("GET", "/people", "Accept: */*\r\n"),
        ("GET", "/people", "Accept: text/html;q=0, application/json\r\n"),
        ("DELETE", "/people", browser),
        ("GET", "/people/..%2f7", browser),
        ("GET", "/people//7", browser),
    ] {
        assert!(stage.ask(method, path, headers).json()["path"].is_string(), "{method} {path} {headers}");
    }
}

#[test]
fn nothing_outside_is_served() {
    let stage = Stage::plain();
    for path in [
        "/link.txt",
        "/up/secret.txt",
        "/.env",
        "/.git/config",
        "/%2egit/config",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/guide/../../secret.txt",
        "/guide/..%5c..%5csecret.txt",
        "/..%c0%afsecret.txt",
        "/%252e%252e/secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/digits.txt%00",
        "/digits.txt%00.html",
        "/digits.txt/",
        "/digits.txt/.",
        "/guide//index.html",
        "/./digits.txt",
    ] {
        let reply = stage.get(path, "");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains("SECRET") && !text.contains("root:") && !text.contains("secret\""), "{path}: {text}");
        // What is no file is the API's to refuse.
        assert!(reply.status == 400 || reply.json()["path"].is_string(), "{path}: {} {text}", reply.status);
    }
}

#[test]
fn a_file_that_changes_is_never_mixed() {
    let stage = Stage::plain();
    let before = stage.get("/photos/large.bin", "");
    let tag = before.header("etag").unwrap().to_owned();
    // In place, the same length: the one before is not in the folder any more.
    let mut other = large();
    other.iter_mut().for_each(|byte| *byte ^= 1);
    std::fs::write(stage.public("photos/large.bin"), &other).unwrap();
    // Nobody has looked at the folder meanwhile.
    let after = stage.get_when_settled("/photos/large.bin");
    assert!(after.status == 200 && after.body == other && after.header("etag") != Some(&tag));
    let range = stage.get("/photos/large.bin", &format!("Range: bytes=0-9\r\nIf-Range: {tag}\r\n"));
    assert_eq!((range.status, range.body.len()), (200, LARGE));
    // Gone: then it is the API's.
    std::fs::remove_file(stage.public("photos/large.bin")).unwrap();
    assert_eq!(stage.get_when_settled("/photos/large.bin").json()["path"], "/photos/large.bin");
}

#[test]
fn a_file_that_changes_under_way_breaks_off() {
    use std::io::{Read, Write};
    // More than sockets hold.
    const HUGE: usize = 64 * 1024 * 1024;
    let stage = Stage::plain();
    std::fs::write(stage.public("huge.bin"), vec![b'a'; HUGE]).unwrap();
    stage.site.look(Look::Now).unwrap();
    let mut stream = stage.server.connect();
    stream.write_all(b"GET /huge.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut bytes = common::read_until(&mut stream, b"\r\n\r\n").unwrap();
    std::fs::write(stage.public("huge.bin"), vec![b'b'; HUGE]).unwrap();
    let _reset = stream.read_to_end(&mut bytes);
    assert!(bytes.len() < HUGE, "it does not break off");
    let body = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    assert!(bytes[body..].iter().all(|byte| *byte == b'a'), "it is mixed");
}

#[test]
fn a_new_version_counts_as_a_whole() {
    let stage = Stage::plain();
    let page = |text: &str| std::fs::write(stage.public("index.html"), text).unwrap();
    let tag = stage.get("/", "").header("etag").unwrap().to_owned();
    page("half");
    assert_eq!(stage.site.look(Look::WhenCalm).unwrap(), None);
    page("nearly");
    assert_eq!(stage.site.look(Look::WhenCalm).unwrap(), None);
    assert!(stage.get("/", "").text().contains("home"));
    let reading = stage.site.look(Look::WhenCalm).unwrap().unwrap();
    assert_eq!((reading.changes.added, reading.changes.changed, reading.changes.removed), (0, 1, 0));
    let reply = stage.get("/", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((reply.status, reply.text()), (200, "nearly"));
    // Asked for, it is taken as it is.
    std::fs::remove_file(stage.public("digits.txt")).unwrap();
    std::fs::write(stage.public("new.txt"), "new").unwrap();
    std::fs::write(stage.public("assets/app.3f2a9c1b.css"), "b{}").unwrap();
    let reading = stage.site.look(Look::Now).unwrap().unwrap();
    // The link to what is gone as well.
    assert_eq!((reading.changes.added, reading.changes.changed, reading.changes.removed), (1, 1, 2));
    assert_eq!(reading.changes.broken_promises, ["assets/app.3f2a9c1b.css"]);
    assert_eq!(stage.get("/new.txt", "").text(), "new");
    // A folder that cannot be read changes nothing.
    let public = stage.folder.path().join("public");
    std::fs::rename(&public, stage.folder.path().join("away")).unwrap();
    assert!(stage.site.look(Look::Now).is_err());
    assert_eq!(stage.get("/new.txt", "").text(), "new");
}

#[test]
fn a_new_version_that_takes_long_is_waited_for() {
    let stage = Stage::plain();
    let write = |part: u32| std::fs::write(stage.public(&format!("part{part}.txt")), "x").unwrap();
    for part in 0..files::MOST_WAITS {
        write(part);
        assert_eq!(stage.site.look(Look::WhenCalm).unwrap(), None, "{part}");
    }
    assert!(stage.get("/part0.txt", "").json()["path"].is_string());
    // Calm in the end: all of it counts at once, and nobody has to be warned.
    let reading = stage.site.look(Look::WhenCalm).unwrap().unwrap();
    assert_eq!((reading.changes.added, reading.is_restless), (files::MOST_WAITS as usize, false));
    // One that never ends counts at last, and is told.
    for part in 0..files::MOST_WAITS {
        write(1_000 + part);
        assert_eq!(stage.site.look(Look::WhenCalm).unwrap(), None, "{part}");
    }
    write(2_000);
    assert!(stage.site.look(Look::WhenCalm).unwrap().unwrap().is_restless);
    assert_eq!(stage.get("/part2000.txt", "").text(), "x");
}

#[test]
fn over_http_2() {
    let stage = Stage::plain();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(stage.server.api).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(socket);
        let executor = hyper_util::rt::TokioExecutor::new();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
        tokio::spawn(connection);
        let request =
            http::Request::get("http://a/photos/large.bin").body(http_body_util::Empty::<bytes::Bytes>::new());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.headers()["content-length"], LARGE.to_string().as_str());
        http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes()
    });
    assert!(body == large());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked for, what comes is one of the files that are served, or not a file at all.
    #[test]
    fn no_path_leads_out(path in "(/|%2f|%5c|\\.\\.|%2e|\\.|%00|%c0%ae|up|link.txt|secret.txt|guide|\\.git|config|é|%C3%A9){1,8}") {
        let folder = tempfile::tempdir().unwrap();
        let public = folder.path().join("public");
        fill(&public);
        let (site, _) = Site::open(Settings::new(&public), Arc::new(SystemClock)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(site.answer(&http::Method::GET, &format!("/{path}"), None, &http::HeaderMap::new()));
        if let files::Outcome::Answer(answer) = found
            && let files::FileBody::Full(bytes) = answer.body
        {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert!(!text.contains("SECRET") && !text.contains("secret"), "{path}: {text}");
        }
    }
}
