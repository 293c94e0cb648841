//! One write, inside of the writer's transaction and behind a savepoint of its own.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::time::Duration;

use base::{Caller, Failure, Kind};
use bytes::Bytes;
use catalog::Catalog;
use datatype::Datum;
use rusqlite::Connection;
use sql::Statement;
use sql::sqlite::Rendered as Sqlite;
use sql::sqlite::write::{
    DeleteStatements, InsertBatch, InsertStatements, Location, MergeStatements, Returning, UpdateStatements,
};

use super::failure::{Attempt, AttemptKind, translate, translate_write};
use super::functions::{Bound, datum, raise};
use super::output::{self, KeepAll, Output};
use crate::body;
use crate::driver::{Body, Job, Observer, Operation, Ran, Rendered, Reply};
use crate::error::StoreError;
use crate::guard::{check_affected, check_put, check_single};

/// How much a write may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The most bytes of its answer.
    pub(super) most_bytes: usize,
    /// The most rows that it changes.
    pub(super) most_rows: usize,
}

impl Bounds {
    /// The refusal of a write that changes more rows than are allowed.
    pub(super) fn too_many_rows(self) -> rusqlite::Error {
        let most = self.most_rows;
        raise("54000", format!("the write changes more than limits.max_affected_rows = {most} rows"))
    }
}

/// Runs a write.
pub(super) fn run(connection: &Connection, job: &Job, bounds: Bounds) -> Result<Ran, StoreError> {
    let Rendered::Sqlite(rendered) = &*job.rendered else { return Err(StoreError::other_engine()) };
    let rows = RowWrite { connection, catalog: &job.catalog, caller: &job.caller, bounds, arguments: &[] };
    let write = Write { rows, job };
    match rendered {
        Sqlite::Insert(insert) => write.insert(insert),
        Sqlite::Update(update) => write.update(update),
        Sqlite::Delete(delete) => write.delete(delete),
        Sqlite::Call(call) => write.call(call),
        Sqlite::Read(_) => Err(StoreError::Engine("a read was sent to the writer".to_owned())),
    }
}

/// Whether a write is one statement, which SQLite itself undoes when it fails: it needs no savepoint.
pub(super) fn is_single_statement(job: &Job) -> bool {
    let Rendered::Sqlite(Sqlite::Insert(insert)) = &*job.rendered else { return false };
    let plan::Operation::Insert(planned) = &job.plan.operation else { return false };
    planned.batches.iter().map(|batch| batch.rows.len()).sum::<usize>() == 1
        && insert.check.is_none()
        && insert.merge.is_none()
        && insert.returning.is_none()
        && insert.location.is_none()
}

/// Tells what a write did.
pub(super) fn observe(observer: &dyn Observer, job: &Job, rows: Result<u64, &StoreError>, duration: Duration) {
    let Rendered::Sqlite(rendered) = &*job.rendered else { return };
    let (name, relation, text) = match rendered {
        Sqlite::Insert(insert) => {
            ("INSERT", &insert.table.name, insert.batches.first().map(|batch| batch.statement.text()))
        }
        Sqlite::Update(update) => ("UPDATE", &update.table.name, update.statement.as_ref().map(Statement::text)),
        Sqlite::Delete(delete) => ("DELETE", &delete.table.name, Some(delete.remove.text())),
        Sqlite::Call(call) => match &job.plan.operation {
            plan::Operation::Call(planned) => ("CALL", &planned.name, call.text()),
            _ => return,
        },
        Sqlite::Read(_) => return,
    };
    let error = rows.err().map(|error| Failure::from(error.clone()).code);
    observer.operation(&Operation {
        name,
        relation: &relation.name,
        duration,
        statement: text.map_or("", |text| text),
        rows: rows.unwrap_or(0),
        error: error.as_deref(),
        trace_id: job.trace_id,
    });
}

