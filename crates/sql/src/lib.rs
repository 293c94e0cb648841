//! How to say it: a plan becomes statements, PostgreSQL's DDL becomes the embedded engine's. The only maker of
//! [`Statement`].

pub mod ddl;
pub mod sqlite;
mod statement;
mod writer;

pub use statement::{Parameter, Statement};
