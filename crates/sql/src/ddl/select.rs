//! One `SELECT`: `FROM`, the select list, grouping.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{Binary, Expression, From, Join, JoinKind, Relation, Source, SourceId};
use sqlparser::ast::{
    self, Distinct, Expr, GroupByExpr, JoinConstraint, JoinOperator, ObjectName, OrderBy, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Spanned, TableAlias, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::expression::Analyzer;
use super::names;
use super::operator::{self, Operand};
use super::output_name::output_name;
use super::problem::{Outcome, Problem};
use super::query::{Body, Item, Selected, numbered};
use super::scope::{Found, Level, ScopeColumn, ScopeSource};

/// A `WITH` query: read anew wherever it is named.
#[derive(Debug, Clone)]
pub(super) struct Cte {
    name: String,
    columns: Vec<String>,
    query: ast::Query,
    /// How many levels of columns it may see.
    levels: usize,
}

impl Cte {
    pub(super) fn new(cte: &ast::Cte, levels: usize) -> Self {
        Self {
            name: names::identifier(&cte.alias.name),
            columns: alias_columns(Some(&cte.alias)),
            query: (*cte.query).clone(),
            levels,
        }
    }
}

fn alias_columns(alias: Option<&TableAlias>) -> Vec<String> {
    alias.map(|alias| alias.columns.iter().map(|column| names::identifier(&column.name)).collect()).unwrap_or_default()
}

impl Analyzer<'_> {
    /// Reads a `SELECT`, with the `ORDER BY` that may name its sources.
    pub(super) fn select(&mut self, select: &Select, order: Option<&OrderBy>) -> Outcome<Body> {
        check_clauses(select)?;
        let (from, level) = self.sources(&select.from)?;
        let ids: BTreeSet<SourceId> = level.sources.iter().map(|source| source.id).collect();
        self.levels.push(level);
        let outcome = self.select_inside(select, order, from, &ids);
        self.levels.pop();
        outcome
    }

    fn select_inside(
        &mut self,
        select: &Select,
        order: Option<&OrderBy>,
        from: Option<From>,
        ids: &BTreeSet<SourceId>,
    ) -> Outcome<Body> {
        let mut query = catalog::Query { from, ..catalog::Query::default() };
        if let Some(filter) = &select.selection {
            query.filter = Some(self.in_clause("WHERE", |this| this.boolean(filter, "WHERE"))?);
        }
        let items = self.select_list(&select.projection)?;
        query.is_distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => {
                return Err(Problem::refused(
                    select,
                    "DISTINCT ON",
                    "it is not available on the embedded engine",
                    "instead, join with a subquery that groups and takes max() or min()",
                ));
            }
        };
        query.group_by = self.in_clause("GROUP BY", |this| this.group_by(&select.group_by, &items))?;
        if let Some(having) = &select.having {
            query.having = Some(self.boolean(having, "HAVING")?);
        }
        if let Some(order) = order {
            query.order = self.order(order, &items, false)?;
        }
        let body = Body { query, items };
        self.check_grouping(&body, select, ids)?;
        Ok(body)
    }

    /// Does `inner` where no aggregate may stand.
    pub(super) fn in_clause<T>(
        &mut self,
        clause: &'static str,
        inner: impl FnOnce(&mut Self) -> Outcome<T>,
    ) -> Outcome<T> {
        let outer = self.no_aggregates.replace(clause);
        let outcome = inner(self);
        self.no_aggregates = outer;
        outcome
    }

    fn group_by(&mut self, group_by: &GroupByExpr, items: &[Item]) -> Outcome<Vec<Expression>> {
        let GroupByExpr::Expressions(terms, modifiers) = group_by else {
            return Err(Problem::invalid(group_by, "GROUP BY ALL is not PostgreSQL"));
        };
        if !modifiers.is_empty() {
            return Err(Problem::invalid(group_by, "WITH ROLLUP and its like are not PostgreSQL"));
        }
        let mut group = Vec::new();
        for term in terms {
            if matches!(term, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_)) {
                return Err(self.unsupported(term, "instead, write one view for each grouping"));
            }
            let item = match (numbered(term, items, "GROUP BY")?, term) {
                (Some(item), _) => Some(item),
                // An input column goes before a column of the outcome.
                (None, Expr::Identifier(ident)) => {
                    let name = names::identifier(ident);
                    let is_input = self.levels.last().is_some_and(|level| {
                        level.sources.iter().any(|source| source.columns.iter().any(|column| *column.name == *name))
                    });
                    if is_input { None } else { items.iter().find(|item| *item.name == *name) }
                }
                _ => None,
            };
            group.push(match item {
                Some(item) => item.operand.clone().or_text(),
                None => self.expression(term)?,
            });
        }
        Ok(group)
    }

    pub(super) fn select_list(&mut self, projection: &[SelectItem]) -> Outcome<Vec<Item>> {
        let mut items = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = Arc::from(output_name(expr).unwrap_or_else(|| "?column?".to_owned()));
                    items.push(self.item(name, expr)?);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let name = Arc::from(names::identifier(alias));
                    items.push(self.item(name, expr)?);
                }
                SelectItem::Wildcard(options) => {
                    check_wildcard(options, item)?;
                    let Some(level) = self.levels.last().filter(|level| !level.sources.is_empty()) else {
                        return Err(Problem::invalid(item, "SELECT * with no tables specified is not valid"));
                    };
                    items.extend(level.all().into_iter().map(column_item));
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    check_wildcard(options, item)?;
                    items.extend(self.all_of(name)?.into_iter().map(column_item));
                }
                SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. } => {
                    return Err(Problem::invalid(item, "this form of select list is not PostgreSQL"));
                }
            }
        }
        Ok(items)
    }

    fn all_of(&self, name: &ObjectName) -> Outcome<Vec<Found>> {
        let parts = names::parts(name)?;
        let (schema, alias) = match parts.as_slice() {
            [alias] => (None, alias),
            [schema, alias] => (Some(schema.as_str()), alias),
            _ => return Err(Problem::invalid(name, format!("\"{name}\" is not a table"))),
        };
        self.levels
            .last()
            .and_then(|level| level.all_of(schema, alias))
            .ok_or_else(|| Problem::invalid(name, format!("missing FROM-clause entry for table \"{alias}\"")))
    }

    fn item(&mut self, name: Arc<str>, expr: &Expr) -> Outcome<Item> {
        let operand = self.operand(expr)?;
        Ok(Item { name, operand })
    }

    /// Reads `FROM`: a comma is a cross join.
    fn sources(&mut self, from: &[TableWithJoins]) -> Outcome<(Option<From>, Level)> {
        let mut level = Level::default();
        let mut whole: Option<From> = None;
        for item in from {
            let (first, joins) = in_order(item);
            let (source, scope) = self.factor(first)?;
            add_source(&mut level, scope, first)?;
            match &mut whole {
                None => whole = Some(From { first: source, joins: Vec::new() }),
                Some(whole) => whole.joins.push(Join { kind: JoinKind::Cross, source, on: None }),
            }
            for join in joins {
                let (source, scope) = self.factor(&join.relation)?;
                let (kind, constraint) = join_kind(join)?;
                let right = scope.id;
                add_source(&mut level, scope, &join.relation)?;
                let on = self.join_condition(constraint, &mut level, right, join)?;
                let kind = if on.is_none() && kind == JoinKind::Inner { JoinKind::Cross } else { kind };
                if let Some(whole) = &mut whole {
                    whole.joins.push(Join { kind, source, on });
                }
            }
        }
        Ok((whole, level))
    }

    fn join_condition(
        &mut self,
        constraint: &JoinConstraint,
        level: &mut Level,
        right: SourceId,
        join: &ast::Join,
    ) -> Outcome<Option<Expression>> {
        match constraint {
            JoinConstraint::None => Ok(None),
            JoinConstraint::On(condition) => {
                self.levels.push(std::mem::take(level));
                let on = self.in_clause("JOIN conditions", |this| this.boolean(condition, "JOIN/ON"));
                *level = self.levels.pop().unwrap_or_default();
                on.map(Some)
            }
            JoinConstraint::Using(columns) => {
                let columns = columns
                    .iter()
                    .map(|column| names::parts(column).map(|parts| parts.concat()))
                    .collect::<Outcome<Vec<_>>>()?;
                using(level, right, &columns, join).map(Some)
            }
            JoinConstraint::Natural => {
                let columns = natural(level, right);
                if columns.is_empty() {
                    return Err(Problem::invalid(join, "NATURAL JOIN finds no columns of the same name")
                        .instead("write CROSS JOIN if every row is to meet every row"));
                }
                using(level, right, &columns, join).map(Some)
            }
        }
    }

    /// One table, view or subquery of `FROM`.
    fn factor(&mut self, factor: &TableFactor) -> Outcome<(Source, ScopeSource)> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table_factor(name, alias.as_ref())
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let selected = self.query(subquery)?;
                self.subquery_factor(selected, alias.as_ref(), "unnamed_subquery", &[])
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } if table_with_joins.joins.is_empty() => {
                self.factor(&table_with_joins.relation)
            }
            TableFactor::NestedJoin { .. } => Err(Problem::refused(
                factor,
                "a join in parentheses",
                "it is not available on the embedded engine",
                "instead, write the joins one after another, or as a subquery with an alias",
            )),
            TableFactor::Derived { lateral: true, .. } => Err(Problem::refused(
                factor,
                "LATERAL",
                "it is not available on the embedded engine",
                "instead, join with a grouped subquery, or use a scalar subquery",
            )),
            _ => Err(Problem::refused(
                factor,
                "a function as a table",
                "only tables, views and subqueries can stand in FROM on the embedded engine",
                "instead, keep the rows in a table",
            )),
        }
    }

    fn table_factor(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Outcome<(Source, ScopeSource)> {
        let parts = names::parts(name)?;
        if let [bare] = parts.as_slice()
            && let Some(index) = self.ctes.iter().rposition(|cte| cte.name == *bare)
        {
            return self.cte_factor(index, alias);
        }
        let relation = find_relation(self.snapshot, name)?.clone();
        let id = self.next_id()?;
        let alias_name = alias.map(|alias| Arc::from(names::identifier(&alias.name)));
        if !alias_columns(alias).is_empty() {
            return Err(Problem::refused(
                name,
                "column aliases of a table",
                "they are not available on the embedded engine",
                "instead, rename the columns in the select list",
            ));
        }
        let scope = ScopeSource::of_relation(&relation, id, alias_name);
        Ok((Source::Relation { id, name: relation.name.clone() }, scope))
    }

    /// Reads a `WITH` query at the place where it is named; it sees only what stood before it.
    fn cte_factor(&mut self, index: usize, alias: Option<&TableAlias>) -> Outcome<(Source, ScopeSource)> {
        let later = self.ctes.split_off(index);
        let outcome = match later.first() {
            Some(cte) => {
                let inner_levels = self.levels.split_off(cte.levels.min(self.levels.len()));
                let selected = self.query(&cte.query);
                self.levels.extend(inner_levels);
                selected.and_then(|selected| self.subquery_factor(selected, alias, &cte.name, &cte.columns))
            }
            None => Err(Problem::invalid(super::problem::NOWHERE, "the WITH query is not there")),
        };
        self.ctes.extend(later);
        outcome
    }

    fn subquery_factor(
        &mut self,
        mut selected: Selected,
        alias: Option<&TableAlias>,
        name: &str,
        columns: &[String],
    ) -> Outcome<(Source, ScopeSource)> {
        let mut new_names = alias_columns(alias);
        if new_names.is_empty() {
            new_names = columns.to_vec();
        }
        if new_names.len() > selected.columns.len() {
            return Err(Problem::invalid(super::problem::NOWHERE, format!("\"{name}\" has fewer columns than names")));
        }
        for (index, new_name) in new_names.iter().enumerate() {
            let new_name: Arc<str> = Arc::from(new_name.as_str());
            if let Some(column) = selected.columns.get_mut(index) {
                column.name = new_name.clone();
            }
            if let Some(projection) = selected.query.projections.get_mut(index) {
                projection.name = new_name;
            }
        }
        let mut seen = BTreeSet::new();
        if let Some(column) = selected.columns.iter().find(|column| !seen.insert(column.name.to_ascii_lowercase())) {
            let message = format!("column \"{}\" of subquery \"{name}\" is there twice", column.name);
            return Err(Problem::invalid(super::problem::NOWHERE, message).instead("name each column with AS"));
        }
        let id = self.next_id()?;
        let scope = ScopeSource {
            id,
            alias: alias.map_or_else(|| Arc::from(name), |alias| Arc::from(names::identifier(&alias.name))),
            schema: None,
            columns: selected
                .columns
                .into_iter()
                .map(|column| ScopeColumn { name: column.name, data_type: column.data_type })
                .collect(),
            hidden: Vec::new(),
        };
        Ok((Source::Query { id, query: Box::new(selected.query) }, scope))
    }
}

