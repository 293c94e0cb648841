//! From the rows of `pg_catalog` to a snapshot. What is odd is left out: a database that others made must never stop the
//! server from starting.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use base::{QualifiedName, Signature};
use catalog::{
    Argument, Column, ComputedColumn, ComputedRelationship, DefaultValue, Engine, Expression, ForeignKey, Generated,
    Grant, Identity, NativeColumn, NativeRelation, NativeRelationKind, NativeRoutine, Origin, Privilege, Query,
    ReferentialAction, Relation, RelationKind, Returns, Role, Routine, RoutineResult, Snapshot, Unique, View,
    Volatility,
};
use datatype::{Datum, EnumType, NativeKind, NativeType, Type};
use serde::de::DeserializeOwned;
use wire::TextRow;

use super::{Found, rule};

/// The bits of `pg_relation_is_updatable`: `1 << CMD_UPDATE`, `CMD_INSERT`, `CMD_DELETE`.
const UPDATE: u32 = 4;
const INSERT: u32 = 8;
const DELETE: u32 = 16;

/// Puts a snapshot together.
pub(super) fn snapshot(found: &Found) -> Snapshot {
    let mut types = Types::read(&found.types);
    types.add_members(&found.attributes);
    let mut tables = Tables::read(found, &types);
    tables.add_columns(&found.columns, &types);
    tables.add_constraints(&found.constraints);
    tables.add_origins(&found.rules);
    let mut snapshot = Snapshot { engine: Engine::Postgres, enums: types.enums.clone(), ..Snapshot::default() };
    for row in &found.schemas {
        let Some(name) = row.get(0) else { continue };
        snapshot.schemas.insert(Arc::from(name), row.get(1).map(str::to_owned));
        snapshot.schema_usage.insert(Arc::from(name), list::<Arc<str>>(row.get(2)));
    }
    for row in &found.roles {
        let Some(name) = row.get(0).map(Arc::<str>::from) else { continue };
        let role = Role {
            name: name.clone(),
            bypasses_row_security: is_true(row.get(1)),
            is_assumable: is_true(row.get(2)),
            member_of: list(row.get(3)),
        };
        snapshot.roles.insert(name, role);
    }
    for row in &found.routines {
        if let Some(routine) = RoutineRow::read(row) {
            routine.add(&types, &mut tables, &mut snapshot);
        }
    }
    snapshot.relations =
        tables.by_oid.into_values().map(|table| (table.relation.name.clone(), Arc::new(table.relation))).collect();
    snapshot
}

fn list<T: DeserializeOwned>(text: Option<&str>) -> Vec<T> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn is_true(text: Option<&str>) -> bool {
    text == Some("t")
}

fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The types that are not built in, by their oid.
#[derive(Default)]
struct Types {
    by_oid: HashMap<u32, Type>,
    enums: Vec<Arc<EnumType>>,
    /// Of a row type that is no relation's: its members.
    members: HashMap<u32, Vec<(Arc<str>, Type)>>,
    /// Of a domain: its name.
    domains: HashMap<u32, QualifiedName>,
}

impl Types {
    fn read(rows: &[TextRow]) -> Self {
        let mut types = Self::default();
        let by_oid: HashMap<u32, &TextRow> = rows.iter().map(|row| (number(row.get(0)), row)).collect();
        for row in rows {
            let oid = number(row.get(0));
            let Some(found) = types.resolve(oid, &by_oid, 0) else { continue };
            types.by_oid.insert(oid, found);
            if row.get(4) == Some("d") {
                types.domains.insert(oid, name_of(row));
            }
        }
        types
    }

    fn add_members(&mut self, rows: &[TextRow]) {
        for row in rows {
            let Some(name) = row.get(1).map(Arc::<str>::from) else { continue };
            let modifier = row.get(3).and_then(|text| text.parse().ok()).unwrap_or(-1);
            let shown: Arc<str> = Arc::from(row.get(4).unwrap_or("text"));
            let data_type = self.get(number(row.get(2)), modifier).unwrap_or_else(|| unknown(&shown));
            self.members.entry(number(row.get(0))).or_default().push((name, data_type));
        }
    }

