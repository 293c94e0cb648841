use std::collections::HashSet;

use base::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD_INDIFFERENT, URL_SAFE_NO_PAD};
use ring::{hmac, signature};
use serde_json::{Map, Value};

use crate::{IdentityError, MAX_KEYS, roca, strict_json};

/// The fewest bytes of an HMAC secret: the size of the hash (RFC 7518 section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The fewest bits of an RSA modulus (RFC 7518 section 3.3).
const MIN_RSA_BITS: usize = 2048;

/// The signature algorithms that are offered. A key has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    /// By its name in `alg`. `Ed25519` is RFC 9864's name for the one curve that `EdDSA` means here.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::Hs256),
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }
}

/// A key that verifies signatures of one algorithm.
pub(crate) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    material: Material,
}

enum Material {
    Hmac(hmac::Key),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The uncompressed point of P-256, or the 32 bytes of Ed25519.
    Point(Vec<u8>),
}

impl Key {
    /// An HS256 key without an id.
    fn hmac(bytes: &[u8]) -> Self {
        Self {
            id: None,
            algorithm: Algorithm::Hs256,
            material: Material::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes)),
        }
    }

    /// Whether the signature of `message` is this key's. HMACs are compared in constant time.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, self.algorithm) {
            (Material::Hmac(key), _) => hmac::verify(key, message, signature).is_ok(),
            (Material::Rsa { modulus, exponent }, _) => {
                let public = signature::RsaPublicKeyComponents { n: modulus, e: exponent };
                public.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
            }
            (Material::Point(point), Algorithm::Es256) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature)
                    .is_ok()
            }
            (Material::Point(point), _) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signature).is_ok()
            }
        }
    }
}

/// All keys that tokens are verified with. Immutable; a change makes a new ring.
#[derive(Default)]
pub(crate) struct KeyRing {
    keys: Vec<std::sync::Arc<Key>>,
}

impl KeyRing {
    /// A ring of the keys of several sources.
    pub(crate) fn of<'a>(sources: impl IntoIterator<Item = &'a KeySet>) -> Self {
        Self { keys: sources.into_iter().flat_map(|set| set.keys.iter().cloned()).collect() }
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys with the algorithm, and with the id if the token names one: a token that names an id which
    /// nobody knows is not tried against other keys, nor against a secret, which has no id.
    pub(crate) fn suitable(&self, algorithm: Algorithm, key_id: Option<&str>) -> impl Iterator<Item = &Key> {
        self.keys
            .iter()
            .map(AsRef::as_ref)
            .filter(move |key| key.algorithm == algorithm && key_id.is_none_or(|id| key.id.as_deref() == Some(id)))
    }
}

/// The keys of one source, and what was passed over.
#[derive(Default)]
pub(crate) struct KeySet {
    keys: Vec<std::sync::Arc<Key>>,
    /// Keys of other purposes or algorithms, each with the reason (never with key material).
    pub(crate) skipped: Vec<String>,
}

impl KeySet {
    /// How many keys can verify tokens.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether one of them signs as well as it verifies.
    pub(crate) fn has_shared_secret(&self) -> bool {
        self.keys.iter().any(|key| matches!(key.material, Material::Hmac(_)))
    }

    /// The configured secret: HMAC bytes, or a JWK (set) as JSON text.
    pub(crate) fn from_secret(secret: &Secret, is_base64: bool) -> Result<Self, IdentityError> {
        if is_key_set(secret, is_base64) {
            return Self::from_json(secret.expose().as_bytes())
                .map_err(|problem| IdentityError::KeySet { origin: "the JWT secret".to_owned(), problem });
        }
        let bytes = secret_bytes(secret, is_base64)?;
        Ok(Self { keys: vec![Key::hmac(&bytes).into()], skipped: Vec::new() })
    }

