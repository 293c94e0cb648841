//! Which web pages may call the API, answered as PostgREST answers it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::{AllowedOrigins, EdgeError};

/// The headers that a script may read: PostgREST's, and those that clients of Pando need beyond them.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, \
     Range-Unit, Preference-Applied, Content-Profile, ETag, Retry-After, Proxy-Status, WWW-Authenticate, \
     Server-Timing, X-Request-Id, Pando-Position, Pando-Device, RateLimit, RateLimit-Policy, X-Supabase-Api-Version, \
     X-Total-Count, Link, Idempotency-Replayed",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");
/// A day: browsers keep it for two hours at most anyway.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The rule, made ready for comparing.
#[derive(Debug)]
pub(crate) enum Cors {
    Any,
    List(Vec<Allowed>),
}

/// Pages that may call.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// Those of one origin.
    One(HeaderValue),
    /// Those of every subdomain: what stands before them (`https://`) and behind (`.example.com:8443`).
    Subdomains(String, String),
}

impl Allowed {
    fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::One(allowed) => allowed == origin,
            Self::Subdomains(scheme, domain) => {
                let name = origin.to_str().ok().and_then(|origin| origin.strip_prefix(scheme.as_str()));
                let name = name.and_then(|name| name.strip_suffix(domain.as_str()));
                // Labels, and nothing else: no user, no port, no second host.
                let is_label = |label: &str| {
                    !label.is_empty()
                        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                };
                name.is_some_and(|name| name.split('.').all(is_label))
            }
        }
    }
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
            (Self::List(list), Some(origin)) if list.iter().any(|allowed| allowed.allows(origin)) => {
                Verdict::Origin(origin.clone())
            }
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
        // What a page wants to send is what it may send: which headers mean something, the API decides, and a list would
        // break every client that sends one more. The page is known here, or sends no credentials of the browser's.
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|wanted| wanted.to_str().ok());
        if let Some(wanted) = wanted.filter(|wanted| are_names(wanted))
            && let Ok(allowed) =
                HeaderValue::try_from(format!("Authorization, {wanted}, Accept, Accept-Language, Content-Language"))
        {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
        // A page of the internet asks a server of a private network (Private Network Access): only one that was named.
        if headers.contains_key(REQUEST_PRIVATE_NETWORK) && matches!(verdict, Verdict::Origin(_)) {
            answer.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
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
            delivery::vary(headers, &["Origin"]);
        }
    }
}

/// Names of headers with commas between them.
fn are_names(list: &str) -> bool {
    list.split(',').map(str::trim).all(|name| name.is_empty() || name.parse::<HeaderName>().is_ok())
}

/// An origin, or `https://*.example.com` for every subdomain of one.
fn read_origin(text: &str) -> Result<Allowed, EdgeError> {
    let Some((scheme, domain)) = text.trim().split_once("://*.") else {
        return read_exact(text).map(Allowed::One);
    };
    // A domain of one label is nobody's own. Of which longer ones that is true as well (`co.uk`), only a list could tell.
    let is_own = domain.trim_end_matches('/').split(':').next().is_some_and(|name| name.contains('.'));
    let exact = read_exact(&format!("{scheme}://{domain}")).map_err(|_wrong| EdgeError::Origin(text.to_owned()))?;
    let exact = exact.to_str().unwrap_or_default();
    match exact.split_once("://").filter(|_| is_own) {
        Some((scheme, domain)) => Ok(Allowed::Subdomains(format!("{scheme}://"), format!(".{domain}"))),
        None => Err(EdgeError::Origin(text.to_owned())),
    }
}

