//! Which web pages may call the API, answered as PostgREST answers it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use crate::{AllowedOrigins, EdgeError};

/// The headers that a script may read: PostgREST's, and those that clients of Pando need beyond them.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, \
     Range-Unit, Preference-Applied, Content-Profile, ETag, Retry-After, Proxy-Status, WWW-Authenticate, \
     Server-Timing, X-Request-Id, Pando-Position, X-Total-Count, Link, X-Supabase-Api-Version",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");
/// A day: browsers keep it for two hours at most anyway.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The rule, made ready for comparing.
#[derive(Debug)]
pub(crate) enum Cors {
    Any,
    List(Vec<HeaderValue>),
}

/// What the rule says about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No web page asks, or one that may not: no header.
    Silent,
    /// Every web page may.
    Any,
    /// This one may, with credentials.
    Origin(HeaderValue),
}

impl Cors {
    pub(crate) fn new(origins: &AllowedOrigins) -> Result<Self, EdgeError> {
        match origins {
            AllowedOrigins::Any => Ok(Self::Any),
            AllowedOrigins::List(origins) => {
                origins.iter().map(|origin| read_origin(origin)).collect::<Result<_, _>>().map(Self::List)
            }
        }
    }

    /// What it says about a request with these headers.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        match (self, headers.get(ORIGIN)) {
            (_, None) => Verdict::Silent,
            (Self::Any, Some(_)) => Verdict::Any,
            (Self::List(allowed), Some(origin)) if allowed.contains(origin) => Verdict::Origin(origin.clone()),
            (Self::List(_), Some(_)) => Verdict::Silent,
        }
    }

    /// The answer to a preflight, if the request is one from a page that may call. Everything else is a request
    /// like any other.
    pub(crate) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<(StatusCode, HeaderMap)> {
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let verdict = self.judge(headers);
        if verdict == Verdict::Silent {
            return None;
        }
        let mut answer = HeaderMap::new();
        self.allow_origin(&verdict, &mut answer);
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|wanted| wanted.to_str().ok());
        if let Some(wanted) = wanted
            && let Ok(allowed) =
                HeaderValue::try_from(format!("Authorization, {wanted}, Accept, Accept-Language, Content-Language"))
        {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        Some((StatusCode::OK, answer))
    }

    /// Adds what a page needs to read the answer. `is_options` is an `OPTIONS` that is no preflight: PostgREST
    /// answers it with `*` also when no page asks.
    pub(crate) fn finish(&self, verdict: &Verdict, is_options: bool, headers: &mut HeaderMap) {
        match (self, verdict) {
            (Self::Any, Verdict::Silent) if is_options => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            }
            (_, Verdict::Silent) => {
                headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
                self.vary(headers);
            }
            _ => {
                self.allow_origin(verdict, headers);
                headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
        }
    }

    fn allow_origin(&self, verdict: &Verdict, headers: &mut HeaderMap) {
        match verdict {
            Verdict::Silent => {}
            Verdict::Any => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            }
            Verdict::Origin(origin) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        self.vary(headers);
    }

    /// A cache must not give one page's answer to another page.
    fn vary(&self, headers: &mut HeaderMap) {
        if let Self::List(_) = self {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// An origin as browsers send it: scheme and host in lower case, no path, not even `/`.
fn read_origin(text: &str) -> Result<HeaderValue, EdgeError> {
    let wrong = || EdgeError::Origin(text.to_owned());
    if text == "null" {
        // Sandboxed frames of any page have this origin: allowing it allows everybody.
        return Err(wrong());
    }
    let trimmed = text.trim().trim_end_matches('/');
    let uri: Uri = trimmed.parse().map_err(|_invalid| wrong())?;
    let has_origin = uri.scheme().is_some() && uri.authority().is_some_and(|host| !host.as_str().contains('@'));
    if !has_origin || uri.path().len() > 1 || uri.query().is_some() {
        return Err(wrong());
    }
    HeaderValue::try_from(trimmed.to_ascii_lowercase()).map_err(|_invalid| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn listed() -> Cors {
        let origins = ["http://shop.test".to_owned(), "HTTP://desk.test/".to_owned()];
        Cors::new(&AllowedOrigins::List(origins.to_vec())).unwrap()
    }

    #[test]
    fn answers_to_pages() {
        // (configured list?, origin, allow-origin, credentials, exposed?)
        for (is_list, origin, allowed, credentials, is_exposed) in [
            (false, Some("http://shop.test"), Some("*"), None, true),
            (false, Some("null"), Some("*"), None, true),
            (false, None, None, None, false),
            (true, Some("http://shop.test"), Some("http://shop.test"), Some("true"), true),
            (true, Some("http://desk.test"), Some("http://desk.test"), Some("true"), true),
            (true, Some("http://evil.test"), None, None, false),
            (true, Some("http://shop.test.evil"), None, None, false),
            (true, Some("https://shop.test"), None, None, false),
            (true, None, None, None, false),
        ] {
            let cors = if is_list { listed() } else { Cors::Any };
            let request = origin.map(|origin| headers(&[("origin", origin)])).unwrap_or_default();
            let mut answer = HeaderMap::new();
            cors.finish(&cors.judge(&request), false, &mut answer);
            let get = |name: &str| answer.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(get("access-control-allow-origin"), allowed, "{is_list} {origin:?}");
            assert_eq!(get("access-control-allow-credentials"), credentials, "{is_list} {origin:?}");
            assert_eq!(get("access-control-expose-headers").is_some(), is_exposed, "{is_list} {origin:?}");
            assert_eq!(get("vary"), is_list.then_some("Origin"), "{is_list} {origin:?}");
        }
    }

    #[test]
    fn what_a_page_may_read_contains_what_postgrest_and_the_clients_need() {
        let exposed: Vec<_> = EXPOSED.to_str().unwrap().split(", ").map(str::to_owned).collect();
        for name in [
            "Content-Encoding",
            "Content-Location",
            "Content-Range",
            "Content-Type",
            "Date",
            "Location",
            "Server",
            "Transfer-Encoding",
            "Range-Unit",
            "Retry-After",
            "Preference-Applied",
            "ETag",
        ] {
            assert!(exposed.contains(&name.to_owned()), "{name}");
        }
    }

    #[test]
    fn preflights() {
        let get = |answer: &HeaderMap, name: &str| answer.get(name).map(|value| value.to_str().unwrap().to_owned());
        let request = headers(&[
            ("origin", "http://shop.test"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,prefer"),
        ]);
        let (status, answer) = Cors::Any.preflight(&Method::OPTIONS, &request).unwrap();
        assert_eq!(status, StatusCode::OK);
        for (name, expected) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"),
            ("access-control-max-age", "86400"),
            (
                "access-control-allow-headers",
                "Authorization, content-type,prefer, Accept, Accept-Language, Content-Language",
            ),
        ] {
            assert_eq!(get(&answer, name).as_deref(), Some(expected), "{name}");
        }

        let (_, answer) = listed().preflight(&Method::OPTIONS, &request).unwrap();
        assert_eq!(get(&answer, "access-control-allow-origin").as_deref(), Some("http://shop.test"));
        assert_eq!(get(&answer, "access-control-allow-credentials").as_deref(), Some("true"));

        let without_headers = headers(&[("origin", "http://shop.test"), ("access-control-request-method", "PATCH")]);
        let (_, answer) = Cors::Any.preflight(&Method::OPTIONS, &without_headers).unwrap();
        assert_eq!(get(&answer, "access-control-allow-headers"), None);

        let evil = headers(&[("origin", "http://evil.test"), ("access-control-request-method", "POST")]);
        assert!(listed().preflight(&Method::OPTIONS, &evil).is_none());
        assert!(Cors::Any.preflight(&Method::GET, &request).is_none());
        assert!(Cors::Any.preflight(&Method::OPTIONS, &headers(&[("origin", "http://shop.test")])).is_none());
        let no_page = headers(&[("access-control-request-method", "POST")]);
        assert!(Cors::Any.preflight(&Method::OPTIONS, &no_page).is_none());
    }

    #[test]
    fn origins_are_checked_when_the_server_starts() {
        for bad in ["", "*", "null", "shop.test", "http://shop.test/app", "http://a@shop.test", "http://", "a b"] {
            assert!(Cors::new(&AllowedOrigins::List(vec![bad.to_owned()])).is_err(), "{bad}");
        }
    }
}
