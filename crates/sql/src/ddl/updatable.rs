//! What a view's columns are made of, and whether PostgreSQL would call the view automatically updatable.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{Expression, Origin, Query, Relation, RelationKind, Snapshot, Source, SourceId, Updatable};

use super::grouping::contains_aggregate;

/// The table columns behind the columns of a query.
pub(super) fn origins(query: &Query, snapshot: &Snapshot) -> BTreeMap<Arc<str>, Origin> {
    if !query.unions.is_empty() {
        return BTreeMap::new();
    }
    query
        .projections
        .iter()
        .filter_map(|projection| {
            let Expression::Column { source, name, .. } = &projection.expression else {
                return None;
            };
            let origin = origin(query, *source, name, snapshot)?;
            Some((projection.name.clone(), origin))
        })
        .collect()
}

fn origin(query: &Query, id: SourceId, name: &str, snapshot: &Snapshot) -> Option<Origin> {
    match query.from.as_ref()?.sources().find(|source| source.id() == id)? {
        Source::Relation { name: relation, .. } => {
            let relation = snapshot.relations.get(relation)?;
            match relation.view() {
                Some(view) => view.origins.get(name).cloned(),
                None => Some(Origin { relation: relation.name.clone(), column: relation.column(name)?.name.clone() }),
            }
        }
        Source::Query { query, .. } => origins(query, snapshot).remove(name),
        Source::Call { .. } => None,
    }
}

/// The primary keys of the tables behind a view, where it shows all their columns.
pub(super) fn primary_key(view: &Relation, origins: &BTreeMap<Arc<str>, Origin>, snapshot: &Snapshot) -> Vec<Arc<str>> {
    let mut tables: Vec<&QualifiedName> = Vec::new();
    for column in &view.columns {
        if let Some(origin) = origins.get(&column.name)
            && !tables.contains(&&origin.relation)
        {
            tables.push(&origin.relation);
        }
    }
    let shown = |table: &QualifiedName, key: &Arc<str>| {
        let is_it = |origin: &Origin| origin.relation == *table && origin.column == *key;
        view.columns
            .iter()
            .find(|column| origins.get(&column.name).is_some_and(is_it))
            .map(|column| column.name.clone())
    };
    tables
        .into_iter()
        .filter_map(|name| snapshot.relations.get(name))
        .filter_map(|table| table.primary_key.iter().map(|key| shown(&table.name, key)).collect::<Option<Vec<_>>>())
        .flatten()
        .collect()
}

/// How a view with this query is written through: `None` if PostgreSQL would not.
pub(super) fn updatable(query: &Query, snapshot: &Snapshot) -> Option<Updatable> {
    let is_plain = query.unions.is_empty()
        && !query.is_distinct
        && query.group_by.is_empty()
        && query.having.is_none()
        && query.limit.is_none()
        && query.offset.is_none()
        && !query.projections.iter().any(|projection| contains_aggregate(&projection.expression));
    let from = query.from.as_ref().filter(|from| is_plain && from.joins.is_empty())?;
    let Source::Relation { id, name } = &from.first else {
        return None;
    };
    let relation = snapshot.relations.get(name)?;
    let filter = query.filter.clone().map(|filter| onto_row(filter, *id, relation, snapshot));
    let (base, behind, filter) = match relation.view() {
        None => {
            let same = relation.columns.iter().map(|column| (column.name.clone(), column.name.clone())).collect();
            (relation.name.clone(), same, filter)
        }
        Some(view) => {
            let inner = view.updatable.clone()?;
            (inner.base, inner.columns, both(inner.filter, filter))
        }
    };
    let columns: BTreeMap<Arc<str>, Arc<str>> = query
        .projections
        .iter()
        .filter_map(|projection| match &projection.expression {
            Expression::Column { source, name, .. } if source == id => {
                Some((projection.name.clone(), behind.get(name)?.clone()))
            }
            _ => None,
        })
        .collect();
    (!columns.is_empty()).then_some(Updatable { base, columns, filter })
}

fn both(inner: Option<Expression>, outer: Option<Expression>) -> Option<Expression> {
    match (inner, outer) {
        (Some(inner), Some(outer)) => {
            let shift = highest(&inner) + 1;
            Some(Expression::And(vec![inner, shifted(outer, shift)]))
        }
        (inner, outer) => inner.or(outer),
    }
}

/// The expression with the columns of source `id` said in terms of the table's row at the bottom.
fn onto_row(expression: Expression, id: SourceId, relation: &Relation, snapshot: &Snapshot) -> Expression {
    let mut next = highest(&expression) + 1;
    expression.rewrite(
        &mut |part| match part {
            Expression::Column { source, name, data_type } if source == id => match &relation.kind {
                RelationKind::Table => Expression::Column { source: SourceId::ROW, name, data_type },
                RelationKind::View(view) => match behind(&view.query, &name, snapshot) {
                    Some(inner) => {
                        let inner = shifted(inner, next);
                        next = highest(&inner).max(next) + 1;
                        inner
                    }
                    None => Expression::Column { source, name, data_type },
                },
            },
            other => other,
        },
        &mut |query| query,
    )
}

/// A view's column in terms of the table's row at the bottom.
fn behind(query: &Query, name: &str, snapshot: &Snapshot) -> Option<Expression> {
    let projection = query.projections.iter().find(|projection| &*projection.name == name)?;
    let Source::Relation { id, name } = &query.from.as_ref()?.first else {
        return None;
    };
    let relation = snapshot.relations.get(name)?;
    Some(onto_row(projection.expression.clone(), *id, relation, snapshot))
}

/// The highest source in a tree.
fn highest(expression: &Expression) -> u32 {
    let mut highest = 0;
    expression.visit(&mut |part| match part {
        Expression::Column { source, .. } => highest = highest.max(source.0),
        Expression::Exists(query) | Expression::Scalar(query) | Expression::InQuery { query, .. } => {
            highest = highest.max(highest_source(query));
        }
        _ => {}
    });
    highest
}

fn highest_source(query: &Query) -> u32 {
    let own = query.from.iter().flat_map(|from| from.sources()).map(|source| match source {
        Source::Relation { id, .. } | Source::Call { id, .. } => id.0,
        Source::Query { id, query } => id.0.max(highest_source(query)),
    });
    own.chain(query.unions.iter().map(|(_, query)| highest_source(query))).max().unwrap_or(0)
}

/// The tree with all its sources but the row moved up, so that two trees can become one.
fn shifted(expression: Expression, by: u32) -> Expression {
    let moved = |id: SourceId| {
        if id == SourceId::ROW { id } else { SourceId(id.0 + by) }
    };
    expression.rewrite(
        &mut |part| match part {
            Expression::Column { source, name, data_type } => {
                Expression::Column { source: moved(source), name, data_type }
            }
            other => other,
        },
        &mut |mut query| {
            if let Some(from) = &mut query.from {
                let sources =
                    std::iter::once(&mut from.first).chain(from.joins.iter_mut().map(|join| &mut join.source));
                for source in sources {
                    match source {
                        Source::Relation { id, .. } | Source::Query { id, .. } | Source::Call { id, .. } => {
                            *id = moved(*id)
                        }
                    }
                }
            }
            query
        },
    )
}
