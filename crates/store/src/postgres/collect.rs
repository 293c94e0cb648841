//! Taking in what comes back of a flight, as it comes.

use datatype::Zone;
use sql::postgres::Page;
use wire::{Connection, Event, Row, ServerError, TransactionStatus};

use super::flight::{COMMIT, ROLLBACK, Sending, Steps, Tail};
use super::missed::Missed;
use super::output::{Output, Unwritable};
use super::sighting;
use super::stream::INLINE_BYTES;
use crate::body;
use crate::driver::Job;

/// What came back.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) body: Vec<u8>,
    pub(super) rows: u64,
    pub(super) affected: Option<u64>,
    pub(super) total: Option<u64>,
    pub(super) estimate: Option<u64>,
    pub(super) location: Option<Vec<Option<String>>>,
    pub(super) told: [Option<String>; 4],
    /// The zone that a function before the statement has set, or left as it was.
    pub(super) zone: Option<Zone>,
    pub(super) after: After,
    /// The session was cleaned.
    pub(super) is_clean: bool,
    /// A transaction is open where the statements of the flight are over.
    pub(super) is_open: bool,
    /// The replica has not replayed what the caller has seen.
    pub(super) is_behind: bool,
    /// There is more than is answered at once, and some of it may not have been read yet.
    pub(super) is_long: bool,
    pub(super) error: Option<Box<ServerError>>,
    pub(super) unwritable: Option<Unwritable>,
}

/// How far the primary was after the commit, as far as it was asked and told.
#[derive(Debug, Default)]
pub(super) enum After {
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

/// Takes in all that comes back; of what is too much to be answered at once not more than shows that.
pub(super) async fn collect(
    connection: &mut Connection,
    steps: &Steps,
    sending: &Sending<'_>,
    output: &Output<'_>,
) -> Result<Outcome, Missed> {
    let mut collecting = Collecting::new(steps, sending.job, output);
    while !collecting.is_done() {
        let event = match connection.next().await {
            Ok(event) => event,
            // The server said why it ends the connection.
            Err(_) if collecting.may_end() => break,
            Err(error) => return Err(error.into()),
        };
        collecting.take(&event, steps, sending.page, output);
        if sending.page_rows > 0 && !collecting.outcome.is_behind && collecting.outcome.body.len() > INLINE_BYTES {
            collecting.outcome.is_long = true;
            return Ok(collecting.outcome);
        }
    }
    Ok(collecting.end(sending.page))
}

/// Where the server is ready on its way through a flight: at the end of each stretch, those of its tail among them.
struct Ends {
    /// How often it will be ready until all is answered.
    left: u32,
    tail: Tail,
    has_failed: bool,
    /// The session was cleaned.
    is_clean: bool,
}

impl Ends {
    fn new(syncs: u32, tail: Tail) -> Self {
        Self { left: syncs, tail, has_failed: false, is_clean: false }
    }

    fn are_done(&self) -> bool {
        self.left == 0
    }

    /// Whether the transaction is over: only how far it went may not be known any more, and whether the session is clean.
    fn is_over(&self) -> bool {
        self.left <= self.tail.syncs()
    }

    fn is_cleaning(&self) -> bool {
        self.tail.cleans && self.left == 1
    }

    /// What is asked behind the transaction has failed.
    fn fail(&mut self) {
        self.has_failed |= self.is_cleaning();
    }

    fn reach(&mut self, status: TransactionStatus) {
        self.is_clean = self.is_cleaning() && !self.has_failed && status == TransactionStatus::Idle;
        self.left = self.left.saturating_sub(1);
    }
}

/// The answers of one flight, as they come.
pub(super) struct Collecting {
    outcome: Outcome,
    ends: Ends,
    is_location: bool,
}

impl Collecting {
    pub(super) fn new(steps: &Steps, job: &Job, output: &Output<'_>) -> Self {
        let mut outcome = Outcome::default();
        if steps.after.is_some() {
            outcome.after = After::Unknown;
        }
        body::open(output.format, output.shape, &mut outcome.body);
        Self { outcome, ends: Ends::new(steps.syncs, steps.tail), is_location: tells_location(job) }
    }

    /// Whether all has come.
    pub(super) fn is_done(&self) -> bool {
        self.ends.are_done()
    }

    /// Whether the server has refused it.
    pub(super) fn has_failed(&self) -> bool {
        self.outcome.error.is_some()
    }

    /// Whether there is an outcome though the connection ended.
    fn may_end(&self) -> bool {
        self.ends.is_over() || self.has_failed()
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: &Event<'_>, steps: &Steps, page: Option<Page>, output: &Output<'_>) {
        let outcome = &mut self.outcome;
        match event {
            Event::Row(row) => outcome.take(row, steps, page, output, self.is_location),
            Event::Complete { step, tag } if *step == steps.main && output.members.is_empty() => {
                outcome.affected = outcome.affected.or_else(|| Event::affected(tag));
            }
            Event::Complete { .. } => {}
            Event::Suspended { .. } => outcome.is_long = true,
            Event::Failed { step, .. } if self.ends.is_over() || (step.is_some() && *step == steps.after) => {
                self.ends.fail();
            }
            Event::Failed { error, .. } => drop(outcome.error.get_or_insert_with(|| error.clone())),
            Event::Ready(status) => {
                outcome.is_open |= *status == TransactionStatus::Open;
                self.ends.reach(*status);
            }
        }
    }

