//! Whole queries: `WITH`, set operations, `ORDER BY`, `LIMIT`.

use std::sync::Arc;

use catalog::{Direction, Expression, From, Projection, Query, RowCount, SetOperation, Sort, Source, SourceId};
use datatype::{Datum, Type};
use sqlparser::ast::{
    self, Expr, Fetch, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderBySort, SetExpr, SetOperator,
    SetQuantifier, Spanned, Value,
};
use sqlparser::tokenizer::Location;

use super::expression::{Analyzer, Context};
use super::names;
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};
use super::select::Cte;

/// A query that was read, with what is known about its columns.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub(super) query: Query,
    pub(super) columns: Vec<SelectedColumn>,
}

/// A column of a query's outcome.
#[derive(Debug, Clone)]
pub(super) struct SelectedColumn {
    pub(super) name: Arc<str>,
    pub(super) data_type: Type,
}

/// A column of a query's outcome while its type may be open.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) name: Arc<str>,
    pub(super) operand: Operand,
}

/// A query whose columns may still have open types; `query.projections` is empty until [`Body::finish`].
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) query: Query,
    pub(super) items: Vec<Item>,
}

impl Body {
    /// Settles the types: those given, else the columns' own.
    fn finish(self, types: Option<&[Type]>, at: Location) -> Outcome<Selected> {
        let Self { mut query, items } = self;
        let mut columns = Vec::new();
        for (index, Item { name, operand }) in items.into_iter().enumerate() {
            let expression = match types.and_then(|types| types.get(index)) {
                Some(data_type) => exactly(operand, data_type, at)?,
                None => operand.or_text(),
            };
            columns.push(SelectedColumn { name: name.clone(), data_type: expression.data_type() });
            query.projections.push(Projection { name, expression });
        }
        Ok(Selected { query, columns })
    }
}

/// The operand in a column of a set operation: of the very type that the column has.
fn exactly(operand: Operand, data_type: &Type, at: Location) -> Outcome<Expression> {
    Ok(match operator::widened(operand, data_type, at)? {
        same if same.data_type() == *data_type => same,
        // Only the modifier or the kind of text differs: the value is the same.
        Expression::Column { source, name, .. } => Expression::Column { source, name, data_type: data_type.clone() },
        other => Expression::Cast { operand: Box::new(other), data_type: data_type.clone() },
    })
}

