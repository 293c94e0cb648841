use crate::arithmetic::{integer, number, real};
use crate::float::{overflow, to_single};
use crate::integer::checked;
use crate::interval::Interval;
use crate::numeric::{self, Decimal, Number};
use crate::{Datum, DatumRef, Type, ValueError};

/// `sum(column)`: adds value by value; NULL is skipped.
#[derive(Debug, Clone)]
pub struct Sum {
    argument: Type,
    total: Option<Total>,
}

impl Sum {
    /// A sum of values of the type.
    pub fn new(data_type: &Type) -> Self {
        Self { argument: data_type.without_modifier(), total: None }
    }

    /// The type of the sum: bigint for smaller integers, numeric for bigint and numeric, the floating point types
    /// themselves; `None` for types that have no sum here.
    pub fn result_type(argument: &Type) -> Option<Type> {
        Some(match argument {
            Type::SmallInteger | Type::Integer => Type::BigInteger,
            Type::BigInteger | Type::Numeric(_) => Type::Numeric(None),
            Type::Real => Type::Real,
            Type::Double => Type::Double,
            Type::Interval => Type::Interval,
            _ => return None,
        })
    }

    /// Adds a value.
    ///
    /// # Errors
    /// 22003 when a floating point sum overflows, 42883 when the type has no sum.
    pub fn add(&mut self, value: DatumRef<'_>) -> Result<(), ValueError> {
        if matches!(value, DatumRef::Null) {
            return Ok(());
        }
        let term = Total::of(&self.argument, value, "sum")?;
        let total = match self.total.take() {
            None => term,
            Some(total) => total.plus(term)?,
        };
        self.total = Some(match total {
            // sum(real) is real at every step.
            Total::Real(total) if self.argument == Type::Real && total.is_finite() => Total::Real(to_single(total)?),
            other => other,
        });
        Ok(())
    }

    /// The sum; NULL when there was no value.
    ///
    /// # Errors
    /// 22003 when it is out of range.
    pub fn finish(self) -> Result<Datum, ValueError> {
        Ok(match self.total {
            None => Datum::Null,
            Some(Total::Integer(total)) if self.argument != Type::BigInteger => {
                Datum::Integer(checked(&Type::BigInteger, total)?)
            }
            Some(Total::Integer(total)) => Datum::Text(total.to_string()),
            Some(Total::Number(total)) => Datum::Text(total.to_text()),
            Some(Total::Small { coefficient, scale }) => Datum::Text(small(coefficient, scale)?.to_text()),
            Some(Total::Real(total)) if total.is_nan() => {
                return Err(ValueError::not_a_number(self.argument.name()));
            }
            Some(Total::Real(total)) => Datum::Real(total),
            Some(Total::Interval(total)) => Datum::Text(total.to_text()),
        })
    }
}

/// `avg(column)`: numeric for integers and numeric, double precision for floating point types; NULL is skipped.
#[derive(Debug, Clone)]
pub struct Average {
    argument: Type,
    total: Option<Total>,
    count: u64,
    /// The sum of squared deviations, which PostgreSQL keeps along and checks for overflow.
    deviations: f64,
}

impl Average {
    /// An average of values of the type.
    pub fn new(data_type: &Type) -> Self {
        Self { argument: data_type.without_modifier(), total: None, count: 0, deviations: 0.0 }
    }

    /// The type of the average; `None` for types that have none here.
    pub fn result_type(argument: &Type) -> Option<Type> {
        Some(match argument {
            Type::SmallInteger | Type::Integer | Type::BigInteger | Type::Numeric(_) => Type::Numeric(None),
            Type::Real | Type::Double => Type::Double,
            Type::Interval => Type::Interval,
            _ => return None,
        })
    }

