//! SQLite with the names of what the store registers: enough to see whether it takes a statement.

use std::cmp::Ordering;

use catalog::Snapshot;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::Value;
use rusqlite::{Connection, Result};
use sql::sqlite::names::{enum_collation, physical_name, quoted};

const SCALARS: &[&str] = &[
    "pg_add",
    "pg_subtract",
    "pg_multiply",
    "pg_divide",
    "pg_modulo",
    "pg_like",
    "pg_ilike",
    "pg_match",
    "pg_imatch",
    "pg_json_get",
    "pg_json_text",
    "pg_cast_enum",
    "pg_greatest",
    "pg_least",
    "pg_abs",
    "pg_round",
    "pg_floor",
    "pg_ceil",
    "pg_negate",
];

const VOLATILE: &[&str] = &["gen_random_uuid", "auth_uid", "auth_role", "auth_claim", "auth_jwt", "pg_current_user"];

struct Nothing;

impl Aggregate<(), Option<i64>> for Nothing {
    fn init(&self, _: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    fn step(&self, _: &mut Context<'_>, (): &mut ()) -> Result<()> {
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, _: Option<()>) -> Result<Option<i64>> {
        Ok(None)
    }
}

/// The value of the one row, which seeds depend on.
struct Single;

impl Aggregate<Value, Value> for Single {
    fn init(&self, _: &mut Context<'_>) -> Result<Value> {
        Ok(Value::Null)
    }

    fn step(&self, context: &mut Context<'_>, found: &mut Value) -> Result<()> {
        *found = context.get(0)?;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, found: Option<Value>) -> Result<Value> {
        Ok(found.unwrap_or(Value::Null))
    }
}

/// A database in memory, foreign keys enforced.
pub fn open() -> Connection {
    let connection = Connection::open_in_memory().expect("SQLite");
    connection.execute_batch("PRAGMA foreign_keys = ON").expect("a pragma");
    let volatile = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let stable = volatile | FunctionFlags::SQLITE_DETERMINISTIC;
    for name in SCALARS {
        connection.create_scalar_function(*name, -1, stable, |_| Ok(None::<i64>)).expect("a function");
    }
    for (name, flags) in [("pg_cast_utc", stable), ("pg_cast", volatile)] {
        connection.create_scalar_function(name, -1, flags, |context| context.get::<Value>(0)).expect("a function");
    }
    for name in VOLATILE {
        connection.create_scalar_function(*name, -1, volatile, |_| Ok("x")).expect("a function");
    }
    for name in ["pg_now", "pg_current_date"] {
        connection.create_scalar_function(name, -1, volatile, |_| Ok(0_i64)).expect("a function");
    }
    for builtin in datatype::function::builtins() {
        for (in_utc, flags) in [(true, stable), (false, if builtin.uses_zone { volatile } else { stable })] {
            let name = sql::sqlite::functions::builtin_name(builtin, in_utc);
            connection.create_scalar_function(&*name, -1, flags, |_| Ok(None::<i64>)).expect("a function");
        }
    }
    // Its value is written into columns that are NOT NULL.
    let limit = datatype::function::VARCHAR_LIMIT;
    connection.create_scalar_function(limit, -1, stable, |context| context.get::<Value>(0)).expect("a function");
    for (name, _) in sql::sqlite::functions::AGGREGATE {
        connection.create_aggregate_function(*name, -1, stable, Nothing).expect("an aggregate");
    }
    connection.create_aggregate_function("pg_single", 1, stable, Single).expect("an aggregate");
    for name in sql::sqlite::functions::COLLATIONS {
        connection.create_collation(*name, |left: &str, right: &str| left.cmp(right)).expect("a collation");
    }
    connection
}

/// The collations of the enumerations.
pub fn register_enums(connection: &Connection, snapshot: &Snapshot) {
    for definition in &snapshot.enums {
        connection
            .create_collation(&*enum_collation(definition), |left: &str, right: &str| -> Ordering { left.cmp(right) })
            .expect("a collation");
    }
}

/// Every relation can be read, under the column names of the catalog.
pub fn check_views(connection: &Connection, snapshot: &Snapshot) {
    for relation in snapshot.relations.values() {
        let text = format!("SELECT * FROM {}", quoted(&physical_name(&relation.name)));
        let statement = connection.prepare(&text).unwrap_or_else(|error| panic!("{}: {error}", relation.name));
        let columns: Vec<&str> = relation.columns.iter().map(|column| &*column.name).collect();
        assert_eq!(statement.column_names(), columns, "{}", relation.name);
    }
}
