//! The ground: the words that every room of the house uses.
//!
//! Nothing here does anything: no engine, no socket, no clock that ticks by itself. A type lives here
//! when at least two crates that may not know each other have to talk about it.

mod caller;
mod clock;
mod failure;
mod footprint;
mod limit;
mod name;
mod network;
mod quota;
mod secret;

pub use caller::{Caller, CallerKey, Claims, KeyScope, NO_ROLE, ScopedName};
pub use clock::{Clock, SystemClock, Timestamp};
pub use failure::{CustomAnswer, Details, Failure, Kind, Offence};
pub use footprint::{ColumnSet, Cost, Footprint, Freshness, Touch};
pub use limit::Limit;
pub use name::{QualifiedName, Signature};
pub use network::{Network, UnknownNetwork};
pub use quota::{KeyQuota, Period, QuotaUnit};
pub use secret::Secret;
