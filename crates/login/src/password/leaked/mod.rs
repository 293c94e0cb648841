//! Leaked passwords, looked up in a compact file without a network.
//!
//! The file holds the first bits of the SHA-1 of each password, sorted: as many that numbers of equal first bits share a
//! *bucket* of 16 to 32, and 16 more in two bytes each. A password that was never leaked shares all of these bits with
//! one that was in at most 32 of 65,536 cases (0.05 %); one that was leaked is always found. That is 2.3 bytes a password
//! at most, and a lookup is two small reads. Nobody gets the passwords back from it.

mod filter;
mod import;
mod keys;

pub use filter::{Leaked, LeakedError};
pub use import::{ImportError, Imported, Importer};

use sha1::{Digest as _, Sha1};

/// The first eight bytes of a password's SHA-1, as a number: what is sorted and looked up by.
fn key(password: &[u8]) -> u64 {
    first_bytes(&Sha1::digest(password))
}

fn first_bytes(hash: &[u8]) -> u64 {
    hash.iter().take(8).fold(0, |key, byte| (key << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests;
