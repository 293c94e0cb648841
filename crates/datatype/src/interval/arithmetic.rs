//! Intervals added, scaled, and put on top of dates and times.

use super::{DAYS_PER_MONTH, Interval, MONTHS_PER_YEAR, out_of_range};
use crate::calendar::{
    FIRST_MOMENT, INFINITY, LAST_MOMENT, MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, NEGATIVE_INFINITY,
    civil_from_days, days_from_civil, days_in_month,
};
use crate::{ValueError, Zone};

#[expect(clippy::cast_precision_loss, reason = "PostgreSQL scales intervals in floating point")]
const DAY_IN_SECONDS: f64 = (MICROSECONDS_PER_DAY / MICROSECONDS_PER_SECOND) as f64;
#[expect(clippy::cast_precision_loss, reason = "exact")]
const SECOND: f64 = MICROSECONDS_PER_SECOND as f64;
#[expect(clippy::cast_precision_loss, reason = "exact")]
const MONTH_IN_DAYS: f64 = DAYS_PER_MONTH as f64;

impl Interval {
    /// The sum, field by field.
    pub(crate) fn plus(self, other: Self) -> Result<Self, ValueError> {
        let whole = || {
            Some(Self {
                months: self.months.checked_add(other.months)?,
                days: self.days.checked_add(other.days)?,
                microseconds: self.microseconds.checked_add(other.microseconds)?,
            })
        };
        whole().ok_or_else(out_of_range)
    }

    /// All fields with the other sign.
    pub(crate) fn negated(self) -> Result<Self, ValueError> {
        let whole = || {
            Some(Self {
                months: self.months.checked_neg()?,
                days: self.days.checked_neg()?,
                microseconds: self.microseconds.checked_neg()?,
            })
        };
        whole().ok_or_else(out_of_range)
    }

    /// `interval * factor`: what is no whole month becomes days, what is no whole day becomes hours.
    pub(crate) fn times(self, factor: f64) -> Result<Self, ValueError> {
        self.scaled(|value| value * factor)
    }

    /// `interval / divisor`.
    pub(crate) fn divided_by(self, divisor: f64) -> Result<Self, ValueError> {
        if divisor == 0.0 {
            return Err(ValueError::division_by_zero());
        }
        self.scaled(|value| value / divisor)
    }

    /// PostgreSQL's `interval_mul`, step by step.
    fn scaled(self, scale: impl Fn(f64) -> f64) -> Result<Self, ValueError> {
        let months_exact = scale(f64::from(self.months));
        let days_exact = scale(f64::from(self.days));
        let months = whole(months_exact)?;
        let mut days = whole(days_exact)?;
        let days_of_months = rounded((months_exact - f64::from(months)) * MONTH_IN_DAYS);
        let whole_days_of_months = whole(days_of_months)?;
        let mut seconds =
            rounded((days_exact - f64::from(days) + days_of_months - f64::from(whole_days_of_months)) * DAY_IN_SECONDS);
        if seconds.abs() >= DAY_IN_SECONDS {
            let spilt = whole(seconds / DAY_IN_SECONDS)?;
            days = days.checked_add(spilt).ok_or_else(out_of_range)?;
            seconds -= f64::from(spilt) * DAY_IN_SECONDS;
        }
        let days = days.checked_add(whole_days_of_months).ok_or_else(out_of_range)?;
        #[expect(clippy::cast_precision_loss, reason = "PostgreSQL computes in floating point as well")]
        let microseconds = (scale(self.microseconds as f64) + seconds * SECOND).round_ties_even();
        if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&microseconds) {
            return Err(out_of_range());
        }
        #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
        Ok(Self { months, days, microseconds: microseconds as i64 })
    }
}

/// The part before the point, if 32 bits hold it.
fn whole(value: f64) -> Result<i32, ValueError> {
    if !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value) {
        return Err(out_of_range());
    }
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds")]
    Ok(value as i32)
}

/// Rounded to microseconds.
fn rounded(value: f64) -> f64 {
    (value * SECOND).round_ties_even() / SECOND
}

/// A local clock's time plus an interval: months first, to the end of a month that is shorter, then days, then time.
pub(crate) fn add_to_moment(moment: i64, interval: Interval) -> Result<i64, ValueError> {
    if is_infinite(moment) {
        return Ok(moment);
    }
    let later = add_months(moment, interval.months)?;
    let later = i64::from(interval.days).checked_mul(MICROSECONDS_PER_DAY).and_then(|days| later.checked_add(days));
    checked(later.and_then(|later| later.checked_add(interval.microseconds)))
}

/// A moment plus an interval: months and days by the clocks of the zone, the rest by time that passes.
pub(crate) fn add_to_zoned(moment: i64, interval: Interval, zone: &Zone) -> Result<i64, ValueError> {
    if is_infinite(moment) {
        return Ok(moment);
    }
    let mut moment = moment;
    if interval.months != 0 {
        moment = from_local(add_months(to_local(moment, zone), interval.months)?, zone)?;
    }
    if interval.days != 0 {
        let days = i64::from(interval.days).checked_mul(MICROSECONDS_PER_DAY);
        let local = checked(days.and_then(|days| to_local(moment, zone).checked_add(days)))?;
        moment = from_local(local, zone)?;
    }
    checked(moment.checked_add(interval.microseconds))
}

/// What the clocks of a zone show at a moment.
pub(crate) fn to_local(moment: i64, zone: &Zone) -> i64 {
    let offset = zone.offset_at(moment.div_euclid(MICROSECONDS_PER_SECOND));
    moment.saturating_add(offset * MICROSECONDS_PER_SECOND)
}

/// The moment at which the clocks of a zone show a time.
pub(crate) fn from_local(local: i64, zone: &Zone) -> Result<i64, ValueError> {
    let offset = zone.offset_of_local(local.div_euclid(MICROSECONDS_PER_SECOND));
    checked(local.checked_sub(offset * MICROSECONDS_PER_SECOND))
}

fn add_months(moment: i64, months: i32) -> Result<i64, ValueError> {
    if months == 0 {
        return Ok(moment);
    }
    let (year, month, day) = civil_from_days(moment.div_euclid(MICROSECONDS_PER_DAY));
    let all = year * MONTHS_PER_YEAR + month - 1 + i64::from(months);
    let (year, month) = (all.div_euclid(MONTHS_PER_YEAR), all.rem_euclid(MONTHS_PER_YEAR) + 1);
    let days = days_from_civil(year, month, day.min(days_in_month(year, month)));
    let time = moment.rem_euclid(MICROSECONDS_PER_DAY);
    checked(days.checked_mul(MICROSECONDS_PER_DAY).and_then(|start| start.checked_add(time)))
}

fn is_infinite(moment: i64) -> bool {
    moment == INFINITY || moment == NEGATIVE_INFINITY
}

/// Within the bounds of timestamps.
pub(crate) fn checked(moment: Option<i64>) -> Result<i64, ValueError> {
    moment
        .filter(|moment| (FIRST_MOMENT..=LAST_MOMENT).contains(moment))
        .ok_or_else(|| ValueError::new("22008", "timestamp out of range"))
}
