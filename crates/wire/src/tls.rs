//! TLS with the meaning that libpq gives to `sslmode`, by rustls.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::parameters::{Identity, Roots, Tls, TlsMode};

/// PostgreSQL's name among the protocols over TLS (PostgreSQL 17; older ones do not look at it).
const PROTOCOL: &[u8] = b"postgresql";

/// What a connection needs to begin TLS.
#[derive(Debug, Clone)]
pub(crate) struct Handshake {
    pub config: Arc<ClientConfig>,
    pub name: ServerName<'static>,
    pub is_direct: bool,
}

impl Handshake {
    /// Begins TLS on a socket where the server expects it. The error is a sentence.
    pub async fn run(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let connector = TlsConnector::from(self.config.clone());
        let stream = connector.connect(self.name.clone(), stream).await.map_err(|error| self.explain(&error))?;
        if self.is_direct && stream.get_ref().1.alpn_protocol() != Some(PROTOCOL) {
            return Err("the server does not agree on the protocol \"postgresql\", which sslnegotiation=direct needs \
                        (PostgreSQL 17); use sslnegotiation=postgres"
                .to_owned());
        }
        Ok(stream)
    }

    fn explain(&self, error: &io::Error) -> String {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        let Some(rustls::Error::InvalidCertificate(problem)) = cause else { return error.to_string() };
        let what_to_do = match problem {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "it comes from no authority that is trusted; give the right one as sslrootcert"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another host: its subject alternative names have to hold the host that is connected to (the \
                 common name does not count), or use sslmode=verify-ca"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired; renew it",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet; check both clocks"
            }
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                "it is an authority's own certificate (CA:TRUE); give the server one that an authority signed, or a \
                 self-signed one with basicConstraints=CA:FALSE"
            }
            _ => "it cannot be used",
        };
        format!("the certificate of the server ({}) was refused: {what_to_do} ({problem})", self.name.to_str())
    }
}

/// The name to verify and to announce. A host name that DNS could not have is only possible where it is not verified.
pub(crate) fn server_name(host: &str, address: IpAddr, mode: TlsMode) -> Result<ServerName<'static>, String> {
    match ServerName::try_from(host.to_owned()) {
        Ok(name) => Ok(name),
        Err(_) if mode == TlsMode::VerifyFull => Err(format!("{host:?} is no name that a certificate could be for")),
        Err(_) => Ok(ServerName::from(address)),
    }
}

/// Reads the files and makes the configuration. It blocks. The error is a sentence.
pub(crate) fn configure(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        roots: roots(tls)?,
        verifies_name: tls.mode == TlsMode::VerifyFull,
        algorithms: provider.signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity(tls.identity.as_ref())? {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| format!("sslcert and sslkey do not fit each other or cannot be used: {error}"))?,
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// The authorities to verify with; `None` verifies nothing.
fn roots(tls: &Tls) -> Result<Option<RootCertStore>, String> {
    let must_verify = matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
    let (path, is_usual) = match &tls.roots {
        Roots::System => return system_roots().map(Some),
        Roots::File(path) => (path, false),
        Roots::Usual(Some(path)) => (path, true),
        Roots::Usual(None) if must_verify => {
            return Err("sslmode asks to verify the server: give the authorities to trust as sslrootcert (a file, or \
                        system)"
                .to_owned());
        }
        Roots::Usual(None) => return Ok(None),
    };
    if !path.exists() && !must_verify {
        return match is_usual {
            true => Ok(None),
            // libpq would go on without verifying, which nobody who names a file can want.
            false => Err(format!("the file of authorities {} (sslrootcert) does not exist", path.display())),
        };
    }
    let mut store = RootCertStore::empty();
    for certificate in certificates(path, "authorities")? {
        let added = store.add(certificate);
        added.map_err(|error| {
            format!("the file of authorities {} holds one that is unusable: {error}", path.display())
        })?;
    }
    Ok(Some(store))
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (added, _unusable) = store.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none is installed".to_owned(), ToString::to_string);
        return Err(format!(
            "the machine's certificate authorities (sslrootcert=system) cannot be read: {why}; install them \
             (ca-certificates) or give a file"
        ));
    }
    Ok(store)
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes =
        fs::read(path).map_err(|error| format!("the file of {what} {} cannot be read: {error}", path.display()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!("the file of {what} {} holds no certificate in the PEM form", path.display())),
        Err(error) => Err(format!("the file of {what} {} is no PEM: {error}", path.display())),
    }
}

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(identity: Option<&Identity>) -> Result<Option<Chain>, String> {
    let Some(identity) = identity else { return Ok(None) };
    if identity.is_usual && !identity.certificate.exists() {
        return Ok(None);
    }
    let chain = certificates(&identity.certificate, "the client's certificate (sslcert)")?;
    let Some(path) = &identity.key else {
        return Err("a client's certificate (sslcert) needs its key: give sslkey".to_owned());
    };
    let shown = path.display();
    let metadata = fs::metadata(path).map_err(|error| format!("the key {shown} (sslkey) cannot be read: {error}"))?;
    // libpq's rule: root may let a group read it.
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & forbidden != 0 {
        return Err(format!("the key {shown} (sslkey) is open to others: chmod 600 {shown}"));
    }
    let bytes = fs::read(path).map_err(|error| format!("the key {shown} (sslkey) cannot be read: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|_| format!("the key {shown} (sslkey) is no PEM of a key, or is encrypted, which is not supported"))?;
    Ok(Some((chain, key)))
}

/// Verifies as `sslmode` says: nothing, the chain, or the chain and the name. The signature of the handshake is verified
/// in every case.
#[derive(Debug)]
struct Verifier {
    roots: Option<RootCertStore>,
    verifies_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, self.algorithms.all)?;
        if self.verifies_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
