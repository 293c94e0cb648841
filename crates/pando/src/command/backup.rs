//! `pando backup`

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base::{Clock, SystemClock};
use store::StoreError;
use store::keeping::{self, Check, Examined};
use tempfile::TempPath;

use super::secret_file;
use crate::configuration::{Prepared, Sources, load};
use crate::outcome::CommandError;
use crate::progress::{Progress, Stoppable, bytes};
use crate::terminal::Style;

/// What a copy's name ends with until it is whole.
pub const PARTIAL: &str = ".partial";

/// Copies the database into `file`, which gets its name only when it is whole; to standard output, if it is `-`.
pub fn run(file: &Path, force: bool, sources: &Sources, style: Style, out: &mut dyn Write) -> Result<(), CommandError> {
    let loaded = load(sources)?;
    let prepared = Prepared::new(&loaded, None)?;
    let is_given = loaded.config.auth.secret.is_some() || prepared.identity.root_secret().is_some();
    let database = prepared.database.file("use pg_dump or your provider's backups")?.to_path_buf();
    let started = SystemClock.monotonic();
    if file == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(CommandError::Failed(
                "standard output is a terminal; name a file, or a program to take it".to_owned(),
            ));
        }
        let copy = make(&database, &database)?;
        // Opened only now: nothing else has the copy open any more.
        io::copy(&mut File::open(&copy.path)?, out)?;
        out.flush()?;
        // Standard output is the backup.
        if !is_given && secret_file::beside(&database).is_file() {
            writeln!(
                io::stderr(),
                "{}: {} is not in it: keep that as well, or its keys and second factors cannot be read",
                style.warning("warning"),
                secret_file::beside(&database).display()
            )?;
        }
        return Ok(tell(&copy.examined, started, Path::new("a copy on standard output"), style, &mut io::stderr())?);
    }
    check_target(file, force, &database)?;
    let copy = make(&database, file)?;
    let Copy { path, examined } = copy;
    let secret = if is_given { None } else { secret_file::prepare(&database, file, force)? };
    let has_secret = secret.is_some();
    let path = match force {
        true => path.persist(file),
        // Somebody else may have made one meanwhile.
        false => path.persist_noclobber(file),
    };
    path.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => taken(file),
        _ => CommandError::Failed(format!("{}: the copy cannot get its name: {}", file.display(), error.error)),
    })?;
    // After the backup: one that cannot take its place keeps the secret that it is read with.
    secret.map(secret_file::Coming::arrive).transpose()?;
    sync_folder(file).map_err(|error| CommandError::Failed(format!("{}: {error}", file.display())))?;
    tell(&examined, started, file, style, out)?;
    if has_secret {
        writeln!(
            out,
            "{} {}: the secret that keys and second factors in it are read with; keep it, and apart from the backup",
            style.good("made"),
            secret_file::beside(file).display()
        )?;
    }
    Ok(())
}

/// A whole copy that has no name of its own yet.
struct Copy {
    path: TempPath,
    examined: Examined,
}

fn tell(
    examined: &Examined,
    started: std::time::Instant,
    name: &Path,
    style: Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let took = SystemClock.monotonic().saturating_duration_since(started).as_millis();
    let migrations = examined.applied.iter().filter(|migration| migration.version > 0).count();
    writeln!(
        out,
        "{} {}: {}, migrations applied: {migrations}, looked through, in {took} ms",
        style.good("made"),
        name.display(),
        bytes(examined.bytes)
    )
}

/// Copies the database to a name beside `near` and looks the copy through.
fn make(database: &Path, near: &Path) -> Result<Copy, CommandError> {
    let stoppable = Stoppable::new()?;
    let path = partial(near)?;
    let examined = copy_and_check(database, &path, Check::Quick, stoppable)?;
    Ok(Copy { path, examined })
}

/// Copies a database of Pando's over an empty file and looks the copy through.
pub fn copy_and_check(
    source: &Path,
    target: &Path,
    check: Check,
    stoppable: Stoppable,
) -> Result<Examined, CommandError> {
    let (source, target) = (source.to_owned(), target.to_owned());
    let companions = keeping::COMPANIONS.map(|suffix| keeping::beside(&target, suffix));
    let copying = Progress::of_bytes("copying");
    let outcome = stoppable.run(move || {
        let now = SystemClock.monotonic();
        let copied = keeping::copy(&source, &target, now, &mut |done, total| copying.set(done, total));
        copying.end();
        let checking = Progress::of_time("looking the copy through");
        // What is wrong with the copy is wrong with its source.
        let examined = copied.and_then(|_| {
            let examined = keeping::examine(&target, check, now).map_err(|error| about(&source, error))?;
            examined.sound(&source)
        });
        checking.end();
        examined
    });
    if outcome.is_err() {
        // Who is stopped in the middle may have left them; the copy itself goes with its guard.
        companions.iter().for_each(|companion| drop(fs::remove_file(companion)));
    }
    outcome
}

/// The same error, of another file.
fn about(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Unusable { problem, advice, .. } => StoreError::Unusable { path: path.to_owned(), problem, advice },
        other => other,
    }
}

/// An empty file of this user alone beside `near`, which goes again unless it gets a name.
pub fn partial(near: &Path) -> Result<TempPath, CommandError> {
    let name = near.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = folder_of(near);
    let made = tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(PARTIAL).tempfile_in(&folder);
    let made =
        made.map_err(|error| CommandError::Failed(format!("{}: no file can be made: {error}", folder.display())))?;
    Ok(made.into_temp_path())
}

/// The folder that a file lies in.
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn check_target(file: &Path, force: bool, database: &Path) -> Result<(), CommandError> {
    let refuse = |text: &str| Err(CommandError::Failed(format!("{}: {text}", file.display())));
    if file.file_name().is_none() || file.is_dir() {
        return refuse("this is a folder; name a file in it");
    }
    if belongs_to(file, database) || is_same(file, &secret_file::beside(database)) {
        return refuse("this is the database itself, or belongs to it; name another file");
    }
    if !force && file.symlink_metadata().is_ok() {
        return Err(taken(file));
    }
    Ok(())
}

fn taken(file: &Path) -> CommandError {
    CommandError::Failed(format!("{}: there is such a file already; --force takes its place", file.display()))
}

/// Whether the file is the database or one of the files that belong to it, under whatever name.
pub fn belongs_to(file: &Path, database: &Path) -> bool {
    let companions = keeping::COMPANIONS.map(|suffix| keeping::beside(database, suffix));
    is_same(file, database) || companions.iter().any(|companion| is_same(file, companion))
}

/// Whether two names are of one file, or of one place where none is yet.
fn is_same(one: &Path, other: &Path) -> bool {
    let same_file = match (fs::metadata(one), fs::metadata(other)) {
        (Ok(left), Ok(right)) => (left.dev(), left.ino()) == (right.dev(), right.ino()),
        _ => false,
    };
    let whole = |path: &Path| Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?));
    same_file || (whole(one).is_some() && whole(one) == whole(other))
}

fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder_of(file))?.sync_all()
}
