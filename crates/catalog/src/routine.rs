//! Routines: functions that the schema declares (`CREATE FUNCTION ... LANGUAGE sql`), called at `/rpc/name` or inside
//! expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{QualifiedName, Signature};
use datatype::Type;
use serde::{Deserialize, Serialize};

use crate::expression::{Expression, Projection, Query};
use crate::native::NativeRoutine;

/// A function of the schema's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Routine {
    /// Its name and the types of its input arguments.
    pub signature: Signature,
    /// The input arguments, in order.
    pub arguments: Vec<Argument>,
    /// What it gives.
    pub returns: Returns,
    /// `IMMUTABLE`, `STABLE` or `VOLATILE`.
    pub volatility: Volatility,
    /// `SECURITY DEFINER`: it runs with its owner's rights, so no row security and no privileges of the caller apply
    /// inside of it.
    pub is_security_definer: bool,
    /// `STRICT`: a NULL argument gives NULL, or no row, without running the body.
    pub is_strict: bool,
    /// The statements; the last one gives the outcome. Arguments are columns of [`crate::SourceId::ARGUMENTS`], named
    /// by [`Argument::key`].
    pub body: Vec<RoutineStatement>,
    /// The body as it was written. It is read anew when a table that it names has changed, as on PostgreSQL, where it is
    /// read at every call.
    pub source: String,
    /// `COMMENT ON FUNCTION`.
    pub comment: Option<String>,
    /// Who may call it (`EXECUTE`); `public` is everybody.
    pub executors: Vec<Arc<str>>,
    /// What a PostgreSQL server says of it; it runs the body itself.
    #[serde(default)]
    pub native: Option<NativeRoutine>,
}

/// An input argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Argument {
    /// Its name; one without can only be given by its place.
    pub name: Option<Arc<str>>,
    /// Its type, without modifiers.
    pub data_type: Type,
    /// What it is when it is not given.
    pub default: Option<Expression>,
}

impl Argument {
    /// How the body's expressions name the argument that stands at `place`, from 0: by its name, else `$1`.
    pub fn key(&self, place: usize) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| Arc::from(format!("${}", place + 1)))
    }
}

/// What a routine gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Returns {
    /// The form of one outcome.
    pub result: RoutineResult,
    /// `SETOF`, or `TABLE (...)`: any number of them.
    pub is_set: bool,
}

/// The form of one outcome of a routine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RoutineResult {
    /// `void`
    Void,
    /// A single value, in the only column of the body's last statement.
    Value(Type),
    /// A row.
    Row {
        /// Its columns: name and type.
        columns: Vec<(Arc<str>, Type)>,
        /// The table or view whose rows they are, where it was declared so: what is related to it can be embedded.
        relation: Option<QualifiedName>,
    },
}

/// How often a routine may give something else for the same arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Volatility {
    Immutable,
    Stable,
    Volatile,
}

/// One statement of a routine's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RoutineStatement {
    /// `SELECT`
    Query(Query),
    /// `INSERT`
    Insert(Insertion),
    /// `UPDATE`
    Update(Modification),
    /// `DELETE`
    Delete(Deletion),
}

/// `INSERT INTO table (columns) SELECT ... ON CONFLICT ... RETURNING ...`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Insertion {
    /// The table.
    pub table: QualifiedName,
    /// The columns that are given, aligned with the query's.
    pub columns: Vec<Arc<str>>,
    /// The rows; their values have the columns' types.
    pub source: Query,
    /// `ON CONFLICT`.
    pub conflict: Option<InsertionConflict>,
    /// `RETURNING`, over the new row as [`crate::SourceId::ROW`].
    pub returning: Vec<Projection>,
}

/// What an insert does with rows that exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsertionConflict {
    /// The columns that tell that a row exists.
    pub target: Vec<Arc<str>>,
    /// The columns that take the new values (`excluded`); empty leaves the row as it is.
    pub merged: Vec<Arc<str>>,
}

