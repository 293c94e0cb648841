//! TLS: certificates that can be replaced while the server runs, and handshakes that cannot take all processors.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DEFAULT_VERSIONS, ServerConfig};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::EdgeError;

/// Chains with keys are some kilobytes; whatever is larger was named by mistake.
const MOST_FILE_BYTES: u64 = 1024 * 1024;

/// The first byte of every TLS connection: a handshake record.
pub(crate) const FIRST_BYTE: u8 = 0x16;

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that lead from it to an authority, as PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key as PEM: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

/// The certificates that count. Cheap to clone.
#[derive(Clone)]
pub struct CertificatesHandle {
    files: Arc<[CertificateFiles]>,
    current: Arc<Current>,
}

impl fmt::Debug for CertificatesHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatesHandle").field("files", &self.files).finish_non_exhaustive()
    }
}

impl CertificatesHandle {
    /// Reads the files.
    pub(crate) fn open(files: &[CertificateFiles]) -> Result<Self, EdgeError> {
        let current = Current(RwLock::new(load(files)?.into()));
        Ok(Self { files: files.into(), current: Arc::new(current) })
    }

    /// The files, in the order in which they are looked at for a name.
    pub fn files(&self) -> &[CertificateFiles] {
        &self.files
    }

    /// Reads the files again, for handshakes from now on. Open connections go on as they are.
    ///
    /// # Errors
    /// A file that cannot be read or is not what it should be; the certificates from before go on, all of them.
    pub fn reload(&self) -> Result<(), EdgeError> {
        let certificates = load(&self.files)?;
        *self.current.0.write() = certificates.into();
        Ok(())
    }
}

/// Chooses among the certificates by the name that the client asks for.
struct Current(RwLock<Arc<[Arc<CertifiedKey>]>>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current(certificates)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.read().clone();
        let first = certificates.first()?;
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fitting = || certificates.iter().filter(|it| name.as_ref().is_some_and(|name| is_for(it, name)));
        // There may be one for each kind of key.
        let is_usable = |it: &&Arc<CertifiedKey>| it.key.choose_scheme(hello.signature_schemes()).is_some();
        // Whoever asks for no name, or for one that there is no certificate for, gets the first, and judges itself.
        Some(fitting().find(is_usable).or_else(|| fitting().next()).unwrap_or(first).clone())
    }
}

fn is_for(certificate: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed =
        certificate.end_entity_cert().ok().and_then(|certificate| ParsedCertificate::try_from(certificate).ok());
    parsed.is_some_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

fn load(files: &[CertificateFiles]) -> Result<Vec<Arc<CertifiedKey>>, EdgeError> {
    let provider = ring::default_provider();
    files.iter().map(|files| load_one(files, &provider).map(Arc::new)).collect()
}

fn load_one(files: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, EdgeError> {
    let CertificateFiles { certificate, key } = files;
    let wrong = |file: &Path, problem: String| EdgeError::Certificate { file: file.to_owned(), problem };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(certificate, format!("it is not proper PEM: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "it has no CERTIFICATE in it".to_owned()));
    }
    // What is said of a key never says what is in it.
    let der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_error| {
        wrong(key, "it has no private key in it (PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY)".to_owned())
    })?;
    let signing = provider.key_provider.load_private_key(der);
    let signing =
        signing.map_err(|_error| wrong(key, "its private key is none of RSA, ECDSA or Ed25519".to_owned()))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        // Of some kinds of keys nobody can tell.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(wrong(key, format!("it is not the key of the certificate in {}", certificate.display())))
        }
        Err(error) => Err(wrong(certificate, format!("it cannot be used: {error}"))),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, EdgeError> {
    let wrong = |problem: String| EdgeError::Certificate { file: file.to_owned(), problem };
    let size = std::fs::metadata(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?.len();
    if size > MOST_FILE_BYTES {
        return Err(wrong(format!("it has {size} bytes, which is too much for a certificate or key")));
    }
    std::fs::read(file).map_err(|error| wrong(format!("it cannot be read: {error}")))
}

/// Makes TLS of connections.
#[derive(Debug)]
pub(crate) struct Tls {
    config: Arc<ServerConfig>,
    workers: Workers,
}

impl Tls {
    /// With these certificates, TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, and sessions that are resumed by tickets, which the
    /// server keeps nothing for.
    pub(crate) fn new(certificates: &CertificatesHandle) -> Result<Self, EdgeError> {
        let wrong = |error: rustls::Error| EdgeError::Tls(error.to_string());
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(DEFAULT_VERSIONS)
            .map_err(wrong)?
            .with_no_client_auth()
            .with_cert_resolver(certificates.current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new().map_err(wrong)?;
        Ok(Self {
            config: Arc::new(config),
            workers: Workers::start().map_err(|error| EdgeError::Tls(error.to_string()))?,
        })
    }

    /// The handshake, on a thread for handshakes. Ends with it when it is dropped.
    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let handshake = TlsAcceptor::from(self.config.clone()).accept(socket);
        let mut running = Running(self.workers.runtime()?.spawn(handshake));
        (&mut running.0).await.map_err(|_ended| io::Error::from(io::ErrorKind::Interrupted))?
    }
}

/// A handshake; given up when dropped.
struct Running(JoinHandle<io::Result<TlsStream<TcpStream>>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The threads for handshakes: half of the processors. A flood of handshakes, each a signature, waits for itself and leaves
/// the other half to requests.
#[derive(Debug)]
struct Workers(Option<Runtime>);

impl Workers {
    fn start() -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads((processors / 2).max(1)).thread_name("tls-handshake").build()?;
        Ok(Self(Some(runtime)))
    }

    fn runtime(&self) -> io::Result<&Runtime> {
        self.0.as_ref().ok_or_else(|| io::ErrorKind::Interrupted.into())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // A runtime may not be waited for on another one.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
