//! Planning for a PostgreSQL server. It types values, enforces rights and runs functions by itself, so values go to it as
//! the client wrote them, and what does not fit is told in its own words.

use std::sync::Arc;

use base::QualifiedName;
use catalog::{
    Binary, Expression, From, Function, NativeArgument, NativeArguments, NativeCall, NativeFunction, NativeOperator,
    Relation, Routine, RoutineResult, SearchQuery, Source, Volatility,
};
use datatype::{Datum, NativeKind, NativeType, Type};
use rest::{
    Action, Aggregate, Cell, Comparison, Missing, Operation as FilterOperation, PathStep, Quantifier, RawKind,
    Resolution,
};

use crate::error::PlanError;
use crate::field::aggregated;
use crate::filter::{is, operand_type, operator_of};
use crate::model::{
    Access, Counting, Level, NativeConflict, NativeInsert, NativeWrite, NativeWriteKind, Operation, Read, Shape,
};
use crate::planner::{Derived, Planner, Scope};
use crate::routine::shape;
use crate::unresolved::is_unknown;
use crate::write::Destination;

/// A value as the client wrote it, which the server reads as whatever it is compared with.
pub(crate) fn as_written(text: &str, data_type: Type) -> Expression {
    Expression::value(Datum::Text(text.to_owned()), data_type)
}

/// A type that only the server knows the name of.
pub(crate) fn unknown_type(name: &str) -> Type {
    let (element, is_array) = match name.strip_suffix("[]") {
        Some(element) => (element, true),
        None => (name, false),
    };
    let plain = |name: &str| {
        Type::Native(Arc::new(NativeType {
            name: QualifiedName::new("", name),
            shown: Arc::from(name),
            kind: NativeKind::Other,
        }))
    };
    if !is_array {
        return plain(name);
    }
    let element = Type::from_name(element).unwrap_or_else(|| plain(element));
    Type::Native(Arc::new(NativeType {
        name: QualifiedName::new("", name),
        shown: Arc::from(name),
        kind: NativeKind::Array(element),
    }))
}

/// An aggregate. Whether there is one for the operand's type, the server says.
pub(crate) fn native_aggregate(aggregate: Aggregate, operand: Option<Expression>) -> Expression {
    aggregated(aggregate, operand.clone()).unwrap_or_else(|_| {
        let function = match aggregate {
            Aggregate::Count => Function::Count { is_distinct: false },
            Aggregate::Sum => Function::Sum,
            Aggregate::Avg => Function::Avg,
            Aggregate::Max => Function::Max,
            Aggregate::Min => Function::Min,
        };
        Expression::Call { function, arguments: operand.into_iter().collect(), data_type: unknown_type("unknown") }
    })
}

