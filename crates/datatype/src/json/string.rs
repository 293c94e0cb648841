use std::borrow::Cow;

use crate::ValueError;
use crate::json::lexer::{Lexer, Token};

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Writes a text as a JSON string with its quotes. Only what must be escaped is, as PostgreSQL does it.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at_checked(plain_length(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((byte, tail)) = special.split_first() else {
            break;
        };
        write_escape(*byte, out);
        rest = tail;
    }
    out.push(b'"');
}

/// The text of a string token with its quotes.
///
/// # Errors
/// Those of PostgreSQL for escapes that are no characters, and 22P02 when it is no string.
pub(crate) fn unescape_token(token: &str) -> Result<Cow<'_, str>, ValueError> {
    match Lexer::new(token, true).next()? {
        Token::String(inner) => Ok(unescape(inner)),
        _ => Err(ValueError::syntax("json", token)),
    }
}

/// The text of a string token with its quotes. Total: a lone surrogate becomes U+FFFD, anything that is no
/// escape stays.
pub(super) fn unescape(token: &str) -> Cow<'_, str> {
    let inner = token.strip_prefix('"').unwrap_or(token);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        rest = read_escape(escape, &mut text);
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// How many bytes at the start need no escape and do not end a string.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    // Blocks of this size are checked without a branch per byte.
    const BLOCK: usize = 16;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let mut length = 0;
    for block in blocks {
        if block.iter().fold(false, |found, byte| found | is_special(*byte)) {
            return length + block.iter().position(|byte| is_special(*byte)).unwrap_or(0);
        }
        length += BLOCK;
    }
    length + rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            for nibble in [byte >> 4, byte & 15] {
                out.push(HEX_DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Decodes what follows a backslash, and gives the rest.
fn read_escape<'a>(escape: &'a str, text: &mut String) -> &'a str {
    let mut characters = escape.chars();
    let character = match characters.next() {
        None => '\\',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return read_unicode(characters.as_str(), text),
        Some(other) => other,
    };
    text.push(character);
    characters.as_str()
}

fn read_unicode<'a>(digits: &'a str, text: &mut String) -> &'a str {
    let Some((unit, rest)) = code_unit(digits) else {
        text.push(char::REPLACEMENT_CHARACTER);
        return digits;
    };
    if (0xd800..0xdc00).contains(&unit)
        && let Some((low, rest)) = rest.strip_prefix("\\u").and_then(code_unit)
        && (0xdc00..0xe000).contains(&low)
    {
        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return rest;
    }
    text.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        let mut out = Vec::new();
        write_string("a\"b\\c\n\t\r\u{8}\u{c}\u{1}\u{1f}\u{7f}é/ and much more than a block", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u001f\u{7f}é/ and much more than a block\""
        );
        assert_eq!(unescape("\"\\ud83d\\ude00\\ud83d\\u0041\\/\""), "😀\u{fffd}A/");
        assert_eq!(unescape_token("\"\\u0000\"").unwrap_err().sqlstate, "22P05");
    }
}
