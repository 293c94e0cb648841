//! Which migration files there are, and which of them may be applied.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use store::AppliedMigration;

/// A migration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// The number that its name begins with.
    pub version: i64,
    /// Its name without the folder: `0001_init.sql`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The SHA-256 of its text, in hexadecimal. Line ends are taken as `\n`, so that a checkout on Windows counts
    /// as the same file.
    pub checksum: String,
}

/// Why migrations cannot go on. Nothing was applied by the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The folder or a file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Files {
        /// Which one.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file's name does not say its number.
    #[error("{path}: the name of a migration has to be a number and a word, like 0002_add_walls.sql", path = path.display())]
    Name {
        /// Which one.
        path: PathBuf,
    },
    /// Two files have one number.
    #[error("{first} and {second} have the same number; give one of them the next free one")]
    SameNumber {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// An applied file was changed.
    #[error(
        "{name} was changed after it was applied (its SHA-256 was {was} and is {is}); undo the change and say what you want in a new file: pando migrate new NAME"
    )]
    Changed {
        /// Which one.
        name: String,
        /// The checksum when it was applied.
        was: String,
        /// The checksum now.
        is: String,
    },
    /// An applied file is gone.
    #[error("{name} was applied and is missing from {folder}; bring it back", folder = folder.display())]
    Missing {
        /// Which one.
        name: String,
        /// From where.
        folder: PathBuf,
    },
    /// A new file sorts before an applied one.
    #[error("{name} is new and has a lower number than {applied}, which is applied; give it a higher number")]
    OutOfOrder {
        /// The new one.
        name: String,
        /// The last applied one.
        applied: String,
    },
    /// A file cannot be applied on this engine; file, line and column are in the message.
    #[error("{0}")]
    Refused(sql::ddl::DdlError),
    /// Statements cannot be done on this engine; they were told one by one.
    #[error("{count} of {total} statements cannot be done on the embedded engine; they stand above")]
    RefusedStatements {
        /// How many.
        count: usize,
        /// Of how many.
        total: usize,
    },
    /// Statements would hurt a database in use; they were told one by one.
    #[error("{count} warnings, and --strict; they stand above")]
    Warned {
        /// How many.
        count: usize,
    },
    /// The database refused it.
    #[error("{0}")]
    Failed(store::StoreError),
    /// The name for a new file is not usable.
    #[error("{0:?} is no name for a migration; use letters, digits and underscores")]
    NewName(String),
}

/// Reads all migration files, in the order of their numbers. A missing folder has none.
pub fn read_folder(folder: &Path) -> Result<Vec<MigrationFile>, MigrationError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| MigrationError::Files { path, source }
    };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.extension().and_then(|extension| extension.to_str()) != Some("sql") || !path.is_file() {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let version = name.as_deref().and_then(version_of);
        let (Some(name), Some(version)) = (name, version) else {
            return Err(MigrationError::Name { path });
        };
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        let checksum = checksum(&text);
        files.push(MigrationFile { version, name, text, checksum });
    }
    files.sort_by(|left, right| (left.version, &left.name).cmp(&(right.version, &right.name)));
    for pair in files.windows(2) {
        if let [first, second] = pair
            && first.version == second.version
        {
            return Err(MigrationError::SameNumber { first: first.name.clone(), second: second.name.clone() });
        }
    }
    Ok(files)
}

/// What was applied and is newer than the newest file: a newer release did so, and this one is rolled back to or not replaced
/// yet. Without any file that cannot be told from a folder that is not there.
pub fn newer<'a>(files: &[MigrationFile], applied: &'a [AppliedMigration]) -> &'a [AppliedMigration] {
    let Some(newest) = files.last() else { return &[] };
    let known = applied.iter().take_while(|done| done.version <= newest.version).count();
    applied.get(known..).unwrap_or_default()
}

/// What is still to be applied, after checking that what was applied is still there as it was. [`newer`] migrations are of
/// another release.
pub fn pending<'a>(
    files: &'a [MigrationFile],
    applied: &[AppliedMigration],
    folder: &Path,
) -> Result<&'a [MigrationFile], MigrationError> {
    let own = applied.len() - newer(files, applied).len();
    for (position, done) in applied.iter().take(own).enumerate() {
        let Some(file) = files.iter().find(|file| file.version == done.version) else {
            return Err(MigrationError::Missing { name: done.name.clone(), folder: folder.to_path_buf() });
        };
        if file.checksum != done.checksum {
            let (was, is) = (done.checksum.clone(), file.checksum.clone());
            return Err(MigrationError::Changed { name: file.name.clone(), was, is });
        }
        // The files are sorted: where one of them comes before an applied one, it is new and too late.
        if let Some(other) = files.get(position)
            && other.version < done.version
        {
            return Err(MigrationError::OutOfOrder { name: other.name.clone(), applied: done.name.clone() });
        }
    }
    match (files.get(own..).unwrap_or_default(), applied.get(own)) {
        ([other, ..], Some(done)) => {
            Err(MigrationError::OutOfOrder { name: other.name.clone(), applied: done.name.clone() })
        }
        (pending, _) => Ok(pending),
    }
}

