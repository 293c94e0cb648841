//! What the tests share: a clock that stands still, and signing.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::{Clock, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

/// 2026-01-01 00:00:00 UTC.
pub const NOW: i64 = 1_767_225_600;

pub const SECRET: &str = "kestrel-kestrel-kestrel-kestrel-0042";

/// Stands still until told.
pub struct StillClock {
    seconds: AtomicI64,
    start: Instant,
    passed: AtomicU64,
}

impl StillClock {
    pub fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self { seconds: AtomicI64::new(seconds), start: Instant::now(), passed: AtomicU64::new(0) })
    }

    pub fn forward(&self, seconds: u32) {
        self.seconds.fetch_add(i64::from(seconds), Ordering::SeqCst);
        self.passed.fetch_add(u64::from(seconds), Ordering::SeqCst);
    }
}

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.seconds.load(Ordering::SeqCst) * 1_000_000)
    }

    fn monotonic(&self) -> Instant {
        self.start + Duration::from_secs(self.passed.load(Ordering::SeqCst))
    }
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of these texts, signed by the function.
pub fn signed(header: &str, claims: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encode(signature))
}

pub fn hs256(secret: &[u8]) -> impl Fn(&[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    move |message| ring::hmac::sign(&key, message).as_ref().to_vec()
}

pub fn authorization(value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    headers
}

pub fn bearer(token: &str) -> HeaderMap {
    authorization(&format!("Bearer {token}"))
}

pub fn object(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().unwrap().clone()
}
