//! What the numbers of a date and time mean, which depends on what was read before them.

use crate::calendar::MICROSECONDS_PER_SECOND;
use crate::temporal::words::{self, Word};

/// Sets of parts, as bits.
pub(crate) type Parts = u32;
pub(crate) const YEAR: Parts = 1;
pub(crate) const MONTH: Parts = 2;
pub(crate) const DAY: Parts = 4;
/// A complete date.
pub(crate) const DATE: Parts = YEAR | MONTH | DAY;
/// Month and day were given as the day of the year.
pub(crate) const DAY_OF_YEAR: Parts = 8;
pub(crate) const TIME: Parts = 16;
pub(crate) const ZONE: Parts = 32;
/// The word `dst`.
pub(crate) const SUMMER: Parts = 64;
pub(crate) const HALF_DAY: Parts = 128;
pub(crate) const ERA: Parts = 256;
pub(crate) const WEEKDAY: Parts = 512;
/// `epoch` and the infinities. They replace whatever else is said.
pub(crate) const RESERVED: Parts = 1024;

/// Why a text is no date or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It has another form: 22007.
    Format,
    /// A part is outside of its range: 22008.
    Range,
    /// Month or day is outside of its range, perhaps because they are swapped: 22008 with a hint.
    MonthDayRange,
    /// The offset from UTC is outside of its range: 22009.
    Offset,
    /// No zone has this name: 22023.
    UnknownZone(String),
    /// `now` and the like, which would need a clock: 0A000.
    Clock(String),
}

/// The parts as they are found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) day_of_year: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) microsecond: i64,
    /// The year had one or two digits.
    pub(crate) has_short_year: bool,
    /// The month was a word.
    pub(crate) has_text_month: bool,
}

impl Fields {
    /// A date in one token: `2024-01-31`, `1/31/2024`, `8-jan-1999`. Gives the parts it holds.
    pub(crate) fn read_date(&mut self, text: &str, known: Parts) -> Result<Parts, Trouble> {
        let mut numbers = Vec::new();
        let mut known = known;
        let mut found = 0;
        for piece in pieces(text)? {
            if piece.starts_with(|first: char| first.is_ascii_digit()) {
                numbers.push(piece);
                continue;
            }
            match words::find(piece) {
                Some(Word::Month(month)) => self.month = month,
                Some(Word::Filler) => continue,
                _ => return Err(Trouble::Format),
            }
            self.has_text_month = true;
            claim(&mut known, MONTH)?;
            found |= MONTH;
        }
        for number in numbers {
            let parts = self.read_number(number, known)?;
            claim(&mut known, parts)?;
            found |= parts;
        }
        if known & !(DAY_OF_YEAR | ZONE) & (DATE | TIME) != DATE {
            return Err(Trouble::Format);
        }
        Ok(found)
    }

    /// A single number: which part it is follows from the parts that are known.
    pub(crate) fn read_number(&mut self, text: &str, known: Parts) -> Result<Parts, Trouble> {
        let digits = text.split('.').next().unwrap_or(text);
        let has_point = digits.len() < text.len();
        let value = whole(digits)?;
        if has_point {
            if digits.len() > 2 {
                return self.read_run(text, known | DATE);
            }
            self.microsecond = fraction(text.get(digits.len()..).unwrap_or(""))?;
        }
        let known_date = known & DATE;
        if text.len() == 3 && known_date == YEAR && (1..=366).contains(&value) {
            self.day_of_year = value;
            return Ok(DAY_OF_YEAR | MONTH | DAY);
        }
        // The length counts the point too, as in PostgreSQL.
        let is_long = text.len() >= 3;
        let part = match known_date {
            0 if is_long => YEAR,
            0 | YEAR | DAY => MONTH,
            MONTH if self.has_text_month && is_long => YEAR,
            MONTH => DAY,
            parts if parts == YEAR | MONTH => {
                if self.has_text_month && is_long && self.has_short_year {
                    // What was taken for the year was the day: 08-JAN-1999.
                    self.day = self.year;
                    self.year = value;
                    self.has_short_year = false;
                    return Ok(DAY);
                }
                DAY
            }
            parts if parts == MONTH | DAY => YEAR,
            DATE => return self.read_run(text, known),
            _ => return Err(Trouble::Format),
        };
        match part {
            YEAR => {
                self.year = value;
                self.has_short_year = text.len() <= 2;
            }
            MONTH => self.month = value,
            _ => self.day = value,
        }
        Ok(part)
    }

    /// Digits run together: `20240131`, `240131`, `040506`, `0405`, `040506.789`.
    pub(crate) fn read_run(&mut self, text: &str, known: Parts) -> Result<Parts, Trouble> {
        let digits = text.split('.').next().unwrap_or(text);
        let has_point = digits.len() < text.len();
        if has_point {
            self.microsecond = fraction(text.get(digits.len()..).unwrap_or(""))?;
        } else if known & DATE != DATE && digits.len() >= 6 {
            let (rest, day) = split_two(digits)?;
            let (year, month) = split_two(rest)?;
            self.day = whole(day)?;
            self.month = whole(month)?;
            self.year = whole(year)?;
            if year.len() == 2 {
                self.has_short_year = true;
            }
            return Ok(DATE);
        }
        if known & TIME != 0 {
            return Err(Trouble::Format);
        }
        match digits.len() {
            6 => {
                let (rest, second) = split_two(digits)?;
                let (hour, minute) = split_two(rest)?;
                (self.hour, self.minute, self.second) = (whole(hour)?, whole(minute)?, whole(second)?);
            }
            4 => {
                let (hour, minute) = split_two(digits)?;
                (self.hour, self.minute, self.second) = (whole(hour)?, whole(minute)?, 0);
            }
            _ => return Err(Trouble::Format),
        }
        Ok(TIME)
    }

