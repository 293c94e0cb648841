//! `GROUP BY`: what a query that groups may show.

use std::collections::BTreeSet;
use std::sync::Arc;

use catalog::{Expression, Source, SourceId};
use sqlparser::ast::Select;

use super::expression::Analyzer;
use super::operator::Operand;
use super::problem::{Outcome, Problem};
use super::query::Body;

impl Analyzer<'_> {
    /// A query that groups may show only what its groups have in common.
    pub(super) fn check_grouping(&self, body: &Body, select: &Select, ids: &BTreeSet<SourceId>) -> Outcome<()> {
        let query = &body.query;
        let shown = || {
            let items = body.items.iter().filter_map(|item| match &item.operand {
                Operand::Known(expression) => Some(expression),
                Operand::Unknown(_) => None,
            });
            items.chain(query.having.iter()).chain(query.order.iter().map(|sort| &sort.expression))
        };
        let is_grouped = !query.group_by.is_empty() || query.having.is_some() || shown().any(contains_aggregate);
        if !is_grouped {
            return Ok(());
        }
        let whole = self.wholly_grouped(query);
        for expression in shown() {
            if let Some(column) = ungrouped(expression, &query.group_by, &whole, ids) {
                let message = format!(
                    "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
                );
                return Err(Problem::invalid(select, message));
            }
        }
        Ok(())
    }

    /// The sources whose primary key is grouped by: all their columns are the same within a group.
    fn wholly_grouped(&self, query: &catalog::Query) -> BTreeSet<SourceId> {
        let Some(from) = &query.from else {
            return BTreeSet::new();
        };
        from.sources()
            .filter_map(|source| {
                let Source::Relation { id, name } = source else { return None };
                let relation = self.snapshot.relations.get(name).filter(|relation| !relation.is_view())?;
                let is_grouped = |key: &Arc<str>| {
                    query.group_by.iter().any(
                        |term| matches!(term, Expression::Column { source, name, .. } if source == id && name == key),
                    )
                };
                (!relation.primary_key.is_empty() && relation.primary_key.iter().all(is_grouped)).then_some(*id)
            })
            .collect()
    }
}

/// Whether an aggregate stands in the expression itself, not in a subquery.
pub(super) fn contains_aggregate(expression: &Expression) -> bool {
    match expression {
        Expression::Call { function, .. } if function.is_aggregate() => true,
        other => parts(other).into_iter().any(contains_aggregate),
    }
}

/// A column of this query's sources that is neither grouped by nor aggregated.
fn ungrouped(
    expression: &Expression,
    group_by: &[Expression],
    whole: &BTreeSet<SourceId>,
    ids: &BTreeSet<SourceId>,
) -> Option<Arc<str>> {
    if group_by.contains(expression) {
        return None;
    }
    match expression {
        Expression::Call { function, .. } if function.is_aggregate() => None,
        Expression::Column { source, name, .. } if ids.contains(source) && !whole.contains(source) => {
            // Inside a larger expression the column stands without its modifier.
            let is_grouped = group_by.iter().any(|term| {
                matches!(term, Expression::Column { source: other, name: other_name, .. }
                    if other == source && other_name == name)
            });
            (!is_grouped).then(|| name.clone())
        }
        other => parts(other).into_iter().find_map(|part| ungrouped(part, group_by, whole, ids)),
    }
}

/// The expressions right below one, subqueries not entered.
fn parts(expression: &Expression) -> Vec<&Expression> {
    match expression {
        Expression::Column { .. } | Expression::Value { .. } | Expression::Exists(_) | Expression::Scalar(_) => {
            Vec::new()
        }
        Expression::Call { arguments, .. } | Expression::And(arguments) | Expression::Or(arguments) => {
            arguments.iter().collect()
        }
        Expression::Binary { left, right, .. } => vec![left, right],
        Expression::Not(operand)
        | Expression::IsNull(operand)
        | Expression::IsBoolean { operand, .. }
        | Expression::Cast { operand, .. }
        | Expression::InQuery { operand, .. } => vec![operand],
        Expression::In { operand, list } => std::iter::once(&**operand).chain(list).collect(),
        Expression::Case { branches, otherwise, .. } => {
            branches.iter().flat_map(|(condition, outcome)| [condition, outcome]).chain(otherwise.as_deref()).collect()
        }
        Expression::JsonGet { operand, path, .. } => std::iter::once(&**operand).chain(path).collect(),
    }
}
