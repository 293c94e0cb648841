//! Text: cutting, searching, padding, replacing. Positions and lengths count characters.

use std::borrow::Cow;

use super::arguments::{Arguments, boolean, check_length, count, integer, text, too_long};
use super::{Definition, nullable_zoned, strict};
use crate::input::limited;
use crate::output::write_output;
use crate::{Datum, DatumRef, ValueError};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict(super::VARCHAR_LIMIT, "text", |a| {
        text(limited(a.text(0)?, u32::try_from(a.integer(1)?).unwrap_or(u32::MAX))?)
    }),
    strict("initcap(text)", "text", |a| text(initcap(a.text(0)?))),
    strict("octet_length(text)", "integer", |a| count(a.text(0)?.len())),
    strict("octet_length(bytea)", "integer", |a| count(a.bytes(0)?.len())),
    strict("length(bytea)", "integer", |a| count(a.bytes(0)?.len())),
    strict("bit_length(text)", "integer", |a| count(a.text(0)?.len() * 8)),
    strict("bit_length(bytea)", "integer", |a| count(a.bytes(0)?.len() * 8)),
    strict("substring(text,integer)", "text", |a| text(substring(a.text(0)?, a.integer(1)?, None)?)),
    strict("substring(text,integer,integer)", "text", |a| {
        text(substring(a.text(0)?, a.integer(1)?, Some(a.integer(2)?))?)
    }),
    strict("substr(text,integer)", "text", |a| text(substring(a.text(0)?, a.integer(1)?, None)?)),
    strict("substr(text,integer,integer)", "text", |a| {
        text(substring(a.text(0)?, a.integer(1)?, Some(a.integer(2)?))?)
    }),
    strict("position(text,text)", "integer", |a| count(position(a.text(0)?, a.text(1)?))),
    strict("strpos(text,text)", "integer", |a| count(position(a.text(0)?, a.text(1)?))),
    strict("left(text,integer)", "text", |a| text(left(a.text(0)?, a.integer(1)?))),
    strict("right(text,integer)", "text", |a| text(right(a.text(0)?, a.integer(1)?))),
    strict("replace(text,text,text)", "text", |a| replace(a.text(0)?, a.text(1)?, a.text(2)?)),
    strict("split_part(text,text,integer)", "text", |a| text(split_part(a.text(0)?, a.text(1)?, a.integer(2)?)?)),
    strict("lpad(text,integer)", "text", |a| pad(a.text(0)?, a.integer(1)?, " ", Side::Left)),
    strict("lpad(text,integer,text)", "text", |a| pad(a.text(0)?, a.integer(1)?, a.text(2)?, Side::Left)),
    strict("rpad(text,integer)", "text", |a| pad(a.text(0)?, a.integer(1)?, " ", Side::Right)),
    strict("rpad(text,integer,text)", "text", |a| pad(a.text(0)?, a.integer(1)?, a.text(2)?, Side::Right)),
    strict("repeat(text,integer)", "text", |a| repeat(a.text(0)?, a.integer(1)?)),
    strict("reverse(text)", "text", |a| text(a.text(0)?.chars().rev().collect::<String>())),
    strict("btrim(text,text)", "text", |a| text(trimmed(a.text(0)?, a.text(1)?, true, true))),
    strict("ltrim(text)", "text", |a| text(trimmed(a.text(0)?, " ", true, false))),
    strict("ltrim(text,text)", "text", |a| text(trimmed(a.text(0)?, a.text(1)?, true, false))),
    strict("rtrim(text)", "text", |a| text(trimmed(a.text(0)?, " ", false, true))),
    strict("rtrim(text,text)", "text", |a| text(trimmed(a.text(0)?, a.text(1)?, false, true))),
    strict("starts_with(text,text)", "boolean", |a| boolean(a.text(0)?.starts_with(a.text(1)?))),
    strict("^@(text,text)", "boolean", |a| boolean(a.text(0)?.starts_with(a.text(1)?))),
    strict("ascii(text)", "integer", |a| {
        integer(a.text(0)?.chars().next().map_or(0, |first| i64::from(u32::from(first))))
    }),
    strict("chr(integer)", "text", |a| chr(a.integer(0)?)),
    strict("translate(text,text,text)", "text", |a| text(translate(a.text(0)?, a.text(1)?, a.text(2)?))),
    strict("overlay(text,text,integer)", "text", |a| {
        let length = i64::try_from(a.text(1)?.chars().count()).unwrap_or(i64::MAX);
        overlay(a.text(0)?, a.text(1)?, a.integer(2)?, length)
    }),
    strict("overlay(text,text,integer,integer)", "text", |a| {
        overlay(a.text(0)?, a.text(1)?, a.integer(2)?, a.integer(3)?)
    }),
    strict("quote_literal(text)", "text", |a| text(quoted(a.text(0)?))),
    nullable_zoned("concat(variadic any)", "text", |a| joined(a, "", 0)),
    nullable_zoned("concat_ws(text,variadic any)", "text", |a| match a.value(0) {
        DatumRef::Text(separator) => joined(a, separator, 1),
        _ => Ok(Datum::Null),
    }),
    strict("||(bytea,bytea)", "bytea", |a| {
        let whole = [a.bytes(0)?, a.bytes(1)?].concat();
        check_length(whole.len())?;
        Ok(Datum::Bytes(whole))
    }),
];

