//! Numbers: signs, truncation, powers, bits.

use super::arguments::{Arguments, integer};
use super::{Definition, refused, strict};
use crate::float::{overflow, underflow};
use crate::numeric::{self, Decimal, Number};
use crate::{Datum, Type, ValueError, arithmetic};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict("sign(numeric)", "numeric", |a| sign(&number(a, 0)?)),
    strict("sign(double precision)", "double precision", |a| {
        let value = a.real(0)?;
        real(if value > 0.0 {
            1.0
        } else if value < 0.0 {
            -1.0
        } else {
            0.0
        })
    }),
    strict("trunc(numeric)", "numeric", |a| truncated(number(a, 0)?, 0)),
    strict("trunc(numeric,integer)", "numeric", |a| truncated(number(a, 0)?, a.integer(1)?)),
    strict("trunc(double precision)", "double precision", |a| real(a.real(0)?.trunc())),
    strict("div(numeric,numeric)", "numeric", |a| quotient(&number(a, 0)?, &number(a, 1)?)),
    strict("scale(numeric)", "integer", |a| match number(a, 0)? {
        Number::Finite(decimal) => integer(i64::try_from(decimal.scale()).unwrap_or(0)),
        _ => Ok(Datum::Null),
    }),
    strict("min_scale(numeric)", "integer", |a| match number(a, 0)? {
        Number::Finite(decimal) => integer(least_scale(&decimal)),
        _ => Ok(Datum::Null),
    }),
    strict("trim_scale(numeric)", "numeric", |a| match number(a, 0)? {
        Number::Finite(decimal) => {
            let scale = least_scale(&decimal);
            Ok(Datum::Text(decimal.rounded(scale).to_text()))
        }
        other => Ok(Datum::Text(other.to_text())),
    }),
    strict("power(double precision,double precision)", "double precision", |a| power(a.real(0)?, a.real(1)?)),
    strict("pow(double precision,double precision)", "double precision", |a| power(a.real(0)?, a.real(1)?)),
    strict("^(double precision,double precision)", "double precision", |a| power(a.real(0)?, a.real(1)?)),
    refused("power(numeric,numeric)", "numeric"),
    refused("pow(numeric,numeric)", "numeric"),
    refused("^(numeric,numeric)", "numeric"),
    strict("sqrt(double precision)", "double precision", |a| square_root(a.real(0)?)),
    refused("sqrt(numeric)", "numeric"),
    strict("pi()", "double precision", |_| real(std::f64::consts::PI)),
    strict("gcd(integer,integer)", "integer", |a| divisor(&Type::Integer, a)),
    strict("gcd(bigint,bigint)", "bigint", |a| divisor(&Type::BigInteger, a)),
    refused("gcd(numeric,numeric)", "numeric"),
    strict("lcm(integer,integer)", "integer", |a| multiple(&Type::Integer, a)),
    strict("lcm(bigint,bigint)", "bigint", |a| multiple(&Type::BigInteger, a)),
    refused("lcm(numeric,numeric)", "numeric"),
    strict("&(smallint,smallint)", "smallint", |a| integer(a.integer(0)? & a.integer(1)?)),
    strict("&(integer,integer)", "integer", |a| integer(a.integer(0)? & a.integer(1)?)),
    strict("&(bigint,bigint)", "bigint", |a| integer(a.integer(0)? & a.integer(1)?)),
    strict("|(smallint,smallint)", "smallint", |a| integer(a.integer(0)? | a.integer(1)?)),
    strict("|(integer,integer)", "integer", |a| integer(a.integer(0)? | a.integer(1)?)),
    strict("|(bigint,bigint)", "bigint", |a| integer(a.integer(0)? | a.integer(1)?)),
    strict("#(smallint,smallint)", "smallint", |a| integer(a.integer(0)? ^ a.integer(1)?)),
    strict("#(integer,integer)", "integer", |a| integer(a.integer(0)? ^ a.integer(1)?)),
    strict("#(bigint,bigint)", "bigint", |a| integer(a.integer(0)? ^ a.integer(1)?)),
];

pub(super) fn number(arguments: &Arguments<'_>, index: usize) -> Result<Number, ValueError> {
    arithmetic::number(&Type::Numeric(None), arguments.value(index))
}

