use base::{Failure, Kind};

use crate::{Type, temporal};

/// A value that cannot be read, converted or computed: PostgreSQL's SQLSTATE and its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// The SQLSTATE, five characters.
    pub sqlstate: &'static str,
    /// PostgreSQL's primary message.
    pub message: String,
    /// PostgreSQL's DETAIL.
    pub details: Option<String>,
}

impl ValueError {
    /// An error without details.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), details: None }
    }

    /// Adds details.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// PostgreSQL's HINT. It follows from the error, so that it survives where only the fields are carried.
    pub fn hint(&self) -> Option<&'static str> {
        match self.sqlstate {
            "22008" if is_swapped_date(&self.message) => Some("Perhaps you need a different \"datestyle\" setting."),
            "42883" if self.message.starts_with("operator ") => Some(
                "No operator matches the given name and argument types. You might need to add explicit type casts.",
            ),
            "42883" => Some(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            ),
            _ => None,
        }
    }

    /// 22P02: the text is not of the type's form.
    pub(crate) fn syntax(type_name: &str, text: &str) -> Self {
        Self::new("22P02", format!("invalid input syntax for type {type_name}: \"{text}\""))
    }

    /// 22003: the text is a number that the type cannot hold.
    pub(crate) fn out_of_range(type_name: &str, text: &str) -> Self {
        Self::new("22003", format!("value \"{text}\" is out of range for type {type_name}"))
    }

    /// 22003: a computed number that the type cannot hold.
    pub(crate) fn overflow(type_name: &str) -> Self {
        Self::new("22003", format!("{type_name} out of range"))
    }

    /// 22012.
    pub(crate) fn division_by_zero() -> Self {
        Self::new("22012", "division by zero")
    }

    /// 0A000: floating point columns hold no NaN, because SQLite stores it as NULL.
    pub(crate) fn not_a_number(type_name: &str) -> Self {
        Self::new(
            "0A000",
            format!("\"NaN\" is not supported for type {type_name}; use numeric, or null for \"no value\""),
        )
    }

    /// 42846: there is no such cast.
    pub(crate) fn no_cast(from: &Type, to: &Type) -> Self {
        Self::new("42846", format!("cannot cast type {} to {}", from.name(), to.name()))
    }

    /// XX000: the store gave a value of another shape than the type's.
    pub(crate) fn shape(data_type: &Type) -> Self {
        Self::new("XX000", format!("a stored value is not of the form of type {}", data_type.name()))
    }
}

impl From<ValueError> for Failure {
    fn from(error: ValueError) -> Self {
        let hint = error.hint();
        let mut failure = Self::new(Kind::BadRequest, error.sqlstate, error.message);
        if let Some(details) = error.details {
            failure = failure.with_details(details);
        }
        if let Some(hint) = hint {
            failure = failure.with_hint(hint);
        }
        failure
    }
}

/// Whether a message is about a date whose month or day is out of range, as when the two are swapped.
fn is_swapped_date(message: &str) -> bool {
    message
        .strip_prefix("date/time field value out of range: \"")
        .and_then(|rest| rest.strip_suffix('"'))
        .is_some_and(temporal::has_impossible_month_or_day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn hints() {
        for (data_type, text, hint) in [
            (Type::Date, "2023-13-01", Some("Perhaps you need a different \"datestyle\" setting.")),
            (Type::TimestampTz, "2023-01-32 10:00", Some("Perhaps you need a different \"datestyle\" setting.")),
            (Type::Date, "2023-02-29", None),
            (Type::Integer, "x", None),
        ] {
            let failure = Failure::from(parse(&data_type, text).unwrap_err());
            assert_eq!(failure.hint.as_deref(), hint, "{text}");
            assert_eq!(failure.kind, Kind::BadRequest);
        }
    }
}
