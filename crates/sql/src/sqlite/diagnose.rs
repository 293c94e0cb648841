//! Look-ups that name the foreign key behind a violation, which SQLite itself does not. They run on the error path,
//! inside the transaction that is about to be undone, and after an insert whose rows refer to one another.

use catalog::{ForeignKey, Relation};

use super::names::physical_name;
use crate::statement::{Parameter, Statement};
use crate::writer::{Values, Writer};

/// Gives a row if the referenced row exists; its cells are the key's values, in the key's order.
pub fn referenced_row(key: &ForeignKey) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT 1 FROM ").identifier(&physical_name(&key.references)).syntax(" WHERE ");
    writer.list(key.referenced_columns.iter().enumerate(), " AND ", |writer, (cell, column)| {
        writer.identifier(column).syntax(" = ").parameter(Parameter::Cell(cell));
    });
    writer.finish()
}

/// Gives the referenced columns of the first of the written rows of `parent` that a row of `child` still refers to.
pub fn still_referenced(parent: &Relation, child: &Relation, key: &ForeignKey) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT ");
    writer.list(&key.referenced_columns, ", ", |writer, column| {
        writer.syntax("s0.").identifier(column);
    });
    writer.syntax(" FROM ").identifier(&physical_name(&parent.name));
    writer.syntax(" AS s0 WHERE s0._rowid_ IN (SELECT value FROM json_each(").parameter(Parameter::WrittenRows);
    writer.syntax(")) AND EXISTS (SELECT 1 FROM ").identifier(&physical_name(&child.name)).syntax(" AS s1 WHERE ");
    writer.list(key.columns.iter().zip(&key.referenced_columns), " AND ", |writer, (own, referenced)| {
        writer.syntax("s1.").identifier(own).syntax(" = s0.").identifier(referenced);
    });
    writer.syntax(") LIMIT 1");
    writer.finish()
}

/// Gives the referencing columns of one of the written rows of `child` whose referenced row does not exist.
pub fn without_parent(child: &Relation, key: &ForeignKey) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT ");
    writer.list(&key.columns, ", ", |writer, column| {
        writer.syntax("s0.").identifier(column);
    });
    writer.syntax(" FROM ").identifier(&physical_name(&child.name));
    writer.syntax(" AS s0 WHERE s0._rowid_ IN (SELECT value FROM json_each(").parameter(Parameter::WrittenRows);
    writer.syntax("))");
    for column in &key.columns {
        writer.syntax(" AND s0.").identifier(column).syntax(" IS NOT NULL");
    }
    writer
        .syntax(" AND NOT EXISTS (SELECT 1 FROM ")
        .identifier(&physical_name(&key.references))
        .syntax(" AS s1 WHERE ");
    // The referenced column stands first: its collation decides, as SQLite has it for foreign keys.
    writer.list(key.referenced_columns.iter().zip(&key.columns), " AND ", |writer, (referenced, own)| {
        writer.syntax("s1.").identifier(referenced).syntax(" = s0.").identifier(own);
    });
    writer.syntax(") LIMIT 1");
    writer.finish()
}

/// Gives the `_rowid_`s of the rows that an update is for.
pub fn rows_of(update: &plan::Update) -> Statement {
    let mut writer = Writer::new(Values::AsParameters);
    writer.syntax("SELECT s0._rowid_ FROM ").identifier(&physical_name(&update.table.name)).syntax(" AS s0");
    super::write::write_filter(&mut writer, &update.filter);
    writer.finish()
}
