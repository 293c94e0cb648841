//! Functions: those that are called, and those that are read like columns or lead to other rows.

use std::sync::Arc;

use base::{QualifiedName, Signature};
use catalog::{
    Argument, ComputedColumn, ComputedRelationship, Expression, MediaHandler, NativeRoutine, Returns, Routine,
    RoutineResult, Setting, Snapshot, Volatility,
};
use datatype::{Datum, Type};

use super::rows::Row;
use super::tables::Tables;
use super::types::{Types, unknown};

/// `pg_type.oid` of `void`.
const VOID: u32 = 2278;
/// Of `record`.
const RECORD: u32 = 2249;
/// Of `bytea`, `text`, `json`, `xml`, `jsonb`: a function whose only argument is one of them and has no name takes the
/// whole body of a request.
const WHOLE: [u32; 5] = [17, 25, 114, 142, 3802];

/// Adds a function to what it is: a column, a relationship, something that is called.
pub(super) fn add(row: &Row<'_>, types: &Types, tables: &mut Tables, snapshot: &mut Snapshot) {
    let Some(found) = RoutineRow::read(row) else { return };
    if let [only] = found.inputs.as_slice() {
        found.add_computed(*only, types, tables, snapshot);
    }
    if found.is_callable() {
        let routine = found.routine(types, tables);
        snapshot.routines.insert(routine.signature.clone(), Arc::new(routine));
    }
}

/// Adds an aggregate that makes rows a media type; what takes no rows is none.
pub(super) fn add_handler(row: &Row<'_>, tables: &Tables, snapshot: &mut Snapshot) {
    const ANY_ELEMENT: u32 = 2283;
    let (Some(function), Some(media_type)) = (row.name(0), row.text(3)) else { return };
    let target = match row.number(2) {
        ANY_ELEMENT => None,
        over => match tables.of_row_type(over) {
            Some(relation) => Some(relation.name.clone()),
            None => return,
        },
    };
    snapshot.media_handlers.push(Arc::new(MediaHandler { function, target, media_type: Arc::from(media_type) }));
}

/// A type as arguments are read: `character` and `bit` by themselves are of length 1, where a function's argument has no
/// length at all.
fn without_length(shown: &Arc<str>) -> Arc<str> {
    match &**shown {
        "character" => Arc::from("character varying"),
        "character[]" => Arc::from("character varying[]"),
        "bit" => Arc::from("bit varying"),
        "bit[]" => Arc::from("bit varying[]"),
        _ => shown.clone(),
    }
}

/// `SET` clauses, each `name=value`.
fn settings(clauses: &[String]) -> Vec<Setting> {
    let pairs = clauses.iter().filter_map(|clause| clause.split_once('='));
    pairs.map(|(name, value)| (Arc::from(name), Arc::from(value))).collect()
}

/// A row of `pg_proc`.
struct RoutineRow<'a, 'r> {
    row: &'a Row<'r>,
    name: QualifiedName,
    /// The names of all arguments, empty where one has none; no names at all where none has one.
    names: Vec<Arc<str>>,
    modes: Vec<String>,
    /// The types of the input arguments.
    inputs: Vec<u32>,
    /// The types of all arguments; those of the input where there are no others.
    all: Vec<u32>,
    input_types: Vec<Arc<str>>,
}

impl<'a, 'r> RoutineRow<'a, 'r> {
    fn read(row: &'a Row<'r>) -> Option<Self> {
        let inputs: Vec<u32> = row.oids(5);
        let all: Vec<u32> = row.oids(6);
        Some(Self {
            row,
            name: row.name(1)?,
            names: row.list(3),
            modes: row.list(4),
            all: if all.is_empty() { inputs.clone() } else { all },
            inputs,
            input_types: row.list(7),
        })
    }

    fn mode(&self, place: usize) -> &str {
        self.modes.get(place).map_or("i", String::as_str)
    }

    fn argument_name(&self, place: usize) -> Option<Arc<str>> {
        self.names.get(place).filter(|name| !name.is_empty()).cloned()
    }

    /// Whether a request can call it: arguments are given by name, or one takes the whole body. The others are as good as
    /// absent, as in PostgREST.
    fn is_callable(&self) -> bool {
        match self.inputs.as_slice() {
            [] => true,
            [only] if self.names.is_empty() => WHOLE.contains(only),
            _ => !self.names.is_empty(),
        }
    }

