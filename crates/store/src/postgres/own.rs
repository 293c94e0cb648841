//! The program's own statements on a server: as they are, as who logged in, in one flight. Where it has to be known what came of
//! them before they are kept, the end of the transaction is another one.

use std::sync::Arc;
use std::time::Duration;

use datatype::{Datum, Type};
use sql::OwnStatement;
use wire::{Column, Connection, Event, Flight, Format, Query, ServerError, Step};

use super::collect::end;
use super::flight::{COMMIT, ROLLBACK, Tail};
use super::lease::{Lease, roll_back};
use super::missed::{Missed, missed_of};
use super::pool::random_share;
use super::session::AUDIT;
use super::{PostgresStore, failure};
use crate::audit::program;
use crate::error::StoreError;
use crate::own::{self, OwnAnswer, OwnColumns, OwnExpectation, OwnRow, OwnStep};

/// A guard that was missed since another transaction came first has to see what that one left.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// Several reads are of one moment.
const ONE_MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How often a transaction that met another one is done again, and how long it steps back before the first time.
const MOST_COLLISIONS: u32 = 5;
const COLLISION_PAUSE: Duration = Duration::from_millis(10);

/// What the transaction is told first: how values are printed, and that nobody asks. Functions of triggers look at the claims.
pub(super) const SETUP: &str =
    "SELECT set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true),
    set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true),
    set_config('request.jwt.claims', '{}', true)";
const READ_ONLY: &str = "SELECT set_config('transaction_read_only', 'on', true)";
const SETTING: &str = "SELECT set_config($1, $2, true)";

