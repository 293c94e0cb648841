//! The promise that every driver keeps. Each sentence here is a case of the conformance suite in `tests/`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{Caller, Timestamp};
use bytes::Bytes;
use catalog::Catalog;
use datatype::Datum;
use plan::Plan;
use sql::OwnStatement;
use sql::ddl::Script;

use crate::audit::Unwatched;
use crate::changes::{Changes, Stamp};
use crate::error::StoreError;
use crate::idempotency::{Idempotency, KeptAnswer};
use crate::own::{OwnAnswer, OwnStep};
use crate::own_migration::OwnMigrations;
use crate::pieces::Pieces;
use crate::position::PositionToken;
use crate::postgres::SharedMoment;
use crate::precondition::Precondition;

/// A future in a box: what an asynchronous method of a trait object gives.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An engine that keeps the data.
pub trait Store: Send + Sync + 'static {
    /// What exists.
    fn catalog(&self) -> Arc<Catalog>;

    /// How long it took to read the catalog that counts and to find its relationships.
    fn catalog_took(&self) -> Duration;

    /// Puts a plan into the engine's words. Pure: nothing is touched.
    ///
    /// # Errors
    /// [`StoreError::Engine`] for a plan that was made from the catalog of another engine.
    fn render(&self, plan: &Plan) -> Result<Arc<Rendered>, StoreError>;

    /// Runs a rendered plan in one transaction.
    ///
    /// - A read sees one moment: its rows, embeds and count belong together.
    /// - A read never waits for a write.
    /// - A write that was answered survives the loss of power; one that failed left nothing behind.
    /// - A write that was kept is answered with a position; a read that shows it sees that write, and everything before it,
    ///   wherever it is answered.
    /// - A write with an [`Idempotency`] is done once, whatever breaks and however many ask for it: all of them are given the answer
    ///   that was kept with it, or are refused and may ask again.
    /// - A write with a [`Precondition`] is done only where the precondition holds in the order in which such writes are kept.
    /// - A write with `commits` off answers as if it had happened, and leaves nothing behind.
    /// - A plan made on an older catalog than the one that its rows would come from is refused as
    ///   [`StoreError::SchemaChanged`]; a streamed body that has begun is finished as it began.
    /// - A streamed body that is not whole, for whatever reason, ends with an error.
    /// - Waiting is bounded: beyond it the answer is [`StoreError::Busy`], and nothing was written.
    fn run(&self, job: Job) -> BoxFuture<'_, Result<Ran, StoreError>>;

    /// Runs statements of the program itself in one transaction, one after another, with the rights of who owns the tables: no
    /// role of a request, no row security. Gives what each of them gave.
    ///
    /// - All of it is kept, or nothing: what fails, and what is not as expected, undoes all of them.
    /// - It is answered after the commit; one that was answered survives the loss of power.
    /// - Each statement sees what those before it did, and what others committed before it; a guarded change (`UPDATE ... WHERE
    ///   version = $2`, of which one row is expected) is won by one of several that try it at once.
    /// - Triggers of the schema's own fire.
    /// - A transaction that met another one is run again by itself; one that may have been kept is not.
    ///
    /// # Errors
    /// [`StoreError::Missed`], [`StoreError::Violated`], [`StoreError::Refused`] for a value that its type does not take, and
    /// what a job meets. A connection that was lost on the way leaves open whether it was kept.
    fn transact(&self, steps: Vec<OwnStep>) -> BoxFuture<'_, Result<Vec<OwnAnswer>, StoreError>>;

    /// Runs statements of the program itself that only read, all in one moment, on the primary: what was committed before is
    /// seen. It never waits for a write.
    ///
    /// # Errors
    /// As [`Store::transact`]; [`StoreError::Engine`] for a statement that writes.
    fn consult(&self, steps: Vec<OwnStep>) -> BoxFuture<'_, Result<Vec<OwnAnswer>, StoreError>>;

    /// Looks whether statements of the program itself make sense over what exists, without running them: for tests, so that none
    /// is found wanting by a user.
    ///
    /// # Errors
    /// [`StoreError::Engine`] with the first that does not, and why.
    fn try_own(&self, statements: &'static [OwnStatement]) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The migrations that were applied, oldest first; with [`SEED_VERSION`] the seed, and with [`OWED_VERSION`] one that is
    /// still to be applied.
    fn applied_migrations(&self) -> BoxFuture<'_, Result<Vec<AppliedMigration>, StoreError>>;

    /// Applies a migration in one transaction, with the catalog that it leads to; afterwards [`Store::catalog`] gives
    /// that. Nothing of one that fails remains. One that another node has applied meanwhile is not applied again.
    fn apply_migration(&self, migration: Migration) -> BoxFuture<'_, Result<MigrationOutcome, StoreError>>;

    /// Applies a step of the program's own tables, unless it was applied: in one transaction, and as [`Store::apply_migration`]
    /// does in turn with other nodes. Tables of the name that are there already are left as they are, and have to fit. What
    /// it makes is nobody's but its owner's: nothing is granted by default.
    ///
    /// # Errors
    /// [`StoreError::Migration`]: what is there does not fit, or the role that logs in may not make it.
    fn apply_own(
        &self,
        migrations: &'static OwnMigrations,
        place: usize,
    ) -> BoxFuture<'_, Result<MigrationOutcome, StoreError>>;

    /// Whether changes are written down: the settings say so, and there is a table for entries.
    fn is_audited(&self) -> bool;

    /// Has the changes of the tables that exist written down, as the settings say it; to be called after migrations. From then on
    /// no change of them is kept without its entry in `pando.audit_entries`, and no entry without its change, whatever changes
    /// the row. Gives the tables of which that cannot be said, each with the reason.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when nothing could be done, with what the server said.
    fn audit(&self) -> BoxFuture<'_, Result<Vec<Unwatched>, StoreError>>;

    /// Reads anew what exists, where others than this process may have changed it, and puts it in the place of the older
    /// catalog. Requests go on meanwhile. However many ask, one reading is under way and one more waits for it.
    ///
    /// # Errors
    /// The first reading that began afterwards failed: the older catalog stays, and it is tried again until it is read.
    fn reload(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// What changes, for whoever keeps answers; `None` where changes are not watched.
    ///
    /// - From before a change of a watched table can be seen by anybody until after everybody sees it, its counters are odd, or what
    ///   it does counts no later than when [`Store::catch_up`] ends that began after everybody saw it.
    fn changes(&self) -> Option<&Changes> {
        None
    }

    /// Whether changes count in [`Store::changes`] by themselves, no later than they are seen: nobody else can make any.
    fn is_always_caught_up(&self) -> bool {
        false
    }

    /// Waits until every change of a watched table that was committed before this call, by whomever, counts in
    /// [`Store::changes`]. Many who wait at once share one look. Gives how far the data had come when the last of them was
    /// done, where servers tell: a read that shows as much shows all of them. A stamp that is taken later may count more
    /// ([`Store::counted`]).
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] and [`StoreError::Timeout`]: nothing is known, so nothing that was kept may be shown.
    fn catch_up(&self) -> BoxFuture<'_, Result<Option<PositionToken>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    /// Whether a function of the schema runs before each request, of which nobody knows what it changes.
    fn runs_before_each(&self) -> bool {
        false
    }

    /// How far the data had come at most when what counts in [`Store::changes`] was done, where servers tell. A read that is to be
    /// kept has to show that much: take the stamp first, then ask for this, then read.
    fn counted(&self) -> Option<PositionToken> {
        None
    }

    /// The same, with a moment that other nodes understand, where there are other nodes: a read that shows as much as the position says shows
    /// all that the moment sees.
    fn counted_with_moment(&self) -> Option<(PositionToken, SharedMoment)> {
        None
    }

    /// Whether an answer of another node may be taken for one that was read after this stamp was: an answer that shows all that
    /// `moment` sees shows every change that counted when the stamp was taken, of all that the stamp is about. Take the stamp first.
    fn sees_what_counts(&self, _moment: &SharedMoment, _stamp: &Stamp) -> bool {
        false
    }

    /// When the last look began that was answered, where it is looked for changes ([`Store::catch_up`]).
    fn looked(&self) -> Option<Instant> {
        None
    }

    /// Whether all that was committed before somebody was given this position counts in [`Store::changes`]. It may say that it does not
    /// although it does, as for a while after the position was given.
    fn knows(&self, _position: &PositionToken) -> bool {
        false
    }

    /// Has the changes noted of the tables that answers are kept of, and of what those depend on; to be called after migrations. Gives
    /// the tables of which changes are not noticed, each with the reason.
    ///
    /// # Errors
    /// [`StoreError::Engine`] when nothing could be done, with what the server said.
    fn watch(&self) -> BoxFuture<'_, Result<Vec<Unwatched>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The state of pools and queues.
    fn gauges(&self) -> Gauges;

    /// Whether the engine answers.
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether the whole file was looked through for damage when it was opened.
    fn was_checked(&self) -> bool;

    /// Looks the whole file through for damage, beside the requests, for as long as it takes or until the store is
    /// closed. The log of writes grows meanwhile, since the pages of that moment are kept.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when it is damaged.
    fn check_whole(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Finishes what is queued and closes the files; on a server, what still runs is cancelled: nobody waits for it any
    /// more. Jobs that come later are refused as [`StoreError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A plan in an engine's words.
#[derive(Debug, Clone)]
pub enum Rendered {
    /// For the embedded engine.
    Sqlite(sql::sqlite::Rendered),
    /// For a PostgreSQL server.
    Postgres(Box<sql::postgres::Rendered>),
}

impl Rendered {
    /// Whether these are the same statements of a read.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sqlite(sql::sqlite::Rendered::Read(one)), Self::Sqlite(sql::sqlite::Rendered::Read(other))) => {
                one == other
            }
            (Self::Postgres(one), Self::Postgres(other)) => one == other,
            _ => false,
        }
    }

    /// The same read with other values of the request's conditions, by their places; `None` for writes, and where one of them has no
    /// place.
    pub fn with_values(&self, values: &[(u16, Datum)]) -> Option<Self> {
        match self {
            Self::Sqlite(rendered) => rendered.with_values(values).map(Self::Sqlite),
            Self::Postgres(rendered) => Some(Self::Postgres(Box::new(rendered.with_values(values)?))),
        }
    }
}

