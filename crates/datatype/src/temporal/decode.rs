use crate::Zone;
use crate::calendar::{MICROSECONDS_PER_DAY, civil_from_days, days_from_civil, days_in_month};
use crate::temporal::numbers::{
    DATE, DAY, DAY_OF_YEAR, ERA, Fields, HALF_DAY, MONTH, Parts, RESERVED, SUMMER, TIME, Trouble, WEEKDAY, YEAR, ZONE,
    claim, offset,
};
use crate::temporal::tokens::{Token, cut};
use crate::temporal::words::{self, Word};

/// Julian day 0 is so many days before 1970.
const JULIAN_DAY_OF_1970: i64 = 2_440_588;

/// What a text says.
#[derive(Debug, Clone)]
pub(super) enum Decoded {
    /// `epoch`.
    Epoch,
    /// `infinity`.
    Infinity,
    /// `-infinity`.
    NegativeInfinity,
    /// A date with or without a time.
    Moment(Moment),
}

/// A local date and time, and the zone if one was named.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// Days since 1970; 0 without a date.
    pub(super) days: i64,
    /// Microseconds since midnight; 0 without a time.
    pub(super) microseconds: i64,
    /// Where that clock stands.
    pub(super) zone: Option<NamedZone>,
}

/// A zone in the text.
#[derive(Debug, Clone)]
pub(crate) enum NamedZone {
    /// So many seconds east of UTC.
    Offset(i64),
    /// A zone with rules.
    Rules(Zone),
}

/// Reads a date with an optional time, in PostgreSQL's default style (ISO, MDY).
pub(super) fn decode(text: &str) -> Result<Decoded, Trouble> {
    let decoder = read(text, false)?;
    let special = decoder.special;
    // What stands beside such a word is checked all the same.
    let moment = decoder.finish(special.is_none())?;
    Ok(match special {
        Some(Special::Epoch) => Decoded::Epoch,
        Some(Special::Infinity) => Decoded::Infinity,
        Some(Special::NegativeInfinity) => Decoded::NegativeInfinity,
        None => Decoded::Moment(moment),
    })
}

/// Reads a time; a date before it is allowed and ignored.
pub(super) fn decode_time(text: &str) -> Result<i64, Trouble> {
    let decoder = read(text, true)?;
    if decoder.special.is_some() || decoder.known & TIME == 0 {
        return Err(Trouble::Format);
    }
    // Digits run together are not checked one by one.
    let is_sane = decoder.fields.minute < 60 && decoder.fields.second <= 60;
    let moment = decoder.finish(false)?;
    if !is_sane || moment.microseconds > MICROSECONDS_PER_DAY { Err(Trouble::Range) } else { Ok(moment.microseconds) }
}

#[derive(Debug, Clone, Copy)]
enum Special {
    Epoch,
    Infinity,
    NegativeInfinity,
}

/// What the word before announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Time,
    Julian,
}

/// A token's place among the others.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    tokens: &'a [Token],
    index: usize,
}

impl Surroundings<'_> {
    fn following(&self) -> Option<&Token> {
        self.tokens.get(self.index + 1)
    }

    /// Where only a time is wanted, a date is allowed directly before it, ...
    fn is_date_before_time(&self) -> bool {
        self.index == 0 && (matches!(self.following(), Some(Token::Time(_))) || self.is_before_date())
    }

    /// ... or when the last token is one.
    fn is_before_date(&self) -> bool {
        self.index == 0 && self.tokens.len() > 1 && matches!(self.tokens.last(), Some(Token::Date(_)))
    }
}

#[derive(Default)]
struct Decoder {
    fields: Fields,
    known: Parts,
    announced: Option<Announced>,
    is_afternoon: Option<bool>,
    is_before_christ: bool,
    is_julian: bool,
    zone: Option<NamedZone>,
    special: Option<Special>,
    is_time_only: bool,
}

fn read(text: &str, is_time_only: bool) -> Result<Decoder, Trouble> {
    let tokens = cut(text).filter(|tokens| !tokens.is_empty()).ok_or(Trouble::Format)?;
    let mut decoder = Decoder { is_time_only, ..Decoder::default() };
    for (index, token) in tokens.iter().enumerate() {
        let surroundings = Surroundings { tokens: &tokens, index };
        let parts = match token {
            Token::Date(text) => decoder.read_date(text, surroundings)?,
            Token::Time(text) => decoder.read_time(text)?,
            Token::Offset(text) => {
                decoder.zone = Some(NamedZone::Offset(offset(text)?));
                ZONE
            }
            Token::Number(text) => decoder.read_number(text, surroundings)?,
            Token::Word(text) => decoder.read_word(text, surroundings)?,
        };
        claim(&mut decoder.known, parts)?;
    }
    Ok(decoder)
}

