//! Tables and views: columns, keys, grants, and which columns of tables the views show.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::QualifiedName;
use catalog::{
    Column, ComputedColumn, DefaultValue, Expression, ForeignKey, Generated, Grant, Identity, Index, NativeColumn,
    NativeRelation, NativeRelationKind, Origin, Privilege, Query, ReferentialAction, Relation, RelationKind, Snapshot,
    Unique, View,
};
use datatype::Datum;

use super::defaults;
use super::rows::Row;
use super::rule::{self, RuleColumn};
use super::types::{self, Types};

/// The bits of `pg_relation_is_updatable`: `1 << CMD_UPDATE`, `CMD_INSERT`, `CMD_DELETE`.
const UPDATE: u32 = 4;
const INSERT: u32 = 8;
const DELETE: u32 = 16;

struct Table {
    relation: Relation,
    /// The names of its columns by their numbers.
    columns: BTreeMap<i16, Arc<str>>,
    /// Its checks, as the server prints them.
    checks: Vec<(Arc<str>, String)>,
}

/// The relations that were found, by their oid.
#[derive(Default)]
pub(super) struct Tables {
    by_oid: BTreeMap<u32, Table>,
    by_name: HashMap<QualifiedName, u32>,
    /// The relation whose row type it is.
    by_row_type: HashMap<u32, u32>,
    /// Of each view: which columns it shows, sorted by their places.
    rules: HashMap<u32, Vec<RuleColumn>>,
}

impl Tables {
    pub(super) fn add(&mut self, row: &Row<'_>) {
        let Some(relation) = relation(row) else { return };
        let oid = row.number(0);
        self.by_row_type.insert(row.number(4), oid);
        self.by_name.insert(relation.name.clone(), oid);
        self.by_oid.insert(oid, Table { relation, columns: BTreeMap::new(), checks: Vec::new() });
    }

    /// What can be done with a view or a foreign table.
    pub(super) fn add_possible(&mut self, row: &Row<'_>) {
        let possible = row.number(1);
        let native = self.by_oid.get_mut(&row.number(0)).and_then(|table| table.relation.native.as_mut());
        let Some(native) = native else { return };
        native.is_insertable = possible & INSERT != 0;
        native.is_updatable = possible & UPDATE != 0;
        native.is_deletable = possible & DELETE != 0;
    }

    /// Takes everything for possible with views and foreign tables.
    pub(super) fn allow_all(&mut self) {
        for native in self.by_oid.values_mut().filter_map(|table| table.relation.native.as_mut()) {
            if matches!(native.kind, NativeRelationKind::View | NativeRelationKind::ForeignTable) {
                (native.is_insertable, native.is_updatable, native.is_deletable) = (true, true, true);
            }
        }
    }

    pub(super) fn add_column(&mut self, row: &Row<'_>, types: &Types) {
        let Some(table) = self.by_oid.get_mut(&row.number(0)) else { return };
        let Some(name) = row.text(2).map(Arc::<str>::from) else { return };
        table.columns.insert(row.place(1), name.clone());
        let grants: Vec<(Arc<str>, String)> = row.list(11);
        for (role, privilege) in grants {
            let Some(privilege) = privilege_of(&privilege) else { continue };
            add_column_grant(&mut table.relation.grants, role, privilege, &name);
        }
        table.relation.columns.push(column(row, name, types));
    }

    pub(super) fn add_constraint(&mut self, row: &Row<'_>) {
        let (oid, referenced) = (row.number(0), row.number(4));
        if let (Some(name), Some("c"), Some(text)) = (row.text(1), row.text(2), row.text(8)) {
            if let Some(table) = self.by_oid.get_mut(&oid) {
                table.checks.push((Arc::from(name), text.to_owned()));
            }
            return;
        }
        let (Some(name), Some(columns)) = (row.text(1).map(Arc::<str>::from), self.names(oid, &row.list(3))) else {
            return;
        };
        let references = self.relation(referenced).map(|relation| relation.name.clone());
        let referenced_columns = self.names(referenced, &row.list(5));
        let Some(table) = self.by_oid.get_mut(&oid) else { return };
        match (row.text(2), references, referenced_columns) {
            (Some("p"), ..) => {
                table.relation.primary_key = columns;
                table.relation.primary_key_name = Some(name);
            }
            (Some("u"), ..) => table.relation.uniques.push(Unique { name, columns }),
            (Some("f"), Some(references), Some(referenced_columns)) => {
                table.relation.foreign_keys.push(ForeignKey {
                    name,
                    columns,
                    references,
                    referenced_columns,
                    on_delete: referential_action(row.text(6)),
                    on_update: referential_action(row.text(7)),
                });
            }
            _ => {}
        }
    }

