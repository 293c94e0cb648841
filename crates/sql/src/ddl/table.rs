//! A table while it is declared: columns first, then the constraints over them.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{Column, DefaultValue, Domain, Expression, Generated, Identity, Relation, SourceId};
use datatype::Type;
use sqlparser::ast::{
    ColumnDef, ColumnOption, Expr, GeneratedAs, GeneratedExpressionMode, Ident, SequenceOptions, Spanned,
    TableConstraint, UnaryOperator, Value,
};
use sqlparser::tokenizer::Location;

use super::constraint::Pending;
use super::domain;
use super::expression::{Analyzer, Context, check_collation};
use super::names;
use super::problem::{Outcome, Problem};
use super::scope::{Level, ScopeSource};
use super::translation::Translation;
use super::types::{self, Declared};

/// Where an identity column's numbers start, if not at 1.
pub(super) struct Start {
    pub(super) table: QualifiedName,
    pub(super) next: i64,
}

/// The most columns: SQLite gives a function at most 1,000 arguments, and the audit's of an update takes the old row and the new one.
const MOST_COLUMNS: usize = 499;

/// A table while it is declared.
pub(super) struct TableBuilder<'a> {
    pub(super) translation: &'a Translation,
    pub(super) table: Relation,
    /// Constraints and expressions wait until all columns are known.
    pub(super) pending: Vec<(Pending<'a>, Location)>,
    generated: Vec<(Arc<str>, &'a Expr)>,
    start: Option<i64>,
    identity_at: Location,
}

impl<'a> TableBuilder<'a> {
    pub(super) fn new(translation: &'a Translation, table: Relation) -> Self {
        Self {
            translation,
            table,
            pending: Vec::new(),
            generated: Vec::new(),
            start: None,
            identity_at: super::problem::NOWHERE,
        }
    }

    /// Adds a column.
    pub(super) fn column(&mut self, definition: &'a ColumnDef) -> Outcome<()> {
        let name = self.new_column_name(&definition.name)?;
        let at = definition.name.span.start;
        let declared = types::declared(&self.translation.snapshot, &definition.data_type, at)?;
        let (data_type, is_serial) = match declared {
            Declared::Domain(domain) => return self.domain_column(definition, &domain, name),
            Declared::Type(data_type) => (data_type, false),
            Declared::Serial(data_type) => (data_type, true),
        };
        let mut column = Column {
            name,
            data_type,
            is_nullable: !is_serial,
            default: DefaultValue::None,
            comment: None,
            domain: None,
            native: None,
        };
        if is_serial {
            column.default = DefaultValue::Identity(Identity::ByDefault);
            self.identity_at = at;
        }
        for option in &definition.options {
            self.column_option(&mut column, option.name.as_ref(), &option.option, at)?;
        }
        self.table.columns.push(column);
        Ok(())
    }

    /// A column of a domain; a default of its own goes before that of the domain.
    fn domain_column(&mut self, definition: &'a ColumnDef, domain: &Domain, name: Arc<str>) -> Outcome<()> {
        let (mut column, checks) = domain::column_of(domain, name);
        let inherited = std::mem::replace(&mut column.default, DefaultValue::None);
        let is_nullable = column.is_nullable;
        for option in &definition.options {
            self.column_option(&mut column, option.name.as_ref(), &option.option, definition.name.span.start)?;
        }
        if column.default == DefaultValue::None {
            column.default = inherited;
        }
        column.is_nullable &= is_nullable;
        self.table.columns.push(column);
        self.table.checks.extend(checks);
        Ok(())
    }

    /// A column's name: not there yet, and one that SQLite can keep apart from the others and from its own.
    fn new_column_name(&self, ident: &Ident) -> Outcome<Arc<str>> {
        let name = names::identifier(ident);
        for column in &self.table.columns {
            if *column.name == *name {
                return Err(Problem::invalid(ident.span, format!("column \"{name}\" specified more than once")));
            }
            if column.name.eq_ignore_ascii_case(&name) {
                return Err(Problem::refused(
                    ident.span,
                    format!("the column \"{name}\""),
                    format!("the embedded engine cannot keep it apart from \"{}\"", column.name),
                    "instead, choose a name that differs in more than case",
                ));
            }
        }
        if name.eq_ignore_ascii_case("_rowid_") {
            return Err(Problem::refused(
                ident.span,
                "a column named _rowid_",
                "the name is kept for the engine",
                "instead, choose another name",
            ));
        }
        Ok(Arc::from(name))
    }

    fn column_option(
        &mut self,
        column: &mut Column,
        name: Option<&'a Ident>,
        option: &'a ColumnOption,
        at: Location,
    ) -> Outcome<()> {
        let columns = vec![column.name.clone()];
        match option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => column.is_nullable = false,
            ColumnOption::Default(expr) => {
                check_single_default(column, expr.span().start)?;
                column.default = DefaultValue::Expression(self.default(expr, &column.data_type, &column.name)?);
            }
            ColumnOption::Generated {
                generated_as, sequence_options, generation_expr, generation_expr_mode, ..
            } => {
                check_single_default(column, at)?;
                match generation_expr {
                    Some(expr) => self.generated_column(column, expr, *generation_expr_mode)?,
                    None => self.identity_column(column, generated_as, sequence_options.as_deref(), at)?,
                }
            }
            ColumnOption::PrimaryKey(key) => {
                let name = name.or(key.name.as_ref());
                self.pending.push((Pending::primary_key(name, columns, key.characteristics.as_ref()), at));
            }
            ColumnOption::Unique(unique) => {
                let name = name.or(unique.name.as_ref());
                self.pending.push((Pending::unique(name, columns, unique), at));
            }
            ColumnOption::ForeignKey(key) => {
                let name = name.or(key.name.as_ref());
                self.pending.push((Pending::foreign_key(name, columns, key), at));
            }
            ColumnOption::Check(check) => {
                let name = name.or(check.name.as_ref());
                self.pending.push((Pending::Check { name, expr: &check.expr }, check.expr.span().start));
            }
            ColumnOption::Collation(collation) => check_collation(collation)?,
            _ => {
                return Err(Problem::invalid(at, format!("\"{option}\" is not part of PostgreSQL's CREATE TABLE")));
            }
        }
        Ok(())
    }

    /// A `DEFAULT` in the type of its column.
    fn default(&self, expr: &Expr, data_type: &Type, column: &str) -> Outcome<Expression> {
        let mut analyzer = Analyzer::new(&self.translation.snapshot, Context::Default, None);
        analyzer.assigned(expr, data_type, column)
    }

    fn generated_column(
        &mut self,
        column: &mut Column,
        expr: &'a Expr,
        mode: Option<GeneratedExpressionMode>,
    ) -> Outcome<()> {
        if mode != Some(GeneratedExpressionMode::Stored) {
            return Err(Problem::invalid(expr, "a generated column needs STORED at its end"));
        }
        // The value holds the place until the other columns are known.
        let placeholder = Expression::value(datatype::Datum::Null, column.data_type.clone());
        column.default = DefaultValue::Generated(Generated { expression: placeholder });
        self.generated.push((column.name.clone(), expr));
        Ok(())
    }

    fn identity_column(
        &mut self,
        column: &mut Column,
        generated_as: &GeneratedAs,
        options: Option<&[SequenceOptions]>,
        at: Location,
    ) -> Outcome<()> {
        if !column.data_type.is_integer() {
            return Err(Problem::invalid(at, "identity column type must be smallint, integer, or bigint"));
        }
        column.is_nullable = false;
        column.default = DefaultValue::Identity(match generated_as {
            GeneratedAs::Always => Identity::Always,
            GeneratedAs::ByDefault => Identity::ByDefault,
            GeneratedAs::ExpStored => {
                return Err(Problem::invalid(at, "GENERATED needs ALWAYS or BY DEFAULT"));
            }
        });
        self.identity_at = at;
        for option in options.unwrap_or_default() {
            self.sequence_option(option, at)?;
        }
        Ok(())
    }

    fn sequence_option(&mut self, option: &SequenceOptions, at: Location) -> Outcome<()> {
        match option {
            SequenceOptions::StartWith(expr, _) => {
                let start = whole_number(expr).filter(|start| *start > 0);
                let Some(start) = start else {
                    return Err(Problem::refused(
                        at,
                        "START WITH",
                        "an identity column counts upward from a positive number on the embedded engine",
                        "instead, START WITH a positive number",
                    ));
                };
                self.start = (start != 1).then_some(start);
                Ok(())
            }
            SequenceOptions::IncrementBy(expr, _) if whole_number(expr) == Some(1) => Ok(()),
            SequenceOptions::Cache(_)
            | SequenceOptions::MinValue(None)
            | SequenceOptions::MaxValue(None)
            | SequenceOptions::Cycle(true) => Ok(()),
            SequenceOptions::MinValue(Some(expr)) if whole_number(expr) == Some(1) => Ok(()),
            _ => Err(Problem::refused(
                at,
                "options of an identity column",
                "an identity column counts upward by one on the embedded engine",
                "instead, leave the options out; START WITH is available",
            )),
        }
    }

    /// Adds a constraint of the table.
    pub(super) fn constraint(&mut self, constraint: &'a TableConstraint) -> Outcome<()> {
        let at = constraint.span().start;
        let pending = Pending::of_table(constraint, at)?;
        self.pending.push((pending, at));
        Ok(())
    }

    /// The row that checks and generated columns are about.
    pub(super) fn row(&self) -> Level {
        Level::of(ScopeSource::of_relation(&self.table, SourceId::ROW, None))
    }

    /// Reads what had to wait for the columns.
    pub(super) fn finish(mut self, at: Location) -> Outcome<(Relation, Option<Start>)> {
        self.generate()?;
        self.constrain()?;
        self.check_identity(at)?;
        if self.table.columns.len() > MOST_COLUMNS {
            return Err(Problem::refused(
                at,
                "columns",
                format!(
                    "a table of the embedded engine has at most {MOST_COLUMNS}: the audit's triggers give each change's rows to a function"
                ),
                "instead, two tables, or json for what is rarely asked for",
            ));
        }
        let start = self.start.map(|next| Start { table: self.table.name.clone(), next });
        Ok((self.table, start))
    }

    fn generate(&mut self) -> Outcome<()> {
        let row = self.row();
        for (name, expr) in std::mem::take(&mut self.generated) {
            let Some(column) = self.table.column(&name).cloned() else {
                continue;
            };
            let mut analyzer = Analyzer::new(&self.translation.snapshot, Context::Generated, Some(row.clone()));
            let expression = analyzer.assigned(expr, &column.data_type, &name)?;
            let mut uses_generated = None;
            expression.visit(&mut |part| {
                if let Expression::Column { name, .. } = part
                    && let Some(other) = self.table.column(name)
                    && matches!(other.default, DefaultValue::Generated(_))
                {
                    uses_generated = Some(name.clone());
                }
            });
            if let Some(other) = uses_generated {
                let message = format!("cannot use generated column \"{other}\" in column generation expression");
                return Err(Problem::invalid(expr, message));
            }
            if let Some(column) = self.table.columns.iter_mut().find(|column| column.name == name) {
                column.default = DefaultValue::Generated(Generated { expression });
            }
        }
        Ok(())
    }

    /// An identity column is the whole primary key: only then does SQLite count.
    fn check_identity(&self, at: Location) -> Outcome<()> {
        let mut identities =
            self.table.columns.iter().filter(|column| matches!(column.default, DefaultValue::Identity(_)));
        let Some(first) = identities.next() else {
            return Ok(());
        };
        let is_key = matches!(self.table.primary_key.as_slice(), [key] if *key == first.name);
        if is_key && identities.next().is_none() {
            return Ok(());
        }
        let at = if self.identity_at.line == 0 { at } else { self.identity_at };
        Err(Problem::refused(
            at,
            "an identity column that is not the primary key",
            format!("only a column that is the whole primary key counts by itself; \"{}\" is not", first.name),
            "instead, declare it PRIMARY KEY, and the other columns UNIQUE",
        ))
    }
}

fn check_single_default(column: &Column, at: Location) -> Outcome<()> {
    if column.default == DefaultValue::None {
        return Ok(());
    }
    Err(Problem::invalid(at, format!("multiple default values specified for column \"{}\"", column.name)))
}

fn whole_number(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Nested(inner) => whole_number(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole_number(expr).and_then(i64::checked_neg),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
