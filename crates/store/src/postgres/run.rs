//! Running a plan: who asks, the statement and what is told beside it travel in one flight.

use std::sync::Arc;
use std::time::Instant;

use base::{Failure, Kind};
use bytes::Bytes;
use catalog::Isolation;
use datatype::Zone;
use sql::Parameter;
use sql::postgres::{CountField, Rendered};
use wire::{Connection, Event, Flight, Format, Query, Row, ServerError, Step, TransactionStatus};

use super::output::{Output, Unwritable};
use super::pool::{Lease, Pool};
use super::session::Own;
use super::sighting::{self, AFTER_COMMIT, REPLAYED, Sighting};
use super::stream::{INLINE_BYTES, PAGE_ROWS};
use super::wrong::Wrong;
use super::{PostgresStore, failure, session};
use crate::body;
use crate::driver::{Body, Job, Operation, Ran, Reply};
use crate::error::StoreError;
use crate::guard::{check_affected, check_single};
use crate::position::{Position, PositionToken};

const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const ONE_SERIAL_MOMENT: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY";
const BEGIN: &str = "BEGIN";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";
/// What would only be found at the commit is to be found now.
const CHECK_DEFERRED: &str = "SET CONSTRAINTS ALL IMMEDIATE";
/// What functions and triggers say about the answer, and how many rows of an upsert are new.
const TOLD: &str = "SELECT current_setting('response.headers', true), current_setting('response.status', true), \
     current_setting('pgrst.inserted', true), current_setting('synchronous_commit')";

/// How often a transaction that met another one is done again.
const MOST_COLLISIONS: u32 = 3;

/// How the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// By itself, with the flight.
    Itself,
    /// It only read in one moment, and is over with the flight.
    OneMoment,
    /// It is kept with the flight.
    Kept,
    /// Kept or not, once its outcome is known.
    Decided,
    /// Never kept.
    RolledBack,
}

/// Why a try led to nothing.
pub(super) enum Missed {
    /// There is more than is answered at once: it is to be streamed.
    Large,
    /// Prepared statements no longer fit: they have to be prepared anew.
    Stale,
    /// It met another transaction, and nothing of it remains.
    Collided(StoreError),
    /// The replica has not replayed what the caller has seen.
    Behind,
    /// The replica cannot do it; a primary may.
    Elsewhere,
    /// The connection was lost.
    Lost(StoreError),
    /// For good.
    Failed(StoreError),
}

impl Missed {
    /// The error that a client is told of.
    fn into_error(self) -> StoreError {
        match self {
            Self::Collided(error) | Self::Lost(error) | Self::Failed(error) => error,
            Self::Large | Self::Stale | Self::Behind | Self::Elsewhere => {
                StoreError::Engine("a statement was stale twice".to_owned())
            }
        }
    }
}

impl From<StoreError> for Missed {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<wire::Error> for Missed {
    fn from(error: wire::Error) -> Self {
        match failure::of_connection(&error) {
            lost @ StoreError::Unreachable(_) => Self::Lost(lost),
            other => Self::Failed(other),
        }
    }
}

/// What came back.
#[derive(Default)]
struct Outcome {
    body: Vec<u8>,
    rows: u64,
    affected: Option<u64>,
    total: Option<u64>,
    estimate: Option<u64>,
    location: Option<Vec<Option<String>>>,
    told: [Option<String>; 4],
    after: After,
    is_behind: bool,
    error: Option<Box<ServerError>>,
    unwritable: Option<Unwritable>,
}

/// How far the primary was after the commit, as far as it was asked and told.
#[derive(Debug, Default)]
enum After {
    #[default]
    NotAsked,
    /// It was asked, and nothing came back: the commit itself may have been the last word.
    Unknown,
    Known {
        written: u64,
        next: u64,
        timeline: u32,
    },
}

/// Where a job is run.
pub(super) struct Visit<'a> {
    pool: &'a Arc<Pool>,
    /// A replica, as it was last seen, and the point that it must have replayed.
    replica: Option<(Sighting, u64)>,
    /// Whether how far the primary is afterwards is told.
    tells_position: bool,
}

