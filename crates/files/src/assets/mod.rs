//! `pando assets hash`: a folder of a site with content hashes in the names of its files, so that browsers keep them for good.
//!
//! Every file is written under its own name, and what pages fetch a second time, with its hash. References lead to the second
//! one wherever they are understood for certain; whatever is not goes on to find the first. Names are given from the leaves on: an
//! image, then the style sheet that has the image's name in it, then the script, so that a changed image changes all of them.

mod css;
mod html;
mod json;
mod naming;
mod order;
mod output;
mod reference;
mod script;
mod sources;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::FilesError;
use crate::beneath::Root;
use crate::walk::{PassedOver, walk};
use output::Output;
use sources::Sources;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedAssets {
    /// The name of each file that has one with a hash, and that.
    pub names: BTreeMap<String, String>,
    /// Files that refer to one another in a circle. They got their names together.
    pub circles: Vec<Vec<String>>,
    /// Pages that were left as they are, since their `<base>` leads elsewhere.
    pub left_alone: Vec<String>,
    /// What is in the folder and was not taken.
    pub passed_over: Vec<PassedOver>,
}

/// It cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// The folder cannot be read.
    #[error(transparent)]
    Folder(#[from] FilesError),
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Where it is to be written.
    #[error("{}: {reason}", folder.display())]
    Output {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A page promises the content of a file that has become another.
    #[error(
        "{page} has an integrity attribute beside {target}, in which references were changed, so that browsers would refuse it; \
             add such attributes afterwards, from the folder that is written"
    )]
    Integrity {
        /// The page.
        page: String,
        /// The file.
        target: String,
    },
    /// There is a file of the name that another one is to get.
    #[error("{name} is there already with another content than {original}, which is to get that name")]
    Taken {
        /// The name.
        name: String,
        /// Whose it would be.
        original: String,
    },
}

/// Writes the folder `from` to `to` with hashes in names. `from` is only read; `to` is replaced as a whole if it is what this has written
/// before, or empty. Hidden files are not taken, but for `.well-known`.
///
/// # Errors
/// See [`AssetsError`]. `to` stays as it was.
pub fn hash(from: &Path, to: &Path, most_files: usize) -> Result<HashedAssets, AssetsError> {
    let unreadable = |source| FilesError::Folder { folder: from.to_owned(), source };
    let root = Arc::new(Root::open(from).map_err(unreadable)?);
    let output = Output::begin(from, to)?;
    let found = walk(&root, most_files).map_err(|unfit| FilesError::unfit(unfit, from.to_owned(), most_files))?;
    let mut sources = Sources::read(&root, found)?;
    let circles = sources.name_all();
    sources.check_integrity()?;
    for file in sources.files() {
        let content = sources.content(file)?;
        output.write(&file.name, &content)?;
        if let Some(hashed) = file.hashed_name() {
            match sources.find(&hashed) {
                // From an earlier time, with this very content.
                Some(there) if there.is_same(&content) => {}
                Some(_) => return Err(AssetsError::Taken { name: hashed, original: file.name.clone() }),
                None => output.write(&hashed, &content)?,
            }
        }
    }
    let names: BTreeMap<String, String> =
        sources.files().iter().filter_map(|file| Some((file.name.clone(), file.hashed_name()?))).collect();
    output.finish(&names)?;
    Ok(HashedAssets { names, circles, left_alone: sources.left_alone, passed_over: sources.passed_over })
}
