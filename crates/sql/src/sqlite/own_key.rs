//! Setting the key of a row that refers to itself.
//!
//! When an `UPDATE` or `DO UPDATE` sets a key that rows of the same table refer to, SQLite (3.51, `fkScanChildren`) counts
//! the row itself among the children of the new key, though not among those of the old one: it leaves the row in its
//! place unless a column of the foreign key, or the `_rowid_`, is set as well. The count is then one too small. A sound
//! statement is refused, and one that breaks another foreign key passes.

use std::sync::Arc;

use catalog::{DefaultValue, Relation};

/// Set beside the others, it makes SQLite take the row out of its place first. No trigger listens to it.
pub const ROW_ID_TO_ITSELF: &str = ", _rowid_ = _rowid_";

/// What has to follow the assignments to these columns of a table: [`ROW_ID_TO_ITSELF`], or nothing.
pub fn beside<'c>(table: &Relation, assigned: impl IntoIterator<Item = &'c Arc<str>>) -> &'static str {
    let mut is_own_key = false;
    for name in assigned {
        if table.column(name).is_some_and(|column| matches!(column.default, DefaultValue::Identity(_))) {
            // It is the `_rowid_`.
            return "";
        }
        let own = table.foreign_keys.iter().filter(|key| key.references == table.name);
        is_own_key |= own.into_iter().any(|key| key.referenced_columns.contains(name));
    }
    if is_own_key { ROW_ID_TO_ITSELF } else { "" }
}
