//! Names and texts as TypeScript spells them.

/// A member's name, in quotes where it is no identifier. Reserved words may be members.
pub(super) fn key(name: &str) -> String {
    let begins = |character: char| character.is_ascii_alphabetic() || matches!(character, '_' | '$');
    let mut characters = name.chars();
    let is_identifier = characters.next().is_some_and(begins)
        && characters.all(|character| begins(character) || character.is_ascii_digit());
    if is_identifier { name.to_owned() } else { text(name) }
}

/// A string literal: JSON's are TypeScript's (ECMAScript 2019).
pub(super) fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (name, expected) in [
            ("climbs", "climbs"),
            ("class", "class"),
            ("_x1$", "_x1$"),
            ("1st", "\"1st\""),
            ("order items", "\"order items\""),
            ("größe", "\"größe\""),
            ("", "\"\""),
            ("a\"b\\c\n", "\"a\\\"b\\\\c\\n\""),
        ] {
            assert_eq!(key(name), expected);
        }
    }
}
