//! From the server's rows to bytes: JSON and CSV, written straight from the binary values. Fields of the row itself and
//! fields of the records inside of it are read the same way.

use datatype::binary::{Array, Decoder, Malformed, Record};
use datatype::{Type, Zone};
use plan::Shape as Wrapping;
use rest::Format;
use sql::Key;
use sql::postgres::{Rendered, Shape};

use crate::body::{canonical, is_single, separate, write_csv_cell};
use crate::driver::Job;
use crate::error::StoreError;

/// A field: the type it came with, and its bytes.
type Field<'a> = (u32, Option<&'a [u8]>);

/// Where fields are found by their place: a row on the wire, or a record inside of one.
pub(super) trait Fields {
    /// The field at a place from 0; NULL of no type beyond the last one.
    fn get(&self, place: usize) -> Field<'_>;
}

impl Fields for wire::Row<'_> {
    fn get(&self, place: usize) -> Field<'_> {
        let oid = self.columns().get(place).map_or(0, |column| column.type_oid);
        (oid, wire::Row::get(self, place))
    }
}

impl Fields for Vec<Field<'_>> {
    fn get(&self, place: usize) -> Field<'_> {
        self.as_slice().get(place).copied().unwrap_or((0, None))
    }
}

/// What rows are written as.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    /// The form of the body.
    pub(super) format: Format,
    /// How rows are put into the body.
    pub(super) shape: Wrapping,
    /// The zone in which moments are printed.
    pub(super) zone: &'a Zone,
    /// The members of each row.
    pub(super) members: &'a [Shape],
    /// Where one row stands for all of them: which field tells how many they are.
    pub(super) count_field: Option<usize>,
    /// The most bytes that are held in memory at once.
    pub(super) most_bytes: usize,
}

/// Why a row could not be written.
#[derive(Debug)]
pub(super) enum Unwritable {
    /// The answer grew beyond the bound.
    TooLarge,
    /// A value is not what its type says, or of a type that was not asked for: the catalog may be out of date.
    Malformed(String),
}

impl From<Malformed> for Unwritable {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.to_string())
    }
}

impl Unwritable {
    /// As an answer.
    pub(super) fn into_error(self, most_bytes: usize) -> StoreError {
        match self {
            Self::TooLarge => base::Failure::new(
                base::Kind::TooLarge,
                "54000",
                format!("the answer needs more than limits.max_buffered_bytes = {most_bytes} at once"),
            )
            .into(),
            Self::Malformed(what) => StoreError::Engine(what),
        }
    }
}

impl<'a> Output<'a> {
    /// For the rows of a job.
    pub(super) fn of(job: &Job, rendered: &'a Rendered, zone: &'a Zone, most_bytes: usize) -> Self {
        Self {
            format: job.plan.body_format(),
            shape: job.plan.shape,
            zone,
            members: &rendered.body.members,
            count_field: rendered.body.count_field,
            most_bytes,
        }
    }
}

