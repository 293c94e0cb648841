//! Signing in: who may say that they are somebody.

pub mod password;