/// A relation by the name in a statement.
pub(super) fn find_relation<'a>(snapshot: &'a catalog::Snapshot, name: &ObjectName) -> Outcome<&'a Arc<Relation>> {
    let qualified = names::qualified(name)?;
    if let Some(relation) = snapshot.relations.get(&qualified) {
        return Ok(relation);
    }
    Err(missing_relation(snapshot, &qualified, name.span().start))
}

/// There is no such table or view.
pub(super) fn missing_relation(
    snapshot: &catalog::Snapshot,
    name: &QualifiedName,
    at: sqlparser::tokenizer::Location,
) -> Problem {
    let shown = if &*name.schema == "public" { name.name.to_string() } else { name.to_string() };
    let problem = Problem::invalid(at, format!("relation \"{shown}\" does not exist"));
    if &*name.schema == "auth" {
        return problem.instead("the schema auth has no tables here; keep the user's id in a uuid column without REFERENCES, or create a table of your own for profiles");
    }
    if matches!(&*name.schema, "pg_catalog" | "information_schema") {
        return problem.instead("the embedded engine has no system tables");
    }
    let known = snapshot.relations.keys().filter(|known| known.schema == name.schema);
    match catalog::nearest(&name.name, known.map(|known| &*known.name)) {
        Some(nearest) => problem.instead(format!("perhaps you meant \"{nearest}\"")),
        None => problem.instead("names without a schema mean the schema public"),
    }
}

