use std::sync::Arc;
use std::time::Instant;

use base::{Caller, Claims, Clock, Cost, Footprint, Limit, Secret, SystemClock, Timestamp};
use cache::Config;
use http::HeaderMap;
use telemetry::{LogConfig, LogFormat, Telemetry, TelemetryConfig};

use super::*;

fn telemetry() -> Arc<Telemetry> {
    let log = LogConfig::new(telemetry::Level::Off, LogFormat::Json, Box::new(std::io::sink()));
    let config = TelemetryConfig {
        service_name: "test".to_owned(),
        service_version: "0".to_owned(),
        log,
        traces: None,
        seed: None,
    };
    Arc::new(Telemetry::new(config, Arc::new(SystemClock)).unwrap())
}

/// A clock that stands still: what is told of times is exact.
struct Still(Instant);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Instant {
        self.0
    }
}

fn limits(policies: &[(&str, &str)]) -> RateLimits {
    let policies = policies.iter().filter_map(|(name, text)| Policy::parse(name, text).unwrap());
    let settings = RateSettings {
        policies: policies.collect(),
        exempt_networks: vec!["127.0.0.0/8".parse().unwrap()],
        exempt_roles: vec!["service_role".to_owned()],
        max_query_cost: Limit::new("limits.max_query_cost", 1000),
    };
    let cache = cache::open(&Config::default(), Arc::new(Still(Instant::now()))).unwrap();
    RateLimits::new(settings, cache, Keys::new(&Secret::new("test")), telemetry())
}

fn asker(address: &str) -> Asker<'static> {
    Asker { address: address.parse().unwrap(), method: "GET", path: "/climbs", credential: None }
}

fn caller(role: &str, user: &str) -> Caller {
    let mut claims = serde_json::Map::new();
    if !user.is_empty() {
        claims.insert("sub".to_owned(), user.into());
    }
    Caller { role: role.into(), claims: Arc::new(Claims::new(claims)), is_anonymous: user.is_empty(), key: None }
}

async fn at_door(limits: &RateLimits, asker: Asker<'_>) -> Result<(), Failure> {
    limits.at_door(&asker, &mut Told::default()).await
}

fn rows(written: u64) -> Footprint {
    Footprint { cost: Cost { written_rows: written, is_point: true, ..Cost::default() }, ..Footprint::default() }
}

#[tokio::test]
async fn one_address_is_refused_and_others_are_not() {
    let limits = limits(&[("address", "per address 1/m burst 2")]);
    for address in ["192.0.2.1", "2001:db8::1"] {
        for _ in 0..2 {
            at_door(&limits, asker(address)).await.unwrap();
        }
        let failure = at_door(&limits, asker(address)).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.code), (Kind::RateLimited, "PANDO429"));
        assert_eq!(failure.retry_after_seconds, Some(60));
    }
    // Another customer; the same customer by another address of his.
    at_door(&limits, asker("192.0.2.2")).await.unwrap();
    assert!(at_door(&limits, asker("2001:db8::ffff")).await.is_err());
    at_door(&limits, asker("2001:db8:0:1::1")).await.unwrap();
    for _ in 0..5 {
        at_door(&limits, asker("127.0.0.1")).await.unwrap();
    }
}

