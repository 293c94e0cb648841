//! Conditions of a client that a cache answers from what it has (RFC 9111 section 4.3.2): `If-None-Match` and `If-Modified-Since`.
//! `If-Match` and `If-Unmodified-Since` are for the origin.

use http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use http::header::{IF_MATCH, IF_UNMODIFIED_SINCE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::date::Said;
use crate::policy::Policy;
use crate::validator::{Tag, Tags, tags};

/// Whether a request has a condition that only the origin can judge, so that nothing stored may answer it.
pub fn is_for_the_origin(request: &HeaderMap) -> bool {
    request.contains_key(IF_MATCH) || request.contains_key(IF_UNMODIFIED_SINCE)
}

/// Whether a client that asks with these fields has what is stored, so that 304 answers it. `If-None-Match` hides
/// `If-Modified-Since`; where nothing is stored about the last change, `Date` stands for it.
pub fn is_not_modified(request: &HeaderMap, status: StatusCode, stored: &HeaderMap, policy: &Policy) -> bool {
    if status != StatusCode::OK {
        return false;
    }
    if request.contains_key(IF_NONE_MATCH) {
        return has_tag(request, stored);
    }
    let Said::At(since) = Said::read(request, IF_MODIFIED_SINCE) else { return false };
    match Said::read(stored, LAST_MODIFIED) {
        Said::At(changed) => changed <= since,
        // Made after what the client has, whenever that changed.
        Said::Nothing | Said::Nonsense => policy.date() <= since,
    }
}

fn has_tag(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let tag = Tag::of(stored);
    request.get_all(IF_NONE_MATCH).iter().any(|line| match tags(line.as_bytes()) {
        Tags::Any => true,
        Tags::These(asked) => tag.is_some_and(|tag| asked.iter().any(|asked| asked.is_weakly(tag))),
    })
}

/// The fields that a 304 has to repeat (RFC 9110 section 15.4.5).
static REPEATED: [HeaderName; 6] = [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, VARY];

/// The head of a 304 out of what is stored: what it has to repeat, `Last-Modified` where there is no tag, targeted cache control,
/// and what is about the connection between origin and client rather than the bytes (`Set-Cookie` was for another one).
pub fn not_modified(stored: &HeaderMap) -> HeaderMap {
    let is_kept = |name: &HeaderName| {
        REPEATED.contains(name)
            || (*name == LAST_MODIFIED && !stored.contains_key(ETAG))
            || *name == crate::CDN_CACHE_CONTROL
            || !(is_about_bytes(name) || *name == SET_COOKIE)
    };
    stored.iter().filter(|(name, _)| is_kept(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether a field describes the bytes of the answer, which a 304 has none of.
fn is_about_bytes(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-") && *name != http::header::CONTENT_SECURITY_POLICY || *name == LAST_MODIFIED
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use http::HeaderValue;

    use super::*;
    use crate::policy::{Received, Rules};

    fn fields(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    const NINE: &str = "Sun, 06 Nov 1994 09:00:00 GMT";
    const TEN: &str = "Sun, 06 Nov 1994 10:00:00 GMT";
    const TEN_OTHERWISE: &str = "Sunday, 06-Nov-94 10:00:00 GMT";
    const ELEVEN: &str = "Sun, 06 Nov 1994 11:00:00 GMT";

    fn has(asked: &[(HeaderName, &'static str)], stored: &[(HeaderName, &'static str)]) -> bool {
        let stored = fields(stored);
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        let policy = Policy::read(&Rules::default(), StatusCode::OK, &stored, moment);
        is_not_modified(&fields(asked), StatusCode::OK, &stored, &policy)
    }

    #[test]
    fn tags_come_first() {
        let stored = [(ETAG, "W/\"a\""), (LAST_MODIFIED, TEN), (DATE, ELEVEN)];
        assert!(has(&[(IF_NONE_MATCH, "\"x\", \"a\"")], &stored));
        assert!(has(&[(IF_NONE_MATCH, "*")], &stored));
        assert!(!has(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, ELEVEN)], &stored));
        assert!(!has(&[(IF_NONE_MATCH, "a")], &stored));
    }

    #[test]
    fn of_what_was_found_alone() {
        let (asked, stored) = (fields(&[(IF_NONE_MATCH, "*")]), HeaderMap::new());
        let moment = Received { asked: Timestamp(0), answered: Timestamp(0) };
        for (status, expected) in [(200, true), (203, false), (301, false), (404, false), (500, false)] {
            let status = StatusCode::from_u16(status).unwrap();
            let policy = Policy::read(&Rules::default(), status, &stored, moment);
            assert_eq!(is_not_modified(&asked, status, &stored, &policy), expected, "{status}");
        }
    }

    #[test]
    fn moments() {
        let stored = [(LAST_MODIFIED, TEN), (DATE, ELEVEN)];
        for (since, expected) in [(NINE, false), (TEN, true), (TEN_OTHERWISE, true), (ELEVEN, true), ("x", false)] {
            assert_eq!(has(&[(IF_MODIFIED_SINCE, since)], &stored), expected, "{since}");
        }
        assert!(!has(&[(IF_MODIFIED_SINCE, TEN)], &[(DATE, ELEVEN)]));
        assert!(has(&[(IF_MODIFIED_SINCE, ELEVEN)], &[(DATE, ELEVEN)]));
        assert!(!has(&[], &stored));
    }

    #[test]
    fn the_head_of_a_304() {
        let mut stored = fields(&[
            (ETAG, "\"a\""),
            (LAST_MODIFIED, TEN),
            (http::header::CONTENT_TYPE, "text/plain"),
            (http::header::CONTENT_LENGTH, "5"),
            (CONTENT_LOCATION, "/a"),
            (CACHE_CONTROL, "max-age=5"),
            (SET_COOKIE, "a=b"),
            (VARY, "foo"),
        ]);
        let names = |headers: &HeaderMap| {
            let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(names(&not_modified(&stored)), ["cache-control", "content-location", "etag", "vary"]);
        stored.remove(ETAG);
        assert!(not_modified(&stored).contains_key(LAST_MODIFIED));
    }
}