/// How many parameters a statement has that is tried: the server finds types for those that have none.
const TAKEN: &str =
    "SELECT cardinality(parameter_types) FROM pg_catalog.pg_prepared_statements WHERE name = 'pando_tried'";

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnAccess {
    /// Only reading.
    Read,
    /// Writing as well.
    Write,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnEnding {
    /// By itself, with the flight.
    Itself,
    /// It reads in one moment, and is over with the flight.
    OneMoment,
    /// Kept or not, once it is known what came of it.
    Decided,
}

impl OwnEnding {
    fn of(steps: &[OwnStep], access: OwnAccess) -> Self {
        match access {
            OwnAccess::Read if steps.len() > 1 => Self::OneMoment,
            OwnAccess::Read => Self::Itself,
            OwnAccess::Write if steps.iter().any(|step| step.expectation != OwnExpectation::Any) => Self::Decided,
            OwnAccess::Write => Self::Itself,
        }
    }
}

impl PostgresStore {
    /// Runs a transaction of the program on the primary, again where that may help and cannot do it twice.
    pub(super) async fn run_own(&self, steps: &[OwnStep], access: OwnAccess) -> Result<Vec<OwnAnswer>, StoreError> {
        let started = self.clock.monotonic();
        let outcome = self.visit_for_own(steps, access).await;
        let duration = self.clock.monotonic().saturating_duration_since(started);
        let rows = outcome.as_ref().map(|answers| own::affected(answers));
        own::observe(&*self.observer, steps, rows, duration);
        outcome
    }

    /// Prepares statements of the program, and forgets them again.
    pub(super) async fn prepare_own(&self, statements: &[OwnStatement]) -> Result<(), StoreError> {
        let mut connection = self.pool.connect_apart().await?;
        for statement in statements {
            // A pooler gives a session for a transaction.
            connection.batch("BEGIN").await?;
            let tried = try_one(&mut connection, statement).await;
            connection.batch(ROLLBACK).await?;
            tried.map_err(|problem| StoreError::Engine(format!("{problem}: {}", statement.text())))?;
        }
        Ok(())
    }

    async fn visit_for_own(&self, steps: &[OwnStep], access: OwnAccess) -> Result<Vec<OwnAnswer>, StoreError> {
        let wait = self.settings.wait;
        let mut lease = self.pool.take(wait).await?;
        let (mut was_stale, mut was_lost, mut collisions) = (false, false, 0);
        loop {
            match self.try_own(&mut lease, steps, access).await {
                Ok(answers) => return Ok(answers),
                Err(Missed::Stale(_)) if !was_stale => {
                    was_stale = true;
                    lease.connection()?.forget();
                }
                Err(Missed::Collided(_)) if collisions < MOST_COLLISIONS => {
                    tokio::time::sleep(random_share(COLLISION_PAUSE * 2_u32.pow(collisions))).await;
                    collisions += 1;
                }
                // Nothing can have been kept.
                Err(Missed::Unsent(_)) if !was_lost => {
                    was_lost = true;
                    lease.replace(true, wait).await?;
                }
                Err(missed) => return Err(missed.into_error()),
            }
        }
    }

    async fn try_own(&self, lease: &mut Lease, steps: &[OwnStep], access: OwnAccess) -> Result<Vec<OwnAnswer>, Missed> {
        let ending = OwnEnding::of(steps, access);
        // Triggers of the schema's own may leave something in the session.
        if access == OwnAccess::Write && !self.is_pooled {
            lease.expect_traces();
        }
        let tail = Tail { asks: false, cleans: lease.has_traces() };
        let connection = lease.connection()?;
        // What was lost before the commit was sent was not kept.
        let is_harmless = access == OwnAccess::Read || ending == OwnEnding::Decided;
        let unsent = |missed: Missed| match missed {
            Missed::Lost(error) if is_harmless => Missed::Unsent(error),
            other => other,
        };
        let outcome = self.fly_for_own(connection, steps, access, ending).await.map_err(unsent)?;
        if ending != OwnEnding::Decided {
            return outcome.map_err(Missed::Failed);
        }
        let ended = end(connection, outcome.is_ok(), tail).await;
        match (outcome, ended) {
            (Ok(_), Err(wire::Error::Server(error))) => Err(missed(&error)),
            (Ok(_), Err(error)) => Err(error.into()),
            // What was missed stays missed, whatever becomes of the connection.
            (outcome, ended) => {
                if ended.is_ok_and(|ended| ended.is_clean) {
                    lease.cleaned();
                }
                outcome.map_err(Missed::Failed)
            }
        }
    }

    /// Sends the steps and takes in what comes back: what they gave, or why that is not to be kept.
    async fn fly_for_own(
        &self,
        connection: &mut Connection,
        steps: &[OwnStep],
        access: OwnAccess,
        ending: OwnEnding,
    ) -> Result<Result<Vec<OwnAnswer>, StoreError>, Missed> {
        let mut flight = connection.flight();
        match ending {
            OwnEnding::Itself => {}
            OwnEnding::OneMoment => drop(flight.execute(&Query::new("", ONE_MOMENT))?),
            OwnEnding::Decided => drop(flight.execute(&Query::new("", BEGIN))?),
        }
        self.set_up(&mut flight, access)?;
        let sent = steps.iter().map(|step| execute(&mut flight, step)).collect::<Result<Vec<_>, _>>()?;
        if ending == OwnEnding::OneMoment {
            flight.execute(&Query::new("", COMMIT))?;
        }
        flight.sync();
        flight.send().await?;
        let mut taking = Taking::new(&sent, self.settings.max_buffered_bytes);
        let failed = taking.all(connection).await?;
        if let Some(error) = failed {
            let _usable = roll_back(connection).await;
            // All steps are sent at once: one that was not to be reached any more may be what fails.
            return Err(taking.missed(steps).map_or_else(|| missed(&error), Missed::Failed));
        }
        Ok(taking.checked(steps))
    }

    fn set_up(&self, flight: &mut Flight<'_>, access: OwnAccess) -> Result<(), wire::Error> {
        flight.execute(&Query::new("", SETUP))?;
        if access == OwnAccess::Read {
            flight.execute(&Query::new("", READ_ONLY))?;
        }
        if let (Some(audit), OwnAccess::Write) = (self.auditing(), access) {
            let asked = audit.key.signed(&program());
            let parameters = [Some(AUDIT.as_bytes()), Some(asked.as_bytes())];
            flight.execute(&Query { parameters: &parameters, ..Query::new("", SETTING) })?;
        }
        for (name, value) in &self.settings.application {
            let parameters = [Some(name.as_bytes()), Some(value.as_bytes())];
            flight.execute(&Query { parameters: &parameters, ..Query::new("", SETTING) })?;
        }
        Ok(())
    }
}

/// Prepares a statement and forgets it again; gives what is wrong with it.
async fn try_one(connection: &mut Connection, statement: &OwnStatement) -> Result<(), String> {
    // The types that are left to the server are `unknown` here.
    let shown = |name: &&'static str| if oid_of(name) == 0 { "unknown" } else { name };
    let types: Vec<&str> = statement.parameters().iter().map(shown).collect();
    let types = if types.is_empty() { String::new() } else { format!("({})", types.join(", ")) };
    let text = format!("PREPARE pando_tried {types} AS {}", statement.text());
    let failed = |error: wire::Error| error.to_string();
    connection.query(&text, &[]).await.map_err(failed)?;
    let taken = connection.query(TAKEN, &[]).await.map_err(failed)?;
    connection.batch("DEALLOCATE pando_tried").await.map_err(failed)?;
    let taken = taken.first().and_then(|row| row.get(0)).unwrap_or_default();
    if taken == statement.parameters().len().to_string() {
        return Ok(());
    }
    Err(format!("it has {taken} parameters, and types of others"))
}

/// Adds a step. It is kept prepared as who logged in, which no request runs as.
pub(super) fn execute(flight: &mut Flight<'_>, step: &OwnStep) -> Result<Step, wire::Error> {
    let names = step.statement.parameters();
    let types: Vec<u32> = names.iter().map(|name| oid_of(name)).collect();
    let texts: Vec<Option<String>> = names.iter().zip(&step.values).map(|(name, value)| text_of(name, value)).collect();
    let parameters: Vec<Option<&[u8]>> = texts.iter().map(|text| text.as_ref().map(String::as_bytes)).collect();
    flight.execute(&Query {
        types: &types,
        parameters: &parameters,
        format: Format::Text,
        ..Query::new("", step.statement.text())
    })
}

fn text_of(name: &str, value: &Datum) -> Option<String> {
    let data_type = sql::ddl::own_type(name).unwrap_or(Type::Text);
    (!value.is_null()).then(|| own::text_of(&data_type, value))
}

pub(super) fn missed(error: &ServerError) -> Missed {
    missed_of(error, failure::of_own(error), false)
}

/// What comes back, while it is taken in.
pub(super) struct Taking<'s> {
    sent: &'s [Step],
    answers: Vec<OwnAnswer>,
    columns: Vec<Option<OwnColumns>>,
    /// How many bytes may still be held.
    room: usize,
    problem: Option<StoreError>,
    /// How many steps have come to their end.
    ended: usize,
}

