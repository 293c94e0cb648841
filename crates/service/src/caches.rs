//! The caches in front: which answers they may keep, what they are told when these change, and who waits until they were.
//!
//! Three things keep an older answer from being shown once a write was acknowledged that waits. What is read is stamped before its moment is
//! chosen, and an answer whose stamp does not hold any more when it leaves says that nobody may keep it. One that leaves while its stamp
//! holds is known to be on its way ([`cdn::Departures`]) before that is looked at, so a change that comes later finds it. And a purge that
//! meets such answers is done once more when they have arrived.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Failure, Kind, QualifiedName};
use cdn::{Departure, MOST_TAGS, Purger, Tag, Tags};
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use store::{Sources, Stamp, Store, Touched};

/// What caches that are told of changes may do (RFC 9213).
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
/// The same, as Fastly and others read it.
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");
/// The seconds from the request's head until the answer left, so that a cache can tell how long it was on its way.
const ELAPSED: HeaderName = HeaderName::from_static("pando-elapsed");

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// What browsers may do: nobody tells them of changes.
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("public, no-cache");

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct CachesSettings {
    /// The schema whose tables have names of their own.
    pub first_schema: String,
    /// Tables whose writes are acknowledged only when their purges are confirmed.
    pub wait: BTreeSet<QualifiedName>,
    /// How long a write waits for that.
    pub longest_wait: Duration,
    /// How long an answer may have been looked at again before it leaves.
    pub settle: Duration,
}

/// The caches in front.
pub struct Caches {
    settings: CachesSettings,
    tags: Tags,
    purger: Arc<Purger>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

/// What an answer was read from, and for how long caches that are told of changes may keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) lifetime: Duration,
    pub(crate) sources: Arc<Sources>,
    pub(crate) stamp: Stamp,
}

impl Caches {
    /// From now on these caches are told what changes in this store.
    pub fn new(
        settings: CachesSettings,
        purger: Arc<Purger>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let tags = Tags::new(settings.first_schema.as_str());
        let caches = Arc::new(Self { settings, tags, purger, store, clock });
        if let Some(changes) = caches.store.changes() {
            // Not the whole: the store would keep itself.
            let (purger, tags, wait) = (caches.purger.clone(), caches.tags.clone(), caches.settings.wait.clone());
            let is_alone = caches.store.is_always_caught_up();
            changes.listen(move |touched| match touched {
                Some(touched) => {
                    // Where nobody else gives out answers, nobody has any about tables that none was given out about.
                    let is_asked =
                        |table: &QualifiedName| !is_alone || wait.contains(table) || purger.departures().knows(table);
                    purger.changed(names(&tags, touched, is_asked));
                }
                None => purger.everything(),
            });
        }
        caches
    }

    /// Says to caches what they may do with an answer. What is given has to be kept until the answer was sent.
    pub(crate) async fn mark(&self, lease: &Lease, elapsed: Duration, head: &mut rest::Head) -> Option<Arc<Departure>> {
        if head.status != StatusCode::OK || head.headers.contains_key(SET_COOKIE) {
            return None;
        }
        let tags = self.names_of(&lease.sources)?;
        let departure = if self.is_caught_up().await { self.leave(lease, tags.clone()) } else { None };
        match departure {
            Some(departure) => {
                self.allow(lease, &tags, elapsed, &mut head.headers);
                Some(Arc::new(departure))
            }
            None => {
                head.headers.insert(CDN_CACHE_CONTROL, NO_STORE);
                head.headers.insert(SURROGATE_CONTROL, NO_STORE);
                None
            }
        }
    }

    /// Whether all changes count that there were a moment ago. One that takes long is of too long ago.
    async fn is_caught_up(&self) -> bool {
        if self.store.is_always_caught_up() {
            return true;
        }
        tokio::time::timeout(self.settings.settle / 2, self.store.catch_up()).await.is_ok_and(|caught| caught.is_ok())
    }

    fn leave(&self, lease: &Lease, tags: Vec<Tag>) -> Option<Departure> {
        let Sources { tables, rows } = &*lease.sources;
        let tables = tables.iter().chain(rows.keys()).cloned();
        let holds = || self.store.changes().is_some_and(|changes| changes.holds(&lease.stamp));
        self.purger.departures().leave(tables, tags, holds)
    }

