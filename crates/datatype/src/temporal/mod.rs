//! Dates and times in text: PostgreSQL's readers (DateStyle `ISO, MDY`) and printers.

mod abbreviations;
mod decode;
mod input;
mod numbers;
mod output;
mod tokens;
mod words;

pub(crate) use decode::{NamedZone, named_zone};
pub(crate) use input::{has_impossible_month_or_day, parse_date, parse_time, parse_timestamp, parse_timestamp_tz};
pub(crate) use numbers::{Fields, Trouble};
pub(crate) use output::{
    Moment, Style, write_date, write_moment, write_moment_in, write_offset, write_time, write_timestamp,
    write_timestamp_tz,
};
pub(crate) use tokens::{Token, cut};
