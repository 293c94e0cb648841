//! The endpoints, a file each.

mod admin;
mod factors;
mod link;
mod mails;
mod public;
mod signing_keys;
mod signup;
mod token;
mod user;
mod verify;