/// A zone by its name, or in the form of POSIX without summer time (`utc+3`), whose sign counts to the west.
pub(crate) fn named_zone(name: &str) -> Option<NamedZone> {
    const LARGEST_HOUR: i64 = 167;
    if let Some(Word::Offset { seconds, .. }) = words::find(name) {
        return Some(NamedZone::Offset(seconds));
    }
    if let Some(zone) = Zone::from_name(name) {
        return Some(NamedZone::Rules(zone));
    }
    let length = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, rest) = name.split_at_checked(length)?;
    let (sign, clock) = match rest.strip_prefix('-') {
        Some(clock) => (1, clock),
        None => (-1, rest.strip_prefix('+').unwrap_or(rest)),
    };
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok().filter(|value| *value >= 0));
    let hour = parts.next()??;
    let minute = parts.next().unwrap_or(Some(0))?;
    let second = parts.next().unwrap_or(Some(0))?;
    let has_name = letters.len() >= 3 || (letters.is_empty() && rest.starts_with(['+', '-']));
    let is_valid = has_name && hour <= LARGEST_HOUR && minute < 60 && second < 60 && parts.next().is_none();
    is_valid.then(|| NamedZone::Offset(sign * ((hour * 60 + minute) * 60 + second)))
}

impl Decoder {
    fn read_date(&mut self, text: &str, surroundings: Surroundings<'_>) -> Result<Parts, Trouble> {
        let has_day = self.known & (MONTH | DAY) == MONTH | DAY;
        let may_be_date = if self.is_time_only { surroundings.is_date_before_time() } else { !has_day };
        if self.announced.is_none() && may_be_date {
            return self.fields.read_date(text, self.known);
        }
        if !text.starts_with(|first: char| first.is_ascii_digit()) && self.announced.is_none() {
            self.zone = Some(named_zone(text).ok_or_else(|| Trouble::UnknownZone(text.to_owned()))?);
            return Ok(ZONE);
        }
        // A time with its offset in one piece: 040506-08.
        if self.announced.take().is_some_and(|announced| announced != Announced::Time) || self.known & TIME != 0 {
            return Err(Trouble::Format);
        }
        let place = text.find('-').ok_or(Trouble::Format)?;
        let (digits, zone) = text.split_at_checked(place).ok_or(Trouble::Format)?;
        self.zone = Some(NamedZone::Offset(offset(zone)?));
        let known = if self.is_time_only { self.known | DATE } else { self.known };
        Ok(self.fields.read_run(digits, known)? | ZONE)
    }

    fn read_time(&mut self, text: &str) -> Result<Parts, Trouble> {
        if self.announced.take().is_some_and(|announced| announced != Announced::Time) {
            return Err(Trouble::Format);
        }
        self.fields.read_time(text)?;
        if self.fields.hour > 24 || self.fields.microseconds_of_day() > MICROSECONDS_PER_DAY {
            return Err(Trouble::Range);
        }
        Ok(TIME)
    }

    fn read_number(&mut self, text: &str, surroundings: Surroundings<'_>) -> Result<Parts, Trouble> {
        match self.announced.take() {
            Some(Announced::Julian) => return self.read_julian(text),
            Some(Announced::Time) => {
                let parts = self.fields.read_run(text, self.known | DATE)?;
                return if parts == TIME { Ok(parts) } else { Err(Trouble::Format) };
            }
            None => {}
        }
        match text.find('.') {
            Some(_) if self.is_time_only && surroundings.is_before_date() => self.fields.read_date(text, self.known),
            Some(place) if self.is_time_only && place <= 2 => Err(Trouble::Format),
            None if self.is_time_only && text.len() < 4 => Err(Trouble::Format),
            _ if self.is_time_only => self.fields.read_run(text, self.known | DATE),
            Some(_) if self.known & DATE == 0 => self.fields.read_date(text, self.known),
            Some(place) if place > 2 => self.fields.read_run(text, self.known | DATE),
            None if text.len() >= 6 && (self.known & DATE == 0 || self.known & TIME == 0) => {
                self.fields.read_run(text, self.known)
            }
            _ => self.fields.read_number(text, self.known),
        }
    }

