//! `to_char` of dates and times: PostgreSQL's templates, in English, as the C locale has it.

use super::arguments::text;
use super::part::{iso_week, weekday};
use super::temporal::{fields, is_infinite};
use super::{Definition, strict, zoned};
use crate::calendar::{MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND, days_from_civil};
use crate::interval::to_local;
use crate::{Datum, ValueError};

pub(super) const DEFINITIONS: &[Definition] = &[
    strict("to_char(timestamp,text)", "text", |a| printed(a.integer(0)?, a.text(1)?)),
    zoned("to_char(timestamptz,text)", "text", |a| {
        let moment = a.integer(0)?;
        printed(if is_infinite(moment) { moment } else { to_local(moment, a.zone) }, a.text(1)?)
    }),
    super::refused("to_char(interval,text)", "text"),
    super::refused("to_char(integer,text)", "text"),
    super::refused("to_char(bigint,text)", "text"),
    super::refused("to_char(numeric,text)", "text"),
    super::refused("to_char(real,text)", "text"),
    super::refused("to_char(double precision,text)", "text"),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The words of a template, longest first where one begins as another. What is here and not in [`Clock::word`] is
/// refused.
const WORDS: &[&str] = &[
    "SSSSS", "Y,YYY", "MONTH", "Month", "month", "y,yyy", "sssss", "SSSS", "ssss", "YYYY", "yyyy", "IYYY", "iyyy",
    "IDDD", "iddd", "HH24", "hh24", "HH12", "hh12", "A.D.", "a.d.", "B.C.", "b.c.", "A.M.", "a.m.", "P.M.", "p.m.",
    "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "ff1", "ff2", "ff3", "ff4", "ff5", "ff6", "DAY", "Day", "day", "DDD",
    "ddd", "MON", "Mon", "mon", "YYY", "yyy", "IYY", "iyy", "TZH", "tzh", "TZM", "tzm", "AD", "ad", "BC", "bc", "AM",
    "am", "PM", "pm", "CC", "cc", "DD", "dd", "DY", "Dy", "dy", "FX", "fx", "HH", "hh", "ID", "id", "IW", "iw", "IY",
    "iy", "MI", "mi", "MM", "mm", "MS", "ms", "OF", "of", "RM", "rm", "SS", "ss", "TZ", "tz", "US", "us", "WW", "ww",
    "YY", "yy", "D", "d", "I", "i", "J", "j", "Q", "q", "W", "w", "Y", "y",
];

fn unsupported(word: &str) -> ValueError {
    ValueError::new("0A000", format!("the template pattern \"{word}\" is not supported"))
}

/// A local time as a template shows it; NULL for infinity and an empty template.
fn printed(local: i64, template: &str) -> Result<Datum, ValueError> {
    if template.is_empty() || is_infinite(local) {
        return Ok(Datum::Null);
    }
    let clock = Clock::of(local);
    let mut out = String::new();
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let (is_bare, after) = match rest.strip_prefix("FM").or_else(|| rest.strip_prefix("fm")) {
            Some(after) => (true, after),
            None => (false, rest),
        };
        if rest.starts_with("TM") || rest.starts_with("tm") {
            return Err(unsupported("TM"));
        }
        if let Some(word) = WORDS.iter().find(|word| after.starts_with(**word)) {
            let shown = clock.word(word, is_bare).ok_or_else(|| unsupported(word))?;
            rest = after.get(word.len()..).unwrap_or("");
            let is_number = shown.ends_with(|last: char| last.is_ascii_digit());
            out += &shown;
            for suffix in ["TH", "th"].into_iter().filter(|_| is_number) {
                if let Some(after) = rest.strip_prefix(suffix) {
                    out += &ordinal(&shown, suffix == "TH");
                    rest = after;
                    break;
                }
            }
            if rest.starts_with("SP") {
                return Err(unsupported("SP"));
            }
            continue;
        }
        if is_bare {
            rest = after;
            continue;
        }
        rest = rest.get(first.len_utf8()..).unwrap_or("");
        match first {
            '"' => rest = copied(rest, &mut out),
            '\\' if rest.starts_with('"') => {
                out.push('"');
                rest = rest.get(1..).unwrap_or("");
            }
            other => out.push(other),
        }
    }
    text(out)
}

/// What stands between quotes; gives what follows.
fn copied<'a>(source: &'a str, out: &mut String) -> &'a str {
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    characters.as_str()
}

fn ordinal(number: &str, is_upper: bool) -> String {
    let tens = number.len().checked_sub(2).and_then(|place| number.get(place..)).unwrap_or("");
    let suffix = match (tens.starts_with('1'), number.as_bytes().last()) {
        (false, Some(b'1')) => "st",
        (false, Some(b'2')) => "nd",
        (false, Some(b'3')) => "rd",
        _ => "th",
    };
    if is_upper { suffix.to_ascii_uppercase() } else { suffix.to_owned() }
}

