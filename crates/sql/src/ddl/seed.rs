//! Statements that change rows: seeds and backfills.

use std::sync::Arc;

use catalog::{Column, DefaultValue, Expression, Identity, InsertionConflict, Relation, SourceId};
use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName, OnConflict,
    OnConflictAction, OnInsert, Query, SetExpr, Spanned, Statement, TableFactor, TableObject, TableWithJoins, Update,
};
use sqlparser::tokenizer::{Location, Token};

use super::expression::{Analyzer, Context};
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};
use super::scope::{Level, ScopeSource};
use super::tokens::Piece;
use super::translation::Translation;
use super::{inline, names, render};
use crate::sqlite::expression::{self, RowColumns, for_schema, query_for_schema};
use crate::sqlite::names::{physical_name, quoted};
use crate::sqlite::own_key;
use crate::writer::{Values, Writer};

impl Translation {
    /// `INSERT`.
    pub(super) fn insert(&mut self, piece: &Piece) -> Outcome<()> {
        let (piece, overrides) = without_overriding(piece)?;
        let Statement::Insert(insert) = piece.parse()? else {
            return Err(Problem::invalid(piece.at, "this is not an INSERT"));
        };
        if insert.returning.is_some() {
            return Err(Problem::refused(
                piece.at,
                "RETURNING",
                "its outcome goes nowhere in a migration",
                "remove it",
            ));
        }
        check_insert(&insert, piece.at)?;
        let TableObject::TableName(object) = &insert.table else {
            return Err(Problem::invalid(piece.at, "INSERT needs a table"));
        };
        let table = self.table(object)?.clone();
        let columns = insert_columns(&table, &insert.columns, object)?;
        let mut text = match &insert.source {
            None => format!("INSERT INTO {} DEFAULT VALUES", quoted(&physical_name(&table.name))),
            Some(source) => match &*source.body {
                SetExpr::Values(values) if source.with.is_none() && source.order_by.is_none() => {
                    let rows: Vec<&[Expr]> = values.rows.iter().map(|row| row.content.as_slice()).collect();
                    self.insert_values(&table, columns, &rows, overrides, object)?
                }
                _ => self.insert_query(&table, columns, source, overrides, object)?,
            },
        };
        match &insert.on {
            None => {}
            Some(OnInsert::OnConflict(conflict)) => {
                if !text.contains(" VALUES") {
                    return Err(Problem::refused(
                        object,
                        "INSERT ... SELECT ... ON CONFLICT",
                        "it is not available in migrations on the embedded engine yet",
                        "instead, leave the rows that exist out with WHERE NOT EXISTS (...)",
                    ));
                }
                text.push_str(&self.on_conflict(&table, conflict, object)?);
            }
            Some(_) => {
                return Err(Problem::invalid(object, "ON DUPLICATE KEY is not PostgreSQL"));
            }
        }
        self.push(text);
        Ok(())
    }

    fn insert_values(
        &self,
        table: &Relation,
        mut columns: Vec<Column>,
        rows: &[&[Expr]],
        overrides: bool,
        object: &ObjectName,
    ) -> Outcome<String> {
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        if width < columns.len() && object_has_no_list(table, &columns) {
            columns.truncate(width);
        }
        let skipped = generated_columns(&columns, rows)?;
        let kept: Vec<&Column> = columns
            .iter()
            .enumerate()
            .filter(|(index, _)| !skipped.contains(index))
            .map(|(_, column)| column)
            .collect();
        self.check_omitted(table, &columns, object)?;
        let mut lines = Vec::new();
        for row in rows {
            if row.len() != columns.len() {
                let at = row.first().map_or_else(|| object.span().start, |expr| expr.span().start);
                let which = if row.len() > columns.len() {
                    "expressions than target columns"
                } else {
                    "target columns than expressions"
                };
                return Err(Problem::invalid(at, format!("INSERT has more {which}")));
            }
            let mut values = Vec::new();
            for (index, (column, expr)) in columns.iter().zip(*row).enumerate() {
                if !skipped.contains(&index) {
                    values.push(self.insert_value(table, column, expr, overrides)?);
                }
            }
            lines.push(format!("({})", values.join(", ")));
        }
        let names: Vec<&str> = kept.iter().map(|column| &*column.name).collect();
        let head = format!("INSERT INTO {} ({})", quoted(&physical_name(&table.name)), render::list(&names));
        Ok(format!("{head} VALUES\n  {}", lines.join(",\n  ")))
    }

