//! Caches in front that are told of changes. An answer that such a cache may keep carries names of what it was read from ([`Tag`]); when that
//! changes, the cache is told to forget whatever carries the name ([`Purger`]).
//!
//! What has to be purged waits in `queue`, in order, each name once. What is on its way to a cache when something changes may get there
//! after the purge, and would be kept though it is old: `departures` knows of it, and such names are purged once more when it has
//! arrived. Both know no network and no clock of their own; `purger` brings these together, `driver` speaks with the caches.

mod departures;
mod driver;
mod purger;
mod queue;
mod settings;
mod tag;

pub use departures::{Departure, Departures};
pub use driver::{Driver, Purged, Refused, TagHeader, open};
pub use purger::{Gauges, Purger};
pub use settings::{CdnError, CdnSettings, DriverSettings, WebhookKey};
pub use tag::{MOST_TAGS, Tag, Tags};
