//! `boolean`, `smallint`, `integer` and `bigint` in text.

use crate::{Type, ValueError};

/// Blanks as C's `isspace` knows them, which PostgreSQL allows around numbers.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c'])
}

/// The bounds of an integer type; those of `bigint` for any other.
pub(crate) fn bounds(data_type: &Type) -> (i64, i64) {
    match data_type {
        Type::SmallInteger => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Type::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

/// Checks a computed integer against its type: 22003 `integer out of range`.
pub(crate) fn checked(data_type: &Type, value: i128) -> Result<i64, ValueError> {
    let (smallest, largest) = bounds(data_type);
    match i64::try_from(value) {
        Ok(value) if (smallest..=largest).contains(&value) => Ok(value),
        _ => Err(ValueError::overflow(data_type.name())),
    }
}

/// Reads an integer of the type.
pub(crate) fn parse_integer(data_type: &Type, text: &str) -> Result<i64, ValueError> {
    let trimmed = trim(text);
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::syntax(data_type.name(), text));
    }
    let (smallest, largest) = bounds(data_type);
    match trimmed.parse::<i64>() {
        Ok(value) if (smallest..=largest).contains(&value) => Ok(value),
        _ => Err(ValueError::out_of_range(data_type.name(), text)),
    }
}

/// Reads a boolean: `true`, `yes`, `on`, `1`, their opposites, and beginnings of them that are unique.
pub(crate) fn parse_boolean(text: &str) -> Result<bool, ValueError> {
    let word = trim(text);
    // At most "false": longer words match nothing.
    let is_start_of = |whole: &str, least: usize| {
        word.len() >= least && whole.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if is_start_of("true", 1) || is_start_of("yes", 1) || is_start_of("on", 2) || word == "1" {
        Ok(true)
    } else if is_start_of("false", 1) || is_start_of("no", 1) || is_start_of("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(ValueError::syntax("boolean", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(parse_integer(&Type::Integer, " -12 "), Ok(-12));
        assert_eq!(parse_integer(&Type::BigInteger, "+9223372036854775807"), Ok(i64::MAX));
        assert_eq!(parse_integer(&Type::BigInteger, "-9223372036854775808"), Ok(i64::MIN));
        for (data_type, text, message) in [
            (Type::Integer, "abc", "invalid input syntax for type integer: \"abc\""),
            (Type::Integer, "", "invalid input syntax for type integer: \"\""),
            (Type::Integer, "1.5", "invalid input syntax for type integer: \"1.5\""),
            (Type::Integer, "- 1", "invalid input syntax for type integer: \"- 1\""),
            (Type::Integer, "2147483648", "value \"2147483648\" is out of range for type integer"),
            (Type::SmallInteger, "40000", "value \"40000\" is out of range for type smallint"),
            (Type::BigInteger, "9223372036854775808", "value \"9223372036854775808\" is out of range for type bigint"),
        ] {
            assert_eq!(parse_integer(&data_type, text).unwrap_err().message, message);
        }
    }

    #[test]
    fn booleans() {
        for text in ["t", "TRUE", "tr", "y", "yes", "on", "1", " true "] {
            assert_eq!(parse_boolean(text), Ok(true), "{text}");
        }
        for text in ["f", "False", "n", "no", "of", "off", "0"] {
            assert_eq!(parse_boolean(text), Ok(false), "{text}");
        }
        for text in ["", "o", "2", "maybe", "truee", "é", " "] {
            let message = format!("invalid input syntax for type boolean: \"{text}\"");
            assert_eq!(parse_boolean(text).unwrap_err().message, message);
        }
    }
}
