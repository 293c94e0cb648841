//! A write that is done once, or only if something holds: what is asked before it and kept after it, in its transaction.
//!
//! The key is claimed before the transaction is anybody's, as who logged in, and its answer is written once it is nobody's any
//! more: no role of requests needs a right to `pando.idempotency`, and none has one. Whoever comes with a key that is being
//! worked on is told so at once, by a lock that is not waited for.
//!
//! What a client saw is compared in a serializable transaction: of two that saw the same and change it, in whatever way, the
//! server lets one be kept, and the other one begins anew and finds what that has left.

use std::sync::Arc;

use datatype::Zone;
use plan::{Expectation, Plan};
use rest::{Explain, ExplainOption};
use sql::postgres::Rendered;
use wire::{Connection, Query};

use super::collect::end;
use super::flight::{Asked, Beginning, Ending, Sending, Tail, begin};
use super::lease::{Lease, roll_back};
use super::missed::{Missed, missed_of};
use super::outcome::outcome_of;
use super::output::Output;
use super::own::{self, SETUP, Taking};
use super::run::{Visit, zone};
use super::session::Own;
use super::{PostgresStore, failure};
use crate::driver::{Job, Ran, Rendered as AnyRendered, Store as _};
use crate::error::StoreError;
use crate::idempotency::{Idempotency, KeptAnswer, Known, in_flight};
use crate::own::{OwnAnswer, OwnStep, checked};
use crate::precondition::Precondition;

/// With anything less, two that read each other's rows could both be kept.
const SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";

/// What a function may have set for the transaction is not to decide what our own statements mean.
const NOBODY: [&str; 2] = ["SET LOCAL ROLE NONE", "SET LOCAL search_path = pg_catalog, pg_temp"];

/// How often such a transaction that met others is done again: many may want to change the same row at once.
const MOST_COLLISIONS: u32 = 10;

/// Whether a write is one.
pub(super) fn is_guarded(job: &Job) -> bool {
    job.idempotency.is_some() || job.precondition.is_some()
}

/// How often a job that met others is done again; `usual` for one of which nothing is asked.
pub(super) fn most_collisions(job: &Job, usual: u32) -> u32 {
    if job.precondition.is_some() { MOST_COLLISIONS } else { usual }
}

/// What a job comes to that met others again and again.
pub(super) fn given_up(job: &Job, missed: Missed) -> Missed {
    match missed {
        Missed::Collided(_) if job.precondition.is_some() => {
            Missed::Failed(StoreError::Busy("others change the same rows all the time"))
        }
        missed => missed,
    }
}

/// What was done, and is not kept yet.
struct Done {
    ran: Ran,
    /// Whether its commit may be told before it is on the disk.
    is_asynchronous: bool,
}