    fn allow(&self, lease: &Lease, tags: &[Tag], elapsed: Duration, headers: &mut HeaderMap) {
        let mut put = |name: HeaderName, text: String| {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        };
        let control = format!("max-age={}", lease.lifetime.as_secs());
        put(CDN_CACHE_CONTROL, control.clone());
        put(SURROGATE_CONTROL, control);
        // Rounded down, so that the way seems longer rather than shorter.
        put(ELAPSED, format!("{}.{:03}", elapsed.as_secs(), elapsed.subsec_millis()));
        headers.insert(CACHE_CONTROL, ASK_EACH_TIME);
        headers.extend(self.purger.driver().headers().iter().filter_map(|header| header.of(tags)));
    }

    /// The names of what an answer was read from; `None` where there are too many, or where one has none.
    fn names_of(&self, sources: &Sources) -> Option<Vec<Tag>> {
        let mut names = vec![Some(Tag::everything())];
        names.extend(sources.tables.iter().map(|table| self.tags.table(table)));
        for (table, key) in &sources.rows {
            names.extend([self.tags.row(table, key), self.tags.unnamed(table)]);
        }
        let names: Vec<Tag> = names.into_iter().collect::<Option<_>>()?;
        (names.len() <= MOST_TAGS).then_some(names)
    }

    /// The number of the last change that is known, before something is written.
    pub(crate) fn last_change(&self) -> u64 {
        self.purger.last_change()
    }

    /// The tables that ask for it of those that a write may change; of all where that is not known.
    pub(crate) fn waited_for(&self, changed: Option<&BTreeSet<QualifiedName>>) -> BTreeSet<QualifiedName> {
        let wait = self.settings.wait.iter();
        wait.filter(|table| changed.is_none_or(|changed| changed.contains(*table))).cloned().collect()
    }

    /// A write was kept: waits until caches have forgotten what changed after `after` of these tables.
    ///
    /// # Errors
    /// `PANDO504`: they did not confirm it in time.
    pub(crate) async fn confirm(&self, after: u64, tables: &BTreeSet<QualifiedName>) -> Result<(), Failure> {
        if tables.is_empty() {
            return Ok(());
        }
        let confirmed = async {
            self.store.catch_up().await.ok()?;
            self.purger.confirmed(after, tables).await;
            Some(())
        };
        match tokio::time::timeout(self.settings.longest_wait, confirmed).await {
            Ok(Some(())) => Ok(()),
            Ok(None) | Err(_) => Err(unconfirmed()),
        }
    }

    /// The moment from which an answer's way is measured.
    pub(crate) fn elapsed_since(&self, began: std::time::Instant) -> Duration {
        self.clock.monotonic().saturating_duration_since(began)
    }
}

/// The names of what has changed, of the tables that are asked about.
fn names(tags: &Tags, touched: &Touched, is_asked: impl Fn(&QualifiedName) -> bool) -> Vec<(Tag, QualifiedName)> {
    let mut names = Vec::new();
    for (table, rows) in touched.rows().filter(|(table, _)| is_asked(table)) {
        // What has no name was given out with none.
        let mut put = |tag: Option<Tag>| names.extend(tag.map(|tag| (tag, table.clone())));
        put(tags.table(table));
        match rows {
            Some(keys) => keys.iter().for_each(|key| put(tags.row(table, key))),
            None => put(tags.unnamed(table)),
        }
    }
    names
}

/// It was written, and nobody can say what caches show.
fn unconfirmed() -> Failure {
    let message =
        "The write was kept, but the caches in front did not confirm in time that they have forgotten what it changed";
    Failure::new(Kind::Timeout, "PANDO504", message).with_hint(
        "For a while they may show what was there before. Look whether it is there before you send it again, or send it with the same \
         Idempotency-Key.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_has_the_names_that_answers_about_it_carry() {
        let (todos, jobs) = (QualifiedName::new("public", "todos"), QualifiedName::new("ops", "jobs"));
        let mut touched = Touched::default();
        touched.row(&todos, "1");
        touched.row(&todos, "2");
        touched.table(&jobs);
        let text = |is_asked: &dyn Fn(&QualifiedName) -> bool| {
            let names = names(&Tags::new("public"), &touched, is_asked);
            names.iter().map(|(tag, _)| tag.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(text(&|_| true), ["t:ops.jobs", "a:ops.jobs", "t:todos", "r:todos:1", "r:todos:2"]);
        assert_eq!(text(&|table| *table == jobs), ["t:ops.jobs", "a:ops.jobs"]);
    }
}
