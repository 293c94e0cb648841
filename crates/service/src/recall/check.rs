//! Kept answers are compared with what the database gives, one of so many: should it ever be another one, an operator is to know.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plan::{Level, Member, Operation, Plan};
use store::Job;
use telemetry::KeptAnswerStale;

use super::entry::Entry;
use super::rule::Age;
use super::{Question, Recall};

impl Recall {
    /// Whether the next answer that is shown is one of those that are compared.
    pub(super) fn is_checked_next(&self, question: &Question) -> bool {
        let every = self.settings.checked;
        let is_ttl = matches!(question.rule.age, Age::Ttl(_));
        every != 0 && !is_ttl && self.shown.load(Ordering::Relaxed).is_multiple_of(every)
    }

    /// Counts an answer that is shown, and compares it when it is its turn.
    pub(super) fn check_one(self: &Arc<Self>, job: &Job, question: &Question, entry: &Arc<Entry>) {
        let is_checked = self.is_checked_next(question);
        self.shown.fetch_add(1, Ordering::Relaxed);
        if is_checked && is_determined(&job.plan, entry.rows) {
            let (recall, job, question, entry) = (self.clone(), job.clone(), question.clone(), entry.clone());
            drop(tokio::spawn(async move { recall.compare(job, &question, &entry).await }));
        }
    }

    async fn compare(&self, mut job: Job, question: &Question, entry: &Entry) {
        let relation = job.plan.footprint.named.first().map(ToString::to_string).unwrap_or_default();
        if self.catch_up(job.position.as_ref(), question).await.is_err() || !self.holds(entry) {
            return;
        }
        // A replica that has not come as far would show what was.
        job.position = self.store.counted().or(job.position);
        let Some(is_like) = entry.is_like(&self.store.run(job).await) else { return };
        // What has changed meanwhile is no fault.
        if self.store.catch_up().await.is_ok() && self.holds(entry) {
            self.telemetry.report(&KeptAnswerStale { relation: &relation, is_stale: !is_like });
        }
    }
}

/// Whether the database has to give the same rows each time: not of a page, whose rows may be others where the order leaves that open.
fn is_determined(plan: &Plan, rows: u64) -> bool {
    let Operation::Read(read) = &plan.operation else { return false };
    let Level { limit, offset, members, .. } = &read.level;
    *offset == 0 && limit.is_none_or(|limit| rows < limit) && members.iter().all(is_whole)
}

fn is_whole(member: &Member) -> bool {
    match member {
        Member::Value(_) => true,
        Member::One { members, .. } => members.iter().all(is_whole),
        Member::Rows { level, .. } | Member::SpreadRows { level } => {
            level.limit.is_none() && level.offset == 0 && level.members.iter().all(is_whole)
        }
    }
}
