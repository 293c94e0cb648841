//! PostgreSQL's meaning for SQLite: functions and collations, registered on every connection. The texts that call
//! them are made in `sql::sqlite`, which also lists them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use base::{Failure, Kind};
use catalog::Catalog;
use datatype::{Arithmetic, Average, Datum, DatumRef, Sum, Type, ValueError, Zone};
use parking_lot::Mutex;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, ToSql};

use super::identity::Identity;
use super::{builtins, rounding};

/// What separates the parts of an error that a function raises; it cannot stand in a message of ours.
const MARK: char = '\u{1}';

/// An error of PostgreSQL's, on its way through SQLite, which carries only text.
#[derive(Debug)]
struct Raised(ValueError);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.0.details.as_deref().unwrap_or_default();
        let hint = self.0.hint().unwrap_or_default();
        write!(f, "{MARK}{}{MARK}{}{MARK}{details}{MARK}{hint}", self.0.sqlstate, self.0.message)
    }
}

impl std::error::Error for Raised {}

/// The error that a function raised, out of SQLite's text.
pub(super) fn raised(text: &str) -> Option<Failure> {
    let mut parts = text.strip_prefix(MARK)?.split(MARK);
    let (sqlstate, message) = (parts.next()?, parts.next()?);
    let mut failure = Failure::new(Kind::BadRequest, sqlstate.to_owned(), message);
    let given = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(str::to_owned);
    failure.details = given(parts.next()).map(base::Details::Text);
    failure.hint = given(parts.next());
    Some(failure)
}

/// A datum that is bound or returned without a copy.
pub(super) struct Bound<'a>(pub(super) DatumRef<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            DatumRef::Null => ValueRef::Null,
            DatumRef::Integer(value) => ValueRef::Integer(value),
            DatumRef::Real(value) => ValueRef::Real(value),
            DatumRef::Text(value) => ValueRef::Text(value.as_bytes()),
            DatumRef::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

/// A column's or argument's value. Text that is not UTF-8 can only have come from outside of Pando.
pub(super) fn datum(value: ValueRef<'_>) -> rusqlite::Result<DatumRef<'_>> {
    Ok(match value {
        ValueRef::Null => DatumRef::Null,
        ValueRef::Integer(value) => DatumRef::Integer(value),
        ValueRef::Real(value) => DatumRef::Real(value),
        ValueRef::Text(bytes) => DatumRef::Text(
            std::str::from_utf8(bytes).map_err(|_| raise("22021", "invalid byte sequence for encoding \"UTF8\""))?,
        ),
        ValueRef::Blob(value) => DatumRef::Bytes(value),
    })
}

pub(super) fn raise(sqlstate: &'static str, message: impl Into<String>) -> Error {
    failed(ValueError { sqlstate, message: message.into(), details: None })
}

pub(super) fn failed(error: ValueError) -> Error {
    Error::UserFunctionError(Box::new(Raised(error)))
}

pub(super) fn value(datum: Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Integer(value) => Value::Integer(value),
        Datum::Real(value) => Value::Real(value),
        Datum::Text(value) => Value::Text(value),
        Datum::Bytes(value) => Value::Blob(value),
    }
}

pub(super) fn argument<'c>(context: &'c Context<'_>, position: usize) -> rusqlite::Result<DatumRef<'c>> {
    if position < context.len() { datum(context.get_raw(position)) } else { Ok(DatumRef::Null) }
}

/// The type whose code stands at a position.
pub(super) fn coded(context: &Context<'_>, position: usize) -> rusqlite::Result<Type> {
    match argument(context, position)? {
        DatumRef::Integer(code) => Type::from_code(code).ok_or_else(|| raise("XX000", "unknown type code")),
        _ => Err(raise("XX000", "missing type code")),
    }
}

/// Registers everything that does not depend on the schema.
pub(super) fn register(connection: &Connection, identity: &Arc<Mutex<Identity>>) -> rusqlite::Result<()> {
    register_identity(connection, identity)?;
    register_patterns(connection)?;
    register_arithmetic(connection)?;
    register_json(connection)?;
    register_casts(connection, identity)?;
    register_row_counts(connection)?;
    register_triggers(connection, identity)?;
    builtins::register(connection, identity)?;
    connection.create_aggregate_function("pg_sum", 2, pure(), SumFunction)?;
    connection.create_aggregate_function("pg_avg", 2, pure(), AverageFunction)?;
    connection
        .create_collation("pg_numeric", |left: &str, right: &str| datatype::numeric::compare_text(left, right))?;
    connection
        .create_collation("pg_interval", |left: &str, right: &str| datatype::interval::compare_text(left, right))?;
    connection.create_collation("pg_jsonb", |left: &str, right: &str| datatype::json::compare(left, right))
}

