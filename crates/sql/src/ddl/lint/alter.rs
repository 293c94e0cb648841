//! `ALTER TABLE`: most of what keeps others waiting.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::index::{is_constraint, items, sees_anywhere, type_of};
use super::schema::TableName;
use super::{IN_TRANSACTION, Linter, Rule, table_name};
use crate::ddl::tokens::Cursor;

/// Functions whose value differs from row to row, or that PostgreSQL takes to do so.
const VOLATILE: [&str; 9] = [
    "gen_random_uuid",
    "uuid_generate_v1",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
    "random",
    "clock_timestamp",
    "timeofday",
    "nextval",
];

/// Types that number the rows by themselves.
const SERIAL: [&str; 6] = ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"];

impl Linter {
    pub(super) fn alter_table(&mut self, cursor: &mut Cursor<'_>) {
        cursor.takes(&["IF", "EXISTS"]);
        let Some(name) = table_name(cursor) else { return };
        cursor.takes_token(&Token::Mul);
        self.has_altered |= self.is_in_use(&name);
        for action in items(cursor.rest()) {
            self.action(&name, &mut Cursor::over(action));
        }
    }

    fn action(&mut self, table: &TableName, action: &mut Cursor<'_>) {
        if action.takes(&["ADD"]) {
            if is_constraint(action) {
                return self.add_constraint(table, action);
            }
            action.takes(&["COLUMN"]);
            action.takes(&["IF", "NOT", "EXISTS"]);
            self.add_column(table, action);
        } else if action.takes(&["ALTER"]) {
            action.takes(&["COLUMN"]);
            self.alter_column(table, action);
        } else if action.takes(&["DROP"]) {
            self.drop_part(table, action);
        } else if action.takes(&["RENAME"]) {
            self.rename(table, action);
        } else if action.takes(&["VALIDATE", "CONSTRAINT"]) {
            self.validate(table, action);
        } else if action.sees(&["ENABLE", "ROW", "LEVEL", "SECURITY"]) {
            self.row_security(table, true);
        } else if action.sees(&["DISABLE", "ROW", "LEVEL", "SECURITY"]) {
            self.row_security(table, false);
        } else if action.takes(&["ATTACH", "PARTITION"]) {
            self.attach(action);
        } else if action.takes(&["DETACH", "PARTITION"]) {
            self.detach(table, action);
        } else if action.takes(&["SET"]) {
            self.move_table(table, action);
        }
    }

    fn attach(&mut self, action: &mut Cursor<'_>) {
        let Some(partition) = table_name(action) else { return };
        if self.is_in_use(&partition) {
            let message =
                format!("ATTACH PARTITION keeps everybody from {partition} for as long as its rows are checked");
            self.tell(Rule::LongLock, message);
        }
    }

    fn detach(&mut self, table: &TableName, action: &Cursor<'_>) {
        let is_concurrent = sees_anywhere(action, &["CONCURRENTLY"]);
        if is_concurrent && !self.is_without_transaction {
            self.tell(Rule::ConcurrentlyInTransaction, IN_TRANSACTION);
        }
        if !is_concurrent && !sees_anywhere(action, &["FINALIZE"]) && self.is_in_use(table) {
            let message =
                format!("DETACH PARTITION without CONCURRENTLY keeps everybody from {table} until the file is done");
            self.tell(Rule::LongLock, message);
        }
    }

    fn move_table(&mut self, table: &TableName, action: &Cursor<'_>) {
        let moves = [&["LOGGED"][..], &["UNLOGGED"], &["TABLESPACE"], &["ACCESS", "METHOD"]];
        if self.is_in_use(table) && moves.iter().any(|words| action.sees(words)) {
            let message = format!("{table} and its indexes are written anew, and nobody can read it meanwhile");
            self.tell(Rule::LongLock, message);
        }
    }

