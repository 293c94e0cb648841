use crate::temporal::abbreviations;

/// What a word inside of a date or time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// `epoch`: 1970-01-01 00:00 UTC.
    Epoch,
    /// `infinity`.
    Infinity,
    /// `-infinity`.
    NegativeInfinity,
    /// `allballs`: midnight UTC.
    Midnight,
    /// `now`, `today` and the like.
    Clock,
    /// A month, 1 to 12.
    Month(i64),
    /// A weekday; read and ignored.
    Weekday,
    /// `am` or `pm`.
    HalfDay { is_afternoon: bool },
    /// `ad`, `bc` and the like.
    Era { is_before_christ: bool },
    /// A zone's abbreviation: seconds east of UTC.
    Offset { seconds: i64, is_summer: bool },
    /// `dst`: an hour more than the zone that was named before.
    Summer,
    /// `t`: the time follows.
    TimeFollows,
    /// `j`, `jd`, `julian`: a Julian day follows.
    JulianFollows,
    /// `at`, `on`: nothing.
    Filler,
}

/// Words are compared by so many characters (`TOKMAXLEN`).
const SIGNIFICANT: usize = 10;

/// The meaning of a lower case word.
pub(super) fn find(word: &str) -> Option<Word> {
    if let Some((seconds, is_summer)) = abbreviations::find(word) {
        return Some(Word::Offset { seconds, is_summer });
    }
    Some(match word.get(..SIGNIFICANT).unwrap_or(word) {
        "epoch" => Word::Epoch,
        "infinity" => Word::Infinity,
        "-infinity" => Word::NegativeInfinity,
        "allballs" => Word::Midnight,
        "now" | "today" | "tomorrow" | "yesterday" => Word::Clock,
        "jan" | "january" => Word::Month(1),
        "feb" | "february" => Word::Month(2),
        "mar" | "march" => Word::Month(3),
        "apr" | "april" => Word::Month(4),
        "may" => Word::Month(5),
        "jun" | "june" => Word::Month(6),
        "jul" | "july" => Word::Month(7),
        "aug" | "august" => Word::Month(8),
        "sep" | "sept" | "september" => Word::Month(9),
        "oct" | "october" => Word::Month(10),
        "nov" | "november" => Word::Month(11),
        "dec" | "december" => Word::Month(12),
        "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu" | "thur" | "thurs"
        | "thursday" | "fri" | "friday" | "sat" | "saturday" | "sun" | "sunday" => Word::Weekday,
        "am" => Word::HalfDay { is_afternoon: false },
        "pm" => Word::HalfDay { is_afternoon: true },
        "ad" => Word::Era { is_before_christ: false },
        "bc" => Word::Era { is_before_christ: true },
        "dst" => Word::Summer,
        "t" => Word::TimeFollows,
        "j" | "jd" | "julian" => Word::JulianFollows,
        "at" | "on" => Word::Filler,
        _ => return None,
    })
}
