use std::ops::Range;
use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::RowDescriptionBody;

use crate::{Error, Step};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The object identifier of its type (`pg_type.oid`).
    pub type_oid: u32,
    /// The type's modifier, as for `varchar(10)`; -1 without one.
    pub type_modifier: i32,
    /// The table it comes from (`pg_class.oid`); 0 if it comes from none.
    pub table_oid: u32,
    /// Its number in that table (`pg_attribute.attnum`); 0 if it comes from none.
    pub attribute: i16,
}

/// Reads the columns of a `RowDescription`.
pub(crate) fn columns(body: &RowDescriptionBody) -> Result<Arc<[Column]>, Error> {
    let mut columns = Vec::new();
    let mut fields = body.fields();
    while let Some(field) = fields.next().map_err(|_| Error::malformed("RowDescription"))? {
        columns.push(Column {
            name: field.name().to_owned(),
            type_oid: field.type_oid(),
            type_modifier: field.type_modifier(),
            table_oid: field.table_oid(),
            attribute: field.column_id(),
        });
    }
    Ok(columns.into())
}

/// A row, as it lies in the buffer of the connection: nothing is copied.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    pub(crate) step: Step,
    pub(crate) columns: &'a Arc<[Column]>,
    pub(crate) fields: &'a [Field],
    pub(crate) body: &'a [u8],
}

impl<'a> Row<'a> {
    /// The step that gave it.
    pub fn step(&self) -> Step {
        self.step
    }

    /// The columns of the step's result, as many as the row has fields.
    pub fn columns(&self) -> &'a Arc<[Column]> {
        self.columns
    }

    /// A field by its place from 0: the value in the format that was asked for, or `None` for NULL. `None` beyond the last
    /// column as well.
    pub fn get(&self, place: usize) -> Option<&'a [u8]> {
        self.fields.get(place).and_then(|field| field.of(self.body))
    }

    /// All fields in order; `None` is NULL.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&'a [u8]>> + use<'a> {
        let body = self.body;
        self.fields.iter().map(move |field| field.of(body))
    }

    /// How many bytes the row has on the wire.
    pub fn size(&self) -> usize {
        self.body.len()
    }
}

/// Where a field lies in the body of its row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    start: u32,
    /// Beyond what the protocol can say for NULL.
    end: u32,
}

const NULL: u32 = u32::MAX;

impl Field {
    fn of(self, body: &[u8]) -> Option<&[u8]> {
        if self.end == NULL {
            return None;
        }
        body.get(self.range())
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Finds the fields of a `DataRow` (a count, then per field a length, -1 for NULL, and that many bytes) and checks that
/// they are as many as the columns and fill the body exactly. `fields` is used again for every row.
pub(crate) fn index(body: &[u8], columns: usize, fields: &mut Vec<Field>) -> Result<(), Error> {
    fields.clear();
    index_fields(body, columns, fields).ok_or_else(|| Error::malformed("DataRow"))
}

fn index_fields(body: &[u8], columns: usize, fields: &mut Vec<Field>) -> Option<()> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    if count != columns {
        return None;
    }
    let whole = u32::try_from(body.len()).ok()?;
    let mut place: u32 = 2;
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>()?;
        place += 4;
        match i32::from_be_bytes(*length) {
            -1 => {
                fields.push(Field { start: place, end: NULL });
                rest = after;
            }
            length => {
                let length = u32::try_from(length).ok()?;
                let end = place.checked_add(length).filter(|end| *end <= whole)?;
                fields.push(Field { start: place, end });
                rest = after.get(length as usize..)?;
                place = end;
            }
        }
    }
    rest.is_empty().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_and_checked() {
        let mut fields = Vec::new();
        let body = [0, 3, 0, 0, 0, 2, b'h', b'i', 255, 255, 255, 255, 0, 0, 0, 0];
        index(&body, 3, &mut fields).unwrap();
        let values: Vec<_> = fields.iter().map(|field| field.of(&body)).collect();
        assert_eq!(values, [Some(&b"hi"[..]), None, Some(&b""[..])]);
        let bad: &[(&[u8], usize)] = &[
            (&[], 0),
            (&[0], 0),
            (&body, 2),
            (&body[..15], 3),
            (&[0, 1, 0, 0, 0, 9, 1], 1),
            (&[0, 1, 127, 255, 255, 255, 1], 1),
            (&[0, 1, 255, 255, 255, 254], 1),
            (&[0, 0, 1], 0),
        ];
        for (body, columns) in bad {
            assert!(index(body, *columns, &mut fields).is_err(), "{body:?}");
        }
    }
}
