//! API keys in the database: made, listed, rotated and revoked, and followed by every node.
//!
//! What a request is checked against lies in memory (`identity::ApiKeys`). The node that changes a key knows of it at once,
//! others within a second; when a key was used last, and how much of its quota, is gathered in memory and written down once a
//! minute.

mod answer;
mod quota;
pub(crate) mod records;
mod wish;

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, KeyQuota, Timestamp};
use identity::{ApiKeys, KeySpending, KeyText};
use store::{Follower, Follows, OwnRow, Store, StoreError};

pub use answer::shown_moment;
pub use quota::{Quota, Usage};
pub use records::{KeyRecord, MIGRATIONS, make_tables};
pub use wish::{KeyWish, Scope};

use crate::events::with_events;
use crate::password::Entropy;

/// How often it is written down when and how much keys were used.
pub const NOTE_EVERY: Duration = Duration::from_secs(60);

/// The longest time that a key counts beside the one that takes its place.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(90 * 86_400);

/// Looks after the table of keys.
pub struct KeyKeeper {
    store: Arc<dyn Store>,
    keys: Arc<ApiKeys>,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    service_role: Arc<str>,
}

/// Why a key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(String),
    /// There is no such key.
    #[error("there is no API key with this id or name")]
    Unknown,
    /// Several keys have the name.
    #[error("several API keys have this name; take the id")]
    Ambiguous,
    /// It was revoked or has expired.
    #[error("the API key counts no more")]
    Gone,
    /// Somebody else changed it at the same moment.
    #[error("the API key was changed by somebody else at the same moment; look at it again")]
    Changed,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
    /// The database.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missed { .. } => Self::Changed,
            other => Self::Store(other),
        }
    }
}

/// A key that was just made: the only moment at which it can be shown.
#[derive(Debug)]
pub struct MadeKey {
    /// The key.
    pub text: KeyText,
    /// What is kept of it.
    pub record: KeyRecord,
}

impl KeyKeeper {
    /// Looks after the keys of a database; `keys` is what requests are checked against. Nothing is read yet.
    pub fn new(
        store: Arc<dyn Store>,
        keys: Arc<ApiKeys>,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
        service_role: Arc<str>,
    ) -> Self {
        Self { store, keys, clock, entropy, service_role }
    }

    /// Whether there is the table, as far as the role that logs in is let see it. One of an older release is brought up to date.
    ///
    /// # Errors
    /// What reading meets, and [`StoreError::Migration`] as [`KeyKeeper::make_table`].
    pub async fn has_table(&self) -> Result<bool, StoreError> {
        let applied = match self.store.applied_migrations().await {
            Err(StoreError::Refused(_)) => return Ok(false),
            applied => applied?,
        };
        let is_applied = |place: &usize| applied.iter().any(|known| known.version == MIGRATIONS.version(*place));
        let all = MIGRATIONS.all.len();
        match (0..all).filter(is_applied).count() {
            0 => Ok(false),
            // An older release made it: the keys in it count.
            some if some < all => self.make_table().await.map(|()| true),
            _ => Ok(true),
        }
    }

    /// Makes the table where it is missing.
    ///
    /// # Errors
    /// [`StoreError::Migration`] where the role that logs in may not make it.
    pub async fn make_table(&self) -> Result<(), StoreError> {
        make_tables(self.store.as_ref()).await
    }

    /// Reads the keys, which count from then on. Gives what could not be read of them: such a key counts as revoked.
    ///
    /// # Errors
    /// What reading meets.
    pub async fn load(&self) -> Result<Vec<StoreError>, StoreError> {
        let rows = records::rows(self.store.as_ref()).await?;
        // What is used before the keys themselves: none counts as unused for a moment.
        self.learn_spent().await?;
        Ok(records::take(&rows, &self.keys))
    }

    async fn learn_spent(&self) -> Result<(), StoreError> {
        for spending in records::spendings(self.store.as_ref()).await? {
            self.keys.learn_spent(spending);
        }
        Ok(())
    }

