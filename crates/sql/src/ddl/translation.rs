//! The catalog and the statements for SQLite while a script is read.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{ForeignKey, ReferentialAction, Relation, Snapshot};
use sqlparser::ast::{ObjectName, Spanned, Statement};
use sqlparser::tokenizer::Location;

use super::alter;
use super::problem::{Outcome, Problem};
use super::refusal::{self, Verdict};
use super::sequence::Sequences;
use super::tokens::Piece;
use super::{Script, Step, names, object, select};
use crate::sqlite::names::physical_name;

/// A script while it is read.
pub(super) struct Translation {
    pub(super) snapshot: Snapshot,
    steps: Vec<Step>,
    /// The tables that were built anew.
    rebuilt: Vec<QualifiedName>,
    /// A statement that changes rows which others follow by foreign key, if there is one.
    cascading: Option<(String, Location)>,
    /// Sequences, and columns that are to count.
    pub(super) sequences: Sequences,
    /// Whether bodies of functions may name what does not exist yet: `SET check_function_bodies = false`.
    defers_bodies: bool,
    /// Functions whose bodies wait for the tables that they name.
    deferred: Vec<Piece>,
    /// Whether the file says that PostgreSQL is to run it without a transaction. SQLite's engine has one all the same.
    pub(super) is_without_transaction: bool,
    /// Whether it is the program's own migration: nobody is granted anything by default.
    pub(super) is_own: bool,
}

/// A moment to go back to.
pub(super) struct Mark {
    snapshot: Snapshot,
    steps: usize,
    rebuilt: usize,
    cascading: Option<(String, Location)>,
    sequences: Sequences,
    deferred: Vec<Piece>,
}