impl Planner<'_> {
    /// What a JSON path goes into: whatever the server can make JSON of becomes that first. A step into text is refused on
    /// every engine.
    pub(crate) fn as_json(&self, column: Expression, path: &[PathStep]) -> Expression {
        let data_type = column.data_type();
        if path.is_empty() || !self.is_native() || data_type.is_json() || data_type.is_text() {
            return column;
        }
        native(NativeFunction::ToJsonb, vec![column], Type::Jsonb)
    }

    /// The type that a `::cast` names.
    pub(crate) fn native_type(&self, name: &str) -> Type {
        self.named_type(name).unwrap_or_else(|_| unknown_type(name))
    }

    /// What a filter asks of an operand.
    pub(crate) fn native_operation(
        &mut self,
        operand: Expression,
        operation: &FilterOperation,
    ) -> Result<Expression, PlanError> {
        let data_type = operand.data_type();
        Ok(match operation {
            FilterOperation::Compare { comparison, quantifier: None, value } => {
                let value = as_written(value, operand_type(*comparison, &data_type));
                Expression::compare(operator_of(*comparison), operand, value)
            }
            FilterOperation::Compare { comparison, quantifier: Some(quantifier), value } => {
                quantified(operand, *comparison, *quantifier, value)
            }
            FilterOperation::In(values) => {
                let list = values.iter().map(|value| as_written(value, data_type.clone())).collect();
                Expression::In { operand: Box::new(operand), list }
            }
            FilterOperation::Is(value) => match (value, &data_type) {
                (rest::IsValue::True | rest::IsValue::False, data_type) if is_unknown(data_type) => {
                    Expression::IsBoolean { operand: Box::new(operand), value: *value == rest::IsValue::True }
                }
                (rest::IsValue::Unknown, _) => native(NativeFunction::IsUnknown, vec![operand], Type::Boolean),
                _ => is(operand, *value)?,
            },
            FilterOperation::IsDistinct(value) => {
                Expression::compare(Binary::IsDistinctFrom, operand, as_written(value, data_type))
            }
            FilterOperation::PostgresOnly { operator, value } => {
                let function = NativeFunction::Operator(native_operator(operator)?);
                native(function, vec![operand, as_written(value, data_type)], Type::Boolean)
            }
            FilterOperation::FullText { operator, language, value } => {
                search(operand, search_query(operator)?, language.as_deref(), value)
            }
        })
    }

    /// A write of rows that the server types, checks and carries through views.
    pub(crate) fn native_write(&mut self, relation: &Arc<Relation>) -> Result<NativeWrite, PlanError> {
        let columns = self.request.payload.columns.clone();
        for name in self.request.columns.iter().flatten().map(String::as_str).chain(columns.iter().map(|name| &**name))
        {
            if self.request.action != Action::Delete && relation.column(name).is_none() {
                return Err(PlanError::UnknownPayloadColumn {
                    relation: relation.name.name.to_string(),
                    column: name.to_owned(),
                });
            }
        }
        self.check_documents(relation);
        let destination = Destination::itself(relation);
        let scope = self.written_scope(relation, &destination);
        let kind = match self.request.action {
            Action::Update => {
                let touch = self.footprint.touch(&relation.name);
                let filter = if columns.is_empty() {
                    // Nothing is set: no row is read, and no column has to be one that may be updated.
                    touch.reads.get_or_insert_default();
                    Vec::new()
                } else {
                    let updates = touch.updates.get_or_insert_default();
                    columns.iter().for_each(|column| updates.insert(column.clone()));
                    self.conditions(&scope, &[])?
                };
                let document = self.document();
                NativeWriteKind::Update { columns, document, applies_defaults: self.applies_defaults(), filter }
            }
            Action::Delete => {
                self.footprint.touch(&relation.name).deletes = true;
                NativeWriteKind::Delete { filter: self.conditions(&scope, &[])? }
            }
            _ => NativeWriteKind::Insert(self.native_insert(relation, &scope, columns)?),
        };
        let (returning, location) = self.returning(relation, &destination)?;
        Ok(NativeWrite { relation: relation.clone(), kind, returning, location, row: self.written_row.take() })
    }

    fn native_insert(
        &mut self,
        relation: &Arc<Relation>,
        scope: &Scope,
        columns: Vec<Arc<str>>,
    ) -> Result<NativeInsert, PlanError> {
        let is_put = self.request.action == Action::Put;
        let inserts = self.footprint.touch(&relation.name).inserts.get_or_insert_default();
        columns.iter().for_each(|column| inserts.insert(column.clone()));
        let put = if is_put {
            self.put_key(relation)?;
            // A row of defaults alone is never the one that the URL names.
            if columns.is_empty() {
                return Err(PlanError::PutMismatch);
            }
            self.conditions(scope, &[])?
        } else {
            Vec::new()
        };
        let conflict = self.native_conflict(relation, &columns, is_put)?;
        Ok(NativeInsert {
            document: self.document(),
            rows: self.request.payload.rows.len() as u64,
            applies_defaults: self.applies_defaults(),
            columns,
            conflict,
            put,
        })
    }

    fn applies_defaults(&self) -> bool {
        self.request.preferences.missing == Some(Missing::ApplyDefaults)
    }

    fn native_conflict(
        &mut self,
        relation: &Relation,
        columns: &[Arc<str>],
        is_put: bool,
    ) -> Result<Option<NativeConflict>, PlanError> {
        let Some((resolution, target)) = self.asked_conflict(relation, is_put)? else { return Ok(None) };
        let merged = match resolution {
            Resolution::MergeDuplicates => columns.to_vec(),
            Resolution::IgnoreDuplicates => Vec::new(),
        };
        if !merged.is_empty() {
            let updates = self.footprint.touch(&relation.name).updates.get_or_insert_default();
            merged.iter().for_each(|column| updates.insert(column.clone()));
        }
        Ok(Some(NativeConflict { target, merged }))
    }

    /// The payload as an array of JSON objects, its values as they were written.
    fn document(&self) -> String {
        let payload = &self.request.payload;
        let mut out = vec![b'['];
        for (index, row) in payload.rows.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_object(payload.columns.iter().zip(row), &mut out);
        }
        out.push(b']');
        // The body was validated as UTF-8 when it was cut into cells.
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The call of a function.
    pub(crate) fn native_call(&mut self, name: &str) -> Result<(Operation, Shape), PlanError> {
        let routine = self.resolve(name)?;
        self.footprint.calls.insert(routine.signature.clone());
        self.footprint.named.insert(routine.signature.name.clone());
        self.check_guard(&routine)?;
        let rows_of = match &routine.returns.result {
            RoutineResult::Row { relation, .. } => relation.as_ref(),
            RoutineResult::Value(_) | RoutineResult::Void => None,
        };
        self.choose_form(rows_of, Some(&routine))?;
        let shape = shape(&routine.returns);
        let arguments = self.native_arguments(&routine)?;
        let scope = self.result_scope(&routine, Derived::Query);
        let value_name = match &routine.returns.result {
            RoutineResult::Value(_) | RoutineResult::Void => Some(Arc::from(crate::routine::VALUE)),
            RoutineResult::Row { .. } => None,
        };
        let is_selected = routine.native.as_ref().is_some_and(|native| native.gives_records);
        let call = NativeCall { name: routine.signature.name.clone(), arguments, value_name, is_selected };
        let from = From { first: Source::Call { id: scope.source, call: Box::new(call) }, joins: Vec::new() };
        let level: Level = self.result_level(&routine, scope, from)?;
        let is_post = self.request.action != Action::Read;
        let writes = is_post && routine.volatility == Volatility::Volatile;
        self.access = if writes { Access::ReadWrite } else { Access::ReadOnly };
        // What it does inside is not bounded by what it answers.
        self.footprint.cost.rows = level.limit.filter(|_| !writes);
        let wants_body = self.request.wants_body() && !shape.is_void;
        let counts = self.counting().filter(|_| !shape.is_void).map(|asked| {
            // What gives one outcome tells by itself how many there are.
            if shape.is_single { Counting::WithRows } else { asked }
        });
        Ok((Operation::Read(Read { level, counts, wants_body }), shape))
    }

    fn native_arguments(&self, routine: &Routine) -> Result<NativeArguments, PlanError> {
        let payload = &self.request.payload;
        let native = routine.native.as_ref();
        let type_name = |place: usize| -> Arc<str> {
            native.and_then(|native| native.argument_types.get(place)).cloned().unwrap_or_else(|| Arc::from("text"))
        };
        if !routine.takes(&payload.columns)
            && let (Some(raw), [argument]) = (&payload.raw, routine.arguments.as_slice())
        {
            let value = match raw.kind {
                RawKind::Bytes => Datum::Bytes(raw.body.to_vec()),
                RawKind::Json | RawKind::Text | RawKind::Xml => {
                    let text = std::str::from_utf8(&raw.body).map_err(|_| PlanError::NotText)?;
                    Datum::Text(text.to_owned())
                }
            };
            let value = Expression::value(value, argument.data_type.clone());
            return Ok(NativeArguments::Whole { value, type_name: type_name(0) });
        }
        let cells = payload.rows.first().map_or(&[][..], Vec::as_slice);
        let mut given = Vec::new();
        for (place, argument) in routine.arguments.iter().enumerate() {
            let Some(name) = &argument.name else { continue };
            let found = payload.columns.iter().position(|column| column == name).and_then(|place| cells.get(place));
            if matches!(found, None | Some(Cell::Missing)) {
                continue;
            }
            let is_variadic = native.is_some_and(|native| native.is_variadic) && place + 1 == routine.arguments.len();
            given.push(NativeArgument { name: name.clone(), type_name: type_name(place), is_variadic });
        }
        let document = Datum::Text(self.arguments_document(routine, &given));
        Ok(NativeArguments::Named { document: Expression::value(document, Type::Json), arguments: given })
    }
}

