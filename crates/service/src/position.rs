//! Positions on their way between store and client: the header `Pando-Position`, and a cookie for browsers.

use base::{Failure, Kind};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use store::PositionToken;

/// The header, of requests and of answers.
const HEADER: HeaderName = HeaderName::from_static("pando-position");

/// The cookie with the same content.
const COOKIE_NAME: &str = "pando-position";

/// The position that the client shows: the header's, or else the cookie's where cookies are used.
///
/// # Errors
/// A header that cannot be a position. A cookie that cannot be one counts for nothing: the page did not write it.
pub(crate) fn read(headers: &HeaderMap, uses_cookie: bool) -> Result<Option<PositionToken>, Failure> {
    if let Some(value) = headers.get(HEADER) {
        let token = value.to_str().ok().and_then(PositionToken::parse);
        return token.map(Some).ok_or_else(|| {
            Failure::new(Kind::BadRequest, "PANDO400", "The header Pando-Position is not a position")
                .with_hint("Send back what an answer had in Pando-Position, unchanged, or leave the header out.")
        });
    }
    if !uses_cookie {
        return Ok(None);
    }
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    Ok(pairs.find(|(name, _)| *name == COOKIE_NAME).and_then(|(_, value)| PositionToken::parse(value)))
}

/// Says that the answer depends on the cookie, where cookies are used.
pub(crate) fn vary(cookie: Option<u32>, headers: &mut HeaderMap) {
    if cookie.is_some() {
        delivery::vary(headers, &["Cookie"]);
    }
}

/// Gives a position to the client. A cookie that came over an encrypted connection never goes over one that is not.
pub(crate) fn write(position: &PositionToken, cookie: Option<u32>, is_encrypted: bool, headers: &mut HeaderMap) {
    // base64url: it fits into any header.
    let Ok(value) = HeaderValue::try_from(position.to_string()) else { return };
    headers.insert(HEADER, value);
    let secure = if is_encrypted { "; Secure" } else { "" };
    let text = cookie
        .map(|seconds| format!("{COOKIE_NAME}={position}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"));
    if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_depend_on_the_cookie_where_there_is_one() {
        for (cookie, expected) in [(None, "Accept"), (Some(5), "Accept, Cookie")] {
            let mut headers = HeaderMap::from_iter([(http::header::VARY, HeaderValue::from_static("Accept"))]);
            vary(cookie, &mut headers);
            assert_eq!(headers[http::header::VARY], expected);
        }
    }
}
