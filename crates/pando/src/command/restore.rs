//! `pando restore`

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use base::{Clock, SystemClock, Timestamp};
use datatype::{DatumRef, Type, Zone};
use store::StoreError;
use store::keeping::{self, Check, Examined, Kept, Lock};

use super::backup::{belongs_to, copy_and_check, folder_of, partial};
use super::secret_file;
use crate::configuration::{Prepared, Sources, load};
use crate::migrations::{newer, pending, read_folder};
use crate::outcome::CommandError;
use crate::progress::{Stoppable, bytes};
use crate::terminal::Style;

/// What stands between a database's name and the time when it was replaced.
pub const BEFORE: &str = ".before-restore-";

/// Puts a backup in the place of the database. Nothing is changed before the backup was looked through.
pub fn run(file: &Path, yes: bool, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let loaded = load(sources)?;
    let prepared = Prepared::new(&loaded, None)?;
    let database = &prepared.database.file("use pg_restore or your provider's backups")?.to_path_buf();
    let failed = |path: &Path, error: io::Error| CommandError::Failed(format!("{}: {error}", path.display()));
    if belongs_to(file, database) {
        let text = format!("{}: this is the database itself, or belongs to it; name a backup", file.display());
        return Err(CommandError::Failed(text));
    }
    let folder = folder_of(database);
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    let lock = Lock::take(database).map_err(CommandError::Database)?;
    let exists = database.try_exists().map_err(|error| failed(database, error))?;
    if exists && !yes && !confirmed(database)? {
        return Err(CommandError::Failed("nothing was changed".to_owned()));
    }
    let stoppable = Stoppable::new()?;
    let copy = partial(database)?;
    let examined = copy_and_check(file, &copy, Check::Full, stoppable).map_err(|error| not_this_one(file, error))?;
    let like = if exists { database } else { &folder };
    own_as(like, &copy, exists).map_err(|error| failed(&copy, error))?;
    let locked = keeping::beside(database, ".lock");
    own_as(like, &locked, false).map_err(|error| failed(&locked, error))?;
    let kept = kept_name(database);
    match keeping::replace(&lock, database, &copy, &kept).map_err(CommandError::Database)? {
        Kept::Nothing => {}
        Kept::At(path) => writeln!(out, "{} the database that was there as {}", style.good("kept"), path.display())?,
    }
    // It has its name now.
    drop(copy.keep());
    writeln!(out, "{} {}: {}", style.good("restored"), database.display(), bytes(examined.bytes))?;
    if loaded.config.auth.secret.is_none() && prepared.identity.root_secret().is_none() {
        restore_secret(file, database, &kept, style, out)?;
    }
    tell_standing(&examined, &prepared.migrations, style, out)
}

/// Puts the secret that came with the backup beside the database.
fn restore_secret(
    file: &Path,
    database: &Path,
    kept: &Path,
    style: Style,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let (place, source) = (secret_file::beside(database), secret_file::beside(file));
    if let Some(path) = secret_file::make_room(database, kept, file)? {
        writeln!(out, "{} its secret as {}", style.good("kept"), path.display())?;
    }
    if secret_file::copy(file, database, false)? {
        own_as(database, &place, false)
            .map_err(|error| CommandError::Failed(format!("{}: {error}", place.display())))?;
        writeln!(out, "{} {}", style.good("restored"), place.display())?;
    } else if !secret_file::is_needed(database)? {
        // Nobody has signed in with it yet.
    } else if place.is_file() {
        let text = "there is no secret beside the backup, so that of the database stays";
        writeln!(out, "{}: {text}: {}", style.warning("warning"), place.display())?;
    } else {
        let text = "no secret came with the backup, and none is configured: what it has of signing keys and second factors cannot be \
                    read without it; `pando keys rotate --now` makes a new key:";
        writeln!(out, "{}: {text} {} or auth.secret", style.warning("warning"), source.display())?;
    }
    Ok(())
}

/// Asks on the terminal. Without one there is nobody to ask.
fn confirmed(database: &Path) -> Result<bool, CommandError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let text =
            format!("{}: there is a database already; --yes replaces it, and keeps it beside", database.display());
        return Err(CommandError::Failed(text));
    }
    write!(io::stderr(), "Replace {}? It is kept beside the new one. [y/N] ", database.display())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// The advice that fits a backup that cannot be used.
fn not_this_one(file: &Path, error: CommandError) -> CommandError {
    match error {
        CommandError::Database(StoreError::Unusable { path, problem, .. }) if path == file => {
            let advice = "nothing was changed; take another backup, or the version of Pando that made it";
            CommandError::Database(StoreError::Unusable { path, problem, advice })
        }
        other => other,
    }
}

/// Gives a file the owner of another one, so that what root restores is still the server's; and its rights, if they are
/// wanted.
fn own_as(like: &Path, copy: &Path, rights: bool) -> io::Result<()> {
    let (wanted, has) = (fs::metadata(like)?, fs::metadata(copy)?);
    if rights {
        fs::set_permissions(copy, wanted.permissions())?;
    }
    if (wanted.uid(), wanted.gid()) != (has.uid(), has.gid()) && rustix::process::geteuid().is_root() {
        chown(copy, Some(wanted.uid()), Some(wanted.gid()))?;
    }
    Ok(())
}

/// `pando.sqlite.before-restore-20260131T235959Z`, or the next name that is free.
fn kept_name(database: &Path) -> PathBuf {
    let name = format!("{BEFORE}{}", stamp(SystemClock.now()));
    let first = std::iter::once(keeping::beside(database, &name));
    let others = (2..100).map(|number| keeping::beside(database, &format!("{name}-{number}")));
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    // Where a hundred are taken within a second, the last is refused as taken.
    first.chain(others).find(is_free).unwrap_or_else(|| keeping::beside(database, &name))
}

/// `20260131T235959Z`.
fn stamp(now: Timestamp) -> String {
    let mut text = Vec::new();
    datatype::write_json(&Type::Timestamp, DatumRef::Integer(now.0), &Zone::Utc, &mut text);
    let kept = text.iter().map(|byte| char::from(*byte)).filter(|c| c.is_ascii_digit() || *c == 'T').take(15);
    kept.chain(['Z']).collect()
}

/// What the next start will do about the schema.
fn tell_standing(examined: &Examined, folder: &Path, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let applied: Vec<_> = examined.applied.iter().filter(|migration| migration.version > 0).cloned().collect();
    if let Some(last) = applied.last() {
        writeln!(out, "its last migration is {}", last.name)?;
    }
    let files = read_folder(folder)?;
    for done in newer(&files, &applied) {
        let text = "is newer than the newest file; its schema will be served";
        writeln!(out, "{} {} {text}", style.warning("warning:"), done.name)?;
    }
    match pending(&files, &applied, folder) {
        Ok([]) => {}
        Ok(files) => {
            let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
            writeln!(out, "newer, and applied by the next `pando serve` or `pando migrate up`: {}", names.join(", "))?;
        }
        Err(error) => writeln!(out, "{} the files do not fit it: {error}", style.warning("warning:"))?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_names() {
        assert_eq!(stamp(Timestamp(0)), "19700101T000000Z");
        assert_eq!(stamp(Timestamp(1_769_903_999_123_456)), "20260131T235959Z");
    }
}
