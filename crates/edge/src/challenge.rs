//! Challenges: what shows an authority that a domain leads here, before it issues a certificate (RFC 8555, RFC 8737).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{DEFAULT_VERSIONS, ServerConfig};

use crate::EdgeError;

/// The one protocol that an authority's handshake offers.
const PROTOCOL: &[u8] = b"acme-tls/1";
/// Where an authority looks on the address without TLS.
const PATH: &str = "/.well-known/acme-challenge/";

/// What shows an authority that a domain leads here.
#[derive(Clone, PartialEq, Eq)]
pub enum Challenge {
    /// `GET /.well-known/acme-challenge/{token}` on the address that otherwise sends clients to TLS.
    Http {
        /// The last segment of the path.
        token: String,
        /// The body.
        answer: String,
    },
    /// A handshake that offers `acme-tls/1` alone.
    Tls {
        /// The name that it asks for, in lower case.
        name: String,
        /// The certificate that it is shown (DER).
        certificate: Vec<u8>,
        /// Its key (PKCS#8).
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

/// The challenges that are answered. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Challenges(Arc<RwLock<Answers>>);

#[derive(Debug, Default)]
struct Answers {
    http: HashMap<String, String>,
    tls: HashMap<String, Arc<ServerConfig>>,
}

impl Challenges {
    /// These and no others. A key that cannot be used leaves the former ones.
    pub(crate) fn replace(&self, challenges: Vec<Challenge>) -> Result<(), EdgeError> {
        let mut answers = Answers::default();
        for challenge in challenges {
            match challenge {
                Challenge::Http { token, answer } => {
                    answers.http.insert(token, answer);
                }
                Challenge::Tls { name, certificate, key } => {
                    let config = config(certificate, key).map_err(|error| EdgeError::Tls(error.to_string()))?;
                    answers.tls.insert(name, Arc::new(config));
                }
            }
        }
        *self.0.write() = answers;
        Ok(())
    }

    /// What a handshake is to be answered with, if it is an authority's.
    pub(crate) fn for_hello(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(PROTOCOL) || protocols.next().is_some() {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        self.0.read().tls.get(&name).cloned()
    }

    /// The body for a path on the address without TLS.
    pub(crate) fn for_path(&self, path: &str) -> Option<String> {
        self.0.read().http.get(path.strip_prefix(PATH)?).cloned()
    }
}

/// TLS that shows this certificate, agrees on that protocol alone and is never resumed.
fn config(certificate: Vec<u8>, key: Vec<u8>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let key = provider.key_provider.load_private_key(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)))?;
    // Not `with_single_cert`, which reads the certificate and does not know the critical extension that this is all about.
    let certified = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(DEFAULT_VERSIONS)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