/// What a trigger raises.
#[derive(Debug)]
struct RaisedByTrigger([String; 4]);

impl fmt::Display for RaisedByTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| write!(f, "{MARK}{}", part.replace(MARK, "")))
    }
}

impl std::error::Error for RaisedByTrigger {}

/// `RAISE EXCEPTION`, and the note that keeps the assignments of one trigger from running another one of its table.
fn register_triggers(connection: &Connection, identity: &Arc<Mutex<Identity>>) -> rusqlite::Result<()> {
    connection.create_scalar_function("pg_raise", 4, volatile(), |context| -> rusqlite::Result<bool> {
        let mut parts = [const { String::new() }; 4];
        for (position, part) in parts.iter_mut().enumerate() {
            if let DatumRef::Text(text) = argument(context, position)? {
                text.clone_into(part);
            }
        }
        Err(Error::UserFunctionError(Box::new(RaisedByTrigger(parts))))
    })?;
    let table = |context: &Context<'_>| match argument(context, 0)? {
        DatumRef::Text(table) => Ok::<_, Error>(Some(table.to_owned())),
        _ => Ok(None),
    };
    let known = identity.clone();
    connection.create_scalar_function("pando_quiet", 1, volatile(), move |context| {
        Ok(known.lock().quiet == table(context)?)
    })?;
    let known = identity.clone();
    connection.create_scalar_function("pando_quiet_begin", 1, volatile(), move |context| {
        known.lock().quiet = table(context)?;
        Ok(true)
    })?;
    let known = identity.clone();
    connection.create_scalar_function("pando_quiet_end", 0, volatile(), move |_| {
        known.lock().quiet = None;
        Ok(true)
    })
}

/// `LIMIT` and `OFFSET` of a function's body: NULL is no bound, and a negative number an error.
fn register_row_counts(connection: &Connection) -> rusqlite::Result<()> {
    for (name, no_bound, sqlstate, message) in [
        ("pg_limit", -1, "2201W", "LIMIT must not be negative"),
        ("pg_offset", 0, "2201X", "OFFSET must not be negative"),
    ] {
        connection.create_scalar_function(name, 1, pure(), move |context| match argument(context, 0)? {
            DatumRef::Null => Ok(no_bound),
            DatumRef::Integer(rows) if rows >= 0 => Ok(rows),
            _ => Err(raise(sqlstate, message)),
        })?;
    }
    Ok(())
}

/// Registers the order of every enumeration's labels.
pub(super) fn register_enums(connection: &Connection, catalog: &Catalog) -> rusqlite::Result<()> {
    for definition in &catalog.snapshot().enums {
        let name = sql::sqlite::names::enum_collation(definition);
        let definition = definition.clone();
        connection.create_collation(name.as_str(), move |left: &str, right: &str| {
            let place = |label: &str| definition.labels.iter().position(|known| &**known == label);
            match (place(left), place(right)) {
                (Some(left), Some(right)) => left.cmp(&right),
                // What is no label can only have come from outside of Pando; it sorts last, by its bytes.
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => left.cmp(right),
            }
        })?;
    }
    Ok(())
}

/// Safe to call from the schema (checks, generated columns, views), and the same for the same arguments.
pub(super) fn pure() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS
}

/// Safe to call from the schema, but it depends on the request.
pub(super) fn volatile() -> FunctionFlags {
    FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS
}

fn register_identity(connection: &Connection, identity: &Arc<Mutex<Identity>>) -> rusqlite::Result<()> {
    type Give = fn(&Identity) -> Result<Datum, ValueError>;
    let plain: [(&str, Give); 6] = [
        ("pg_now", |identity| Ok(Datum::Integer(identity.now.0))),
        ("pg_current_date", |identity| {
            datatype::cast(&Type::TimestampTz, &Type::Date, DatumRef::Integer(identity.now.0), &identity.zone)
        }),
        ("auth_uid", Identity::uid),
        ("auth_role", |identity| Ok(identity.claim("role"))),
        ("auth_jwt", Identity::jwt),
        ("pg_current_user", |identity| Ok(Datum::Text(identity.role.to_string()))),
    ];
    for (name, give) in plain {
        let identity = identity.clone();
        connection
            .create_scalar_function(name, 0, volatile(), move |_| give(&identity.lock()).map(value).map_err(failed))?;
    }
    let claims = identity.clone();
    connection.create_scalar_function("auth_claim", 1, volatile(), move |context| {
        let DatumRef::Text(name) = argument(context, 0)? else { return Ok(Value::Null) };
        Ok(value(claims.lock().claim(name)))
    })?;
    connection.create_scalar_function("gen_random_uuid", 0, volatile(), |_| {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes).map_err(|_| raise("58000", "the system gives no random bytes"))?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    })
}

