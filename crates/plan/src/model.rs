//! The plan: what to do, with every name resolved and every value typed.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Footprint, QualifiedName};
use catalog::{ClaimsAsked, Expression, From, MediaHandler, Query, Relation, Sort};
use datatype::{Datum, Type, Zone};
use rest::{Explain, Format};

use crate::unresolved::Unresolved;

/// What to do for one request.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What to do.
    pub operation: Operation,
    /// What it touches.
    pub footprint: Footprint,
    /// The form of the answer's body.
    pub format: Format,
    /// The zone in which moments are printed and read.
    pub zone: Zone,
    /// What must hold of the outcome.
    pub expectation: Expectation,
    /// How the rows are put into the body.
    pub shape: Shape,
    /// Whether anything may be changed.
    pub access: Access,
    /// `Content-Type` of the body, where it is not that of the request's format.
    pub media_type: Option<Arc<str>>,
    /// The aggregate that makes the rows a media type of the schema's own.
    pub handler: Option<Arc<MediaHandler>>,
    /// How the plan of the statement is wanted, instead of what it gives.
    pub explain: Option<Explain>,
    /// The names in the statement that the server may not find.
    pub unresolved: Vec<Unresolved>,
    /// What of the caller's claims was put into it.
    pub claims: ClaimsAsked,
    /// Whether the moment at which it was planned was put into it.
    pub is_of_moment: bool,
}

impl Plan {
    /// The form of the body: that of the rows, or of the plan that is answered instead.
    pub fn body_format(&self) -> Format {
        if self.explain.is_some() { Format::Plan } else { self.format }
    }
}

/// How rows are put into the body. Tables give rows in an array; functions may give less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// The first row itself, not in an array.
    pub is_single: bool,
    /// Of each row the value in its only column, not an object.
    pub is_value: bool,
    /// No body at all.
    pub is_void: bool,
}

/// What a plan does.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Reads rows.
    Read(Read),
    /// Adds rows, or changes those that exist.
    Insert(Insert),
    /// Changes rows.
    Update(Update),
    /// Removes rows.
    Delete(Delete),
    /// Runs a function that writes.
    Call(Call),
    /// Writes rows on a PostgreSQL server.
    Write(NativeWrite),
}

/// Whether a plan may change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// The transaction is read-only.
    #[default]
    ReadOnly,
    /// Rows may be written, by the statement itself or by a function that it calls.
    ReadWrite,
}

/// A write that a PostgreSQL server types, checks and carries through views.
#[derive(Debug, Clone)]
pub struct NativeWrite {
    /// The relation.
    pub relation: Arc<Relation>,
    /// What is done.
    pub kind: NativeWriteKind,
    /// What is answered of the rows.
    pub returning: Option<Level>,
    /// The primary key, if the answer tells where the row is.
    pub location: Option<Vec<KeyColumn>>,
    /// What the written row is called as a whole, where a function takes it.
    pub row: Option<Arc<str>>,
}

/// What a native write does.
#[derive(Debug, Clone)]
pub enum NativeWriteKind {
    /// Adds rows, or changes those that exist.
    Insert(NativeInsert),
    /// Changes rows.
    Update {
        /// The columns that are set.
        columns: Vec<Arc<str>>,
        /// Their values: an array of one JSON object.
        document: String,
        /// Whether columns that the object lacks take their defaults instead of NULL.
        applies_defaults: bool,
        /// Which rows, over the row as [`catalog::SourceId::ROW`]; all of them hold.
        filter: Vec<Expression>,
    },
    /// Removes rows.
    Delete {
        /// Which rows.
        filter: Vec<Expression>,
    },
}

/// An insert, upsert or put on a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct NativeInsert {
    /// The columns that are given.
    pub columns: Vec<Arc<str>>,
    /// Their values: an array of JSON objects.
    pub document: String,
    /// How many objects there are.
    pub rows: u64,
    /// Whether columns that an object lacks take their defaults instead of NULL.
    pub applies_defaults: bool,
    /// What happens when a row exists already.
    pub conflict: Option<NativeConflict>,
    /// Of a `PUT`: what must hold of the row that is sent.
    pub put: Vec<Expression>,
}

