//! What `pg_catalog` says of relations, policies and functions, as far as dependences need it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::QualifiedName;
use wire::Connection;

use super::super::rows::{Reading, Row};
use crate::postgres::watch::{Told, noted};

/// Relations: number, name, kind, whether row security is on, whether somebody else's (the system's), what is told of changes, whether
/// a subscription fills it, whether one's own, and the key that changes of rows are told by: what stands in the first column, where the primary
/// key is that alone and printed in one way only. A trigger that was switched off and on again is not fired always any more, as with what a replication
/// writes: where that can be mended it does not count.
const RELATIONS: &str = concat!(
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity, n.nspname ~ '^pg_' OR n.nspname = 'information_schema',
           CASE WHEN noted.is_always OR NOT pg_has_role(c.relowner, 'USAGE') THEN noted.told END,
           EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid), pg_has_role(c.relowner, 'USAGE'),
           (SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1 AND c.relkind = 'r'
               AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute b
                                WHERE b.attrelid = c.oid AND b.attnum > 0 AND NOT b.attisdropped AND (b.attnum < a.attnum OR b.attname = 'pando_key')))
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ",
    noted!(),
    "
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')",
);

const FAMILIES: &str =
    "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
     WHERE c.relkind IN ('r', 'p', 'f')";

/// What decides who reads which rows.
const POLICIES: &str =
    "SELECT polrelid, polname, polqual FROM pg_catalog.pg_policy WHERE polcmd IN ('r', '*') AND polqual IS NOT NULL";

const VIEWS: &str = "
    SELECT r.ev_class, r.ev_action
      FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE r.rulename = '_RETURN' AND c.relkind = 'v' AND octet_length(r.ev_action::text) <= 67108864
       AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Functions of others than the system, and the system's that are not immutable: number, name, whether the system's, whether immutable,
/// kind, language, body, and the body as a tree where it was kept as one. Before PostgreSQL 14 there were none of those.
const FUNCTIONS: &str = "
    SELECT p.oid, n.nspname, p.proname, n.nspname = 'pg_catalog', p.provolatile, p.prokind, l.lanname,
           CASE WHEN l.lanname = 'sql' AND n.nspname <> 'pg_catalog' THEN p.prosrc END,
           CASE WHEN l.lanname = 'sql' AND n.nspname <> 'pg_catalog' THEN to_jsonb(p)->>'prosqlbody' END
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     WHERE n.nspname <> 'pg_catalog' OR p.provolatile <> 'i'";

const OPERATORS: &str = "SELECT oid, oprcode::oid FROM pg_catalog.pg_operator WHERE oprcode <> 0";

const ENUMS: &str = "SELECT oid FROM pg_catalog.pg_type WHERE typtype = 'e'";

/// A relation.
#[derive(Debug, Clone)]
pub(super) struct RelationFacts {
    pub(super) name: QualifiedName,
    pub(super) kind: char,
    pub(super) has_row_security: bool,
    pub(super) is_systems: bool,
    /// What is told of its changes.
    pub(super) told: Option<Told>,
    /// Whether its triggers may be taken off.
    pub(super) is_own: bool,
    /// The column that changes of its rows are told by.
    pub(super) key: Option<Arc<str>>,
    pub(super) is_subscribed: bool,
    /// Of a view its rule.
    pub(super) rule: Option<Arc<str>>,
    /// What policies ask, by their names.
    pub(super) policies: Vec<(String, Arc<str>)>,
    pub(super) parents: Vec<u32>,
    pub(super) children: Vec<u32>,
}

/// A function of others than the system, or one that is not immutable.
#[derive(Debug, Clone)]
pub(super) struct FunctionFacts {
    pub(super) name: QualifiedName,
    pub(super) is_systems: bool,
    pub(super) is_immutable: bool,
    pub(super) is_volatile: bool,
    /// Neither an aggregate nor a procedure.
    pub(super) is_plain: bool,
    /// In SQL.
    pub(super) body: Option<String>,
    /// The same, as it was understood when it was made.
    pub(super) tree: Option<String>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) relations: BTreeMap<u32, RelationFacts>,
    pub(super) functions: BTreeMap<u32, FunctionFacts>,
    pub(super) operators: BTreeMap<u32, u32>,
    pub(super) enums: BTreeSet<u32>,
}

impl Facts {
    /// Reads them.
    pub(super) async fn read(connection: &mut Connection, reading: &mut Reading) -> Result<Self, wire::Error> {
        let mut facts = Self::default();
        reading.each(connection, RELATIONS, |row| facts.add_relation(row)).await?;
        reading.each(connection, FAMILIES, |row| facts.add_child(row.number(0), row.number(1))).await?;
        reading.each(connection, POLICIES, |row| facts.add_policy(row)).await?;
        reading
            .each(connection, VIEWS, |row| {
                if let Some(relation) = facts.relations.get_mut(&row.number(0)) {
                    relation.rule = row.text(1).map(Arc::from);
                }
            })
            .await?;
        reading.each(connection, FUNCTIONS, |row| facts.add_function(row)).await?;
        reading.each(connection, OPERATORS, |row| facts.operators.extend([(row.number(0), row.number(1))])).await?;
        reading.each(connection, ENUMS, |row| facts.enums.extend([row.number(0)])).await?;
        Ok(facts)
    }

    fn add_relation(&mut self, row: &Row<'_>) {
        let Some(name) = row.name(1) else { return };
        let relation = RelationFacts {
            name,
            kind: row.text(3).and_then(|kind| kind.chars().next()).unwrap_or(' '),
            has_row_security: row.is_true(4),
            is_systems: row.is_true(5),
            told: row.text(6).and_then(Told::parse),
            is_subscribed: row.is_true(7),
            is_own: row.is_true(8),
            key: row.text(9).map(Arc::from),
            rule: None,
            policies: Vec::new(),
            parents: Vec::new(),
            children: Vec::new(),
        };
        self.relations.insert(row.number(0), relation);
    }

    fn add_child(&mut self, child: u32, parent: u32) {
        if let Some(relation) = self.relations.get_mut(&child) {
            relation.parents.push(parent);
        }
        if let Some(relation) = self.relations.get_mut(&parent) {
            relation.children.push(child);
        }
    }

    fn add_policy(&mut self, row: &Row<'_>) {
        let (Some(name), Some(tree)) = (row.text(1), row.text(2)) else { return };
        if let Some(relation) = self.relations.get_mut(&row.number(0)) {
            relation.policies.push((name.to_owned(), tree.into()));
        }
    }

    fn add_function(&mut self, row: &Row<'_>) {
        let Some(name) = row.name(1) else { return };
        let function = FunctionFacts {
            name,
            is_systems: row.is_true(3),
            is_immutable: row.text(4) == Some("i"),
            is_volatile: row.text(4) == Some("v"),
            is_plain: row.text(5) == Some("f"),
            body: row.text(7).filter(|body| !body.is_empty()).map(str::to_owned),
            tree: row.text(8).map(str::to_owned),
        };
        self.functions.insert(row.number(0), function);
    }
}
