//! The body of a function: its statements, with the arguments in reach, brought to what the function returns.

use std::sync::Arc;

use catalog::{
    Deletion, Expression, From, Insertion, Modification, Projection, Query, Relation, Routine, RoutineResult,
    RoutineStatement, SetOperation, Snapshot, Source, SourceId,
};
use datatype::{Datum, Type};
use sqlparser::ast::{
    self, Delete, Expr, FromTable, Insert, OnInsert, SelectItem, SetExpr, Spanned, Statement, TableFactor, TableObject,
    TableWithJoins, Update,
};
use sqlparser::tokenizer::Location;

use super::expression::{Analyzer, Context};
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};
use super::query::Selected;
use super::scope::{Level, ScopeColumn, ScopeSource};
use super::tokens::{self, Piece};
use super::{dependents, names, seed, select};

/// The most statements in one body.
const MOST_STATEMENTS: usize = 50;

/// A body while it is read.
pub(super) struct Body<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The function; its body is still empty.
    pub(super) routine: &'a Routine,
    /// What is in reach instead of the arguments: in a trigger, the rows.
    pub(super) level: Option<Level>,
}

impl Body<'_> {
    /// Reads the text of a body that begins at `start` of the file.
    pub(super) fn statements(&self, text: &str, start: Location) -> Outcome<Vec<RoutineStatement>> {
        let moved = |problem: Problem| problem.moved(start);
        let pieces = tokens::split(text).map_err(moved)?;
        if pieces.len() > MOST_STATEMENTS {
            return Err(Problem::refused(
                start,
                "a function of extreme length",
                format!("it has more than {MOST_STATEMENTS} statements"),
                "instead, split it into several functions",
            ));
        }
        let Some((last, before)) = pieces.split_last() else {
            return self.nothing(start);
        };
        let mut body = Vec::with_capacity(pieces.len());
        for piece in before {
            let statement = self.statement(piece, false).map_err(moved)?;
            if !statement.command().1 {
                return Err(moved(Problem::refused(
                    piece.at,
                    "a SELECT whose outcome is not used",
                    "only the last statement of a function gives its outcome",
                    "remove it",
                )));
            }
            body.push(statement);
        }
        if let Some(statement) = self.last(last).map_err(moved)? {
            body.push(statement);
        }
        Ok(body)
    }

    fn nothing(&self, at: Location) -> Outcome<Vec<RoutineStatement>> {
        match self.routine.returns.result {
            RoutineResult::Void => Ok(Vec::new()),
            _ => Err(self.mismatch(at, "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING.")),
        }
    }

    /// The arguments, and nothing else, are in reach.
    fn analyzer(&self) -> Analyzer<'_> {
        let level = self.level.clone().unwrap_or_else(|| self.arguments());
        Analyzer::new(self.snapshot, Context::Routine, Some(level))
    }

    /// A statement whose outcome is taken as it is.
    pub(super) fn answering(&self, piece: &Piece) -> Outcome<RoutineStatement> {
        self.statement(piece, true)
    }

    /// A statement that writes and whose outcome nobody waits for.
    pub(super) fn written(&self, piece: &Piece) -> Outcome<RoutineStatement> {
        self.statement(piece, false)
    }

    fn arguments(&self) -> Level {
        let columns =
            self.routine.arguments.iter().enumerate().map(|(place, argument)| ScopeColumn {
                name: argument.key(place),
                data_type: argument.data_type.clone(),
            });
        Level::of(ScopeSource {
            id: SourceId::ARGUMENTS,
            alias: self.routine.signature.name.name.clone(),
            schema: None,
            columns: columns.collect(),
            hidden: Vec::new(),
        })
    }

    /// The statement that gives the outcome; `None` for one that gives nothing.
    fn last(&self, piece: &Piece) -> Outcome<Option<RoutineStatement>> {
        // `SELECT` alone gives rows without columns: what a void function is often written with.
        let is_bare_select = piece.leading_words() == ["SELECT"] && piece.tokens.len() == 1;
        if is_bare_select && self.routine.returns.result == RoutineResult::Void {
            return Ok(None);
        }
        self.statement(piece, true).map(Some)
    }

    fn statement(&self, piece: &Piece, is_last: bool) -> Outcome<RoutineStatement> {
        match piece.parse()? {
            Statement::Query(query) => {
                let selected = self.analyzer().query(&query)?;
                let query = if is_last { self.shaped(selected, piece.at)? } else { selected.query };
                Ok(RoutineStatement::Query(query))
            }
            Statement::Insert(insert) => self.insert(&insert, piece.at, is_last).map(RoutineStatement::Insert),
            Statement::Update(update) => self.update(&update, piece.at, is_last).map(RoutineStatement::Update),
            Statement::Delete(delete) => self.delete(&delete, piece.at, is_last).map(RoutineStatement::Delete),
            _ => Err(Problem::refused(
                piece.at,
                "this statement in a function",
                "only SELECT, INSERT, UPDATE and DELETE are available in functions on the embedded engine",
                "instead, do it in a migration or in the program that calls the API",
            )),
        }
    }

    fn insert(&self, insert: &Insert, at: Location, is_last: bool) -> Outcome<Insertion> {
        let TableObject::TableName(object) = &insert.table else {
            return Err(Problem::invalid(at, "INSERT needs a table"));
        };
        seed::check_insert(insert, at)?;
        let table = self.table(object)?;
        let mut columns = seed::insert_columns(&table, &insert.columns, object)?;
        let mut selected = match &insert.source {
            None => {
                columns.clear();
                Selected { query: Query::default(), columns: Vec::new() }
            }
            Some(source) => match &*source.body {
                SetExpr::Values(values) if source.with.is_none() && source.order_by.is_none() => {
                    let rows: Vec<&[Expr]> = values.rows.iter().map(|row| row.content.as_slice()).collect();
                    self.values(&table, &mut columns, &rows, &insert.columns, at)?
                }
                _ => self.analyzer().query(source)?,
            },
        };
        if selected.columns.len() < columns.len() && insert.columns.is_empty() {
            columns.truncate(selected.columns.len());
        }
        if selected.columns.len() != columns.len() {
            return Err(Problem::invalid(object, "INSERT has not as many expressions as target columns"));
        }
        for column in &columns {
            seed::check_writable(column, false, at)?;
        }
        let types: Vec<Type> = columns.iter().map(|column| column.data_type.clone()).collect();
        let assigned = |operand: Operand, place: usize| {
            let name = columns.get(place).map_or("", |column| &*column.name);
            let data_type = types.get(place).cloned().unwrap_or(Type::Text);
            operator::assigned(operand, &data_type, name, at)
        };
        selected = brought(selected, &assigned)?;
        let conflict = match &insert.on {
            None => None,
            Some(OnInsert::OnConflict(conflict)) => Some(seed::conflict_of(&table, conflict, object)?),
            Some(_) => return Err(Problem::invalid(object, "ON DUPLICATE KEY is not PostgreSQL")),
        };
        let returning = self.returning(&table, None, insert.returning.as_deref(), at, is_last, "INSERT")?;
        let columns = columns.into_iter().map(|column| column.name).collect();
        Ok(Insertion { table: table.name.clone(), columns, source: selected.query, conflict, returning })
    }

    /// `VALUES` as a query. A column that is `DEFAULT` in every row is left out.
    fn values(
        &self,
        table: &Relation,
        columns: &mut Vec<catalog::Column>,
        rows: &[&[Expr]],
        list: &[ast::ObjectName],
        at: Location,
    ) -> Outcome<Selected> {
        let width = rows.first().map_or(0, |row| row.len());
        if width < columns.len() && list.is_empty() {
            columns.truncate(width);
        }
        if rows.iter().any(|row| row.len() != columns.len()) {
            return Err(Problem::invalid(at, "INSERT has not as many expressions as target columns"));
        }
        let is_default_in = |place: usize, row: &&[Expr]| row.get(place).is_some_and(seed::is_default);
        let left_out: Vec<bool> =
            (0..columns.len()).map(|place| rows.iter().all(|row| is_default_in(place, row))).collect();
        let mut queries = Vec::with_capacity(rows.len());
        for row in rows {
            let mut query = Query::default();
            for ((column, expr), is_left_out) in columns.iter().zip(*row).zip(&left_out) {
                if *is_left_out {
                    continue;
                }
                let expression = if seed::is_default(expr) {
                    seed::default_of(table, column, expr.span().start)?
                } else {
                    self.analyzer().assigned(expr, &column.data_type, &column.name)?
                };
                query.projections.push(Projection { name: column.name.clone(), expression });
            }
            queries.push(query);
        }
        let mut place = 0;
        columns.retain(|_| {
            place += 1;
            !left_out.get(place - 1).copied().unwrap_or(false)
        });
        let selected = columns
            .iter()
            .map(|column| super::query::SelectedColumn {
                name: column.name.clone(),
                data_type: column.data_type.clone(),
            })
            .collect();
        let mut queries = queries.into_iter();
        let Some(mut query) = queries.next() else { return Err(Problem::invalid(at, "VALUES needs a row")) };
        query.unions = queries.map(|other| (SetOperation::UnionAll, other)).collect();
        Ok(Selected { query, columns: selected })
    }

    fn update(&self, update: &Update, at: Location, is_last: bool) -> Outcome<Modification> {
        if update.from.is_some() || update.output.is_some() || update.or.is_some() || update.limit.is_some() {
            return Err(Problem::refused(
                at,
                "UPDATE ... FROM",
                "only UPDATE table SET ... WHERE ... is available on the embedded engine",
                "instead, use subqueries in SET and WHERE",
            ));
        }
        let (table, row) = self.changed_table(&update.table, at)?;
        let mut assignments: Vec<(Arc<str>, Expression)> = Vec::new();
        for assignment in &update.assignments {
            let column = seed::assigned_column(&table, assignment)?;
            if assignments.iter().any(|(name, _)| *name == column.name) {
                let message = format!("multiple assignments to same column \"{}\"", column.name);
                return Err(Problem::invalid(&assignment.value, message));
            }
            let value = if seed::is_default(&assignment.value) {
                seed::default_of(&table, &column, assignment.value.span().start)?
            } else {
                let mut analyzer = self.analyzer();
                analyzer.levels.push(row.clone());
                analyzer.no_aggregates = Some("UPDATE");
                analyzer.assigned(&assignment.value, &column.data_type, &column.name)?
            };
            assignments.push((column.name, value));
        }
        let filter = self.filter(&row, update.selection.as_ref())?;
        let returning = self.returning(&table, Some(row), update.returning.as_deref(), at, is_last, "UPDATE")?;
        Ok(Modification { table: table.name.clone(), assignments, filter, returning })
    }

    fn delete(&self, delete: &Delete, at: Location, is_last: bool) -> Outcome<Deletion> {
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let ([table], None) = (tables.as_slice(), &delete.using) else {
            return Err(Problem::refused(
                at,
                "DELETE ... USING",
                "only DELETE FROM table WHERE ... is available on the embedded engine",
                "instead, use a subquery in WHERE",
            ));
        };
        let (table, row) = self.changed_table(table, at)?;
        let filter = self.filter(&row, delete.selection.as_ref())?;
        let returning = self.returning(&table, Some(row), delete.returning.as_deref(), at, is_last, "DELETE")?;
        Ok(Deletion { table: table.name.clone(), filter, returning })
    }

    fn table(&self, object: &ast::ObjectName) -> Outcome<Arc<Relation>> {
        let relation = select::find_relation(self.snapshot, object)?.clone();
        if relation.is_view() {
            return Err(Problem::refused(
                object,
                "writing to a view in a function",
                "functions write to tables only on the embedded engine",
                "instead, name the table behind the view",
            ));
        }
        Ok(relation)
    }

    fn changed_table(&self, table: &TableWithJoins, at: Location) -> Outcome<(Arc<Relation>, Level)> {
        let TableFactor::Table { name, alias, .. } = &table.relation else {
            return Err(Problem::invalid(at, "a table is needed here"));
        };
        if !table.joins.is_empty() {
            return Err(Problem::invalid(at, "one table is needed here"));
        }
        let relation = self.table(name)?;
        let alias = alias.as_ref().map(|alias| Arc::from(names::identifier(&alias.name)));
        let row = Level::of(ScopeSource::of_relation(&relation, SourceId::ROW, alias));
        Ok((relation, row))
    }

    fn filter(&self, row: &Level, selection: Option<&Expr>) -> Outcome<Option<Expression>> {
        let Some(selection) = selection else { return Ok(None) };
        let mut analyzer = self.analyzer();
        analyzer.levels.push(row.clone());
        analyzer.no_aggregates = Some("WHERE");
        analyzer.boolean(selection, "WHERE").map(Some)
    }

    /// `RETURNING`: of the last statement, in the form that the function returns.
    fn returning(
        &self,
        table: &Relation,
        row: Option<Level>,
        items: Option<&[SelectItem]>,
        at: Location,
        is_last: bool,
        command: &str,
    ) -> Outcome<Vec<Projection>> {
        if !is_last {
            return Ok(Vec::new());
        }
        let Some(items) = items else {
            return match self.routine.returns.result {
                RoutineResult::Void => Ok(Vec::new()),
                _ => {
                    Err(self
                        .mismatch(at, "Function's final statement must be SELECT or INSERT/UPDATE/DELETE RETURNING."))
                }
            };
        };
        let row_is_changed = command != "DELETE";
        let mut analyzer = self.analyzer();
        analyzer.levels.push(row.unwrap_or_else(|| Level::of(ScopeSource::of_relation(table, SourceId::ROW, None))));
        analyzer.no_aggregates = Some("RETURNING");
        let items = analyzer.select_list(items)?;
        let mut query = Query::default();
        let mut columns = Vec::new();
        for item in items {
            let expression = item.operand.or_text();
            if row_is_changed && dependents::relations_in(&expression).contains(&table.name) {
                return Err(Problem::refused(
                    at,
                    "RETURNING with a query over the same table",
                    "it would see the statement's own change on the embedded engine",
                    "instead, a SELECT of its own behind the statement",
                ));
            }
            columns.push(super::query::SelectedColumn { name: item.name.clone(), data_type: expression.data_type() });
            query.projections.push(Projection { name: item.name, expression });
        }
        Ok(self.shaped(Selected { query, columns }, at)?.projections)
    }

    /// The last statement's columns as those that the function returns.
    fn shaped(&self, selected: Selected, at: Location) -> Outcome<Query> {
        match &self.routine.returns.result {
            RoutineResult::Void => Ok(selected.query),
            RoutineResult::Value(data_type) => {
                if selected.columns.len() != 1 {
                    return Err(self.mismatch(at, "Final statement must return exactly one column."));
                }
                let convert = |operand: Operand, _: usize| {
                    self.result_value(operand.or_text(), data_type, at).map(|projection| projection.expression)
                };
                Ok(named(brought(selected, &convert)?.query, &[Arc::from(VALUE)]))
            }
            RoutineResult::Row { columns, .. } => {
                if selected.columns.len() != columns.len() {
                    let detail = format!(
                        "Final statement returns {} columns, but the function returns {}.",
                        selected.columns.len(),
                        columns.len()
                    );
                    return Err(self.mismatch(at, &detail));
                }
                let convert = |operand: Operand, place: usize| match columns.get(place) {
                    Some((_, data_type)) => {
                        self.result_value(operand.or_text(), data_type, at).map(|projection| projection.expression)
                    }
                    None => Ok(operand.or_text()),
                };
                let names: Vec<Arc<str>> = columns.iter().map(|(name, _)| name.clone()).collect();
                Ok(named(brought(selected, &convert)?.query, &names))
            }
        }
    }

    fn result_value(&self, expression: Expression, data_type: &Type, at: Location) -> Outcome<Projection> {
        let found = expression.data_type();
        let expression = operator::assigned(Operand::Known(expression), data_type, VALUE, at).map_err(|_| {
            self.mismatch(at, &format!("Final statement returns {} instead of {}.", found.name(), data_type.name()))
        })?;
        Ok(Projection { name: Arc::from(VALUE), expression })
    }

    fn mismatch(&self, at: Location, detail: &str) -> Problem {
        let declared = match &self.routine.returns.result {
            RoutineResult::Void => "void".to_owned(),
            RoutineResult::Value(data_type) => data_type.name().to_owned(),
            RoutineResult::Row { relation: Some(relation), .. } => relation.name.to_string(),
            RoutineResult::Row { .. } => "record".to_owned(),
        };
        Problem::invalid(at, format!("return type mismatch in function declared to return {declared}: {detail}"))
    }
}