impl Mark {
    /// What existed then.
    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

impl Translation {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            steps: Vec::new(),
            rebuilt: Vec::new(),
            cascading: None,
            sequences: Sequences::default(),
            defers_bodies: false,
            deferred: Vec::new(),
            is_without_transaction: false,
            is_own: false,
        }
    }

    /// This moment.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            snapshot: self.snapshot.clone(),
            steps: self.steps.len(),
            rebuilt: self.rebuilt.len(),
            cascading: self.cascading.clone(),
            sequences: self.sequences.clone(),
            deferred: self.deferred.clone(),
        }
    }

    /// Undoes what was done since.
    pub(super) fn go_back(&mut self, mark: Mark) {
        self.snapshot = mark.snapshot;
        self.steps.truncate(mark.steps);
        self.rebuilt.truncate(mark.rebuilt);
        self.cascading = mark.cascading;
        self.sequences = mark.sequences;
        self.deferred = mark.deferred;
    }

    /// The tables that were built anew since, each once.
    pub(super) fn rebuilt_since(&self, mark: &Mark) -> Vec<QualifiedName> {
        let mut tables = self.rebuilt.get(mark.rebuilt..).unwrap_or_default().to_vec();
        tables.sort();
        tables.dedup();
        tables
    }

    /// Whether SQLite has to run something for what was done since.
    pub(super) fn has_steps_since(&self, mark: &Mark) -> bool {
        self.steps.len() > mark.steps
    }

    /// The whole script.
    pub(super) fn finish(mut self) -> Outcome<Script> {
        // Whatever is still missing now, its own problem says best.
        for piece in std::mem::take(&mut self.deferred) {
            self.apply_now(&piece)?;
        }
        self.sequences.check_finished()?;
        // While tables are built anew, foreign keys are off, and nothing cascades.
        if let (false, Some((table, at))) = (self.rebuilt.is_empty(), &self.cascading) {
            return Err(Problem::refused(
                *at,
                format!("rows of \"{table}\" that others follow"),
                "this migration also builds a table anew (ALTER TABLE), and meanwhile ON DELETE and ON UPDATE have no effect",
                "instead, put the ALTER TABLE into a migration file of its own",
            ));
        }
        Ok(Script { statements: self.steps, snapshot: self.snapshot, rebuilds: !self.rebuilt.is_empty() })
    }

    /// A table was built anew.
    pub(super) fn note_rebuild(&mut self, table: QualifiedName) {
        self.rebuilt.push(table);
    }

    /// Rows of a table are removed, or these columns of them changed; others may follow them.
    pub(super) fn note_changed_rows(&mut self, table: &QualifiedName, changed: Option<&[Arc<str>]>, at: Location) {
        let follows = |key: &ForeignKey| {
            use ReferentialAction::{Cascade, SetDefault, SetNull};
            let acts = |action| matches!(action, Cascade | SetNull | SetDefault);
            key.references == *table
                && match changed {
                    None => acts(key.on_delete),
                    Some(columns) => {
                        acts(key.on_update) && columns.iter().any(|column| key.referenced_columns.contains(column))
                    }
                }
        };
        if self.snapshot.relations.values().any(|relation| relation.foreign_keys.iter().any(follows)) {
            self.cascading = Some((table.name.to_string(), at));
        }
    }

    /// Applies one statement.
    pub(super) fn apply(&mut self, piece: &Piece) -> Outcome<()> {
        let words = piece.leading_words();
        let begins = |with: [&str; 2]| words.iter().zip(with).filter(|(word, with)| word == with).count() == 2;
        if words.first().is_some_and(|word| word == "SET") {
            self.note_setting(piece);
        }
        if begins(["CREATE", "FUNCTION"]) && self.defers_bodies {
            let mark = self.mark();
            let outcome = self.apply_now(piece);
            if outcome.as_ref().is_err_and(Problem::is_missing) {
                self.go_back(mark);
                self.deferred.push(piece.clone());
                return Ok(());
            }
            return outcome;
        }
        self.apply_now(piece)?;
        if begins(["CREATE", "TABLE"]) || begins(["CREATE", "VIEW"]) || begins(["CREATE", "FUNCTION"]) {
            self.apply_deferred();
        }
        Ok(())
    }

    fn apply_now(&mut self, piece: &Piece) -> Outcome<()> {
        let words = piece.leading_words();
        self.dispatch(piece, &words).map_err(|problem| problem.within(piece.at, &label(&words)))
    }

    /// Reads functions anew that could not be read before; those that still cannot go on waiting.
    fn apply_deferred(&mut self) {
        for piece in std::mem::take(&mut self.deferred) {
            let mark = self.mark();
            if self.apply_now(&piece).is_err() {
                self.go_back(mark);
                self.deferred.push(piece);
            }
        }
    }

    /// `SET check_function_bodies = false`
    fn note_setting(&mut self, piece: &Piece) {
        let mut cursor = piece.cursor();
        let is_meant = cursor.takes(&["SET", "check_function_bodies"]) && {
            let _ = cursor.takes_token(&sqlparser::tokenizer::Token::Eq) || cursor.takes(&["TO"]);
            true
        };
        if is_meant {
            self.defers_bodies = cursor.takes(&["FALSE"]) || cursor.takes(&["OFF"]);
        }
    }

    fn dispatch(&mut self, piece: &Piece, words: &[String]) -> Outcome<()> {
        if refusal::judge(piece, words)? == Verdict::Ignore {
            return Ok(());
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["GRANT", ..] => self.grant(piece),
            ["REVOKE", ..] => self.revoke(piece),
            ["ALTER", "DEFAULT", "PRIVILEGES", ..] => self.default_privileges(piece),
            ["CREATE", "ROLE" | "USER" | "GROUP", ..] => self.create_role(piece),
            ["ALTER", "ROLE" | "USER", ..] => self.alter_role(piece),
            ["DROP", "ROLE" | "USER", ..] => self.drop_role(piece),
            ["COMMENT", ..] => self.comment(piece),
            ["CREATE", "EXTENSION", ..] => object::create_extension(piece),
            ["SELECT", ..] => self.select_for_effect(piece),
            ["CREATE", "SEQUENCE", ..] => self.create_sequence(piece),
            ["ALTER", "SEQUENCE", ..] => self.alter_sequence(piece),
            ["ALTER", "INDEX", ..] if !alter::is_owner(piece) => self.alter_index(piece),
            ["ALTER", "FUNCTION" | "ROUTINE", ..] if alter::is_owner(piece) => Ok(()),
            ["CREATE", "DOMAIN", ..] => self.create_domain(piece),
            ["DROP", "DOMAIN", ..] => self.drop_domain(piece),
            ["CREATE", "TRIGGER", ..] => self.create_trigger(piece),
            ["DROP", "TRIGGER", ..] => self.drop_trigger(piece),
            ["CREATE", "FUNCTION", ..] => self.create_function(piece),
            ["ALTER", "FUNCTION" | "ROUTINE", ..] => self.alter_function(piece),
            ["DROP", "FUNCTION" | "ROUTINE", ..] => self.drop_function(piece),
            ["DROP", "EXTENSION" | "PROCEDURE" | "RULE" | "MATERIALIZED", ..] => object::drop_absent(piece, &words),
            ["ALTER", "TABLE", ..] | ["ALTER", "VIEW", ..] | ["ALTER", "INDEX", ..] if alter::is_owner(piece) => Ok(()),
            ["ALTER", "TYPE" | "SCHEMA" | "DOMAIN", ..] if alter::is_owner(piece) => Ok(()),
            ["ALTER", "TABLE", ..] if self.add_identity(piece)? => Ok(()),
            ["CREATE", "VIEW", ..] => self.create_view(piece),
            ["INSERT", ..] => self.insert(piece),
            _ => {
                let statement = piece.parse()?;
                self.statement(&statement, piece.at)
            }
        }
    }

    fn statement(&mut self, statement: &Statement, at: Location) -> Outcome<()> {
        match statement {
            Statement::CreateSchema { schema_name, if_not_exists, .. } => {
                self.create_schema(schema_name, *if_not_exists, at)
            }
            Statement::CreateType { name, representation } => self.create_type(name, representation.as_ref()),
            Statement::AlterType(alter) => self.alter_type(alter),
            Statement::CreateTable(create) => self.create_table(create),
            Statement::AlterTable(alter) => self.alter_table(alter),
            Statement::CreateIndex(create) => self.create_index(create),
            Statement::CreatePolicy(create) => self.create_policy(create),
            Statement::AlterPolicy(alter) => self.alter_policy(alter),
            Statement::DropPolicy(drop) => self.drop_policy(drop),
            Statement::Drop { object_type, if_exists, names, cascade, .. } => {
                self.drop_objects(*object_type, *if_exists, names, *cascade)
            }
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => Err(Problem::invalid(at, "this statement is not available on the embedded engine")
                .instead("see the documentation for the statements that a migration may hold")),
        }
    }

    /// Adds something that has to hold.
    pub(super) fn push_guard(&mut self, guard: Step) {
        self.steps.push(guard);
    }

    /// Adds a statement for SQLite.
    pub(super) fn push(&mut self, text: String) {
        self.steps.push(Step::Sqlite(text));
    }

    /// The table or view of that name.
    pub(super) fn relation(&self, name: &ObjectName) -> Outcome<&Arc<Relation>> {
        select::find_relation(&self.snapshot, name)
    }

    /// The table of that name.
    pub(super) fn table(&self, name: &ObjectName) -> Outcome<&Arc<Relation>> {
        let relation = self.relation(name)?;
        if relation.is_view() {
            return Err(Problem::invalid(name, format!("\"{}\" is not a table but a view", relation.name.name)));
        }
        Ok(relation)
    }

    /// A relation, to change it.
    pub(super) fn relation_mut(&mut self, name: &QualifiedName) -> Outcome<&mut Relation> {
        match self.snapshot.relations.get_mut(name) {
            Some(relation) => Ok(Arc::make_mut(relation)),
            None => Err(Problem::invalid(super::problem::NOWHERE, format!("relation \"{name}\" does not exist"))),
        }
    }

    /// A name for a table, view or index that is about to be made: its schema exists, nothing else has it, and
    /// SQLite, which does not tell upper from lower case, can keep it apart from the others.
    pub(super) fn new_name(&self, name: &ObjectName) -> Outcome<QualifiedName> {
        let qualified = names::qualified(name)?;
        self.check_new_name(&qualified, name.span().start)?;
        Ok(qualified)
    }

    /// See [`Self::new_name`].
    pub(super) fn check_new_name(&self, name: &QualifiedName, at: Location) -> Outcome<()> {
        if !self.snapshot.schemas.contains_key(&name.schema) {
            return Err(Problem::invalid(at, format!("schema \"{}\" does not exist", name.schema))
                .instead("write CREATE SCHEMA before it"));
        }
        let physical = physical_name(name).to_ascii_lowercase();
        for taken in self.names_in_use() {
            if taken == *name {
                return Err(Problem::invalid(at, format!("relation \"{}\" already exists", name.name)));
            }
            if physical_name(&taken).to_ascii_lowercase() == physical {
                return Err(Problem::refused(
                    at,
                    format!("the name \"{}\"", name.name),
                    format!("the embedded engine cannot keep it apart from \"{taken}\""),
                    "instead, choose a name that differs in more than case",
                ));
            }
        }
        if physical.starts_with("sqlite_") || physical.starts_with("_pando") {
            return Err(Problem::refused(
                at,
                format!("the name \"{}\"", name.name),
                "names that begin with sqlite_ or _pando are kept for the engine",
                "instead, choose another name",
            ));
        }
        Ok(())
    }

    /// The names of all tables, views and indexes.
    fn names_in_use(&self) -> impl Iterator<Item = QualifiedName> + '_ {
        self.snapshot.relations.values().flat_map(|relation| {
            let indexes = relation.indexes.iter().map(|index| &index.name);
            let uniques = relation.uniques.iter().map(|unique| &unique.name);
            let keys = relation.primary_key_name.iter().filter(|_| !relation.is_view());
            let inside = indexes.chain(uniques).chain(keys);
            let inside = inside.map(|name| QualifiedName::new(relation.name.schema.clone(), name.clone()));
            std::iter::once(relation.name.clone()).chain(inside)
        })
    }

    /// Whether a table, view, index or key of that name is there.
    pub(super) fn is_name_in_use(&self, schema: &str, name: &str) -> bool {
        self.names_in_use().any(|taken| &*taken.schema == schema && &*taken.name == name)
    }

    /// Whether a constraint of that name is in the schema.
    pub(super) fn is_constraint(&self, schema: &str, name: &str) -> bool {
        self.snapshot.relations.values().filter(|relation| &*relation.name.schema == schema).any(|relation| {
            relation.checks.iter().any(|check| &*check.name == name)
                || relation.foreign_keys.iter().any(|key| &*key.name == name)
                || relation.uniques.iter().any(|unique| &*unique.name == name)
                || relation.primary_key_name.as_deref() == Some(name)
        })
    }

    /// What a new table or view is granted: `ALTER DEFAULT PRIVILEGES`.
    pub(super) fn default_grants(&self, name: &QualifiedName) -> Vec<catalog::Grant> {
        self.snapshot
            .default_grants
            .iter()
            .filter(|_| !self.is_own)
            .filter(|grant| grant.schema.as_ref().is_none_or(|schema| *schema == name.schema))
            .map(|grant| catalog::Grant { role: grant.role.clone(), privilege: grant.privilege, columns: None })
            .collect()
    }
}

/// The statement's name for messages: its first words, up to what it is about.
fn label(words: &[String]) -> String {
    let count = match words.first().map(String::as_str) {
        Some("CREATE" | "ALTER" | "DROP") => 2,
        Some("COMMENT") => 3,
        _ => 1,
    };
    let label = words.iter().take(count).map(String::as_str).collect::<Vec<_>>().join(" ");
    if label.is_empty() { "statement".to_owned() } else { label }
}