    /// All keys, the oldest first, those that count no more among them.
    ///
    /// # Errors
    /// What reading meets.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, StoreError> {
        records::all(self.store.as_ref()).await
    }

    /// All keys as [`KeyKeeper::list`] gives them, each with how much of its quota is used: what this node knows, and what all have
    /// written down, which is at most a minute old.
    ///
    /// # Errors
    /// What reading meets.
    pub async fn list_used(&self) -> Result<Vec<(KeyRecord, Option<Usage>)>, StoreError> {
        let records = self.list().await?;
        let mut spendings = records::spendings(self.store.as_ref()).await?;
        let now = self.clock.now();
        let own = records.iter().filter_map(|record| {
            let KeyQuota { account, period, unit, .. } = &record.counted()?;
            let used = self.keys.spent(&record.counted()?, now);
            Some(KeySpending {
                account: account.clone(),
                period: *period,
                unit: *unit,
                since: period.around(now).0,
                used,
            })
        });
        spendings.extend(own.collect::<Vec<_>>());
        let with_usage = |record: KeyRecord| {
            let usage = record.usage_of(&spendings, now);
            (record, usage)
        };
        Ok(records.into_iter().map(with_usage).collect())
    }

    /// Gives a key another quota, or none. What was used of one of the same period and unit stays used.
    ///
    /// # Errors
    /// As [`KeyKeeper::rotate`].
    pub async fn bind(&self, id_or_name: &str, quota: Option<Quota>) -> Result<KeyRecord, KeyError> {
        let record = self.counting(id_or_name).await?;
        let steps = vec![records::bind(&record, quota)];
        self.store.transact(with_events(self.store.as_ref(), steps)).await?;
        let bound = KeyRecord { quota, ..record };
        self.keys.put([bound.in_memory()]);
        Ok(bound)
    }

    /// Makes a key, which counts at once.
    ///
    /// # Errors
    /// [`KeyError::Refused`] for a wish that cannot be granted; what writing meets.
    pub async fn create(&self, wish: KeyWish) -> Result<MadeKey, KeyError> {
        wish.check(self.clock.now(), &self.service_role).map_err(KeyError::Refused)?;
        self.make(wish, None).await
    }

    /// Makes a key that takes the place of another, of the same kind, role and scope. The other counts on for `overlap`, so
    /// that those who have it can change over; the two share their quota.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::Ambiguous`], [`KeyError::Gone`]; [`KeyError::Changed`] when somebody else was faster.
    pub async fn rotate(&self, id_or_name: &str, overlap: Duration) -> Result<MadeKey, KeyError> {
        if overlap > LONGEST_OVERLAP {
            let days = LONGEST_OVERLAP.as_secs() / 86_400;
            return Err(KeyError::Refused(format!("a key counts beside its successor for {days} days at most")));
        }
        let former = self.counting(id_or_name).await?;
        let wish = KeyWish {
            name: former.name.clone(),
            kind: former.kind,
            role: former.role.clone(),
            scope: former.scope.clone(),
            expires_at: former.expires_at,
            quota: former.quota,
        };
        self.make(wish, Some((former, overlap))).await
    }

    /// Revokes a key: it counts no more, on this node at once, on others within a second.
    ///
    /// # Errors
    /// As [`KeyKeeper::rotate`].
    pub async fn revoke(&self, id_or_name: &str) -> Result<KeyRecord, KeyError> {
        let record = self.counting(id_or_name).await?;
        let now = self.clock.now();
        let steps = vec![records::revoke(&record, now)];
        self.store.transact(with_events(self.store.as_ref(), steps)).await?;
        let revoked = KeyRecord { revoked_at: Some(now), ..record };
        self.keys.put([revoked.in_memory()]);
        Ok(revoked)
    }

    /// Has this process know what other nodes change, until the follower goes. `lost` is told when the table cannot be read, and the
    /// keys that are known count on; and of a row that cannot, whose key counts as revoked.
    pub fn follow(&self, lost: impl Fn(&StoreError) + Send + Sync + 'static) -> Follower {
        let told = Arc::new(Told { keys: self.keys.clone(), lost: Box::new(lost) });
        Follower::begin(self.store.clone(), self.clock.clone(), records::CHANGED, told)
    }

    /// Writes down, every minute and until it is dropped, when and how much keys were used. What could not be written is told anew with
    /// the next use.
    pub async fn note_uses(&self) {
        loop {
            tokio::time::sleep(NOTE_EVERY).await;
            self.note_uses_now().await;
        }
    }

    /// Writes down when keys were used last, and how much of quotas is used, and learns what other nodes have written down of that:
    /// what they counted in a Redis that was emptied goes on here as well.
    pub async fn note_uses_now(&self) {
        let uses = self.keys.take_uses();
        if !uses.is_empty() {
            let _with_the_next_use = records::note_uses(self.store.as_ref(), &uses).await;
        }
        let spendings = self.keys.take_spendings();
        if !spendings.is_empty() && records::note_spendings(self.store.as_ref(), &spendings).await.is_err() {
            self.keys.keep_spendings(&spendings);
        }
        let _with_the_next_minute = self.learn_spent().await;
    }

    async fn make(&self, wish: KeyWish, former: Option<(KeyRecord, Duration)>) -> Result<MadeKey, KeyError> {
        let KeyWish { name, kind, role, scope, expires_at, quota } = wish;
        let account = |former: &KeyRecord| former.quota_account.clone().unwrap_or_else(|| former.id.clone());
        let text = KeyText::generate(kind, |bytes| (self.entropy)(bytes)).map_err(KeyError::Random)?;
        let now = self.clock.now();
        let record = KeyRecord {
            id: self.new_id()?,
            name,
            kind,
            hash: text.hash(),
            hint: text.hint(),
            role,
            scope,
            created_at: now,
            changed_at: now,
            expires_at,
            revoked_at: None,
            last_used_at: None,
            rotated_from: former.as_ref().map(|(former, _)| former.id.clone()),
            quota,
            quota_account: former.as_ref().map(|(former, _)| account(former)),
        };
        let mut steps = vec![records::insert(&record)];
        let mut known = vec![record.in_memory()];
        if let Some((former, overlap)) = former {
            let end = later(now, overlap);
            let end = former.expires_at.map_or(end, |expires_at| expires_at.min(end));
            steps.push(records::expire(&former, end));
            known.push(KeyRecord { expires_at: Some(end), ..former }.in_memory());
        }
        self.store.transact(with_events(self.store.as_ref(), steps)).await?;
        self.keys.put(known);
        Ok(MadeKey { text, record })
    }

    /// The key with an id, or the only one with a name that still counts.
    async fn counting(&self, id_or_name: &str) -> Result<KeyRecord, KeyError> {
        let now = self.clock.now();
        let counts = |record: &KeyRecord| {
            record.revoked_at.is_none() && record.expires_at.is_none_or(|expires_at| expires_at > now)
        };
        if uuid::Uuid::try_parse(id_or_name).is_ok() {
            let found = records::by_id(self.store.as_ref(), id_or_name).await?.ok_or(KeyError::Unknown)?;
            return if counts(&found) { Ok(found) } else { Err(KeyError::Gone) };
        }
        let mut named = records::all(self.store.as_ref()).await?;
        named.retain(|record| record.name == id_or_name);
        let was_there = !named.is_empty();
        named.retain(counts);
        match (named.pop(), named.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => Err(KeyError::Ambiguous),
            (None, _) if was_there => Err(KeyError::Gone),
            (None, _) => Err(KeyError::Unknown),
        }
    }

    /// A random UUID (version 4).
    fn new_id(&self) -> Result<String, KeyError> {
        let mut bytes = [0; 16];
        (self.entropy)(&mut bytes).map_err(KeyError::Random)?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
}

/// Takes what other nodes have changed.
struct Told {
    keys: Arc<ApiKeys>,
    lost: Box<dyn Fn(&StoreError) + Send + Sync>,
}

impl Follows for Told {
    fn take(&self, rows: &[OwnRow]) -> Result<(), StoreError> {
        records::take(rows, &self.keys).iter().for_each(|problem| (self.lost)(problem));
        Ok(())
    }

    fn lost(&self, error: &StoreError) {
        (self.lost)(error);
    }
}
