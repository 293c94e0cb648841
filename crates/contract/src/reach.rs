//! How far a role's privileges reach.

use catalog::{Catalog, Column, DefaultValue, Identity, Privilege, Relation, Routine};
use datatype::Type;

/// What a role may do in a catalog; everything, where no role is given.
pub(crate) struct Reach<'a> {
    catalog: &'a Catalog,
    roles: Option<Vec<&'a str>>,
}

impl<'a> Reach<'a> {
    pub(crate) fn new(catalog: &'a Catalog, role: Option<&'a str>) -> Self {
        Self { catalog, roles: role.map(|role| catalog.roles_of(role)) }
    }

    /// The relations of a schema on which it may do anything.
    pub(crate) fn relations(&self, schema: &'a str) -> Vec<&'a Relation> {
        if self.roles.as_ref().is_some_and(|roles| !self.catalog.may_enter(roles, schema)) {
            return Vec::new();
        }
        let all = [Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete];
        self.catalog
            .relations_in(schema)
            .map(|relation| &**relation)
            .filter(|relation| all.iter().any(|privilege| self.may_somewhere(relation, *privilege)))
            .collect()
    }

    /// The functions of a schema that it may call over HTTP: by the names of their arguments, or with the body as the
    /// only one.
    pub(crate) fn routines(&self, schema: &'a str) -> Vec<&'a Routine> {
        if self.roles.as_ref().is_some_and(|roles| !self.catalog.may_enter(roles, schema)) {
            return Vec::new();
        }
        self.catalog
            .routines_in(schema)
            .map(|routine| &**routine)
            .filter(|routine| is_callable(routine))
            .filter(|routine| self.roles.as_ref().is_none_or(|roles| routine.allows(roles)))
            .collect()
    }

    /// Whether it may do this on the relation as a whole.
    pub(crate) fn may(&self, relation: &Relation, privilege: Privilege) -> bool {
        self.roles.as_ref().is_none_or(|roles| relation.allows(roles, privilege, None))
    }

    fn may_somewhere(&self, relation: &Relation, privilege: Privilege) -> bool {
        self.roles.as_ref().is_none_or(|roles| relation.allows_somewhere(roles, privilege))
    }

    /// The columns on which it may do this, in the order of their declaration.
    pub(crate) fn columns<'r>(&self, relation: &'r Relation, privilege: Privilege) -> Vec<&'r Column> {
        // A grant on the whole relation, by far the most common, settles all columns at once.
        if self.may(relation, privilege) {
            return relation.columns.iter().collect();
        }
        let allows = |column: &&Column| {
            self.roles.as_ref().is_none_or(|roles| relation.allows(roles, privilege, Some(&column.name)))
        };
        relation.columns.iter().filter(allows).collect()
    }

    /// The columns that a write may give a value to.
    pub(crate) fn written<'r>(&self, relation: &'r Relation, privilege: Privilege) -> Vec<&'r Column> {
        if !relation.is_writable() {
            return Vec::new();
        }
        let mut columns = self.columns(relation, privilege);
        columns.retain(|column| takes_values(self.catalog, relation, column));
        columns
    }
}

/// Whether a function can be called over HTTP: its arguments have names, or the body is the only one.
pub(crate) fn is_callable(routine: &Routine) -> bool {
    let all_named = routine.arguments.iter().all(|argument| argument.name.is_some());
    all_named || matches!(routine.arguments.as_slice(), [argument] if takes_whole(&argument.data_type))
}

/// The types that an argument without a name may have, to take the body as it is.
fn takes_whole(data_type: &Type) -> bool {
    matches!(data_type, Type::Json | Type::Jsonb | Type::Text | Type::Bytea)
}

/// Whether a column of a writable relation takes values from outside: it is not computed, and behind a view there
/// is a column of the table.
pub(crate) fn takes_values(catalog: &Catalog, relation: &Relation, column: &Column) -> bool {
    let updatable = relation.view().and_then(|view| view.updatable.as_ref());
    let is_shown = updatable.is_none_or(|updatable| updatable.columns.contains_key(&column.name));
    is_shown && !is_computed(catalog, relation, column)
}

/// Whether a column's values are always made by the database. Behind a view, the table's column decides.
pub(crate) fn is_computed(catalog: &Catalog, relation: &Relation, column: &Column) -> bool {
    matches!(
        behind(catalog, relation, column).default,
        DefaultValue::Generated(_) | DefaultValue::Identity(Identity::Always)
    )
}

/// The table's column behind a view's; the column itself where there is none.
fn behind<'a>(catalog: &'a Catalog, relation: &Relation, column: &'a Column) -> &'a Column {
    relation
        .view()
        .and_then(|view| view.origins.get(&column.name))
        .and_then(|origin| catalog.relation(&origin.relation)?.column(&origin.column))
        .unwrap_or(column)
}
