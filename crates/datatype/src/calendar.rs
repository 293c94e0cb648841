//! The proleptic Gregorian calendar over day numbers (0 is 1970-01-01), and the bounds of PostgreSQL's types.

/// Microseconds in a second.
pub(crate) const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
/// Seconds in a day.
pub(crate) const SECONDS_PER_DAY: i64 = 86_400;
/// Microseconds in a day.
pub(crate) const MICROSECONDS_PER_DAY: i64 = SECONDS_PER_DAY * MICROSECONDS_PER_SECOND;

/// The first day that PostgreSQL knows: Julian day 0, 4714-11-24 BC.
pub(crate) const FIRST_DAY: i64 = -2_440_588;
/// The last day of `date`: 5874897-12-31.
pub(crate) const LAST_DAY: i64 = 2_145_042_905;
/// The first moment of `timestamp`: the start of [`FIRST_DAY`].
pub(crate) const FIRST_MOMENT: i64 = FIRST_DAY * MICROSECONDS_PER_DAY;
/// The last moment of `timestamp`. PostgreSQL counts from 2000 and so reaches the end of 294276; counted from
/// 1970, 64 bits end on 294247-01-10.
pub(crate) const LAST_MOMENT: i64 = i64::MAX - 1;

/// `infinity` of dates and timestamps.
pub(crate) const INFINITY: i64 = i64::MAX;
/// `-infinity` of dates and timestamps.
pub(crate) const NEGATIVE_INFINITY: i64 = i64::MIN;

/// Far outside of every valid day, and still safe to calculate with.
const DAY_BOUND: i64 = 1_000_000_000_000;

/// The day number of a date; the year is astronomical (0 is 1 BC). Months outside of 1 to 12 are clamped.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year.clamp(-DAY_BOUND, DAY_BOUND);
    let month = month.clamp(1, 12);
    // Years that start in March put the leap day at their end.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.clamp(-DAY_BOUND, DAY_BOUND) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year (astronomical), month and day of a day number.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days.clamp(-DAY_BOUND, DAY_BOUND) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// How many days a month has; 31 for a month that is none.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
        assert_eq!(days_from_civil(-4713, 11, 24), FIRST_DAY);
        assert_eq!(days_from_civil(5_874_897, 12, 31), LAST_DAY);
        assert_eq!(civil_from_days(FIRST_DAY), (-4713, 11, 24));
    }

    #[test]
    fn days_come_back() {
        for days in (-3_000_000..3_000_000).step_by(97).chain([i64::MIN, i64::MAX]) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days.clamp(-DAY_BOUND, DAY_BOUND));
            assert!(day <= days_in_month(year, month));
        }
    }
}
