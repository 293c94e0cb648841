//! From rows to bytes: JSON and CSV, written straight from the columns.

use bytes::Bytes;
use datatype::{Type, Zone};
use plan::Shape as Wrapping;
use rest::Format;
use rusqlite::{CachedStatement, Connection, Row};
use sql::{Key, Parameter};

use sql::sqlite::read::{ReadStatement, Shape};

use super::functions::{Bound, datum, raise};
use crate::body::{canonical, is_single, separate, write_csv_cell};

/// A statement made ready together with those of its embeds.
pub(super) struct Prepared<'c> {
    statement: CachedStatement<'c>,
    parameters: &'c [Parameter],
    members: &'c [Shape],
    children: Vec<Prepared<'c>>,
}

/// What rows are written as, and the rows that parameters may refer to.
pub(super) struct Output<'a> {
    /// The form of the body.
    pub(super) format: Format,
    /// How rows are put into the body.
    pub(super) shape: Wrapping,
    /// The zone in which moments are printed.
    pub(super) zone: &'a Zone,
    /// The `_rowid_`s of rows that were just written, as a JSON array.
    pub(super) written: &'a str,
    /// The most bytes that may be held in memory at once: a row with all that is embedded in it.
    pub(super) most_bytes: usize,
}

impl Output<'_> {
    /// Whether the body is the first row alone.
    fn is_single(&self) -> bool {
        is_single(self.format, self.shape)
    }

    /// Refuses an answer that grows beyond the bound.
    pub(super) fn check(&self, out: &[u8]) -> rusqlite::Result<()> {
        if out.len() <= self.most_bytes {
            return Ok(());
        }
        let most = self.most_bytes;
        Err(raise("54000", format!("the answer needs more than limits.max_buffered_bytes = {most} at once")))
    }
}

/// Takes what was written so far, when it is much.
pub(super) trait Sink {
    /// Called after each row of the top level. May empty `out`.
    fn after_row(&mut self, out: &mut Vec<u8>) -> rusqlite::Result<()>;
}

/// Keeps everything; the output's bound holds for all of it.
pub(super) struct KeepAll<'a>(pub(super) &'a Output<'a>);

impl Sink for KeepAll<'_> {
    fn after_row(&mut self, out: &mut Vec<u8>) -> rusqlite::Result<()> {
        self.0.check(out)
    }
}

/// Makes a read's statements ready.
pub(super) fn prepare<'c>(connection: &'c Connection, read: &'c ReadStatement) -> rusqlite::Result<Prepared<'c>> {
    Ok(Prepared {
        statement: connection.prepare_cached(read.statement.text())?,
        parameters: read.statement.parameters(),
        members: &read.members,
        children: read.children.iter().map(|child| prepare(connection, child)).collect::<Result<_, _>>()?,
    })
}

/// Binds a statement's parameters.
pub(super) fn bind(
    statement: &mut CachedStatement<'_>,
    parameters: &[Parameter],
    outer: Option<&Row<'_>>,
    written: &str,
    row_id: i64,
) -> rusqlite::Result<()> {
    for (position, parameter) in parameters.iter().enumerate() {
        let index = position + 1;
        match parameter {
            Parameter::Value(value) => statement.raw_bind_parameter(index, Bound(value.as_ref()))?,
            Parameter::WrittenRows => statement.raw_bind_parameter(index, written)?,
            Parameter::RowId => statement.raw_bind_parameter(index, row_id)?,
            Parameter::Outer(column) => match outer {
                Some(row) => statement.raw_bind_parameter(index, Bound(datum(row.get_ref(*column)?)?))?,
                None => statement.raw_bind_parameter(index, rusqlite::types::Null)?,
            },
            // Cells belong to inserts, and arguments to the program's own statements, which bind them themselves.
            Parameter::Cell(_) | Parameter::Argument(_) => {
                statement.raw_bind_parameter(index, rusqlite::types::Null)?
            }
        }
    }
    Ok(())
}

impl<'c> Prepared<'c> {
    /// Writes all rows of the top level in the output's format, without what stands before and after them, and gives
    /// their number. `count` is the number of rows that were written before.
    pub(super) fn write_rows(
        &mut self,
        output: &Output<'_>,
        row_id: i64,
        before: u64,
        out: &mut Vec<u8>,
        sink: &mut dyn Sink,
    ) -> rusqlite::Result<u64> {
        bind(&mut self.statement, self.parameters, None, output.written, row_id)?;
        let (members, children) = (self.members, &mut self.children);
        let mut rows = self.statement.raw_query();
        let mut count = before;
        while let Some(row) = rows.next()? {
            // Of a single object only the first row is written; the others are counted, to say how many there are.
            if !(output.is_single() && count > 0) {
                write_row(members, children, row, output, count, out)?;
            }
            count += 1;
            sink.after_row(out)?;
        }
        Ok(count)
    }

