//! Fastly: `POST /service/{id}/purge` with up to 256 keys (its API's reference, "Purge multiple surrogate key tags").

use base::Secret;
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue};
use serde_json::json;

use super::requests::{Requests, endpoint, send};
use super::{Driver, Purged, TagHeader, secret_header, segment};
use crate::settings::CdnError;
use crate::tag::Tag;

/// Where it is asked.
const API: &str = "https://api.fastly.com";

/// Where its token stands.
const FASTLY_KEY: HeaderName = HeaderName::from_static("fastly-key");

/// The most keys of a purge.
const MOST_TAGS: usize = 256;

/// Far more than these have.
const MOST_BYTES: usize = 256 * 1024;

pub(super) struct Fastly {
    requests: Requests,
    url: String,
    token: HeaderValue,
}

impl Fastly {
    pub(super) fn new(
        requests: Requests,
        url: Option<&Secret>,
        service: &str,
        token: &Secret,
    ) -> Result<Self, CdnError> {
        let url = endpoint(url, API, &format!("service/{}/purge", segment(service)?))?;
        Ok(Self { requests, url, token: secret_header(token.expose())? })
    }
}

impl Driver for Fastly {
    fn name(&self) -> &'static str {
        "fastly"
    }

    fn most(&self) -> (usize, usize) {
        (MOST_TAGS, MOST_BYTES)
    }

    fn headers(&self) -> &'static [TagHeader] {
        &[TagHeader::SurrogateKey]
    }

    fn purge<'a>(&'a self, tags: &'a [Tag]) -> Purged<'a> {
        Box::pin(async move {
            let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            let request = self.requests.post(&self.url, json!({"surrogate_keys": names}).to_string());
            send(request.header(FASTLY_KEY, self.token.clone()).header(ACCEPT, "application/json")).await
        })
    }
}
