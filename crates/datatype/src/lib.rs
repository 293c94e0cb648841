//! What a value is: PostgreSQL's data types, their text and JSON forms, comparison, casts and arithmetic,
//! the same on every engine, and their form on PostgreSQL's wire ([`binary`]). Pure: no engine, no clock, no socket.
//!
//! Every function is total: whatever the input, it answers or gives a [`ValueError`]; it never panics.

mod aggregate;
mod arithmetic;
pub mod array;
pub mod binary;
mod bytea;
mod calendar;
mod cast;
mod comparison;
mod datum;
mod error;
mod float;
pub mod function;
mod input;
mod integer;
pub mod interval;
pub mod json;
pub mod numeric;
mod output;
pub mod pattern;
mod temporal;
mod types;
mod uuid;
mod zone;

pub use aggregate::{Average, Sum};
pub use arithmetic::{Arithmetic, arithmetic};
pub use cast::{can_cast, cast};
pub use comparison::compare;
pub use datum::{Datum, DatumRef};
pub use error::ValueError;
pub use input::{from_json, parse, parse_in};
pub use output::{write_json, write_output, write_text};
pub use types::{EnumType, NativeKind, NativeType, Type};
pub use zone::Zone;

#[cfg(test)]
mod properties;