/// How a native insert deals with rows that exist.
#[derive(Debug, Clone)]
pub struct NativeConflict {
    /// The columns that tell that a row exists.
    pub target: Vec<Arc<str>>,
    /// The columns that take the new values; none leaves the row as it is.
    pub merged: Vec<Arc<str>>,
}

/// A call of a function that writes: its statements in order, in one transaction.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function.
    pub name: QualifiedName,
    /// The statements that write. A last one that answers has a `returning`.
    pub steps: Vec<CallStep>,
    /// Where the answer comes from.
    pub outcome: CallOutcome,
    /// Whether the rows of the answer are counted.
    pub counts: bool,
    /// The columns that are null when a single row is wanted and none was written.
    pub nulls: Vec<Arc<str>>,
}

/// A statement of a function that writes.
#[derive(Debug, Clone)]
pub enum CallStep {
    /// Adds the rows of a query; the only batch of `insert` names their columns.
    Insert {
        /// The rows.
        source: Query,
        /// What is done with them.
        insert: Box<Insert>,
    },
    /// Changes rows.
    Update(Update),
    /// Removes rows.
    Delete(Delete),
}

/// Where the answer of a function that writes comes from.
#[derive(Debug, Clone)]
pub enum CallOutcome {
    /// There is none.
    Nothing,
    /// From the rows that the last statement wrote.
    Written,
    /// From a query after them.
    Read(Box<Level>),
}

impl CallStep {
    /// Whether its rows are the answer.
    pub fn answers(&self) -> bool {
        match self {
            Self::Insert { insert, .. } => insert.returning.is_some(),
            Self::Update(update) => update.returning.is_some(),
            Self::Delete(delete) => delete.returning.is_some(),
        }
    }
}

/// What must hold of the outcome; otherwise it is undone and refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expectation {
    /// Exactly one row (PGRST116).
    pub exactly_one: bool,
    /// At most so many rows affected (PGRST124).
    pub max_affected: Option<u64>,
}

/// A read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The top level.
    pub level: Level,
    /// Whether, and how exactly, all fitting rows are counted beyond the page.
    pub counts: Option<Counting>,
    /// Whether the rows themselves are wanted ([`rest::ApiRequest::wants_body`]).
    pub wants_body: bool,
}

/// How exactly rows are counted. The embedded engine counts exactly whatever is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// All of them.
    Exact,
    /// All of them, as they come: what gives one outcome is not run again for that.
    WithRows,
    /// The engine's estimate.
    Planned,
    /// Exactly up to so many, the larger of count and estimate beyond; without a bound, always.
    Estimated {
        /// The bound: the most rows that a read gives.
        up_to: Option<u64>,
    },
}

/// The rows of one relation, the members of each, and what is embedded below.
#[derive(Debug, Clone)]
pub struct Level {
    /// The relation and what is joined to it: to-one embeds, the join table of a many-to-many embed.
    pub from: From,
    /// What each row becomes, in order.
    pub members: Arc<[Member]>,
    /// What must hold of a row; all of them.
    pub filter: Vec<Expression>,
    /// Whether rows are folded into groups.
    pub is_aggregated: bool,
    /// What makes a group; empty folds all rows into one.
    pub group_by: Vec<Expression>,
    /// The order.
    pub order: Vec<Sort>,
    /// Whether rows that nothing orders come as they are stored: of a table, not of a view or of groups. PostgreSQL
    /// mostly gives them so, and pages without an order would otherwise overlap.
    pub is_stored_order: bool,
    /// The most rows.
    pub limit: Option<u64>,
    /// How many are left out first.
    pub offset: u64,
    /// For an embedded level: pairs of the enclosing row's key and this level's expression that must equal it.
    pub keys: Vec<(Expression, Expression)>,
}

/// One member of a row's output.
#[derive(Debug, Clone)]
pub enum Member {
    /// A single value.
    Value(OutputField),
    /// A joined row: an object, or null when there is none.
    One {
        /// Its name.
        name: Arc<str>,
        /// Not null exactly when there is a row.
        presence: Expression,
        /// The object's members.
        members: Vec<Member>,
    },
    /// The rows of an embedded level: an array, or with `is_to_one` its first row or null.
    Rows {
        /// Its name.
        name: Arc<str>,
        /// The level.
        level: Box<Level>,
        /// Whether an object is wanted.
        is_to_one: bool,
    },
    /// The rows of an embedded level turned on their side: for each of its members an array, in the row itself.
    SpreadRows {
        /// The level.
        level: Box<Level>,
    },
}

