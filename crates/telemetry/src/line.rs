//! How a log line is written: ECS JSON, or text for people.

use std::time::Duration;

use base::Timestamp;

use crate::context::push_hex;
use crate::{Definition, Field, FieldKind, Level, LogFormat};

/// The version of the Elastic Common Schema that JSON lines follow.
pub const ECS_VERSION: &str = "8.11.0";

/// A log line while it is written. Takes the fields that its happening's definition names, nothing else.
#[derive(Debug)]
pub struct Line<'a> {
    text: &'a mut String,
    format: LogFormat,
    definition: &'static Definition,
}

impl<'a> Line<'a> {
    /// Begins a line in `text`.
    pub(crate) fn begin(
        text: &'a mut String,
        format: LogFormat,
        service: &str,
        definition: &'static Definition,
        level: Level,
        now: Timestamp,
    ) -> Self {
        match format {
            LogFormat::Json => {
                text.push_str("{\"@timestamp\":\"");
                push_timestamp(text, now);
                text.push_str("\",\"log.level\":\"");
                text.push_str(level.name());
                text.push_str("\",\"message\":\"");
                push_escaped(text, definition.message);
                text.push_str("\",\"ecs.version\":\"");
                text.push_str(ECS_VERSION);
                text.push_str("\",");
                text.push_str(service);
                text.push_str(",\"event.action\":\"");
                text.push_str(definition.action);
                text.push('"');
            }
            LogFormat::Text { colour } => {
                push_timestamp(text, now);
                text.push(' ');
                push_level(text, level, colour);
                text.push(' ');
                text.push_str(definition.message);
            }
        }
        Self { text, format, definition }
    }

    /// Ends the line.
    pub(crate) fn end(self) {
        if self.format == LogFormat::Json {
            self.text.push('}');
        }
        self.text.push('\n');
    }

    /// A word or sentence.
    pub fn word(&mut self, field: &'static Field, value: &str) {
        self.name(field, &[FieldKind::Keyword, FieldKind::Keywords]);
        match self.format {
            LogFormat::Json => {
                let is_list = field.kind == FieldKind::Keywords;
                self.text.push_str(if is_list { "[\"" } else { "\"" });
                push_escaped(self.text, value);
                self.text.push_str(if is_list { "\"]" } else { "\"" });
            }
            LogFormat::Text { .. }
                if value.is_empty() || value.contains(|c: char| c.is_control() || " \"=".contains(c)) =>
            {
                self.text.push('"');
                push_escaped(self.text, value);
                self.text.push('"');
            }
            LogFormat::Text { .. } => self.text.push_str(value),
        }
    }

    /// A word, when there is one.
    pub fn maybe_word(&mut self, field: &'static Field, value: Option<&str>) {
        if let Some(value) = value {
            self.word(field, value);
        }
    }

