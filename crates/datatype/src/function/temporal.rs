//! Dates, times and intervals: their arithmetic, zones, and what makes them of numbers.

use super::arguments::{Arguments, boolean, integer, interval};
use super::{Definition, strict, zoned};
use crate::calendar::{
    FIRST_DAY, INFINITY, LAST_DAY, MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, NEGATIVE_INFINITY, civil_from_days,
    days_from_civil, days_in_month,
};
use crate::interval::{self, Interval, MONTHS_PER_YEAR, add_to_moment, add_to_zoned, checked, from_local, to_local};
use crate::temporal::{NamedZone, named_zone};
use crate::{Datum, ValueError, Zone};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict("+(date,integer)", "date", |a| date(shifted(a.integer(0)?, a.integer(1)?))),
    strict("+(integer,date)", "date", |a| date(shifted(a.integer(1)?, a.integer(0)?))),
    strict("-(date,integer)", "date", |a| date(shifted(a.integer(0)?, -a.integer(1)?))),
    strict("-(date,date)", "integer", |a| days_between(a.integer(0)?, a.integer(1)?)),
    strict("+(date,time)", "timestamp", |a| integer(add_to_moment(midnight(a.integer(0)?)?, clock(a.integer(1)?))?)),
    strict("+(time,date)", "timestamp", |a| integer(add_to_moment(midnight(a.integer(1)?)?, clock(a.integer(0)?))?)),
    strict("+(date,interval)", "timestamp", |a| integer(add_to_moment(midnight(a.integer(0)?)?, a.interval(1)?)?)),
    strict("+(interval,date)", "timestamp", |a| integer(add_to_moment(midnight(a.integer(1)?)?, a.interval(0)?)?)),
    strict("-(date,interval)", "timestamp", |a| {
        integer(add_to_moment(midnight(a.integer(0)?)?, a.interval(1)?.negated()?)?)
    }),
    strict("+(timestamp,interval)", "timestamp", |a| integer(add_to_moment(a.integer(0)?, a.interval(1)?)?)),
    strict("+(interval,timestamp)", "timestamp", |a| integer(add_to_moment(a.integer(1)?, a.interval(0)?)?)),
    strict("-(timestamp,interval)", "timestamp", |a| integer(add_to_moment(a.integer(0)?, a.interval(1)?.negated()?)?)),
    zoned("+(timestamptz,interval)", "timestamptz", |a| integer(add_to_zoned(a.integer(0)?, a.interval(1)?, a.zone)?)),
    zoned("+(interval,timestamptz)", "timestamptz", |a| integer(add_to_zoned(a.integer(1)?, a.interval(0)?, a.zone)?)),
    zoned("-(timestamptz,interval)", "timestamptz", |a| {
        integer(add_to_zoned(a.integer(0)?, a.interval(1)?.negated()?, a.zone)?)
    }),
    strict("-(timestamp,timestamp)", "interval", |a| between(a.integer(0)?, a.integer(1)?)),
    strict("-(timestamptz,timestamptz)", "interval", |a| between(a.integer(0)?, a.integer(1)?)),
    strict("+(time,interval)", "time", |a| integer(wrapped(a.integer(0)?, a.interval(1)?.microseconds))),
    strict("+(interval,time)", "time", |a| integer(wrapped(a.integer(1)?, a.interval(0)?.microseconds))),
    strict("-(time,interval)", "time", |a| integer(wrapped(a.integer(0)?, a.interval(1)?.microseconds.wrapping_neg()))),
    strict("-(time,time)", "interval", |a| interval(clock(a.integer(0)? - a.integer(1)?))),
    strict("+(interval,interval)", "interval", |a| interval(a.interval(0)?.plus(a.interval(1)?)?)),
    strict("-(interval,interval)", "interval", |a| interval(minus(a.interval(0)?, a.interval(1)?)?)),
    strict("*(interval,double precision)", "interval", |a| interval(a.interval(0)?.times(a.real(1)?)?)),
    strict("*(double precision,interval)", "interval", |a| interval(a.interval(1)?.times(a.real(0)?)?)),
    strict("/(interval,double precision)", "interval", |a| interval(a.interval(0)?.divided_by(a.real(1)?)?)),
    strict("-(interval)", "interval", |a| interval(a.interval(0)?.negated()?)),
    strict("age(timestamp,timestamp)", "interval", |a| age(a.integer(0)?, a.integer(1)?)),
    zoned("age(timestamptz,timestamptz)", "interval", |a| {
        let local = |moment| if is_infinite(moment) { moment } else { to_local(moment, a.zone) };
        age(local(a.integer(0)?), local(a.integer(1)?))
    }),
    strict("timezone(text,timestamp)", "timestamptz", |a| at_zone(a.text(0)?, a.integer(1)?, from_local)),
    strict("timezone(text,timestamptz)", "timestamp", |a| {
        at_zone(a.text(0)?, a.integer(1)?, |moment, zone| checked(Some(to_local(moment, zone))))
    }),
    strict("timezone(interval,timestamp)", "timestamptz", |a| by_offset(a.interval(0)?, a.integer(1)?, -1)),
    strict("timezone(interval,timestamptz)", "timestamp", |a| by_offset(a.interval(0)?, a.integer(1)?, 1)),
    strict("make_date(integer,integer,integer)", "date", |a| {
        integer(made_date(a.integer(0)?, a.integer(1)?, a.integer(2)?)?)
    }),
    strict("make_time(integer,integer,double precision)", "time", |a| {
        integer(made_time(a.integer(0)?, a.integer(1)?, a.real(2)?)?)
    }),
    strict("make_timestamp(integer,integer,integer,integer,integer,double precision)", "timestamp", |a| {
        integer(made_moment(a)?)
    }),
    zoned("make_timestamptz(integer,integer,integer,integer,integer,double precision)", "timestamptz", |a| {
        integer(from_local(made_moment(a)?, a.zone)?)
    }),
    strict("make_timestamptz(integer,integer,integer,integer,integer,double precision,text)", "timestamptz", |a| {
        at_zone(a.text(6)?, made_moment(a)?, from_local)
    }),
    strict("to_timestamp(double precision)", "timestamptz", |a| of_epoch(a.real(0)?)),
    strict("justify_days(interval)", "interval", |a| interval(justified_days(a.interval(0)?)?)),
    strict("justify_hours(interval)", "interval", |a| interval(justified_hours(a.interval(0)?)?)),
    strict("isfinite(date)", "boolean", |a| boolean(!is_infinite(a.integer(0)?))),
    strict("isfinite(timestamp)", "boolean", |a| boolean(!is_infinite(a.integer(0)?))),
    strict("isfinite(timestamptz)", "boolean", |a| boolean(!is_infinite(a.integer(0)?))),
    strict("isfinite(interval)", "boolean", |a| {
        a.interval(0)?;
        boolean(true)
    }),
    strict("make_interval(integer,integer,integer,integer,integer,integer,double precision)", "interval", |a| {
        interval(made_interval(a)?)
    }),
];

