//! What is asked: the PostgREST dialect, both ways. URL, headers and body become an [`ApiRequest`]; an
//! outcome becomes a status and headers. This crate knows no table: names are looked up by `plan`.
//!
//! The way in is [`parse()`], which tries, in this order, the path, the schema, the method, the query string
//! (cut into parameters, each in a little grammar of its own), ranges, the body, and the media types that are accepted.
//! The way out is [`head`] for what succeeded, [`refuse`] for what failed and [`options`] for `OPTIONS`.

#![allow(
    clippy::result_large_err,
    reason = "a Failure is made once per refused request; boxing it everywhere would buy nothing"
)]

mod accept;
mod body;
mod error_form;
mod fault;
mod grammar;
mod outline;
mod parse;
mod preferences;
mod query;
mod range;
mod reply;
mod request;
mod settings;
mod status;
mod told;

pub use error_form::ErrorForm;
pub use outline::Outline;
pub use parse::{Incoming, parse};
pub use preferences::{Count, Handling, Missing, Preferences, Representation, Resolution, Transaction};
pub use reply::{Head, Outcome, Reply, content_type, content_type_of, has_body, head, options, refuse};
pub use request::*;
pub use settings::{Limits, Settings, TransactionEnd};
pub use status::status;
