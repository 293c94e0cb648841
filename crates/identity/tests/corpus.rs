//! The recorded answers of a real PostgREST to tokens, asked of the verifier alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails"
)]

mod support;

use std::sync::Arc;

use base::{Details, Kind, Secret};
use http::HeaderMap;
use identity::{IdentityConfig, Verifier};
use serde_json::Value;
use support::{NOW, SECRET, StillClock, authorization};

/// What is not about the token itself: roles that do not exist, and the root's description.
const DECIDED_ELSEWHERE: [&str; 6] = ["jwt.030", "jwt.031", "jwt.032", "jwt.033", "jwt.034", "jwt.nosecret.003"];

/// Where the answer is a better one: an `exp` with a fraction is a valid NumericDate (RFC 7519 section 2).
const BETTER: [&str; 1] = ["jwt.037"];

fn verifier(configuration: &str) -> Verifier {
    let mut config = IdentityConfig {
        secret: Some(Secret::new(SECRET)),
        anonymous_role: Some(Arc::from("anon")),
        ..IdentityConfig::default()
    };
    match configuration {
        "aud" => config.audience = Some("kestrel-api".to_owned()),
        "noanon" => config.anonymous_role = None,
        "plain" => config.secret = None,
        _ => {}
    }
    Verifier::open(config, StillClock::at(NOW)).unwrap()
}

fn cases() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/corpus/cases.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    cases.filter(|case| case["group"].as_str().unwrap().starts_with("jwt")).collect()
}

#[tokio::test(flavor = "current_thread")]
async fn answers_as_recorded() {
    let cases = cases();
    assert!(cases.len() >= 60, "the corpus is there");
    for case in cases {
        let id = case["id"].as_str().unwrap();
        let headers = match case["headers"]["Authorization"].as_str() {
            Some(value) => authorization(value.trim()),
            None => HeaderMap::new(),
        };
        let outcome = verifier(case["config"].as_str().unwrap()).identify(&headers).await;
        let expected = &case["expect"];
        if expected["status"].as_u64() < Some(300) || DECIDED_ELSEWHERE.contains(&id) || BETTER.contains(&id) {
            outcome.unwrap_or_else(|failure| panic!("{id}: {failure}"));
            continue;
        }
        let failure = outcome.expect_err(id);
        let kind = if expected["status"] == 500 { Kind::Internal } else { Kind::Unauthenticated };
        assert_eq!(failure.kind, kind, "{id}");
        let body = &expected["json"];
        if body.is_null() {
            continue;
        }
        assert_eq!(Some(&*failure.code), body["code"].as_str(), "{id}");
        assert_eq!(Some(failure.message.as_str()), body["message"].as_str(), "{id}");
        assert_eq!(failure.details, body["details"].as_str().map(|text| Details::Text(text.to_owned())), "{id}");
        assert_eq!(failure.hint, None, "{id}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn roles_and_claims_as_recorded() {
    let expected = [
        ("jwt.001", "anon", None, true),
        ("jwt.002", "authenticated", Some("11111111-1111-4111-8111-111111111111"), false),
        ("jwt.004", "service_role", None, false),
        ("jwt.027", "anon", None, true),
        ("jwt.029", "anon", Some("11111111-1111-4111-8111-111111111111"), true),
        ("jwt.030", "wizard", None, false),
        ("jwt.032", "null", None, false),
        ("jwt.033", "7", None, false),
        ("jwt.034", "", None, false),
        ("jwt.035", "anon", None, true),
    ];
    let cases = cases();
    for (id, role, subject, is_anonymous) in expected {
        let case = cases.iter().find(|case| case["id"] == id).unwrap();
        let headers = case["headers"]["Authorization"].as_str().map(authorization).unwrap_or_default();
        let caller = verifier("main").identify(&headers).await.unwrap();
        assert_eq!(&*caller.role, role, "{id}");
        assert_eq!(caller.claims.text("role").as_deref(), Some(role), "{id}");
        assert_eq!(caller.claims.text("sub").as_deref(), subject, "{id}");
        assert_eq!(caller.is_anonymous, is_anonymous, "{id}");
    }
}
