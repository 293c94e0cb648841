//! Which bytes a password is.
//!
//! The same password can be typed as different bytes: `é` is one character on one keyboard and two on another. NIST
//! SP 800-63B (3.1.1.2) asks for normalization, RFC 8265 (PRECIS) says which: the profile OpaqueString maps other spaces
//! to U+0020 and composes (NFC); case and everything else stay as they are. NFKC would join characters that people tell
//! apart, and no client's library expects it.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The longest password in bytes. A new one must not be longer, a longer one given is wrong. RFC 8265 has no bound, and
/// NIST asks for at least 64 characters.
pub const LONGEST_PASSWORD: usize = 1024;

/// A password in the form that is hashed (RFC 8265 section 4.2).
pub(super) fn prepared(given: &str) -> Cow<'_, str> {
    if given.is_ascii() || (is_nfc(given) && !given.chars().any(is_other_space)) {
        return Cow::Borrowed(given);
    }
    Cow::Owned(given.chars().map(|character| if is_other_space(character) { ' ' } else { character }).nfc().collect())
}

/// A space (general category Zs) other than U+0020.
fn is_other_space(character: char) -> bool {
    matches!(character, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composes_and_maps_spaces_and_nothing_else() {
        for (given, expected) in [
            ("correct horse", "correct horse"),
            ("  two  ", "  two  "),
            ("Pa\u{308}sswo\u{308}rd", "P\u{e4}ssw\u{f6}rd"),
            ("P\u{e4}ssw\u{f6}rd", "P\u{e4}ssw\u{f6}rd"),
            ("a\u{3000}b\u{a0}c", "a b c"),
            // What NFKC would change.
            ("\u{fb01}nal\u{b2}", "\u{fb01}nal\u{b2}"),
            ("", ""),
        ] {
            assert_eq!(prepared(given), expected, "{given:?}");
        }
    }
}
