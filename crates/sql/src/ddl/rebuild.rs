//! Building a table anew: what SQLite's own `ALTER TABLE` cannot do. The rows are copied into a new table, with their
//! `_rowid_`s, which then takes the name of the old one. Views and triggers over it are made anew around that; other
//! tables' foreign keys go by name and are checked at the migration's end.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{DefaultValue, Expression, Relation, Source, SourceId};

use super::problem::Outcome;
use super::translation::Translation;
use super::{Step, dependents, index, inline, render};
use crate::sqlite::expression::{for_schema, literal};
use crate::sqlite::names::{physical_name, quoted};

/// The name of the new table until it takes the old one's. No migration may use names that begin so.
const NEW: &str = "_pando_rebuild";

/// A table on its way to another shape.
pub(super) struct Rebuild {
    before: Relation,
    after: Relation,
    /// What becomes of columns that are not simply taken over: over the old row as `s0`.
    values: BTreeMap<Arc<str>, String>,
    /// What has to hold of the rows that are there.
    pub(super) guards: Vec<Step>,
}

impl Rebuild {
    pub(super) fn new(before: &Relation, after: Relation) -> Self {
        Self { before: before.clone(), after, values: BTreeMap::new(), guards: Vec::new() }
    }

    /// Sets what a column becomes.
    pub(super) fn set(&mut self, column: &str, value: String) {
        self.values.insert(Arc::from(column), value);
    }

    /// No row may be there, since none would have a value for the column.
    pub(super) fn guard_empty(&mut self, column: &str) {
        let query = format!("SELECT 1 FROM {} LIMIT 1", quoted(&physical_name(&self.before.name)));
        self.guards.push(Step::Guard { query, message: contains_nulls(column, &self.before) });
    }

    /// The rows that are there fulfil the checks and keys that are new. Foreign keys are looked at in the end.
    pub(super) fn guard_new_constraints(&mut self) {
        let table = quoted(&physical_name(&self.before.name));
        let is_old = |name: &str| self.before.column(name).is_some();
        for check in self.after.checks.iter().filter(|check| !self.before.checks.contains(check)) {
            let mut reads_new = false;
            check.expression.visit(&mut |part| {
                reads_new |= matches!(part, Expression::Column { source: SourceId::ROW, name, .. } if !is_old(name));
            });
            if reads_new {
                continue;
            }
            let query = format!("SELECT 1 FROM {table} WHERE NOT ({}) LIMIT 1", for_schema(&check.expression));
            let name = &self.before.name.name;
            let message = format!("check constraint \"{}\" of relation \"{name}\" is violated by some row", check.name);
            self.guards.push(Step::Guard { query, message });
        }
        let Some(name) = self.after.primary_key_name.clone().filter(|_| self.before.primary_key_name.is_none()) else {
            return;
        };
        let key = self.after.primary_key.clone();
        if key.iter().all(|column| is_old(column)) {
            self.guards.extend(key.iter().map(|column| guard_not_null(&self.before, column)));
            self.guards.push(guard_unique(&self.before, &name, &key));
        }
    }
}

/// No row has NULL in a column.
pub(super) fn guard_not_null(table: &Relation, column: &str) -> Step {
    let query =
        format!("SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1", quoted(&physical_name(&table.name)), quoted(column));
    Step::Guard { query, message: contains_nulls(column, table) }
}

/// No two rows have the same values in a key.
pub(super) fn guard_unique(table: &Relation, name: &str, columns: &[Arc<str>]) -> Step {
    let list = render::list(columns);
    let filled: Vec<String> = columns.iter().map(|column| format!("{} IS NOT NULL", quoted(column))).collect();
    let query = format!(
        "SELECT 1 FROM {} WHERE {} GROUP BY {list} HAVING count(*) > 1 LIMIT 1",
        quoted(&physical_name(&table.name)),
        filled.join(" AND ")
    );
    Step::Guard { query, message: format!("could not create unique index \"{name}\": some values occur twice") }
}

fn contains_nulls(column: &str, table: &Relation) -> String {
    format!("column \"{column}\" of relation \"{}\" contains null values", table.name.name)
}

impl Translation {
    /// Builds the table anew, and with it everything that SQLite ties to its name.
    pub(super) fn rebuild(&mut self, rebuild: Rebuild) -> Outcome<()> {
        let Rebuild { before, after, values, guards } = rebuild;
        guards.into_iter().for_each(|guard| self.push_guard(guard));
        let old = quoted(&physical_name(&before.name));
        let routines = self.routines_using(&before.name);
        let views = self.all_views_over(&before.name);
        for view in &views {
            self.push(format!("DROP VIEW {}", quoted(&physical_name(view))));
        }
        self.push(render::table_as(&after, NEW));
        self.copy_rows(&before, &after, &values);
        self.push(format!("DROP TABLE {old}"));
        self.push(format!("ALTER TABLE {} RENAME TO {old}", quoted(NEW)));
        for index in &after.indexes {
            self.push(index::statement(index, &after));
        }
        self.snapshot.relations.insert(after.name.clone(), Arc::new(after));
        self.reread_routines(&routines)?;
        for view in &views {
            let Some(relation) = self.snapshot.relations.get(view).cloned() else { continue };
            if let Some(definition) = relation.view() {
                self.push_view(view, &definition.query)?;
            }
        }
        self.refresh_views();
        self.note_rebuild(before.name);
        Ok(())
    }

