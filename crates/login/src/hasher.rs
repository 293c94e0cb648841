//! What the login needs of whoever looks after passwords.

use std::future::Future;
use std::pin::Pin;

use base::Secret;

/// What came of a password that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the right one.
    Right {
        /// A better hash of it, where the kept one costs too little.
        rehashed: Option<String>,
    },
    /// It is not, or there is nothing that it could be compared with.
    Wrong,
}

/// Too many passwords wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overloaded {
    /// After how many seconds it makes sense to come again.
    pub retry_after_seconds: u32,
}

/// Why a password may not be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weak {
    /// What is wrong, for people.
    pub message: String,
    /// `length`, `characters`, `pwned`: the words that clients know.
    pub reasons: Vec<&'static str>,
}

/// What comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Looks after passwords: hashes and compares them without letting a flood take the machine.
pub trait Hasher: Send + Sync + 'static {
    /// Compares a password with the hash that is kept. It takes the same time where none is.
    fn verify<'a>(&'a self, given: &'a Secret, kept: Option<&'a str>) -> Later<'a, Result<Verdict, Overloaded>>;

    /// Hashes a password that was chosen.
    fn hash<'a>(&'a self, chosen: &'a Secret) -> Later<'a, Result<String, Overloaded>>;

    /// Whether a password may be chosen.
    ///
    /// # Errors
    /// [`Weak`]: what is wrong with it.
    fn check_new(&self, chosen: &Secret) -> Result<(), Weak>;

    /// Whether a text is a hash that [`Hasher::verify`] understands, for accounts that are brought along.
    fn is_hash(&self, text: &str) -> bool;
}