    /// A JWK set, or a single JWK.
    ///
    /// Refused as a whole: sets that repeat a `kid`, that mix shared secrets with public keys, that hold a weak
    /// key, or from which no key is left. Keys for other purposes or algorithms are passed over (RFC 7517
    /// section 5).
    pub(crate) fn from_json(text: &[u8]) -> Result<Self, String> {
        let value = strict_json::parse(text).map_err(|error| format!("not a JWK set: {error}"))?;
        let single = std::slice::from_ref(&value);
        let list = match value.get("keys") {
            Some(Value::Array(list)) => list.as_slice(),
            Some(_) => return Err("not a JWK set: \"keys\" is not a list".to_owned()),
            None => single,
        };
        if list.len() > MAX_KEYS {
            return Err(format!("the JWK set has {} keys; at most {MAX_KEYS} are allowed", list.len()));
        }
        let mut set = Self::default();
        let mut names = HashSet::new();
        for (position, jwk) in list.iter().enumerate() {
            let object = jwk.as_object().ok_or_else(|| format!("key {} is not an object", position + 1))?;
            let name = match text_member(object, "kid") {
                Some(id) => format!("key {} (kid {id:?})", position + 1),
                None => format!("key {}", position + 1),
            };
            let kinds =
                [object.get("kid"), object.get("kty"), object.get("use")].map(|value| value.and_then(Value::as_str));
            // Also where one of the two is passed over: which of them the issuer meant cannot be known.
            if object.contains_key("kid") && !names.insert(kinds) {
                return Err(format!("{name} repeats the id of another key"));
            }
            match parse_key(object) {
                Ok(key) => set.add(key, &name)?,
                Err(KeyProblem::Weak(problem)) => return Err(format!("{name} {problem}")),
                Err(KeyProblem::Unsuitable(problem)) => set.skipped.push(format!("{name} {problem}")),
            }
        }
        if set.keys.is_empty() {
            let reasons = if set.skipped.is_empty() { String::new() } else { format!(": {}", set.skipped.join("; ")) };
            return Err(format!("the JWK set has no key that can verify tokens{reasons}"));
        }
        Ok(set)
    }

    fn add(&mut self, key: Key, name: &str) -> Result<(), String> {
        let is_shared = |key: &Key| matches!(key.material, Material::Hmac(_));
        if self.keys.iter().any(|other| is_shared(other) != is_shared(&key)) {
            return Err(format!(
                "{name}: the set mixes shared secrets (kty oct) with public keys; give the secret by itself as auth.jwt_secret"
            ));
        }
        self.keys.push(key.into());
        Ok(())
    }
}

/// Whether a secret is a JWK set in JSON.
pub(crate) fn is_key_set(secret: &Secret, is_base64: bool) -> bool {
    !is_base64 && secret.expose().trim_start().starts_with('{')
}

/// The bytes of a plain HMAC secret.
pub(crate) fn secret_bytes(secret: &Secret, is_base64: bool) -> Result<Vec<u8>, IdentityError> {
    if is_key_set(secret, is_base64) {
        return Err(IdentityError::SecretIsKeySet);
    }
    let bytes = if is_base64 {
        // Either alphabet, padding or not (and PostgREST's '.' for padding).
        let text = secret.expose().trim().replace('-', "+").replace('_', "/").replace('.', "=");
        STANDARD_NO_PAD_INDIFFERENT.decode(text).map_err(|_| IdentityError::SecretNotBase64)?
    } else {
        secret.expose().as_bytes().to_vec()
    };
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(IdentityError::SecretTooShort { bytes: bytes.len() });
    }
    Ok(bytes)
}

/// Why a JWK does not become a key.
enum KeyProblem {
    /// For another purpose or algorithm: passed over.
    Unsuitable(String),
    /// It would verify tokens, and anybody could forge them.
    Weak(String),
}

fn unsuitable(text: impl Into<String>) -> KeyProblem {
    KeyProblem::Unsuitable(text.into())
}