/// A rendered plan on its way to the engine.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to do.
    pub plan: Arc<Plan>,
    /// The same in the engine's words.
    pub rendered: Arc<Rendered>,
    /// What existed when it was planned.
    pub catalog: Arc<Catalog>,
    /// Who asks.
    pub caller: Caller,
    /// The moment that `now()` means.
    pub now: Timestamp,
    /// Whether a write is kept.
    pub commits: bool,
    /// What was asked, as functions and policies may see it.
    pub request: Arc<RequestFacts>,
    /// How far the data must have come for a read: the position that the client was given.
    pub position: Option<PositionToken>,
    /// The trace that the request belongs to, for the log.
    pub trace_id: Option<[u8; 16]>,
    /// Of a write that is done once.
    pub idempotency: Option<Idempotency>,
    /// Of a write that is only done if something holds.
    pub precondition: Option<Precondition>,
}

/// A request as functions and policies on a PostgreSQL server may see it (`request.method`, `request.headers`, ...).
#[derive(Debug, Clone, Default)]
pub struct RequestFacts {
    /// The method.
    pub method: http::Method,
    /// The path below the mount, `/rpc/whoami`.
    pub path: String,
    /// The headers.
    pub headers: http::HeaderMap,
    /// Where it comes from, as far as the network tells.
    pub address: Option<std::net::IpAddr>,
    /// The schema that it is for.
    pub schema: String,
    /// The time zone that it asked for.
    pub time_zone: Option<String>,
}

