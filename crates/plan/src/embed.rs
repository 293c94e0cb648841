//! Embeds: which relationship is meant, and how its rows are reached.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{
    Cardinality, Expression, From, Function, Join, JoinKind, NativeArguments, NativeCall, NativeFunction, Query,
    Relationship, RowCount, Source, SourceId, nearest_related,
};
use datatype::Type;
use rest::Embed;

use crate::error::PlanError;
use crate::planner::{Planner, Scope};

/// A to-one embed that is joined to the row around it.
pub(crate) struct ToOne {
    /// The relation as the client spelt it.
    pub(crate) name: String,
    /// Its alias.
    pub(crate) alias: Option<String>,
    /// The joined relation.
    pub(crate) scope: Scope,
}

/// An embedded relation together with the way to it.
pub(crate) struct Reached {
    /// The relation.
    pub(crate) scope: Scope,
    /// `FROM`: the relation and, for many-to-many, the join table.
    pub(crate) from: From,
    /// Pairs that must be equal: an expression of the row around it, one of this level.
    pub(crate) keys: Vec<(Expression, Expression)>,
    /// What must hold of a row here: filters, row security, inner embeds below.
    pub(crate) filter: Vec<Expression>,
}

impl Planner<'_> {
    /// The relationship from a relation that an embed means.
    pub(crate) fn relationship(&self, origin: &QualifiedName, embed: &Embed) -> Result<Relationship, PlanError> {
        let all = self.context.catalog.relationships_from(origin);
        let mut found: Vec<&Relationship> =
            all.iter().filter(|relationship| self.is_meant(relationship, embed)).collect();
        // One that a function computes stands in the place of those that keys tell of.
        if found.iter().any(|relationship| computed_by(relationship).is_some()) {
            found.retain(|relationship| computed_by(relationship).is_some());
        }
        // A table that refers to itself has both directions under one name: the name means the children.
        if found.len() > 1 && found.iter().all(|relationship| relationship.is_self) {
            found.retain(|relationship| !is_child_side(relationship));
        }
        match found.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(self.no_relationship(origin, embed, all)),
            several => Err(ambiguous(origin, embed, several)),
        }
    }

    /// PostgREST's rules for what the name and the hint of an embed can mean.
    fn is_meant(&self, relationship: &Relationship, embed: &Embed) -> bool {
        let target = embed.relation.as_str();
        if let Some(function) = computed_by(relationship) {
            return function.schema == self.request.schema && *function.name == *target && embed.hint.is_none();
        }
        // Whatever the name means, it never leads out of the schema that the request is for.
        if relationship.to.schema != self.request.schema {
            return false;
        }
        let is_named = *relationship.to.name == *target;
        let leads_to_table = self.context.catalog.relation(&relationship.to).is_some_and(|found| !found.is_view());
        match (&embed.hint, relationship.is_self) {
            (None, false) => {
                is_named
                    || (leads_to_table
                        && (constraint(relationship) == Some(target)
                            || (is_child_side(relationship) && own_column(relationship) == Some(target))))
            }
            (None, true) => {
                (is_named && !is_child_side(relationship))
                    || (is_child_side(relationship) && own_column(relationship) == Some(target))
            }
            (Some(hint), true) => {
                let hint = Some(hint.as_str());
                is_named
                    && ((!is_child_side(relationship) && other_column(relationship) == hint)
                        || junction(relationship) == hint)
            }
            (Some(hint), false) => {
                let hint = Some(hint.as_str());
                is_named
                    && [
                        constraint(relationship),
                        own_column(relationship),
                        other_column(relationship),
                        junction(relationship),
                    ]
                    .contains(&hint)
            }
        }
    }

    fn no_relationship(&self, origin: &QualifiedName, embed: &Embed, all: &[Relationship]) -> PlanError {
        let schema = &self.request.schema;
        let names = all.iter().filter(|related| related.to.schema == *schema).map(|related| &*related.to.name);
        let nearest = if names.clone().next().is_some() {
            nearest_related(&embed.relation, names).map(|found| (found.to_owned(), embed.relation.clone()))
        } else {
            // Nothing is related to where the embed stands: another relation may be meant there.
            let exposed = &self.context.settings.schemas;
            let others = self.context.catalog.related_to(schema).filter(|other| exposed.contains(&other.schema));
            let found = nearest_related(&origin.name, others.map(|other| &*other.name));
            found.map(|found| (found.to_owned(), origin.name.to_string()))
        };
        PlanError::NoRelationship {
            from: origin.name.to_string(),
            to: embed.relation.clone(),
            hint: embed.hint.clone(),
            schema: self.request.schema.to_string(),
            nearest,
        }
    }

    /// Whether an embed's relation has rows for the row around it, as a condition.
    pub(crate) fn exists(&mut self, around: &Scope, embed: &Embed) -> Result<Expression, PlanError> {
        let relationship = self.relationship(&around.relation.name, embed)?;
        let reached = self.reach(around, embed, &relationship)?;
        if self.range(&reached.scope).limit == Some(0) {
            return Ok(Expression::constant(false));
        }
        let mut filter = equalities(&reached.keys);
        filter.extend(reached.filter);
        Ok(Expression::Exists(Box::new(Query {
            from: Some(reached.from),
            filter: Some(Expression::And(filter)),
            offset: Some(self.range(&reached.scope).offset).filter(|rows| *rows > 0).map(RowCount::Number),
            ..Query::default()
        })))
    }

    /// Opens the level that an embed leads to: its relation, the keys, and what must hold there.
    pub(crate) fn reach(
        &mut self,
        around: &Scope,
        embed: &Embed,
        relationship: &Relationship,
    ) -> Result<Reached, PlanError> {
        let scope = self.embedded_scope(around, embed, &relationship.to)?;
        let mut from = From { first: source(&scope), joins: Vec::new() };
        let keys = match &relationship.cardinality {
            Cardinality::ManyToOne { columns, .. }
            | Cardinality::OneToMany { columns, .. }
            | Cardinality::OneToOne { columns, .. } => self.key_pairs(around, &scope, columns)?,
            Cardinality::ManyToMany(junction) => {
                let between = self.junction_scope(around, &junction.relation)?;
                let on = self.key_pairs(&scope, &between, &junction.to_columns)?;
                let mut on = equalities(&on);
                on.extend(self.visible(&between)?);
                from.joins.push(Join {
                    kind: JoinKind::Inner,
                    source: source(&between),
                    on: Some(Expression::And(on)),
                });
                self.key_pairs(around, &between, &junction.from_columns)?
            }
            Cardinality::Computed { function, volatility, .. } => {
                self.computed.push((function.clone(), *volatility));
                let arguments = self.whole_row(around);
                let call = NativeCall { name: function.clone(), arguments, value_name: None, is_selected: false };
                from.first = Source::Call { id: scope.source, call: Box::new(call) };
                Vec::new()
            }
        };
        let mut filter = self.conditions(&scope, &embed.select)?;
        filter.extend(self.visible(&scope)?);
        filter.extend(self.inner_embeds(&scope, &embed.select)?);
        Ok(Reached { scope, from, keys, filter })
    }

    /// The row that a function computes a relationship from. Written rows come without their type and may lack columns:
    /// beside those that are answered they give themselves whole.
    fn whole_row(&mut self, around: &Scope) -> NativeArguments {
        let is_written = self.request.action.writes() && around.source == SourceId::ROW && around.derived.is_none();
        let column = is_written.then(|| {
            let mut name = "pando_row".to_owned();
            while around.relation.column(&name).is_some() {
                name.push('_');
            }
            Arc::from(name)
        });
        if column.is_some() {
            self.written_row.clone_from(&column);
        }
        NativeArguments::Row { source: around.source, column }
    }

    /// For each inner embed among `select`: that it has rows.
    pub(crate) fn inner_embeds(
        &mut self,
        scope: &Scope,
        select: &[rest::SelectItem],
    ) -> Result<Vec<Expression>, PlanError> {
        select
            .iter()
            .filter_map(|item| match item {
                rest::SelectItem::Embed(embed) if embed.join == Some(rest::Join::Inner) => Some(embed),
                _ => None,
            })
            .map(|embed| self.exists(scope, embed))
            .collect()
    }

    fn embedded_scope(&mut self, around: &Scope, embed: &Embed, to: &QualifiedName) -> Result<Scope, PlanError> {
        self.footprint.named.insert(to.clone());
        let relation = self.known(to)?;
        let mut path = around.path.clone();
        path.push((embed.relation.clone(), embed.alias.clone()));
        Ok(Scope {
            qualifier: format!("{}_{}", relation.name.name, path.len()),
            relation,
            source: self.new_source(),
            renames: None,
            path,
            derived: None,
        })
    }

    fn junction_scope(&mut self, around: &Scope, name: &QualifiedName) -> Result<Scope, PlanError> {
        self.footprint.named.insert(name.clone());
        let relation = self.known(name)?;
        Ok(Scope {
            qualifier: relation.name.name.to_string(),
            relation,
            source: self.new_source(),
            renames: None,
            path: around.path.clone(),
            derived: None,
        })
    }

    /// A relation that the catalog refers to by itself.
    pub(crate) fn known(&self, name: &QualifiedName) -> Result<Arc<catalog::Relation>, PlanError> {
        self.context.catalog.relation(name).cloned().ok_or_else(|| PlanError::UnknownRelation {
            schema: name.schema.to_string(),
            name: name.name.to_string(),
            nearest: None,
        })
    }

    /// Pairs of equal columns: of `left`, of `right`, brought to one type.
    fn key_pairs(
        &mut self,
        left: &Scope,
        right: &Scope,
        columns: &[(Arc<str>, Arc<str>)],
    ) -> Result<Vec<(Expression, Expression)>, PlanError> {
        columns
            .iter()
            .map(|(own, other)| {
                let own = self.column(left, own)?;
                let other = self.column(right, other)?;
                Ok((own, other))
            })
            .collect()
    }
}