/// An origin as browsers send it: scheme and host in lower case, no path, not even `/`.
fn read_exact(text: &str) -> Result<HeaderValue, EdgeError> {
    let wrong = || EdgeError::Origin(text.to_owned());
    if text == "null" {
        // Sandboxed frames of any page have this origin: allowing it allows everybody.
        return Err(wrong());
    }
    let trimmed = text.trim().trim_end_matches('/');
    let uri: Uri = trimmed.parse().map_err(|_invalid| wrong())?;
    let has_origin = uri.scheme().is_some() && uri.authority().is_some_and(|host| !host.as_str().contains('@'));
    if !has_origin || uri.path().len() > 1 || uri.query().is_some() || trimmed.contains('*') {
        return Err(wrong());
    }
    let lower = trimmed.to_ascii_lowercase();
    // Browsers leave out the port that goes without saying.
    let usual = [("https://", ":443"), ("http://", ":80")].into_iter().find(|(scheme, _)| lower.starts_with(scheme));
    let origin = usual.and_then(|(_, port)| lower.strip_suffix(port)).unwrap_or(&lower);
    HeaderValue::try_from(origin).map_err(|_invalid| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn listed() -> Cors {
        let origins = ["http://shop.test:80".to_owned(), "HTTP://desk.test/".to_owned()];
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
    fn subdomains_are_allowed_when_they_are_asked_for() {
        let origins = ["https://*.Example.com:443".to_owned(), "https://*.a.test:8443/".to_owned()];
        let cors = Cors::new(&AllowedOrigins::List(origins.to_vec())).unwrap();
        for (origin, is_allowed) in [
            ("https://app.example.com", true),
            ("https://a.b-1.example.com", true),
            ("https://b.a.test:8443", true),
            ("https://example.com", false),
            ("https://.example.com", false),
            ("https://evil.test/.example.com", false),
            ("https://evil.test?.example.com", false),
            ("https://user@app.example.com", false),
            ("https://evil.test:80.example.com", false),
            ("https://evilexample.com", false),
            ("https://app.example.com.evil.test", false),
            ("http://app.example.com", false),
            ("https://app.example.com:8443", false),
            ("https://b.a.test", false),
            ("null", false),
        ] {
            let verdict = cors.judge(&headers(&[("origin", origin)]));
            assert_eq!(verdict != Verdict::Silent, is_allowed, "{origin}");
        }
    }

    #[test]
    fn what_supabase_js_sends_and_reads() {
        let sent = "accept-profile,apikey,authorization,content-profile,content-type,idempotency-key,prefer,range,\
                    x-client-info,x-region,x-supabase-api-version";
        let request = headers(&[
            ("origin", "http://shop.test"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", sent),
            ("access-control-request-private-network", "true"),
        ]);
        for (cors, is_private) in [(Cors::Any, false), (listed(), true)] {
            let (_, answer) = cors.preflight(&Method::OPTIONS, &request).unwrap();
            let allowed = answer["access-control-allow-headers"].to_str().unwrap();
            assert!(sent.split(',').all(|name| allowed.contains(name)), "{allowed}");
            assert_eq!(answer.contains_key("access-control-allow-private-network"), is_private);
        }
        let exposed = EXPOSED.to_str().unwrap().to_lowercase();
        for name in [
            "content-range",
            "location",
            "content-location",
            "preference-applied",
            "pando-position",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            "server-timing",
            "x-request-id",
            "x-supabase-api-version",
            "www-authenticate",
            "x-total-count",
            "link",
            "idempotency-replayed",
        ] {
            assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}");
        }
        let odd = headers(&[
            ("origin", "http://shop.test"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "a b, c"),
        ]);
        let (_, answer) = Cors::Any.preflight(&Method::OPTIONS, &odd).unwrap();
        assert!(!answer.contains_key("access-control-allow-headers"));
    }

    #[test]
    fn origins_are_checked_when_the_server_starts() {
        for bad in [
            "https://*",
            "https://*.com",
            "https://*.a.*.test",
            "https://a*.test",
            "https://*.a.test/x",
            "",
            "*",
            "null",
            "shop.test",
            "http://shop.test/app",
            "http://a@shop.test",
            "http://",
            "a b",
        ] {
            assert!(Cors::new(&AllowedOrigins::List(vec![bad.to_owned()])).is_err(), "{bad}");
        }
    }
}
