//! Whose request goes first when not all can be answered. It is told from what stands in the head of the request, at the cost of
//! a hash: no token is verified for somebody who is turned away.
//!
//! Headers can say anything, so a credential alone proves nothing. What it was worth is remembered from the answer: the role that
//! it turned out to be, or that it was refused. The first request with a new credential is believed, where the answer will tell what
//! it was worth; an address whose credentials were forged is not, for a minute. What nobody verifies is no credential: each value
//! that stands there would be a new one.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::Network;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName};

/// By this header a client says that its request may wait: `Pando-Class: batch`.
const CLASS: HeaderName = HeaderName::from_static("pando-class");

/// How long is remembered what a credential was worth, and that an address sent one that was forged.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many credentials and addresses are remembered, 8 bytes each. What finds its place taken pushes the other one out, which is
/// then as if it were new.
const PLACES: usize = 8192;

/// How many of them share a set: two who fall together do not push each other out.
const WAYS: usize = 4;

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

/// What a request shows of who sent it, as far as it will be verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Proof<'a> {
    /// The API key.
    pub key: Option<&'a [u8]>,
    /// The token.
    pub token: Option<&'a [u8]>,
}

/// What a credential turned out to be worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// A role, by the class that it is of.
    Class(Class),
    /// Nothing any more: it has expired, or its role may not be taken.
    Nothing,
    /// Nothing, and it never was: its address made it up.
    Forged,
}

/// What a request shows, as hashes that only this process can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) class: Class,
    /// What is learned from the answer is about this; `None` where it tells nothing.
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

    /// The class of a request, `now` since the start. Where nobody `verifies` its proof, an unknown one is nobody's.
    pub(crate) fn classify(
        &self,
        (proof, verifies): (Proof<'_>, bool),
        headers: &HeaderMap,
        address: IpAddr,
        now: Duration,
    ) -> Shown {
        let address = self.hash.hash_one(Network::of(address, CUSTOMER_V6).bytes());
        let credential = (proof != Proof::default()).then(|| self.hash.hash_one(proof));
        let class = match credential {
            None => Class::Anonymous,
            Some(credential) => match self.recall(credential, now) {
                Some(class) => class,
                None if !verifies || self.recall(address, now).is_some() => Class::Anonymous,
                None => Class::Interactive,
            },
        };
        let can_wait = headers.get(CLASS).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"batch"))
            || headers.get(ACCEPT).is_some_and(|value| value.as_bytes().starts_with(b"text/csv"));
        // One may only step back.
        let class = if can_wait { class.max(Class::Batch) } else { class };
        Shown { class, credential: credential.filter(|_| verifies), address }
    }

    /// Remembers what a credential was worth. An address that `is_exempt` is not blamed: behind it are many.
    pub(crate) fn learn(&self, shown: &Shown, worth: Worth, is_exempt: bool, now: Duration) {
        let Some(credential) = shown.credential else { return };
        let class = if let Worth::Class(class) = worth { class } else { Class::Anonymous };
        let is_blamed = worth == Worth::Forged && !is_exempt;
        if is_blamed {
            self.keep(shown.address, Class::Anonymous, now);
        }
        // Whoever makes up one after the other would push out those that others are known by.
        if !is_blamed || self.recall(credential, now).is_some() {
            self.keep(credential, class, now);
        }
    }

    /// The places that a hash may have.
    fn places(&self, hash: u64) -> &[AtomicU64] {
        let first = usize::try_from(hash).unwrap_or(usize::MAX) % (PLACES / WAYS) * WAYS;
        self.places.get(first..first + WAYS).unwrap_or_default()
    }

    fn keep(&self, hash: u64, class: Class, now: Duration) {
        let second = now.as_secs() & SECOND_MASK;
        let class = class.index() as u64 + 1;
        let entry = hash >> (SECOND_BITS + CLASS_BITS) << (SECOND_BITS + CLASS_BITS) | second << CLASS_BITS | class;
        let age = |place: &&AtomicU64| {
            let other = place.load(Ordering::Relaxed);
            if is_of(other, hash) { u64::MAX } else { age(other, now) }
        };
        // Its own place, or that of who was learned first; an empty one before any.
        if let Some(place) = self.places(hash).iter().max_by_key(age) {
            place.store(entry, Ordering::Relaxed);
        }
    }

    fn recall(&self, hash: u64, now: Duration) -> Option<Class> {
        let mut entries = self.places(hash).iter().map(|place| place.load(Ordering::Relaxed));
        let entry = entries.find(|entry| is_of(*entry, hash))?;
        let is_it = age(entry, now) < REMEMBERED.as_secs();
        let index = usize::try_from(entry & ((1 << CLASS_BITS) - 1)).ok()?.checked_sub(1)?;
        Class::ALL.get(index).copied().filter(|_| is_it)
    }
}

