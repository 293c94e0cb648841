//! The flight of a job: who asks, the statement and what is told beside it, sent at once.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use catalog::Isolation;
use datatype::Zone;
use sql::postgres::{Page, Rendered};
use sql::{Parameter, Statement};
use wire::{Connection, Flight, Format, Query, Step};

use super::lease::CLEAN;
use super::missed::Missed;
use super::session::Own;
use super::sighting::{AFTER_COMMIT, REPLAYED};
use super::stream::PAGE_ROWS;
use super::wrong::Wrong;
use super::{PostgresStore, session};
use crate::driver::Job;

const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const ONE_SERIAL_MOMENT: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY";
const BEGIN: &str = "BEGIN";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
/// What would only be found at the commit is to be found now.
const CHECK_DEFERRED: &str = "SET CONSTRAINTS ALL IMMEDIATE";
/// What functions and triggers say about the answer, and how many rows of an upsert are new.
const TOLD: &str = "SELECT current_setting('response.headers', true), current_setting('response.status', true), \
     current_setting('pgrst.inserted', true), current_setting('synchronous_commit')";

/// How the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself, with the flight.
    Itself,
    /// It only read in one moment, and is over with the flight.
    OneMoment,
    /// It only reads in one moment, and goes on after the flight.
    Open,
    /// It is kept with the flight.
    Kept,
    /// Kept or not, once its outcome is known.
    Decided,
    /// The same, once all is done that the schema does at the end of a transaction.
    Settled,
    /// Never kept.
    RolledBack,
}

impl Ending {
    /// Whether nothing is left to be done once the flight was answered.
    pub(super) fn is_with_flight(self) -> bool {
        matches!(self, Self::Itself | Self::OneMoment | Self::Kept)
    }
}

/// How a flight begins.
#[derive(Clone, Copy)]
pub(super) enum Beginning<'j> {
    /// As its ending needs it, and then with the settings of its job.
    Usual,
    /// With these words, unless the transaction is there already, and with the settings of a job that comes after it.
    Of(Option<&'static str>, &'j Job),
    /// Everything was set by the flight before it in the transaction.
    Done,
}

/// What is asked beside the job itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Whether the replica has replayed this much.
    pub(super) check: Option<u64>,
    /// What comes behind the transaction, where that is over with the flight.
    pub(super) tail: Tail,
}

impl Asked {
    /// The job and nothing else.
    pub(super) const NOTHING: Self = Self { check: None, tail: Tail { asks: false, cleans: false } };
}

/// The method that functions and policies see.
const METHOD: &str = "SELECT pg_catalog.set_config('request.method', $1, true)";

/// Which zone counts, after a function that may have set another one.
const ZONE: &str = "SELECT pg_catalog.current_setting('TimeZone')";

/// What is sent of a job.
#[derive(Clone, Copy)]
pub(super) struct Sending<'j> {
    pub(super) job: &'j Job,
    pub(super) rendered: &'j Rendered,
    pub(super) own: Own<'j>,
    /// The statement that the flight is for.
    pub(super) main: &'j Statement,
    /// After how many of its rows it is found to be long; 0 where it is answered whole.
    pub(super) page_rows: u32,
    /// Which of its rows are shown, where all are counted.
    pub(super) page: Option<Page>,
    pub(super) ending: Ending,
    pub(super) asked: Asked,
    pub(super) beginning: Beginning<'j>,
    /// The method that functions and policies see, where it is another one than before.
    pub(super) method: Option<&'j str>,
}

impl<'j> Sending<'j> {
    /// All of the job.
    pub(super) fn whole(job: &'j Job, rendered: &'j Rendered, own: Own<'j>, asked: Asked) -> Self {
        let ending = ending(job, rendered, own.isolation());
        let page = rendered.page.as_deref().copied();
        let (main, page_rows) = (&rendered.main, page_rows(job, rendered));
        let beginning = Beginning::Usual;
        Self { job, rendered, own, main, page_rows, page, ending, asked, beginning, method: None }
    }

    /// What is told before the rows of a long read: how many they will be. Its transaction stays open for them.
    pub(super) fn count(
        job: &'j Job,
        rendered: &'j Rendered,
        own: Own<'j>,
        count_page: &'j Statement,
        asked: Asked,
    ) -> Self {
        let (ending, beginning) = (Ending::Open, Beginning::Usual);
        Self { job, rendered, own, main: count_page, page_rows: 0, page: None, ending, asked, beginning, method: None }
    }
}

/// The steps of a flight whose answers matter.
pub(super) struct Steps {
    pub(super) check: Option<(Step, u64)>,
    pub(super) zone: Option<Step>,
    pub(super) main: Step,
    pub(super) count: Option<Step>,
    pub(super) estimate: Option<Step>,
    pub(super) told: Option<Step>,
    pub(super) after: Option<Step>,
    /// What comes behind the end of the transaction.
    pub(super) tail: Tail,
    /// How often the server is ready before all is answered, its tail included.
    pub(super) syncs: u32,
}

