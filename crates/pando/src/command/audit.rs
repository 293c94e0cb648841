//! `pando audit`: looks the log over, and gives what stands in it. It only reads, also while the database is served.

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::{AuditError, Entry, Filter, NoteVerifier, Report, Signer};
use base::Timestamp;
use datatype::{Datum, Type};
use store::{AuditKey, Store};

use super::serve::audit::signer;
use crate::cli::{Audit, AuditFilter};
use crate::configuration::{Loaded, Prepared, Sources};
use crate::database;
use crate::observer::Silent;
use crate::outcome::CommandError;
use crate::terminal::Style;

/// How often it is looked for new entries.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How many things of a kind that are wrong are named; how many more there are is told.
const MOST_NAMED: usize = 20;

/// Runs the subcommand.
pub fn run(action: &Audit, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    if let Audit::Check { file, key: Some(key) } = action {
        let verifier = key.parse()?;
        return check(file, &verifier, style, out);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Failed(format!("the runtime cannot start: {error}")))?;
    runtime.block_on(async {
        let loaded = database::configuration(sources).await?;
        let prepared = Prepared::new(&loaded, None)?;
        match action {
            Audit::Key => {
                writeln!(out, "{}", signer(&loaded, &prepared, false)?.verifier_key())?;
                Ok(())
            }
            Audit::Check { file, .. } => check(file, &signer(&loaded, &prepared, false)?.verifier(), style, out),
            Audit::Verify { checkpoint, json } => {
                let signer = signer(&loaded, &prepared, false)?;
                let earlier = checkpoint.as_deref().map(read).transpose()?;
                let key = prepared.audit.settings.as_ref().map(|settings| &settings.key);
                let verify = async |store: Arc<dyn Store>| verify(store, &signer, key, earlier).await;
                let report = with(&loaded, &prepared, verify).await?;
                tell(&report, *json, style, out)
            }
            Audit::Checkpoint => {
                let newest = async |store: Arc<dyn Store>| Ok(audit::newest_checkpoint(store.as_ref()).await?);
                let note = with(&loaded, &prepared, newest).await?;
                let note = note.ok_or_else(|| CommandError::Failed("nothing is sealed yet".to_owned()))?;
                Ok(write!(out, "{note}")?)
            }
            Audit::Export { filter } => {
                let filter = filter_of(filter)?;
                let export = async |store: Arc<dyn Store>| {
                    audit::export(store.as_ref(), i64::MIN, &filter, |entry| line(entry, out)).await
                };
                with(&loaded, &prepared, export).await.map(drop)
            }
            Audit::Prove { id } => {
                let prove = async |store: Arc<dyn Store>| Ok(audit::prove(store.as_ref(), *id).await?);
                let proof = with(&loaded, &prepared, prove).await?;
                Ok(write!(out, "{proof}")?)
            }
            Audit::Tail { follow, lines, filter } => {
                let filter = filter_of(filter)?;
                let tail = async |store: Arc<dyn Store>| tail(store, *follow, *lines, &filter, out).await;
                with(&loaded, &prepared, tail).await
            }
        }
    })
}

/// Opens the database for reading, does it, and closes it again.
async fn with<T, F: Future<Output = Result<T, CommandError>>>(
    loaded: &Loaded,
    prepared: &Prepared,
    work: impl FnOnce(Arc<dyn Store>) -> F,
) -> Result<T, CommandError> {
    let store = database::look(&loaded.config, prepared, Arc::new(Silent)).await?;
    let outcome = match has_table(store.as_ref()) {
        true => work(store.clone()).await,
        false => Err(CommandError::Failed(
            "there is no audit here: pando.audit_entries does not exist; `pando serve` with audit.enabled = \"on\" makes it".to_owned(),
        )),
    };
    store.close().await;
    outcome
}

fn has_table(store: &dyn Store) -> bool {
    let name = base::QualifiedName::new("pando", "audit_entries");
    store.catalog().snapshot().relations.contains_key(&name)
}

