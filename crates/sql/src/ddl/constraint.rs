//! Constraints: keys, checks and foreign keys, with the names PostgreSQL would give them.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{Check, Expression, ForeignKey, ReferentialAction, Relation, SourceId, Unique};
use datatype::Type;
use sqlparser::ast::{
    ConstraintCharacteristics, ConstraintReferenceMatchKind, Expr, ForeignKeyConstraint, Ident, IndexColumn,
    NullsDistinctOption, Spanned, TableConstraint, UniqueConstraint,
};
use sqlparser::tokenizer::Location;

use super::expression::{Analyzer, Context};
use super::names::{self, free_name, joined};
use super::problem::{Outcome, Problem};
use super::table::TableBuilder;

/// A constraint whose columns are not looked up yet.
pub(super) enum Pending<'a> {
    PrimaryKey {
        name: Option<&'a Ident>,
        columns: Vec<Arc<str>>,
        characteristics: Option<&'a ConstraintCharacteristics>,
    },
    Unique {
        name: Option<&'a Ident>,
        columns: Vec<Arc<str>>,
        characteristics: Option<&'a ConstraintCharacteristics>,
        nulls: NullsDistinctOption,
    },
    ForeignKey {
        name: Option<&'a Ident>,
        columns: Vec<Arc<str>>,
        key: &'a ForeignKeyConstraint,
    },
    Check {
        name: Option<&'a Ident>,
        expr: &'a Expr,
    },
}

impl<'a> Pending<'a> {
    pub(super) fn primary_key(
        name: Option<&'a Ident>,
        columns: Vec<Arc<str>>,
        characteristics: Option<&'a ConstraintCharacteristics>,
    ) -> Self {
        Self::PrimaryKey { name, columns, characteristics }
    }

    pub(super) fn unique(name: Option<&'a Ident>, columns: Vec<Arc<str>>, unique: &'a UniqueConstraint) -> Self {
        let characteristics = unique.characteristics.as_ref();
        Self::Unique { name, columns, characteristics, nulls: unique.nulls_distinct }
    }

    pub(super) fn foreign_key(name: Option<&'a Ident>, columns: Vec<Arc<str>>, key: &'a ForeignKeyConstraint) -> Self {
        Self::ForeignKey { name, columns, key }
    }

    /// A constraint that stands among the columns.
    pub(super) fn of_table(constraint: &'a TableConstraint, at: Location) -> Outcome<Self> {
        Ok(match constraint {
            TableConstraint::PrimaryKey(key) => {
                Self::primary_key(key.name.as_ref(), plain_columns(&key.columns)?, key.characteristics.as_ref())
            }
            TableConstraint::Unique(unique) => {
                Self::unique(unique.name.as_ref(), plain_columns(&unique.columns)?, unique)
            }
            TableConstraint::ForeignKey(key) => {
                let columns = key.columns.iter().map(|column| Arc::from(names::identifier(column))).collect();
                Self::foreign_key(key.name.as_ref(), columns, key)
            }
            TableConstraint::Check(check) => Self::Check { name: check.name.as_ref(), expr: &check.expr },
            TableConstraint::Exclude(_) => {
                return Err(Problem::refused(
                    at,
                    "EXCLUDE",
                    "exclusion constraints are not available on the embedded engine",
                    "instead, UNIQUE, or check it in the program that calls the API",
                ));
            }
            TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) => {
                return Err(Problem::refused(
                    at,
                    "USING INDEX",
                    "a constraint brings its own index on the embedded engine",
                    "instead, name the columns",
                ));
            }
            TableConstraint::Index(_) | TableConstraint::FulltextOrSpatial(_) => {
                return Err(Problem::invalid(at, "an index inside CREATE TABLE is not PostgreSQL")
                    .instead("write CREATE INDEX after it"));
            }
        })
    }
}