impl<'a> Visit<'a> {
    /// On a replica that must have replayed so much.
    pub(super) fn of_replica(pool: &'a Arc<Pool>, seen: Sighting, point: u64) -> Self {
        Self { pool, replica: Some((seen, point)), tells_position: false }
    }

    /// What the replica has to be asked, since nobody knows it for this connection.
    pub(super) fn point_to_check(&self, lease: &Lease) -> Result<Option<u64>, Missed> {
        let Some((seen, point)) = self.replica else { return Ok(None) };
        let Some(own) = lease.sighting() else { return Err(Missed::Elsewhere) };
        let is_it = own.system == seen.system && !own.is_primary;
        let is_known = lease.was_open(seen.at);
        if !is_it || (!is_known && own.timeline != seen.timeline) {
            return Err(Missed::Lost(StoreError::Unreachable("another server answers in its place".to_owned())));
        }
        let is_there = own.point >= point || (is_known && seen.point >= point);
        Ok((!is_there).then_some(point))
    }
}

impl PostgresStore {
    /// Runs a job.
    pub(super) async fn run_job(&self, job: &Job, rendered: &Rendered) -> Result<Ran, StoreError> {
        let started = self.clock.monotonic();
        let outcome = match &self.replicas {
            Some(replicas) if job.plan.access == plan::Access::ReadOnly => self.read(replicas, job, rendered).await,
            _ => self.on_primary(job, rendered, job.plan.access == plan::Access::ReadWrite && job.commits).await,
        };
        self.observe(job, rendered, started, outcome.as_ref().map(|ran| ran.rows));
        outcome
    }

    /// Runs a job on a replica, once; it may be given to another one then.
    pub(super) async fn visit(&self, visit: &Visit<'_>, job: &Job, rendered: &Rendered) -> Result<Ran, Missed> {
        let take = async |is_fresh| visit.pool.take(is_fresh).await.map_err(Missed::Lost);
        let mut lease = take(false).await?;
        let mut is_again = false;
        loop {
            match self.attempt(&mut lease, visit, job, rendered).await {
                Err(Missed::Large) => {
                    if !lease.connection()?.is_usable() {
                        lease.discard();
                        drop(lease);
                        lease = take(false).await?;
                    }
                    return self.stream(lease, visit, job, rendered).await;
                }
                Err(Missed::Stale) if !is_again => lease.connection()?.forget(),
                Err(Missed::Lost(_)) if !is_again => {
                    lease.discard();
                    drop(lease);
                    lease = take(true).await?;
                }
                outcome => return outcome,
            }
            is_again = true;
        }
    }

    /// Runs a job on the primary.
    pub(super) async fn on_primary(
        &self,
        job: &Job,
        rendered: &Rendered,
        tells_position: bool,
    ) -> Result<Ran, StoreError> {
        let reads = job.plan.access == plan::Access::ReadOnly;
        let visit = Visit { pool: &self.pool, replica: None, tells_position };
        let mut lease = self.pool.take(false).await?;
        let mut is_again = false;
        let mut collisions = 0;
        loop {
            match self.attempt(&mut lease, &visit, job, rendered).await {
                Ok(ran) => return Ok(ran),
                Err(Missed::Failed(error)) => return Err(error),
                Err(Missed::Behind | Missed::Elsewhere) => return Err(StoreError::other_engine()),
                Err(Missed::Large) => {
                    if !lease.connection()?.is_usable() {
                        // What is left of the answer is not worth reading.
                        lease.discard();
                        drop(lease);
                        lease = self.pool.take(false).await?;
                    }
                    return self.stream(lease, &visit, job, rendered).await.map_err(Missed::into_error);
                }
                Err(Missed::Stale) if !is_again => lease.connection()?.forget(),
                Err(Missed::Stale) => return Err(StoreError::Engine("a statement was stale twice".to_owned())),
                Err(Missed::Collided(_)) if collisions < MOST_COLLISIONS => {
                    collisions += 1;
                    continue;
                }
                Err(Missed::Collided(error)) => return Err(error),
                // A write may have been done before the connection was lost.
                Err(Missed::Lost(_)) if reads && !is_again => {
                    lease.discard();
                    drop(lease);
                    lease = self.pool.take(true).await?;
                }
                Err(Missed::Lost(error)) => {
                    lease.discard();
                    return Err(error);
                }
            }
            is_again = true;
        }
    }

