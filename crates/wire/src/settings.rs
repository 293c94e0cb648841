use base::Limit;

/// How connections behave, apart from where they lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many statements a connection keeps prepared. 0 prepares none: every statement is parsed each time without a
    /// name, as a pooler in transaction mode (PgBouncer) needs it.
    pub prepared_statements: usize,
    /// The longest message that the server may send: a row, above all. A broken server could otherwise take all memory.
    pub message_bytes: Limit,
    /// Parameters for the session's start besides those of the target, for example `TimeZone`. A pooler may refuse them.
    pub parameters: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prepared_statements: 256,
            // PostgreSQL itself makes no row beyond 1 GiB; what a web API answers stays far below this.
            message_bytes: Limit::new("the length of a message of PostgreSQL in bytes", 128 << 20),
            parameters: Vec::new(),
        }
    }
}
