//! How to say it: a plan becomes statements, PostgreSQL's DDL becomes the embedded engine's. The only maker of
//! [`Statement`].

pub mod ddl;
mod key;
mod own;
pub mod postgres;
pub mod sqlite;
mod statement;
mod writer;

pub use key::Key;
pub use own::OwnStatement;
pub use statement::{Parameter, Statement};
