use bigdecimal::num_bigint::{BigInt, Sign};

use crate::ValueError;
use crate::integer::trim;
use crate::numeric::{MAXIMUM_INTEGER_DIGITS, MAXIMUM_SCALE};

/// Exponents beyond this overflow whatever the digits are; PostgreSQL's own limit.
const EXPONENT_BOUND: i64 = (i32::MAX / 2) as i64;

/// A value of `numeric`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Number {
    /// `NaN`, larger than everything and equal to itself.
    Nan,
    /// `Infinity`.
    Infinity,
    /// `-Infinity`.
    NegativeInfinity,
    /// A decimal number.
    Finite(Decimal),
}

/// A decimal number: sign, digits and how many of them stand after the point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decimal {
    /// Never set for zero.
    is_negative: bool,
    /// ASCII digits, at least `scale` of them, without leading zeros before the point.
    digits: Vec<u8>,
    /// Digits after the point.
    scale: usize,
}

/// Reads a numeric, with precision and scale where the type declares them, and prints it.
///
/// # Errors
/// 22P02 for another form, 22003 when it exceeds the declared precision or the limits of `numeric`.
pub(crate) fn parse(modifier: Option<(u16, i16)>, text: &str) -> Result<String, ValueError> {
    if modifier.is_none() && is_canonical(text) {
        return Ok(text.to_owned());
    }
    Ok(parse_number(text)?.with_modifier(modifier)?.to_text())
}

/// Reads a numeric.
pub(crate) fn parse_number(text: &str) -> Result<Number, ValueError> {
    let trimmed = trim(text);
    let (is_negative, unsigned) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    if trimmed.eq_ignore_ascii_case("nan") {
        return Ok(Number::Nan);
    }
    if unsigned.eq_ignore_ascii_case("infinity") || unsigned.eq_ignore_ascii_case("inf") {
        return Ok(if is_negative { Number::NegativeInfinity } else { Number::Infinity });
    }
    read_digits(is_negative, unsigned).unwrap_or_else(|| Err(ValueError::syntax("numeric", text)))
}

/// `None` when it is not a number at all.
fn read_digits(is_negative: bool, unsigned: &str) -> Option<Result<Number, ValueError>> {
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(place) => (unsigned.get(..place)?, read_exponent(unsigned.get(place + 1..)?)?),
        None => (unsigned, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut all = integer.bytes().chain(fraction.bytes());
    if mantissa.len() < 1 + usize::from(mantissa.contains('.')) || !all.all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(place_point(is_negative, integer, fraction, exponent).map(Number::Finite))
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Too long for 64 bits is beyond the bound as well.
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

fn place_point(is_negative: bool, integer: &str, fraction: &str, exponent: i64) -> Result<Decimal, ValueError> {
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let significant = integer.trim_start_matches('0');
    let is_zero = significant.is_empty() && fraction.bytes().all(|byte| byte == b'0');
    if exponent.saturating_abs() >= EXPONENT_BOUND {
        return Err(format_overflow());
    }
    let scale = length(fraction).saturating_sub(exponent).max(0);
    let scale = usize::try_from(scale).ok().filter(|scale| *scale <= MAXIMUM_SCALE).ok_or_else(format_overflow)?;
    if is_zero {
        return Ok(Decimal { is_negative: false, digits: vec![b'0'; scale], scale });
    }
    // The place of the first digit that is not zero, counted from the point: how many digits stand before it.
    let before_point = if significant.is_empty() {
        let zeros = length(fraction) - length(fraction.trim_start_matches('0'));
        exponent - zeros
    } else {
        exponent.saturating_add(length(significant))
    };
    if before_point > i64::try_from(MAXIMUM_INTEGER_DIGITS).unwrap_or(i64::MAX) {
        return Err(format_overflow());
    }
    let mut digits: Vec<u8> = significant.bytes().chain(fraction.bytes()).collect();
    // A positive exponent beyond the written fraction appends zeros.
    let appended = exponent.saturating_sub(length(fraction)).max(0);
    digits.extend(std::iter::repeat_n(b'0', usize::try_from(appended).unwrap_or(0)));
    let mut decimal = Decimal { is_negative, digits, scale };
    decimal.tidy();
    Ok(decimal)
}

/// 22003: more digits than any numeric can have.
fn format_overflow() -> ValueError {
    ValueError::new("22003", "value overflows numeric format")
}

/// Whether the text is already as it would be printed, and short: the common case, without work.
fn is_canonical(text: &str) -> bool {
    const SHORT: usize = 1000;
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction) = match unsigned.split_once('.') {
        Some((_, "")) => return false,
        Some(parts) => parts,
        None => (unsigned, ""),
    };
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let has_no_leading_zero = integer == "0" || !(integer.is_empty() || integer.starts_with('0'));
    let is_negative_zero = unsigned.len() < text.len() && !unsigned.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    text.len() <= SHORT && has_no_leading_zero && !is_negative_zero && is_digits(integer) && is_digits(fraction)
}

impl Number {
    /// As PostgreSQL prints it.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Nan => "NaN".to_owned(),
            Self::Infinity => "Infinity".to_owned(),
            Self::NegativeInfinity => "-Infinity".to_owned(),
            Self::Finite(decimal) => decimal.to_text(),
        }
    }

    /// Rounds to a declared scale and checks the precision.
    pub(crate) fn with_modifier(self, modifier: Option<(u16, i16)>) -> Result<Self, ValueError> {
        let Some((precision, scale)) = modifier else {
            return Ok(self);
        };
        let overflow = |details: String| ValueError::new("22003", "numeric field overflow").with_details(details);
        let decimal = match self {
            Self::Nan => return Ok(self),
            Self::Infinity | Self::NegativeInfinity => {
                return Err(overflow(format!(
                    "A field with precision {precision}, scale {scale} cannot hold an infinite value."
                )));
            }
            Self::Finite(decimal) => decimal.rounded(i64::from(scale)),
        };
        let most_digits = i64::from(precision) - i64::from(scale);
        if decimal.digits_before_point().is_some_and(|digits| digits > most_digits) {
            let bound = if most_digits == 0 { "1".to_owned() } else { format!("10^{most_digits}") };
            return Err(overflow(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
            )));
        }
        Ok(Self::Finite(decimal))
    }
}

