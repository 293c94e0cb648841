use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use base::{CallerKey, Failure, KeyQuota, Kind, Network, Timestamp};
use parking_lot::RwLock;

use super::spending::{KeySpending, Spendings};
use super::{KeyKind, KeyText};

/// After how many seconds a key may come again that could not be looked for.
const RETRY_AFTER: u32 = 2;

/// What is known of a key; never the key itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    /// What later rooms know of it: its id, and what it may touch.
    pub caller: Arc<CallerKey>,
    /// Who may have it.
    pub kind: KeyKind,
    /// The role of requests with the key and without a user's token. `None` is the anonymous role for a publishable key, and
    /// the service role for a secret one.
    pub role: Option<Arc<str>>,
    /// The networks that it may be used from; empty for all.
    pub networks: Vec<Network>,
    /// From when on it counts no more.
    pub expires_at: Option<Timestamp>,
    /// Since when it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// When a key was used last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The key's id.
    pub id: Arc<str>,
    /// When.
    pub at: Timestamp,
}

/// All keys, in memory.
#[derive(Debug, Default)]
pub struct ApiKeys {
    by_hash: RwLock<HashMap<[u8; 32], Arc<Kept>>>,
    /// Whether there may be keys that could not be read yet.
    is_missing: AtomicBool,
    spendings: Spendings,
}

#[derive(Debug)]
struct Kept {
    key: ApiKey,
    /// When it was used last, and when that was told to whoever keeps it; microseconds since 1970, 0 for never.
    used: AtomicI64,
    told: AtomicI64,
}

impl ApiKeys {
    /// Has unknown keys told to come again, as long as there may be keys that could not be read.
    pub fn set_missing(&self, is_missing: bool) {
        self.is_missing.store(is_missing, Ordering::Relaxed);
    }

    /// Puts keys in, each in the place of what was known of it before. Those that are not named stay. A revoked one stays revoked, and
    /// no end is put off: what is put late, by who has read it before somebody else changed it, gives nothing back.
    pub fn put(&self, keys: impl IntoIterator<Item = ([u8; 32], ApiKey)>) {
        let mut by_hash = self.by_hash.write();
        for (hash, mut key) in keys {
            let before = by_hash.get(&hash);
            if let Some(before) = before.map(|kept| &kept.key) {
                key.revoked_at = key.revoked_at.or(before.revoked_at);
                key.expires_at = key.expires_at.into_iter().chain(before.expires_at).min();
            }
            let since = |moment: fn(&Kept) -> &AtomicI64| {
                AtomicI64::new(before.map_or(0, |kept| moment(kept).load(Ordering::Relaxed)))
            };
            let kept = Kept { used: since(|kept| &kept.used), told: since(|kept| &kept.told), key };
            by_hash.insert(hash, Arc::new(kept));
        }
    }

    /// How many keys there are, those that count no more among them.
    pub fn len(&self) -> usize {
        self.by_hash.read().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key that a text is, if it counts now and may be used from the address.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] (`PANDO401`) for one that is mistyped, unknown, expired or revoked; [`Kind::Forbidden`]
    /// (`PANDO403`) for one that may not be used from here; [`Kind::Unavailable`] for one that is not known as long as the keys could
    /// not be read. What is answered never holds the text.
    pub fn check(&self, text: &[u8], address: Option<IpAddr>, now: Timestamp) -> Result<ApiKey, Failure> {
        let invalid = || Failure::new(Kind::Unauthenticated, "PANDO401", "Invalid API key");
        let Some(text) = KeyText::parse(text) else {
            return Err(invalid().with_details("It is not written as one: a character is missing or wrong"));
        };
        let kept = self.by_hash.read().get(&text.hash()).cloned();
        if kept.is_none() && self.is_missing.load(Ordering::Relaxed) {
            let message = "The API keys could not be read yet; try again";
            return Err(Failure::new(Kind::Unavailable, "PANDO503", message).with_retry_after(RETRY_AFTER));
        }
        let kept = kept.ok_or_else(|| invalid().with_details("There is no such key"))?;
        let key = &kept.key;
        if key.revoked_at.is_some() {
            return Err(invalid().with_details("It was revoked"));
        }
        if key.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(invalid().with_details("It has expired"));
        }
        let is_near = |network: &Network| address.is_some_and(|address| network.contains(address));
        if !key.networks.is_empty() && !key.networks.iter().any(is_near) {
            return Err(Failure::new(Kind::Forbidden, "PANDO403", "This API key may not be used from this address"));
        }
        kept.used.fetch_max(now.0, Ordering::Relaxed);
        Ok(key.clone())
    }

    /// How much of a quota is known to be used in the period around a moment.
    pub fn spent(&self, quota: &KeyQuota, now: Timestamp) -> u64 {
        self.spendings.spent(quota, quota.period.around(now).0)
    }

    /// Notes how much of a quota is used in the period that began at a moment. It never becomes less.
    pub fn note_spent(&self, quota: &KeyQuota, since: Timestamp, used: u64) {
        let KeyQuota { account, period, unit, .. } = quota;
        let spending = KeySpending { account: account.clone(), period: *period, unit: *unit, since, used };
        self.spendings.note(spending, false);
    }

    /// Notes what the database knows, and need not be told.
    pub fn learn_spent(&self, spending: KeySpending) {
        self.spendings.note(spending, true);
    }

    /// How much of quotas was used since this was asked last.
    pub fn take_spendings(&self) -> Vec<KeySpending> {
        self.spendings.take()
    }

    /// Has [`ApiKeys::take_spendings`] give the same again: it could not be written down.
    pub fn keep_spendings(&self, spendings: &[KeySpending]) {
        self.spendings.keep(spendings);
    }

    /// The keys that were used since this was asked last, each with the last moment.
    pub fn take_uses(&self) -> Vec<KeyUse> {
        let by_hash = self.by_hash.read();
        let uses = by_hash.values().filter_map(|kept| {
            let used = kept.used.load(Ordering::Relaxed);
            let told = kept.told.swap(used, Ordering::Relaxed);
            (used > told).then(|| KeyUse { id: kept.key.caller.id.clone(), at: Timestamp(used) })
        });
        uses.collect()
    }
}