/// What comes behind the Sync that ends a transaction, on the same way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// Whether how far the primary is then is asked.
    pub(super) asks: bool,
    /// Whether the session is cleaned, after that and by itself: what a Sync brings about, as a deferred trigger, is cleaned as well.
    pub(super) cleans: bool,
}

impl Tail {
    /// Adds it; gives the step that tells how far the primary is.
    pub(super) fn add(self, flight: &mut Flight<'_>) -> Result<Option<Step>, wire::Error> {
        let mut after = None;
        if self.asks {
            after = Some(flight.execute(&Query::new("", AFTER_COMMIT))?);
            flight.sync();
        }
        if self.cleans {
            flight.simple(CLEAN)?;
        }
        Ok(after)
    }

    /// How often the server is ready in it.
    pub(super) fn syncs(self) -> u32 {
        u32::from(self.asks) + u32::from(self.cleans)
    }
}

impl PostgresStore {
    /// Sends the flight of a job.
    pub(super) async fn send(&self, connection: &mut Connection, sending: &Sending<'_>) -> Result<Steps, Missed> {
        let mut flight = connection.flight();
        let steps = self.stage(&mut flight, sending)?;
        flight.send().await?;
        Ok(steps)
    }

    /// Adds a job to a flight: all of it, up to its last Sync.
    pub(super) fn stage(&self, flight: &mut Flight<'_>, sending: &Sending<'_>) -> Result<Steps, wire::Error> {
        let Sending { job, rendered, asked, .. } = *sending;
        let role: &str = &job.caller.role;
        let mut syncs = 1;
        let mut check = None;
        if let Some(point) = asked.check.filter(|_| self.wrong != Some(Wrong::AfterRead)) {
            check = Some((flight.execute(&Query::new("", REPLAYED))?, point));
            // A transaction of its own: one that sees a single moment would begin to see before this is answered.
            flight.sync();
            syncs += 1;
        }
        self.begin_transaction(flight, sending)?;
        let mut zone = None;
        if let Some(text) = self.pre_request.as_ref().filter(|_| !matches!(sending.beginning, Beginning::Done)) {
            // Whoever asks needs the right to call it.
            flight.execute(&Query::new(role, text))?;
            zone = Some(flight.execute(&Query::new("", ZONE))?);
        }
        if let Some(method) = sending.method {
            flight.execute(&Query { parameters: &[Some(method.as_bytes())], ..Query::new("", METHOD) })?;
        }
        let space = self.space(job);
        let main = execute(flight, space, sending.main, sending.page_rows)?;
        let count = rendered.count.as_ref().map(|count| execute(flight, space, count, 0)).transpose()?;
        let estimate = rendered.estimate.as_ref().map(|plan| execute(flight, space, plan, 0)).transpose()?;
        let is_told = self.pre_request.is_some() || tells(job, rendered);
        let told = if is_told { Some(flight.execute(&Query::new("", TOLD))?) } else { None };
        end_transaction(flight, sending.ending)?;
        if let Some(point) = asked.check.filter(|_| self.wrong == Some(Wrong::AfterRead)) {
            check = Some((flight.execute(&Query::new("", REPLAYED))?, point));
        }
        let is_over = sending.ending.is_with_flight();
        let mut after = None;
        if asked.tail.asks && is_over && self.wrong == Some(Wrong::BeforeCommit) {
            after = Some(flight.execute(&Query::new("", AFTER_COMMIT))?);
        }
        flight.sync();
        let tail = Tail { asks: asked.tail.asks && is_over && after.is_none(), cleans: asked.tail.cleans && is_over };
        let behind = tail.add(flight)?;
        syncs += tail.syncs();
        Ok(Steps { check, zone, main, count, estimate, told, after: after.or(behind), tail, syncs })
    }

    /// Adds the beginning of a transaction, and whose it is.
    fn begin_transaction(&self, flight: &mut Flight<'_>, sending: &Sending<'_>) -> Result<(), wire::Error> {
        let Sending { mut job, own, .. } = *sending;
        match sending.beginning {
            Beginning::Usual => begin_usually(flight, sending)?,
            Beginning::Of(words, of) => {
                job = of;
                if let Some(words) = words {
                    flight.execute(&Query::new("", words))?;
                }
            }
            Beginning::Done => return Ok(()),
        }
        let search_path = self.search_path(&job.request.schema);
        let mut settings = session::settings(job, own, search_path, &self.settings.application, self.auditing());
        if let Some(timeout) = self.settings.role_timeouts.get(&*job.caller.role)
            && !own.sets("statement_timeout")
        {
            settings.push(("statement_timeout", timeout.as_millis().to_string().into()));
        }
        if job.plan.operation.written_table().is_some_and(|table| self.settings.remote_apply.contains(table)) {
            settings.push(("synchronous_commit", "remote_apply".into()));
        }
        let parameters: Vec<Option<&[u8]>> =
            settings.iter().flat_map(|(name, value)| [Some(name.as_bytes()), Some(value.as_bytes())]).collect();
        flight.execute(&Query { parameters: &parameters, ..Query::new("", &setup_text(settings.len())) })?;
        Ok(())
    }

