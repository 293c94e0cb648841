//! Key sets behind an address: fetched in the background, seldom, and bounded.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base::Kind;
use identity::{IdentityConfig, KeyEvent, KeyListener, Verifier};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use support::{NOW, StillClock, bearer, encode, hs256, signed};
use tokio::sync::mpsc;

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

/// Answers every connection with the current text, and counts them.
struct Issuer {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    fn start(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer)),
            asked: Arc::default(),
        };
        let (answer, asked) = (issuer.answer.clone(), issuer.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _request = stream.read(&mut [0; 4096]);
                asked.fetch_add(1, Ordering::SeqCst);
                let text = answer.lock().unwrap().clone();
                let _written = stream.write_all(text.as_bytes());
            }
        });
        issuer
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn pair(seed: &[u8; 32]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(seed).unwrap()
}

fn eddsa(seed: &[u8; 32]) -> impl Fn(&[u8]) -> Vec<u8> {
    let pair = pair(seed);
    move |message| pair.sign(message).as_ref().to_vec()
}

fn set(keys: &[(&str, &[u8; 32])]) -> String {
    let public = |seed| encode(pair(seed).public_key());
    let keys: Vec<_> =
        keys.iter().map(|(id, seed)| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": public(seed)})).collect();
    ok(&json!({ "keys": keys }).to_string())
}

fn token(id: &str, seed: &[u8; 32]) -> String {
    signed(&json!({"alg": "EdDSA", "kid": id}).to_string(), r#"{"role":"member"}"#, eddsa(seed))
}

fn asking(issuer: &Issuer) -> IdentityConfig {
    IdentityConfig { jwks_url: Some(format!("http://{}/keys", issuer.address)), ..IdentityConfig::default() }
}

fn open(issuer: &Issuer, clock: &Arc<StillClock>) -> (Arc<Verifier>, mpsc::UnboundedReceiver<KeyEvent>) {
    let (send, events) = mpsc::unbounded_channel();
    let listener = Some(KeyListener::new(move |event| send.send(event.clone()).unwrap()));
    let config = IdentityConfig { listener, ..asking(issuer) };
    (Arc::new(Verifier::open(config, clock.clone()).unwrap()), events)
}

#[tokio::test]
async fn the_first_request_waits_for_the_first_fetch_and_a_flood_of_unknown_ids_causes_one() {
    let issuer = Issuer::start(set(&[("old", &OLD)]));
    let clock = StillClock::at(NOW);
    let (verifier, mut events) = open(&issuer, &clock);
    assert_eq!(&*verifier.identify(&bearer(&token("old", &OLD))).await.unwrap().role, "member");
    assert_eq!(events.recv().await, Some(KeyEvent::Fetched { keys: 1, skipped: Vec::new() }));
    assert_eq!(issuer.asked(), 1);

    for round in 2..4 {
        clock.forward(30);
        let requests: Vec<_> = (0..200)
            .map(|number| {
                let (verifier, forged) = (verifier.clone(), token(&format!("k{number}"), &NEW));
                tokio::spawn(async move { verifier.identify(&bearer(&forged)).await })
            })
            .collect();
        for request in requests {
            assert_eq!(request.await.unwrap().unwrap_err().kind, Kind::Unauthenticated);
        }
        assert_eq!(issuer.asked(), round, "one fetch for 200 unknown ids");
    }
}

#[tokio::test]
async fn addresses_in_a_token_are_never_followed() {
    let (issuer, stranger) = (Issuer::start(set(&[("old", &OLD)])), Issuer::start(set(&[("new", &NEW)])));
    let clock = StillClock::at(NOW);
    let (verifier, _events) = open(&issuer, &clock);
    assert_eq!(&*verifier.identify(&bearer(&token("old", &OLD))).await.unwrap().role, "member");
    for (name, kid) in [("jku", "new"), ("x5u", "new"), ("jku", "old"), ("x5u", "unheard-of")] {
        clock.forward(60);
        let address = format!("http://{}/keys", stranger.address);
        let header = json!({"alg": "EdDSA", "kid": kid, name: address}).to_string();
        let forged = signed(&header, r#"{"role":"member"}"#, eddsa(&NEW));
        assert_eq!(verifier.identify(&bearer(&forged)).await.unwrap_err().kind, Kind::Unauthenticated, "{name} {kid}");
    }
    // The configured address alone was asked, and it names no such key.
    assert_eq!(stranger.asked(), 0);
    assert!(issuer.asked() > 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_a_withdrawn_one_forgotten() {
    let issuer = Issuer::start(set(&[("old", &OLD)]));
    let clock = StillClock::at(NOW);
    let (verifier, mut events) = open(&issuer, &clock);
    verifier.identify(&bearer(&token("old", &OLD))).await.unwrap();
    events.recv().await.unwrap();

    *issuer.answer.lock().unwrap() = set(&[("new", &NEW)]);
    let fresh = token("new", &NEW);
    assert!(verifier.identify(&bearer(&fresh)).await.is_err(), "asked less than 30 seconds ago");
    clock.forward(30);
    verifier.identify(&bearer(&fresh)).await.unwrap();
    assert!(verifier.identify(&bearer(&token("old", &OLD))).await.is_err());
    events.recv().await.unwrap();

    // Without an unknown id the set is asked for again after ten minutes.
    *issuer.answer.lock().unwrap() = set(&[("old", &OLD)]);
    clock.forward(600);
    verifier.identify(&bearer(&fresh)).await.unwrap();
    events.recv().await.unwrap();
    assert!(verifier.identify(&bearer(&fresh)).await.is_err());
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn answers_that_are_not_a_key_set_leave_the_keys_as_they_are() {
    let huge = ok(&format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 * 1024)));
    let published = json!({"keys": [{"kty": "oct", "kid": "all", "k": encode(OLD)}]}).to_string();
    let cases = [
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(), "status 500"),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_owned(),
            "status 302",
        ),
        (ok("hello"), "not a JWK set"),
        (ok(&published), "publishes a shared secret"),
        (huge, "larger than"),
    ];
    let issuer = Issuer::start(set(&[("old", &OLD)]));
    let clock = StillClock::at(NOW);
    let (verifier, mut events) = open(&issuer, &clock);
    events.recv().await.unwrap();
    for (answer, expected) in cases {
        *issuer.answer.lock().unwrap() = answer;
        verifier.replace(asking(&issuer)).unwrap();
        let Some(KeyEvent::FetchFailed { reason }) = events.recv().await else { panic!("{expected}") };
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains("127.0.0.1"), "{reason}");
        verifier.identify(&bearer(&token("old", &OLD))).await.unwrap();
        let forged = signed(r#"{"alg":"HS256","kid":"all"}"#, r#"{"role":"service_role"}"#, hs256(&OLD));
        assert_eq!(verifier.identify(&bearer(&forged)).await.unwrap_err().kind, Kind::Unauthenticated);
    }
}

#[tokio::test]
async fn as_long_as_no_key_was_fetched_a_token_is_not_called_bad() {
    let issuer = Issuer::start("HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
    let (verifier, _events) = open(&issuer, &StillClock::at(NOW));
    let failure = verifier.identify(&bearer(&token("old", &OLD))).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unavailable);
    assert_eq!(failure.retry_after_seconds, Some(5));
}

/// Keys of an address that is no longer configured count no more, and those of one that still is go on.
#[tokio::test]
async fn another_address_brings_other_keys() {
    let (first, second) = (Issuer::start(set(&[("old", &OLD)])), Issuer::start(set(&[("new", &NEW)])));
    let (verifier, mut events) = open(&first, &StillClock::at(NOW));
    events.recv().await.unwrap();
    verifier.replace(IdentityConfig { leeway_seconds: 1, ..asking(&first) }).unwrap();
    verifier.identify(&bearer(&token("old", &OLD))).await.unwrap();
    events.recv().await.unwrap();
    verifier.replace(asking(&second)).unwrap();
    assert_eq!(events.recv().await, Some(KeyEvent::Fetched { keys: 1, skipped: Vec::new() }));
    verifier.identify(&bearer(&token("new", &NEW))).await.unwrap();
    assert!(verifier.identify(&bearer(&token("old", &OLD))).await.is_err());
}
