//! A write that is done once, or only if something holds: what is asked before it and kept after it, behind its savepoint. There is
//! one writer, so nothing changes in between.

use std::sync::Arc;
use std::time::Duration;

use base::{Failure, Kind};
use catalog::Catalog;
use sql::sqlite::Rendered as Sqlite;

use super::connection::Connection;
use super::own::{OwnWork, Translations};
use super::reader;
use super::write::{self, Bounds};
use crate::driver::{Job, Ran, Rendered};
use crate::error::StoreError;
use crate::idempotency::{Idempotency, Known};
use crate::own::{OwnAnswer, OwnStep, checked};
use crate::precondition::Precondition;

/// For how long the read of a condition may hold up all other writes: there is one writer. A thousand rows take one or two milliseconds.
const MOST_OF_OTHERS: Duration = Duration::from_millis(100);

/// What such a write runs in.
pub(super) struct Guarded<'a> {
    pub(super) connection: &'a Connection,
    pub(super) catalog: &'a Arc<Catalog>,
    pub(super) translations: &'a Translations,
    pub(super) bounds: Bounds,
}

impl Guarded<'_> {
    /// Whether a write is one.
    pub(super) fn is(job: &Job) -> bool {
        job.idempotency.is_some() || job.precondition.is_some()
    }

    /// Runs it, or gives the answer that it was given before.
    pub(super) fn run(&self, job: &Job) -> Result<Ran, StoreError> {
        if let Some(idempotency) = &job.idempotency
            && let Some(ran) = self.recall(idempotency, job)?
        {
            return Ok(ran);
        }
        if let Some(precondition) = &job.precondition {
            self.check(precondition)?;
        }
        let ran = write::run(self.connection.raw(), job, self.bounds)?;
        let Some(idempotency) = &job.idempotency else { return Ok(ran) };
        let rows = ran.rows;
        let kept = idempotency.answered(ran)?;
        self.own(idempotency.keep(&kept, job.now))?;
        Ok(kept.ran(rows))
    }

    /// The answer that is kept under the key.
    fn recall(&self, idempotency: &Idempotency, job: &Job) -> Result<Option<Ran>, StoreError> {
        let answer = self.own(idempotency.recall())?;
        match idempotency.known(answer.first(), job.now)? {
            Known::Answer(kept) => Ok(Some(kept.ran(0))),
            Known::Nothing { is_expired: false } => Ok(None),
            Known::Nothing { is_expired: true } => self.own(idempotency.dismiss()).map(|_| None),
        }
    }

    fn check(&self, precondition: &Precondition) -> Result<(), StoreError> {
        let Rendered::Sqlite(Sqlite::Read(read)) = &*precondition.rendered else {
            return Err(StoreError::other_engine());
        };
        let whole = || reader::whole(self.connection, &precondition.plan, read, self.bounds.most_bytes);
        let ran = match self.connection.within(MOST_OF_OTHERS, whole) {
            Err(StoreError::Timeout) => return Err(too_slow().into()),
            ran => ran?,
        };
        Ok((precondition.judge)(ran)?)
    }

    fn own(&self, step: OwnStep) -> Result<OwnAnswer, StoreError> {
        let mut steps = [step];
        checked(&mut steps)?;
        let Self { catalog, translations, bounds, .. } = *self;
        let work = OwnWork { connection: self.connection.raw(), catalog, translations, bounds, writes: true };
        Ok(work.run(&steps)?.into_iter().next().unwrap_or_default())
    }
}

/// 413: what is compared is found too slowly.
fn too_slow() -> Failure {
    let most = MOST_OF_OTHERS.as_millis();
    let message = format!(
        "What If-Match or If-None-Match compares took longer to read than the {most} ms that others wait for it"
    );
    Failure::new(Kind::TooLarge, "PANDO413", message)
        .with_details("Nothing was written.")
        .with_hint("Name fewer rows by filters that an index serves, or select less of them.")
}