    /// `10:20`, `10:20:30`, `10:20:30.5`, and `20:30.5` without hours.
    pub(crate) fn read_time(&mut self, text: &str) -> Result<(), Trouble> {
        let mut parts = text.split(':');
        let (first, second, third) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next());
        if parts.next().is_some() {
            return Err(Trouble::Format);
        }
        let hour = whole(first)?;
        let (minute_text, minute_fraction) = split_fraction(second);
        match (third, minute_fraction) {
            (None, None) => (self.hour, self.minute, self.second) = (hour, whole_or_zero(minute_text)?, 0),
            (None, Some(digits)) => {
                (self.hour, self.minute, self.second) = (0, hour, whole_or_zero(minute_text)?);
                self.microsecond = fraction(digits)?;
            }
            (Some(seconds), None) => {
                let (second_text, digits) = split_fraction(seconds);
                (self.hour, self.minute, self.second) =
                    (hour, whole_or_zero(minute_text)?, whole_or_zero(second_text)?);
                if let Some(digits) = digits {
                    self.microsecond = fraction(digits)?;
                }
            }
            (Some(_), Some(_)) => return Err(Trouble::Format),
        }
        if self.minute > 59 || self.second > 60 { Err(Trouble::Range) } else { Ok(()) }
    }

    /// The time of the day in microseconds; up to 24:00:00 and, for run together digits, beyond.
    pub(crate) fn microseconds_of_day(&self) -> i64 {
        ((self.hour * 60 + self.minute) * 60 + self.second) * MICROSECONDS_PER_SECOND + self.microsecond
    }
}

/// Adds parts to the known ones; twice the same is 22007.
pub(crate) fn claim(known: &mut Parts, parts: Parts) -> Result<(), Trouble> {
    if *known & parts != 0 {
        return Err(Trouble::Format);
    }
    *known |= parts;
    Ok(())
}

/// `+02`, `-0530`, `+05:30`, `-00:19:32`: seconds east of UTC.
pub(crate) fn offset(text: &str) -> Result<i64, Trouble> {
    const LARGEST_HOUR: i64 = 15;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').ok_or(Trouble::Format)?),
    };
    let bad_offset = |trouble| {
        if trouble == Trouble::Range { Trouble::Offset } else { trouble }
    };
    let mut parts = digits.split(':');
    let first_text = parts.next().unwrap_or("");
    let first_digits = leading_digits(first_text);
    let first = whole(first_digits).map_err(bad_offset)?;
    let (hour, minute, second) = match (parts.next(), parts.next()) {
        (None, _) if first_digits.len() == first_text.len() && text.len() > 3 => (first / 100, first % 100, 0),
        (None, _) => (first, 0, 0),
        (Some(minutes), seconds) => (
            first,
            whole_or_zero(leading_digits(minutes)).map_err(bad_offset)?,
            whole_or_zero(leading_digits(seconds.unwrap_or(""))).map_err(bad_offset)?,
        ),
    };
    if hour > LARGEST_HOUR || minute > 59 || second > 59 {
        return Err(Trouble::Offset);
    }
    // Only now: a bad offset is reported before what follows it.
    let is_clean = digits.split(':').take(3).all(|part| leading_digits(part).len() == part.len());
    if !is_clean || parts.next().is_some() {
        return Err(Trouble::Format);
    }
    Ok(sign * ((hour * 60 + minute) * 60 + second))
}

fn leading_digits(text: &str) -> &str {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..length).unwrap_or(text)
}

/// The runs of digits and of letters in a date.
fn pieces(text: &str) -> Result<Vec<&str>, Trouble> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
        let Some(first) = rest.chars().next() else {
            return Err(Trouble::Format);
        };
        let is_digit = first.is_ascii_digit();
        let end = rest
            .find(|character: char| !character.is_ascii_alphanumeric() || character.is_ascii_digit() != is_digit)
            .unwrap_or(rest.len());
        let (piece, tail) = rest.split_at_checked(end).ok_or(Trouble::Format)?;
        pieces.push(piece);
        // One separator is dropped with the piece, so that it may end the text.
        rest = tail.strip_prefix(|character: char| !character.is_ascii_digit()).unwrap_or(tail);
    }
    Ok(pieces)
}

/// A whole number of at most 32 bits.
fn whole(digits: &str) -> Result<i64, Trouble> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Trouble::Format);
    }
    digits.parse::<i32>().map(i64::from).map_err(|_| Trouble::Range)
}

fn whole_or_zero(digits: &str) -> Result<i64, Trouble> {
    if digits.is_empty() { Ok(0) } else { whole(digits) }
}

/// The part before a decimal point, and the rest with the point.
fn split_fraction(text: &str) -> (&str, Option<&str>) {
    match text.find('.') {
        Some(place) => (text.get(..place).unwrap_or(""), text.get(place..)),
        None => (text, None),
    }
}

/// The last two digits apart from those before them.
fn split_two(digits: &str) -> Result<(&str, &str), Trouble> {
    digits.len().checked_sub(2).and_then(|place| digits.split_at_checked(place)).ok_or(Trouble::Format)
}

/// `.789` in microseconds, rounded; a second of one whole million carries over.
fn fraction(text: &str) -> Result<i64, Trouble> {
    if text == "." {
        return Ok(0);
    }
    let digits = text.strip_prefix('.').unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Trouble::Format);
    }
    let value: f64 = text.parse().map_err(|_| Trouble::Format)?;
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1,000,000")]
    let microseconds = (value * 1e6).round_ties_even() as i64;
    Ok(microseconds)
}
