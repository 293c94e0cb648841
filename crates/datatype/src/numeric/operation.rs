//! Arithmetic with PostgreSQL's scales.

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::num_traits::Pow as _;

use crate::ValueError;
use crate::numeric::{Decimal, Number};

/// Quotients have at least so many significant digits (`NUMERIC_MIN_SIG_DIGITS`).
const SIGNIFICANT_DIGITS: i64 = 16;
/// PostgreSQL keeps four decimal digits in each of its own.
const DIGITS_PER_GROUP: i64 = 4;
/// The most digits after the point of a quotient (`NUMERIC_MAX_DISPLAY_SCALE`).
const MAXIMUM_QUOTIENT_SCALE: usize = 1000;

/// The sum, with the larger scale.
pub(crate) fn add(left: &Number, right: &Number) -> Result<Number, ValueError> {
    use Number::{Finite, Infinity, Nan, NegativeInfinity};
    Ok(match (left, right) {
        (Nan, _) | (_, Nan) | (Infinity, NegativeInfinity) | (NegativeInfinity, Infinity) => Nan,
        (Infinity, _) | (_, Infinity) => Infinity,
        (NegativeInfinity, _) | (_, NegativeInfinity) => NegativeInfinity,
        (Finite(left), Finite(right)) => {
            let scale = left.scale().max(right.scale());
            Finite(Decimal::from_big(&(scaled(left, scale) + scaled(right, scale)), scale)?)
        }
    })
}

/// The difference, with the larger scale.
pub(crate) fn subtract(left: &Number, right: &Number) -> Result<Number, ValueError> {
    add(left, &negated(right)?)
}

/// The product, with both scales added.
pub(crate) fn multiply(left: &Number, right: &Number) -> Result<Number, ValueError> {
    if let (Number::Finite(left), Number::Finite(right)) = (left, right) {
        let product = left.coefficient() * right.coefficient();
        return Ok(Number::Finite(Decimal::from_big(&product, left.scale() + right.scale())?));
    }
    Ok(infinity(sign(left).zip(sign(right)).map(|(left, right)| left * right)))
}

/// The quotient, with the scale that PostgreSQL chooses.
pub(crate) fn divide(left: &Number, right: &Number) -> Result<Number, ValueError> {
    let (Some(left_sign), Some(right_sign)) = (sign(left), sign(right)) else {
        return Ok(Number::Nan);
    };
    if right_sign == 0 {
        return Err(ValueError::division_by_zero());
    }
    match (left, right) {
        (Number::Finite(left), Number::Finite(right)) => Ok(Number::Finite(quotient(left, right)?)),
        (Number::Finite(_), _) => Ok(Number::Finite(Decimal::from_integer(0))),
        (_, Number::Finite(_)) => Ok(infinity(Some(left_sign * right_sign))),
        _ => Ok(Number::Nan),
    }
}

/// The remainder of a truncated division, with the sign of the left side and the larger scale.
pub(crate) fn modulo(left: &Number, right: &Number) -> Result<Number, ValueError> {
    let (Some(_), Some(right_sign)) = (sign(left), sign(right)) else {
        return Ok(Number::Nan);
    };
    if right_sign == 0 {
        return Err(ValueError::division_by_zero());
    }
    match (left, right) {
        (Number::Finite(left), Number::Finite(right)) => {
            let scale = left.scale().max(right.scale());
            Ok(Number::Finite(Decimal::from_big(&(scaled(left, scale) % scaled(right, scale)), scale)?))
        }
        (Number::Finite(_), _) => Ok(left.clone()),
        _ => Ok(Number::Nan),
    }
}

fn scaled(decimal: &Decimal, scale: usize) -> BigInt {
    decimal.coefficient() * power_of_ten(scale.saturating_sub(decimal.scale()))
}

fn power_of_ten(exponent: usize) -> BigInt {
    if exponent == 0 { BigInt::from(1) } else { BigInt::from(10).pow(exponent) }
}

fn negated(number: &Number) -> Result<Number, ValueError> {
    Ok(match number {
        Number::Nan => Number::Nan,
        Number::Infinity => Number::NegativeInfinity,
        Number::NegativeInfinity => Number::Infinity,
        Number::Finite(decimal) => Number::Finite(Decimal::from_big(&-decimal.coefficient(), decimal.scale())?),
    })
}

