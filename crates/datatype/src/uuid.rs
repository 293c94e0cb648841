//! `uuid` in text.

use crate::ValueError;

/// Reads a UUID as PostgreSQL does: 32 hexadecimal digits, a hyphen after any group of four, braces around
/// it allowed. The answer is lower case with hyphens.
pub(crate) fn parse_uuid(text: &str) -> Result<String, ValueError> {
    read(text).ok_or_else(|| ValueError::syntax("uuid", text))
}

fn read(text: &str) -> Option<String> {
    let inner = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    let mut canonical = String::with_capacity(36);
    let mut digits = 0_u32;
    let mut hyphen_allowed = false;
    for character in inner.chars() {
        if character == '-' && hyphen_allowed {
            hyphen_allowed = false;
            continue;
        }
        if !character.is_ascii_hexdigit() || digits == 32 {
            return None;
        }
        if matches!(digits, 8 | 12 | 16 | 20) {
            canonical.push('-');
        }
        canonical.push(character.to_ascii_lowercase());
        digits += 1;
        hyphen_allowed = digits.is_multiple_of(4) && digits < 32;
    }
    (digits == 32).then_some(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_and_refused() {
        let canonical = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        for text in [
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(parse_uuid(text).as_deref(), Ok(canonical), "{text}");
        }
        for text in [
            "",
            "nope",
            "1234",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-",
            " a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a1100",
        ] {
            assert!(parse_uuid(text).is_err(), "{text}");
        }
    }
}
