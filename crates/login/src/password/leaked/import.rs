//! Makes the file from lists: plain ones with a password a line, and those of Have I Been Pwned, `SHA1:count`.

use std::io::{self, BufRead, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::filter::{ENTRY_BYTES, MAGIC, MOST_BITS, length_of, place};
use super::keys::{Keys, Merged};

/// How many entries a bucket has at most on the average: what false positives are, in 65,536.
const BUCKET_ENTRIES: u64 = 32;

/// The longest line that is looked at, in bytes. A longer one is no password.
const LONGEST_LINE: usize = 4096;

/// Digits of a SHA-1.
const HASH_DIGITS: usize = 40;

/// Why no file was made. What was there before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something cannot be written or read.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// There was no password in the lists.
    #[error("there is no password in the lists; nothing was written")]
    Empty,
    /// There are more than the file can hold.
    #[error("there are {entries} passwords; a list holds {most} at most: take those seen more often (--at-least)")]
    TooMany {
        /// How many.
        entries: u64,
        /// How many there may be.
        most: u64,
    },
}

/// What an import found and made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Lines that were read.
    pub lines: u64,
    /// Lines that were passed over: empty, too long, or seen too seldom.
    pub skipped: u64,
    /// Passwords in the file; those that were read twice count once.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// How many in a million of the passwords that were never leaked are taken for one that was.
    pub mistaken_in_a_million: u64,
}

/// Takes lists in, then writes the file. Memory: 32 MiB and 32 KiB for each four million passwords; beside the file it
/// needs eight bytes a password on the disk while it works.
pub struct Importer {
    target: PathBuf,
    keys: Keys,
    at_least: u64,
    lines: u64,
    skipped: u64,
}

impl Importer {
    /// Begins a file at `target`. Of lists with counts, only passwords that were seen `at_least` so often are taken.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn new(target: &Path, at_least: u64) -> Result<Self, ImportError> {
        let keys = Keys::new(folder(target)).map_err(|source| failed(target, source))?;
        Ok(Self { target: target.to_owned(), keys, at_least, lines: 0, skipped: 0 })
    }

    /// Takes a list in; `name` is for messages. Each line is a password as it is, in UTF-8 or not, or 40 hexadecimal digits,
    /// with `:` and a count behind them or not.
    ///
    /// # Errors
    /// If the list cannot be read or the folder not be written to.
    pub fn read(&mut self, name: &Path, list: &mut dyn BufRead) -> Result<(), ImportError> {
        let mut line = Vec::new();
        while read_line(list, &mut line).map_err(|source| failed(name, source))? {
            self.lines += 1;
            match self.key_of(&line) {
                Some(key) => self.keys.push(key).map_err(|source| failed(&self.target, source))?,
                None => self.skipped += 1,
            }
        }
        Ok(())
    }

    fn key_of(&self, line: &[u8]) -> Option<u64> {
        if line.is_empty() || line.len() > LONGEST_LINE {
            return None;
        }
        match hash_line(line) {
            Some((key, count)) => count.is_none_or(|count| count >= self.at_least).then_some(key),
            None => Some(super::key(line)),
        }
    }

    /// Writes the file, and puts it in the place of the one before once it is whole and on the disk.
    ///
    /// # Errors
    /// If there is nothing or too much to write, or it cannot be written.
    pub fn finish(self) -> Result<Imported, ImportError> {
        let Self { target, keys, lines, skipped, .. } = self;
        let most = keys.most();
        let bound = BUCKET_ENTRIES << MOST_BITS;
        if most == 0 {
            return Err(ImportError::Empty);
        }
        // An entry's number has four bytes.
        if most >= bound.min(u64::from(u32::MAX)) {
            return Err(ImportError::TooMany { entries: most, most: bound.min(u64::from(u32::MAX)) - 1 });
        }
        let bits = bits_for(most);
        let entries =
            keys.merged().and_then(|merged| write(&target, merged, bits)).map_err(|source| failed(&target, source))?;
        let mistaken_in_a_million = (u64::from(entries) * 1_000_000) >> (bits + u16::BITS);
        let bytes = length_of(bits, entries);
        Ok(Imported { lines, skipped, entries: entries.into(), bytes, mistaken_in_a_million })
    }
}

/// As many bits that no more than [`BUCKET_ENTRIES`] fall into a bucket on the average.
fn bits_for(entries: u64) -> u32 {
    (0..MOST_BITS).find(|bits| entries <= BUCKET_ENTRIES << bits).unwrap_or(MOST_BITS)
}

/// Writes all of it beside the target, then gives it its name. The number of entries.
fn write(target: &Path, mut keys: Merged, bits: u32) -> io::Result<u32> {
    let mut file = NamedTempFile::new_in(folder(target))?;
    // The index follows the entries and grows with them.
    let mut index = BufWriter::new(tempfile::tempfile_in(folder(target))?);
    let mut out = BufWriter::new(file.as_file_mut());
    let head = |entries: u32| [MAGIC.as_slice(), &bits.to_be_bytes(), &entries.to_be_bytes()].concat();
    out.write_all(&head(0))?;
    let (mut entries, mut buckets, mut last) = (0_u32, 0_u64, None);
    while let Some(key) = keys.next()? {
        let here = place(key, bits);
        if last == Some(here) {
            continue;
        }
        last = Some(here);
        while buckets <= u64::from(here.0) {
            index.write_all(&entries.to_be_bytes())?;
            buckets += 1;
        }
        out.write_all(&here.1.to_be_bytes())?;
        entries += 1;
    }
    while buckets <= 1 << bits {
        index.write_all(&entries.to_be_bytes())?;
        buckets += 1;
    }
    let mut index = index.into_inner().map_err(io::IntoInnerError::into_error)?;
    index.rewind()?;
    io::copy(&mut index, &mut out)?;
    out.rewind()?;
    out.write_all(&head(entries))?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    std::fs::File::open(folder(target))?.sync_all()?;
    debug_assert_eq!(ENTRY_BYTES, u64::from(u16::BITS / 8), "an entry is a u16");
    Ok(entries)
}

/// The next line without its end; false behind the last. Of one that is too long only so much is kept that this shows.
fn read_line(list: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut is_begun = false;
    loop {
        let buffer = list.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        is_begun = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let room = (LONGEST_LINE + 2).saturating_sub(line.len());
        line.extend_from_slice(piece.get(..room).unwrap_or(piece));
        let used = piece.len() + usize::from(end.is_some());
        list.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(is_begun)
}

/// Reads `SHA1` or `SHA1:count`.
fn hash_line(line: &[u8]) -> Option<(u64, Option<u64>)> {
    let (hash, rest) = line.split_at_checked(HASH_DIGITS)?;
    if !hash.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let count = match rest {
        [] => None,
        [b':', digits @ ..] => Some(std::str::from_utf8(digits).ok()?.trim().parse().ok()?),
        _ => return None,
    };
    let first = std::str::from_utf8(hash.get(..16)?).ok()?;
    Some((u64::from_str_radix(first, 16).ok()?, count))
}

fn folder(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn failed(path: &Path, source: io::Error) -> ImportError {
    ImportError::Io { path: path.to_owned(), source }
}