    fn routine(&self, types: &Types, tables: &Tables) -> Routine {
        let domain = types.domain(self.row.number(10));
        Routine {
            signature: Signature { name: self.name.clone(), arguments: self.input_types.clone() },
            arguments: self.arguments(types),
            returns: self.returns(types, tables),
            volatility: self.volatility(),
            is_security_definer: self.row.is_true(13),
            is_strict: self.row.is_true(14),
            body: Vec::new(),
            source: String::new(),
            comment: self.row.text(16).map(str::to_owned),
            executors: self.row.list(17),
            native: Some(NativeRoutine {
                argument_types: self.input_types.iter().map(without_length).collect(),
                is_variadic: self.row.is_true(9),
                gives_records: self.row.number(10) == RECORD && self.outputs(types).is_empty(),
                settings: settings(&self.row.list::<String>(18)),
                media_type: domain.map(|name| name.name.clone()).filter(|name| name.contains('/')),
            }),
        }
    }

    fn volatility(&self) -> Volatility {
        match self.row.text(12) {
            Some("i") => Volatility::Immutable,
            Some("s") => Volatility::Stable,
            _ => Volatility::Volatile,
        }
    }

    /// A function over a row: of a value it is a column, of rows a relationship.
    fn add_computed(&self, over: u32, types: &Types, tables: &mut Tables, snapshot: &mut Snapshot) {
        let result = self.row.number(10);
        let is_set = self.row.is_true(11);
        let Some(from) = tables.of_row_type(over).map(|relation| relation.name.clone()) else { return };
        if let Some(to) = tables.of_row_type(result).map(|relation| relation.name.clone()) {
            let is_to_one = !is_set || self.row.is_true(15);
            let (function, volatility) = (self.name.clone(), self.volatility());
            let computed = ComputedRelationship { function, from, to, is_to_one, volatility };
            snapshot.computed_relationships.push(computed);
        } else if let (Some(data_type), false) = (types.get(result, -1), is_set || result == VOID) {
            let (function, volatility) = (self.name.clone(), self.volatility());
            let name = function.name.clone();
            tables.add_computed(over, ComputedColumn { name, data_type, function, volatility });
        }
    }

    fn arguments(&self, types: &Types) -> Vec<Argument> {
        let is_input = |place: &usize| matches!(self.mode(*place), "i" | "b" | "v");
        let places: Vec<usize> = (0..self.all.len()).filter(is_input).collect();
        let first_default = places.len().saturating_sub(self.row.number(8) as usize);
        let argument = |(index, place): (usize, &usize)| {
            let shown = self.input_types.get(index);
            let oid = self.all.get(*place).copied().unwrap_or(0);
            let data_type = types.get(oid, -1).unwrap_or_else(|| unknown(shown.map(|shown| &**shown)));
            let has_default = index >= first_default;
            Argument {
                name: self.argument_name(*place),
                default: has_default.then(|| Expression::value(Datum::Null, data_type.clone())),
                data_type,
            }
        };
        places.iter().enumerate().map(argument).collect()
    }

    fn returns(&self, types: &Types, tables: &Tables) -> Returns {
        let is_set = self.row.is_true(11);
        let declared = self.row.number(10);
        let result = types.base(declared);
        let outputs = self.outputs(types);
        let result = if result == VOID {
            RoutineResult::Void
        } else if let Some(relation) = tables.of_row_type(result) {
            let columns = relation.columns.iter();
            RoutineResult::Row {
                columns: columns.map(|column| (column.name.clone(), column.data_type.clone())).collect(),
                relation: Some(relation.name.clone()),
            }
        } else if !outputs.is_empty() {
            RoutineResult::Row { columns: outputs, relation: None }
        } else if let Some(members) = types.members(result) {
            RoutineResult::Row { columns: members.to_vec(), relation: None }
        } else {
            RoutineResult::Value(types.get(declared, -1).unwrap_or_else(|| unknown(None)))
        };
        Returns { result, is_set }
    }

    /// The columns that `OUT`, `INOUT` and `TABLE` make. PostgreSQL calls those without a name by their place among them;
    /// one alone without a name makes no row.
    fn outputs(&self, types: &Types) -> Vec<(Arc<str>, Type)> {
        let places: Vec<usize> =
            (0..self.all.len()).filter(|place| matches!(self.mode(*place), "o" | "b" | "t")).collect();
        if let [only] = places.as_slice()
            && self.argument_name(*only).is_none()
        {
            return Vec::new();
        }
        let column = |(index, place): (usize, &usize)| {
            let name = self.argument_name(*place).unwrap_or_else(|| Arc::from(format!("column{}", index + 1)));
            let oid = self.all.get(*place).copied().unwrap_or(0);
            (name, types.get(oid, -1).unwrap_or_else(|| unknown(None)))
        };
        places.iter().enumerate().map(column).collect()
    }
}