    async fn attempt(
        &self,
        lease: &mut Lease,
        visit: &Visit<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Ran, Missed> {
        let check = visit.point_to_check(lease)?;
        let server = lease.sighting().filter(|_| visit.tells_position);
        let connection = lease.connection()?;
        let own = Own::of(job, &self.settings.hoisted);
        let ending = ending(job, rendered, own.isolation());
        let zone = zone(connection, job, own);
        let output = Output {
            format: job.plan.body_format(),
            shape: job.plan.shape,
            zone: &zone,
            members: &rendered.body.members,
            count_field: rendered.body.count_field,
            most_bytes: self.settings.max_buffered_bytes,
        };
        let asked = Asked { check, after: server.is_some() };
        let steps = self.send(connection, job, rendered, own, ending, asked).await?;
        let mut outcome = collect(connection, &steps, &output, job).await?;
        if outcome.is_behind {
            return Err(Missed::Behind);
        }
        if let Some(error) = outcome.error.take() {
            if connection.transaction_status() != TransactionStatus::Idle {
                connection.batch(ROLLBACK).await?;
            }
            if is_stale(&error) {
                return Err(Missed::Stale);
            }
            if visit.replica.is_some() && is_for_primary(&error) {
                return Err(Missed::Elsewhere);
            }
            return Err(refused(&error, job));
        }
        let mut after = std::mem::take(&mut outcome.after);
        let is_asynchronous = outcome.told[3].as_deref() == Some("off");
        let mut checked = outcome_of(outcome, job, &output);
        if ending == Ending::Decided {
            let commits = checked.is_ok() && job.commits;
            match end(connection, commits, asked.after).await {
                Ok(told) => after = told,
                Err(wire::Error::Server(error)) => return Err(refused(&error, job)),
                Err(error) => return Err(error.into()),
            }
        }
        if let (Ok(ran), Some(server)) = (&mut checked, server) {
            ran.position = self.position(&server, &after, is_asynchronous);
        }
        checked.map_err(Missed::Failed)
    }

    /// How far the primary is, for the client to carry.
    fn position(&self, own: &Sighting, after: &After, is_asynchronous: bool) -> Option<PositionToken> {
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

    async fn send(
        &self,
        connection: &mut Connection,
        job: &Job,
        rendered: &Rendered,
        own: Own<'_>,
        ending: Ending,
        asked: Asked,
    ) -> Result<Steps, Missed> {
        let search_path = self.search_path(&job.request.schema);
        let mut settings = session::settings(job, own, &search_path, &self.settings.application);
        if job.plan.operation.written_table().is_some_and(|table| self.settings.remote_apply.contains(table)) {
            settings.push(("synchronous_commit".to_owned(), "remote_apply".to_owned()));
        }
        let setup = self.setup_text(settings.len());
        let parameters: Vec<Option<&[u8]>> =
            settings.iter().flat_map(|(name, value)| [Some(name.as_bytes()), Some(value.as_bytes())]).collect();
        let role: &str = &job.caller.role;
        let mut flight = connection.flight();
        let mut check = None;
        if let Some(point) = asked.check.filter(|_| self.wrong != Some(Wrong::AfterRead)) {
            check = Some((flight.execute(&Query::new("", REPLAYED))?, point));
            // A transaction of its own: one that sees a single moment would begin to see before this is answered.
            flight.sync();
        }
        match ending {
            Ending::Itself => {}
            Ending::OneMoment => drop(flight.execute(&Query::new("", one_moment(own.isolation())))?),
            Ending::Kept | Ending::Decided | Ending::RolledBack => {
                flight.execute(&Query::new("", begin(own.isolation())))?;
            }
        }
        flight.execute(&Query { parameters: &parameters, ..Query::new("", &setup) })?;
        self.call_pre_request(&mut flight, role)?;
        let space = self.space(job);
        let main = execute(&mut flight, space, &rendered.main, page_rows(job, rendered))?;
        let count = match &rendered.count {
            Some(count) => Some(execute(&mut flight, space, count, 0)?),
            None => None,
        };
        let estimate = match &rendered.estimate {
            Some(estimate) => Some(execute(&mut flight, space, estimate, 0)?),
            None => None,
        };
        let told = self.ask_told(&mut flight, job, rendered)?;
        match ending {
            Ending::OneMoment | Ending::Kept => drop(flight.execute(&Query::new("", COMMIT))?),
            Ending::RolledBack => {
                flight.execute(&Query::new("", CHECK_DEFERRED))?;
                flight.execute(&Query::new("", ROLLBACK))?;
            }
            Ending::Itself | Ending::Decided => {}
        }
        if let Some(point) = asked.check.filter(|_| self.wrong == Some(Wrong::AfterRead)) {
            check = Some((flight.execute(&Query::new("", REPLAYED))?, point));
        }
        let is_over = matches!(ending, Ending::Itself | Ending::OneMoment | Ending::Kept);
        let mut after = None;
        if asked.after && is_over && self.wrong == Some(Wrong::BeforeCommit) {
            after = Some(flight.execute(&Query::new("", AFTER_COMMIT))?);
        }
        flight.sync();
        let mut syncs = 1 + u32::from(asked.check.is_some() && self.wrong != Some(Wrong::AfterRead));
        if asked.after && is_over && after.is_none() {
            after = Some(flight.execute(&Query::new("", AFTER_COMMIT))?);
            flight.sync();
            syncs += 1;
        }
        flight.send().await?;
        let can_stream = page_rows(job, rendered) > 0;
        Ok(Steps { check, main, count, estimate, told, after, syncs, can_stream })
    }

    /// Where the statement of a request is kept prepared: by its role, since a plan that is kept does not ask again who may
    /// execute what was inlined into it. A function that comes first may take another role, which nobody knows when the
    /// statement is sent: then it is prepared for this time only, as whoever one is by then. So is what holds a name that
    /// nothing is known of, or anybody could fill the memory with statements that fail.
    pub(super) fn space<'j>(&self, job: &'j Job) -> Option<&'j str> {
        let is_guess = job.plan.unresolved.iter().any(|name| name.is_guess);
        (self.pre_request.is_none() && !is_guess).then_some(&*job.caller.role)
    }

