//! The whole of what exists at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::{QualifiedName, Signature};
use datatype::EnumType;
use serde::{Deserialize, Serialize};

use crate::dependence::Dependence;
use crate::document::{self, DocumentSchema, DocumentSchemas};
use crate::expression::{Expression, Function, Query};
use crate::native::{CompositeType, Engine, MediaHandler};
use crate::privilege::Privilege;
use crate::relation::{Domain, Relation};
use crate::relationship::{self, Cardinality, Relationship};
use crate::role::{Role, RoleStanding};
use crate::routine::{self, Routine, Volatility};
use crate::trigger::TriggerFunction;

/// The part of the catalog that is declared, and kept inside the database of the embedded engine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Which engine's rules it follows.
    #[serde(default)]
    pub engine: Engine,
    /// The schemas with their comments.
    pub schemas: BTreeMap<Arc<str>, Option<String>>,
    /// Who has `USAGE` on a schema; `public` is everybody. A schema without an entry is closed.
    #[serde(default)]
    pub schema_usage: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Tables and views.
    #[serde(with = "as_list")]
    pub relations: BTreeMap<QualifiedName, Arc<Relation>>,
    /// Relationships that functions compute, on a PostgreSQL server.
    #[serde(default)]
    pub computed_relationships: Vec<ComputedRelationship>,
    /// Functions.
    #[serde(default, with = "routine::as_list")]
    pub routines: BTreeMap<Signature, Arc<Routine>>,
    /// What the rows of relations depend on, on a PostgreSQL server that was asked for it; of others the planner finds it out.
    #[serde(skip)]
    pub dependences: BTreeMap<QualifiedName, Arc<Dependence>>,
    /// A fingerprint of what else decides what is shown of them: policies, views, functions. Where `dependences` are.
    #[serde(skip)]
    pub definitions: String,
    /// Aggregates that make rows a media type, on a PostgreSQL server.
    #[serde(default)]
    pub media_handlers: Vec<Arc<MediaHandler>>,
    /// What aggregates are called, on a PostgreSQL server.
    #[serde(default)]
    pub aggregates: BTreeSet<Arc<str>>,
    /// Functions of triggers.
    #[serde(default)]
    pub trigger_functions: Vec<Arc<TriggerFunction>>,
    /// Enumerations.
    pub enums: Vec<Arc<EnumType>>,
    /// Row types that are no relation's, on a PostgreSQL server.
    #[serde(default)]
    pub composites: Vec<Arc<CompositeType>>,
    /// Domains.
    #[serde(default)]
    pub domains: Vec<Arc<Domain>>,
    /// Roles by name.
    pub roles: BTreeMap<Arc<str>, Role>,
    /// `ALTER DEFAULT PRIVILEGES`: what tables and views that are created from now on are granted.
    #[serde(default)]
    pub default_grants: Vec<DefaultGrant>,
    /// `ALTER DEFAULT PRIVILEGES ... ON FUNCTIONS`, in the order in which they were said.
    #[serde(default)]
    pub default_executors: Vec<DefaultExecutor>,
}

/// A function that takes a row of a relation and gives rows of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputedRelationship {
    /// The function, whose name is the relationship's.
    pub function: QualifiedName,
    /// Whose row it takes.
    pub from: QualifiedName,
    /// Whose rows it gives.
    pub to: QualifiedName,
    /// Whether it gives one row at most.
    pub is_to_one: bool,
    /// Whether it may see or do more than its row says.
    pub volatility: Volatility,
}

/// Whether a role may call the functions that are created later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultExecutor {
    /// In which schema; `None` for all.
    pub schema: Option<Arc<str>>,
    /// The role; `public` is everybody.
    pub role: Arc<str>,
    /// Granted or revoked.
    pub is_granted: bool,
}

/// A privilege that a role gets on every table and view that is created later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultGrant {
    /// In which schema; `None` for all.
    pub schema: Option<Arc<str>>,
    /// The role; `public` is everybody.
    pub role: Arc<str>,
    /// What it may do.
    pub privilege: Privilege,
}

/// JSON has no maps with structured keys; a relation carries its name anyway.
mod as_list {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use base::QualifiedName;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::relation::Relation;

