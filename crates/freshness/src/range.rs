//! A part of what is stored whole, for a request with `Range` (RFC 9110 section 14). What the origin answers in parts is not stored.

use std::ops::Range;

use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::date;
use crate::validator::Tag;

/// What of the stored bytes answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Portion {
    /// All of them: no range is asked for, or one that may be ignored (several, of another unit, broken, not of this version).
    Whole,
    /// These: 206, with [`Portion::content_range`].
    Part(Range<usize>),
    /// None of them: the range lies outside; 416, with [`Portion::content_range`].
    Outside,
}

impl Portion {
    /// What of a stored answer with so many bytes is asked for. Only answers with 200 have parts.
    pub fn of(request: &HeaderMap, status: StatusCode, stored: &HeaderMap, length: usize) -> Self {
        let asked = request.get(RANGE).filter(|_| status == StatusCode::OK && is_of_this_version(request, stored));
        asked.and_then(|range| parse(range.as_bytes(), length)).unwrap_or(Self::Whole)
    }

    /// The value of `Content-Range`, where the answer is to have one.
    pub fn content_range(&self, length: usize) -> Option<HeaderValue> {
        let value = match self {
            Self::Whole => return None,
            Self::Part(range) => format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1)),
            Self::Outside => format!("bytes */{length}"),
        };
        HeaderValue::try_from(value).ok()
    }
}

/// `If-Range`: the very same tag, or the very same date.
fn is_of_this_version(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let Some(version) = request.get(IF_RANGE) else { return true };
    match (Tag::parse(version.as_bytes()), Tag::of(stored)) {
        (Some(asked), Some(stored)) => asked.is_strongly(stored),
        (Some(_), None) => false,
        (None, _) if stored.contains_key(ETAG) => false,
        (None, _) => {
            let changed = stored.get(LAST_MODIFIED).and_then(date::parse);
            changed.is_some() && changed == date::parse(version)
        }
    }
}

/// One range of bytes; `None` for what may be ignored.
fn parse(range: &[u8], length: usize) -> Option<Portion> {
    let text = std::str::from_utf8(range).ok()?;
    let (unit, set) = text.split_once('=')?;
    let (first, last) = set.trim().split_once('-')?;
    let bound = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(usize::MAX));
    let (first, last) = match (unit.trim().eq_ignore_ascii_case("bytes"), first, last) {
        (false, ..) | (_, "", "") => return None,
        (true, "", suffix) => match bound(suffix)? {
            0 => return Some(Portion::Outside),
            suffix => (length.saturating_sub(suffix), length),
        },
        (true, first, "") => (bound(first)?, length),
        (true, first, last) => {
            let (first, last) = (bound(first)?, bound(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some(if first < length { Portion::Part(first..last) } else { Portion::Outside })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portion(fields: &[(http::HeaderName, &'static str)], stored: &[(http::HeaderName, &'static str)]) -> Portion {
        let map = |fields: &[(http::HeaderName, &'static str)]| {
            fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
        };
        Portion::of(&map(fields), StatusCode::OK, &map(stored), 10)
    }

    #[test]
    fn ranges() {
        let part = |range: &'static str| portion(&[(RANGE, range)], &[]);
        for (range, expected) in [
            ("bytes=0-1", 0..2),
            ("Bytes=1-", 1..10),
            ("bytes=-1", 9..10),
            ("bytes=-99", 0..10),
            ("bytes=9-99", 9..10),
            ("bytes=0-99999999999999999999999", 0..10),
        ] {
            assert_eq!(part(range), Portion::Part(expected), "{range}");
        }
        for outside in ["bytes=10-", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(part(outside), Portion::Outside, "{outside}");
        }
        for ignored in
            ["bytes=1-0", "bytes=0-1,3-4", "items=0-1", "bytes=-", "bytes", "bytes=a-b", "bytes=+1-2", "bytes=--1"]
        {
            assert_eq!(part(ignored), Portion::Whole, "{ignored}");
        }
        assert_eq!(Portion::Part(0..2).content_range(10).unwrap(), "bytes 0-1/10");
        assert_eq!(Portion::Outside.content_range(10).unwrap(), "bytes */10");
        assert_eq!(Portion::of(&HeaderMap::new(), StatusCode::OK, &HeaderMap::new(), 10), Portion::Whole);
    }

    #[test]
    fn of_this_version_alone() {
        const DATE: &str = "Sun, 06 Nov 1994 09:00:00 GMT";
        let is_part = |version, stored: &[(http::HeaderName, &'static str)]| {
            portion(&[(RANGE, "bytes=0-1"), (IF_RANGE, version)], stored) == Portion::Part(0..2)
        };
        assert!(is_part("\"a\"", &[(ETAG, "\"a\"")]) && !is_part("\"a\"", &[(ETAG, "\"b\"")]));
        assert!(!is_part("W/\"a\"", &[(ETAG, "W/\"a\"")]) && !is_part("\"a\"", &[]));
        assert!(is_part(DATE, &[(LAST_MODIFIED, DATE)]));
        assert!(!is_part("Sun, 06 Nov 1994 09:00:01 GMT", &[(LAST_MODIFIED, DATE)]));
        assert!(!is_part(DATE, &[(LAST_MODIFIED, DATE), (ETAG, "\"a\"")]) && !is_part(DATE, &[]));
    }
}
