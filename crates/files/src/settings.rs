use std::path::PathBuf;

/// What is served, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder.
    pub folder: PathBuf,
    /// The file in it that is given to browsers where there is no other page, for applications that have their pages in the browser.
    pub fallback: Option<String>,
    /// Where compressed files are kept, so that the next start need not make them. `None` makes them anew each time.
    pub kept: Option<PathBuf>,
    /// Paths that belong to somebody else, `/rest/v1`: what lies below them in the folder is not served.
    pub reserved: Vec<String>,
    /// How many files and folders there may be.
    pub max_files: usize,
    /// How many bytes of files, and of them compressed, are held in memory. What goes beyond is read from the disk when it is asked for.
    pub max_memory_bytes: u64,
    /// How many seconds browsers and proxies keep a file without asking, unless its name has a hash or it is a page.
    pub max_age_seconds: u32,
    /// Folders in it whose files never change, beside those whose names have a hash: `_app/immutable`.
    pub immutable: Vec<String>,
}

impl Settings {
    /// A folder with the defaults.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            fallback: None,
            kept: None,
            reserved: Vec::new(),
            max_files: 20_000,
            max_memory_bytes: 64 * 1024 * 1024,
            max_age_seconds: 300,
            immutable: Vec::new(),
        }
    }
}
