//! A statement that can be run. It cannot be made from text outside of this crate: what reaches an engine was
//! appended by [`crate::writer`].

use std::sync::Arc;

use datatype::Datum;

/// One SQL statement with its parameters.
#[derive(Debug, Clone, PartialEq, Hash)]
pub struct Statement {
    text: Arc<str>,
    parameters: Vec<Parameter>,
}

/// Where the value of a parameter comes from.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Parameter {
    /// From the request or its caller.
    Value(Datum),
    /// From a column of the row around it, by position: the key of an embed.
    Outer(usize),
    /// The `_rowid_`s of the rows that were just written, as a JSON array.
    WrittenRows,
    /// From a cell of the row that is being written, by position.
    Cell(usize),
    /// The `_rowid_` of the row at hand.
    RowId,
    /// From a parameter of a statement of the program itself, by position.
    Argument(usize),
}

impl Statement {
    pub(crate) fn new(text: String, parameters: Vec<Parameter>) -> Self {
        Self { text: text.into(), parameters }
    }

    /// The text. It depends on the request's shape only; no value stands in it.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The parameters, in the order of the text's `?`.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
}
