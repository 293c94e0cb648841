//! What frames a body in HTTP/1.1, beyond what the parser refuses: whoever stands in front of the server may understand
//! everything that can be understood in two ways in the other one.

use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use http::{Method, Version};

use crate::refusal::Refusal;

/// Refuses a request whose end not everybody sees at the same place (RFC 9112 sections 6 and 7), and a target of an asterisk that
/// is no `OPTIONS`.
pub(crate) fn check(parts: &Parts) -> Result<(), Refusal> {
    if parts.version > Version::HTTP_11 {
        return Ok(());
    }
    // The parser understands `chunked` alone, and takes everything that ends in it.
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &http::HeaderValue| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    if !codings.next().is_none_or(is_chunked) || codings.next().is_some() {
        return Err(Refusal::framing("The request has another Transfer-Encoding than chunked, once"));
    }
    if parts.uri.path() == "*" && parts.method != Method::OPTIONS {
        return Err(Refusal::framing("The request asks for *, which is for OPTIONS alone"));
    }
    Ok(())
}
