//! Dates, times and intervals: counted from 2000-01-01 in network byte order.

use super::Malformed;
use super::cursor::fixed;
use crate::Zone;
use crate::calendar::{FIRST_DAY, LAST_DAY, MICROSECONDS_PER_DAY};
use crate::interval::Interval;
use crate::temporal::{Moment, Style, write_moment, write_moment_in, write_offset, write_time};

/// 2000-01-01 in days since 1970.
const EPOCH: i64 = 10_957;
/// PostgreSQL's `MIN_TIMESTAMP`: the start of 4714-11-24 BC, in microseconds since 2000.
const FIRST_TIMESTAMP: i64 = -211_813_488_000_000_000;
/// PostgreSQL's `END_TIMESTAMP`, the first moment that is too late: the start of 294277.
const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;
/// Offsets of `timetz` stay below sixteen hours (PostgreSQL's `TZDISP_LIMIT`).
const OFFSET_LIMIT: i32 = 16 * 3600;

/// A date or timestamp that may be infinite.
#[derive(Debug, Clone, Copy)]
pub(super) enum Endless<T> {
    Infinity,
    NegativeInfinity,
    Finite(T),
}

impl<T> Endless<T> {
    fn write(self, out: &mut Vec<u8>, finite: impl FnOnce(T, &mut Vec<u8>)) {
        match self {
            Self::Infinity => out.extend_from_slice(b"infinity"),
            Self::NegativeInfinity => out.extend_from_slice(b"-infinity"),
            Self::Finite(value) => finite(value, out),
        }
    }
}

pub(super) fn write_date(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let days = match i32::from_be_bytes(fixed(bytes, "date")?) {
        i32::MAX => Endless::Infinity,
        i32::MIN => Endless::NegativeInfinity,
        days => Endless::Finite(i64::from(days) + EPOCH),
    };
    if matches!(days, Endless::Finite(days) if !(FIRST_DAY..=LAST_DAY).contains(&days)) {
        return Err(Malformed::new("date", "it is out of range"));
    }
    days.write(out, crate::temporal::write_date);
    Ok(())
}

pub(super) fn write_clock(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    write_microseconds(fixed(bytes, "time")?, "time", out)
}

/// Microseconds, and the offset in seconds west of UTC.
pub(super) fn write_clock_with_offset(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    const NAME: &str = "timetz";
    let bytes: [u8; 12] = fixed(bytes, NAME)?;
    let (clock, west) = bytes.split_first_chunk().ok_or(Malformed::length(NAME))?;
    let west = i32::from_be_bytes(fixed(west, NAME)?);
    if west <= -OFFSET_LIMIT || west >= OFFSET_LIMIT {
        return Err(Malformed::new(NAME, "its offset is out of range"));
    }
    write_microseconds(*clock, NAME, out)?;
    write_offset(-i64::from(west), Style::Iso, out);
    Ok(())
}

pub(super) fn write_timestamp(bytes: &[u8], style: Style, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let moment = read_timestamp(bytes, "timestamp")?;
    moment.write(out, |moment, out| write_moment(moment, style, out));
    Ok(())
}

pub(super) fn write_timestamp_in(bytes: &[u8], zone: &Zone, style: Style, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let moment = read_timestamp(bytes, "timestamptz")?;
    moment.write(out, |moment, out| write_moment_in(moment, zone, style, out));
    Ok(())
}

/// Microseconds, days and months. All three at their bounds are infinity since PostgreSQL 17.
pub(super) fn write_interval(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    const NAME: &str = "interval";
    let bytes: [u8; 16] = fixed(bytes, NAME)?;
    let (microseconds, rest) = bytes.split_first_chunk().ok_or(Malformed::length(NAME))?;
    let (days, months) = rest.split_first_chunk().ok_or(Malformed::length(NAME))?;
    let microseconds = i64::from_be_bytes(*microseconds);
    let days = i32::from_be_bytes(*days);
    let months = i32::from_be_bytes(fixed(months, NAME)?);
    let interval = match (months, days, microseconds) {
        (i32::MAX, i32::MAX, i64::MAX) => Endless::Infinity,
        (i32::MIN, i32::MIN, i64::MIN) => Endless::NegativeInfinity,
        _ => Endless::Finite(Interval { months, days, microseconds }),
    };
    interval.write(out, Interval::write);
    Ok(())
}

fn write_microseconds(bytes: [u8; 8], data_type: &'static str, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let microseconds = i64::from_be_bytes(bytes);
    if !(0..=MICROSECONDS_PER_DAY).contains(&microseconds) {
        return Err(Malformed::new(data_type, "it is out of range"));
    }
    write_time(microseconds, out);
    Ok(())
}

fn read_timestamp(bytes: &[u8], data_type: &'static str) -> Result<Endless<Moment>, Malformed> {
    let microseconds = match i64::from_be_bytes(fixed(bytes, data_type)?) {
        i64::MAX => return Ok(Endless::Infinity),
        i64::MIN => return Ok(Endless::NegativeInfinity),
        microseconds => microseconds,
    };
    if !(FIRST_TIMESTAMP..END_TIMESTAMP).contains(&microseconds) {
        return Err(Malformed::new(data_type, "it is out of range"));
    }
    Ok(Endless::Finite(Moment {
        days: microseconds.div_euclid(MICROSECONDS_PER_DAY) + EPOCH,
        clock: microseconds.rem_euclid(MICROSECONDS_PER_DAY),
    }))
}
