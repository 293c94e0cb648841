//! Where: the drivers behind one promise. The only way in is [`open`]; which engine answers, nobody above knows.

mod audit;
mod body;
mod changes;
mod counted;
mod driver;
mod error;
mod follower;
mod guard;
pub mod idempotency;
mod own;
mod own_migration;
mod pieces;
mod position;
mod postgres;
mod precondition;
mod shelf;
mod sqlite;
mod watching;

use std::sync::Arc;

use base::Clock;

pub use audit::{AuditKey, AuditSettings, AuditValues, Unwatched};
pub use changes::{Changes, MOST_ROWS, Sources, Stamp, Touched, UnderWay};
pub use driver::{
    AppliedMigration, Body, BoxFuture, CatalogReading, FallbackReason, Gauges, GuardOutcome, Job, Migration,
    MigrationOutcome, MigrationScript, OWED_VERSION, Observer, Operation, Ran, Rendered, ReplicaGauges, ReplicasGauges,
    Reply, RequestFacts, SEED_VERSION, SeedDebt, SharedReads, Store,
};
pub use error::{StoreError, Violation, ViolationKind};
pub use follower::{FOLLOW_EVERY, Follower, Follows, OVERLAP};
pub use idempotency::{Digest, Idempotency, KeptAnswer};
pub use own::{OwnAnswer, OwnExpectation, OwnRow, OwnStep, OwnValue};
pub use own_migration::{OwnMigration, OwnMigrations, OwnTable};
pub use pieces::{Piece, Pieces};
pub use position::{PositionKey, PositionToken};
pub use postgres::{
    Authenticator, BootstrapOutcome, BootstrapSettings, BootstrapStep, OwnGrant, ReplicaSettings,
    Settings as PostgresSettings, SharedMoment, bootstrap, check_address, role_settings,
};
pub use precondition::{Precondition, precondition_failed};
pub use shelf::Shelf;
pub use sql::OwnStatement;
pub use sqlite::keeping;
pub use sqlite::{CheckAtStart, Settings as SqliteSettings};
pub use watching::{CHANGES, DeclaredFunction, WatchSettings};

/// What to open.
#[allow(clippy::large_enum_variant, reason = "there is one of it, for a moment")]
#[derive(Debug, Clone)]
pub enum Config {
    /// The embedded engine: a single file.
    Sqlite(SqliteSettings),
    /// A PostgreSQL server.
    Postgres(PostgresSettings),
}

/// Opens the engine, creating the file of the embedded one when there is none.
///
/// # Errors
/// When the file is damaged, locked, or not one of Pando's: it is never replaced by an empty one.
pub async fn open(
    config: Config,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, StoreError> {
    match config {
        Config::Postgres(settings) => postgres::open(settings, clock, observer).await,
        Config::Sqlite(settings) => Ok(sqlite::open(settings, clock, observer)?),
    }
}