    /// Adds the call of the function that looks at every request first. Whoever asks needs the right to call it.
    pub(super) fn call_pre_request(&self, flight: &mut Flight<'_>, role: &str) -> Result<(), Missed> {
        if let Some(text) = &self.pre_request {
            flight.execute(&Query::new(role, text))?;
        }
        Ok(())
    }

    /// Adds the question what was said about the answer, where something may have.
    pub(super) fn ask_told(
        &self,
        flight: &mut Flight<'_>,
        job: &Job,
        rendered: &Rendered,
    ) -> Result<Option<Step>, Missed> {
        if self.pre_request.is_none() && !tells(job, rendered) {
            return Ok(None);
        }
        Ok(Some(flight.execute(&Query::new("", TOLD))?))
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

/// The zone that moments are printed in: the one asked for, else that of the role, else the session's.
pub(super) fn zone(connection: &Connection, job: &Job, own: Own<'_>) -> Zone {
    let zone = own.time_zone(job.request.time_zone.as_deref()).or_else(|| connection.parameter("TimeZone"));
    zone.map_or_else(|| job.plan.zone.clone(), |name| Zone::from_name(name).unwrap_or_default())
}

/// How a transaction begins that only reads, and sees one moment whatever is asked of it.
pub(super) fn one_moment(isolation: Option<Isolation>) -> &'static str {
    if isolation == Some(Isolation::Serializable) { ONE_SERIAL_MOMENT } else { ONE_MOMENT }
}

/// How a transaction begins that may write.
fn begin(isolation: Option<Isolation>) -> &'static str {
    match isolation {
        None => BEGIN,
        Some(Isolation::ReadCommitted) => "BEGIN ISOLATION LEVEL READ COMMITTED",
        Some(Isolation::RepeatableRead) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        Some(Isolation::Serializable) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
    }
}