impl Analyzer<'_> {
    /// Reads a query.
    pub(super) fn query(&mut self, query: &ast::Query) -> Outcome<Selected> {
        let outer_ctes = self.ctes.len();
        let outer_clause = self.no_aggregates.take();
        let outcome = self.nested(query, |this| this.query_inside(query));
        self.no_aggregates = outer_clause;
        self.ctes.truncate(outer_ctes);
        outcome
    }

    fn query_inside(&mut self, query: &ast::Query) -> Outcome<Selected> {
        let at = query.span().start;
        if !query.locks.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(Problem::refused(
                at,
                "FOR UPDATE",
                "locking clauses have no meaning on the embedded engine",
                "remove it",
            ));
        }
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(Problem::refused(
                    at,
                    "WITH RECURSIVE",
                    "recursive queries are not available on the embedded engine yet",
                    "instead, ask level by level in the program that calls the API",
                ));
            }
            for cte in &with.cte_tables {
                let cte = Cte::new(cte, self.levels.len());
                self.ctes.push(cte);
            }
        }
        let mut body = self.set_expression(&query.body, query.order_by.as_ref())?;
        self.limit(query, &mut body, at)?;
        body.finish(None, at)
    }

    /// A `SELECT`, or several joined into one set.
    fn set_expression(&mut self, body: &SetExpr, order: Option<&OrderBy>) -> Outcome<Body> {
        match body {
            SetExpr::Select(select) => self.select(select, order),
            SetExpr::SetOperation { .. } => {
                let whole = self.set_operation(body)?;
                match order {
                    None => Ok(whole),
                    Some(order) => self.wrapped(whole, Some(order), body.span().start),
                }
            }
            SetExpr::Query(query) => {
                let selected = self.query(query)?;
                self.wrapped_selected(selected, order)
            }
            SetExpr::Values(_) => Err(Problem::refused(
                body,
                "VALUES as a table",
                "it is not available on the embedded engine",
                "instead, SELECT ... UNION ALL SELECT ..., or a table",
            )),
            _ => Err(Problem::invalid(body, "only SELECT can stand here")),
        }
    }

    /// `a UNION b EXCEPT c`, left to right.
    fn set_operation(&mut self, body: &SetExpr) -> Outcome<Body> {
        self.nested(body, |this| this.set_operation_inside(body))
    }

    fn set_operation_inside(&mut self, body: &SetExpr) -> Outcome<Body> {
        let SetExpr::SetOperation { left, op, set_quantifier, right } = body else {
            return self.set_expression(body, None);
        };
        let at = body.span().start;
        let (operation, name) = operation(*op, *set_quantifier, at)?;
        let first = self.set_operation(left)?;
        let mut second = self.set_expression(right, None)?;
        // The engine joins left to right; a set on the right side needs parentheses: a subquery.
        if !second.query.unions.is_empty() || has_limit(&second.query) {
            second = self.wrapped(second, None, at)?;
        }
        if first.items.len() != second.items.len() {
            let message = format!("each {name} query must have the same number of columns");
            return Err(Problem::invalid(at, message));
        }
        let types = first
            .items
            .iter()
            .zip(&second.items)
            .map(|(a, b)| operator::common_type(&[a.operand.clone(), b.operand.clone()], name, at))
            .collect::<Outcome<Vec<_>>>()?;
        let mut first = if has_limit(&first.query) { self.wrapped(first, None, at)? } else { first };
        retype_unions(&mut first, &types)?;
        let second = second.finish(Some(&types), at)?;
        for (item, data_type) in first.items.iter_mut().zip(&types) {
            let operand = std::mem::replace(&mut item.operand, Operand::Unknown(None));
            item.operand = Operand::Known(exactly(operand, data_type, at)?);
        }
        first.query.unions.push((operation, second.query));
        Ok(first)
    }

    /// `SELECT * FROM (body) ORDER BY order`.
    fn wrapped(&mut self, body: Body, order: Option<&OrderBy>, at: Location) -> Outcome<Body> {
        let selected = body.finish(None, at)?;
        self.wrapped_selected(selected, order)
    }

    fn wrapped_selected(&mut self, selected: Selected, order: Option<&OrderBy>) -> Outcome<Body> {
        let id = self.next_id()?;
        let items: Vec<Item> = selected
            .columns
            .iter()
            .map(|column| Item {
                name: column.name.clone(),
                operand: Operand::Known(Expression::column(id, column.name.clone(), column.data_type.clone())),
            })
            .collect();
        let mut query = Query::default();
        let source = Source::Query { id, query: Box::new(selected.query) };
        query.from = Some(From { first: source, joins: Vec::new() });
        if let Some(order) = order {
            query.order = self.order(order, &items, true)?;
        }
        Ok(Body { query, items })
    }

    /// A place in the tree for a source.
    pub(super) fn next_id(&mut self) -> Outcome<SourceId> {
        const MOST: u32 = 2000;
        if self.next_source >= MOST {
            return Err(Problem::refused(
                super::problem::NOWHERE,
                "a query of extreme size",
                format!("it names more than {MOST} tables and subqueries"),
                "instead, split it into several views",
            ));
        }
        let id = SourceId(self.next_source);
        self.next_source += 1;
        Ok(id)
    }

    /// The terms of `ORDER BY`: a column of the outcome by its name or number, or an expression over the sources.
    pub(super) fn order(&mut self, order: &OrderBy, items: &[Item], only_output: bool) -> Outcome<Vec<Sort>> {
        let OrderByKind::Expressions(terms) = &order.kind else {
            return Err(Problem::invalid(order, "ORDER BY ALL is not PostgreSQL"));
        };
        terms.iter().map(|term| self.sort(term, items, only_output)).collect()
    }

    fn sort(&mut self, term: &OrderByExpr, items: &[Item], only_output: bool) -> Outcome<Sort> {
        let by_name = match &term.expr {
            Expr::Identifier(ident) => {
                let name = names::identifier(ident);
                items.iter().find(|item| *item.name == *name)
            }
            expr => numbered(expr, items, "ORDER BY")?,
        };
        let expression = match by_name {
            Some(item) => item.operand.clone().or_text(),
            None if only_output => {
                return Err(Problem::invalid(
                    &term.expr,
                    "ORDER BY after UNION, INTERSECT or EXCEPT can only name columns of the outcome",
                ));
            }
            None => self.expression(&term.expr)?,
        };
        let direction = match &term.options.sort {
            None | Some(OrderBySort::Asc) => Direction::Ascending,
            Some(OrderBySort::Desc) => Direction::Descending,
            Some(_) => return Err(self.unsupported(&term.expr, "instead, write ASC or DESC")),
        };
        let nulls_first = term.options.nulls_first.unwrap_or(direction == Direction::Descending);
        Ok(Sort { expression, direction, nulls_first })
    }

    fn limit(&mut self, query: &ast::Query, body: &mut Body, at: Location) -> Outcome<()> {
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(_) => return Err(Problem::invalid(at, "write LIMIT n OFFSET m")),
        };
        let fetched = match &query.fetch {
            None => None,
            Some(Fetch { with_ties: false, percent: false, quantity }) => Some(match quantity {
                None => RowCount::Number(1),
                Some(quantity) => self.row_count(quantity)?.unwrap_or(RowCount::Number(0)),
            }),
            Some(_) => {
                return Err(Problem::invalid(at, "FETCH ... WITH TIES and PERCENT are not available"));
            }
        };
        let limited = limit.map(|limit| self.row_count(limit)).transpose()?.flatten();
        body.query.limit = limited.or(fetched);
        body.query.offset = offset.map(|offset| self.row_count(offset)).transpose()?.flatten();
        Ok(())
    }

    /// A number of rows; `None` for NULL and ALL. In a routine it may be computed from the arguments.
    fn row_count(&mut self, expr: &Expr) -> Outcome<Option<RowCount>> {
        if self.context != Context::Routine || matches!(expr, Expr::Value(value) if is_literal_count(&value.value)) {
            return Ok(count(expr)?.map(RowCount::Number));
        }
        let operand = self.in_clause("LIMIT", |this| this.operand(expr))?;
        let count = operator::assigned(operand, &Type::BigInteger, "LIMIT", expr)?;
        Ok(Some(RowCount::Expression(Box::new(count))))
    }
}

