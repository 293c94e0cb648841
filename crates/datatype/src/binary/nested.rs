//! Arrays of any dimension as JSON and as text.

use super::Malformed;
use super::array::{Array, Dimension, Elements};
use super::scalar::Scalar;
use crate::Zone;

/// The longest print of one array, in bytes: PostgreSQL's own limit of a value (`MaxAllocSize`). A `numeric` of ten
/// bytes may print 131,072 digits, so an array of them is bounded by its print, not by its bytes.
pub const LONGEST_ARRAY: usize = 0x3fff_ffff;

/// `[[1,null],[2,3]]`. Lower bounds are not shown, as `to_json` does not.
pub(super) fn write_json(scalar: Scalar, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
    write(&Array::read(bytes)?, [b'[', b']'], out, &mut |element, out| match element {
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
        Some(bytes) => scalar.write_json(bytes, zone, out),
    })
}

/// `{{1,NULL},{2,3}}`, with bounds in front where one is not 1: `[0:1]={a,"b c"}`.
pub(super) fn write_text(scalar: Scalar, bytes: &[u8], zone: &Zone, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let array = Array::read(bytes)?;
    write_bounds(array.dimensions(), out);
    write(&array, [b'{', b'}'], out, &mut |element, out| match element {
        None => {
            out.extend_from_slice(b"NULL");
            Ok(())
        }
        Some(bytes) => {
            let start = out.len();
            scalar.write_output(bytes, zone, out)?;
            quote_where_needed(start, out);
            Ok(())
        }
    })
}

/// Writes the bytes of an element, or NULL.
type WriteElement<'w> = dyn FnMut(Option<&[u8]>, &mut Vec<u8>) -> Result<(), Malformed> + 'w;

fn write(
    array: &Array<'_>,
    brackets: [u8; 2],
    out: &mut Vec<u8>,
    element: &mut WriteElement<'_>,
) -> Result<(), Malformed> {
    let mut elements = array.elements();
    let limit = out.len().saturating_add(LONGEST_ARRAY);
    let dimensions = array.dimensions();
    if dimensions.is_empty() {
        out.extend_from_slice(&brackets);
    } else {
        write_level(dimensions, &mut elements, brackets, out, &mut |bytes, out| {
            element(bytes, out)?;
            if out.len() > limit {
                return Err(Malformed::new("array", "its print is too long"));
            }
            Ok(())
        })?;
    }
    // What follows the last element is an error.
    elements.next().map_or(Ok(()), |surplus| surplus.map(|_| ()))
}

/// One dimension and those inside of it; there are at most [`super::MAXIMUM_DIMENSIONS`].
fn write_level(
    dimensions: &[Dimension],
    elements: &mut Elements<'_>,
    brackets: [u8; 2],
    out: &mut Vec<u8>,
    element: &mut WriteElement<'_>,
) -> Result<(), Malformed> {
    let Some((dimension, inner)) = dimensions.split_first() else {
        return match elements.next() {
            Some(bytes) => element(bytes?, out),
            None => Err(Malformed::new("array", "it ends too early")),
        };
    };
    let [open, close] = brackets;
    out.push(open);
    for index in 0..dimension.length {
        if index > 0 {
            out.push(b',');
        }
        write_level(inner, elements, brackets, out, element)?;
    }
    out.push(close);
    Ok(())
}

/// `[0:1][1:2]=`, or nothing where all subscripts begin at 1.
fn write_bounds(dimensions: &[Dimension], out: &mut Vec<u8>) {
    if dimensions.iter().all(|dimension| dimension.lower == 1) {
        return;
    }
    for dimension in dimensions {
        out.push(b'[');
        out.extend_from_slice(itoa::Buffer::new().format(dimension.lower).as_bytes());
        out.push(b':');
        out.extend_from_slice(itoa::Buffer::new().format(dimension.upper()).as_bytes());
        out.push(b']');
    }
    out.push(b'=');
}

/// Puts quotes around what was printed since `start`, where `array_out` does.
fn quote_where_needed(start: usize, out: &mut Vec<u8>) {
    let printed = out.get(start..).unwrap_or_default();
    let is_special =
        |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    if !printed.is_empty() && !printed.eq_ignore_ascii_case(b"NULL") && !printed.iter().any(is_special) {
        return;
    }
    let printed = out.split_off(start);
    out.reserve(printed.len() + 2);
    out.push(b'"');
    for byte in printed {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        for (text, quoted) in [
            ("a", "a"),
            ("", "\"\""),
            ("Null", "\"Null\""),
            ("NULLS", "NULLS"),
            ("a b", "\"a b\""),
            ("a\\\"", "\"a\\\\\\\"\""),
            ("é", "é"),
        ] {
            let mut out = b"{,".to_vec();
            out.extend_from_slice(text.as_bytes());
            quote_where_needed(2, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{{,{quoted}"));
        }
    }
}
