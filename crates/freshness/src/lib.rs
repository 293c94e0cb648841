//! HTTP caching as RFC 9111 has it, for caches that serve several: what may be stored, how old it is and how long it is fresh, which
//! of several stored answers fits a request, when it may be answered again, what confirms it and what makes it out of date.
//!
//! Everything here is a function of fields and moments: no clock is read and nothing is kept.
//!
//! What answers in production uses little of it: [`RequestDirectives`] for what a request asks of kept answers, [`CACHE_STATUS`] and
//! [`age`] for what is told of one. `service` keeps answers by a stricter rule than any header can state, that what they were read
//! from has not changed, so it has no use for [`Judgement`], [`Policy`], [`may_store`], [`update()`] and [`Portion`]. Those are RFC 9111
//! whole, as the measure that this rule is held against, and around them stands one small cache: `tests/proxy`. What http-cache-tests
//! finds (none of its required tests fails) is found of that cache, not of what Pando keeps, nor of a Varnish in front.
//!
//! The way of a request: [`RequestDirectives::read`], [`Selection::fits`] finds what is stored for it, [`Judgement::verdict`] says
//! what to do. The way of an answer: [`Policy::read`], [`may_store`], [`stored`]. After a 304: [`update()`]; after a write: [`outdated`].
//!
//! What is doubtful is stale: numbers that are none, directives that contradict each other, an `Age` that nobody can read.
//! RFC 9111 leaves caches the choice there. Left out, and never done: parts (206) are not stored, several ranges at once are answered
//! whole, `Warning` is neither read nor written (it is obsolete), and no order of languages is made the same as another.

mod condition;
mod date;
mod directives;
mod fields;
mod invalidation;
mod judge;
mod policy;
mod range;
mod request;
mod response;
mod seconds;
mod status;
mod storing;
mod structured;
mod targeted;
mod update;
mod validator;
mod vary;

pub use condition::{is_for_the_origin, is_not_modified, not_modified};
pub use date::{parse as parse_date, print as print_date};
pub use fields::{remove_hop_by_hop, stored};
pub use invalidation::outdated;
pub use judge::{Judgement, Reason, Trouble, Verdict};
pub use policy::{LONGEST_GUESS, Policy, Received, Rules};
pub use range::Portion;
pub use request::RequestDirectives;
pub use response::{Reach, ResponseDirectives};
pub use seconds::MOST_SECONDS;
pub use status::{CACHE_STATUS, CacheStatus, Forwarded, age, tell_age};
pub use storing::{Asked, NotStored, may_store};
pub use targeted::{CDN_CACHE_CONTROL, SURROGATE_CONTROL, Target};
pub use update::{Freshened, ask_whether_current, freshen, is_about, update};
pub use vary::{MOST_FIELDS, Selection, Vary};
