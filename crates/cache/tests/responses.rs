//! The sentences of `cache::Responses`, asked of both drivers; and what is said of the one on a server alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base::{Secret, SystemClock};
use bytes::Bytes;
use cache::{
    Config, Event, Expiry, Keys, Listener, MemoryResponses, Portable, RemoteResponses, Response, ResponseKey, Responses,
};
use testkit::{Redis, on_every_server};

const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of an answer on a server.
const MOST_BYTES: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    moment: u64,
    bytes: Bytes,
    expiry: Expiry,
    /// When it was found.
    now: u64,
}

impl Text {
    fn of(moment: u64, bytes: impl Into<Bytes>) -> Arc<Self> {
        Self::until(moment, bytes, Expiry::AfterKept(PATIENCE))
    }

    fn until(moment: u64, bytes: impl Into<Bytes>, expiry: Expiry) -> Arc<Self> {
        Arc::new(Self { moment, bytes: bytes.into(), expiry, now: 0 })
    }
}

impl Response for Text {
    fn weight(&self) -> usize {
        self.bytes.len()
    }

    fn moment(&self) -> u64 {
        self.moment
    }
}

impl Portable for Text {
    fn to_bytes(&self) -> Vec<u8> {
        [b"text", &*self.bytes].concat()
    }

    fn from_bytes(bytes: Bytes, moment: u64, now: u64) -> Option<Self> {
        let text = bytes.strip_prefix(b"text")?;
        Some(Self { moment, bytes: bytes.slice_ref(text), expiry: Expiry::AfterKept(PATIENCE), now })
    }

    fn expiry(&self) -> Expiry {
        self.expiry
    }
}

