//! `pando migrate`

use std::io::Write;
use std::sync::Arc;

use store::Store;

use crate::cli::Migrate;
use crate::command::check;
use crate::configuration::{DatabaseAddress, Loaded, Prepared, Sources, load};
use crate::database::{self, Applied, End, Standing, read_seed};
use crate::migrations;
use crate::observer::Silent;
use crate::outcome::CommandError;
use crate::terminal::Style;

/// Applies migrations, lists them, or makes a new file.
pub fn run(action: &Migrate, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let loaded = load(sources)?;
    let prepared = Prepared::new(&loaded, None)?;
    if let Migrate::New { name } = action {
        let path = migrations::create(&prepared.migrations, name)?;
        writeln!(out, "{} {}", style.good("made"), path.display())?;
        return Ok(());
    }
    if let Migrate::Check { json, strict } = action {
        return check::run(&prepared, *json, *strict, style, out);
    }
    // Asking for the state of a database that is not there does not make one.
    let is_missing = matches!(&prepared.database, DatabaseAddress::File(file) if !file.exists());
    if matches!(action, Migrate::Status) && is_missing {
        let standing = Standing { files: migrations::read_folder(&prepared.migrations)?, ..Standing::default() };
        return list(&standing, &prepared, style, out);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    runtime.block_on(with_database(action, &loaded, &prepared, style, out))
}

async fn with_database(
    action: &Migrate,
    loaded: &Loaded,
    prepared: &Prepared,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let store = database::open(&loaded.config, prepared, Arc::new(Silent)).await?;
    let outcome = match action {
        Migrate::Status => status(store.as_ref(), prepared, style, out).await,
        Migrate::Up | Migrate::New { .. } | Migrate::Check { .. } => up(store.as_ref(), prepared, style, out).await,
    };
    store.close().await;
    outcome
}

async fn up(store: &dyn Store, prepared: &Prepared, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let mut steps = Vec::new();
    let outcome = database::migrate(store, prepared, &mut |step: Applied| {
        if !step.is_own {
            steps.push(step);
        }
    })
    .await;
    // What was applied before one that fails stays, and is told.
    for step in &steps {
        let Applied { name, end, duration, .. } = step;
        match end {
            End::Applied => writeln!(out, "{} {name} in {} ms", style.good("applied"), duration.as_millis())?,
            End::Present => writeln!(out, "{} {name}: applied by another node", style.good("present"))?,
            End::Skipped => writeln!(out, "{} {name}: the database was not new", style.warning("skipped"))?,
        }
    }
    let standing = outcome?;
    for done in standing.newer() {
        writeln!(out, "{}   {}: applied by a newer release than these files", style.warning("newer"), done.name)?;
    }
    if steps.is_empty() {
        writeln!(out, "nothing to do: {} is up to date", prepared.database)?;
    }
    Ok(())
}

async fn status(store: &dyn Store, prepared: &Prepared, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let standing = Standing::read(store, prepared).await?;
    list(&standing, prepared, style, out)
}

/// One line a file; then what is wrong with them, if anything is.
fn list(standing: &Standing, prepared: &Prepared, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let folder = &prepared.migrations;
    if standing.files.is_empty() && standing.applied.is_empty() {
        writeln!(out, "there are no migrations in {}; `pando migrate new NAME` makes one", folder.display())?;
    }
    for step in &standing.own {
        writeln!(out, "{}  {}, Pando's own", style.warning("pending"), step.name())?;
    }
    for file in &standing.files {
        let state = match standing.applied.iter().find(|done| done.version == file.version) {
            None => style.warning("pending"),
            Some(done) if done.checksum == file.checksum => style.good("applied"),
            Some(_) => style.bad("changed"),
        };
        writeln!(out, "{state}  {}", file.name)?;
    }
    if standing.owes_seed
        && let Some(seed) = read_seed(prepared)?
    {
        writeln!(out, "{}  {}", style.warning("pending"), seed.name)?;
    }
    let newer = standing.newer();
    for done in newer {
        writeln!(out, "{}    {}: applied by a newer release than these files", style.warning("newer"), done.name)?;
    }
    for done in standing.applied.iter().take(standing.applied.len() - newer.len()) {
        if !standing.files.iter().any(|file| file.version == done.version) {
            writeln!(out, "{}  {}", style.bad("missing"), done.name)?;
        }
    }
    standing.pending(folder)?;
    Ok(())
}
