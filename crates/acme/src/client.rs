//! The way to the authority: bounded in time and size, over TLS alone, to no address that it did not name itself.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base::Clock;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use parking_lot::Mutex;
use reqwest::Certificate;

use crate::{AcmeError, Config};

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer: chains with some hundred names are some ten kilobytes.
const MOST_ANSWER_BYTES: usize = 1024 * 1024;
/// Bytes of the file with the authority's own certificates: a machine's whole list fits.
const MOST_AUTHORITY_BYTES: u64 = 4 * 1024 * 1024;

/// Until when the authority wants to be left alone, in seconds since 1970, if it has said so since this was last taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience(Arc<Mutex<Option<i64>>>);

impl Patience {
    /// Takes it.
    pub(crate) fn take(&self) -> Option<i64> {
        self.0.lock().take()
    }

    /// The authority wants to be left alone until then; of several wishes the one that goes furthest counts.
    fn heed(&self, until: i64) {
        let mut kept = self.0.lock();
        *kept = (*kept).max(Some(until));
    }
}

/// Until when a `Retry-After` asks to wait: so many seconds from now, or up to a date (RFC 9110 section 10.2.3).
fn wish(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(now.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX)));
    }
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Asks the authority.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    patience: Patience,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// Reads the file of the authority's own certificates, if there is one. Nothing is sent yet.
    pub(crate) fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, AcmeError> {
        // Another part of the process may have chosen a provider already; then that one is used.
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(REQUEST_TIMEOUT)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pando/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &config.authority {
            builder = builder.tls_certs_only(authorities(file)?);
        }
        let wrong = |error: reqwest::Error| AcmeError::Directory {
            url: config.directory.clone(),
            problem: error.without_url().to_string(),
        };
        Ok(Self { http: builder.build().map_err(wrong)?, patience: Patience::default(), clock })
    }

    /// What the authority says of when to come again.
    pub(crate) fn patience(&self) -> Patience {
        self.patience.clone()
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_or_else(|never| match never {}, |body| body.to_bytes());
        let outgoing = self.http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
        let mut answer = outgoing.send().await.map_err(unreachable_authority)?;
        let status = answer.status();
        if status.as_u16() == 429 || status.is_server_error() {
            let header = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            if let Some(until) = header.and_then(|text| wish(text, self.clock.now().seconds())) {
                self.patience.heed(until);
            }
        }
        let mut response = Response::builder().status(status);
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(unreachable_authority)? {
            if bytes.len() + piece.len() > MOST_ANSWER_BYTES {
                return Err(Error::Other(format!("an answer has more than {MOST_ANSWER_BYTES} bytes").into()));
            }
            bytes.extend_from_slice(&piece);
        }
        // What stands between answers in HTML, and "expected value at line 1" would help nobody.
        let is_problem = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if !status.is_success() && !is_problem {
            return Err(Error::Other(format!("the authority answers {status}, and not in the words of ACME").into()));
        }
        Ok(response.body(Full::new(Bytes::from(bytes)))?.into())
    }
}

/// With the reason at the bottom, which is what helps: a name that is not known, a certificate that is not trusted.
fn unreachable_authority(error: reqwest::Error) -> Error {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    Error::Other(text.into())
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().exchange(request))
    }
}

fn authorities(file: &Path) -> Result<Vec<Certificate>, AcmeError> {
    let wrong = |problem: String| AcmeError::Authority { file: file.to_owned(), problem };
    let size = std::fs::metadata(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?.len();
    if size > MOST_AUTHORITY_BYTES {
        return Err(wrong(format!("it has {size} bytes, which is too much for certificates")));
    }
    let bytes = std::fs::read(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let certificates =
        Certificate::from_pem_bundle(&bytes).map_err(|_error| wrong("it is not proper PEM".to_owned()))?;
    if certificates.is_empty() {
        return Err(wrong("it has no CERTIFICATE in it".to_owned()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_says_when_to_come_again() {
        for (text, expected) in [
            (" 120 ", Some(1_120)),
            ("18446744073709551615", Some(i64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wish(text, 1_000), expected, "{text}");
        }
        let patience = Patience::default();
        assert_eq!(patience.take(), None);
        patience.heed(2_000);
        patience.heed(1_500);
        assert_eq!(patience.take(), Some(2_000), "a shorter wish takes nothing back");
        assert_eq!(patience.take(), None, "it is of one order");
    }
}
