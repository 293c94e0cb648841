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
    while !collecting.is_done(steps) {
        let event = match connection.next().await {
            Ok(event) => event,
            // The server said why it ends the connection.
            Err(_) if collecting.may_end(steps) => break,
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

/// The answers of one flight, as they come.
pub(super) struct Collecting {
    outcome: Outcome,
    /// How often the server was ready.
    syncs: u32,
    /// Whether the session could not be cleaned.
    is_unclean: bool,
    is_location: bool,
}

impl Collecting {
    pub(super) fn new(steps: &Steps, job: &Job, output: &Output<'_>) -> Self {
        let mut outcome = Outcome::default();
        if steps.after.is_some() {
            outcome.after = After::Unknown;
        }
        body::open(output.format, output.shape, &mut outcome.body);
        Self { outcome, syncs: 0, is_unclean: false, is_location: tells_location(job) }
    }

    /// Whether all has come.
    pub(super) fn is_done(&self, steps: &Steps) -> bool {
        self.syncs >= steps.syncs
    }

    /// Whether the server has refused it.
    pub(super) fn has_failed(&self) -> bool {
        self.outcome.error.is_some()
    }

    /// Whether the transaction is over: only how far it went may not be known any more, and whether the session is clean.
    fn is_over(&self, steps: &Steps) -> bool {
        steps.syncs <= self.syncs + steps.tail.syncs()
    }

    /// Whether there is an outcome though the connection ended.
    fn may_end(&self, steps: &Steps) -> bool {
        self.is_over(steps) || self.outcome.error.is_some()
    }

    /// Takes an event in.
    pub(super) fn take(&mut self, event: &Event<'_>, steps: &Steps, page: Option<Page>, output: &Output<'_>) {
        let is_over = self.is_over(steps);
        let is_cleaning = steps.tail.cleans && self.syncs + 1 == steps.syncs;
        let outcome = &mut self.outcome;
        match event {
            Event::Row(row) => outcome.take(row, steps, page, output, self.is_location),
            Event::Complete { step, tag } if *step == steps.main && output.members.is_empty() => {
                outcome.affected = outcome.affected.or_else(|| Event::affected(tag));
            }
            Event::Complete { .. } => {}
            Event::Suspended { .. } => outcome.is_long = true,
            Event::Failed { .. } if is_cleaning => self.is_unclean = true,
            Event::Failed { step, .. } if is_over || (step.is_some() && *step == steps.after) => {}
            Event::Failed { error, .. } => drop(outcome.error.get_or_insert_with(|| error.clone())),
            Event::Ready(status) => {
                outcome.is_open |= *status == TransactionStatus::Open;
                outcome.is_clean = is_cleaning && !self.is_unclean && *status == TransactionStatus::Idle;
                self.syncs += 1;
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
    let most_syncs = 1 + tail.syncs();
    let mut ended = Ended { after: if tail.asks { After::Unknown } else { After::NotAsked }, is_clean: false };
    let mut syncs = 0;
    let (mut failed, mut has_failed) = (None, false);
    while syncs < most_syncs {
        let is_cleaning = tail.cleans && syncs + 1 == most_syncs;
        match connection.next().await {
            Ok(Event::Row(row)) if Some(row.step()) == step => ended.after = after_of(&row),
            Ok(Event::Ready(status)) => {
                ended.is_clean = is_cleaning && !has_failed && status == TransactionStatus::Idle;
                syncs += 1;
            }
            Ok(Event::Failed { error, .. }) if syncs == 0 => failed = failed.or(Some(error)),
            Ok(Event::Failed { .. }) if is_cleaning => has_failed = true,
            Ok(_) => {}
            // The end was told; the rest is not needed.
            Err(_) if syncs > 0 && failed.is_none() => break,
            Err(error) => return Err(error),
        }
    }
    let Some(error) = failed else { return Ok(ended) };
    Err(wire::Error::Server(error))
}

/// What is known once a transaction was ended.
pub(super) struct Ended {
    pub(super) after: After,
    /// The session was cleaned.
    pub(super) is_clean: bool,
}
