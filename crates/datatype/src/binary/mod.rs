//! PostgreSQL's binary values, as `typsend` functions write them, straight to JSON and text.
//!
//! What is printed is what the server itself would print for a session with `client_encoding` UTF8, `DateStyle` ISO,
//! `IntervalStyle` postgres, `extra_float_digits` 1 and `bytea_output` hex, in the time zone that is handed over; it
//! was compared with PostgreSQL 15 (`tests/binary.rs`). Where later versions print otherwise, the newer form is taken:
//! the largest and smallest `interval` are infinite since 17, and `"char"` has octal escapes since 16.
//!
//! The bytes come from outside. Whatever they are, the answer is a print or [`Malformed`]: never a panic, never more
//! work or memory than the bytes (and, for `numeric`, its declared number of digits) explain. What was printed is always
//! UTF-8, and JSON where the server sent JSON: values of `json` and `jsonb` are not read again.

mod array;
mod bits;
mod cursor;
mod decoder;
mod error;
mod nested;
mod network;
mod numeric;
mod record;
mod scalar;
mod temporal;

pub use array::{Array, Dimension, Elements, MAXIMUM_DIMENSIONS};
pub use decoder::Decoder;
pub use error::Malformed;
pub use nested::LONGEST_ARRAY;
pub use record::Record;

#[cfg(test)]
mod properties;
