//! A statement that can be run. It cannot be made from text outside of this crate: what reaches an engine was
//! appended by [`crate::writer`].

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datatype::Datum;

/// One SQL statement with its parameters. Where its values come from makes it no other statement.
#[derive(Debug, Clone)]
pub struct Statement {
    text: Arc<str>,
    parameters: Vec<Parameter>,
    /// Which parameters take values of the request's conditions: the place of the condition, and that of the parameter.
    places: Arc<[(u16, usize)]>,
}

impl PartialEq for Statement {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.parameters == other.parameters
    }
}

impl Hash for Statement {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
        self.parameters.hash(state);
    }
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
    pub(crate) fn new(text: String, parameters: Vec<Parameter>, places: Vec<(u16, usize)>) -> Self {
        Self { text: text.into(), parameters, places: places.into() }
    }

    pub(crate) fn places(&self) -> &[(u16, usize)] {
        &self.places
    }

    /// The same statement with other values of the request's conditions, by their places; the others stay. A value whose place has no
    /// parameter here is left out; whether the statement that gives the rows has all of them, whoever has that statement asks.
    #[must_use]
    pub fn with_values(&self, values: &[(u16, Datum)]) -> Self {
        let mut changed = self.clone();
        for (place, parameter) in self.places.iter() {
            let value = values.iter().find(|(of, _)| of == place);
            if let Some(((_, value), parameter)) = value.zip(changed.parameters.get_mut(*parameter)) {
                *parameter = Parameter::Value(value.clone());
            }
        }
        changed
    }

    /// Whether each of these values has a parameter.
    pub(crate) fn has_places(&self, values: &[(u16, Datum)]) -> bool {
        values.iter().all(|(wanted, _)| self.places.iter().any(|(place, _)| place == wanted))
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
