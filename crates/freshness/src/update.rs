//! What is stored, confirmed or outdated by a later answer: 304 (RFC 9111 sections 3.2 and 4.3.4) and HEAD (section 4.3.5).

use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, StatusCode};

use crate::validator::Tag;

/// The fields that say something about the bytes that are stored, which an answer without bytes cannot change: section 3.2 leaves
/// it to caches which these are, beside `Content-Length`. The tag is what the bytes were asked about by.
static OF_THE_BYTES: [HeaderName; 5] =
    [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName::from_static("content-md5")];

/// Makes of a client's fields those of a question whether what is stored is still right (section 4.3.1): the client's own
/// conditions and range go, the validators that are stored come. `false` where there are none: then it asks for everything.
pub fn ask_whether_current(request: &mut HeaderMap, stored: &HeaderMap) -> bool {
    for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
        request.remove(name);
    }
    let validators = [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)];
    for (stored_as, asked_by) in validators {
        if let Some(value) = stored.get(stored_as) {
            request.insert(asked_by, value.clone());
        }
    }
    request.contains_key(IF_NONE_MATCH) || request.contains_key(IF_MODIFIED_SINCE)
}

/// Whether a 304 is about what is stored, when nothing else was asked about.
///
/// A 304 to a question about one tag says that this tag is current, whatever tag it carries: servers that compress are known to
/// change the tag there, and what is stored keeps its own. Only where no tag was asked about, and the 304 has one that differs from
/// nothing at all, somebody else's answer has come.
pub fn is_about(stored: &HeaderMap, answer: &HeaderMap) -> bool {
    stored.contains_key(ETAG) || Tag::of(answer).is_none_or(|tag| tag.is_weak)
}

/// Puts the fields of a 304, or of an answer to HEAD, in the place of those that are stored. The fields of the bytes stay as they
/// are; a `Date` goes that the fresh answer does not repeat, since it is no longer when the origin said so. Out of what comes of it
/// the new policy is read, and then [`crate::stored`] takes out what is not stored.
pub fn update(stored: &mut HeaderMap, fresh: &HeaderMap) {
    stored.remove(DATE);
    for name in fresh.keys().filter(|name| !OF_THE_BYTES.contains(name)) {
        stored.remove(name);
        for value in fresh.get_all(name) {
            stored.append(name.clone(), value.clone());
        }
    }
}

/// What an answer to HEAD means for the answer to GET that is stored for the same request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshened {
    /// It is still that: [`update`] it.
    Updated,
    /// It is another one by now: what is stored is stale.
    Outdated,
    /// It says nothing about what is stored.
    Untouched,
}

/// Judges an answer to HEAD (section 4.3.5). Validators and length have to be those of what is stored, where both have them.
pub fn freshen(stored_status: StatusCode, stored: &HeaderMap, status: StatusCode, head: &HeaderMap) -> Freshened {
    if status != stored_status {
        // What is gone, forbidden or moved now is not what is stored; what fails says nothing.
        let says_nothing = status.is_server_error() || status.is_informational() || status == StatusCode::NOT_MODIFIED;
        return if says_nothing { Freshened::Untouched } else { Freshened::Outdated };
    }
    let is_same = |name: &HeaderName| match (stored.get(name), head.get(name)) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    };
    if [ETAG, LAST_MODIFIED, CONTENT_LENGTH].iter().all(is_same) { Freshened::Updated } else { Freshened::Outdated }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};

    use super::*;

    fn fields(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    const MOMENT: &str = "Sun, 06 Nov 1994 09:00:00 GMT";

    #[test]
    fn questions() {
        let own = [(IF_NONE_MATCH, "\"x\""), (RANGE, "bytes=0-1"), (IF_RANGE, "\"x\""), (CACHE_CONTROL, "no-cache")];
        let mut request = fields(&own);
        assert!(ask_whether_current(&mut request, &fields(&[(ETAG, "W/\"a\""), (LAST_MODIFIED, MOMENT)])));
        let expected = [(CACHE_CONTROL, "no-cache"), (IF_NONE_MATCH, "W/\"a\""), (IF_MODIFIED_SINCE, MOMENT)];
        assert_eq!(request, fields(&expected));
        let mut request = fields(&own);
        assert!(!ask_whether_current(&mut request, &fields(&[])));
        assert_eq!(request, fields(&[(CACHE_CONTROL, "no-cache")]));
    }

    #[test]
    fn updates() {
        let before = [
            (ETAG, "\"a\""),
            (CONTENT_LENGTH, "5"),
            (CONTENT_ENCODING, "gzip"),
            (SET_COOKIE, "a"),
            (SET_COOKIE, "b"),
            (DATE, MOMENT),
        ];
        let mut stored = fields(&before);
        let fresh = [
            (ETAG, "\"b\""),
            (CONTENT_LENGTH, "6"),
            (CONTENT_ENCODING, "br"),
            (SET_COOKIE, "c"),
            (CONTENT_TYPE, "text/css"),
        ];
        update(&mut stored, &fields(&fresh));
        let after = [
            (ETAG, "\"a\""),
            (CONTENT_LENGTH, "5"),
            (CONTENT_ENCODING, "gzip"),
            (SET_COOKIE, "c"),
            (CONTENT_TYPE, "text/css"),
        ];
        assert_eq!(stored, fields(&after));
    }

    #[test]
    fn a_304_about_nothing_that_is_stored() {
        let (tagged, dated) = (fields(&[(ETAG, "\"a\"")]), fields(&[(LAST_MODIFIED, MOMENT)]));
        assert!(is_about(&tagged, &tagged) && is_about(&tagged, &fields(&[(ETAG, "\"a-gzip\"")])));
        assert!(is_about(&dated, &fields(&[])) && !is_about(&dated, &tagged));
    }

    #[test]
    fn heads() {
        let stored = fields(&[(ETAG, "\"a\""), (CONTENT_LENGTH, "5")]);
        let judge = |status: u16, head: &[(HeaderName, &'static str)]| {
            freshen(StatusCode::OK, &stored, StatusCode::from_u16(status).unwrap(), &fields(head))
        };
        assert_eq!(judge(200, &[]), Freshened::Updated);
        assert_eq!(judge(200, &[(ETAG, "\"a\""), (CONTENT_LENGTH, "5")]), Freshened::Updated);
        assert_eq!(judge(200, &[(ETAG, "\"b\"")]), Freshened::Outdated);
        assert_eq!(judge(200, &[(CONTENT_LENGTH, "6")]), Freshened::Outdated);
        assert_eq!(judge(410, &[]), Freshened::Outdated);
        assert_eq!(judge(503, &[]), Freshened::Untouched);
    }
}