    fn add_column(&mut self, table: &TableName, action: &Cursor<'_>) {
        let mut parts = action.clone();
        let Ok((column, _)) = parts.identifier("a column") else { return };
        let kind = type_of(&mut parts);
        if self.is_in_use(table) {
            let is_serial = SERIAL.contains(&kind.as_str());
            let is_generated = sees_anywhere(&parts, &["GENERATED"]);
            let default = default_of(&parts);
            if sees_anywhere(&parts, &["NOT", "NULL"]) && default.is_none() && !is_generated && !is_serial {
                let message = format!("{table} has rows, which would have no {column}: PostgreSQL refuses it");
                self.tell(Rule::NotNullWithoutDefault, message);
            }
            let is_volatile = default.is_some_and(|default| calls(default, &VOLATILE));
            if is_volatile || is_serial || is_generated {
                let message = format!("{table} is written anew for {column}, and nobody can read it meanwhile");
                self.tell(Rule::VolatileDefault, message);
            }
            if sees_anywhere(&parts, &["UNIQUE"]) || sees_anywhere(&parts, &["PRIMARY", "KEY"]) {
                self.tell(Rule::UniqueWithoutIndex, unreadable(table));
            }
        }
        self.column(table, &mut action.clone());
    }

    fn add_constraint(&mut self, table: &TableName, action: &Cursor<'_>) {
        let mut parts = action.clone();
        if parts.takes(&["CONSTRAINT"]) {
            parts.skip();
        }
        let is_unique = parts.sees(&["UNIQUE"]) || parts.sees(&["PRIMARY", "KEY"]) || parts.sees(&["EXCLUDE"]);
        let has_index = sees_anywhere(&parts, &["USING", "INDEX"]);
        let is_checked = parts.sees(&["FOREIGN", "KEY"]) || parts.sees(&["CHECK"]);
        if self.is_in_use(table) {
            if is_unique && !has_index {
                self.tell(Rule::UniqueWithoutIndex, unreadable(table));
            }
            if is_checked && !sees_anywhere(&parts, &["NOT", "VALID"]) {
                let message = format!("nobody can write to {table} for as long as all its rows are checked");
                self.tell(Rule::ConstraintWithoutNotValid, message);
            }
        }
        self.constraint(table, &mut action.clone());
    }

    fn alter_column(&mut self, table: &TableName, action: &mut Cursor<'_>) {
        let Ok((column, _)) = action.identifier("a column") else { return };
        if action.takes(&["SET", "NOT", "NULL"]) {
            let known = self.schema.table(table);
            let is_known = known.is_some_and(|table| table.filled.values().any(|(of, holds)| *of == column && *holds));
            if self.is_in_use(table) && !is_known {
                let message = format!("nobody can read {table} for as long as all its rows are looked at");
                self.tell(Rule::SetNotNull, message);
            }
        } else if action.takes(&["TYPE"]) || action.takes(&["SET", "DATA", "TYPE"]) {
            let to = type_of(action);
            let has_using = sees_anywhere(action, &["USING"]);
            let from = self.schema.table(table).and_then(|table| table.types.get(&column).cloned());
            let is_free = !has_using && from.is_some_and(|from| is_wider(&from, &to));
            if self.is_in_use(table) && !is_free {
                let message = format!("{table} and its indexes are written anew, and nobody can read it meanwhile");
                self.tell(Rule::TypeChange, message);
            }
            if let Some(table) = self.schema.table_mut(table) {
                table.types.insert(column, to);
            }
        }
    }

    fn drop_part(&mut self, table: &TableName, action: &mut Cursor<'_>) {
        let is_constraint = action.takes(&["CONSTRAINT"]);
        action.takes(&["COLUMN"]);
        action.takes(&["IF", "EXISTS"]);
        let Ok((name, _)) = action.identifier("a name") else { return };
        let is_in_use = self.is_in_use(table);
        if let Some(table) = self.schema.table_mut(table) {
            if is_constraint {
                table.indexes.retain(|(index, _)| index.as_ref() != Some(&name));
                table.filled.remove(&name);
            } else {
                table.types.remove(&name);
                table.indexes.retain(|(_, columns)| !columns.contains(&name));
                table.foreign_keys.retain(|(_, columns)| !columns.contains(&name));
                table.compared.retain(|(_, column)| *column != name);
            }
        }
        if !is_constraint && is_in_use {
            self.tell(Rule::Drop, format!("requests that use {table}.{name} fail from this moment on"));
        }
    }

