//! Follows the bytes that a client sends over HTTP/1.1, to know where request targets are and what frames a body.
//!
//! The parser refuses `<`, `>` and `"` in a target, which PostgREST takes and people type (`?select=data->>name`);
//! they are replaced by their percent codes on the way to it. Nothing else is ever changed, and how long a body is
//! only the parser says: after a head, nothing goes on before it did. Whatever looks odd ends the following, and
//! the parser gets everything as it is.

use memchr::{memchr, memchr2, memchr3};

/// How a request's body is framed, as the parser understood it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By its length in bytes; 0 when there is none.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Where the next byte of the client stands.
#[derive(Debug)]
pub(crate) struct Follow {
    place: Place,
    has_length: bool,
    has_encoding: bool,
}

/// Why some bytes cannot go on as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// They all can.
    Nothing,
    /// The next byte has to be replaced by these.
    Replace(&'static [u8]),
    /// A head is complete: what follows is not known before [`Follow::head_parsed`].
    HeadEnded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a request; empty lines are skipped.
    Start,
    Method,
    Target,
    Version,
    /// At the beginning of a header line.
    Line,
    /// After the `\r` that begins the last line of the head.
    LastLine,
    /// In a header's name that may be one of [`FRAMING`], after this many bytes of it.
    Name(usize, usize),
    /// In the rest of a header line.
    Value,
    HeadEnded,
    /// In a body, before this many bytes of it.
    Body(u64),
    Chunked(Chunk),
    Unknown,
    /// Behind a chunked body, or in one, that the parser may read and this does not.
    Lost,
}

/// Inside of a chunked body. Stricter than the parser is, so that both agree on what is followed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// In a size of this value so far; whether it has a digit.
    Size(u64, bool),
    /// After blanks behind it, which an extension or the end of the line may follow.
    Blank(u64),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer line, or of the last one.
    Trailer,
    TrailerText,
    TrailerLf,
    LastLf,
}

/// The headers that frame a body, with the sign that ends a name.
const FRAMING: [&[u8]; 2] = [b"content-length:", b"transfer-encoding:"];

impl Follow {
    /// From the beginning of a connection.
    pub(crate) fn new() -> Self {
        Self { place: Place::Start, has_length: false, has_encoding: false }
    }

    /// Changes nothing: for other protocols.
    pub(crate) fn blind() -> Self {
        Self { place: Place::Unknown, ..Self::new() }
    }

    /// Whether a chunked body was followed no further, so that it is not known where the next request begins.
    pub(crate) fn is_lost(&self) -> bool {
        self.place == Place::Lost
    }

    /// Whether a head is complete and its framing has to be told before anything else.
    pub(crate) fn awaits_framing(&self) -> bool {
        self.place == Place::HeadEnded
    }

    /// What the parser made of the head; `None` when it made nothing of it.
    pub(crate) fn head_parsed(&mut self, framing: Option<Framing>) {
        self.place = match framing {
            Some(Framing::Length(0)) => Place::Start,
            Some(Framing::Length(bytes)) => Place::Body(bytes),
            Some(Framing::Chunked) => Place::Chunked(Chunk::Size(0, false)),
            None => Place::Unknown,
        };
    }

