//! The program's own statements: put into SQLite's words once per catalog, then run with their values as parameters.

use std::collections::HashMap;
use std::sync::Arc;

use base::{Caller, Claims};
use catalog::Catalog;
use datatype::Datum;
use parking_lot::Mutex;
use rusqlite::{CachedStatement, Connection};
use sql::sqlite::own::{Own, OwnRun, places};
use sql::sqlite::write::{Returning, StepStatements};
use sql::{OwnStatement, Statement};

use super::failure::translate;
use super::functions::datum;
use super::output;
use super::write::{Bounds, RowWrite, as_json, bind_arguments};
use crate::error::{StoreError, Violation, ViolationKind};
use crate::own::{self, OwnAnswer, OwnColumns, OwnRow, OwnStep};

/// The statements that were put into SQLite's words. There are as many as the program has.
#[derive(Default)]
pub(super) struct Translations {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    catalog: Option<Arc<Catalog>>,
    statements: HashMap<OwnStatement, Arc<Own>>,
}

impl Translations {
    /// A statement over what exists.
    fn of(&self, statement: OwnStatement, catalog: &Arc<Catalog>) -> Result<Arc<Own>, StoreError> {
        let mut known = self.known.lock();
        if !known.catalog.as_ref().is_some_and(|before| Arc::ptr_eq(before, catalog)) {
            *known = Known { catalog: Some(catalog.clone()), statements: HashMap::new() };
        }
        if let Some(own) = known.statements.get(&statement) {
            return Ok(own.clone());
        }
        let own = sql::ddl::own(&statement, catalog.snapshot());
        let own = Arc::new(own.map_err(|error| StoreError::Engine(format!("{error}: {}", statement.text())))?);
        known.statements.insert(statement, own.clone());
        Ok(own)
    }

    /// Whether a statement makes sense over what exists: it can be translated, and SQLite takes each part of it.
    pub(super) fn check(
        &self,
        statement: OwnStatement,
        catalog: &Arc<Catalog>,
        connection: &Connection,
    ) -> Result<(), StoreError> {
        let own = self.of(statement, catalog)?;
        own.run.texts().into_iter().try_for_each(|text| {
            let prepared = connection.prepare(text).map(drop);
            prepared.map_err(|error| StoreError::Engine(format!("{error}: {text}: {}", statement.text())))
        })
    }
}

/// What a transaction of the program runs in.
pub(super) struct OwnWork<'a> {
    pub(super) connection: &'a Connection,
    pub(super) catalog: &'a Arc<Catalog>,
    pub(super) translations: &'a Translations,
    pub(super) bounds: Bounds,
    /// Whether statements may write.
    pub(super) writes: bool,
}

