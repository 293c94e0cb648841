//! What exists on a server: read from `pg_catalog`, in one moment, into the same snapshot that the embedded engine keeps.
//!
//! What is odd is left out: a database that others made must never stop the server from starting.

mod defaults;
mod dependence;
mod queries;
mod roles;
mod routines;
mod rows;
mod rule;
mod tables;
mod types;

use std::sync::Arc;

use catalog::{Engine, Snapshot};
use wire::Connection;

use rows::{Reading, Row};
use tables::Tables;
use types::Types;

pub(super) use dependence::{Asked, Dependences};

/// Reads the snapshot, and what its relations depend on where that is asked.
///
/// # Errors
/// Those of the connection; the transaction is ended then by whoever owns the connection.
pub(super) async fn snapshot(
    connection: &mut Connection,
    asked: Option<&Asked>,
) -> Result<(Snapshot, Dependences), wire::Error> {
    connection.batch(queries::BEGIN).await?;
    let mut reading = Reading::default();
    let mut snapshot = Snapshot { engine: Engine::Postgres, ..Snapshot::default() };
    reading.each(connection, queries::SCHEMAS, |row| add_schema(row, &mut snapshot)).await?;
    roles::add(connection, &mut reading, &mut snapshot).await?;
    let mut found = Vec::new();
    reading.each(connection, queries::TYPES, |row| found.extend(types::read(row))).await?;
    let mut types = Types::of(&found);
    reading.each(connection, queries::ATTRIBUTES, |row| types.add_member(row)).await?;
    reading.each(connection, queries::REPRESENTATIONS, |row| types.add_representation(row)).await?;
    let mut tables = Tables::default();
    reading.each(connection, queries::RELATIONS, |row| tables.add(row)).await?;
    add_possible(connection, &mut reading, &mut tables).await?;
    reading.each(connection, queries::COLUMNS, |row| tables.add_column(row, &types)).await?;
    reading.each(connection, queries::CONSTRAINTS, |row| tables.add_constraint(row)).await?;
    reading.each(connection, queries::INDEXES, |row| tables.add_index(row)).await?;
    reading.each(connection, queries::RULES, |row| tables.add_rule(row)).await?;
    tables.add_origins();
    reading.each(connection, queries::ROUTINES, |row| routines::add(row, &types, &mut tables, &mut snapshot)).await?;
    reading.each(connection, queries::AGGREGATES, |row| snapshot.aggregates.extend(row.text(0).map(Arc::from))).await?;
    reading.each(connection, queries::MEDIA_HANDLERS, |row| routines::add_handler(row, &tables, &mut snapshot)).await?;
    let mut dependences = match asked {
        Some(asked) => dependence::read(connection, &mut reading, asked).await?,
        None => Dependences::default(),
    };
    connection.batch("COMMIT").await?;
    snapshot.dependences = std::mem::take(&mut dependences.all);
    snapshot.definitions.clone_from(&dependences.fingerprint);
    snapshot.composites = types.composites();
    snapshot.enums = types.into_enums();
    snapshot.relations = tables.into_relations(&snapshot);
    Ok((snapshot, dependences))
}

/// What can be done with views and foreign tables. A foreign data wrapper that does not work makes PostgreSQL fail here,
/// also for a view over its tables: then everything is taken for possible, and the server refuses requests by itself.
async fn add_possible(
    connection: &mut Connection,
    reading: &mut Reading,
    tables: &mut Tables,
) -> Result<(), wire::Error> {
    connection.batch("SAVEPOINT possible").await?;
    match reading.each(connection, queries::POSSIBLE, |row| tables.add_possible(row)).await {
        Err(wire::Error::Server(_)) => {
            tables.allow_all();
            connection.batch("ROLLBACK TO possible").await
        }
        other => other,
    }
}

fn add_schema(row: &Row<'_>, snapshot: &mut Snapshot) {
    let Some(name) = row.text(0).map(Arc::<str>::from) else { return };
    snapshot.schemas.insert(name.clone(), row.text(1).map(str::to_owned));
    snapshot.schema_usage.insert(name, row.list(2));
}
