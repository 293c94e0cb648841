use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;
use http::HeaderMap;
use telemetry::{LogConfig, LogFormat, Telemetry, TelemetryConfig};

use super::*;

fn gate(most: u64) -> Arc<Gate> {
    let log = LogConfig::new(telemetry::Level::Off, LogFormat::Json, Box::new(std::io::sink()));
    let config = TelemetryConfig {
        service_name: "test".to_owned(),
        service_version: "0".to_owned(),
        log,
        traces: None,
        seed: None,
    };
    let telemetry = Arc::new(Telemetry::new(config, Arc::new(SystemClock)).unwrap());
    let settings = GateSettings {
        target: Duration::from_millis(50),
        fewest: 1,
        most,
        system_roles: vec!["service_role".to_owned()],
        anonymous_role: "anon".to_owned(),
        exempt_networks: vec!["10.0.0.0/8".parse().unwrap()],
    };
    Gate::new(settings, Arc::new(SystemClock), telemetry)
}

fn arrival(gate: &Gate, token: Option<&'static str>) -> Arrival {
    arrival_from(gate, token, "192.0.2.1")
}

fn arrival_from(gate: &Gate, token: Option<&'static str>, address: &str) -> Arrival {
    let proof = Proof { key: None, token: token.map(str::as_bytes) };
    gate.look((proof, true), &HeaderMap::new(), address.parse().unwrap())
}

#[tokio::test]
async fn each_class_leaves_room_for_those_before() {
    let gate = gate(10);
    let (nobody, somebody) = (arrival(&gate, None), arrival(&gate, Some("Bearer x")));
    let mut places = Vec::new();
    for _ in 0..6 {
        places.push(gate.enter(&nobody).await.unwrap());
    }
    let shed = gate.enter(&nobody).await.err().unwrap();
    assert!(gate.check(&nobody).is_err() && gate.check(&somebody).is_ok());
    assert!((2..=4).contains(&shed.retry_after_seconds));
    for _ in 0..4 {
        places.push(gate.enter(&somebody).await.unwrap());
    }
    // Those who run the place go in, however full it is.
    gate.learn(&arrival(&gate, Some("Bearer root")), Some("service_role"), None);
    places.push(gate.enter(&arrival(&gate, Some("Bearer root"))).await.unwrap());
    assert_eq!(gate.in_flight(), 11);
    drop(places);
    assert_eq!(gate.in_flight(), 0);
    assert!(gate.enter(&nobody).await.is_ok());
}

#[tokio::test]
async fn who_has_signed_in_waits_a_moment_for_room() {
    let gate = gate(1);
    let somebody = arrival(&gate, Some("Bearer x"));
    let first = gate.enter(&somebody).await.unwrap();
    let waiter = tokio::spawn({
        let gate = gate.clone();
        async move { gate.enter(&somebody).await.is_ok() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!waiter.is_finished());
    drop(first);
    assert!(waiter.await.unwrap());
    // Nobody comes out: patience ends, and room is not lost.
    let held = gate.enter(&somebody).await.unwrap();
    assert!(gate.enter(&somebody).await.is_err());
    drop(held);
    assert_eq!(gate.in_flight(), 0);
    assert!(gate.enter(&somebody).await.is_ok());
}

#[tokio::test]
async fn room_given_to_who_has_left_is_not_lost() {
    let gate = gate(1);
    let somebody = arrival(&gate, Some("Bearer x"));
    for _ in 0..50 {
        let first = gate.enter(&somebody).await.unwrap();
        let waiter = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(&somebody).await.map(drop) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiter.abort();
        let _aborted = waiter.await;
        assert_eq!(gate.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_token_of_nobody_is_nobodys() {
    let gate = gate(10);
    let token = Some("Bearer of-the-anonymous");
    assert_eq!(arrival(&gate, token).class(), Class::Interactive);
    gate.learn(&arrival(&gate, token), Some("anon"), None);
    assert_eq!(arrival(&gate, token).class(), Class::Anonymous);
    // What did not come so far teaches nothing.
    gate.learn(&arrival(&gate, Some("y")), None, Some("PANDO503"));
    assert_eq!(arrival(&gate, Some("y")).class(), Class::Interactive);
    gate.learn(&arrival(&gate, Some("expired")), None, Some("PGRST303"));
    assert_eq!(arrival(&gate, Some("expired")).class(), Class::Anonymous);
    assert_eq!(arrival(&gate, Some("another")).class(), Class::Interactive);
    gate.learn(&arrival(&gate, Some("forged")), None, Some("PGRST301"));
    assert_eq!(arrival(&gate, Some("another")).class(), Class::Anonymous);
    // A proxy that nobody knows as one is not blamed for those behind it.
    let behind = "10.1.2.3";
    gate.learn(&arrival_from(&gate, Some("forged too"), behind), None, Some("PGRST301"));
    assert_eq!(arrival_from(&gate, Some("forged too"), behind).class(), Class::Anonymous);
    assert_eq!(arrival_from(&gate, Some("new"), behind).class(), Class::Interactive);
}

#[tokio::test]
async fn who_is_turned_away_at_the_first_look_makes_the_bound_rise() {
    let gate = gate(1000);
    let nobody = arrival(&gate, None);
    let mut places = Vec::new();
    while gate.check(&nobody).is_ok() {
        places.push(gate.enter(&nobody).await.unwrap());
    }
    let before = gate.limit();
    let load = Load { elapsed: Duration::from_millis(50), waiting: 0, lag: Duration::ZERO };
    gate.step(load, std::time::Instant::now());
    assert!(gate.limit() > before, "nobody waits, and somebody found no room");
    // Nobody finds no room: it stays. Many wait: it falls.
    let risen = gate.limit();
    gate.step(load, std::time::Instant::now());
    assert_eq!(gate.limit(), risen);
    gate.step(Load { waiting: 100, ..load }, std::time::Instant::now());
    assert!(gate.limit() < risen);
}
