use std::fmt;

use base::Secret;
use ring::digest;

/// What finds every API key in a text, for secret scanners.
pub const PATTERN: &str = r"\bpando_(publishable|secret)_[0-9A-Za-z]{22}_[0-9A-Za-z]{6}\b";

/// Random characters of a key: 22 of 62 are 130 bits.
const RANDOM_CHARACTERS: usize = 22;

/// Characters of the checksum: as many as 32 bits need.
const CHECKSUM_CHARACTERS: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Who may have a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Everybody: it stands in web pages and apps, and gives what visitors may do.
    Publishable,
    /// Servers alone.
    Secret,
}

impl KeyKind {
    /// `publishable` or `secret`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Publishable => "publishable",
            Self::Secret => "secret",
        }
    }

    /// By its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Publishable, Self::Secret].into_iter().find(|kind| kind.name() == name)
    }
}

/// A key as it is written, with a checksum that is right. Whether there is such a key is another question.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText {
    kind: KeyKind,
    text: Secret,
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyText({}, …)", self.kind.name())
    }
}

impl KeyText {
    /// Whether a text means to be a key: it begins like one.
    pub fn is_meant(text: &[u8]) -> bool {
        text.starts_with(b"pando_")
    }

    /// Reads a key. `None` when its form or its checksum is wrong.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (signed, checksum) = text.rsplit_once('_')?;
        let (kind, random) = signed.strip_prefix("pando_")?.split_once('_')?;
        let kind = KeyKind::from_name(kind)?;
        let is_plain = random.len() == RANDOM_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_plain && checksum == checksum_of(signed)).then(|| Self { kind, text: Secret::new(text) })
    }

    /// Makes a key of random bytes that `fill` gives.
    ///
    /// # Errors
    /// What `fill` says.
    pub fn generate<E>(kind: KeyKind, mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut signed = format!("pando_{}_", kind.name());
        let end = signed.len() + RANDOM_CHARACTERS;
        while signed.len() < end {
            let mut bytes = [0; 32];
            fill(&mut bytes)?;
            // 248 = 4 · 62: what lies above would make some characters likelier than others.
            let fair = bytes.iter().filter(|byte| **byte < 248);
            let characters = fair.filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
            signed.extend(characters.take(end - signed.len()).map(|byte| char::from(*byte)));
        }
        let text = Secret::new(format!("{signed}_{}", checksum_of(&signed)));
        Ok(Self { kind, text })
    }

    /// Who may have it.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key itself, to be shown once.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What is kept of it: the SHA-256 of the whole text.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.expose().as_bytes()).as_ref());
        hash
    }

    /// What people tell it by in a list: its beginning, with four of its random characters.
    pub fn hint(&self) -> String {
        let shown = "pando_".len() + self.kind.name().len() + "_".len() + 4;
        format!("{}…", self.expose().get(..shown).unwrap_or_default())
    }
}

/// CRC-32 (that of zlib) as six characters, as GitHub's tokens have it. It is no secret and protects against slips alone.
fn checksum_of(text: &str) -> String {
    let mut rest = crc32(text.as_bytes());
    let mut characters = [b'0'; CHECKSUM_CHARACTERS];
    for character in characters.iter_mut().rev() {
        let digit = rest % 62;
        *character = ALPHABET.get(digit as usize).copied().unwrap_or(b'0');
        rest /= 62;
    }
    characters.into_iter().map(char::from).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting() -> impl FnMut(&mut [u8]) -> Result<(), ()> {
        let mut next = 240_u8;
        move |bytes: &mut [u8]| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
            Ok(())
        }
    }

    #[test]
    fn keys_have_one_form() {
        // The checksum was computed by Python's zlib.crc32.
        let key = KeyText::generate(KeyKind::Secret, counting()).unwrap();
        assert_eq!(key.expose(), "pando_secret_stuvwxyz0123456789ABCD_3gUsqp");
        let key = KeyText::generate(KeyKind::Publishable, counting()).unwrap();
        assert_eq!(key.expose(), "pando_publishable_stuvwxyz0123456789ABCD_1G7ANM");
        assert_eq!(key.hint(), "pando_publishable_stuv…");
        assert_eq!(KeyText::parse(key.expose().as_bytes()), Some(key.clone()));
        assert!(!format!("{key:?}").contains("stuv"));
    }

    #[test]
    fn every_slip_is_noticed() {
        let key = KeyText::generate(KeyKind::Secret, counting()).unwrap();
        let text = key.expose().as_bytes();
        for place in 0..text.len() {
            for byte in [b'0', b'z', b'_', b' ', 0xff] {
                let mut slipped = text.to_vec();
                slipped[place] = byte;
                assert_eq!(KeyText::parse(&slipped).is_some(), slipped == text, "{place}");
            }
            let mut shorter = text.to_vec();
            shorter.remove(place);
            assert_eq!(KeyText::parse(&shorter), None, "{place}");
            let mut swapped = text.to_vec();
            swapped.swap(place, (place + 1) % text.len());
            assert_eq!(KeyText::parse(&swapped).is_some(), swapped == text, "{place}");
        }
        for text in ["", "pando_", "pando_secret_", "pando_secret__", "pando_master_stuvwxyz0123456789ABCD_000000"] {
            assert_eq!(KeyText::parse(text.as_bytes()), None);
        }
    }

    #[test]
    fn crc_is_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