/// What a function or trigger says about the answer: `response.headers` and `response.status`, as it set them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// A JSON array of objects, each a header.
    pub headers: Option<String>,
    /// A number.
    pub status: Option<String>,
}

/// What running gave.
#[derive(Debug)]
pub struct Ran {
    /// Rows in the body, or rows affected.
    pub rows: u64,
    /// All rows that fit, where they were counted.
    pub total: Option<u64>,
    /// Of an upsert: how many rows are new.
    pub inserted: Option<u64>,
    /// Of an insert: the primary key of its single row, where it was asked for.
    pub location: Option<Vec<(String, Option<String>)>>,
    /// What a function or trigger says about the answer.
    pub reply: Reply,
    /// How far the data had come when a write was kept, for the client to carry; and of a read whose position no longer
    /// counts, to be carried instead.
    pub position: Option<PositionToken>,
    /// The whole answer of a write that is done once; the body is empty then.
    pub kept: Option<Box<KeptAnswer>>,
    /// The body in the plan's format; empty where none was asked for.
    pub body: Body,
}

/// A body: whole, or in pieces as rows are read.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Full(Bytes),
    /// Pieces, in order; an error is the last one.
    Stream(Pieces),
}

/// A migration that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Its number: the digits that its file's name begins with. Below [`OWED_VERSION`] it is a step of the program's own tables
    /// ([`OwnMigrations::version`]).
    pub version: i64,
    /// The file's name.
    pub name: String,
    /// The SHA-256 of its text, in hexadecimal.
    pub checksum: String,
    /// When, in microseconds since 1970.
    pub applied_at: i64,
}