    /// An index, of which only the first column is kept: it is known for the price of requests alone.
    pub(super) fn add_index(&mut self, row: &Row<'_>) {
        let (Some(name), is_unique) = (row.text(1).map(Arc::<str>::from), row.text(2) == Some("t")) else { return };
        let Some(table) = self.by_oid.get_mut(&row.number(0)) else { return };
        let columns = table.columns.get(&row.place(3)).cloned().into_iter().collect();
        table.relation.indexes.push(Index { name, is_unique, columns, terms: Vec::new(), predicate: None });
    }

    /// Columns of a relation by their numbers; `None` where one of them is not known.
    fn names(&self, oid: u32, places: &[i16]) -> Option<Vec<Arc<str>>> {
        let table = self.by_oid.get(&oid)?;
        places.iter().map(|place| table.columns.get(place).cloned()).collect()
    }

    /// The parsed query of a view, of which only the columns are kept.
    pub(super) fn add_rule(&mut self, row: &Row<'_>) {
        let Some(action) = row.text(1) else { return };
        let mut columns = rule::columns(action);
        columns.sort_by_key(|column| column.place);
        self.rules.insert(row.number(0), columns);
    }

    /// Which columns of tables the views show, through other views as well.
    pub(super) fn add_origins(&mut self) {
        let rules = std::mem::take(&mut self.rules);
        let mut shown: Vec<(u32, BTreeMap<Arc<str>, Origin>)> = Vec::new();
        for (view, columns) in &rules {
            let Some(table) = self.by_oid.get(view) else { continue };
            let origins = columns.iter().filter_map(|column| {
                let origin = self.origin(&rules, column.relation, column.column, 0)?;
                Some((table.columns.get(&column.place)?.clone(), origin))
            });
            shown.push((*view, origins.collect()));
        }
        for (view, origins) in shown {
            let keys = self.keys_behind(&origins);
            let Some(table) = self.by_oid.get_mut(&view) else { continue };
            table.relation.primary_key = keys;
            if let RelationKind::View(view) = &mut table.relation.kind {
                view.origins = origins;
            }
        }
    }

    fn origin(
        &self,
        rules: &HashMap<u32, Vec<RuleColumn>>,
        relation: u32,
        column: i16,
        depth: usize,
    ) -> Option<Origin> {
        const DEEPEST: usize = 64;
        let table = self.by_oid.get(&relation)?;
        if !table.relation.is_view() {
            return Some(Origin { relation: table.relation.name.clone(), column: table.columns.get(&column)?.clone() });
        }
        let shown = rules.get(&relation).filter(|_| depth < DEEPEST)?;
        let below = shown.get(shown.binary_search_by_key(&column, |below| below.place).ok()?)?;
        self.origin(rules, below.relation, below.column, depth + 1)
    }

    /// The primary keys of all tables behind a view, under the view's names, where it shows all their columns.
    fn keys_behind(&self, origins: &BTreeMap<Arc<str>, Origin>) -> Vec<Arc<str>> {
        // Of a column that is shown twice, the first name counts.
        let mut shown: HashMap<(&QualifiedName, &Arc<str>), &Arc<str>> = HashMap::new();
        let mut tables: Vec<&QualifiedName> = Vec::new();
        for (name, origin) in origins {
            shown.entry((&origin.relation, &origin.column)).or_insert(name);
            if !tables.contains(&&origin.relation) {
                tables.push(&origin.relation);
            }
        }
        let mut keys = Vec::new();
        for table in tables {
            let Some(found) = self.by_name.get(table).and_then(|oid| self.relation(*oid)) else { continue };
            let columns = found.primary_key.iter();
            let key: Option<Vec<Arc<str>>> =
                columns.map(|column| shown.get(&(table, column)).map(|name| Arc::clone(name))).collect();
            keys.extend(key.unwrap_or_default());
        }
        keys
    }

    /// The relation whose row type it is.
    pub(super) fn of_row_type(&self, row_type: u32) -> Option<&Relation> {
        self.by_row_type.get(&row_type).and_then(|oid| self.relation(*oid))
    }

    /// Notes that a function over the rows of a relation is read like a column.
    pub(super) fn add_computed(&mut self, row_type: u32, computed: ComputedColumn) {
        let oid = self.by_row_type.get(&row_type);
        let table = oid.and_then(|oid| self.by_oid.get_mut(oid));
        if let Some(native) = table.and_then(|table| table.relation.native.as_mut()) {
            native.computed.push(computed);
        }
    }

    fn relation(&self, oid: u32) -> Option<&Relation> {
        self.by_oid.get(&oid).map(|table| &table.relation)
    }

