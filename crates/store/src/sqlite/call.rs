//! Functions that write: their statements one after another, each as a request of its own kind would run.

use bytes::Bytes;
use datatype::Datum;
use sql::Statement;
use sql::sqlite::write::{CallStatements, StepStatements};

use super::failure::translate;
use super::functions::{datum, raise};
use super::output::{self, KeepAll, Output};
use super::write::{RowWrite, Write, bind_arguments};
use crate::body;
use crate::driver::{Body, Ran, Reply};
use crate::error::StoreError;

impl Write<'_> {
    /// Runs a function that writes.
    pub(super) fn call(&self, call: &CallStatements) -> Result<Ran, StoreError> {
        let plan::Operation::Call(planned) = &self.job.plan.operation else {
            return Err(StoreError::Engine("the call of a function without its plan".to_owned()));
        };
        let mut answered = None;
        for step in &call.steps {
            answered = self.step(step)?;
        }
        if let Some(read) = &call.read {
            answered = Some(self.read(read)?);
        }
        let shape = self.job.plan.shape;
        let (rows, body) = match answered {
            Some((rows, body)) if rows > 0 || !shape.is_single => (rows, body),
            // One outcome there always is; without a row it is NULL.
            _ if shape.is_single => (1, self.nulls(&planned.nulls)),
            _ => (0, self.no_rows()),
        };
        self.check_expectation(rows)?;
        let body = if shape.is_void { Bytes::new() } else { body };
        let total = planned.counts.then_some(rows);
        Ok(Ran {
            rows,
            total,
            inserted: None,
            location: None,
            reply: Reply::default(),
            position: None,
            kept: None,
            body: Body::Full(body),
        })
    }

    fn step(&self, step: &StepStatements) -> Result<Option<(u64, Bytes)>, StoreError> {
        let (returning, rows) = match step {
            StepStatements::Insert { source, insert } => {
                let width = insert.batches.first().map_or(0, |batch| batch.columns.len());
                let rows = self.source_rows(source, width)?;
                let touched = self.insert_rows(insert, std::iter::once(rows.as_slice()))?;
                (insert.returning.as_ref(), touched.rows)
            }
            StepStatements::Update(update) => (update.returning.as_ref(), self.update_rows(update)?),
            StepStatements::Delete(delete) => {
                let rows = self.row_ids(&delete.find).map_err(translate)?;
                // Read before they go, together with what hangs on them.
                let answered = delete.returning.as_ref().map(|returning| self.answer(returning, &rows)).transpose()?;
                self.delete_rows(delete, &rows)?;
                return Ok(answered);
            }
        };
        returning.map(|returning| self.answer(returning, &rows)).transpose()
    }
}

impl RowWrite<'_> {
    /// The rows that an insert takes from a query, all before the first is written: the query may read the same table.
    pub(super) fn source_rows(&self, source: &Statement, width: usize) -> Result<Vec<Vec<Datum>>, StoreError> {
        let mut prepared = self.connection.prepare_cached(source.text()).map_err(translate)?;
        output::bind(&mut prepared, source.parameters(), None, "[]", 0).map_err(translate)?;
        bind_arguments(&mut prepared, source, self.arguments).map_err(translate)?;
        let mut rows = prepared.raw_query();
        let mut found = Vec::new();
        let mut bytes = 0_usize;
        while let Some(row) = rows.next().map_err(translate)? {
            let mut cells = Vec::with_capacity(width);
            for column in 0..width {
                let cell = datum(row.get_ref(column).map_err(translate)?).map_err(translate)?.to_owned();
                bytes += size_of::<Datum>() + cell.heap_bytes();
                cells.push(cell);
            }
            found.push(cells);
            if found.len() > self.bounds.most_rows {
                return Err(translate(self.bounds.too_many_rows()));
            }
            let most_bytes = self.bounds.most_bytes;
            if bytes > most_bytes {
                let message = format!("the rows need more than limits.max_buffered_bytes = {most_bytes} at once");
                return Err(translate(raise("54000", message)));
            }
        }
        Ok(found)
    }
}

impl Write<'_> {
    /// The answer of a query after the writes.
    fn read(&self, read: &sql::sqlite::read::ReadStatement) -> Result<(u64, Bytes), StoreError> {
        let (format, shape) = (self.job.plan.format, self.job.plan.shape);
        let shown =
            Output { format, shape, zone: &self.job.plan.zone, written: "[]", most_bytes: self.bounds.most_bytes };
        let mut prepared = output::prepare(self.connection, read).map_err(translate)?;
        let mut out = Vec::new();
        body::open(format, shape, &mut out);
        let rows = prepared.write_rows(&shown, 0, 0, &mut out, &mut KeepAll(&shown)).map_err(translate)?;
        body::close(format, shape, rows, &mut out);
        Ok((rows, output::body(out)))
    }

    fn nulls(&self, names: &[std::sync::Arc<str>]) -> Bytes {
        let mut out = Vec::new();
        output::write_nulls(names, &mut out);
        Bytes::from(out)
    }

    fn no_rows(&self) -> Bytes {
        let (format, shape) = (self.job.plan.format, self.job.plan.shape);
        let mut out = Vec::new();
        body::open(format, shape, &mut out);
        body::close(format, shape, 0, &mut out);
        Bytes::from(out)
    }
}