#[tokio::test]
async fn a_path_is_the_same_however_it_is_spelled() {
    let limits = limits(&[("signup", "per address 1/m burst 1 path /rpc/signup")]);
    let asks = |path| Asker { path, ..asker("192.0.2.1") };
    at_door(&limits, asks("/rpc/sign")).await.unwrap();
    at_door(&limits, asks("/rpc/signup")).await.unwrap();
    for path in ["/rpc/signup", "/rpc/sign%75p", "/%72pc/%73ignup", "/rpc/signup/", "//rpc//signup", "rpc/signup"] {
        assert!(at_door(&limits, asks(path)).await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn neighbours_are_counted_together() {
    let limits = limits(&[("network", "per network 1/m burst 2")]);
    at_door(&limits, asker("192.0.2.1")).await.unwrap();
    at_door(&limits, asker("192.0.2.2")).await.unwrap();
    assert!(at_door(&limits, asker("192.0.2.3")).await.is_err());
    at_door(&limits, asker("192.0.3.3")).await.unwrap();
}

#[tokio::test]
async fn users_keys_and_roles_are_counted_wherever_they_come_from() {
    let limits = limits(&[
        ("user", "per user 1/m burst 2"),
        ("key", "per key 1/m burst 3"),
        ("writers", "per role 1/m burst 1 role writer method POST"),
    ]);
    let ask = async |asker: Asker<'_>, caller: Caller| {
        limits.inside(&asker, &caller, crate::price(&Footprint::default()), &mut Told::default()).await.is_ok()
    };
    assert!(ask(asker("192.0.2.1"), caller("reader", "ada")).await);
    assert!(ask(asker("127.0.0.1"), caller("reader", "ada")).await);
    assert!(!ask(asker("192.0.2.3"), caller("reader", "ada")).await);
    assert!(ask(asker("192.0.2.3"), caller("reader", "bob")).await);
    for _ in 0..9 {
        assert!(ask(asker("192.0.2.3"), caller("anon", "")).await, "who is no user has no limit of users");
        assert!(ask(asker("192.0.2.3"), caller("service_role", "ada")).await);
    }
    // An API key is known by its id, whatever the header it was sent in.
    let key = base::CallerKey { id: "id".into(), scope: base::KeyScope::default(), quota: None, is_bound: false };
    let by_key = Caller { key: Some(Arc::new(key)), ..caller("anon", "") };
    for (credential, expected) in [(&b"one"[..], true), (b"two", true), (b"three", true), (b"four", false)] {
        let asker = Asker { credential: Some(credential), ..asker("192.0.2.1") };
        assert_eq!(ask(asker, by_key.clone()).await, expected);
    }
    let with_key = Asker { credential: Some(b"key"), ..asker("192.0.2.1") };
    for expected in [true, true, true, false] {
        assert_eq!(ask(with_key, caller("anon", "")).await, expected);
    }
    let post = Asker { method: "POST", ..asker("192.0.2.1") };
    for expected in [true, false] {
        assert_eq!(ask(post, caller("writer", "")).await, expected);
    }
    assert!(ask(post, caller("anon", "")).await);
    assert!(ask(asker("192.0.2.1"), caller("writer", "")).await);
}

#[tokio::test]
async fn a_path_has_its_own_policy() {
    let limits = limits(&[("signup", "per address 1/m path /rpc/signup|/rpc/invite")]);
    let signup = Asker { path: "/rpc/signup", ..asker("192.0.2.1") };
    at_door(&limits, signup).await.unwrap();
    assert!(at_door(&limits, Asker { path: "/rpc/invite", ..signup }).await.is_err());
    at_door(&limits, asker("192.0.2.1")).await.unwrap();
}

#[tokio::test]
async fn writes_are_charged_by_rows_and_what_is_refused_spends_nothing() {
    let limits = limits(&[("cost", "per client 1/m burst 100 in cost"), ("many", "per user 1/m burst 3")]);
    let ask = async |written: u64| {
        let mut told = Told::default();
        let (asker, caller) = (asker("192.0.2.1"), caller("writer", "ada"));
        let outcome = limits.inside(&asker, &caller, crate::price(&rows(written)), &mut told).await;
        let mut headers = HeaderMap::new();
        told.write(&mut headers);
        (outcome, headers.get("ratelimit").map(|value| value.to_str().unwrap().to_owned()))
    };
    let (outcome, field) = ask(59).await;
    assert!(outcome.is_ok());
    assert_eq!(field.as_deref(), Some("\"cost\";r=40;t=3600, \"many\";r=2;t=60"));
    let (outcome, field) = ask(49).await;
    let failure = outcome.unwrap_err();
    assert!(matches!(&failure.details, Some(base::Details::Text(text)) if text.contains("100 points of cost")));
    assert_eq!(failure.retry_after_seconds, Some(600));
    assert!(field.unwrap().ends_with("\"many\";r=2;t=60"), "a refusal by one does not spend the other");
    assert!(ask(38).await.0.is_ok());
    let (outcome, _) = ask(1001).await;
    let failure = outcome.unwrap_err();
    assert_eq!(&*failure.code, "PANDO413");
    assert!(
        matches!(&failure.details, Some(base::Details::Text(text)) if text.contains("limits.max_query_cost = 1000"))
    );
}

#[tokio::test]
async fn get_stands_for_head() {
    let limits =
        limits(&[("reads", "per address 1/m burst 2 method GET"), ("heads", "per address 1/m burst 1 method HEAD")]);
    let head = Asker { method: "HEAD", ..asker("192.0.2.1") };
    at_door(&limits, head).await.unwrap();
    assert!(at_door(&limits, head).await.is_err());
    at_door(&limits, asker("192.0.2.1")).await.unwrap();
    assert!(at_door(&limits, asker("192.0.2.1")).await.is_err(), "the first HEAD was one of two");
    at_door(&limits, Asker { method: "POST", ..head }).await.unwrap();
}

#[tokio::test]
async fn the_fields_are_those_of_the_draft() {
    let limits = limits(&[("address", "per address 10/s burst 100"), ("all", "per everyone 1/m burst 5")]);
    let mut told = Told::default();
    limits.at_door(&asker("192.0.2.1"), &mut told).await.unwrap();
    let mut headers = HeaderMap::new();
    told.write(&mut headers);
    assert_eq!(headers["ratelimit-policy"], "\"address\";q=100;w=10, \"all\";q=5;w=300");
    assert_eq!(headers["ratelimit"], "\"address\";r=99;t=1, \"all\";r=4;t=60");
    let mut none = HeaderMap::new();
    Told::default().write(&mut none);
    assert!(none.is_empty());
}

#[test]
fn the_defaults_can_be_read() {
    for (name, text) in default_policies() {
        assert!(Policy::parse(name, text).unwrap().is_some());
    }
}
