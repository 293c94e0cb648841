//! What comes from chance: numbers of accounts, codes, secrets. From the operating system alone.

use crate::error::{Outcome, Refusal};

/// So many random bytes.
pub(crate) fn bytes<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Refusal::internal(format!("the operating system gives no random bytes: {error}")))?;
    Ok(bytes)
}

/// A UUID of version 4, as text.
pub(crate) fn uuid() -> Outcome<String> {
    Ok(uuid::Builder::from_random_bytes(bytes()?).into_uuid().to_string())
}

/// So many decimal digits, each as likely as any other.
pub(crate) fn digits(count: u8) -> Outcome<String> {
    let mut text = String::with_capacity(usize::from(count));
    while text.len() < usize::from(count) {
        let [byte] = bytes()?;
        // 250 is the highest multiple of ten that a byte holds: above it some digits would be likelier.
        if byte < 250 {
            text.push(char::from(b'0' + byte % 10));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_form_that_was_asked_for() {
        let code = digits(8).unwrap();
        assert!(code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit()));
        assert_eq!(uuid().unwrap().len(), 36);
        assert_ne!(uuid().unwrap(), uuid().unwrap());
    }
}
