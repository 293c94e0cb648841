use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

use crate::calendar::{SECONDS_PER_DAY, civil_from_days};

/// The Gregorian calendar, weekdays included, repeats after 400 years: so many seconds.
const SECONDS_PER_CYCLE: i64 = 146_097 * SECONDS_PER_DAY;
/// Moments later than this (year 9000) are looked up whole cycles earlier: the zone database ends at year 9999.
const LATEST_LOOKUP: i64 = 221_845_392_000;
/// The same towards the past (year -9000).
const EARLIEST_LOOKUP: i64 = -346_180_608_000;

/// The database that is compiled in, so that answers do not depend on the host.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone in which `timestamptz` values are read and printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Zone {
    /// UTC: the default, and the fast one.
    #[default]
    Utc,
    /// A zone with rules.
    Named(TimeZone),
}

impl Zone {
    /// The zone of an IANA name (`Europe/Amsterdam`), in any case, as PostgreSQL's `TimeZone` setting accepts it.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("UTC") {
            return Some(Self::Utc);
        }
        DATABASE.get(name).ok().map(Self::Named)
    }

    /// The zone of a PostgreSQL server's `TimeZone` setting: a name, or POSIX's own notation (`<+05:30>-05:30`).
    pub fn of_server(setting: &str) -> Option<Self> {
        // The abbreviation that PostgreSQL makes of an offset has a colon, which POSIX knows none of.
        let rest = setting.strip_prefix('<').and_then(|rest| rest.split_once('>')).map(|(_, rest)| rest);
        let posix = || rest.map_or_else(|| setting.to_owned(), |rest| format!("<own>{rest}"));
        Self::from_name(setting).or_else(|| TimeZone::posix(&posix()).ok().map(Self::Named))
    }

    /// The zone whose clocks always stand so many seconds east of UTC; `None` beyond a day and two hours.
    pub(crate) fn fixed(seconds: i64) -> Option<Self> {
        let offset = Offset::from_seconds(i32::try_from(seconds).ok()?).ok()?;
        Some(Self::Named(TimeZone::fixed(offset)))
    }

    /// Seconds east of UTC at a moment, given in seconds since 1970 UTC.
    pub(crate) fn offset_at(&self, seconds: i64) -> i64 {
        let Self::Named(zone) = self else { return 0 };
        let Ok(moment) = jiff::Timestamp::from_second(lookup_moment(seconds)) else {
            return 0;
        };
        i64::from(zone.to_offset(moment).seconds())
    }

    /// Seconds east of UTC at a local time, given in seconds since 1970 on the local clock. In a gap the
    /// offset before it counts, in an overlap the one after it: PostgreSQL's rule.
    pub(crate) fn offset_of_local(&self, seconds: i64) -> i64 {
        let Self::Named(zone) = self else { return 0 };
        let Some(local) = civil(lookup_moment(seconds)) else {
            return 0;
        };
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } => before,
            AmbiguousOffset::Fold { after, .. } => after,
        };
        i64::from(offset.seconds())
    }
}

fn lookup_moment(seconds: i64) -> i64 {
    if seconds > LATEST_LOOKUP {
        LATEST_LOOKUP - SECONDS_PER_CYCLE + (seconds - LATEST_LOOKUP).rem_euclid(SECONDS_PER_CYCLE)
    } else {
        seconds.max(EARLIEST_LOOKUP)
    }
}

fn civil(seconds: i64) -> Option<DateTime> {
    let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
    let clock = seconds.rem_euclid(SECONDS_PER_DAY);
    DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        i8::try_from(clock / 3600).ok()?,
        i8::try_from(clock / 60 % 60).ok()?,
        i8::try_from(clock % 60).ok()?,
        0,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case() {
        assert_eq!(Zone::from_name("utc"), Some(Zone::Utc));
        assert!(Zone::from_name("europe/AMSTERDAM").is_some());
        assert!(Zone::from_name("Etc/GMT+5").is_some());
        assert_eq!(Zone::from_name("Europe/Atlantis"), None);
    }

    #[test]
    fn offsets_of_gaps_overlaps_and_far_years() {
        let zone = Zone::from_name("America/New_York").unwrap();
        // 2024-03-10 02:30 does not exist; 2024-11-03 01:30 exists twice.
        assert_eq!(zone.offset_of_local(1_710_037_800), -18_000);
        assert_eq!(zone.offset_of_local(1_730_597_400), -18_000);
        // July of the year 200024 is summer too.
        assert_eq!(zone.offset_at(1_720_000_000 + 495 * SECONDS_PER_CYCLE), -14_400);
        assert_eq!(zone.offset_at(i64::MAX), zone.offset_at(i64::MAX));
        assert_eq!(zone.offset_of_local(i64::MIN), zone.offset_at(i64::MIN));
    }
}