impl OwnWork<'_> {
    /// Runs the steps, one after another. What is to become of the transaction is for others to say.
    pub(super) fn run(&self, steps: &[OwnStep]) -> Result<Vec<OwnAnswer>, StoreError> {
        let caller =
            Caller { role: "postgres".into(), claims: Arc::new(Claims::default()), is_anonymous: false, key: None };
        let mut room = self.bounds.most_bytes;
        let mut answers = Vec::with_capacity(steps.len());
        for (place, step) in steps.iter().enumerate() {
            let own = self.translations.of(step.statement, self.catalog)?;
            let answer = self.step(&own, &step.values, &caller, &mut room).map_err(violated)?;
            if !step.expectation.holds(answer.affected) {
                return Err(StoreError::Missed { step: place, rows: answer.affected });
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    fn step(&self, own: &Own, values: &[Datum], caller: &Caller, room: &mut usize) -> Result<OwnAnswer, StoreError> {
        let arguments = canonical(own, values)?;
        let (connection, catalog, bounds) = (self.connection, &**self.catalog, self.bounds);
        let step = match &own.run {
            OwnRun::Read(statement) => {
                let mut reading = Reading { connection, columns: &own.columns, room, rows: Vec::new() };
                reading.all(statement, &arguments, &mut (0..own.columns.len()), "[]")?;
                let affected = reading.rows.len() as u64;
                return Ok(OwnAnswer { rows: reading.rows, affected });
            }
            OwnRun::Write(_) if !self.writes => {
                return Err(StoreError::Engine("a statement that writes was given to consult".to_owned()));
            }
            OwnRun::Write(step) => step,
        };
        let write = RowWrite { connection, catalog, caller, bounds, arguments: &arguments };
        let mut reading = Reading { connection, columns: &own.columns, room, rows: Vec::new() };
        let affected = match &**step {
            StepStatements::Insert { source, insert } => {
                let width = insert.batches.first().map_or(0, |batch| batch.columns.len());
                let rows = write.source_rows(source, width)?;
                let touched = write.insert_rows(insert, std::iter::once(rows.as_slice()))?.rows;
                reading.written(own.run.returning(), &arguments, &touched)?;
                touched.len()
            }
            StepStatements::Update(update) => {
                let touched = write.update_rows(update)?;
                reading.written(own.run.returning(), &arguments, &touched)?;
                touched.len()
            }
            StepStatements::Delete(delete) => {
                let touched = write.row_ids(&delete.find).map_err(translate)?;
                // Read before they go.
                reading.written(own.run.returning(), &arguments, &touched)?;
                write.delete_rows(delete, &touched)?;
                touched.len()
            }
        };
        Ok(OwnAnswer { rows: reading.rows, affected: affected as u64 })
    }
}

/// Values of enumerations are checked here, where they are known.
fn canonical(own: &Own, values: &[Datum]) -> Result<Vec<Datum>, StoreError> {
    let checked = own.parameters.iter().zip(values).map(|(data_type, value)| match (data_type, value) {
        (datatype::Type::Enum(_), Datum::Text(label)) => {
            datatype::parse(data_type, label).map_err(|error| base::Failure::from(error).into())
        }
        _ => Ok(value.clone()),
    });
    checked.collect()
}

/// Rows while they are read.
struct Reading<'a> {
    connection: &'a Connection,
    columns: &'a OwnColumns,
    /// How many bytes may still be held.
    room: &'a mut usize,
    rows: Vec<OwnRow>,
}

impl Reading<'_> {
    /// What is answered of rows that were written, in the order in which they were.
    fn written(&mut self, returning: Option<&Returning>, arguments: &[Datum], rows: &[i64]) -> Result<(), StoreError> {
        let Some(returning) = returning else { return Ok(()) };
        for row in rows {
            let statement = &returning.read.statement;
            let mut prepared = self.connection.prepare_cached(statement.text()).map_err(translate)?;
            output::bind(&mut prepared, statement.parameters(), None, &as_json(&[*row]), *row).map_err(translate)?;
            self.take(prepared, statement, arguments, &mut places(returning))?;
        }
        Ok(())
    }

    /// All rows of a statement.
    fn all(
        &mut self,
        statement: &Statement,
        arguments: &[Datum],
        places: &mut dyn Iterator<Item = usize>,
        written: &str,
    ) -> Result<(), StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.text()).map_err(translate)?;
        output::bind(&mut prepared, statement.parameters(), None, written, 0).map_err(translate)?;
        self.take(prepared, statement, arguments, places)
    }

    fn take(
        &mut self,
        mut prepared: CachedStatement<'_>,
        statement: &Statement,
        arguments: &[Datum],
        places: &mut dyn Iterator<Item = usize>,
    ) -> Result<(), StoreError> {
        let places: Vec<usize> = places.collect();
        bind_arguments(&mut prepared, statement, arguments).map_err(translate)?;
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next().map_err(translate)? {
            let mut values = Vec::with_capacity(places.len());
            let mut bytes = size_of::<OwnRow>();
            for place in &places {
                let value = datum(row.get_ref(*place).map_err(translate)?).map_err(translate)?.to_owned();
                bytes += size_of::<Datum>() + value.heap_bytes();
                values.push(value);
            }
            *self.room = self.room.checked_sub(bytes).ok_or_else(own::too_large)?;
            self.rows.push(OwnRow::new(self.columns.clone(), values));
        }
        Ok(())
    }
}

/// A violated constraint as such; its name stands in our own words for it.
fn violated(error: StoreError) -> StoreError {
    let StoreError::Refused(failure) = error else { return error };
    let Some(kind) = ViolationKind::of_code(&failure.code) else { return StoreError::Refused(failure) };
    let named = failure.message.split_once("constraint \"").and_then(|(_, rest)| rest.split_once('"'));
    let constraint = named.map(|(name, _)| name.to_owned()).unwrap_or_default();
    StoreError::Violated(Box::new(Violation { kind, constraint, failure: *failure }))
}
