//! The folder that is written: beside its place first, and there as a whole at the end.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::AssetsError;

/// The list of names in the folder. It is hidden, so that it is not served, and shows what was written by this.
const LIST: &str = ".assets.json";

/// A folder that is being written.
pub(crate) struct Output {
    folder: PathBuf,
    beside: TempDir,
}

impl Output {
    /// Looks whether the folder may be written.
    pub(crate) fn begin(from: &Path, to: &Path) -> Result<Self, AssetsError> {
        let wrong = |reason: &str| AssetsError::Output { folder: to.to_owned(), reason: reason.to_owned() };
        let failed = |error: io::Error| wrong(&error.to_string());
        let name = to.file_name().ok_or_else(|| wrong("has to be the name of a folder"))?;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(failed)?;
        let folder = parent.canonicalize().map_err(failed)?.join(name);
        let from = from.canonicalize().map_err(failed)?;
        if folder.starts_with(&from) || from.starts_with(&folder) {
            return Err(wrong("lies in the folder that is read, or has it in it, and that one is never changed"));
        }
        if folder.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
            return Err(wrong("is there already, and no folder"));
        }
        let is_empty = || std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_none());
        if folder.exists() && !folder.join(LIST).exists() && !is_empty() {
            return Err(wrong("has files in it that this has not written; remove it, or name another folder"));
        }
        let parent = folder.parent().unwrap_or(Path::new("/"));
        let beside = tempfile::Builder::new().prefix(".pando-assets-").tempdir_in(parent).map_err(failed)?;
        Ok(Self { folder, beside })
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), AssetsError> {
        let path = self.beside.path().join(name);
        let written = match path.parent() {
            Some(parent) => std::fs::create_dir_all(parent),
            None => Ok(()),
        };
        written
            .and_then(|()| std::fs::write(&path, content))
            .map_err(|source| AssetsError::File { file: path.display().to_string(), source })
    }

    /// Puts it in its place.
    pub(crate) fn finish(self, names: &BTreeMap<String, String>) -> Result<(), AssetsError> {
        let list = serde_json::to_vec_pretty(names).unwrap_or_default();
        self.write(LIST, &list)?;
        let failed =
            |source: io::Error| AssetsError::Output { folder: self.folder.clone(), reason: source.to_string() };
        // That of a temporary folder is for its owner alone.
        std::fs::set_permissions(self.beside.path(), std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        let old = tempfile::Builder::new().prefix(".pando-assets-").tempdir_in(parent).map_err(failed)?;
        if self.folder.exists() {
            std::fs::rename(&self.folder, old.path().join("old")).map_err(failed)?;
        }
        if let Err(error) = std::fs::rename(self.beside.path(), &self.folder) {
            // The one from before is better than none.
            let _back = std::fs::rename(old.path().join("old"), &self.folder);
            return Err(failed(error));
        }
        Ok(())
    }
}
