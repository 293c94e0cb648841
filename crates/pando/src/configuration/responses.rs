//! `[responses]`: which answers are kept.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::{RecallSettings, Rule};
use store::WatchSettings;

use super::effect::{Check, DatabaseAddress};
use super::replicas::qualified;

/// `[responses]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Responses {
    /// Which answers to reads are kept and shown again: of relations and functions, by `schema.name`; `*` is all others, on the
    /// embedded engine alone. Empty keeps none. On a PostgreSQL server triggers on these tables, and on those that they depend on, note
    /// what changes.
    /// `"public.todos" = "strict"` never shows an answer that is older than the last acknowledged write, whoever wrote it;
    /// `"session"` never one that lacks what the client has seen by its `Pando-Position`, and else one that is a second old at most;
    /// `"ttl 60"` one that is 60 seconds old at most, whatever was written. With `ttl` go `stale-while-revalidate 30` and
    /// `stale-if-error 600`, with all of them `private` (never outside of this process) or `cdn 60` (caches in front that `cdn` names may keep it for 60 seconds,
    /// where it is the same for everybody who is not signed in), between commas. A read of several
    /// is kept by the strictest rule, and not at all if one of them has none.
    pub tables: BTreeMap<String, String>,
    /// The most bytes that kept answers take in memory, in MiB.
    pub max_memory_mib: u32,
    /// The most bytes of an answer that is kept, in KiB.
    pub max_answer_kib: u32,
    /// One of so many kept answers that are shown is compared with what the database gives, and counted
    /// (`pando_cache_checked_reads_total`, `pando_cache_stale_reads_total`); 0 compares none.
    pub check_one_in: u32,
}

impl Default for Responses {
    fn default() -> Self {
        Self { tables: BTreeMap::new(), max_memory_mib: 64, max_answer_kib: 1_024, check_one_in: 1_000 }
    }
}

/// The name that stands for all others.
const OTHERS: &str = "*";

impl Check<'_> {
    /// Which answers are kept, and what is watched on a server for that; `None` for none.
    pub(super) fn responses(
        &mut self,
        database: Option<&DatabaseAddress>,
    ) -> Option<(RecallSettings, Option<WatchSettings>)> {
        let section = self.loaded().config.responses.clone();
        let mut settings = RecallSettings {
            rules: BTreeMap::new(),
            others: None,
            most_bytes: u64::from(section.max_memory_mib) << 20,
            largest: usize::try_from(section.max_answer_kib).unwrap_or(usize::MAX).saturating_mul(1024),
            checked: section.check_one_in,
        };
        for (name, text) in &section.tables {
            match text.parse::<Rule>() {
                Err(problem) => self.problem("responses.tables", format!("has {text:?} for {name}; it {problem}")),
                Ok(rule) if name == OTHERS => settings.others = Some(rule),
                Ok(rule) => match qualified(name) {
                    Some(name) => drop(settings.rules.insert(name, rule)),
                    None => self.problem(
                        "responses.tables",
                        format!("has the name {name:?}; it has to be schema.name, or * for all others"),
                    ),
                },
            }
        }
        for (name, value) in
            [("responses.max_memory_mib", section.max_memory_mib), ("responses.max_answer_kib", section.max_answer_kib)]
        {
            if value == 0 {
                self.problem(name, "has to be at least 1; an empty responses.tables keeps no answers");
            }
        }
        let is_used = !section.tables.is_empty();
        let is_server = matches!(database, Some(DatabaseAddress::Server(_)));
        if is_server && settings.others.is_some() {
            self.problem(
                "responses.tables",
                "has *, which is for the embedded engine: on a PostgreSQL server triggers note what changes, so name the tables",
            );
        }
        let watch = is_server
            .then(|| WatchSettings { relations: settings.rules.keys().cloned().collect(), ..WatchSettings::default() });
        is_used.then_some((settings, watch))
    }
}
