//! A server that is gone, that hangs, and that is back.

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
use cache::{Cache, Charge, Config, Event, Key, Keys, Listener, Mode, Rate, Tally};
use testkit::{Redis, on_every_server};

const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a busy machine needs for an answer, and short against what a test waits.
const DEADLINE: Duration = Duration::from_millis(250);

struct Node {
    cache: Arc<dyn Cache>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Node {
    fn start(url: String) -> Self {
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let heard = events.clone();
        let listener = Listener::new(move |event| heard.lock().unwrap().push(event));
        let config = Config { url: Some(Secret::new(url)), timeout: DEADLINE, listener, ..Config::default() };
        Self { cache: cache::open(&config, Arc::new(SystemClock)).unwrap(), events }
    }

    async fn wait_until(&self, is_up: bool) {
        let start = Instant::now();
        while self.cache.health().is_up != is_up {
            assert!(start.elapsed() < PATIENCE, "it stays {}", if is_up { "gone" } else { "there" });
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many of so many charges fit, with a burst of 100 that comes back within an hour.
    async fn allowed(&self, name: &str, tries: usize) -> usize {
        let rate = Rate::new(100, Duration::from_secs(3600)).unwrap();
        let mut allowed = 0;
        for _ in 0..tries {
            let charge = Charge { key: key(name), rate, burst: 100, cost: 1 };
            allowed += usize::from(self.cache.spend(Mode::Charge, &[charge]).await.unwrap().is_allowed);
        }
        allowed
    }

    /// How many of so many ones fit into a total of at most 100.
    async fn tallied(&self, tries: usize) -> usize {
        let mut allowed = 0;
        for _ in 0..tries {
            let tally = Tally { key: key("total"), amount: 1, bound: 100, least: 0, lifetime: 20 * PATIENCE };
            allowed += usize::from(self.cache.tally(tally).await.unwrap().is_allowed);
        }
        allowed
    }

    /// What was told, without durations.
    fn told(&self) -> Vec<&'static str> {
        let events = self.events.lock().unwrap();
        events.iter().map(|event| if let Event::Lost { reason } = event { reason } else { "found" }).collect()
    }
}

fn key(name: &str) -> Key {
    Keys::new(&Secret::new("of the tests")).key("test", &[name.as_bytes()])
}

on_every_server!(without_a_server_a_share_is_allowed_until_it_is_back, |mut redis| {
    let node = Node::start(redis.url());
    node.wait_until(true).await;
    assert_eq!(node.allowed("a", 60).await, 60);

    redis.kill();
    // The first of them may still try the server.
    assert_eq!(node.allowed("a", 60).await, 25);
    assert!(!node.cache.health().is_up && node.cache.health().answered_locally >= 60);
    node.cache.put(key("value"), Bytes::from_static(b"kept here"), PATIENCE).await.unwrap();

    redis.start_again();
    node.wait_until(true).await;
    assert_eq!(node.allowed("a", 120).await, 100, "a server that was started again knows nothing");
    assert_eq!(node.cache.take(key("value")).await.unwrap(), Some(Bytes::from_static(b"kept here")));
    assert_eq!(node.told(), ["found", "unreachable", "found"]);
});

on_every_server!(a_total_goes_on_without_a_server_and_is_the_servers_again, |mut redis| {
    let (one, two) = (Node::start(redis.url()), Node::start(redis.url()));
    one.wait_until(true).await;
    two.wait_until(true).await;
    assert_eq!(one.tallied(60).await, 60);
    redis.freeze();
    // A quarter of the 40 that are left; of the three that wait for the server it counts what it gets later.
    assert_eq!(one.tallied(60).await, 10);
    assert!(!one.cache.health().is_up);
    redis.thaw();
    one.wait_until(true).await;
    two.wait_until(true).await;
    let left = one.tallied(60).await;
    assert!((20..=30).contains(&left), "{left} of the 30 that are left");
    assert_eq!(two.tallied(10).await, 0, "all of it is the server's");
    // One that was started again knows nothing; the nodes know what was used.
    redis.kill();
    redis.start_again();
    one.wait_until(true).await;
    assert_eq!(one.tallied(10).await, 0);
});

on_every_server!(a_server_that_hangs_holds_nobody_up, |redis| {
    let node = Node::start(redis.url());
    node.wait_until(true).await;
    assert_eq!(node.allowed("a", 10).await, 10);

    redis.freeze();
    // Three wait for their deadline; all others know.
    assert_eq!(node.allowed("b", 3).await, 3);
    assert!(!node.cache.health().is_up);
    assert_eq!(node.allowed("b", 997).await, 22);
    assert!(!node.cache.health().is_up);

    redis.thaw();
    node.wait_until(true).await;
    let left = node.allowed("a", 200).await;
    assert_eq!(left, 90, "what was counted before is still known");
    assert_eq!(node.told(), ["found", "too slow", "found"]);
});

on_every_server!(a_server_that_answers_and_does_nothing_is_gone, |redis| {
    let node = Node::start(redis.url());
    node.wait_until(true).await;
    // A replica, as after a failover: it answers PING, and writes nothing.
    redis.ask("REPLICAOF 127.0.0.1 1");
    assert_eq!(node.allowed("a", 60).await, 25);
    assert!(!node.cache.health().is_up);
    // It is looked for meanwhile, and found wanting.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(node.told(), ["found", "refused"]);
    redis.ask("REPLICAOF NO ONE");
    node.wait_until(true).await;
    assert_eq!(node.told(), ["found", "refused", "found"]);
    // Full: it reads, and writes nothing.
    redis.ask("CONFIG SET maxmemory 1");
    node.allowed("b", 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(node.told(), ["found", "refused", "found", "refused"]);
});

on_every_server!(a_node_starts_without_its_server, |mut redis| {
    redis.kill();
    let node = Node::start(redis.url());
    assert_eq!(node.allowed("a", 60).await, 25);
    while node.told().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    redis.start_again();
    node.wait_until(true).await;
    assert_eq!(node.told(), ["unreachable", "found"]);
});

on_every_server!(a_wrong_password_is_an_outage_that_is_told, |redis| {
    let node = Node::start(redis.url().replace(Redis::PASSWORD, "another"));
    let start = Instant::now();
    while node.told().is_empty() {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(node.told(), ["refused"]);
    assert_eq!(node.allowed("a", 60).await, 25);
});