fn column_item(found: Found) -> Item {
    Item { name: found.column.name.clone(), operand: Operand::Known(found.expression()) }
}

fn add_source(level: &mut Level, scope: ScopeSource, factor: &TableFactor) -> Outcome<()> {
    let is_taken = level.sources.iter().any(|source| {
        source.alias == scope.alias
            && (source.schema == scope.schema || source.schema.is_none() || scope.schema.is_none())
    });
    if is_taken {
        return Err(Problem::invalid(factor, format!("table name \"{}\" specified more than once", scope.alias)));
    }
    level.sources.push(scope);
    Ok(())
}

fn join_kind(join: &ast::Join) -> Outcome<(JoinKind, &JoinConstraint)> {
    match &join.join_operator {
        JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => Ok((JoinKind::Inner, constraint)),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => Ok((JoinKind::Left, constraint)),
        JoinOperator::CrossJoin(constraint) => Ok((JoinKind::Cross, constraint)),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Err(Problem::refused(
            join,
            "RIGHT JOIN",
            "it is not available on the embedded engine",
            "instead, swap the tables and write LEFT JOIN",
        )),
        JoinOperator::FullOuter(_) => Err(Problem::refused(
            join,
            "FULL JOIN",
            "it is not available on the embedded engine",
            "instead, UNION ALL a LEFT JOIN with the rows of the other side that have no partner",
        )),
        _ => Err(Problem::invalid(join, "this kind of join is not PostgreSQL")),
    }
}

