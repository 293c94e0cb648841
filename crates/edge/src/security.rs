//! What answers say to browsers about themselves, where whoever made the answer has said nothing else.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Where Supabase's clients send keys.
const APIKEY: HeaderName = HeaderName::from_static("apikey");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// A page of a function's may need scripts and styles, so that only frames of other pages are forbidden.
const NO_FRAMES: HeaderValue = HeaderValue::from_static("frame-ancestors 'none'");

/// Whether a request says who asks: its answer is for nobody else.
pub(crate) fn says_who(headers: &HeaderMap) -> bool {
    [AUTHORIZATION, APIKEY, COOKIE].iter().any(|name| headers.contains_key(name))
}

/// Adds what is missing.
pub(crate) fn add(is_personal: bool, headers: &mut HeaderMap) {
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|media_type| is_html(media_type.as_bytes()));
    let mut add = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    // What a row has in it never becomes a script because it looks like one.
    add(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    // Filters stand in the address.
    add(REFERRER_POLICY, NO_REFERRER);
    if is_personal {
        add(CACHE_CONTROL, NO_STORE);
    }
    if is_page {
        add(CONTENT_SECURITY_POLICY, NO_FRAMES);
    }
}

/// Media types that a browser shows as pages, and runs scripts of.
fn is_html(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [b"text/html".as_slice(), b"application/xhtml+xml", b"image/svg+xml"]
        .iter()
        .any(|page| essence.eq_ignore_ascii_case(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(is_personal: bool, with: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut headers: HeaderMap =
            with.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        add(is_personal, &mut headers);
        let mut headers: Vec<_> = headers
            .iter()
            .filter(|(name, _)| *name != X_CONTENT_TYPE_OPTIONS && *name != REFERRER_POLICY)
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        headers.sort();
        headers
    }

    #[test]
    fn what_is_said_already_stays() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(added(false, &[]), []);
        assert_eq!(added(true, &[]), [pair("cache-control", "no-store")]);
        assert_eq!(added(true, &[("cache-control", "max-age=5")]), [pair("cache-control", "max-age=5")]);
        let csp = |policy| pair("content-security-policy", policy);
        for page in ["text/html", "TEXT/HTML ; charset=utf-8", "image/svg+xml"] {
            assert_eq!(added(false, &[("content-type", page)])[0], csp("frame-ancestors 'none'"), "{page}");
        }
        let own = [("content-type", "text/html"), ("content-security-policy", "default-src 'self'")];
        assert_eq!(added(false, &own)[0], csp("default-src 'self'"));
        assert_eq!(added(false, &[("content-type", "application/json")]).len(), 1);
        let mut headers = HeaderMap::new();
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("origin"));
        add(false, &mut headers);
        assert_eq!(
            (headers[X_CONTENT_TYPE_OPTIONS].clone(), headers[REFERRER_POLICY].clone()),
            (NOSNIFF, HeaderValue::from_static("origin"))
        );
    }

    #[test]
    fn whose_answers_are_personal() {
        for (name, expected) in [("authorization", true), ("apikey", true), ("cookie", true), ("accept", false)] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
            assert_eq!(says_who(&headers), expected, "{name}");
        }
    }
}