    /// The relations; `snapshot` has the types by then, which checks name.
    pub(super) fn into_relations(self, snapshot: &Snapshot) -> BTreeMap<QualifiedName, Arc<Relation>> {
        let relations = self.by_oid.into_values().map(|Table { mut relation, checks, .. }| {
            let read = |(name, text): (Arc<str>, String)| sql::ddl::server_check(name, &text, &relation, snapshot);
            relation.checks = checks.into_iter().filter_map(read).collect();
            (relation.name.clone(), Arc::new(relation))
        });
        relations.collect()
    }
}

fn relation(row: &Row<'_>) -> Option<Relation> {
    let mut relation = Relation::table(row.name(1)?);
    let kind = match row.text(3)? {
        "v" => NativeRelationKind::View,
        "m" => NativeRelationKind::MaterializedView,
        "f" => NativeRelationKind::ForeignTable,
        "p" => NativeRelationKind::PartitionedTable,
        _ => NativeRelationKind::Table,
    };
    if matches!(kind, NativeRelationKind::View | NativeRelationKind::MaterializedView) {
        let view = View { query: Query::default(), origins: BTreeMap::new(), updatable: None };
        relation.kind = RelationKind::View(view);
    }
    relation.comment = row.text(5).map(str::to_owned);
    relation.row_security = row.is_true(6);
    relation.forces_row_security = row.is_true(7);
    let is_table = matches!(kind, NativeRelationKind::Table | NativeRelationKind::PartitionedTable);
    relation.native = Some(NativeRelation {
        kind,
        is_insertable: is_table,
        is_updatable: is_table,
        is_deletable: is_table,
        computed: Vec::new(),
        rewrites_rows: row.is_true(9),
        is_plain: row.is_true(10),
    });
    let grants: Vec<(Arc<str>, String)> = row.list(8);
    relation.grants = grants
        .into_iter()
        .filter_map(|(role, privilege)| Some(Grant { role, privilege: privilege_of(&privilege)?, columns: None }))
        .collect();
    Some(relation)
}

fn privilege_of(name: &str) -> Option<Privilege> {
    Some(match name {
        "SELECT" => Privilege::Select,
        "INSERT" => Privilege::Insert,
        "UPDATE" => Privilege::Update,
        "DELETE" => Privilege::Delete,
        _ => return None,
    })
}

fn add_column_grant(grants: &mut Vec<Grant>, role: Arc<str>, privilege: Privilege, column: &Arc<str>) {
    let known = grants.iter_mut().find(|grant| grant.role == role && grant.privilege == privilege);
    match known {
        Some(Grant { columns: Some(columns), .. }) => columns.push(column.clone()),
        // On the whole relation already.
        Some(_) => {}
        None => grants.push(Grant { role, privilege, columns: Some(vec![column.clone()]) }),
    }
}

fn column(row: &Row<'_>, name: Arc<str>, types: &Types) -> Column {
    let oid = row.number(3);
    let type_name: Arc<str> = Arc::from(row.text(5).unwrap_or("text"));
    let data_type = types.get(oid, row.modifier(4)).unwrap_or_else(|| types::unknown(row.text(5)));
    let default: Option<Arc<str>> = row.text(9).map(Arc::from);
    let is_generated = row.text(8).is_some_and(|kind| !kind.is_empty());
    let null = Expression::value(Datum::Null, data_type.clone());
    let value = match (row.text(7), &default) {
        (Some("a"), _) => DefaultValue::Identity(Identity::Always),
        (Some("d"), _) => DefaultValue::Identity(Identity::ByDefault),
        _ if is_generated => DefaultValue::Generated(Generated { expression: null }),
        (_, Some(text)) if text.starts_with("nextval(") => DefaultValue::Identity(Identity::ByDefault),
        (_, Some(text)) => DefaultValue::Expression(defaults::constant(text, &data_type).unwrap_or(null)),
        (_, None) => DefaultValue::None,
    };
    Column {
        name,
        is_nullable: !row.is_true(6) && !types.refuses_null(oid),
        default: value,
        comment: row.text(10).map(str::to_owned),
        domain: types.domain(oid).cloned(),
        native: Some(NativeColumn {
            type_name,
            default: default.filter(|_| !is_generated),
            representation: types.representation(oid).cloned(),
        }),
        data_type,
    }
}

fn referential_action(letter: Option<&str>) -> ReferentialAction {
    match letter {
        Some("r") => ReferentialAction::Restrict,
        Some("c") => ReferentialAction::Cascade,
        Some("n") => ReferentialAction::SetNull,
        Some("d") => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
