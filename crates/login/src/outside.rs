//! What the login asks of other servers, and tells them.

use std::time::Duration;

use crate::external::is_loopback;

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 16 * 1024;

/// Nothing can be sent to an address. The text never repeats it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("has to be an address like https://example.com/path: {0}")]
pub struct Unusable(String);

/// Prepares to ask at an address; nothing is sent yet.
pub(crate) fn client(url: &str, timeout: Duration) -> Result<reqwest::Client, Unusable> {
    check(url)?;
    // Another part of the process may have chosen a provider already; then that one is used.
    let _already_chosen = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout)
        // What is sent is meant for the address that was configured and for no other.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("pando/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Unusable(error.without_url().to_string()))
}

/// Whether something can be sent to an address: encrypted, or not beyond this machine. What is sent names accounts, or has a secret.
///
/// # Errors
/// [`Unusable`].
pub fn check(url: &str) -> Result<(), Unusable> {
    let parsed = url::Url::parse(url).map_err(|error| Unusable(error.to_string()))?;
    if parsed.scheme() == "https" && parsed.has_host() || is_loopback(&parsed) {
        return Ok(());
    }
    Err(Unusable("only https:// is possible, and http:// to this machine".to_owned()))
}

/// Sends a request and reads an answer that has a status of success, within bounds.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Result<Vec<u8>, String> {
    // reqwest's texts name the address, which may carry credentials.
    let plain = |error: reqwest::Error| error.without_url().to_string();
    let mut answer = request.send().await.map_err(plain)?;
    if !answer.status().is_success() {
        return Err(format!("the answer has the status {}", answer.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(plain)? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(format!("the answer is larger than {MOST_BYTES} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for right in ["https://user:word@example.com/hook?x=y", "http://127.0.0.1:80", "http://localhost/a"] {
            assert!(check(right).is_ok(), "{right}");
        }
        for wrong in ["", "example.com", "ftp://example.com", "https://", "mailto:a@b.c", "http://example.com"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
