//! Keeping the embedded engine's file: copies of it while it is served, looking it through, and putting a copy in its
//! place. Everything here works on a file by its path, in any process.

mod copy;
mod examine;
mod export;
mod lock;
mod open;
mod replace;

pub use copy::{Copied, copy};
pub use examine::{Check, Examined, examine};
pub use export::{Exported, export};
pub use lock::{Holder, Lock};
pub use replace::{Kept, replace};

pub(super) use examine::{damaged, look_through};

/// What a file's name gets for the files that belong to it while it is open.
pub const COMPANIONS: [&str; 4] = ["-wal", "-shm", "-journal", ".lock"];

/// The file beside another one whose name goes on with `suffix`.
pub fn beside(path: &std::path::Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
