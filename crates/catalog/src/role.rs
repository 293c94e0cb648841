//! Roles.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::native::Setting;

/// A database role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: Arc<str>,
    /// Whether row security does not apply to it (`BYPASSRLS`).
    pub bypasses_row_security: bool,
    /// Whether requests may run as it: whether it is granted to the role that Pando logs in with.
    pub is_assumable: bool,
    /// The roles whose rights it has too (`GRANT role TO role`).
    pub member_of: Vec<Arc<str>>,
    /// On a PostgreSQL server: what its transactions are set to (`ALTER ROLE ... SET`), those of this database last.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// On a PostgreSQL server: what it has set and the role that Pando logs in with may not set.
    #[serde(default)]
    pub refused_settings: Vec<Arc<str>>,
}

/// What a request's role is to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleStanding {
    /// Requests may run as it.
    Assumable,
    /// It exists, but Pando may not become it (42501).
    NotGranted,
    /// There is no such role (22023).
    Unknown,
}
