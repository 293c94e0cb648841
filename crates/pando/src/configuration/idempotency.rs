//! `[idempotency]`: writes that are done once however often they are asked for.

use std::sync::Arc;
use std::time::Duration;

use base::Limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::IdempotencySettings;
use store::Shelf;

use super::effect::Check;

/// `[idempotency]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IdempotencySection {
    /// Whether the answer of a write with the header `Idempotency-Key` is kept in `pando.idempotency`, so that a retry is answered
    /// and not done again.
    pub enabled: IdempotencyEnabled,
    /// For how many hours an answer is kept. Whoever retries later writes again.
    pub keep_hours: u32,
    /// The most bytes of an answer that is kept. A write with a key and a longer answer is refused, and nothing is written.
    pub max_answer_bytes: u64,
    /// How much room all answers have that are kept, in MiB. Where it is full, a write with a key is refused (503), and nothing is written;
    /// the last quarter is for answers of at most 4 KiB.
    pub max_kept_mib: u32,
    /// Paths where every write needs a key, and is refused (400) without one, for example `["/rest/v1/payments", "/rest/v1/rpc/transfer"]`;
    /// what is below a path is meant as well, so `/rest/v1` is everything.
    pub required: Vec<String>,
}

/// Whether answers are kept under keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdempotencyEnabled {
    /// On the embedded engine. On a PostgreSQL server where a start with `"on"`, or `pando bootstrap`, has made its table before; else
    /// a write with a key is refused.
    Auto,
    /// Yes; the start is refused where its table cannot be made.
    On,
    /// No: the header is ignored, as by PostgREST.
    Off,
}

impl Default for IdempotencySection {
    fn default() -> Self {
        Self {
            enabled: IdempotencyEnabled::Auto,
            keep_hours: 24,
            max_answer_bytes: 1 << 20,
            max_kept_mib: 256,
            required: Vec::new(),
        }
    }
}

/// What `[idempotency]` means.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// Whether answers are to be kept; off where the configuration is PostgREST's.
    pub enabled: IdempotencyEnabled,
    /// How; `None` where the header is ignored.
    pub settings: Option<IdempotencySettings>,
}

/// Keys are for retries, and a table of them that is a year long is none for that.
const LONGEST_HOURS: u32 = 8_760;

/// Answers are written with their writes, and read whole.
const MOST_BYTES: u64 = 64 << 20;

/// Where the REST API is.
const MOUNT: &str = "/rest/v1";

impl Check<'_> {
    /// What is kept under keys.
    pub(super) fn idempotency(&mut self) -> Keeping {
        let loaded = self.loaded();
        let section = &loaded.config.idempotency;
        let enabled = if loaded.is_postgrest { IdempotencyEnabled::Off } else { section.enabled };
        if !(1..=LONGEST_HOURS).contains(&section.keep_hours) {
            self.problem("idempotency.keep_hours", format!("has to lie between 1 and {LONGEST_HOURS}"));
        }
        // With none every write with a key would be refused.
        if !(1..=MOST_BYTES).contains(&section.max_answer_bytes) {
            self.problem("idempotency.max_answer_bytes", format!("has to lie between 1 and {MOST_BYTES}"));
        }
        if section.max_kept_mib == 0 {
            self.problem("idempotency.max_kept_mib", "has to be at least 1");
        }
        let most_kept = Limit::new("idempotency.max_kept_mib", u64::from(section.max_kept_mib) << 20);
        let mut required = Vec::new();
        for path in &section.required {
            let below = path.trim_end_matches('/').strip_prefix(MOUNT);
            match below.filter(|below| below.is_empty() || below.starts_with('/')) {
                Some(below) => required.push(below.to_owned()),
                None => self.problem("idempotency.required", format!("has {path:?}; it has to begin with {MOUNT}")),
            }
        }
        if enabled == IdempotencyEnabled::Off && !required.is_empty() {
            self.problem("idempotency.required", "needs idempotency.enabled, which is \"off\"");
        }
        let settings = IdempotencySettings {
            keeps: Duration::from_hours(u64::from(section.keep_hours)),
            most_bytes: Limit::new("idempotency.max_answer_bytes", section.max_answer_bytes),
            shelf: Arc::new(Shelf::new(most_kept)),
            required,
        };
        Keeping { enabled, settings: Some(settings).filter(|_| enabled != IdempotencyEnabled::Off) }
    }
}
