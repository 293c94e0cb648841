//! What to do: a request, the catalog and the caller become a [`Plan`] in which every name is resolved, every value
//! has its column's type, and row security is woven in; and a [`base::Footprint`] of what it touches. Pure: no
//! engine, no clock, no SQL dialect.
//!
//! Where to look: a filter operator's meaning is in `filter.rs` (its spelling is in `rest`), embeds are resolved in
//! `embed.rs`, policies are woven in `security.rs`, privileges are checked in `admit.rs`.

mod admit;
mod dependence;
mod effects;
mod embed;
mod error;
mod evaluate;
mod examine;
mod field;
mod filter;
mod form;
mod model;
mod native;
mod order;
mod planner;
mod read;
mod representation;
mod routine;
mod security;
mod settings;
mod unresolved;
mod value;
mod values;
mod write;

pub use admit::{admit, allowed_methods};
pub use dependence::{Dependence, dependence};
pub use effects::changed;
pub use error::PlanError;
pub use examine::examine;
pub use model::{
    Access, Batch, Call, CallOutcome, CallStep, Conflict, Counting, Delete, Expectation, Insert, KeyColumn, Level,
    Member, Merge, NativeConflict, NativeInsert, NativeWrite, NativeWriteKind, Operation, OutputField, Plan, Put, Read,
    RowCheck, Shape, Update,
};
pub use planner::{Context, plan};
pub use settings::{Limits, Settings};
pub use unresolved::Unresolved;
