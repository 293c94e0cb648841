//! What a function or a trigger says about the answer: PostgREST's `response.headers` and `response.status`.

use base::{Failure, Kind};
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

/// The most headers that may be set: a function must not be able to make an answer that no client reads.
const MOST_HEADERS: usize = 64;

/// What says where an answer ends and what becomes of its connection (RFC 9110 section 7.6.1, RFC 9112 section 6). The front door alone knows
/// that: it may compress the body, or send it over HTTP/2. Another length would have its client read the next answer as a part of this one.
const OF_THE_CONNECTION: [HeaderName; 8] = [
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    CONNECTION,
    TE,
    TRAILER,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Whether a header is none that a schema may set.
pub(crate) fn is_of_the_connection(name: &HeaderName) -> bool {
    OF_THE_CONNECTION.contains(name)
}

/// A status that an answer can have. One of 1xx is no answer yet: another would have to follow it.
pub(crate) fn answer_status(number: u16) -> Option<StatusCode> {
    StatusCode::from_u16(number).ok().filter(|status| !status.is_informational())
}

/// Puts headers into an answer, but for those of the connection, which are passed over. One that the answer has already is replaced; one that is named twice is sent twice.
///
/// # Errors
/// `PGRST111` where it is no JSON array of objects, each a header's name and its value.
pub(crate) fn set_headers(text: &str, headers: &mut HeaderMap) -> Result<(), Failure> {
    let list: Vec<Value> = serde_json::from_str(text).map_err(|_| not_headers())?;
    if list.len() > MOST_HEADERS {
        return Err(not_headers());
    }
    let mut set: Vec<HeaderName> = Vec::new();
    for item in list {
        let Value::Object(object) = item else { return Err(not_headers()) };
        let mut members = object.into_iter();
        let (Some((name, Value::String(value))), None) = (members.next(), members.next()) else {
            return Err(not_headers());
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| not_headers())?;
        let value = HeaderValue::from_str(&value).map_err(|_| not_headers())?;
        if is_of_the_connection(&name) {
            continue;
        }
        if set.contains(&name) {
            headers.append(name, value);
        } else {
            headers.insert(name.clone(), value);
            set.push(name);
        }
    }
    Ok(())
}

/// The status that is set.
///
/// # Errors
/// `PGRST112` where it is none.
pub(crate) fn status(text: &str) -> Result<StatusCode, Failure> {
    let number: Option<u16> = text.parse().ok();
    number
        .and_then(answer_status)
        .ok_or_else(|| Failure::new(Kind::Internal, "PGRST112", "response.status guc must be a valid status code"))
}

fn not_headers() -> Failure {
    let message = "response.headers guc must be a JSON array composed of objects with a single key and a string value";
    Failure::new(Kind::Internal, "PGRST111", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_replace_and_add_up() {
        let mut headers = HeaderMap::new();
        headers.insert("x-pot", HeaderValue::from_static("before"));
        set_headers(r#"[{"X-Pot": "short"}, {"X-Pot": "stout"}, {"Cache-Control": "no-store"}]"#, &mut headers)
            .unwrap();
        let pots: Vec<_> = headers.get_all("x-pot").iter().collect();
        assert_eq!(pots, ["short", "stout"]);
        assert_eq!(headers["cache-control"], "no-store");
    }

    #[test]
    fn what_frames_the_answer_is_passed_over() {
        let mut headers = HeaderMap::new();
        let text = r#"[{"Content-Length": "3"}, {"transfer-encoding": "chunked"}, {"Connection": "close, x-pot"}, {"TE": "trailers"},
            {"Trailer": "x"}, {"Upgrade": "h2c"}, {"Keep-Alive": "timeout=5"}, {"Proxy-Connection": "close"}, {"X-Pot": "stout"}]"#;
        set_headers(text, &mut headers).unwrap();
        assert_eq!((headers.len(), &headers["x-pot"]), (1, &HeaderValue::from_static("stout")));
        // What is no value is refused all the same.
        assert_eq!(set_headers(r#"[{"Content-Length": 3}]"#, &mut headers).unwrap_err().code, "PGRST111");
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for text in
            ["", "{}", "[1]", r#"[{"a":"b","c":"d"}]"#, r#"[{"a":1}]"#, r#"[{"a b":"c"}]"#, "[{\"a\":\"b\\r\\nc\"}]"]
        {
            assert_eq!(set_headers(text, &mut HeaderMap::new()).unwrap_err().code, "PGRST111", "{text}");
        }
        for text in ["soon", "99", "100", "101", "199", "1000", "-1", ""] {
            assert_eq!(status(text).unwrap_err().code, "PGRST112", "{text}");
        }
    }
}
