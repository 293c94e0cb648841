use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Map, Value, json};

use crate::IdentityError;

/// A key pair that signs tokens with ES256 (ECDSA over P-256, RFC 7518 section 3.4).
pub struct SigningKey {
    id: String,
    pair: EcdsaKeyPair,
    private: Vec<u8>,
    chance: SystemRandom,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl SigningKey {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`IdentityError::Cryptography`] when the operating system gives no chance.
    pub fn generate() -> Result<Self, IdentityError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| IdentityError::Cryptography("make a key pair"))?;
        Self::from_private(document.as_ref())
    }

    /// The pair of a private part, as [`SigningKey::private`] gives it (PKCS #8).
    ///
    /// # Errors
    /// [`IdentityError::Cryptography`] when it is none.
    pub fn from_private(private: &[u8]) -> Result<Self, IdentityError> {
        let chance = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private, &chance)
            .map_err(|_| IdentityError::Cryptography("read a private key"))?;
        let (x, y) = coordinates(&pair)?;
        // The thumbprint of RFC 7638: the members that make the key, in the order of the alphabet.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()));
        Ok(Self { id, pair, private: private.to_vec(), chance })
    }

    /// Its name in tokens and key sets: the thumbprint of the public part (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The private part (PKCS #8): to be kept encrypted.
    pub fn private(&self) -> &[u8] {
        &self.private
    }

    /// The public part as a JWK (RFC 7517).
    ///
    /// # Errors
    /// [`IdentityError::Cryptography`], which cannot happen for a pair on P-256.
    pub fn public(&self) -> Result<Value, IdentityError> {
        let (x, y) = coordinates(&self.pair)?;
        Ok(json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y,
            "kid": self.id, "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": true,
        }))
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// [`IdentityError::Claims`], and [`IdentityError::Cryptography`] when the operating system gives no chance.
    pub fn sign(&self, claims: &Map<String, Value>) -> Result<String, IdentityError> {
        let header = json!({"alg": "ES256", "kid": self.id, "typ": "JWT"}).to_string();
        let payload = serde_json::to_vec(claims).map_err(IdentityError::Claims)?;
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature =
            self.pair.sign(&self.chance, signed.as_bytes()).map_err(|_| IdentityError::Cryptography("sign a token"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The two halves of the public point, as JWKs write them.
fn coordinates(pair: &EcdsaKeyPair) -> Result<(String, String), IdentityError> {
    // 4 marks the uncompressed form (SEC 1 section 2.3.3).
    match pair.public_key().as_ref().split_first() {
        Some((4, point)) if point.len() == 64 => {
            let (x, y) = point.split_at(32);
            Ok((URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
        }
        _ => Err(IdentityError::Cryptography("read a public key")),
    }
}
