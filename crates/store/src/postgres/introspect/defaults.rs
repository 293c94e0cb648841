//! Defaults as `pg_get_expr` prints them, as far as they are plain values.

use catalog::Expression;
use datatype::{NativeKind, Type};

/// A default that is a plain value: `'open'::text`, `5`, `true`. Others are only known to be there, and so are those of arrays
/// and rows, whose text says nothing about their JSON.
pub(super) fn constant(text: &str, data_type: &Type) -> Option<Expression> {
    if let Type::Native(native) = data_type
        && !matches!(native.kind, NativeKind::Other)
    {
        return None;
    }
    let plain = plain(text)?;
    let value = datatype::parse(&data_type.without_modifier(), &plain).ok()?;
    Some(Expression::value(value, data_type.clone()))
}

/// The text of a value that stands by itself, apart from casts to a type without modifiers: such a cast was done when the
/// default was declared, and only tells the constant's type.
fn plain(text: &str) -> Option<String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, rest) = literal(quoted)?;
        return is_cast(rest).then_some(value);
    }
    let is_word = matches!(text, "true" | "false");
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    (is_word || is_number).then(|| text.to_owned())
}

/// What stands up to the closing quote, and what stands behind it. A backslash means itself
/// (`standard_conforming_strings`).
fn literal(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('\'')?;
        value.push_str(before);
        match after.strip_prefix('\'') {
            Some(further) => {
                value.push('\'');
                rest = further;
            }
            None => return Some((value, after)),
        }
    }
}

fn is_cast(text: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, ' ' | '_' | '.' | '"' | '$');
    match text.strip_prefix("::") {
        Some(name) => !name.is_empty() && name.chars().all(is_part),
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use datatype::Datum;

    use super::*;

    fn value(text: &str, data_type: &Type) -> Option<Datum> {
        constant(text, data_type).map(|found| match found {
            Expression::Value { value, .. } => value,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn plain_values_are_read() {
        let text = |text: &str| Some(Datum::Text(text.to_owned()));
        assert_eq!(value("'open'::text", &Type::Text), text("open"));
        assert_eq!(value("''::text", &Type::Text), text(""));
        assert_eq!(value("'it''s ''so'''::text", &Type::Text), text("it's 'so'"));
        assert_eq!(value(r"'a\b'::text", &Type::Text), text(r"a\b"));
        assert_eq!(value("'a'::\"My schema\".kind", &Type::Text), text("a"));
        assert_eq!(value("'x'::character varying", &Type::Varchar(Some(3))), text("x"));
        assert_eq!(value("'-5'::integer", &Type::Integer), Some(Datum::Integer(-5)));
        assert_eq!(value("5", &Type::BigInteger), Some(Datum::Integer(5)));
        assert_eq!(value("1.50", &Type::Numeric(Some((5, 2)))), text("1.50"));
        assert_eq!(value("true", &Type::Boolean), Some(Datum::Integer(1)));
        assert_eq!(value("'1970-01-02'::date", &Type::Date), Some(Datum::Integer(1)));
    }

    #[test]
    fn whatever_else_is_only_known_to_be_there() {
        for other in [
            "now()",
            "'a'::text || 'b'::text",
            "('a'::text || 'b'::text)",
            "'abc'::character varying(2)",
            "'open",
            "'open'x",
            "'open'::",
            "'a'::text::text",
            "CURRENT_DATE",
            "-",
            "",
            "NULL::text",
        ] {
            assert_eq!(value(other, &Type::Text), None, "{other}");
        }
        // PostgreSQL rounds it when the row is made.
        assert_eq!(value("1.5", &Type::Integer), None);
    }
}
