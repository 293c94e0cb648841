//! The configuration: `pando.toml`, then the environment, then flags; every value with where it came from.

mod effect;
mod load;
mod problem;
mod reference;
mod sections;
mod setting;
mod show;

pub use effect::Prepared;
pub use load::{Loaded, Origin, Sources, load};
pub use problem::{ConfigError, Problem};
#[cfg(test)]
pub use reference::reference;
pub use reference::schema_text;
pub use sections::{Config, LogFormat, SecretText};
pub use show::show;
