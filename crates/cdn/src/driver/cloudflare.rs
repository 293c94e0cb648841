//! Cloudflare: `POST /zones/{zone}/purge_cache` with up to 100 tags (its documentation, "Purge cache by cache-tags").

use base::Secret;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::requests::{Requests, refused, send};
use super::{Driver, Purged, TagHeader, secret_header, segment};
use crate::settings::{CdnError, address};
use crate::tag::Tag;

/// Where it is asked.
const API: &str = "https://api.cloudflare.com/client/v4";

/// The most tags of a purge.
const MOST_TAGS: usize = 100;

/// Far more than these have.
const MOST_BYTES: usize = 256 * 1024;

pub(super) struct Cloudflare {
    requests: Requests,
    url: String,
    token: HeaderValue,
}

impl Cloudflare {
    pub(super) fn new(requests: Requests, url: Option<&Secret>, zone: &str, token: &Secret) -> Result<Self, CdnError> {
        let base = address(url.map_or(API, Secret::expose), true)?;
        let url = format!("{}/zones/{}/purge_cache", base.as_str().trim_end_matches('/'), segment(zone)?);
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
            let request = self
                .requests
                .client
                .post(&self.url)
                .header(AUTHORIZATION, self.token.clone())
                .header(CONTENT_TYPE, "application/json")
                .body(json!({"tags": names}).to_string());
            let answer: Value = serde_json::from_slice(&send(request).await?).unwrap_or_default();
            // It says in the body whether it was done, whatever the status.
            match answer.get("success").and_then(Value::as_bool) {
                Some(true) => Ok(()),
                _ => Err(refused("the answer does not say that it was done".to_owned())),
            }
        })
    }
}
