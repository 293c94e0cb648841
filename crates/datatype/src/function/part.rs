//! `extract`, `date_part` and `date_trunc`.

use super::arguments::{Arguments, integer, interval};
use super::temporal::{fields, is_infinite, midnight, whole, zone_of};
use super::{Definition, strict, zoned};
use crate::calendar::{INFINITY, MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, days_from_civil};
use crate::interval::{Interval, MONTHS_PER_YEAR, checked, from_local, to_local};
use crate::numeric::{self, Decimal, Number};
use crate::{Datum, Type, ValueError, Zone};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict("extract(text,date)", "numeric", |a| of_date(a.text(0)?, a.integer(1)?)),
    strict("extract(text,timestamp)", "numeric", |a| of_moment(a.text(0)?, a.integer(1)?, &Type::Timestamp, None)),
    zoned("extract(text,timestamptz)", "numeric", |a| {
        of_moment(a.text(0)?, a.integer(1)?, &Type::TimestampTz, Some(a.zone))
    }),
    strict("extract(text,time)", "numeric", |a| of_time(a.text(0)?, a.integer(1)?)),
    strict("extract(text,interval)", "numeric", |a| of_interval(a.text(0)?, a.interval(1)?)),
    strict("date_part(text,date)", "double precision", |a| {
        real(a.text(0)?, &of_moment(a.text(0)?, midnight(a.integer(1)?)?, &Type::Timestamp, None)?)
    }),
    strict("date_part(text,timestamp)", "double precision", |a| {
        real(a.text(0)?, &of_moment(a.text(0)?, a.integer(1)?, &Type::Timestamp, None)?)
    }),
    zoned("date_part(text,timestamptz)", "double precision", |a| {
        real(a.text(0)?, &of_moment(a.text(0)?, a.integer(1)?, &Type::TimestampTz, Some(a.zone))?)
    }),
    strict("date_part(text,time)", "double precision", |a| real(a.text(0)?, &of_time(a.text(0)?, a.integer(1)?)?)),
    strict("date_part(text,interval)", "double precision", |a| {
        real(a.text(0)?, &of_interval(a.text(0)?, a.interval(1)?)?)
    }),
    strict("date_trunc(text,timestamp)", "timestamp", |a| integer(truncated(a, &Type::Timestamp, &Zone::Utc)?)),
    zoned("date_trunc(text,timestamptz)", "timestamptz", |a| integer(truncated(a, &Type::TimestampTz, a.zone)?)),
    strict("date_trunc(text,timestamptz,text)", "timestamptz", |a| {
        let zone = if is_infinite(a.integer(1)?) { Zone::Utc } else { zone_of(a.text(2)?)? };
        integer(truncated(a, &Type::TimestampTz, &zone)?)
    }),
    strict("date_trunc(text,interval)", "interval", |a| interval(truncated_interval(a.text(0)?, a.interval(1)?)?)),
];

/// The parts of a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Microseconds,
    Milliseconds,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    IsoYear,
    Julian,
    WeekdayFromSunday,
    WeekdayFromMonday,
    DayOfYear,
    Epoch,
    Zone,
    ZoneHour,
    ZoneMinute,
}

/// The part that a name stands for, by its first ten characters as in PostgreSQL.
fn part(name: &str) -> Option<Part> {
    const SIGNIFICANT: usize = 10;
    let lower = name.to_ascii_lowercase();
    Some(match lower.get(..SIGNIFICANT).unwrap_or(&lower) {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Part::Microseconds,
        "ms" | "msec" | "msecs" | "mseconds" | "millisecon" => Part::Milliseconds,
        "s" | "sec" | "secs" | "second" | "seconds" => Part::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Part::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Part::Hour,
        "d" | "day" | "days" => Part::Day,
        "w" | "week" | "weeks" => Part::Week,
        "mon" | "mons" | "month" | "months" => Part::Month,
        "qtr" | "quarter" => Part::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => Part::Year,
        "dec" | "decs" | "decade" | "decades" => Part::Decade,
        "c" | "cent" | "century" | "centuries" => Part::Century,
        "mil" | "mils" | "millennia" | "millennium" => Part::Millennium,
        "isoyear" => Part::IsoYear,
        "j" | "jd" | "julian" => Part::Julian,
        "dow" => Part::WeekdayFromSunday,
        "isodow" => Part::WeekdayFromMonday,
        "doy" => Part::DayOfYear,
        "epoch" => Part::Epoch,
        "timezone" => Part::Zone,
        "timezone_h" => Part::ZoneHour,
        "timezone_m" => Part::ZoneMinute,
        _ => return None,
    })
}

