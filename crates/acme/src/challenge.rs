//! What is shown to an authority, and who shows it.

use std::fmt;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ChallengeKind;

/// What shows an authority that a domain leads here.
#[derive(Clone, PartialEq, Eq)]
pub enum Challenge {
    /// The body of `GET /.well-known/acme-challenge/{token}` on port 80.
    Http {
        /// The last segment of the path.
        token: String,
        /// The body.
        answer: String,
    },
    /// The certificate of a handshake that offers `acme-tls/1` alone and asks for this name.
    Tls {
        /// The name.
        name: String,
        /// The certificate (DER).
        certificate: Vec<u8>,
        /// Its key (PKCS#8). It is of no use for anything else.
        key: Vec<u8>,
    },
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { token, .. } => write!(f, "Http({token})"),
            Self::Tls { name, .. } => write!(f, "Tls({name})"),
        }
    }
}

/// The front door, as far as certificates are concerned.
pub trait Stage: Send + Sync + 'static {
    /// Shows these challenges, and no others any more.
    ///
    /// # Errors
    /// They cannot be shown: why. Then the authority is not asked to look.
    fn show(&self, challenges: Vec<Challenge>) -> Result<(), String>;

    /// There is a certificate in the file, which may be another one than before.
    ///
    /// # Errors
    /// It cannot be used: why, for the log. What was used before goes on.
    fn renewed(&self) -> Result<(), String>;
}

/// A challenge as processes that share a folder tell one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) domain: String,
    pub(crate) token: String,
    /// Token and fingerprint of the account's key (RFC 8555 section 8.1). No secret: whoever asks for it gets it.
    pub(crate) key_authorization: String,
}

impl Pending {
    /// What is shown.
    pub(crate) fn challenge(&self, kind: ChallengeKind) -> Result<Challenge, rcgen::Error> {
        match kind {
            ChallengeKind::Http01 => {
                Ok(Challenge::Http { token: self.token.clone(), answer: self.key_authorization.clone() })
            }
            ChallengeKind::TlsAlpn01 => {
                let key = KeyPair::generate()?;
                let mut parameters = CertificateParams::new([self.domain.clone()])?;
                parameters.distinguished_name = DistinguishedName::new();
                let digest = Sha256::digest(&self.key_authorization);
                parameters.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
                let certificate = parameters.self_signed(&key)?.der().to_vec();
                Ok(Challenge::Tls { name: self.domain.clone(), certificate, key: key.serialize_der() })
            }
        }
    }
}
