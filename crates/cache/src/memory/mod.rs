//! The driver in the memory of this process.

mod counters;
mod table;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Clock;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::driver::{BoxFuture, Cache, Charged, Health, MOST_MEMBERS, MOST_VALUE_BYTES, Mode};
use crate::error::CacheError;
use crate::key::{Key, Member};
use crate::rate::{Charge, LONGEST, Verdict};
use crate::tally::{Known, Tallied, Tally};
use counters::Counters;
use table::Table;

/// How many parts are locked by themselves. Keys are hashes of a secret, so nobody can choose his part.
const SHARDS: usize = 16;

/// One set or value for so many counters: they are as much larger.
const COUNTERS_PER_SET: usize = 16;

/// What this process remembers.
pub struct Memory {
    shards: Vec<Mutex<Shard>>,
    clock: Arc<dyn Clock>,
    began: Instant,
}

#[derive(Debug)]
struct Shard {
    counters: Counters,
    /// Members with the moment at which each was noted last, the oldest first.
    sets: Table<Vec<(Member, u64)>>,
    values: Table<Bytes>,
    totals: Table<Known>,
}

impl Memory {
    /// With room for so many counters.
    pub fn new(max_entries: usize, clock: Arc<dyn Clock>) -> Self {
        let most = max_entries.div_ceil(SHARDS);
        let shard = || Shard {
            counters: Counters::new(most),
            sets: Table::new(most.div_ceil(COUNTERS_PER_SET)),
            values: Table::new(most.div_ceil(COUNTERS_PER_SET)),
            totals: Table::new(most),
        };
        let began = clock.monotonic();
        Self { shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(), clock, began }
    }

    /// The moment, in µs since the start.
    fn now(&self) -> u64 {
        micros(self.clock.monotonic().saturating_duration_since(self.began))
    }

