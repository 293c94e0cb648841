//! Privileges on tables and columns.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What may be done with a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
}

/// One privilege of one role, on all columns or some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The role; `public` is everybody.
    pub role: Arc<str>,
    /// What it may do.
    pub privilege: Privilege,
    /// On which columns; `None` for all.
    pub columns: Option<Vec<Arc<str>>>,
}

impl Grant {
    /// Whether it lets `role` do `privilege` on `column`, or on the whole relation when `column` is `None`.
    pub fn allows(&self, role: &str, privilege: Privilege, column: Option<&str>) -> bool {
        self.is_for(role, privilege)
            && match (&self.columns, column) {
                (None, _) => true,
                (Some(columns), Some(column)) => columns.iter().any(|granted| &**granted == column),
                (Some(_), None) => false,
            }
    }

    /// Whether it gives `role` the privilege, on whatever columns.
    pub fn is_for(&self, role: &str, privilege: Privilege) -> bool {
        self.privilege == privilege && (&*self.role == role || &*self.role == "public")
    }
}
