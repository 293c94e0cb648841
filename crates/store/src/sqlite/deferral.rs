//! Foreign keys of an insert whose rows refer to later ones of it. PostgreSQL looks at them after the last row; here each
//! row is a statement of its own. So when a row finds no parent and others come behind it, foreign keys are left aside
//! from it on, and looked at here after the last row. An insert without such rows pays nothing.

use base::Failure;
use catalog::{ForeignKey, Relation};
use datatype::{Datum, Zone};
use rusqlite::Connection;
use rusqlite::ffi;
use sql::sqlite::write::InsertStatements;

use super::failure::{conflict, translate};
use super::functions::datum;
use super::write::{RowWrite, Touched, as_json};
use crate::error::StoreError;

impl RowWrite<'_> {
    /// Runs the statement of a row; once more, with foreign keys left aside, when a later row may bring its parent.
    pub(super) fn or_deferred<T>(
        &self,
        insert: &InsertStatements,
        touched: &mut Touched,
        run: impl Fn() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let may_come = touched.rows_left > 0 && touched.deferred_from.is_none() && refers_to_itself(&insert.table);
        match run() {
            Err(error) if may_come && lacks_parent(&error) => {
                touched.deferred_from = Some(touched.rows.len());
                // Only this transaction, and until it is switched off.
                self.connection.execute_batch("PRAGMA defer_foreign_keys = on")?;
                run()
            }
            outcome => outcome,
        }
    }

    /// Looks at what was left aside, unless the insert has failed already. Foreign keys count at once again.
    pub(super) fn end_deferral(
        &self,
        insert: &InsertStatements,
        touched: &Touched,
        outcome: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some(from) = touched.deferred_from else { return outcome };
        // SQLite forgets what it has counted so far: it is counted here.
        self.connection.execute_batch("PRAGMA defer_foreign_keys = off").map_err(translate)?;
        outcome?;
        let table = &insert.table;
        let rows = as_json(touched.rows.get(from..).unwrap_or_default());
        for key in &table.foreign_keys {
            if let Some(values) = self.values_without_parent(table, key, &rows).map_err(translate)? {
                return Err(missing_parent(table, key, &values).into());
            }
        }
        let writes_elsewhere = table.triggers.iter().any(|trigger| !trigger.writes.is_empty());
        let moves_keys = insert.merge.as_ref().is_some_and(|merge| merge.moves_keys);
        if writes_elsewhere || moves_keys { whole_database(self.connection, table) } else { Ok(()) }
    }

    fn values_without_parent(
        &self,
        table: &Relation,
        key: &ForeignKey,
        rows: &str,
    ) -> rusqlite::Result<Option<Vec<Datum>>> {
        let statement = sql::sqlite::diagnose::without_parent(table, key);
        let mut prepared = self.connection.prepare_cached(statement.text())?;
        prepared.raw_bind_parameter(1, rows)?;
        let mut found = prepared.raw_query();
        let Some(row) = found.next()? else { return Ok(None) };
        (0..key.columns.len())
            .map(|place| Ok(datum(row.get_ref(place)?)?.to_owned()))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

fn refers_to_itself(table: &Relation) -> bool {
    table.foreign_keys.iter().any(|key| key.references == table.name)
}

fn lacks_parent(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}

fn missing_parent(table: &Relation, key: &ForeignKey, values: &[Datum]) -> Failure {
    let texts = key.columns.iter().zip(values).map(|(name, value)| {
        let mut text = Vec::new();
        if let Some(column) = table.column(name) {
            datatype::write_output(&column.data_type, value.as_ref(), &Zone::default(), &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let (names, values) = (key.columns.join(", "), texts.collect::<Vec<_>>().join(", "));
    let (table, constraint) = (&table.name.name, &key.name);
    conflict(format!("insert or update on table \"{table}\" violates foreign key constraint \"{constraint}\""))
        .with_details(format!("Key ({names})=({values}) is not present in table \"{}\".", key.references.name))
}

/// Asks every row of every table: what triggers wrote, or referred to a key that was moved, was left aside with the rest.
fn whole_database(connection: &Connection, table: &Relation) -> Result<(), StoreError> {
    const BROKEN: &str = "SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1";
    let broken = connection.prepare_cached(BROKEN).and_then(|mut statement| {
        let mut rows = statement.query([])?;
        rows.next()?.map(|row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).transpose()
    });
    match broken.map_err(translate)? {
        None => Ok(()),
        Some((child, parent)) => {
            let table = &table.name.name;
            let failure = conflict(format!("insert or update on table \"{table}\" violates a foreign key constraint"));
            Err(failure
                .with_details(format!("A row of \"{child}\" refers to one of \"{parent}\" that is not there."))
                .into())
        }
    }
}