impl Decimal {
    /// A whole number times ten to the power of `-scale`.
    ///
    /// # Errors
    /// 22003 when it has more digits than `numeric` allows.
    pub(crate) fn from_big(coefficient: &BigInt, scale: usize) -> Result<Self, ValueError> {
        let mut digits = coefficient.magnitude().to_str_radix(10).into_bytes();
        if digits.len() < scale {
            let missing = scale - digits.len();
            digits.splice(0..0, std::iter::repeat_n(b'0', missing));
        }
        let mut decimal = Self { is_negative: coefficient.sign() == Sign::Minus, digits, scale };
        decimal.tidy();
        if decimal.scale > MAXIMUM_SCALE {
            decimal = decimal.rounded(i64::try_from(MAXIMUM_SCALE).unwrap_or(i64::MAX));
        }
        if decimal.digits.len() - decimal.scale > MAXIMUM_INTEGER_DIGITS {
            return Err(format_overflow());
        }
        Ok(decimal)
    }

    /// A whole number.
    pub(crate) fn from_integer(value: i128) -> Self {
        let mut digits = value.unsigned_abs().to_string().into_bytes();
        if value == 0 {
            digits.clear();
        }
        Self { is_negative: value < 0, digits, scale: 0 }
    }

    /// All digits as one whole number: the value times ten to the power of the scale.
    pub(crate) fn coefficient(&self) -> BigInt {
        let magnitude = BigInt::parse_bytes(&self.digits, 10).unwrap_or_default();
        if self.is_negative { -magnitude } else { magnitude }
    }

    /// Digits after the point.
    pub(crate) fn scale(&self) -> usize {
        self.scale
    }

    /// Whether it is below zero.
    pub(crate) fn is_negative(&self) -> bool {
        self.is_negative
    }

    /// Whether it is zero.
    pub(crate) fn is_zero(&self) -> bool {
        self.digits.iter().all(|digit| *digit == b'0')
    }

    /// The place of the first digit that is not zero: 1 for units, 2 for tens, 0 for tenths. `None` for zero.
    pub(crate) fn digits_before_point(&self) -> Option<i64> {
        let zeros = self.digits.iter().position(|digit| *digit != b'0')?;
        let before_point = i64::try_from(self.digits.len()).ok()? - i64::try_from(self.scale).ok()?;
        Some(before_point - i64::try_from(zeros).ok()?)
    }

