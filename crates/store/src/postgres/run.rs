//! Running a job: on the primary or a replica, tried again where that may help, within what one request may take.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::Failure;
use datatype::Zone;
use sql::postgres::Rendered;
use wire::Connection;

use super::collect::{After, Outcome, collect, end};
use super::flight::{Asked, Ending, Sending, Tail};
use super::guarded::{given_up, is_guarded, most_collisions};
use super::lease::{Lease, roll_back};
use super::missed::{Missed, missed_of};
use super::outcome::outcome_of;
use super::output::Output;
use super::pool::{Pool, random_share};
use super::session::Own;
use super::sighting::Sighting;
use super::stream::Begun;
use super::together::Turn;
use super::wrong::Wrong;
use super::{PostgresStore, failure};
use crate::driver::{Job, Operation, Ran};
use crate::error::StoreError;
use crate::idempotency;
use crate::position::{Position, PositionToken};

/// How often a transaction that met another one is done again.
const MOST_COLLISIONS: u32 = 3;

/// How long it steps back before the first time, doubled with each further one: those who met shall not meet again.
const COLLISION_PAUSE: Duration = Duration::from_millis(10);

/// What a request may take, over all servers that it is given to.
pub(super) struct Allowance {
    /// How long it may still wait for connections.
    wait: Duration,
    /// Whether it may be done once more after a connection was lost. It may be what the connection was lost by, so not more
    /// often; and a write may have been done.
    is_repeatable: bool,
}

impl Allowance {
    /// How long it may wait at a server. A replica gets half of it: the others shall have some left.
    fn wait_at(&self, visit: &Visit<'_>) -> Duration {
        if visit.replica.is_some() { self.wait / 2 } else { self.wait }
    }

    /// Takes the repetition, if there still is one.
    pub(super) fn repeats(&mut self) -> bool {
        std::mem::take(&mut self.is_repeatable)
    }
}

/// What a try gave.
enum Done {
    /// The answer.
    Whole(Ran),
    /// A long read that has begun.
    Begun(Begun),
}

/// Where a job is run.
pub(super) struct Visit<'a> {
    pool: &'a Arc<Pool>,
    /// A replica, as it was last seen, and the point that it must have replayed.
    replica: Option<(Sighting, u64)>,
    /// Whether how far the primary is afterwards is told.
    pub(super) tells_position: bool,
}

impl<'a> Visit<'a> {
    /// On a replica that must have replayed so much.
    pub(super) fn of_replica(pool: &'a Arc<Pool>, seen: Sighting, point: u64) -> Self {
        Self { pool, replica: Some((seen, point)), tells_position: false }
    }

    /// On the primary.
    fn of_primary(pool: &'a Arc<Pool>, tells_position: bool) -> Self {
        Self { pool, replica: None, tells_position }
    }

    /// Whether nothing is asked beside the job itself.
    fn is_plain(&self) -> bool {
        self.replica.is_none() && !self.tells_position
    }

    /// What the replica has to be asked, since nobody knows it for this connection.
    pub(super) fn point_to_check(&self, lease: &Lease) -> Result<Option<u64>, Missed> {
        let Some((seen, point)) = self.replica else { return Ok(None) };
        let Some(own) = lease.sighting() else { return Err(Missed::Elsewhere) };
        let is_it = own.system == seen.system && !own.is_primary;
        let is_known = own.instance == seen.instance && lease.was_open(seen.at);
        if !is_it || (!is_known && own.timeline != seen.timeline) {
            return Err(Missed::Unsent(StoreError::Unreachable("another server answers in its place".to_owned())));
        }
        let is_there = own.point >= point || (is_known && seen.point >= point);
        Ok((!is_there).then_some(point))
    }
}