/// The write of a request.
pub(super) struct Write<'a> {
    pub(super) rows: RowWrite<'a>,
    pub(super) job: &'a Job,
}

impl<'a> Deref for Write<'a> {
    type Target = RowWrite<'a>;

    fn deref(&self) -> &RowWrite<'a> {
        &self.rows
    }
}

/// What changes rows, for whoever.
pub(super) struct RowWrite<'a> {
    pub(super) connection: &'a Connection,
    pub(super) catalog: &'a Catalog,
    pub(super) caller: &'a Caller,
    pub(super) bounds: Bounds,
    /// The values of the parameters of a statement of the program itself.
    pub(super) arguments: &'a [Datum],
}

/// The rows that a write has touched so far.
#[derive(Default)]
pub(super) struct Touched {
    pub(super) rows: Vec<i64>,
    inserted: u64,
    /// Those of an upsert that merges.
    seen: BTreeSet<i64>,
    /// How many rows are still to come.
    pub(super) rows_left: usize,
    /// From which of `rows` on foreign keys are looked at after the last row.
    pub(super) deferred_from: Option<usize>,
}

/// `_rowid_`s as a JSON array, which SQL takes as one parameter.
pub(super) fn as_json(rows: &[i64]) -> String {
    let rows: Vec<String> = rows.iter().map(i64::to_string).collect();
    format!("[{}]", rows.join(","))
}

impl Write<'_> {
    fn insert(&self, insert: &InsertStatements) -> Result<Ran, StoreError> {
        let plan::Operation::Insert(planned) = &self.job.plan.operation else {
            return Err(StoreError::Engine("an insert without its plan".to_owned()));
        };
        let touched = self.insert_rows(insert, planned.batches.iter().map(|batch| batch.rows.as_slice()))?;
        let (rows, body) = self.body(insert.returning.as_ref(), &touched.rows)?;
        if planned.put.is_some() {
            check_put(rows)?;
        }
        self.check_expectation(rows)?;
        let location = match (&insert.location, touched.rows.as_slice()) {
            (Some(location), [row]) if rows == 1 => Some(self.location(location, *row)?),
            _ => None,
        };
        Ok(Ran {
            rows,
            total: Some(rows),
            inserted: Some(touched.inserted),
            location,
            reply: Reply::default(),
            position: None,
            kept: None,
            body,
        })
    }
}