pub(super) fn is_infinite(moment: i64) -> bool {
    moment == INFINITY || moment == NEGATIVE_INFINITY
}

fn date_out_of_range() -> ValueError {
    ValueError::new("22008", "date out of range")
}

fn date(days: Option<i64>) -> Result<Datum, ValueError> {
    let is_valid = |days: &i64| is_infinite(*days) || (FIRST_DAY..=LAST_DAY).contains(days);
    integer(days.filter(is_valid).ok_or_else(date_out_of_range)?)
}

fn shifted(days: i64, by: i64) -> Option<i64> {
    if is_infinite(days) { Some(days) } else { days.checked_add(by) }
}

fn days_between(left: i64, right: i64) -> Result<Datum, ValueError> {
    if is_infinite(left) || is_infinite(right) {
        return Err(ValueError::new("22008", "cannot subtract infinite dates"));
    }
    integer(left - right)
}

/// The first moment of a day.
pub(super) fn midnight(days: i64) -> Result<i64, ValueError> {
    if is_infinite(days) {
        return Ok(days);
    }
    checked(days.checked_mul(MICROSECONDS_PER_DAY))
        .map_err(|_| ValueError::new("22008", "date out of range for timestamp"))
}

/// A time of the day as a span.
fn clock(microseconds: i64) -> Interval {
    Interval { microseconds, ..Interval::default() }
}

fn between(left: i64, right: i64) -> Result<Datum, ValueError> {
    if is_infinite(left) || is_infinite(right) {
        return Err(ValueError::new("22008", "cannot subtract infinite timestamps"));
    }
    interval(Interval::justified(left.checked_sub(right).ok_or_else(interval::out_of_range)?))
}

/// A time of the day, further on; days do not matter.
fn wrapped(time: i64, by: i64) -> i64 {
    (time + by % MICROSECONDS_PER_DAY).rem_euclid(MICROSECONDS_PER_DAY)
}