fn key(number: u16) -> ResponseKey {
    let mut key = [7; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    ResponseKey(key)
}

async fn found(kept: &dyn Responses<Text>, number: u16) -> Option<(u64, Bytes)> {
    kept.find(&key(number)).await.map(|text| (text.moment, text.bytes.clone()))
}

async fn what_is_kept_is_found(kept: &dyn Responses<Text>) {
    assert_eq!(found(kept, 1).await, None);
    for (number, bytes) in [(1, vec![]), (2, vec![0, 255, b'\n']), (3, vec![9; 90_000])] {
        kept.keep(key(number), Text::of(u64::from(number), bytes.clone())).await;
        assert_eq!(found(kept, number).await, Some((u64::from(number), bytes.into())));
    }
    assert_eq!(found(kept, 4).await, None);
}

async fn one_that_comes_late_takes_no_newer_ones_place(kept: &dyn Responses<Text>) {
    for (moment, bytes, expected) in [(5, "five", 5), (9, "nine", 9), (8, "eight", 9), (9, "other", 9), (10, "ten", 10)]
    {
        kept.keep(key(10), Text::of(moment, bytes)).await;
        assert_eq!(found(kept, 10).await.unwrap().0, expected);
    }
    kept.keep(key(10), Text::of(u64::MAX, "last")).await;
    kept.keep(key(10), Text::of(u64::MAX - 1, "late")).await;
    assert_eq!(found(kept, 10).await.unwrap().1, "last");
}

/// Of many that come at once, in any order, the last moment stays.
async fn of_many_at_once_the_newest_stays(kept: &Arc<dyn Responses<Text>>) {
    let keeping: Vec<_> = (1..=100_u64)
        .map(|number| {
            let (kept, moment) = (kept.clone(), number * 37 % 101);
            tokio::spawn(async move { kept.keep(key(20), Text::of(moment, moment.to_string())).await })
        })
        .collect();
    for one in keeping {
        one.await.unwrap();
    }
    assert_eq!(found(&**kept, 20).await, Some((100, Bytes::from_static(b"100"))));
}

async fn what_is_forgotten_is_gone_and_nothing_else(kept: &dyn Responses<Text>) {
    kept.keep(key(30), Text::of(5, "a")).await;
    kept.keep(key(31), Text::of(5, "b")).await;
    kept.forget(&key(30)).await;
    kept.forget(&key(32)).await;
    assert_eq!((found(kept, 30).await, found(kept, 31).await.unwrap().0), (None, 5));
    // What was known of its moment is gone with it.
    kept.keep(key(30), Text::of(1, "c")).await;
    assert_eq!(found(kept, 30).await.unwrap().0, 1);
}

async fn suite(kept: Arc<dyn Responses<Text>>) {
    what_is_kept_is_found(&*kept).await;
    one_that_comes_late_takes_no_newer_ones_place(&*kept).await;
    of_many_at_once_the_newest_stays(&kept).await;
    what_is_forgotten_is_gone_and_nothing_else(&*kept).await;
}

#[tokio::test]
async fn memory_keeps_the_promise() {
    let kept = Arc::new(MemoryResponses::new(1 << 20));
    suite(kept.clone()).await;
    assert!(kept.at_hand(&key(31)).is_some() && kept.held().0 > 0);
}

/// A node with a deadline, which waits until the server is there.
async fn open(redis: &Redis, secret: &str, timeout: Duration) -> (Arc<RemoteResponses<Text>>, Arc<Mutex<Vec<Event>>>) {
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let heard = events.clone();
    let listener = Listener::new(move |event| heard.lock().unwrap().push(event));
    let config = Config { url: Some(Secret::new(redis.url())), timeout, listener, ..Config::default() };
    let keys = Keys::new(&Secret::new(secret));
    let kept = Arc::new(RemoteResponses::open(&config, keys, MOST_BYTES, Arc::new(SystemClock)).unwrap());
    until("it is there", || kept.is_up()).await;
    (kept, events)
}

async fn node(redis: &Redis) -> Arc<RemoteResponses<Text>> {
    open(redis, "of the tests", Duration::from_secs(20)).await.0
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The names of what stands on the server.
fn names(redis: &Redis) -> Vec<String> {
    let names = redis.ask("KEYS *:answer:*");
    names.lines().filter(|line| line.starts_with("pando:")).map(str::to_owned).collect()
}

on_every_server!(a_server_keeps_the_promise, |redis| {
    let kept = node(&redis).await;
    suite(kept.clone()).await;
    assert_eq!((kept.at_hand(&key(31)), kept.held()), (None, (0, 0)), "nothing of it is in memory");
    let names = names(&redis);
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let left = redis.ask(&format!("PTTL {name}"));
        assert!(left.starts_with(':') && !left.starts_with(":-"), "{name} never ends: {left}");
    }
});

on_every_server!(nodes_share_what_they_keep_and_scripts_may_be_gone, |redis| {
    let (one, other) = (node(&redis).await, node(&redis).await);
    one.keep(key(1), Text::of(5, "five")).await;
    assert_eq!(found(&*other, 1).await, Some((5, Bytes::from_static(b"five"))));
    redis.ask("SCRIPT FLUSH");
    other.keep(key(1), Text::of(4, "four")).await;
    other.keep(key(2), Text::of(4, "four")).await;
    assert_eq!((found(&*one, 1).await.unwrap().0, found(&*one, 2).await.unwrap().0), (5, 4));
    // Who does not know the secret finds nothing, and nobody finds what he leaves there.
    let (stranger, _) = open(&redis, "another one", PATIENCE).await;
    assert_eq!(found(&*stranger, 1).await, None);
    redis.ask("FLUSHALL");
    assert_eq!(found(&*one, 1).await, None);
});

on_every_server!(what_is_too_large_is_neither_kept_nor_read, |redis| {
    let kept = node(&redis).await;
    kept.keep(key(1), Text::of(5, vec![1; MOST_BYTES])).await;
    assert_eq!(names(&redis), Vec::<String>::new());
    kept.keep(key(1), Text::of(5, vec![1; MOST_BYTES - 4])).await;
    assert!(found(&*kept, 1).await.is_some());
    let name = names(&redis).remove(0);
    redis.ask(&format!("SETRANGE {name} 50000000 x"));
    assert_eq!(found(&*kept, 1).await, None);
});

on_every_server!(whatever_stands_in_the_place_of_an_answer_is_none, |redis| {
    let (kept, events) = open(&redis, "of the tests", PATIENCE).await;
    kept.keep(key(1), Text::of(1, "one")).await;
    let name = names(&redis).remove(0);
    kept.keep(key(2), Text::of(99, "another")).await;
    let other = names(&redis).into_iter().find(|other| *other != name).unwrap();
    let digits = "9".repeat(20);
    for garbage in [
        format!("SET {name} x"),
        format!("SET {name} {digits}"),
        format!("SET {name} {digits}{}", "x".repeat(100)),
        format!("SETRANGE {name} 60 x"),
        format!("SETRANGE {name} 0 00000000000000000007"),
        // That of another question.
        format!("COPY {other} {name} REPLACE"),
        format!("DEL {name}\r\nLPUSH {name} x"),
        format!("DEL {name}\r\nHSET {name} x y"),
        format!("DEL {name}\r\nSADD {name} x"),
    ] {
        redis.ask(&garbage);
        assert_eq!(found(&*kept, 1).await, None, "{garbage}");
        // It stands in nobody's way.
        kept.keep(key(1), Text::of(2, "two")).await;
        assert_eq!(found(&*kept, 1).await, Some((2, Bytes::from_static(b"two"))), "{garbage}");
        redis.ask(&garbage);
        kept.forget(&key(1)).await;
        kept.keep(key(1), Text::of(1, "one")).await;
    }
    assert!(found(&*kept, 2).await.is_some());
    assert!(matches!(*events.lock().unwrap().as_slice(), [Event::Found { .. }]), "the server is not at fault");
});

on_every_server!(an_age_is_told_by_the_servers_clock_alone, |redis| {
    let kept = node(&redis).await;
    let born = kept.now().await.unwrap();
    let keep = async |number, moment, lifetime| {
        kept.keep(key(number), Text::until(moment, "x", Expiry::AfterMoment(lifetime))).await;
        kept.find(&key(number)).await
    };
    let one = keep(1, born, PATIENCE).await.unwrap();
    assert!(one.now >= born && one.moment == born);
    let name = names(&redis).remove(0);
    let left: u64 = redis.ask(&format!("PTTL {name}")).trim_start_matches(':').trim().parse().unwrap();
    assert!(left <= 30_000, "{left} ms are left");
    // What was read ten seconds ago has so much less.
    keep(2, born - 10_000_000, PATIENCE).await.unwrap();
    let name = names(&redis).into_iter().find(|other| *other != name).unwrap();
    let left: u64 = redis.ask(&format!("PTTL {name}")).trim_start_matches(':').trim().parse().unwrap();
    assert!(left <= 20_000, "{left} ms are left");
    // What is too old by now, or read later than now, is not kept.
    assert_eq!(keep(3, born - 60_000_000, PATIENCE).await, None);
    assert_eq!(keep(4, born + 600_000_000, PATIENCE).await, None);
});

on_every_server!(an_answer_that_arrives_late_is_as_old_as_it_is, |redis| {
    let (kept, _) = open(&redis, "of the tests", Duration::from_millis(250)).await;
    let born = kept.now().await.unwrap();
    redis.freeze();
    // It stands in the server's queue, and is taken in when it goes on.
    let begun = Instant::now();
    kept.keep(key(1), Text::until(born, "x", Expiry::AfterMoment(Duration::from_millis(100)))).await;
    assert!(begun.elapsed() >= Duration::from_millis(100), "the deadline was waited for");
    redis.thaw();
    until("it is there", || kept.is_up()).await;
    assert_eq!(found(&*kept, 1).await, None);
});

on_every_server!(a_server_that_hangs_or_is_gone_costs_one_short_wait, |mut redis| {
    let (kept, events) = open(&redis, "of the tests", Duration::from_millis(250)).await;
    kept.keep(key(1), Text::of(5, "five")).await;
    redis.freeze();
    for _ in 0..3 {
        assert_eq!(found(&*kept, 1).await, None);
    }
    assert!(!kept.is_up());
    // Nobody waits any more: a thousand of 250 ms would take minutes.
    for _ in 0..1_000 {
        assert_eq!(found(&*kept, 1).await, None);
        kept.keep(key(1), Text::of(6, "six")).await;
    }
    assert!(!kept.is_up() && kept.now().await.is_none());
    redis.thaw();
    until("it is back", || kept.is_up()).await;
    assert_eq!(found(&*kept, 1).await, Some((5, Bytes::from_static(b"five"))));
    redis.kill();
    assert_eq!(found(&*kept, 1).await, None);
    redis.start_again();
    until("it is back", || kept.is_up()).await;
    assert_eq!(found(&*kept, 1).await, None);
    kept.keep(key(1), Text::of(7, "seven")).await;
    assert!(found(&*kept, 1).await.is_some());
    let reasons: Vec<_> = events
        .lock()
        .unwrap()
        .iter()
        .map(|event| if let Event::Lost { reason } = event { *reason } else { "found" })
        .collect();
    assert_eq!(reasons, ["found", "too slow", "found", "unreachable", "found"]);
});
