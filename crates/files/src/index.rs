//! What is served: each file under its name, with everything that is said about it. Made as a whole beside the requests, from what
//! was there before wherever a file is the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::Timestamp;
use delivery::{Coding, EntityTag, Fingerprint};
use http::HeaderValue;

use crate::Settings;
use crate::beneath::Root;
use crate::content::{Content, TakenIn, take_in};
use crate::digest::Digest;
use crate::hashed::is_hashed;
use crate::media::content_type;
use crate::walk::{Found, PassedOver, Stamp, UNREADABLE};

/// A file that was changed less long ago than this when it was read may have been changed once more without another mark: the clocks
/// of file systems go in steps, on some of two seconds. It is read once more.
const SETTLED: Duration = Duration::from_secs(2);

/// Dates of modification before 1990 are those of archives and reproducible builds, and say nothing of the content.
const EARLIEST_DATE: i64 = 631_152_000;

/// What is kept for good by whoever has it.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Pages say which files belong together, so that they are asked for each time; nearly always the answer is 304.
pub(crate) const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// A file that is served.
#[derive(Debug)]
pub(crate) struct Entry {
    stamp: Stamp,
    is_settled: bool,
    pub(crate) digest: Digest,
    pub(crate) content: Content,
    pub(crate) content_type: HeaderValue,
    /// Whether it shrinks: then what is sent depends on what the client takes.
    pub(crate) is_compressible: bool,
    pub(crate) tag: EntityTag,
    /// When it was last modified, as far as that can be believed.
    pub(crate) modified: Option<SystemTime>,
    pub(crate) cache_control: HeaderValue,
    /// The same compressed, as soon as that was made.
    pub(crate) smaller: OnceLock<Vec<Smaller>>,
}

/// A content in a coding.
#[derive(Debug, Clone)]
pub(crate) struct Smaller {
    pub(crate) coding: Coding,
    pub(crate) content: Content,
    /// Made of these very bytes as well: another encoder makes others of the same file, and whoever goes on with a part that it has
    /// would put them together.
    pub(crate) tag: EntityTag,
}

impl Entry {
    fn new(name: &str, taken: TakenIn, is_settled: bool, settings: &Settings, now: Timestamp) -> Self {
        let content_type = content_type(name);
        let tag = Fingerprint::new().with(content_type.as_bytes()).with(&taken.digest.0).tag();
        Self {
            stamp: taken.stamp,
            is_settled,
            digest: taken.digest,
            is_compressible: delivery::is_compressible(content_type.as_bytes()),
            tag,
            modified: modified(taken.stamp, now),
            cache_control: cache_control(name, &content_type, settings),
            content: taken.content,
            content_type,
            smaller: OnceLock::new(),
        }
    }

    /// The tag of its form in a coding, of which this is the hash.
    pub(crate) fn coded_tag(&self, coding: Coding, coded: &Digest) -> EntityTag {
        let print = Fingerprint::new().with(self.content_type.as_bytes()).with(&self.digest.0);
        print.with(&coded.0).tag().coded(coding)
    }

    /// Bytes in memory.
    fn held(&self) -> u64 {
        let smaller = self.smaller.get().map_or(0, |all| all.iter().map(|it| it.content.held()).sum());
        self.content.held() + smaller
    }
}