impl PostgresStore {
    /// Does a guarded job once.
    pub(super) async fn attempt_guarded(
        &self,
        lease: &mut Lease,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Ran, Missed> {
        let server = lease.sighting().filter(|_| visit.tells_position);
        if self.may_leave_traces(job) {
            lease.expect_traces();
        }
        let tail = Tail { asks: server.is_some(), cleans: lease.has_traces() };
        let connection = lease.connection()?;
        let Done { mut ran, is_asynchronous } = match self.guarded(connection, visit, job, rendered).await {
            Ok(done) => done,
            Err(missed) => {
                let _usable = roll_back(connection).await;
                return Err(missed);
            }
        };
        // After a replay nothing is kept, but how far the primary is covers what was kept then.
        match end(connection, job.commits, tail).await {
            Ok(ended) => {
                if ended.is_clean {
                    lease.cleaned();
                }
                ran.position = server.and_then(|server| self.position(&server, &ended.after, is_asynchronous));
                Ok(ran)
            }
            Err(wire::Error::Server(error)) => Err(missed_of(&error, failure::of_job(&error, job), false)),
            Err(error) => Err(error.into()),
        }
    }

    /// All but the end.
    async fn guarded(
        &self,
        connection: &mut Connection,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Done, Missed> {
        let own = Own::of(job, &self.settings.hoisted);
        let words = if job.precondition.is_some() { SERIALIZABLE } else { begin(own.isolation()) };
        let mut beginning = Beginning::Of(Some(words), job);
        if let Some(idempotency) = &job.idempotency {
            if let Some(kept) = self.claim(connection, job, idempotency, words).await? {
                self.ask_rights(connection, visit, job).await?;
                return Ok(Done { ran: kept.ran(0), is_asynchronous: true });
            }
            beginning = Beginning::Of(None, job);
        }
        let mut zone = zone(connection, job, own);
        let mut method = None;
        if let Some(precondition) = &job.precondition {
            zone = self.check_precondition(connection, visit, (job, precondition), beginning, zone).await?;
            (beginning, method) = (Beginning::Done, Some(job.request.method.as_str()));
        }
        let output = Output::of(job, rendered, &zone, self.settings.max_buffered_bytes);
        // As its owner nothing may run of what the schema still wants to do.
        let ending = Ending::Settled;
        let whole = Sending::whole(job, rendered, own, Asked::NOTHING);
        let outcome = self.fly(connection, visit, &Sending { ending, beginning, method, ..whole }, &output).await?;
        let is_asynchronous = outcome.told[3].as_deref() == Some("off");
        let mut ran = outcome_of(outcome, job, &output).map_err(Missed::Failed)?;
        if let Some(idempotency) = &job.idempotency {
            let rows = ran.rows;
            let kept = idempotency.answered(ran).map_err(Missed::Failed)?;
            self.own_step(connection, &NOBODY, idempotency.complete(&kept)).await?;
            ran = kept.ran(rows);
        }
        Ok(Done { ran, is_asynchronous })
    }

    /// Begins the transaction and takes the key; gives the answer that is kept under it, if there is one.
    async fn claim(
        &self,
        connection: &mut Connection,
        job: &Job,
        idempotency: &Idempotency,
        begin: &'static str,
    ) -> Result<Option<KeptAnswer>, Missed> {
        if self.own_step(connection, &[begin], idempotency.claim(job.now)).await?.affected == 1 {
            return Ok(None);
        }
        let answer = self.own_step(connection, &[SETUP], idempotency.recall()).await?;
        match idempotency.known(answer.first(), job.now).map_err(Missed::Failed)? {
            Known::Answer(kept) => Ok(Some(kept)),
            Known::Nothing { .. } => Err(Missed::Failed(in_flight().into())),
        }
    }

    /// Asks for the rights that doing it anew would need, as who asks and after what comes before each request: the server looks at them when
    /// it gets ready for a statement, as it does for `EXPLAIN`, which runs nothing of it.
    async fn ask_rights(&self, connection: &mut Connection, visit: &Visit<'_>, job: &Job) -> Result<(), Missed> {
        let own = Own::of(job, &self.settings.hoisted);
        let mut beginning = Beginning::Of(None, job);
        for plan in std::iter::once(&job.plan).chain(job.precondition.as_ref().map(|precondition| &precondition.plan)) {
            let explain = Some(Explain { is_json: false, options: [false; ExplainOption::ALL.len()] });
            let plan = Plan { explain, expectation: Expectation::default(), ..Plan::clone(plan) };
            let rendered = self.render(&plan)?;
            let AnyRendered::Postgres(explained) = &*rendered else { return Err(StoreError::other_engine().into()) };
            let asked = Job {
                plan: Arc::new(plan),
                rendered: rendered.clone(),
                idempotency: None,
                precondition: None,
                ..job.clone()
            };
            let zone = zone(connection, &asked, own);
            let output = Output::of(&asked, explained, &zone, self.settings.max_buffered_bytes);
            let whole = Sending { page_rows: 0, ..Sending::whole(&asked, explained, own, Asked::NOTHING) };
            let sending = Sending { ending: Ending::Decided, beginning, ..whole };
            drop(self.fly(connection, visit, &sending, &output).await?);
            beginning = Beginning::Done;
        }
        Ok(())
    }

    /// Reads what the client has seen, as whoever asks and in the transaction of the write; gives the zone that counts from
    /// then on.
    async fn check_precondition(
        &self,
        connection: &mut Connection,
        visit: &Visit<'_>,
        (job, precondition): (&Job, &Precondition),
        beginning: Beginning<'_>,
        zone: Zone,
    ) -> Result<Zone, Missed> {
        let AnyRendered::Postgres(rendered) = &*precondition.rendered else {
            return Err(StoreError::other_engine().into());
        };
        let plan = precondition.plan.clone();
        let read =
            Job { plan, rendered: precondition.rendered.clone(), idempotency: None, precondition: None, ..job.clone() };
        let own = Own::of(job, &self.settings.hoisted);
        let output = Output::of(&read, rendered, &zone, self.settings.max_buffered_bytes);
        let (ending, method) = (Ending::Decided, Some("GET"));
        let whole = Sending { page_rows: 0, ..Sending::whole(&read, rendered, own, Asked::NOTHING) };
        let mut outcome = self.fly(connection, visit, &Sending { ending, beginning, method, ..whole }, &output).await?;
        let known = outcome.zone.take();
        let ran = outcome_of(outcome, &read, &output).map_err(Missed::Failed)?;
        (precondition.judge)(ran).map_err(|failure| Missed::Failed(failure.into()))?;
        Ok(known.unwrap_or(zone))
    }

    /// Runs a statement of the program itself in the transaction that is open, or that `before` opens.
    async fn own_step(
        &self,
        connection: &mut Connection,
        before: &[&'static str],
        step: OwnStep,
    ) -> Result<OwnAnswer, Missed> {
        let mut steps = [step];
        checked(&mut steps).map_err(Missed::Failed)?;
        let mut flight = connection.flight();
        for words in before {
            flight.execute(&Query::new("", words))?;
        }
        let sent = steps.iter().map(|step| own::execute(&mut flight, step)).collect::<Result<Vec<_>, _>>()?;
        flight.sync();
        flight.send().await?;
        let mut taking = Taking::new(&sent, self.settings.max_buffered_bytes);
        if let Some(error) = taking.all(connection).await? {
            return Err(own::missed(&error));
        }
        let answers = taking.checked(&steps).map_err(Missed::Failed)?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }
}
