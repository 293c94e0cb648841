//! The database: opened, brought to the schema that the migration files say, and filled once.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock};
use catalog::Snapshot;
use sql::ddl::Script;
use store::{
    AppliedMigration, Migration, MigrationOutcome, MigrationScript, OWED_VERSION, Observer, PostgresSettings,
    SEED_VERSION, SeedDebt, SqliteSettings, Store, StoreError,
};

use crate::configuration::{self, Config, DatabaseAddress, Loaded, Prepared, Sources};
use crate::migrations::{MigrationError, MigrationFile, newer, pending, read_folder};
use crate::outcome::CommandError;
use crate::own_tables::{self, PendingStep, Wishes};

/// Reads the configuration; where it is PostgREST's, also what the database itself has to say about it (`db-config`).
pub async fn configuration(sources: &Sources) -> Result<Loaded, CommandError> {
    let mut loaded = configuration::load(sources)?;
    if !loaded.is_postgrest {
        return Ok(loaded);
    }
    let names = loaded.in_database.as_ref().map(|_| configuration::database_names()).unwrap_or_default();
    let function = loaded.in_database.as_ref().and_then(|asked| asked.function.as_ref());
    let said = store::role_settings(&loaded.config.database.url, &loaded.libpq, &names, function)
        .await
        .map_err(CommandError::Database)?;
    if !said.is_empty() {
        loaded = configuration::load(&sources.with_database(said))?;
    }
    Ok(loaded)
}

/// What a database is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Opens the database, making its folder and file when they are missing.
pub async fn open(
    config: &Config,
    prepared: &Prepared,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, CommandError> {
    open_for(Access::Write, config, prepared, observer).await
}

/// Opens the database for reading, also while it is served.
pub async fn look(
    config: &Config,
    prepared: &Prepared,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, CommandError> {
    if let DatabaseAddress::File(path) = &prepared.database
        && !path.exists()
    {
        return Err(CommandError::Failed(format!("there is no database at {} yet", path.display())));
    }
    open_for(Access::Read, config, prepared, observer).await
}

async fn open_for(
    access: Access,
    config: &Config,
    prepared: &Prepared,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, CommandError> {
    let path = match &prepared.database {
        DatabaseAddress::File(path) => path,
        DatabaseAddress::Server(url) => return open_server(url, config, prepared, observer).await,
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| {
            CommandError::Database(StoreError::Unusable {
                path: folder.to_path_buf(),
                problem: format!("the folder cannot be made: {error}"),
                advice: "check database.url and the rights of this user",
            })
        })?;
    }
    let database = &config.database;
    let settings = SqliteSettings {
        idle_readers: database.readers as usize,
        slow_readers: database.slow_readers as usize,
        write_queue: database.write_queue as usize,
        wait: Duration::from_millis(u64::from(database.wait_ms)),
        statement_timeout: Duration::from_secs(u64::from(config.limits.statement_timeout_seconds)),
        role_timeouts: config.limits.role_timeouts(),
        stream_timeout: Duration::from_secs(u64::from(config.limits.stream_timeout_seconds)),
        max_buffered_bytes: usize::try_from(config.limits.max_buffered_bytes).unwrap_or(usize::MAX),
        max_affected_rows: usize::try_from(config.limits.max_affected_rows).unwrap_or(usize::MAX),
        check_at_start: database.check_at_start.into(),
        position_key: prepared.freshening.position_key.clone(),
        audit: prepared.audit.settings.clone(),
        tells_changes: prepared.responses.is_some(),
        reads_only: access == Access::Read,
        path: path.into(),
    };
    store::open(store::Config::Sqlite(settings), Arc::new(SystemClock), observer).await.map_err(CommandError::Database)
}

async fn open_server(
    url: &str,
    config: &Config,
    prepared: &Prepared,
    observer: Arc<dyn Observer>,
) -> Result<Arc<dyn Store>, CommandError> {
    let settings = PostgresSettings {
        url: url.to_owned(),
        environment: prepared.libpq.clone(),
        connections: config.database.connections as usize,
        wait: Duration::from_millis(u64::from(config.database.wait_ms)),
        statement_timeout: Duration::from_secs(u64::from(config.limits.statement_timeout_seconds)),
        role_timeouts: config.limits.role_timeouts(),
        stream_timeout: Duration::from_secs(u64::from(config.limits.stream_timeout_seconds)),
        max_buffered_bytes: usize::try_from(config.limits.max_buffered_bytes).unwrap_or(usize::MAX),
        extra_search_path: config.database.extra_search_path.clone(),
        channel: Some(config.database.channel.clone()).filter(|channel| !channel.is_empty()),
        migration_lock_timeout: Duration::from_millis(u64::from(config.database.migration_lock_timeout_ms)),
        migration_lock_attempts: config.database.migration_lock_attempts,
        prepared_statements: config.database.prepared_statements as usize,
        remote_apply: prepared.freshening.remote_apply.clone(),
        position_key: prepared.freshening.position_key.clone(),
        replicas: store::ReplicaSettings {
            urls: config.database.replicas.iter().map(|url| url.0.expose().to_owned()).collect(),
            max_lag: Duration::from_millis(u64::from(config.database.max_replica_lag_ms)),
            wait: Duration::from_millis(u64::from(config.database.replica_wait_ms)),
            fallbacks_per_second: config.database.primary_reads_per_second,
        },
        application: config
            .database
            .application_settings
            .iter()
            .map(|(name, value)| (name.clone(), value.0.expose().to_owned()))
            .collect(),
        pre_request: prepared.pre_request.clone(),
        hoisted: config.database.hoisted_settings.clone(),
        audit: prepared.audit.settings.clone(),
        watch: prepared.watch.clone(),
    };
    store::open(store::Config::Postgres(settings), Arc::new(SystemClock), observer)
        .await
        .map_err(CommandError::Database)
}

/// What the schema is, compared to the files.
#[derive(Default)]
pub struct Standing {
    /// The files, in the order of their numbers.
    pub files: Vec<MigrationFile>,
    /// What was applied, oldest first, without the seed.
    pub applied: Vec<AppliedMigration>,
    /// Whether the seed is still to be applied.
    pub owes_seed: bool,
    /// Steps of Pando's own tables that are still to be applied.
    pub own: Vec<PendingStep>,
}

impl Standing {
    /// Reads the files and asks the database.
    pub async fn read(store: &dyn Store, prepared: &Prepared) -> Result<Self, MigrationError> {
        let files = read_folder(&prepared.migrations)?;
        let is_nothing_own = own_tables::wanted(&prepared.database, Wishes::of(prepared)).is_empty();
        let mut applied = match store.applied_migrations().await {
            // Who has nothing to apply need not be let see it.
            Err(StoreError::Refused(_)) if files.is_empty() && is_nothing_own => Vec::new(),
            applied => applied.map_err(MigrationError::Failed)?,
        };
        let owes_seed = applied.iter().any(|migration| migration.version == OWED_VERSION);
        let own = own_tables::pending(&prepared.database, Wishes::of(prepared), &applied);
        applied.retain(|migration| migration.version > SEED_VERSION);
        applied.sort_by_key(|migration| migration.version);
        Ok(Self { files, applied, owes_seed, own })
    }

    /// What is still to be applied, in order.
    pub fn pending(&self, folder: &Path) -> Result<&[MigrationFile], MigrationError> {
        pending(&self.files, &self.applied, folder)
    }

    /// What a newer release has applied, whose files are not here.
    pub fn newer(&self) -> &[AppliedMigration] {
        newer(&self.files, &self.applied)
    }
}

/// Something that was to be applied, for the log and the terminal.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    /// The file's name.
    pub name: String,
    /// Whether it is the seed.
    pub is_seed: bool,
    /// Whether it is a step of Pando's own tables.
    pub is_own: bool,
    /// What became of it.
    pub end: End,
    /// How long it took.
    pub duration: Duration,
}

/// What became of a file that was to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was applied here.
    Applied,
    /// Another node was faster.
    Present,
    /// A seed was left out, since the database was not new.
    Skipped,
}