fn known(name: &str, data_type: &Type) -> Result<Part, ValueError> {
    part(name).ok_or_else(|| unrecognized(name, data_type))
}

/// A part that is also a unit, which dates can be cut to: a day of the week is none.
fn known_unit(name: &str, data_type: &Type) -> Result<Part, ValueError> {
    let is_unit = |part: &Part| {
        !matches!(
            part,
            Part::WeekdayFromSunday
                | Part::WeekdayFromMonday
                | Part::DayOfYear
                | Part::Epoch
                | Part::IsoYear
                | Part::Julian
        )
    };
    part(name).filter(is_unit).ok_or_else(|| unrecognized(name, data_type))
}

fn unrecognized(name: &str, data_type: &Type) -> ValueError {
    let lower = name.to_ascii_lowercase();
    ValueError::new("22023", format!("unit \"{lower}\" not recognized for type {}", data_type.name()))
}

fn unsupported(name: &str, data_type: &Type) -> ValueError {
    let lower = name.to_ascii_lowercase();
    ValueError::new("0A000", format!("unit \"{lower}\" not supported for type {}", data_type.name()))
}

/// A whole number with its last digits behind the point.
fn scaled(value: i128, scale: usize) -> Result<Datum, ValueError> {
    Ok(Datum::Text(Decimal::from_big(&value.into(), scale)?.to_text()))
}

/// What `date_part` makes of an outcome of `extract`.
fn real(name: &str, value: &Datum) -> Result<Datum, ValueError> {
    let Datum::Text(text) = value else { return Ok(Datum::Null) };
    let number: f64 = text.parse().map_err(|_| ValueError::shape(&Type::Numeric(None)))?;
    // PostgreSQL adds the fraction to the whole in floating point.
    let split = |divisor: f64| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits: f64 = fraction.parse().unwrap_or(0.0);
        let whole: f64 = whole.parse().unwrap_or(0.0);
        if text.starts_with('-') { whole - digits / divisor } else { whole + digits / divisor }
    };
    Ok(Datum::Real(match part(name) {
        Some(Part::Second) => split(1e6),
        Some(Part::Milliseconds) => split(1e3),
        _ => number,
    }))
}

/// The day of the week, 0 for Monday.
pub(super) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// The year and number of the week as ISO 8601 counts them: a week belongs to the year of its Thursday.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - weekday(days) + 3;
    let (year, _, _, _) = fields(thursday * MICROSECONDS_PER_DAY);
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// There is no year 0: the one before 1 is -1.
fn shown_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// The number of the span of so many years that a year lies in; the first begins with year 1.
fn span_of(year: i64, length: i64) -> i64 {
    if year > 0 { (year + length - 1) / length } else { -((length - 1 - (year - 1)) / length) }
}

fn decade_of(year: i64) -> i64 {
    if year >= 0 { year / 10 } else { -((8 - (year - 1)) / 10) }
}

/// The parts of a day, which dates and timestamps have in common.
fn of_day(part: Part, days: i64) -> Option<i64> {
    let (year, month, day, _) = fields(days.checked_mul(MICROSECONDS_PER_DAY)?);
    Some(match part {
        Part::Day => day,
        Part::Month => month,
        Part::Quarter => (month - 1) / 3 + 1,
        Part::Year => shown_year(year),
        Part::Decade => decade_of(year),
        Part::Century => span_of(year, 100),
        Part::Millennium => span_of(year, 1000),
        Part::Week => iso_week(days).1,
        Part::IsoYear => shown_year(iso_week(days).0),
        Part::WeekdayFromSunday => (weekday(days) + 1) % 7,
        Part::WeekdayFromMonday => weekday(days) + 1,
        Part::DayOfYear => days - days_from_civil(year, 1, 1) + 1,
        _ => return None,
    })
}

/// The Julian day of 1970-01-01.
pub(super) const JULIAN_EPOCH: i64 = 2_440_588;

/// What an infinite date or timestamp gives: infinity for what grows without end, NULL for what comes around.
fn of_infinity(part: Part, moment: i64) -> Option<Datum> {
    match part {
        Part::Year | Part::Decade | Part::Century | Part::Millennium | Part::Julian | Part::IsoYear | Part::Epoch => {
            let text = if moment == INFINITY { "Infinity" } else { "-Infinity" };
            Some(Datum::Text(text.to_owned()))
        }
        Part::Zone | Part::ZoneHour | Part::ZoneMinute => None,
        _ => Some(Datum::Null),
    }
}

