//! The configuration: `pando.toml` (or PostgREST's file and environment), then the environment, then flags; every value with where it came from.

mod auditing;
mod cdn;
mod certificates;
mod defence;
mod effect;
mod idempotency;
mod limiting;
mod load;
mod login;
mod passwords;
mod postgrest;
mod problem;
mod providers;
#[cfg(test)]
mod reference;
mod replicas;
mod responses;
mod sections;
mod setting;
mod show;
mod site;

pub use auditing::{AuditEnabled, text_of};
pub use effect::{DatabaseAddress, Prepared, check_servers};
pub use idempotency::IdempotencyEnabled;
pub use load::{Loaded, Sources, load};
pub use login::LoginEnabled;
pub use postgrest::database_names;
pub use problem::ConfigError;
pub use responses::Sharing;
pub use sections::{ApiKeys, CheckAtStart, Config, LogFormat, OpenApiMode};
pub use setting::schema_text;
pub use show::show;
