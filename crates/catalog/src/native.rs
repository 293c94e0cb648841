//! What a PostgreSQL server has beside what both engines have. There the server itself types values, enforces grants and
//! policies, and carries writes through views; a plan only names things and says what is asked.

use std::sync::Arc;

use base::QualifiedName;
use datatype::Type;
use serde::{Deserialize, Serialize};

use crate::expression::{Binary, Expression, SourceId};
use crate::routine::Volatility;

/// Which engine's rules a catalog follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Engine {
    /// The embedded one: Pando types values, enforces grants and policies, and runs the bodies of functions.
    #[default]
    Embedded,
    /// A PostgreSQL server, which does all of that itself.
    Postgres,
}

/// A setting of PostgreSQL's with its value, as `ALTER ROLE ... SET` and `CREATE FUNCTION ... SET` keep it.
pub type Setting = (Arc<str>, Arc<str>);

/// The setting whose value is the isolation level of transactions.
const ISOLATION: &str = "default_transaction_isolation";

/// How much a transaction sees of others that run beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

impl Isolation {
    /// What `default_transaction_isolation` says among settings, if it stands there. `read uncommitted` is
    /// `read committed`, as PostgreSQL itself has it.
    pub fn among(settings: &[Setting]) -> Option<Self> {
        let (_, value) = settings.iter().rev().find(|(name, _)| &**name == ISOLATION)?;
        Some(match value.to_ascii_lowercase().as_str() {
            "serializable" => Self::Serializable,
            "repeatable read" => Self::RepeatableRead,
            _ => Self::ReadCommitted,
        })
    }
}

/// What a PostgreSQL server says of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeRelation {
    /// What it is.
    pub kind: NativeRelationKind,
    /// Whether rows can be inserted, directly or by a rule or trigger (`pg_relation_is_updatable`).
    pub is_insertable: bool,
    /// Whether rows can be changed.
    pub is_updatable: bool,
    /// Whether rows can be removed.
    pub is_deletable: bool,
    /// The functions that take a row of it and give a value: they are read like columns.
    pub computed: Vec<ComputedColumn>,
    /// Whether a trigger may make another row of one that is written, before it is looked at.
    #[serde(default)]
    pub rewrites_rows: bool,
    /// Whether a write changes nothing but its rows and what foreign keys change with them: it has no trigger or rule of the schema's own, no
    /// part or whole of it is another table, and none of its defaults, checks and policies calls a function of the schema that may write.
    #[serde(default)]
    pub is_plain: bool,
}

/// A function over a row that is read like a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputedColumn {
    /// Its name.
    pub name: Arc<str>,
    /// What it gives.
    pub data_type: Type,
    /// The function, whose name is the column's.
    pub function: QualifiedName,
    /// Whether it may see or do more than its row says.
    pub volatility: Volatility,
}

/// The kinds of relation that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum NativeRelationKind {
    Table,
    PartitionedTable,
    ForeignTable,
    View,
    MaterializedView,
}

/// What a PostgreSQL server says of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeColumn {
    /// Its type as `format_type` prints it: SQL text of the server's own.
    pub type_name: Arc<str>,
    /// Its default as `pg_get_expr` prints it, `nextval('...')` of an identity included: SQL text of the server's own.
    pub default: Option<Arc<str>>,
    /// How its values look outside, where it is of a domain that says so.
    #[serde(default)]
    pub representation: Option<Arc<Representation>>,
}

/// How values of a domain look outside: the functions of the casts that happen by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Representation {
    /// From the domain to `json`: how it is shown.
    pub to_json: Option<QualifiedName>,
    /// From `json` to the domain: how it is read from a body.
    pub from_json: Option<QualifiedName>,
    /// From `text` to the domain: how it is read from a filter.
    pub from_text: Option<QualifiedName>,
}

/// A row type that is no relation's (`CREATE TYPE ... AS (...)`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompositeType {
    /// Its name.
    pub name: QualifiedName,
    /// Its members in order: name and type. Each may be NULL.
    pub members: Vec<(Arc<str>, Type)>,
}

