//! The file: a head, the entries, then where each bucket begins.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `pandoLK1` |
//! | 4 | bits that number the buckets |
//! | 4 | how many entries |
//! | 2 each | entries: the 16 bits that follow those of the bucket, sorted within it |
//! | 4 each | how many entries stand before each bucket, and behind the last one |
//!
//! All numbers have their highest byte first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What the file begins with; the digit is its version.
pub(super) const MAGIC: &[u8; 8] = b"pandoLK1";

/// Bytes of the head.
pub(super) const HEAD_BYTES: u64 = 16;

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: u64 = 2;

/// Bytes of a place in the index.
pub(super) const PLACE_BYTES: u64 = 4;

/// The most bits of a bucket's number: two thousand million passwords.
pub(super) const MOST_BITS: u32 = 27;

/// The largest bucket that is looked through. Buckets have 32 entries on the average at most; a file with a much larger
/// one was not made of hashes.
const LARGEST_BUCKET: u32 = 4096;

/// An opened file. It is read as it is looked up; the system keeps what is asked for often.
#[derive(Debug)]
pub struct Leaked {
    file: File,
    bits: u32,
    entries: u32,
}

/// A file of leaked passwords is not usable.
#[derive(Debug, thiserror::Error)]
pub enum LeakedError {
    /// It cannot be read.
    #[error("the list of leaked passwords {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is not such a file, or not all of it.
    #[error("{path} is no list of leaked passwords, or a damaged one: `pando passwords import` makes it from lists")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

impl Leaked {
    /// Opens a file and looks at its head and length.
    ///
    /// # Errors
    /// If it cannot be read or was not made by [`super::Importer`].
    pub fn open(path: &Path) -> Result<Self, LeakedError> {
        let unreadable = |source| LeakedError::Unreadable { path: path.to_owned(), source };
        let damaged = || LeakedError::Damaged { path: path.to_owned() };
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        if length < HEAD_BYTES {
            return Err(damaged());
        }
        let mut magic = [0; 8];
        file.read_exact_at(&mut magic, 0).map_err(unreadable)?;
        let [bits, entries] = numbers(&file, 8).map_err(unreadable)?;
        let is_whole = &magic == MAGIC && bits <= MOST_BITS && length == length_of(bits, entries);
        if is_whole { Ok(Self { file, bits, entries }) } else { Err(damaged()) }
    }

    /// How many passwords are in it.
    pub fn len(&self) -> u32 {
        self.entries
    }

    /// Whether there is none in it.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether a password is in it; of others, at most 5 in 10,000 are taken for one that is.
    ///
    /// # Errors
    /// If the file cannot be read any more, or is damaged just here.
    pub fn contains(&self, password: &str) -> io::Result<bool> {
        let (bucket, entry) = place(super::key(password.as_bytes()), self.bits);
        let index = HEAD_BYTES + u64::from(self.entries) * ENTRY_BYTES;
        let [begin, end] = numbers(&self.file, index + u64::from(bucket) * PLACE_BYTES)?;
        let count = end.checked_sub(begin).filter(|count| *count <= LARGEST_BUCKET && end <= self.entries);
        let count = count.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let mut entries = vec![0; count as usize * ENTRY_BYTES as usize];
        self.file.read_exact_at(&mut entries, HEAD_BYTES + u64::from(begin) * ENTRY_BYTES)?;
        Ok(entries.chunks_exact(2).any(|found| found == entry.to_be_bytes()))
    }
}

/// Where a key stands: its bucket, and its entry within it.
pub(super) fn place(key: u64, bits: u32) -> (u32, u16) {
    let bucket = if bits == 0 { 0 } else { key >> (u64::BITS - bits) };
    let entry = (key << bits) >> (u64::BITS - u16::BITS);
    (bucket as u32, entry as u16)
}

/// How long a file with so many bits and entries is.
pub(super) fn length_of(bits: u32, entries: u32) -> u64 {
    HEAD_BYTES + u64::from(entries) * ENTRY_BYTES + ((1_u64 << bits) + 1) * PLACE_BYTES
}

fn numbers(file: &File, offset: u64) -> io::Result<[u32; 2]> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, offset)?;
    let both = u64::from_be_bytes(bytes);
    Ok([(both >> 32) as u32, both as u32])
}