/// A scope as a source of `FROM`.
pub(crate) fn source(scope: &Scope) -> Source {
    Source::Relation { id: scope.source, name: scope.relation.name.clone() }
}

/// That the keys are equal.
pub(crate) fn equalities(keys: &[(Expression, Expression)]) -> Vec<Expression> {
    keys.iter()
        .map(|(outer, inner)| Expression::compare(catalog::Binary::Equal, inner.clone(), outer.clone()))
        .collect()
}

/// Whether there is a joined row: whether one of the columns it was joined by is not null.
pub(crate) fn presence(keys: &[(Expression, Expression)], source: SourceId) -> Expression {
    if keys.is_empty() {
        let function = Function::Native(NativeFunction::HasRow(source));
        return Expression::Call { function, arguments: Vec::new(), data_type: Type::Boolean };
    }
    let key = keys.first().map_or_else(|| Expression::constant(true), |(_, inner)| inner.clone());
    // The key's value does not matter, only whether it is there.
    Expression::IsNull(Box::new(key)).negated()
}

/// Whether the relationship starts at the side that holds the foreign key.
fn is_child_side(relationship: &Relationship) -> bool {
    matches!(relationship.cardinality, Cardinality::ManyToOne { .. } | Cardinality::OneToOne { is_parent: false, .. })
}

