//! Levels: the members of each row, the joins behind them, grouping.

use std::collections::BTreeSet;
use std::sync::Arc;

use catalog::{Expression, From, Join, JoinKind, Relation, Relationship};
use rest::{Embed, SelectItem};

use crate::embed::{ToOne, equalities, presence, source};
use crate::error::PlanError;
use crate::field::counts_rows;
use crate::model::{Level, Member};
use crate::planner::{Planner, Scope};
use crate::representation::grouped;

/// A row's output while it is put together.
struct Row {
    from: From,
    joined: Vec<ToOne>,
}

impl Planner<'_> {
    /// A level that reads `scope`'s relation, row security woven in.
    pub(crate) fn level(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        max_rows: Option<u64>,
    ) -> Result<Level, PlanError> {
        let mut filter = self.conditions(scope, select)?;
        filter.extend(self.visible(scope)?);
        let from = From { first: source(scope), joins: Vec::new() };
        self.finish_level(scope, select, from, filter, Vec::new(), max_rows)
    }

    /// The rest of a level, once its rows are known: members, inner embeds, groups, order and range.
    pub(crate) fn finish_level(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        from: From,
        mut filter: Vec<Expression>,
        keys: Vec<(Expression, Expression)>,
        max_rows: Option<u64>,
    ) -> Result<Level, PlanError> {
        self.note_read(scope, None);
        let mut row = Row { from, joined: Vec::new() };
        let members = self.members(scope, select, &mut row, true)?;
        filter.extend(self.inner_embeds_not_joined(scope, select)?);
        let is_aggregated = self.folds(&scope.relation, select);
        let group_by = if is_aggregated { groups(&members)? } else { Vec::new() };
        if let Some(other) = group_by.first()
            && select.iter().any(|item| is_row_count(&scope.relation, item))
        {
            return Err(PlanError::NotGrouped(column_of(scope, &row.joined, other)));
        }
        let order = self.order(scope, select, &row.joined)?;
        if is_aggregated {
            self.check_grouped(scope, &row.joined, &order, &group_by)?;
        }
        let range = self.range(scope);
        let limit = match (range.limit, max_rows) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        };
        let is_stored_order =
            order.is_empty() && !is_aggregated && !scope.relation.is_view() && scope.derived.is_none();
        Ok(Level {
            from: row.from,
            members: members.into(),
            filter,
            is_aggregated,
            group_by,
            order,
            is_stored_order,
            limit,
            offset: range.offset,
            keys,
        })
    }

    /// The members that `select` gives. At the top level nothing selected means everything; in an embed it means nothing.
    fn members(
        &mut self,
        scope: &Scope,
        select: &[SelectItem],
        row: &mut Row,
        is_level_root: bool,
    ) -> Result<Vec<Member>, PlanError> {
        check_names(scope, select)?;
        if select.is_empty() && scope.path.is_empty() {
            return self.all_columns(scope);
        }
        let mut members = Vec::with_capacity(select.len());
        for item in select {
            match item {
                SelectItem::Field { field, alias, cast, aggregate, aggregate_cast } => {
                    members.extend(self.field_members(
                        scope,
                        field.as_ref(),
                        alias.as_deref(),
                        cast.as_deref(),
                        *aggregate,
                        aggregate_cast.as_deref(),
                    )?);
                }
                SelectItem::Embed(embed) => members.extend(self.embed(scope, embed, row, is_level_root)?),
            }
        }
        Ok(members)
    }

    fn embed(
        &mut self,
        scope: &Scope,
        embed: &Embed,
        row: &mut Row,
        is_level_root: bool,
    ) -> Result<Vec<Member>, PlanError> {
        let relationship = self.relationship(&scope.relation.name, embed)?;
        let name: Arc<str> = embed.alias.as_deref().unwrap_or(&embed.relation).into();
        let folds = self.folds_rows_of(&relationship, embed);
        if relationship.is_to_one() && (embed.is_spread || !folds) {
            return self.join_one(scope, embed, &relationship, name, row, is_level_root);
        }
        if embed.is_spread && folds {
            return Err(PlanError::SpreadAggregate);
        }
        let reached = self.reach(scope, embed, &relationship)?;
        let max_rows = self.context.settings.max_rows;
        let (from, filter, keys) = (reached.from, reached.filter, reached.keys);
        let level = Box::new(self.finish_level(&reached.scope, &embed.select, from, filter, keys, max_rows)?);
        Ok(match (embed.is_spread, level.members.is_empty()) {
            // `relation()` selects nothing, nor does one of nothing but such: they are there for their filters.
            (_, true) => Vec::new(),
            (true, false) => vec![Member::SpreadRows { level }],
            (false, false) => vec![Member::Rows { name, level, is_to_one: relationship.is_to_one() }],
        })
    }

    /// A to-one embed: joined to the row around it.
    fn join_one(
        &mut self,
        scope: &Scope,
        embed: &Embed,
        relationship: &Relationship,
        name: Arc<str>,
        row: &mut Row,
        is_level_root: bool,
    ) -> Result<Vec<Member>, PlanError> {
        let reached = self.reach(scope, embed, relationship)?;
        self.note_read(&reached.scope, None);
        let range = self.range(&reached.scope);
        let mut on = equalities(&reached.keys);
        on.extend(reached.filter);
        if range.limit == Some(0) || range.offset > 0 {
            on.push(Expression::constant(false));
        }
        let is_inner = is_level_root && embed.join == Some(rest::Join::Inner);
        row.from.joins.push(Join {
            kind: if is_inner { JoinKind::Inner } else { JoinKind::Left },
            source: reached.from.first,
            on: Some(Expression::And(on)),
        });
        row.joined.push(ToOne {
            name: embed.relation.clone(),
            alias: embed.alias.clone(),
            scope: reached.scope.clone(),
        });
        let members = self.members(&reached.scope, &embed.select, row, false)?;
        Ok(match (embed.is_spread, members.is_empty()) {
            (true, _) => members,
            (false, true) => Vec::new(),
            (false, false) => {
                vec![Member::One { name, presence: presence(&reached.keys, reached.scope.source), members }]
            }
        })
    }

    /// That inner embeds have rows, for those that are not joined as such already: to-many embeds, and those that
    /// fold their rows.
    fn inner_embeds_not_joined(&mut self, scope: &Scope, select: &[SelectItem]) -> Result<Vec<Expression>, PlanError> {
        if !scope.path.is_empty() {
            // `reach` has already asked for them.
            return Ok(Vec::new());
        }
        let mut conditions = Vec::new();
        for item in select {
            let SelectItem::Embed(embed) = item else { continue };
            if embed.join != Some(rest::Join::Inner) {
                continue;
            }
            let relationship = self.relationship(&scope.relation.name, embed)?;
            if !relationship.is_to_one() || (!embed.is_spread && self.folds_rows_of(&relationship, embed)) {
                conditions.push(self.exists(scope, embed)?);
            }
        }
        Ok(conditions)
    }

    /// Groups can only be ordered by what makes them.
    fn check_grouped(
        &self,
        scope: &Scope,
        joined: &[ToOne],
        order: &[catalog::Sort],
        group_by: &[Expression],
    ) -> Result<(), PlanError> {
        let mut others = order.iter().map(|sort| &sort.expression);
        match others.find(|other| !group_by.contains(other) && !self.is_for_server(other)) {
            Some(other) => Err(PlanError::NotGrouped(column_of(scope, joined, other))),
            None => Ok(()),
        }
    }

    /// Whether rows are folded at this level: an aggregate here, or one spread into it.
    fn folds(&self, relation: &Relation, select: &[SelectItem]) -> bool {
        select.iter().any(|item| match item {
            SelectItem::Field { aggregate, .. } => aggregate.is_some() || is_row_count(relation, item),
            SelectItem::Embed(embed) => {
                // One that leads nowhere is told of when it is planned.
                let found = self.relationship(&relation.name, embed);
                embed.is_spread && found.is_ok_and(|relationship| self.folds_rows_of(&relationship, embed))
            }
        })
    }

    fn folds_rows_of(&self, relationship: &Relationship, embed: &Embed) -> bool {
        self.known(&relationship.to).is_ok_and(|relation| self.folds(&relation, &embed.select))
    }
}