impl PostgresStore {
    /// Runs a job.
    pub(super) async fn run_job(&self, job: &Job, rendered: &Rendered) -> Result<Ran, StoreError> {
        let started = self.clock.monotonic();
        // What is done once may be asked for as often as one likes.
        let is_repeatable = job.plan.access == plan::Access::ReadOnly || job.idempotency.is_some();
        let mut allowance = Allowance { wait: self.settings.wait, is_repeatable };
        let allowance = &mut allowance;
        let shown = self.replicas.as_ref().map(|replicas| (replicas, replicas.learn(job.position.as_ref())));
        let outcome = match shown {
            Some((replicas, shown)) if job.plan.access == plan::Access::ReadOnly => {
                self.read(replicas, shown, job, rendered, allowance).await
            }
            _ => {
                let tells_position = job.plan.access == plan::Access::ReadWrite && job.commits;
                self.on_primary(job, rendered, tells_position, allowance).await
            }
        };
        self.observe(job, rendered, started, outcome.as_ref().map(|ran| ran.rows));
        idempotency::observe(&*self.observer, job, outcome.as_ref().map(|ran| ran.kept.as_deref()));
        outcome
    }

    /// Runs a job on the primary.
    pub(super) async fn on_primary(
        &self,
        job: &Job,
        rendered: &Rendered,
        tells_position: bool,
        allowance: &mut Allowance,
    ) -> Result<Ran, StoreError> {
        let visit = Visit::of_primary(&self.pool, tells_position);
        self.visit(&visit, job, rendered, allowance).await.map_err(Missed::into_error)
    }

    /// Runs a job on a server, again where that may help. What a replica does not answer may be given to another server then.
    pub(super) async fn visit(
        &self,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
        allowance: &mut Allowance,
    ) -> Result<Ran, Missed> {
        let mut is_fresh = false;
        let mut alone = None;
        let short = if visit.is_plain() { self.short(job, rendered) } else { None };
        if let Some(key) = short {
            match self.go_together(job, key, allowance.wait).await {
                Turn::Alone(counted) => alone = counted,
                Turn::Answered(Err(Missed::Stale(_) | Missed::Collided(_))) => {}
                Turn::Answered(Err(Missed::Lost(_))) if allowance.repeats() => is_fresh = true,
                Turn::Answered(answered) => return answered,
            }
        }
        let wait = allowance.wait_at(visit);
        let mut lease = self.waited(allowance, visit.pool.take(wait)).await?;
        if is_fresh {
            let wait = allowance.wait_at(visit);
            self.waited(allowance, lease.replace(true, wait)).await?;
        }
        let began = self.clock.monotonic();
        let (mut is_long, mut was_stale, mut collisions) = (false, false, 0);
        loop {
            match self.try_once(&mut lease, visit, job, rendered, &mut is_long, allowance).await {
                Ok(Done::Whole(ran)) => {
                    drop(alone);
                    if let Some(key) = short {
                        self.together.note_alone(key, self.clock.monotonic().saturating_duration_since(began));
                    }
                    return Ok(ran);
                }
                Ok(Done::Begun(begun)) => return Ok(self.stream(lease, job, begun)),
                Err(Missed::Stale(_)) if !was_stale => {
                    was_stale = true;
                    lease.connection()?.forget();
                }
                Err(Missed::Collided(_)) if collisions < most_collisions(job, MOST_COLLISIONS) => {
                    tokio::time::sleep(random_share(COLLISION_PAUSE * 2_u32.pow(collisions.min(MOST_COLLISIONS))))
                        .await;
                    collisions += 1;
                }
                // The connection leads to another server.
                Err(Missed::Unsent(_)) if !is_fresh && lease.is_held() => {
                    is_fresh = true;
                    let wait = allowance.wait_at(visit);
                    self.waited(allowance, lease.replace(is_fresh, wait)).await?;
                }
                Err(Missed::Lost(_)) if allowance.repeats() => {
                    is_fresh = true;
                    let wait = allowance.wait_at(visit);
                    self.waited(allowance, lease.replace(is_fresh, wait)).await?;
                }
                Err(missed) => return Err(given_up(job, missed)),
            }
        }
    }