    /// Whether the head that has just ended frames its body in both ways (RFC 9112 section 6.1).
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.has_length && self.has_encoding
    }

    /// Goes over the bytes. Gives how many of them can go on as they are, and why the rest cannot. After a byte that
    /// is to be replaced, the next call begins behind it.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..)
            && let Some(&first) = rest.first()
        {
            let (count, stop) = self.step(first, rest);
            at += count;
            if stop != Stop::Nothing {
                return (at, stop);
            }
        }
        (at, Stop::Nothing)
    }

    /// One step over the beginning of `rest`; may be over none of its bytes when it changes the place.
    fn step(&mut self, first: u8, rest: &[u8]) -> (usize, Stop) {
        let (place, count) = match self.place {
            Place::Start if matches!(first, b'\r' | b'\n') => (Place::Start, 1),
            Place::Start => (Place::Method, 0),
            Place::Method => until_word_end(rest, Place::Method, Place::Target),
            Place::Target => {
                let target = rest.get(..memchr2(b' ', b'\n', rest).unwrap_or(rest.len())).unwrap_or(rest);
                if let Some(count) = memchr3(b'<', b'>', b'"', target) {
                    return (count, Stop::Replace(code(target.get(count).copied())));
                }
                until_word_end(rest, Place::Target, Place::Version)
            }
            Place::Version => {
                (self.has_length, self.has_encoding) = (false, false);
                until(b'\n', rest, Place::Version, Place::Line)
            }
            Place::Line => match first {
                b'\n' => (Place::HeadEnded, 1),
                b'\r' => (Place::LastLine, 1),
                b'c' | b'C' => (Place::Name(0, 1), 1),
                b't' | b'T' => (Place::Name(1, 1), 1),
                _ => (Place::Value, 0),
            },
            Place::LastLine if first == b'\n' => (Place::HeadEnded, 1),
            Place::LastLine => (Place::Unknown, 0),
            Place::Name(which, at) => self.name(which, at, first),
            Place::Value => until(b'\n', rest, Place::Value, Place::Line),
            Place::Body(left) => {
                let (count, left) = take(left, rest);
                (if left == 0 { Place::Start } else { Place::Body(left) }, count)
            }
            Place::Chunked(Chunk::Data(left)) => {
                let (count, left) = take(left, rest);
                (Place::Chunked(if left == 0 { Chunk::DataCr } else { Chunk::Data(left) }), count)
            }
            Place::Chunked(chunk) => (chunk.next(first), 1),
            // Nobody asks before the framing is told.
            Place::HeadEnded | Place::Unknown => (Place::Unknown, rest.len()),
            Place::Lost => (Place::Lost, rest.len()),
        };
        self.place = place;
        (count, if place == Place::HeadEnded { Stop::HeadEnded } else { Stop::Nothing })
    }

    fn name(&mut self, which: usize, at: usize, first: u8) -> (Place, usize) {
        let name = FRAMING.get(which).copied().unwrap_or_default();
        if name.get(at) != Some(&first.to_ascii_lowercase()) {
            return (Place::Value, 0);
        }
        if at + 1 < name.len() {
            return (Place::Name(which, at + 1), 1);
        }
        if which == 0 {
            self.has_length = true;
        } else {
            self.has_encoding = true;
        }
        (Place::Value, 1)
    }
}

impl Chunk {
    fn next(self, byte: u8) -> Place {
        let next = match (self, byte) {
            (Self::Size(size, _), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                match size.checked_mul(16).and_then(|size| size.checked_add(digit)) {
                    Some(size) => Self::Size(size, true),
                    None => return Place::Lost,
                }
            }
            (Self::Size(size, true) | Self::Blank(size), b' ' | b'\t') => Self::Blank(size),
            (Self::Size(size, true) | Self::Blank(size), b';') => Self::Extension(size),
            (Self::Size(size, true) | Self::Blank(size) | Self::Extension(size), b'\r') => Self::SizeEnd(size),
            (Self::Extension(size), b'\t' | 0x20..=0x7e | 0x80..) => Self::Extension(size),
            (Self::SizeEnd(0), b'\n') => Self::Trailer,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size(0, false),
            (Self::Trailer, b'\r') => Self::LastLf,
            (Self::LastLf, b'\n') => return Place::Start,
            (Self::TrailerText, b'\r') => Self::TrailerLf,
            (Self::TrailerLf, b'\n') => Self::Trailer,
            (Self::Trailer | Self::TrailerText, b'\t' | 0x20..=0x7e | 0x80..) => Self::TrailerText,
            _ => return Place::Lost,
        };
        Place::Chunked(next)
    }
}

/// Behind the next `sign`, which leads to `next`.
fn until(sign: u8, rest: &[u8], place: Place, next: Place) -> (Place, usize) {
    memchr(sign, rest).map_or((place, rest.len()), |index| (next, index + 1))
}

/// Behind the next space, which leads to `next`; a line that ends before is not a request's.
fn until_word_end(rest: &[u8], place: Place, next: Place) -> (Place, usize) {
    match memchr2(b' ', b'\n', rest) {
        Some(index) if rest.get(index) == Some(&b' ') => (next, index + 1),
        Some(index) => (Place::Unknown, index + 1),
        None => (place, rest.len()),
    }
}

fn code(byte: Option<u8>) -> &'static [u8] {
    match byte {
        Some(b'<') => b"%3C",
        Some(b'>') => b"%3E",
        _ => b"%22",
    }
}