    fn insert_value(&self, table: &Relation, column: &Column, expr: &Expr, overrides: bool) -> Outcome<String> {
        if is_default(expr) {
            return Ok(match &column.default {
                DefaultValue::Expression(expression) => for_schema(expression),
                DefaultValue::None | DefaultValue::Identity(_) | DefaultValue::Generated(_) => {
                    check_null(table, column, expr.span().start)?;
                    "NULL".to_owned()
                }
            });
        }
        if column.default == DefaultValue::Identity(Identity::Always) && !overrides {
            let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
            return Err(Problem::invalid(expr, message).instead("write OVERRIDING SYSTEM VALUE before VALUES"));
        }
        let mut analyzer = Analyzer::new(&self.snapshot, Context::Statement, None);
        analyzer.no_aggregates = Some("VALUES");
        let value = analyzer.assigned(expr, &column.data_type, &column.name)?;
        if let Expression::Value { value: datatype::Datum::Null, .. } = &value {
            check_null(table, column, expr.span().start)?;
        }
        Ok(for_schema(&inline::expanded(&value, &self.snapshot)?))
    }

    /// Columns without a value and without a default must allow NULL.
    fn check_omitted(&self, table: &Relation, columns: &[Column], object: &ObjectName) -> Outcome<()> {
        for column in &table.columns {
            let is_given = columns.iter().any(|given| given.name == column.name);
            if !is_given && column.default == DefaultValue::None {
                check_null(table, column, object.span().start)?;
            }
        }
        Ok(())
    }

    fn insert_query(
        &self,
        table: &Relation,
        mut columns: Vec<Column>,
        source: &Query,
        overrides: bool,
        object: &ObjectName,
    ) -> Outcome<String> {
        let mut analyzer = Analyzer::new(&self.snapshot, Context::Statement, None);
        let mut selected = analyzer.query(source)?;
        if selected.columns.len() < columns.len() && object_has_no_list(table, &columns) {
            columns.truncate(selected.columns.len());
        }
        if selected.columns.len() != columns.len() {
            return Err(Problem::invalid(object, "INSERT has not as many expressions as target columns"));
        }
        self.check_omitted(table, &columns, object)?;
        let has_unions = !selected.query.unions.is_empty();
        for (column, projection) in columns.iter().zip(&mut selected.query.projections) {
            check_writable(column, overrides, source.span().start)?;
            let before = std::mem::replace(&mut projection.expression, Expression::constant(true));
            let operand =
                match before {
                    // A literal of the select list takes the column's type.
                    Expression::Value {
                        value: datatype::Datum::Text(text), data_type: datatype::Type::Text, ..
                    } if !has_unions => Operand::Unknown(Some(text)),
                    Expression::Value { value: datatype::Datum::Null, .. } if !has_unions => Operand::Unknown(None),
                    other => Operand::Known(other),
                };
            let after = operator::assigned(operand.clone(), &column.data_type, &column.name, source)?;
            if has_unions && operand != Operand::Known(after.clone()) {
                return Err(Problem::invalid(source, format!("the type of column \"{}\" differs", column.name))
                    .instead("add casts inside each SELECT"));
            }
            projection.expression = after;
        }
        let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        let head = format!("INSERT INTO {} ({})", quoted(&physical_name(&table.name)), render::list(&names));
        Ok(format!("{head} {}", query_for_schema(&inline::expanded_query(&selected.query, &self.snapshot)?)))
    }

    fn on_conflict(&self, table: &Relation, conflict: &OnConflict, object: &ObjectName) -> Outcome<String> {
        let target = match conflict_target(table, conflict, object)? {
            None => String::new(),
            Some(columns) => format!(" ({})", render::list(&columns)),
        };
        let update = match &conflict.action {
            OnConflictAction::DoNothing => {
                return Ok(format!("\n  ON CONFLICT{target} DO NOTHING"));
            }
            OnConflictAction::DoUpdate(update) => update,
        };
        if target.is_empty() {
            return Err(Problem::invalid(object, "ON CONFLICT DO UPDATE requires inference specification"));
        }
        if update.selection.is_some() {
            return Err(Problem::refused(
                object,
                "ON CONFLICT DO UPDATE ... WHERE",
                "it is not available in migrations on the embedded engine",
                "instead, leave WHERE out, or UPDATE by itself",
            ));
        }
        let (mut sets, mut changed) = (Vec::new(), Vec::new());
        for assignment in &update.assignments {
            let column = assigned_column(table, assignment)?;
            sets.push(format!("{} = {}", quoted(&column.name), self.excluded(table, &column, &assignment.value)?));
            changed.push(column.name.clone());
        }
        let beside = own_key::beside(table, &changed);
        Ok(format!("\n  ON CONFLICT{target} DO UPDATE SET {}{beside}", sets.join(", ")))
    }

