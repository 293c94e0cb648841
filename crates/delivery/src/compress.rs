//! Compresses bodies: whole, or piece by piece.

use std::cell::RefCell;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::Coding;

/// Shorter bodies are sent as they are: with the headers around them they fit into one packet anyway, and what a coding
/// adds by itself (up to 20 bytes) and costs (some µs) is more than it saves.
pub const LEAST_BYTES: usize = 860;

/// For answers that are made for one request. Measured on rows as JSON, 60 KB, one core (`tests/cost.rs`): zstd takes 0.10 ms
/// and leaves 16 % of the size, brotli 0.40 ms and 14 %, gzip 0.30 ms and 14 %. Of 1 KB: 8, 39 and 18 µs, 28, 25 and 28 %.
const ZSTANDARD_LEVEL: i32 = 3;
const BROTLI_QUALITY: u32 = 4;
const GZIP_LEVEL: u32 = 5;

/// For files that are compressed once and sent often.
const BEST_ZSTANDARD_LEVEL: i32 = 19;
const BEST_BROTLI_QUALITY: u32 = 11;
const BEST_GZIP_LEVEL: u32 = 9;

/// The window of a browser's zstd (RFC 9659): 8 MiB.
pub(crate) const WINDOW_LOG: u32 = 23;

/// Streams are long, and there may be as many of them at once as there are requests: 1 MiB of window each.
const STREAM_WINDOW_LOG: u32 = 20;

/// What brotli hands over at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// Compresses a whole body as quickly as answers need it.
///
/// # Errors
/// No memory; with a body in memory there is no other.
pub fn compress(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Zstandard => zstandard(body),
        Coding::Brotli => brotli(body, BROTLI_QUALITY, brotli_window(body.len())),
        Coding::Gzip => gzip(body, GZIP_LEVEL),
    }
}

/// Compresses a whole body as far as it goes, however long that takes (brotli: about a second for 1 MB). For files, once.
///
/// # Errors
/// No memory.
pub fn compress_best(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Zstandard => {
            let mut compressor = zstd::bulk::Compressor::new(BEST_ZSTANDARD_LEVEL)?;
            compressor.set_parameter(zstd::zstd_safe::CParameter::WindowLog(WINDOW_LOG))?;
            compressor.compress(body)
        }
        Coding::Brotli => brotli(body, BEST_BROTLI_QUALITY, 24),
        Coding::Gzip => gzip(body, BEST_GZIP_LEVEL),
    }
}

thread_local! {
    /// A context of zstd is a few hundred kB that would have to be cleared for every body.
    static CONTEXT: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

fn zstandard(body: &[u8]) -> io::Result<Vec<u8>> {
    CONTEXT.with_borrow_mut(|context| match context {
        Some(compressor) => compressor.compress(body),
        None => context.insert(zstd::bulk::Compressor::new(ZSTANDARD_LEVEL)?).compress(body),
    })
}

/// No larger than the body needs it: the encoder allocates and clears as much.
fn brotli_window(bytes: usize) -> u32 {
    usize::BITS.saturating_sub(bytes.leading_zeros()).clamp(16, 22)
}

fn brotli(body: &[u8], quality: u32, window: u32) -> io::Result<Vec<u8>> {
    let room = Vec::with_capacity(body.len() / 4 + 64);
    let mut writer = brotli::CompressorWriter::new(room, BUFFER_BYTES, quality, window);
    writer.write_all(body)?;
    Ok(writer.into_inner())
}

fn gzip(body: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4 + 64), Compression::new(level));
    encoder.write_all(body)?;
    encoder.finish()
}

/// Compresses a body that comes in pieces. After each piece everything that it holds has been given out, so that a client
/// sees a row as early as without it; that costs a few bytes a piece.
pub struct Compressor(Encoder);

enum Encoder {
    Zstandard(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            Encoder::Zstandard(_) => "Compressor(zstd)",
            Encoder::Brotli(_) => "Compressor(br)",
            Encoder::Gzip(_) => "Compressor(gzip)",
        })
    }
}

impl Compressor {
    /// Begins a body.
    ///
    /// # Errors
    /// No memory.
    pub fn new(coding: Coding) -> io::Result<Self> {
        Ok(Self(match coding {
            Coding::Zstandard => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTANDARD_LEVEL)?;
                encoder.window_log(STREAM_WINDOW_LOG)?;
                Encoder::Zstandard(encoder)
            }
            Coding::Brotli => {
                let writer = brotli::CompressorWriter::new(Vec::new(), BUFFER_BYTES, BROTLI_QUALITY, STREAM_WINDOW_LOG);
                Encoder::Brotli(Box::new(writer))
            }
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
        }))
    }

    /// The next piece, and everything of it out again.
    ///
    /// # Errors
    /// No memory. The body cannot be continued then.
    pub fn push(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        match &mut self.0 {
            Encoder::Zstandard(encoder) => flushed(encoder, piece).map(|encoder| std::mem::take(encoder.get_mut())),
            Encoder::Brotli(writer) => flushed(&mut **writer, piece).map(|writer| std::mem::take(writer.get_mut())),
            Encoder::Gzip(encoder) => flushed(encoder, piece).map(|encoder| std::mem::take(encoder.get_mut())),
        }
    }

    /// The end of the body.
    ///
    /// # Errors
    /// No memory.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Encoder::Zstandard(encoder) => encoder.finish(),
            Encoder::Brotli(writer) => Ok(writer.into_inner()),
            Encoder::Gzip(encoder) => encoder.finish(),
        }
    }
}

fn flushed<'a, W: Write>(writer: &'a mut W, piece: &[u8]) -> io::Result<&'a mut W> {
    writer.write_all(piece)?;
    writer.flush()?;
    Ok(writer)
}
