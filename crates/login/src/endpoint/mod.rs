//! The endpoints, a file each.

mod admin;
mod external;
mod external_ends;
mod factors;
mod identities;
mod link;
mod mails;
mod public;
mod signing_keys;
mod signup;
mod token;
mod user;
mod verify;

pub(crate) use verify::told;
