//! `pando export-accounts`: what a file has of accounts and keys, as SQL for PostgreSQL.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use base::{Clock, QualifiedName, SystemClock};
use store::keeping::{self, Exported};

use super::backup::partial;
use super::secret_file;
use crate::configuration::{Prepared, Sources, load};
use crate::outcome::CommandError;
use crate::own_tables;
use crate::terminal::Style;

/// Writes the script into `file`, for its owner's eyes alone; to standard output, if it is `-`.
pub fn run(file: &Path, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let loaded = load(sources)?;
    let prepared = Prepared::new(&loaded, None)?;
    let database = prepared.database.file("its accounts move with pg_dump")?;
    let mut counts = Vec::new();
    if file == Path::new("-") {
        if io::stdout().is_terminal() {
            let text = "standard output is a terminal, and the script holds hashes of passwords; name a file";
            return Err(CommandError::Failed(text.to_owned()));
        }
        write(database, out, &mut counts)?;
        return Ok(out.flush()?);
    }
    let failed = |error: io::Error| CommandError::Failed(format!("{}: {error}", file.display()));
    if file.symlink_metadata().is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    // It has its name when it is whole.
    let path = partial(file)?;
    let mut writer = BufWriter::new(OpenOptions::new().write(true).open(&path).map_err(failed)?);
    write(database, &mut writer, &mut counts)?;
    writer.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    path.persist_noclobber(file).map_err(|error| failed(error.error))?;
    writeln!(out, "{} {}: it holds hashes of passwords and keys", style.good("made"), file.display())?;
    for (table, rows) in counts.iter().filter(|(_, rows)| *rows > 0) {
        writeln!(out, "  {table}: {rows} rows")?;
    }
    let has_secret = loaded.config.auth.secret.is_some() || prepared.identity.root_secret().is_some();
    match secret_file::beside(database) {
        path if !has_secret && path.is_file() => writeln!(
            out,
            "the server needs the same secret: set auth.secret (PANDO_AUTH_SECRET) to what stands in {}",
            path.display()
        )?,
        _ => writeln!(out, "the server needs the same auth.secret, or auth.jwt_secret where that is not set")?,
    }
    Ok(())
}

fn write(
    database: &Path,
    script: &mut dyn Write,
    counts: &mut Vec<(QualifiedName, usize)>,
) -> Result<(), CommandError> {
    // The audit's log is one of this database, and stays with it; so do the answers of its writes, and the notes of changes.
    let stays = ["migrations", store::idempotency::TABLE, "changes", "changes_horizon"];
    let is_moved = |grant: &&store::OwnGrant| !stays.contains(&grant.table) && !grant.table.starts_with("audit_");
    let names = own_tables::GRANTS.iter().filter(is_moved);
    let tables: Vec<QualifiedName> = names.map(|grant| QualifiedName::new(grant.schema, grant.table)).collect();
    writeln!(
        script,
        "-- Accounts, sessions and keys of Pando: psql --single-transaction --set ON_ERROR_STOP=1 --file THIS URL, as a superuser.\n\
         SET LOCAL session_replication_role = replica;\nSET LOCAL standard_conforming_strings = on;"
    )?;
    let now = SystemClock.monotonic();
    let mut take = |exported: Exported<'_>| {
        let is_new = counts.last().is_none_or(|(table, _)| table != exported.table);
        if is_new {
            counts.push((exported.table.clone(), 0));
        }
        if let Some((_, count)) = counts.last_mut() {
            *count += exported.count;
        }
        statements(&exported, is_new, script)
    };
    keeping::export(database, &tables, now, &mut take).map_err(CommandError::Database)
}

/// Puts rows into a table that has to be empty.
fn statements(exported: &Exported<'_>, is_new: bool, script: &mut dyn Write) -> io::Result<()> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let table = format!("{}.{}", quoted(&exported.table.schema), quoted(&exported.table.name));
    if is_new {
        writeln!(
            script,
            "DO $pando$ BEGIN IF EXISTS (SELECT FROM {table}) THEN RAISE 'there are rows already: {}'; END IF; END $pando$;",
            exported.table
        )?;
    }
    if exported.rows.is_empty() {
        return Ok(());
    }
    let columns: Vec<String> = exported.columns.iter().map(|column| quoted(column)).collect();
    let columns = columns.join(", ");
    writeln!(
        script,
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, '{}');",
        exported.rows.replace('\'', "''")
    )
}