fn register_patterns(connection: &Connection) -> rusqlite::Result<()> {
    for (name, folds) in [("pg_like", false), ("pg_ilike", true)] {
        connection.create_scalar_function(name, 2, pure(), move |context| {
            let (DatumRef::Text(text), DatumRef::Text(pattern)) = (argument(context, 0)?, argument(context, 1)?) else {
                return Ok(None);
            };
            datatype::pattern::like(text, pattern, folds).map(Some).map_err(failed)
        })?;
    }
    for (name, folds) in [("pg_match", false), ("pg_imatch", true)] {
        connection.create_scalar_function(name, 2, pure(), move |context| {
            let (DatumRef::Text(text), DatumRef::Text(_)) = (argument(context, 0)?, argument(context, 1)?) else {
                return Ok(None);
            };
            // Compiled once for the whole statement: the pattern is a parameter.
            let pattern = context.get_or_create_aux(1, |pattern| -> Result<_, Raised> {
                let pattern = pattern.as_str().unwrap_or_default();
                datatype::pattern::compile(pattern, folds).map_err(Raised)
            })?;
            Ok(Some(pattern.is_match(text)))
        })?;
    }
    Ok(())
}

fn register_arithmetic(connection: &Connection) -> rusqlite::Result<()> {
    for (name, operator) in [
        ("pg_add", Arithmetic::Add),
        ("pg_subtract", Arithmetic::Subtract),
        ("pg_multiply", Arithmetic::Multiply),
        ("pg_divide", Arithmetic::Divide),
        ("pg_modulo", Arithmetic::Modulo),
    ] {
        connection.create_scalar_function(name, 3, pure(), move |context| {
            let data_type = coded(context, 0)?;
            let (left, right) = (argument(context, 1)?, argument(context, 2)?);
            if left == DatumRef::Null || right == DatumRef::Null {
                return Ok(Value::Null);
            }
            datatype::arithmetic(operator, &data_type, left, right).map(value).map_err(failed)
        })?;
    }
    register_rounding(connection)?;
    for (name, wanted) in [("pg_greatest", Ordering::Greater), ("pg_least", Ordering::Less)] {
        connection.create_scalar_function(name, -1, pure(), move |context| {
            let data_type = coded(context, 0)?;
            let mut best = DatumRef::Null;
            for position in 1..context.len() {
                let candidate = argument(context, position)?;
                let is_better = candidate != DatumRef::Null
                    && (best == DatumRef::Null || datatype::compare(&data_type, candidate, best) == wanted);
                if is_better {
                    best = candidate;
                }
            }
            Ok(value(best.to_owned()))
        })?;
    }
    Ok(())
}

