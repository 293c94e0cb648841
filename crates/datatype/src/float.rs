//! `real` and `double precision` in text.

use std::io::{Cursor, Write as _};

use crate::ValueError;
use crate::integer::trim;

/// Plain digits are printed below ten to this power, `1e+15` from there on (C's `DBL_DIG`).
const DOUBLE_DIGITS: i32 = 15;
/// The same for `real` (C's `FLT_DIG`).
const REAL_DIGITS: i32 = 6;

/// Reads a number of `real` (`is_single`) or `double precision`. Decimal forms, `inf` and `infinity`.
///
/// # Errors
/// 22P02 for another form, 22003 out of the type's range, 0A000 for NaN.
pub(crate) fn parse_float(is_single: bool, text: &str) -> Result<f64, ValueError> {
    let type_name = type_name(is_single);
    let trimmed = trim(text);
    let unsigned = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if unsigned.eq_ignore_ascii_case("nan") {
        return Err(ValueError::not_a_number(type_name));
    }
    if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
        return Ok(if trimmed.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let syntax = || ValueError::syntax(type_name, text);
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Err(syntax());
    }
    let value = if is_single {
        trimmed.parse::<f32>().map(f64::from).map_err(|_| syntax())?
    } else {
        trimmed.parse::<f64>().map_err(|_| syntax())?
    };
    // A number that is not zero in text has become zero, or has left the range.
    if value.is_infinite() || (value == 0.0 && has_digit_above_zero(unsigned)) {
        return Err(ValueError::new("22003", format!("\"{trimmed}\" is out of range for type {type_name}")));
    }
    Ok(value)
}

/// Prints the shortest digits that read back as the same number, in PostgreSQL's layout: `1e+300`, `1e-07`, `21`.
pub(crate) fn write_float(is_single: bool, value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value < 0.0 { b"-Infinity" } else { b"Infinity" });
    } else {
        write_finite(is_single, value, out);
    }
}

/// The type's name in messages.
pub(crate) fn type_name(is_single: bool) -> &'static str {
    if is_single { "real" } else { "double precision" }
}

/// Rounds a computed number to `real`: 22003 when it over- or underflows.
pub(crate) fn to_single(value: f64) -> Result<f64, ValueError> {
    #[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what is asked for")]
    let single = f64::from(value as f32);
    if single.is_infinite() && value.is_finite() {
        return Err(overflow());
    }
    if single == 0.0 && value != 0.0 {
        return Err(underflow());
    }
    Ok(single)
}

/// 22003, a computed number is too large.
pub(crate) fn overflow() -> ValueError {
    ValueError::new("22003", "value out of range: overflow")
}

/// 22003, a computed number is too small to differ from zero.
pub(crate) fn underflow() -> ValueError {
    ValueError::new("22003", "value out of range: underflow")
}

fn has_digit_above_zero(unsigned: &str) -> bool {
    unsigned.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').any(|byte| matches!(byte, b'1'..=b'9'))
}

/// How many digits always suffice to find a number again.
const fn longest(is_single: bool) -> usize {
    if is_single { 9 } else { 17 }
}

/// Whether digits this short can lie exactly on the border between two numbers: such borders have few digits
/// only among large numbers, which have hardly a fraction.
fn has_short_borders(is_single: bool, value: f64) -> bool {
    value >= if is_single { 2_f64.powi(19) } else { 2_f64.powi(50) }
}

/// Whether the shortest digits of the standard library may differ from PostgreSQL's, which refuses digits on
/// the very border between two numbers and rounds ties to even: ties have many digits.
fn is_doubtful(is_single: bool, value: f64, digits: usize) -> bool {
    digits > if is_single { 6 } else { 15 } || has_short_borders(is_single, value)
}

/// The digits that PostgreSQL prints, as `d.ddde12`; `shortest` is what the standard library prints.
fn refined(is_single: bool, value: f64, shortest: &str, digits: usize) -> String {
    let printed = |digits: usize| trimmed(&format!("{value:.*e}", digits.saturating_sub(1)));
    let first = printed(digits);
    if is_inside(is_single, value, &first) {
        return first;
    }
    if is_inside(is_single, value, shortest) {
        return shortest.to_owned();
    }
    (digits + 1..longest(is_single))
        .map(printed)
        .find(|text| is_inside(is_single, value, text))
        .unwrap_or_else(|| printed(longest(is_single)))
}

/// Without zeros at the end of the mantissa.
fn trimmed(printed: &str) -> String {
    match printed.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => {
            format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => printed.to_owned(),
    }
}

/// Whether the text reads as the number, even when it is moved a little up or down.
fn is_inside(is_single: bool, value: f64, text: &str) -> bool {
    let reads_back = |text: &str| {
        if is_single {
            text.parse::<f32>().is_ok_and(|read| f64::from(read) == value)
        } else {
            text.parse::<f64>().is_ok_and(|read| read == value)
        }
    };
    if !has_short_borders(is_single, value) {
        return reads_back(text);
    }
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return false;
    };
    let point = if mantissa.contains('.') { "" } else { "." };
    let above = format!("{mantissa}{point}{:0>40}e{exponent}", 1);
    let below = format!("{}{point}{:9>40}e{exponent}", decremented(mantissa), 9);
    reads_back(&above) && reads_back(&below)
}

