use super::Malformed;
use super::cursor::{Cursor, Parts};

/// An object identifier and a length: the least that a field takes.
const SHORTEST_FIELD: usize = 8;

/// The fields of a row value (`record` and every composite type, `record_send`): for each the OID of its type and its
/// bytes, `None` for NULL. Nothing is allocated, nothing read ahead.
///
/// An error is the last thing that the iterator gives; it also tells of bytes behind the last field.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    fields: Parts<'a>,
}

impl<'a> Record<'a> {
    /// Reads the number of fields.
    ///
    /// # Errors
    /// Where the number is missing, negative, or larger than the bytes that follow can hold.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes, "record");
        let count = cursor.count(SHORTEST_FIELD)?;
        Ok(Self { fields: Parts::new(cursor, count) })
    }

    /// How many fields were not read yet.
    pub fn fields_left(&self) -> usize {
        self.fields.left()
    }
}

impl<'a> Iterator for Record<'a> {
    type Item = Result<(u32, Option<&'a [u8]>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fields.next(|cursor| {
            let oid = u32::from_be_bytes(cursor.take()?);
            Ok((oid, cursor.value()?))
        })
    }
}

impl std::iter::FusedIterator for Record<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ROW(1, NULL)`.
    const ROW: [u8; 24] = [0, 0, 0, 2, 0, 0, 0, 23, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff];

    #[test]
    fn fields() {
        let record = Record::read(&ROW).unwrap();
        assert_eq!(record.fields_left(), 2);
        let fields: Vec<_> = record.map(Result::unwrap).collect();
        assert_eq!(fields, [(23, Some([0, 0, 0, 1].as_slice())), (25, None)]);
        assert_eq!(Record::read(&[0; 4]).unwrap().count(), 0);
    }

    #[test]
    fn refused() {
        for bytes in [&[][..], &[0, 0, 0], &[0xff; 4], &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]] {
            assert!(Record::read(bytes).is_err(), "{bytes:?}");
        }
        let mut longer = ROW.to_vec();
        longer.push(0);
        let mut shorter = ROW;
        shorter[11] = 200;
        let mut negative = ROW;
        negative[8..12].fill(0xfe);
        for bytes in [longer.as_slice(), shorter.as_slice(), negative.as_slice()] {
            let mut record = Record::read(bytes).unwrap();
            assert!(record.any(|field| field.is_err()), "{bytes:?}");
            assert_eq!(record.next(), None);
        }
    }
}