    /// A Julian day; a fraction of it is the time since noon's midnight, as PostgreSQL reads it.
    fn read_julian(&mut self, text: &str) -> Result<Parts, Trouble> {
        let digits = text.split('.').next().unwrap_or(text);
        let day: i32 = digits.parse().map_err(|_| Trouble::Range)?;
        let (year, month, day) = civil_from_days(i64::from(day) - JULIAN_DAY_OF_1970);
        (self.fields.year, self.fields.month, self.fields.day) = (year, month, day);
        self.is_julian = true;
        let Some(fraction) = text.get(digits.len()..).filter(|rest| !rest.is_empty()) else {
            return Ok(DATE);
        };
        let fraction: f64 = format!("0{fraction}").parse().map_err(|_| Trouble::Format)?;
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "less than a day")]
        let microseconds = (fraction * MICROSECONDS_PER_DAY as f64) as i64;
        self.fields.microsecond = microseconds;
        Ok(DATE | TIME)
    }

    fn read_word(&mut self, text: &str, surroundings: Surroundings<'_>) -> Result<Parts, Trouble> {
        if self.announced.is_some() {
            return Err(Trouble::Format);
        }
        let Some(word) = words::find(text) else {
            self.zone = Some(named_zone(text).ok_or(Trouble::Format)?);
            return Ok(ZONE);
        };
        let mut special = |special| {
            self.special = Some(special);
            RESERVED
        };
        Ok(match word {
            Word::Filler => 0,
            Word::Epoch => special(Special::Epoch),
            Word::Infinity => special(Special::Infinity),
            Word::NegativeInfinity => special(Special::NegativeInfinity),
            Word::Clock => return Err(Trouble::Clock(text.to_owned())),
            Word::Midnight => {
                self.zone = Some(NamedZone::Offset(0));
                TIME | ZONE
            }
            Word::Month(_) | Word::Weekday if self.is_time_only => return Err(Trouble::Format),
            Word::Month(month) => self.read_month(month),
            Word::Weekday => WEEKDAY,
            Word::HalfDay { is_afternoon } => {
                self.is_afternoon = Some(is_afternoon);
                HALF_DAY
            }
            Word::Era { is_before_christ } => {
                self.is_before_christ = is_before_christ;
                ERA
            }
            Word::Offset { seconds, .. } => {
                self.zone = Some(NamedZone::Offset(seconds));
                ZONE
            }
            Word::Summer => {
                // PostgreSQL adds an hour to the zone that was named before.
                if let Some(NamedZone::Offset(seconds)) = &mut self.zone {
                    *seconds += 3600;
                }
                SUMMER
            }
            Word::TimeFollows => {
                let is_followed =
                    matches!(surroundings.following(), Some(Token::Number(_) | Token::Time(_) | Token::Date(_)));
                if !is_followed || (self.known & DATE != DATE && !self.is_time_only) {
                    return Err(Trouble::Format);
                }
                self.announced = Some(Announced::Time);
                0
            }
            Word::JulianFollows => {
                self.announced = Some(Announced::Julian);
                0
            }
        })
    }

    /// A month in words. A number that was taken for the month before becomes the day.
    fn read_month(&mut self, month: i64) -> Parts {
        let fields = &mut self.fields;
        let is_swapped = self.known & MONTH != 0
            && self.known & DAY == 0
            && !fields.has_text_month
            && (1..=31).contains(&fields.month);
        if is_swapped {
            fields.day = fields.month;
        }
        fields.month = month;
        fields.has_text_month = true;
        if is_swapped { DAY } else { MONTH }
    }

    /// Checks the parts together and puts them into numbers.
    fn finish(mut self, needs_date: bool) -> Result<Moment, Trouble> {
        self.check_year()?;
        if self.known & DAY_OF_YEAR != 0 {
            let day = days_from_civil(self.fields.year, 1, 1) + self.fields.day_of_year - 1;
            (self.fields.year, self.fields.month, self.fields.day) = civil_from_days(day);
        }
        self.check_month_and_day()?;
        self.apply_half_day()?;
        if needs_date && self.known & DATE != DATE {
            return Err(Trouble::Format);
        }
        if self.known & SUMMER != 0 && !matches!(self.zone, Some(NamedZone::Offset(_))) {
            return Err(Trouble::Format);
        }
        let days = if self.known & DATE == DATE {
            days_from_civil(self.fields.year, self.fields.month, self.fields.day)
        } else {
            0
        };
        Ok(Moment { days, microseconds: self.fields.microseconds_of_day(), zone: self.zone })
    }

    /// Two digits mean 1970 to 2069; there is no year zero, and 1 BC is year 0 of the calendar.
    fn check_year(&mut self) -> Result<(), Trouble> {
        if self.known & YEAR == 0 || self.is_julian {
            return Ok(());
        }
        let year = self.fields.year;
        self.fields.year = match year {
            _ if self.is_before_christ && year > 0 => 1 - year,
            _ if self.is_before_christ => return Err(Trouble::Range),
            0..70 if self.fields.has_short_year => year + 2000,
            70..100 if self.fields.has_short_year => year + 1900,
            0 => return Err(Trouble::Range),
            _ => year,
        };
        Ok(())
    }

    fn check_month_and_day(&self) -> Result<(), Trouble> {
        let Fields { year, month, day, .. } = self.fields;
        if self.known & MONTH != 0 && !(1..=12).contains(&month) {
            return Err(Trouble::MonthDayRange);
        }
        if self.known & DAY != 0 && !(1..=31).contains(&day) {
            return Err(Trouble::MonthDayRange);
        }
        if self.known & DATE == DATE && day > days_in_month(year, month) {
            return Err(Trouble::Range);
        }
        Ok(())
    }

    fn apply_half_day(&mut self) -> Result<(), Trouble> {
        let Some(is_afternoon) = self.is_afternoon else {
            return Ok(());
        };
        let hour = &mut self.fields.hour;
        if *hour > 12 {
            return Err(Trouble::Range);
        }
        if is_afternoon && *hour != 12 {
            *hour += 12;
        } else if !is_afternoon && *hour == 12 {
            *hour = 0;
        }
        Ok(())
    }
}
