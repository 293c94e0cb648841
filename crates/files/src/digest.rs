//! What a file holds, in few bytes: a hash of each of its pieces, and one over those.
//!
//! A large file is read from the disk while it is sent, and somebody may write into it meanwhile. Each piece is compared with its hash
//! before it leaves, so that nothing is ever sent under a name (an entity tag) that it was not read for.

use sha2::{Digest as _, Sha256};

/// How much of a file is read and compared at once. Whoever asks for one byte has this much read for it.
pub(crate) const PIECE: usize = 128 * 1024;

/// The hash of one piece: half of SHA-256. 4 MiB of them stand for 32 GiB.
pub(crate) type PieceDigest = [u8; 16];

/// The hash of a whole content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// Of a content that is at hand.
    pub fn of(content: &[u8]) -> Self {
        let mut digester = Digester::default();
        for piece in content.chunks(PIECE) {
            digester.add(piece);
        }
        digester.end().0
    }

    /// So many hexadecimal digits of it.
    pub fn hexadecimal(&self, digits: usize) -> String {
        use std::fmt::Write as _;
        let mut text = self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // A string takes everything.
            let _written = write!(text, "{byte:02x}");
            text
        });
        text.truncate(digits);
        text
    }
}

/// The hash of a piece.
pub(crate) fn piece_digest(piece: &[u8]) -> PieceDigest {
    half(Sha256::digest(piece).as_slice())
}

fn half(digest: &[u8]) -> PieceDigest {
    digest.first_chunk().copied().unwrap_or_default()
}

/// Hashes pieces one after the other.
#[derive(Default)]
pub(crate) struct Digester {
    pieces: Vec<PieceDigest>,
    whole: Sha256,
    length: u64,
}

impl Digester {
    /// The next piece; all but the last have [`PIECE`] bytes.
    pub(crate) fn add(&mut self, piece: &[u8]) {
        let digest = Sha256::digest(piece);
        self.whole.update(digest);
        self.pieces.push(half(digest.as_slice()));
        self.length += piece.len() as u64;
    }

    /// The hash of all, those of the pieces, and how many bytes it was.
    pub(crate) fn end(mut self) -> (Digest, Vec<PieceDigest>, u64) {
        self.whole.update(self.length.to_be_bytes());
        let whole = self.whole.finalize();
        (Digest(whole.as_slice().first_chunk().copied().unwrap_or_default()), self.pieces, self.length)
    }
}
