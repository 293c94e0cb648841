//! Names of columns that only a PostgreSQL server resolves: functions over any row or over an inherited one, and the system
//! columns that every table has. They are handed on as they are, quoted, and the server says whether there is such a thing
//! and who may see it.

use std::sync::Arc;

use catalog::{Expression, Relation, SourceId};
use datatype::Type;

use crate::error::PlanError;
use crate::native::unknown_type;
use crate::planner::{Planner, Scope, unknown_column};

/// The longest name that PostgreSQL does not cut, in bytes (`NAMEDATALEN`).
const LONGEST_NAME: usize = 63;

/// The columns of every table that its declaration does not name.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"];

/// What the type of a value is called that only the server knows.
const UNKNOWN: &str = "unknown";

/// A name in a statement that the server may not find.
#[derive(Debug, Clone)]
pub struct Unresolved {
    /// Where it is looked for.
    pub source: SourceId,
    /// The name.
    pub name: Arc<str>,
    /// What is told when the server finds nothing: its own error speaks of the statement, not of the request.
    pub error: PlanError,
    /// Whether nothing at all tells that it exists: a statement with such a name is not worth keeping.
    pub is_guess: bool,
}

impl Planner<'_> {
    /// A column that the relation was not declared with.
    pub(crate) fn undeclared_column(&mut self, scope: &Scope, name: &str) -> Result<Expression, PlanError> {
        let error = unknown_column(scope, name);
        let Some(native) = &scope.relation.native else { return Err(error) };
        let computed = native.computed.iter().find(|computed| &*computed.name == name);
        let is_system = is_system_column(&scope.relation, name);
        let is_guess = computed.is_none() && !is_system;
        if is_guess && !self.may_be_handed_on(name) {
            return Err(error);
        }
        self.computed.extend(computed.map(|computed| (computed.function.clone(), computed.volatility)));
        self.note_read(scope, None);
        let name: Arc<str> = Arc::from(name);
        if !self.is_unresolved(scope.source, &name) {
            self.unresolved.push(Unresolved { source: scope.source, name: name.clone(), error, is_guess });
        }
        let data_type = computed.map_or_else(|| unknown_type(UNKNOWN), |computed| computed.data_type.clone());
        Ok(Expression::column(scope.source, name, data_type))
    }

    /// Whether the server is asked for a name. An aggregate is none: over whole rows it would fold them all, beyond the
    /// most rows that a read gives and whether requests may aggregate or not.
    fn may_be_handed_on(&self, name: &str) -> bool {
        let fits = !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains('\0');
        fits && !self.context.catalog.snapshot().aggregates.contains(name)
    }

    fn is_unresolved(&self, source: SourceId, name: &str) -> bool {
        self.unresolved.iter().any(|known| known.source == source && &*known.name == name)
    }

    /// Whether an expression is over a name that the server resolves, and judges.
    pub(crate) fn is_for_server(&self, expression: &Expression) -> bool {
        let mut found = false;
        expression.visit(&mut |part| {
            if let Expression::Column { source, name, .. } = part {
                found |= self.is_unresolved(*source, name);
            }
        });
        found
    }
}

fn is_system_column(relation: &Relation, name: &str) -> bool {
    !relation.is_view() && SYSTEM_COLUMNS.contains(&name)
}

/// Whether only the server knows the type.
pub(crate) fn is_unknown(data_type: &Type) -> bool {
    matches!(data_type, Type::Native(native) if native.name.schema.is_empty() && &*native.name.name == UNKNOWN)
}