/// After how many rows a read is found to be long; 0 where it is answered whole: one row is wanted, or it may write.
fn page_rows(job: &Job, rendered: &Rendered) -> u32 {
    let plan::Operation::Read(read) = &job.plan.operation else { return 0 };
    let is_short = read.level.limit.is_some_and(|limit| limit <= u64::from(PAGE_ROWS));
    let is_whole = matches!(job.plan.format, rest::Format::Object { .. }) || job.plan.shape.is_single;
    let writes = job.plan.access == plan::Access::ReadWrite;
    if is_short || is_whole || writes || rendered.count_page.is_none() { 0 } else { PAGE_ROWS }
}

/// What is asked beside the job itself.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Whether the replica has replayed this much.
    check: Option<u64>,
    /// How far the primary is after the commit.
    after: bool,
}

/// The steps of a flight whose answers matter.
struct Steps {
    check: Option<(Step, u64)>,
    main: Step,
    count: Option<Step>,
    estimate: Option<Step>,
    told: Option<Step>,
    after: Option<Step>,
    /// How often the server is ready before all is answered.
    syncs: u32,
    /// Whether the read can be begun anew as a stream.
    can_stream: bool,
}

pub(super) fn execute(
    flight: &mut Flight<'_>,
    space: Option<&str>,
    statement: &sql::Statement,
    max_rows: u32,
) -> Result<Step, Missed> {
    let texts: Vec<Option<Vec<u8>>> = statement.parameters().iter().map(text_of).collect();
    let parameters: Vec<Option<&[u8]>> = texts.iter().map(Option::as_deref).collect();
    let query =
        Query { space, parameters: &parameters, format: Format::Binary, max_rows, ..Query::new("", statement.text()) };
    Ok(flight.execute(&query)?)
}

/// A parameter as the server's input functions read it.
fn text_of(parameter: &Parameter) -> Option<Vec<u8>> {
    use datatype::Datum;
    match parameter {
        Parameter::Value(Datum::Text(text)) => Some(text.clone().into_bytes()),
        Parameter::Value(Datum::Integer(number)) => Some(number.to_string().into_bytes()),
        Parameter::Value(Datum::Real(number)) => Some(number.to_string().into_bytes()),
        Parameter::Value(Datum::Bytes(bytes)) => {
            let mut text = Vec::new();
            datatype::write_output(
                &datatype::Type::Bytea,
                datatype::DatumRef::Bytes(bytes),
                &Zone::default(),
                &mut text,
            );
            Some(text)
        }
        // The others are the embedded engine's.
        _ => None,
    }
}