    fn shard_of(key: &Key) -> usize {
        let [.., last] = key.hash;
        usize::from(last) % SHARDS
    }

    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(Self::shard_of(key)).map(Mutex::lock)
    }

    /// [`Cache::spend`], without waiting.
    pub fn spend_now(&self, mode: Mode, charges: &[Charge]) -> Charged {
        let now = self.now();
        // Always in the same order, so that two who lock several never wait for one another.
        let mut places: Vec<usize> = charges.iter().map(|charge| Self::shard_of(&charge.key)).collect();
        places.sort_unstable();
        places.dedup();
        let mut locked: Vec<(usize, MutexGuard<'_, Shard>)> =
            places.into_iter().filter_map(|place| Some((place, self.shards.get(place)?.lock()))).collect();
        let mut shard_of = |charge: &Charge, act: &mut dyn FnMut(&mut Shard)| {
            let place = Self::shard_of(&charge.key);
            if let Some((_, shard)) = locked.iter_mut().find(|(locked, _)| *locked == place) {
                act(shard);
            }
        };
        let mut debts = Vec::with_capacity(charges.len());
        for charge in charges {
            let mut debt = 0;
            shard_of(charge, &mut |shard| debt = shard.counters.debt(now, charge));
            debts.push(debt);
        }
        let is_allowed = charges.iter().zip(&debts).all(|(charge, debt)| charge.fits(*debt));
        let verdicts = charges.iter().zip(debts).map(|(charge, debt)| {
            let after = charge.after(mode, is_allowed, debt);
            if after != debt {
                shard_of(charge, &mut |shard| shard.counters.owe(now, charge, after));
            }
            charge.verdict(debt, after)
        });
        let verdicts: Vec<Verdict> = verdicts.collect();
        Charged { is_allowed, verdicts, is_local: false }
    }

    /// [`Cache::tally`], without waiting, and with the share of what is left that this process allows.
    pub fn tally_now(&self, tally: &Tally, share: f64) -> Tallied {
        self.total(tally, |known| known.add(tally, share))
    }

    /// What is known of a total. What was added here alone is taken out, to be told to the server; what is not told is to be given
    /// back ([`Memory::owe`]).
    pub fn take_owed(&self, tally: &Tally) -> Known {
        self.total(tally, |known| std::mem::replace(known, Known { own: 0, ..*known }))
    }

    /// Has it that so much was added here alone.
    pub fn owe(&self, tally: &Tally, amount: u64) {
        self.total(tally, |known| known.own = known.own.saturating_add(amount));
    }

    /// Remembers what the server said of a total.
    pub fn learn(&self, tally: &Tally, total: u64) {
        self.total(tally, |known| known.shared = known.shared.max(total));
    }

    fn total<T: Default>(&self, tally: &Tally, act: impl FnOnce(&mut Known) -> T) -> T {
        let now = self.now();
        let Some(mut shard) = self.shard(&tally.key) else { return T::default() };
        let mut known = shard.totals.get(now, &tally.key.hash).map_or_else(Known::default, |(_, known)| *known);
        let outcome = act(&mut known);
        shard.totals.put(now, tally.key.hash, now.saturating_add(micros(tally.lifetime.min(LONGEST))), known);
        outcome
    }

    /// [`Cache::distinct`], without waiting.
    pub fn distinct_now(&self, key: Key, member: Option<Member>, window: Duration, most: usize) -> usize {
        let now = self.now();
        let window = micros(window.min(LONGEST));
        let most = most.clamp(1, MOST_MEMBERS);
        let Some(mut shard) = self.shard(&key) else { return 0 };
        let mut members = shard.sets.remove(&key.hash).map(|(_, members)| members).unwrap_or_default();
        members.retain(|(known, seen)| seen.saturating_add(window) > now && Some(*known) != member);
        members.extend(member.map(|member| (member, now)));
        let surplus = members.len().saturating_sub(most);
        members.drain(..surplus);
        let count = members.len();
        let end = members.last().map_or(0, |(_, seen)| seen.saturating_add(window));
        shard.sets.put(now, key.hash, end, members);
        count
    }

    /// [`Cache::put`] and [`Cache::put_new`], without waiting.
    pub fn put_now(&self, key: Key, value: Bytes, lifetime: Duration, is_new: bool) -> Result<bool, CacheError> {
        check_size(&value)?;
        let now = self.now();
        let Some(mut shard) = self.shard(&key) else { return Ok(false) };
        if is_new && shard.values.get(now, &key.hash).is_some() {
            return Ok(false);
        }
        shard.values.put(now, key.hash, now.saturating_add(micros(lifetime.min(LONGEST))), value);
        Ok(true)
    }

    /// [`Cache::get`], without waiting.
    pub fn get_now(&self, key: Key) -> Option<Bytes> {
        let now = self.now();
        self.shard(&key)?.values.get(now, &key.hash).map(|(_, value)| value.clone())
    }

    /// [`Cache::take`], without waiting.
    pub fn take_now(&self, key: Key) -> Option<Bytes> {
        let now = self.now();
        let (end, value) = self.shard(&key)?.values.remove(&key.hash)?;
        (end > now).then_some(value)
    }

    /// [`Cache::delete`], without waiting.
    pub fn delete_now(&self, key: Key) {
        if let Some(mut shard) = self.shard(&key) {
            shard.counters.remove(&key.hash);
            shard.sets.remove(&key.hash);
            shard.values.remove(&key.hash);
            shard.totals.remove(&key.hash);
        }
    }
}

/// Refuses a value that is too large.
pub fn check_size(value: &Bytes) -> Result<(), CacheError> {
    if value.len() > MOST_VALUE_BYTES { Err(CacheError::TooLarge(value.len())) } else { Ok(()) }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Cache for Memory {
    fn spend<'a>(&'a self, mode: Mode, charges: &'a [Charge]) -> BoxFuture<'a, Result<Charged, CacheError>> {
        Box::pin(ready(Ok(self.spend_now(mode, charges))))
    }

    fn tally(&self, tally: Tally) -> BoxFuture<'_, Result<Tallied, CacheError>> {
        Box::pin(ready(Ok(self.tally_now(&tally, 1.0))))
    }

    fn distinct(
        &self,
        key: Key,
        member: Option<Member>,
        window: Duration,
        most: usize,
    ) -> BoxFuture<'_, Result<usize, CacheError>> {
        Box::pin(ready(Ok(self.distinct_now(key, member, window, most))))
    }

    fn put(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<(), CacheError>> {
        Box::pin(ready(self.put_now(key, value, lifetime, false).map(drop)))
    }

    fn put_new(&self, key: Key, value: Bytes, lifetime: Duration) -> BoxFuture<'_, Result<bool, CacheError>> {
        Box::pin(ready(self.put_now(key, value, lifetime, true)))
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>> {
        Box::pin(ready(Ok(self.get_now(key))))
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, CacheError>> {
        Box::pin(ready(Ok(self.take_now(key))))
    }

    fn delete(&self, key: Key) -> BoxFuture<'_, Result<(), CacheError>> {
        self.delete_now(key);
        Box::pin(ready(Ok(())))
    }

    fn health(&self) -> Health {
        Health { driver: "memory", is_up: true, answered_locally: 0 }
    }
}
