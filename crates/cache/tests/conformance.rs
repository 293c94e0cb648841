//! The sentences of `cache::Cache`, asked of both drivers, of the remote one on Redis and on Valkey. Times are real, since a server has a clock of its own: what has to
//! have happened is waited for much longer than it takes, and what must not have happened is asked for at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

use std::sync::Arc;
use std::time::Duration;

use base::{Secret, SystemClock};
use bytes::Bytes;
use cache::{Cache, CacheError, Charge, Config, Key, Keys, MOST_VALUE_BYTES, Mode, Rate, Tally};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use testkit::{Redis, on_every_server};

const MINUTE: Duration = Duration::from_secs(60);

fn keys() -> Keys {
    Keys::new(&Secret::new("of the tests"))
}

fn key(name: &str) -> Key {
    keys().key("test", &[name.as_bytes()])
}

/// A charge of `cost` to `name`, of which 5 fit at once and one more a minute later.
fn charge(name: &str, cost: u64) -> Charge {
    Charge { key: key(name), rate: Rate::new(1, MINUTE).unwrap(), burst: 5, cost }
}

async fn is_allowed(cache: &dyn Cache, mode: Mode, charges: &[Charge]) -> bool {
    cache.spend(mode, charges).await.unwrap().is_allowed
}

async fn a_burst_fits_and_no_more(cache: &dyn Cache) {
    for left in (0..5).rev() {
        let charged = cache.spend(Mode::Charge, &[charge("burst", 1)]).await.unwrap();
        assert!(charged.is_allowed && !charged.is_local);
        assert_eq!(charged.verdicts[0].remaining, left);
        assert_eq!(charged.verdicts[0].retry_after, None);
    }
    let refused = cache.spend(Mode::Charge, &[charge("burst", 1)]).await.unwrap();
    assert!(!refused.is_allowed);
    let verdict = refused.verdicts[0];
    let wait = verdict.retry_after.unwrap();
    assert!(wait <= MINUTE && wait > MINUTE / 2, "{wait:?}");
    assert!(verdict.reset <= 5 * MINUTE && verdict.reset > 4 * MINUTE, "{verdict:?}");
    assert_eq!(verdict.remaining, 0);
}

async fn a_debt_is_forgiven_at_its_rate(cache: &dyn Cache) {
    let fast = Charge { key: key("fast"), rate: Rate::new(10, Duration::from_secs(1)).unwrap(), burst: 2, cost: 2 };
    assert!(is_allowed(cache, Mode::Charge, &[fast]).await);
    // That it is not before is a matter of `a_burst_fits_and_no_more`, whose rate no busy machine meets.
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(is_allowed(cache, Mode::Charge, &[fast]).await);
}

async fn all_or_nothing(cache: &dyn Cache) {
    assert!(is_allowed(cache, Mode::Charge, &[charge("all", 5)]).await);
    let both = cache.spend(Mode::Charge, &[charge("free", 3), charge("all", 1)]).await.unwrap();
    assert!(!both.is_allowed);
    assert_eq!(both.verdicts.iter().map(|verdict| verdict.is_allowed).collect::<Vec<_>>(), [true, false]);
    let left = cache.spend(Mode::Peek, &[charge("free", 1)]).await.unwrap();
    assert_eq!(left.verdicts[0].remaining, 5);
    let impossible = cache.spend(Mode::Charge, &[charge("free", 6)]).await.unwrap();
    assert!(!impossible.is_allowed && impossible.verdicts[0].retry_after.is_none());
}

async fn peeking_spends_nothing(cache: &dyn Cache) {
    for _ in 0..10 {
        assert!(is_allowed(cache, Mode::Peek, &[charge("peek", 5)]).await);
    }
}

async fn failures_are_recorded_beyond_the_bound(cache: &dyn Cache) {
    for _ in 0..5 {
        assert!(is_allowed(cache, Mode::Peek, &[charge("failures", 1)]).await);
        cache.spend(Mode::Record, &[charge("failures", 1)]).await.unwrap();
    }
    assert!(!is_allowed(cache, Mode::Peek, &[charge("failures", 1)]).await);
    for _ in 0..20 {
        cache.spend(Mode::Record, &[charge("failures", 1)]).await.unwrap();
    }
    let verdict = cache.spend(Mode::Peek, &[charge("failures", 1)]).await.unwrap().verdicts[0];
    assert!(verdict.reset <= 10 * MINUTE + Duration::from_secs(1) && verdict.reset > 9 * MINUTE, "{verdict:?}");
}

