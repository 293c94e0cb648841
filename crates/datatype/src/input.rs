use crate::bytea::parse_bytea;
use crate::float::parse_float;
use crate::integer::{parse_boolean, parse_integer};
use crate::temporal::{parse_date, parse_time, parse_timestamp, parse_timestamp_tz};
use crate::uuid::parse_uuid;
use crate::{Datum, EnumType, Type, ValueError, Zone, interval, json, numeric};

/// Reads a value from text as the type's input function does, modifiers included: `varchar(8)` refuses longer
/// texts, `numeric(12,2)` rounds. A `timestamptz` without an offset is in UTC.
///
/// # Errors
/// PostgreSQL's SQLSTATE and words; 0A000 for `now` and the like and for NaN of floating point types.
pub fn parse(data_type: &Type, text: &str) -> Result<Datum, ValueError> {
    parse_in(data_type, text, &Zone::Utc)
}

/// [`parse`] where a `timestamptz` without an offset is in the given zone.
///
/// # Errors
/// Those of [`parse`].
pub fn parse_in(data_type: &Type, text: &str, zone: &Zone) -> Result<Datum, ValueError> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(ValueError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(match data_type {
        Type::Boolean => Datum::Integer(i64::from(parse_boolean(text)?)),
        Type::SmallInteger | Type::Integer | Type::BigInteger => Datum::Integer(parse_integer(data_type, text)?),
        Type::Numeric(modifier) => Datum::Text(numeric::parse(*modifier, text)?),
        Type::Real => Datum::Real(parse_float(true, text)?),
        Type::Double => Datum::Real(parse_float(false, text)?),
        Type::Text | Type::Varchar(None) => Datum::Text(text.to_owned()),
        Type::Varchar(Some(length)) => Datum::Text(limited(text, *length)?.to_owned()),
        Type::Uuid => Datum::Text(parse_uuid(text)?),
        Type::Date => Datum::Integer(parse_date(text)?),
        Type::Time => Datum::Integer(parse_time(text)?),
        Type::Timestamp => Datum::Integer(parse_timestamp(text)?),
        Type::TimestampTz => Datum::Integer(parse_timestamp_tz(text, zone)?),
        Type::Interval => Datum::Text(interval::parse(text)?.to_text()),
        Type::Json => {
            json::validate(text)?;
            Datum::Text(text.to_owned())
        }
        Type::Jsonb => Datum::Text(json::canonical(text)?),
        Type::Bytea => Datum::Bytes(parse_bytea(text)?),
        Type::Enum(definition) => Datum::Text(parse_label(definition, text)?.to_owned()),
        // The server reads it.
        Type::Native(_) => Datum::Text(text.to_owned()),
    })
}

/// Reads a value from a valid raw JSON value, as `json_populate_recordset` does: null is NULL, a string is read
/// by [`parse_in`], and so is the raw text of anything else; `json` and `jsonb` take the value itself.
///
/// # Errors
/// Those of [`parse_in`]; 22P02 and 22P05 for escapes that are no characters.
pub fn from_json(data_type: &Type, raw: &str, zone: &Zone) -> Result<Datum, ValueError> {
    let raw = raw.trim_matches([' ', '\t', '\n', '\r']);
    if raw == "null" {
        return Ok(Datum::Null);
    }
    let is_string = raw.starts_with('"');
    match data_type {
        Type::Json if is_string => {
            let mut text = Vec::with_capacity(raw.len());
            json::write_string(&json::unescape_token(raw)?, &mut text);
            parse(data_type, &String::from_utf8_lossy(&text))
        }
        Type::Json | Type::Jsonb => parse(data_type, raw),
        _ if is_string => parse_in(data_type, &json::unescape_token(raw)?, zone),
        _ => parse_in(data_type, raw, zone),
    }
}

/// The text if it has at most so many characters, not counting blanks at its end that are too many.
pub(crate) fn limited(text: &str, length: u32) -> Result<&str, ValueError> {
    let Some(kept) = first_characters(text, length) else {
        return Ok(text);
    };
    let surplus = text.get(kept.len()..).unwrap_or("");
    if surplus.bytes().all(|byte| byte == b' ') {
        return Ok(kept);
    }
    Err(ValueError::new("22001", format!("value too long for type character varying({length})")))
}

/// The first characters of a text, or `None` when it has no more than that.
pub(crate) fn first_characters(text: &str, length: u32) -> Option<&str> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if text.len() <= length {
        return None;
    }
    let (end, _) = text.char_indices().nth(length)?;
    text.get(..end)
}

fn parse_label<'a>(definition: &EnumType, text: &'a str) -> Result<&'a str, ValueError> {
    if definition.labels.iter().any(|label| &**label == text) {
        return Ok(text);
    }
    let message = format!("invalid input value for enum {}: \"{text}\"", quoted(&definition.name.name));
    Err(ValueError::new("22P02", message))
}

/// A type's name as `format_type` prints it: quoted when it is no plain identifier.
fn quoted(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use base::QualifiedName;

    fn text(value: &str) -> Datum {
        Datum::Text(value.to_owned())
    }

    #[test]
    fn modifiers_and_labels() {
        assert_eq!(parse(&Type::Varchar(Some(3)), "äöü"), Ok(text("äöü")));
        assert_eq!(parse(&Type::Varchar(Some(3)), "abc  "), Ok(text("abc")));
        let error = parse(&Type::Varchar(Some(8)), "123456789").unwrap_err();
        assert_eq!((error.sqlstate, error.message.as_str()), ("22001", "value too long for type character varying(8)"));
        let state = Type::Enum(Arc::new(EnumType {
            name: QualifiedName::new("public", "parcel_state"),
            labels: vec!["booked".into(), "lost".into()],
        }));
        assert_eq!(parse(&state, "lost"), Ok(text("lost")));
        let error = parse(&state, "stolen").unwrap_err();
        assert_eq!(error.message, "invalid input value for enum parcel_state: \"stolen\"");
        assert_eq!(parse(&Type::Text, "a\0b").unwrap_err().sqlstate, "22021");
    }

    #[test]
    fn json_values() {
        for (data_type, raw, value) in [
            (Type::Integer, "null", Datum::Null),
            (Type::Integer, "12", Datum::Integer(12)),
            (Type::Integer, "\"17\"", Datum::Integer(17)),
            (Type::Boolean, "true", Datum::Integer(1)),
            (Type::Boolean, "\"yes\"", Datum::Integer(1)),
            (Type::Text, "12", text("12")),
            (Type::Text, "{\"a\": 1}", text("{\"a\": 1}")),
            (Type::Text, "\"a\\u00e9\"", text("aé")),
            (Type::Json, "\"a\\u00e9\"", text("\"aé\"")),
            (Type::Json, "{\"b\":1, \"a\":2}", text("{\"b\":1, \"a\":2}")),
            (Type::Jsonb, "{\"b\":1, \"a\":2}", text("{\"a\": 2, \"b\": 1}")),
            (Type::Jsonb, "null", Datum::Null),
            (Type::Numeric(Some((12, 2))), "1.005", text("1.01")),
        ] {
            assert_eq!(from_json(&data_type, raw, &Zone::Utc), Ok(value), "{data_type} {raw}");
        }
        assert_eq!(
            from_json(&Type::Integer, "1.5", &Zone::Utc).unwrap_err().message,
            "invalid input syntax for type integer: \"1.5\""
        );
        assert_eq!(from_json(&Type::Text, "\"\\u0000\"", &Zone::Utc).unwrap_err().sqlstate, "22P05");
    }
}
