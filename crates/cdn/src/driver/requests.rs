//! Requests to caches, within bounds.

use std::time::Duration;

use http::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Response};

use super::Refused;
use crate::settings::CdnError;

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 64 * 1024;

/// A cache that asks for more patience than this is asked sooner.
const LONGEST_PATIENCE: Duration = Duration::from_secs(60);

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
}

/// Sends a request, and reads an answer that has a status of success.
pub(super) async fn send(request: RequestBuilder) -> Result<Vec<u8>, Refused> {
    // reqwest's texts name the address, which may carry credentials.
    let broken = |error: reqwest::Error| refused(error.without_url().to_string());
    let mut answer = request.send().await.map_err(broken)?;
    if !answer.status().is_success() {
        let why = format!("the answer has the status {}", answer.status().as_u16());
        return Err(Refused { why, retry_after: retry_after(&answer) });
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(refused(format!("the answer is larger than {MOST_BYTES} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
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