    fn rename(&mut self, table: &TableName, action: &mut Cursor<'_>) {
        if action.takes(&["CONSTRAINT"]) {
            return;
        }
        let what = if action.takes(&["TO"]) {
            let Ok((to, _)) = action.identifier("a name") else { return };
            let told = self.is_in_use(table).then(|| table.to_string());
            if let Some(known) = self.schema.remove(table) {
                self.schema.insert(table.sibling(to), known);
            }
            told
        } else {
            action.takes(&["COLUMN"]);
            let Ok((column, _)) = action.identifier("a column") else { return };
            self.is_in_use(table).then(|| format!("{table}.{column}"))
        };
        if let Some(what) = what {
            self.tell(Rule::Rename, format!("requests that use {what} fail from this moment on"));
        }
    }

    fn validate(&mut self, table: &TableName, action: &mut Cursor<'_>) {
        let Ok((name, _)) = action.identifier("a name") else { return };
        let filled = self.schema.table_mut(table).and_then(|table| table.filled.get_mut(&name));
        if let Some((_, holds)) = filled {
            *holds = true;
        }
    }

    fn row_security(&mut self, table: &TableName, is_on: bool) {
        let place = self.place.clone();
        if let Some(table) = self.schema.table_mut(table) {
            table.row_security = is_on.then_some(place);
        }
    }
}

fn unreadable(table: &TableName) -> String {
    format!("nobody can read {table} for as long as its index is built")
}

/// What stands after `DEFAULT`, to the end.
fn default_of<'a>(cursor: &Cursor<'a>) -> Option<&'a [TokenWithSpan]> {
    let mut cursor = cursor.clone();
    while !cursor.is_at_end() {
        if cursor.takes(&["DEFAULT"]) {
            return Some(cursor.rest());
        }
        cursor.skip();
    }
    None
}

/// Whether one of these functions is called.
fn calls(tokens: &[TokenWithSpan], functions: &[&str]) -> bool {
    tokens.windows(2).any(|pair| match pair {
        [TokenWithSpan { token: Token::Word(word), .. }, TokenWithSpan { token: Token::LParen, .. }] => {
            functions.iter().any(|function| word.value.eq_ignore_ascii_case(function))
        }
        _ => false,
    })
}

/// Whether PostgreSQL takes the rows as they are: a longer or unbounded text, more digits with as many behind the point.
fn is_wider(from: &str, to: &str) -> bool {
    let ((from, old), (to, new)) = (parameters(from), parameters(to));
    let is_text = |name: &str| matches!(name, "text" | "varchar" | "charactervarying");
    if is_text(&from) && is_text(&to) {
        return match (old.as_slice(), new.as_slice()) {
            (_, []) => true,
            ([old], [new]) => old <= new,
            _ => false,
        };
    }
    let is_numeric = |name: &str| matches!(name, "numeric" | "decimal");
    if is_numeric(&from) && is_numeric(&to) {
        return match (old.as_slice(), new.as_slice()) {
            (_, []) => true,
            ([old, old_scale], [new, new_scale]) => old <= new && old_scale == new_scale,
            _ => false,
        };
    }
    from == to && old == new
}

/// `varchar(20)` is `varchar` and 20.
fn parameters(text: &str) -> (String, Vec<u64>) {
    let Some((name, rest)) = text.split_once('(') else { return (text.to_owned(), Vec::new()) };
    let numbers = rest.trim_end_matches(')').split(',').map(|number| number.parse().unwrap_or(0)).collect();
    (name.to_owned(), numbers)
}
