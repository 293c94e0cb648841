//! What in a migration would hurt a database that is in use: locks that readers queue behind, tables that are written anew, names
//! that running servers still use, row security that is slow or not there. Nothing is refused here; an operator decides.
//!
//! Statements are read word by word, so that what the embedded engine does not know is passed over. A table counts as in use
//! when an earlier file made it, or none did.

mod alter;
mod index;
mod lock;
mod policy;
mod rule;
mod schema;
mod script;

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::tokenizer::Token;

pub use rule::Rule;
pub use script::{Part, is_without_transaction, parts, transaction_statements};

use self::schema::{Place, Schema, TableName};
use self::script::Line;
use super::tokens::Cursor;

/// Something that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it was given to [`lint`].
    pub file: String,
    /// The line that the statement begins on, from 1.
    pub line: u64,
    /// What it goes against.
    pub rule: Rule,
    /// What is the matter.
    pub message: String,
}

/// Looks over migration files, names and texts in the order in which they are applied. What `-- pando: allow RULE` stands above
/// is left out. A file that cannot be cut into statements is passed over: [`super::read`] tells of it.
pub fn lint(files: &[(String, String)]) -> Vec<Finding> {
    let mut linter = Linter::default();
    for (number, (_, text)) in files.iter().enumerate() {
        let Ok(lines) = script::read(text) else { continue };
        linter.file = number;
        linter.is_without_transaction = is_without_transaction(text);
        linter.has_altered = false;
        for line in &lines {
            linter.statement(line);
        }
    }
    linter.finish();
    linter.findings.sort_by_key(|(place, rule, _)| (place.file, place.line, *rule));
    let finding = |(place, rule, message): (Place, Rule, String)| {
        let (file, _) = files.get(place.file)?;
        Some(Finding { file: file.clone(), line: place.line, rule, message })
    };
    linter.findings.into_iter().filter_map(finding).collect()
}

/// What was read so far.
#[derive(Default)]
struct Linter {
    schema: Schema,
    file: usize,
    is_without_transaction: bool,
    /// Whether the file has altered a table in use, whose lock is held to its end.
    has_altered: bool,
    /// The views that were made, and the files that made them.
    views: BTreeMap<TableName, usize>,
    /// The statement that is read.
    place: Place,
    findings: Vec<(Place, Rule, String)>,
}

const IN_TRANSACTION: &str = "PostgreSQL does not run this inside of a transaction";

/// These do not run in a transaction.
const NEVER_IN_TRANSACTION: [&[&str]; 3] = [&["VACUUM"], &["ALTER", "SYSTEM"], &["CREATE", "DATABASE"]];

impl Linter {
    fn statement(&mut self, line: &Line) {
        let allowed = line.allowed.iter().filter_map(|name| Rule::named(name)).collect::<BTreeSet<Rule>>();
        self.place = Place { file: self.file, line: line.piece.at.line, allowed };
        for name in line.allowed.iter().filter(|name| Rule::named(name).is_none()) {
            self.tell(Rule::UnknownRule, format!("there is no rule {name}"));
        }
        let mut cursor = line.piece.cursor();
        self.transaction(&cursor);
        if cursor.takes(&["CREATE"]) {
            self.create(&mut cursor);
        } else if cursor.takes(&["ALTER", "TABLE"]) {
            self.alter_table(&mut cursor);
        } else if cursor.takes(&["DROP"]) {
            self.drop(&mut cursor);
        } else if cursor.takes(&["ALTER", "VIEW"]) || cursor.takes(&["ALTER", "MATERIALIZED", "VIEW"]) {
            self.rename_view(&mut cursor);
        } else if !self.rows(&mut cursor) {
            self.long_lock(&mut cursor);
        }
    }

    /// Takes down a finding, unless it is silenced here.
    fn tell(&mut self, rule: Rule, message: impl Into<String>) {
        self.tell_at(self.place.clone(), rule, message);
    }

    fn tell_at(&mut self, place: Place, rule: Rule, message: impl Into<String>) {
        if !place.allowed.contains(&rule) {
            self.findings.push((place, rule, message.into()));
        }
    }

    /// Whether requests use the table already.
    fn is_in_use(&self, name: &TableName) -> bool {
        self.schema.table(name).is_none_or(|table| table.made_in != self.file)
    }

    /// The same of a view.
    fn is_view_in_use(&self, name: &TableName) -> bool {
        self.views.get(name).is_none_or(|made_in| *made_in != self.file)
    }

