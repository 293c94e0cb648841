//! Reading: PostgreSQL's own style, that of SQL's standard and that of ISO 8601.

use super::{Interval, MONTHS_PER_YEAR, out_of_range};
use crate::ValueError;
use crate::calendar::{MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND};
use crate::temporal::{Fields, Token, Trouble, cut};

const MINUTE: i64 = 60 * MICROSECONDS_PER_SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Reads an interval.
///
/// # Errors
/// 22007 for another form, 22015 for a field that is out of its range, 22008 for a whole that is.
pub(crate) fn parse(text: &str) -> Result<Interval, ValueError> {
    if let Some(plain) = plain_days(text) {
        return Ok(plain);
    }
    let sum = match verbose(text) {
        Err(Trouble::Format) => iso_8601(text),
        outcome => outcome,
    };
    match sum {
        Ok(sum) => sum.finish(),
        Err(Trouble::Format) => {
            Err(ValueError::new("22007", format!("invalid input syntax for type interval: \"{text}\"")))
        }
        Err(_) => Err(ValueError::new("22015", format!("interval field value out of range: \"{text}\""))),
    }
}

/// `3 days`, as it is printed: the common case.
fn plain_days(text: &str) -> Option<Interval> {
    let number = text.strip_suffix(" days")?;
    let days = number.parse().ok().filter(|_| !number.starts_with('+'))?;
    Some(Interval { months: 0, days, microseconds: 0 })
}

/// What a unit stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// So many microseconds.
    Time(i64),
    /// So many days.
    Days(i64),
    /// One month.
    Month,
    /// So many years.
    Years(i64),
}

const DAY: Unit = Unit::Days(1);
const SECOND: Unit = Unit::Time(MICROSECONDS_PER_SECOND);

/// The unit of a word, by its first ten characters as in PostgreSQL.
fn unit(word: &str) -> Option<Unit> {
    const SIGNIFICANT: usize = 10;
    Some(match word.get(..SIGNIFICANT).unwrap_or(word) {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Time(1),
        "ms" | "msec" | "msecs" | "mseconds" | "millisecon" => Unit::Time(1000),
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Time(MINUTE),
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Time(HOUR),
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => Unit::Days(7),
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Years(1),
        "dec" | "decs" | "decade" | "decades" => Unit::Years(10),
        "c" | "cent" | "century" | "centuries" => Unit::Years(100),
        "mil" | "mils" | "millennia" | "millennium" => Unit::Years(1000),
        _ => return None,
    })
}

/// The fields as they are added up.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    years: i64,
    months: i64,
    days: i64,
    microseconds: i64,
}