fn minus(left: Interval, right: Interval) -> Result<Interval, ValueError> {
    let whole = || {
        Some(Interval {
            months: left.months.checked_sub(right.months)?,
            days: left.days.checked_sub(right.days)?,
            microseconds: left.microseconds.checked_sub(right.microseconds)?,
        })
    };
    whole().ok_or_else(interval::out_of_range)
}

/// Year, month, day and microseconds of the day.
pub(super) fn fields(moment: i64) -> (i64, i64, i64, i64) {
    let (year, month, day) = civil_from_days(moment.div_euclid(MICROSECONDS_PER_DAY));
    (year, month, day, moment.rem_euclid(MICROSECONDS_PER_DAY))
}

/// `age`: years, months, days and time from one moment to another, as one would count them.
fn age(later: i64, earlier: i64) -> Result<Datum, ValueError> {
    if is_infinite(later) || is_infinite(earlier) {
        return Err(ValueError::new("0A000", "the age of an infinite timestamp is not supported"));
    }
    let is_negative = later < earlier;
    let (from, to) = (fields(later), fields(earlier));
    let sign = if is_negative { -1 } else { 1 };
    let mut years = sign * (from.0 - to.0);
    let mut months = sign * (from.1 - to.1);
    let mut days = sign * (from.2 - to.2);
    let mut time = sign * (from.3 - to.3);
    if time < 0 {
        time += MICROSECONDS_PER_DAY;
        days -= 1;
    }
    // The month that lends its days is that of the earlier moment.
    let lender = if is_negative { from } else { to };
    while days < 0 {
        days += days_in_month(lender.0, lender.1);
        months -= 1;
    }
    while months < 0 {
        months += MONTHS_PER_YEAR;
        years -= 1;
    }
    let narrow = |value: i64| i32::try_from(sign * value).map_err(|_| interval::out_of_range());
    interval(Interval {
        months: narrow(years * MONTHS_PER_YEAR + months)?,
        days: narrow(days)?,
        microseconds: sign * time,
    })
}

/// The zone of a name, an abbreviation or an offset in POSIX's form.
pub(super) fn zone_of(name: &str) -> Result<Zone, ValueError> {
    let zone = match named_zone(&name.to_ascii_lowercase()) {
        Some(NamedZone::Rules(zone)) => Some(zone),
        Some(NamedZone::Offset(seconds)) => Zone::fixed(seconds),
        None => None,
    };
    zone.ok_or_else(|| ValueError::new("22023", format!("time zone \"{name}\" not recognized")))
}

fn at_zone(
    name: &str,
    moment: i64,
    change: impl Fn(i64, &Zone) -> Result<i64, ValueError>,
) -> Result<Datum, ValueError> {
    if is_infinite(moment) { integer(moment) } else { integer(change(moment, &zone_of(name)?)?) }
}

fn by_offset(offset: Interval, moment: i64, sign: i64) -> Result<Datum, ValueError> {
    if is_infinite(moment) {
        return integer(moment);
    }
    if offset.months != 0 || offset.days != 0 {
        let message = format!("interval time zone \"{}\" must not include months or days", offset.to_text());
        return Err(ValueError::new("22023", message));
    }
    let seconds = offset.microseconds / MICROSECONDS_PER_SECOND;
    integer(checked(moment.checked_add(sign * seconds * MICROSECONDS_PER_SECOND))?)
}

fn field_out_of_range(what: &str, shown: String) -> ValueError {
    ValueError::new("22008", format!("{what} field value out of range: {shown}"))
}

/// The year before 1 is -1, as in PostgreSQL.
fn made_date(year: i64, month: i64, day: i64) -> Result<i64, ValueError> {
    let wrong = || field_out_of_range("date", format!("{year}-{month:02}-{day:02}"));
    let astronomical = if year < 0 { year + 1 } else { year };
    let is_valid = year != 0 && (1..=12).contains(&month) && day >= 1 && day <= days_in_month(astronomical, month);
    if !is_valid {
        return Err(wrong());
    }
    Some(days_from_civil(astronomical, month, day))
        .filter(|days| (FIRST_DAY..=LAST_DAY).contains(days))
        .ok_or_else(|| ValueError::new("22008", format!("date out of range: {year}-{month:02}-{day:02}")))
}

