use std::io;
use std::path::PathBuf;

use crate::walk::Unfit;

/// The folder cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// It cannot be read.
    #[error("the folder {} cannot be read: {source}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is more in it than may be.
    #[error("the folder {} has more than {most} files and folders in it (files.max_files)", folder.display())]
    TooMany {
        /// Which.
        folder: PathBuf,
        /// How many there may be.
        most: usize,
    },
    /// The page that is given where there is none is not there itself.
    #[error("{file} is not in the folder {}, and it is to be given where there is no other page (files.fallback)", folder.display())]
    Fallback {
        /// Its name.
        file: String,
        /// Where it is missing.
        folder: PathBuf,
    },
}

impl FilesError {
    pub(crate) fn unfit(unfit: Unfit, folder: PathBuf, most: usize) -> Self {
        match unfit {
            Unfit::TooMany => Self::TooMany { folder, most },
            Unfit::Unreadable(source) => Self::Folder { folder, source },
        }
    }
}
