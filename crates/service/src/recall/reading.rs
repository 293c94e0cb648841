//! Asking the database, on behalf of who asks and of whoever asks the same after that.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use store::{Body, Job, Ran, Reply, Stamp, StoreError};

use super::entry::Entry;
use super::flights::{Failed, Reading, Turn};
use super::others::Mark;
use super::rule::Age;
use super::told::{Told, Way};
use super::{Question, Recall};
use crate::caches::Lease;

/// What a reading gave.
struct Read {
    ran: Ran,
    is_kept: bool,
    lease: Option<Lease>,
}

impl Recall {
    /// Reads; where that fails since the database does not answer, an older answer is shown if the rule allows it.
    pub(super) async fn read_or_show(
        &self,
        job: Job,
        question: &Question,
        older: Option<Arc<Entry>>,
        reading: Option<Reading>,
    ) -> Result<(Ran, Option<Told>), StoreError> {
        let way = if question.asked.no_cache { Way::Request } else { Way::Miss };
        // Before the moment of the reading is chosen: what comes in between is then found out.
        let stamp = self.stamp(&job, question);
        match self.read(job, question, stamp.clone()).await {
            Ok(Read { ran, is_kept, lease }) => {
                drop(reading);
                Ok((ran, Some(self.tell(Told { is_kept, lease, ..Told::new(way) }))))
            }
            Err(error) => {
                if error.is_about_rows() {
                    // An answer as well, though a refusal has no place for how it came about.
                    self.tell(Told::new(way));
                }
                if let Some(reading) = reading {
                    reading.fail(Failed { error: error.clone(), stamp });
                }
                self.instead(older, question, error)
            }
        }
    }

    /// What is answered where the database gives no answer: an older one, if the rule allows it.
    pub(super) fn instead(
        &self,
        older: Option<Arc<Entry>>,
        question: &Question,
        error: StoreError,
    ) -> Result<(Ran, Option<Told>), StoreError> {
        let older = older.filter(|older| self.stands_in(older, question, &error)).ok_or(error)?;
        let age = Some(self.clock.monotonic().saturating_duration_since(older.read_at));
        let told = self.tell(Told { age, ..Told::new(Way::StaleIfError) });
        Ok((older.outcome()?, Some(told)))
    }

    /// Whether what another one's reading ended in is what this one's would: nothing has changed since it began.
    pub(super) fn is_ours(&self, failed: &Failed, question: &Question) -> bool {
        let holds = |stamp: &Stamp| self.store.changes().is_some_and(|changes| changes.holds(stamp));
        matches!(question.rule.age, Age::Ttl(_)) || failed.stamp.as_ref().is_some_and(holds)
    }

    /// Whether an answer that is too old is shown in the place of an error.
    fn stands_in(&self, older: &Entry, question: &Question, error: &StoreError) -> bool {
        let Age::Ttl(lifetime) = question.rule.age else { return false };
        let lifetime = older.lifetime(lifetime);
        let is_outage = matches!(error, StoreError::Unreachable(_) | StoreError::Timeout | StoreError::Busy(_));
        let age = self.clock.monotonic().saturating_duration_since(older.read_at);
        is_outage && age <= lifetime.fresh.saturating_add(lifetime.if_error)
    }

    /// Runs the job, and keeps what it gives if it may be kept.
    async fn read(&self, mut job: Job, question: &Question, stamp: Option<Stamp>) -> Result<Read, StoreError> {
        let mark = match &self.others {
            Some(others) => others.mark(&question.rule, &*self.store).await,
            None => None,
        };
        // Whatever counts in the stamp has to be shown, by whichever server reads. What the client has seen is among it, since that
        // was brought in; an answer that is kept for a time is stamped for nobody.
        let counted = mark.as_ref().and_then(Mark::position).cloned().or_else(|| self.store.counted());
        let seen = job.position.take();
        job.position = if matches!(question.rule.age, Age::Ttl(_)) { seen.or(counted) } else { counted.or(seen) };
        let moment = self.moments.fetch_add(1, Ordering::Relaxed);
        let read_at = self.clock.monotonic();
        let entry = move |refusal, body, rows, total, stamp| {
            Arc::new(Entry { refusal, body, rows, total, stamp, read_at, moment, forms: Arc::default() })
        };
        let is_told = stamp.is_some() || matches!(question.rule.age, Age::Ttl(_));
        let ran = match self.store.run(job).await {
            Ok(ran) => ran,
            Err(StoreError::Refused(refusal)) => {
                let error = StoreError::Refused(refusal.clone());
                if error.is_about_rows() && is_told && !question.asked.no_store {
                    let refused = entry(Some(Arc::new(*refusal)), Bytes::new(), 0, None, stamp);
                    self.kept.keep(question.key, refused).await;
                }
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let is_whole = ran.reply == Reply::default() && ran.position.is_none();
        let Body::Full(body) = &ran.body else { return Ok(Read { ran, is_kept: false, lease: None }) };
        let lease = question.lease(stamp.as_ref().filter(|_| is_whole));
        if !is_whole || !is_told || question.asked.no_store || body.len() > self.settings.largest {
            return Ok(Read { ran, is_kept: false, lease });
        }
        let (rows, total) = (ran.rows, ran.total);
        if let Some((others, mark)) = self.others.as_ref().zip(mark) {
            others.tell(&question.key, mark, (body, rows, total));
        }
        self.kept.keep(question.key, entry(None, body.clone(), rows, total, stamp)).await;
        Ok(Read { ran, is_kept: true, lease })
    }

    /// Fetches a newer answer beside the requests, unless somebody does already.
    pub(super) fn refresh(self: &Arc<Self>, job: &Job, question: &Question) {
        let Turn::Reads(reading) = self.flights.join(question.key) else { return };
        let (recall, job, question) = (self.clone(), job.clone(), question.clone());
        drop(tokio::spawn(async move {
            // One that fails is tried again by the next who asks.
            let stamp = recall.stamp(&job, &question);
            drop(recall.read(job, &question, stamp).await);
            drop(reading);
        }));
    }
}
