use crate::ValueError;

/// Whether a text matches a `LIKE` pattern as a whole: `%` any run, `_` any one character, `\` takes the next
/// character literally. `case_insensitive` is `ILIKE`; only ASCII letters have two cases, as in PostgreSQL's C
/// locale.
///
/// # Errors
/// 22025 when the pattern's last character is a `\` that has to match something.
pub fn like(text: &str, pattern: &str, case_insensitive: bool) -> Result<bool, ValueError> {
    let (mut text, mut pattern) = (text.as_bytes(), pattern.as_bytes());
    // Where to go on when the rest does not match: behind the last `%`, one character of text later.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern, text) {
            ([b'%', rest @ ..], _) => {
                if rest.iter().all(|byte| *byte == b'%') {
                    return Ok(true);
                }
                retry = Some((rest, text));
                Some((rest, text))
            }
            ([], []) => return Ok(true),
            (_, []) if is_lone_escape(pattern, retry) => return Err(lone_escape()),
            // The text is at its end and the pattern is not: a later start is shorter still.
            (_, []) => return Ok(false),
            ([b'\\'], _) => return Err(lone_escape()),
            ([b'_', rest @ ..], _) => Some((rest, after_character(text))),
            ([b'\\', wanted, rest @ ..], _) | ([wanted, rest @ ..], _) => {
                after_byte(text, *wanted, case_insensitive).map(|text| (rest, text))
            }
            ([], _) => None,
        };
        (pattern, text) = match (step, retry) {
            (Some(next), _) => next,
            (None, Some((pattern_rest, start))) => {
                let start = after_character(start);
                retry = Some((pattern_rest, start));
                (pattern_rest, start)
            }
            (None, None) => return Ok(false),
        };
    }
}

fn lone_escape() -> ValueError {
    ValueError::new("22025", "LIKE pattern must not end with escape character")
}

/// PostgreSQL looks at what follows a `%` and its `_` before it sees that the text is at its end.
fn is_lone_escape(pattern: &[u8], retry: Option<(&[u8], &[u8])>) -> bool {
    match (pattern, retry) {
        ([b'\\'], Some(([wildcards @ .., _], start))) => {
            !start.is_empty() && wildcards.iter().all(|byte| *byte == b'_')
        }
        _ => false,
    }
}

/// The text behind its first byte if that is the wanted one.
fn after_byte(text: &[u8], wanted: u8, case_insensitive: bool) -> Option<&[u8]> {
    let (found, rest) = text.split_first()?;
    (wanted == *found || case_insensitive && wanted.eq_ignore_ascii_case(found)).then_some(rest)
}

/// The text behind its first character.
fn after_character(text: &[u8]) -> &[u8] {
    let is_continuation = |byte: &u8| byte & 0xc0 == 0x80;
    let length = 1 + text.iter().skip(1).take_while(|byte| is_continuation(byte)).count();
    text.get(length..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "a_c", true),
            ("aéc", "a_c", true),
            ("aéc", "a__c", false),
            ("abc", "_%_", true),
            ("a", "_%_", false),
            ("mississippi", "%iss%ip%", true),
            ("mississippi", "%iss%iss%iss%", false),
            ("100%", "100\\%", true),
            ("100x", "100\\%", false),
            ("a_b", "a\\_b", true),
            ("axb", "a\\_b", false),
            ("a\\b", "a\\\\b", true),
            ("ab", "\\a\\b", true),
            ("abc", "ABC", false),
            ("aaab", "%ab", true),
            ("é", "_", true),
            ("☕x", "%x", true),
        ] {
            assert_eq!(like(text, pattern, false), Ok(expected), "{text} {pattern}");
        }
        assert_eq!(like("ABC", "a%C", true), Ok(true));
        assert_eq!(like("É", "é", true), Ok(false));
        assert_eq!(like("\\X", "\\\\x", true), Ok(true));
        assert_eq!(like("abc", "ab\\", false).unwrap_err().sqlstate, "22025");
        assert_eq!(like("abc", "%\\", false).unwrap_err().message, "LIKE pattern must not end with escape character");
        assert_eq!(like("abc", "x\\", false), Ok(false));
        assert_eq!(like("abc", "abc\\", false), Ok(false));
    }

    proptest! {
        #[test]
        fn agrees_with_a_regular_expression(text in "[abé%_]{0,8}", pattern in "[abé%_]{0,6}") {
            let mut expression = "(?s)\\A".to_owned();
            for character in pattern.chars() {
                match character {
                    '%' => expression.push_str(".*"),
                    '_' => expression.push('.'),
                    other => expression.push(other),
                }
            }
            expression.push_str("\\z");
            let expected = regex::Regex::new(&expression).unwrap().is_match(&text);
            prop_assert_eq!(like(&text, &pattern, false), Ok(expected));
        }
    }
}