    /// What PostgreSQL does in no transaction, and the file is run in one.
    fn transaction(&mut self, cursor: &Cursor<'_>) {
        let is_never = NEVER_IN_TRANSACTION.iter().any(|words| cursor.sees(words));
        let mut rest = cursor.clone();
        let takes_index = rest.takes(&["CREATE", "UNIQUE", "INDEX"])
            || rest.takes(&["CREATE", "INDEX"])
            || rest.takes(&["DROP", "INDEX"])
            || rest.takes(&["REINDEX"]);
        let is_concurrent = takes_index && is_concurrent(&mut rest);
        if (is_never || is_concurrent) && !self.is_without_transaction {
            self.tell(Rule::ConcurrentlyInTransaction, IN_TRANSACTION);
        }
    }

    fn create(&mut self, cursor: &mut Cursor<'_>) {
        let is_unique = cursor.takes(&["UNIQUE"]);
        if cursor.takes(&["INDEX"]) {
            return self.create_index(cursor, is_unique);
        }
        if cursor.takes(&["POLICY"]) {
            return self.create_policy(cursor);
        }
        cursor.takes(&["OR", "REPLACE"]);
        while ["GLOBAL", "LOCAL", "TEMPORARY", "TEMP", "UNLOGGED"].iter().any(|word| cursor.takes(&[word])) {}
        if cursor.takes(&["TABLE"]) {
            cursor.takes(&["IF", "NOT", "EXISTS"]);
            self.create_table(cursor);
        } else if cursor.takes(&["MATERIALIZED", "VIEW"])
            || cursor.takes(&["RECURSIVE", "VIEW"])
            || cursor.takes(&["VIEW"])
        {
            cursor.takes(&["IF", "NOT", "EXISTS"]);
            self.create_view(cursor);
        }
    }

    fn create_view(&mut self, cursor: &mut Cursor<'_>) {
        let Some(name) = table_name(cursor) else { return };
        if !self.is_without_transaction {
            // Dropped and made again in one transaction it is never missed.
            let (file, again) = (self.file, gone("view", &name));
            self.findings
                .retain(|(place, rule, message)| place.file != file || *rule != Rule::Drop || *message != again);
        }
        self.views.entry(name).or_insert(self.file);
    }

    fn drop(&mut self, cursor: &mut Cursor<'_>) {
        let what = if cursor.takes(&["TABLE"]) {
            "table"
        } else if cursor.takes(&["MATERIALIZED", "VIEW"]) || cursor.takes(&["VIEW"]) {
            "view"
        } else if cursor.takes(&["POLICY"]) {
            return self.drop_policy(cursor);
        } else if cursor.takes(&["INDEX"]) {
            return self.drop_index(cursor);
        } else {
            return;
        };
        cursor.takes(&["IF", "EXISTS"]);
        while let Some(name) = table_name(cursor) {
            let is_in_use = if what == "table" { self.is_in_use(&name) } else { self.is_view_in_use(&name) };
            if is_in_use {
                self.tell(Rule::Drop, gone(what, &name));
            }
            self.views.remove(&name);
            self.schema.remove(&name);
            if !cursor.takes_token(&Token::Comma) {
                return;
            }
        }
    }

    fn rename_view(&mut self, cursor: &mut Cursor<'_>) {
        cursor.takes(&["IF", "EXISTS"]);
        let Some(name) = table_name(cursor) else { return };
        if cursor.sees(&["RENAME", "TO"]) {
            self.tell(Rule::Rename, format!("requests that use the view {name} fail from this moment on"));
        }
    }
}

/// What requests notice of a drop.
fn gone(what: &str, name: &TableName) -> String {
    format!("requests that use the {what} {name} fail from this moment on")
}

/// Whether `CONCURRENTLY` follows, after options in parentheses and the word for what is meant.
fn is_concurrent(cursor: &mut Cursor<'_>) -> bool {
    let _options = cursor.parenthesized();
    if cursor.takes(&["CONCURRENTLY"]) {
        return true;
    }
    cursor.skip();
    cursor.takes(&["CONCURRENTLY"])
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// The name of a table; one without a schema is taken for one in `public`.
fn table_name(cursor: &mut Cursor<'_>) -> Option<TableName> {
    cursor.takes(&["ONLY"]);
    let (mut parts, _) = cursor.name("a name").ok()?;
    let name = parts.pop()?;
    Some(TableName::new(parts.pop().unwrap_or_else(|| "public".to_owned()), name))
}