fn made_time(hour: i64, minute: i64, second: f64) -> Result<i64, ValueError> {
    let wrong = || field_out_of_range("time", format!("{hour}:{minute:02}:{second:02}"));
    if second.is_nan() || !(0.0..=60.0).contains(&second) || !(0..=59).contains(&minute) || !(0..=24).contains(&hour) {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "at most a minute")]
    let microseconds = (second * MICROSECONDS_PER_SECOND as f64).round_ties_even() as i64;
    let whole = (hour * 60 + minute) * 60 * MICROSECONDS_PER_SECOND + microseconds;
    if whole > MICROSECONDS_PER_DAY { Err(wrong()) } else { Ok(whole) }
}

fn made_moment(a: &Arguments<'_>) -> Result<i64, ValueError> {
    let days = made_date(a.integer(0)?, a.integer(1)?, a.integer(2)?)?;
    let time = made_time(a.integer(3)?, a.integer(4)?, a.real(5)?)?;
    checked(days.checked_mul(MICROSECONDS_PER_DAY).and_then(|start| start.checked_add(time)))
}

fn made_interval(a: &Arguments<'_>) -> Result<Interval, ValueError> {
    let narrow =
        |value: Option<i64>| value.and_then(|value| i32::try_from(value).ok()).ok_or_else(interval::out_of_range);
    let months = a.integer(0)?.checked_mul(MONTHS_PER_YEAR);
    let months = months.and_then(|months| months.checked_add(a.integer(1).ok()?));
    let days = a.integer(2)?.checked_mul(7).and_then(|days| days.checked_add(a.integer(3).ok()?));
    let (hours, minutes, seconds) = (a.integer(4)?, a.integer(5)?, a.real(6)?);
    if !seconds.is_finite() || seconds.abs() > 1e12 {
        return Err(interval::out_of_range());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "bounded above")]
    let part = (seconds * MICROSECONDS_PER_SECOND as f64).round_ties_even() as i64;
    let time = (hours * 60 + minutes).checked_mul(60 * MICROSECONDS_PER_SECOND).and_then(|time| time.checked_add(part));
    let microseconds = time.ok_or_else(interval::out_of_range)?;
    Ok(Interval { months: narrow(months)?, days: narrow(days)?, microseconds })
}

fn of_epoch(seconds: f64) -> Result<Datum, ValueError> {
    if seconds.is_infinite() {
        return integer(if seconds > 0.0 { INFINITY } else { NEGATIVE_INFINITY });
    }
    let wrong = || ValueError::new("22008", format!("timestamp out of range: \"{seconds}\""));
    // Counted from 2000, as PostgreSQL does before it rounds.
    const EPOCH: f64 = 946_684_800.0;
    #[expect(clippy::cast_precision_loss, reason = "PostgreSQL computes in floating point as well")]
    let microseconds = ((seconds - EPOCH) * MICROSECONDS_PER_SECOND as f64).round_ties_even();
    if microseconds.is_nan() || microseconds.abs() >= 9.3e18 {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let moment = (microseconds as i64).checked_add(946_684_800 * MICROSECONDS_PER_SECOND);
    integer(checked(moment).map_err(|_| wrong())?)
}

fn justified_days(span: Interval) -> Result<Interval, ValueError> {
    let (mut months, mut days) = (span.months, span.days);
    months = months.checked_add(days / 30).ok_or_else(interval::out_of_range)?;
    days %= 30;
    if months > 0 && days < 0 {
        (months, days) = (months - 1, days + 30);
    } else if months < 0 && days > 0 {
        (months, days) = (months + 1, days - 30);
    }
    Ok(Interval { months, days, ..span })
}

fn justified_hours(span: Interval) -> Result<Interval, ValueError> {
    let whole = i32::try_from(span.microseconds / MICROSECONDS_PER_DAY).map_err(|_| interval::out_of_range())?;
    let mut microseconds = span.microseconds % MICROSECONDS_PER_DAY;
    let mut days = span.days.checked_add(whole).ok_or_else(interval::out_of_range)?;
    if days > 0 && microseconds < 0 {
        (days, microseconds) = (days - 1, microseconds + MICROSECONDS_PER_DAY);
    } else if days < 0 && microseconds > 0 {
        (days, microseconds) = (days + 1, microseconds - MICROSECONDS_PER_DAY);
    }
    Ok(Interval { days, microseconds, ..span })
}

/// Used by [`super::part`]: a numeric of an integer.
pub(super) fn whole(value: i64) -> Datum {
    Datum::Text(value.to_string())
}
