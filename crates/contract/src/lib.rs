//! What is promised to clients, written out for their tools: an OpenAPI 3.1 document of what a role may do, and the
//! TypeScript types that supabase-js takes. Both are functions of the catalog: no wire, no engine, no clock.
//!
//! [`openapi()`] and [`typescript()`] are the two ways in.

mod members;
mod name;
mod openapi;
mod reach;
mod typescript;

pub use openapi::{Document, Subject, openapi};
pub use typescript::{TypeScriptError, typescript};
