use crate::float::{overflow, to_single, underflow};
use crate::integer::checked;
use crate::numeric::{self, Number};
use crate::{Datum, DatumRef, Type, ValueError};

/// A binary operator on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`: truncates for integers.
    Divide,
    /// `%`: with the sign of the left side. Not for floating point types.
    Modulo,
}

impl Arithmetic {
    fn symbol(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
            Self::Modulo => '%',
        }
    }
}

/// Computes with two values that are both of the type; NULL with anything is NULL.
///
/// # Errors
/// 22003 out of the type's range, 22012 division by zero, 42883 when the type has no such operator.
pub fn arithmetic(
    operator: Arithmetic,
    data_type: &Type,
    left: DatumRef<'_>,
    right: DatumRef<'_>,
) -> Result<Datum, ValueError> {
    if matches!(left, DatumRef::Null) || matches!(right, DatumRef::Null) {
        return Ok(Datum::Null);
    }
    match data_type {
        Type::SmallInteger | Type::Integer | Type::BigInteger => {
            let (left, right) = (integer(data_type, left)?, integer(data_type, right)?);
            let value = compute_integers(operator, i128::from(left), i128::from(right))?;
            checked(data_type, value).map(Datum::Integer)
        }
        Type::Numeric(_) => {
            let value = compute_numerics(operator, &number(data_type, left)?, &number(data_type, right)?)?;
            Ok(Datum::Text(value.to_text()))
        }
        Type::Real | Type::Double if operator != Arithmetic::Modulo => {
            let value = compute_reals(operator, data_type, real(data_type, left)?, real(data_type, right)?)?;
            Ok(Datum::Real(value))
        }
        _ => {
            let name = data_type.name();
            let message = format!("operator does not exist: {name} {} {name}", operator.symbol());
            Err(ValueError::new("42883", message))
        }
    }
}

/// The integer in a stored value.
pub(crate) fn integer(data_type: &Type, value: DatumRef<'_>) -> Result<i64, ValueError> {
    match value {
        DatumRef::Integer(value) => Ok(value),
        _ => Err(ValueError::shape(data_type)),
    }
}

/// The floating point number in a stored value.
pub(crate) fn real(data_type: &Type, value: DatumRef<'_>) -> Result<f64, ValueError> {
    match value {
        DatumRef::Real(value) => Ok(value),
        #[expect(clippy::cast_precision_loss, reason = "the store kept a floating point number as an integer")]
        DatumRef::Integer(value) => Ok(value as f64),
        _ => Err(ValueError::shape(data_type)),
    }
}

/// The numeric in a stored value.
pub(crate) fn number(data_type: &Type, value: DatumRef<'_>) -> Result<Number, ValueError> {
    match value {
        DatumRef::Text(text) => numeric::parse_number(text),
        DatumRef::Integer(value) => Ok(Number::Finite(numeric::Decimal::from_integer(i128::from(value)))),
        DatumRef::Real(value) => numeric::parse_number(&format!("{value:e}")),
        _ => Err(ValueError::shape(data_type)),
    }
}

/// 64-bit operands cannot overflow 128 bits.
fn compute_integers(operator: Arithmetic, left: i128, right: i128) -> Result<i128, ValueError> {
    match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide | Arithmetic::Modulo if right == 0 => {
            return Err(ValueError::division_by_zero());
        }
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Modulo => left.checked_rem(right),
    }
    .ok_or_else(|| ValueError::overflow("bigint"))
}

fn compute_numerics(operator: Arithmetic, left: &Number, right: &Number) -> Result<Number, ValueError> {
    match operator {
        Arithmetic::Add => numeric::add(left, right),
        Arithmetic::Subtract => numeric::subtract(left, right),
        Arithmetic::Multiply => numeric::multiply(left, right),
        Arithmetic::Divide => numeric::divide(left, right),
        Arithmetic::Modulo => numeric::modulo(left, right),
    }
}

fn compute_reals(operator: Arithmetic, data_type: &Type, left: f64, right: f64) -> Result<f64, ValueError> {
    if operator == Arithmetic::Divide && right == 0.0 {
        return Err(ValueError::division_by_zero());
    }
    let value = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide | Arithmetic::Modulo => left / right,
    };
    let is_infinite = left.is_infinite() || right.is_infinite();
    if value.is_nan() {
        return Err(ValueError::not_a_number(data_type.name()));
    }
    if value.is_infinite() && !is_infinite {
        return Err(overflow());
    }
    let can_vanish = match operator {
        Arithmetic::Multiply => left != 0.0 && right != 0.0,
        Arithmetic::Divide => left != 0.0 && !right.is_infinite(),
        _ => false,
    };
    if value == 0.0 && can_vanish {
        return Err(underflow());
    }
    if *data_type == Type::Real && value.is_finite() { to_single(value) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arithmetic::{Add, Divide, Modulo, Multiply, Subtract};

    #[test]
    fn results() {
        let (int, real, text) = (DatumRef::Integer, DatumRef::Real, DatumRef::Text);
        for (operator, data_type, left, right, result) in [
            (Add, Type::Integer, int(2), int(3), Datum::Integer(5)),
            (Divide, Type::Integer, int(-7), int(2), Datum::Integer(-3)),
            (Modulo, Type::Integer, int(-7), int(2), Datum::Integer(-1)),
            (Modulo, Type::BigInteger, int(i64::MIN), int(-1), Datum::Integer(0)),
            (Multiply, Type::Numeric(None), text("1.10"), text("2"), Datum::Text("2.20".into())),
            (Divide, Type::Numeric(None), text("1"), text("3"), Datum::Text("0.33333333333333333333".into())),
            (Subtract, Type::Double, real(0.3), real(0.1), Datum::Real(0.3 - 0.1)),
            (Add, Type::Integer, DatumRef::Null, int(1), Datum::Null),
        ] {
            assert_eq!(arithmetic(operator, &data_type, left, right), Ok(result));
        }
        for (operator, data_type, left, right, sqlstate, message) in [
            (Add, Type::Integer, int(2_147_483_647), int(1), "22003", "integer out of range"),
            (Multiply, Type::SmallInteger, int(300), int(300), "22003", "smallint out of range"),
            (Divide, Type::BigInteger, int(i64::MIN), int(-1), "22003", "bigint out of range"),
            (Divide, Type::Integer, int(1), int(0), "22012", "division by zero"),
            (Divide, Type::Double, real(1.0), real(0.0), "22012", "division by zero"),
            (Multiply, Type::Double, real(1e300), real(1e300), "22003", "value out of range: overflow"),
            (Multiply, Type::Real, real(1e30), real(1e30), "22003", "value out of range: overflow"),
            (Multiply, Type::Double, real(1e-300), real(1e-300), "22003", "value out of range: underflow"),
            (Add, Type::Text, text("a"), text("b"), "42883", "operator does not exist: text + text"),
        ] {
            let error = arithmetic(operator, &data_type, left, right).unwrap_err();
            assert_eq!((error.sqlstate, error.message.as_str()), (sqlstate, message));
        }
    }
}