impl Planner<'_> {
    /// The arguments as a JSON object. Texts of the query string become what their argument wants: JSON stays JSON, and what
    /// stands there several times is the array of a variadic argument.
    fn arguments_document(&self, routine: &Routine, given: &[NativeArgument]) -> String {
        let payload = &self.request.payload;
        let cells = payload.rows.first().map_or(&[][..], Vec::as_slice);
        let mut out = vec![b'{'];
        for (index, argument) in given.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            datatype::json::write_string(&argument.name, &mut out);
            out.push(b':');
            let named = payload.columns.iter().zip(cells).filter(|(name, _)| **name == argument.name);
            let cells: Vec<&Cell> = named.map(|(_, cell)| cell).collect();
            let is_json = routine
                .arguments
                .iter()
                .any(|known| known.name.as_ref() == Some(&argument.name) && known.data_type.is_json());
            if argument.is_variadic && cells.iter().all(|cell| matches!(cell, Cell::Text(_))) {
                out.push(b'[');
                for (index, cell) in cells.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_cell(cell, false, &mut out);
                }
                out.push(b']');
            } else {
                write_cell(cells.last().copied().unwrap_or(&Cell::Null), is_json, &mut out);
            }
        }
        out.push(b'}');
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// A call of what only a PostgreSQL server does.
pub(crate) fn native(function: NativeFunction, arguments: Vec<Expression>, data_type: Type) -> Expression {
    Expression::Call { function: Function::Native(function), arguments, data_type }
}

