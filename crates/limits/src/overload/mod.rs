//! How much the server answers at once.

mod class;
mod controller;
mod gate;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use class::{Class, Proof};
pub use controller::Load;
pub use gate::{Arrival, Gate, GateSettings, Place, Shed};
