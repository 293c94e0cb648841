//! What the operator decides about plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Freshness, Limit, QualifiedName};

/// The settings that planning depends on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most rows that a read gives per level, whatever the client asks for; `None` for no bound (PostgREST's `db-max-rows`).
    pub max_rows: Option<u64>,
    /// Whether the plan of a statement may be asked for (PostgREST's `db-plan-enabled`).
    pub explain: bool,
    /// The schemas whose aggregates make media types: those that are exposed.
    pub schemas: Vec<Arc<str>>,
    /// Whether aggregate functions may be used (PostgREST's `db-aggregates-enabled`).
    pub aggregates: bool,
    /// How fresh what is read of a relation or routine has to be, whatever the client allows. Of others the client decides.
    pub freshness: BTreeMap<QualifiedName, Freshness>,
    /// Bounds on the shape of a request.
    pub limits: Limits,
}

/// Bounds on the shape of a request. A request beyond one is refused with its name.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How deep embeds may nest. Each level multiplies the rows that are read.
    pub max_embed_depth: Limit,
    /// How many relations one request may embed. SQLite joins at most 64 tables.
    pub max_embeds: Limit,
    /// How many conditions one request may have, values of lists counted: SQLite takes at most 32,766 parameters.
    pub max_filters: Limit,
    /// How many columns `order` may name.
    pub max_order_terms: Limit,
    /// How many rows one write may carry. All of them are one transaction, during which no other write proceeds.
    pub max_written_rows: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_embed_depth: Limit::new("limits.max_embed_depth", 8),
            max_embeds: Limit::new("limits.max_embeds", 32),
            max_filters: Limit::new("limits.max_filters", 10_000),
            max_order_terms: Limit::new("limits.max_order_terms", 32),
            max_written_rows: Limit::new("limits.max_written_rows", 10_000),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_rows: Some(1_000),
            aggregates: false,
            freshness: BTreeMap::new(),
            explain: false,
            schemas: Vec::new(),
            limits: Limits::default(),
        }
    }
}