/// Whether an entry is that of a hash.
fn is_of(entry: u64, hash: u64) -> bool {
    entry != 0 && (entry ^ hash) >> (SECOND_BITS + CLASS_BITS) == 0
}

/// How many seconds ago an entry was made; none is older than any.
fn age(entry: u64, now: Duration) -> u64 {
    match entry {
        0 => SECOND_MASK + 1,
        entry => (now.as_secs() & SECOND_MASK).wrapping_sub(entry >> CLASS_BITS & SECOND_MASK) & SECOND_MASK,
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

    fn token(text: &str) -> (Proof<'_>, bool) {
        (Proof { key: None, token: Some(text.as_bytes()) }, true)
    }

    #[test]
    fn classes_are_told_from_heads() {
        let known = Acquaintances::new();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let now = Duration::from_secs(5);
        let (nobody, key) = (Proof::default(), Proof { key: Some(b"x"), token: None });
        for (proof, pairs, expected) in [
            ((nobody, true), &[][..], Class::Anonymous),
            (token("x"), &[], Class::Interactive),
            ((key, true), &[], Class::Interactive),
            ((key, false), &[], Class::Anonymous),
            (token("x"), &[("pando-class", "Batch")], Class::Batch),
            (token("x"), &[("accept", "text/csv")], Class::Batch),
            ((nobody, true), &[("pando-class", "batch")], Class::Anonymous),
            ((nobody, true), &[("pando-class", "system")], Class::Anonymous),
        ] {
            assert_eq!(known.classify(proof, &headers(pairs), address, now).class, expected, "{proof:?} {pairs:?}");
        }
    }

    #[test]
    fn what_a_credential_was_worth_is_remembered_for_a_while() {
        let known = Acquaintances::new();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let (good, bad, fresh) = (token("good"), token("bad"), token("new"));
        let shown = |proof, address: &str, seconds: u64| {
            known.classify(proof, &headers(&[]), address.parse().unwrap(), Duration::from_secs(seconds))
        };
        let class = |proof, address: &str, seconds: u64| shown(proof, address, seconds).class;
        let learn = |proof, worth: Worth, seconds: u64| {
            let here = known.classify(proof, &headers(&[]), address, Duration::from_secs(seconds));
            known.learn(&here, worth, false, Duration::from_secs(seconds));
        };
        learn(good, Worth::Class(Class::System), 0);
        assert_eq!(class(good, "192.0.2.9", 1), Class::System);
        // Known, it counts where nobody verifies it as well.
        assert_eq!(class((good.0, false), "192.0.2.9", 1), Class::System);
        learn(bad, Worth::Forged, 1);
        assert_eq!(class(bad, "2001:db8::2", 2), Class::Anonymous);
        // A neighbour in the same /64 with a credential that nobody knows; and one that is known.
        assert_eq!(class(fresh, "2001:db8::2", 2), Class::Anonymous);
        assert_eq!(class(good, "2001:db8::2", 2), Class::System);
        assert_eq!(class(fresh, "192.0.2.9", 2), Class::Interactive);
        // A minute later all is forgotten.
        assert_eq!(class(good, "192.0.2.9", 60), Class::Interactive);
        assert_eq!(class(fresh, "2001:db8::2", 61), Class::Interactive);
        // Who is seen less than he was: a token of the anonymous role.
        learn(good, Worth::Class(Class::Anonymous), 70);
        assert_eq!(class(good, "192.0.2.9", 71), Class::Anonymous);
        // One that was known, and whose key is gone.
        learn(token("rotated"), Worth::Class(Class::Interactive), 71);
        learn(token("rotated"), Worth::Forged, 71);
        assert_eq!(class(token("rotated"), "192.0.2.9", 72), Class::Anonymous);
        // One that has expired says nothing of its address, and what nobody verified says nothing at all.
        learn(token("old"), Worth::Nothing, 140);
        assert_eq!(class(token("old"), "192.0.2.9", 141), Class::Anonymous);
        assert_eq!(class(fresh, "2001:db8::2", 141), Class::Interactive);
        learn((fresh.0, false), Worth::Forged, 141);
        assert_eq!(class(fresh, "2001:db8::2", 142), Class::Interactive);
        // Behind an exempt address are many.
        known.learn(&shown(token("forged"), "10.0.0.1", 150), Worth::Forged, true, Duration::from_secs(150));
        assert_eq!(class(token("forged"), "10.0.0.1", 151), Class::Anonymous);
        assert_eq!(class(token("another"), "10.0.0.1", 151), Class::Interactive);
    }
}
