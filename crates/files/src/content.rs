//! The bytes of a file: held in memory, or read from the disk piece by piece and compared with what was read when it got its name.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::beneath::Root;
use crate::digest::{Digest, Digester, PIECE, PieceDigest, piece_digest};
use crate::walk::Stamp;

/// How often a file is read anew that somebody writes meanwhile, before it is left for the next look.
const TRIES: u32 = 3;

/// Where the bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// In memory.
    Held(Bytes),
    /// In a file of this folder.
    OnDisk(OnDisk),
}

impl Content {
    /// How many bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::OnDisk(file) => file.length,
        }
    }

    /// How many of them are in memory.
    pub(crate) fn held(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::OnDisk(_) => 0,
        }
    }
}

/// A file that is read when it is asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct OnDisk {
    pub(crate) root: Arc<Root>,
    pub(crate) name: Arc<str>,
    pub(crate) length: u64,
    pub(crate) pieces: Arc<[PieceDigest]>,
}

impl OnDisk {
    /// Opens the file. What is in it is looked at when it is read.
    pub(crate) fn open(&self) -> io::Result<Opened> {
        Ok(Opened { file: self.root.file(&self.name)?, content: self.clone() })
    }
}

/// A file that is read.
#[derive(Debug)]
pub(crate) struct Opened {
    file: File,
    content: OnDisk,
}

impl Opened {
    /// What is wanted of the piece in which `wanted` begins: up to its end, or to the end of what is wanted. Blocks.
    ///
    /// # Errors
    /// The file cannot be read, or something else is in it by now.
    pub(crate) fn read(&self, wanted: &Range<u64>) -> io::Result<Bytes> {
        let number = wanted.start / PIECE as u64;
        let start = number * PIECE as u64;
        let end = self.content.length.min(start + PIECE as u64);
        let mut piece = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        self.file.read_exact_at(&mut piece, start)?;
        let known = usize::try_from(number).ok().and_then(|number| self.content.pieces.get(number));
        if known != Some(&piece_digest(&piece)) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file was changed while it was served"));
        }
        let inside = |place: u64| usize::try_from(place.saturating_sub(start)).unwrap_or(usize::MAX);
        let (from, to) = (inside(wanted.start), inside(wanted.end.min(end)));
        let piece = Bytes::from(piece);
        if from > to || to > piece.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(piece.slice(from..to))
    }
}

/// A content as it was read.
#[derive(Debug, Clone)]
pub(crate) struct TakenIn {
    pub(crate) digest: Digest,
    pub(crate) content: Content,
    pub(crate) stamp: Stamp,
}

/// Reads a file as it is at one moment. It is held in memory if `holds` says so of its length. Blocks.
///
/// # Errors
/// It cannot be read, is no file, or is written all the time.
pub(crate) fn take_in(root: &Arc<Root>, name: &str, holds: impl Fn(u64) -> bool) -> io::Result<TakenIn> {
    for _ in 0..TRIES {
        let mut file = root.file(name)?;
        let before = Stamp::of_file(&file)?;
        let is_held = holds(before.size);
        let (digest, pieces, length, bytes) = read(&mut file, before.size, is_held)?;
        if Stamp::of_file(&file)? != before || length != before.size {
            continue;
        }
        let content = if is_held {
            Content::Held(Bytes::from(bytes))
        } else {
            Content::OnDisk(OnDisk { root: root.clone(), name: name.into(), length, pieces: pieces.into() })
        };
        return Ok(TakenIn { digest, content, stamp: before });
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is written while it is read"))
}

/// The hashes of a file, no longer than it was said to be, and its bytes if they are to be held.
fn read(file: &mut File, size: u64, is_held: bool) -> io::Result<(Digest, Vec<PieceDigest>, u64, Vec<u8>)> {
    let mut digester = Digester::default();
    let mut bytes = Vec::with_capacity(if is_held { usize::try_from(size).unwrap_or(0) } else { 0 });
    let mut piece = Vec::with_capacity(PIECE);
    // One byte more shows that it has grown.
    let mut left = file.take(size.saturating_add(1));
    loop {
        piece.clear();
        (&mut left).take(PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            let (digest, pieces, length) = digester.end();
            return Ok((digest, pieces, length, bytes));
        }
        digester.add(&piece);
        if is_held {
            bytes.extend_from_slice(&piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Arc<Root>) {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(Root::open(folder.path()).unwrap());
        (folder, root)
    }

    #[test]
    fn a_content_has_one_name_wherever_it_is_kept() {
        let (folder, root) = folder();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let content: Vec<u8> = (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect();
            std::fs::write(folder.path().join("file"), &content).unwrap();
            let held = take_in(&root, "file", |_| true).unwrap();
            let kept = take_in(&root, "file", |_| false).unwrap();
            assert_eq!((held.digest, held.digest), (kept.digest, Digest::of(&content)), "{length}");
            assert_eq!((held.content.length(), kept.content.length()), (length as u64, length as u64));
            assert_eq!((held.content.held(), kept.content.held()), (length as u64, 0));
            let Content::OnDisk(kept) = kept.content else { panic!("it is held") };
            let opened = kept.open().unwrap();
            let (mut read, mut at) = (Vec::new(), 0);
            while at < length as u64 {
                let piece = opened.read(&(at..length as u64)).unwrap();
                at += piece.len() as u64;
                read.extend_from_slice(&piece);
            }
            assert!(read == content, "{length}");
        }
    }

    #[test]
    fn what_was_changed_is_never_read_as_what_it_was() {
        let (folder, root) = folder();
        let path = folder.path().join("file");
        let content = vec![b'a'; 2 * PIECE + 5];
        std::fs::write(&path, &content).unwrap();
        let Content::OnDisk(kept) = take_in(&root, "file", |_| false).unwrap().content else { panic!("it is held") };
        let opened = kept.open().unwrap();
        let end = content.len() as u64;
        assert_eq!(opened.read(&(5..9)).unwrap(), "aaaa");
        // One byte, in place, of the second piece.
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"b", PIECE as u64 + 3).unwrap();
        assert_eq!(opened.read(&(PIECE as u64 - 1..end)).unwrap(), "a");
        assert!(opened.read(&(PIECE as u64..end)).is_err());
        file.set_len(PIECE as u64).unwrap();
        assert!(opened.read(&(2 * PIECE as u64..end)).is_err());
        assert_eq!(opened.read(&(0..1)).unwrap(), "a");
        std::fs::remove_file(&path).unwrap();
        assert!(kept.open().is_err());
        assert_eq!(opened.read(&(0..1)).unwrap(), "a");
    }
}