fn ending(job: &Job, rendered: &Rendered, isolation: Option<Isolation>) -> Ending {
    if job.plan.access == plan::Access::ReadOnly {
        let is_isolated = matches!(isolation, Some(Isolation::RepeatableRead | Isolation::Serializable));
        return if rendered.count.is_some() || rendered.estimate.is_some() || is_isolated {
            Ending::OneMoment
        } else {
            Ending::Itself
        };
    }
    let expectation = job.plan.expectation;
    let is_put = job.plan.explain.is_none()
        && matches!(&job.plan.operation, plan::Operation::Write(write)
        if matches!(&write.kind, plan::NativeWriteKind::Insert(insert) if !insert.put.is_empty()));
    if expectation.exactly_one || expectation.max_affected.is_some() || is_put {
        return Ending::Decided;
    }
    match (job.commits, rendered.count.is_some()) {
        (false, _) => Ending::RolledBack,
        (true, true) => Ending::Decided,
        // Only a transaction that was begun can be told how isolated it is.
        (true, false) if isolation.is_some() => Ending::Kept,
        (true, false) => Ending::Itself,
    }
}

/// Whether something may say more about the answer than its rows: a function, an aggregate, or a trigger.
fn tells(job: &Job, rendered: &Rendered) -> bool {
    let calls = !job.plan.footprint.calls.is_empty() || job.plan.handler.is_some();
    calls || rendered.counts_inserted || job.plan.access == plan::Access::ReadWrite
}

fn refused(error: &ServerError, job: &Job) -> Missed {
    if error.is_fatal() {
        return Missed::Lost(StoreError::Unreachable(error.to_string()));
    }
    let translated = failure::of_job(error, job);
    if is_collision(error) { Missed::Collided(translated) } else { Missed::Failed(translated) }
}

/// A serialization failure or a deadlock: done again, the transaction finds the other one's outcome.
fn is_collision(error: &ServerError) -> bool {
    matches!(error.code.as_str(), "40001" | "40P01")
}

/// "cached plan must not change result type", and a statement that the server does not know any more.
fn is_stale(error: &ServerError) -> bool {
    (error.code == "0A000" && error.routine.as_deref() == Some("RevalidateCachedQuery")) || error.code == "26000"
}

async fn collect(
    connection: &mut Connection,
    steps: &Steps,
    output: &Output<'_>,
    job: &Job,
) -> Result<Outcome, Missed> {
    let mut outcome = Outcome::default();
    let answers = !output.members.is_empty();
    let is_location = job.plan.explain.is_none()
        && matches!(&job.plan.operation, plan::Operation::Write(write) if write.returning.is_none());
    let can_stream = steps.can_stream;
    let mut is_large = false;
    let mut syncs = 0;
    if steps.after.is_some() {
        outcome.after = After::Unknown;
    }
    body::open(output.format, output.shape, &mut outcome.body);
    loop {
        let event = match connection.next().await {
            Ok(event) => event,
            // The commit was told; only how far it went is not known.
            Err(_) if syncs > 0 && syncs + 1 == steps.syncs && steps.after.is_some() => break,
            Err(error) => return Err(error.into()),
        };
        match event {
            Event::Row(row) if steps.check.is_some_and(|(step, _)| row.step() == step) => {
                let replayed = row.get(0).and_then(sighting::binary_point).unwrap_or(0);
                outcome.is_behind = steps.check.is_some_and(|(_, point)| replayed < point);
            }
            Event::Row(row) if Some(row.step()) == steps.after => outcome.after = after_of(&row),
            // It is read to its end, and thrown away.
            Event::Row(_) if outcome.is_behind => {}
            Event::Row(row) if row.step() == steps.main => {
                if is_location {
                    let texts = row.iter().map(|value| value.map(|text| String::from_utf8_lossy(text).into_owned()));
                    outcome.location = Some(texts.collect());
                } else if answers && outcome.unwritable.is_none() {
                    let written = output
                        .write_row(&row, outcome.rows, &mut outcome.body)
                        .and_then(|()| output.check(&outcome.body));
                    if let Err(unwritable) = written {
                        outcome.unwritable = Some(unwritable);
                    }
                } else if !answers {
                    outcome.affected = row.get(0).and_then(number);
                }
                outcome.rows = match output.count_field {
                    Some(CountField::OfPage(field)) => row.get(field).and_then(number).unwrap_or(0),
                    Some(CountField::OfAll(field)) => {
                        outcome.total = row.get(field).and_then(number);
                        outcome.rows + 1
                    }
                    None => outcome.rows + 1,
                };
            }
            Event::Row(row) if Some(row.step()) == steps.count => outcome.total = row.get(0).and_then(number),
            Event::Row(row) if Some(row.step()) == steps.estimate => {
                outcome.estimate = row.get(0).and_then(planned_rows);
            }
            Event::Row(row) if Some(row.step()) == steps.told => {
                read_told(&row, &mut outcome.told);
            }
            Event::Row(_) => {}
            Event::Complete { step, tag } if step == steps.main && !answers && outcome.affected.is_none() => {
                outcome.affected = Event::affected(tag);
            }
            Event::Suspended { .. } => is_large = true,
            Event::Complete { .. } => {}
            Event::Failed { step, .. } if step.is_some() && step == steps.after => {}
            Event::Failed { error, .. } => {
                if outcome.error.is_none() {
                    outcome.error = Some(error);
                }
            }
            Event::Ready(_) => {
                syncs += 1;
                if syncs == steps.syncs {
                    break;
                }
            }
        }
        if can_stream && !outcome.is_behind && outcome.body.len() > INLINE_BYTES {
            return Err(Missed::Large);
        }
    }
    let is_answered = outcome.error.is_some() || outcome.is_behind;
    if is_large && !is_answered { Err(Missed::Large) } else { Ok(outcome) }
}