    /// `excluded.column` or a value.
    fn excluded(&self, table: &Relation, column: &Column, expr: &Expr) -> Outcome<String> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let [source, name] = idents.as_slice()
            && names::identifier(source) == "excluded"
        {
            let other = column_of(table, name)?;
            if other.data_type != column.data_type {
                return Err(Problem::invalid(expr, "the types of the two columns differ"));
            }
            return Ok(format!("excluded.{}", quoted(&other.name)));
        }
        let mut analyzer = Analyzer::new(&self.snapshot, Context::Statement, None);
        let value = analyzer.assigned(expr, &column.data_type, &column.name)?;
        Ok(for_schema(&inline::expanded(&value, &self.snapshot)?))
    }

    /// `UPDATE table SET ... WHERE ...`.
    pub(super) fn update(&mut self, update: &Update) -> Outcome<()> {
        let at = update.update_token.0.span.start;
        let is_plain = update.from.is_none()
            && update.returning.is_none()
            && update.output.is_none()
            && update.or.is_none()
            && update.order_by.is_empty()
            && update.limit.is_none();
        if !is_plain {
            return Err(Problem::refused(
                at,
                "UPDATE ... FROM, RETURNING",
                "only UPDATE table SET ... WHERE ... is available in migrations on the embedded engine",
                "instead, use subqueries in SET and WHERE",
            ));
        }
        let (table, row) = self.changed_table(&update.table, at)?;
        let mut sets = Vec::new();
        let mut changed = Vec::new();
        for assignment in &update.assignments {
            let column = assigned_column(&table, assignment)?;
            changed.push(column.name.clone());
            let value = if is_default(&assignment.value) {
                match &column.default {
                    DefaultValue::Expression(expression) => expression.clone(),
                    _ => Expression::value(datatype::Datum::Null, column.data_type.clone()),
                }
            } else {
                let mut analyzer = Analyzer::new(&self.snapshot, Context::Statement, Some(row.clone()));
                analyzer.no_aggregates = Some("UPDATE");
                analyzer.assigned(&assignment.value, &column.data_type, &column.name)?
            };
            sets.push(format!("{} = {}", quoted(&column.name), self.aliased(&value)?));
        }
        let filter = self.row_filter(row, update.selection.as_ref())?;
        self.note_changed_rows(&table.name, Some(&changed), at);
        let beside = own_key::beside(&table, &changed);
        self.push(format!(
            "UPDATE {} AS s0 SET {}{beside}{filter}",
            quoted(&physical_name(&table.name)),
            sets.join(", ")
        ));
        Ok(())
    }

    /// `DELETE FROM table WHERE ...`.
    pub(super) fn delete(&mut self, delete: &Delete) -> Outcome<()> {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let is_plain = delete.tables.is_empty()
            && delete.using.is_none()
            && delete.returning.is_none()
            && delete.order_by.is_empty()
            && delete.limit.is_none();
        let ([table], true) = (tables.as_slice(), is_plain) else {
            return Err(Problem::refused(
                delete,
                "DELETE ... USING, RETURNING",
                "only DELETE FROM table WHERE ... is available in migrations on the embedded engine",
                "instead, use a subquery in WHERE",
            ));
        };
        let (table, row) = self.changed_table(table, delete.span().start)?;
        let filter = self.row_filter(row, delete.selection.as_ref())?;
        self.note_changed_rows(&table.name, None, delete.span().start);
        self.push(format!("DELETE FROM {} AS s0{filter}", quoted(&physical_name(&table.name))));
        Ok(())
    }

    fn changed_table(&self, table: &TableWithJoins, at: Location) -> Outcome<(Arc<Relation>, Level)> {
        let TableFactor::Table { name, alias, .. } = &table.relation else {
            return Err(Problem::invalid(at, "a table is needed here"));
        };
        if !table.joins.is_empty() {
            return Err(Problem::invalid(at, "one table is needed here"));
        }
        let relation = self.table(name)?.clone();
        let alias = alias.as_ref().map(|alias| Arc::from(names::identifier(&alias.name)));
        let row = Level::of(ScopeSource::of_relation(&relation, SourceId::ROW, alias));
        Ok((relation, row))
    }

    fn row_filter(&self, row: Level, selection: Option<&Expr>) -> Outcome<String> {
        let Some(selection) = selection else {
            return Ok(String::new());
        };
        let mut analyzer = Analyzer::new(&self.snapshot, Context::Statement, Some(row));
        analyzer.no_aggregates = Some("WHERE");
        let filter = analyzer.boolean(selection, "WHERE")?;
        Ok(format!(" WHERE {}", self.aliased(&filter)?))
    }

    /// An expression over the row of the statement's own table, which has the alias `s0`.
    pub(super) fn aliased(&self, value: &Expression) -> Outcome<String> {
        let mut writer = Writer::new(Values::AsLiterals);
        expression::write(&mut writer, &inline::expanded(value, &self.snapshot)?, RowColumns::Aliased);
        Ok(writer.finish_text())
    }
}

