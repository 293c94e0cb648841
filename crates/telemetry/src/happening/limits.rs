//! How much one may ask, and how much is answered at once.

use std::sync::Arc;
use std::time::Duration;

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line, Metrics};

/// A policy was asked whether a request may go on.
#[derive(Debug)]
pub struct RateDecision<'a> {
    /// The policy's name, from the configuration.
    pub policy: &'a Arc<str>,
    /// Whether it may.
    pub is_allowed: bool,
}

impl Happening for RateDecision<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "rate-limited",
        message: "A request was refused by a policy",
        about: "When a request is refused with 429. Logged at level debug, since it comes in thousands; \
                `pando_rate_limit_requests_total` counts each, and those that were allowed.",
        level: Level::Debug,
        fields: &[POLICY],
    };

    fn level(&self) -> Level {
        if self.is_allowed { Level::Off } else { Self::DEFINITION.level }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(POLICY, self.policy);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_rate_decision(self.policy, self.is_allowed);
    }
}

/// A request was turned away because the server has too much to do.
#[derive(Debug)]
pub struct RequestShed {
    /// The class of the request.
    pub class: &'static str,
}

impl Happening for RequestShed {
    const DEFINITION: &'static Definition = &Definition {
        action: "request-shed",
        message: "A request was turned away because of overload",
        about: "When a request is refused with 503 since more is asked than can be answered. Logged at level debug, since it \
                comes in thousands; `pando_overload_shed_total` counts each.",
        level: Level::Debug,
        fields: &[CLASS],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(CLASS, self.class);
    }

    fn meter(&self, metrics: &Metrics) {
        metrics.count_overload_shed(self.class);
    }
}

/// More is asked than can be answered, or no longer.
#[derive(Debug)]
pub struct OverloadChanged {
    /// Whether requests are turned away from now on.
    pub is_overloaded: bool,
    /// How many are answered at once.
    pub limit: u64,
    /// How long requests wait for their turn.
    pub delay: Duration,
}

impl Happening for OverloadChanged {
    const DEFINITION: &'static Definition = &Definition {
        action: "overload-changed",
        message: "More is asked than can be answered, or no longer",
        about: "When requests begin to be turned away because of overload, and when none was for some seconds.",
        level: Level::Warn,
        fields: &[REASON, LIMIT_VALUE, WAIT],
    };

    fn level(&self) -> Level {
        if self.is_overloaded { Level::Warn } else { Level::Info }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, if self.is_overloaded { "overloaded" } else { "recovered" });
        line.count(LIMIT_VALUE, self.limit);
        line.duration(WAIT, self.delay);
    }
}

/// The server of the shared counters is gone, or is back.
#[derive(Debug)]
pub struct CacheChanged {
    /// Why it is gone; `None` when it is back.
    pub reason: Option<&'static str>,
    /// How long it was gone.
    pub after: Option<Duration>,
}

impl Happening for CacheChanged {
    const DEFINITION: &'static Definition = &Definition {
        action: "cache-changed",
        message: "The server of the shared counters is gone or back",
        about: "When the server of `cache.url` does not answer any more: until it does, each node counts by itself and allows \
                the share of every bound that `cache.local_share` says. And when it answers (again). The policies have a connection, and \
                the login one of its own: each tells of itself.",
        level: Level::Warn,
        fields: &[REASON, DURATION],
    };

    fn level(&self) -> Level {
        if self.reason.is_some() { Level::Warn } else { Level::Info }
    }

    fn fields(&self, line: &mut Line<'_>) {
        line.word(REASON, self.reason.unwrap_or("answers"));
        if let Some(after) = self.after {
            line.duration(DURATION, after);
        }
    }
}
