//! What tells one representation from another: entity tags and `Last-Modified` (RFC 9110 section 8.8), compared as caches do.

use http::HeaderMap;
use http::header::{ETAG, LAST_MODIFIED};

use crate::date::Said;
use crate::directives::members;

/// An entity tag as it stands in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub is_weak: bool,
    /// What stands between the quotes.
    pub opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    /// `None` where it is none: without quotes, with one inside, or with another mark than `W/` before it.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (is_weak, quoted) = text.strip_prefix(b"W/").map_or((false, text), |rest| (true, rest));
        let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let is_tag = opaque.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..));
        is_tag.then_some(Self { is_weak, opaque })
    }

    /// That of a response, where there is exactly one.
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(ETAG).iter();
        let tag = Self::parse(lines.next()?.as_bytes())?;
        lines.next().is_none().then_some(tag)
    }

    /// Whether both name the same bytes.
    pub fn is_strongly(self, other: Tag<'_>) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    /// Whether both name what one could have instead of the other.
    pub fn is_weakly(self, other: Tag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// What a list of entity tags asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tags<'a> {
    Any,
    /// What of the list is a tag.
    These(Vec<Tag<'a>>),
}

/// Reads the list in a line of `If-None-Match`. A backslash escapes nothing in a tag, so the list of a broken line may come out cut
/// in other places; the pieces are then no tags and fit nothing.
pub(crate) fn tags(line: &[u8]) -> Tags<'_> {
    if line.trim_ascii() == b"*" {
        return Tags::Any;
    }
    Tags::These(members(line).0.into_iter().filter_map(Tag::parse).collect())
}

/// Whether the origin could be asked if a response is still right.
pub(crate) fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(ETAG) || Said::read(headers, LAST_MODIFIED).moment().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_tag() {
        let tag = |text: &'static str| Tag::parse(text.as_bytes());
        assert_eq!(tag(" \"a b\""), None, "no blanks");
        assert_eq!(tag("\"abc\""), Some(Tag { is_weak: false, opaque: b"abc" }));
        assert_eq!(tag("W/\"\""), Some(Tag { is_weak: true, opaque: b"" }));
        assert_eq!(tag("\"abc\u{fc}\""), Some(Tag { is_weak: false, opaque: "abc\u{fc}".as_bytes() }));
        for no_tag in ["abc", "w/\"a\"", "W\"a\"", "W\\\"a\"", "\"a", "\"", "\"a\"b\"", ""] {
            assert_eq!(tag(no_tag), None, "{no_tag}");
        }
    }

    #[test]
    fn comparisons() {
        let (strong, weak) = (Tag { is_weak: false, opaque: b"a" }, Tag { is_weak: true, opaque: b"a" });
        assert!(strong.is_strongly(strong) && !strong.is_strongly(weak) && !weak.is_strongly(weak));
        assert!(strong.is_weakly(weak) && !strong.is_weakly(Tag { is_weak: false, opaque: b"b" }));
    }

    #[test]
    fn lists() {
        let list = |text: &'static str| match tags(text.as_bytes()) {
            Tags::Any => None,
            Tags::These(tags) => Some(tags.len()),
        };
        assert_eq!(list(" * "), None);
        assert_eq!(list("\"a\", W/\"b,c\" ,, d, \"e\""), Some(3));
        assert_eq!(list("\"a"), Some(0));
    }
}
