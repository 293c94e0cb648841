//! How far was sealed, as everybody reads it.

use store::{OwnStep, Store};

use crate::AuditError;
use crate::entry::Entry;
use crate::page::ask;
use crate::tables::HEAD;

/// What is wrong where nothing says how far was sealed.
pub(crate) const NO_HEAD: &str = "pando.audit_head has no row";

/// How far was sealed: how many entries, and which was the last.
pub(crate) struct Head {
    pub(crate) size: i64,
    pub(crate) transaction: i64,
    pub(crate) entry: i64,
    is_native: bool,
}

impl Head {
    /// Whether an entry was to be sealed already.
    pub(crate) fn covers(&self, entry: &Entry) -> bool {
        let number = if self.is_native { entry.transaction_number } else { 0 };
        let last = if self.is_native { self.transaction } else { 0 };
        self.size > 0 && (number, entry.id) <= (last, self.entry)
    }
}

/// How far was sealed; `None` where nothing says it.
pub(crate) async fn read_head(store: &dyn Store) -> Result<Option<Head>, AuditError> {
    let answer = ask(store, OwnStep::new(HEAD, [])).await?;
    let Some(row) = answer.first() else { return Ok(None) };
    let is_native = store.catalog().is_native();
    let (transaction, entry) = (row.get("transaction_number")?, row.get("entry")?);
    Ok(Some(Head { size: row.get("size")?, transaction, entry, is_native }))
}
