//! Requests to caches, within bounds.

use std::error::Error as _;
use std::time::Duration;

use base::Secret;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response};

use super::Refused;
use crate::settings::{CdnError, address};

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 64 * 1024;

/// A cache that asks for more patience than this is asked sooner.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

/// How many causes of an error are told. Of a handshake that fails there are four.
const MOST_CAUSES: usize = 8;

pub(super) struct Requests {
    pub(super) client: Client,
}

impl Requests {
    pub(super) fn new(timeout: Duration) -> Result<Self, CdnError> {
        // Another part of the process may have chosen a provider already; then that one is used.
        let _already_chosen = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            // What is sent is meant for the address that was configured and for no other.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("pando/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CdnError::Address(error.without_url().to_string()))?;
        Ok(Self { client })
    }

    /// A `POST` of a JSON text.
    pub(super) fn post(&self, url: &str, body: String) -> RequestBuilder {
        self.client.post(url).header(CONTENT_TYPE, "application/json").body(body)
    }
}

/// A path of an API, whose address is its usual one or another.
pub(super) fn endpoint(url: Option<&Secret>, usual: &str, path: &str) -> Result<String, CdnError> {
    let base = address(url.map_or(usual, Secret::expose), true)?;
    Ok(format!("{}/{path}", base.as_str().trim_end_matches('/')))
}

/// What came back.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Answered {
    /// It was not done: why, beyond the status.
    pub(super) fn refusal(&self, why: &str) -> Refused {
        let why = format!("the answer has the status {}{why}", self.status.as_u16());
        Refused { why, retry_after: self.retry_after }
    }
}

/// Sends a request. A status of success says that it was done.
pub(super) async fn send(request: RequestBuilder) -> Result<(), Refused> {
    let answered = ask(request).await?;
    if answered.status.is_success() { Ok(()) } else { Err(answered.refusal("")) }
}

/// Sends a request, and reads the answer whatever its status is.
pub(super) async fn ask(request: RequestBuilder) -> Result<Answered, Refused> {
    let broken = |error| refused(cause(error));
    let mut answer = request.send().await.map_err(broken)?;
    let (status, retry_after) = (answer.status(), retry_after(&answer));
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= MOST_BYTES => body.extend_from_slice(&piece),
            Ok(None) => return Ok(Answered { status, body, retry_after }),
            // What it says of why it was not done may be missing; that it was not is known.
            _ if !status.is_success() => return Ok(Answered { status, body: Vec::new(), retry_after }),
            Ok(Some(_)) => return Err(refused(format!("the answer is larger than {MOST_BYTES} bytes"))),
            Err(error) => return Err(broken(error)),
        }
    }
}

/// Why there is no answer: the error with what caused it, without the address, which may carry credentials.
fn cause(error: reqwest::Error) -> String {
    let host = error.url().and_then(|url| url.host_str()).unwrap_or_default().to_owned();
    let error = error.without_url();
    let causes = std::iter::successors(error.source(), |cause| (**cause).source()).take(MOST_CAUSES);
    let text = causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    });
    // Certificates that are another's are told with the name that was expected.
    if host.is_empty() { text } else { text.replace(&host, "the host") }
}

/// A refusal without a word on when to come again.
pub(super) fn refused(why: String) -> Refused {
    Refused { why, retry_after: None }
}

/// `Retry-After` in seconds. As a date it would depend on two clocks, and is not looked at.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PATIENCE))
}
