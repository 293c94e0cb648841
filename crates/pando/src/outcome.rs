//! How a command ends: with an exit code that scripts can rely on.

use std::io;

use edge::EdgeError;

use crate::configuration::ConfigError;
use crate::migrations::MigrationError;

/// Why a command failed. Each kind has its exit code.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It failed while it ran.
    #[error("{0}")]
    Failed(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// A migration is refused or failed.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The database cannot be opened.
    #[error("{0}")]
    Database(store::StoreError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Address(#[from] EdgeError),
    /// The log of the audit was altered, or a proof is none.
    #[error("{0}")]
    Altered(String),
    /// Nobody reads what is printed any more, or the disk is full.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// The exit code. 2 is the command line's own, given by clap.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) | Self::Output(_) => 1,
            Self::Configuration(_) | Self::Address(EdgeError::Certificate { .. } | EdgeError::Origin(_)) => 3,
            Self::Migration(_) => 4,
            Self::Database(_) => 5,
            Self::Address(_) => 6,
            Self::Altered(_) => 7,
        }
    }

    /// What it is about, in front of the message.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Failed(_) | Self::Output(_) => "error",
            Self::Configuration(_) => "the configuration is wrong",
            Self::Migration(_) => "the migration is refused",
            Self::Database(_) => "the database cannot be opened",
            Self::Address(_) => "the server cannot start",
            Self::Altered(_) => "the audit does not hold",
        }
    }
}
