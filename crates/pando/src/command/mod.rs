//! One file for each command.

pub mod check;
pub mod config;
pub mod contract;
pub mod init;
pub mod migrate;
pub mod serve;
pub mod token;
