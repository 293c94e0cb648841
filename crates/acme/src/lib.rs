//! Certificates from an authority by ACME (RFC 8555): ordered when there is none, kept in a folder, renewed well before they end.
//!
//! A [`Keeper`] looks at its folder once a second. What it finds there (a certificate, challenges that another process has begun)
//! it hands to the [`Stage`], which is the front door; when a certificate is due, whoever gets the folder's lock orders one. What went
//! wrong is written down before it is tried, so that neither a restart nor a crash asks the authority sooner.

mod challenge;
mod client;
mod config;
mod error;
mod facts;
mod folder;
mod keeper;
mod order;
mod schedule;

pub use challenge::{Challenge, Stage};
pub use config::{ChallengeKind, Config, ExternalAccount, LETS_ENCRYPT, LETS_ENCRYPT_STAGING, MOST_DOMAINS};
pub use error::AcmeError;
pub use keeper::Keeper;
