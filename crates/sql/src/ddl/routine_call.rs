//! Calls of functions that the schema declares, inside expressions.

use std::sync::Arc;

use base::{QualifiedName, Signature};
use catalog::{Expression, Function, Routine, RoutineResult};
use datatype::Type;
use sqlparser::ast::Expr;
use sqlparser::tokenizer::Location;

use super::expression::{Analyzer, Context};
use super::operator::{self, Operand};
use super::problem::{Outcome, Problem};
use super::{inline, trigger_body};

impl Analyzer<'_> {
    /// A call of a function of the schema's own; `None` if there is none of that name.
    pub(super) fn routine_call(
        &mut self,
        schema: Option<&str>,
        name: &str,
        arguments: &[&Expr],
        at: Location,
    ) -> Outcome<Option<Expression>> {
        let wanted = QualifiedName::new(schema.unwrap_or("public"), name);
        let snapshot = self.snapshot;
        let named: Vec<&Arc<Routine>> =
            snapshot.routines.values().filter(|routine| routine.signature.name == wanted).collect();
        if named.is_empty() {
            return Ok(None);
        }
        let operands = arguments.iter().map(|argument| self.operand(argument)).collect::<Outcome<Vec<_>>>()?;
        let routine = chosen(&named, &operands, name, at)?;
        self.check_callable(routine, at)?;
        let RoutineResult::Value(data_type) = &routine.returns.result else {
            return Err(Problem::refused(
                at,
                format!("{name}() in an expression"),
                "only a function that gives a single value can stand in an expression on the embedded engine",
                "instead, call it at /rpc, or write its query here",
            ));
        };
        let mut given = Vec::with_capacity(routine.arguments.len());
        let mut operands = operands.into_iter();
        for argument in &routine.arguments {
            given.push(match (operands.next(), &argument.default) {
                (Some(operand), _) => {
                    let given = operator::widened(operand, &argument.data_type, at)?;
                    if trigger_body::is_volatile(&given) {
                        return Err(Problem::refused(
                            at,
                            "an argument that is new every time",
                            "the embedded engine would compute it wherever the function uses it",
                            "instead, compute it in the function, or keep it in a column",
                        ));
                    }
                    given
                }
                (None, Some(default)) => default.clone(),
                (None, None) => return Err(no_such(name, &[], at)),
            });
        }
        let function = Function::Routine(Arc::new(routine.signature.clone()));
        Ok(Some(Expression::Call { function, arguments: given, data_type: data_type.clone() }))
    }

    fn check_callable(&self, routine: &Routine, at: Location) -> Outcome<()> {
        let name = &routine.signature.name.name;
        let refused = |why: &str, instead: &str| Err(Problem::refused(at, format!("{name}() here"), why, instead));
        if routine.returns.is_set {
            return refused(
                "a function that gives several rows cannot stand in an expression on the embedded engine",
                "instead, write its query as a subquery",
            );
        }
        if routine.write().is_some() {
            return refused(
                "a function that writes can only be called at /rpc on the embedded engine",
                "instead, write the statement itself",
            );
        }
        match self.context {
            Context::Default | Context::Check | Context::Generated | Context::Index => refused(
                &format!("functions of your own cannot stand in {} on the embedded engine", self.context.name()),
                "instead, write the function's expression itself",
            ),
            // A view runs with its owner's rights, a function inside of it with those of whoever reads the view.
            Context::View if !routine.is_security_definer && inline::reads_tables(routine, self.snapshot) => refused(
                "a function in a view reads tables with its owner's rights on the embedded engine",
                "instead, declare the function SECURITY DEFINER, or write its query here",
            ),
            Context::View | Context::Policy | Context::Statement | Context::Routine => Ok(()),
        }
    }
}

/// The function that PostgreSQL would call: one whose arguments have the very types, else the only one whose types
/// the operands can become.
fn chosen<'r>(named: &[&'r Arc<Routine>], operands: &[Operand], name: &str, at: Location) -> Outcome<&'r Arc<Routine>> {
    let takes = |routine: &&&'r Arc<Routine>| {
        let least = routine.arguments.iter().filter(|argument| argument.default.is_none()).count();
        (least..=routine.arguments.len()).contains(&operands.len())
    };
    let fits = |routine: &Routine, fits: &dyn Fn(&Type, &Type) -> bool| {
        operands.iter().zip(&routine.arguments).all(|(operand, argument)| match operand.data_type() {
            Some(found) => fits(&found.without_modifier(), &argument.data_type),
            None => true,
        })
    };
    let candidates: Vec<&&Arc<Routine>> = named.iter().filter(takes).collect();
    let exact: Vec<&&&Arc<Routine>> =
        candidates.iter().filter(|routine| fits(routine, &|found, wanted| found == wanted)).collect();
    if let [only] = exact.as_slice() {
        return Ok(only);
    }
    let near: Vec<&&&Arc<Routine>> = candidates.iter().filter(|routine| fits(routine, &becomes)).collect();
    match near.as_slice() {
        [only] => Ok(only),
        [] => Err(no_such(name, operands, at)),
        _ => Err(Problem::invalid(at, format!("function {name}({}) is not unique", type_names(operands)))
            .instead("cast the arguments to the types of the function that is meant")),
    }
}

/// PostgreSQL's implicit casts among the types that are here.
fn becomes(found: &Type, wanted: &Type) -> bool {
    let rank = |data_type: &Type| match data_type {
        Type::SmallInteger => Some(0),
        Type::Integer => Some(1),
        Type::BigInteger => Some(2),
        Type::Numeric(_) => Some(3),
        Type::Real => Some(4),
        Type::Double => Some(5),
        _ => None,
    };
    match (rank(found), rank(wanted)) {
        (Some(found), Some(wanted)) => found <= wanted,
        _ => {
            found == wanted
                || (found.is_text() && wanted.is_text())
                || matches!(
                    (found, wanted),
                    (Type::Date, Type::Timestamp | Type::TimestampTz) | (Type::Timestamp, Type::TimestampTz)
                )
        }
    }
}

fn type_names(operands: &[Operand]) -> String {
    operands.iter().map(Operand::type_name).collect::<Vec<_>>().join(", ")
}

fn no_such(name: &str, operands: &[Operand], at: Location) -> Problem {
    Problem::invalid(at, format!("function {name}({}) does not exist", type_names(operands)))
        .instead("no function matches the given name and argument types; you might need to add explicit type casts")
}

/// The functions of the schema's own that are called in what `visit` shows.
pub(super) fn calls_in(visit: impl FnOnce(&mut dyn FnMut(&Expression))) -> Vec<Signature> {
    let mut found = Vec::new();
    visit(&mut |part| {
        if let Expression::Call { function: Function::Routine(signature), .. } = part {
            found.push((**signature).clone());
        }
    });
    found
}