impl Sum {
    fn add(&mut self, whole: i64, fraction: f64, unit: Unit) -> Result<(), Trouble> {
        let target = match unit {
            Unit::Time(_) => &mut self.microseconds,
            Unit::Days(_) => &mut self.days,
            Unit::Month => &mut self.months,
            Unit::Years(_) => &mut self.years,
        };
        let scale = match unit {
            Unit::Time(scale) | Unit::Days(scale) | Unit::Years(scale) => scale,
            Unit::Month => 1,
        };
        let added = whole.checked_mul(scale).and_then(|whole| target.checked_add(whole)).ok_or(Trouble::Range)?;
        if !matches!(unit, Unit::Time(_)) && i32::try_from(added).is_err() {
            return Err(Trouble::Range);
        }
        *target = added;
        match unit {
            Unit::Time(scale) => self.add_fraction(fraction, scale),
            Unit::Days(1) => self.add_fraction(fraction, MICROSECONDS_PER_DAY),
            Unit::Days(scale) => self.add_part_of_days(fraction, scale),
            Unit::Month => self.add_part_of_days(fraction, super::DAYS_PER_MONTH),
            Unit::Years(scale) => {
                #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a fraction, rounded")]
                let months = (fraction * (scale * MONTHS_PER_YEAR) as f64).round_ties_even() as i64;
                self.months += months;
                Ok(())
            }
        }
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a fraction of a unit")]
    fn add_part_of_days(&mut self, fraction: f64, days: i64) -> Result<(), Trouble> {
        let part = fraction * days as f64;
        let whole = part as i64;
        self.days += whole;
        if i32::try_from(self.days).is_err() {
            return Err(Trouble::Range);
        }
        self.add_fraction(part - whole as f64, MICROSECONDS_PER_DAY)
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a fraction of a unit")]
    fn add_fraction(&mut self, fraction: f64, scale: i64) -> Result<(), Trouble> {
        let part = fraction * scale as f64;
        let whole = part as i64;
        let rest = part - whole as f64;
        let carried = i64::from(rest > 0.5) - i64::from(rest < -0.5);
        self.microseconds = self.microseconds.checked_add(whole + carried).ok_or(Trouble::Range)?;
        Ok(())
    }

    fn negated(self) -> Option<Self> {
        Some(Self {
            years: -self.years,
            months: -self.months,
            days: -self.days,
            microseconds: self.microseconds.checked_neg()?,
        })
    }

    fn finish(self) -> Result<Interval, ValueError> {
        let months = self.years * MONTHS_PER_YEAR + self.months;
        let narrow = |value: i64| i32::try_from(value).map_err(|_| out_of_range());
        Ok(Interval { months: narrow(months)?, days: narrow(self.days)?, microseconds: self.microseconds })
    }
}

/// What was given already: two values of one unit are an error.
#[derive(Debug, Default)]
struct Seen {
    units: Vec<Unit>,
    has_seconds: bool,
    has_clock: bool,
}

impl Seen {
    fn claim(&mut self, unit: Unit, has_fraction: bool) -> Result<(), Trouble> {
        let is_time = |unit: &Unit| matches!(unit, Unit::Time(_));
        let clashes = self.units.contains(&unit) || (self.has_clock && is_time(&unit));
        // A second with a fraction claims the smaller units, too.
        let is_part_of_second = matches!(unit, Unit::Time(1 | 1000));
        if clashes || (self.has_seconds && is_part_of_second) {
            return Err(Trouble::Format);
        }
        if unit == SECOND && has_fraction {
            if self.units.iter().any(|unit| matches!(unit, Unit::Time(1 | 1000))) {
                return Err(Trouble::Format);
            }
            self.has_seconds = true;
        }
        self.units.push(unit);
        Ok(())
    }

    fn claim_clock(&mut self) -> Result<(), Trouble> {
        if self.has_clock || self.units.iter().any(|unit| matches!(unit, Unit::Time(_))) {
            return Err(Trouble::Format);
        }
        self.has_clock = true;
        Ok(())
    }
}

/// `1 year 2 mons 04:05`, `1-2 3 4:05:06`, `1 day ago`: read from the end, since a unit follows its number.
fn verbose(text: &str) -> Result<Sum, Trouble> {
    let tokens = cut(text).ok_or(Trouble::Format)?;
    let mut sum = Sum::default();
    let mut seen = Seen::default();
    let mut pending: Option<Unit> = None;
    let mut is_ago = false;
    let mut has_any = false;
    for token in tokens.iter().rev() {
        match token {
            Token::Time(clock) => {
                seen.claim_clock()?;
                sum.add(clock_of(clock)?, 0.0, Unit::Time(1))?;
                pending = Some(DAY);
                has_any = true;
            }
            Token::Offset(clock) if clock.contains(':') => {
                seen.claim_clock()?;
                let (sign, clock) = if let Some(clock) = clock.strip_prefix('-') {
                    (-1, clock)
                } else {
                    (1, clock.trim_start_matches('+'))
                };
                sum.add(sign * clock_of(clock)?, 0.0, Unit::Time(1))?;
                pending = Some(DAY);
                has_any = true;
            }
            Token::Offset(number) | Token::Number(number) | Token::Date(number) => {
                let unit = read_number(number, pending.unwrap_or(SECOND), &mut sum, &mut seen)?;
                // What stands before hours without a unit counts days.
                pending = Some(if unit == Unit::Time(HOUR) { DAY } else { unit });
                has_any = true;
            }
            Token::Word(word) if word == "ago" => {
                is_ago = true;
                pending = None;
            }
            Token::Word(word) => pending = Some(unit(word).ok_or(Trouble::Format)?),
        }
    }
    if !has_any {
        return Err(Trouble::Format);
    }
    if is_ago { sum.negated().ok_or(Trouble::Range) } else { Ok(sum) }
}

/// `4:05`, `4:05:06.7` in microseconds.
fn clock_of(text: &str) -> Result<i64, Trouble> {
    let mut fields = Fields::default();
    fields.read_time(text)?;
    Ok(fields.microseconds_of_day())
}

/// A number with its unit, or years and months joined by a hyphen. Gives the unit that it was read in.
fn read_number(text: &str, unit: Unit, sum: &mut Sum, seen: &mut Seen) -> Result<Unit, Trouble> {
    let is_negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (whole_text, rest) = unsigned.split_at_checked(digits).ok_or(Trouble::Format)?;
    let whole = if whole_text.is_empty() { 0 } else { whole_text.parse::<i64>().map_err(|_| Trouble::Range)? };
    let sign = if is_negative { -1 } else { 1 };
    if let Some(months) = rest.strip_prefix('-') {
        if months.is_empty() || !months.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Trouble::Format);
        }
        let months: i64 = months.parse().map_err(|_| Trouble::Range)?;
        if months >= MONTHS_PER_YEAR {
            return Err(Trouble::Range);
        }
        seen.claim(Unit::Month, false)?;
        let all = whole.checked_mul(MONTHS_PER_YEAR).and_then(|years| years.checked_add(months));
        sum.add(sign * all.ok_or(Trouble::Range)?, 0.0, Unit::Month)?;
        return Ok(Unit::Month);
    }
    let fraction = match rest.strip_prefix('.') {
        Some("") => 0.0,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("0.{digits}").parse::<f64>().map_err(|_| Trouble::Format)?
        }
        None if rest.is_empty() && !whole_text.is_empty() => 0.0,
        _ => return Err(Trouble::Format),
    };
    seen.claim(unit, fraction != 0.0)?;
    sum.add(sign * whole, if is_negative { -fraction } else { fraction }, unit)?;
    Ok(unit)
}