impl RowWrite<'_> {
    /// Adds rows, those of each batch with its statement.
    pub(super) fn insert_rows<'r>(
        &self,
        insert: &InsertStatements,
        batches: impl Iterator<Item = &'r [Vec<Datum>]>,
    ) -> Result<Touched, StoreError> {
        let batches: Vec<_> = insert.batches.iter().zip(batches).collect();
        let mut touched = Touched { rows_left: batches.iter().map(|(_, rows)| rows.len()).sum(), ..Touched::default() };
        let run = batches.into_iter().try_for_each(|(batch, rows)| {
            rows.iter().try_for_each(|row| self.insert_row(insert, batch, row, &mut touched))
        });
        self.end_deferral(insert, &touched, run)?;
        Ok(touched)
    }

    fn insert_row(
        &self,
        insert: &InsertStatements,
        batch: &InsertBatch,
        row: &[Datum],
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        touched.rows_left = touched.rows_left.saturating_sub(1);
        let existing = match (&insert.merge, &batch.existing) {
            (Some(_), Some(existing)) => self.run_row(existing, row).map_err(translate)?,
            _ => None,
        };
        if let (Some(merge), Some(existing)) = (&insert.merge, existing) {
            self.check_merge(insert, batch, row, merge, existing, &touched.seen)?;
        }
        let attempt = || Attempt {
            table: &insert.table,
            cells: batch.columns.iter().cloned().zip(row.iter().cloned().map(Some)).collect(),
            kind: AttemptKind::Insert,
            rows: "[]".to_owned(),
            role: &self.caller.role,
        };
        let run = if batch.gives_row_id { Self::run_row } else { Self::run_new_row };
        let written = match self.or_deferred(insert, touched, || run(self, &batch.statement, row)) {
            Ok(written) => written,
            Err(error) => {
                // Row security speaks first: a constraint may only tell of rows to who could have written this one.
                self.check_proposed(insert, batch, row)?;
                return Err(translate_write(error, self.connection, self.catalog, &attempt()));
            }
        };
        let Some(written) = written else {
            // `ignore-duplicates` writes no row where one exists; what was sent must still be allowed.
            return self.check_proposed(insert, batch, row);
        };
        let check = match (existing, &insert.merge) {
            (Some(_), Some(merge)) => merge.check.as_ref(),
            _ => insert.check.as_ref(),
        };
        self.check_row(check, written, || row_security(&insert.table, ""))?;
        if insert.merge.is_some() {
            touched.seen.insert(written);
        }
        touched.inserted += u64::from(existing.is_none());
        touched.rows.push(written);
        Ok(())
    }

    /// What row security says of changing an existing row instead of inserting one.
    fn check_merge(
        &self,
        insert: &InsertStatements,
        batch: &InsertBatch,
        row: &[Datum],
        merge: &MergeStatements,
        existing: i64,
        seen: &BTreeSet<i64>,
    ) -> Result<(), StoreError> {
        if seen.contains(&existing) {
            return Err(Failure::new(
                Kind::Internal,
                "21000",
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
            )
            .with_hint(
                "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
            )
            .into());
        }
        self.check_proposed(insert, batch, row)?;
        self.check_row(merge.visible.as_ref(), existing, || row_security(&insert.table, " (USING expression)"))
    }

    /// Asks row security of a row as it was sent.
    fn check_proposed(&self, insert: &InsertStatements, batch: &InsertBatch, row: &[Datum]) -> Result<(), StoreError> {
        match &batch.proposed {
            Some(proposed) if !self.is_true(proposed, row, 0)? => Err(self.forbidden(row_security(&insert.table, ""))),
            _ => Ok(()),
        }
    }
}

impl Write<'_> {
    fn update(&self, update: &UpdateStatements) -> Result<Ran, StoreError> {
        let rows = self.update_rows(update)?;
        let (count, body) = self.body(update.returning.as_ref(), &rows)?;
        self.check_expectation(count)?;
        Ok(Ran {
            rows: count,
            total: Some(count),
            inserted: None,
            location: None,
            reply: Reply::default(),
            position: None,
            kept: None,
            body,
        })
    }
}

impl RowWrite<'_> {
    /// Changes rows, and gives their `_rowid_`s.
    pub(super) fn update_rows(&self, update: &UpdateStatements) -> Result<Vec<i64>, StoreError> {
        let rows = match &update.statement {
            None => Vec::new(),
            Some(statement) => self.row_ids(statement).map_err(|error| {
                let attempt = Attempt {
                    table: &update.table,
                    cells: update.assigned.clone(),
                    kind: AttemptKind::Update,
                    rows: self.row_ids(&update.find).map(|rows| as_json(&rows)).unwrap_or_else(|_| "[]".to_owned()),
                    role: &self.caller.role,
                };
                translate_write(error, self.connection, self.catalog, &attempt)
            })?,
        };
        for row in &rows {
            self.check_row(update.check.as_ref(), *row, || row_security(&update.table, ""))?;
        }
        Ok(rows)
    }
}

impl Write<'_> {
    fn delete(&self, delete: &DeleteStatements) -> Result<Ran, StoreError> {
        let rows = self.row_ids(&delete.find).map_err(translate)?;
        // Read before they go, together with what hangs on them.
        let (count, body) = self.body(delete.returning.as_ref(), &rows)?;
        self.delete_rows(delete, &rows)?;
        self.check_expectation(count)?;
        Ok(Ran {
            rows: count,
            total: Some(count),
            inserted: None,
            location: None,
            reply: Reply::default(),
            position: None,
            kept: None,
            body,
        })
    }
}