fn has_limit(query: &Query) -> bool {
    query.limit.is_some() || query.offset.is_some() || !query.order.is_empty()
}

fn operation(op: SetOperator, quantifier: SetQuantifier, at: Location) -> Outcome<(SetOperation, &'static str)> {
    let is_all = match quantifier {
        SetQuantifier::All => true,
        SetQuantifier::None | SetQuantifier::Distinct => false,
        _ => return Err(Problem::invalid(at, "BY NAME is not PostgreSQL")),
    };
    match (op, is_all) {
        (SetOperator::Union, true) => Ok((SetOperation::UnionAll, "UNION")),
        (SetOperator::Union, false) => Ok((SetOperation::Union, "UNION")),
        (SetOperator::Intersect, false) => Ok((SetOperation::Intersect, "INTERSECT")),
        (SetOperator::Except, false) => Ok((SetOperation::Except, "EXCEPT")),
        (SetOperator::Minus, _) => Err(Problem::invalid(at, "MINUS is EXCEPT in PostgreSQL")),
        (SetOperator::Intersect | SetOperator::Except, true) => Err(Problem::refused(
            at,
            "INTERSECT ALL, EXCEPT ALL",
            "they are not available on the embedded engine",
            "instead, leave ALL out",
        )),
    }
}

/// Brings the queries that are joined already to the types of the next one.
fn retype_unions(body: &mut Body, types: &[Type]) -> Outcome<()> {
    for (_, query) in &mut body.query.unions {
        for (projection, data_type) in query.projections.iter_mut().zip(types) {
            let expression = std::mem::replace(&mut projection.expression, Expression::value(Datum::Null, Type::Text));
            projection.expression = exactly(Operand::Known(expression), data_type, super::problem::NOWHERE)?;
        }
    }
    Ok(())
}

/// The column of the outcome that a whole number stands for in `ORDER BY` and `GROUP BY`.
pub(super) fn numbered<'i>(expr: &Expr, items: &'i [Item], clause: &str) -> Outcome<Option<&'i Item>> {
    let Expr::Value(value) = expr else {
        return Ok(None);
    };
    let Value::Number(text, _) = &value.value else {
        return Ok(None);
    };
    let index = text.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| items.get(index)) {
        Some(item) => Ok(Some(item)),
        None => Err(Problem::invalid(expr, format!("{clause} position {text} is not in select list"))),
    }
}

fn is_literal_count(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Number(..))
}

/// A literal count; `None` for NULL and ALL.
fn count(expr: &Expr) -> Outcome<Option<u64>> {
    if let Expr::Value(value) = expr {
        match &value.value {
            Value::Null => return Ok(None),
            Value::Number(text, _) => {
                if let Ok(count) = text.parse() {
                    return Ok(Some(count));
                }
            }
            _ => {}
        }
    }
    Err(Problem::invalid(expr, "LIMIT and OFFSET take a whole number in a migration"))
}
