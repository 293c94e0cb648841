//! Static files.

use super::{Definition, Happening};
use crate::field::*;
use crate::{Level, Line};

/// The folder of static files was read.
#[derive(Debug)]
pub struct FilesChanged {
    /// How many there are.
    pub files: u64,
    /// Bytes of them and of their compressed forms in memory.
    pub held_bytes: u64,
    /// Files that were not there before.
    pub added: u64,
    /// Files with another content than before.
    pub changed: u64,
    /// Files that are gone.
    pub removed: u64,
}

impl Happening for FilesChanged {
    const DEFINITION: &'static Definition = &Definition {
        action: "files-changed",
        message: "The folder of static files was read and counts from now on",
        about: "At start where there is such a folder, and whenever files in it have changed: some seconds after the last change, at once \
                after SIGHUP and `pando reload`.",
        level: Level::Info,
        fields: &[FILES, HELD_BYTES, FILES_ADDED, FILES_CHANGED, FILES_REMOVED],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(FILES, self.files);
        line.count(HELD_BYTES, self.held_bytes);
        line.count(FILES_ADDED, self.added);
        line.count(FILES_CHANGED, self.changed);
        line.count(FILES_REMOVED, self.removed);
    }
}

/// Some of what is in the folder is not served, or not as was promised.
#[derive(Debug)]
pub struct FilesDoubtful<'a> {
    /// How many.
    pub files: u64,
    /// Some of them, each with what is wrong.
    pub names: &'a str,
}

impl Happening for FilesDoubtful<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "files-doubtful",
        message: "Some files in the folder of static files are not as they should be",
        about: "Beside `files-changed`: files that are not served (symbolic links that lead out of the folder, files below the API's own \
                paths, ones that cannot be read), files that were changed under a name with a hash in it, which browsers have \
                been told never changes, and a folder that was written into for minutes and counts as it is.",
        level: Level::Warn,
        fields: &[FILES, FILE_NAMES],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.count(FILES, self.files);
        line.word(FILE_NAMES, self.names);
    }
}

/// The folder of static files could not be read again.
#[derive(Debug)]
pub struct FilesRefused<'a> {
    /// Why.
    pub error: &'a str,
}

impl Happening for FilesRefused<'_> {
    const DEFINITION: &'static Definition = &Definition {
        action: "files-refused",
        message: "The folder of static files could not be read again; what was served before goes on",
        about: "When it is gone, has too many files in it, or the folder for compressed files cannot be used.",
        level: Level::Error,
        fields: &[ERROR],
    };

    fn fields(&self, line: &mut Line<'_>) {
        line.word(ERROR, self.error);
    }
}
