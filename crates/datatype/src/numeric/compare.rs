use std::cmp::Ordering;

use crate::numeric::parse_number;

/// The order of two numerics in text: by value, `-Infinity` first, then `Infinity` and `NaN`. Plain decimals,
/// which is what `numeric` columns hold, take the fast way without allocation.
///
/// Total: texts that are no numbers come last, by their bytes.
pub fn compare_text(left: &str, right: &str) -> Ordering {
    match (Plain::of(left), Plain::of(right)) {
        (Some(left), Some(right)) => left.compare(&right),
        _ => compare_slow(left, right),
    }
}

/// A finite number, taken apart; leading zeros of the integer and trailing zeros of the fraction are gone.
struct Plain<'a> {
    is_negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Plain<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (is_negative, unsigned) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let integer_length = unsigned.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(unsigned.len());
        let (mut integer, rest) = unsigned.split_at_checked(integer_length)?;
        let mut fraction: &[u8] = match rest {
            [] => &[],
            [b'.', fraction @ ..] if fraction.iter().all(u8::is_ascii_digit) => fraction,
            _ => return None,
        };
        if integer.is_empty() && fraction.is_empty() {
            return None;
        }
        while let [b'0', rest @ ..] = integer {
            integer = rest;
        }
        while let [rest @ .., b'0'] = fraction {
            fraction = rest;
        }
        let is_zero = integer.is_empty() && fraction.is_empty();
        Some(Self { is_negative: is_negative && !is_zero, integer, fraction })
    }

    fn compare(&self, other: &Self) -> Ordering {
        if self.is_negative != other.is_negative {
            return other.is_negative.cmp(&self.is_negative);
        }
        let magnitudes = (self.integer.len().cmp(&other.integer.len()))
            .then_with(|| self.integer.cmp(other.integer))
            .then_with(|| self.fraction.cmp(other.fraction));
        if self.is_negative { magnitudes.reverse() } else { magnitudes }
    }
}

fn compare_slow(left: &str, right: &str) -> Ordering {
    let (left_rank, left_text) = rank(left);
    let (right_rank, right_text) = rank(right);
    left_rank.cmp(&right_rank).then_with(|| match left_rank {
        FINITE => match (Plain::of(&left_text), Plain::of(&right_text)) {
            (Some(left), Some(right)) => left.compare(&right),
            _ => Ordering::Equal,
        },
        GARBAGE => left.cmp(right),
        _ => Ordering::Equal,
    })
}

const FINITE: u8 = 1;
const GARBAGE: u8 = 4;

/// Where a text of any form stands, and its plain form where it is finite.
fn rank(text: &str) -> (u8, String) {
    use crate::numeric::Number;
    match parse_number(text) {
        Ok(Number::NegativeInfinity) => (0, String::new()),
        Ok(Number::Finite(decimal)) => (FINITE, decimal.to_text()),
        Ok(Number::Infinity) => (2, String::new()),
        Ok(Number::Nan) => (3, String::new()),
        // Beyond the limits of numeric, but plain digits: still a number.
        Err(_) if Plain::of(text).is_some() => (FINITE, text.to_owned()),
        Err(_) => (GARBAGE, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordered() {
        let ascending = [
            "-Infinity",
            "-100.5",
            "-100",
            "-99.99",
            "-0.5",
            "-0.05",
            "0",
            "0.0001",
            "0.5",
            "0.55",
            "1",
            "1.01",
            "2",
            "9",
            "10",
            "1e2",
            "100.5",
            "Infinity",
            "NaN",
            "",
            "abc",
            "é",
        ];
        for (index, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare_text(left, right), index.cmp(&other), "{left} {right}");
            }
        }
        for (left, right) in [("1.0", "1"), ("-0", "0.00"), ("007", "7"), ("1e2", "100"), (".5", "0.50")] {
            assert_eq!(compare_text(left, right), Ordering::Equal);
        }
    }

    proptest! {
        #[test]
        fn total(texts in proptest::collection::vec("[-+0-9.eNa]{0,8}", 3)) {
            let [a, b, c] = [&texts[0], &texts[1], &texts[2]];
            prop_assert_eq!(compare_text(a, b), compare_text(b, a).reverse());
            if compare_text(a, b) != Ordering::Greater && compare_text(b, c) != Ordering::Greater {
                prop_assert_ne!(compare_text(a, c), Ordering::Greater);
            }
        }
    }
}
