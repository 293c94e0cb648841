use crate::arithmetic::{integer, number, real};
use crate::calendar::{
    FIRST_MOMENT, INFINITY, LAST_MOMENT, MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, NEGATIVE_INFINITY,
};
use crate::float::{parse_float, to_single, write_float};
use crate::input::{first_characters, parse_in};
use crate::integer::checked;
use crate::interval::Interval;
use crate::numeric::{Number, parse_number};
use crate::output::write_text;
use crate::{Datum, DatumRef, Type, ValueError, Zone, json};

/// Whether `value::to` is allowed for a value of type `from`, text forms included.
pub fn can_cast(from: &Type, to: &Type) -> bool {
    if from.is_text() || to.is_text() || from.without_modifier() == to.without_modifier() {
        return true;
    }
    match (from, to) {
        (Type::Boolean, Type::Integer) | (Type::Integer, Type::Boolean) => true,
        (Type::Date, Type::Timestamp | Type::TimestampTz) => true,
        (Type::Timestamp, Type::Date | Type::Time | Type::TimestampTz) => true,
        (Type::TimestampTz, Type::Date | Type::Time | Type::Timestamp) => true,
        (Type::Time, Type::Interval) | (Type::Interval, Type::Time) => true,
        (Type::Json, Type::Jsonb) | (Type::Jsonb, Type::Json) => true,
        (Type::Jsonb, Type::Boolean) => true,
        (Type::Jsonb, to) => to.is_number(),
        (from, to) => from.is_number() && to.is_number(),
    }
}

/// Converts a value as an explicit cast does: `varchar(n)` cuts, numeric to integer rounds half away from zero,
/// floating point to integer rounds half to even. Times are converted in the zone. NULL stays NULL.
///
/// # Errors
/// PostgreSQL's; 42846 when there is no such cast.
pub fn cast(from: &Type, to: &Type, value: DatumRef<'_>, zone: &Zone) -> Result<Datum, ValueError> {
    if !can_cast(from, to) {
        return Err(ValueError::no_cast(from, to));
    }
    if matches!(value, DatumRef::Null) {
        return Ok(Datum::Null);
    }
    match (from, to) {
        (_, Type::Text | Type::Varchar(_)) => Ok(to_text(from, to, value, zone)),
        (Type::Text | Type::Varchar(_), _) => match value {
            DatumRef::Text(text) => parse_in(to, text, zone),
            _ => Err(ValueError::shape(from)),
        },
        (Type::Jsonb, Type::Boolean | Type::Numeric(_)) => from_jsonb(to, value),
        (Type::Jsonb, _) if to.is_number() => from_jsonb(to, value),
        (Type::Boolean, Type::Integer) => Ok(Datum::Integer(i64::from(integer(from, value)? != 0))),
        (Type::Integer, Type::Boolean) => Ok(Datum::Integer(i64::from(integer(from, value)? != 0))),
        (Type::Time, Type::Interval) => {
            let time = Interval { microseconds: integer(from, value)?, ..Interval::default() };
            Ok(Datum::Text(time.to_text()))
        }
        (Type::Interval, Type::Time) => {
            Ok(Datum::Integer(Interval::of(value)?.microseconds.rem_euclid(MICROSECONDS_PER_DAY)))
        }
        (Type::Json, Type::Jsonb) => match value {
            DatumRef::Text(text) => json::canonical(text).map(Datum::Text),
            _ => Err(ValueError::shape(from)),
        },
        _ if from.is_number() && to.is_number() => number_to_number(from, to, value),
        (Type::Date | Type::Timestamp | Type::TimestampTz, _) if from != to => {
            cast_moment(from, to, integer(from, value)?, zone)
        }
        // The same type, or jsonb to json, which keeps the text.
        _ => Ok(value.to_owned()),
    }
}