/// `UPDATE table SET ... WHERE ... RETURNING ...`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Modification {
    /// The table.
    pub table: QualifiedName,
    /// The columns and their new values over the old row as [`crate::SourceId::ROW`].
    pub assignments: Vec<(Arc<str>, Expression)>,
    /// Which rows.
    pub filter: Option<Expression>,
    /// `RETURNING`, over the changed row as [`crate::SourceId::ROW`].
    pub returning: Vec<Projection>,
}

/// `DELETE FROM table WHERE ... RETURNING ...`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    /// The table.
    pub table: QualifiedName,
    /// Which rows, as [`crate::SourceId::ROW`].
    pub filter: Option<Expression>,
    /// `RETURNING`, over the row that goes.
    pub returning: Vec<Projection>,
}

impl RoutineStatement {
    /// Its command for messages, and whether it changes rows.
    pub fn command(&self) -> (&'static str, bool) {
        match self {
            Self::Query(_) => ("SELECT", false),
            Self::Insert(_) => ("INSERT", true),
            Self::Update(_) => ("UPDATE", true),
            Self::Delete(_) => ("DELETE", true),
        }
    }

    /// Calls `visit` on every expression of the statement.
    pub fn visit(&self, visit: &mut dyn FnMut(&Expression)) {
        let returning = match self {
            Self::Query(query) => {
                query.visit(visit);
                &[][..]
            }
            Self::Insert(insertion) => {
                insertion.source.visit(visit);
                &insertion.returning
            }
            Self::Update(modification) => {
                modification.assignments.iter().for_each(|(_, value)| value.visit(visit));
                modification.filter.iter().for_each(|filter| filter.visit(visit));
                &modification.returning
            }
            Self::Delete(deletion) => {
                deletion.filter.iter().for_each(|filter| filter.visit(visit));
                &deletion.returning
            }
        };
        returning.iter().for_each(|projection| projection.expression.visit(visit));
    }

    /// The table that it changes.
    pub fn written_table(&self) -> Option<&QualifiedName> {
        match self {
            Self::Query(_) => None,
            Self::Insert(insertion) => Some(&insertion.table),
            Self::Update(modification) => Some(&modification.table),
            Self::Delete(deletion) => Some(&deletion.table),
        }
    }
}

impl Routine {
    /// The command of the first statement that changes rows, if one does.
    pub fn write(&self) -> Option<&'static str> {
        self.body.iter().map(RoutineStatement::command).find(|(_, writes)| *writes).map(|(command, _)| command)
    }

    /// Whether one of `roles` may call it.
    pub fn allows(&self, roles: &[&str]) -> bool {
        self.executors.iter().any(|executor| &**executor == "public" || roles.contains(&&**executor))
    }

    /// Whether the names in `given`, each once, are arguments of it, and those without a default among them.
    pub fn takes(&self, given: &[Arc<str>]) -> bool {
        let is_argument = |name: &Arc<str>| self.arguments.iter().any(|argument| argument.name.as_ref() == Some(name));
        given.iter().all(is_argument)
            && self.arguments.iter().all(|argument| {
                argument.default.is_some() || argument.name.as_ref().is_some_and(|name| given.contains(name))
            })
    }

    /// The columns of a row that it gives; `None` when it gives values or nothing.
    pub fn columns(&self) -> Option<&[(Arc<str>, Type)]> {
        match &self.returns.result {
            RoutineResult::Row { columns, .. } => Some(columns),
            RoutineResult::Void | RoutineResult::Value(_) => None,
        }
    }
}

/// The routines of a snapshot. JSON has no maps with structured keys; a routine carries its signature anyway.
pub(crate) mod as_list {
    use serde::{Deserializer, Serializer};

    use super::{Arc, BTreeMap, Deserialize, Routine, Signature};

    pub(crate) fn serialize<S: Serializer>(
        routines: &BTreeMap<Signature, Arc<Routine>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(routines.values())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Signature, Arc<Routine>>, D::Error> {
        let routines: Vec<Arc<Routine>> = Vec::deserialize(deserializer)?;
        Ok(routines.into_iter().map(|routine| (routine.signature.clone(), routine)).collect())
    }
}
