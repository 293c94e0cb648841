//! Content codings, and which of them a client takes (RFC 9110 section 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use crate::list;

/// A content coding that bodies are sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `gzip` (RFC 1952).
    Gzip,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878), with windows of 8 MiB at most (RFC 9659).
    Zstandard,
}

impl Coding {
    /// All of them, what the server likes best first: zstd costs a third of the others for nearly the same size, brotli makes
    /// the smallest files, gzip everybody knows.
    pub const ALL: [Self; 3] = [Self::Zstandard, Self::Brotli, Self::Gzip];

    /// Its name in `Content-Encoding`, `Accept-Encoding` and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
        }
    }

    /// The coding of this name, in any case; `x-gzip` is an older name of gzip (RFC 9110 section 8.4.1.3).
    pub fn of_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()))
    }

    /// What the entity tag of a body in this coding ends with.
    pub fn tag_suffix(self) -> &'static str {
        match self {
            Self::Gzip => "-gz",
            Self::Brotli => "-br",
            Self::Zstandard => "-zst",
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Zstandard => 0,
            Self::Brotli => 1,
            Self::Gzip => 2,
        }
    }
}

/// The weight of what a client likes, in thousandths; 0 for what it does not take.
type Weight = u16;

/// What a client says in `Accept-Encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AcceptEncoding {
    is_told: bool,
    /// By [`Coding::index`]; what is not named has none.
    weights: [Option<Weight>; 3],
    identity: Option<Weight>,
    any: Option<Weight>,
}

impl AcceptEncoding {
    /// Reads the header from all its lines. What cannot be understood counts as not said.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut read = Self { is_told: headers.contains_key(ACCEPT_ENCODING), ..Self::default() };
        for member in list::members(headers, &ACCEPT_ENCODING) {
            let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let Some(weight) = parts.next().map_or(Some(1000), weight) else { continue };
            if name == b"*" {
                read.any = Some(weight);
            } else if name.eq_ignore_ascii_case(b"identity") {
                read.identity = Some(weight);
            } else if let Some(place) = Coding::of_name(name).and_then(|coding| read.weights.get_mut(coding.index())) {
                *place = Some(weight);
            }
        }
        read
    }

    /// The coding to send a body in, of those on offer; `None` for the body as it is.
    ///
    /// - Without the header a client takes anything, as the RFC has it; but those that say nothing are mostly those that
    ///   can nothing.
    /// - `*` is taken for gzip alone: whoever writes it has hardly thought of the codings of today.
    /// - A client that takes nothing at all (`identity;q=0`) gets the body as it is: the RFC leaves the choice, and a body
    ///   that it may understand is of more use than 406.
    /// - Where the client likes two codings the same, the server's taste counts ([`Coding::ALL`]); between a coding and
    ///   `identity`, where both are named, the client's.
    pub fn choose(&self, offered: &[Coding]) -> Option<Coding> {
        let weight = |coding: Coding| match (self.weight(coding), coding) {
            (Some(weight), _) => weight,
            (None, Coding::Gzip) => self.any.unwrap_or(0),
            (None, _) => 0,
        };
        // Of several that are the greatest, the last one is given.
        let best = Coding::ALL.into_iter().rev().filter(|coding| offered.contains(coding));
        let best = best.max_by_key(|coding| weight(*coding))?;
        (weight(best) > 0 && weight(best) >= self.identity.unwrap_or(0)).then_some(best)
    }

    /// Whether the client takes a body in this coding; `None` for the body as it is.
    pub fn takes(&self, coding: Option<Coding>) -> bool {
        match coding {
            Some(coding) => !self.is_told || self.weight(coding).or(self.any).is_some_and(|weight| weight > 0),
            None => true,
        }
    }

    fn weight(&self, coding: Coding) -> Option<Weight> {
        self.weights.get(coding.index()).copied().flatten()
    }
}

/// `q=0.5` in thousandths; `None` for what is none.
fn weight(parameter: &[u8]) -> Option<Weight> {
    let (b"q" | b"Q", value) = parameter.split_at_checked(1)? else { return None };
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (whole, fraction) = value.split_at_checked(1)?;
    let digits = match fraction {
        [] => fraction,
        [b'.', digits @ ..] if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        _ => return None,
    };
    let thousandths = [100, 10, 1].iter().zip(digits).map(|(place, digit)| place * Weight::from(digit - b'0')).sum();
    match (whole, thousandths) {
        (b"0", _) => Some(thousandths),
        (b"1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(line: Option<&str>) -> AcceptEncoding {
        let mut headers = HeaderMap::new();
        if let Some(line) = line {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        AcceptEncoding::read(&headers)
    }

    #[test]
    fn the_client_chooses_and_the_server_breaks_ties() {
        for (line, expected) in [
            (None, None),
            (Some(""), None),
            (Some("gzip, deflate, br, zstd"), Some("zstd")),
            (Some("gzip, deflate, br"), Some("br")),
            (Some("gzip"), Some("gzip")),
            (Some("X-GZip"), Some("gzip")),
            (Some("GZIP;Q=0.3"), Some("gzip")),
            (Some("deflate"), None),
            (Some("gzip;q=1.0, br;q=0.9, zstd;q=0.8"), Some("gzip")),
            (Some("br;q=0.999, gzip;q=1"), Some("gzip")),
            (Some("gzip;q=0"), None),
            (Some("gzip;q=0.000, br"), Some("br")),
            (Some("*"), Some("gzip")),
            (Some("*;q=0"), None),
            (Some("gzip;q=0, *"), None),
            (Some("br;q=0.5, *;q=0.1"), Some("br")),
            (Some("identity"), None),
            (Some("identity, gzip"), Some("gzip")),
            (Some("identity;q=1, gzip;q=0.5"), None),
            (Some("identity;q=0.5, gzip"), Some("gzip")),
            (Some("identity;q=0"), None),
            (Some("identity;q=0, *"), Some("gzip")),
            (Some("gzip;q=2"), None),
            (Some("gzip;q=0.1234"), None),
            (Some("gzip;q=1.001"), None),
            (Some("gzip;q="), None),
            (Some("gzip ; q = 0.5"), Some("gzip")),
            (Some(",, gzip ,"), Some("gzip")),
            (Some("gzip;level=9"), None),
        ] {
            assert_eq!(read(line).choose(&Coding::ALL).map(Coding::name), expected, "{line:?}");
        }
        assert_eq!(read(Some("gzip, br, zstd")).choose(&[Coding::Gzip, Coding::Brotli]), Some(Coding::Brotli));
        assert_eq!(read(Some("gzip")).choose(&[Coding::Brotli]), None);
    }

    #[test]
    fn what_a_client_takes() {
        assert!(read(None).takes(Some(Coding::Zstandard)));
        assert!(!read(Some("")).takes(Some(Coding::Gzip)));
        assert!(read(Some("gzip;q=0.1")).takes(Some(Coding::Gzip)));
        assert!(!read(Some("gzip;q=0, *")).takes(Some(Coding::Gzip)));
        assert!(read(Some("gzip;q=0, *")).takes(Some(Coding::Brotli)));
        assert!(read(Some("identity;q=0")).takes(None));
    }
}