/// How many of the bytes belong to the `left` ones, and how many of those are still to come.
fn take(left: u64, bytes: &[u8]) -> (usize, u64) {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (count, left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends the requests in pieces of `size` bytes, telling the framing of each head in turn. Gives what the
    /// parser would see.
    fn seen(input: &[u8], framings: &[Framing], size: usize) -> (Vec<u8>, Follow) {
        let (mut follow, mut framings, mut output) = (Follow::new(), framings.iter(), Vec::new());
        for piece in input.chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() {
                if follow.awaits_framing() {
                    follow.head_parsed(framings.next().copied());
                }
                let (count, stop) = follow.pass(rest);
                let (passed, left) = rest.split_at(count);
                output.extend_from_slice(passed);
                rest = left;
                if let Stop::Replace(code) = stop {
                    output.extend_from_slice(code);
                    rest = &rest[1..];
                }
            }
        }
        (output, follow)
    }

    const BODY: &str = "\r\n\r\nGET /<\"> HTTP/1.1\r\n\r\n";

    #[test]
    fn only_targets_change_however_the_bytes_arrive() {
        let length = u64::try_from(BODY.len()).unwrap();
        let chunked = format!("{length:x} \t;a=\"<\t\u{e9}>\"\r\n{BODY}\r\n1 \r\n>\r\n0\r\nX: >\t\u{e9}\r\n\r\n");
        let make = |lt: &str, gt: &str, quote: &str| {
            format!(
                "\r\nGET /a{gt}{gt}b?{lt}{quote} HTTP/1.1\r\nX: <>\"\r\nCookie: c\r\nTe: >\r\n\r\n\
                 POST /{gt} HTTP/1.1\nContent-Length: {length}\n\n{BODY}\
                 POST {quote} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}\r\n\
                 GET {lt} >\r\n\r\n"
            )
        };
        let framings =
            [Framing::Length(0), Framing::Length(length), Framing::Chunked, Framing::Length(0), Framing::Length(0)];
        let input = make("<", ">", "\"");
        for size in 1..=input.len() {
            let (output, follow) = seen(input.as_bytes(), &framings, size);
            assert_eq!(String::from_utf8(output).unwrap(), make("%3C", "%3E", "%22"), "pieces of {size}");
            assert!(follow.place == Place::HeadEnded || follow.place == Place::Start);
        }
    }

    #[test]
    fn what_is_odd_is_left_alone() {
        let get = "GET /> HTTP/1.1\r\n\r\n";
        for (start, framings) in [
            ("GET\r\n", &[][..]),
            ("GET /\r\n", &[]),
            ("GET / HTTP/1.1\r\n\rx", &[]),
            ("GET / HTTP/1.1\r\n\r\n", &[]),
            ("POST / HTTP/1.1\r\n\r\n0 a\r\n\r\n", &[Framing::Chunked]),
            ("POST / HTTP/1.1\r\n\r\n0;\u{1}\r\n\r\n", &[Framing::Chunked]),
            ("POST / HTTP/1.1\r\n\r\n0\r\na: b\n\n", &[Framing::Chunked]),
            ("POST / HTTP/1.1\r\n\r\n\r\n\r\n", &[Framing::Chunked]),
            ("POST / HTTP/1.1\r\n\r\n1\r\nab\r\n0\r\n\r\n", &[Framing::Chunked]),
            ("POST / HTTP/1.1\r\n\r\n11111111111111111\r\n", &[Framing::Chunked]),
        ] {
            let input = format!("{start}{get}");
            assert_eq!(seen(input.as_bytes(), framings, 7).0, input.as_bytes(), "{start:?}");
        }
    }

    #[test]
    fn both_framings_are_seen() {
        for (headers, expected) in [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked", true),
            ("tRANSFER-ENCODING: chunked\r\nX: 1\r\nCONTENT-LENGTH: 1", true),
            ("Content-Length: 1\r\nTransfer-Encodings: chunked\r\nTe: a\r\nC:", false),
            ("Content-Length: 1\r\nX: Transfer-Encoding: chunked", false),
            ("Content-Length: 1\r\nContent-Length: 1", false),
        ] {
            for size in [1, 5, 1000] {
                let input = format!("GET / HTTP/1.1\r\n{headers}\r\n\r\n");
                assert_eq!(seen(input.as_bytes(), &[], size).1.is_ambiguous(), expected, "{headers}");
            }
        }
    }
}
