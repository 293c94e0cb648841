//! `bytea` in text.

use crate::ValueError;

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Reads `\x` followed by hexadecimal digits, or the older form with `\\` and `\nnn` (octal).
pub(crate) fn parse_bytea(text: &str) -> Result<Vec<u8>, ValueError> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits),
        None => parse_escape(text),
    }
}

/// Prints `\x` and lower case hexadecimal digits.
pub(crate) fn write_bytea(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(2 + bytes.len().saturating_mul(2));
    out.extend_from_slice(b"\\x");
    write_hex(bytes, out);
}

/// The digits alone.
pub(crate) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            out.push(HEX_DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        }
    }
}

fn parse_hex(digits: &str) -> Result<Vec<u8>, ValueError> {
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut characters = digits.chars();
    while let Some(character) = characters.next() {
        // Blanks may stand between bytes, not inside of one.
        if matches!(character, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = hex_value(character)?;
        let Some(next) = characters.next() else {
            return Err(ValueError::new("22023", "invalid hexadecimal data: odd number of digits"));
        };
        bytes.push(high << 4 | hex_value(next)?);
    }
    Ok(bytes)
}

fn hex_value(character: char) -> Result<u8, ValueError> {
    character
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
        .ok_or_else(|| ValueError::new("22023", format!("invalid hexadecimal digit: \"{character}\"")))
}

fn parse_escape(text: &str) -> Result<Vec<u8>, ValueError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', tail @ ..] => {
                bytes.push(b'\\');
                tail
            }
            [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', tail @ ..] => {
                bytes.push((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'));
                tail
            }
            [b'\\', ..] => {
                return Err(ValueError::new("22P02", "invalid input syntax for type bytea"));
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        assert_eq!(parse_bytea("\\xDE ad\n01"), Ok(vec![0xde, 0xad, 1]));
        assert_eq!(parse_bytea("\\x"), Ok(vec![]));
        assert_eq!(parse_bytea("a\\\\b\\001é"), Ok(vec![b'a', b'\\', b'b', 1, 0xc3, 0xa9]));
        for (text, sqlstate, message) in [
            ("\\x1", "22023", "invalid hexadecimal data: odd number of digits"),
            ("\\xzz", "22023", "invalid hexadecimal digit: \"z\""),
            ("\\x1é", "22023", "invalid hexadecimal digit: \"é\""),
            ("\\9", "22P02", "invalid input syntax for type bytea"),
            ("\\477", "22P02", "invalid input syntax for type bytea"),
            ("\\", "22P02", "invalid input syntax for type bytea"),
        ] {
            let error = parse_bytea(text).unwrap_err();
            assert_eq!((error.sqlstate, error.message.as_str()), (sqlstate, message), "{text}");
        }
        let mut out = Vec::new();
        write_bytea(&[0, 255, 16], &mut out);
        assert_eq!(out, b"\\x00ff10");
    }
}
