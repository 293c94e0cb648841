//! Whose request goes first when not all can be answered. It is told from what stands in the head of the request, at the cost of
//! a hash: no token is verified for somebody who is turned away.
//!
//! Headers can say anything, so a credential alone proves nothing. What it was worth is remembered from the answer: the role that
//! it turned out to be, or that it was refused. The first request with a new credential is believed; an address whose credentials
//! were refused is not, for a minute.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderName};

use crate::network::Network;

const API_KEY: HeaderName = HeaderName::from_static("apikey");

/// By this header a client says that its request may wait: `Pando-Class: batch`.
const CLASS: HeaderName = HeaderName::from_static("pando-class");

/// How long is remembered what a credential was worth, and that an address sent one that was worth nothing.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many credentials and addresses are remembered, 8 bytes each. What finds its place taken pushes the other one out, which is
/// then as if it were new.
const PLACES: usize = 8192;

/// How many leading bits of an address of IPv6 are one customer's.
const CUSTOMER_V6: u8 = 64;

/// The classes of requests, the first to be answered first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Of the roles that run the place (`limits.system_roles`). Never turned away here.
    System,
    /// Of somebody who has signed in, and waits.
    Interactive,
    /// Of a program that can wait: it says so (`Pando-Class: batch`), or wants a file (`Accept: text/csv`).
    Batch,
    /// Of nobody in particular.
    Anonymous,
}

impl Class {
    /// All of them, the first to be answered first.
    pub const ALL: [Self; 4] = [Self::System, Self::Interactive, Self::Batch, Self::Anonymous];

    /// Its word in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Interactive => "interactive",
            Self::Batch => "batch",
            Self::Anonymous => "anonymous",
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::System => 0,
            Self::Interactive => 1,
            Self::Batch => 2,
            Self::Anonymous => 3,
        }
    }
}

/// What a request shows of who sent it, as hashes that only this process can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) class: Class,
    credential: Option<u64>,
    address: u64,
}

/// What credentials turned out to be worth.
pub(crate) struct Acquaintances {
    hash: RandomState,
    /// Of each: 40 bits of the hash, 21 of the second in which it was learned, 3 of the class.
    places: Vec<AtomicU64>,
}

const CLASS_BITS: u32 = 3;
const SECOND_BITS: u32 = 21;
const SECOND_MASK: u64 = (1 << SECOND_BITS) - 1;

impl Acquaintances {
    pub(crate) fn new() -> Self {
        Self { hash: RandomState::new(), places: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The class of a request, `now` since the start.
    pub(crate) fn classify(&self, headers: &HeaderMap, address: IpAddr, now: Duration) -> Shown {
        let address = self.hash.hash_one(Network::of(address, CUSTOMER_V6).bytes());
        let sent = (headers.get(AUTHORIZATION), headers.get(API_KEY));
        let credential = (sent != (None, None)).then(|| {
            let bytes = |value: Option<&http::HeaderValue>| value.map(|value| value.as_bytes().to_vec());
            self.hash.hash_one((bytes(sent.0), bytes(sent.1)))
        });
        let class = match credential {
            None => Class::Anonymous,
            Some(credential) => match self.recall(credential, now) {
                Some(class) => class,
                None if self.recall(address, now).is_some() => Class::Anonymous,
                None => Class::Interactive,
            },
        };
        let can_wait = headers.get(CLASS).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"batch"))
            || headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"text/csv"));
        // One may only step back.
        let class = if can_wait { class.max(Class::Batch) } else { class };
        Shown { class, credential, address }
    }

    /// Remembers what a credential was worth; `None` for one that was refused.
    pub(crate) fn learn(&self, shown: &Shown, worth: Option<Class>, now: Duration) {
        let Some(credential) = shown.credential else { return };
        self.keep(credential, worth.unwrap_or(Class::Anonymous), now);
        if worth.is_none() {
            self.keep(shown.address, Class::Anonymous, now);
        }
    }

    fn place(&self, hash: u64) -> Option<&AtomicU64> {
        self.places.get(usize::try_from(hash).unwrap_or(usize::MAX) % PLACES)
    }

    fn keep(&self, hash: u64, class: Class, now: Duration) {
        let second = now.as_secs() & SECOND_MASK;
        let class = class.index() as u64 + 1;
        let entry = hash >> (SECOND_BITS + CLASS_BITS) << (SECOND_BITS + CLASS_BITS) | second << CLASS_BITS | class;
        if let Some(place) = self.place(hash) {
            place.store(entry, Ordering::Relaxed);
        }
    }

    fn recall(&self, hash: u64, now: Duration) -> Option<Class> {
        let entry = self.place(hash)?.load(Ordering::Relaxed);
        let age = (now.as_secs() & SECOND_MASK).wrapping_sub(entry >> CLASS_BITS & SECOND_MASK) & SECOND_MASK;
        let is_it = (entry ^ hash) >> (SECOND_BITS + CLASS_BITS) == 0 && age < REMEMBERED.as_secs();
        let index = usize::try_from(entry & ((1 << CLASS_BITS) - 1)).ok()?.checked_sub(1)?;
        Class::ALL.get(index).copied().filter(|_| is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn classes_are_told_from_heads() {
        let known = Acquaintances::new();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let now = Duration::from_secs(5);
        for (pairs, expected) in [
            (&[][..], Class::Anonymous),
            (&[("authorization", "Bearer x")], Class::Interactive),
            (&[("apikey", "x")], Class::Interactive),
            (&[("authorization", "Bearer x"), ("pando-class", "Batch")], Class::Batch),
            (&[("authorization", "Bearer x"), ("accept", "text/csv")], Class::Batch),
            (&[("pando-class", "batch")], Class::Anonymous),
            (&[("pando-class", "system")], Class::Anonymous),
        ] {
            assert_eq!(known.classify(&headers(pairs), address, now).class, expected, "{pairs:?}");
        }
    }

    #[test]
    fn what_a_credential_was_worth_is_remembered_for_a_while() {
        let known = Acquaintances::new();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let good = headers(&[("authorization", "Bearer good")]);
        let bad = headers(&[("authorization", "Bearer bad")]);
        let fresh = headers(&[("authorization", "Bearer new")]);
        let class = |headers: &HeaderMap, address: &str, seconds: u64| {
            known.classify(headers, address.parse().unwrap(), Duration::from_secs(seconds)).class
        };
        let at = |seconds| Duration::from_secs(seconds);
        known.learn(&known.classify(&good, address, at(0)), Some(Class::System), at(0));
        assert_eq!(class(&good, "192.0.2.9", 1), Class::System);
        known.learn(&known.classify(&bad, address, at(1)), None, at(1));
        assert_eq!(class(&bad, "192.0.2.9", 2), Class::Anonymous);
        // A neighbour in the same /64 with a credential that nobody knows; and one that is known.
        assert_eq!(class(&fresh, "2001:db8::2", 2), Class::Anonymous);
        assert_eq!(class(&good, "2001:db8::2", 2), Class::System);
        assert_eq!(class(&fresh, "192.0.2.9", 2), Class::Interactive);
        // A minute later all is forgotten.
        assert_eq!(class(&good, "192.0.2.9", 60), Class::Interactive);
        assert_eq!(class(&fresh, "2001:db8::2", 61), Class::Interactive);
        // Who is seen less than he was: a token of the anonymous role.
        known.learn(&known.classify(&good, address, at(70)), Some(Class::Anonymous), at(70));
        assert_eq!(class(&good, "192.0.2.9", 71), Class::Anonymous);
    }
}
