//! Decompresses bodies of requests, no further than their limit.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use crate::compress::WINDOW_LOG;
use crate::{Coding, list};

/// Codings that a body may be in, one around the other. Nobody needs more than one; two happen by mistake.
pub const MOST_CODINGS: usize = 2;

/// How many times as large as it came a body may become. Rows of the same words over and over reach 100; what is far
/// beyond is made to use the server's memory up with few bytes: gzip reaches 1,000, brotli and zstd 10,000 and more.
pub const MOST_RATIO: usize = 200;

/// Small bodies may grow as they like.
const FREE_BYTES: usize = 64 * 1024;

/// Read at once.
const STEP_BYTES: usize = 32 * 1024;

/// A coding that bodies of requests come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestCoding {
    /// One that answers are sent in as well.
    Known(Coding),
    /// `deflate`: zlib (RFC 1950), or, as some clients send it, deflate (RFC 1951) without anything around it.
    Deflate,
}

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// `Content-Encoding` names one that is not known: 415.
    #[error("a content coding that is not known")]
    Unknown,
    /// It names more than [`MOST_CODINGS`]: 415.
    #[error("more than {MOST_CODINGS} content codings around one another")]
    TooMany,
    /// It is not in the coding that it says it is in, or ends too early: 400.
    #[error("not a proper {0} body")]
    Broken(&'static str),
    /// It becomes larger than what is taken: 413.
    #[error("too large once it is decompressed")]
    TooLarge,
    /// It becomes more than [`MOST_RATIO`] times as large as it came: 413.
    #[error("more than {MOST_RATIO} times as large once it is decompressed")]
    TooDense,
}

/// The codings of a request's body, in the order in which they were applied.
///
/// # Errors
/// [`Undecodable::Unknown`] and [`Undecodable::TooMany`].
pub fn codings(headers: &HeaderMap) -> Result<Vec<RequestCoding>, Undecodable> {
    let mut codings = Vec::new();
    for name in list::members(headers, &CONTENT_ENCODING) {
        let coding = match Coding::of_name(name) {
            Some(coding) => RequestCoding::Known(coding),
            None if name.eq_ignore_ascii_case(b"deflate") => RequestCoding::Deflate,
            None if name.eq_ignore_ascii_case(b"identity") => continue,
            None => return Err(Undecodable::Unknown),
        };
        if codings.len() == MOST_CODINGS {
            return Err(Undecodable::TooMany);
        }
        codings.push(coding);
    }
    Ok(codings)
}

/// Takes all codings off, of at most `most` bytes each.
///
/// # Errors
/// The others of [`Undecodable`].
pub fn decompress(codings: &[RequestCoding], body: &[u8], most: usize) -> Result<Vec<u8>, Undecodable> {
    let densest = body.len().saturating_mul(MOST_RATIO).max(FREE_BYTES);
    let bound = Bound {
        most: most.min(densest),
        beyond: if most <= densest { Undecodable::TooLarge } else { Undecodable::TooDense },
    };
    let mut left = codings.iter().rev();
    let Some(outermost) = left.next() else {
        return if body.len() > most { Err(Undecodable::TooLarge) } else { Ok(body.to_vec()) };
    };
    let mut whole = open(*outermost, body, &bound)?;
    for coding in left {
        whole = open(*coding, &whole, &bound)?;
    }
    Ok(whole)
}

/// How large a body may become, and what it is when it becomes larger.
struct Bound {
    most: usize,
    beyond: Undecodable,
}

fn open(coding: RequestCoding, body: &[u8], bound: &Bound) -> Result<Vec<u8>, Undecodable> {
    match coding {
        RequestCoding::Known(Coding::Gzip) => read(MultiGzDecoder::new(body), "gzip", bound),
        RequestCoding::Known(Coding::Brotli) => brotli(body, bound),
        RequestCoding::Known(Coding::Zstandard) => {
            let broken = |_error: io::Error| Undecodable::Broken("zstd");
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(broken)?;
            decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
            read(decoder, "zstd", bound)
        }
        RequestCoding::Deflate => {
            // What begins like zlib is hardly ever deflate alone: that would be a stored block with bits in its padding.
            let is_zlib = matches!(body, [first, second, ..]
                if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0);
            inflate(body, is_zlib, bound)
        }
    }
}

fn read(mut reader: impl Read, name: &'static str, bound: &Bound) -> Result<Vec<u8>, Undecodable> {
    let mut whole = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let length = reader.read(&mut step).map_err(|_error| Undecodable::Broken(name))?;
        if length == 0 {
            return Ok(whole);
        }
        take(&mut whole, step.get(..length).unwrap_or_default(), bound)?;
    }
}

fn take(whole: &mut Vec<u8>, piece: &[u8], bound: &Bound) -> Result<(), Undecodable> {
    if whole.len().saturating_add(piece.len()) > bound.most {
        return Err(bound.beyond.clone());
    }
    whole.extend_from_slice(piece);
    Ok(())
}

fn brotli(body: &[u8], bound: &Bound) -> Result<Vec<u8>, Undecodable> {
    let mut reader = brotli::Decompressor::new(body, STEP_BYTES);
    let whole = read(&mut reader, "br", bound)?;
    // It says at its second end that there is more in its buffer, and nothing of what it has not read yet.
    match reader.read(&mut [0; 1]) {
        Ok(0) if reader.get_ref().is_empty() => Ok(whole),
        _ => Err(Undecodable::Broken("br")),
    }
}

