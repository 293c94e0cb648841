//! Files made smaller ahead of time: by the build tool that has put `app.js.br` beside `app.js`, by an earlier start, or now.

use std::sync::Arc;

use delivery::{Coding, RequestCoding, compress_best, decompress};

use crate::content::Content;
use crate::digest::{Digest, PIECE};
use crate::index::{Entry, Index, Smaller};
use crate::kept::Kept;

/// Larger files are not compressed here: brotli would take half a minute for one. A build tool may do it.
const LARGEST: u64 = 16 * 1024 * 1024;
/// A build tool's are compared with the file itself as long as both fit into memory for a moment.
const LARGEST_OF_OTHERS: u64 = 64 * 1024 * 1024;
/// What is not smaller by a sixteenth is not worth a header.
const LEAST_GAIN: u64 = 16;

/// The endings that build tools write.
const ENDINGS: [(Coding, &str); 3] = [(Coding::Brotli, ".br"), (Coding::Zstandard, ".zst"), (Coding::Gzip, ".gz")];

/// Makes a file smaller in every coding. Blocks, for as long as it takes.
pub(crate) fn make(
    (name, entry): (&str, &Entry),
    index: &Index,
    kept: &mut Option<Kept>,
    holds: &dyn Fn(u64) -> bool,
) -> Vec<Smaller> {
    let length = entry.content.length();
    if !entry.is_compressible || length < delivery::LEAST_BYTES as u64 || length > LARGEST_OF_OTHERS {
        return Vec::new();
    }
    let mut plain = Plain::NotRead;
    let mut made = Vec::new();
    for (coding, ending) in ENDINGS {
        let sibling = index.get(&format!("{name}{ending}")).filter(|sibling| is_same(sibling, entry, coding));
        let coded = match sibling {
            // Its bytes are counted already.
            Some(sibling) => Some((sibling.content.clone(), sibling.digest)),
            None if length <= LARGEST => own(entry, coding, kept, holds, &mut plain),
            None => None,
        };
        let is_worth = |content: &Content| content.length() > 0 && content.length() < length - length / LEAST_GAIN;
        let coded = coded.filter(|(content, _)| is_worth(content));
        made.extend(coded.map(|(content, digest)| Smaller { coding, content, tag: entry.coded_tag(coding, &digest) }));
    }
    made
}

/// The bytes of the file, read when they are first needed.
enum Plain {
    NotRead,
    Read(Option<Arc<[u8]>>),
}

impl Plain {
    fn get(&mut self, entry: &Entry) -> Option<Arc<[u8]>> {
        if let Self::NotRead = self {
            *self = Self::Read(read(&entry.content).map(Into::into));
        }
        match self {
            Self::Read(bytes) => bytes.clone(),
            Self::NotRead => None,
        }
    }
}

/// From the folder, or made and put there, with its hash.
fn own(
    entry: &Entry,
    coding: Coding,
    kept: &mut Option<Kept>,
    holds: &dyn Fn(u64) -> bool,
    plain: &mut Plain,
) -> Option<(Content, Digest)> {
    if let Some(content) = kept.as_ref().and_then(|kept| kept.get(&entry.digest, coding, holds)) {
        return Some(content);
    }
    let plain = plain.get(entry)?;
    let bytes = compress_best(coding, &plain).ok()?;
    let is_worth = (bytes.len() as u64) < plain.len() as u64 - plain.len() as u64 / LEAST_GAIN;
    let bytes = if is_worth { bytes } else { Vec::new() };
    if let Some(folder) = kept {
        if folder.put(&entry.digest, coding, &bytes).is_ok() {
            return folder.get(&entry.digest, coding, holds);
        }
        // A disk that is full or read-only is not asked again for each file.
        *kept = None;
    }
    let digest = Digest::of(&bytes);
    holds(bytes.len() as u64).then(|| (Content::Held(bytes.into()), digest))
}

/// Whether what a build tool has left is made of this very file: it may be of an earlier build.
fn is_same(sibling: &Entry, entry: &Entry, coding: Coding) -> bool {
    let most = usize::try_from(entry.content.length()).unwrap_or(0);
    if sibling.content.length() > LARGEST_OF_OTHERS {
        return false;
    }
    read(&sibling.content)
        .and_then(|bytes| decompress(&[RequestCoding::Known(coding)], &bytes, most).ok())
        .is_some_and(|plain| Digest::of(&plain) == entry.digest)
}

fn read(content: &Content) -> Option<Vec<u8>> {
    match content {
        Content::Held(bytes) => Some(bytes.to_vec()),
        Content::OnDisk(file) => {
            let opened = file.open().ok()?;
            let mut bytes = Vec::with_capacity(usize::try_from(file.length).ok()?);
            for start in (0..file.length).step_by(PIECE) {
                bytes.extend_from_slice(&opened.read(&(start..file.length)).ok()?);
            }
            Some(bytes)
        }
    }
}
