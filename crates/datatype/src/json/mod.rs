//! JSON in text: PostgreSQL's checks and messages, its canonical `jsonb` print, paths, order and strings.

mod check;
mod compare;
mod edit;
mod lexer;
mod path;
mod string;
mod strip;
mod tree;

use crate::ValueError;

pub use compare::compare;
pub use path::{Step, get, get_json, text_of};
pub use string::write_string;
pub use strip::strip_nulls;

pub(crate) use edit::{
    Change, array_length, changed, concatenated, contains, has_key, kind, pretty, without_index, without_key,
};
pub(crate) use string::unescape_token;

/// The deepest nesting of `jsonb`; deeper values are refused so that no thread's stack can overflow.
/// PostgreSQL's own limit follows from its stack and is some thousands.
pub const NESTING_LIMIT: usize = 512;

/// Checks that a text is JSON (RFC 8259), as the input of type `json` does. Any depth, without recursion.
///
/// # Errors
/// 22P02 `invalid input syntax for type json` with PostgreSQL's details.
pub fn validate(text: &str) -> Result<(), ValueError> {
    check::check(text, false)
}

/// The text of the `jsonb` value: keys ordered by length and then bytes, the last of equal keys, numbers as
/// `numeric` prints them, one blank after `:` and `,`.
///
/// # Errors
/// Those of [`validate`], unpaired surrogates, 22P05 for `\u0000`, 22003 for numbers beyond `numeric`, 54001
/// for nesting beyond [`NESTING_LIMIT`].
pub fn canonical(text: &str) -> Result<String, ValueError> {
    check::check(text, true)?;
    let node = tree::parse(text)?;
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    node.write(&mut out)?;
    String::from_utf8(out).map_err(|_| ValueError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    #[test]
    fn canonical_prints() {
        for (text, printed) in [
            ("-0", "0"),
            ("-0.0", "0.0"),
            ("1.10", "1.10"),
            ("1E-7", "0.0000001"),
            ("1e5", "100000"),
            ("[ ]", "[]"),
            ("{}", "{}"),
            ("{\"a\":{},\"b\":[1,2]}", "{\"a\": {}, \"b\": [1, 2]}"),
            ("{\"b\":1,\"aa\":2,\"a\":3,\"b\":4}", "{\"a\": 3, \"b\": 4, \"aa\": 2}"),
            ("\"\\u0001\\u00e9\\/\\b\\ud83d\\ude00\"", "\"\\u0001é/\\b😀\""),
            (" true ", "true"),
            ("12345678901234567890", "12345678901234567890"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(printed));
        }
        for (text, sqlstate, details) in [
            ("\"\\u0000\"", "22P05", "\\u0000 cannot be converted to text."),
            ("\"\\ud83d\"", "22P02", "Unicode low surrogate must follow a high surrogate."),
            ("\"\\ud83dx\"", "22P02", "Unicode low surrogate must follow a high surrogate."),
            ("\"\\ude00\"", "22P02", "Unicode low surrogate must follow a high surrogate."),
            ("\"\\ud83d\\ud83d\"", "22P02", "Unicode high surrogate must not follow a high surrogate."),
        ] {
            let error = canonical(text).unwrap_err();
            assert_eq!((error.sqlstate, error.details.as_deref()), (sqlstate, Some(details)), "{text}");
            assert_eq!(validate(text), Ok(()), "type json keeps escapes as they are");
        }
        assert_eq!(canonical("1e131072").unwrap_err().message, "value overflows numeric format");
        assert_eq!(canonical(&"[".repeat(NESTING_LIMIT + 1)).unwrap_err().sqlstate, "22P02");
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(canonical(&nested(NESTING_LIMIT)), Ok(nested(NESTING_LIMIT)));
        assert_eq!(canonical(&nested(NESTING_LIMIT + 1)).unwrap_err().sqlstate, "54001");
        assert_eq!(validate(&nested(1_000_000)), Ok(()));
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned()),
            "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?([eE][-+]?[0-9])?",
            "\"[a-zé\\u{1f600} ]{0,3}(\\\\[nt\"u]?)?\"".prop_filter("an escape", |text| validate(text).is_ok()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
                proptest::collection::vec(("[ab]{0,2}", inner), 0..4).prop_map(|pairs| {
                    let members: Vec<String> =
                        pairs.iter().map(|(key, value)| format!("\"{key}\" : {value}")).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_is_stable(text in json()) {
            let once = canonical(&text).unwrap();
            let twice = canonical(&once).unwrap();
            prop_assert_eq!(&twice, &once);
            prop_assert_eq!(compare(&text, &once), Ordering::Equal);
        }

        #[test]
        fn order_is_total(a in json(), b in json(), c in json()) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b) != Ordering::Greater && compare(&b, &c) != Ordering::Greater {
                prop_assert_ne!(compare(&a, &c), Ordering::Greater);
            }
        }

        #[test]
        fn nothing_panics(text in "[\\[\\]{}\",:\\\\u0-9a-fntrl\\-.é \u{1}]{0,24}", index in any::<i64>()) {
            let _ = validate(&text);
            let _ = canonical(&text);
            let _ = get(&text, &[Step::Index(index), Step::Key("a")]);
            let _ = get(&text, &[Step::Key("a"), Step::Index(index)]);
            let _ = text_of(&text);
            let _ = compare(&text, "{\"a\": 1}");
            strip_nulls(&text, &mut Vec::new());
        }

        #[test]
        fn strings_come_back(text in ".*") {
            let mut out = Vec::new();
            write_string(&text, &mut out);
            let written = String::from_utf8(out).unwrap();
            prop_assert_eq!(validate(&written), Ok(()));
            let read = text_of(&written).unwrap();
            prop_assert_eq!(read.as_ref(), text.as_str());
        }
    }
}
