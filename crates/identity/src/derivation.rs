use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::IdentityError;
use crate::key::is_key_set;

/// The salt of all derivations: it parts Pando's from those that others make of the same secret.
const SALT: &[u8] = b"pando auth v1";

/// The bytes of a derived key.
const KEY_BYTES: usize = 32;

/// The one secret from which all others follow (HKDF with SHA-256, RFC 5869), each for a purpose of its own: who learns one
/// of them learns none of the others.
#[derive(Debug, Clone)]
pub struct Derivation {
    secret: Secret,
}

/// A key that was derived for one purpose. Never shown.
#[derive(Clone)]
pub struct DerivedKey([u8; KEY_BYTES]);

impl std::fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DerivedKey(…)")
    }
}

/// The length of derived keys, for ring.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl Derivation {
    /// Takes the secret, of at least 32 bytes.
    ///
    /// # Errors
    /// [`IdentityError::SecretTooShort`], and [`IdentityError::RootIsKeySet`] for keys that may be public.
    pub fn new(secret: Secret) -> Result<Self, IdentityError> {
        if is_key_set(&secret, false) {
            return Err(IdentityError::RootIsKeySet);
        }
        let bytes = secret.expose().len();
        if bytes < KEY_BYTES {
            return Err(IdentityError::SecretTooShort { bytes });
        }
        Ok(Self { secret })
    }

    /// The key for `purpose`: the same one for the same secret, on every node.
    ///
    /// # Errors
    /// [`IdentityError::Cryptography`], which cannot happen for keys of this length.
    pub fn key(&self, purpose: &'static str) -> Result<DerivedKey, IdentityError> {
        let extracted = Salt::new(HKDF_SHA256, SALT).extract(self.secret.expose().as_bytes());
        let mut bytes = [0; KEY_BYTES];
        extracted
            .expand(&[purpose.as_bytes()], Length)
            .and_then(|material| material.fill(&mut bytes))
            .map_err(|_| IdentityError::Cryptography("derive a key"))?;
        Ok(DerivedKey(bytes))
    }
}

impl DerivedKey {
    /// HMAC-SHA256 of the parts in their order. Each is preceded by its length, so that no two lists of parts are alike.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }

    /// Encrypts `plain` (AES-256-GCM with a nonce of chance), bound to `name`: it opens under that name alone. Base64url.
    ///
    /// # Errors
    /// [`IdentityError::Cryptography`] when the operating system gives no chance.
    pub fn seal(&self, name: &str, plain: &[u8]) -> Result<String, IdentityError> {
        let failed = |_| IdentityError::Cryptography("encrypt");
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(failed)?;
        let mut sealed = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.cipher()?.seal_in_place_append_tag(unique, Aad::from(name.as_bytes()), &mut sealed).map_err(failed)?;
        let mut whole = nonce.to_vec();
        whole.extend(sealed);
        Ok(URL_SAFE_NO_PAD.encode(whole))
    }

    /// Decrypts what [`DerivedKey::seal`] made under the same name.
    ///
    /// # Errors
    /// [`IdentityError::Sealed`] when it was made with another key, under another name, or was changed.
    pub fn open(&self, name: &str, sealed: &str) -> Result<Vec<u8>, IdentityError> {
        let whole = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| IdentityError::Sealed)?;
        let (nonce, text) = whole.split_at_checked(NONCE_LEN).ok_or(IdentityError::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| IdentityError::Sealed)?;
        let mut text = text.to_vec();
        let plain = self
            .cipher()?
            .open_in_place(nonce, Aad::from(name.as_bytes()), &mut text)
            .map_err(|_| IdentityError::Sealed)?;
        Ok(plain.to_vec())
    }

    fn cipher(&self) -> Result<LessSafeKey, IdentityError> {
        let key = UnboundKey::new(&AES_256_GCM, &self.0).map_err(|_| IdentityError::Cryptography("encrypt"))?;
        Ok(LessSafeKey::new(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str, purpose: &'static str) -> DerivedKey {
        Derivation::new(Secret::new(secret)).unwrap().key(purpose).unwrap()
    }

    const SECRET: &str = "a secret of more than thirty-two bytes";

    #[test]
    fn keys_follow_from_secret_and_purpose() {
        assert_eq!(key(SECRET, "one").0, key(SECRET, "one").0);
        assert_ne!(key(SECRET, "one").0, key(SECRET, "two").0);
        assert_ne!(key(SECRET, "one").0, key("another secret of more than thirty-two", "one").0);
        assert!(matches!(Derivation::new(Secret::new("short")), Err(IdentityError::SecretTooShort { bytes: 5 })));
        let published = Secret::new(r#" {"keys":[{"kty":"EC","crv":"P-256"}]}"#);
        assert!(matches!(Derivation::new(published), Err(IdentityError::RootIsKeySet)));
        assert_eq!(format!("{:?}", key(SECRET, "one")), "DerivedKey(…)");
    }

    #[test]
    fn parts_are_not_confused() {
        let key = key(SECRET, "one");
        assert_eq!(key.mac(&[b"ab", b"c"]), key.mac(&[b"ab", b"c"]));
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
        assert_ne!(key.mac(&[b"ab"]), key.mac(&[b"ab", b""]));
    }

    #[test]
    fn what_is_sealed_opens_under_its_name_and_key_alone() {
        let own = key(SECRET, "one");
        let sealed = own.seal("name", b"plain").unwrap();
        assert_ne!(sealed, own.seal("name", b"plain").unwrap(), "a nonce of chance");
        assert_eq!(own.open("name", &sealed).unwrap(), b"plain");
        assert!(own.open("other", &sealed).is_err());
        assert!(key(SECRET, "two").open("name", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(own.open("name", &changed).is_err() || changed == sealed, "{position}");
        }
        assert!(own.open("name", "").is_err());
    }
}
