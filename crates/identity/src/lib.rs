//! Who asks: turns the `Authorization` header of a request into a [`base::Caller`].
//!
//! A JWT is verified against the configured keys, its claims are checked, and its role claim names the
//! database role. Whether that role exists is not known here. Answers to bad tokens are PostgREST's:
//! `PGRST300` (no key configured), `PGRST301` (cannot be decoded), `PGRST302` (anonymous access is off) and
//! `PGRST303` (the claims do not pass).
//!
//! The rules that keep tokens honest:
//! - an algorithm belongs to the key, never to the token: the header only selects among the keys;
//! - `alg: none`, unknown algorithms, `crit`, and repeated JSON members are refused;
//! - the headers `jku`, `x5u`, `jwk` and `x5c` are never looked at;
//! - weak keys (HMAC below 32 bytes, RSA below 2048 bits, RSA moduli with the ROCA flaw) never enter the ring.

#![allow(
    clippy::result_large_err,
    reason = "a Failure is made once per refused request; boxing it everywhere would buy nothing"
)]

mod api_key;
mod cache;
mod claims;
mod config;
mod credentials;
mod derivation;
mod issuer_keys;
mod key;
mod mint;
mod remote;
mod revocation;
mod roca;
mod role_path;
mod signing;
mod strict_json;
mod token;
mod verifier;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]
mod wycheproof;

pub use api_key::{ApiKey, ApiKeys, KeyKind, KeySpending, KeyText, KeyUse, PATTERN};
pub use config::{IdentityConfig, IdentityError, KeyEvent, KeyListener};
pub use credentials::{KeyAndToken, credential, verified_alone};
pub use derivation::{Derivation, DerivedKey};
pub use issuer_keys::{IssuerKeys, IssuerTokenError};
pub use mint::mint;
pub use remote::outgoing_client;
pub use revocation::MAX_SIGNED_OUT;
pub use signing::SigningKey;
pub use verifier::{SIGNED_OUT, Verifier};

/// The longest token that is looked at, in bytes. Real tokens have 200 to 4,000; the bound keeps hashing and
/// parsing cheap even when the edge allows larger headers.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How many keys one JWK set may bring. Real sets have one to ten; a token without `kid` is tried against each.
pub const MAX_KEYS: usize = 100;

/// The largest JWK set that is read, in bytes.
pub const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// How many verified tokens are remembered at most, so that a repeated token costs no signature check.
pub const MAX_REMEMBERED_TOKENS: usize = 4096;
