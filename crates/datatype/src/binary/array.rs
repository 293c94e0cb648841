use super::Malformed;
use super::cursor::{Cursor, Parts};

/// The most dimensions of an array (PostgreSQL's `MAXDIM`).
pub const MAXIMUM_DIMENSIONS: usize = 6;

/// The length of an element: the least that it takes.
const SHORTEST_ELEMENT: usize = 4;

/// One dimension of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dimension {
    /// How many entries it has, at least 1.
    pub length: usize,
    /// The subscript of the first, mostly 1.
    pub lower: i32,
}

impl Dimension {
    /// The subscript of the last.
    pub fn upper(self) -> i64 {
        i64::from(self.lower) + i64::try_from(self.length).unwrap_or(i64::MAX / 2) - 1
    }
}

/// An array (`array_send`) of any element type. Nothing is allocated, and no element read before it is asked for.
#[derive(Debug, Clone)]
pub struct Array<'a> {
    element_oid: u32,
    dimensions: [Dimension; MAXIMUM_DIMENSIONS],
    depth: usize,
    elements: Elements<'a>,
}

impl<'a> Array<'a> {
    /// Reads the head: dimensions and the OID of the elements' type.
    ///
    /// # Errors
    /// Where the head ends too early, has more than [`MAXIMUM_DIMENSIONS`], a negative length or a subscript beyond 32
    /// bits, or promises more elements than the bytes that follow can hold.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes, "array");
        let depth = usize::try_from(cursor.integer()?).unwrap_or(usize::MAX);
        // Whether there are NULLs is seen at the elements.
        let _has_null = cursor.integer()?;
        let element_oid = u32::from_be_bytes(cursor.take()?);
        let mut dimensions = [Dimension::default(); MAXIMUM_DIMENSIONS];
        let declared = dimensions.get_mut(..depth).ok_or_else(|| cursor.malformed("it has too many dimensions"))?;
        let mut count = usize::from(depth > 0);
        for dimension in declared {
            *dimension = read_dimension(&mut cursor)?;
            count = count.checked_mul(dimension.length).ok_or_else(|| cursor.malformed("it is too large"))?;
        }
        if count > cursor.rest().len() / SHORTEST_ELEMENT {
            return Err(cursor.malformed("it promises more elements than follow"));
        }
        let depth = if count == 0 { 0 } else { depth };
        Ok(Self { element_oid, dimensions, depth, elements: Elements { parts: Parts::new(cursor, count) } })
    }

    /// The OID of the elements' type. An array that was cast to another of the same form keeps that of its origin:
    /// `text` elements in a column of `varchar[]`.
    pub fn element_oid(&self) -> u32 {
        self.element_oid
    }

    /// The dimensions, outermost first; none for an empty array.
    pub fn dimensions(&self) -> &[Dimension] {
        self.dimensions.get(..self.depth).unwrap_or_default()
    }

    /// All elements, the last subscript moving fastest.
    pub fn elements(&self) -> Elements<'a> {
        self.elements.clone()
    }
}

/// The elements of an [`Array`]: their bytes, `None` for NULL.
///
/// An error is the last thing that the iterator gives; it also tells of bytes behind the last element.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    parts: Parts<'a>,
}

impl Elements<'_> {
    /// How many were not read yet.
    pub fn left(&self) -> usize {
        self.parts.left()
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Option<&'a [u8]>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.parts.next(Cursor::value)
    }
}

impl std::iter::FusedIterator for Elements<'_> {}

fn read_dimension(cursor: &mut Cursor<'_>) -> Result<Dimension, Malformed> {
    let length = usize::try_from(cursor.integer()?).map_err(|_| cursor.malformed("a dimension is negative"))?;
    let dimension = Dimension { length, lower: cursor.integer()? };
    if dimension.upper() >= i64::from(i32::MAX) {
        return Err(cursor.malformed("a subscript is too large"));
    }
    Ok(dimension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    #[test]
    fn elements() {
        let bytes = head(&[2, 1, 23, 1, 1, 2, -5, 4, 7, -1]);
        let array = Array::read(&bytes).unwrap();
        assert_eq!(array.element_oid(), 23);
        assert_eq!(array.dimensions(), [Dimension { length: 1, lower: 1 }, Dimension { length: 2, lower: -5 }]);
        assert_eq!(array.dimensions()[1].upper(), -4);
        assert_eq!(array.elements().left(), 2);
        let elements: Vec<_> = array.elements().map(Result::unwrap).collect();
        assert_eq!(elements, [Some([0, 0, 0, 7].as_slice()), None]);
        for empty in [head(&[0, 0, 25]), head(&[1, 0, 25, 0, 1])] {
            let array = Array::read(&empty).unwrap();
            assert_eq!((array.dimensions().len(), array.elements().count()), (0, 0));
        }
    }

    #[test]
    fn refused() {
        for numbers in [
            &[][..],
            &[1, 0, 23],
            &[-1, 0, 23],
            &[7, 0, 23, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1],
            &[1, 0, 23, -1, 1],
            &[1, 0, 23, 2, 1, -1],
            &[1, 0, 23, 1, i32::MAX, -1],
            &[6, 0, 23, i32::MAX, 1, i32::MAX, 1, i32::MAX, 1, i32::MAX, 1, i32::MAX, 1, i32::MAX, 1],
        ] {
            assert!(Array::read(&head(numbers)).is_err(), "{numbers:?}");
        }
        for numbers in [&[1, 0, 23, 1, 1, 4][..], &[1, 0, 23, 1, 1, -2], &[1, 0, 23, 1, 1, -1, 0], &[0, 0, 23, 0]] {
            let bytes = head(numbers);
            let mut elements = Array::read(&bytes).unwrap().elements();
            assert!(elements.any(|element| element.is_err()), "{numbers:?}");
            assert_eq!(elements.next(), None);
        }
    }
}
