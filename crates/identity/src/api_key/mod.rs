//! API keys: what a program is known by, besides whoever is signed in with it.
//!
//! A key is `pando_publishable_` or `pando_secret_`, 22 random characters, `_` and a checksum of 6, so that one regular
//! expression finds all of them, and a mistyped one is refused without being looked for. Kept are only SHA-256 hashes, all of
//! them in memory: no request asks the database. A key has more randomness (130 bits) than anybody can search, so a plain
//! hash is enough.

mod keyring;
mod spending;
mod text;

pub use keyring::{ApiKey, ApiKeys, KeyUse};
pub use spending::KeySpending;
pub use text::{KeyKind, KeyText, PATTERN};
