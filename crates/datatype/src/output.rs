use crate::bytea::{write_bytea, write_hex};
use crate::float::write_float;
use crate::json::write_string;
use crate::temporal::{Style, write_date, write_time, write_timestamp, write_timestamp_tz};
use crate::{DatumRef, Type, Zone};

/// Writes a value as `to_json` prints it: NULL as `null`, numbers bare (NaN and the infinities as strings),
/// timestamps in ISO 8601 with their offset in the zone, `json` and `jsonb` as they are.
pub fn write_json(data_type: &Type, value: DatumRef<'_>, zone: &Zone, out: &mut Vec<u8>) {
    match (data_type, value) {
        (_, DatumRef::Null) => out.extend_from_slice(b"null"),
        (Type::Boolean, DatumRef::Integer(value)) => write_boolean(value, out),
        (Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz, DatumRef::Integer(value)) => {
            out.push(b'"');
            write_moment(data_type, value, zone, Style::Json, out);
            out.push(b'"');
        }
        (Type::Real | Type::Double, DatumRef::Real(_) | DatumRef::Integer(_)) | (_, DatumRef::Real(_)) => {
            let is_bare = !matches!(value, DatumRef::Real(value) if !value.is_finite());
            write_between_quotes(!is_bare, out, |out| write_number(data_type, value, out));
        }
        (_, DatumRef::Integer(value)) => write_integer(value, out),
        (Type::Numeric(_), DatumRef::Text(text)) => {
            let is_bare = text.ends_with(|last: char| last.is_ascii_digit());
            write_between_quotes(!is_bare, out, |out| out.extend_from_slice(text.as_bytes()));
        }
        (Type::Json | Type::Jsonb, DatumRef::Text(text)) => out.extend_from_slice(text.as_bytes()),
        // These hold nothing that JSON escapes.
        (Type::Uuid | Type::Interval, DatumRef::Text(text)) => {
            write_between_quotes(true, out, |out| out.extend_from_slice(text.as_bytes()));
        }
        (_, DatumRef::Text(text)) => write_string(text, out),
        (_, DatumRef::Bytes(bytes)) => {
            // The backslash of `\x` is escaped.
            out.extend_from_slice(b"\"\\\\x");
            write_hex(bytes, out);
            out.push(b'"');
        }
    }
}

/// Writes a value as a cast to `text` prints it: booleans are `true` and `false`. NULL writes nothing.
pub fn write_text(data_type: &Type, value: DatumRef<'_>, zone: &Zone, out: &mut Vec<u8>) {
    match (data_type, value) {
        (Type::Boolean, DatumRef::Integer(value)) => write_boolean(value, out),
        _ => write_output(data_type, value, zone, out),
    }
}

/// Writes a value as the type's output function prints it, which CSV and error details show: booleans are `t`
/// and `f`, timestamps `2024-01-01 00:00:00+00`. NULL writes nothing.
pub fn write_output(data_type: &Type, value: DatumRef<'_>, zone: &Zone, out: &mut Vec<u8>) {
    match (data_type, value) {
        (_, DatumRef::Null) => {}
        (Type::Boolean, DatumRef::Integer(value)) => out.push(if value == 0 { b'f' } else { b't' }),
        (Type::Date | Type::Time | Type::Timestamp | Type::TimestampTz, DatumRef::Integer(value)) => {
            write_moment(data_type, value, zone, Style::Iso, out);
        }
        (_, DatumRef::Integer(_) | DatumRef::Real(_)) => write_number(data_type, value, out),
        (_, DatumRef::Text(text)) => out.extend_from_slice(text.as_bytes()),
        (_, DatumRef::Bytes(bytes)) => write_bytea(bytes, out),
    }
}

fn write_between_quotes(is_quoted: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if is_quoted {
        out.push(b'"');
    }
    write(out);
    if is_quoted {
        out.push(b'"');
    }
}

fn write_boolean(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(if value == 0 { b"false" } else { b"true" });
}

fn write_integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A number in whichever form the store gave it.
fn write_number(data_type: &Type, value: DatumRef<'_>, out: &mut Vec<u8>) {
    match (data_type, value) {
        #[expect(clippy::cast_precision_loss, reason = "the store kept a floating point number as an integer")]
        (Type::Real | Type::Double, DatumRef::Integer(value)) => {
            write_float(*data_type == Type::Real, value as f64, out);
        }
        (_, DatumRef::Integer(value)) => write_integer(value, out),
        (_, DatumRef::Real(value)) => write_float(*data_type == Type::Real, value, out),
        _ => {}
    }
}