fn quantified(operand: Expression, comparison: Comparison, quantifier: Quantifier, literal: &str) -> Expression {
    let element = operand_type(comparison, &operand.data_type());
    let function =
        NativeFunction::Quantified { operator: operator_of(comparison), is_all: quantifier == Quantifier::All };
    native(function, vec![operand, as_written(literal, element)], Type::Boolean)
}

fn search(operand: Expression, query: SearchQuery, language: Option<&str>, value: &str) -> Expression {
    let is_document = match operand.data_type() {
        Type::Native(native) => native.kind != NativeKind::TextSearch,
        _ => true,
    };
    let mut operands = vec![operand, as_written(value, Type::Text)];
    operands.extend(language.map(|language| as_written(language, Type::Text)));
    native(NativeFunction::Search { query, is_document }, operands, Type::Boolean)
}

fn native_operator(spelling: &str) -> Result<NativeOperator, PlanError> {
    Ok(match spelling {
        "cs" => NativeOperator::Contains,
        "cd" => NativeOperator::ContainedBy,
        "ov" => NativeOperator::Overlaps,
        "sl" => NativeOperator::StrictlyLeft,
        "sr" => NativeOperator::StrictlyRight,
        "nxr" => NativeOperator::NotRightOf,
        "nxl" => NativeOperator::NotLeftOf,
        "adj" => NativeOperator::Adjacent,
        other => return Err(unknown_operator(other)),
    })
}

fn search_query(spelling: &str) -> Result<SearchQuery, PlanError> {
    Ok(match spelling {
        "fts" => SearchQuery::ToTsquery,
        "plfts" => SearchQuery::Plain,
        "phfts" => SearchQuery::Phrase,
        "wfts" => SearchQuery::WebSearch,
        other => return Err(unknown_operator(other)),
    })
}

fn unknown_operator(spelling: &str) -> PlanError {
    PlanError::Unsupported {
        what: format!("The operator {spelling}"),
        instead: "Look the operators up in the reference.".to_owned(),
    }
}

/// An object of the cells that are given.
fn write_object<'a>(cells: impl Iterator<Item = (&'a Arc<str>, &'a Cell)>, out: &mut Vec<u8>) {
    out.push(b'{');
    let start = out.len();
    for (name, cell) in cells {
        if matches!(cell, Cell::Missing) {
            continue;
        }
        if out.len() > start {
            out.push(b',');
        }
        datatype::json::write_string(name, out);
        out.push(b':');
        write_cell(cell, false, out);
    }
    out.push(b'}');
}

/// A cell as JSON; with `is_json`, a text that is JSON stays what it is.
fn write_cell(cell: &Cell, is_json: bool, out: &mut Vec<u8>) {
    match cell {
        Cell::Missing | Cell::Null => out.extend_from_slice(b"null"),
        Cell::Json(raw) => out.extend_from_slice(raw),
        Cell::Text(text) if is_json && datatype::json::validate(text).is_ok() => out.extend_from_slice(text.as_bytes()),
        Cell::Text(text) => datatype::json::write_string(text, out),
    }
}
