//! Conditional requests (RFC 9110 section 13): whether the client's copy still counts, whether what it wants to change is
//! still what it saw, and whether a part may be sent that it can put to what it has.

use std::time::{Duration, SystemTime};

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, Method};

use crate::{AcceptEncoding, Coding, EntityTag, TagList};

/// What there is at the address now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Current<'a> {
    /// The tag of the body as it is; where `forms` are given, that of the form that the client would get now.
    pub tag: Option<&'a EntityTag>,
    /// The tags of all its forms, the plain one among them, where they are known. Otherwise those of its codings follow from `tag`
    /// ([`EntityTag::coded`]).
    pub forms: Option<&'a [(Option<Coding>, EntityTag)]>,
    /// When it was last modified. Only where that is true of the content, to the second.
    pub modified: Option<SystemTime>,
}

/// What becomes of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered as if it had no condition.
    Go,
    /// 304: the client has it. The tag is that of the copy which counts, to be sent as `ETag`.
    NotModified(Option<EntityTag>),
    /// 412: it is not what the client saw.
    Failed,
}

/// Looks at the conditions in the order of RFC 9110 section 13.2.2, for something that exists; `If-Range` is looked at
/// after them ([`allows_range`]).
///
/// A client that has the body in one coding is told that it counts whichever coding it would get now, as long as it takes
/// that one: a cache may keep several of them, and uses the one whose tag it gets. One that it could not read would be
/// given to it by a cache in between (RFC 9111 section 4.3.4), so that one is not confirmed.
pub fn evaluate(method: &Method, headers: &HeaderMap, current: Current<'_>) -> Verdict {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if let Some(list) = TagList::read(headers, &IF_MATCH) {
        if !has_any(&list, current) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, &IF_UNMODIFIED_SINCE), current.modified)
        && seconds(modified) > seconds(since)
    {
        return Verdict::Failed;
    }
    if let Some(list) = TagList::read(headers, &IF_NONE_MATCH) {
        return match (known(&list, current, headers), is_read) {
            (None, _) => Verdict::Go,
            (Some(tag), true) => Verdict::NotModified(tag),
            (Some(_), false) => Verdict::Failed,
        };
    }
    match (date(headers, &IF_MODIFIED_SINCE), current.modified) {
        (Some(since), Some(modified)) if is_read && seconds(modified) <= seconds(since) => {
            Verdict::NotModified(current.tag.cloned())
        }
        _ => Verdict::Go,
    }
}

/// Whether `Range` counts (RFC 9110 section 13.1.5): without `If-Range` always, with it only when the client has parts of
/// just these bytes. `selected` is the representation that is about to be sent, its tag the one of its coding; `now` is
/// what `Date` will say.
pub fn allows_range(headers: &HeaderMap, selected: Current<'_>, now: SystemTime) -> bool {
    let mut lines = headers.get_all(IF_RANGE).iter();
    let Some(line) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    if let Some(tag) = EntityTag::parse(line.as_bytes()) {
        return selected.tag.is_some_and(|selected| selected.is_strongly(&tag));
    }
    let (Some(since), Some(modified)) = (date(headers, &IF_RANGE), selected.modified) else { return false };
    // What was modified within the second that `Date` tells may be modified once more in it (section 8.8.2.2).
    let is_strong = seconds(modified) < seconds(now);
    is_strong && seconds(since) == seconds(modified)
}

/// Whether the list names the content in any coding: for `If-Match`, strongly.
fn has_any(list: &TagList, current: Current<'_>) -> bool {
    let is_named = |tag: EntityTag| list.tags().iter().any(|named| named.is_strongly(&tag));
    *list == TagList::Any || representations(current).any(|(_, tag)| is_named(tag))
}

/// The tag of a copy that the client has and may use; inside, `None` where it names none and has one anyway.
fn known(list: &TagList, current: Current<'_>, headers: &HeaderMap) -> Option<Option<EntityTag>> {
    if *list == TagList::Any {
        return Some(current.tag.cloned());
    }
    let accepted = AcceptEncoding::read(headers);
    let is_named = |tag: &EntityTag| list.tags().iter().any(|named| named.is_weakly(tag));
    // Of several copies, the one that it would get now.
    let preferred = accepted.choose(&Coding::ALL);
    let mut copies = representations(current).filter(|(coding, tag)| accepted.takes(*coding) && is_named(tag));
    let first = copies.next()?;
    let best = copies.find(|(coding, _)| *coding == preferred).filter(|_| first.0 != preferred);
    Some(Some(best.unwrap_or(first).1))
}