/// -1, 0 or 1; `None` for NaN.
fn sign(number: &Number) -> Option<i8> {
    match number {
        Number::Nan => None,
        Number::Infinity => Some(1),
        Number::NegativeInfinity => Some(-1),
        Number::Finite(decimal) if decimal.is_zero() => Some(0),
        Number::Finite(decimal) => Some(if decimal.is_negative() { -1 } else { 1 }),
    }
}

/// The infinity of a sign; infinite times zero, or anything with NaN, is NaN.
fn infinity(sign: Option<i8>) -> Number {
    match sign {
        Some(1) => Number::Infinity,
        Some(-1) => Number::NegativeInfinity,
        _ => Number::Nan,
    }
}

fn quotient(left: &Decimal, right: &Decimal) -> Result<Decimal, ValueError> {
    let scale = quotient_scale(left, right);
    // left / right * 10^scale, as whole numbers.
    let (left_shift, right_shift) = (scale + right.scale(), left.scale());
    let dividend = left.coefficient() * power_of_ten(left_shift.saturating_sub(right_shift));
    let divisor = right.coefficient() * power_of_ten(right_shift.saturating_sub(left_shift));
    let mut whole = &dividend / &divisor;
    let remainder: BigInt = (&dividend % &divisor) * 2;
    if remainder.magnitude() >= divisor.magnitude() {
        let is_negative = (dividend.sign() == Sign::Minus) != (divisor.sign() == Sign::Minus);
        whole += if is_negative { -1 } else { 1 };
    }
    Decimal::from_big(&whole, scale)
}

/// PostgreSQL's `select_div_scale`: enough digits for 16 significant ones, and never fewer than an operand has.
fn quotient_scale(left: &Decimal, right: &Decimal) -> usize {
    let (left_weight, left_group) = first_group(left);
    let (right_weight, right_group) = first_group(right);
    let weight = left_weight - right_weight - i64::from(left_group <= right_group);
    let wanted = usize::try_from(SIGNIFICANT_DIGITS - weight * DIGITS_PER_GROUP).unwrap_or(0);
    wanted.max(left.scale()).max(right.scale()).min(MAXIMUM_QUOTIENT_SCALE)
}

/// The weight (power of 10000) and the value of the first group of four digits that is not zero.
fn first_group(decimal: &Decimal) -> (i64, u16) {
    let Some(before_point) = decimal.digits_before_point() else {
        return (0, 0);
    };
    let exponent = before_point - 1;
    let count = exponent.rem_euclid(DIGITS_PER_GROUP) + 1;
    let digits = decimal.significant_digits().chain(std::iter::repeat(b'0'));
    let group = digits
        .take(usize::try_from(count).unwrap_or(0))
        .fold(0_u16, |group, digit| group * 10 + u16::from(digit.saturating_sub(b'0')));
    (exponent.div_euclid(DIGITS_PER_GROUP), group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::parse_number;

    type Operation = fn(&Number, &Number) -> Result<Number, ValueError>;

    #[test]
    fn as_postgresql_computes() {
        let cases: &[(Operation, &str, &str, &str)] = &[
            (add, "1.10", "2.2", "3.30"),
            (add, "Infinity", "-Infinity", "NaN"),
            (subtract, "1", "1.00", "0.00"),
            (subtract, "0.05", "1", "-0.95"),
            (multiply, "1.10", "2.2", "2.420"),
            (multiply, "0", "Infinity", "NaN"),
            (multiply, "-2", "Infinity", "-Infinity"),
            (divide, "1", "3", "0.33333333333333333333"),
            (divide, "10", "4", "2.5000000000000000"),
            (divide, "2", "3", "0.66666666666666666667"),
            (divide, "-2", "3", "-0.66666666666666666667"),
            (divide, "100000", "7", "14285.714285714286"),
            (divide, "1", "Infinity", "0"),
            (modulo, "7.5", "2", "1.5"),
            (modulo, "-7.5", "2", "-1.5"),
            (modulo, "5", "0.3", "0.2"),
        ];
        for (operation, left, right, result) in cases {
            let (left, right) = (parse_number(left).unwrap(), parse_number(right).unwrap());
            assert_eq!(operation(&left, &right).unwrap().to_text(), *result, "{left:?} {right:?}");
        }
        let zero = parse_number("0").unwrap();
        for operation in [divide, modulo] {
            assert_eq!(operation(&Number::Infinity, &zero), Err(ValueError::division_by_zero()));
        }
    }
}