impl<'s> Taking<'s> {
    pub(super) fn new(sent: &'s [Step], room: usize) -> Self {
        let answers = sent.iter().map(|_| OwnAnswer::default()).collect();
        Self { sent, answers, columns: vec![None; sent.len()], room, problem: None, ended: 0 }
    }

    /// Takes in all of it; gives the server's error, if there was one.
    pub(super) async fn all(&mut self, connection: &mut Connection) -> Result<Option<Box<ServerError>>, Missed> {
        let mut failed = None;
        loop {
            match connection.next().await {
                Ok(Event::Row(row)) => {
                    let taken = if self.problem.is_none() { self.row(&row) } else { Ok(()) };
                    self.problem = self.problem.take().or(taken.err());
                }
                Ok(Event::Complete { step, tag }) => {
                    let Some(place) = self.place(step) else { continue };
                    if let Some(answer) = self.answers.get_mut(place) {
                        answer.affected = Event::affected(tag).unwrap_or(0);
                        self.ended = place + 1;
                    }
                }
                Ok(Event::Suspended { .. }) => {}
                Ok(Event::Failed { error, .. }) => failed = failed.or(Some(error)),
                Ok(Event::Ready(_)) => return Ok(failed),
                // The server said why it ends the connection.
                Err(_) if failed.is_some() => return Ok(failed),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn place(&self, step: Step) -> Option<usize> {
        self.sent.iter().position(|sent| *sent == step)
    }

    fn row(&mut self, row: &wire::Row<'_>) -> Result<(), StoreError> {
        let Some(place) = self.place(row.step()) else { return Ok(()) };
        self.room = self.room.checked_sub(row.size()).ok_or_else(own::too_large)?;
        let Some((answer, known)) = self.answers.get_mut(place).zip(self.columns.get_mut(place)) else { return Ok(()) };
        let columns = known.get_or_insert_with(|| row.columns().iter().map(column).collect());
        let values = columns.iter().zip(row.iter()).map(|((_, data_type), value)| value_of(data_type, value));
        answer.rows.push(OwnRow::new(columns.clone(), values.collect::<Result<_, _>>()?));
        Ok(())
    }

    /// What came of the steps, if that is what was expected.
    pub(super) fn checked(self, steps: &[OwnStep]) -> Result<Vec<OwnAnswer>, StoreError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        match self.missed(steps) {
            Some(missed) => Err(missed),
            None => Ok(self.answers),
        }
    }

    /// The first step that came to its end and was not what was expected.
    fn missed(&self, steps: &[OwnStep]) -> Option<StoreError> {
        let ended = steps.iter().zip(&self.answers).take(self.ended).enumerate();
        let mut missed = ended.filter(|(_, (step, answer))| !step.expectation.holds(answer.affected));
        missed.next().map(|(step, (_, answer))| StoreError::Missed { step, rows: answer.affected })
    }
}

fn column(column: &Column) -> (Arc<str>, Type) {
    (column.name.as_str().into(), type_of(column.type_oid))
}

fn value_of(data_type: &Type, value: Option<&[u8]>) -> Result<Datum, StoreError> {
    let Some(bytes) = value else { return Ok(Datum::Null) };
    let unreadable = |what: &str| StoreError::Engine(format!("the server gave an own statement {what}"));
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("text that is not UTF-8"))?;
    datatype::parse(data_type, text).map_err(|error| unreadable(&error.to_string()))
}

/// The server's built-in types, whose numbers never change (`pg_type.dat`), and the types that values of them are read as.
const TYPES: [(u32, Type); 17] = [
    (16, Type::Boolean),
    (17, Type::Bytea),
    (20, Type::BigInteger),
    (21, Type::SmallInteger),
    (23, Type::Integer),
    (25, Type::Text),
    (114, Type::Json),
    (700, Type::Real),
    (701, Type::Double),
    (1043, Type::Varchar(None)),
    (1082, Type::Date),
    (1083, Type::Time),
    (1114, Type::Timestamp),
    (1184, Type::TimestampTz),
    (1700, Type::Numeric(None)),
    (2950, Type::Uuid),
    (3802, Type::Jsonb),
];

/// The number of a parameter's type; 0, which leaves it to the server, for an enumeration, and for an `inet`: the column that it
/// is for may as well be text.
fn oid_of(name: &str) -> u32 {
    if name == "inet" {
        return 0;
    }
    let Some(data_type) = sql::ddl::own_type(name) else { return 0 };
    TYPES.iter().find(|(_, known)| *known == data_type).map_or(0, |(oid, _)| *oid)
}

/// The type that a column's values are read as: what is not known here is text.
fn type_of(oid: u32) -> Type {
    TYPES.iter().find(|(known, _)| *known == oid).map_or(Type::Text, |(_, data_type)| data_type.clone())
}