fn real(value: f64) -> Result<Datum, ValueError> {
    if value.is_nan() {
        return Err(ValueError::not_a_number("double precision"));
    }
    Ok(Datum::Real(value))
}

fn numeral(number: &Number) -> Datum {
    Datum::Text(number.to_text())
}

fn sign(number: &Number) -> Result<Datum, ValueError> {
    Ok(Datum::Text(
        match number {
            Number::Nan => "NaN",
            Number::Infinity => "1",
            Number::NegativeInfinity => "-1",
            Number::Finite(decimal) if decimal.is_zero() => "0",
            Number::Finite(decimal) => {
                if decimal.is_negative() {
                    "-1"
                } else {
                    "1"
                }
            }
        }
        .to_owned(),
    ))
}

/// The digits behind a place taken away, without rounding.
fn truncated(number: Number, scale: i64) -> Result<Datum, ValueError> {
    let Number::Finite(decimal) = number else { return Ok(numeral(&number)) };
    const LARGEST_PLACE: i64 = 131_071;
    if scale < -LARGEST_PLACE {
        return Ok(Datum::Text("0".to_owned()));
    }
    let scale = scale.min(16_383);
    let own = i64::try_from(decimal.scale()).unwrap_or(i64::MAX);
    if scale >= own {
        return Ok(numeral(&Number::Finite(decimal.rounded(scale))));
    }
    // Rounding after subtracting the remainder of the place changes nothing more.
    let unit = numeric::parse_number(&format!("1e{}", -scale))?;
    let number = Number::Finite(decimal);
    let remainder = numeric::modulo(&number, &unit)?;
    match numeric::subtract(&number, &remainder)? {
        Number::Finite(whole) => Ok(numeral(&Number::Finite(whole.rounded(scale)))),
        other => Ok(numeral(&other)),
    }
}

/// `div`: the whole part of the quotient.
fn quotient(left: &Number, right: &Number) -> Result<Datum, ValueError> {
    let (Number::Finite(_), Number::Finite(_)) = (left, right) else {
        return Ok(numeral(&numeric::divide(left, right)?));
    };
    let exact = numeric::subtract(left, &numeric::modulo(left, right)?)?;
    match numeric::divide(&exact, right)? {
        Number::Finite(whole) => Ok(numeral(&Number::Finite(whole.rounded(0)))),
        other => Ok(numeral(&other)),
    }
}

/// How many digits after the point are needed.
fn least_scale(decimal: &Decimal) -> i64 {
    let text = decimal.to_text();
    let (_, fraction) = text.split_once('.').unwrap_or((&text, ""));
    i64::try_from(fraction.trim_end_matches('0').len()).unwrap_or(0)
}

fn power(base: f64, exponent: f64) -> Result<Datum, ValueError> {
    if base == 0.0 && exponent < 0.0 {
        return Err(ValueError::new("2201F", "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(ValueError::new(
            "2201F",
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let value = base.powf(exponent);
    let are_finite = base.is_finite() && exponent.is_finite();
    if value.is_infinite() && are_finite {
        return Err(overflow());
    }
    if value == 0.0 && base != 0.0 && are_finite {
        return Err(underflow());
    }
    real(value)
}

fn square_root(value: f64) -> Result<Datum, ValueError> {
    if value < 0.0 {
        return Err(ValueError::new("2201F", "cannot take square root of a negative number"));
    }
    real(value.sqrt())
}

fn common(left: i128, right: i128) -> i128 {
    let (mut left, mut right) = (left.abs(), right.abs());
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}

fn divisor(data_type: &Type, arguments: &Arguments<'_>) -> Result<Datum, ValueError> {
    let found = common(i128::from(arguments.integer(0)?), i128::from(arguments.integer(1)?));
    integer(crate::integer::checked(data_type, found)?)
}

fn multiple(data_type: &Type, arguments: &Arguments<'_>) -> Result<Datum, ValueError> {
    let (left, right) = (i128::from(arguments.integer(0)?), i128::from(arguments.integer(1)?));
    if left == 0 || right == 0 {
        return integer(0);
    }
    let least = (left / common(left, right)).checked_mul(right).map(i128::abs);
    integer(crate::integer::checked(data_type, least.ok_or_else(|| ValueError::overflow(data_type.name()))?)?)
}
