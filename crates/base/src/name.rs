use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A relation's or routine's full name: schema and name, both exactly as the catalog spells them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QualifiedName {
    /// The schema, for example `public`.
    pub schema: Arc<str>,
    /// The name inside the schema.
    pub name: Arc<str>,
}

impl QualifiedName {
    /// Puts a schema and a name together.
    pub fn new(schema: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for QualifiedName {
    /// `schema.name`, unquoted: for messages, never for SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// What tells one routine from another: its name and the types of its input arguments. Routines may share a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// The name.
    pub name: QualifiedName,
    /// The names of the input arguments' types, in order, without modifiers: `integer`.
    pub arguments: Vec<Arc<str>>,
}

impl fmt::Display for Signature {
    /// `name(integer, text)`, without the schema, as PostgreSQL's messages have it: never for SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name.name, self.arguments.join(", "))
    }
}