    fn copy_rows(&mut self, before: &Relation, after: &Relation, values: &BTreeMap<Arc<str>, String>) {
        let mut columns = Vec::new();
        let mut sources = Vec::new();
        let counts =
            |table: &Relation| table.columns.iter().any(|column| matches!(column.default, DefaultValue::Identity(_)));
        // A column that counts by itself is the `_rowid_`.
        if !counts(after) {
            columns.push(quoted("_rowid_"));
            sources.push("s0._rowid_".to_owned());
        }
        for column in &after.columns {
            if matches!(column.default, DefaultValue::Generated(_)) {
                continue;
            }
            let source = match values.get(&column.name) {
                Some(value) => value.clone(),
                None if before.column(&column.name).is_some() => format!("s0.{}", quoted(&column.name)),
                None => continue,
            };
            columns.push(quoted(&column.name));
            sources.push(source);
        }
        let old = physical_name(&before.name);
        let from = format!("{} AS s0", quoted(&old));
        if columns.is_empty() {
            // Only a new column that counts: as many rows as there were.
            let column = after.columns.first().map_or_else(String::new, |column| quoted(&column.name));
            columns.push(column);
            sources.push("NULL".to_owned());
        }
        self.push(format!(
            "INSERT INTO {} ({}) SELECT {} FROM {from} ORDER BY s0._rowid_",
            quoted(NEW),
            columns.join(", "),
            sources.join(", ")
        ));
        if counts(before) && counts(after) {
            // The next number is that of the old table, even where its last rows are gone.
            let text = |text: &str| literal(&datatype::Datum::Text(text.to_owned()));
            self.push(format!("DELETE FROM sqlite_sequence WHERE name = {}", text(NEW)));
            self.push(format!(
                "INSERT INTO sqlite_sequence (name, seq) SELECT {}, seq FROM sqlite_sequence WHERE name = {}",
                text(NEW),
                text(&old)
            ));
        }
    }

    /// The views that read a relation, directly or through others.
    pub(super) fn all_views_over(&self, name: &QualifiedName) -> Vec<QualifiedName> {
        let mut found: Vec<QualifiedName> = Vec::new();
        let mut open = vec![name.clone()];
        while let Some(current) = open.pop() {
            for view in dependents::views_over(&self.snapshot, &current) {
                if !found.contains(&view.name) {
                    found.push(view.name.clone());
                    open.push(view.name.clone());
                }
            }
        }
        // Those that only reach the relation through a function's body name it in their text as well.
        for view in self.snapshot.relations.values().filter(|relation| relation.is_view()) {
            let Some(query) = view.view().map(|view| &view.query) else { continue };
            let calls = super::routine_call::calls_in(|visit| query.visit(visit));
            let reaches = calls.iter().filter_map(|called| self.snapshot.routines.get(called)).any(|routine| {
                inline::reached_by(routine, &self.snapshot)
                    .iter()
                    .any(|reached| reached == name || found.contains(reached))
            });
            if reaches && !found.contains(&view.name) {
                found.push(view.name.clone());
            }
        }
        found
    }

    /// A column of a table has a new name: views and policies that read it follow, as on PostgreSQL.
    pub(super) fn rename_in_readers(&mut self, table: &QualifiedName, from: &Arc<str>, to: &Arc<str>) {
        self.change_readers(&|expression| with_column_renamed(expression, table, from, to));
    }

    /// A table has a new name: views and policies that read it follow.
    pub(super) fn rename_relation_in_readers(&mut self, from: &QualifiedName, to: &QualifiedName) {
        self.change_readers(&|expression| with_relation_renamed(expression, from, to));
    }

    /// Passes the expressions of views and policies through `change`.
    fn change_readers(&mut self, change: &dyn Fn(&Expression) -> Expression) {
        for relation in self.snapshot.relations.values_mut() {
            let relation = Arc::make_mut(relation);
            if let catalog::RelationKind::View(view) = &mut relation.kind
                && let Expression::Exists(query) = change(&Expression::Exists(Box::new(view.query.clone())))
            {
                view.query = *query;
            }
            for policy in &mut relation.policies {
                for part in policy.using.iter_mut().chain(&mut policy.check) {
                    *part = change(part);
                }
            }
        }
    }
}

fn with_column_renamed(expression: &Expression, table: &QualifiedName, from: &Arc<str>, to: &Arc<str>) -> Expression {
    let sources = expression.inner_sources();
    let is_of_table = |id: SourceId| sources.iter().any(|(source, name)| *source == id && name.as_ref() == Some(table));
    expression.clone().rewrite(
        &mut |part| match part {
            Expression::Column { source, name, data_type } if name == *from && is_of_table(source) => {
                Expression::Column { source, name: to.clone(), data_type }
            }
            other => other,
        },
        &mut |query| query,
    )
}

fn with_relation_renamed(expression: &Expression, from: &QualifiedName, to: &QualifiedName) -> Expression {
    expression.clone().rewrite(&mut |part| part, &mut |mut query| {
        if let Some(sources) = &mut query.from {
            let joined = sources.joins.iter_mut().map(|join| &mut join.source);
            for source in std::iter::once(&mut sources.first).chain(joined) {
                if let Source::Relation { name, .. } = source
                    && name == from
                {
                    *name = to.clone();
                }
            }
        }
        query
    })
}