impl RowWrite<'_> {
    pub(super) fn delete_rows(&self, delete: &DeleteStatements, rows: &[i64]) -> Result<(), StoreError> {
        let rows = as_json(rows);
        self.remove(&delete.remove, &rows).map_err(|error| {
            let attempt = Attempt {
                table: &delete.table,
                cells: Vec::new(),
                kind: AttemptKind::Delete,
                rows,
                role: &self.caller.role,
            };
            translate_write(error, self.connection, self.catalog, &attempt)
        })
    }

    fn remove(&self, statement: &Statement, rows: &str) -> rusqlite::Result<()> {
        let mut prepared = self.connection.prepare_cached(statement.text())?;
        output::bind(&mut prepared, statement.parameters(), None, rows, 0)?;
        prepared.raw_execute().map(drop)
    }

    /// Runs a statement whose parameters are cells; gives the `_rowid_` in its first column.
    fn run_row(&self, statement: &Statement, cells: &[Datum]) -> rusqlite::Result<Option<i64>> {
        let mut prepared = self.connection.prepare_cached(statement.text())?;
        bind_cells(&mut prepared, statement, cells, 0)?;
        let mut rows = prepared.raw_query();
        let row = match rows.next()? {
            Some(row) => Some(row.get(0)?),
            None => None,
        };
        // Constraints that are checked at the statement's end speak up only when it is run to its end.
        while rows.next()?.is_some() {}
        Ok(row)
    }

    /// Runs an insert whose row can only be new; gives its `_rowid_`.
    fn run_new_row(&self, statement: &Statement, cells: &[Datum]) -> rusqlite::Result<Option<i64>> {
        let mut prepared = self.connection.prepare_cached(statement.text())?;
        bind_cells(&mut prepared, statement, cells, 0)?;
        prepared.raw_execute()?;
        Ok(Some(self.connection.last_insert_rowid()))
    }

    /// Runs a statement that gives `_rowid_`s.
    pub(super) fn row_ids(&self, statement: &Statement) -> rusqlite::Result<Vec<i64>> {
        let mut prepared = self.connection.prepare_cached(statement.text())?;
        output::bind(&mut prepared, statement.parameters(), None, "[]", 0)?;
        bind_arguments(&mut prepared, statement, self.arguments)?;
        let mut rows = prepared.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if found.len() >= self.bounds.most_rows {
                return Err(self.bounds.too_many_rows());
            }
            found.push(row.get(0)?);
        }
        Ok(found)
    }

    fn is_true(&self, statement: &Statement, cells: &[Datum], row_id: i64) -> Result<bool, StoreError> {
        let mut prepared = self.connection.prepare_cached(statement.text()).map_err(translate)?;
        bind_cells(&mut prepared, statement, cells, row_id).map_err(translate)?;
        let mut rows = prepared.raw_query();
        match rows.next().map_err(translate)? {
            Some(row) => row.get(0).map_err(translate),
            None => Ok(false),
        }
    }

    /// Asks row security of a row; without a check there is nothing to ask.
    fn check_row(
        &self,
        check: Option<&Statement>,
        row: i64,
        refusal: impl FnOnce() -> String,
    ) -> Result<(), StoreError> {
        match check {
            Some(check) if !self.is_true(check, &[], row)? => Err(self.forbidden(refusal())),
            _ => Ok(()),
        }
    }

    fn forbidden(&self, message: String) -> StoreError {
        let kind = if self.caller.is_anonymous { Kind::Unauthenticated } else { Kind::Forbidden };
        Failure::new(kind, "42501", message).into()
    }
}

