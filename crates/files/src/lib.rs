//! Static files: a folder that is read into an index, and served as any cache in front expects it.
//!
//! [`Site`] is the folder. A request's path is decoded once (`name.rs`) and looked up in the index, which was read from the folder
//! (`walk.rs`, `index.rs`); there is no other way from a path to a file. The index is made as a whole and put in its place as a whole.
//! What is sent under an entity tag is what the tag was made of: small files are in memory, large ones are compared piece by piece
//! while they are read (`content.rs`). Compressed forms are made beside the requests (`smaller.rs`) and kept on the disk (`kept.rs`).

mod answer;
pub mod assets;
mod beneath;
mod content;
mod digest;
mod error;
mod hashed;
mod index;
mod kept;
mod media;
mod name;
mod range;
mod settings;
mod site;
mod smaller;
mod stream;
mod walk;

pub use answer::{FileAnswer, FileBody};
pub use error::FilesError;
pub use index::Changes;
pub use settings::Settings;
pub use site::{Look, MOST_WAITS, Outcome, Reading, Site};
pub use stream::{FileChanged, FileStream};
pub use walk::PassedOver;