/// A migration to apply.
#[derive(Debug, Clone)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// The file's name.
    pub name: String,
    /// The SHA-256 of its text, in hexadecimal.
    pub checksum: String,
    /// What is done.
    pub script: MigrationScript,
    /// The seed that a new database is owed from its first migration on, until it is applied.
    pub owes: Option<SeedDebt>,
}

/// The number under which the seed is remembered. Migration files begin at 1.
pub const SEED_VERSION: i64 = 0;

/// The number under which it is remembered that the seed is still to be applied.
pub const OWED_VERSION: i64 = -1;

/// A seed that is to be applied after the first migrations, if the database is new.
#[derive(Debug, Clone)]
pub struct SeedDebt {
    /// The file's name.
    pub name: String,
    /// A server's database is new when nothing but what extensions brought is in these schemas; a file when no migration was
    /// applied to it.
    pub schemas: Vec<String>,
}

/// What became of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationOutcome {
    /// It was applied.
    Applied,
    /// It had been applied already, by another node.
    Present,
    /// What it makes was there already, made by another program, and was left as it is.
    Left,
}

/// What a migration does.
#[derive(Debug, Clone)]
pub enum MigrationScript {
    /// For the embedded engine: the statements in its words, and the catalog that they lead to.
    Translated(Box<Script>),
    /// For a PostgreSQL server: the file as it is.
    Native(String),
}

/// The state of pools and queues.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Connections that are at work.
    pub connections_used: u64,
    /// Connections that wait for work.
    pub connections_idle: u64,
    /// Long reads that wait for a place.
    pub reads_waiting: u64,
    /// Writes that wait for their turn.
    pub writes_queued: u64,
    /// The replicas, where there are some.
    pub replicas: Option<ReplicasGauges>,
    /// Short reads that shared a connection, where they may.
    pub shared: Option<SharedReads>,
}

