//! What the program itself asks of its own tables: statements that stand in its source, run in one transaction.

use std::sync::Arc;
use std::time::Duration;

use base::{Failure, Kind, Timestamp};
use datatype::{Datum, Type, Zone};
use sql::OwnStatement;

use crate::driver::{Observer, Operation};
use crate::error::StoreError;

/// The most statements of one transaction.
const MOST_STEPS: usize = 64;

/// One statement of a transaction of the program, with its values, and what has to come of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnStep {
    /// The statement.
    pub statement: OwnStatement,
    /// The values of its parameters, in their order.
    pub values: Vec<Datum>,
    /// What has to come of it.
    pub expectation: OwnExpectation,
}

/// What has to come of a step: otherwise nothing of the whole transaction is kept ([`StoreError::Missed`]). It is about the
/// rows that the statement changed or, of a `SELECT`, gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnExpectation {
    /// Any number of rows.
    #[default]
    Any,
    /// This many.
    Exactly(u64),
    /// One or more.
    AtLeastOne,
}

impl OwnExpectation {
    /// Whether so many rows are what was expected.
    pub(crate) fn holds(self, rows: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(expected) => rows == expected,
            Self::AtLeastOne => rows > 0,
        }
    }
}

impl OwnStep {
    /// A step of which anything may come.
    pub fn new(statement: OwnStatement, values: impl Into<Vec<Datum>>) -> Self {
        Self { statement, values: values.into(), expectation: OwnExpectation::Any }
    }

    /// The same, of which so many rows have to come.
    #[must_use]
    pub fn exactly(self, rows: u64) -> Self {
        Self { expectation: OwnExpectation::Exactly(rows), ..self }
    }

    /// The same, of which at least one row has to come.
    #[must_use]
    pub fn at_least_one(self) -> Self {
        Self { expectation: OwnExpectation::AtLeastOne, ..self }
    }
}

/// What a step gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OwnAnswer {
    /// The rows that it gave: of a `SELECT`, or by `RETURNING`.
    pub rows: Vec<OwnRow>,
    /// How many rows it changed or, of a `SELECT`, gave.
    pub affected: u64,
}

impl OwnAnswer {
    /// Its first row, if it gave one.
    pub fn first(&self) -> Option<&OwnRow> {
        self.rows.first()
    }
}

/// The columns of an answer: names and types.
pub(crate) type OwnColumns = Arc<[(Arc<str>, Type)]>;

/// A row that the program asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRow {
    columns: OwnColumns,
    values: Vec<Datum>,
}

impl OwnRow {
    pub(crate) fn new(columns: OwnColumns, values: Vec<Datum>) -> Self {
        Self { columns, values }
    }

    /// The value of a column as a type of the program: `row.get::<Option<&str>>("email")`. Which ones there are, see
    /// [`OwnValue`].
    ///
    /// # Errors
    /// [`StoreError::Engine`]: there is no such column, it is NULL where an `Option` is needed, or of another type.
    pub fn get<'r, T: OwnValue<'r>>(&'r self, column: &str) -> Result<T, StoreError> {
        let place = self.columns.iter().position(|(name, _)| **name == *column);
        let found = place.and_then(|place| self.columns.get(place).zip(self.values.get(place)));
        let Some(((_, data_type), value)) = found else {
            return Err(StoreError::Engine(format!("an own statement gives no column {column}")));
        };
        T::of(data_type, value).ok_or_else(|| {
            let found = if value.is_null() { "NULL" } else { data_type.name() };
            StoreError::Engine(format!("column {column} of an own statement is {found}, not {}", T::WHAT))
        })
    }

    /// All its values, in the order of the columns.
    pub fn values(&self) -> &[Datum] {
        &self.values
    }
}

/// A type of the program that a value of a row can be read as: `&str` and `String` (everything that is kept as text: `text`,
/// `varchar`, `uuid`, `jsonb`, `inet`, enumerations), `i64` (`integer`, `bigint`), `bool`, [`Timestamp`] (`timestamptz`,
/// `timestamp`), `&[u8]` and `Vec<u8>` (`bytea`), [`serde_json::Value`] (`json`, `jsonb`), and `Option` of each, for NULL.
pub trait OwnValue<'r>: Sized {
    /// What it is called in messages.
    const WHAT: &'static str;

    /// The value, if it is of this type.
    fn of(data_type: &Type, value: &'r Datum) -> Option<Self>;
}

