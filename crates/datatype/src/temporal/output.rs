//! Printing without allocation: this runs per column and row.

use crate::Zone;
use crate::calendar::{
    INFINITY, MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, NEGATIVE_INFINITY, SECONDS_PER_DAY, civil_from_days,
};

/// How a timestamp is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `2024-01-01 00:00:00+00`: the output function and casts to text.
    Iso,
    /// `2024-01-01T00:00:00+00:00`: JSON.
    Json,
}

/// Prints days since 1970: `1999-12-31`, `0044-03-15 BC`.
pub(crate) fn write_date(days: i64, out: &mut Vec<u8>) {
    if !write_infinity(days, out) && write_day(days, out) {
        out.extend_from_slice(b" BC");
    }
}

/// Prints microseconds since midnight: `12:30:00.5`.
pub(crate) fn write_time(microseconds: i64, out: &mut Vec<u8>) {
    // 24:00:00 is a time of its own.
    let bounded = microseconds.clamp(0, MICROSECONDS_PER_DAY);
    write_clock(bounded, out);
}

/// Prints a timestamp without time zone.
pub(crate) fn write_timestamp(microseconds: i64, style: Style, out: &mut Vec<u8>) {
    if !write_infinity(microseconds, out) {
        write_moment(Moment::since_1970(microseconds), style, out);
    }
}

/// Prints a timestamp with time zone as the zone's clocks show it, with their offset.
pub(crate) fn write_timestamp_tz(microseconds: i64, zone: &Zone, style: Style, out: &mut Vec<u8>) {
    if !write_infinity(microseconds, out) {
        write_moment_in(Moment::since_1970(microseconds), zone, style, out);
    }
}

/// A day and the time on it. It reaches further than 64 bits of microseconds since 1970 do, as PostgreSQL's timestamps,
/// which count from 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Days since 1970.
    pub(crate) days: i64,
    /// Microseconds since midnight, less than a day.
    pub(crate) clock: i64,
}

impl Moment {
    fn since_1970(microseconds: i64) -> Self {
        Self {
            days: microseconds.div_euclid(MICROSECONDS_PER_DAY),
            clock: microseconds.rem_euclid(MICROSECONDS_PER_DAY),
        }
    }

    /// So many seconds later, at most some days.
    fn later(self, seconds: i64) -> Self {
        let clock = self.clock + seconds * MICROSECONDS_PER_SECOND;
        Self { days: self.days + clock.div_euclid(MICROSECONDS_PER_DAY), clock: clock.rem_euclid(MICROSECONDS_PER_DAY) }
    }
}

/// Prints a finite timestamp without time zone.
pub(crate) fn write_moment(moment: Moment, style: Style, out: &mut Vec<u8>) {
    if write_day_and_clock(moment, style, out) {
        out.extend_from_slice(b" BC");
    }
}

/// Prints a finite timestamp with time zone; the moment is one of UTC.
pub(crate) fn write_moment_in(moment: Moment, zone: &Zone, style: Style, out: &mut Vec<u8>) {
    let offset = zone.offset_at(moment.days * SECONDS_PER_DAY + moment.clock / MICROSECONDS_PER_SECOND);
    let is_before_christ = write_day_and_clock(moment.later(offset), style, out);
    write_offset(offset, style, out);
    if is_before_christ {
        out.extend_from_slice(b" BC");
    }
}

fn write_infinity(value: i64, out: &mut Vec<u8>) -> bool {
    match value {
        INFINITY => out.extend_from_slice(b"infinity"),
        NEGATIVE_INFINITY => out.extend_from_slice(b"-infinity"),
        _ => return false,
    }
    true
}

/// Whether the year is before Christ, which is said at the end.
fn write_day_and_clock(moment: Moment, style: Style, out: &mut Vec<u8>) -> bool {
    let is_before_christ = write_day(moment.days, out);
    out.push(if style == Style::Json { b'T' } else { b' ' });
    write_clock(moment.clock, out);
    is_before_christ
}

fn write_day(days: i64, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil_from_days(days);
    let is_before_christ = year <= 0;
    let shown = if is_before_christ { 1 - year } else { year };
    let [month_tens, month_ones] = two(month);
    let [day_tens, day_ones] = two(day);
    if shown < 10_000 {
        let [thousands, hundreds] = two(shown / 100);
        let [tens, ones] = two(shown);
        let date = [thousands, hundreds, tens, ones, b'-', month_tens, month_ones, b'-', day_tens, day_ones];
        out.extend_from_slice(&date);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(shown).as_bytes());
        out.extend_from_slice(&[b'-', month_tens, month_ones, b'-', day_tens, day_ones]);
    }
    is_before_christ
}

fn write_clock(microseconds: i64, out: &mut Vec<u8>) {
    let seconds = microseconds / MICROSECONDS_PER_SECOND;
    let [hour_tens, hour_ones] = two(seconds / 3600);
    let [minute_tens, minute_ones] = two(seconds / 60 % 60);
    let [second_tens, second_ones] = two(seconds % 60);
    let clock = [hour_tens, hour_ones, b':', minute_tens, minute_ones, b':', second_tens, second_ones];
    out.extend_from_slice(&clock);
    let fraction = microseconds % MICROSECONDS_PER_SECOND;
    if fraction != 0 {
        write_fraction(fraction, out);
    }
}

/// `.5`: microseconds without the zeros at the end.
fn write_fraction(microseconds: i64, out: &mut Vec<u8>) {
    let [first, second] = two(microseconds / 10_000);
    let [third, fourth] = two(microseconds / 100);
    let [fifth, sixth] = two(microseconds);
    let mut digits: &[u8] = &[b'.', first, second, third, fourth, fifth, sixth];
    while let [rest @ .., b'0'] = digits {
        digits = rest;
    }
    out.extend_from_slice(digits);
}

/// `+00`, `+05:30`, `-00:19:32`; JSON always has minutes.
pub(crate) fn write_offset(seconds: i64, style: Style, out: &mut Vec<u8>) {
    let sign = if seconds < 0 { b'-' } else { b'+' };
    let seconds = seconds.abs().min(SECONDS_PER_DAY);
    let [tens, ones] = two(seconds / 3600);
    out.extend_from_slice(&[sign, tens, ones]);
    if seconds % 3600 != 0 || style == Style::Json {
        let [tens, ones] = two(seconds / 60 % 60);
        out.extend_from_slice(&[b':', tens, ones]);
    }
    if seconds % 60 != 0 {
        let [tens, ones] = two(seconds % 60);
        out.extend_from_slice(&[b':', tens, ones]);
    }
}

/// The last two digits of a number that is not negative.
fn two(value: i64) -> [u8; 2] {
    let value = u8::try_from(value % 100).unwrap_or(0);
    [b'0' + value / 10, b'0' + value % 10]
}