/// Takes `OVERRIDING SYSTEM VALUE` out, which the parser does not know.
fn without_overriding(piece: &Piece) -> Outcome<(Piece, bool)> {
    let word = |index: usize| match piece.tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let start = (0..piece.tokens.len()).find(|index| word(*index) == "OVERRIDING" && word(index + 2) == "VALUE");
    let mut tokens = piece.tokens.clone();
    let Some(start) = start else {
        return Ok((Piece { tokens, at: piece.at }, false));
    };
    if word(start + 1) != "SYSTEM" {
        let at = tokens.get(start).map_or(piece.at, |token| token.span.start);
        return Err(Problem::refused(
            at,
            "OVERRIDING USER VALUE",
            "it is not available on the embedded engine",
            "instead, leave the identity column out",
        ));
    }
    tokens.drain(start..start + 3);
    Ok((Piece { tokens, at: piece.at }, true))
}

pub(super) fn check_insert(insert: &Insert, at: Location) -> Outcome<()> {
    let is_foreign = insert.or.is_some()
        || insert.ignore
        || insert.overwrite
        || insert.replace_into
        || insert.table_alias.is_some()
        || !insert.assignments.is_empty()
        || insert.partitioned.is_some()
        || insert.output.is_some()
        || insert.multi_table_insert_type.is_some();
    if is_foreign {
        return Err(Problem::invalid(at, "this form of INSERT is not available on the embedded engine"));
    }
    Ok(())
}

/// The columns of an `INSERT`, all of the table's if there is no list.
pub(super) fn insert_columns(table: &Relation, list: &[ObjectName], object: &ObjectName) -> Outcome<Vec<Column>> {
    if list.is_empty() {
        return Ok(table.columns.clone());
    }
    let mut columns: Vec<Column> = Vec::new();
    for name in list {
        let parts = names::parts(name)?;
        let [column] = parts.as_slice() else {
            return Err(Problem::invalid(name, "a column's name has one part"));
        };
        let Some(found) = table.column(column) else {
            return Err(missing(table, column, name.span().start));
        };
        if columns.iter().any(|other| other.name == found.name) {
            return Err(Problem::invalid(object, format!("column \"{column}\" specified more than once")));
        }
        columns.push(found.clone());
    }
    Ok(columns)
}

/// Whether the columns are simply all there are: then fewer values than columns leave the last ones out.
fn object_has_no_list(table: &Relation, columns: &[Column]) -> bool {
    table.columns.len() == columns.len() && table.columns.iter().zip(columns).all(|(a, b)| a.name == b.name)
}

/// The indexes of generated columns, which take `DEFAULT` only and are left out.
fn generated_columns(columns: &[Column], rows: &[&[Expr]]) -> Outcome<Vec<usize>> {
    let mut skipped = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if !matches!(column.default, DefaultValue::Generated(_)) {
            continue;
        }
        let given = rows.iter().filter_map(|row| row.get(index)).find(|expr| !is_default(expr));
        if let Some(expr) = given {
            return Err(generated_value(column, expr.span().start));
        }
        skipped.push(index);
    }
    Ok(skipped)
}

/// A value may be given for the column.
pub(super) fn check_writable(column: &Column, overrides: bool, at: Location) -> Outcome<()> {
    match column.default {
        DefaultValue::Generated(_) => Err(generated_value(column, at)),
        DefaultValue::Identity(Identity::Always) if !overrides => {
            let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
            Err(Problem::invalid(at, message))
        }
        _ => Ok(()),
    }
}

/// The value that `DEFAULT` stands for.
pub(super) fn default_of(table: &Relation, column: &Column, at: Location) -> Outcome<Expression> {
    match &column.default {
        DefaultValue::Expression(expression) => Ok(expression.clone()),
        DefaultValue::Identity(_) | DefaultValue::Generated(_) => Err(Problem::refused(
            at,
            "DEFAULT",
            format!("the value of \"{}\" is computed when the row is new", column.name),
            "instead, leave the column out",
        )),
        DefaultValue::None => {
            check_null(table, column, at)?;
            Ok(Expression::value(datatype::Datum::Null, column.data_type.clone()))
        }
    }
}