/// A named value.
#[derive(Debug, Clone)]
pub struct OutputField {
    /// Its name in the answer.
    pub name: Arc<str>,
    /// Where it comes from.
    pub expression: Expression,
}

/// A condition that each written row must fulfil.
#[derive(Debug, Clone)]
pub struct RowCheck {
    /// The condition over the row as [`catalog::SourceId::ROW`].
    pub condition: Expression,
}

/// An insert, upsert or put.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The relation as the client named it.
    pub relation: Arc<Relation>,
    /// The table that is written.
    pub table: Arc<Relation>,
    /// Rows, in the body's order, cut where the set of given columns changes.
    pub batches: Vec<Batch>,
    /// What happens when a row exists already.
    pub conflict: Option<Conflict>,
    /// Row security for new rows.
    pub check: Option<RowCheck>,
    /// What is answered of the rows.
    pub returning: Option<Level>,
    /// The primary key, if the answer tells where the row is: names as the relation shows them, and the table's columns.
    pub location: Option<Vec<KeyColumn>>,
    /// The row that a `PUT` addresses.
    pub put: Option<Put>,
}

/// A column of a primary key: as the relation shows it, and as the table has it.
#[derive(Debug, Clone)]
pub struct KeyColumn {
    /// Its name in the URL.
    pub name: Arc<str>,
    /// The table's column.
    pub physical: Arc<str>,
    /// Its type.
    pub data_type: Type,
}

/// Rows that give the same columns.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The table's columns.
    pub columns: Vec<Arc<str>>,
    /// Their values, row by row.
    pub rows: Vec<Vec<Datum>>,
}

/// How an insert deals with rows that exist.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// The columns that tell that a row exists.
    pub target: Vec<Arc<str>>,
    /// What is done with it; `None` leaves it as it is.
    pub merge: Option<Merge>,
}

/// How an existing row is changed by an upsert.
#[derive(Debug, Clone)]
pub struct Merge {
    /// The columns that take the new values.
    pub columns: Vec<Arc<str>>,
    /// Row security: which existing rows may be changed.
    pub visible: Option<RowCheck>,
    /// Row security: what a changed row must fulfil.
    pub check: Option<RowCheck>,
}

/// The row that a `PUT` addresses: its key as the URL gave it.
#[derive(Debug, Clone)]
pub struct Put {
    /// Column and value.
    pub key: BTreeMap<Arc<str>, Datum>,
}

/// A change of rows.
#[derive(Debug, Clone)]
pub struct Update {
    /// The relation as the client named it.
    pub relation: Arc<Relation>,
    /// The table that is written.
    pub table: Arc<Relation>,
    /// The table's columns and their new values. Empty changes nothing and answers no row.
    pub assignments: Vec<(Arc<str>, Expression)>,
    /// Which rows, over the row as [`catalog::SourceId::ROW`]; all of them hold.
    pub filter: Vec<Expression>,
    /// Row security for the changed rows.
    pub check: Option<RowCheck>,
    /// What is answered of the rows.
    pub returning: Option<Level>,
}

/// A removal of rows.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The relation as the client named it.
    pub relation: Arc<Relation>,
    /// The table that is written.
    pub table: Arc<Relation>,
    /// Which rows.
    pub filter: Vec<Expression>,
    /// What is answered of the rows, read before they go.
    pub returning: Option<Level>,
}

impl Operation {
    /// Whether an insert looks for rows that exist.
    pub fn resolves_duplicates(&self) -> bool {
        match self {
            Self::Insert(insert) => insert.conflict.is_some(),
            Self::Write(NativeWrite { kind: NativeWriteKind::Insert(insert), .. }) => insert.conflict.is_some(),
            _ => false,
        }
    }

    /// The table that is written, if one is.
    pub fn written_table(&self) -> Option<&QualifiedName> {
        match self {
            Self::Read(_) => None,
            Self::Insert(insert) => Some(&insert.table.name),
            Self::Update(update) => Some(&update.table.name),
            Self::Delete(delete) => Some(&delete.table.name),
            Self::Write(write) => Some(&write.relation.name),
            Self::Call(_) => None,
        }
    }
}
