//! What the tests of this folder share.
#![allow(dead_code, clippy::indexing_slicing, reason = "each test file uses a part of it, and fails by panicking")]

use std::path::{Path, PathBuf};

use base::Limit;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use testkit::{Cluster, Postgres, is_skipped};
use wire::{Connection, Error, Event, ServerError, Settings, Step, Target, TransactionStatus};

/// Starts it, or says that the test is skipped.
pub fn started(test: &str, cluster: Cluster) -> Option<Postgres> {
    let postgres = cluster.start();
    is_skipped(test, postgres.is_none(), "PostgreSQL", "apt-get install postgresql")
        .then_some(())
        .map_or(postgres, |()| None)
}

/// A target without an environment.
pub fn target(text: &str) -> Target {
    Target::parse(text, &|_| None).unwrap()
}

/// The superuser on the unix socket.
pub fn local(postgres: &Postgres) -> Target {
    let folder = postgres.socket_folder().display();
    target(&format!("host={folder} port={} user=postgres dbname=postgres", postgres.port()))
}

pub async fn connect(postgres: &Postgres) -> Connection {
    Connection::open(&local(postgres), &Settings::default()).await.unwrap()
}

/// One value as text.
pub async fn value(connection: &mut Connection, text: &str) -> String {
    let rows = connection.query(text, &[]).await.unwrap();
    rows.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned()
}

/// What a flight gave, without borrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Row(Step, Vec<Option<Vec<u8>>>),
    Complete(Step, String),
    Suspended(Step),
    Failed(Option<Step>, String),
    Ready(TransactionStatus),
}

impl Seen {
    pub fn of(event: Event<'_>) -> Self {
        match event {
            Event::Row(row) => {
                assert_eq!(row.columns().len(), row.iter().len());
                Self::Row(row.step(), row.iter().map(|value| value.map(<[u8]>::to_vec)).collect())
            }
            Event::Complete { step, tag } => Self::Complete(step, tag.to_owned()),
            Event::Suspended { step } => Self::Suspended(step),
            Event::Failed { step, error } => Self::Failed(step, error.code),
            Event::Ready(status) => Self::Ready(status),
        }
    }
}

/// Reads up to and with the next `Ready`.
pub async fn until_ready(connection: &mut Connection) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        seen.push(Seen::of(connection.next().await.unwrap()));
        if matches!(seen.last(), Some(Seen::Ready(_))) {
            return seen;
        }
    }
}

/// The error of the server in a result.
pub fn server_error<T: std::fmt::Debug>(result: Result<T, Error>) -> Box<ServerError> {
    match result {
        Err(Error::Server(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub const PLENTY: Limit = Limit::new("bytes drained by a test", 1 << 30);

/// An authority for tests.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        Self { issuer: CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap() }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate and its key, for these names; the first is the common name as well.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names.clone()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, names[0].clone());
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Writes a file that only its owner may read.
pub fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}
