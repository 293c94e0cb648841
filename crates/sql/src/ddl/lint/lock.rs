//! What keeps others from a table for as long as it takes, besides [`super::alter`].

use sqlparser::tokenizer::Token;

use super::index::sees_anywhere;
use super::schema::TableName;
use super::{Linter, Rule, is_concurrent, is_word, table_name};
use crate::ddl::tokens::Cursor;

impl Linter {
    /// Statements that keep everybody from a table for as long as they take.
    pub(super) fn long_lock(&mut self, cursor: &mut Cursor<'_>) {
        let what = if cursor.takes(&["LOCK"]) {
            cursor.takes(&["TABLE"]);
            "LOCK TABLE"
        } else if cursor.takes(&["CLUSTER"]) {
            "CLUSTER"
        } else if cursor.takes(&["REINDEX"]) {
            if is_concurrent(cursor) {
                return;
            }
            "REINDEX without CONCURRENTLY"
        } else if cursor.takes(&["VACUUM"]) {
            let options = cursor.parenthesized().ok().flatten().unwrap_or_default();
            let is_full = options.iter().any(|token| is_word(&token.token, "FULL")) || cursor.takes(&["FULL"]);
            if !is_full {
                return;
            }
            "VACUUM FULL"
        } else if cursor.takes(&["REFRESH", "MATERIALIZED", "VIEW"]) {
            let is_new = |name: TableName| !self.is_view_in_use(&name);
            if cursor.takes(&["CONCURRENTLY"]) || table_name(cursor).is_some_and(is_new) {
                return;
            }
            "REFRESH MATERIALIZED VIEW without CONCURRENTLY"
        } else {
            return;
        };
        self.tell(
            Rule::LongLock,
            format!("{what} keeps writers, and mostly readers as well, waiting until it is done"),
        );
    }

    /// Statements about all rows of a table; whether this is one.
    pub(super) fn rows(&mut self, cursor: &mut Cursor<'_>) -> bool {
        if cursor.takes(&["TRUNCATE"]) {
            cursor.takes(&["TABLE"]);
            self.truncate(cursor);
        } else if cursor.takes(&["UPDATE"]) || cursor.takes(&["DELETE", "FROM"]) {
            self.all_rows(cursor);
        } else {
            return false;
        }
        true
    }

    fn truncate(&mut self, cursor: &mut Cursor<'_>) {
        while let Some(name) = table_name(cursor) {
            if self.is_in_use(&name) {
                let message = format!("TRUNCATE keeps everybody from {name} until the file is done");
                self.tell(Rule::LongLock, message);
            }
            cursor.takes_token(&Token::Mul);
            if !cursor.takes_token(&Token::Comma) {
                return;
            }
        }
    }

    /// `UPDATE` or `DELETE`, after a table was altered whose lock is held until all rows are written.
    fn all_rows(&mut self, cursor: &mut Cursor<'_>) {
        let Some(name) = table_name(cursor) else { return };
        let is_held = self.has_altered && !self.is_without_transaction;
        if is_held && self.is_in_use(&name) && !sees_anywhere(cursor, &["WHERE"]) {
            let message = format!("the lock of what was altered before is held until all rows of {name} are written");
            self.tell(Rule::AllRows, message);
        }
    }
}