    pub(super) fn serialize<S: Serializer>(
        relations: &BTreeMap<QualifiedName, Arc<Relation>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(relations.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<QualifiedName, Arc<Relation>>, D::Error> {
        let relations: Vec<Arc<Relation>> = Vec::deserialize(deserializer)?;
        Ok(relations.into_iter().map(|relation| (relation.name.clone(), relation)).collect())
    }
}

/// A [`Snapshot`] with what is derived from it. Immutable; requests hold it behind an `Arc`.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    snapshot: Snapshot,
    relationships: BTreeMap<QualifiedName, Vec<Relationship>>,
    /// See [`view_calls`].
    view_calls: BTreeMap<QualifiedName, Vec<Signature>>,
    documents: DocumentSchemas,
}

/// Of each view: the functions that run with the rights of whoever reads it, those of views below and those that such
/// functions call included.
fn view_calls(snapshot: &Snapshot) -> BTreeMap<QualifiedName, Vec<Signature>> {
    let views = snapshot.relations.values().filter(|relation| relation.is_view());
    let calls = views.map(|view| (view.name.clone(), calls_below(snapshot, &view.name)));
    calls.filter(|(_, calls)| !calls.is_empty()).collect()
}

fn calls_below(snapshot: &Snapshot, view: &QualifiedName) -> Vec<Signature> {
    let mut calls: Vec<Signature> = Vec::new();
    let mut open = vec![view.clone()];
    let mut next = 0;
    while let Some(name) = open.get(next).cloned() {
        next += 1;
        let Some(query) = snapshot.relations.get(&name).and_then(|relation| relation.view()).map(|view| &view.query)
        else {
            continue;
        };
        add_below(snapshot, query, &mut calls, &mut open);
    }
    calls
}

fn add_below(snapshot: &Snapshot, query: &Query, calls: &mut Vec<Signature>, open: &mut Vec<QualifiedName>) {
    for name in query.all_sources().into_iter().filter_map(|(_, name)| name) {
        if !open.contains(&name) {
            open.push(name);
        }
    }
    let mut found = Vec::new();
    query.visit(&mut |part| {
        if let Expression::Call { function: Function::Routine(signature), .. } = part {
            found.push((**signature).clone());
        }
    });
    for signature in found {
        if calls.contains(&signature) {
            continue;
        }
        calls.push(signature.clone());
        let Some(routine) = snapshot.routines.get(&signature) else { continue };
        // With its owner's rights a function may call whatever that one may.
        if let (false, Some(body)) = (routine.is_security_definer, routine.query()) {
            add_below(snapshot, body, calls, open);
        }
    }
}

impl Catalog {
    /// Derives relationships and takes the snapshot in.
    pub fn new(snapshot: Snapshot) -> Self {
        let mut relationships = relationship::derive(&snapshot.relations);
        for computed in &snapshot.computed_relationships {
            let ComputedRelationship { function, from, to, is_to_one, volatility } = computed.clone();
            let known = relationships.entry(from.clone()).or_default();
            // A function that is called like a related table stands in the place of what the keys tell of it.
            known.retain(|detected| {
                detected.to != function || matches!(detected.cardinality, Cardinality::Computed { .. })
            });
            let is_self = from == to;
            let cardinality = Cardinality::Computed { function, is_to_one, volatility };
            known.push(Relationship { from, to, cardinality, is_self });
        }
        let view_calls = view_calls(&snapshot);
        let documents = document::compile(&snapshot);
        Self { snapshot, relationships, view_calls, documents }
    }

    /// Whether a PostgreSQL server types values, enforces rights and runs functions by itself.
    pub fn is_native(&self) -> bool {
        self.snapshot.engine == Engine::Postgres
    }

    /// The JSON Schema of a column, or why what its comment says is none.
    pub fn document_schema(
        &self,
        relation: &QualifiedName,
        column: &Arc<str>,
    ) -> Option<&Result<Arc<DocumentSchema>, String>> {
        if self.documents.is_empty() {
            return None;
        }
        self.documents.get(&(relation.clone(), column.clone()))
    }

    /// Why a comment that is to hold a JSON Schema holds none: the first such column, as a sentence.
    pub fn broken_document_schema(&self) -> Option<String> {
        self.documents.iter().find_map(|((relation, column), schema)| {
            let problem = schema.as_ref().err()?;
            Some(format!("the comment on column {relation}.{column} has a @schema that cannot be used: {problem}"))
        })
    }

    /// The declared part.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// A relation by its full name.
    pub fn relation(&self, name: &QualifiedName) -> Option<&Arc<Relation>> {
        self.snapshot.relations.get(name)
    }

