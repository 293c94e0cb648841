//! One file for each command.

pub mod assets;
pub mod audit;
pub mod backup;
pub mod bootstrap;
pub mod check;
pub mod config;
pub mod contract;
pub mod doctor;
pub mod export_accounts;
pub mod init;
pub mod keys;
pub mod migrate;
mod misnamed;
mod opening;
mod operations;
pub mod passwords;
pub mod reload;
pub mod restore;
mod secret_file;
pub mod serve;
pub mod token;
mod watch;
