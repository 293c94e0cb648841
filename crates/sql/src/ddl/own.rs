//! Statements of the program itself, read as the body of a function whose arguments are their parameters.

use std::sync::Arc;

use base::{QualifiedName, Signature};
use catalog::{Argument, Returns, Routine, RoutineResult, Snapshot, Volatility};
use datatype::Type;

use super::problem::{NOWHERE, Outcome, Problem};
use super::routine_body::Body;
use super::{DdlError, tokens, types};
use crate::own::OwnStatement;
use crate::sqlite::own::Own;

/// What messages call the place of such a statement.
const FILE: &str = "a statement of the program";

/// Reads a statement of the program over what exists, and puts it into SQLite's words.
///
/// # Errors
/// What is wrong with it, which is the program's fault: such a statement is tried by a test.
pub fn own(statement: &OwnStatement, snapshot: &Snapshot) -> Result<Own, DdlError> {
    read(statement, snapshot).map_err(|problem| problem.located(FILE))
}

fn read(statement: &OwnStatement, snapshot: &Snapshot) -> Outcome<Own> {
    let parameters =
        statement.parameters().iter().map(|name| parameter_type(snapshot, name)).collect::<Outcome<Vec<_>>>()?;
    let routine = routine(&parameters);
    let pieces = tokens::split(statement.text())?;
    let [piece] = pieces.as_slice() else { return Err(Problem::invalid(NOWHERE, "it has to be one statement")) };
    let read = Body { snapshot, routine: &routine, level: None }.answering(piece)?;
    crate::sqlite::own::render(&read, parameters, snapshot)
        .ok_or_else(|| Problem::invalid(NOWHERE, "the table that it writes does not exist"))
}

/// The type that a parameter is declared with.
fn parameter_type(snapshot: &Snapshot, name: &str) -> Outcome<Type> {
    if let Some(known) = own_type(name) {
        return Ok(known);
    }
    let (schema, bare) = name.split_once('.').map_or((None, name), |(schema, bare)| (Some(schema), bare));
    let found = types::find_enum(snapshot, schema, bare).cloned().map(Type::Enum);
    found.ok_or_else(|| Problem::invalid(NOWHERE, format!("type \"{name}\" does not exist")))
}

/// The type of a parameter or column of the program's own by its name; `None` for one of a schema.
pub fn own_type(name: &str) -> Option<Type> {
    match name {
        "inet" => Some(Type::Text),
        _ => Type::from_name(name),
    }
}

/// A function without a body that takes the parameters, and gives whatever its statement does.
fn routine(parameters: &[Type]) -> Routine {
    let argument = |data_type: &Type| Argument { name: None, data_type: data_type.clone(), default: None };
    Routine {
        signature: Signature { name: QualifiedName::new("pando", "own"), arguments: Vec::new() },
        arguments: parameters.iter().map(argument).collect(),
        returns: Returns { result: RoutineResult::Void, is_set: false },
        volatility: Volatility::Volatile,
        is_security_definer: true,
        is_strict: false,
        body: Vec::new(),
        source: String::new(),
        comment: None,
        executors: vec![Arc::from("postgres")],
        native: None,
    }
}