fn write_moment(data_type: &Type, value: i64, zone: &Zone, style: Style, out: &mut Vec<u8>) {
    match data_type {
        Type::Date => write_date(value, out),
        Type::Time => write_time(value, out),
        Type::Timestamp => write_timestamp(value, style, out),
        _ => write_timestamp_tz(value, zone, style, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Datum, parse};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn three_forms() {
        for (data_type, input, json, text, output) in [
            (Type::Boolean, "t", "true", "true", "t"),
            (Type::Integer, "-5", "-5", "-5", "-5"),
            (Type::Numeric(None), "1.50", "1.50", "1.50", "1.50"),
            (Type::Numeric(None), "NaN", "\"NaN\"", "NaN", "NaN"),
            (Type::Numeric(None), "-inf", "\"-Infinity\"", "-Infinity", "-Infinity"),
            (Type::Double, "1e300", "1e+300", "1e+300", "1e+300"),
            (Type::Double, "inf", "\"Infinity\"", "Infinity", "Infinity"),
            (Type::Real, "0.1", "0.1", "0.1", "0.1"),
            (Type::Text, "a\"b", "\"a\\\"b\"", "a\"b", "a\"b"),
            (Type::Date, "1999-12-31", "\"1999-12-31\"", "1999-12-31", "1999-12-31"),
            (Type::Date, "0044-03-15 BC", "\"0044-03-15 BC\"", "0044-03-15 BC", "0044-03-15 BC"),
            (Type::Date, "-infinity", "\"-infinity\"", "-infinity", "-infinity"),
            (Type::Date, "12345-01-02", "\"12345-01-02\"", "12345-01-02", "12345-01-02"),
            (Type::Time, "24:00", "\"24:00:00\"", "24:00:00", "24:00:00"),
            (Type::Time, "1:02:03.450", "\"01:02:03.45\"", "01:02:03.45", "01:02:03.45"),
            (
                Type::Timestamp,
                "2024-02-29T23:59:59.999999",
                "\"2024-02-29T23:59:59.999999\"",
                "2024-02-29 23:59:59.999999",
                "2024-02-29 23:59:59.999999",
            ),
            (
                Type::TimestampTz,
                "2024-01-01",
                "\"2024-01-01T00:00:00+00:00\"",
                "2024-01-01 00:00:00+00",
                "2024-01-01 00:00:00+00",
            ),
            (
                Type::TimestampTz,
                "0044-03-15 12:00 BC",
                "\"0044-03-15T12:00:00+00:00 BC\"",
                "0044-03-15 12:00:00+00 BC",
                "0044-03-15 12:00:00+00 BC",
            ),
            (Type::Bytea, "\\xDEad", "\"\\\\xdead\"", "\\xdead", "\\xdead"),
            (Type::Jsonb, "{\"a\":1}", "{\"a\": 1}", "{\"a\": 1}", "{\"a\": 1}"),
            (Type::Json, "{\"a\":1}", "{\"a\":1}", "{\"a\":1}", "{\"a\":1}"),
        ] {
            let value = parse(&data_type, input).unwrap();
            let zone = Zone::Utc;
            assert_eq!(written(|out| write_json(&data_type, value.as_ref(), &zone, out)), json);
            assert_eq!(written(|out| write_text(&data_type, value.as_ref(), &zone, out)), text);
            assert_eq!(written(|out| write_output(&data_type, value.as_ref(), &zone, out)), output);
        }
        assert_eq!(written(|out| write_json(&Type::Text, DatumRef::Null, &Zone::Utc, out)), "null");
        assert_eq!(written(|out| write_output(&Type::Text, DatumRef::Null, &Zone::Utc, out)), "");
    }

    #[test]
    fn zones() {
        let print = |name: &str, text: &str, is_json: bool| {
            let zone = Zone::from_name(name).unwrap();
            let value = parse(&Type::TimestampTz, text).unwrap();
            written(|out| {
                if is_json {
                    write_json(&Type::TimestampTz, value.as_ref(), &zone, out);
                } else {
                    write_output(&Type::TimestampTz, value.as_ref(), &zone, out);
                }
            })
        };
        assert_eq!(print("Europe/Amsterdam", "2024-07-01", false), "2024-07-01 02:00:00+02");
        assert_eq!(print("Asia/Kolkata", "2024-07-01", true), "\"2024-07-01T05:30:00+05:30\"");
        assert_eq!(print("Asia/Kolkata", "2024-07-01", false), "2024-07-01 05:30:00+05:30");
        assert_eq!(print("America/New_York", "2024-01-01", true), "\"2023-12-31T19:00:00-05:00\"");
        assert_eq!(Datum::Null.as_ref(), DatumRef::Null);
    }
}
