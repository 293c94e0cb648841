use crate::calendar::{
    FIRST_DAY, FIRST_MOMENT, INFINITY, LAST_DAY, LAST_MOMENT, MICROSECONDS_PER_DAY, MICROSECONDS_PER_SECOND,
    NEGATIVE_INFINITY,
};
use crate::temporal::decode::{Decoded, Moment, NamedZone, decode, decode_time};
use crate::temporal::numbers::Trouble;
use crate::{Type, ValueError, Zone};

/// Reads a date: days since 1970.
pub(crate) fn parse_date(text: &str) -> Result<i64, ValueError> {
    match decode(text).map_err(|trouble| explain(trouble, &Type::Date, text))? {
        Decoded::Epoch => Ok(0),
        Decoded::Infinity => Ok(INFINITY),
        Decoded::NegativeInfinity => Ok(NEGATIVE_INFINITY),
        Decoded::Moment(moment) if (FIRST_DAY..=LAST_DAY).contains(&moment.days) => Ok(moment.days),
        Decoded::Moment(_) => Err(out_of_range("date", text)),
    }
}

/// Reads a time: microseconds since midnight, up to and with 24:00:00.
pub(crate) fn parse_time(text: &str) -> Result<i64, ValueError> {
    decode_time(text).map_err(|trouble| explain(trouble, &Type::Time, text))
}

/// Reads a timestamp without time zone: microseconds since 1970. A zone in the text is ignored.
pub(crate) fn parse_timestamp(text: &str) -> Result<i64, ValueError> {
    read_timestamp(&Type::Timestamp, text, |_| 0)
}

/// Reads a timestamp with time zone: microseconds since 1970 UTC. Without a zone in the text it is in `zone`.
pub(crate) fn parse_timestamp_tz(text: &str, zone: &Zone) -> Result<i64, ValueError> {
    read_timestamp(&Type::TimestampTz, text, |moment| {
        let local = moment.days * 86_400 + moment.microseconds.div_euclid(MICROSECONDS_PER_SECOND);
        match &moment.zone {
            Some(NamedZone::Offset(seconds)) => *seconds,
            Some(NamedZone::Rules(named)) => named.offset_of_local(local),
            None => zone.offset_of_local(local),
        }
    })
}

/// Whether a text is refused because its month or day cannot be, as when the two are swapped.
pub(crate) fn has_impossible_month_or_day(text: &str) -> bool {
    matches!(decode(text), Err(Trouble::MonthDayRange))
}

fn read_timestamp(data_type: &Type, text: &str, offset: impl Fn(&Moment) -> i64) -> Result<i64, ValueError> {
    let moment = match decode(text).map_err(|trouble| explain(trouble, data_type, text))? {
        Decoded::Epoch => return Ok(0),
        Decoded::Infinity => return Ok(INFINITY),
        Decoded::NegativeInfinity => return Ok(NEGATIVE_INFINITY),
        Decoded::Moment(moment) => moment,
    };
    let microseconds = if (FIRST_DAY..=LAST_DAY).contains(&moment.days) {
        moment
            .days
            .checked_mul(MICROSECONDS_PER_DAY)
            .and_then(|local| local.checked_add(moment.microseconds))
            .and_then(|local| local.checked_sub(offset(&moment) * MICROSECONDS_PER_SECOND))
    } else {
        None
    };
    microseconds
        .filter(|microseconds| (FIRST_MOMENT..=LAST_MOMENT).contains(microseconds))
        .ok_or_else(|| out_of_range("timestamp", text))
}

fn out_of_range(what: &str, text: &str) -> ValueError {
    ValueError::new("22008", format!("{what} out of range: \"{text}\""))
}

/// What the input functions call their types: shorter than their names, without a system.
fn input_name(data_type: &Type) -> &'static str {
    match data_type {
        Type::Date => "date",
        Type::Time => "time",
        Type::Timestamp => "timestamp",
        _ => "timestamp with time zone",
    }
}

fn explain(trouble: Trouble, data_type: &Type, text: &str) -> ValueError {
    match trouble {
        Trouble::Format => {
            ValueError::new("22007", format!("invalid input syntax for type {}: \"{text}\"", input_name(data_type)))
        }
        Trouble::Range | Trouble::MonthDayRange => {
            ValueError::new("22008", format!("date/time field value out of range: \"{text}\""))
        }

        Trouble::Offset => ValueError::new("22009", format!("time zone displacement out of range: \"{text}\"")),
        Trouble::UnknownZone(name) => ValueError::new("22023", format!("time zone \"{name}\" not recognized")),
        Trouble::Clock(word) => ValueError::new(
            "0A000",
            format!("\"{word}\" depends on the clock and is not supported as a value; give the date or time itself"),
        ),
    }
}