#[cfg(test)]
mod tests {
    use base::KeyScope;

    use super::*;

    fn text(first: u8) -> KeyText {
        KeyText::generate(KeyKind::Secret, |bytes| {
            bytes.fill(first);
            Ok::<(), ()>(())
        })
        .unwrap()
    }

    fn key(id: &str) -> ApiKey {
        ApiKey {
            caller: Arc::new(CallerKey { id: id.into(), scope: KeyScope::default(), quota: None, is_bound: false }),
            kind: KeyKind::Secret,
            role: None,
            networks: Vec::new(),
            expires_at: None,
            revoked_at: None,
        }
    }

    #[test]
    fn only_a_key_that_counts_is_taken() {
        let keys = ApiKeys::default();
        let office: Network = "192.0.2.0/24".parse().unwrap();
        keys.put([
            (text(1).hash(), key("good")),
            (text(2).hash(), ApiKey { expires_at: Some(Timestamp(100)), ..key("expires") }),
            (text(3).hash(), ApiKey { revoked_at: Some(Timestamp(50)), ..key("revoked") }),
            (text(4).hash(), ApiKey { networks: vec![office], ..key("office") }),
        ]);
        let (near, far) = (Some("192.0.2.9".parse().unwrap()), Some("203.0.113.9".parse().unwrap()));
        let outcome = |number: u8, address: Option<IpAddr>, now: i64| {
            let checked = keys.check(text(number).expose().as_bytes(), address, Timestamp(now));
            checked.map(|key| key.caller.id.to_string()).map_err(|failure| (failure.kind, failure.code.to_string()))
        };
        let invalid = Err((Kind::Unauthenticated, "PANDO401".to_owned()));
        assert_eq!(outcome(1, far, 0), Ok("good".to_owned()));
        assert_eq!(outcome(2, far, 99), Ok("expires".to_owned()));
        assert_eq!(outcome(2, far, 100), invalid);
        assert_eq!(outcome(3, far, 0), invalid);
        assert_eq!(outcome(4, near, 0), Ok("office".to_owned()));
        for address in [far, None] {
            assert_eq!(outcome(4, address, 0), Err((Kind::Forbidden, "PANDO403".to_owned())));
        }
        assert_eq!(outcome(5, far, 0), invalid, "unknown");
        let mistyped = text(1).expose().replace("pando_secret_1", "pando_secret_2");
        assert!(keys.check(mistyped.as_bytes(), far, Timestamp(0)).is_err());
    }

    #[test]
    fn a_change_counts_at_once_and_last_uses_are_told_once() {
        let keys = ApiKeys::default();
        keys.put([(text(1).hash(), key("one")), (text(2).hash(), key("two"))]);
        let check = |number: u8, now| keys.check(text(number).expose().as_bytes(), None, Timestamp(now));
        assert_eq!(keys.take_uses(), []);
        check(1, 10).unwrap();
        check(1, 30).unwrap();
        check(1, 20).unwrap();
        assert_eq!(keys.take_uses(), [KeyUse { id: "one".into(), at: Timestamp(30) }]);
        assert_eq!(keys.take_uses(), []);
        check(1, 40).unwrap();
        keys.put([(text(1).hash(), ApiKey { revoked_at: Some(Timestamp(41)), ..key("one") })]);
        check(1, 42).unwrap_err();
        assert_eq!(keys.take_uses(), [KeyUse { id: "one".into(), at: Timestamp(40) }], "a change forgets no use");
        check(2, 42).unwrap();
        assert_eq!(keys.len(), 2);
        // What somebody had read before the key was revoked, or before its end was set.
        keys.put([(text(1).hash(), key("one"))]);
        check(1, 43).unwrap_err();
        keys.put([(text(2).hash(), ApiKey { expires_at: Some(Timestamp(50)), ..key("two") })]);
        keys.put([(text(2).hash(), ApiKey { expires_at: Some(Timestamp(60)), ..key("two") })]);
        keys.put([(text(2).hash(), key("two"))]);
        check(2, 49).unwrap();
        check(2, 50).unwrap_err();
    }

    #[test]
    fn keys_that_could_not_be_read_are_not_unknown() {
        let keys = ApiKeys::default();
        keys.set_missing(true);
        let check = |text: &str| keys.check(text.as_bytes(), None, Timestamp(0)).map_err(|failure| failure.kind);
        assert_eq!(check(text(1).expose()), Err(Kind::Unavailable));
        assert_eq!(check("pando_secret_mistyped"), Err(Kind::Unauthenticated), "nobody need look for it");
        keys.put([(text(1).hash(), key("one"))]);
        assert!(check(text(1).expose()).is_ok());
        keys.set_missing(false);
        assert_eq!(check(text(2).expose()), Err(Kind::Unauthenticated));
    }
}
