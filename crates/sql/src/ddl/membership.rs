//! `IN`, `= ANY`, `EXISTS` and scalar subqueries.

use catalog::Expression;
use sqlparser::ast::{Array, ArrayElemTypeDef, DataType, Expr, Query, Spanned, Value};

use super::expression::Analyzer;
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};

impl Analyzer<'_> {
    /// `IN (a, b)`.
    pub(super) fn in_list<'e>(
        &mut self,
        inner: &Expr,
        list: impl Iterator<Item = &'e Expr>,
        negated: bool,
    ) -> Outcome<Operand> {
        let operand = self.operand(inner)?;
        let mut items = Vec::new();
        for expr in list {
            items.push((self.operand(expr)?, expr));
        }
        // A list that needs a wider type than the operand's is compared in that type.
        let mut needle = operand;
        for (item, expr) in &items {
            let (left, _) = operator::compared(needle, "=", item.clone(), *expr)?;
            needle = Operand::Known(left);
        }
        let list = items
            .into_iter()
            .map(|(item, expr)| operator::compared(needle.clone(), "=", item, expr).map(|(_, right)| right))
            .collect::<Outcome<Vec<_>>>()?;
        let test = Expression::In { operand: Box::new(needle.or_text()), list };
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    pub(super) fn in_query(&mut self, inner: &Expr, query: &Query, negated: bool) -> Outcome<Operand> {
        let operand = self.operand(inner)?;
        self.check_query_allowed(query)?;
        let mut selected = self.query(query)?;
        let [projection] = selected.query.projections.as_mut_slice() else {
            return Err(Problem::invalid(query, "subquery has too many columns"));
        };
        let right = Operand::Known(projection.expression.clone());
        let (left, right) = operator::compared(operand, "=", right, inner)?;
        if right.data_type().without_modifier() != projection.expression.data_type().without_modifier() {
            // Where the set is several queries joined, each of them would have to be cast.
            if !selected.query.unions.is_empty() {
                return Err(Problem::invalid(query, "the types of IN and of the subquery differ")
                    .instead("add a cast inside the subquery"));
            }
            projection.expression = right;
        }
        let test = Expression::InQuery { operand: Box::new(left), query: Box::new(selected.query) };
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    /// `x = ANY (ARRAY[...])` and `x <> ALL (ARRAY[...])`, which are `IN` and `NOT IN`.
    pub(super) fn any(&mut self, left: &Expr, right: &Expr, negated: bool) -> Outcome<Operand> {
        match listed(right) {
            Some(Listed::Items(items)) => self.in_list(left, items.iter(), negated),
            Some(Listed::Text(text)) => {
                let labels =
                    datatype::array::parse_literal(text).map_err(|error| Problem::invalid(right, error.message))?;
                let items: Vec<Expr> = labels
                    .into_iter()
                    .map(|label| label.map_or(Value::Null, Value::SingleQuotedString))
                    .map(|value| Expr::Value(value.with_span(right.span())))
                    .collect();
                self.in_list(left, items.iter(), negated)
            }
            None => match right {
                Expr::Subquery(query) => self.in_query(left, query, negated),
                _ => Err(self.unsupported(right, "instead, use IN (...) with a list or a subquery")),
            },
        }
    }

    /// A subquery may stand here.
    pub(super) fn check_query_allowed(&self, query: &Query) -> Outcome<()> {
        if self.context.allows_queries() {
            return Ok(());
        }
        Err(Problem::invalid(query, format!("cannot use subquery in {}", self.context.name())))
    }

    pub(super) fn exists(&mut self, query: &Query, negated: bool) -> Outcome<Operand> {
        self.check_query_allowed(query)?;
        let test = Expression::Exists(Box::new(self.query(query)?.query));
        Ok(Operand::Known(if negated { test.negated() } else { test }))
    }

    pub(super) fn scalar(&mut self, query: &Query) -> Outcome<Operand> {
        self.check_query_allowed(query)?;
        let mut query_of_one = self.query(query)?.query;
        if query_of_one.projections.len() != 1 {
            return Err(Problem::invalid(query, "subquery must return only one column"));
        }
        // `(select auth.uid())` is a habit that helps PostgreSQL's planner: the value itself.
        let is_value = query_of_one.from.is_none()
            && query_of_one.filter.is_none()
            && query_of_one.unions.is_empty()
            && query_of_one.having.is_none()
            && query_of_one.limit.is_none()
            && query_of_one.offset.is_none();
        if is_value && let Some(projection) = query_of_one.projections.pop() {
            return Ok(Operand::Known(projection.expression));
        }
        Ok(Operand::Known(Expression::Scalar(Box::new(query_of_one))))
    }
}

/// The items of an array that stands as a literal.
enum Listed<'e> {
    Items(&'e [Expr]),
    Text(&'e str),
}

fn listed(expr: &Expr) -> Option<Listed<'_>> {
    match expr {
        Expr::Nested(inner) => listed(inner),
        Expr::Array(Array { elem, .. }) => Some(Listed::Items(elem)),
        Expr::Cast {
            expr: inner,
            data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(..) | ArrayElemTypeDef::None),
            ..
        } => listed(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(Listed::Text(text)),
            _ => None,
        },
        _ => None,
    }
}