/// The columns of a key.
fn plain_columns(columns: &[IndexColumn]) -> Outcome<Vec<Arc<str>>> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Ok(Arc::from(names::identifier(ident))),
            expr => {
                Err(Problem::invalid(expr, "a key consists of columns")
                    .instead("for an expression, CREATE UNIQUE INDEX"))
            }
        })
        .collect()
}

fn check_characteristics(characteristics: Option<&ConstraintCharacteristics>, at: Location) -> Outcome<()> {
    let Some(ConstraintCharacteristics { deferrable, initially, enforced }) = characteristics else {
        return Ok(());
    };
    if *deferrable == Some(true) || matches!(initially, Some(sqlparser::ast::DeferrableInitial::Deferred)) {
        return Err(Problem::refused(
            at,
            "DEFERRABLE",
            "constraints are checked at the end of each statement on the embedded engine",
            "instead, leave DEFERRABLE out",
        ));
    }
    if *enforced == Some(false) {
        return Err(Problem::refused(at, "NOT ENFORCED", "every constraint is enforced", "remove the constraint"));
    }
    Ok(())
}

impl TableBuilder<'_> {
    /// Takes the constraints in, keys first: foreign keys of a table to itself need them.
    pub(super) fn constrain(&mut self) -> Outcome<()> {
        let pending = std::mem::take(&mut self.pending);
        for (constraint, at) in &pending {
            match constraint {
                Pending::PrimaryKey { name, columns, characteristics } => {
                    check_characteristics(*characteristics, *at)?;
                    self.primary_key(*name, columns, *at)?;
                }
                Pending::Unique { .. } | Pending::ForeignKey { .. } | Pending::Check { .. } => {}
            }
        }
        for (constraint, at) in &pending {
            if let Pending::Unique { name, columns, characteristics, nulls } = constraint {
                check_characteristics(*characteristics, *at)?;
                check_nulls(*nulls, *at)?;
                self.unique(*name, columns, *at)?;
            }
        }
        for (constraint, at) in &pending {
            match constraint {
                Pending::Check { name, expr } => self.check(*name, expr, *at)?,
                Pending::ForeignKey { name, columns, key } => {
                    check_characteristics(key.characteristics.as_ref(), *at)?;
                    self.foreign_key(*name, columns, key, *at)?;
                }
                Pending::PrimaryKey { .. } | Pending::Unique { .. } => {}
            }
        }
        Ok(())
    }

    /// The columns are there, each once.
    fn check_key_columns(&self, columns: &[Arc<str>], at: Location) -> Outcome<()> {
        for (index, name) in columns.iter().enumerate() {
            if self.table.column(name).is_none() {
                return Err(Problem::invalid(at, format!("column \"{name}\" named in key does not exist")));
            }
            if columns.iter().take(index).any(|other| other == name) {
                return Err(Problem::invalid(at, format!("column \"{name}\" appears twice in a key")));
            }
        }
        Ok(())
    }

    /// The given name, if it is free, or a new one.
    fn name_or(
        &self,
        given: Option<&Ident>,
        middle: Option<&str>,
        label: &str,
        taken: impl Fn(&Self, &str) -> bool,
    ) -> Outcome<Arc<str>> {
        match given {
            None => Ok(Arc::from(free_name(&self.table.name.name, middle, label, |name| taken(self, name)))),
            Some(ident) => {
                let name = names::identifier(ident);
                if self.is_own_constraint(&name) {
                    let table = &self.table.name.name;
                    let message = format!("constraint \"{name}\" for relation \"{table}\" already exists");
                    return Err(Problem::invalid(ident.span, message));
                }
                // A key has an index, which is a relation.
                let schema = &self.table.name.schema;
                if matches!(label, "pkey" | "key") && self.translation.is_name_in_use(schema, &name) {
                    return Err(Problem::invalid(ident.span, format!("relation \"{name}\" already exists")));
                }
                Ok(Arc::from(name))
            }
        }
    }

    fn is_own_constraint(&self, name: &str) -> bool {
        self.table.checks.iter().any(|check| &*check.name == name)
            || self.table.foreign_keys.iter().any(|key| &*key.name == name)
            || self.table.uniques.iter().any(|unique| &*unique.name == name)
            || self.table.primary_key_name.as_deref() == Some(name)
    }

    /// Keys have an index, whose name nothing else in the schema may have.
    fn is_relation_name_taken(&self, name: &str) -> bool {
        let schema = &self.table.name.schema;
        *self.table.name.name == *name || self.is_own_constraint(name) || self.translation.is_name_in_use(schema, name)
    }

    fn is_constraint_name_taken(&self, name: &str) -> bool {
        self.is_own_constraint(name) || self.translation.is_constraint(&self.table.name.schema, name)
    }

    fn primary_key(&mut self, name: Option<&Ident>, columns: &[Arc<str>], at: Location) -> Outcome<()> {
        if self.table.primary_key_name.is_some() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", self.table.name.name);
            return Err(Problem::invalid(at, message));
        }
        self.check_key_columns(columns, at)?;
        let name = self.name_or(name, None, "pkey", Self::is_relation_name_taken)?;
        for column in &mut self.table.columns {
            if columns.contains(&column.name) {
                column.is_nullable = false;
            }
        }
        self.table.primary_key_name = Some(name);
        self.table.primary_key = columns.to_vec();
        Ok(())
    }

    fn unique(&mut self, name: Option<&Ident>, columns: &[Arc<str>], at: Location) -> Outcome<()> {
        self.check_key_columns(columns, at)?;
        // PostgreSQL makes one index for the same key said twice.
        let is_same = |key: &[Arc<str>]| key == columns;
        if name.is_none()
            && (is_same(&self.table.primary_key) || self.table.uniques.iter().any(|unique| is_same(&unique.columns)))
        {
            return Ok(());
        }
        let name = self.name_or(name, Some(&joined(columns)), "key", Self::is_relation_name_taken)?;
        self.table.uniques.push(Unique { name, columns: columns.to_vec() });
        Ok(())
    }

    fn check(&mut self, name: Option<&Ident>, expr: &Expr, at: Location) -> Outcome<()> {
        let mut analyzer = Analyzer::new(&self.translation.snapshot, Context::Check, Some(self.row()));
        let expression = analyzer.boolean(expr, "CHECK").map_err(|problem| problem.within(at, ""))?;
        // A check of one column has that column in its name.
        let mut columns: Vec<Arc<str>> = Vec::new();
        expression.visit(&mut |part| {
            if let Expression::Column { source: SourceId::ROW, name, .. } = part
                && !columns.contains(name)
            {
                columns.push(name.clone());
            }
        });
        let middle = match columns.as_slice() {
            [only] => Some(&**only),
            _ => None,
        };
        let name = self.name_or(name, middle, "check", Self::is_constraint_name_taken)?;
        self.table.checks.push(Check { name, expression, domain: None });
        Ok(())
    }

    fn foreign_key(
        &mut self,
        name: Option<&Ident>,
        columns: &[Arc<str>],
        key: &ForeignKeyConstraint,
        at: Location,
    ) -> Outcome<()> {
        self.check_key_columns(columns, at)?;
        let target = foreign_key_target(self, key, at)?;
        if columns.len() != target.columns.len() {
            return Err(Problem::invalid(at, "number of referencing and referenced columns for foreign key disagree"));
        }
        self.check_key_types(columns, &target, at)?;
        let name = self.name_or(name, Some(&joined(columns)), "fkey", Self::is_constraint_name_taken)?;
        self.table.foreign_keys.push(ForeignKey {
            name,
            columns: columns.to_vec(),
            references: target.table,
            referenced_columns: target.columns,
            on_delete: action(key.on_delete),
            on_update: action(key.on_update),
        });
        Ok(())
    }

    fn check_key_types(&self, columns: &[Arc<str>], target: &Target, at: Location) -> Outcome<()> {
        for ((name, other), other_type) in columns.iter().zip(&target.columns).zip(&target.types) {
            let Some(column) = self.table.column(name) else {
                continue;
            };
            let goes = (column.data_type.is_number() && other_type.is_number())
                || (column.data_type.is_text() && other_type.is_text())
                || column.data_type.without_modifier() == other_type.without_modifier();
            if !goes {
                let message = format!(
                    "key columns \"{name}\" and \"{other}\" are of incompatible types: {} and {}",
                    column.data_type.name(),
                    other_type.name()
                );
                return Err(Problem::invalid(at, message));
            }
            let stored_alike = crate::sqlite::names::storage(&column.data_type).class
                == crate::sqlite::names::storage(other_type).class;
            if !stored_alike {
                return Err(Problem::refused(
                    at,
                    "a foreign key between different types of number",
                    format!("{} and {} are stored differently on the embedded engine", column.data_type, other_type),
                    format!("instead, declare \"{name}\" {other_type}"),
                ));
            }
        }
        Ok(())
    }
}