    /// Waits for a connection, which is taken off what the request may wait.
    async fn waited<T>(
        &self,
        allowance: &mut Allowance,
        waiting: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Missed> {
        let before = self.clock.monotonic();
        let outcome = waiting.await;
        allowance.wait = allowance.wait.saturating_sub(self.clock.monotonic().saturating_duration_since(before));
        outcome.map_err(Missed::Unsent)
    }

    /// Tries a job once: whole at first, and from its beginning once it is known to be long.
    async fn try_once(
        &self,
        lease: &mut Lease,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
        is_long: &mut bool,
        allowance: &mut Allowance,
    ) -> Result<Done, Missed> {
        if is_guarded(job) {
            return self.attempt_guarded(lease, visit, job, rendered).await.map(Done::Whole);
        }
        if !*is_long {
            if let Some(ran) = self.attempt(lease, visit, job, rendered).await? {
                return Ok(Done::Whole(ran));
            }
            *is_long = true;
            if !lease.is_cleared().await {
                // It has a place already: what it waited for that is not taken off what opening another connection may take.
                let wait = allowance.wait_at(visit).max(self.settings.wait / 4);
                self.waited(allowance, lease.replace(false, wait)).await?;
            }
        }
        self.begin(lease, visit, job, rendered).await.map(Done::Begun)
    }

    /// Does a job in one flight; `None` if there is more than is answered at once.
    async fn attempt(
        &self,
        lease: &mut Lease,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Option<Ran>, Missed> {
        let check = visit.point_to_check(lease)?;
        let server = lease.sighting().filter(|_| visit.tells_position);
        if self.may_leave_traces(job) {
            lease.expect_traces();
        }
        let has_traces = lease.has_traces();
        let connection = lease.connection()?;
        let own = Own::of(job, &self.settings.hoisted);
        let zone = zone(connection, job, own);
        let output = Output::of(job, rendered, &zone, self.settings.max_buffered_bytes);
        let tail = Tail { asks: server.is_some(), cleans: has_traces };
        let sending = Sending::whole(job, rendered, own, Asked { check, tail });
        let outcome = self.flown(connection, &sending, &output).await?;
        if outcome.is_clean {
            lease.cleaned();
        }
        let connection = lease.connection()?;
        let mut outcome = judged(connection, visit, &sending, outcome).await?;
        if outcome.is_long {
            return Ok(None);
        }
        let mut after = std::mem::take(&mut outcome.after);
        let mut is_clean = false;
        let is_asynchronous = outcome.told[3].as_deref() == Some("off");
        let mut checked = outcome_of(outcome, job, &output);
        if sending.ending == Ending::Decided {
            let commits = checked.is_ok() && job.commits;
            match end(connection, commits, tail).await {
                Ok(ended) => (after, is_clean) = (ended.after, ended.is_clean),
                Err(wire::Error::Server(error)) => {
                    return Err(missed_of(&error, failure::of_job(&error, job), visit.replica.is_some()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if is_clean {
            lease.cleaned();
        }
        if let (Ok(ran), Some(server)) = (&mut checked, server) {
            ran.position = self.position(&server, &after, is_asynchronous);
        }
        checked.map(Some).map_err(Missed::Failed)
    }

    /// Sends a flight and takes in what comes back, where that is an outcome: after an error nothing is left open.
    pub(super) async fn fly(
        &self,
        connection: &mut Connection,
        visit: &Visit<'_>,
        sending: &Sending<'_>,
        output: &Output<'_>,
    ) -> Result<Outcome, Missed> {
        let outcome = self.flown(connection, sending, output).await?;
        judged(connection, visit, sending, outcome).await
    }

    /// Sends a flight and takes in what comes back.
    async fn flown(
        &self,
        connection: &mut Connection,
        sending: &Sending<'_>,
        output: &Output<'_>,
    ) -> Result<Outcome, Missed> {
        let steps = self.send(connection, sending).await?;
        collect(connection, &steps, sending, output).await
    }

    /// Whether a function or trigger may do something to the session. Behind a pooler the session is not ours to clean.
    pub(super) fn may_leave_traces(&self, job: &Job) -> bool {
        let plan = &job.plan;
        let calls = !plan.footprint.calls.is_empty() || plan.handler.is_some() || !plan.unresolved.is_empty();
        let runs = calls || self.pre_request.is_some() || plan.access == plan::Access::ReadWrite;
        runs && !self.is_pooled
    }

    /// How far the primary is, for the client to carry.
    pub(super) fn position(&self, own: &Sighting, after: &After, is_asynchronous: bool) -> Option<PositionToken> {
        let position = match *after {
            After::NotAsked => return None,
            After::Unknown => Position::unknown(own.system),
            After::Known { next, timeline, .. } if self.wrong == Some(Wrong::NextRecord) => {
                Position { system: own.system, timeline, point: next }
            }
            // A commit that does not wait for the disk is told before it is written there.
            After::Known { next, timeline, .. } if is_asynchronous => {
                Position { system: own.system, timeline, point: own.log.end_of_record(next) }
            }
            After::Known { written, timeline, .. } => Position { system: own.system, timeline, point: written },
        };
        Some(self.settings.position_key.sign(position))
    }

    fn observe(&self, job: &Job, rendered: &Rendered, started: Instant, rows: Result<u64, &StoreError>) {
        let (name, relation) = match &job.plan.operation {
            plan::Operation::Write(write) => {
                let name = match write.kind {
                    plan::NativeWriteKind::Insert(_) => "INSERT",
                    plan::NativeWriteKind::Update { .. } => "UPDATE",
                    plan::NativeWriteKind::Delete { .. } => "DELETE",
                };
                (name, &*write.relation.name.name)
            }
            plan::Operation::Read(read) => match &read.level.from.first {
                catalog::Source::Relation { name, .. } => ("SELECT", &*name.name),
                catalog::Source::Call { call, .. } => ("CALL", &*call.name.name),
                catalog::Source::Query { .. } => ("SELECT", ""),
            },
            _ => ("SELECT", ""),
        };
        let error = rows.err().map(|error| Failure::from(error.clone()).code);
        self.observer.operation(&Operation {
            name,
            relation,
            duration: self.clock.monotonic().saturating_duration_since(started),
            statement: rendered.main.text(),
            rows: rows.unwrap_or(0),
            error: error.as_deref(),
            trace_id: job.trace_id,
        });
    }
}

/// What is said of a transaction that goes on when its end was sent.
const NOT_ENDED: &str = "the transaction was not ended, so nothing of it is kept: a function or trigger has replaced a statement that is \
     prepared in the session";

/// What came back, where that is an outcome: after an error nothing is left open.
async fn judged(
    connection: &mut Connection,
    visit: &Visit<'_>,
    sending: &Sending<'_>,
    mut outcome: Outcome,
) -> Result<Outcome, Missed> {
    let missed = match outcome.error.take() {
        _ if outcome.is_behind => Missed::Behind,
        None if outcome.is_open && sending.ending.is_with_flight() => {
            Missed::Failed(StoreError::Engine(NOT_ENDED.to_owned()))
        }
        Some(error) => missed_of(&error, failure::of_job(&error, sending.job), visit.replica.is_some()),
        None => return Ok(outcome),
    };
    let _usable = roll_back(connection).await;
    Err(missed)
}

/// The zone that moments are printed in: the one asked for, else that of the role, else the session's.
pub(super) fn zone(connection: &Connection, job: &Job, own: Own<'_>) -> Zone {
    let zone = own.time_zone(job.request.time_zone.as_deref()).or_else(|| connection.parameter("TimeZone"));
    zone.map_or_else(|| job.plan.zone.clone(), |name| Zone::of_server(name).unwrap_or_default())
}
