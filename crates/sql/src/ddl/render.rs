//! Tables in SQLite's words.

use catalog::{Column, DefaultValue, Expression, ForeignKey, ReferentialAction, Relation};
use datatype::Type;

use crate::sqlite::expression::{for_default, for_schema};
use crate::sqlite::names::{physical_name, quoted, storage};

/// `CREATE TABLE`. Constraints have their names; the type of PostgreSQL stays visible as a comment.
pub(super) fn create_table(table: &Relation) -> String {
    table_as(table, &physical_name(&table.name))
}

/// `CREATE TABLE` under another name. Keys that an index of their own keeps stand not in it.
pub(super) fn table_as(table: &Relation, physical: &str) -> String {
    let mut lines: Vec<String> = table.columns.iter().map(|column| column_line(table, column)).collect();
    if let Some(name) = &table.primary_key_name
        && identity_key(table).is_none()
    {
        lines.push(format!("CONSTRAINT {} PRIMARY KEY ({})", quoted(name), list(&table.primary_key)));
    }
    let is_index = |name: &str| table.indexes.iter().any(|index| *index.name == *name);
    for unique in table.uniques.iter().filter(|unique| !is_index(&unique.name)) {
        lines.push(format!("CONSTRAINT {} UNIQUE ({})", quoted(&unique.name), list(&unique.columns)));
    }
    // PostgreSQL checks in the order of the names; the first that fails is the one that is reported.
    let mut checks: Vec<_> = table.checks.iter().collect();
    checks.sort_by(|left, right| left.name.cmp(&right.name));
    for check in checks {
        lines.push(format!("CONSTRAINT {} CHECK ({})", quoted(&check.name), for_schema(&check.expression)));
    }
    for key in &table.foreign_keys {
        let columns = list(&key.columns);
        lines.push(format!("CONSTRAINT {} FOREIGN KEY ({columns}) {}", quoted(&key.name), references(key)));
    }
    format!("CREATE TABLE {} (\n  {}\n) STRICT", quoted(physical), lines.join(",\n  "))
}

/// The identity column, which is the whole primary key.
fn identity_key(table: &Relation) -> Option<&Column> {
    table.columns.iter().find(|column| matches!(column.default, DefaultValue::Identity(_)))
}

/// A column's line in `CREATE TABLE`.
fn column_line(table: &Relation, column: &Column) -> String {
    if let (DefaultValue::Identity(_), Some(key)) = (&column.default, &table.primary_key_name) {
        let name = quoted(&column.name);
        let comment = type_comment(&column.data_type);
        return format!("{name} INTEGER {comment} CONSTRAINT {} PRIMARY KEY AUTOINCREMENT", quoted(key));
    }
    // A lone INTEGER key would be SQLite's rowid, which numbers itself; INT is the same without that.
    let is_key = matches!(table.primary_key.as_slice(), [key] if *key == column.name);
    column_definition(column, is_key)
}

/// A column without the table's constraints.
pub(super) fn column_definition(column: &Column, is_key: bool) -> String {
    let storage = storage(&column.data_type);
    let class = if is_key && storage.class == "INTEGER" { "INT" } else { storage.class };
    let mut line = format!("{} {class} {}", quoted(&column.name), type_comment(&column.data_type));
    if let Some(collation) = &storage.collation {
        line.push_str(&format!(" COLLATE {}", quoted(collation)));
    }
    if !column.is_nullable {
        line.push_str(" NOT NULL");
    }
    match &column.default {
        DefaultValue::None | DefaultValue::Identity(_) => {}
        DefaultValue::Expression(expression) => line.push_str(&format!(" DEFAULT ({})", for_default(expression))),
        DefaultValue::Generated(generated) => {
            // Without GENERATED ALWAYS: SQLite would take the two words, and the comment before them, into the type.
            line.push_str(&format!(" AS {} STORED", parenthesized(&generated.expression)));
        }
    }
    line
}

fn type_comment(data_type: &Type) -> String {
    format!("/* {} */", data_type.to_string().replace("*/", "* /"))
}

/// An expression in one pair of parentheses.
pub(super) fn parenthesized(expression: &Expression) -> String {
    format!("({})", for_schema(expression))
}

/// Columns, quoted, with commas.
pub(super) fn list<S: AsRef<str>>(columns: &[S]) -> String {
    columns.iter().map(|column| quoted(column.as_ref())).collect::<Vec<_>>().join(", ")
}

/// `REFERENCES ...` with its actions.
pub(super) fn references(key: &ForeignKey) -> String {
    let target = quoted(&physical_name(&key.references));
    let mut text = format!("REFERENCES {target} ({})", list(&key.referenced_columns));
    for (event, action) in [("DELETE", key.on_delete), ("UPDATE", key.on_update)] {
        let action = match action {
            ReferentialAction::NoAction => continue,
            ReferentialAction::Restrict => "RESTRICT",
            ReferentialAction::Cascade => "CASCADE",
            ReferentialAction::SetNull => "SET NULL",
            ReferentialAction::SetDefault => "SET DEFAULT",
        };
        text.push_str(&format!(" ON {event} {action}"));
    }
    text
}