async fn what_turned_out_well_is_given_back(cache: &dyn Cache) {
    assert!(is_allowed(cache, Mode::Charge, &[charge("refund", 5)]).await);
    cache.spend(Mode::Refund, &[charge("refund", 3)]).await.unwrap();
    assert_eq!(cache.spend(Mode::Peek, &[charge("refund", 1)]).await.unwrap().verdicts[0].remaining, 3);
    cache.spend(Mode::Refund, &[charge("refund", 5)]).await.unwrap();
    assert_eq!(cache.spend(Mode::Peek, &[charge("refund", 1)]).await.unwrap().verdicts[0].remaining, 5);
}

async fn of_those_who_come_at_once_only_so_many_fit(cache: &Arc<dyn Cache>) {
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { is_allowed(&*cache, Mode::Charge, &[charge("race", 1)]).await })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += usize::from(task.await.unwrap());
    }
    assert_eq!(allowed, 5);
}

/// To add `amount` to a total of at most 10.
fn tally(name: &str, amount: u64) -> Tally {
    Tally { key: key(name), amount, bound: 10, least: 0, lifetime: MINUTE }
}

async fn a_total_stays_within_its_bound(cache: &dyn Cache) {
    for (amount, is_allowed, total) in [(4, true, 4), (7, false, 4), (0, true, 4), (6, true, 10), (1, false, 10)] {
        let tallied = cache.tally(tally("total", amount)).await.unwrap();
        assert_eq!((tallied.is_allowed, tallied.total, tallied.is_local), (is_allowed, total, false), "{amount}");
    }
    // The bound may change, and what is known to be used counts.
    assert_eq!(cache.tally(Tally { bound: 12, ..tally("total", 1) }).await.unwrap().total, 11);
    assert_eq!(cache.tally(Tally { least: 8, ..tally("forgotten", 1) }).await.unwrap().total, 9);
    assert_eq!(cache.tally(Tally { least: 3, ..tally("forgotten", 1) }).await.unwrap().total, 10);
    assert!(!cache.tally(tally("forgotten", 1)).await.unwrap().is_allowed);
    assert!(!cache.tally(tally("too much", 11)).await.unwrap().is_allowed);
    let short = Tally { lifetime: Duration::from_millis(50), ..tally("total of a moment", 10) };
    assert!(cache.tally(short).await.unwrap().is_allowed);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(cache.tally(short).await.unwrap().is_allowed);
    cache.delete(key("total of a moment")).await.unwrap();
    assert!(cache.tally(short).await.unwrap().is_allowed);
}

async fn of_what_is_added_at_once_only_so_much_fits(cache: &Arc<dyn Cache>) {
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.tally(tally("raced", 3)).await.unwrap().is_allowed })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += usize::from(task.await.unwrap());
    }
    assert_eq!(allowed, 3);
}

async fn different_ones_are_counted(cache: &dyn Cache) {
    let member = |name: &str| Some(keys().member(&[name.as_bytes()]));
    for (name, expected) in [("a", 1), ("b", 2), ("a", 2), ("c", 3), ("d", 3), ("e", 3)] {
        assert_eq!(cache.distinct(key("set"), member(name), MINUTE, 3).await.unwrap(), expected, "{name}");
    }
    assert_eq!(cache.distinct(key("set"), None, MINUTE, 3).await.unwrap(), 3);
    assert_eq!(cache.distinct(key("another set"), None, MINUTE, 3).await.unwrap(), 0);
    let short = Duration::from_millis(100);
    assert_eq!(cache.distinct(key("short"), member("a"), short, 3).await.unwrap(), 1);
    tokio::time::sleep(3 * short).await;
    assert_eq!(cache.distinct(key("short"), member("b"), short, 3).await.unwrap(), 1);
}

