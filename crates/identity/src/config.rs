use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base::Secret;

use crate::key::is_key_set;

/// What decides who a caller is. Built by the configuration; nothing here is read from the environment.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// The HS256 secret, or a JWK or JWK set as JSON text (PostgREST's `jwt-secret` takes both).
    pub secret: Option<Secret>,
    /// Whether `secret` is base64 (standard or URL-safe) of the key's bytes (`jwt-secret-is-base64`).
    pub secret_is_base64: bool,
    /// A file with a JWK set. Read at start and by [`crate::Verifier::replace`].
    pub jwks_file: Option<PathBuf>,
    /// An address that serves a JWK set. Fetched in the background at start, every ten minutes while tokens
    /// come, and at most once in 30 seconds when a token names an unknown key.
    pub jwks_url: Option<String>,
    /// The audience a token must be meant for, if it names any (`jwt-aud`).
    pub audience: Option<String>,
    /// The issuer a token must come from. A token without `iss` is then refused.
    pub issuer: Option<String>,
    /// Where the role is in the claims: `role`, or PostgREST's path such as `.app.roles[0]` (`jwt-role-claim-key`).
    pub role_claim: String,
    /// The role of a request without credentials; `None` refuses such requests with `PGRST302`.
    pub anonymous_role: Option<Arc<str>>,
    /// The role of requests with a secret API key that names none, and no user's token.
    pub service_role: Arc<str>,
    /// Whether every request needs an API key, or a token that verifies in its place (`apikey`).
    pub requires_api_key: bool,
    /// How far the clocks of issuer and server may differ, in seconds.
    pub leeway_seconds: u32,
    /// Told when a key set was fetched or could not be.
    pub listener: Option<KeyListener>,
}

impl IdentityConfig {
    /// The secret, where other secrets may follow from it: a JWK set may be of public keys, which anybody may read, and is none.
    pub fn root_secret(&self) -> Option<&Secret> {
        self.secret.as_ref().filter(|secret| !is_key_set(secret, self.secret_is_base64))
    }
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            secret: None,
            secret_is_base64: false,
            jwks_file: None,
            jwks_url: None,
            audience: None,
            issuer: None,
            role_claim: "role".to_owned(),
            anonymous_role: None,
            service_role: Arc::from("service_role"),
            requires_api_key: false,
            leeway_seconds: 30,
            listener: None,
        }
    }
}

/// Something that happened to a fetched key set, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyEvent {
    /// A key set arrived and is in use.
    Fetched {
        /// Keys that can verify tokens.
        keys: usize,
        /// Keys that were passed over, each with the reason.
        skipped: Vec<String>,
    },
    /// The key set could not be fetched or read; the former keys stay in use.
    FetchFailed {
        /// Why.
        reason: String,
    },
}

/// A function that is told about [`KeyEvent`]s. It is called from a background task and must not block.
#[derive(Clone)]
pub struct KeyListener(Arc<dyn Fn(&KeyEvent) + Send + Sync>);

impl KeyListener {
    /// Wraps a function.
    pub fn new(function: impl Fn(&KeyEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// Tells it.
    pub(crate) fn tell(&self, event: &KeyEvent) {
        (self.0)(event);
    }
}

impl fmt::Debug for KeyListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyListener")
    }
}

/// Why the keys could not be set up. All of these are found at start or at a reload, none during a request.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The HMAC secret is too short to be safe (RFC 7518 section 3.2).
    #[error("the JWT secret has {bytes} bytes; HS256 needs at least 32. Make one with `openssl rand -base64 48`")]
    SecretTooShort {
        /// Its length after decoding.
        bytes: usize,
    },
    /// The secret is said to be base64 and is not.
    #[error("the JWT secret is configured as base64 but cannot be decoded")]
    SecretNotBase64,
    /// A token cannot be minted without an HMAC secret.
    #[error("the JWT secret is a JWK set; tokens can only be minted with a plain HS256 secret")]
    SecretIsKeySet,
    /// No secrets can follow from keys that may be public.
    #[error(
        "it is a JWK set, whose keys anybody may know; it has to be a random text, as `openssl rand -base64 48` makes"
    )]
    RootIsKeySet,
    /// The JWK set file cannot be read.
    #[error("the JWK set {path} cannot be read: {source}")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A JWK set is not usable.
    #[error("{origin}: {problem}")]
    KeySet {
        /// Where the set is from.
        origin: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The address of the JWK set is not one.
    #[error("the JWK set address {url} is not usable: {problem}")]
    KeyAddress {
        /// The address, without credentials.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The role claim path cannot be understood.
    #[error("the role claim path {path:?} is not understood: {problem}")]
    RolePath {
        /// The configured text.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Fetching keys needs the asynchronous runtime.
    #[error("a verifier with a JWK set address has to be opened inside the asynchronous runtime")]
    NoRuntime,
    /// What is encrypted does not open: it was made with another secret, or was changed.
    #[error(
        "what is encrypted cannot be decrypted: `auth.secret` (or `auth.jwt_secret`, from which it follows) is another than before"
    )]
    Sealed,
    /// A cryptographic operation failed.
    #[error("the cryptographic library could not {0}")]
    Cryptography(&'static str),
    /// Claims could not be written as JSON.
    #[error("the claims cannot be written as JSON: {0}")]
    Claims(serde_json::Error),
}
