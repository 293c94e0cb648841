use std::sync::Arc;

use crate::Timestamp;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// How much may be asked with an API key in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyQuota {
    /// Whose quota it is: the id of the key, or of the first of those that took one another's place. They share it.
    pub account: Arc<str>,
    /// How much.
    pub amount: u64,
    /// In how long.
    pub period: Period,
    /// Of what.
    pub unit: QuotaUnit,
}

/// The period of a quota. It begins where the clock or the calendar says, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to that of the next.
    Month,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuotaUnit {
    /// Requests.
    Requests,
    /// Points of their price.
    Cost,
}

impl Period {
    const ALL: [(&str, Self); 3] = [("hour", Self::Hour), ("day", Self::Day), ("month", Self::Month)];

    /// The period with a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, period)| *period)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, period)| *period == self).map_or("", |(word, _)| word)
    }

    /// When the period around a moment began, and when it ends.
    pub fn around(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let whole = |length: i64| {
            let begin = now.0.div_euclid(length).saturating_mul(length);
            (Timestamp(begin), Timestamp(begin.saturating_add(length)))
        };
        match self {
            Self::Hour => whole(HOUR),
            Self::Day => whole(DAY),
            Self::Month => {
                let (begin, length) = month_of(now.0.div_euclid(DAY));
                (Timestamp(begin.saturating_mul(DAY)), Timestamp((begin + length).saturating_mul(DAY)))
            }
        }
    }
}

impl QuotaUnit {
    const ALL: [(&str, Self); 2] = [("requests", Self::Requests), ("cost", Self::Cost)];

    /// The unit with a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, unit)| *unit)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("", |(word, _)| word)
    }
}

/// The first day of the month that a day lies in, and the month's length; days since 1970 of the Gregorian calendar.
fn month_of(day: i64) -> (i64, i64) {
    // Years are counted from March, so that the day of the leap year is their last (Hinnant, "chrono-compatible date algorithms").
    let day_of_era = (day + 719_468).rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let first = (153 * month + 2) / 5;
    // February ends with its year.
    let next_year = year_of_era + 1;
    let is_leap = next_year % 4 == 0 && (next_year % 100 != 0 || next_year % 400 == 0);
    let end = if month == 11 { 365 + i64::from(is_leap) } else { (153 * (month + 1) + 2) / 5 };
    (day - (day_of_year - first), end - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_as_long_as_in_the_calendar() {
        let lengths = |leap: i64| [31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut day = 0;
        for year in 1970_i64..2405 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for length in lengths(i64::from(is_leap)) {
                for within in [0, 1, length - 1] {
                    assert_eq!(month_of(day + within), (day, length), "{year}");
                }
                day += length;
            }
        }
        // The last days before 1970.
        assert_eq!(month_of(-1), (-31, 31));
    }

    #[test]
    fn a_period_holds_its_moment() {
        // 2026-11-22 18:03:04.5 UTC
        let now = Timestamp(1_795_370_584_500_000);
        assert_eq!(Period::Hour.around(now), (Timestamp(1_795_370_400_000_000), Timestamp(1_795_374_000_000_000)));
        assert_eq!(Period::Day.around(now), (Timestamp(1_795_305_600_000_000), Timestamp(1_795_392_000_000_000)));
        assert_eq!(Period::Month.around(now), (Timestamp(1_793_491_200_000_000), Timestamp(1_796_083_200_000_000)));
        for period in [Period::Hour, Period::Day, Period::Month] {
            assert_eq!(Period::from_word(period.word()), Some(period));
            let (begin, end) = period.around(now);
            assert_eq!(period.around(begin), (begin, end));
            assert_eq!(period.around(end).0, end);
            // Whatever a clock says.
            for moment in [i64::MIN, -1, 0, i64::MAX] {
                let (begin, end) = period.around(Timestamp(moment));
                assert!(begin <= end, "{moment}");
            }
        }
    }
}
