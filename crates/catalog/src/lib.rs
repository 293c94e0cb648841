//! What exists: relations, keys, relationships, roles, grants and policies, as an immutable snapshot that requests
//! read without a lock. It is plain data (serialisable, so that the embedded engine can keep it inside the
//! database file) with the look-ups that `plan` needs. It knows no wire and no engine.

mod dependence;
mod document;
mod expression;
mod inline;
mod native;
mod privilege;
mod relation;
mod relationship;
mod role;
mod routine;
mod snapshot;
mod suggestion;
mod trigger;

pub use dependence::{ClaimsAsked, Dependence};
pub use document::{DocumentFault, DocumentSchema, DocumentSchemas, cut_comment, schema_of};
pub use expression::{
    Binary, Collect, Collection, Direction, Expression, From, Function, Join, JoinKind, MOST_LEVELS, MOST_PARTS, Place,
    Projection, Query, RowCount, SetOperation, Sort, Source, SourceId,
};
pub use inline::{InnerSource, Placement};
pub use native::{
    CompositeType, ComputedColumn, Engine, Isolation, MediaHandler, NativeArgument, NativeArguments, NativeCall,
    NativeColumn, NativeFunction, NativeOperator, NativeRelation, NativeRelationKind, NativeRoutine, Representation,
    SearchQuery, Setting,
};
pub use privilege::{Grant, Privilege};
pub use relation::{
    Check, Column, Command, DefaultValue, Domain, DomainCheck, ForeignKey, Generated, Identity, Index, IndexTerm,
    Origin, Policy, ReferentialAction, Relation, RelationKind, Unique, Updatable, View,
};
pub use relationship::{Cardinality, Junction, Relationship};
pub use role::{Role, RoleStanding};
pub use routine::{
    Argument, Deletion, Insertion, InsertionConflict, Modification, Returns, Routine, RoutineResult, RoutineStatement,
    Volatility,
};
pub use snapshot::{Catalog, ComputedRelationship, DefaultExecutor, DefaultGrant, Snapshot};
pub use suggestion::{nearest, nearest_related, nearest_routine, similar_columns};
pub use trigger::{Event, Timing, Trigger, TriggerFunction};
