//! `interval`: months, days and microseconds, as PostgreSQL keeps them apart, read and printed in its style `postgres`.

mod arithmetic;
mod input;

use std::cmp::Ordering;
use std::io::Write as _;

use crate::calendar::{MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND};
use crate::{DatumRef, Type, ValueError};

pub(crate) use arithmetic::{add_to_moment, add_to_zoned, checked, from_local, to_local};
pub(crate) use input::parse;

/// Months in a year.
pub(crate) const MONTHS_PER_YEAR: i64 = 12;
/// How many days a month counts where intervals are compared.
pub(crate) const DAYS_PER_MONTH: i64 = 30;

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Interval {
    /// Months; years are twelve of them.
    pub(crate) months: i32,
    /// Days: not always 24 hours.
    pub(crate) days: i32,
    /// Microseconds.
    pub(crate) microseconds: i64,
}

impl Interval {
    /// The interval in a stored value.
    pub(crate) fn of(value: DatumRef<'_>) -> Result<Self, ValueError> {
        match value {
            DatumRef::Text(text) => parse(text),
            _ => Err(ValueError::shape(&Type::Interval)),
        }
    }

    /// A span of so many microseconds, whole days taken out of them.
    pub(crate) fn justified(microseconds: i64) -> Self {
        let days = i32::try_from(microseconds / MICROSECONDS_PER_DAY).unwrap_or(0);
        Self { months: 0, days, microseconds: microseconds % MICROSECONDS_PER_DAY }
    }

    /// As PostgreSQL prints it: `1 year 2 mons -3 days +04:05:06.7`.
    pub(crate) fn to_text(self) -> String {
        let mut text = Vec::new();
        self.write(&mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// Prints it as [`Self::to_text`] does, without allocating.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        let months = i64::from(self.months);
        let mut was_negative = false;
        for (value, unit) in
            [(months / MONTHS_PER_YEAR, "year"), (months % MONTHS_PER_YEAR, "mon"), (i64::from(self.days), "day")]
        {
            if value == 0 {
                continue;
            }
            if out.len() > start {
                out.push(b' ');
            }
            if was_negative && value > 0 {
                out.push(b'+');
            }
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            out.push(b' ');
            out.extend_from_slice(unit.as_bytes());
            if value != 1 {
                out.push(b's');
            }
            was_negative = value < 0;
        }
        let is_empty = out.len() == start;
        if is_empty || self.microseconds != 0 {
            if !is_empty {
                out.push(b' ');
            }
            self.write_clock(was_negative, out);
        }
    }

    fn write_clock(self, was_negative: bool, out: &mut Vec<u8>) {
        if self.microseconds < 0 {
            out.push(b'-');
        } else if was_negative {
            out.push(b'+');
        }
        let all = self.microseconds.unsigned_abs();
        let second = MICROSECONDS_PER_SECOND.unsigned_abs();
        let (seconds, fraction) = (all / second, all % second);
        // Writing into a vector does not fail.
        let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if fraction != 0 {
            let _ = write!(out, ".{fraction:06}");
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
    }

    /// What it counts as in comparisons: a month is 30 days, a day 24 hours.
    fn span(self) -> i128 {
        let days = i128::from(self.months) * i128::from(DAYS_PER_MONTH) + i128::from(self.days);
        days * i128::from(MICROSECONDS_PER_DAY) + i128::from(self.microseconds)
    }
}

/// The order of two intervals in their text form; what is none sorts last, by its bytes.
pub fn compare_text(left: &str, right: &str) -> Ordering {
    match (parse(left), parse(right)) {
        (Ok(left), Ok(right)) => left.span().cmp(&right.span()),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

/// 22008.
pub(crate) fn out_of_range() -> ValueError {
    ValueError::new("22008", "interval out of range")
}