async fn values_are_kept_for_their_time(cache: &dyn Cache) {
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(&[0, 255, 10]));
    assert_eq!(cache.get(key("value")).await.unwrap(), None);
    cache.put(key("value"), one.clone(), MINUTE).await.unwrap();
    cache.put(key("value"), two.clone(), MINUTE).await.unwrap();
    assert_eq!(cache.get(key("value")).await.unwrap(), Some(two.clone()));
    assert!(!cache.put_new(key("value"), one.clone(), MINUTE).await.unwrap());
    assert_eq!(cache.take(key("value")).await.unwrap(), Some(two.clone()));
    assert_eq!(cache.take(key("value")).await.unwrap(), None);
    assert!(cache.put_new(key("value"), one.clone(), MINUTE).await.unwrap());
    assert_eq!(cache.get(key("value")).await.unwrap(), Some(one.clone()));
    cache.put(key("soon"), one.clone(), Duration::from_millis(50)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(cache.get(key("soon")).await.unwrap(), None);
    assert!(cache.put_new(key("soon"), one, MINUTE).await.unwrap());
}

async fn values_are_bounded(cache: &dyn Cache) {
    let most = Bytes::from(vec![7; MOST_VALUE_BYTES]);
    cache.put(key("large"), most.clone(), MINUTE).await.unwrap();
    assert_eq!(cache.get(key("large")).await.unwrap(), Some(most));
    let more = Bytes::from(vec![7; MOST_VALUE_BYTES + 1]);
    let refused = CacheError::TooLarge(MOST_VALUE_BYTES + 1);
    assert_eq!(cache.put(key("larger"), more.clone(), MINUTE).await, Err(refused));
    assert!(cache.put_new(key("larger"), more, MINUTE).await.is_err());
}

async fn what_is_deleted_is_gone(cache: &dyn Cache) {
    cache.spend(Mode::Charge, &[charge("deleted counter", 5)]).await.unwrap();
    cache.distinct(key("deleted set"), Some(keys().member(&[])), MINUTE, 3).await.unwrap();
    cache.put(key("deleted value"), Bytes::from_static(b"x"), MINUTE).await.unwrap();
    for name in ["deleted counter", "deleted set", "deleted value", "never there"] {
        cache.delete(key(name)).await.unwrap();
    }
    assert!(is_allowed(cache, Mode::Charge, &[charge("deleted counter", 5)]).await);
    assert_eq!(cache.distinct(key("deleted set"), None, MINUTE, 3).await.unwrap(), 0);
    assert_eq!(cache.get(key("deleted value")).await.unwrap(), None);
}

async fn suite(cache: Arc<dyn Cache>) {
    assert!(cache.health().is_up);
    a_burst_fits_and_no_more(&*cache).await;
    a_debt_is_forgiven_at_its_rate(&*cache).await;
    all_or_nothing(&*cache).await;
    peeking_spends_nothing(&*cache).await;
    failures_are_recorded_beyond_the_bound(&*cache).await;
    what_turned_out_well_is_given_back(&*cache).await;
    of_those_who_come_at_once_only_so_many_fit(&cache).await;
    a_total_stays_within_its_bound(&*cache).await;
    of_what_is_added_at_once_only_so_much_fits(&cache).await;
    different_ones_are_counted(&*cache).await;
    values_are_kept_for_their_time(&*cache).await;
    values_are_bounded(&*cache).await;
    what_is_deleted_is_gone(&*cache).await;
    assert_eq!(cache.health().answered_locally, 0);
}

/// Opens a driver whose deadline no busy machine meets, and waits until it is there.
async fn open(url: String) -> Arc<dyn Cache> {
    let timeout = Duration::from_secs(20);
    let config = Config { url: Some(Secret::new(url)), timeout, ..Config::default() };
    answering(cache::open(&config, Arc::new(SystemClock)).unwrap()).await
}

/// Waits until the server behind it is there.
async fn answering(cache: Arc<dyn Cache>) -> Arc<dyn Cache> {
    while !cache.health().is_up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cache
}

#[tokio::test]
async fn memory_keeps_the_promise() {
    suite(cache::open(&Config::default(), Arc::new(SystemClock)).unwrap()).await;
}

on_every_server!(a_server_keeps_the_promise, |redis| {
    suite(open(redis.url()).await).await;
    // Nothing that was sent can be read there, and everything ends by itself.
    let names = redis.ask("KEYS *");
    assert!(names.contains("pando:test:") && !names.contains("burst"), "{names}");
    for name in names.lines().filter(|line| line.starts_with("pando:")) {
        assert!(!redis.ask(&format!("PTTL {name}")).contains(":-1"), "{name} never ends");
    }
    redis.ask("FLUSHALL");
    suite(open(redis.socket_url()).await).await;
});

