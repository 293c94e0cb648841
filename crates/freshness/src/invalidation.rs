//! What a write makes out of date (RFC 9111 section 4.4).

use http::header::{CONTENT_LOCATION, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// The addresses of which nothing that is stored may be answered any more, after such an answer to such a request: the request's
/// own, and what `Location` and `Content-Location` name on the same server. None where the method changes nothing, or the answer
/// says that nothing was changed. A method that nobody knows may change anything.
pub fn outdated(method: &Method, target: &Url, status: StatusCode, headers: &HeaderMap) -> Vec<Url> {
    if method.is_safe() || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut outdated = vec![target.clone()];
    for name in [LOCATION, CONTENT_LOCATION] {
        let named = headers.get(name).and_then(|value| target.join(value.to_str().ok()?).ok());
        // Another server's addresses are not for this one to say anything about.
        outdated.extend(named.filter(|url| url.origin() == target.origin() && url != target));
    }
    outdated
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn paths(method: &[u8], status: u16, location: &'static str, content_location: &'static str) -> Vec<String> {
        let target = Url::parse("http://example.org/a/b?c").unwrap();
        let headers = HeaderMap::from_iter([
            (LOCATION, HeaderValue::from_static(location)),
            (CONTENT_LOCATION, HeaderValue::from_static(content_location)),
        ]);
        let method = Method::from_bytes(method).unwrap();
        let outdated = outdated(&method, &target, StatusCode::from_u16(status).unwrap(), &headers);
        outdated.iter().map(|url| url.as_str().trim_start_matches("http://example.org").to_owned()).collect()
    }

    #[test]
    fn writes_that_succeed() {
        for method in [&b"POST"[..], b"PUT", b"DELETE", b"PATCH", b"M-SEARCH"] {
            assert_eq!(paths(method, 200, "d", "/e"), ["/a/b?c", "/a/d", "/e"]);
            assert_eq!(paths(method, 303, "http://example.org:80/x", "https://example.org/e"), ["/a/b?c", "/x"]);
            assert_eq!(paths(method, 500, "d", "/e"), [""; 0]);
            assert_eq!(paths(method, 404, "d", "/e"), [""; 0]);
        }
        assert_eq!(paths(b"PUT", 200, "http://[", "//other.org/"), ["/a/b?c"]);
        assert_eq!(paths(b"PUT", 200, "?c", ""), ["/a/b?c"], "named twice");
    }

    #[test]
    fn reads_change_nothing() {
        for method in [&b"GET"[..], b"HEAD", b"OPTIONS", b"TRACE"] {
            assert_eq!(paths(method, 200, "d", "/e"), [""; 0]);
        }
    }
}
