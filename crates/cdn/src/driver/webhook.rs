//! A program of one's own, told as Standard Webhooks 1.0 has it: `POST` with `{"tags": [...], "id": "msg_...", "at": seconds}`, an
//! id that stays the same however often it is sent, and a signature. Any status of success says that it was done.

use std::sync::Arc;

use base::{Clock, Secret};
use parking_lot::Mutex;
use serde_json::json;
use url::Url;

use super::requests::{Requests, refused, send};
use super::{Driver, Purged, TagHeader};
use crate::settings::{CdnError, WebhookKey, address};
use crate::tag::Tag;

/// The most names of a message.
const MOST_TAGS: usize = 256;

/// Far more than these have.
const MOST_BYTES: usize = 256 * 1024;

pub(super) struct Webhook {
    requests: Requests,
    url: Url,
    key: WebhookKey,
    clock: Arc<dyn Clock>,
    /// A message that was not confirmed: its names, its id and its moment. Sent again with the same names it is the same message.
    last: Mutex<Option<(Vec<Tag>, String, i64)>>,
}

impl Webhook {
    pub(super) fn new(
        requests: Requests,
        url: &Secret,
        key: WebhookKey,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CdnError> {
        Ok(Self { requests, url: address(url.expose(), true)?, key, clock, last: Mutex::default() })
    }

    /// The message's id and the second in which it was made.
    fn message(&self, tags: &[Tag]) -> Option<(String, i64)> {
        let mut last = self.last.lock();
        if let Some((of, id, at)) = &*last
            && of == tags
        {
            return Some((id.clone(), *at));
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        let id = format!("msg_{}", uuid::Builder::from_random_bytes(bytes).into_uuid());
        let at = self.clock.now().seconds();
        *last = Some((tags.to_vec(), id.clone(), at));
        Some((id, at))
    }
}

impl Driver for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn most(&self) -> (usize, usize) {
        (MOST_TAGS, MOST_BYTES)
    }

    fn headers(&self) -> &'static [TagHeader] {
        &[TagHeader::SurrogateKey, TagHeader::CacheTag]
    }

    fn purge<'a>(&'a self, tags: &'a [Tag]) -> Purged<'a> {
        Box::pin(async move {
            let no_chance = || refused("the operating system gives no random bytes".to_owned());
            let (id, at) = self.message(tags).ok_or_else(no_chance)?;
            let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            let body = json!({"tags": names, "id": id, "at": at}).to_string();
            let seconds = self.clock.now().seconds();
            let signature = self.key.sign(&id, seconds, &body);
            let request = self.requests.post(self.url.as_str(), body).header("webhook-id", &id);
            let request =
                request.header("webhook-timestamp", seconds.to_string()).header("webhook-signature", signature);
            send(request).await?;
            *self.last.lock() = None;
            Ok(())
        })
    }
}
