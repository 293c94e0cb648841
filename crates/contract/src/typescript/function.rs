//! `Functions`: what can be called with `rpc()`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{Relation, Routine, RoutineResult};
use datatype::Type;

use super::Out;
use super::literal::{key, text};
use crate::reach::is_callable;

impl Out<'_> {
    /// Every function that can be called over HTTP; those that share a name are a union.
    pub(super) fn functions(&mut self, schema: &str) {
        let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for routine in self.catalog.routines_in(schema).filter(|routine| is_callable(routine)) {
            let text = self.function(routine);
            named.entry(routine.signature.name.name.to_string()).or_default().push(text);
        }
        if named.is_empty() {
            return self.nothing("Functions");
        }
        self.line(4, "Functions: {");
        for (name, overloads) in named {
            match overloads.as_slice() {
                [only] => self.line(6, &format!("{}: {only}", key(&name))),
                several => {
                    self.line(6, &format!("{}:", key(&name)));
                    several.iter().for_each(|overload| self.line(8, &format!("| {overload}")));
                }
            }
        }
        self.line(4, "}");
    }

    fn function(&self, routine: &Routine) -> String {
        let arguments = routine.arguments.iter().map(|argument| {
            let mark = if argument.default.is_some() { "?" } else { "" };
            // The body as the only argument has no name.
            let name = argument.name.as_deref().unwrap_or_default();
            format!("{}{mark}: {}", key(name), self.type_name(&argument.data_type))
        });
        let arguments: Vec<String> = arguments.collect();
        let arguments =
            if arguments.is_empty() { "never".to_owned() } else { format!("{{ {} }}", arguments.join("; ")) };
        let (one, options) = match &routine.returns.result {
            RoutineResult::Void => ("undefined".to_owned(), String::new()),
            RoutineResult::Value(data_type) => (self.type_name(data_type), String::new()),
            RoutineResult::Row { columns, relation } => match self.composite(columns).filter(|_| relation.is_none()) {
                Some(composite) => (composite, String::new()),
                None => self.row_of(routine, columns, relation.as_ref()),
            },
        };
        let is_set = if routine.returns.is_set { "[]" } else { "" };
        format!("{{ Args: {arguments}; Returns: {one}{is_set}{options} }}")
    }

    /// A row, and whose rows they are.
    fn row_of(
        &self,
        routine: &Routine,
        columns: &[(Arc<str>, Type)],
        relation: Option<&QualifiedName>,
    ) -> (String, String) {
        let relation = relation.and_then(|name| self.catalog.relation(name));
        let members = columns.iter().map(|(name, data_type)| {
            let column = relation.and_then(|relation| relation.column(name));
            let null = if column.is_some_and(|column| column.is_nullable) { " | null" } else { "" };
            format!("{}: {}{null}", key(name), self.type_name(data_type))
        });
        let row = format!("{{ {} }}", members.collect::<Vec<_>>().join("; "));
        (row, relation.map(|relation| options(routine, relation)).unwrap_or_default())
    }
}

/// Whose rows they are, so that what is related to them can be embedded. Embeds do not leave their schema.
fn options(routine: &Routine, relation: &Relation) -> String {
    if relation.name.schema != routine.signature.name.schema {
        return String::new();
    }
    let is_set = routine.returns.is_set;
    let to = text(&relation.name.name);
    format!("; SetofOptions: {{ from: \"*\"; to: {to}; isOneToOne: {}; isSetofReturn: {is_set} }}", !is_set)
}