    /// A type: a domain is what it is a domain over.
    fn resolve(&mut self, oid: u32, rows: &HashMap<u32, &TextRow>, depth: usize) -> Option<Type> {
        const DEEPEST: usize = 32;
        if let Some(known) = builtin(oid).or_else(|| self.by_oid.get(&oid).cloned()) {
            return Some(known);
        }
        let row = rows.get(&oid).filter(|_| depth < DEEPEST)?;
        let shown = Arc::from(row.get(3).unwrap_or_default());
        let native = |kind| Type::Native(Arc::new(NativeType { name: name_of(row), shown, kind }));
        Some(match (row.get(4), row.get(5)) {
            (Some("e"), _) => {
                let known = self.enums.iter().find(|known| known.name == name_of(row)).cloned();
                let definition = known.unwrap_or_else(|| {
                    let definition = Arc::new(EnumType { name: name_of(row), labels: list(row.get(9)) });
                    self.enums.push(definition.clone());
                    definition
                });
                Type::Enum(definition)
            }
            (Some("d"), _) => self.resolve(number(row.get(7)), rows, depth + 1)?,
            (Some("c"), _) => native(NativeKind::Composite),
            (_, Some("A")) => match self.resolve(number(row.get(6)), rows, depth + 1) {
                Some(element) => native(NativeKind::Array(element)),
                None => native(NativeKind::Other),
            },
            _ if row.get(2) == Some("tsvector") => native(NativeKind::TextSearch),
            _ => native(NativeKind::Other),
        })
    }

    /// A type with its modifier.
    fn get(&self, oid: u32, modifier: i32) -> Option<Type> {
        let found = builtin(oid).or_else(|| self.by_oid.get(&oid).cloned())?;
        Some(with_modifier(found, modifier))
    }
}

fn name_of(row: &TextRow) -> QualifiedName {
    QualifiedName::new(row.get(1).unwrap_or_default(), row.get(2).unwrap_or_default())
}

/// The built-in types that both engines have (`pg_type.dat`).
fn builtin(oid: u32) -> Option<Type> {
    Some(match oid {
        16 => Type::Boolean,
        17 => Type::Bytea,
        20 => Type::BigInteger,
        21 => Type::SmallInteger,
        23 => Type::Integer,
        25 => Type::Text,
        114 => Type::Json,
        700 => Type::Real,
        701 => Type::Double,
        1043 => Type::Varchar(None),
        1082 => Type::Date,
        1083 => Type::Time,
        1114 => Type::Timestamp,
        1184 => Type::TimestampTz,
        1186 => Type::Interval,
        1700 => Type::Numeric(None),
        2950 => Type::Uuid,
        3802 => Type::Jsonb,
        _ => return None,
    })
}

/// `atttypmod` counts from 4; of a numeric, 16 bits of precision stand above 11 of scale.
fn with_modifier(data_type: Type, modifier: i32) -> Type {
    let Ok(modifier) = u32::try_from(modifier - 4) else { return data_type };
    match data_type {
        Type::Varchar(_) => Type::Varchar(Some(modifier)),
        Type::Numeric(_) => {
            let precision = u16::try_from(modifier >> 16).unwrap_or(0);
            let scale = i16::try_from(((modifier & 0x7ff) ^ 1024).cast_signed() - 1024).unwrap_or(0);
            Type::Numeric(Some((precision, scale)))
        }
        other => other,
    }
}

struct Table {
    relation: Relation,
    /// The names of its columns by their numbers.
    columns: BTreeMap<i16, Arc<str>>,
}

#[derive(Default)]
struct Tables {
    by_oid: BTreeMap<u32, Table>,
    /// The relation whose row type it is.
    by_row_type: HashMap<u32, u32>,
}

impl Tables {
    fn read(found: &Found, _types: &Types) -> Self {
        let mut tables = Self::default();
        for row in &found.relations {
            let oid = number(row.get(0));
            tables.by_row_type.insert(number(row.get(4)), oid);
            tables.by_oid.insert(oid, Table { relation: relation(row), columns: BTreeMap::new() });
        }
        tables
    }

    fn add_columns(&mut self, rows: &[TextRow], types: &Types) {
        for row in rows {
            let Some(table) = self.by_oid.get_mut(&number(row.get(0))) else { continue };
            let Some(name) = row.get(2).map(Arc::<str>::from) else { continue };
            let place: i16 = row.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
            table.columns.insert(place, name.clone());
            let grants: Vec<(Arc<str>, String)> = list(row.get(11));
            for (role, privilege) in grants {
                let Some(privilege) = privilege_of(&privilege) else { continue };
                add_column_grant(&mut table.relation.grants, role, privilege, &name);
            }
            table.relation.columns.push(column(row, name, types));
        }
    }