/// Applies what is pending, Pando's own tables first, and the seed after the first migrations of a new database.
///
/// Everything is translated before anything is applied: a file that cannot be applied stops all of them. It tells of each
/// step when it is done: those before one that fails stay. Gives how the schema stood before.
pub async fn migrate(
    store: &dyn Store,
    prepared: &Prepared,
    tell: &mut (dyn FnMut(Applied) + Send),
) -> Result<Standing, MigrationError> {
    let standing = Standing::read(store, prepared).await?;
    for step in &standing.own {
        apply_own(store, step, tell).await?;
    }
    let mut steps = Steps::of(&standing, store, prepared)?;
    let seed = steps.seed.take();
    for migration in steps.migrations {
        apply(store, migration, tell).await?;
    }
    apply_seed(store, seed, tell).await?;
    // Tables that are new have their changes written down from now on. What cannot be is told by who serves.
    match store.audit().await {
        Err(error) if prepared.audit.is_insisted(&prepared.database) => return Err(MigrationError::Failed(error)),
        _ => {}
    }
    // The same for what is noted for answers that are kept. Without any, what an earlier start has put there is taken away.
    match store.watch().await {
        Err(error) if prepared.watch.is_some() => return Err(MigrationError::Failed(error)),
        _ => {}
    }
    Ok(standing)
}

async fn apply_seed(
    store: &dyn Store,
    seed: Option<Migration>,
    tell: &mut (dyn FnMut(Applied) + Send),
) -> Result<(), MigrationError> {
    if let Some(seed) = seed {
        // Whether a database is new is decided with its first migration, by the node that applies it.
        let known = store.applied_migrations().await.map_err(MigrationError::Failed)?;
        let is = |version: i64| known.iter().any(|migration| migration.version == version);
        if is(OWED_VERSION) {
            apply(store, seed, tell).await?;
        } else if !is(SEED_VERSION) {
            tell(Applied {
                name: seed.name,
                is_seed: true,
                is_own: false,
                end: End::Skipped,
                duration: Duration::ZERO,
            });
        }
    }
    Ok(())
}