/// `ON CONFLICT (columns) DO NOTHING`, or `DO UPDATE SET` that takes the new values as they are.
pub(super) fn conflict_of(table: &Relation, conflict: &OnConflict, object: &ObjectName) -> Outcome<InsertionConflict> {
    let target = conflict_target(table, conflict, object)?;
    let OnConflictAction::DoUpdate(update) = &conflict.action else {
        return match target {
            Some(target) => Ok(InsertionConflict { target, merged: Vec::new() }),
            None => Err(Problem::refused(
                object,
                "ON CONFLICT DO NOTHING",
                "the columns that tell that a row exists have to be named in a function",
                "instead, ON CONFLICT (columns) DO NOTHING",
            )),
        };
    };
    let Some(target) = target else {
        return Err(Problem::invalid(object, "ON CONFLICT DO UPDATE requires inference specification"));
    };
    let mut merged = Vec::new();
    for assignment in &update.assignments {
        let column = assigned_column(table, assignment)?;
        let is_excluded = matches!(&assignment.value, Expr::CompoundIdentifier(idents) if matches!(
            idents.as_slice(),
            [source, name] if names::identifier(source) == "excluded" && *names::identifier(name) == *column.name
        ));
        if !is_excluded || update.selection.is_some() {
            return Err(Problem::refused(
                &assignment.value,
                "ON CONFLICT DO UPDATE SET ...",
                "a function on the embedded engine takes the new values as they are: SET column = excluded.column",
                "instead, UPDATE the row that exists, and INSERT ... SELECT ... WHERE NOT EXISTS (...)",
            ));
        }
        merged.push(column.name);
    }
    Ok(InsertionConflict { target, merged })
}

fn generated_value(column: &Column, at: Location) -> Problem {
    Problem::invalid(at, format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name))
        .instead("the column is generated: leave it out")
}

pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

fn check_null(table: &Relation, column: &Column, at: Location) -> Outcome<()> {
    if column.is_nullable || matches!(column.default, DefaultValue::Identity(_)) {
        return Ok(());
    }
    Err(Problem::invalid(
        at,
        format!(
            "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
            column.name, table.name.name
        ),
    ))
}

fn missing(table: &Relation, column: &str, at: Location) -> Problem {
    let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name.name);
    let problem = Problem::invalid(at, message);
    match catalog::nearest(column, table.columns.iter().map(|column| &*column.name)) {
        Some(nearest) => problem.instead(format!("perhaps you meant \"{nearest}\"")),
        None => problem,
    }
}

fn column_of(table: &Relation, ident: &Ident) -> Outcome<Column> {
    let name = names::identifier(ident);
    table.column(&name).cloned().ok_or_else(|| missing(table, &name, ident.span.start))
}

/// The column that an assignment sets.
pub(super) fn assigned_column(table: &Relation, assignment: &Assignment) -> Outcome<Column> {
    let AssignmentTarget::ColumnName(name) = &assignment.target else {
        return Err(Problem::invalid(&assignment.value, "set one column at a time"));
    };
    let parts = names::parts(name)?;
    let column = match parts.as_slice() {
        [column] => table.column(column).cloned(),
        _ => None,
    };
    let Some(column) = column else {
        return Err(missing(table, &parts.join("."), name.span().start));
    };
    if matches!(column.default, DefaultValue::Generated(_) | DefaultValue::Identity(Identity::Always)) {
        let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
        return Err(Problem::invalid(name, message));
    }
    Ok(column)
}

/// The columns that tell that a row exists; `None` where none are named.
fn conflict_target(table: &Relation, conflict: &OnConflict, object: &ObjectName) -> Outcome<Option<Vec<Arc<str>>>> {
    let columns = match &conflict.conflict_target {
        None => return Ok(None),
        Some(ConflictTarget::Columns(columns)) => {
            let columns = columns.iter().map(|ident| column_of(table, ident)).collect::<Outcome<Vec<_>>>()?;
            columns.into_iter().map(|column| column.name).collect()
        }
        Some(ConflictTarget::OnConstraint(name)) => {
            let name = names::parts(name)?.concat();
            let unique = table.uniques.iter().find(|unique| *unique.name == *name).map(|unique| &unique.columns);
            let key = (table.primary_key_name.as_deref() == Some(name.as_str())).then_some(&table.primary_key);
            let Some(columns) = unique.or(key) else {
                return Err(Problem::invalid(object, format!("constraint \"{name}\" does not exist")));
            };
            columns.clone()
        }
    };
    if !table.is_unique_over(&columns) {
        return Err(Problem::invalid(
            object,
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        ));
    }
    Ok(Some(columns))
}
