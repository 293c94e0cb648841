//! TLS: certificates that can be replaced while the server runs, and handshakes that cannot take all processors, nor all places.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{Acceptor, ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DEFAULT_VERSIONS, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::challenge::{Challenge, Challenges};
use crate::{EdgeError, TlsConfig};

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

/// What files look like from outside, length and time of each: it tells when they have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesLook(Vec<Option<(u64, Option<SystemTime>)>>);

impl FilesLook {
    fn of(files: &[CertificateFiles]) -> Self {
        let look = |file: &PathBuf| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.len(), metadata.modified().ok()))
        };
        Self(files.iter().flat_map(|files| [&files.certificate, &files.key]).map(look).collect())
    }
}

/// The certificates that count. Cheap to clone.
#[derive(Clone)]
pub struct CertificatesHandle {
    files: Arc<[CertificateFiles]>,
    fetched: Option<PathBuf>,
    opened: FilesLook,
    current: Arc<Current>,
    /// Held while files are read, so that what was read earlier never takes the place of what was read later.
    reading: Arc<Mutex<()>>,
    challenges: Challenges,
}

impl fmt::Debug for CertificatesHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatesHandle").field("files", &self.files).finish_non_exhaustive()
    }
}

impl CertificatesHandle {
    /// Reads the files. A fetched one that cannot be used is awaited like one that is not there: another will be fetched.
    pub(crate) fn open(config: &TlsConfig) -> Result<Self, EdgeError> {
        let files: Arc<[CertificateFiles]> = Arc::from(config.files.as_slice());
        // Before they are read: what changes meanwhile is read once more.
        let opened = FilesLook::of(&files);
        let fetched = config.fetched.as_deref().map(|file| load_fetched(file).ok().flatten());
        let current = Current(RwLock::new(Arc::new(Loaded { fetched, others: load(&files)? })));
        Ok(Self {
            files,
            fetched: config.fetched.clone(),
            opened,
            current: Arc::new(current),
            reading: Arc::default(),
            challenges: Challenges::default(),
        })
    }

    /// The files that others write, as they look now.
    pub fn look(&self) -> FilesLook {
        FilesLook::of(&self.files)
    }

    /// How they looked when they were first read.
    pub fn opened(&self) -> &FilesLook {
        &self.opened
    }

    /// How many certificates count.
    pub fn count(&self) -> usize {
        self.current.0.read().iter().count()
    }

    /// Reads the files again, for handshakes from now on. Open connections go on as they are.
    ///
    /// # Errors
    /// A file that cannot be read or is not what it should be: those that others write count all or none, and the one that is
    /// fetched by itself. What cannot be read goes on as it was.
    pub fn reload(&self) -> Result<(), EdgeError> {
        let _alone = self.reading.lock();
        let others = load(&self.files).map(|others| {
            let fetched = self.current.0.read().fetched.clone();
            *self.current.0.write() = Arc::new(Loaded { fetched, others });
        });
        self.take_fetched().and(others)
    }

    /// Reads the fetched one again.
    ///
    /// # Errors
    /// It cannot be read or is not what it should be; the one from before goes on.
    pub fn reload_fetched(&self) -> Result<(), EdgeError> {
        let _alone = self.reading.lock();
        self.take_fetched()
    }

    fn take_fetched(&self) -> Result<(), EdgeError> {
        let Some(file) = &self.fetched else { return Ok(()) };
        let fetched = Some(load_fetched(file)?);
        let others = self.current.0.read().others.clone();
        *self.current.0.write() = Arc::new(Loaded { fetched, others });
        Ok(())
    }

    /// Answers these challenges from now on, and no others.
    ///
    /// # Errors
    /// The key of a challenge that TLS cannot use; the challenges from before go on.
    pub fn answer_challenges(&self, challenges: Vec<Challenge>) -> Result<(), EdgeError> {
        self.challenges.replace(challenges)
    }

    /// The challenges that are answered.
    pub(crate) fn challenges(&self) -> &Challenges {
        &self.challenges
    }
}

/// What was read from the files.
struct Loaded {
    /// The one that is fetched, where one is; `None` inside as long as it is awaited.
    fetched: Option<Option<Arc<CertifiedKey>>>,
    others: Vec<Arc<CertifiedKey>>,
}

impl Loaded {
    /// The one that is fetched comes first, as soon as there is one.
    fn iter(&self) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        self.fetched.iter().flatten().chain(&self.others)
    }
}

/// Chooses among the certificates by the name that the client asks for.
struct Current(RwLock<Arc<Loaded>>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current(certificates)")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let loaded = self.0.read().clone();
        // While one is awaited, one for other names would only look like an attack.
        let first = loaded.iter().next().filter(|_| !matches!(loaded.fetched, Some(None)));
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fitting = || loaded.iter().filter(|it| name.as_ref().is_some_and(|name| is_for(it, name)));
        // There may be one for each kind of key.
        let is_usable = |it: &&Arc<CertifiedKey>| it.key.choose_scheme(hello.signature_schemes()).is_some();
        // Whoever asks for no name, or for one that there is no certificate for, gets the first, and judges itself.
        fitting().find(is_usable).or_else(|| fitting().next()).or(first).cloned()
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

/// `None` when there is none.
fn load_fetched(file: &Path) -> Result<Option<Arc<CertifiedKey>>, EdgeError> {
    if !file.exists() {
        return Ok(None);
    }
    let both = CertificateFiles { certificate: file.to_owned(), key: file.to_owned() };
    load_one(&both, &ring::default_provider()).map(|it| Some(Arc::new(it)))
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
    challenges: Challenges,
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
            challenges: certificates.challenges.clone(),
            workers: Workers::start().map_err(|error| EdgeError::Tls(error.to_string()))?,
        })
    }

    /// Waits for all of what a client begins a handshake with. Nothing is computed for it yet.
    pub(crate) async fn hello(&self, socket: TcpStream) -> io::Result<StartHandshake<TcpStream>> {
        LazyConfigAcceptor::new(Acceptor::default(), socket).await
    }

    /// The handshake, on a thread for handshakes. Ends with it when it is dropped. `None` when it was all that an authority
    /// wanted to see. `place` is given back as soon as the server has done its part: who waits for the client's is no burden.
    pub(crate) async fn accept<P: Send + 'static>(
        &self,
        hello: StartHandshake<TcpStream>,
        place: P,
    ) -> io::Result<Option<TlsStream<TcpStream>>> {
        let challenge = self.challenges.for_hello(&hello.client_hello());
        let is_challenge = challenge.is_some();
        let config = challenge.unwrap_or_else(|| self.config.clone());
        let handshake = async move {
            let mut accepting = pin!(hello.into_stream(config));
            let mut place = Some(place);
            let mut stream = poll_fn(|context| {
                let polled = accepting.as_mut().poll(context);
                place.take();
                polled
            })
            .await?;
            if is_challenge {
                // RFC 8737 section 3: nothing is said on such a connection.
                let _said_goodbye = stream.shutdown().await;
                return Ok(None);
            }
            Ok(Some(stream))
        };
        let mut running = Running(self.workers.runtime()?.spawn(handshake));
        (&mut running.0).await.map_err(|_ended| io::Error::from(io::ErrorKind::Interrupted))?
    }
}

/// A handshake; given up when dropped.
struct Running(JoinHandle<io::Result<Option<TlsStream<TcpStream>>>>);

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
