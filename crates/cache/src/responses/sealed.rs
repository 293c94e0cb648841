//! How an answer stands on a server: its moment, which the server itself compares (`remote/keep_answer.lua`), the version of this form, a
//! seal over all of it and its key, and the bytes. Whoever can write to the server but does not know the secret can neither make up
//! an answer nor put one in the place of another.

use bytes::Bytes;

use super::ResponseKey;
use crate::key::{Keys, SEAL};

/// The moment in decimal digits, all of them: of two the later one is the greater text, in whatever language the server sorts.
const DIGITS: usize = 20;

/// The version of the form.
const VERSION: u8 = 1;

/// What stands before the bytes.
pub const HEAD: usize = DIGITS + 1 + SEAL;

const PURPOSE: &str = "answer seal";

/// Puts an answer into this form.
pub fn seal(keys: &Keys, key: &ResponseKey, moment: u64, bytes: &[u8]) -> Vec<u8> {
    let digits = format!("{moment:020}");
    let seal = keys.seal(PURPOSE, &[&key.0, digits.as_bytes(), &[VERSION], bytes]);
    [digits.as_bytes(), &[VERSION], &seal, bytes].concat()
}

/// Its moment and its bytes; `None` for what is not in this form, or was not sealed by somebody who knows the secret.
pub fn open(keys: &Keys, key: &ResponseKey, sealed: Bytes) -> Option<(u64, Bytes)> {
    let (digits, rest) = sealed.split_at_checked(DIGITS)?;
    let (version, rest) = rest.split_first()?;
    let (seal, bytes) = rest.split_at_checked(SEAL)?;
    if *version != VERSION || !keys.is_sealed(PURPOSE, &[&key.0, digits, &[VERSION], bytes], seal) {
        return None;
    }
    let moment = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((moment, sealed.slice(HEAD..)))
}

#[cfg(test)]
mod tests {
    use base::Secret;
    use proptest::prelude::*;

    use super::*;

    fn keys() -> Keys {
        Keys::new(&Secret::new("of the tests"))
    }

    const KEY: ResponseKey = ResponseKey([7; 32]);

    #[test]
    fn what_was_sealed_is_read_and_nothing_else() {
        for moment in [0, 1, u64::MAX] {
            let sealed = seal(&keys(), &KEY, moment, b"bytes");
            assert_eq!(open(&keys(), &KEY, sealed.clone().into()), Some((moment, Bytes::from_static(b"bytes"))));
            assert_eq!(open(&keys(), &ResponseKey([8; 32]), sealed.clone().into()), None, "of another question");
            assert_eq!(open(&Keys::new(&Secret::new("another")), &KEY, sealed.clone().into()), None);
            for place in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[place] ^= 1;
                assert_eq!(open(&keys(), &KEY, changed.into()), None, "{place}");
                assert_eq!(open(&keys(), &KEY, sealed[..place].to_vec().into()), None, "{place}");
            }
        }
    }

    #[test]
    fn later_moments_are_greater_texts() {
        let text = |moment| seal(&keys(), &KEY, moment, b"")[..DIGITS].to_vec();
        assert!(text(9) < text(10) && text(10) < text(u64::MAX));
    }

    proptest! {
        #[test]
        fn whatever_stands_there_is_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(open(&keys(), &KEY, bytes.into()), None);
        }
    }
}
