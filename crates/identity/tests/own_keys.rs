//! Keys that Pando signs with itself, and sessions that were signed out.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use base::{Clock, Kind, Secret, SystemClock};
use http::HeaderMap;
use identity::{IdentityConfig, SIGNED_OUT, SigningKey, Verifier, mint};
use serde_json::{Map, Value, json};

fn claims(session: &str) -> Map<String, Value> {
    let expires = SystemClock.now().seconds() + 60;
    let claims = json!({"role": "authenticated", "sub": "u", "session_id": session, "exp": expires});
    claims.as_object().unwrap().clone()
}

fn headers(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

#[tokio::test]
async fn own_keys_verify_beside_the_secret_until_they_are_gone() {
    let secret = Secret::new("a legacy secret of more than thirty-two bytes");
    let config = IdentityConfig { secret: Some(secret.clone()), ..IdentityConfig::default() };
    let verifier = Verifier::open(config, Arc::new(SystemClock)).unwrap();
    let (first, second) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let (old, new) = (first.sign(&claims("a")).unwrap(), second.sign(&claims("b")).unwrap());
    assert!(verifier.identify(&headers(&old)).await.is_err(), "nobody knows the key yet");

    verifier.use_own_keys(&json!({"keys": [first.public().unwrap(), second.public().unwrap()]})).unwrap();
    for token in [&old, &new, &mint(&secret, false, &claims("c")).unwrap()] {
        assert_eq!(&*verifier.identify(&headers(token)).await.unwrap().role, "authenticated");
    }
    verifier.use_own_keys(&json!({"keys": [second.public().unwrap()]})).unwrap();
    assert!(verifier.identify(&headers(&old)).await.is_err(), "the first key is gone");
    assert!(verifier.identify(&headers(&new)).await.is_ok());
    assert!(verifier.use_own_keys(&json!({"keys": []})).is_err());
    assert!(verifier.identify(&headers(&new)).await.is_ok(), "a set that is refused changes nothing");
}

#[tokio::test]
async fn a_private_part_is_the_whole_pair() {
    let key = SigningKey::generate().unwrap();
    let again = SigningKey::from_private(key.private()).unwrap();
    assert_eq!(key.id(), again.id());
    assert_eq!(key.public().unwrap(), again.public().unwrap());
    assert_ne!(key.id(), SigningKey::generate().unwrap().id());
    assert!(SigningKey::from_private(b"no key").is_err());
}

#[tokio::test]
async fn a_session_that_was_signed_out_counts_no_more_at_once() {
    let verifier = Verifier::open(IdentityConfig::default(), Arc::new(SystemClock)).unwrap();
    let key = SigningKey::generate().unwrap();
    verifier.use_own_keys(&json!({"keys": [key.public().unwrap()]})).unwrap();
    let (mine, theirs) = (key.sign(&claims("mine")).unwrap(), key.sign(&claims("theirs")).unwrap());
    assert!(verifier.identify(&headers(&mine)).await.is_ok(), "and it is remembered");

    verifier.sign_out([("mine".into(), SystemClock.now().seconds() + 60)]);
    let shared = mint(&Secret::new("a secret of more than thirty-two bytes"), false, &claims("a")).unwrap();
    let refused = verifier.identify(&headers(&shared)).await.unwrap_err();
    assert_eq!((refused.kind, &*refused.code), (Kind::Unauthenticated, "PGRST301"), "there are keys, and none is its");
    let refused = verifier.identify(&headers(&mine)).await.unwrap_err();
    assert_eq!((&*refused.code, &*refused.message), ("PGRST303", SIGNED_OUT));
    assert!(verifier.identify(&headers(&theirs)).await.is_ok());
}