/// The date, unless it is one of those that build tools write, or lies ahead.
fn modified(stamp: Stamp, now: Timestamp) -> Option<SystemTime> {
    let seconds = stamp.modified.0;
    let is_true = (EARLIEST_DATE..=now.seconds()).contains(&seconds);
    let since = u64::try_from(seconds).ok().filter(|_| is_true)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

fn cache_control(name: &str, content_type: &HeaderValue, settings: &Settings) -> HeaderValue {
    if content_type.as_bytes().starts_with(b"text/html") {
        return ASK_FIRST;
    }
    let is_inside = |folder: &String| {
        let folder = folder.trim_matches('/');
        folder.is_empty() || name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    };
    if is_hashed(name.rsplit('/').next().unwrap_or(name)) || settings.immutable.iter().any(is_inside) {
        return FOREVER;
    }
    if settings.max_age_seconds == 0 {
        return ASK_FIRST;
    }
    let text = format!("public, max-age={}, must-revalidate", settings.max_age_seconds);
    HeaderValue::try_from(text).unwrap_or(ASK_FIRST)
}

/// All that is served.
#[derive(Debug)]
pub(crate) struct Index {
    files: HashMap<String, Arc<Entry>>,
    pub(crate) found: Found,
    held: AtomicU64,
}

/// What is another than before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Files that were not there.
    pub added: usize,
    /// Files that have another content.
    pub changed: usize,
    /// Files that are gone.
    pub removed: usize,
    /// Files that have another content under a name that promises that this never happens.
    pub broken_promises: Vec<String>,
}

impl Index {
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        self.files.get(name)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &Arc<Entry>)> {
        self.files.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// Bytes in memory.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Bytes of all files as they are.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|entry| entry.content.length()).sum()
    }

    /// Takes room in memory if there is so much.
    pub(crate) fn takes(&self, bytes: u64, most: u64) -> bool {
        let taken = |held: u64| held.checked_add(bytes).filter(|held| *held <= most);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// Whether this is what was found, so that nothing has to be read.
    pub(crate) fn is_of(&self, found: &Found) -> bool {
        self.found == *found && self.files.values().all(|entry| entry.is_settled)
    }

    /// Reads what is new. Small files come first, so that memory holds as many as it can. Blocks.
    pub(crate) fn read(
        (root, mut found): (&Arc<Root>, Found),
        before: Option<&Self>,
        settings: &Settings,
        now: Timestamp,
    ) -> (Self, Changes) {
        let mut changes = Changes::default();
        let mut files = HashMap::with_capacity(found.files.len());
        let mut fresh = Vec::new();
        for (name, stamp) in &found.files {
            match before.and_then(|before| before.get(name)) {
                Some(entry) if entry.stamp == *stamp && entry.is_settled => {
                    drop(files.insert(name.clone(), entry.clone()))
                }
                old => fresh.push((name.clone(), *stamp, old.cloned())),
            }
        }
        fresh.sort_by(|a, b| (a.1.size, &a.0).cmp(&(b.1.size, &b.0)));
        let mut held: u64 = files.values().map(|entry| entry.held()).sum();
        for (name, stamp, old) in fresh {
            let holds = |size: u64| held.saturating_add(size) <= settings.max_memory_bytes;
            let Ok(taken) = take_in(root, &name, holds) else {
                found.passed_over.push(PassedOver { name, reason: UNREADABLE });
                continue;
            };
            let was_read = old.as_ref().is_some_and(|old| old.stamp == taken.stamp && old.digest == taken.digest);
            let entry = Entry::new(&name, taken, was_read || is_old(stamp, now), settings, now);
            match &old {
                None => changes.added += 1,
                Some(old) if old.digest == entry.digest => {
                    if let Some(smaller) = old.smaller.get() {
                        let _new = entry.smaller.set(smaller.clone());
                    }
                }
                Some(old) => {
                    changes.changed += 1;
                    if old.cache_control == FOREVER {
                        changes.broken_promises.push(name.clone());
                    }
                }
            }
            held += entry.held();
            files.insert(name, Arc::new(entry));
        }
        changes.removed =
            before.map_or(0, |before| before.files.keys().filter(|name| !files.contains_key(*name)).count());
        (Self { files, found, held: AtomicU64::new(held) }, changes)
    }
}

/// Whether a file was left alone for long enough.
fn is_old(stamp: Stamp, now: Timestamp) -> bool {
    let settled = i64::try_from(SETTLED.as_secs()).unwrap_or(i64::MAX);
    let last = stamp.modified.0.max(stamp.changed.0);
    now.seconds().saturating_sub(last) > settled
}