/// Whether a selected field is `count` by itself.
fn is_row_count(relation: &Relation, item: &SelectItem) -> bool {
    matches!(item, SelectItem::Field { field: Some(field), aggregate: None, .. } if counts_rows(relation, field))
}

/// Two embeds of one name would overwrite each other.
fn check_names(scope: &Scope, select: &[SelectItem]) -> Result<(), PlanError> {
    let mut names = BTreeSet::new();
    for item in select {
        let SelectItem::Embed(embed) = item else { continue };
        let name = embed.alias.as_deref().unwrap_or(&embed.relation);
        if !names.insert((name, embed.is_spread)) {
            return Err(PlanError::DuplicateEmbed(format!(
                "{}_{name}_{}",
                scope.relation.name.name,
                scope.path.len() + 1
            )));
        }
    }
    Ok(())
}

/// What makes a group: every value that is not an aggregate.
fn groups(members: &[Member]) -> Result<Vec<Expression>, PlanError> {
    let mut found = Vec::new();
    for member in members {
        match member {
            Member::Value(field) if is_aggregate(&field.expression) => {}
            Member::Value(field) => found.push(grouped(&field.expression).clone()),
            Member::One { presence, members, .. } => {
                found.push(presence.clone());
                found.extend(groups(members)?);
            }
            Member::Rows { name, .. } => {
                return Err(PlanError::Unsupported {
                    what: format!("Grouping by the rows of '{name}'"),
                    instead: "Select the aggregate and the embedded rows in two requests.".to_owned(),
                });
            }
            Member::SpreadRows { .. } => return Err(PlanError::SpreadAggregate),
        }
    }
    Ok(found)
}

fn is_aggregate(expression: &Expression) -> bool {
    let mut found = false;
    expression.visit(&mut |part| {
        found |= matches!(part, Expression::Call { function, .. } if function.is_aggregate());
    });
    found
}

/// How messages call the column that an expression is over.
fn column_of(scope: &Scope, joined: &[ToOne], expression: &Expression) -> String {
    let mut column = String::new();
    expression.visit(&mut |part| {
        if let Expression::Column { source, name, .. } = part {
            let qualifier = joined
                .iter()
                .find(|found| found.scope.source == *source)
                .map_or(&scope.qualifier, |found| &found.scope.qualifier);
            column = format!("{qualifier}.{name}");
        }
    });
    column
}
