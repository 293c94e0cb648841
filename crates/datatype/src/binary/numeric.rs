//! `numeric_send`: number of groups, weight of the first, sign, display scale, then groups of four decimal digits.

use super::Malformed;
use super::cursor::Cursor;

const NAME: &str = "numeric";
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
const NOT_A_NUMBER: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
/// PostgreSQL's `NUMERIC_DSCALE_MASK`.
const LARGEST_SCALE: u16 = 0x3fff;
/// Above the largest group.
const BASE: u16 = 10_000;
const DIGITS_PER_GROUP: usize = 4;

/// A number as it stands on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Numeric<'a> {
    /// `NaN`, `Infinity`, `-Infinity`.
    Special(&'static str),
    Finite(Finite<'a>),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Finite<'a> {
    is_negative: bool,
    /// The first group counts 10000 to this power.
    weight: i16,
    /// How many digits are printed behind the point.
    scale: u16,
    groups: &'a [[u8; 2]],
}

impl<'a> Numeric<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(bytes, NAME);
        let count = u16::from_be_bytes(cursor.take()?);
        let weight = i16::from_be_bytes(cursor.take()?);
        let sign = u16::from_be_bytes(cursor.take()?);
        let scale = u16::from_be_bytes(cursor.take()?);
        let (groups, remainder) = cursor.rest().as_chunks::<2>();
        if !remainder.is_empty() || groups.len() != usize::from(count) {
            return Err(Malformed::length(NAME));
        }
        let is_negative = match sign {
            POSITIVE => false,
            NEGATIVE => true,
            NOT_A_NUMBER => return Ok(Self::Special("NaN")),
            INFINITY => return Ok(Self::Special("Infinity")),
            NEGATIVE_INFINITY => return Ok(Self::Special("-Infinity")),
            _ => return Err(cursor.malformed("it has an unknown sign")),
        };
        if scale > LARGEST_SCALE {
            return Err(cursor.malformed("its scale is too large"));
        }
        if groups.iter().any(|group| u16::from_be_bytes(*group) >= BASE) {
            return Err(cursor.malformed("it has a group above 9999"));
        }
        let number = Finite { is_negative, weight, scale, groups };
        // It would print zeros in front, which is no number in JSON.
        if weight > 0 && number.group(0) == 0 {
            return Err(cursor.malformed("its first group is zero"));
        }
        Ok(Self::Finite(number))
    }

    /// Prints it as `numeric_out` does.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Special(name) => out.extend_from_slice(name.as_bytes()),
            Self::Finite(number) => number.write(out),
        }
    }
}

impl Finite<'_> {
    fn write(self, out: &mut Vec<u8>) {
        if self.is_negative {
            out.push(b'-');
        }
        self.write_whole(out);
        if self.scale > 0 {
            out.push(b'.');
            self.write_fraction(out);
        }
    }

    fn write_whole(self, out: &mut Vec<u8>) {
        // Without groups before the point this is the zero before it.
        let first = if self.weight < 0 { 0 } else { self.group(0) };
        out.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
        for index in 1..=i32::from(self.weight) {
            out.extend_from_slice(&digits(self.group(index)));
        }
    }

    fn write_fraction(self, out: &mut Vec<u8>) {
        let mut left = usize::from(self.scale);
        let mut index = i32::from(self.weight) + 1;
        while left > 0 {
            let digits = digits(self.group(index));
            out.extend_from_slice(digits.get(..left).unwrap_or(&digits));
            left = left.saturating_sub(DIGITS_PER_GROUP);
            index += 1;
        }
    }

    /// Groups before the first and behind the last are zero.
    fn group(self, index: i32) -> u16 {
        let group = usize::try_from(index).ok().and_then(|index| self.groups.get(index));
        group.map_or(0, |group| u16::from_be_bytes(*group))
    }
}

/// All four digits of a group.
fn digits(group: u16) -> [u8; DIGITS_PER_GROUP] {
    let digit = |value: u16| b'0' + u8::try_from(value % 10).unwrap_or(0);
    [digit(group / 1000), digit(group / 100), digit(group / 10), digit(group)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(numbers: &[u16]) -> Result<String, Malformed> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        let mut out = Vec::new();
        Numeric::read(&bytes)?.write(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn prints() {
        let below = |weight: i16| weight.cast_unsigned();
        for (numbers, text) in [
            (&[0, 0, 0, 0][..], "0"),
            (&[0, 0, 0, 3], "0.000"),
            (&[1, 0, NEGATIVE, 0, 7], "-7"),
            (&[2, 0, 0, 2, 12, 5000], "12.50"),
            (&[1, 1, 0, 0, 12], "120000"),
            (&[2, 1, 0, 1, 1, 23], "10023.0"),
            (&[1, below(-1), 0, 5, 5], "0.00050"),
            (&[1, below(-3), 0, 12, 42], "0.000000000042"),
            (&[1, below(-1), 0, 2, 1234], "0.12"),
            (&[0, 0, NOT_A_NUMBER, 0], "NaN"),
            (&[0, 0, INFINITY, 0], "Infinity"),
            (&[0, 0, NEGATIVE_INFINITY, 0], "-Infinity"),
        ] {
            assert_eq!(printed(numbers).as_deref(), Ok(text), "{numbers:?}");
        }
    }

    #[test]
    fn refused() {
        for numbers in [
            &[][..],
            &[0, 0, 0],
            &[1, 0, 0, 0],
            &[0, 0, 0, 0, 1],
            &[1, 0, 0, 0, 10_000],
            &[0, 0, 0x8000, 0],
            &[0, 0, 0, 0x4000],
            &[0xffff, 0, 0, 0, 1],
            &[2, 1, 0, 0, 0, 1],
            &[0, 1, 0, 0],
        ] {
            assert!(printed(numbers).is_err(), "{numbers:?}");
        }
        assert!(Numeric::read(&[0; 9]).is_err());
    }
}
