use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::{QualifiedName, Signature};

/// Some or all columns of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnSet {
    names: BTreeSet<Arc<str>>,
}

impl ColumnSet {
    /// Adds a column.
    pub fn insert(&mut self, column: Arc<str>) {
        self.names.insert(column);
    }

    /// The columns in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.iter()
    }

    /// Whether there is none. A relation may be read without naming a column (`count()`).
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether the column is in it.
    pub fn contains(&self, column: &str) -> bool {
        self.names.contains(column)
    }
}

/// What a request does to one relation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touch {
    /// Columns whose values decide or appear in the answer.
    pub reads: Option<ColumnSet>,
    /// Columns given to new rows.
    pub inserts: Option<ColumnSet>,
    /// Columns changed in existing rows.
    pub updates: Option<ColumnSet>,
    /// Whether rows are removed.
    pub deletes: bool,
}

impl Touch {
    /// Whether anything is written.
    pub fn is_write(&self) -> bool {
        self.inserts.is_some() || self.updates.is_some() || self.deletes
    }
}

/// How fresh the answer has to be, the strictest first. As text `strong`, `5` (seconds), `session`, `eventual`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Freshness {
    /// Everything acknowledged before this request, whoever wrote it.
    Strong,
    /// What this client has seen, by the position that it shows, and nothing else older than so many seconds.
    Bounded {
        /// The most seconds.
        seconds: u32,
    },
    /// What this client has seen, by the position that it shows; of the rest, what the operator's bound of lag allows.
    #[default]
    Session,
    /// Whatever there is.
    Eventual,
}

impl FromStr for Freshness {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "strong" => Ok(Self::Strong),
            "session" => Ok(Self::Session),
            "eventual" => Ok(Self::Eventual),
            seconds if seconds.bytes().all(|byte| byte.is_ascii_digit()) => {
                seconds.parse().map(|seconds| Self::Bounded { seconds }).map_err(|_| ())
            }
            _ => Err(()),
        }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Strong => f.write_str("strong"),
            Self::Bounded { seconds } => write!(f, "{seconds}"),
            Self::Session => f.write_str("session"),
            Self::Eventual => f.write_str("eventual"),
        }
    }
}

/// What a request costs before it runs: numbers from its shape, not from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Relations embedded, at all levels.
    pub embeds: u32,
    /// The deepest embed; 0 without one.
    pub depth: u32,
    /// Conditions in filters and logic trees.
    pub filters: u32,
    /// The most rows the top level can give, or an insert gives again; `None` when nothing bounds it, as nothing bounds how many an
    /// update, a deletion or a function that writes touches.
    pub rows: Option<u64>,
    /// Whether the top level is found by a unique key, so that at most one row is touched.
    pub is_point: bool,
    /// Whether it reads a few rows of one table, found and ordered by keys or indexes as far as the catalog knows them: by all that can be
    /// said it is over at once.
    pub is_short: bool,
    /// Rows that the request brings along to be written.
    pub written_rows: u64,
    /// Whether the top level is searched by conditions of which none has an index, as far as the catalog knows them. On a
    /// PostgreSQL server it does not.
    pub is_unindexed: bool,
}

/// Everything a request touches, computed once by `plan`. It alone decides privileges, routing and price: no other place may guess.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    /// Per relation, what happens to it. What policies read through subqueries is in it (the caller's rights count
    /// there); what a view reads inside is not (its owner's rights count), as on PostgreSQL.
    pub touches: BTreeMap<QualifiedName, Touch>,
    /// The routines that are called with the caller's rights, those called inside of them included.
    pub calls: BTreeSet<Signature>,
    /// The relations and functions that the request itself names, those that join embeds among them; not what policies and
    /// bodies of functions reach for. It is the same on both engines, and what an API key may be bound to.
    pub named: BTreeSet<QualifiedName>,
    /// How fresh the answer has to be.
    pub freshness: Freshness,
    /// What it costs.
    pub cost: Cost,
}

impl Footprint {
    /// Whether anything is written.
    pub fn is_write(&self) -> bool {
        self.touches.values().any(Touch::is_write)
    }

    /// Notes that `column` of `relation` is read.
    pub fn read(&mut self, relation: &QualifiedName, column: Option<&Arc<str>>) {
        let reads = self.touch(relation).reads.get_or_insert_default();
        if let Some(column) = column {
            reads.insert(column.clone());
        }
    }

    /// The entry of `relation`, made when it is not there yet.
    pub fn touch(&mut self, relation: &QualifiedName) -> &mut Touch {
        self.touches.entry(relation.clone()).or_default()
    }
}