/// `P1Y2M3DT4H5M6.7S`, `P1W`, `P0001-02-03T04:05:06`.
fn iso_8601(text: &str) -> Result<Sum, Trouble> {
    let mut rest = text.strip_prefix('P').ok_or(Trouble::Format)?;
    if rest.is_empty() {
        return Err(Trouble::Format);
    }
    let mut sum = Sum::default();
    let mut is_date = true;
    let mut has_field = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (is_date, has_field, rest) = (false, false, after);
            if rest.is_empty() {
                return Err(Trouble::Format);
            }
            continue;
        }
        let length =
            rest.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+')).count();
        let (number, after) = rest.split_at_checked(length).ok_or(Trouble::Format)?;
        let Some(letter) = after.chars().next() else { return alternative(text) };
        if !has_field && is_date && matches!(letter, 'T') {
            return alternative(text);
        }
        let unit = match (is_date, letter) {
            (true, 'Y') => Unit::Years(1),
            (true, 'M') => Unit::Month,
            (true, 'W') => Unit::Days(7),
            (true, 'D') => DAY,
            (false, 'H') => Unit::Time(HOUR),
            (false, 'M') => Unit::Time(MINUTE),
            (false, 'S') => SECOND,
            _ => return alternative(text),
        };
        let (whole, fraction) = iso_number(number)?;
        sum.add(whole, fraction, unit)?;
        has_field = true;
        rest = after.get(1..).unwrap_or("");
    }
    Ok(sum)
}

/// `P0001-02-03T04:05:06`, every part with its separators.
fn alternative(text: &str) -> Result<Sum, Trouble> {
    let body = text.strip_prefix('P').ok_or(Trouble::Format)?;
    let (date, clock) = body.split_once('T').unwrap_or((body, ""));
    let mut sum = Sum::default();
    let mut parts = date.split('-');
    let mut next = |unit: Unit, sum: &mut Sum| -> Result<(), Trouble> {
        match parts.next() {
            Some(number) => {
                if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(Trouble::Format);
                }
                sum.add(number.parse().map_err(|_| Trouble::Range)?, 0.0, unit)
            }
            None => Ok(()),
        }
    };
    next(Unit::Years(1), &mut sum)?;
    next(Unit::Month, &mut sum)?;
    next(DAY, &mut sum)?;
    if date.split('-').count() != 3 {
        return Err(Trouble::Format);
    }
    if !clock.is_empty() {
        sum.add(clock_of(clock)?, 0.0, Unit::Time(1))?;
    }
    Ok(sum)
}

fn iso_number(text: &str) -> Result<(i64, f64), Trouble> {
    let number: f64 = text.parse().map_err(|_| Trouble::Format)?;
    let is_negative = text.starts_with('-');
    let unsigned = text.trim_start_matches(['-', '+']);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if !number.is_finite() || text.len() - unsigned.len() > 1 {
        return Err(Trouble::Format);
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| Trouble::Range)? };
    let fraction: f64 = format!("0.{fraction}0").parse().map_err(|_| Trouble::Format)?;
    Ok(if is_negative { (-whole, -fraction) } else { (whole, fraction) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_printed() {
        for (text, printed) in [
            ("1 day 2 hours 3 minutes 4.5 seconds", "1 day 02:03:04.5"),
            ("1 mon -1 day", "1 mon -1 days"),
            ("-1 mon +1 day -00:00:01", "-1 mons +1 day -00:00:01"),
            ("1 day ago", "-1 days"),
            ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
            ("P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("1.5 months", "1 mon 15 days"),
            ("0.5 weeks", "3 days 12:00:00"),
            ("0", "00:00:00"),
            ("-1 year +2 mons", "-10 mons"),
        ] {
            let interval = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(interval.to_text(), printed, "{text}");
            assert_eq!(parse(printed), Ok(interval), "{printed}");
        }
        for (text, sqlstate) in [
            ("", "22007"),
            ("abc", "22007"),
            ("1 day 1 day", "22007"),
            ("2147483648 days", "22015"),
            ("178956971 years", "22008"),
        ] {
            assert_eq!(parse(text).map_err(|error| error.sqlstate), Err(sqlstate), "{text}");
        }
    }
}
