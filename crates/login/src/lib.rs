//! Signing in: who may say that they are somebody, and through which program.

pub mod api_keys;
pub mod password;