    /// Adds a value.
    ///
    /// # Errors
    /// 22003 when a floating point average overflows, 42883 when the type has no average.
    pub fn add(&mut self, value: DatumRef<'_>) -> Result<(), ValueError> {
        if matches!(value, DatumRef::Null) {
            return Ok(());
        }
        let term = Total::of(&self.argument, value, "avg")?;
        let total = match (self.total.take(), term) {
            (None, term) => term,
            (Some(Total::Real(total)), Total::Real(term)) => Total::Real(self.accumulate(total, term)?),
            (Some(total), term) => total.plus(term)?,
        };
        self.total = Some(total);
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// The average; NULL when there was no value.
    ///
    /// # Errors
    /// 22003 when it is out of range.
    pub fn finish(self) -> Result<Datum, ValueError> {
        let total = match self.total {
            None => return Ok(Datum::Null),
            Some(Total::Real(total)) if total.is_nan() => {
                return Err(ValueError::not_a_number("double precision"));
            }
            #[expect(clippy::cast_precision_loss, reason = "PostgreSQL counts in floating point as well")]
            Some(Total::Real(total)) => return Ok(Datum::Real(total / self.count as f64)),
            #[expect(clippy::cast_precision_loss, reason = "PostgreSQL divides intervals in floating point as well")]
            Some(Total::Interval(total)) => {
                return Ok(Datum::Text(total.divided_by(self.count as f64)?.to_text()));
            }
            Some(Total::Integer(total)) => Number::Finite(Decimal::from_integer(total)),
            Some(Total::Small { coefficient, scale }) => Number::Finite(small(coefficient, scale)?),
            Some(Total::Number(total)) => total,
        };
        let count = Number::Finite(Decimal::from_integer(i128::from(self.count)));
        Ok(Datum::Text(numeric::divide(&total, &count)?.to_text()))
    }

    /// One step of Youngs and Cramer's method, with PostgreSQL's checks.
    fn accumulate(&mut self, total: f64, term: f64) -> Result<f64, ValueError> {
        #[expect(clippy::cast_precision_loss, reason = "PostgreSQL counts in floating point as well")]
        let before = self.count as f64;
        let after = before + 1.0;
        let sum = total + term;
        let difference = term * after - sum;
        self.deviations += difference * difference / (after * before);
        if sum.is_infinite() || self.deviations.is_infinite() {
            if total.is_finite() && term.is_finite() {
                return Err(overflow());
            }
            self.deviations = f64::NAN;
        }
        Ok(sum)
    }
}

/// What has been added up so far.
#[derive(Debug, Clone)]
enum Total {
    /// Values of integer types. 2^64 of them fit.
    Integer(i128),
    /// Numerics that fit into 128 bits: the coefficient and the digits after the point.
    Small {
        coefficient: i128,
        scale: u32,
    },
    /// Any other numeric.
    Number(Number),
    Real(f64),
    Interval(Interval),
}

/// Numerics with more bytes than this are added in arbitrary precision.
const SMALL_LENGTH: usize = 30;

impl Total {
    fn of(argument: &Type, value: DatumRef<'_>, function: &str) -> Result<Self, ValueError> {
        match argument {
            Type::SmallInteger | Type::Integer | Type::BigInteger => {
                integer(argument, value).map(|value| Self::Integer(i128::from(value)))
            }
            Type::Numeric(_) => match value {
                DatumRef::Text(text) if text.len() <= SMALL_LENGTH => match read_small(text) {
                    Some(small) => Ok(small),
                    None => number(argument, value).map(Self::Number),
                },
                _ => number(argument, value).map(Self::Number),
            },
            Type::Real | Type::Double => real(argument, value).map(Self::Real),
            Type::Interval => Interval::of(value).map(Self::Interval),
            _ => Err(ValueError::new("42883", format!("function {function}({}) does not exist", argument.name()))),
        }
    }

    fn plus(self, term: Self) -> Result<Self, ValueError> {
        Ok(match (self, term) {
            (Self::Integer(total), Self::Integer(term)) => {
                Self::Integer(total.checked_add(term).ok_or_else(|| ValueError::overflow("bigint"))?)
            }
            (Self::Real(total), Self::Real(term)) => {
                let sum = total + term;
                if sum.is_infinite() && total.is_finite() && term.is_finite() {
                    return Err(overflow());
                }
                Self::Real(sum)
            }
            (Self::Interval(total), Self::Interval(term)) => Self::Interval(total.plus(term)?),
            (total, term) => match total.plus_small(&term) {
                Some(sum) => sum,
                None => Self::Number(numeric::add(&total.into_number()?, &term.into_number()?)?),
            },
        })
    }

