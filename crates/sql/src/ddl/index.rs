//! `CREATE INDEX`.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{Expression, Index, IndexTerm, Relation, SourceId, Unique};
use sqlparser::ast::{CreateIndex, IndexColumn, IndexType, OrderBySort, Spanned};

use super::expression::{Analyzer, Context};
use super::names::{self, free_name, joined};
use super::problem::{Outcome, Problem};
use super::scope::{Level, ScopeSource};
use super::translation::Translation;
use crate::sqlite::expression::for_schema;
use crate::sqlite::names::{collation, physical_name, quoted};

impl Translation {
    /// Makes an index.
    pub(super) fn create_index(&mut self, create: &CreateIndex) -> Outcome<()> {
        check_clauses(create, self.is_without_transaction)?;
        let table = self.table(&create.table_name)?.clone();
        let terms = self.index_terms(&table, &create.columns)?;
        let name = match self.index_name(create, &table, &terms)? {
            Some(name) => name,
            None => return Ok(()),
        };
        let predicate = create
            .predicate
            .as_ref()
            .map(|predicate| self.row_analyzer(&table).boolean(predicate, "WHERE"))
            .transpose()?;
        let columns: Vec<Arc<str>> = terms.iter().map_while(plain_column).collect();
        let is_key = create.unique && predicate.is_none() && columns.len() == terms.len();
        // An index that leaves rows out says nothing about a filter on its columns.
        let leading = if predicate.is_none() { columns.clone() } else { Vec::new() };
        let index = Index { name: name.name.clone(), is_unique: create.unique, columns: leading, terms, predicate };
        self.push(statement(&index, &table));
        let relation = self.relation_mut(&table.name)?;
        relation.indexes.push(index);
        if is_key {
            relation.uniques.push(Unique { name: name.name, columns });
        }
        Ok(())
    }

    fn row_analyzer(&self, table: &Relation) -> Analyzer<'_> {
        let row = Level::of(ScopeSource::of_relation(table, SourceId::ROW, None));
        Analyzer::new(&self.snapshot, Context::Index, Some(row))
    }

    /// The index's name; `None` if it is there already and that is allowed.
    fn index_name(
        &self,
        create: &CreateIndex,
        table: &Relation,
        terms: &[IndexTerm],
    ) -> Outcome<Option<QualifiedName>> {
        let schema = table.name.schema.clone();
        let Some(object) = &create.name else {
            let middle: Vec<Arc<str>> =
                terms.iter().map(|term| plain_column(term).unwrap_or_else(|| Arc::from("expr"))).collect();
            let taken = |name: &str| self.is_name_in_use(&schema, name);
            let name = free_name(&table.name.name, Some(&joined(&middle)), "idx", taken);
            return Ok(Some(QualifiedName::new(schema.clone(), name)));
        };
        let name = match names::parts(object)?.as_slice() {
            [name] => QualifiedName::new(schema.clone(), name.as_str()),
            _ => {
                return Err(Problem::invalid(object, "an index is always in the schema of its table")
                    .instead("write its name without a schema"));
            }
        };
        if create.if_not_exists && self.is_name_in_use(&name.schema, &name.name) {
            return Ok(None);
        }
        self.check_new_name(&name, object.span().start)?;
        Ok(Some(name))
    }

    fn index_terms(&self, table: &Relation, columns: &[IndexColumn]) -> Outcome<Vec<IndexTerm>> {
        columns
            .iter()
            .map(|IndexColumn { column, .. }| {
                let mut analyzer = self.row_analyzer(table);
                let expression = analyzer.expression(&column.expr)?;
                let is_descending = match &column.options.sort {
                    None | Some(OrderBySort::Asc) => false,
                    Some(OrderBySort::Desc) => true,
                    Some(_) => return Err(Problem::invalid(&column.expr, "write ASC or DESC")),
                };
                Ok(IndexTerm { expression, is_descending })
            })
            .collect()
    }

    /// `ALTER TABLE ... ADD UNIQUE`: an index that carries the constraint's name.
    pub(super) fn add_unique(&mut self, table: &QualifiedName, unique: &Unique) {
        let name = QualifiedName::new(table.schema.clone(), unique.name.clone());
        self.push(format!(
            "CREATE UNIQUE INDEX {} ON {} ({})",
            quoted(&physical_name(&name)),
            quoted(&physical_name(table)),
            super::render::list(&unique.columns)
        ));
    }
}

/// The column that a term is by itself.
fn plain_column(term: &IndexTerm) -> Option<Arc<str>> {
    match &term.expression {
        Expression::Column { name, .. } => Some(name.clone()),
        _ => None,
    }
}

/// `CREATE INDEX` in SQLite's words.
pub(super) fn statement(index: &Index, table: &Relation) -> String {
    let terms: Vec<String> = index
        .terms
        .iter()
        .map(|term| {
            let mut text = match (plain_column(term), collation(&term.expression.data_type())) {
                (Some(column), _) => quoted(&column),
                (None, Some(collation)) => {
                    format!("({}) COLLATE {}", for_schema(&term.expression), quoted(&collation))
                }
                (None, None) => format!("({})", for_schema(&term.expression)),
            };
            if term.is_descending {
                text.push_str(" DESC");
            }
            text
        })
        .collect();
    let name = QualifiedName::new(table.name.schema.clone(), index.name.clone());
    let unique = if index.is_unique { "UNIQUE " } else { "" };
    let (name, table) = (quoted(&physical_name(&name)), quoted(&physical_name(&table.name)));
    let mut text = format!("CREATE {unique}INDEX {name} ON {table} ({})", terms.join(", "));
    if let Some(predicate) = &index.predicate {
        text.push_str(&format!(" WHERE {}", for_schema(predicate)));
    }
    text
}

fn check_clauses(create: &CreateIndex, is_without_transaction: bool) -> Outcome<()> {
    let refused = |construct: String, why: &str, instead: &str| {
        Err(Problem::refused(&create.table_name, construct, why, instead))
    };
    // Here nobody but writers waits for an index, and they in a queue.
    if create.concurrently && !is_without_transaction {
        return refused(
            "CONCURRENTLY".to_owned(),
            "a migration is one transaction, which cannot hold it",
            "instead, CREATE INDEX without CONCURRENTLY, or begin the file with the line `-- pando: no transaction`",
        );
    }
    if let Some(method) = &create.using
        && !matches!(method, IndexType::BTree | IndexType::Hash)
    {
        return refused(
            format!("USING {}", method.to_string().to_ascii_lowercase()),
            "the embedded engine has B-trees only",
            "instead, index a plain column or an expression such as (data ->> 'key')",
        );
    }
    if create.nulls_distinct == Some(false) {
        return refused(
            "NULLS NOT DISTINCT".to_owned(),
            "NULLs are distinct in a key on the embedded engine",
            "instead, declare the column NOT NULL, with a value that stands for nothing",
        );
    }
    Ok(())
}
