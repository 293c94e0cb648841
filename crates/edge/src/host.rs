//! Which `Host` a request may name (RFC 9112 section 3.2): exactly one, well-formed. Anything else is how requests
//! are smuggled past proxies and caches.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Version};

use crate::refusal::Refusal;

/// The host that a request is for, `None` where HTTP/1.0 leaves it out. A target with a host in it counts for more than
/// the header (RFC 9112 section 3.2.2).
///
/// # Errors
/// The host is missing, given twice or malformed; or HTTP/2 says two different ones.
pub(crate) fn check(parts: &Parts) -> Result<Option<HeaderValue>, Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(Refusal::host("The request has more than one Host header")),
        (Some(host), None) if !is_host(host) => return Err(Refusal::host("The Host header is not a host name")),
        (header, _) => header,
    };
    let target = parts.uri.authority().map(|host| HeaderValue::from_str(host.as_str()).ok().filter(is_host));
    match (target, header) {
        (Some(None), _) => Err(Refusal::host("The host in the request's target is not a host name")),
        (Some(Some(target)), Some(header)) if parts.version >= Version::HTTP_2 && target != *header => {
            Err(Refusal::host("The request names two different hosts, in :authority and in Host"))
        }
        (Some(Some(target)), _) if header.is_some() || parts.version != Version::HTTP_11 => Ok(Some(target)),
        (None, Some(header)) => Ok(Some(header.clone())),
        (None, None) if parts.version < Version::HTTP_11 => Ok(None),
        _ => Err(Refusal::host("The request has no Host header")),
    }
}

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`; no user, no path, nothing empty. Of a name only what DNS
/// knows: the other signs that RFC 3986 allows, the comma among them, are found only in attacks.
pub(crate) fn is_host(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return false;
    };
    let (is_name, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let Some((address, port)) = literal.split_once(']') else {
                return false;
            };
            (address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            (!name.is_empty() && name.bytes().all(is_known), port)
        }
    };
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok();
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    is_name && is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(version: Version, uri: &str, hosts: &[&str]) -> Parts {
        let mut request = http::Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn hosts() {
        for good in ["localhost", "localhost:8000", "api.example.com", "127.0.0.1:1", "[::1]", "[::1]:8000", "a_b"] {
            assert!(check(&parts(Version::HTTP_11, "/", &[good])).is_ok(), "{good}");
        }
        let bad = [
            "",
            " ",
            ":8000",
            "a b",
            "a/b",
            "user@host",
            "a,b",
            "a:b",
            "a:123456",
            "a:1:2",
            "[::1",
            "höst",
            "a?b",
            "a#b",
            "a%20b",
            "a:",
            "a:+1",
            "[a]",
            "[::1]a",
            "[::1]:x",
        ];
        for bad in bad {
            assert!(check(&parts(Version::HTTP_11, "/", &[bad])).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_counts_for_more_than_the_header() {
        let host = |version, uri, hosts: &[&str]| check(&parts(version, uri, hosts)).unwrap();
        assert_eq!(host(Version::HTTP_11, "http://a:1/x", &["b"]), Some(HeaderValue::from_static("a:1")));
        assert_eq!(host(Version::HTTP_11, "/x", &["b"]), Some(HeaderValue::from_static("b")));
        assert_eq!(host(Version::HTTP_2, "http://a/x", &[]), Some(HeaderValue::from_static("a")));
        assert_eq!(host(Version::HTTP_10, "/x", &[]), None);
        assert!(check(&parts(Version::HTTP_11, "http://user@a/x", &["b"])).is_err());
    }

    #[test]
    fn exactly_one() {
        assert!(check(&parts(Version::HTTP_11, "/", &[])).is_err());
        assert!(check(&parts(Version::HTTP_11, "http://a/", &[])).is_err());
        assert!(check(&parts(Version::HTTP_11, "/", &["a", "a"])).is_err());
        assert!(check(&parts(Version::HTTP_10, "/", &[])).is_ok());
        assert!(check(&parts(Version::HTTP_10, "/", &["a", "b"])).is_err());
        assert!(check(&parts(Version::HTTP_2, "http://a/", &[])).is_ok());
        assert!(check(&parts(Version::HTTP_2, "/", &["a"])).is_ok());
        assert!(check(&parts(Version::HTTP_2, "/", &[])).is_err());
        assert!(check(&parts(Version::HTTP_2, "http://a/", &["a"])).is_ok());
        assert!(check(&parts(Version::HTTP_2, "http://a/", &["b"])).is_err());
        assert!(check(&parts(Version::HTTP_2, "http://user@a/", &[])).is_err());
    }
}