impl Write<'_> {
    pub(super) fn check_expectation(&self, rows: u64) -> Result<(), StoreError> {
        check_single(self.job.plan.expectation, rows)?;
        Ok(check_affected(self.job.plan.expectation, rows)?)
    }

    /// What is answered of the rows, and how many that are: an inner embed leaves some out, aggregates make one of several.
    fn body(&self, returning: Option<&Returning>, rows: &[i64]) -> Result<(u64, Body), StoreError> {
        let Some(returning) = returning else { return Ok((rows.len() as u64, Body::Full(Bytes::new()))) };
        let (count, body) = self.answer(returning, rows)?;
        Ok((count, Body::Full(body)))
    }

    /// What is answered of the rows, and how many of them.
    pub(super) fn answer(&self, returning: &Returning, rows: &[i64]) -> Result<(u64, Bytes), StoreError> {
        let written = as_json(rows);
        let (format, shape) = (self.job.plan.format, self.job.plan.shape);
        let most_bytes = self.bounds.most_bytes;
        let shown = Output { format, shape, zone: &self.job.plan.zone, written: &written, most_bytes };
        let mut out = Vec::new();
        body::open(format, shape, &mut out);
        let mut prepared = output::prepare(self.connection, &returning.read).map_err(translate)?;
        let mut count = 0;
        if returning.is_row_by_row {
            for row in rows {
                count = prepared.write_rows(&shown, *row, count, &mut out, &mut KeepAll(&shown)).map_err(translate)?;
            }
        } else {
            count = prepared.write_rows(&shown, 0, 0, &mut out, &mut KeepAll(&shown)).map_err(translate)?;
        }
        body::close(format, shape, count, &mut out);
        Ok((count, output::body(out)))
    }

    /// The primary key of a row, as text.
    fn location(&self, location: &Location, row_id: i64) -> Result<Vec<(String, Option<String>)>, StoreError> {
        let mut prepared = self.connection.prepare_cached(location.statement.text()).map_err(translate)?;
        output::bind(&mut prepared, location.statement.parameters(), None, "[]", row_id).map_err(translate)?;
        let mut rows = prepared.raw_query();
        let Some(row) = rows.next().map_err(translate)? else { return Ok(Vec::new()) };
        let mut key = Vec::with_capacity(location.columns.len());
        for (position, (name, data_type)) in location.columns.iter().enumerate() {
            let value = row.get_ref(position).and_then(datum).map_err(translate)?;
            let mut text = Vec::new();
            datatype::write_text(data_type, value, &self.job.plan.zone, &mut text);
            let text = (value != datatype::DatumRef::Null).then(|| String::from_utf8_lossy(&text).into_owned());
            key.push((name.to_string(), text));
        }
        Ok(key)
    }
}

/// Binds a statement whose parameters are cells of a row, or its `_rowid_`.
fn bind_cells(
    prepared: &mut rusqlite::CachedStatement<'_>,
    statement: &Statement,
    cells: &[Datum],
    row_id: i64,
) -> rusqlite::Result<()> {
    output::bind(prepared, statement.parameters(), None, "[]", row_id)?;
    for (position, parameter) in statement.parameters().iter().enumerate() {
        if let sql::Parameter::Cell(cell) = parameter
            && let Some(cell) = cells.get(*cell)
        {
            prepared.raw_bind_parameter(position + 1, Bound(cell.as_ref()))?;
        }
    }
    Ok(())
}

/// Binds the parameters of a statement of the program itself.
pub(super) fn bind_arguments(
    prepared: &mut rusqlite::CachedStatement<'_>,
    statement: &Statement,
    arguments: &[Datum],
) -> rusqlite::Result<()> {
    for (position, parameter) in statement.parameters().iter().enumerate() {
        if let sql::Parameter::Argument(place) = parameter
            && let Some(value) = arguments.get(*place)
        {
            prepared.raw_bind_parameter(position + 1, Bound(value.as_ref()))?;
        }
    }
    Ok(())
}

fn row_security(table: &catalog::Relation, which: &str) -> String {
    format!("new row violates row-level security policy{which} for table \"{}\"", table.name.name)
}
