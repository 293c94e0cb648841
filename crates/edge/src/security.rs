//! What answers say to browsers about themselves, where whoever made the answer has said nothing else.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::PersonalAnswers;

/// Where Supabase's clients send keys.
const APIKEY: HeaderName = HeaderName::from_static("apikey");

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// May be kept by anybody, and is asked for again each time.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The same, by who asked alone.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
/// A page of a function's may need scripts and styles, so that only frames of other pages are forbidden.
const NO_FRAMES: HeaderValue = HeaderValue::from_static("frame-ancestors 'none'");

/// Whether a request says who asks: its answer is for nobody else.
pub(crate) fn says_who(headers: &HeaderMap) -> bool {
    [AUTHORIZATION, APIKEY, COOKIE].iter().any(|name| headers.contains_key(name))
}

/// What an answer is given to.
#[derive(Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) method: &'a Method,
    /// Whether the request says who asks.
    pub(crate) is_personal: bool,
    /// Whether it asks the login.
    pub(crate) is_login: bool,
    pub(crate) personal_answers: PersonalAnswers,
}

/// Adds what is missing.
pub(crate) fn add(situation: &Situation<'_>, status: StatusCode, headers: &mut HeaderMap) {
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|media_type| is_html(media_type.as_bytes()));
    let kept = if headers.contains_key(CACHE_CONTROL) { None } else { kept(situation, status, headers) };
    let mut add = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    // What a row has in it never becomes a script because it looks like one.
    add(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    // Filters stand in the address.
    add(REFERRER_POLICY, NO_REFERRER);
    if let Some(kept) = kept {
        add(CACHE_CONTROL, kept);
    }
    if is_page {
        add(CONTENT_SECURITY_POLICY, NO_FRAMES);
    }
}

/// What caches may keep of an answer whose maker has not said it. Nothing is used again without asking: what was true a
/// moment ago may not be so any more.
fn kept(situation: &Situation<'_>, status: StatusCode, headers: &HeaderMap) -> Option<HeaderValue> {
    let Situation { method, is_personal, is_login, personal_answers } = *situation;
    if *method == Method::OPTIONS && !is_personal {
        // Kept by nobody anyway, and by browsers as `Access-Control-Max-Age` has it.
        return None;
    }
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let is_error = status.is_client_error() || status.is_server_error();
    if is_login || is_error || !is_read {
        return Some(NO_STORE);
    }
    // A cookie is for one client, whoever asked.
    match (is_personal || headers.contains_key(SET_COOKIE), personal_answers) {
        (false, _) => Some(NO_CACHE),
        (true, PersonalAnswers::Revalidate) => Some(PRIVATE),
        (true, PersonalAnswers::NoStore) => Some(NO_STORE),
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

    fn situation(method: &Method) -> Situation<'_> {
        Situation { method, is_personal: false, is_login: false, personal_answers: PersonalAnswers::Revalidate }
    }

    fn added(situation: &Situation<'_>, with: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers: HeaderMap =
            with.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        add(situation, StatusCode::OK, &mut headers);
        let mut headers: Vec<_> = headers
            .iter()
            .filter(|(name, _)| *name != X_CONTENT_TYPE_OPTIONS && *name != REFERRER_POLICY && *name != CONTENT_TYPE)
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        headers
    }

    #[test]
    fn what_is_said_already_stays() {
        let anybody = situation(&Method::GET);
        assert_eq!(added(&anybody, &[("cache-control", "max-age=5")]), ["cache-control: max-age=5"]);
        let csp = |policy: &str| ["cache-control: no-cache".to_owned(), format!("content-security-policy: {policy}")];
        for page in ["text/html", "TEXT/HTML ; charset=utf-8", "image/svg+xml"] {
            assert_eq!(added(&anybody, &[("content-type", page)]), csp("frame-ancestors 'none'"), "{page}");
        }
        let own = [("content-type", "text/html"), ("content-security-policy", "default-src 'self'")];
        assert_eq!(added(&anybody, &own), csp("default-src 'self'"));
        assert_eq!(added(&anybody, &[("content-type", "application/json")]), ["cache-control: no-cache"]);
        let mut headers = HeaderMap::new();
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("origin"));
        add(&anybody, StatusCode::OK, &mut headers);
        assert_eq!(
            (headers[X_CONTENT_TYPE_OPTIONS].clone(), headers[REFERRER_POLICY].clone()),
            (NOSNIFF, HeaderValue::from_static("origin"))
        );
    }

    #[test]
    fn what_may_be_kept() {
        use PersonalAnswers::{NoStore, Revalidate};
        let status = |code| StatusCode::from_u16(code).unwrap();
        let cookie = HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("a=b"))]);
        // (method, status, says who?, the login's?, the setting, what is said)
        for (method, code, is_personal, is_login, personal_answers, expected) in [
            (Method::GET, 200, false, false, Revalidate, Some("no-cache")),
            (Method::HEAD, 206, false, false, NoStore, Some("no-cache")),
            (Method::GET, 304, false, false, Revalidate, Some("no-cache")),
            (Method::GET, 308, false, false, Revalidate, Some("no-cache")),
            (Method::GET, 200, true, false, Revalidate, Some("private, no-cache")),
            (Method::GET, 304, true, false, Revalidate, Some("private, no-cache")),
            (Method::GET, 200, true, false, NoStore, Some("no-store")),
            (Method::GET, 404, false, false, Revalidate, Some("no-store")),
            (Method::GET, 500, true, false, Revalidate, Some("no-store")),
            (Method::GET, 200, false, true, Revalidate, Some("no-store")),
            (Method::POST, 200, false, false, Revalidate, Some("no-store")),
            (Method::PATCH, 204, true, false, Revalidate, Some("no-store")),
            (Method::OPTIONS, 200, false, false, Revalidate, None),
            (Method::OPTIONS, 200, true, false, Revalidate, Some("no-store")),
        ] {
            let situation = Situation { method: &method, is_personal, is_login, personal_answers };
            let said = kept(&situation, status(code), &HeaderMap::new());
            assert_eq!(said.as_ref().map(|said| said.to_str().unwrap()), expected, "{code} {situation:?}");
        }
        assert_eq!(kept(&situation(&Method::GET), StatusCode::OK, &cookie), Some(PRIVATE));
    }

    #[test]
    fn whose_answers_are_personal() {
        for (name, expected) in [("authorization", true), ("apikey", true), ("cookie", true), ("accept", false)] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static("x"))]);
            assert_eq!(says_who(&headers), expected, "{name}");
        }
    }
}