fn after_of(row: &Row<'_>) -> After {
    let point = |place| row.get(place).and_then(sighting::binary_point);
    let known = || {
        Some(After::Known {
            written: point(0)?,
            next: point(1)?,
            timeline: row.get(2).and_then(sighting::timeline_of)?,
        })
    };
    known().unwrap_or(After::Unknown)
}

/// Ends a transaction, and asks how far the primary is afterwards.
async fn end(connection: &mut Connection, commits: bool, asks: bool) -> Result<After, wire::Error> {
    if !(commits && asks) {
        connection.batch(if commits { COMMIT } else { ROLLBACK }).await?;
        return Ok(After::NotAsked);
    }
    let mut flight = connection.flight();
    flight.execute(&Query::new("", COMMIT))?;
    flight.sync();
    let step = flight.execute(&Query::new("", AFTER_COMMIT))?;
    flight.sync();
    flight.send().await?;
    let mut after = After::Unknown;
    let mut syncs = 0;
    let mut failed = None;
    while syncs < 2 {
        match connection.next().await {
            Ok(Event::Row(row)) if row.step() == step => after = after_of(&row),
            Ok(Event::Ready(_)) => syncs += 1,
            Ok(Event::Failed { step: of, error }) if of != Some(step) => failed = failed.or(Some(error)),
            Ok(_) => {}
            Err(_) if syncs == 1 && failed.is_none() => break,
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(after), |error| Err(wire::Error::Server(error)))
}

/// What a replica cannot do, or not now: it replays something that the read is in the way of, or only a primary writes, or
/// holds the table (one that is not logged).
fn is_for_primary(error: &ServerError) -> bool {
    matches!(error.code.as_str(), "40001" | "40P01" | "25006" | "0A000")
        || matches!(error.code.get(..2), Some("57" | "55")) && !is_timeout(error)
}

fn is_timeout(error: &ServerError) -> bool {
    error.code == "57014" && error.message.contains("statement timeout")
}

/// What was said about the answer; a setting that was only made in an earlier transaction is empty.
pub(super) fn read_told(row: &Row<'_>, told: &mut [Option<String>; 4]) {
    for (place, told) in told.iter_mut().enumerate() {
        let text = row.get(place).map(|text| String::from_utf8_lossy(text).into_owned());
        *told = text.filter(|text| !text.is_empty());
    }
}

/// The rows that a plan in JSON expects.
pub(super) fn planned_rows(json: &[u8]) -> Option<u64> {
    let plan: serde_json::Value = serde_json::from_slice(json).ok()?;
    plan.get(0)?.get("Plan")?.get("Plan Rows")?.as_u64()
}

/// All rows that fit, as exactly as was asked for.
pub(super) fn total_of(job: &Job, counted: Option<u64>, estimate: Option<u64>) -> Option<u64> {
    let plan::Operation::Read(read) = &job.plan.operation else { return None };
    match read.counts? {
        plan::Counting::Exact | plan::Counting::WithRows => counted,
        plan::Counting::Planned => estimate,
        plan::Counting::Estimated { up_to } => match (counted, up_to) {
            (Some(total), Some(bound)) if total <= bound => Some(total),
            (total, _) => total.max(estimate),
        },
    }
}

/// All rows that fit, where nothing but the rows themselves can tell: if they are the first ones, and the page is not full.
fn total_with(job: &Job, rows: u64) -> Option<u64> {
    let plan::Operation::Read(plan::Read { level, counts: Some(plan::Counting::WithRows), .. }) = &job.plan.operation
    else {
        return None;
    };
    let is_all = level.offset == 0 && level.limit.is_none_or(|limit| rows < limit);
    (is_all || job.plan.shape.is_single && rows > 0).then_some(rows)
}

/// A `bigint` on the wire.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    u64::try_from(i64::from_be_bytes(bytes)).ok()
}