    /// Counts the rows of the top level without writing them.
    pub(super) fn count_rows(&mut self, output: &Output<'_>) -> rusqlite::Result<u64> {
        bind(&mut self.statement, self.parameters, None, output.written, 0)?;
        let mut rows = self.statement.raw_query();
        let mut count = 0;
        while rows.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// The rows of an embed as an array, or the first as an object, or null.
    fn write_embedded(
        &mut self,
        outer: &Row<'_>,
        is_to_one: bool,
        output: &Output<'_>,
        out: &mut Vec<u8>,
    ) -> rusqlite::Result<()> {
        bind(&mut self.statement, self.parameters, Some(outer), "[]", 0)?;
        let (members, children) = (self.members, &mut self.children);
        let mut rows = self.statement.raw_query();
        if is_to_one {
            return match rows.next()? {
                Some(row) => write_object(members, children, row, output, out),
                None => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
            };
        }
        out.push(b'[');
        let mut is_first = true;
        while let Some(row) = rows.next()? {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            write_object(members, children, row, output, out)?;
            output.check(out)?;
        }
        out.push(b']');
        Ok(())
    }

    /// The rows of an embed turned on their side: one array for each of [`Prepared::spread_keys`].
    fn spread(&mut self, outer: &Row<'_>, output: &Output<'_>) -> rusqlite::Result<Vec<Vec<u8>>> {
        bind(&mut self.statement, self.parameters, Some(outer), "[]", 0)?;
        let mut arrays = vec![vec![b'[']; keys(self.members, &self.children).len()];
        let (members, children) = (self.members, &mut self.children);
        let mut rows = self.statement.raw_query();
        let mut is_first = true;
        while let Some(row) = rows.next()? {
            if !std::mem::take(&mut is_first) {
                arrays.iter_mut().for_each(|array| array.push(b','));
            }
            write_spread_row(members, children, row, output, &mut arrays)?;
        }
        arrays.iter_mut().for_each(|array| array.push(b']'));
        Ok(arrays)
    }

    /// The names of what [`Prepared::spread`] gives.
    fn spread_keys(&self) -> Vec<&'c Key> {
        keys(self.members, &self.children)
    }
}

