//! Cloudflare: `POST /zones/{zone}/purge_cache` with up to 100 tags (its documentation, "Purge cache by cache-tags").

use base::Secret;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::requests::{Requests, ask, endpoint};
use super::{Driver, Purged, TagHeader, secret_header, segment};
use crate::settings::CdnError;
use crate::tag::Tag;

/// Where it is asked.
const API: &str = "https://api.cloudflare.com/client/v4";

/// The most tags of a purge.
const MOST_TAGS: usize = 100;

/// Far more than these have.
const MOST_BYTES: usize = 256 * 1024;

/// How many of its errors are told.
const MOST_ERRORS: usize = 5;

pub(super) struct Cloudflare {
    requests: Requests,
    url: String,
    token: HeaderValue,
}

impl Cloudflare {
    pub(super) fn new(requests: Requests, url: Option<&Secret>, zone: &str, token: &Secret) -> Result<Self, CdnError> {
        let url = endpoint(url, API, &format!("zones/{}/purge_cache", segment(zone)?))?;
        Ok(Self { requests, url, token: secret_header(&format!("Bearer {}", token.expose()))? })
    }
}

impl Driver for Cloudflare {
    fn name(&self) -> &'static str {
        "cloudflare"
    }

    fn most(&self) -> (usize, usize) {
        (MOST_TAGS, MOST_BYTES)
    }

    fn headers(&self) -> &'static [TagHeader] {
        &[TagHeader::CacheTag]
    }

    fn purge<'a>(&'a self, tags: &'a [Tag]) -> Purged<'a> {
        Box::pin(async move {
            let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            let request = self.requests.post(&self.url, json!({"tags": names}).to_string());
            let answered = ask(request.header(AUTHORIZATION, self.token.clone())).await?;
            let told: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
            // It says in the body whether it was done, whatever the status.
            match told.get("success").and_then(Value::as_bool) {
                Some(true) if answered.status.is_success() => Ok(()),
                _ => Err(answered.refusal(&errors(&told))),
            }
        })
    }
}

/// The numbers of the errors that it tells, which its documentation explains. Its texts may repeat what was sent.
fn errors(told: &Value) -> String {
    let list = told.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let codes: Vec<String> = list
        .iter()
        .filter_map(|error| error.get("code")?.as_i64())
        .take(MOST_ERRORS)
        .map(|code| code.to_string())
        .collect();
    if codes.is_empty() {
        return " and does not say that it was done".to_owned();
    }
    format!(" and names Cloudflare's errors {}", codes.join(", "))
}