/// What the outcome means, and whether it is what was expected.
fn outcome_of(outcome: Outcome, job: &Job, output: &Output<'_>) -> Result<Ran, StoreError> {
    if let Some(unwritable) = outcome.unwritable {
        return Err(unwritable.into_error(output.most_bytes));
    }
    if job.plan.explain.is_some() {
        return Ok(explained(outcome));
    }
    let write = match &job.plan.operation {
        plan::Operation::Write(write) => Some(write),
        _ => None,
    };
    let answers = !output.members.is_empty();
    let rows = if answers { outcome.rows } else { outcome.affected.unwrap_or(0) };
    let insert = write.and_then(|write| match &write.kind {
        plan::NativeWriteKind::Insert(insert) => Some(insert),
        _ => None,
    });
    if insert.is_some_and(|insert| !insert.put.is_empty()) && rows != 1 {
        return Err(plan_mismatch().into());
    }
    let expectation = job.plan.expectation;
    check_single(expectation, rows)?;
    check_affected(expectation, rows)?;
    let total = total_of(job, outcome.total, outcome.estimate).or_else(|| total_with(job, rows));
    let [headers, status, inserted, _] = outcome.told;
    let has_body = match write {
        Some(write) => write.returning.is_some(),
        None => answers && !job.plan.shape.is_void,
    };
    let mut body = outcome.body;
    if has_body {
        body::close(output.format, output.shape, outcome.rows, &mut body);
    } else {
        body.clear();
    }
    let location = write.and_then(|write| write.location.as_ref()).zip(outcome.location).filter(|_| rows == 1);
    Ok(Ran {
        rows,
        total: if write.is_some() { Some(rows) } else { total },
        inserted: insert.map(|_| inserted.and_then(|count| count.parse().ok()).unwrap_or(rows)),
        location: location
            .map(|(columns, values)| columns.iter().map(|column| column.name.to_string()).zip(values).collect()),
        reply: Reply { headers, status },
        position: None,
        body: Body::Full(Bytes::from(body)),
    })
}

/// The plan of a statement, of which nothing else is told.
fn explained(outcome: Outcome) -> Ran {
    Ran {
        rows: outcome.rows,
        total: None,
        inserted: None,
        location: None,
        reply: Reply::default(),
        position: None,
        body: Body::Full(Bytes::from(outcome.body)),
    }
}

/// A `PUT` whose body is about another row than its URL.
fn plan_mismatch() -> Failure {
    Failure::new(Kind::BadRequest, "PGRST115", "Payload values do not match URL in primary key column(s)")
}
