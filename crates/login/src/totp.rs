//! Codes of authenticator apps (TOTP, RFC 6238): SHA-1, six digits, thirty seconds, as every app knows them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::refresh::same;

/// The bytes of a secret: as many as the hash has (RFC 4226 section 4).
pub(crate) const SECRET_BYTES: usize = 20;

/// How long a code is the right one.
const PERIOD: i64 = 30;

/// How many periods a clock may be off, in either direction.
const SKEW: i64 = 1;

/// The step that a moment, in seconds since 1970, falls into.
pub(crate) fn step(seconds: i64) -> i64 {
    seconds.div_euclid(PERIOD)
}

/// The step whose code it is, of those that count now.
pub(crate) fn matching(secret: &[u8], given: &str, seconds: i64) -> Option<i64> {
    let now = step(seconds);
    // All are compared, so that the time does not tell which it was.
    (now - SKEW..=now + SKEW)
        .filter(|step| same(code(secret, *step).as_bytes(), given.as_bytes()))
        .fold(None, |_, step| Some(step))
}

/// The code of a step.
fn code(secret: &[u8], step: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return String::new() };
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    // Dynamic truncation (RFC 4226 section 5.3).
    let offset = usize::from(digest.last().copied().unwrap_or(0) & 15);
    let four = digest.iter().skip(offset).take(4).fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    format!("{:06}", (four & 0x7fff_ffff) % 1_000_000)
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base32 without padding (RFC 4648 section 6), as people type secrets.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    let mut push = |value: u32| text.extend(ALPHABET.get((value & 31) as usize).map(|letter| char::from(*letter)));
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(buffer >> bits);
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        push(buffer << (5 - bits));
    }
    text
}

/// Reads Base32; `None` for what is none.
pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter.to_ascii_uppercase())?;
        buffer = (buffer << 5) | u32::try_from(value).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 255).ok()?);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn the_vectors_of_the_standard() {
        let secret = b"12345678901234567890";
        for (seconds, expected) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(code(secret, step(seconds)), expected);
            assert_eq!(matching(secret, expected, seconds), Some(step(seconds)));
            assert_eq!(matching(secret, expected, seconds + 30), Some(step(seconds)), "a slow clock");
            assert_eq!(matching(secret, expected, seconds - 30), Some(step(seconds)), "a fast clock");
            assert_eq!(matching(secret, expected, seconds + 60), None);
        }
        assert_eq!(matching(secret, "", 59), None);
    }

    #[test]
    fn base32_there_and_back() {
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        assert_eq!(from_base32("MZXW6YTBOI======").unwrap(), b"foobar");
        assert_eq!(from_base32("mzxw6").unwrap(), b"foo");
        assert_eq!(from_base32("1"), None);
        for length in 0..24_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            assert_eq!(from_base32(&base32(&bytes)).unwrap(), bytes);
        }
    }
}