fn register_rounding(connection: &Connection) -> rusqlite::Result<()> {
    type Compute = fn(&Type, DatumRef<'_>, i64) -> Result<Datum, ValueError>;
    let functions: [(&str, i32, Compute); 5] = [
        ("pg_negate", 2, |data_type, operand, _| rounding::negate(data_type, operand)),
        ("pg_abs", 2, |data_type, operand, _| rounding::abs(data_type, operand)),
        ("pg_floor", 2, |data_type, operand, _| rounding::floor(data_type, operand)),
        ("pg_ceil", 2, |data_type, operand, _| rounding::ceil(data_type, operand)),
        ("pg_round", -1, rounding::round),
    ];
    for (name, arguments, compute) in functions {
        connection.create_scalar_function(name, arguments, pure(), move |context| {
            let data_type = coded(context, 0)?;
            let operand = argument(context, 1)?;
            let digits = match argument(context, 2)? {
                DatumRef::Integer(digits) => digits,
                _ => 0,
            };
            if operand == DatumRef::Null {
                return Ok(Value::Null);
            }
            compute(&data_type, operand, digits).map(value).map_err(failed)
        })?;
    }
    Ok(())
}

fn register_json(connection: &Connection) -> rusqlite::Result<()> {
    for (name, as_text) in [("pg_json_get", false), ("pg_json_text", true)] {
        connection.create_scalar_function(name, -1, pure(), move |context| {
            let DatumRef::Text(document) = argument(context, 1)? else { return Ok(Value::Null) };
            let mut steps = Vec::with_capacity(context.len());
            for position in 2..context.len() {
                steps.push(match argument(context, position)? {
                    DatumRef::Text(key) => datatype::json::Step::Key(key),
                    DatumRef::Integer(index) => datatype::json::Step::Index(index),
                    _ => return Ok(Value::Null),
                });
            }
            // Only in jsonb is a scalar its own first element.
            let get = if coded(context, 0)? == Type::Json { datatype::json::get_json } else { datatype::json::get };
            let found = get(document, &steps);
            Ok(match (found, as_text) {
                (None, _) => Value::Null,
                (Some(raw), false) => Value::Text(raw.to_owned()),
                (Some(raw), true) => {
                    datatype::json::text_of(raw).map_or(Value::Null, |text| Value::Text(text.into_owned()))
                }
            })
        })?;
    }
    Ok(())
}

fn register_casts(connection: &Connection, identity: &Arc<Mutex<Identity>>) -> rusqlite::Result<()> {
    let zone = identity.clone();
    // Not for the schema: its outcome depends on the zone that the request asked for.
    connection.create_scalar_function("pg_cast", 3, volatile(), move |context| {
        let zone: Zone = zone.lock().zone.clone();
        cast(context, &zone)
    })?;
    connection.create_scalar_function("pg_cast_utc", 3, pure(), |context| cast(context, &Zone::Utc))?;
    connection.create_scalar_function("pg_cast_enum", -1, pure(), |context| {
        let (DatumRef::Text(label), DatumRef::Text(name)) = (argument(context, 0)?, argument(context, 1)?) else {
            return Ok(Value::Null);
        };
        for position in 2..context.len() {
            if argument(context, position)? == DatumRef::Text(label) {
                return Ok(Value::Text(label.to_owned()));
            }
        }
        Err(raise("22P02", format!("invalid input value for enum {name}: \"{label}\"")))
    })
}

/// `pg_cast(x, from, to)`.
fn cast(context: &Context<'_>, zone: &Zone) -> rusqlite::Result<Value> {
    let operand = argument(context, 0)?;
    if operand == DatumRef::Null {
        return Ok(Value::Null);
    }
    let (from, to) = (coded(context, 1)?, coded(context, 2)?);
    datatype::cast(&from, &to, operand, zone).map(value).map_err(failed)
}

/// `pg_sum(type, x)`: `sum` with PostgreSQL's types and exactness.
struct SumFunction;

/// `pg_avg(type, x)`: `avg` likewise.
struct AverageFunction;

impl Aggregate<Sum, Value> for SumFunction {
    fn init(&self, context: &mut Context<'_>) -> rusqlite::Result<Sum> {
        Ok(Sum::new(&coded(context, 0)?))
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> rusqlite::Result<()> {
        match argument(context, 1)? {
            DatumRef::Null => Ok(()),
            operand => sum.add(operand).map_err(failed),
        }
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> rusqlite::Result<Value> {
        sum.map_or(Ok(Value::Null), |sum| sum.finish().map(value).map_err(failed))
    }
}

impl Aggregate<Average, Value> for AverageFunction {
    fn init(&self, context: &mut Context<'_>) -> rusqlite::Result<Average> {
        Ok(Average::new(&coded(context, 0)?))
    }

    fn step(&self, context: &mut Context<'_>, average: &mut Average) -> rusqlite::Result<()> {
        match argument(context, 1)? {
            DatumRef::Null => Ok(()),
            operand => average.add(operand).map_err(failed),
        }
    }

    fn finalize(&self, _: &mut Context<'_>, average: Option<Average>) -> rusqlite::Result<Value> {
        average.map_or(Ok(Value::Null), |average| average.finish().map(value).map_err(failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Timestamp;

    /// Everything that `sql` may write into a statement is there.
    #[test]
    fn all_functions_of_the_dialect_are_registered() {
        let connection = Connection::open_in_memory().expect("opens");
        register(&connection, &Arc::new(Mutex::new(Identity::nobody(Timestamp(0))))).expect("registers");
        let known = |name: &str, arguments: i32| -> bool {
            let text = "SELECT count(*) FROM pragma_function_list WHERE name = ?1 AND narg = ?2";
            connection.query_row(text, rusqlite::params![name, arguments], |row| row.get::<_, i64>(0)).expect("asks")
                > 0
        };
        for (name, arguments) in sql::sqlite::functions::SCALAR.iter().chain(sql::sqlite::functions::AGGREGATE) {
            assert!(known(name, *arguments), "{name} with {arguments} arguments is not registered");
        }
        for builtin in datatype::function::builtins().filter(|builtin| !builtin.is_refused()) {
            for in_utc in [false, true] {
                let name = sql::sqlite::functions::builtin_name(builtin, in_utc);
                let text = "SELECT count(*) FROM pragma_function_list WHERE name = ?1";
                let found: i64 = connection.query_row(text, [&name], |row| row.get(0)).expect("asks");
                assert!(found > 0, "{name} is not registered");
            }
        }
        for name in sql::sqlite::functions::COLLATIONS {
            let text = format!("SELECT 'a' = 'b' COLLATE {name}");
            connection.query_row(&text, [], |_| Ok(())).expect(name);
        }
    }
}