/// Makes an empty migration with the next number and gives its path.
pub fn create(folder: &Path, name: &str) -> Result<PathBuf, MigrationError> {
    let name = name.trim().replace([' ', '-'], "_").to_lowercase();
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(MigrationError::NewName(name));
    }
    let next = read_folder(folder)?.last().map_or(1, |last| last.version.saturating_add(1));
    let path = folder.join(format!("{next:04}_{name}.sql"));
    let failed = |source| MigrationError::Files { path: path.clone(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    let text = format!("-- {}\n\n", name.replace('_', " "));
    fs::write(&path, text).map_err(failed)?;
    Ok(path)
}

/// The number that a file's name begins with: digits, 1 or more, then an underscore or the end.
fn version_of(name: &str) -> Option<i64> {
    let stem = name.strip_suffix(".sql")?;
    let digits = stem.split('_').next()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|version| *version > 0)
}

/// The SHA-256 of a text with `\n` line ends, in hexadecimal.
pub fn checksum(text: &str) -> String {
    Sha256::digest(text.replace("\r\n", "\n")).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: i64, text: &str) -> MigrationFile {
        MigrationFile { version, name: format!("{version:04}_x.sql"), text: text.to_owned(), checksum: checksum(text) }
    }

    fn applied(version: i64, text: &str) -> AppliedMigration {
        let file = file(version, text);
        AppliedMigration { version, name: file.name, checksum: file.checksum, applied_at: 0 }
    }

    #[test]
    fn only_new_files_at_the_end_may_be_applied() {
        let files = [file(1, "a"), file(2, "b"), file(5, "c")];
        let folder = Path::new("migrations");
        let names = |applied: &[AppliedMigration]| match pending(&files, applied, folder) {
            Ok(files) => files.iter().map(|file| file.version.to_string()).collect::<Vec<_>>().join(","),
            Err(error) => error.to_string(),
        };
        assert_eq!(names(&[]), "1,2,5");
        assert_eq!(names(&[applied(1, "a")]), "2,5");
        assert_eq!(names(&[applied(1, "a"), applied(2, "b"), applied(5, "c")]), "");
        assert!(names(&[applied(1, "other")]).starts_with("0001_x.sql was changed after it was applied"));
        assert!(names(&[applied(1, "a"), applied(3, "d")]).starts_with("0003_x.sql was applied and is missing"));
        let late = names(&[applied(1, "a"), applied(5, "c")]);
        assert!(late.starts_with("0002_x.sql is new and has a lower number than 0005_x.sql"), "{late}");
        // A newer release was here.
        assert_eq!(names(&[applied(1, "a"), applied(2, "b"), applied(5, "c"), applied(6, "d"), applied(7, "e")]), "");
        let late = names(&[applied(1, "a"), applied(2, "b"), applied(6, "d")]);
        assert!(late.starts_with("0005_x.sql is new and has a lower number than 0006_x.sql"), "{late}");
        let none = pending(&[], &[applied(1, "a")], folder).map_err(|error| error.to_string());
        assert!(none.is_err_and(|error| error.starts_with("0001_x.sql was applied and is missing")));
    }

    #[test]
    fn reads_a_folder_in_the_order_of_numbers() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_folder(&folder.path().join("nowhere")).unwrap(), []);
        for name in ["0010_b.sql", "0009_a.sql", "20240101120000_c.sql", "notes.txt"] {
            fs::write(folder.path().join(name), "select 1;\r\n").unwrap();
        }
        let files = read_folder(folder.path()).unwrap();
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["0009_a.sql", "0010_b.sql", "20240101120000_c.sql"]);
        assert_eq!(files[0].checksum, checksum("select 1;\n"), "line ends do not matter");

        fs::write(folder.path().join("9_again.sql"), "").unwrap();
        assert!(matches!(read_folder(folder.path()), Err(MigrationError::SameNumber { .. })));
        fs::remove_file(folder.path().join("9_again.sql")).unwrap();
        fs::write(folder.path().join("init.sql"), "").unwrap();
        assert!(matches!(read_folder(folder.path()), Err(MigrationError::Name { .. })));
    }

    #[test]
    fn makes_the_next_file() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("migrations");
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name(create(&folder, "init").unwrap()), "0001_init.sql");
        assert_eq!(name(create(&folder, "Add walls-too").unwrap()), "0002_add_walls_too.sql");
        assert!(matches!(create(&folder, "../x"), Err(MigrationError::NewName(_))));
    }
}
