//! How much one may ask.
//!
//! Two things are decided here, which have nothing to do with one another:
//!
//! - [`RateLimits`]: how much *somebody* may ask ([`Policy`]: so much in so long, per address, network, user, key). Beyond it the
//!   answer is 429, however idle the server is. A request is charged by itself, or by its price ([`price()`]), which comes from the
//!   footprint of its plan.
//! - [`Gate`]: how much *the server* answers at once, found out while it runs. Beyond it the answer is 503, and who is turned away
//!   first is decided by the [`Class`] of the request, before anybody looks at its token or asks the database.

mod overload;
mod price;
mod rates;

pub use overload::{Arrival, Class, Gate, GateSettings, Load, Place, Proof, Shed};
pub use price::price;
pub use rates::{Asker, Metered, Policy, PolicyError, RateLimits, RateSettings, Scope, Told, Unit, default_policies};