/// The reader of the crate takes the end of the bytes for the end of the body, wherever that is.
fn inflate(body: &[u8], is_zlib: bool, bound: &Bound) -> Result<Vec<u8>, Undecodable> {
    let broken = || Undecodable::Broken("deflate");
    let mut inflater = Decompress::new(is_zlib);
    let mut whole = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let (taken, made) = (inflater.total_in(), inflater.total_out());
        let left = usize::try_from(taken).ok().and_then(|taken| body.get(taken..)).unwrap_or_default();
        let status = inflater.decompress(left, &mut step, FlushDecompress::None).map_err(|_error| broken())?;
        let length = usize::try_from(inflater.total_out() - made).unwrap_or(usize::MAX);
        take(&mut whole, step.get(..length).unwrap_or_default(), bound)?;
        let is_all = usize::try_from(inflater.total_in()).is_ok_and(|taken| taken == body.len());
        match status {
            Status::StreamEnd if is_all => return Ok(whole),
            Status::StreamEnd => return Err(broken()),
            _ if inflater.total_in() == taken && length == 0 => return Err(broken()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;
    use crate::compress;

    const MOST: usize = 5 * 1024 * 1024;
    const GZIP: RequestCoding = RequestCoding::Known(Coding::Gzip);

    fn read_codings(lines: &[&'static str]) -> Result<Vec<RequestCoding>, Undecodable> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
        }
        codings(&headers)
    }

    #[test]
    fn codings_are_read_in_order() {
        assert_eq!(read_codings(&[]), Ok(vec![]));
        assert_eq!(read_codings(&["identity, Identity"]), Ok(vec![]));
        assert_eq!(read_codings(&["x-GZIP"]), Ok(vec![GZIP]));
        assert_eq!(
            read_codings(&["deflate", "br"]),
            Ok(vec![RequestCoding::Deflate, RequestCoding::Known(Coding::Brotli)])
        );
        assert_eq!(read_codings(&["compress"]), Err(Undecodable::Unknown));
        assert_eq!(read_codings(&["gzip, gzip, gzip"]), Err(Undecodable::TooMany));
    }

    fn deflated(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    /// The body in every coding.
    fn all(body: &[u8]) -> Vec<(RequestCoding, Vec<u8>)> {
        let known = Coding::ALL.map(|coding| (RequestCoding::Known(coding), compress(coding, body).unwrap()));
        let deflate = [zlib(body), deflated(body)].map(|coded| (RequestCoding::Deflate, coded));
        known.into_iter().chain(deflate).collect()
    }

    #[test]
    fn what_is_cut_off_or_followed_by_more_is_broken() {
        let body = b"[{\"id\":1,\"name\":\"Kanti\"},{\"id\":2,\"name\":\"Lena\"}]".repeat(20);
        for (coding, coded) in all(&body) {
            assert_eq!(decompress(&[coding], &coded, MOST).as_ref(), Ok(&body), "{coding:?}");
            for end in 0..coded.len() {
                let opened = decompress(&[coding], &coded[..end], MOST);
                assert!(matches!(opened, Err(Undecodable::Broken(_))), "{coding:?} {end} {opened:?}");
            }
            for more in [&b"x"[..], &[0; 100_000]] {
                let longer = [&coded, more].concat();
                let opened = decompress(&[coding], &longer, MOST);
                assert!(matches!(opened, Err(Undecodable::Broken(_))), "{coding:?} {opened:?}");
            }
        }
    }

    #[test]
    fn bodies_grow_to_their_limit() {
        let body: Vec<u8> =
            (0..60_000_u32).flat_map(|number| number.wrapping_mul(number).to_string().into_bytes()).collect();
        for (coding, coded) in all(&body) {
            assert!(decompress(&[coding], &coded, body.len()).is_ok_and(|opened| opened == body), "{coding:?}");
            let beyond = decompress(&[coding], &coded, body.len() - 1);
            assert!(beyond == Err(Undecodable::TooLarge), "{coding:?}");
        }
        assert_eq!(decompress(&[], b"abc", 2), Err(Undecodable::TooLarge));
    }

    #[test]
    fn bombs_do_not_go_off() {
        for (coding, coded) in all(&vec![0; 4 * 1024 * 1024]) {
            assert!(decompress(&[coding], &coded, MOST) == Err(Undecodable::TooDense), "{coding:?}");
        }
        let outer = compress(Coding::Gzip, &compress(Coding::Gzip, &vec![0; 4 * 1024 * 1024]).unwrap()).unwrap();
        assert_eq!(decompress(&[GZIP, GZIP], &outer, MOST), Err(Undecodable::TooDense));
    }

    #[test]
    fn windows_are_as_large_as_a_browser_would_have_them() {
        let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
        compressor.set_parameter(zstd::zstd_safe::CParameter::WindowLog(27)).unwrap();
        let body: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
        let coded = compressor.compress(&body).unwrap();
        let opened = decompress(&[RequestCoding::Known(Coding::Zstandard)], &coded, usize::MAX);
        assert_eq!(opened, Err(Undecodable::Broken("zstd")));
    }

    #[test]
    fn two_around_one_another_and_members_behind_one_another() {
        let inner = compress(Coding::Brotli, b"abc").unwrap();
        let outer = compress(Coding::Gzip, &inner).unwrap();
        let codings = [RequestCoding::Known(Coding::Brotli), GZIP];
        assert_eq!(decompress(&codings, &outer, MOST).unwrap(), b"abc");
        let twice = [compress(Coding::Gzip, b"abc").unwrap(), compress(Coding::Gzip, b"def").unwrap()].concat();
        assert_eq!(decompress(&[GZIP], &twice, MOST).unwrap(), b"abcdef");
    }
}