/// What is to be applied.
struct Steps {
    migrations: Vec<Migration>,
    seed: Option<Migration>,
}

impl Steps {
    fn of(standing: &Standing, store: &dyn Store, prepared: &Prepared) -> Result<Self, MigrationError> {
        let folder = &prepared.migrations;
        let waiting = standing.pending(folder)?;
        let is_first = standing.applied.is_empty();
        let is_native = store.catalog().is_native();
        let mut snapshot = store.catalog().snapshot().clone();
        let mut read = |file: &MigrationFile, shown: &str| -> Result<Migration, MigrationError> {
            if is_native {
                if let Some(error) = sql::ddl::transaction_statements(shown, &file.text).into_iter().next() {
                    return Err(MigrationError::Refused(error));
                }
                return Ok(prepared_as(file, MigrationScript::Native(file.text.clone())));
            }
            let script = translate(file, shown, &snapshot)?;
            snapshot = script.snapshot.clone();
            Ok(prepared_as(file, MigrationScript::Translated(Box::new(script))))
        };
        let mut migrations = Vec::new();
        for file in waiting {
            migrations.push(read(file, &folder.join(&file.name).display().to_string())?);
        }
        let is_due = standing.owes_seed || (is_first && !migrations.is_empty());
        let seed = if is_due { read_seed(prepared)? } else { None };
        let shown = prepared.seed.as_deref().unwrap_or(Path::new("seed")).display().to_string();
        let seed = seed.map(|seed| read(&seed, &shown)).transpose()?;
        if let (true, Some(first), Some(seed)) = (is_first, migrations.first_mut(), &seed) {
            first.owes = Some(SeedDebt { name: seed.name.clone(), schemas: prepared.schemas.clone() });
        }
        Ok(Self { migrations, seed })
    }
}

/// What the migration files declare, all of them, applied or not. Touches no database.
pub fn declared(prepared: &Prepared) -> Result<Snapshot, MigrationError> {
    translated(prepared, &read_folder(&prepared.migrations)?)
}

/// What files of the folder of migrations declare, in their order, beside Pando's own tables.
pub fn translated(prepared: &Prepared, files: &[MigrationFile]) -> Result<Snapshot, MigrationError> {
    let folder = &prepared.migrations;
    let mut snapshot = own_tables::declared(&prepared.database, Wishes::of(prepared))?;
    for file in files {
        let shown = folder.join(&file.name).display().to_string();
        snapshot = translate(file, &shown, &snapshot)?.snapshot;
    }
    Ok(snapshot)
}

async fn apply_own(
    store: &dyn Store,
    step: &PendingStep,
    tell: &mut (dyn FnMut(Applied) + Send),
) -> Result<(), MigrationError> {
    let clock = SystemClock;
    let started = clock.monotonic();
    let end = match step.apply(store).await? {
        MigrationOutcome::Applied => End::Applied,
        MigrationOutcome::Present | MigrationOutcome::Left => End::Present,
    };
    let duration = clock.monotonic().saturating_duration_since(started);
    tell(Applied { name: step.name(), is_seed: false, is_own: true, end, duration });
    Ok(())
}

async fn apply(
    store: &dyn Store,
    migration: Migration,
    tell: &mut (dyn FnMut(Applied) + Send),
) -> Result<(), MigrationError> {
    let clock = SystemClock;
    let started = clock.monotonic();
    let (name, is_seed) = (migration.name.clone(), migration.version == SEED_VERSION);
    let end = match store.apply_migration(migration).await.map_err(MigrationError::Failed)? {
        MigrationOutcome::Applied => End::Applied,
        MigrationOutcome::Present | MigrationOutcome::Left => End::Present,
    };
    let duration = clock.monotonic().saturating_duration_since(started);
    tell(Applied { name, is_seed, is_own: false, end, duration });
    Ok(())
}

fn translate(file: &MigrationFile, shown: &str, before: &Snapshot) -> Result<Script, MigrationError> {
    sql::ddl::translate(shown, &file.text, before).map_err(MigrationError::Refused)
}

fn prepared_as(file: &MigrationFile, script: MigrationScript) -> Migration {
    Migration { version: file.version, name: file.name.clone(), checksum: file.checksum.clone(), script, owes: None }
}

/// The seed, if the configuration names one that is there.
pub fn read_seed(prepared: &Prepared) -> Result<Option<MigrationFile>, MigrationError> {
    let Some(path) = prepared.seed.as_deref().filter(|path| path.exists()) else {
        return Ok(None);
    };
    let text =
        std::fs::read_to_string(path).map_err(|source| MigrationError::Files { path: path.to_path_buf(), source })?;
    let name = path.file_name().map_or_else(|| "seed".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Some(MigrationFile { version: SEED_VERSION, checksum: crate::migrations::checksum(&text), name, text }))
}
