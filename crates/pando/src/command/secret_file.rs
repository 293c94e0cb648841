//! The secret that lies beside a file of the embedded engine where none is configured (`auth.secret`). Without it what a backup has
//! of keys and second factors cannot be read, so it goes with the backup, in a file of its own: who keeps the two apart keeps
//! the secret.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base::{Clock, QualifiedName, SystemClock};
use store::keeping::{self, Exported};

use super::backup::folder_of;
use crate::outcome::CommandError;

/// What the name of a database goes on with for its secret.
const SUFFIX: &str = ".secret";

/// The most bytes of a secret: longer than any that Pando makes.
const LONGEST: usize = 4_096;

/// Where the secret of a database, or of a backup, lies.
pub fn beside(database: &Path) -> PathBuf {
    keeping::beside(database, SUFFIX)
}

/// Copies the secret of one database to the place of another's; `false` where there is none. A different one that is there is
/// replaced only with `force`.
///
/// # Errors
/// It cannot be read or written, or there is another one.
pub fn copy(from: &Path, to: &Path, force: bool) -> Result<bool, CommandError> {
    Ok(prepare(from, to, force)?.map(Coming::arrive).transpose()?.is_some())
}

/// A secret that is not in its place yet.
pub struct Coming {
    /// `None` where it is there already.
    file: Option<tempfile::NamedTempFile>,
    target: PathBuf,
}

impl Coming {
    /// Puts it in its place.
    ///
    /// # Errors
    /// It cannot get its name.
    pub fn arrive(self) -> Result<(), CommandError> {
        let Self { file, target } = self;
        let Some(file) = file else { return Ok(()) };
        file.persist(&target).map(drop).map_err(|error| failed(&target, &error.error))
    }
}

/// Writes the copy of a database's secret that is to lie beside a backup; `None` where there is no secret. Nothing is replaced before
/// it arrives.
///
/// # Errors
/// It cannot be read or written, or there is another one.
pub fn prepare(from: &Path, to: &Path, force: bool) -> Result<Option<Coming>, CommandError> {
    let (source, target) = (beside(from), beside(to));
    let Some(secret) = read(&source)? else { return Ok(None) };
    match read(&target)? {
        Some(there) if there == secret => return Ok(Some(Coming { file: None, target })),
        Some(_) if !force => {
            let text = format!("{}: there is another secret already; --force takes its place", target.display());
            return Err(CommandError::Failed(text));
        }
        _ => {}
    }
    // Whole or not at all, and 0600 from its first moment.
    let mut file = tempfile::NamedTempFile::new_in(folder_of(&target)).map_err(|error| failed(&target, &error))?;
    file.write_all(&secret).and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&target, &error))?;
    Ok(Some(Coming { file: Some(file), target }))
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::Failed(format!("{}: {error}", path.display()))
}

/// Moves the secret of a database to the place of another's, where it differs from that of a backup that is to take its place.
/// Says where it is then.
///
/// # Errors
/// It cannot be read or moved.
pub fn make_room(database: &Path, kept: &Path, backup: &Path) -> Result<Option<PathBuf>, CommandError> {
    let (Some(there), Some(coming)) = (read(&beside(database))?, read(&beside(backup))?) else { return Ok(None) };
    if there == coming {
        return Ok(None);
    }
    let (from, to) = (beside(database), beside(kept));
    fs::rename(&from, &to).map_err(|error| CommandError::Failed(format!("{}: {error}", from.display())))?;
    Ok(Some(to))
}

/// Whether a database has something that is encrypted with a secret.
///
/// # Errors
/// It cannot be read.
pub fn is_needed(database: &Path) -> Result<bool, CommandError> {
    let tables = [QualifiedName::new("pando", "signing_keys"), QualifiedName::new("auth", "mfa_factors")];
    let mut rows = 0;
    let mut count = |exported: Exported<'_>| {
        rows += exported.count;
        Ok(())
    };
    keeping::export(database, &tables, SystemClock.monotonic(), &mut count).map_err(CommandError::Database)?;
    Ok(rows > 0)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, CommandError> {
    match fs::read(path) {
        Ok(bytes) if bytes.len() > LONGEST => {
            Err(CommandError::Failed(format!("{}: this is too long for a secret of Pando's", path.display())))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CommandError::Failed(format!("{}: {error}", path.display()))),
    }
}