fn of_date(name: &str, days: i64) -> Result<Datum, ValueError> {
    let part = known(name, &Type::Date)?;
    let has_time = matches!(part, Part::Microseconds | Part::Milliseconds | Part::Second | Part::Minute | Part::Hour);
    if has_time {
        return Err(unsupported(name, &Type::Date));
    }
    if is_infinite(days) {
        return of_infinity(part, days).ok_or_else(|| unsupported(name, &Type::Date));
    }
    match part {
        Part::Epoch => Ok(Datum::Text((days * 86_400).to_string())),
        Part::Julian => Ok(whole(days + JULIAN_EPOCH)),
        part => of_civil_day(part, days).map(whole).ok_or_else(|| unsupported(name, &Type::Date)),
    }
}

/// [`of_day`] for days that are too many for a timestamp.
fn of_civil_day(part: Part, days: i64) -> Option<i64> {
    const CYCLE: i64 = 146_097;
    const YEARS: i64 = 400;
    // The calendar repeats after 400 years.
    let cycles = days.div_euclid(CYCLE);
    let value = of_day(part, days.rem_euclid(CYCLE))?;
    let (year, _, _, _) = fields(days.rem_euclid(CYCLE) * MICROSECONDS_PER_DAY);
    let year = year + cycles * YEARS;
    Some(match part {
        Part::Year => shown_year(year),
        Part::Decade => decade_of(year),
        Part::Century => span_of(year, 100),
        Part::Millennium => span_of(year, 1000),
        Part::IsoYear => shown_year(iso_week(days.rem_euclid(CYCLE)).0 + cycles * YEARS),
        _ => value,
    })
}

/// The parts of a time of the day, also beyond one day.
fn of_clock(part: Part, microseconds: i64) -> Result<Option<Datum>, ValueError> {
    const MINUTE: i64 = 60 * MICROSECONDS_PER_SECOND;
    Ok(Some(match part {
        Part::Microseconds => whole(microseconds % MINUTE),
        Part::Milliseconds => scaled(i128::from(microseconds % MINUTE), 3)?,
        Part::Second => scaled(i128::from(microseconds % MINUTE), 6)?,
        Part::Minute => whole(microseconds / MINUTE % 60),
        Part::Hour => whole(microseconds / (60 * MINUTE)),
        _ => return Ok(None),
    }))
}

fn of_moment(name: &str, moment: i64, data_type: &Type, zone: Option<&Zone>) -> Result<Datum, ValueError> {
    let part = known(name, data_type)?;
    if is_infinite(moment) {
        let nothing = zone.map(|_| Datum::Null);
        return of_infinity(part, moment).or(nothing).ok_or_else(|| unsupported(name, data_type));
    }
    let offset = zone.map(|zone| zone.offset_at(moment.div_euclid(MICROSECONDS_PER_SECOND)));
    let local = zone.map_or(moment, |zone| to_local(moment, zone));
    let (days, time) = (local.div_euclid(MICROSECONDS_PER_DAY), local.rem_euclid(MICROSECONDS_PER_DAY));
    if let Some(value) = of_clock(part, time)? {
        return Ok(value);
    }
    match (part, offset) {
        (Part::Epoch, _) => scaled(i128::from(moment), 6),
        (Part::Julian, _) => julian(days, time),
        (Part::Zone, Some(offset)) => Ok(whole(offset)),
        (Part::ZoneHour, Some(offset)) => Ok(whole(offset / 3600)),
        (Part::ZoneMinute, Some(offset)) => Ok(whole(offset / 60 % 60)),
        (part, _) => of_day(part, days).map(whole).ok_or_else(|| unsupported(name, data_type)),
    }
}

fn julian(days: i64, time: i64) -> Result<Datum, ValueError> {
    let number = |value: i64| Number::Finite(Decimal::from_integer(i128::from(value)));
    let fraction = numeric::divide(&number(time), &number(MICROSECONDS_PER_DAY))?;
    Ok(Datum::Text(numeric::add(&number(days + JULIAN_EPOCH), &fraction)?.to_text()))
}

fn of_time(name: &str, time: i64) -> Result<Datum, ValueError> {
    let part = known(name, &Type::Time)?;
    if let Some(value) = of_clock(part, time)? {
        return Ok(value);
    }
    match part {
        Part::Epoch => scaled(i128::from(time), 6),
        _ => Err(unsupported(name, &Type::Time)),
    }
}