/// What the only column of a function that gives values is called.
pub(super) const VALUE: &str = "pgrst_scalar";

/// A query whose columns are passed through `convert`, each with its place. Where that changes one and the rows are
/// already joined, sorted or made distinct, it is done around the query.
fn brought(selected: Selected, convert: &dyn Fn(Operand, usize) -> Outcome<Expression>) -> Outcome<Selected> {
    let Selected { mut query, columns } = selected;
    let is_plain = query.unions.is_empty() && !query.is_distinct;
    if is_plain {
        for (place, projection) in query.projections.iter_mut().enumerate() {
            let before = std::mem::replace(&mut projection.expression, Expression::constant(true));
            projection.expression = convert(untyped(before), place)?;
        }
        return Ok(Selected { query, columns });
    }
    let id = SourceId::WRAPPING;
    let mut outer = Query::default();
    let mut is_changed = false;
    for (place, column) in columns.iter().enumerate() {
        let before = Expression::column(id, column.name.clone(), column.data_type.clone());
        let expression = convert(Operand::Known(before.clone()), place)?;
        is_changed |= expression != before;
        outer.projections.push(Projection { name: column.name.clone(), expression });
    }
    if !is_changed {
        return Ok(Selected { query, columns });
    }
    outer.from = Some(From { first: Source::Query { id, query: Box::new(query) }, joins: Vec::new() });
    Ok(Selected { query: outer, columns })
}

/// A literal of the select list takes the type that is wanted.
fn untyped(expression: Expression) -> Operand {
    match expression {
        Expression::Value { value: Datum::Null, data_type: Type::Text, .. } => Operand::Unknown(None),
        other => Operand::Known(other),
    }
}

fn named(mut query: Query, names: &[Arc<str>]) -> Query {
    for (projection, name) in query.projections.iter_mut().zip(names) {
        projection.name = name.clone();
    }
    // A set operation takes the names of its first query; a wrapped one is read by name.
    query
}

impl Analyzer<'_> {
    /// `$1`: an argument by its place.
    pub(super) fn placeholder(&self, text: &str, at: Location) -> Outcome<Operand> {
        let place = text.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
        let arguments = self.levels.first().and_then(|level| level.sources.first());
        let arguments = arguments.filter(|source| source.id == SourceId::ARGUMENTS);
        let found = place.and_then(|place| arguments?.columns.get(place.checked_sub(1)?));
        match found {
            Some(column) => Ok(Operand::Known(Expression::column(
                SourceId::ARGUMENTS,
                column.name.clone(),
                column.data_type.clone(),
            ))),
            None => Err(Problem::invalid(at, format!("there is no parameter {text}"))),
        }
    }
}
