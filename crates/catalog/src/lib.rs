//! What exists: relations, keys, relationships, roles, grants and policies, as an immutable snapshot that requests
//! read without a lock. It is plain data (serialisable, so that the embedded engine can keep it inside the
//! database file) with the look-ups that `plan` needs. It knows no wire and no engine.

mod expression;
mod privilege;
mod relation;
mod relationship;
mod role;
mod snapshot;
mod suggestion;

pub use expression::{
    Binary, Collect, Collection, Direction, Expression, From, Function, Join, JoinKind, Projection, Query,
    SetOperation, Sort, Source, SourceId,
};
pub use privilege::{Grant, Privilege};
pub use relation::{
    Check, Column, Command, DefaultValue, ForeignKey, Generated, Identity, Index, Origin, Policy, ReferentialAction,
    Relation, RelationKind, Unique, Updatable, View,
};
pub use relationship::{Cardinality, Junction, Relationship};
pub use role::{Role, RoleStanding};
pub use snapshot::{Catalog, DefaultGrant, Snapshot};
pub use suggestion::{nearest, similar_columns};