    /// The relations of a schema, by name.
    pub fn relations_in<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Arc<Relation>> + 'a {
        let first = QualifiedName::new(schema, "");
        let relations = self.snapshot.relations.range(first..).map(|(_, relation)| relation);
        relations.take_while(move |relation| &*relation.name.schema == schema)
    }

    /// A routine by its signature.
    pub fn routine(&self, signature: &Signature) -> Option<&Arc<Routine>> {
        self.snapshot.routines.get(signature)
    }

    /// The routines of a schema, by name.
    pub fn routines_in<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Arc<Routine>> + 'a {
        let first = Signature { name: QualifiedName::new(schema, ""), arguments: Vec::new() };
        let routines = self.snapshot.routines.range(first..).map(|(_, routine)| routine);
        routines.take_while(move |routine| &*routine.signature.name.schema == schema)
    }

    /// The routines of that name.
    pub fn routines_named<'a>(&'a self, name: &'a QualifiedName) -> impl Iterator<Item = &'a Arc<Routine>> + 'a {
        let first = Signature { name: name.clone(), arguments: Vec::new() };
        let routines = self.snapshot.routines.range(first..).map(|(_, routine)| routine);
        routines.take_while(move |routine| routine.signature.name == *name)
    }

    /// The functions of the schema's own that a view calls; whoever reads the view must be allowed to call them.
    pub fn calls_of_view(&self, name: &QualifiedName) -> Option<&[Signature]> {
        if self.view_calls.is_empty() {
            return None;
        }
        self.view_calls.get(name).map(Vec::as_slice)
    }

    /// The relationships that start at `from`.
    pub fn relationships_from(&self, from: &QualifiedName) -> &[Relationship] {
        self.relationships.get(from).map_or(&[], Vec::as_slice)
    }

    /// The relations from which a relationship leads to one of `schema`.
    pub fn related_to<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a QualifiedName> + 'a {
        let leads_there = move |relationship: &Relationship| &*relationship.to.schema == schema;
        let related = self.relationships.iter().filter(move |(_, all)| all.iter().any(leads_there));
        related.map(|(name, _)| name)
    }

    /// An enumeration by name, looked for in `schema` and then in all others.
    pub fn enum_type(&self, schema: &str, name: &str) -> Option<&Arc<EnumType>> {
        let named = |definition: &&Arc<EnumType>| &*definition.name.name == name;
        self.snapshot
            .enums
            .iter()
            .filter(named)
            .find(|definition| &*definition.name.schema == schema)
            .or_else(|| self.snapshot.enums.iter().find(named))
    }

    /// What `role` is to the database.
    pub fn role_standing(&self, role: &str) -> RoleStanding {
        match self.snapshot.roles.get(role) {
            None => RoleStanding::Unknown,
            Some(role) if role.is_assumable => RoleStanding::Assumable,
            Some(_) => RoleStanding::NotGranted,
        }
    }

    /// `role` and all roles whose rights it has through membership.
    pub fn roles_of<'a>(&'a self, role: &'a str) -> Vec<&'a str> {
        let mut all = vec![role];
        let mut next = 0;
        while let Some(current) = all.get(next).copied() {
            next += 1;
            let Some(role) = self.snapshot.roles.get(current) else { continue };
            for parent in &role.member_of {
                if !all.contains(&&**parent) {
                    all.push(parent);
                }
            }
        }
        all
    }

    /// Whether row security does not apply to `role`. An unknown role is never exempt.
    pub fn bypasses_row_security(&self, role: &str) -> bool {
        self.snapshot.roles.get(role).is_some_and(|role| role.bypasses_row_security)
    }

    /// Whether one of `roles` may look into a schema (`USAGE`).
    pub fn may_enter(&self, roles: &[&str], schema: &str) -> bool {
        let users = self.snapshot.schema_usage.get(schema).map_or(&[][..], Vec::as_slice);
        users.iter().any(|user| &**user == "public" || roles.contains(&&**user))
    }

    /// Whether `role` may do `privilege` on `column` of `relation`; on all of it when `column` is `None`.
    pub fn is_granted(&self, role: &str, relation: &Relation, privilege: Privilege, column: Option<&str>) -> bool {
        relation.allows(&self.roles_of(role), privilege, column)
    }

    /// Whether `role` may do `privilege` on at least one column of `relation`.
    pub fn is_granted_somewhere(&self, role: &str, relation: &Relation, privilege: Privilege) -> bool {
        relation.allows_somewhere(&self.roles_of(role), privilege)
    }
}