fn to_text(from: &Type, to: &Type, value: DatumRef<'_>, zone: &Zone) -> Datum {
    let text = match value {
        DatumRef::Text(text) => text.to_owned(),
        _ => {
            let mut out = Vec::new();
            write_text(from, value, zone, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
    };
    match to {
        Type::Varchar(Some(length)) => Datum::Text(first_characters(&text, *length).unwrap_or(&text).to_owned()),
        _ => Datum::Text(text),
    }
}

fn number_to_number(from: &Type, to: &Type, value: DatumRef<'_>) -> Result<Datum, ValueError> {
    match to {
        Type::Numeric(modifier) => {
            let number =
                if from.is_float() { float_to_number(from, real(from, value)?)? } else { number(from, value)? };
            Ok(Datum::Text(number.with_modifier(*modifier)?.to_text()))
        }
        Type::Real | Type::Double => number_to_float(from, to, value).map(Datum::Real),
        _ if from.is_integer() => checked(to, i128::from(integer(from, value)?)).map(Datum::Integer),
        _ if from.is_float() => float_to_integer(to, real(from, value)?).map(Datum::Integer),
        _ => number_to_integer(to, &number(from, value)?).map(Datum::Integer),
    }
}

fn number_to_float(from: &Type, to: &Type, value: DatumRef<'_>) -> Result<f64, ValueError> {
    let is_single = *to == Type::Real;
    if matches!(from, Type::Numeric(_)) {
        let text = number(from, value)?.to_text();
        return parse_float(is_single, &text);
    }
    let value = match value {
        // Through the nearest single at once: rounding twice could give another number.
        #[expect(clippy::cast_precision_loss, reason = "that is what the cast does")]
        DatumRef::Integer(value) if is_single => return Ok(f64::from(value as f32)),
        _ => real(from, value)?,
    };
    if is_single { to_single(value) } else { Ok(value) }
}

fn number_to_integer(to: &Type, number: &Number) -> Result<i64, ValueError> {
    match number {
        Number::Nan => Err(ValueError::new("0A000", format!("cannot convert NaN to {}", to.name()))),
        Number::Infinity | Number::NegativeInfinity => {
            Err(ValueError::new("0A000", format!("cannot convert infinity to {}", to.name())))
        }
        Number::Finite(decimal) => {
            decimal.to_integer().ok_or_else(|| ValueError::overflow(to.name())).and_then(|value| checked(to, value))
        }
    }
}

fn float_to_integer(to: &Type, value: f64) -> Result<i64, ValueError> {
    let rounded = value.round_ties_even();
    // Larger than any integer type, and exact.
    const BOUND: f64 = 1e30;
    if rounded.is_nan() || rounded.abs() > BOUND {
        return Err(ValueError::overflow(to.name()));
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within 128 bits")]
    let whole = rounded as i128;
    checked(to, whole)
}

/// PostgreSQL prints 15 digits of a double and 6 of a real, and reads those.
fn float_to_number(from: &Type, value: f64) -> Result<Number, ValueError> {
    if !value.is_finite() {
        let mut text = Vec::new();
        write_float(false, value, &mut text);
        return parse_number(&String::from_utf8_lossy(&text));
    }
    let printed = if *from == Type::Real { format!("{value:.5e}") } else { format!("{value:.14e}") };
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    parse_number(&format!("{mantissa}e{exponent}"))
}

fn from_jsonb(to: &Type, value: DatumRef<'_>) -> Result<Datum, ValueError> {
    let DatumRef::Text(text) = value else {
        return Err(ValueError::shape(&Type::Jsonb));
    };
    let kind = match text.trim_start().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "numeric",
    };
    match (to, kind) {
        (Type::Boolean, "boolean") => Ok(Datum::Integer(i64::from(text.trim() == "true"))),
        (to, "numeric") if to.is_number() => {
            let plain = Type::Numeric(None);
            match to {
                Type::Numeric(modifier) => Ok(Datum::Text(parse_number(text)?.with_modifier(*modifier)?.to_text())),
                _ => number_to_number(&plain, to, DatumRef::Text(text)),
            }
        }
        _ => Err(ValueError::new("22023", format!("cannot cast jsonb {kind} to type {}", to.name()))),
    }
}

fn cast_moment(from: &Type, to: &Type, value: i64, zone: &Zone) -> Result<Datum, ValueError> {
    if value == INFINITY || value == NEGATIVE_INFINITY {
        // No time of day is infinite.
        return Ok(if *to == Type::Time { Datum::Null } else { Datum::Integer(value) });
    }
    let out_of_range = || {
        let message = if *from == Type::Date { "date out of range for timestamp" } else { "timestamp out of range" };
        ValueError::new("22008", message)
    };
    // First the local clock, then the target.
    let local = match from {
        Type::Date => {
            value.checked_mul(MICROSECONDS_PER_DAY).filter(|moment| is_moment(*moment)).ok_or_else(out_of_range)?
        }
        Type::TimestampTz => {
            let offset = zone.offset_at(value.div_euclid(MICROSECONDS_PER_SECOND));
            value.saturating_add(offset * MICROSECONDS_PER_SECOND)
        }
        _ => value,
    };
    Ok(Datum::Integer(match to {
        Type::Date => local.div_euclid(MICROSECONDS_PER_DAY),
        Type::Time => local.rem_euclid(MICROSECONDS_PER_DAY),
        Type::TimestampTz => {
            let offset = zone.offset_of_local(local.div_euclid(MICROSECONDS_PER_SECOND));
            local
                .checked_sub(offset * MICROSECONDS_PER_SECOND)
                .filter(|moment| is_moment(*moment))
                .ok_or_else(out_of_range)?
        }
        _ => local,
    }))
}

fn is_moment(microseconds: i64) -> bool {
    (FIRST_MOMENT..=LAST_MOMENT).contains(&microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn values() {
        let numeric = Type::Numeric(None);
        for (from, text, to, result) in [
            (&numeric, "24.5", &Type::Integer, "25"),
            (&numeric, "-24.5", &Type::Integer, "-25"),
            (&Type::Double, "24.5", &Type::Integer, "24"),
            (&Type::Double, "25.5", &Type::Integer, "26"),
            (&Type::Double, "0.30000000000000004", &numeric, "0.3"),
            (&Type::Double, "1e20", &numeric, "100000000000000000000"),
            (&Type::Double, "0", &numeric, "0"),
            (&Type::Real, "0.1", &numeric, "0.1"),
            (&Type::Real, "0.1", &Type::Double, "0.10000000149011612"),
            (&numeric, "1.255", &Type::Numeric(Some((5, 2))), "1.26"),
            (&Type::Boolean, "t", &Type::Integer, "1"),
            (&Type::Integer, "5", &Type::Boolean, "true"),
            (&Type::Boolean, "t", &Type::Text, "true"),
            (&Type::Integer, "12345", &Type::Varchar(Some(3)), "123"),
            (&Type::Text, "abcdef", &Type::Varchar(Some(3)), "abc"),
            (&Type::Text, " 12 ", &Type::Integer, "12"),
            (&Type::TimestampTz, "2020-06-15 23:30+00", &Type::Date, "2020-06-15"),
            (&Type::TimestampTz, "2020-06-15 23:30+00", &Type::Time, "23:30:00"),
            (&Type::Date, "2020-06-15", &Type::TimestampTz, "2020-06-15 00:00:00+00"),
            (&Type::Date, "infinity", &Type::Timestamp, "infinity"),
            (&Type::Jsonb, "1.5", &Type::Integer, "2"),
            (&Type::Jsonb, "true", &Type::Boolean, "true"),
            (&Type::Json, "{\"b\":1,\"a\":2}", &Type::Jsonb, "{\"a\": 2, \"b\": 1}"),
        ] {
            let value = parse(from, text).unwrap();
            let converted = cast(from, to, value.as_ref(), &Zone::Utc).unwrap();
            let mut out = Vec::new();
            write_text(to, converted.as_ref(), &Zone::Utc, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), result, "{from} {text} {to}");
        }
    }

    #[test]
    fn refusals() {
        for (from, text, to, sqlstate, message) in [
            (Type::BigInteger, "9223372036854775807", Type::SmallInteger, "22003", "smallint out of range"),
            (Type::Numeric(None), "1e12", Type::Integer, "22003", "integer out of range"),
            (Type::Numeric(None), "NaN", Type::Integer, "0A000", "cannot convert NaN to integer"),
            (Type::Double, "1e300", Type::BigInteger, "22003", "bigint out of range"),
            (Type::Double, "1e300", Type::Real, "22003", "value out of range: overflow"),
            (Type::Jsonb, "{}", Type::Integer, "22023", "cannot cast jsonb object to type integer"),
            (Type::Jsonb, "null", Type::Boolean, "22023", "cannot cast jsonb null to type boolean"),
            (Type::Jsonb, "\"1\"", Type::Numeric(None), "22023", "cannot cast jsonb string to type numeric"),
            (Type::Boolean, "t", Type::BigInteger, "42846", "cannot cast type boolean to bigint"),
            (
                Type::Uuid,
                "00000001-0000-4000-8000-000000000001",
                Type::Integer,
                "42846",
                "cannot cast type uuid to integer",
            ),
        ] {
            let value = parse(&from, text).unwrap();
            let error = cast(&from, &to, value.as_ref(), &Zone::Utc).unwrap_err();
            assert_eq!((error.sqlstate, error.message.as_str()), (sqlstate, message));
        }
    }
}
