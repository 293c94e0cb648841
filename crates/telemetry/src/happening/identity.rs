//! Keys that tokens are verified with. Never a key, never a token.

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line};

/// Keys were fetched from an address.
#[derive(Debug)]
pub struct KeysLoaded {
    /// How many.
    pub keys: u64,
}

impl Happening for KeysLoaded {
    const DEFINITION: &'static Definition = &Definition {
        action: "keys-loaded",
        message: "Keys to verify tokens with were loaded",
        about: "When the JWK set of `auth.jwks_url` was fetched; what was read from elsewhere is told by `configuration-read`.",
        level: Level::Info,
        fields: &[KEYS],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(KEYS, self.keys);
    }
}

/// A JWK set could not be fetched; the keys before it stay in use.
#[derive(Debug)]
pub struct KeysUnavailable<'a> {
    /// What went wrong.
    pub error: &'a str,
}

impl Happening for KeysUnavailable<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "keys-unavailable",
        message: "The JWK set could not be fetched; the keys known so far stay in use",
        about: "When the address of a JWK set does not answer with one.",
        level: Level::Warn,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
    }
}

/// The table of API keys could not be read; the keys known so far count on.
#[derive(Debug)]
pub struct ApiKeysUnavailable<'a> {
    /// What went wrong.
    pub error: &'a str,
}

impl Happening for ApiKeysUnavailable<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "api-keys-unavailable",
        message: "The API keys could not be read; the keys known so far count on",
        about: "When the table of API keys cannot be made or read, at the start or later: keys that other nodes make or revoke \
                are not known until it can. Told once until it is read again.",
        level: Level::Warn,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
    }
}
