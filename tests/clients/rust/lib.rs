//! Holds the published tests of the crate `postgrest`; see `Cargo.toml`.
