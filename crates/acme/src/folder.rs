//! The folder in which account, key and certificate are kept, and through which processes that share it tell one another.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{AcmeError, Config};

/// The largest file that is read: chains are some kilobytes.
const MOST_FILE_BYTES: u64 = 1024 * 1024;

/// The files of one certificate and of the account that it is ordered with.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    folder: PathBuf,
    name: String,
}

/// What a file looks like from outside; `None` when there is none.
pub(crate) type Look = Option<(u64, Option<SystemTime>)>;

/// Whoever has it may order. Given back when it is dropped, or its process ends.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: File,
}

impl Folder {
    /// Makes the folder, for nobody else to read, and tries whether it can be written: what is ordered has to be kept.
    pub(crate) fn open(config: &Config) -> Result<Self, AcmeError> {
        let folder = config.authority_folder();
        let wrong = |source| AcmeError::Folder { folder: folder.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(wrong)?;
        let opened = Self { folder: folder.clone(), name: config.name() };
        opened.write("probe", b"").and_then(|()| opened.remove("probe")).map_err(wrong)?;
        Ok(opened)
    }

    /// Key and certificate.
    pub(crate) fn certificate(&self) -> String {
        format!("{}.pem", self.name)
    }

    /// What is remembered of orders.
    pub(crate) fn attempts(&self) -> String {
        format!("{}.attempts.json", self.name)
    }

    /// Challenges that are shown.
    pub(crate) fn challenges(&self) -> String {
        format!("{}.challenges.json", self.name)
    }

    /// The account at the authority.
    pub(crate) const ACCOUNT: &str = "account.json";

    /// Looks at a file without reading it.
    pub(crate) fn look(&self, file: &str) -> Look {
        let metadata = fs::metadata(self.path(file)).ok()?;
        Some((metadata.len(), metadata.modified().ok()))
    }

    /// A file's bytes; `None` when there is none.
    pub(crate) fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>> {
        let opened = match File::open(self.path(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        opened.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_FILE_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has more than {MOST_FILE_BYTES} bytes"),
            ));
        }
        Ok(Some(bytes))
    }

    /// A file's value; `None` when there is none.
    pub(crate) fn read_value<T: DeserializeOwned>(&self, file: &str) -> io::Result<Option<T>> {
        let Some(bytes) = self.read(file)? else { return Ok(None) };
        // What stands in it may be a key: not even a part of it is told.
        let value = serde_json::from_slice(&bytes)
            .map_err(|_error| io::Error::new(io::ErrorKind::InvalidData, "it is not what was written; remove it"))?;
        Ok(Some(value))
    }

    /// Writes a file, readable for nobody else, whole or not at all.
    pub(crate) fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        // For its owner alone (0600) from the beginning.
        let mut temporary = tempfile::NamedTempFile::new_in(&self.folder)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(self.path(file))?;
        // Its name is kept by the folder.
        File::open(&self.folder)?.sync_all()
    }

    /// Writes a value.
    pub(crate) fn write_value<T: Serialize>(&self, file: &str, value: &T) -> io::Result<()> {
        self.write(file, &serde_json::to_vec(value)?)
    }

    /// Removes a file, if there is one.
    pub(crate) fn remove(&self, file: &str) -> io::Result<()> {
        match fs::remove_file(self.path(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// The right to order; `None` while another process has it.
    pub(crate) fn take_turn(&self) -> io::Result<Option<Turn>> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.path("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Turn { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        Path::new(&self.folder).join(file)
    }
}