    /// The sum of two small numerics, if it is small too.
    fn plus_small(&self, term: &Self) -> Option<Self> {
        let (Self::Small { coefficient, scale }, Self::Small { coefficient: term_coefficient, scale: term_scale }) =
            (self, term)
        else {
            return None;
        };
        let common = *scale.max(term_scale);
        let scaled = |value: &i128, scale: u32| value.checked_mul(10_i128.checked_pow(common - scale)?);
        let coefficient = scaled(coefficient, *scale)?.checked_add(scaled(term_coefficient, *term_scale)?)?;
        Some(Self::Small { coefficient, scale: common })
    }

    fn into_number(self) -> Result<Number, ValueError> {
        match self {
            Self::Integer(value) => Ok(Number::Finite(Decimal::from_integer(value))),
            Self::Small { coefficient, scale } => small(coefficient, scale).map(Number::Finite),
            Self::Number(number) => Ok(number),
            Self::Real(_) | Self::Interval(_) => Err(ValueError::shape(&Type::Numeric(None))),
        }
    }
}

fn small(coefficient: i128, scale: u32) -> Result<Decimal, ValueError> {
    Decimal::from_big(&coefficient.into(), usize::try_from(scale).unwrap_or(0))
}

/// Reads plain digits with at most one point.
fn read_small(text: &str) -> Option<Total> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut coefficient = 0_i128;
    let mut scale = None;
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' => {
                coefficient = coefficient.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                scale = scale.map(|scale| scale + 1);
            }
            b'.' if scale.is_none() => scale = Some(0),
            _ => return None,
        }
    }
    if unsigned.is_empty() {
        return None;
    }
    Some(Total::Small { coefficient: if is_negative { -coefficient } else { coefficient }, scale: scale.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(data_type: &Type, values: &[DatumRef<'_>]) -> Result<Datum, ValueError> {
        let mut sum = Sum::new(data_type);
        values.iter().try_for_each(|value| sum.add(*value))?;
        sum.finish()
    }

    fn average(data_type: &Type, values: &[DatumRef<'_>]) -> Result<Datum, ValueError> {
        let mut average = Average::new(data_type);
        values.iter().try_for_each(|value| average.add(*value))?;
        average.finish()
    }

    #[test]
    fn sums_and_averages() {
        let (int, real, text) = (DatumRef::Integer, DatumRef::Real, DatumRef::Text);
        let number = |text: &str| Ok(Datum::Text(text.to_owned()));
        let numeric = Type::Numeric(Some((12, 2)));
        assert_eq!(sum(&Type::Integer, &[]), Ok(Datum::Null));
        assert_eq!(average(&Type::Integer, &[DatumRef::Null]), Ok(Datum::Null));
        assert_eq!(sum(&Type::Integer, &[int(1), DatumRef::Null, int(2)]), Ok(Datum::Integer(3)));
        assert_eq!(sum(&Type::BigInteger, &[int(i64::MAX), int(i64::MAX)]), number("18446744073709551614"));
        assert_eq!(sum(&numeric, &[text("1.10"), text("2.2"), text("-0.30")]), number("3.00"));
        assert_eq!(sum(&numeric, &[text("1"), text("NaN"), text("2")]), number("NaN"));
        let long = "123456789012345678901234567890.123456789";
        assert_eq!(sum(&numeric, &[text("0.1"), text(long)]), number("123456789012345678901234567890.223456789"));
        assert_eq!(sum(&Type::Double, &[real(0.5), real(0.25)]), Ok(Datum::Real(0.75)));
        assert_eq!(average(&Type::Integer, &[int(1), int(2)]), number("1.5000000000000000"));
        assert_eq!(average(&Type::Integer, &[int(1), int(1), int(2)]), number("1.3333333333333333"));
        assert_eq!(average(&numeric, &[text("10.00"), text("20.00")]), number("15.0000000000000000"));
        assert_eq!(average(&Type::Double, &[real(1.0), real(2.0)]), Ok(Datum::Real(1.5)));
        assert!(average(&Type::Double, &[real(1e308), real(1e308)]).is_err());
        assert_eq!(sum(&Type::Text, &[text("a")]).unwrap_err().message, "function sum(text) does not exist");
    }
}