    /// The digits from the first that is not zero on.
    pub(crate) fn significant_digits(&self) -> impl Iterator<Item = u8> + '_ {
        self.digits.iter().copied().skip_while(|digit| *digit == b'0')
    }

    /// Rounded half away from zero to so many digits after the point; fewer than none rounds tens, hundreds, ...
    pub(crate) fn rounded(mut self, scale: i64) -> Self {
        let before_point = self.digits.len() - self.scale;
        let wanted = usize::try_from(scale).unwrap_or(0);
        if scale >= 0 && wanted >= self.scale {
            self.digits.resize(before_point + wanted, b'0');
            self.scale = wanted;
            return self;
        }
        let kept = i64::try_from(before_point).unwrap_or(i64::MAX).saturating_add(scale);
        let Ok(kept) = usize::try_from(kept) else {
            return Self { is_negative: false, digits: Vec::new(), scale: 0 };
        };
        let is_rounded_up = self.digits.get(kept).is_some_and(|digit| *digit >= b'5');
        self.digits.truncate(kept);
        if is_rounded_up {
            self.increment();
        }
        if scale < 0 {
            let zeros = usize::try_from(scale.unsigned_abs()).unwrap_or(0);
            self.digits.extend(std::iter::repeat_n(b'0', zeros));
        }
        self.scale = wanted;
        self.tidy();
        self
    }

    /// The value as a whole number, rounded half away from zero; `None` beyond 128 bits.
    pub(crate) fn to_integer(&self) -> Option<i128> {
        let rounded = self.clone().rounded(0);
        if rounded.digits.is_empty() {
            return Some(0);
        }
        let magnitude: i128 = std::str::from_utf8(&rounded.digits).ok()?.parse().ok()?;
        Some(if rounded.is_negative { -magnitude } else { magnitude })
    }

    /// As PostgreSQL prints it.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.digits.len() + 3);
        if self.is_negative {
            text.push('-');
        }
        let before_point = self.digits.len() - self.scale;
        if before_point == 0 {
            text.push('0');
        }
        for (index, digit) in self.digits.iter().enumerate() {
            if index == before_point {
                text.push('.');
            }
            text.push(char::from(*digit));
        }
        text
    }

    /// Adds one unit in the last place.
    fn increment(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.digits.insert(0, b'1');
    }

    /// Restores what the fields promise.
    fn tidy(&mut self) {
        if self.digits.len() < self.scale {
            let missing = self.scale - self.digits.len();
            self.digits.splice(0..0, std::iter::repeat_n(b'0', missing));
        }
        let before_point = self.digits.len() - self.scale;
        let zeros = self.digits.iter().take(before_point).take_while(|digit| **digit == b'0').count();
        self.digits.drain(..zeros);
        if self.is_zero() {
            self.is_negative = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_printed() {
        for (text, printed) in [
            ("1.10", "1.10"),
            ("+.5e1", "5"),
            ("-0.00", "0.00"),
            (" 12 ", "12"),
            ("007.5", "7.5"),
            ("5.", "5"),
            ("1e5", "100000"),
            ("1.23e1", "12.3"),
            ("1.23e-3", "0.00123"),
            ("1e-7", "0.0000001"),
            ("0e5", "0"),
            ("0.0e1", "0"),
            ("0.050e1", "0.50"),
            ("inf", "Infinity"),
            ("-INFINITY", "-Infinity"),
            ("nan", "NaN"),
            ("0", "0"),
            ("-0", "0"),
            ("0.0", "0.0"),
            ("0e200000", "0"),
        ] {
            assert_eq!(parse(None, text).as_deref(), Ok(printed), "{text}");
        }
        for text in ["", ".", "1e", "e5", "+nan", "1 2", "ten", "1.2.3", "--1", "1e5.5", "é"] {
            assert_eq!(
                parse(None, text).unwrap_err().message,
                format!("invalid input syntax for type numeric: \"{text}\"")
            );
        }
        for text in ["1e131072", "1e-16384", "1e99999999999999999999", "0e-20000"] {
            assert_eq!(parse(None, text).unwrap_err().message, "value overflows numeric format", "{text}");
        }
        assert_eq!(parse(None, "1e131071").map(|text| text.len()), Ok(131_072));
    }

    #[test]
    fn modifiers() {
        for (modifier, text, printed) in [
            ((12, 2), "1", "1.00"),
            ((12, 2), "12.345", "12.35"),
            ((12, 2), "-12.345", "-12.35"),
            ((12, 2), "-0.004", "0.00"),
            ((12, 2), "9.999", "10.00"),
            ((3, 5), "0.00012345", "0.00012"),
            ((3, -2), "1234", "1200"),
            ((3, -2), "50", "100"),
            ((3, -2), "49", "0"),
            ((3, -5), "49", "0"),
            ((2, 2), "0.994", "0.99"),
            ((5, 2), "NaN", "NaN"),
        ] {
            assert_eq!(parse(Some(modifier), text).as_deref(), Ok(printed), "{text}");
        }
        for (modifier, text, details) in [
            (
                (12, 2),
                "9999999999.995",
                "A field with precision 12, scale 2 must round to an absolute value less than 10^10.",
            ),
            ((3, 5), "1", "A field with precision 3, scale 5 must round to an absolute value less than 10^-2."),
            ((2, 2), "0.995", "A field with precision 2, scale 2 must round to an absolute value less than 1."),
            ((3, -2), "99999", "A field with precision 3, scale -2 must round to an absolute value less than 10^5."),
            ((5, 2), "inf", "A field with precision 5, scale 2 cannot hold an infinite value."),
        ] {
            let error = parse(Some(modifier), text).unwrap_err();
            assert_eq!((error.sqlstate, error.message.as_str()), ("22003", "numeric field overflow"));
            assert_eq!(error.details.as_deref(), Some(details));
        }
    }
}
