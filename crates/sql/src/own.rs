//! Statements of the program itself: on its own tables, in PostgreSQL's words, for every engine.

/// A statement that stands in the program's source. A PostgreSQL server runs it as it is, on SQLite it is read like the body
/// of a function: `SELECT`, `INSERT ... [ON CONFLICT (columns)] ... [RETURNING ...]`, `UPDATE ... [RETURNING ...]` or
/// `DELETE ... [RETURNING ...]`, one of them, tables with their schema. Values are its parameters `$1`, `$2`, ...; nothing else
/// can get into its text, since that is the program's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnStatement {
    text: &'static str,
    parameters: &'static [&'static str],
}

impl OwnStatement {
    /// A statement and the types of its parameters, in their order: names of PostgreSQL's (`uuid`, `timestamptz`, `jsonb`), of an
    /// enumeration with its schema (`auth.aal_level`), or `inet`, which SQLite keeps as text.
    pub const fn new(text: &'static str, parameters: &'static [&'static str]) -> Self {
        Self { text, parameters }
    }

    /// Its text.
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// The names of its parameters' types.
    pub const fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }
}