/// What a PostgreSQL server says of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeRoutine {
    /// The types of its input arguments as `format_type` prints them, in order.
    pub argument_types: Vec<Arc<str>>,
    /// Whether its last argument takes any number of values.
    pub is_variadic: bool,
    /// Whether it gives records whose columns only it knows (`RETURNS record`).
    #[serde(default)]
    pub gives_records: bool,
    /// The media type that its outcome is, for a domain that is named after one.
    pub media_type: Option<Arc<str>>,
    /// Its `SET` clauses.
    #[serde(default)]
    pub settings: Vec<Setting>,
}

/// An aggregate that makes rows a media type of the schema's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaHandler {
    /// The aggregate.
    pub function: QualifiedName,
    /// The relation whose rows it takes; `None` where it takes any.
    pub target: Option<QualifiedName>,
    /// What it gives; `*/*` says itself what it is.
    pub media_type: Arc<str>,
}

/// Operators and functions that only a PostgreSQL server has.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NativeFunction {
    /// An operator between two operands.
    Operator(NativeOperator),
    /// `left operator ANY (array)`, or `ALL`: the second operand is an array or a set.
    Quantified {
        /// The comparison.
        operator: Binary,
        /// `ALL`
        is_all: bool,
    },
    /// `vector @@ query(configuration, text)`: the operands are what is searched, the query, and the configuration if
    /// there is one.
    Search {
        /// How the query is read.
        query: SearchQuery,
        /// Whether what is searched is a document that is yet to become a `tsvector`.
        is_document: bool,
    },
    /// `IS UNKNOWN`
    IsUnknown,
    /// Whether an outer join found a row of a source; no operands.
    HasRow(SourceId),
    /// `to_jsonb(value)`
    ToJsonb,
    /// A function of the schema's over its only operand.
    Apply(QualifiedName),
    /// The same function over each of its operands, which are texts: a set, for [`NativeFunction::Quantified`].
    ApplyEach(QualifiedName),
}

/// How a full text query is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are PostgreSQL's: to_tsquery, plainto_tsquery, ...")]
pub enum SearchQuery {
    ToTsquery,
    Plain,
    Phrase,
    WebSearch,
}

/// The operators of arrays, ranges and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NativeOperator {
    /// `@>`
    Contains,
    /// `<@`
    ContainedBy,
    /// `&&`
    Overlaps,
    /// `<<`
    StrictlyLeft,
    /// `>>`
    StrictlyRight,
    /// `&<`
    NotRightOf,
    /// `&>`
    NotLeftOf,
    /// `-|-`
    Adjacent,
}

/// The call of a function in `FROM`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NativeCall {
    /// The function.
    pub name: QualifiedName,
    /// What it is given.
    pub arguments: NativeArguments,
    /// Of a function that gives values: what its only column is called.
    pub value_name: Option<Arc<str>>,
    /// Whether it is called for each row of a `SELECT` instead: a record of any columns cannot stand in `FROM`.
    #[serde(default)]
    pub is_selected: bool,
}

/// What a function in `FROM` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NativeArguments {
    /// Members of a JSON object, by their names.
    Named {
        /// The object.
        document: Expression,
        /// The members that are given.
        arguments: Vec<NativeArgument>,
    },
    /// A single value for its only argument.
    Whole {
        /// The value.
        value: Expression,
        /// The argument's type.
        type_name: Arc<str>,
    },
    /// A row: the function computes a relationship.
    Row {
        /// Whose row.
        source: SourceId,
        /// Of a row that was written: which of its columns is the whole row, of the relation's own type.
        column: Option<Arc<str>>,
    },
}

/// A member of the object that a function is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeArgument {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub type_name: Arc<str>,
    /// Whether it is an array of all values of a variadic argument.
    pub is_variadic: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_isolation_level_is_found_in_any_case_and_the_last_one_counts() {
        let settings = |values: &[&str]| -> Vec<Setting> {
            let isolation = values.iter().map(|value| (Arc::from(ISOLATION), Arc::from(*value)));
            std::iter::once((Arc::from("work_mem"), Arc::from("serializable"))).chain(isolation).collect()
        };
        for (values, expected) in [
            (&[][..], None),
            (&["serializable"], Some(Isolation::Serializable)),
            (&["REPEATABLE READ"], Some(Isolation::RepeatableRead)),
            (&["read uncommitted"], Some(Isolation::ReadCommitted)),
            (&["serializable", "read committed"], Some(Isolation::ReadCommitted)),
        ] {
            assert_eq!(Isolation::among(&settings(values)), expected, "{values:?}");
        }
    }
}
