//! What is stored: by address, and per address what was asked for with other fields.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base::Timestamp;
use bytes::Bytes;
use freshness::{Policy, Selection};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use url::Url;

/// The most answers per address; then the one that was made first goes.
const MOST_VARIANTS: usize = 32;

/// A stored answer.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub policy: Policy,
    pub selection: Selection,
    /// When it was asked for, or confirmed last.
    pub asked: Timestamp,
}

impl Stored {
    fn weight(&self) -> usize {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        fields + self.body.len() + self.selection.weight() + size_of::<Self>()
    }
}

#[derive(Debug)]
struct Variants(Vec<Arc<Stored>>);

#[derive(Clone)]
struct Weigh;

impl Weighter<String, Variants> for Weigh {
    fn weight(&self, url: &String, variants: &Variants) -> u64 {
        let bytes: usize = variants.0.iter().map(|stored| stored.weight()).sum();
        u64::try_from(bytes + url.len()).unwrap_or(u64::MAX)
    }
}

/// All that is stored, and the fills that are on their way.
pub(crate) struct Store {
    shelf: Cache<String, Variants, Weigh>,
    /// Of each address the fills that nothing has made out of date since they were begun.
    fills: HashMap<String, HashSet<u64>>,
    next_fill: u64,
}

/// The right to store what comes, until somebody changes what was asked for.
pub(crate) struct Fill<'a> {
    store: &'a Mutex<Store>,
    url: &'a Url,
    number: u64,
}

impl<'a> Fill<'a> {
    /// Before the origin is asked.
    pub fn begin(store: &'a Mutex<Store>, url: &'a Url) -> Self {
        let mut all = store.lock();
        all.next_fill += 1;
        let number = all.next_fill;
        all.fills.entry(url.to_string()).or_default().insert(number);
        Self { store, url, number }
    }

    /// Stores an answer, unless the address was changed since it was asked for, or a newer question has been answered already.
    pub fn put(&self, stored: Stored) -> bool {
        let mut all = self.store.lock();
        let is_valid = all.fills.get(self.url.as_str()).is_some_and(|fills| fills.contains(&self.number));
        is_valid && all.put(self.url, stored)
    }
}

impl Drop for Fill<'_> {
    fn drop(&mut self) {
        let mut all = self.store.lock();
        if let Some(fills) = all.fills.get_mut(self.url.as_str()) {
            fills.remove(&self.number);
            if fills.is_empty() {
                all.fills.remove(self.url.as_str());
            }
        }
    }
}

/// What there is for a request.
pub(crate) enum Found {
    Nothing,
    /// Only for other fields.
    Others,
    This(Arc<Stored>),
}

impl Found {
    pub fn this(&self) -> Option<&Arc<Stored>> {
        match self {
            Self::This(stored) => Some(stored),
            Self::Nothing | Self::Others => None,
        }
    }
}

impl Store {
    pub fn new(room: usize) -> Self {
        Self { shelf: Cache::with_weighter(1_024, room as u64, Weigh), fills: HashMap::new(), next_fill: 0 }
    }

    /// Of those that fit, the one that was made last.
    pub fn find(&self, url: &Url, request: &HeaderMap) -> Found {
        let Some(variants) = self.shelf.get(url.as_str()) else { return Found::Nothing };
        let fitting = variants.0.iter().filter(|stored| stored.selection.fits(request));
        fitting.max_by_key(|stored| stored.policy.date()).map_or(Found::Others, |stored| Found::This(stored.clone()))
    }

    fn put(&mut self, url: &Url, stored: Stored) -> bool {
        let key = url.to_string();
        let mut variants = self.shelf.peek(key.as_str()).map_or_else(Vec::new, |variants| variants.0.clone());
        let is_newer = |other: &Arc<Stored>| other.selection == stored.selection && other.asked > stored.asked;
        if variants.iter().any(is_newer) {
            return false;
        }
        variants.retain(|other| other.selection != stored.selection);
        if variants.len() == MOST_VARIANTS {
            variants.remove(0);
        }
        variants.push(Arc::new(stored));
        self.shelf.insert(key.clone(), Variants(variants));
        // What is larger than the room is not kept.
        self.shelf.peek(key.as_str()).is_some()
    }

    /// Takes one answer away.
    pub fn discard(&mut self, url: &Url, selection: &Selection) {
        let key = url.to_string();
        let Some((_, variants)) = self.shelf.remove(key.as_str()) else { return };
        let rest: Vec<_> = variants.0.into_iter().filter(|stored| stored.selection != *selection).collect();
        if !rest.is_empty() {
            self.shelf.insert(key, Variants(rest));
        }
    }

    /// Takes away all that is stored for these addresses, and the right of those who are asking for them to store what comes.
    pub fn forget(&mut self, urls: &[Url]) {
        for url in urls {
            drop(self.shelf.remove(url.as_str()));
            self.fills.remove(url.as_str());
        }
    }
}