/// The byte at which a character begins, counted from 0; the end of the text beyond it.
fn place(source: &str, character: usize) -> usize {
    source.char_indices().nth(character).map_or(source.len(), |(place, _)| place)
}

fn characters(source: &str) -> i64 {
    i64::try_from(source.chars().count()).unwrap_or(i64::MAX)
}

/// `source` from one character to before another, both counted from 0.
fn slice(source: &str, from: i64, to: i64) -> &str {
    let at = |character: i64| place(source, usize::try_from(character.max(0)).unwrap_or(usize::MAX));
    source.get(at(from)..at(to.max(from))).unwrap_or("")
}

/// `substring(source, from, length)`: what lies before the first character counts as well.
fn substring(source: &str, from: i64, length: Option<i64>) -> Result<&str, ValueError> {
    let Some(length) = length else { return Ok(slice(source, from - 1, i64::MAX)) };
    if length < 0 {
        return Err(ValueError::new("22011", "negative substring length not allowed"));
    }
    let end = from.saturating_add(length) - 1;
    Ok(slice(source, (from - 1).max(0), end.max(0)))
}

/// The position of a text inside of another, from 1; 0 where it is not.
fn position(source: &str, wanted: &str) -> usize {
    source.find(wanted).and_then(|place| source.get(..place)).map_or(0, |before| before.chars().count() + 1)
}

/// The first characters; all but the last ones for a negative number.
fn left(source: &str, length: i64) -> &str {
    let end = if length < 0 { characters(source).saturating_add(length) } else { length };
    slice(source, 0, end)
}

/// The last characters; all but the first ones for a negative number.
fn right(source: &str, length: i64) -> &str {
    let start = if length < 0 { length.saturating_neg() } else { characters(source).saturating_sub(length) };
    slice(source, start, i64::MAX)
}

fn replace(source: &str, from: &str, to: &str) -> Result<Datum, ValueError> {
    if from.is_empty() {
        return text(source);
    }
    let found = source.matches(from).count();
    check_length(source.len().saturating_sub(found * from.len()).saturating_add(found.saturating_mul(to.len())))?;
    text(source.replace(from, to))
}