impl<'r> OwnValue<'r> for &'r str {
    const WHAT: &'static str = "text";

    fn of(_: &Type, value: &'r Datum) -> Option<Self> {
        match value {
            Datum::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'r> OwnValue<'r> for String {
    const WHAT: &'static str = "text";

    fn of(data_type: &Type, value: &'r Datum) -> Option<Self> {
        <&str>::of(data_type, value).map(str::to_owned)
    }
}

impl<'r> OwnValue<'r> for i64 {
    const WHAT: &'static str = "a whole number";

    fn of(data_type: &Type, value: &'r Datum) -> Option<Self> {
        match (data_type, value) {
            (Type::SmallInteger | Type::Integer | Type::BigInteger, Datum::Integer(number)) => Some(*number),
            _ => None,
        }
    }
}

impl<'r> OwnValue<'r> for bool {
    const WHAT: &'static str = "boolean";

    fn of(data_type: &Type, value: &'r Datum) -> Option<Self> {
        match (data_type, value) {
            (Type::Boolean, Datum::Integer(number)) => Some(*number != 0),
            _ => None,
        }
    }
}

impl<'r> OwnValue<'r> for Timestamp {
    const WHAT: &'static str = "a moment";

    fn of(data_type: &Type, value: &'r Datum) -> Option<Self> {
        match (data_type, value) {
            (Type::TimestampTz | Type::Timestamp, Datum::Integer(microseconds)) => Some(Self(*microseconds)),
            _ => None,
        }
    }
}

impl<'r> OwnValue<'r> for &'r [u8] {
    const WHAT: &'static str = "bytea";

    fn of(_: &Type, value: &'r Datum) -> Option<Self> {
        match value {
            Datum::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl<'r> OwnValue<'r> for Vec<u8> {
    const WHAT: &'static str = "bytea";

    fn of(data_type: &Type, value: &'r Datum) -> Option<Self> {
        <&[u8]>::of(data_type, value).map(<[u8]>::to_vec)
    }
}

impl<'r> OwnValue<'r> for serde_json::Value {
    const WHAT: &'static str = "JSON";

    fn of(data_type: &Type, value: &'r Datum) -> Option<Self> {
        match (data_type, value) {
            (Type::Json | Type::Jsonb, Datum::Text(text)) => serde_json::from_str(text).ok(),
            _ => None,
        }
    }
}

impl<'r, T: OwnValue<'r>> OwnValue<'r> for Option<T> {
    const WHAT: &'static str = T::WHAT;

    fn of(data_type: &Type, value: &'r Datum) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::of(data_type, value).map(Some) }
    }
}

/// The steps as both engines take them: not too many, and each value in the form that its type is kept in.
///
/// # Errors
/// A value that its type does not take, in PostgreSQL's words (22P02 and its like); [`StoreError::Engine`] for what is the
/// program's fault.
pub(crate) fn checked(steps: &mut [OwnStep]) -> Result<(), StoreError> {
    if steps.len() > MOST_STEPS {
        return Err(StoreError::Engine(format!("an own transaction has more than {MOST_STEPS} statements")));
    }
    steps.iter_mut().try_for_each(|step| {
        let names = step.statement.parameters();
        if names.len() != step.values.len() {
            let (needs, has) = (names.len(), step.values.len());
            return Err(StoreError::Engine(format!("an own statement takes {needs} values and was given {has}")));
        }
        names.iter().zip(&mut step.values).try_for_each(|(name, value)| {
            // What is not known here is an enumeration.
            let data_type = sql::ddl::own_type(name).unwrap_or(Type::Text);
            *value = canonical(&data_type, std::mem::replace(value, Datum::Null))?;
            Ok(())
        })
    })
}

/// A value in the form that its type is kept in.
fn canonical(data_type: &Type, value: Datum) -> Result<Datum, StoreError> {
    let text = match (&value, data_type) {
        (Datum::Null, _) | (Datum::Bytes(_), Type::Bytea) | (Datum::Real(_), Type::Real | Type::Double) => {
            return Ok(value);
        }
        (Datum::Text(text), _) => text.clone(),
        (
            Datum::Integer(_),
            Type::Boolean
            | Type::SmallInteger
            | Type::Integer
            | Type::BigInteger
            | Type::Date
            | Type::Time
            | Type::Timestamp
            | Type::TimestampTz,
        ) => text_of(data_type, &value),
        _ => {
            let name = data_type.name();
            return Err(StoreError::Engine(format!("a value of an own statement is not of its type {name}")));
        }
    };
    datatype::parse(data_type, &text).map_err(|error| Failure::from(error).into())
}

/// A value as PostgreSQL prints it.
pub(crate) fn text_of(data_type: &Type, value: &Datum) -> String {
    let mut text = Vec::new();
    datatype::write_output(data_type, value.as_ref(), &Zone::default(), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// What a statement may begin with.
const COMMANDS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// Tells what a transaction of the program did, by its first statement that writes, or its first.
pub(crate) fn observe(
    observer: &dyn Observer,
    steps: &[OwnStep],
    outcome: Result<u64, &StoreError>,
    duration: Duration,
) {
    let command = |step: &OwnStep| {
        let word = step.statement.text().split_whitespace().next().unwrap_or_default();
        COMMANDS.into_iter().find(|command| word.eq_ignore_ascii_case(command)).unwrap_or("SELECT")
    };
    let told = steps.iter().find(|step| command(step) != "SELECT").or_else(|| steps.first());
    let Some(told) = told else { return };
    let error = outcome.err().map(|error| Failure::from(error.clone()).code);
    observer.operation(&Operation {
        name: command(told),
        relation: "",
        duration,
        statement: told.statement.text(),
        rows: outcome.unwrap_or(0),
        error: error.as_deref(),
        trace_id: None,
    });
}

/// How many rows all of the steps changed or gave.
pub(crate) fn affected(answers: &[OwnAnswer]) -> u64 {
    answers.iter().map(|answer| answer.affected).sum()
}

/// More rows than may be held at once.
pub(crate) fn too_large() -> StoreError {
    Failure::new(Kind::TooLarge, "54000", "the rows need more than limits.max_buffered_bytes at once").into()
}
