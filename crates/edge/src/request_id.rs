//! The id under which a request is found again: in the answer, the log, the trace.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of a request's id, in both directions.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids are not taken over: they stand in every log line.
const MOST_BYTES: usize = 128;

/// The client's id when it is harmless in a log, otherwise one made from the request's span id.
pub(crate) fn choose(headers: &HeaderMap, span_id: [u8; 8]) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(id) if is_sane(id.as_bytes()) => id.clone(),
        _ => HeaderValue::try_from(telemetry::to_hex(&span_id)).unwrap_or(HeaderValue::from_static("unknown")),
    }
}

fn is_sane(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    !id.is_empty() && id.len() <= MOST_BYTES && id.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken_over() {
        let choose = |id: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
            choose(&headers, [0xab; 8]).to_str().unwrap().to_owned()
        };
        for good in ["a", "0af7651916cd43dd8448eb211c80319c", "req-1:2/3_4.5+6=", &"x".repeat(128)] {
            assert_eq!(choose(good.as_bytes()), good);
        }
        for bad in ["", "a b", "a\"b", "a;b", "a\\b", "<script>", &"x".repeat(129)] {
            assert_eq!(choose(bad.as_bytes()), "abababababababab", "{bad}");
        }
        assert_eq!(choose(b"\xff"), "abababababababab");
    }
}