/// Reads one JWK. Its algorithm comes from the key's type and curve; `alg`, `use` and `key_ops` must agree.
fn parse_key(object: &Map<String, Value>) -> Result<Key, KeyProblem> {
    let key_type = text_member(object, "kty").ok_or_else(|| unsuitable("has no kty"))?;
    let curve = text_member(object, "crv");
    let algorithm = match (key_type, curve) {
        ("oct", _) => Algorithm::Hs256,
        ("RSA", _) => Algorithm::Rs256,
        ("EC", Some("P-256")) => Algorithm::Es256,
        ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
        _ => return Err(unsuitable("is of a type or curve that is not offered")),
    };
    if let Some(value) = object.get("alg")
        && value.as_str().and_then(Algorithm::from_name) != Some(algorithm)
    {
        return Err(unsuitable(format!("has the algorithm {value}, which is not offered for its type")));
    }
    if let Some(value) = object.get("use")
        && value.as_str() != Some("sig")
    {
        return Err(unsuitable("is not for signatures (use)"));
    }
    if let Some(value) = object.get("key_ops")
        && !value.as_array().is_some_and(|list| list.iter().any(|item| item.as_str() == Some("verify")))
    {
        return Err(unsuitable("is not for verifying (key_ops)"));
    }
    let id = match object.get("kid") {
        None => None,
        Some(value) => Some(value.as_str().ok_or_else(|| unsuitable("has a kid that is not a string"))?.to_owned()),
    };
    let material = match algorithm {
        Algorithm::Hs256 => parse_shared_secret(object)?,
        Algorithm::Rs256 => parse_rsa(object)?,
        Algorithm::Es256 => parse_p256(object)?,
        Algorithm::EdDsa => Material::Point(exact_member(object, "x", 32)?),
    };
    Ok(Key { id, algorithm, material })
}

fn parse_shared_secret(object: &Map<String, Value>) -> Result<Material, KeyProblem> {
    let bytes = bytes_member(object, "k")?;
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(KeyProblem::Weak(format!("has {} bytes; HS256 needs at least {MIN_SECRET_BYTES}", bytes.len())));
    }
    Ok(Material::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
}

fn parse_rsa(object: &Map<String, Value>) -> Result<Material, KeyProblem> {
    let strip = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    let modulus = strip(bytes_member(object, "n")?);
    let exponent = strip(bytes_member(object, "e")?);
    let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    if bits < MIN_RSA_BITS {
        return Err(KeyProblem::Weak(format!("is an RSA key of {bits} bits; at least {MIN_RSA_BITS} are needed")));
    }
    if exponent.last().is_none_or(|last| last % 2 == 0) || exponent == [1] {
        return Err(KeyProblem::Weak("is an RSA key with an unsafe public exponent".to_owned()));
    }
    if roca::has_flaw(&modulus) {
        return Err(KeyProblem::Weak("is an RSA key with the ROCA flaw (CVE-2017-15361)".to_owned()));
    }
    Ok(Material::Rsa { modulus, exponent })
}

fn parse_p256(object: &Map<String, Value>) -> Result<Material, KeyProblem> {
    // 4 marks the uncompressed form (SEC 1 section 2.3.3). Whether the point is on the curve is checked by ring.
    let mut point = vec![4];
    point.extend(exact_member(object, "x", 32)?);
    point.extend(exact_member(object, "y", 32)?);
    Ok(Material::Point(point))
}

fn text_member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn bytes_member(object: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyProblem> {
    text_member(object, name)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or_else(|| unsuitable(format!("has no readable {name:?}")))
}

fn exact_member(object: &Map<String, Value>, name: &str, length: usize) -> Result<Vec<u8>, KeyProblem> {
    let bytes = bytes_member(object, name)?;
    if bytes.len() != length {
        return Err(unsuitable(format!("has {} bytes as {name:?}; {length} are needed", bytes.len())));
    }
    Ok(bytes)
}