/// One unit in the last place less.
fn decremented(mantissa: &str) -> String {
    let mut is_borrowing = true;
    let mut bytes: Vec<u8> = mantissa.bytes().collect();
    for byte in bytes.iter_mut().rev().filter(|byte| byte.is_ascii_digit()) {
        if is_borrowing {
            is_borrowing = *byte == b'0';
            *byte = if is_borrowing { b'9' } else { *byte - 1 };
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn write_finite(is_single: bool, value: f64, out: &mut Vec<u8>) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    // "1.7976931348623157e-308" and some room.
    let mut buffer = [0_u8; 40];
    let mut cursor = Cursor::new(buffer.as_mut_slice());
    #[expect(clippy::cast_possible_truncation, reason = "values of type real are single precision already")]
    let written = if is_single { write!(cursor, "{:e}", value as f32) } else { write!(cursor, "{value:e}") };
    let length = if written.is_ok() { usize::try_from(cursor.position()).unwrap_or(0) } else { 0 };
    let Some(text) = buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()) else {
        return;
    };
    let digits = text.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if value != 0.0 && is_doubtful(is_single, value, digits) {
        lay_out(is_single, &refined(is_single, value, text, digits), out);
    } else {
        lay_out(is_single, text, out);
    }
}

/// Prints `d.ddde12` in PostgreSQL's layout.
fn lay_out(is_single: bool, text: &str, out: &mut Vec<u8>) {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return;
    };
    let Ok(exponent) = exponent.parse::<i32>() else {
        return;
    };
    let plain_below = if is_single { REAL_DIGITS } else { DOUBLE_DIGITS };
    if (-4..plain_below).contains(&exponent) {
        write_plain(mantissa, exponent, out);
        return;
    }
    out.extend_from_slice(mantissa.as_bytes());
    out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
    if exponent.abs() < 10 {
        out.push(b'0');
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
}

/// `d.ddd` times ten to a small power, without an exponent.
fn write_plain(mantissa: &str, exponent: i32, out: &mut Vec<u8>) {
    let digits = mantissa.bytes().filter(|byte| *byte != b'.');
    let count = mantissa.len() - usize::from(mantissa.contains('.'));
    let Ok(before_point) = usize::try_from(exponent + 1) else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', usize::try_from(-exponent - 1).unwrap_or(0)));
        out.extend(digits);
        return;
    };
    if before_point == 0 {
        out.extend_from_slice(b"0.");
    }
    for (index, digit) in digits.enumerate() {
        if index == before_point && index > 0 {
            out.push(b'.');
        }
        out.push(digit);
    }
    out.extend(std::iter::repeat_n(b'0', before_point.saturating_sub(count)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(is_single: bool, value: f64) -> String {
        let mut out = Vec::new();
        write_float(is_single, value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn printed_as_float8out() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (21.0, "21"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e-7, "1e-07"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (1e23, "9.999999999999999e+22"),
            (-21_691_341_486_096_248.0, "-2.1691341486096248e+16"),
            (4_893_535_179_027_205.0 / 4.0, "1.2233837947568012e+15"),
            (52.0907, "52.0907"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "Infinity"),
            (-1234.5, "-1234.5"),
        ] {
            assert_eq!(print(false, value), text);
        }
        for (value, text) in [
            (0.1, "0.1"),
            (1e5, "100000"),
            (1e6, "1e+06"),
            (1.5, "1.5"),
            (371_756.625, "371756.62"),
            (74_664_704.0, "7.4664704e+07"),
        ] {
            assert_eq!(print(true, f64::from(value as f32)), text);
        }
    }

    #[test]
    fn read_as_float8in() {
        assert_eq!(parse_float(false, " 1.5e3 "), Ok(1500.0));
        assert_eq!(parse_float(false, ".5"), Ok(0.5));
        assert_eq!(parse_float(false, "-Infinity"), Ok(f64::NEG_INFINITY));
        assert_eq!(parse_float(false, "0e-999"), Ok(0.0));
        for (is_single, text, message) in [
            (false, "1,5", "invalid input syntax for type double precision: \"1,5\""),
            (false, "", "invalid input syntax for type double precision: \"\""),
            (false, ".", "invalid input syntax for type double precision: \".\""),
            (false, "infin", "invalid input syntax for type double precision: \"infin\""),
            (false, "1e400", "\"1e400\" is out of range for type double precision"),
            (false, "1e-400", "\"1e-400\" is out of range for type double precision"),
            (true, "1e40", "\"1e40\" is out of range for type real"),
        ] {
            assert_eq!(parse_float(is_single, text).unwrap_err().message, message);
        }
        assert_eq!(parse_float(false, "NaN").unwrap_err().sqlstate, "0A000");
    }
}
