//! `LIKE`, and PostgreSQL's regular expressions.

mod bracket;
mod like;
mod regular;
mod search;
mod translate;

pub use like::like;
pub use regular::{COMPILED_LIMIT, NESTING_LIMIT, Pattern, compile};
pub use search::SEARCH_LIMIT;
pub(crate) use search::{Searcher, with};
