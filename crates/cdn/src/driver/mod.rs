//! The promise that every driver keeps. `tests/drivers.rs` asks all of them.

mod cloudflare;
mod fastly;
mod requests;
mod varnish;
mod webhook;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use http::{HeaderName, HeaderValue};

use crate::settings::{CdnError, CdnSettings, DriverSettings};
use crate::tag::Tag;

/// What a driver gives when it has tried.
pub type Purged<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

/// A purge was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why, for the log; never an address or a token.
    pub why: String,
    /// When it may be tried again, as the cache says it.
    pub retry_after: Option<Duration>,
}

/// Caches that can be told to forget.
pub trait Driver: Send + Sync + 'static {
    /// Its name in the metrics: `varnish`.
    fn name(&self) -> &'static str;

    /// The most names that one purge takes, and the most bytes of them, with one between two.
    fn most(&self) -> (usize, usize);

    /// The headers in which it looks for an answer's names.
    fn headers(&self) -> &'static [TagHeader];

    /// Has whatever carries one of these names forgotten, wherever it is kept.
    ///
    /// - It has been when this ends well, and not a moment later.
    /// - Purging twice is as good as once.
    ///
    /// # Errors
    /// [`Refused`]: some of it may have been forgotten.
    fn purge<'a>(&'a self, tags: &'a [Tag]) -> Purged<'a>;
}

/// A header that carries an answer's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagHeader {
    /// Varnish's module xkey reads it.
    Xkey,
    /// Fastly's.
    SurrogateKey,
    /// Cloudflare's.
    CacheTag,
}

impl TagHeader {
    /// The header with these names in it.
    pub fn of(self, tags: &[Tag]) -> Option<(HeaderName, HeaderValue)> {
        let (name, separator) = match self {
            Self::Xkey => ("xkey", " "),
            Self::SurrogateKey => ("surrogate-key", " "),
            Self::CacheTag => ("cache-tag", ","),
        };
        let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        Some((HeaderName::from_static(name), HeaderValue::try_from(names.join(separator)).ok()?))
    }
}

/// Opens a driver; nothing is sent yet.
///
/// # Errors
/// [`CdnError`].
pub fn open(settings: &CdnSettings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Driver>, CdnError> {
    let requests = requests::Requests::new(settings.timeout)?;
    Ok(match &settings.driver {
        DriverSettings::Varnish { urls } => Arc::new(varnish::Varnish::new(requests, urls)?),
        DriverSettings::Fastly { url, service, token } => {
            Arc::new(fastly::Fastly::new(requests, url.as_ref(), service, token)?)
        }
        DriverSettings::Cloudflare { url, zone, token } => {
            Arc::new(cloudflare::Cloudflare::new(requests, url.as_ref(), zone, token)?)
        }
        DriverSettings::Webhook { url, key } => Arc::new(webhook::Webhook::new(requests, url, key.clone(), clock)?),
    })
}

/// A part of a path that is only letters and digits, so that it leads nowhere else.
fn segment(text: &str) -> Result<&str, CdnError> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { Ok(text) } else { Err(CdnError::Name) }
}

/// A token as a header, which is not shown in logs.
fn secret_header(text: &str) -> Result<HeaderValue, CdnError> {
    let is_plain = text.split(' ').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()));
    let mut value = HeaderValue::try_from(text).ok().filter(|_| is_plain).ok_or(CdnError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}
