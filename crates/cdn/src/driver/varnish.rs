//! Varnish with the module xkey: `PURGE` with the names in a header, as the configuration in `docs/cdn.md` takes it. Whatever Varnish
//! answers it has purged before, and its answer is that of one that is told to whoever asks it.

use base::Secret;
use reqwest::Method;
use url::Url;

use super::requests::{Requests, refused, send};
use super::{Driver, Purged, Refused, TagHeader};
use crate::settings::{CdnError, address};
use crate::tag::Tag;

/// How the names are sent.
const PURGE_HEADER: &str = "xkey-purge";

/// The longest header that is sent; Varnish takes 8 KiB by default (`http_req_hdr_len`), with its name.
const MOST_BYTES: usize = 7 * 1024;

/// The most names of a purge. Only their length counts.
const MOST_TAGS: usize = 1_024;

pub(super) struct Varnish {
    requests: Requests,
    urls: Vec<Url>,
    method: Method,
}

impl Varnish {
    pub(super) fn new(requests: Requests, urls: &[Secret]) -> Result<Self, CdnError> {
        let urls = urls.iter().map(|url| address(url.expose(), false)).collect::<Result<Vec<_>, _>>()?;
        let method = Method::from_bytes(b"PURGE").map_err(|_| CdnError::Name)?;
        Ok(Self { requests, urls, method })
    }

    async fn purge_one(&self, place: usize, url: &Url, names: &str) -> Result<(), Refused> {
        let request = self.requests.client.request(self.method.clone(), url.clone()).header(PURGE_HEADER, names);
        match send(request).await {
            Ok(()) => Ok(()),
            Err(told) => Err(Refused { why: format!("number {} of its addresses: {}", place + 1, told.why), ..told }),
        }
    }
}

impl Driver for Varnish {
    fn name(&self) -> &'static str {
        "varnish"
    }

    fn most(&self) -> (usize, usize) {
        (MOST_TAGS, MOST_BYTES)
    }

    fn headers(&self) -> &'static [TagHeader] {
        &[TagHeader::Xkey]
    }

    fn purge<'a>(&'a self, tags: &'a [Tag]) -> Purged<'a> {
        Box::pin(async move {
            let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            let names = names.join(" ");
            // One that does not answer keeps none of the others from being told.
            let mut outcome = Ok(());
            for (place, url) in self.urls.iter().enumerate() {
                let one = self.purge_one(place, url, &names).await;
                outcome = outcome.and(one);
            }
            if self.urls.is_empty() {
                return Err(refused("there is no address".to_owned()));
            }
            outcome
        })
    }
}