#[tokio::test]
async fn redis_over_tls_keeps_the_promise() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    // An authority and what it signed, as operators of servers make them.
    let authority = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(file(name), parameters.self_signed(&key).unwrap().pem()).unwrap();
        Issuer::new(parameters, key)
    };
    let (issuer, _other) = (authority("ca.pem"), authority("other.pem"));
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    std::fs::write(file("redis.pem"), parameters.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    std::fs::write(file("redis.key"), key.serialize_pem()).unwrap();
    let test = "redis_over_tls_keeps_the_promise";
    let Some(redis) = Redis::start_with_tls_for(test, &file("redis.pem"), &file("redis.key")) else { return };

    let config = |host: &str, authority: Option<&str>| Config {
        url: Some(Secret::new(redis.tls_url(host))),
        authority: authority.map(file),
        timeout: Duration::from_secs(5),
        ..Config::default()
    };
    let cache = cache::open(&config("localhost", Some("ca.pem")), Arc::new(SystemClock)).unwrap();
    suite(answering(cache).await).await;
    // Whoever else answers there is no server: this process counts by itself.
    for (why, host, authority) in [
        ("an authority that did not sign it", "localhost", Some("other.pem")),
        ("those of the machine", "localhost", None),
        ("another name", "127.0.0.1", Some("ca.pem")),
    ] {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let listener = cache::Listener::new(move |event| tell.send(event).unwrap_or_default());
        let config = Config { listener, ..config(host, authority) };
        let cache = cache::open(&config, Arc::new(SystemClock)).unwrap();
        let event = tokio::time::timeout(MINUTE, told.recv()).await.unwrap();
        assert!(matches!(event, Some(cache::Event::Lost { .. })), "{why}: {event:?}");
        assert!(cache.spend(Mode::Charge, &[charge(why, 1)]).await.unwrap().is_local, "{why}");
    }
    // What could never be used is refused at once.
    std::fs::write(file("empty.pem"), "").unwrap();
    for (authority, why) in [("none.pem", "it cannot be read"), ("empty.pem", "no CERTIFICATE")] {
        let error = cache::open(&config("localhost", Some(authority)), Arc::new(SystemClock)).err().unwrap();
        assert!(error.to_string().contains(why), "{error}");
    }
    let plain = Config { url: Some(Secret::new("redis://localhost")), ..config("localhost", Some("ca.pem")) };
    let error = cache::open(&plain, Arc::new(SystemClock)).err().unwrap();
    assert!(error.to_string().contains("authorities are for addresses with TLS"), "{error}");
}

on_every_server!(two_nodes_count_together, |redis| {
    let (one, two) = (open(redis.url()).await, open(redis.url()).await);
    assert!(is_allowed(&*one, Mode::Charge, &[charge("shared", 3)]).await);
    assert!(!is_allowed(&*two, Mode::Charge, &[charge("shared", 3)]).await);
    assert!(is_allowed(&*two, Mode::Charge, &[charge("shared", 2)]).await);
    assert!(one.tally(tally("both", 6)).await.unwrap().is_allowed);
    assert!(!two.tally(tally("both", 6)).await.unwrap().is_allowed);
    assert_eq!(two.tally(tally("both", 4)).await.unwrap().total, 10);
    // A restarted server knows no scripts; they are sent again.
    redis.ask("SCRIPT FLUSH");
    assert!(!is_allowed(&*one, Mode::Charge, &[charge("shared", 1)]).await);
});

#[test]
fn an_address_that_is_none_is_refused_and_never_shown() {
    for url in ["", "http://secret@host", "redis", "postgres://secret@host/d"] {
        let error = cache::check_url(url).unwrap_err().to_string();
        assert!(error.contains("redis://host:6379") && !error.contains("secret"), "{url}: {error}");
    }
    for url in ["redis://host", "rediss://u:p@host:6380/1", "unix:///run/redis.sock"] {
        assert_eq!(cache::check_url(url), Ok(()), "{url}");
    }
}
