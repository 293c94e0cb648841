//! A PostgreSQL server.

mod introspect;