/// `USING (a, b)`: equality, and one column instead of two for names without an alias.
fn using(level: &mut Level, right: SourceId, columns: &[String], join: &ast::Join) -> Outcome<Expression> {
    let mut parts = Vec::new();
    for name in columns {
        let find = |source: &&ScopeSource| source.columns.iter().any(|column| *column.name == **name);
        let missing = |side: &str| {
            Problem::invalid(
                join,
                format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
            )
        };
        let left = level
            .sources
            .iter()
            .filter(|source| source.id != right && !source.hidden.iter().any(|hidden| **hidden == **name))
            .find(find)
            .ok_or_else(|| missing("left"))?;
        let right_source = level.sources.iter().filter(|source| source.id == right).find(find);
        let right_source = right_source.ok_or_else(|| missing("right"))?;
        let column = |source: &ScopeSource| {
            let column = source.columns.iter().find(|column| *column.name == **name)?;
            Some(Operand::Known(Expression::column(source.id, column.name.clone(), column.data_type.clone())))
        };
        let (Some(left_column), Some(right_column)) = (column(left), column(right_source)) else {
            return Err(missing("left"));
        };
        let (left_side, right_side) = operator::compared(left_column, "=", right_column, join)?;
        parts.push(Expression::compare(Binary::Equal, left_side, right_side));
        let merged = (left.id, Arc::from(name.as_str()));
        if !level.merged.contains(&merged) {
            level.merged.push(merged);
        }
        if let Some(source) = level.sources.iter_mut().find(|source| source.id == right) {
            source.hidden.push(Arc::from(name.as_str()));
        }
    }
    Ok(Expression::And(parts))
}