    /// Where the statement of a request is kept prepared: by its role, since a plan that is kept does not ask again who may
    /// execute what was inlined into it. A function that comes first may take another role, which nobody knows when the
    /// statement is sent: then it is prepared for this time only, as whoever one is by then. So is what holds a name that
    /// nothing is known of, or anybody could fill the memory with statements that fail.
    pub(super) fn space<'j>(&self, job: &'j Job) -> Option<&'j str> {
        let is_guess = job.plan.unresolved.iter().any(|name| name.is_guess);
        (self.pre_request.is_none() && !is_guess).then_some(&*job.caller.role)
    }
}

/// Adds the beginning of a transaction, as its end needs it.
fn begin_usually(flight: &mut Flight<'_>, sending: &Sending<'_>) -> Result<(), wire::Error> {
    let isolation = sending.own.isolation();
    match sending.ending {
        Ending::Itself => {}
        Ending::OneMoment | Ending::Open => drop(flight.execute(&Query::new("", one_moment(isolation)))?),
        Ending::Kept | Ending::Decided | Ending::Settled | Ending::RolledBack => {
            flight.execute(&Query::new("", begin(isolation)))?;
        }
    }
    Ok(())
}

/// Adds the end of a transaction, where that does not depend on what comes back.
fn end_transaction(flight: &mut Flight<'_>, ending: Ending) -> Result<(), wire::Error> {
    match ending {
        Ending::OneMoment | Ending::Kept => drop(flight.execute(&Query::new("", COMMIT))?),
        Ending::RolledBack => {
            flight.execute(&Query::new("", CHECK_DEFERRED))?;
            flight.execute(&Query::new("", ROLLBACK))?;
        }
        Ending::Settled => drop(flight.execute(&Query::new("", CHECK_DEFERRED))?),
        Ending::Itself | Ending::Open | Ending::Decided => {}
    }
    Ok(())
}

/// Up to so many settings the statement that makes them is written once: more than these is for whoever gives roles many.
const USUAL_SETTINGS: usize = 24;
static SETUP_TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| (0..=USUAL_SETTINGS).map(setup_text_of).collect());

/// `SELECT set_config($1, $2, true), ...` for so many settings.
fn setup_text(count: usize) -> Cow<'static, str> {
    SETUP_TEXTS.get(count).map_or_else(|| setup_text_of(count).into(), |text| text.as_str().into())
}

fn setup_text_of(count: usize) -> String {
    let mut text = String::from("SELECT ");
    for place in 0..count {
        let comma = if place > 0 { ", " } else { "" };
        let _infallible = write!(text, "{comma}set_config(${}, ${}, true)", 2 * place + 1, 2 * place + 2);
    }
    text
}

/// How a transaction begins that only reads, and sees one moment whatever is asked of it.
fn one_moment(isolation: Option<Isolation>) -> &'static str {
    if isolation == Some(Isolation::Serializable) { ONE_SERIAL_MOMENT } else { ONE_MOMENT }
}

/// How a transaction begins that may write.
pub(super) fn begin(isolation: Option<Isolation>) -> &'static str {
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

/// Adds a statement of a plan, kept prepared in this space.
pub(super) fn execute(
    flight: &mut Flight<'_>,
    space: Option<&str>,
    statement: &Statement,
    max_rows: u32,
) -> Result<Step, wire::Error> {
    let texts: Vec<Option<Vec<u8>>> = statement.parameters().iter().map(text_of).collect();
    let parameters: Vec<Option<&[u8]>> = texts.iter().map(Option::as_deref).collect();
    let query =
        Query { space, parameters: &parameters, format: Format::Binary, max_rows, ..Query::new("", statement.text()) };
    flight.execute(&query)
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

/// How the transaction of a job ends.
pub(super) fn ending(job: &Job, rendered: &Rendered, isolation: Option<Isolation>) -> Ending {
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
    match job.commits {
        false => Ending::RolledBack,
        // Only a transaction that was begun can be told how isolated it is.
        true if isolation.is_some() => Ending::Kept,
        true => Ending::Itself,
    }
}

/// Whether something may say more about the answer than its rows: a function, an aggregate, or a trigger.
fn tells(job: &Job, rendered: &Rendered) -> bool {
    let calls = !job.plan.footprint.calls.is_empty() || job.plan.handler.is_some();
    calls || rendered.counts_inserted || job.plan.access == plan::Access::ReadWrite
}