impl From<AuditError> for CommandError {
    /// Something that is wrong with the log has an exit code of its own; that the database cannot be read is another matter.
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Store(error) => Self::Database(error),
            // Asked for the wrong thing, or too early.
            AuditError::Key(_) | AuditError::Form(_) | AuditError::Unproven { .. } => Self::Failed(error.to_string()),
            AuditError::Note(_) | AuditError::Broken(_) | AuditError::Rewritten(_) | AuditError::Unsound { .. } => {
                Self::Altered(error.to_string())
            }
        }
    }
}

fn read(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|error| CommandError::Failed(format!("{}: {error}", path.display())))
}

async fn verify(
    store: Arc<dyn Store>,
    signer: &Signer,
    key: Option<&AuditKey>,
    earlier: Option<String>,
) -> Result<Report, CommandError> {
    // In a file nobody else says who asked.
    let key = key.filter(|_| store.catalog().is_native());
    Ok(audit::verify(store.as_ref(), signer, key, earlier.as_deref()).await?)
}

fn tell(report: &Report, is_json: bool, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let Report { sealed, forgotten, waiting, findings, kinds } = report;
    let count: u64 = kinds.values().sum();
    if is_json {
        let named: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let value = serde_json::json!({
            "sealed": sealed, "forgotten": forgotten, "waiting": waiting, "findings": named, "kinds": kinds
        });
        writeln!(out, "{value:#}")?;
    } else {
        for (kind, count) in kinds {
            let of_kind = findings.iter().filter(|finding| finding.kind() == *kind).take(MOST_NAMED);
            let mut named = 0;
            for finding in of_kind {
                writeln!(out, "{} {finding}", style.bad("wrong"))?;
                named += 1;
            }
            if *count > named {
                writeln!(out, "and {} more that are {kind}; --json names up to a thousand of a kind", count - named)?;
            }
        }
        let word = if findings.is_empty() { style.good("sound") } else { style.bad("altered") };
        let gone = match forgotten {
            0 => String::new(),
            count => format!(" ({count} of them forgotten, as audit.retention_days says)"),
        };
        writeln!(out, "{word}: {sealed} entries are sealed{gone}, {waiting} wait to be")?;
    }
    match count {
        0 => Ok(()),
        count => Err(CommandError::Altered(format!("{count} things are wrong with it"))),
    }
}

fn check(file: &Path, verifier: &NoteVerifier, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let proven = audit::check(&read(file)?, verifier)?;
    let size = proven.checkpoint.size;
    writeln!(out, "{}: it stands at place {} of {size} sealed entries", style.good("proved"), proven.index)?;
    writeln!(out, "{}", proven.entry)?;
    Ok(())
}

fn line(entry: &Entry, out: &mut dyn Write) -> Result<(), CommandError> {
    Ok(writeln!(out, "{}", entry.line())?)
}

async fn tail(
    store: Arc<dyn Store>,
    follows: bool,
    lines: u32,
    filter: &Filter,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let mut last = audit::before_last(store.as_ref(), lines).await?;
    loop {
        last = audit::export(store.as_ref(), last, filter, |entry| line(entry, out)).await?;
        if !follows {
            return Ok(());
        }
        out.flush()?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn filter_of(asked: &AuditFilter) -> Result<Filter, CommandError> {
    let moment = |name: &str, text: &Option<String>| -> Result<Option<Timestamp>, CommandError> {
        let Some(text) = text else { return Ok(None) };
        match datatype::parse(&Type::TimestampTz, text) {
            Ok(Datum::Integer(moment)) => Ok(Some(Timestamp(moment))),
            _ => Err(CommandError::Failed(format!(
                "--{name} {text:?} is no moment; write it like 2026-01-31T12:00:00Z, or a day like 2026-01-31"
            ))),
        }
    };
    let table = asked.table.as_ref().map(|table| match table.contains('.') {
        true => table.clone(),
        false => format!("public.{table}"),
    });
    Ok(Filter {
        since: moment("since", &asked.since)?,
        until: moment("until", &asked.until)?,
        table,
        user: asked.user.clone(),
    })
}
