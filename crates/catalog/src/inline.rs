//! Putting the body of a routine in the place of its call.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::QualifiedName;
use datatype::Datum;

use crate::expression::{Expression, Query, RowCount, Source, SourceId};
use crate::routine::{Routine, RoutineStatement};

/// A source inside of a query, with its relation unless it is itself a subquery.
pub type InnerSource = (SourceId, Option<QualifiedName>);

impl Expression {
    /// Every source inside the subqueries of the expression.
    pub fn inner_sources(&self) -> Vec<InnerSource> {
        let mut found = Vec::new();
        self.visit(&mut |part| match part {
            Self::Exists(query) | Self::Scalar(query) | Self::InQuery { query, .. } => add_sources(query, &mut found),
            _ => {}
        });
        found
    }
}

impl Query {
    /// Every source of the query and of those inside of it.
    pub fn all_sources(&self) -> Vec<InnerSource> {
        let mut found = Vec::new();
        add_sources(self, &mut found);
        self.visit(&mut |part| match part {
            Expression::Exists(query) | Expression::Scalar(query) | Expression::InQuery { query, .. } => {
                add_sources(query, &mut found);
            }
            _ => {}
        });
        found
    }
}

fn add_sources(query: &Query, found: &mut Vec<InnerSource>) {
    for source in query.from.iter().flat_map(|from| from.sources()) {
        match source {
            Source::Relation { id, name } => found.push((*id, Some(name.clone()))),
            Source::Query { id, query } => {
                found.push((*id, None));
                add_sources(query, found);
            }
            Source::Call { id, .. } => found.push((*id, None)),
        }
    }
    for (_, other) in &query.unions {
        add_sources(other, found);
    }
}

/// What stands in the place of a body's names: arguments by their keys, and new numbers for its sources.
pub struct Placement<'a> {
    arguments: BTreeMap<Arc<str>, &'a Expression>,
    fresh: &'a mut dyn FnMut() -> SourceId,
}

impl<'a> Placement<'a> {
    /// `arguments` are those of the routine in order, defaults filled in; `fresh` gives numbers that nothing else has.
    pub fn new(routine: &Routine, arguments: &'a [Expression], fresh: &'a mut dyn FnMut() -> SourceId) -> Self {
        let named = routine.arguments.iter().enumerate().map(|(place, argument)| argument.key(place));
        Self { arguments: named.zip(arguments).collect(), fresh }
    }

    /// An expression of the body.
    pub fn expression(&mut self, expression: &Expression) -> Expression {
        let renumbered = self.numbers(expression.inner_sources());
        let (mut change, mut change_query) = (column_change(&self.arguments, &renumbered), source_change(&renumbered));
        expression.clone().rewrite(&mut change, &mut change_query)
    }

    fn query(&mut self, query: &Query) -> Query {
        let renumbered = self.numbers(query.all_sources());
        let (mut change, mut change_query) = (column_change(&self.arguments, &renumbered), source_change(&renumbered));
        query.clone().rewrite(&mut change, &mut change_query)
    }

    fn numbers(&mut self, sources: Vec<InnerSource>) -> BTreeMap<SourceId, SourceId> {
        sources.into_iter().map(|(id, _)| (id, (self.fresh)())).collect()
    }
}

fn column_change<'m>(
    arguments: &'m BTreeMap<Arc<str>, &Expression>,
    renumbered: &'m BTreeMap<SourceId, SourceId>,
) -> impl FnMut(Expression) -> Expression + use<'m> {
    move |part| match part {
        Expression::Column { source: SourceId::ARGUMENTS, name, data_type } => match arguments.get(&name) {
            Some(argument) => (*argument).clone(),
            None => Expression::value(Datum::Null, data_type),
        },
        Expression::Column { source, name, data_type } => {
            Expression::Column { source: renumbered.get(&source).copied().unwrap_or(source), name, data_type }
        }
        other => other,
    }
}

fn source_change(renumbered: &BTreeMap<SourceId, SourceId>) -> impl FnMut(Query) -> Query + use<'_> {
    move |mut query| {
        if let Some(from) = &mut query.from {
            let joined = from.joins.iter_mut().map(|join| &mut join.source);
            for source in std::iter::once(&mut from.first).chain(joined) {
                let (Source::Relation { id, .. } | Source::Query { id, .. } | Source::Call { id, .. }) = source;
                *id = renumbered.get(id).copied().unwrap_or(*id);
            }
        }
        query
    }
}

impl Routine {
    /// The query of a body that only reads: its single statement. `None` for one that writes or gives nothing.
    pub fn query(&self) -> Option<&Query> {
        match self.body.as_slice() {
            [RoutineStatement::Query(query)] => Some(query),
            _ => None,
        }
    }

    /// The routine's value as an expression; `None` unless it gives a single value and only reads.
    pub fn inlined_value(&self, arguments: &[Expression], fresh: &mut dyn FnMut() -> SourceId) -> Option<Expression> {
        let query = self.query()?;
        let query = Placement::new(self, arguments, fresh).query(query);
        let data_type = query.projections.first()?.expression.data_type();
        let value = match is_bare(&query) {
            true => query.projections.into_iter().next()?.expression,
            false => Expression::Scalar(Box::new(first_row(query))),
        };
        if !self.is_strict || arguments.is_empty() {
            return Some(value);
        }
        let is_null = |argument: &Expression| Expression::IsNull(Box::new(argument.clone()));
        let nulls = Expression::Or(arguments.iter().map(is_null).collect());
        let nothing = Expression::value(Datum::Null, data_type.clone());
        Some(Expression::Case { branches: vec![(nulls, nothing)], otherwise: Some(Box::new(value)), data_type })
    }
}

/// Whether a query is nothing but its select list, without aggregates.
fn is_bare(query: &Query) -> bool {
    let mut folds = false;
    query.visit(&mut |part| folds |= matches!(part, Expression::Call { function, .. } if function.is_aggregate()));
    query.from.is_none()
        && query.filter.is_none()
        && query.group_by.is_empty()
        && query.having.is_none()
        && query.unions.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && !folds
}

/// A function that gives one value gives that of the first row.
fn first_row(mut query: Query) -> Query {
    query.limit.get_or_insert(RowCount::Number(1));
    query
}