/// What became of the reads that were given to a connection that others use at the same time, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SharedReads {
    /// They were answered there, or refused by the server.
    pub answered: u64,
    /// They went on alone: what was before them took long, or the connection was lost.
    pub alone: u64,
}

/// The state of replicas, and what was decided between them and the primary since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicasGauges {
    /// Each of them.
    pub replicas: Vec<ReplicaGauges>,
    /// Reads that the primary answered.
    pub primary_reads: u64,
    /// Reads that waited for a replica to come as far as their caller had seen.
    pub waits: u64,
    /// Reads that the primary answered in place of the replicas, by the reason.
    pub fallbacks: Vec<(FallbackReason, u64)>,
    /// Reads that were refused, since the primary takes only so many of them.
    pub refused: u64,
}

/// The state of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaGauges {
    /// Where it is.
    pub name: Arc<str>,
    /// Whether it answers, and follows the primary.
    pub is_up: bool,
    /// By how much it shows the past; `None` before it was seen.
    pub lag: Option<Duration>,
    /// Reads that it answered.
    pub reads: u64,
}

/// Why the primary answers a read that a replica might have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallbackReason {
    /// None had replayed what the caller had seen, within the time that is waited.
    Behind,
    /// None was there, or near enough.
    Nobody,
    /// One had to give it up: a conflict with what it replays, a lost connection, or what only a primary does.
    Failed,
    /// The caller's position is of another timeline or key, so that nothing can be compared with it.
    Foreign,
}

impl FallbackReason {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 4] = [Self::Behind, Self::Nobody, Self::Failed, Self::Foreign];

    /// Its name in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Nobody => "nobody",
            Self::Failed => "failed",
            Self::Foreign => "foreign",
        }
    }
}

/// What a driver tells about its work. Called on its own threads; must not block.
pub trait Observer: Send + Sync + 'static {
    /// An operation ended: what it was, on which relation, how long it took, the shape of its statement, its rows and,
    /// if it failed, the error's code.
    fn operation(&self, operation: &Operation<'_>);
    /// A transaction of the writer ended that carried so many writes.
    fn batch(&self, writes: u64, duration: Duration);
    /// A replica may answer reads from now on, or no longer, for this reason.
    fn replica(&self, _server: &str, _reason: Option<&'static str>) {}
    /// The catalog was read anew, or could not be.
    fn catalog_read(&self, _reading: &CatalogReading<'_>) {}
    /// A migration waits until another node is done with its own.
    fn migration_waits(&self, _migration: &str) {}
    /// What became of a write that is done once, or only if something holds.
    fn guarded(&self, _outcome: GuardOutcome) {}
    /// Somebody asks through the database to have the configuration read again (`NOTIFY pgrst, 'reload config'`).
    fn configuration_wanted(&self) {}
}

/// What became of a write that is done once, or only if something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardOutcome {
    /// It was done, and its answer is kept.
    Kept,
    /// It had been done: the answer was given again.
    Replayed,
    /// Its key is at work already.
    InFlight,
    /// Its key is that of another request.
    OtherRequest,
    /// What had to hold does not.
    PreconditionFailed,
}

/// A reading of the catalog that ended.
#[derive(Debug, Clone, Copy)]
pub struct CatalogReading<'a> {
    /// What exists, or why it could not be read.
    pub outcome: Result<&'a Catalog, &'a StoreError>,
    /// How long it took.
    pub duration: Duration,
}

/// An operation that ended.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// `SELECT`, `INSERT`, `UPDATE` or `DELETE`.
    pub name: &'static str,
    /// The relation.
    pub relation: &'a str,
    /// How long it took, waiting not counted.
    pub duration: Duration,
    /// The statement's text: its shape, never a value.
    pub statement: &'a str,
    /// Rows read or written.
    pub rows: u64,
    /// The error's code.
    pub error: Option<&'a str>,
    /// The trace that the request belongs to.
    pub trace_id: Option<[u8; 16]>,
}