fn check_nulls(nulls: NullsDistinctOption, at: Location) -> Outcome<()> {
    if nulls != NullsDistinctOption::NotDistinct {
        return Ok(());
    }
    Err(Problem::refused(
        at,
        "NULLS NOT DISTINCT",
        "NULLs are distinct in a key on the embedded engine",
        "instead, declare the column NOT NULL, with a value that stands for nothing",
    ))
}

/// What a foreign key points at.
struct Target {
    table: QualifiedName,
    columns: Vec<Arc<str>>,
    types: Vec<Type>,
}

fn foreign_key_target(builder: &TableBuilder<'_>, key: &ForeignKeyConstraint, at: Location) -> Outcome<Target> {
    if matches!(key.match_kind, Some(ConstraintReferenceMatchKind::Partial))
        || (matches!(key.match_kind, Some(ConstraintReferenceMatchKind::Full)) && key.columns.len() > 1)
    {
        return Err(Problem::refused(
            &key.foreign_table,
            "MATCH FULL",
            "a foreign key with a NULL in it is not checked on the embedded engine",
            "instead, declare the columns NOT NULL, or add a CHECK that all or none are NULL",
        ));
    }
    let name = names::qualified(&key.foreign_table)?;
    let table: &Relation =
        if name == builder.table.name { &builder.table } else { builder.translation.table(&key.foreign_table)? };
    let columns: Vec<Arc<str>> = if key.referred_columns.is_empty() {
        if table.primary_key.is_empty() {
            let message = format!("there is no primary key for referenced table \"{}\"", name.name);
            return Err(Problem::invalid(&key.foreign_table, message));
        }
        table.primary_key.clone()
    } else {
        key.referred_columns.iter().map(|column| Arc::from(names::identifier(column))).collect()
    };
    let mut types = Vec::new();
    for column in &columns {
        let Some(found) = table.column(column) else {
            let message = format!("column \"{column}\" referenced in foreign key constraint does not exist");
            return Err(Problem::invalid(key.foreign_table.span().start, message));
        };
        types.push(found.data_type.clone());
    }
    if !table.is_unique_over(&columns) {
        let message =
            format!("there is no unique constraint matching given keys for referenced table \"{}\"", name.name);
        return Err(Problem::invalid(if at.line == 0 { key.foreign_table.span().start } else { at }, message)
            .instead("declare the referenced columns PRIMARY KEY or UNIQUE"));
    }
    Ok(Target { table: name, columns, types })
}

fn action(action: Option<sqlparser::ast::ReferentialAction>) -> ReferentialAction {
    use sqlparser::ast::ReferentialAction as Parsed;
    match action {
        None | Some(Parsed::NoAction) => ReferentialAction::NoAction,
        Some(Parsed::Restrict) => ReferentialAction::Restrict,
        Some(Parsed::Cascade) => ReferentialAction::Cascade,
        Some(Parsed::SetNull) => ReferentialAction::SetNull,
        Some(Parsed::SetDefault) => ReferentialAction::SetDefault,
    }
}
