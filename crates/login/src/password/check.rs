//! Which new passwords are taken: as NIST SP 800-63B has it, a minimum length and a list of those that are guessed first;
//! no rules about kinds of characters, which make people write `Password1!`.

use std::fmt;

use super::common;
use super::prepared::{LONGEST_PASSWORD, prepared};

/// What is wrong with a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakness {
    /// It has too few characters (code points after composition).
    TooShort {
        /// The fewest.
        least: usize,
    },
    /// It has more than [`LONGEST_PASSWORD`] bytes.
    TooLong,
    /// It holds a control character, which hardly any keyboard can type again (RFC 8264 section 9.11 forbids them).
    ControlCharacter,
    /// It is the account's own address, number or name.
    Own,
    /// It is one of the most common ones: the built-in list, a run or a repetition.
    Common,
    /// It is in the file of leaked passwords.
    Leaked,
}

impl Weakness {
    /// The word by which auth-js knows it (`AuthWeakPasswordError.reasons`).
    pub fn name(self) -> &'static str {
        match self {
            Self::TooShort { .. } | Self::TooLong => "length",
            Self::ControlCharacter => "characters",
            Self::Own | Self::Common | Self::Leaked => "pwned",
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { least } => write!(f, "Password should be at least {least} characters."),
            Self::TooLong => write!(f, "Password cannot be longer than {LONGEST_PASSWORD} bytes."),
            Self::ControlCharacter => f.write_str("Password must not contain control characters."),
            Self::Own => f.write_str("Password must not be the account's own address or name."),
            Self::Common => {
                f.write_str("Password is known to be weak and easy to guess, please choose a different one.")
            }
            Self::Leaked => f.write_str("Password is known from leaks of other sites, please choose a different one."),
        }
    }
}

/// A new password is not taken. Its text is for the one who chose it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", sentences(.reasons))]
pub struct Weak {
    /// Everything that is wrong with it; never empty.
    pub reasons: Vec<Weakness>,
}

fn sentences(reasons: &[Weakness]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What can be told of a password by itself.
pub(super) struct Rules {
    pub(super) least_characters: usize,
}

impl Rules {
    /// Everything that is wrong with it, leaks aside.
    pub(super) fn weaknesses(&self, given: &str, own: &[&str]) -> Vec<Weakness> {
        if given.len() > LONGEST_PASSWORD {
            return vec![Weakness::TooLong];
        }
        let mut reasons = Vec::new();
        let password = prepared(given);
        if password.chars().count() < self.least_characters {
            reasons.push(Weakness::TooShort { least: self.least_characters });
        }
        if password.chars().any(char::is_control) {
            reasons.push(Weakness::ControlCharacter);
        }
        let lowered = password.to_lowercase();
        if own.iter().any(|own| is_own(&lowered, own)) {
            reasons.push(Weakness::Own);
        } else if common::is_common(&lowered) {
            reasons.push(Weakness::Common);
        }
        reasons
    }
}

/// Whether it is the account's address or name, or what stands before the address' `@`.
fn is_own(lowered: &str, own: &str) -> bool {
    let own = own.trim().to_lowercase();
    let local = own.split_once('@').map(|(local, _)| local);
    !own.is_empty() && (own == lowered || local.is_some_and(|local| local == lowered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_everything_that_is_wrong() {
        let rules = Rules { least_characters: 8 };
        let own = ["Mallory.Smith@example.com", "", "+436641234567"];
        let short = Weakness::TooShort { least: 8 };
        for (given, expected) in [
            ("correct horse battery staple", vec![]),
            ("gr\u{fc}\u{df}e an alle", vec![]),
            ("\u{1f9d7}\u{1f3d4}\u{1f3de}\u{26fa}\u{1f9d7}\u{1f3d4}\u{1f3de}", vec![short]),
            // Eight characters once composed is what counts, not bytes, and not what was typed.
            ("a\u{308}o\u{308}u\u{308}xyzq", vec![short]),
            ("", vec![short]),
            ("MALLORY.smith", vec![Weakness::Own]),
            ("mallory.smith@example.com", vec![Weakness::Own]),
            ("+436641234567", vec![Weakness::Own]),
            ("Password1!", vec![Weakness::Common]),
            ("tab\tseparated", vec![Weakness::ControlCharacter]),
            ("a\0", vec![short, Weakness::ControlCharacter]),
        ] {
            assert_eq!(rules.weaknesses(given, &own), expected, "{given:?}");
        }
        let longest: String = (0..LONGEST_PASSWORD / 4).map(|number| format!("{number:04}")).collect();
        assert_eq!(rules.weaknesses(&longest, &own), []);
        assert_eq!(rules.weaknesses(&(longest + "x"), &own), [Weakness::TooLong]);
    }

    #[test]
    fn tells_it_in_one_sentence_each() {
        let weak = Weak { reasons: vec![Weakness::TooShort { least: 8 }, Weakness::Common] };
        assert_eq!(
            weak.to_string(),
            "Password should be at least 8 characters. Password is known to be weak and easy to guess, please choose a different one."
        );
    }
}
