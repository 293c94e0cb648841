//! Plain HTTP beside TLS: everybody is sent to the encrypted address.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;

use crate::host;

/// Sends to the same place at `https:`, by a redirect after which a client sends the same method and body again. `port` is the
/// encrypted one.
pub(crate) fn answer<B>(request: Request<B>, port: u16) -> Response<Full<Bytes>> {
    let (parts, _body) = request.into_parts();
    let mut response = Response::new(Full::new(Bytes::new()));
    let headers = response.headers_mut();
    // What came with it came in the open, and nothing more of it should.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    match target(&parts, port) {
        Some(target) => {
            headers.insert(LOCATION, target);
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        }
        None => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            *response.body_mut() = Full::new(Bytes::from_static(b"Send exactly one Host header, and use https\n"));
        }
    }
    response
}

fn target(parts: &Parts, port: u16) -> Option<HeaderValue> {
    let host = host::check(parts).ok()??;
    let host = host.to_str().ok()?;
    // The port of this address is not that of the other.
    let end = host.rfind(':').filter(|colon| host.rfind(']').is_none_or(|bracket| bracket < *colon));
    let name = end.and_then(|end| host.get(..end)).unwrap_or(host);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    HeaderValue::try_from(format!("https://{name}{port}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for (uri, host, port, expected) in [
            ("/zones?select=a", "api.test", 443, Some("https://api.test/zones?select=a")),
            ("/", "api.test:80", 8443, Some("https://api.test:8443/")),
            ("/a", "[::1]:80", 443, Some("https://[::1]/a")),
            ("/a", "[::1]", 444, Some("https://[::1]:444/a")),
            ("//evil.test", "api.test", 443, Some("https://api.test//evil.test")),
            ("http://other.test/a", "api.test", 443, Some("https://other.test/a")),
            ("*", "api.test", 443, Some("https://api.test/")),
            ("/", "evil.test/x", 443, None),
            ("/", "a@b", 443, None),
        ] {
            let request = Request::builder().uri(uri).header("host", host).body(()).unwrap();
            let response = answer(request, port);
            let location = response.headers().get(LOCATION).map(|it| it.to_str().unwrap());
            assert_eq!(location, expected, "{uri} {host}");
            assert_eq!(response.status().as_u16(), if expected.is_some() { 308 } else { 400 });
        }
    }
}