fn direct_columns(relationship: &Relationship) -> Option<&(Arc<str>, Arc<str>)> {
    match &relationship.cardinality {
        Cardinality::ManyToOne { columns, .. }
        | Cardinality::OneToMany { columns, .. }
        | Cardinality::OneToOne { columns, .. } => match columns.as_slice() {
            [only] => Some(only),
            _ => None,
        },
        Cardinality::ManyToMany(_) | Cardinality::Computed { .. } => None,
    }
}

/// The function that computes the relationship.
fn computed_by(relationship: &Relationship) -> Option<&QualifiedName> {
    match &relationship.cardinality {
        Cardinality::Computed { function, .. } => Some(function),
        _ => None,
    }
}

/// The single column on this side.
fn own_column(relationship: &Relationship) -> Option<&str> {
    direct_columns(relationship).map(|(own, _)| &**own)
}

/// The single column on the other side.
fn other_column(relationship: &Relationship) -> Option<&str> {
    direct_columns(relationship).map(|(_, other)| &**other)
}

fn constraint(relationship: &Relationship) -> Option<&str> {
    match &relationship.cardinality {
        Cardinality::ManyToOne { constraint, .. }
        | Cardinality::OneToMany { constraint, .. }
        | Cardinality::OneToOne { constraint, .. } => Some(constraint),
        Cardinality::ManyToMany(_) | Cardinality::Computed { .. } => None,
    }
}

fn junction(relationship: &Relationship) -> Option<&str> {
    match &relationship.cardinality {
        Cardinality::ManyToMany(junction) => Some(&junction.relation.name),
        _ => None,
    }
}

fn ambiguous(origin: &QualifiedName, embed: &Embed, several: &[&Relationship]) -> PlanError {
    let candidates = several.iter().map(|relationship| candidate(relationship)).collect();
    PlanError::AmbiguousRelationship { from: origin.name.to_string(), to: embed.relation.clone(), candidates }
}

/// A candidate as the error body describes it: its cardinality, what it uses, and the hint that chooses it.
fn candidate(relationship: &Relationship) -> (&'static str, String, String) {
    let from = &relationship.from.name;
    let to = &relationship.to.name;
    let joined = |columns: &[(Arc<str>, Arc<str>)]| {
        let own: Vec<&str> = columns.iter().map(|(own, _)| &**own).collect();
        let other: Vec<&str> = columns.iter().map(|(_, other)| &**other).collect();
        format!("{from}({}) and {to}({})", own.join(", "), other.join(", "))
    };
    match &relationship.cardinality {
        Cardinality::ManyToOne { constraint, columns } => {
            ("many-to-one", format!("{constraint} using {}", joined(columns)), constraint.to_string())
        }
        Cardinality::OneToMany { constraint, columns } => {
            ("one-to-many", format!("{constraint} using {}", joined(columns)), constraint.to_string())
        }
        Cardinality::OneToOne { constraint, columns, .. } => {
            ("one-to-one", format!("{constraint} using {}", joined(columns)), constraint.to_string())
        }
        Cardinality::ManyToMany(junction) => {
            let names = |columns: &[(Arc<str>, Arc<str>)]| {
                columns.iter().map(|(_, between)| between.to_string()).collect::<Vec<_>>().join(", ")
            };
            (
                "many-to-many",
                format!(
                    "{} using {}({}) and {}({})",
                    junction.relation.name,
                    junction.from_constraint,
                    names(&junction.from_columns),
                    junction.to_constraint,
                    names(&junction.to_columns)
                ),
                junction.relation.name.to_string(),
            )
        }
        Cardinality::Computed { function, is_to_one, .. } => {
            let cardinality = if *is_to_one { "many-to-one" } else { "one-to-many" };
            (cardinality, format!("{}({from})", function.name), function.name.to_string())
        }
    }
}