    /// A whole number.
    pub fn count(&mut self, field: &'static Field, value: u64) {
        self.name(field, &[FieldKind::Long]);
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    /// A whole number, when there is one.
    pub fn maybe_count(&mut self, field: &'static Field, value: Option<u64>) {
        if let Some(value) = value {
            self.count(field, value);
        }
    }

    /// A time span.
    pub fn duration(&mut self, field: &'static Field, value: Duration) {
        self.name(field, &[FieldKind::Duration]);
        match self.format {
            LogFormat::Json => self.text.push_str(itoa::Buffer::new().format(value.as_nanos())),
            LogFormat::Text { .. } => {
                let micros = value.as_micros();
                self.text.push_str(itoa::Buffer::new().format(micros / 1000));
                self.text.push('.');
                push_padded(self.text, u64::try_from(micros % 1000).unwrap_or(0), 3);
                self.text.push_str("ms");
            }
        }
    }

    /// Bytes as hexadecimal digits.
    pub fn id(&mut self, field: &'static Field, value: &[u8]) {
        self.name(field, &[FieldKind::Id]);
        if self.format == LogFormat::Json {
            self.text.push('"');
            push_hex(self.text, value);
            self.text.push('"');
        } else {
            push_hex(self.text, value);
        }
    }

    /// The field's name and what separates it from its value.
    fn name(&mut self, field: &'static Field, kinds: &[FieldKind]) {
        debug_assert!(kinds.contains(&field.kind), "{} holds a {}", field.name, field.kind.name());
        debug_assert!(
            self.definition.fields.iter().any(|known| known.name == field.name),
            "the definition of {} does not name {}",
            self.definition.action,
            field.name
        );
        match self.format {
            LogFormat::Json => {
                self.text.push_str(",\"");
                self.text.push_str(field.name);
                self.text.push_str("\":");
            }
            LogFormat::Text { colour } => {
                self.text.push_str(if colour { " \u{1b}[2m" } else { " " });
                self.text.push_str(field.label);
                self.text.push_str(if colour { "=\u{1b}[0m" } else { "=" });
            }
        }
    }
}

/// The members of a JSON line that are the same on all of them, without braces.
pub(crate) fn service_members(name: &str, version: &str) -> String {
    let mut text = String::from("\"service.name\":\"");
    push_escaped(&mut text, name);
    text.push_str("\",\"service.version\":\"");
    push_escaped(&mut text, version);
    text.push('"');
    text
}

fn push_level(text: &mut String, level: Level, colour: bool) {
    let (code, word) = match level {
        Level::Off | Level::Debug => ("\u{1b}[2m", "DEBUG"),
        Level::Error => ("\u{1b}[31m", "ERROR"),
        Level::Warn => ("\u{1b}[33m", "WARN "),
        Level::Info => ("\u{1b}[32m", "INFO "),
    };
    if colour {
        text.push_str(code);
        text.push_str(word);
        text.push_str("\u{1b}[0m");
    } else {
        text.push_str(word);
    }
}

/// Appends `value` as the inside of a JSON string (RFC 8259 section 7).
fn push_escaped(text: &mut String, value: &str) {
    // Nearly every value is a plain word.
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        text.push_str(value);
        return;
    }
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            // DEL and C1 are allowed in JSON, but a terminal would obey them.
            control if control.is_control() => {
                text.push_str("\\u");
                let [high, low] = (u32::from(control) as u16).to_be_bytes();
                push_hex(text, &[high, low]);
            }
            other => text.push(other),
        }
    }
}

fn push_padded(text: &mut String, value: u64, width: usize) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(value);
    for _ in digits.len()..width {
        text.push('0');
    }
    text.push_str(digits);
}

/// Appends `2026-07-30T12:00:00.123Z` (RFC 3339, UTC).
pub(crate) fn push_timestamp(text: &mut String, at: Timestamp) {
    let seconds = at.seconds();
    let millis = at.0.rem_euclid(1_000_000) / 1000;
    let (year, month, day) = civil_date(seconds.div_euclid(86_400));
    let second_of_day = seconds.rem_euclid(86_400);
    let parts = [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (second_of_day / 3600, 2, ':'),
        (second_of_day / 60 % 60, 2, ':'),
        (second_of_day % 60, 2, '.'),
        (millis, 3, 'Z'),
    ];
    for (value, width, separator) in parts {
        push_padded(text, u64::try_from(value).unwrap_or(0), width);
        text.push(separator);
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rfc_3339() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_826_271_999_999, "2000-02-29T12:11:11.999Z"),
            (1_785_412_800_001_000, "2026-07-30T12:00:00.001Z"),
            (4_102_444_799_000_000, "2099-12-31T23:59:59.000Z"),
        ] {
            let mut text = String::new();
            push_timestamp(&mut text, Timestamp(micros));
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn strings_survive_json() {
        for value in
            ["plain", "with \"quotes\" and \\", "line\nbreak\ttab\r", "\u{0}\u{1b}[31m\u{7f}\u{85}", "Zürich 🦀"]
        {
            let mut text = String::from("\"");
            push_escaped(&mut text, value);
            text.push('"');
            assert_eq!(serde_json::from_str::<String>(&text).unwrap(), value);
            assert!(!text.contains(char::is_control));
        }
    }
}
