//! Caches in front that are told of changes.

use std::time::Duration;

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// Caches were told of changes, or could not be.
#[derive(Debug)]
pub struct CdnPurged<'a> {
    /// Who was told: `varnish`, `fastly`, `cloudflare`, `webhook`.
    pub driver: &'static str,
    /// How many names were to be purged.
    pub tags: usize,
    /// Why it was not confirmed, if it was not.
    pub error: Option<&'a str>,
    /// Of what is purged everywhere by now: how long that took since the first change.
    pub lags: Vec<Duration>,
}

impl Happening for CdnPurged<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "cdn-purge-failed",
        message: "Caches could not be told what has changed; it is tried again",
        about: "When a purge was not confirmed by all of `cdn`. It is tried again until it is, after pauses of 100 ms to 30 s, and what \
                has changed meanwhile goes with it: until then these caches show what they have, for as long as they may keep it, and \
                writes that wait for them are answered 504. Each purge counts in `pando_cdn_purges_total`.",
        level: Level::Warn,
        fields: &[CDN, ERROR],
    };

    fn level(&self) -> Level {
        if self.error.is_some() { Self::DEFINITION.level } else { Level::Off }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(CDN, self.driver);
        if let Some(error) = self.error {
            line.word(ERROR, error);
        }
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_cdn_purge(self.driver, self.error.is_none(), &self.lags);
    }
}

/// More waited to be purged than may wait.
#[derive(Debug)]
pub struct CdnOverflowed;

impl Happening for CdnOverflowed {
    const DEFINITION: &'static Definition = &Definition {
        action: "cdn-overflowed",
        message: "More has changed than caches were told of in time; everything is purged",
        about: "When more names wait than `cdn.max_waiting`: everything that caches have of Pando is purged instead, once.",
        level: Level::Warn,
        fields: &[],
    };

    fn fields(&self, _line: &mut Line<'_>) {}
}