    /// What it all was.
    pub(super) fn end(mut self, page: Option<Page>) -> Outcome {
        let outcome = &mut self.outcome;
        if page.is_some() {
            outcome.total.get_or_insert(0);
        }
        outcome.is_long &= outcome.error.is_none() && !outcome.is_behind;
        outcome.is_clean = self.ends.is_clean;
        self.outcome
    }
}

/// Whether the rows of the statement are the keys of what was written.
fn tells_location(job: &Job) -> bool {
    job.plan.explain.is_none()
        && matches!(&job.plan.operation, plan::Operation::Write(write) if write.returning.is_none())
}

impl Outcome {
    /// Takes a row in.
    fn take(&mut self, row: &Row<'_>, steps: &Steps, page: Option<Page>, output: &Output<'_>, is_location: bool) {
        let step = Some(row.step());
        if let Some((_, point)) = steps.check.filter(|(check, _)| Some(*check) == step) {
            let replayed = row.get(0).and_then(sighting::binary_point).unwrap_or(0);
            self.is_behind = replayed < point;
        } else if step == steps.zone {
            self.zone = row.get(0).and_then(|name| Zone::of_server(&String::from_utf8_lossy(name)));
        } else if step == steps.after {
            self.after = after_of(row);
        } else if self.is_behind {
            // It is read to its end, and thrown away.
        } else if row.step() == steps.main {
            if self.is_shown(page) {
                self.take_main(row, output, is_location);
            }
        } else if step == steps.count {
            self.total = row.get(0).and_then(number);
        } else if step == steps.estimate {
            self.estimate = row.get(0).and_then(planned_rows);
        } else if step == steps.told {
            read_told(row, &mut self.told);
        }
    }

    /// Whether the row that has come is one of those shown; where all are counted, it is counted here.
    fn is_shown(&mut self, page: Option<Page>) -> bool {
        let Some(page) = page else { return true };
        let place = self.total.unwrap_or(0);
        self.total = Some(place + 1);
        page.has(place)
    }

    /// Takes a row of the statement itself in.
    fn take_main(&mut self, row: &Row<'_>, output: &Output<'_>, is_location: bool) {
        let answers = !output.members.is_empty();
        if is_location {
            let texts = row.iter().map(|value| value.map(|text| String::from_utf8_lossy(text).into_owned()));
            self.location = Some(texts.collect());
        } else if answers && self.unwritable.is_none() {
            let zone = self.zone.as_ref().unwrap_or(output.zone);
            let output = Output { zone, ..*output };
            let written = output.write_row(row, self.rows, &mut self.body).and_then(|()| output.check(&self.body));
            self.unwritable = written.err();
        } else if !answers {
            self.affected = row.get(0).and_then(number);
        }
        self.rows = match output.count_field {
            Some(field) => row.get(field).and_then(number).unwrap_or(0),
            None => self.rows + 1,
        };
    }
}

/// What was said about the answer; a setting that was only made in an earlier transaction is empty.
fn read_told(row: &Row<'_>, told: &mut [Option<String>; 4]) {
    for (place, told) in told.iter_mut().enumerate() {
        let text = row.get(place).map(|text| String::from_utf8_lossy(text).into_owned());
        *told = text.filter(|text| !text.is_empty());
    }
}

/// The rows that a plan in JSON expects.
fn planned_rows(json: &[u8]) -> Option<u64> {
    let plan: serde_json::Value = serde_json::from_slice(json).ok()?;
    plan.get(0)?.get("Plan")?.get("Plan Rows")?.as_u64()
}

/// A `bigint` on the wire.
fn number(bytes: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = bytes.try_into().ok()?;
    u64::try_from(i64::from_be_bytes(bytes)).ok()
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

/// Ends a transaction, with what is asked behind it. In words that are not prepared: those can be replaced by what runs in the session.
pub(super) async fn end(connection: &mut Connection, commits: bool, tail: Tail) -> Result<Ended, wire::Error> {
    let mut flight = connection.flight();
    flight.simple(if commits { COMMIT } else { ROLLBACK })?;
    let tail = Tail { asks: tail.asks && commits, ..tail };
    let step = tail.add(&mut flight)?;
    flight.send().await?;
    let mut ends = Ends::new(1 + tail.syncs(), tail);
    let mut after = if tail.asks { After::Unknown } else { After::NotAsked };
    let mut failed = None;
    while !ends.are_done() {
        match connection.next().await {
            Ok(Event::Row(row)) if Some(row.step()) == step => after = after_of(&row),
            Ok(Event::Ready(status)) => ends.reach(status),
            Ok(Event::Failed { .. }) if ends.is_over() => ends.fail(),
            Ok(Event::Failed { error, .. }) => failed = failed.or(Some(error)),
            Ok(_) => {}
            // The end was told; the rest is not needed.
            Err(_) if ends.is_over() && failed.is_none() => break,
            Err(error) => return Err(error),
        }
    }
    let Some(error) = failed else { return Ok(Ended { after, is_clean: ends.is_clean }) };
    Err(wire::Error::Server(error))
}

/// What is known once a transaction was ended.
pub(super) struct Ended {
    pub(super) after: After,
    /// The session was cleaned.
    pub(super) is_clean: bool,
}
