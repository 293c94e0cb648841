//! `CREATE TABLE`.

use catalog::{Relation, RelationKind};
use sqlparser::ast::{CreateTable, CreateTableOptions, Spanned};

use super::names;
use super::problem::{Outcome, Problem};
use super::render;
use super::table::{Start, TableBuilder};
use super::translation::Translation;
use crate::sqlite::names::physical_name;

impl Translation {
    /// Makes a table.
    pub(super) fn create_table(&mut self, create: &CreateTable) -> Outcome<()> {
        check_clauses(create)?;
        let name = names::qualified(&create.name)?;
        if create.if_not_exists && self.snapshot.relations.contains_key(&name) {
            return Ok(());
        }
        let name = self.new_name(&create.name)?;
        let mut table = Relation { kind: RelationKind::Table, ..Relation::table(name) };
        table.grants = self.default_grants(&table.name);
        let mut builder = TableBuilder::new(self, table);
        for column in &create.columns {
            builder.column(column)?;
        }
        for constraint in &create.constraints {
            builder.constraint(constraint)?;
        }
        let (table, start) = builder.finish(create.name.span().start)?;
        self.push(render::create_table(&table));
        if let Some(Start { table, next }) = start {
            self.push(start_numbers(&physical_name(&table), next));
        }
        self.snapshot.relations.insert(table.name.clone(), std::sync::Arc::new(table));
        Ok(())
    }
}

/// Sets where an identity column's numbers start.
fn start_numbers(table: &str, next: i64) -> String {
    let literal = |text: &str| crate::sqlite::expression::literal(&datatype::Datum::Text(text.to_owned()));
    let last = next.saturating_sub(1);
    format!("INSERT INTO sqlite_sequence (name, seq) VALUES ({}, {last})", literal(table))
}

fn check_clauses(create: &CreateTable) -> Outcome<()> {
    let refused =
        |construct: &str, why: &str, instead: &str| Err(Problem::refused(&create.name, construct, why, instead));
    if create.partition_by.is_some() || create.partition_of.is_some() || create.for_values.is_some() {
        return refused(
            "PARTITION BY",
            "partitioned tables are not available on the embedded engine",
            "instead, one table with an index",
        );
    }
    if create.inherits.is_some() {
        return refused(
            "INHERITS",
            "table inheritance is not available on the embedded engine",
            "instead, write the columns in each table, or use a foreign key",
        );
    }
    if create.query.is_some() {
        return refused(
            "CREATE TABLE AS",
            "the columns' types and constraints would stay unsaid",
            "instead, CREATE TABLE (...) and INSERT INTO ... SELECT",
        );
    }
    if create.like.is_some() || create.clone.is_some() {
        return refused("LIKE", "it is not available on the embedded engine", "instead, write the columns out");
    }
    if create.temporary
        || create.unlogged
        || create.or_replace
        || create.external
        || create.without_rowid
        || create.strict
    {
        return refused(
            "this kind of CREATE TABLE",
            "it is not available on the embedded engine",
            "instead, CREATE TABLE",
        );
    }
    if !matches!(create.table_options, CreateTableOptions::None) {
        return refused("WITH (...)", "storage parameters have no meaning on the embedded engine", "remove it");
    }
    if create.columns.is_empty() {
        return refused("a table without columns", "the embedded engine cannot keep it", "instead, declare a column");
    }
    Ok(())
}
