//! Functions where SQLite keeps an expression for good (views, triggers) or runs it at once (a migration's own
//! statements): their bodies stand in the calls' places. And what calls which function.

use std::collections::BTreeSet;

use base::{QualifiedName, Signature};
use catalog::{Expression, Function, Query, Relation, Routine, RoutineStatement, Snapshot, SourceId};
use sqlparser::tokenizer::Location;

use super::dependents;
use super::problem::{Outcome, Problem};
use super::routine_call::calls_in;
use super::translation::Translation;
use crate::sqlite::expression::query_for_schema;
use crate::sqlite::names::{physical_name, quoted};

/// The most calls that are put in place in one expression: bodies may call others, and so multiply.
const MOST_INLINED: u32 = 1_000;

/// Puts bodies in the places of calls.
struct Inliner<'a> {
    snapshot: &'a Snapshot,
    next: u32,
    inlined: u32,
    is_too_large: bool,
}

impl Inliner<'_> {
    fn expand(&mut self, part: Expression) -> Expression {
        if self.is_too_large {
            return part;
        }
        let Expression::Call { function: Function::Routine(signature), arguments, data_type } = part else {
            return part;
        };
        self.inlined += 1;
        let body = self.snapshot.routines.get(&signature).and_then(|routine| {
            let next = &mut self.next;
            routine.inlined_value(&arguments, &mut || {
                *next += 1;
                SourceId(*next)
            })
        });
        let Some(body) = body else {
            return Expression::Call { function: Function::Routine(signature), arguments, data_type };
        };
        self.is_too_large |= self.inlined > MOST_INLINED || !body.is_bounded();
        if self.is_too_large { body } else { self.expression(body) }
    }

    fn expression(&mut self, expression: Expression) -> Expression {
        if calls_in(|visit| expression.visit(visit)).is_empty() {
            return expression;
        }
        expression.rewrite(&mut |part| self.expand(part), &mut |query| query)
    }
}

/// The expression without calls of functions of the schema's own.
pub(super) fn expanded(expression: &Expression, snapshot: &Snapshot) -> Outcome<Expression> {
    let mut inliner = Inliner { snapshot, next: SourceId::FIRST_INLINED.0, inlined: 0, is_too_large: false };
    let expanded = inliner.expression(expression.clone());
    if inliner.is_too_large {
        return Err(too_many());
    }
    if inliner.inlined > 0 {
        check_size(&expanded, super::problem::NOWHERE)?;
    }
    Ok(expanded)
}

/// The query without calls of functions of the schema's own.
pub(super) fn expanded_query(query: &Query, snapshot: &Snapshot) -> Outcome<Query> {
    if calls_in(|visit| query.visit(visit)).is_empty() {
        return Ok(query.clone());
    }
    match expanded(&Expression::Exists(Box::new(query.clone())), snapshot)? {
        Expression::Exists(query) => Ok(*query),
        _ => Ok(query.clone()),
    }
}

fn too_many() -> Problem {
    Problem::refused(
        super::problem::NOWHERE,
        "an expression of extreme size",
        format!(
            "it calls functions more than {MOST_INLINED} times, those inside of functions included, or their bodies have more than \
             {} parts together",
            catalog::MOST_PARTS
        ),
        "instead, split it",
    )
}

/// An expression is neither too large nor too deep to be carried.
pub(super) fn check_size(expression: &Expression, at: Location) -> Outcome<()> {
    if expression.is_bounded() {
        return Ok(());
    }
    Err(Problem::refused(
        at,
        "an expression of extreme size",
        format!(
            "with the bodies of functions in their places it has more than {} parts, or is more than {} levels deep",
            catalog::MOST_PARTS,
            catalog::MOST_LEVELS
        ),
        "instead, split it, or keep a value that is used often in a column",
    ))
}

/// The functions that a routine calls.
pub(super) fn calls_of(routine: &Routine) -> Vec<Signature> {
    routine.body.iter().flat_map(|statement| calls_in(|visit| statement.visit(visit))).collect()
}

/// Whether a routine, or one that it calls, reads a table or view with the rights of its caller.
pub(super) fn reads_tables(routine: &Routine, snapshot: &Snapshot) -> bool {
    routine.body.iter().any(|statement| match statement {
        RoutineStatement::Query(query) => !dependents::relations_of(query).is_empty(),
        _ => true,
    }) || calls_of(routine)
        .iter()
        .filter_map(|called| snapshot.routines.get(called))
        .any(|called| !called.is_security_definer && reads_tables(called, snapshot))
}