/// The names of a row's members. What is spread into it has several.
fn keys<'c>(members: &'c [Shape], children: &[Prepared<'c>]) -> Vec<&'c Key> {
    let mut found = Vec::with_capacity(members.len());
    for member in members {
        match member {
            Shape::Value { key, .. } | Shape::One { key, .. } | Shape::Rows { key, .. } => found.push(key),
            Shape::SpreadRows { child } => {
                found.extend(children.get(*child).into_iter().flat_map(Prepared::spread_keys));
            }
        }
    }
    found
}

/// Adds a row's members to the arrays that its embed is spread into. A spread inside of it adds arrays, as PostgREST has it:
/// one of each of its members a row.
fn write_spread_row(
    members: &[Shape],
    children: &mut [Prepared<'_>],
    row: &Row<'_>,
    output: &Output<'_>,
    arrays: &mut [Vec<u8>],
) -> rusqlite::Result<()> {
    let mut arrays = arrays.iter_mut();
    for member in members {
        if let Shape::SpreadRows { child } = member {
            let Some(child) = children.get_mut(*child) else { continue };
            for (inner, array) in child.spread(row, output)?.iter().zip(&mut arrays) {
                array.extend_from_slice(inner);
                output.check(array)?;
            }
        } else if let Some(array) = arrays.next() {
            write_value(member, children, row, output, array)?;
            output.check(array)?;
        }
    }
    Ok(())
}

fn write_row(
    members: &[Shape],
    children: &mut [Prepared<'_>],
    row: &Row<'_>,
    output: &Output<'_>,
    before: u64,
    out: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    match output.format {
        Format::Array { strip_nulls } | Format::Object { strip_nulls } => {
            if before > 0 {
                out.push(b',');
            }
            if output.shape.is_value {
                return members.first().map_or(Ok(()), |member| write_value(member, children, row, output, out));
            }
            if !strip_nulls {
                return write_object(members, children, row, output, out);
            }
            let mut object = Vec::new();
            write_object(members, children, row, output, &mut object)?;
            datatype::json::strip_nulls(&String::from_utf8_lossy(&object), out);
            Ok(())
        }
        Format::Csv => {
            if before == 0 {
                write_csv_header(members, children, out);
            }
            out.push(b'\n');
            write_csv_row(members, children, row, output, out)
        }
        // What only a PostgreSQL server gives.
        Format::OpenApi | Format::Raw | Format::GeoJson | Format::Plan => Ok(()),
    }
}

/// `{"a":1,"b":[...]}`
fn write_object(
    members: &[Shape],
    children: &mut [Prepared<'_>],
    row: &Row<'_>,
    output: &Output<'_>,
    out: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    out.push(b'{');
    let start = out.len();
    for member in members {
        if let Shape::SpreadRows { child } = member {
            let Some(child) = children.get_mut(*child) else { continue };
            let arrays = child.spread(row, output)?;
            for (key, array) in child.spread_keys().into_iter().zip(arrays) {
                separate(start, out);
                out.extend_from_slice(&key.json);
                out.extend_from_slice(&array);
            }
            continue;
        }
        separate(start, out);
        write_key(member, out);
        write_value(member, children, row, output, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_key(member: &Shape, out: &mut Vec<u8>) {
    match member {
        Shape::Value { key, .. } | Shape::One { key, .. } | Shape::Rows { key, .. } => {
            out.extend_from_slice(&key.json);
        }
        Shape::SpreadRows { .. } => {}
    }
}

fn write_value(
    member: &Shape,
    children: &mut [Prepared<'_>],
    row: &Row<'_>,
    output: &Output<'_>,
    out: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    match member {
        Shape::Value { column, data_type, .. } => {
            datatype::write_json(data_type, datum(row.get_ref(*column)?)?, output.zone, out);
            Ok(())
        }
        Shape::One { presence, members, .. } => {
            if is_present(row, *presence)? {
                write_object(members, children, row, output, out)
            } else {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
        Shape::Rows { child, is_to_one, .. } => match children.get_mut(*child) {
            Some(child) => child.write_embedded(row, *is_to_one, output, out),
            None => Ok(()),
        },
        // It is no single value: whoever writes a row's members writes its arrays.
        Shape::SpreadRows { .. } => Ok(()),
    }
}

fn is_present(row: &Row<'_>, column: usize) -> rusqlite::Result<bool> {
    Ok(matches!(row.get_ref(column)?, rusqlite::types::ValueRef::Integer(1)))
}

/// The names of the columns. PostgREST does not quote them.
fn write_csv_header(members: &[Shape], children: &[Prepared<'_>], out: &mut Vec<u8>) {
    let names: Vec<&[u8]> = keys(members, children).into_iter().map(|key| key.name.as_bytes()).collect();
    out.extend_from_slice(&names.join(&b','));
}

fn write_csv_row(
    members: &[Shape],
    children: &mut [Prepared<'_>],
    row: &Row<'_>,
    output: &Output<'_>,
    out: &mut Vec<u8>,
) -> rusqlite::Result<()> {
    let mut is_first = true;
    let mut cell = Vec::new();
    for member in members {
        if let Shape::SpreadRows { child } = member {
            let Some(child) = children.get_mut(*child) else { continue };
            for array in child.spread(row, output)? {
                write_csv_cell(&canonical(array), std::mem::take(&mut is_first), out);
            }
            continue;
        }
        cell.clear();
        let is_null = match member {
            Shape::Value { column, data_type, .. } => {
                let value = datum(row.get_ref(*column)?)?;
                write_plain(data_type, value, output, &mut cell);
                value == datatype::DatumRef::Null
            }
            Shape::One { presence, .. } if !is_present(row, *presence)? => true,
            member => {
                let mut json = Vec::new();
                write_value(member, children, row, output, &mut json)?;
                cell = canonical(json);
                cell == b"null"
            }
        };
        if is_null {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
        } else {
            write_csv_cell(&cell, std::mem::take(&mut is_first), out);
        }
    }
    Ok(())
}

fn write_plain(data_type: &Type, value: datatype::DatumRef<'_>, output: &Output<'_>, cell: &mut Vec<u8>) {
    if value != datatype::DatumRef::Null {
        datatype::write_output(data_type, value, output.zone, cell);
    }
}

/// An object of nulls: the row of a function that found none.
pub(super) fn write_nulls(names: &[std::sync::Arc<str>], out: &mut Vec<u8>) {
    if names.is_empty() {
        return out.extend_from_slice(b"null");
    }
    out.push(b'{');
    let start = out.len();
    for name in names {
        separate(start, out);
        datatype::json::write_string(name, out);
        out.extend_from_slice(b":null");
    }
    out.push(b'}');
}

/// The finished body.
pub(super) fn body(out: Vec<u8>) -> Bytes {
    Bytes::from(out)
}
