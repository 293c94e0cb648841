//! What the operator decides about the dialect.

use std::sync::Arc;

use base::Limit;

use crate::preferences::{Preferences, Transaction};

/// The server's side of the dialect.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The exposed schemas; the first one answers requests that name none. Must not be empty.
    pub schemas: Vec<Arc<str>>,
    /// Whether a schema that is not exposed is refused in the words of PostgREST 12 and older.
    pub legacy_schema_error: bool,
    /// Whether `GET /` describes the API; otherwise it is answered 404 (PGRST126).
    pub openapi_enabled: bool,
    /// How transactions end.
    pub transaction_end: TransactionEnd,
    /// The bounds of what a request may contain.
    pub limits: Limits,
}

/// How a request's transaction ends, and whether `Prefer: tx=` may say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionEnd {
    /// Always committed.
    #[default]
    Commit,
    /// Committed unless the request says `tx=rollback`.
    CommitAllowOverride,
    /// Always rolled back.
    Rollback,
    /// Rolled back unless the request says `tx=commit`: for test suites.
    RollbackAllowOverride,
}

impl TransactionEnd {
    /// Whether `Prefer: tx=` counts.
    pub fn allows_override(self) -> bool {
        matches!(self, Self::CommitAllowOverride | Self::RollbackAllowOverride)
    }

    /// Whether the transaction of a request with these preferences is committed.
    pub fn commits(self, preferences: &Preferences) -> bool {
        match (self, preferences.transaction) {
            (Self::CommitAllowOverride, Some(asked)) | (Self::RollbackAllowOverride, Some(asked)) => {
                asked == Transaction::Commit
            }
            (Self::Commit | Self::CommitAllowOverride, _) => true,
            (Self::Rollback | Self::RollbackAllowOverride, _) => false,
        }
    }
}

/// The bounds of what a request may contain, so that a small request cannot cost much memory, time or stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of path and query string together. 16 KiB: twice what common proxies let through, room for
    /// `in.(...)` lists of some hundred UUIDs.
    pub max_uri_bytes: Limit,
    /// Parameters of the query string. 256: far beyond any hand-written filter, and each costs a condition.
    pub max_query_parameters: Limit,
    /// Items of `select`, at all levels together. 500: wider than the widest believable table.
    pub max_select_items: Limit,
    /// Embeds inside embeds that the parser follows. 20: it recurses, so this bounds its stack; `plan` bounds
    /// what is worth running more tightly.
    pub max_select_depth: Limit,
    /// Logic trees inside logic trees. 20: bounds the parser's stack.
    pub max_logic_depth: Limit,
    /// Values of one `in.(...)`. 5,000: more than fits the default URI, for installations that raise that one.
    pub max_filter_values: Limit,
    /// Arrays and objects inside one another in a JSON body. 64: bounds the scanner's stack.
    pub max_json_depth: Limit,
    /// Rows of one body. 100,000: a bulk load that one transaction still carries.
    pub max_payload_rows: Limit,
    /// Rows times columns of one body. 2,000,000: each takes 40 bytes, and `columns=` asks for cells that the body
    /// need not contain, so that without this a small request could claim gigabytes.
    pub max_payload_cells: Limit,
    /// Steps of one JSON path (`a->b->>c`). 20: documents nested deeper are not addressed by hand.
    pub max_json_path_steps: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_uri_bytes: Limit::new("limits.max_uri_bytes", 16_384),
            max_query_parameters: Limit::new("limits.max_query_parameters", 256),
            max_select_items: Limit::new("limits.max_select_items", 500),
            max_select_depth: Limit::new("limits.max_select_depth", 20),
            max_logic_depth: Limit::new("limits.max_logic_depth", 20),
            max_filter_values: Limit::new("limits.max_filter_values", 5_000),
            max_json_depth: Limit::new("limits.max_json_depth", 64),
            max_payload_rows: Limit::new("limits.max_payload_rows", 100_000),
            max_payload_cells: Limit::new("limits.max_payload_cells", 2_000_000),
            max_json_path_steps: Limit::new("limits.max_json_path_steps", 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_transaction() {
        let asks = |transaction| Preferences { transaction, ..Preferences::default() };
        for (end, asked, commits) in [
            (TransactionEnd::Commit, None, true),
            (TransactionEnd::Commit, Some(Transaction::Rollback), true),
            (TransactionEnd::CommitAllowOverride, None, true),
            (TransactionEnd::CommitAllowOverride, Some(Transaction::Rollback), false),
            (TransactionEnd::Rollback, Some(Transaction::Commit), false),
            (TransactionEnd::RollbackAllowOverride, None, false),
            (TransactionEnd::RollbackAllowOverride, Some(Transaction::Commit), true),
        ] {
            assert_eq!(end.commits(&asks(asked)), commits, "{end:?} {asked:?}");
        }
    }
}