/// The content as it is, and in every coding.
fn representations(current: Current<'_>) -> impl Iterator<Item = (Option<Coding>, EntityTag)> {
    let derived = current.tag.filter(|_| current.forms.is_none()).into_iter().flat_map(|tag| {
        let coded = Coding::ALL.into_iter().map(|coding| (Some(coding), tag.coded(coding)));
        std::iter::once((None, tag.clone())).chain(coded)
    });
    derived.chain(current.forms.unwrap_or_default().iter().cloned())
}

/// A date, of which the header has exactly one.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?.to_str().ok()?;
    if lines.next().is_some() { None } else { httpdate::parse_http_date(line.trim()).ok() }
}

/// Dates of HTTP have no parts of seconds.
fn seconds(moment: SystemTime) -> Duration {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const MONDAY: &str = "Mon, 06 Nov 2023 08:49:37 GMT";
    const SUNDAY: &str = "Sun, 05 Nov 2023 08:49:37 GMT";
    const TUESDAY: &str = "Tue, 07 Nov 2023 08:49:37 GMT";

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        list.iter().map(pair).collect()
    }

    fn verdict(method: &Method, tag: &str, list: &[(&'static str, &str)]) -> String {
        let tag = EntityTag::parse(tag.as_bytes());
        let modified = httpdate::parse_http_date(MONDAY).unwrap() + Duration::from_millis(700);
        let current = Current { tag: tag.as_ref(), modified: Some(modified), ..Current::default() };
        match evaluate(method, &headers(list), current) {
            Verdict::Go => "go".to_owned(),
            Verdict::Failed => "failed".to_owned(),
            Verdict::NotModified(tag) => tag.map_or(String::new(), |tag| tag.to_header().to_str().unwrap().to_owned()),
        }
    }

    #[test]
    fn reads() {
        let get = |list: &[(&'static str, &str)]| verdict(&Method::GET, "\"a\"", list);
        assert_eq!(get(&[]), "go");
        for (value, expected) in [
            ("\"a\"", "\"a\""),
            ("W/\"a\"", "\"a\""),
            ("*", "\"a\""),
            ("\"b\"", "go"),
            ("\"b\", \"a\"", "\"a\""),
            ("\"a-gz\"", "\"a-gz\""),
            ("W/\"a-zst\"", "\"a-zst\""),
            ("\"a-xy\"", "go"),
            ("a", "go"),
        ] {
            assert_eq!(get(&[("if-none-match", value)]), expected, "{value}");
        }
        for (value, expected) in [(MONDAY, "\"a\""), (TUESDAY, "\"a\""), (SUNDAY, "go"), ("yesterday", "go")] {
            assert_eq!(get(&[("if-modified-since", value)]), expected, "{value}");
            assert_eq!(get(&[("if-modified-since", value), ("if-none-match", "\"b\"")]), "go", "the tag counts");
        }
        for (value, expected) in [(MONDAY, "go"), (TUESDAY, "go"), (SUNDAY, "failed"), ("?", "go")] {
            assert_eq!(get(&[("if-unmodified-since", value)]), expected, "{value}");
            assert_eq!(get(&[("if-unmodified-since", value), ("if-match", "\"a\"")]), "go", "the tag counts");
        }
        for (value, expected) in [
            ("\"a\"", "go"),
            ("*", "go"),
            ("\"a-br\"", "go"),
            ("W/\"a\"", "failed"),
            ("\"b\"", "failed"),
            ("nonsense", "failed"),
        ] {
            assert_eq!(get(&[("if-match", value)]), expected, "{value}");
        }
        assert_eq!(get(&[("if-match", "\"a\""), ("if-none-match", "\"a\"")]), "\"a\"");
        assert_eq!(get(&[("if-match", "\"b\""), ("if-none-match", "\"a\"")]), "failed");
    }

    #[test]
    fn only_what_the_client_takes_is_confirmed() {
        let get = |accepted: &str, tags: &str| {
            verdict(&Method::GET, "\"a\"", &[("accept-encoding", accepted), ("if-none-match", tags)])
        };
        assert_eq!(get("gzip", "\"a-gz\""), "\"a-gz\"");
        assert_eq!(get("gzip", "\"a\""), "\"a\"");
        assert_eq!(get("gzip", "\"a-zst\""), "go");
        assert_eq!(get("", "\"a-gz\""), "go");
        assert_eq!(get("gzip", "\"a\", \"a-zst\", \"a-gz\""), "\"a-gz\"", "the one that it would get");
        assert_eq!(get("identity, gzip;q=0.5", "\"a-gz\", \"a\""), "\"a\"");
    }

    #[test]
    fn forms_that_are_known_are_the_only_ones() {
        let tag = |text: &str| EntityTag::parse(text.as_bytes()).unwrap();
        let forms = [(None, tag("\"a\"")), (Some(Coding::Gzip), tag("\"b-gz\""))];
        let modified = httpdate::parse_http_date(MONDAY).unwrap();
        let current = Current { tag: Some(&forms[1].1), forms: Some(&forms), modified: Some(modified) };
        let get = |list: &[(&'static str, &str)]| evaluate(&Method::GET, &headers(list), current);
        for named in ["\"a\"", "\"b-gz\""] {
            assert_eq!(get(&[("if-none-match", named)]), Verdict::NotModified(Some(tag(named))), "{named}");
            assert_eq!(get(&[("if-match", named)]), Verdict::Go, "{named}");
        }
        for other in ["\"a-gz\"", "\"b\"", "\"b-gz-gz\""] {
            assert_eq!(get(&[("if-none-match", other)]), Verdict::Go, "{other}");
            assert_eq!(get(&[("if-match", other)]), Verdict::Failed, "{other}");
        }
        // Without a tag, that of what would be sent.
        for (name, value) in [("if-none-match", "*"), ("if-modified-since", MONDAY)] {
            assert_eq!(get(&[(name, value)]), Verdict::NotModified(Some(tag("\"b-gz\""))), "{name}");
        }
    }

    #[test]
    fn writes() {
        let put = |list: &[(&'static str, &str)]| verdict(&Method::PUT, "\"a\"", list);
        assert_eq!(put(&[("if-none-match", "*")]), "failed");
        assert_eq!(put(&[("if-none-match", "\"a\"")]), "failed");
        assert_eq!(put(&[("if-none-match", "\"b\"")]), "go");
        assert_eq!(put(&[("if-modified-since", TUESDAY)]), "go");
    }

    #[test]
    fn a_weak_tag_of_our_own_is_never_matched_strongly() {
        assert_eq!(verdict(&Method::GET, "W/\"a\"", &[("if-match", "\"a\"")]), "failed");
        assert_eq!(verdict(&Method::GET, "W/\"a\"", &[("if-none-match", "\"a\"")]), "W/\"a\"");
    }

    #[test]
    fn parts_are_sent_of_the_same_bytes_alone() {
        let tag = EntityTag::parse(b"\"a\"");
        let modified = httpdate::parse_http_date(MONDAY).unwrap();
        let current = Current { tag: tag.as_ref(), modified: Some(modified), ..Current::default() };
        let later = modified + Duration::from_secs(1);
        let allows = |list: &[(&'static str, &str)], now| allows_range(&headers(list), current, now);
        assert!(allows(&[], modified));
        assert!(allows(&[("if-range", "\"a\"")], modified));
        assert!(!allows(&[("if-range", "W/\"a\"")], later));
        assert!(!allows(&[("if-range", "\"a-gz\"")], later));
        assert!(allows(&[("if-range", MONDAY)], later));
        assert!(!allows(&[("if-range", MONDAY)], modified), "it may change within the second");
        assert!(!allows(&[("if-range", TUESDAY)], later), "exactly this date");
        assert!(!allows(&[("if-range", "?")], later));
        assert!(!allows(&[("if-range", "\"a\""), ("if-range", "\"a\"")], later));
    }
}
