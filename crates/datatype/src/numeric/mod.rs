//! `numeric`: decimal numbers of any length, in the text that PostgreSQL prints.

mod compare;
mod decimal;
mod operation;

pub use compare::compare_text;
pub(crate) use decimal::{Decimal, Number, parse, parse_number};
pub(crate) use operation::{add, divide, modulo, multiply, subtract};

/// The most digits before the decimal point; PostgreSQL's own limit.
pub const MAXIMUM_INTEGER_DIGITS: usize = 131_072;
/// The most digits after the decimal point; PostgreSQL's own limit.
pub const MAXIMUM_SCALE: usize = 16_383;
