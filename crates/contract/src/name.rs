//! Names of the catalog where a document has rules of its own for names.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a segment of a path escapes: all but RFC 3986's unreserved characters. Braces too, which would make the
/// path a template.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A name as the key of a component, which OpenAPI bounds to letters, digits, `.`, `-` and `_`. Letters, digits and
/// `_` stand for themselves, everything else for its code point between dashes, so that two names never meet. The
/// dot is left for joining.
pub(crate) fn component(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            key.push(character);
        } else {
            // Writing to a string cannot fail.
            let _written = write!(key, "-{:x}-", u32::from(character));
        }
    }
    key
}

/// The path of a relation: `/climbs`.
pub(crate) fn path(name: &str) -> String {
    format!("/{}", utf8_percent_encode(name, SEGMENT))
}

/// A column as the name of a filter: in double quotes where the dialect would read something else.
pub(crate) fn filter(column: &str) -> String {
    let reserved = ["select", "columns", "on_conflict", "order", "limit", "offset", "and", "or", "not"];
    let is_plain = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$' | ' ');
    if !column.is_empty() && column.chars().all(is_plain) && column.trim() == column && !reserved.contains(&column) {
        return column.to_owned();
    }
    let mut quoted = String::with_capacity(column.len() + 2);
    quoted.push('"');
    for character in column.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_never_meet() {
        for (name, key) in [
            ("climbs", "climbs"),
            ("order items", "order-20-items"),
            ("order-20-items", "order-2d-20-2d-items"),
            ("a.b", "a-2e-b"),
            ("größe", "gr-f6--df-e"),
            ("{x}", "-7b-x-7d-"),
        ] {
            assert_eq!(component(name), key);
        }
    }

    #[test]
    fn paths_are_no_templates() {
        assert_eq!(path("climbs"), "/climbs");
        assert_eq!(path("{id}/a b"), "/%7Bid%7D%2Fa%20b");
    }
}
