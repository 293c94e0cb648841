//! What exists on a server: read from `pg_catalog`, in one moment, into the same snapshot that the embedded engine keeps.

mod assemble;
mod queries;
mod rule;

use catalog::Snapshot;
use wire::{Connection, TextRow};

/// The answers of the server, table by table.
#[derive(Debug, Default)]
struct Found {
    schemas: Vec<TextRow>,
    roles: Vec<TextRow>,
    types: Vec<TextRow>,
    relations: Vec<TextRow>,
    columns: Vec<TextRow>,
    attributes: Vec<TextRow>,
    constraints: Vec<TextRow>,
    rules: Vec<TextRow>,
    routines: Vec<TextRow>,
}

/// Reads the snapshot. `search_path` are the schemas, besides those of the relations themselves, whose functions over rows
/// are read like columns.
///
/// # Errors
/// Those of the connection; the transaction is ended then by whoever owns the connection.
pub(super) async fn snapshot(connection: &mut Connection) -> Result<Snapshot, wire::Error> {
    connection.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO ''").await?;
    let found = Found {
        schemas: connection.query(queries::SCHEMAS, &[]).await?,
        roles: connection.query(queries::ROLES, &[]).await?,
        types: connection.query(queries::TYPES, &[]).await?,
        relations: connection.query(queries::RELATIONS, &[]).await?,
        columns: connection.query(queries::COLUMNS, &[]).await?,
        attributes: connection.query(queries::ATTRIBUTES, &[]).await?,
        constraints: connection.query(queries::CONSTRAINTS, &[]).await?,
        rules: connection.query(queries::RULES, &[]).await?,
        routines: connection.query(queries::ROUTINES, &[]).await?,
    };
    connection.batch("COMMIT").await?;
    Ok(assemble::snapshot(&found))
}
