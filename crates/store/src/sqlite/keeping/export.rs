//! The rows of tables as JSON, of one moment, while the file may be served.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use base::QualifiedName;
use catalog::{Column, DefaultValue, Relation};
use datatype::Zone;
use rusqlite::Row;
use sql::sqlite::names::{physical_name, quoted};

use super::open;
use crate::error::StoreError;
use crate::sqlite::functions::datum;
use crate::sqlite::migration;

/// How many rows are given at once: enough that a server takes them quickly, few enough for any memory.
const AT_ONCE: usize = 1_000;

/// Some rows of a table.
#[derive(Debug)]
pub struct Exported<'a> {
    /// The table.
    pub table: &'a QualifiedName,
    /// Its columns that are written, not computed.
    pub columns: &'a [Arc<str>],
    /// The rows as an array of objects, as PostgreSQL's `json_populate_recordset` takes them; empty for a table without rows, which
    /// is given once.
    pub rows: &'a str,
    /// How many they are.
    pub count: usize,
}

/// Reads tables of a file of Pando's, all of one moment, and gives their rows to `take`, in the order of the names. Tables that are
/// not there are passed over. Changes nothing. `now` is any moment.
///
/// # Errors
/// [`StoreError::Unusable`] when the file cannot be read or is none of Pando's; [`StoreError::Engine`] for what `take` met.
pub fn export(
    path: &Path,
    tables: &[QualifiedName],
    now: Instant,
    take: &mut dyn FnMut(Exported<'_>) -> io::Result<()>,
) -> Result<(), StoreError> {
    let opened = open::open(path, now)?;
    let connection = opened.connection.raw();
    let failed = |error: rusqlite::Error| migration::damaged(path, &error);
    connection.execute_batch("BEGIN").map_err(failed)?;
    for relation in tables.iter().filter_map(|name| opened.catalog.relation(name)) {
        let columns: Vec<&Column> = written(relation);
        let names: Vec<Arc<str>> = columns.iter().map(|column| column.name.clone()).collect();
        let listed: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        let text = format!("SELECT {} FROM {}", listed.join(", "), quoted(&physical_name(&relation.name)));
        let mut statement = connection.prepare(&text).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let (mut json, mut count, mut is_given) = (Vec::new(), 0, false);
        let mut give = |json: &mut Vec<u8>, count: usize| {
            if !json.is_empty() {
                json.push(b']');
            }
            let rows = std::str::from_utf8(json).map_err(|error| StoreError::Engine(error.to_string()))?;
            let given = take(Exported { table: &relation.name, columns: &names, rows, count });
            json.clear();
            given.map_err(|error| StoreError::Engine(error.to_string()))
        };
        while let Some(row) = rows.next().map_err(failed)? {
            json.push(if json.is_empty() { b'[' } else { b',' });
            write(row, &columns, &mut json).map_err(failed)?;
            count += 1;
            if count == AT_ONCE {
                give(&mut json, count)?;
                (count, is_given) = (0, true);
            }
        }
        if count > 0 || !is_given {
            give(&mut json, count)?;
        }
    }
    Ok(())
}

fn written(relation: &Relation) -> Vec<&Column> {
    relation.columns.iter().filter(|column| !matches!(column.default, DefaultValue::Generated(_))).collect()
}

fn write(row: &Row<'_>, columns: &[&Column], json: &mut Vec<u8>) -> rusqlite::Result<()> {
    for (place, column) in columns.iter().enumerate() {
        json.push(if place == 0 { b'{' } else { b',' });
        datatype::json::write_string(&column.name, json);
        json.push(b':');
        datatype::write_json(&column.data_type, datum(row.get_ref(place)?)?, &Zone::default(), json);
    }
    json.push(b'}');
    Ok(())
}
