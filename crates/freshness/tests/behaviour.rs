//! What the suite of cache-tests.fyi does not look at: many at once, writes that come in between, origins that fail, time that
//! passes. The origin answers what a test says, and the clock goes on when a test says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod proxy;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Instant;

use base::{Clock, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use proxy::Proxy;

/// A clock that a test moves.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// What the origin does with a question, the number of which it is told: an answer as it stands on the wire, or nothing, and the
/// connection is broken off. It may wait for the gate to be opened.
type Script = Arc<dyn Fn(usize, &str) -> Reply + Send + Sync>;

enum Reply {
    Say(String),
    SayBehindTheGate(String),
    BreakOff,
}

struct Stage {
    proxy: SocketAddr,
    clock: Arc<Hand>,
    asked: watch::Receiver<usize>,
    gate: Arc<Notify>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn cache_status(&self) -> &str {
        self.field("cache-status").unwrap()
    }
}

/// An answer with this body and these further lines of the head.
fn said(fields: &str, body: &str) -> String {
    let fields: String = fields.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n{body}", body.len())
}

impl Stage {
    async fn set(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let clock = Arc::new(Hand(AtomicI64::new(784_111_777_000_000)));
        let gate = Arc::new(Notify::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = listener.local_addr().unwrap();
        let (sender, asked) = watch::channel(0);
        tokio::spawn(serve(listener, Arc::new(script), gate.clone(), sender));
        let proxy = Proxy::start(origin, clock.clone()).await;
        Self { proxy, clock, asked, gate }
    }

    /// Lets time pass.
    fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    async fn until_asked(&mut self, times: usize) {
        self.asked.wait_for(|asked| *asked >= times).await.unwrap();
    }

    async fn get(&self, fields: &str) -> Answer {
        ask(self.proxy, "GET", fields).await
    }
}

async fn serve(listener: TcpListener, script: Script, gate: Arc<Notify>, sender: watch::Sender<usize>) {
    let number = Arc::new(AtomicUsize::new(0));
    let sender = Arc::new(sender);
    while let Ok((mut socket, _)) = listener.accept().await {
        let (script, gate, number, sender) = (script.clone(), gate.clone(), number.clone(), sender.clone());
        tokio::spawn(async move {
            let head = read_head(&mut socket).await;
            let number = number.fetch_add(1, Ordering::SeqCst) + 1;
            let reply = script(number, &head);
            sender.send_modify(|asked| *asked += 1);
            let answer = match reply {
                Reply::BreakOff => return,
                Reply::Say(answer) => answer,
                Reply::SayBehindTheGate(answer) => {
                    gate.notified().await;
                    answer
                }
            };
            let _gone = socket.write_all(answer.as_bytes()).await;
        });
    }
}

/// Requests of these tests have no content, or one that nobody looks at.
async fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await.unwrap() {
            0 => break,
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

async fn ask(proxy: SocketAddr, method: &str, fields: &str) -> Answer {
    let mut socket = TcpStream::connect(proxy).await.unwrap();
    let fields: String = fields.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    let request = format!("{method} /a HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n{fields}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stampede_asks_once() {
    let stage = Stage::set(|_, _| Reply::Say(said("Cache-Control: max-age=60", "yes"))).await;
    let proxy = stage.proxy;
    let asking: Vec<_> = (0..500).map(|_| tokio::spawn(async move { ask(proxy, "GET", "").await })).collect();
    for one in asking {
        let answer = one.await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "yes"));
    }
    assert_eq!(stage.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_shared_is_not_shared_in_a_stampede() {
    let stage = Stage::set(|number, _| Reply::Say(said("Cache-Control: no-store", &number.to_string()))).await;
    let proxy = stage.proxy;
    let asking: Vec<_> = (0..100).map(|_| tokio::spawn(async move { ask(proxy, "GET", "").await.body })).collect();
    let mut bodies = std::collections::HashSet::new();
    for one in asking {
        assert!(bodies.insert(one.await.unwrap()), "one answer for two");
    }
    assert_eq!(stage.asked(), 100);
}

#[tokio::test]
async fn who_waits_for_one_that_goes_away_asks_itself() {
    let mut stage = Stage::set(|_, _| Reply::SayBehindTheGate(said("Cache-Control: max-age=60", "yes"))).await;
    let mut first = TcpStream::connect(stage.proxy).await.unwrap();
    first.write_all(b"GET /a HTTP/1.1\r\nHost: example.org\r\n\r\n").await.unwrap();
    stage.until_asked(1).await;
    let proxy = stage.proxy;
    let second = tokio::spawn(async move { ask(proxy, "GET", "").await });
    drop(first);
    stage.until_asked(2).await;
    stage.gate.notify_waiters();
    stage.gate.notify_one();
    assert_eq!(second.await.unwrap().body, "yes");
}

#[tokio::test]
async fn a_late_fill_never_overwrites_a_write() {
    let script = |number: usize, head: &str| match (number, head.starts_with("post")) {
        (_, true) => Reply::Say(said("", "written")),
        (1, _) => Reply::SayBehindTheGate(said("Cache-Control: max-age=60", "old")),
        _ => Reply::Say(said("Cache-Control: max-age=60", "new")),
    };
    let mut stage = Stage::set(script).await;
    let proxy = stage.proxy;
    let slow = tokio::spawn(async move { ask(proxy, "GET", "").await });
    stage.until_asked(1).await;
    assert_eq!(ask(proxy, "POST", "Content-Length: 0").await.body, "written");
    stage.gate.notify_one();
    let slow = slow.await.unwrap();
    assert_eq!(slow.body, "old", "asked before the write was answered");
    assert!(!slow.cache_status().contains("stored"), "{}", slow.cache_status());
    assert_eq!(stage.get("").await.body, "new");
    assert_eq!(stage.get("").await.cache_status(), "pando; hit; ttl=60");
}

#[tokio::test]
async fn an_origin_that_is_gone() {
    for (told, asked, expected) in [
        ("max-age=2", "", 504),
        ("max-age=2, stale-if-error=60", "", 200),
        ("max-age=2, stale-if-error=60", "Cache-Control: no-cache", 200),
        ("max-age=2", "Cache-Control: stale-if-error=60", 200),
        ("max-age=2, stale-if-error=60, must-revalidate", "", 504),
        ("max-age=2, stale-if-error=60, proxy-revalidate", "", 504),
        ("max-age=2, stale-if-error=60, no-cache", "", 504),
        ("s-maxage=2, stale-if-error=60", "Cache-Control: max-stale", 504),
    ] {
        let fields = format!("ETag: \"a\"\nCache-Control: {told}");
        let script =
            move |number, _: &str| if number == 1 { Reply::Say(said(&fields, "yes")) } else { Reply::BreakOff };
        let stage = Stage::set(script).await;
        assert_eq!(stage.get("").await.body, "yes");
        stage.pass(10);
        let answer = stage.get(asked).await;
        assert_eq!(answer.status, expected, "{told}, {asked}");
        if expected == 200 {
            assert_eq!((answer.body.as_str(), answer.field("age")), ("yes", Some("10")));
            assert!(answer.cache_status().starts_with("pando; fwd="), "{}", answer.cache_status());
        }
    }
    let stage = Stage::set(|_, _| Reply::BreakOff).await;
    assert_eq!(stage.get("").await.status, 502);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_stored() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nCache-Control: max-age=60\r\n\r\nhalf";
    let script = move |number, _: &str| match number {
        1 => Reply::Say(half.to_owned()),
        _ => Reply::Say(said("Cache-Control: max-age=60", "whole")),
    };
    let stage = Stage::set(script).await;
    assert_eq!(stage.get("").await.status, 502);
    assert_eq!(stage.get("").await.body, "whole");
}

#[tokio::test]
async fn stale_while_it_is_asked_for_anew() {
    let fields = "Cache-Control: max-age=10, stale-while-revalidate=10";
    let mut stage = Stage::set(move |number, _| Reply::Say(said(fields, &number.to_string()))).await;
    assert_eq!(stage.get("").await.body, "1");
    stage.pass(15);
    let stale = stage.get("").await;
    assert_eq!((stale.body.as_str(), stale.cache_status()), ("1", "pando; hit; ttl=-5"));
    stage.until_asked(2).await;
    while stage.get("").await.body != "2" {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.asked(), 2, "asked once, however many came meanwhile");
    stage.pass(25);
    assert_eq!(stage.get("").await.body, "3", "after that time it is asked for before it is answered");
}

#[tokio::test]
async fn confirmed_and_updated() {
    let script = |number, head: &str| match number {
        1 => Reply::Say(said("ETag: \"a\"\nAge: 5\nX-A: 1\nCache-Control: max-age=10", "yes")),
        2 => {
            assert!(head.contains("if-none-match: \"a\"\r\n") && !head.contains("\r\nrange:"), "{head}");
            Reply::Say("HTTP/1.1 304 Not Modified\r\nX-A: 2\r\nCache-Control: max-age=20\r\n\r\n".to_owned())
        }
        _ => Reply::Say("HTTP/1.1 304 Not Modified\r\nCache-Control: no-store\r\n\r\n".to_owned()),
    };
    let stage = Stage::set(script).await;
    stage.get("").await;
    stage.pass(8);
    let answer = stage.get("Range: bytes=0-0").await;
    assert_eq!((answer.status, answer.body.as_str(), answer.field("x-a")), (206, "y", Some("2")));
    assert_eq!(answer.cache_status(), "pando; fwd=stale; fwd-status=304; stored; ttl=20");
    stage.pass(19);
    let answer = stage.get("If-None-Match: \"a\"").await;
    assert_eq!((answer.status, answer.field("age"), answer.body.as_str()), (304, Some("19"), ""));
    assert_eq!(stage.asked(), 2);
    stage.pass(2);
    assert_eq!(stage.get("").await.body, "yes");
    assert_eq!(stage.asked(), 3);
    assert_eq!(stage.get("").await.status, 304, "no longer stored, so that the script's answer comes through");
}

#[tokio::test]
async fn heads_parts_and_conditions_out_of_what_is_stored() {
    let stage = Stage::set(|_, _| Reply::Say(said("ETag: \"a\"\nCache-Control: max-age=60", "0123456789"))).await;
    stage.get("").await;
    let head = ask(stage.proxy, "HEAD", "").await;
    assert_eq!((head.status, head.field("content-length"), head.body.as_str()), (200, Some("10"), ""));
    let part = stage.get("Range: bytes=-3").await;
    let expected = (206, Some("bytes 7-9/10"), Some("3"), "789");
    assert_eq!((part.status, part.field("content-range"), part.field("content-length"), part.body.as_str()), expected);
    let outside = stage.get("Range: bytes=10-").await;
    assert_eq!((outside.status, outside.field("content-range")), (416, Some("bytes */10")));
    let whole = stage.get("Range: bytes=0-1\nIf-Range: \"b\"").await;
    assert_eq!((whole.status, whole.body.len()), (200, 10));
    assert_eq!(stage.get("If-None-Match: W/\"a\"").await.status, 304);
    assert_eq!(stage.asked(), 1);
}

#[tokio::test]
async fn what_is_for_caches_like_this_one_counts_first() {
    for (fields, expected) in [
        ("CDN-Cache-Control: max-age=60\nCache-Control: no-store", 1),
        ("CDN-Cache-Control: max-age=60, &&&\nCache-Control: no-store", 2),
        ("CDN-Cache-Control: no-store\nCache-Control: max-age=60", 2),
        ("CDN-Cache-Control: private\nCache-Control: max-age=60", 2),
        ("CDN-Cache-Control: max-age=1\nCache-Control: max-age=60", 2),
        ("CDN-Cache-Control: max-age=60\nCDN-Cache-Control: must-revalidate\nExpires: 0", 1),
        ("Surrogate-Control: max-age=60;pando\nCache-Control: no-store", 1),
        ("Surrogate-Control: max-age=60;other\nCache-Control: no-store", 2),
    ] {
        let stage = Stage::set(move |_, _| Reply::Say(said(fields, "yes"))).await;
        assert!(stage.get("").await.field("surrogate-control").is_none());
        stage.pass(5);
        stage.get("").await;
        assert_eq!(stage.asked(), expected, "{fields}");
    }
}

#[tokio::test]
async fn only_what_is_cached() {
    let stage = Stage::set(|_, _| Reply::Say(said("Cache-Control: max-age=60", "yes"))).await;
    let answer = stage.get("Cache-Control: only-if-cached").await;
    assert_eq!((answer.status, answer.cache_status(), stage.asked()), (504, "pando; detail=only-if-cached", 0));
    stage.get("").await;
    assert_eq!(stage.get("Cache-Control: only-if-cached").await.body, "yes");
}