/// The relations that a routine reads, in its own body or in those that it calls.
pub(super) fn reached_by(routine: &Routine, snapshot: &Snapshot) -> BTreeSet<QualifiedName> {
    let mut reached = relations_of(routine);
    for called in calls_of(routine) {
        if let Some(called) = snapshot.routines.get(&called) {
            reached.extend(reached_by(called, snapshot));
        }
    }
    reached
}

/// The relations that a routine's body reads or writes.
pub(super) fn relations_of(routine: &Routine) -> BTreeSet<QualifiedName> {
    let mut found = BTreeSet::new();
    for statement in &routine.body {
        found.extend(statement.written_table().cloned());
        match statement {
            RoutineStatement::Query(query) => found.extend(dependents::relations_of(query)),
            RoutineStatement::Insert(insertion) => found.extend(dependents::relations_of(&insertion.source)),
            RoutineStatement::Update(_) | RoutineStatement::Delete(_) => {}
        }
        statement.visit(&mut |part| found.extend(dependents::relations_in(part)));
    }
    found
}

impl Translation {
    /// The views that call a function, directly or through other functions.
    pub(super) fn views_calling(&self, signature: &Signature) -> Vec<QualifiedName> {
        let mut callers: BTreeSet<Signature> = BTreeSet::from([signature.clone()]);
        loop {
            let more: Vec<Signature> = self
                .snapshot
                .routines
                .values()
                .filter(|routine| !callers.contains(&routine.signature))
                .filter(|routine| calls_of(routine).iter().any(|called| callers.contains(called)))
                .map(|routine| routine.signature.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            callers.extend(more);
        }
        let calls = |relation: &&std::sync::Arc<Relation>| {
            relation.view().is_some_and(|view| {
                calls_in(|visit| view.query.visit(visit)).iter().any(|called| callers.contains(called))
            })
        };
        self.snapshot.relations.values().filter(calls).map(|relation| relation.name.clone()).collect()
    }

    /// Makes views anew in SQLite, after a function that they call has changed. A view that reads another one names it
    /// only, so the order does not matter.
    pub(super) fn remake_views(&mut self, views: Vec<QualifiedName>, at: Location) -> Outcome<()> {
        for name in views {
            let Some(relation) = self.snapshot.relations.get(&name).cloned() else { continue };
            let Some(view) = relation.view() else { continue };
            for called in calls_in(|visit| view.query.visit(visit)) {
                let Some(routine) = self.snapshot.routines.get(&called) else { continue };
                if !routine.is_security_definer && reads_tables(routine, &self.snapshot) {
                    return Err(Problem::refused(
                        at,
                        format!("the function in the view {}", name.name),
                        "a function in a view reads tables with its owner's rights on the embedded engine",
                        "instead, declare the function SECURITY DEFINER",
                    ));
                }
            }
            self.push(format!("DROP VIEW {}", quoted(&physical_name(&name))));
            self.push_view(&name, &view.query)?;
        }
        Ok(())
    }

    /// Makes a view in SQLite.
    pub(super) fn push_view(&mut self, name: &QualifiedName, query: &Query) -> Outcome<()> {
        let body = query_for_schema(&expanded_query(query, &self.snapshot)?);
        self.push(format!("CREATE VIEW {} AS {body}", quoted(&physical_name(name))));
        Ok(())
    }

    /// What would break without the function, described for a message.
    pub(super) fn users_of(&self, signature: &Signature) -> Vec<String> {
        let calls = |found: Vec<Signature>| found.contains(signature);
        let mut users = Vec::new();
        for relation in self.snapshot.relations.values() {
            if relation.view().is_some_and(|view| calls(calls_in(|visit| view.query.visit(visit)))) {
                users.push(format!("view {}", relation.name.name));
            }
            for policy in &relation.policies {
                let parts = policy.using.iter().chain(&policy.check);
                if calls(calls_in(|visit| parts.into_iter().for_each(|part| part.visit(visit)))) {
                    users.push(format!("policy {} on table {}", policy.name, relation.name.name));
                }
            }
        }
        let routines = self.snapshot.routines.values().filter(|routine| calls(calls_of(routine)));
        users.extend(routines.map(|routine| format!("function {}", routine.signature)));
        users
    }
}