/// A moment, taken apart.
struct Clock {
    year: i64,
    month: i64,
    day: i64,
    days: i64,
    time: i64,
}

impl Clock {
    fn of(local: i64) -> Self {
        let (year, month, day, time) = fields(local);
        Self { year, month, day, days: local.div_euclid(MICROSECONDS_PER_DAY), time }
    }

    /// What a word shows; `None` if it is not available.
    fn word(&self, word: &str, is_bare: bool) -> Option<String> {
        let number = |value: i64, width: usize| {
            if is_bare { value.to_string() } else { format!("{value:0width$}", width = width + usize::from(value < 0)) }
        };
        let padded = |name: &str| if is_bare { name.to_owned() } else { format!("{name:<9}") };
        let shown = |year: i64| if year > 0 { year } else { 1 - year };
        let seconds = self.time / MICROSECONDS_PER_SECOND;
        let fraction = self.time % MICROSECONDS_PER_SECOND;
        let (hour, day_of_year) = (seconds / 3600, self.days - days_from_civil(self.year, 1, 1) + 1);
        let (iso_year, iso_week) = iso_week(self.days);
        let weekday = weekday(self.days);
        let month = MONTHS.get(usize::try_from(self.month - 1).ok()?)?;
        let day = DAYS.get(usize::try_from(weekday).ok()?)?;
        let short = |name: &str| name.get(..3).unwrap_or(name).to_owned();
        let half = if hour >= 12 { "PM" } else { "AM" };
        let era = if self.year <= 0 { "BC" } else { "AD" };
        let dotted = |word: &str| word.chars().flat_map(|letter| [letter, '.']).collect::<String>();
        Some(match word {
            "MONTH" => padded(&month.to_ascii_uppercase()),
            "Month" => padded(month),
            "month" => padded(&month.to_ascii_lowercase()),
            "MON" => short(month).to_ascii_uppercase(),
            "Mon" => short(month),
            "mon" => short(month).to_ascii_lowercase(),
            "DAY" => padded(&day.to_ascii_uppercase()),
            "Day" => padded(day),
            "day" => padded(&day.to_ascii_lowercase()),
            "DY" => short(day).to_ascii_uppercase(),
            "Dy" => short(day),
            "dy" => short(day).to_ascii_lowercase(),
            "AM" | "PM" => half.to_owned(),
            "am" | "pm" => half.to_ascii_lowercase(),
            "A.M." | "P.M." => dotted(half),
            "a.m." | "p.m." => dotted(half).to_ascii_lowercase(),
            "AD" | "BC" => era.to_owned(),
            "ad" | "bc" => era.to_ascii_lowercase(),
            "A.D." | "B.C." => dotted(era),
            "a.d." | "b.c." => dotted(era).to_ascii_lowercase(),
            other => match other.to_ascii_uppercase().as_str() {
                "HH" | "HH12" => number(if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
                "HH24" => number(hour, 2),
                "MI" => number(seconds / 60 % 60, 2),
                "SS" => number(seconds % 60, 2),
                "MS" | "FF3" => format!("{:03}", fraction / 1000),
                "US" | "FF6" => format!("{fraction:06}"),
                "FF1" => (fraction / 100_000).to_string(),
                "FF2" => format!("{:02}", fraction / 10_000),
                "FF4" => format!("{:04}", fraction / 100),
                "FF5" => format!("{:05}", fraction / 10),
                "SSSS" | "SSSSS" => seconds.to_string(),
                "MM" => number(self.month, 2),
                "DDD" => number(day_of_year, 3),
                "DD" => number(self.day, 2),
                "D" => ((weekday + 1) % 7 + 1).to_string(),
                "ID" => (weekday + 1).to_string(),
                "IDDD" => number((iso_week - 1) * 7 + weekday + 1, 3),
                "WW" => number((day_of_year - 1) / 7 + 1, 2),
                "W" => ((self.day - 1) / 7 + 1).to_string(),
                "IW" => number(iso_week, 2),
                "Q" => ((self.month - 1) / 3 + 1).to_string(),
                "CC" => number(if self.year > 0 { (self.year - 1) / 100 + 1 } else { self.year / 100 - 1 }, 2),
                "YYYY" => number(shown(self.year), 4),
                "YYY" => number(shown(self.year) % 1000, 3),
                "YY" => number(shown(self.year) % 100, 2),
                "Y" => (shown(self.year) % 10).to_string(),
                "Y,YYY" => format!("{},{:03}", shown(self.year) / 1000, shown(self.year) % 1000),
                "IYYY" => number(shown(iso_year), 4),
                "IYY" => number(shown(iso_year) % 1000, 3),
                "IY" => number(shown(iso_year) % 100, 2),
                "I" => (shown(iso_year) % 10).to_string(),
                "J" => (self.days + super::part::JULIAN_EPOCH).to_string(),
                _ => return None,
            },
        })
    }
}