    fn add_constraints(&mut self, rows: &[TextRow]) {
        for row in rows {
            let names = |tables: &Self, oid: u32, places: Option<&str>| -> Option<Vec<Arc<str>>> {
                let table = tables.by_oid.get(&oid)?;
                list::<i16>(places).iter().map(|place| table.columns.get(place).cloned()).collect()
            };
            let oid = number(row.get(0));
            let (Some(name), Some(columns)) = (row.get(1).map(Arc::<str>::from), names(self, oid, row.get(3))) else {
                continue;
            };
            let kind = row.get(2);
            let referenced = number(row.get(4));
            let references = self.by_oid.get(&referenced).map(|table| table.relation.name.clone());
            let referenced_columns = names(self, referenced, row.get(5));
            let Some(table) = self.by_oid.get_mut(&oid) else { continue };
            match (kind, references, referenced_columns) {
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
                        on_delete: referential_action(row.get(6)),
                        on_update: referential_action(row.get(7)),
                    });
                }
                _ => {}
            }
        }
    }

    /// Which columns of tables the views show, through other views as well.
    fn add_origins(&mut self, rules: &[TextRow]) {
        let found: HashMap<u32, Vec<rule::RuleColumn>> =
            rules.iter().filter_map(|row| Some((number(row.get(0)), rule::columns(row.get(1)?)))).collect();
        let mut shown: Vec<(u32, BTreeMap<Arc<str>, Origin>)> = Vec::new();
        for (view, columns) in &found {
            let Some(table) = self.by_oid.get(view) else { continue };
            let origins = columns.iter().filter_map(|column| {
                Some((
                    table.columns.get(&column.place)?.clone(),
                    self.origin(&found, column.relation, column.column, 0)?,
                ))
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
        rules: &HashMap<u32, Vec<rule::RuleColumn>>,
        relation: u32,
        column: i16,
        depth: usize,
    ) -> Option<Origin> {
        const DEEPEST: usize = 64;
        let table = self.by_oid.get(&relation)?;
        if !table.relation.is_view() {
            return Some(Origin { relation: table.relation.name.clone(), column: table.columns.get(&column)?.clone() });
        }
        let below = rules.get(&relation)?.iter().find(|below| below.place == column).filter(|_| depth < DEEPEST)?;
        self.origin(rules, below.relation, below.column, depth + 1)
    }

    /// The primary keys of all tables behind a view, under the view's names, where it shows all their columns.
    fn keys_behind(&self, origins: &BTreeMap<Arc<str>, Origin>) -> Vec<Arc<str>> {
        let mut keys = Vec::new();
        let mut seen: Vec<&QualifiedName> = Vec::new();
        for origin in origins.values() {
            if seen.contains(&&origin.relation) {
                continue;
            }
            seen.push(&origin.relation);
            let Some(table) = self.by_oid.values().find(|table| table.relation.name == origin.relation) else {
                continue;
            };
            let shown = |column: &Arc<str>| {
                origins.iter().find(|(_, found)| found.relation == origin.relation && found.column == *column)
            };
            let key: Option<Vec<Arc<str>>> =
                table.relation.primary_key.iter().map(|column| shown(column).map(|(name, _)| name.clone())).collect();
            keys.extend(key.unwrap_or_default());
        }
        keys
    }
}

fn relation(row: &TextRow) -> Relation {
    let name = QualifiedName::new(row.get(1).unwrap_or_default(), row.get(2).unwrap_or_default());
    let mut relation = Relation::table(name);
    let kind = match row.get(3) {
        Some("v") => NativeRelationKind::View,
        Some("m") => NativeRelationKind::MaterializedView,
        Some("f") => NativeRelationKind::ForeignTable,
        Some("p") => NativeRelationKind::PartitionedTable,
        _ => NativeRelationKind::Table,
    };
    if matches!(kind, NativeRelationKind::View | NativeRelationKind::MaterializedView) {
        let view = View { query: Query::default(), origins: BTreeMap::new(), updatable: None };
        relation.kind = RelationKind::View(view);
    }
    relation.comment = row.get(5).map(str::to_owned);
    relation.row_security = is_true(row.get(6));
    relation.forces_row_security = is_true(row.get(7));
    let possible = number(row.get(8));
    relation.native = Some(NativeRelation {
        kind,
        is_insertable: possible & INSERT != 0,
        is_updatable: possible & UPDATE != 0,
        is_deletable: possible & DELETE != 0,
        computed: Vec::new(),
    });
    let grants: Vec<(Arc<str>, String)> = list(row.get(9));
    relation.grants = grants
        .into_iter()
        .filter_map(|(role, privilege)| Some(Grant { role, privilege: privilege_of(&privilege)?, columns: None }))
        .collect();
    relation
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

fn column(row: &TextRow, name: Arc<str>, types: &Types) -> Column {
    let oid = number(row.get(3));
    let modifier = row.get(4).and_then(|text| text.parse().ok()).unwrap_or(-1);
    let type_name: Arc<str> = Arc::from(row.get(5).unwrap_or("text"));
    let data_type = types.get(oid, modifier).unwrap_or_else(|| unknown(&type_name));
    let default: Option<Arc<str>> = row.get(9).map(Arc::from);
    let is_generated = row.get(8).is_some_and(|kind| !kind.is_empty());
    let null = Expression::value(Datum::Null, data_type.clone());
    let value = match (row.get(7), &default) {
        (Some("a"), _) => DefaultValue::Identity(Identity::Always),
        (Some("d"), _) => DefaultValue::Identity(Identity::ByDefault),
        _ if is_generated => DefaultValue::Generated(Generated { expression: null }),
        (_, Some(text)) if text.starts_with("nextval(") => DefaultValue::Identity(Identity::ByDefault),
        (_, Some(text)) => DefaultValue::Expression(constant(text, &data_type).unwrap_or(null)),
        (_, None) => DefaultValue::None,
    };
    Column {
        name,
        is_nullable: !is_true(row.get(6)),
        default: value,
        comment: row.get(10).map(str::to_owned),
        domain: types.domains.get(&oid).cloned(),
        native: Some(NativeColumn { type_name, default: default.filter(|_| !is_generated) }),
        data_type,
    }
}

/// A default that is a plain value: `'open'::text`, `5`, `true`. Others are only known to be there.
fn constant(text: &str, data_type: &Type) -> Option<Expression> {
    let plain = match text.strip_prefix('\'') {
        Some(quoted) => {
            let (value, cast) = quoted.rsplit_once('\'')?;
            let is_whole = cast.is_empty() || (cast.starts_with("::") && !cast.contains('('));
            value
                .replace("''", "'")
                .chars()
                .next()
                .map_or(Some(String::new()), |_| is_whole.then(|| value.replace("''", "'")))?
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')) => text.to_owned(),
        None if matches!(text, "true" | "false") => text.to_owned(),
        None => return None,
    };
    let value = datatype::parse(&data_type.without_modifier(), &plain).ok()?;
    Some(Expression::value(value, data_type.clone()))
}

fn unknown(shown: &Arc<str>) -> Type {
    let name = QualifiedName::new("", shown.clone());
    Type::Native(Arc::new(NativeType { name, shown: shown.clone(), kind: NativeKind::Other }))
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

/// A row of `pg_proc`.
struct RoutineRow<'r> {
    row: &'r TextRow,
    name: QualifiedName,
    names: Vec<Option<Arc<str>>>,
    modes: Vec<String>,
    /// The types of the input arguments.
    inputs: Vec<u32>,
    /// The types of all arguments; those of the input where there are no others.
    all: Vec<u32>,
    input_types: Vec<Arc<str>>,
}

impl<'r> RoutineRow<'r> {
    fn read(row: &'r TextRow) -> Option<Self> {
        let inputs: Vec<u32> = oids(row.get(5));
        let all: Vec<u32> = oids(row.get(6));
        let names: Vec<Arc<str>> = list(row.get(3));
        let named = |name: Arc<str>| Some(name).filter(|name| !name.is_empty());
        Some(Self {
            row,
            name: QualifiedName::new(row.get(1)?, row.get(2)?),
            names: names.into_iter().map(named).collect(),
            modes: list(row.get(4)),
            all: if all.is_empty() { inputs.clone() } else { all },
            inputs,
            input_types: list(row.get(7)),
        })
    }

    fn mode(&self, place: usize) -> &str {
        self.modes.get(place).map_or("i", String::as_str)
    }

    fn add(&self, types: &Types, tables: &mut Tables, snapshot: &mut Snapshot) {
        let over = match self.inputs.as_slice() {
            [only] => tables.by_row_type.get(only).copied(),
            _ => None,
        };
        if let Some(over) = over {
            self.add_computed(over, types, tables, snapshot);
        }
        let returns = self.returns(types, tables);
        let routine = Routine {
            signature: Signature { name: self.name.clone(), arguments: self.input_types.clone() },
            arguments: self.arguments(types),
            returns,
            volatility: match self.row.get(12) {
                Some("i") => Volatility::Immutable,
                Some("s") => Volatility::Stable,
                _ => Volatility::Volatile,
            },
            is_security_definer: is_true(self.row.get(13)),
            is_strict: is_true(self.row.get(14)),
            body: Vec::new(),
            source: String::new(),
            comment: self.row.get(16).map(str::to_owned),
            executors: list(self.row.get(17)),
            native: Some(NativeRoutine {
                argument_types: self.input_types.clone(),
                is_variadic: is_true(self.row.get(9)),
                media_type: types
                    .domains
                    .get(&number(self.row.get(10)))
                    .map(|name| name.name.clone())
                    .filter(|name| name.contains('/')),
            }),
        };
        snapshot.routines.insert(routine.signature.clone(), Arc::new(routine));
    }

    /// A function over a row: of a value it is a column, of rows a relationship.
    fn add_computed(&self, over: u32, types: &Types, tables: &mut Tables, snapshot: &mut Snapshot) {
        let result = number(self.row.get(10));
        let is_set = is_true(self.row.get(11));
        let Some(from) = tables.by_oid.get(&over).map(|table| table.relation.name.clone()) else { return };
        let to = tables.by_row_type.get(&result).and_then(|oid| tables.by_oid.get(oid));
        if let Some(to) = to.map(|table| table.relation.name.clone()) {
            let is_to_one = !is_set || is_true(self.row.get(15));
            let computed = ComputedRelationship { function: self.name.clone(), from, to, is_to_one };
            snapshot.computed_relationships.push(computed);
            return;
        }
        let native = tables.by_oid.get_mut(&over).and_then(|table| table.relation.native.as_mut());
        if let (Some(native), Some(data_type), false) = (native, types.get(result, -1), is_set) {
            native.computed.push(ComputedColumn { name: self.name.name.clone(), data_type });
        }
    }

    fn arguments(&self, types: &Types) -> Vec<Argument> {
        let is_input = |place: &usize| matches!(self.mode(*place), "i" | "b" | "v");
        let places: Vec<usize> = (0..self.all.len()).filter(is_input).collect();
        let first_default = places.len().saturating_sub(number(self.row.get(8)) as usize);
        let argument = |(index, place): (usize, &usize)| {
            let shown = self.input_types.get(index).cloned().unwrap_or_else(|| Arc::from("text"));
            let oid = self.all.get(*place).copied().unwrap_or(0);
            let data_type = types.get(oid, -1).unwrap_or_else(|| unknown(&shown));
            let has_default = index >= first_default;
            Argument {
                name: self.names.get(*place).cloned().flatten(),
                default: has_default.then(|| Expression::value(Datum::Null, data_type.clone())),
                data_type,
            }
        };
        places.iter().enumerate().map(argument).collect()
    }

    fn returns(&self, types: &Types, tables: &Tables) -> Returns {
        const VOID: u32 = 2278;
        let is_set = is_true(self.row.get(11));
        let result = number(self.row.get(10));
        let outputs: Vec<(Arc<str>, Type)> = (0..self.all.len())
            .filter(|place| matches!(self.mode(*place), "o" | "b" | "t"))
            .map(|place| {
                let name = self.names.get(place).cloned().flatten();
                let name = name.unwrap_or_else(|| Arc::from(format!("column{}", place + 1)));
                let oid = self.all.get(place).copied().unwrap_or(0);
                (name, types.get(oid, -1).unwrap_or_else(|| unknown(&Arc::from("text"))))
            })
            .collect();
        let table = tables.by_row_type.get(&result).and_then(|oid| tables.by_oid.get(oid));
        let result = if result == VOID {
            RoutineResult::Void
        } else if let Some(table) = table {
            let columns = table.relation.columns.iter();
            RoutineResult::Row {
                columns: columns.map(|column| (column.name.clone(), column.data_type.clone())).collect(),
                relation: Some(table.relation.name.clone()),
            }
        } else if !outputs.is_empty() {
            RoutineResult::Row { columns: outputs, relation: None }
        } else if let Some(members) = types.members.get(&result) {
            RoutineResult::Row { columns: members.clone(), relation: None }
        } else {
            RoutineResult::Value(types.get(result, -1).unwrap_or_else(|| unknown(&Arc::from("text"))))
        };
        Returns { result, is_set }
    }
}

/// A list of oids, which JSON has as texts.
fn oids(text: Option<&str>) -> Vec<u32> {
    let texts: Vec<serde_json::Value> = list(text);
    let number = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    texts.into_iter().filter_map(number).collect()
}
