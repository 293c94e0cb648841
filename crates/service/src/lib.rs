//! The corridor: one request, room after room. No sockets, no SQL.
//!
//! [`Service::answer`] is the path; read it first.

mod caches;
mod charging;
mod contracts;
mod describe;
mod exchange;
mod guards;
mod idempotency;
mod path;
mod position;
mod precondition;
mod prepared;
mod recall;
mod scope;
mod shaping;

pub use caches::{Caches, CachesSettings};
pub use contracts::{ContractSettings, Visibility};
pub use exchange::{Answer, Area, Body, BodyBroken, BodyStream, Client, Request, Summary};
pub use idempotency::IdempotencySettings;
pub use path::{Service, Settings, Way, refuse};
pub use recall::{Age, Lifetime, Recall, RecallSettings, Rule, SharedAnswers};
