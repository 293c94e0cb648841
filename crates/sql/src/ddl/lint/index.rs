//! Tables that are made, and their indexes.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::schema::{Table, TableName};
use super::{Linter, Rule, is_word, table_name};
use crate::ddl::names;
use crate::ddl::tokens::Cursor;

impl Linter {
    pub(super) fn create_table(&mut self, cursor: &mut Cursor<'_>) {
        let Some(name) = table_name(cursor) else { return };
        // A partition is searched by the indexes of its parent.
        if self.schema.table(&name).is_some() || cursor.sees(&["PARTITION", "OF"]) {
            return;
        }
        self.schema.insert(name.clone(), Table { made_in: self.file, ..Table::default() });
        let Ok(Some(body)) = cursor.parenthesized() else { return };
        for item in items(body) {
            let mut item = Cursor::over(item);
            if is_constraint(&item) {
                self.constraint(&name, &mut item);
            } else {
                self.column(&name, &mut item);
            }
        }
    }

    /// `name type constraints…`: what it means for searches.
    pub(super) fn column(&mut self, table: &TableName, cursor: &mut Cursor<'_>) {
        let Ok((column, _)) = cursor.identifier("a column") else { return };
        let kind = type_of(cursor);
        let is_key = sees_anywhere(cursor, &["PRIMARY", "KEY"]) || sees_anywhere(cursor, &["UNIQUE"]);
        let is_reference = sees_anywhere(cursor, &["REFERENCES"]);
        let place = self.place.clone();
        let Some(table) = self.schema.table_mut(table) else { return };
        table.types.insert(column.clone(), kind);
        if is_key {
            table.indexes.push((None, vec![column.clone()]));
        }
        if is_reference {
            table.foreign_keys.push((place, vec![column]));
        }
    }

    /// A constraint of a table: what it means for searches.
    pub(super) fn constraint(&mut self, table: &TableName, cursor: &mut Cursor<'_>) {
        let name = if cursor.takes(&["CONSTRAINT"]) { cursor.identifier("a name").ok() } else { None };
        let place = self.place.clone();
        let Some(table) = self.schema.table_mut(table) else { return };
        if cursor.takes(&["PRIMARY", "KEY"]) || cursor.takes(&["UNIQUE"]) {
            cursor.takes(&["NULLS", "NOT", "DISTINCT"]);
            if let Ok(Some(columns)) = cursor.parenthesized() {
                table.indexes.push((name.map(|(name, _)| name), plain_columns(columns)));
            }
        } else if cursor.takes(&["FOREIGN", "KEY"]) {
            if let Ok(Some(columns)) = cursor.parenthesized() {
                table.foreign_keys.push((place, plain_columns(columns)));
            }
        } else if cursor.takes(&["CHECK"])
            && let Ok(Some(condition)) = cursor.parenthesized()
            && let (Some(column), Some((name, _))) = (filled_column(condition), name)
        {
            table.filled.insert(name, (column, !cursor.sees(&["NOT", "VALID"])));
        }
    }

    pub(super) fn create_index(&mut self, cursor: &mut Cursor<'_>, is_unique: bool) {
        let is_concurrent = cursor.takes(&["CONCURRENTLY"]);
        cursor.takes(&["IF", "NOT", "EXISTS"]);
        let index = if cursor.sees(&["ON"]) { None } else { cursor.identifier("a name").ok().map(|(name, _)| name) };
        if !cursor.takes(&["ON"]) {
            return;
        }
        let Some(name) = table_name(cursor) else { return };
        if !is_concurrent && self.is_in_use(&name) {
            let what = if is_unique { "unique index" } else { "index" };
            self.tell(
                Rule::IndexWithoutConcurrently,
                format!("nobody can write to {name} for as long as the {what} is built"),
            );
        }
        if cursor.takes(&["USING"]) && !cursor.takes(&["BTREE"]) && !cursor.takes(&["HASH"]) {
            return;
        }
        let Ok(Some(columns)) = cursor.parenthesized() else { return };
        // An index that leaves rows out does not serve every search.
        if sees_anywhere(cursor, &["WHERE"]) {
            return;
        }
        if let Some(table) = self.schema.table_mut(&name) {
            table.indexes.push((index, plain_columns(columns)));
        }
    }

    pub(super) fn drop_index(&mut self, cursor: &mut Cursor<'_>) {
        let is_concurrent = cursor.takes(&["CONCURRENTLY"]);
        cursor.takes(&["IF", "EXISTS"]);
        while let Ok((mut parts, _)) = cursor.name("an index") {
            let index = parts.pop().unwrap_or_default();
            let is_in_use = self.schema.table_of(&index).is_none_or(|table| table.made_in != self.file);
            if !is_concurrent && is_in_use {
                let message = format!("everybody waits for the table of {index} as long as this waits for its lock");
                self.tell(Rule::IndexWithoutConcurrently, message);
            }
            self.schema.drop_index(&index);
            if !cursor.takes_token(&Token::Comma) {
                return;
            }
        }
    }
}

/// What stands between commas, parentheses taken as a whole.
pub(super) fn items(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.token == Token::Comma
        })
        .collect()
}

/// Whether an item of a table is a constraint, and no column.
pub(super) fn is_constraint(cursor: &Cursor<'_>) -> bool {
    [&["CONSTRAINT"][..], &["PRIMARY", "KEY"], &["UNIQUE"], &["FOREIGN", "KEY"], &["CHECK"], &["EXCLUDE"], &["LIKE"]]
        .iter()
        .any(|words| cursor.sees(words))
}

/// The type as it is written, in lower case and without blanks: `numeric(12,2)`.
pub(super) fn type_of(cursor: &mut Cursor<'_>) -> String {
    const ENDS: [&str; 14] = [
        "NOT",
        "NULL",
        "DEFAULT",
        "PRIMARY",
        "UNIQUE",
        "REFERENCES",
        "CHECK",
        "CONSTRAINT",
        "GENERATED",
        "COLLATE",
        "USING",
        "DEFERRABLE",
        "STORAGE",
        "COMPRESSION",
    ];
    let mut text = String::new();
    while let Some(token) = cursor.next_token() {
        if ENDS.iter().any(|end| is_word(&token.token, end)) {
            break;
        }
        text.push_str(&token.token.to_string().to_lowercase());
        cursor.skip();
    }
    text
}

/// Whether these words follow somewhere, outside of parentheses.
pub(super) fn sees_anywhere(cursor: &Cursor<'_>, words: &[&str]) -> bool {
    let mut cursor = cursor.clone();
    while !cursor.is_at_end() {
        if cursor.sees(words) {
            return true;
        }
        if cursor.sees_token(&Token::LParen) && matches!(cursor.parenthesized(), Ok(Some(_))) {
            continue;
        }
        cursor.skip();
    }
    false
}

/// The leading columns that are columns, and no expressions.
fn plain_columns(tokens: &[TokenWithSpan]) -> Vec<String> {
    let plain = |item: &[TokenWithSpan]| match item {
        [TokenWithSpan { token: Token::Word(word), .. }, rest @ ..]
            if rest.first().is_none_or(|next| next.token != Token::LParen) =>
        {
            Some(names::folded(&word.value, word.quote_style))
        }
        _ => None,
    };
    items(tokens).into_iter().map_while(plain).collect()
}

/// The column of `column IS NOT NULL`.
fn filled_column(tokens: &[TokenWithSpan]) -> Option<String> {
    let mut cursor = Cursor::over(tokens);
    let (column, _) = cursor.identifier("a column").ok()?;
    (cursor.takes(&["IS", "NOT", "NULL"]) && cursor.is_at_end()).then_some(column)
}
