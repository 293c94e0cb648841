//! SQL text is appended, never formatted: syntax that stands in this crate's source, identifiers that come from the
//! catalog, and values, which become parameters.

use catalog::Place;
use datatype::Datum;

use crate::statement::{Parameter, Statement};

/// The sizes that pages usually have, in the order of their size. Few enough that each statement is kept prepared.
const USUAL_SIZES: [&str; 53] = [
    "1", "2", "3", "4", "5", "6", "8", "9", "10", "12", "15", "16", "18", "20", "21", "24", "25", "30", "32", "36",
    "40", "48", "50", "60", "64", "75", "80", "96", "99", "100", "101", "120", "128", "150", "200", "250", "256",
    "300", "400", "500", "501", "512", "600", "750", "800", "1000", "1001", "1024", "2000", "2048", "2500", "5000",
    "10000",
];

/// Where values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// Into parameters: every statement that serves a request.
    AsParameters,
    /// Into parameters with numbers (`$1`), as PostgreSQL has them.
    Numbered,
    /// Into the text, as literals: DDL, which takes no parameters. Its values come from the schema's author.
    AsLiterals,
}

/// A statement while it is written.
#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    parameters: Vec<Parameter>,
    /// Which parameters take values of the request's conditions, by the places of those.
    places: Vec<(u16, usize)>,
    values: Values,
    /// The places of parameters that may stand in several places of the text.
    shared: Vec<usize>,
    /// What the row that a statement of a trigger changes is called: there it can have no alias.
    row_name: Option<String>,
}

impl Writer {
    pub(crate) fn new(values: Values) -> Self {
        Self {
            text: String::with_capacity(256),
            parameters: Vec::new(),
            places: Vec::new(),
            values,
            shared: Vec::new(),
            row_name: None,
        }
    }

    /// The same, for a statement inside of a trigger that changes rows of a table.
    pub(crate) fn in_trigger(table: &str) -> Self {
        Self { row_name: Some(table.to_owned()), ..Self::new(Values::AsLiterals) }
    }

    /// Appends the name of the row that is changed, if it has one.
    pub(crate) fn writes_row_name(&mut self) -> bool {
        let Some(name) = self.row_name.clone() else { return false };
        self.identifier(&name);
        true
    }

    /// Appends syntax.
    pub(crate) fn syntax(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a number that the program itself counted: aliases, positions.
    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        match u8::try_from(number) {
            // Nearly all of them.
            Ok(digit) if digit < 10 => self.text.push(char::from(b'0' + digit)),
            _ => self.text.push_str(&number.to_string()),
        }
        self
    }

    /// Appends an identifier, quoted: one of the catalog, or a name that the server is to resolve.
    pub(crate) fn identifier(&mut self, name: &str) -> &mut Self {
        self.text.push('"');
        for part in name.split_inclusive('"') {
            self.text.push_str(part);
            if part.ends_with('"') {
                self.text.push('"');
            }
        }
        self.text.push('"');
        self
    }

    /// Appends a value: a parameter, or in DDL a literal.
    pub(crate) fn value(&mut self, value: &Datum) -> &mut Self {
        match self.values {
            Values::AsParameters | Values::Numbered => self.parameter(Parameter::Value(value.clone())),
            Values::AsLiterals => self.literal(value),
        }
    }

    /// Appends a value as [`Self::value`] does, and remembers which condition of the request it is from.
    pub(crate) fn placed(&mut self, value: &Datum, place: Place) -> &mut Self {
        if self.values != Values::AsLiterals {
            self.places.extend(place.0.map(|place| (place, self.parameters.len())));
        }
        self.value(value)
    }

    /// Appends a parameter.
    pub(crate) fn parameter(&mut self, parameter: Parameter) -> &mut Self {
        self.parameters.push(parameter);
        if self.values == Values::Numbered {
            self.text.push('$');
            self.number(self.parameters.len() as u64);
        } else {
            self.text.push('?');
        }
        self
    }

    /// Appends a text that must be the same parameter wherever it stands, so that equal expressions are equal to the engine.
    pub(crate) fn shared_text(&mut self, text: &str) -> &mut Self {
        let known = self.shared.iter().copied().find(
            |place| matches!(self.parameters.get(*place), Some(Parameter::Value(Datum::Text(known))) if known == text),
        );
        let Some(place) = known else {
            self.shared.push(self.parameters.len());
            return self.parameter(Parameter::Value(Datum::Text(text.to_owned())));
        };
        self.text.push('$');
        self.number(place as u64 + 1)
    }

    /// Appends a number of rows, as a parameter.
    pub(crate) fn row_count(&mut self, rows: u64) -> &mut Self {
        self.parameter(Parameter::Value(Datum::Integer(i64::try_from(rows).unwrap_or(i64::MAX))))
    }

    /// Appends the size of a page. One of the usual sizes stands in the statement itself: PostgreSQL makes a plan anew for each
    /// execution where the size is a parameter, since it takes an unknown one for a tenth of all rows.
    pub(crate) fn page_size(&mut self, rows: u64) -> &mut Self {
        let printed = rows.to_string();
        match USUAL_SIZES.iter().find(|size| **size == printed) {
            Some(size) => self.syntax(size),
            None => self.row_count(rows),
        }
    }

    /// Appends SQL that the engine itself printed: the name of a type, a default. Never anything of a request.
    pub(crate) fn printed_by_engine(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a statement with its parameters, where no other parameter stands before it.
    pub(crate) fn statement(&mut self, statement: &Statement) -> &mut Self {
        debug_assert!(self.parameters.is_empty(), "the numbers of parameters are those of the statement");
        self.text.push_str(statement.text());
        self.parameters.extend_from_slice(statement.parameters());
        self.places.extend_from_slice(statement.places());
        self
    }

    fn literal(&mut self, value: &Datum) -> &mut Self {
        match value {
            Datum::Null => self.text.push_str("NULL"),
            Datum::Integer(i64::MIN) => self.text.push_str("(-9223372036854775807 - 1)"),
            Datum::Integer(value) => self.text.push_str(&value.to_string()),
            Datum::Real(value) if value.is_infinite() => {
                self.text.push_str(if *value > 0.0 { "9e999" } else { "-9e999" });
            }
            Datum::Real(value) => self.text.push_str(&format!("{value:?}")),
            Datum::Text(value) => {
                // A NUL would end the statement's text; it cannot stand in a PostgreSQL value either.
                self.text.push('\'');
                self.text.push_str(&value.replace('\0', "").replace('\'', "''"));
                self.text.push('\'');
            }
            Datum::Bytes(value) => {
                self.text.push_str("x'");
                for byte in value {
                    self.text.push_str(&format!("{byte:02x}"));
                }
                self.text.push('\'');
            }
        }
        self
    }

    /// Separates items: calls `write` for each, with `separator` between.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        separator: &'static str,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                self.syntax(separator);
            }
            write(self, item);
        }
        self
    }

    /// The finished statement.
    pub(crate) fn finish(self) -> Statement {
        Statement::new(self.text, self.parameters, self.places)
    }

    /// The finished text of DDL, which has no parameters.
    pub(crate) fn finish_text(self) -> String {
        debug_assert!(self.parameters.is_empty(), "DDL has no parameters");
        self.text
    }
}
