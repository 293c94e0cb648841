//! The forms of stored hashes: our own and those that accounts bring from elsewhere.

use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use argon2::{Algorithm, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD_INDIFFERENT;

use super::argon::{Argon2Hash, HashCost, Memory};
use crate::refresh::same;

/// The longest stored hash that is looked at, in bytes. Real ones have 60 to 250.
const LONGEST_STORED: usize = 1024;

/// The most bytes of a decoded salt, key or hash within one.
const LONGEST_PART: usize = 256;

/// The fewest bytes of a hash that is compared with: a shorter one is guessed too easily.
const SHORTEST_OUTPUT: usize = 16;

/// The most passes × KiB of a stored argon2 hash: about half a second. libsodium's "moderate" is 786,432.
const MOST_ARGON2_WORK: u64 = 1 << 20;

/// The highest cost of a bcrypt hash: about a second. GoTrue makes 10.
const MOST_BCRYPT_COST: u32 = 14;

/// The most mixings of a scrypt hash (N·r·p): about two seconds. OWASP's strongest is 2^20.
const MOST_SCRYPT_WORK: u64 = 1 << 22;

/// Bytes of a password that bcrypt looks at. Whoever made the hash has cut there as well.
const BCRYPT_BYTES: usize = 72;

/// A stored hash that was understood and whose cost is within bounds.
#[derive(Debug)]
pub(super) enum Stored {
    Argon2(Argon2Hash),
    Bcrypt { text: String, cost: u32 },
    Scrypt(Scrypt),
    Firebase(Firebase),
}

/// scrypt (RFC 7914).
#[derive(Debug)]
pub(super) struct Scrypt {
    params: scrypt::Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// Firebase's form: the key of its project, encrypted under what scrypt derives.
#[derive(Debug)]
pub(super) struct Firebase {
    scrypt: Scrypt,
    signer_key: Vec<u8>,
}

/// Why a stored hash is not compared with. For the log; the one who signs in is told nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredProblem {
    /// It has no form that is known.
    Unknown,
    /// It asks for more memory or time than is allowed (`auth.password.largest_stored_kib`).
    TooCostly,
}

impl StoredProblem {
    /// Its word in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "password_hash_unknown",
            Self::TooCostly => "password_hash_too_costly",
        }
    }
}

impl Stored {
    /// Reads a stored hash. `largest_kib` bounds the memory that it may ask for.
    pub(super) fn parse(text: &str, largest_kib: u32) -> Result<Self, StoredProblem> {
        if text.len() > LONGEST_STORED {
            return Err(StoredProblem::Unknown);
        }
        let stored = Self::understand(text).ok_or(StoredProblem::Unknown)?;
        if stored.memory_kib() > u64::from(largest_kib) || stored.is_too_slow() {
            return Err(StoredProblem::TooCostly);
        }
        Ok(stored)
    }

    fn understand(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_prefix('$')?.split('$').collect();
        match *parts.as_slice() {
            ["2a" | "2b" | "2y", cost, rest] => bcrypt_hash(text, cost, rest),
            [name, version, parameters, salt, output] => argon2_hash(name, version, parameters, salt, output),
            // Before version 1.3 argon2 wrote none: it is 16 then.
            [name @ ("argon2i" | "argon2d" | "argon2id"), parameters, salt, output] => {
                argon2_hash(name, "v=16", parameters, salt, output)
            }
            ["scrypt", parameters, salt, output] => {
                scrypt_hash(parameters, "ln", decode(salt)?, decode(output)?).map(Self::Scrypt)
            }
            ["fbscrypt", parameters, salt, output] => firebase_hash(parameters, salt, output),
            _ => None,
        }
    }

    /// The memory that it takes, in KiB.
    pub(super) fn memory_kib(&self) -> u64 {
        match self {
            Self::Argon2(hash) => u64::from(hash.cost.memory_kib),
            Self::Bcrypt { .. } => 8,
            Self::Scrypt(scrypt) | Self::Firebase(Firebase { scrypt, .. }) => {
                (scrypt.params.n().saturating_add(u64::from(scrypt.params.p())))
                    .saturating_mul(u64::from(scrypt.params.r()))
                    .saturating_mul(128)
                    .div_ceil(1024)
            }
        }
    }

    fn is_too_slow(&self) -> bool {
        match self {
            Self::Argon2(hash) => hash.cost.work() > MOST_ARGON2_WORK,
            Self::Bcrypt { cost, .. } => *cost > MOST_BCRYPT_COST,
            Self::Scrypt(scrypt) | Self::Firebase(Firebase { scrypt, .. }) => {
                let params = &scrypt.params;
                let work = params.n().saturating_mul(u64::from(params.r())).saturating_mul(u64::from(params.p()));
                work > MOST_SCRYPT_WORK
            }
        }
    }

    /// Whether it needs memory besides a thread's own, of which there is `own_kib`.
    pub(super) fn is_large(&self, own_kib: u32) -> bool {
        match self {
            Self::Argon2(hash) => hash.cost.memory_kib > own_kib,
            Self::Bcrypt { .. } => false,
            Self::Scrypt(_) | Self::Firebase(_) => true,
        }
    }

    /// Whether the password is the one that it was made of. Takes as long whatever the answer is.
    pub(super) fn matches(&self, password: &[u8], memory: &mut Memory) -> bool {
        match self {
            Self::Argon2(hash) => hash.derive(password, memory).is_some_and(|derived| same(&derived, &hash.output)),
            Self::Bcrypt { text, .. } => bcrypt::verify(password, text).unwrap_or(false),
            Self::Scrypt(scrypt) => {
                let mut output = vec![0; scrypt.output.len()];
                scrypt.derive(password, &mut output) && same(&output, &scrypt.output)
            }
            Self::Firebase(firebase) => firebase.matches(password),
        }
    }

