//! What was done, and by whom. The store writes an entry for every change of a row, in the transaction of the change; here they
//! are sealed into a Merkle log, and what was altered behind the program's back is found.
//!
//! `tree.rs` is the tree of RFC 6962, `checkpoint.rs` its signed root, `entry.rs` what an entry is, `seal.rs` the sequencer, `head.rs` how far it came,
//! `verify.rs` what finds the damage, `proof.rs` what shows one entry to others, `export.rs` all of them, `event.rs` how others have an event written down,
//! `retention.rs` what lets old entries go.

mod checkpoint;
mod entry;
mod event;
mod export;
mod head;
mod page;
mod proof;
mod retention;
mod seal;
mod tables;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, NoteVerifier, Signer};
pub use entry::Entry;
pub use event::{Event, event};
pub use export::{Filter, before_last, export};
pub use proof::{Proven, check, newest_checkpoint, prove};
pub use retention::forget;
pub use seal::{Memory, Sealed, Sealer};
pub use tables::{MIGRATIONS, STATEMENTS, STATEMENTS_OF_FILES, STATEMENTS_OF_SERVERS};
pub use tree::{Edge, Hash, leaf, node};
pub use verify::{Finding, Report, verify};

/// What may go wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The database.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// What is to sign cannot.
    #[error("the key of the audit cannot be used: {0}")]
    Key(&'static str),
    /// A checkpoint or a proof that is not what it has to be: not signed with this key, or of something else.
    #[error("this is no checkpoint of this log: {0}")]
    Note(&'static str),
    /// What was given does not even look like a checkpoint or a proof.
    #[error("this is no checkpoint and no proof: {0}")]
    Form(&'static str),
    /// An entry of which nothing can be proved.
    #[error("that entry {id} stands in the log cannot be proved: {problem}")]
    Unproven {
        /// The entry.
        id: i64,
        /// Why not.
        problem: String,
    },
    /// An entry that is not as it was sealed, or stands in a log that is not.
    #[error("that entry {id} stands in the log cannot be proved: {problem}")]
    Unsound {
        /// The entry.
        id: i64,
        /// What is wrong.
        problem: String,
    },
    /// What is kept of the tree does not fit together: `pando audit verify` says where.
    #[error("the log does not fit together: {0}; `pando audit verify` says what is wrong")]
    Broken(String),
    /// The log is no continuation of what this process has signed or found before.
    #[error(
        "the log does not go on from what was sealed before, and nothing is sealed: {0}. It was cut off or made anew; where that was meant, as \
         with a backup that was put back, a restart goes on from what is there"
    )]
    Rewritten(String),
}