/// The names that both sides have.
fn natural(level: &Level, right: SourceId) -> Vec<String> {
    let Some(right_source) = level.sources.iter().find(|source| source.id == right) else {
        return Vec::new();
    };
    right_source
        .columns
        .iter()
        .filter(|column| {
            level
                .sources
                .iter()
                .filter(|source| source.id != right)
                .any(|source| source.columns.iter().any(|other| other.name == column.name))
        })
        .map(|column| column.name.to_string())
        .collect()
}

fn check_clauses(select: &Select) -> Outcome<()> {
    let refused = |construct: &str| {
        Err(Problem::refused(select, construct, "this clause is not available on the embedded engine", ""))
    };
    if select.into.is_some() {
        return refused("SELECT INTO");
    }
    if !select.named_window.is_empty() {
        return refused("WINDOW");
    }
    let is_foreign = select.top.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.qualify.is_some()
        || select.value_table_mode.is_some()
        || select.select_modifiers.is_some();
    if is_foreign {
        return Err(Problem::invalid(select, "this SELECT has clauses that PostgreSQL does not know"));
    }
    Ok(())
}

fn check_wildcard(options: &WildcardAdditionalOptions, item: &SelectItem) -> Outcome<()> {
    let is_plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    if is_plain { Ok(()) } else { Err(Problem::invalid(item, "PostgreSQL's * has no options")) }
}

/// The first source and the joins behind it: `((a JOIN b) JOIN c)` is `a JOIN b JOIN c`.
fn in_order(item: &TableWithJoins) -> (&TableFactor, Vec<&ast::Join>) {
    let mut first = &item.relation;
    let mut joins: Vec<&ast::Join> = item.joins.iter().collect();
    while let TableFactor::NestedJoin { table_with_joins, alias: None } = first {
        joins.splice(0..0, &table_with_joins.joins);
        first = &table_with_joins.relation;
    }
    (first, joins)
}