fn split_part<'a>(source: &'a str, delimiter: &str, field: i64) -> Result<&'a str, ValueError> {
    if field == 0 {
        return Err(ValueError::new("22023", "field position must not be zero"));
    }
    if delimiter.is_empty() {
        return Ok(if field.abs() == 1 { source } else { "" });
    }
    let index = usize::try_from(field.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let found = if field > 0 { source.split(delimiter).nth(index) } else { source.rsplit(delimiter).nth(index) };
    Ok(found.unwrap_or(""))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// `lpad` and `rpad`: cut to the length, or filled up to it.
fn pad(source: &str, length: i64, fill: &str, side: Side) -> Result<Datum, ValueError> {
    let length = length.max(0);
    let missing = length - characters(source);
    if missing <= 0 || fill.is_empty() {
        return text(left(source, length));
    }
    let missing = usize::try_from(missing).map_err(|_| too_long())?;
    check_length(missing)?;
    let filling: String = fill.chars().cycle().take(missing).collect();
    text(if side == Side::Left { filling + source } else { source.to_owned() + &filling })
}

fn repeat(source: &str, times: i64) -> Result<Datum, ValueError> {
    let times = usize::try_from(times.max(0)).map_err(|_| too_long())?;
    check_length(source.len().saturating_mul(times))?;
    text(if source.is_empty() { String::new() } else { source.repeat(times) })
}

fn trimmed<'a>(source: &'a str, set: &str, at_start: bool, at_end: bool) -> &'a str {
    let is_in = |character: char| set.contains(character);
    let source = if at_start { source.trim_start_matches(is_in) } else { source };
    if at_end { source.trim_end_matches(is_in) } else { source }
}

/// The first letter of every word upper case, all others lower. Only ASCII letters and digits make words, as in the C
/// locale.
fn initcap(source: &str) -> String {
    let mut is_inside = false;
    source
        .chars()
        .map(|character| {
            let changed = if is_inside { character.to_ascii_lowercase() } else { character.to_ascii_uppercase() };
            is_inside = character.is_ascii_alphanumeric();
            changed
        })
        .collect()
}

fn chr(code: i64) -> Result<Datum, ValueError> {
    if code == 0 {
        return Err(ValueError::new("54000", "null character not permitted"));
    }
    if code < 0 {
        return Err(ValueError::new("22023", "character number must be positive"));
    }
    match u32::try_from(code).ok().and_then(char::from_u32) {
        Some(character) => text(character),
        None => Err(ValueError::new("54000", format!("requested character not valid for encoding: {code}"))),
    }
}

/// Every character that stands in `from` becomes the one at the same place in `to`, or goes.
fn translate(source: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    let changed = |character: char| match from.chars().position(|candidate| candidate == character) {
        Some(place) => to.get(place).copied(),
        None => Some(character),
    };
    source.chars().filter_map(changed).collect()
}

fn overlay(source: &str, new: &str, from: i64, length: i64) -> Result<Datum, ValueError> {
    if from <= 0 {
        return Err(ValueError::new("22011", "negative substring length not allowed"));
    }
    let Some(end) = from.checked_add(length).filter(|end| i32::try_from(*end).is_ok()) else {
        return Err(ValueError::new("22003", "integer out of range"));
    };
    text([substring(source, 1, Some(from - 1))?, new, substring(source, end, None)?].concat())
}

/// As a string literal of SQL.
fn quoted(source: &str) -> String {
    let doubled = source.replace('\'', "''");
    if doubled.contains('\\') {
        format!(" E'{}'", doubled.replace('\\', "\\\\")).trim_start().to_owned()
    } else {
        format!("'{doubled}'")
    }
}

/// A value as its output function prints it, as `concat` shows it.
fn output<'a>(arguments: &Arguments<'a>, index: usize) -> Cow<'a, str> {
    match (arguments.value(index), arguments.data_type(index)) {
        (DatumRef::Text(text), _) => Cow::Borrowed(text),
        (value, data_type) => {
            let mut out = Vec::new();
            write_output(data_type, value, arguments.zone, &mut out);
            Cow::Owned(String::from_utf8_lossy(&out).into_owned())
        }
    }
}

/// All arguments from one on that are not NULL, with the separator between them.
fn joined(arguments: &Arguments<'_>, separator: &str, first: usize) -> Result<Datum, ValueError> {
    let mut whole = String::new();
    let mut is_first = true;
    for index in (first..arguments.len()).filter(|index| !arguments.is_null(*index)) {
        if !is_first {
            whole.push_str(separator);
        }
        is_first = false;
        whole.push_str(&output(arguments, index));
        check_length(whole.len())?;
    }
    text(whole)
}