    /// Whether a right password should be hashed anew: this one protects less than a hash of `cost` would, of which
    /// `tolerance` is forgiven. What bcrypt has cut off was never looked at, so it must not become part of the password by
    /// the way: such an account keeps its hash.
    pub(super) fn is_outdated(&self, password: &[u8], cost: HashCost, tolerance: f64) -> bool {
        match self {
            Self::Argon2(hash) => hash.is_below(cost, tolerance),
            Self::Bcrypt { .. } => password.len() <= BCRYPT_BYTES,
            Self::Scrypt(_) | Self::Firebase(_) => true,
        }
    }
}

impl Scrypt {
    fn derive(&self, password: &[u8], output: &mut [u8]) -> bool {
        scrypt::scrypt(password, &self.salt, &self.params, output).is_ok()
    }
}

impl Firebase {
    fn matches(&self, password: &[u8]) -> bool {
        let mut key = [0; 32];
        if !self.scrypt.derive(password, &mut key) {
            return false;
        }
        // AES-256 in counter mode from zero on.
        let cipher = aes::Aes256::new(&Array(key));
        let mut encrypted = Vec::with_capacity(self.signer_key.len());
        for (number, piece) in self.signer_key.chunks(16).enumerate() {
            let mut block = Array((number as u128).to_be_bytes());
            cipher.encrypt_block(&mut block);
            encrypted.extend(piece.iter().zip(block.iter()).map(|(byte, mask)| byte ^ mask));
        }
        same(&encrypted, &self.scrypt.output)
    }
}

fn bcrypt_hash(text: &str, cost: &str, rest: &str) -> Option<Stored> {
    let is_plain = rest.len() == 53 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    let cost = number(cost).filter(|_| cost.len() == 2)?;
    (is_plain && cost >= 4).then(|| Stored::Bcrypt { text: text.to_owned(), cost })
}

fn argon2_hash(name: &str, version: &str, parameters: &str, salt: &str, output: &str) -> Option<Stored> {
    let algorithm = match name {
        "argon2id" => Algorithm::Argon2id,
        "argon2i" => Algorithm::Argon2i,
        "argon2d" => Algorithm::Argon2d,
        _ => return None,
    };
    let version = match version {
        "v=19" => Version::V0x13,
        "v=16" => Version::V0x10,
        _ => return None,
    };
    let [memory, passes, lanes] = members(parameters, ["m", "t", "p"])?.map(number);
    let cost = HashCost { memory_kib: memory?, passes: passes?.max(1) };
    let (salt, output) = (decode(salt)?, decode(output)?);
    let fits = salt.len() >= argon2::MIN_SALT_LEN && output.len() >= SHORTEST_OUTPUT;
    // Each lane needs eight blocks (RFC 9106 section 3.1), which bounds the lanes by the memory.
    let lanes = lanes.filter(|lanes| *lanes >= 1 && *lanes <= cost.memory_kib / 8)?;
    fits.then_some(Stored::Argon2(Argon2Hash { algorithm, version, cost, lanes, salt, output }))
}

fn scrypt_hash(parameters: &str, exponent: &str, salt: Vec<u8>, output: Vec<u8>) -> Option<Scrypt> {
    let [exponent, block, lanes] = members(parameters, [exponent, "r", "p"])?.map(number);
    let exponent = u8::try_from(exponent?).ok().filter(|exponent| *exponent >= 1)?;
    // The crate multiplies these two; no real hash comes near.
    let few = |number: &u32| *number <= 4096;
    let params = scrypt::Params::new(exponent, block.filter(few)?, lanes.filter(few)?).ok()?;
    (output.len() >= SHORTEST_OUTPUT).then_some(Scrypt { params, salt, output })
}

/// GoTrue's way to write it: `$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=…$salt$hash`.
fn firebase_hash(parameters: &str, salt: &str, output: &str) -> Option<Stored> {
    let mut members = parameters.split(',').map(|member| member.split_once('='));
    let mut next = |name: &str| members.next()?.filter(|(found, _)| *found == name).map(|(_, value)| value);
    if next("v")? != "1" {
        return None;
    }
    let scrypt = format!("n={},r={},p={}", next("n")?, next("r")?, next("p")?);
    let (separator, signer_key) = (decode(next("ss")?)?, decode(next("sk")?)?);
    let mut salt = decode(salt)?;
    salt.extend(separator);
    let scrypt = scrypt_hash(&scrypt, "n", salt, decode(output)?)?;
    Some(Stored::Firebase(Firebase { scrypt, signer_key }))
}

/// The values of parameters that stand in just this order: `m=19456,t=2,p=1`.
fn members<'a, const COUNT: usize>(text: &'a str, names: [&str; COUNT]) -> Option<[&'a str; COUNT]> {
    let mut values = [""; COUNT];
    let mut parts = text.split(',');
    for (value, name) in values.iter_mut().zip(names) {
        *value = parts.next()?.strip_prefix(name)?.strip_prefix('=')?;
    }
    parts.next().is_none().then_some(values)
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// base64, its padding written or not.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD_INDIFFERENT.decode(text).ok().filter(|bytes| bytes.len() <= LONGEST_PART)
}
