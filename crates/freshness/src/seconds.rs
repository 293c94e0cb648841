//! Numbers of seconds as caches write them (RFC 9111 section 1.2.2).

use std::time::Duration;

/// 2³¹ seconds: what any greater number means, and the age of what nobody knows the age of.
pub const MOST_SECONDS: u64 = 1 << 31;

/// The longest time that is told apart from longer ones.
pub(crate) const LONGEST: Duration = Duration::from_secs(MOST_SECONDS);

/// Reads a number of seconds: digits and nothing else. `None` where it is none, which callers take for the worst.
pub(crate) fn parse(text: &[u8]) -> Option<Duration> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(Duration::from_secs(text.iter().fold(0, add).min(MOST_SECONDS)))
}

/// A number of a directive, where a directive that is there twice has to say the same twice: otherwise it is nothing, which is
/// the second of the two choices that RFC 9111 section 4.2.1 leaves.
pub(crate) fn agree(before: Option<Duration>, text: Option<&[u8]>) -> Duration {
    let now = text.and_then(parse).unwrap_or(Duration::ZERO);
    if before.is_none_or(|before| before == now) { now } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_alone_are_a_number() {
        assert_eq!(parse(b"003600"), Some(Duration::from_secs(3600)));
        for text in ["", "-1", "+1", "1.0", "1a", "a1", " 1", "1 ", "'1'", "1,2", "0x1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_great_is_the_greatest() {
        for text in ["2147483648", "2147483649", "99999999999", "999999999999999999999999999999"] {
            assert_eq!(parse(text.as_bytes()), Some(LONGEST), "{text}");
        }
        assert_eq!(parse(b"2147483647"), Some(Duration::from_secs(2_147_483_647)));
    }

    #[test]
    fn contradictions_are_nothing() {
        let ten = Duration::from_secs(10);
        assert_eq!(agree(None, Some(b"10")), ten);
        assert_eq!(agree(Some(ten), Some(b"10")), ten);
        assert_eq!(agree(Some(ten), Some(b"11")), Duration::ZERO);
        assert_eq!(agree(None, Some(b"ten")), Duration::ZERO);
        assert_eq!(agree(None, None), Duration::ZERO);
    }
}
