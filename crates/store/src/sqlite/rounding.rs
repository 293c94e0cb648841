//! `abs`, `round`, `floor`, `ceil` and unary minus over every number type, from PostgreSQL's arithmetic and casts.

use std::cmp::Ordering;

use datatype::{Arithmetic, Datum, DatumRef, Type, ValueError, Zone, arithmetic, cast, compare};

/// PostgreSQL's largest declared precision: rounding to a scale never overflows below it.
const LARGEST_PRECISION: u16 = 1_000;

fn zero(data_type: &Type) -> Datum {
    match data_type {
        Type::Real | Type::Double => Datum::Real(0.0),
        Type::Numeric(_) => Datum::Text("0".to_owned()),
        _ => Datum::Integer(0),
    }
}

/// `-operand`.
pub(super) fn negate(data_type: &Type, operand: DatumRef<'_>) -> Result<Datum, ValueError> {
    // Zero has a sign as well.
    if let DatumRef::Real(number) = operand {
        return Ok(Datum::Real(-number));
    }
    arithmetic(Arithmetic::Subtract, data_type, zero(data_type).as_ref(), operand)
}

/// `abs(operand)`.
pub(super) fn abs(data_type: &Type, operand: DatumRef<'_>) -> Result<Datum, ValueError> {
    if let DatumRef::Real(number) = operand {
        return Ok(Datum::Real(number.abs()));
    }
    match compare(data_type, operand, zero(data_type).as_ref()) {
        Ordering::Less => negate(data_type, operand),
        Ordering::Equal | Ordering::Greater => Ok(operand.to_owned()),
    }
}

/// `round(operand, digits)`: half away from zero for numeric, half to even for floating point.
pub(super) fn round(data_type: &Type, operand: DatumRef<'_>, digits: i64) -> Result<Datum, ValueError> {
    match (data_type, operand) {
        (Type::Real | Type::Double, DatumRef::Real(number)) => Ok(Datum::Real(number.round_ties_even())),
        (Type::Numeric(_), DatumRef::Text(text)) if text.ends_with("Infinity") => Ok(operand.to_owned()),
        (Type::Numeric(_), operand) => {
            let scale = i16::try_from(digits.clamp(-1_000, 1_000)).unwrap_or(0);
            let rounded = Type::Numeric(Some((LARGEST_PRECISION, scale)));
            cast(&Type::Numeric(None), &rounded, operand, &Zone::default())
        }
        (_, operand) => Ok(operand.to_owned()),
    }
}

/// `floor(operand)`.
pub(super) fn floor(data_type: &Type, operand: DatumRef<'_>) -> Result<Datum, ValueError> {
    if let DatumRef::Real(number) = operand {
        return Ok(Datum::Real(number.floor()));
    }
    step_back(data_type, operand, Ordering::Greater, Arithmetic::Subtract)
}

/// `ceil(operand)`.
pub(super) fn ceil(data_type: &Type, operand: DatumRef<'_>) -> Result<Datum, ValueError> {
    if let DatumRef::Real(number) = operand {
        return Ok(Datum::Real(number.ceil()));
    }
    step_back(data_type, operand, Ordering::Less, Arithmetic::Add)
}

/// Rounds, and goes one back where rounding went too far.
fn step_back(
    data_type: &Type,
    operand: DatumRef<'_>,
    too_far: Ordering,
    back: Arithmetic,
) -> Result<Datum, ValueError> {
    if !matches!(data_type, Type::Numeric(_)) {
        return Ok(operand.to_owned());
    }
    let rounded = round(data_type, operand, 0)?;
    if compare(data_type, rounded.as_ref(), operand) == too_far {
        return arithmetic(back, data_type, rounded.as_ref(), DatumRef::Text("1"));
    }
    Ok(rounded)
}