impl Output<'_> {
    /// Writes a row of the top level; `before` is how many were written before it.
    pub(super) fn write_row(&self, fields: &impl Fields, before: u64, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        // Of a single object only the first row is written; the others are counted, to say how many there are.
        if is_single(self.format, self.shape) && before > 0 {
            return Ok(());
        }
        match self.format {
            Format::Array { strip_nulls } | Format::Object { strip_nulls } => {
                if before > 0 {
                    out.push(b',');
                }
                if self.shape.is_value {
                    return match self.members.first() {
                        Some(member) => self.write_value(member, fields, out),
                        None => Ok(()),
                    };
                }
                if !strip_nulls {
                    return self.write_object(self.members, fields, out);
                }
                let mut object = Vec::new();
                self.write_object(self.members, fields, &mut object)?;
                datatype::json::strip_nulls(&String::from_utf8_lossy(&object), out);
                Ok(())
            }
            Format::Csv => {
                if before == 0 {
                    write_csv_header(self.members, out);
                }
                out.push(b'\n');
                self.write_csv_row(fields, out)
            }
            Format::Raw => {
                self.write_raw(fields, out);
                Ok(())
            }
            Format::GeoJson => {
                if before > 0 {
                    out.push(b',');
                }
                self.write_raw(fields, out);
                Ok(())
            }
            Format::Plan => {
                self.write_raw(fields, out);
                out.push(b'\n');
                Ok(())
            }
            Format::OpenApi => Ok(()),
        }
    }

    /// The bytes of the only value.
    fn write_raw(&self, fields: &impl Fields, out: &mut Vec<u8>) {
        const JSONB: u32 = 3802;
        let Some(Shape::Value { field, .. }) = self.members.first() else { return };
        if let (oid, Some(bytes)) = fields.get(*field) {
            // Before the text of a jsonb stands the version of its form.
            out.extend_from_slice(if oid == JSONB { bytes.get(1..).unwrap_or_default() } else { bytes });
        }
    }

    /// Refuses an answer that grows beyond the bound.
    pub(super) fn check(&self, out: &[u8]) -> Result<(), Unwritable> {
        if out.len() > self.most_bytes { Err(Unwritable::TooLarge) } else { Ok(()) }
    }

    fn write_object(&self, members: &[Shape], fields: &impl Fields, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        out.push(b'{');
        let start = out.len();
        for member in members {
            if let Shape::SpreadRows { field, members } = member {
                let arrays = self.spread(members, fields.get(*field), out.len())?;
                for (key, array) in keys(members).into_iter().zip(arrays) {
                    separate(start, out);
                    out.extend_from_slice(&key.json);
                    out.extend_from_slice(&array);
                }
                continue;
            }
            separate(start, out);
            write_key(member, out);
            self.write_value(member, fields, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn write_value(&self, member: &Shape, fields: &impl Fields, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        match member {
            Shape::Value { field, data_type, .. } => {
                let (oid, value) = fields.get(*field);
                let Some(bytes) = value else {
                    out.extend_from_slice(b"null");
                    return Ok(());
                };
                decoder(oid, data_type)?.write_json(bytes, self.zone, out)?;
                Ok(())
            }
            Shape::One { presence, members, .. } => {
                if is_present(fields.get(*presence)) {
                    self.write_object(members, fields, out)
                } else {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
            }
            Shape::Rows { field, members, is_to_one, .. } => {
                self.write_embedded(members, fields.get(*field), *is_to_one, out)
            }
            // It is no single value: whoever writes a row's members writes its arrays.
            Shape::SpreadRows { .. } => Ok(()),
        }
    }

    /// An array of records as an array of objects, or the first as an object, or null.
    fn write_embedded(
        &self,
        members: &[Shape],
        (_, value): Field<'_>,
        is_to_one: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        let mut records = value.map(|bytes| Array::read(bytes).map(|array| array.elements())).transpose()?;
        if is_to_one {
            return match records.as_mut().and_then(Iterator::next).transpose()?.flatten() {
                Some(record) => self.write_object(members, &record_fields(record)?, out),
                None => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
            };
        }
        out.push(b'[');
        let mut is_first = true;
        for record in records.into_iter().flatten() {
            let Some(record) = record? else { continue };
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            self.write_object(members, &record_fields(record)?, out)?;
            self.check(out)?;
        }
        out.push(b']');
        Ok(())
    }

    /// An array of records turned on its side: one array for each of their [`keys`].
    fn spread(&self, members: &[Shape], (_, value): Field<'_>, before: usize) -> Result<Vec<Vec<u8>>, Unwritable> {
        let mut arrays = vec![vec![b'[']; keys(members).len()];
        let records = value.map(|bytes| Array::read(bytes).map(|array| array.elements())).transpose()?;
        let mut is_first = true;
        for record in records.into_iter().flatten() {
            let Some(record) = record? else { continue };
            if !std::mem::take(&mut is_first) {
                arrays.iter_mut().for_each(|array| array.push(b','));
            }
            self.write_spread_row(members, &record_fields(record)?, before, &mut arrays)?;
        }
        arrays.iter_mut().for_each(|array| array.push(b']'));
        Ok(arrays)
    }

    /// Adds a row's members to the arrays that its embed is spread into. A spread inside of it adds arrays, as PostgREST has
    /// it: one of each of its members a row.
    fn write_spread_row(
        &self,
        members: &[Shape],
        fields: &impl Fields,
        before: usize,
        arrays: &mut [Vec<u8>],
    ) -> Result<(), Unwritable> {
        let check = |array: &[u8]| {
            if before.saturating_add(array.len()) > self.most_bytes { Err(Unwritable::TooLarge) } else { Ok(()) }
        };
        let mut arrays = arrays.iter_mut();
        for member in members {
            if let Shape::SpreadRows { field, members } = member {
                for (inner, array) in self.spread(members, fields.get(*field), before)?.iter().zip(&mut arrays) {
                    array.extend_from_slice(inner);
                    check(array)?;
                }
            } else if let Some(array) = arrays.next() {
                self.write_value(member, fields, array)?;
                check(array)?;
            }
        }
        Ok(())
    }

    fn write_csv_row(&self, fields: &impl Fields, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let mut is_first = true;
        let mut cell = Vec::new();
        for member in self.members {
            if let Shape::SpreadRows { field, members } = member {
                for array in self.spread(members, fields.get(*field), out.len())? {
                    write_csv_cell(&canonical(array), std::mem::take(&mut is_first), out);
                }
                continue;
            }
            cell.clear();
            let is_null = match member {
                Shape::Value { field, data_type, .. } => match fields.get(*field) {
                    (_, None) => true,
                    (oid, Some(bytes)) => {
                        decoder(oid, data_type)?.write_output(bytes, self.zone, &mut cell)?;
                        false
                    }
                },
                Shape::One { presence, .. } if !is_present(fields.get(*presence)) => true,
                member => {
                    let mut json = Vec::new();
                    self.write_value(member, fields, &mut json)?;
                    cell = canonical(json);
                    cell == b"null"
                }
            };
            if !is_null {
                write_csv_cell(&cell, std::mem::take(&mut is_first), out);
            } else if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
        }
        Ok(())
    }
}

fn is_present((_, value): Field<'_>) -> bool {
    value == Some(&[1])
}

fn record_fields(record: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
    Record::read(record)?.collect()
}

/// By the type that the value came with; for types of the schema's own, by what the catalog says.
fn decoder(oid: u32, data_type: &Type) -> Result<Decoder, Unwritable> {
    if let Some(decoder) = Decoder::of(oid) {
        return Ok(decoder);
    }
    // A domain inside of a record comes under its own number.
    let built_in = match data_type {
        Type::Boolean => 16,
        Type::Bytea => 17,
        Type::BigInteger => 20,
        Type::SmallInteger => 21,
        Type::Integer => 23,
        Type::Real => 700,
        Type::Double => 701,
        Type::Numeric(_) => 1700,
        Type::Uuid => 2950,
        Type::Date => 1082,
        Type::Time => 1083,
        Type::Timestamp => 1114,
        Type::TimestampTz => 1184,
        Type::Interval => 1186,
        Type::Json => 114,
        Type::Jsonb => 3802,
        Type::Text | Type::Varchar(_) | Type::Enum(_) => return Ok(Decoder::text()),
        Type::Native(_) => {
            return Err(Unwritable::Malformed(format!("a value came with the type {oid}, which was not asked for")));
        }
    };
    Decoder::of(built_in).ok_or_else(|| Unwritable::Malformed(format!("there is no decoder of the type {built_in}")))
}

fn write_key(member: &Shape, out: &mut Vec<u8>) {
    match member {
        Shape::Value { key, .. } | Shape::One { key, .. } | Shape::Rows { key, .. } => {
            out.extend_from_slice(&key.json);
        }
        Shape::SpreadRows { .. } => {}
    }
}

/// The names of a row's members. What is spread into it has several.
fn keys(members: &[Shape]) -> Vec<&Key> {
    let mut found = Vec::with_capacity(members.len());
    for member in members {
        match member {
            Shape::Value { key, .. } | Shape::One { key, .. } | Shape::Rows { key, .. } => found.push(key),
            Shape::SpreadRows { members, .. } => found.extend(keys(members)),
        }
    }
    found
}

/// The names of the columns. PostgREST does not quote them.
fn write_csv_header(members: &[Shape], out: &mut Vec<u8>) {
    let names: Vec<&[u8]> = keys(members).into_iter().map(|key| key.name.as_bytes()).collect();
    out.extend_from_slice(&names.join(&b','));
}