fn of_interval(name: &str, span: Interval) -> Result<Datum, ValueError> {
    let part = known(name, &Type::Interval)?;
    if let Some(value) = of_clock(part, span.microseconds)? {
        return Ok(value);
    }
    let (years, months) = (i64::from(span.months) / MONTHS_PER_YEAR, i64::from(span.months) % MONTHS_PER_YEAR);
    Ok(whole(match part {
        Part::Day => i64::from(span.days),
        Part::Month => months,
        Part::Quarter => months / 3 + 1,
        Part::Year => years,
        Part::Decade => years / 10,
        Part::Century => years / 100,
        Part::Millennium => years / 1000,
        Part::Epoch => {
            // A year is 365.25 days, a month 30; in quarters of a day, so that all stay whole.
            let quarters = 1461 * years + 120 * months + 4 * i64::from(span.days);
            let seconds = i128::from(quarters) * (86_400 / 4);
            return scaled(seconds * i128::from(MICROSECONDS_PER_SECOND) + i128::from(span.microseconds), 6);
        }
        _ => return Err(unsupported(name, &Type::Interval)),
    }))
}

fn truncated(a: &Arguments<'_>, data_type: &Type, zone: &Zone) -> Result<i64, ValueError> {
    let (name, moment) = (a.text(0)?, a.integer(1)?);
    if is_infinite(moment) {
        return Ok(moment);
    }
    let unit = known_unit(name, data_type)?;
    let local = to_local(moment, zone);
    let cut = |length: i64| Some(local.div_euclid(length) * length);
    let cut = match unit {
        Part::Microseconds => cut(1),
        Part::Milliseconds => cut(1000),
        Part::Second => cut(MICROSECONDS_PER_SECOND),
        Part::Minute => cut(60 * MICROSECONDS_PER_SECOND),
        Part::Hour => cut(3600 * MICROSECONDS_PER_SECOND),
        unit => start_of(unit, local).ok_or_else(|| unsupported(name, data_type))?.checked_mul(MICROSECONDS_PER_DAY),
    };
    let cut = checked(cut)?;
    // Within a day the offset stays: an hour that the clocks show twice is not mixed up.
    let is_within_day =
        matches!(unit, Part::Microseconds | Part::Milliseconds | Part::Second | Part::Minute | Part::Hour);
    if is_within_day { checked(moment.checked_sub(local - cut)) } else { from_local(cut, zone) }
}

/// The day on which a span of days begins.
fn start_of(unit: Part, local: i64) -> Option<i64> {
    let (year, month, _, _) = fields(local);
    let days = local.div_euclid(MICROSECONDS_PER_DAY);
    let first_of = |length: i64| {
        let year = if year > 0 {
            (year + length - 1) / length * length - (length - 1)
        } else {
            -((length - 1 - (year - 1)) / length) * length + 1
        };
        days_from_civil(year, 1, 1)
    };
    Some(match unit {
        Part::Day => days,
        Part::Week => days - weekday(days),
        Part::Month => days_from_civil(year, month, 1),
        Part::Quarter => days_from_civil(year, 3 * ((month - 1) / 3) + 1, 1),
        Part::Year => days_from_civil(year, 1, 1),
        Part::Decade => {
            let decade = if year > 0 { year / 10 * 10 } else { -((8 - (year - 1)) / 10) * 10 };
            days_from_civil(decade, 1, 1)
        }
        Part::Century => first_of(100),
        Part::Millennium => first_of(1000),
        _ => return None,
    })
}

fn truncated_interval(name: &str, span: Interval) -> Result<Interval, ValueError> {
    let unit = known_unit(name, &Type::Interval)?;
    let cut_months = |length: i32| Interval { months: span.months / length * length, ..Interval::default() };
    let cut_time = |length: i64| Interval { microseconds: span.microseconds / length * length, ..span };
    Ok(match unit {
        Part::Millennium => cut_months(12_000),
        Part::Century => cut_months(1_200),
        Part::Decade => cut_months(120),
        Part::Year => cut_months(12),
        Part::Quarter => cut_months(3),
        Part::Month => cut_months(1),
        Part::Day => Interval { microseconds: 0, ..span },
        Part::Hour => cut_time(3600 * MICROSECONDS_PER_SECOND),
        Part::Minute => cut_time(60 * MICROSECONDS_PER_SECOND),
        Part::Second => cut_time(MICROSECONDS_PER_SECOND),
        Part::Milliseconds => cut_time(1000),
        Part::Microseconds => span,
        _ => return Err(unsupported(name, &Type::Interval)),
    })
}
