//! Calls of functions at `/rpc/name`: which function is meant, its arguments, and its body with the caller's rights
//! woven in (or, for `SECURITY DEFINER`, without them).

use std::collections::BTreeMap;
use std::sync::Arc;

use base::QualifiedName;
use catalog::{
    Column, Command, DefaultValue, Deletion, Expression, From, Insertion, Join, JoinKind, Modification, Placement,
    Projection, Query, Relation, Returns, Routine, RoutineResult, RoutineStatement, RowCount, Source, SourceId,
    nearest_related, nearest_routine,
};
use datatype::{Datum, Type, from_json, parse_in};
use rest::{Action, Cell, RawKind, SelectItem};

use crate::error::PlanError;
use crate::model::{
    Call, CallOutcome, CallStep, Conflict, Delete, Insert, Level, Member, Merge, Operation, OutputField, Read, Shape,
    Update,
};
use crate::planner::{Derived, Planner, Scope};
use crate::security::Half;
use crate::write::{check_upsert, row_check};

/// How messages call the rows of a function.
const QUALIFIER: &str = "pgrst_call";

/// What the only column of a function that gives values is called.
pub(crate) const VALUE: &str = "pgrst_scalar";

impl Planner<'_> {
    /// The call of a function.
    pub(crate) fn call(&mut self, name: &str) -> Result<(Operation, Shape), PlanError> {
        let routine = self.resolve(name)?;
        let arguments = self.given_arguments(&routine)?;
        self.footprint.calls.insert(routine.signature.clone());
        self.footprint.named.insert(routine.signature.name.clone());
        self.check_guard(&routine)?;
        let shape = shape(&routine.returns);
        if let Some(query) = routine.query() {
            let level = self.read_level(&routine, query, &arguments)?;
            self.footprint.cost.rows = level.limit;
            let wants_body = self.request.wants_body() && !shape.is_void;
            let counts = self.counting().filter(|_| !shape.is_void);
            return Ok((Operation::Read(Read { level, counts, wants_body }), shape));
        }
        if let Some(command) = routine.write()
            && self.request.action == Action::Read
        {
            return Err(PlanError::ReadOnly { command });
        }
        let call = self.writing(&routine, &arguments)?;
        Ok((Operation::Call(call), shape))
    }

    /// The function that fits the name and the names of the arguments; else one that takes the whole body.
    pub(crate) fn resolve(&self, name: &str) -> Result<Arc<Routine>, PlanError> {
        let qualified = QualifiedName::new(self.request.schema.clone(), name);
        let named: Vec<&Arc<Routine>> = self.context.catalog.routines_named(&qualified).collect();
        let given = &self.request.payload.columns;
        let raw = self.request.payload.raw.as_ref();
        let mut fitting: Vec<&Arc<Routine>> = match raw {
            Some(raw) if raw.kind != RawKind::Json => Vec::new(),
            _ => named.iter().copied().filter(|routine| routine.takes(given)).collect(),
        };
        if fitting.is_empty()
            && let Some(raw) = raw
        {
            fitting = named.iter().copied().filter(|routine| takes_whole(routine, raw.kind)).collect();
        }
        match fitting.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(self.no_routine(name, &named)),
            several => Err(PlanError::AmbiguousRoutine {
                candidates: several.iter().map(|routine| candidate(routine)).collect(),
            }),
        }
    }

    fn no_routine(&self, name: &str, named: &[&Arc<Routine>]) -> PlanError {
        let schema = &self.request.schema;
        let mut given: Vec<String> = self.request.payload.columns.iter().map(ToString::to_string).collect();
        given.sort();
        let listed = |names: &[String]| format!("({})", names.join(", "));
        let nearest = if named.is_empty() {
            let known = self.context.catalog.routines_in(schema).map(|routine| &*routine.signature.name.name);
            nearest_routine(name, known).map(str::to_owned)
        } else {
            let mut argument_lists: Vec<String> = Vec::new();
            for routine in named {
                let mut names: Vec<String> = routine
                    .arguments
                    .iter()
                    .filter_map(|argument| argument.name.as_deref())
                    .map(str::to_owned)
                    .collect();
                names.sort();
                if !names.is_empty() {
                    argument_lists.push(listed(&names));
                }
            }
            nearest_related(&listed(&given), argument_lists.iter().map(String::as_str))
                .map(|found| format!("{name}{found}"))
        };
        let whole = self.request.payload.raw.as_ref().map(|raw| raw.kind);
        // Nothing was named that could have been misspelt.
        let nearest = nearest.filter(|_| matches!(whole, None | Some(RawKind::Json)));
        PlanError::UnknownRoutine {
            schema: schema.to_string(),
            name: name.to_owned(),
            arguments: given,
            whole,
            nearest,
        }
    }

    /// The values of all arguments, in order.
    fn given_arguments(&mut self, routine: &Routine) -> Result<Vec<Expression>, PlanError> {
        let payload = &self.request.payload;
        if !routine.takes(&payload.columns)
            && let (Some(raw), [argument]) = (&payload.raw, routine.arguments.as_slice())
        {
            let value = match raw.kind {
                RawKind::Bytes => Datum::Bytes(raw.body.to_vec()),
                RawKind::Json | RawKind::Text | RawKind::Xml => {
                    let text = std::str::from_utf8(&raw.body).map_err(|_| PlanError::NotText)?;
                    parse_in(&argument.data_type, text, &self.zone)?
                }
            };
            return Ok(vec![Expression::value(value, argument.data_type.clone())]);
        }
        let cells = payload.rows.first().map_or(&[][..], Vec::as_slice);
        let mut values = Vec::with_capacity(routine.arguments.len());
        for argument in &routine.arguments {
            let place = payload.columns.iter().rposition(|column| Some(column) == argument.name.as_ref());
            let cell = place.and_then(|place| cells.get(place)).unwrap_or(&Cell::Missing);
            values.push(match (cell, &argument.default) {
                (Cell::Missing, Some(default)) => self.instantiate(default, SourceId::ROW)?,
                (Cell::Missing | Cell::Null, _) => Expression::value(Datum::Null, argument.data_type.clone()),
                (Cell::Text(text), _) => {
                    let value = parse_in(&argument.data_type, text, &self.zone)?;
                    Expression::value(value, argument.data_type.clone())
                }
                (Cell::Json(raw), _) => {
                    // The body was validated as UTF-8 when it was cut into cells.
                    let value = from_json(&argument.data_type, &String::from_utf8_lossy(raw), &self.zone)?;
                    Expression::value(value, argument.data_type.clone())
                }
            });
        }
        Ok(values)
    }

    /// `max-affected` needs rows to count.
    pub(crate) fn check_guard(&self, routine: &Routine) -> Result<(), PlanError> {
        let is_guarded = self.request.preferences.guard().is_some();
        if is_guarded && !routine.returns.is_set { Err(PlanError::GuardWithoutSet) } else { Ok(()) }
    }

    /// A function that reads: its query stands in `FROM`.
    fn read_level(&mut self, routine: &Routine, query: &Query, arguments: &[Expression]) -> Result<Level, PlanError> {
        let query = self.placed_query(routine, query, arguments)?;
        self.level_over(routine, bounded(query, routine, arguments))
    }

    /// The level of what a function gives, over the rows of a query.
    fn level_over(&mut self, routine: &Routine, query: Query) -> Result<Level, PlanError> {
        let scope = self.result_scope(routine, Derived::Query);
        let rows = Source::Query { id: scope.source, query: Box::new(query) };
        let from = if routine.returns.is_set {
            From { first: rows, joins: Vec::new() }
        } else {
            // One outcome there always is: without a row it is NULL.
            let one = Source::Query { id: self.new_source(), query: Box::new(Query::default()) };
            let join = Join { kind: JoinKind::Left, source: rows, on: Some(Expression::constant(true)) };
            From { first: one, joins: vec![join] }
        };
        self.result_level(routine, scope, from)
    }

    /// The level of what a function gives: the request's filters, order and range hold for it as for a table.
    pub(crate) fn result_level(&mut self, routine: &Routine, scope: Scope, from: From) -> Result<Level, PlanError> {
        let request = self.request;
        let value = [SelectItem::Field {
            field: Some(rest::FieldName { column: VALUE.to_owned(), path: Vec::new() }),
            alias: None,
            cast: None,
            aggregate: None,
            aggregate_cast: None,
        }];
        let select = match routine.returns.result {
            RoutineResult::Row { .. } => &*request.select,
            RoutineResult::Value(_) | RoutineResult::Void => &value,
        };
        let filter = self.conditions(&scope, select)?;
        let scope = Scope { qualifier: QUALIFIER.to_owned(), ..scope };
        let max_rows = self.context.settings.max_rows;
        if matches!(routine.returns.result, RoutineResult::Void) {
            return Ok(nothing(from, filter, scope));
        }
        self.finish_level(&scope, select, from, filter, Vec::new(), max_rows)
    }

    /// The rows of a function as a relation: those of the table it was declared with, whose relationships then hold,
    /// or columns of its own.
    pub(crate) fn result_scope(&mut self, routine: &Routine, derived: Derived) -> Scope {
        let declared = match &routine.returns.result {
            RoutineResult::Row { relation: Some(name), .. } => self.context.catalog.relation(name).cloned(),
            _ => None,
        };
        let columns: &[(Arc<str>, Type)] = match &routine.returns.result {
            RoutineResult::Row { columns, .. } => columns,
            RoutineResult::Value(data_type) => &[(Arc::from(VALUE), data_type.clone())],
            RoutineResult::Void => &[],
        };
        let relation = declared.unwrap_or_else(|| {
            let mut relation = Relation::table(routine.signature.name.clone());
            relation.columns = columns.iter().map(|(name, data_type)| column(name, data_type)).collect();
            Arc::new(relation)
        });
        let source = match derived {
            Derived::Query => self.new_source(),
            Derived::Written(_) => SourceId::ROW,
        };
        Scope {
            qualifier: relation.name.name.to_string(),
            relation,
            source,
            renames: None,
            path: Vec::new(),
            derived: Some(derived),
        }
    }

    /// A query of the body with the arguments in it, and row security for who it runs as.
    fn placed_query(&mut self, routine: &Routine, query: &Query, arguments: &[Expression]) -> Result<Query, PlanError> {
        match self.placed_expression(routine, &Expression::Exists(Box::new(query.clone())), arguments)? {
            Expression::Exists(query) => Ok(*query),
            _ => Err(PlanError::NoSuchFunction(routine.signature.to_string())),
        }
    }

    /// An expression of the body with the arguments in it. What the owner of a `SECURITY DEFINER` function reads is exempt.
    fn placed_expression(
        &mut self,
        routine: &Routine,
        expression: &Expression,
        arguments: &[Expression],
    ) -> Result<Expression, PlanError> {
        let is_definer = routine.is_security_definer;
        let placed = self
            .with_fresh_sources(is_definer, |fresh| Placement::new(routine, arguments, fresh).expression(expression));
        let placed = self.expand(&placed, is_definer)?;
        self.instantiate(&placed, SourceId::ROW)
    }

    /// A function that writes.
    fn writing(&mut self, routine: &Routine, arguments: &[Expression]) -> Result<Call, PlanError> {
        let is_skipped = is_skipped(routine, arguments);
        let mut steps = Vec::new();
        let mut outcome = CallOutcome::Nothing;
        let last = routine.body.len().saturating_sub(1);
        for (place, statement) in routine.body.iter().enumerate() {
            let is_last = place == last;
            match statement {
                RoutineStatement::Query(query) => {
                    outcome = CallOutcome::Read(Box::new(self.read_level(routine, query, arguments)?));
                }
                RoutineStatement::Insert(insertion) => {
                    let returning =
                        self.written_level(routine, &insertion.table, &insertion.returning, arguments, is_last)?;
                    steps.push(self.insertion(routine, insertion, arguments, returning)?);
                }
                RoutineStatement::Update(modification) => {
                    let returning =
                        self.written_level(routine, &modification.table, &modification.returning, arguments, is_last)?;
                    steps.push(self.modification(routine, modification, arguments, returning)?);
                }
                RoutineStatement::Delete(deletion) => {
                    let returning =
                        self.written_level(routine, &deletion.table, &deletion.returning, arguments, is_last)?;
                    steps.push(self.deletion(routine, deletion, arguments, returning)?);
                }
            }
        }
        if steps.last().is_some_and(CallStep::answers) {
            outcome = CallOutcome::Written;
        }
        if is_skipped {
            steps.clear();
            outcome = CallOutcome::Nothing;
        }
        let nulls = match &routine.returns.result {
            RoutineResult::Row { columns, .. } => columns.iter().map(|(name, _)| name.clone()).collect(),
            RoutineResult::Void | RoutineResult::Value(_) => Vec::new(),
        };
        let counts = self.request.preferences.count.is_some() && !shape(&routine.returns).is_void;
        Ok(Call { name: routine.signature.name.clone(), steps, outcome, counts, nulls })
    }

    /// What `RETURNING` gives of the rows that the last statement wrote.
    fn written_level(
        &mut self,
        routine: &Routine,
        table: &QualifiedName,
        returning: &[Projection],
        arguments: &[Expression],
        is_last: bool,
    ) -> Result<Option<Level>, PlanError> {
        if !is_last || returning.is_empty() || matches!(routine.returns.result, RoutineResult::Void) {
            return Ok(None);
        }
        let mut columns = BTreeMap::new();
        for Projection { name, expression } in returning {
            columns.insert(name.clone(), self.placed_expression(routine, expression, arguments)?);
        }
        let scope = self.result_scope(routine, Derived::Written(Arc::new(columns)));
        let from = From { first: Source::Relation { id: SourceId::ROW, name: table.clone() }, joins: Vec::new() };
        self.result_level(routine, scope, from).map(Some)
    }

    fn insertion(
        &mut self,
        routine: &Routine,
        insertion: &Insertion,
        arguments: &[Expression],
        returning: Option<Level>,
    ) -> Result<CallStep, PlanError> {
        let table = self.known(&insertion.table)?;
        if let Some(conflict) = &insertion.conflict {
            check_upsert(&table, &conflict.merged)?;
        }
        let source = self.placed_query(routine, &insertion.source, arguments)?;
        let reads = returning.is_some();
        let mut check = Vec::new();
        let mut conflict = insertion.conflict.as_ref().map(|conflict| Conflict {
            target: conflict.target.clone(),
            merge: (!conflict.merged.is_empty()).then(|| Merge {
                columns: conflict.merged.clone(),
                visible: None,
                check: None,
            }),
        });
        if !routine.is_security_definer {
            let merged: Vec<Arc<str>> =
                insertion.conflict.iter().flat_map(|conflict| conflict.merged.clone()).collect();
            let targets: Vec<Arc<str>> =
                insertion.conflict.iter().flat_map(|conflict| conflict.target.clone()).collect();
            let touch = self.footprint.touch(&table.name);
            let inserts = touch.inserts.get_or_insert_default();
            insertion.columns.iter().for_each(|column| inserts.insert(column.clone()));
            if !merged.is_empty() {
                let updates = touch.updates.get_or_insert_default();
                merged.iter().for_each(|column| updates.insert(column.clone()));
            }
            targets.iter().for_each(|column| self.footprint.read(&table.name, Some(column)));
            self.note_returned(&insertion.returning, &table);
            check.extend(self.policy(&table, Command::Insert, Half::Check, SourceId::ROW)?);
            let seen = self.policy(&table, Command::Select, Half::Using, SourceId::ROW)?;
            if reads || !targets.is_empty() {
                check.extend(seen.clone());
            }
            if let Some(merge) = conflict.as_mut().and_then(|conflict| conflict.merge.as_mut()) {
                let using = self.policy(&table, Command::Update, Half::Using, SourceId::ROW)?;
                let changed = self.policy(&table, Command::Update, Half::Check, SourceId::ROW)?;
                merge.visible = row_check(using.into_iter().chain(seen.clone()).collect());
                merge.check = row_check(changed.into_iter().chain(seen).collect());
            }
        }
        let insert = Insert {
            relation: table.clone(),
            table,
            batches: vec![crate::model::Batch { columns: insertion.columns.clone(), rows: Vec::new() }],
            conflict,
            check: row_check(check),
            returning,
            location: None,
            put: None,
        };
        Ok(CallStep::Insert { source, insert: Box::new(insert) })
    }

    fn modification(
        &mut self,
        routine: &Routine,
        modification: &Modification,
        arguments: &[Expression],
        returning: Option<Level>,
    ) -> Result<CallStep, PlanError> {
        let table = self.known(&modification.table)?;
        let mut assignments = Vec::with_capacity(modification.assignments.len());
        for (column, value) in &modification.assignments {
            assignments.push((column.clone(), self.placed_expression(routine, value, arguments)?));
        }
        let mut filter = Vec::new();
        if let Some(condition) = &modification.filter {
            filter.push(self.placed_expression(routine, condition, arguments)?);
        }
        let mut check = Vec::new();
        if !routine.is_security_definer {
            let updates = self.footprint.touch(&table.name).updates.get_or_insert_default();
            modification.assignments.iter().for_each(|(column, _)| updates.insert(column.clone()));
            let values = modification.assignments.iter().map(|(_, value)| value).chain(&modification.filter);
            let mut reads = self.note_row_columns(values, &table);
            reads |= self.note_returned(&modification.returning, &table);
            filter.extend(self.policy(&table, Command::Update, Half::Using, SourceId::ROW)?);
            check.extend(self.policy(&table, Command::Update, Half::Check, SourceId::ROW)?);
            if reads || returning.is_some() {
                let seen = self.policy(&table, Command::Select, Half::Using, SourceId::ROW)?;
                filter.extend(seen.clone());
                check.extend(seen);
            }
        }
        let check = row_check(check);
        Ok(CallStep::Update(Update { relation: table.clone(), table, assignments, filter, check, returning }))
    }

    fn deletion(
        &mut self,
        routine: &Routine,
        deletion: &Deletion,
        arguments: &[Expression],
        returning: Option<Level>,
    ) -> Result<CallStep, PlanError> {
        let table = self.known(&deletion.table)?;
        let mut filter = Vec::new();
        if let Some(condition) = &deletion.filter {
            filter.push(self.placed_expression(routine, condition, arguments)?);
        }
        if !routine.is_security_definer {
            self.footprint.touch(&table.name).deletes = true;
            let mut reads = self.note_row_columns(deletion.filter.iter(), &table);
            reads |= self.note_returned(&deletion.returning, &table);
            filter.extend(self.policy(&table, Command::Delete, Half::Using, SourceId::ROW)?);
            if reads || returning.is_some() {
                filter.extend(self.policy(&table, Command::Select, Half::Using, SourceId::ROW)?);
            }
        }
        Ok(CallStep::Delete(Delete { relation: table.clone(), table, filter, returning }))
    }

    fn note_returned(&mut self, returning: &[Projection], table: &Relation) -> bool {
        self.note_row_columns(returning.iter().map(|projection| &projection.expression), table)
    }

    /// The columns of the written row that expressions read need the caller's own privileges. Gives whether there are any.
    fn note_row_columns<'e>(&mut self, expressions: impl Iterator<Item = &'e Expression>, table: &Relation) -> bool {
        let mut read = Vec::new();
        for expression in expressions {
            expression.visit(&mut |part| {
                if let Expression::Column { source: SourceId::ROW, name, .. } = part {
                    read.push(name.clone());
                }
            });
        }
        read.iter().for_each(|column| self.footprint.read(&table.name, Some(column)));
        !read.is_empty()
    }
}

/// Whether a body of this kind is the routine's only argument, which then has no name.
fn takes_whole(routine: &Routine, kind: RawKind) -> bool {
    match routine.arguments.as_slice() {
        [argument] if argument.name.is_none() => match kind {
            RawKind::Json => argument.data_type.is_json(),
            RawKind::Text => argument.data_type == Type::Text,
            RawKind::Xml => is_xml(routine),
            RawKind::Bytes => argument.data_type == Type::Bytea,
        },
        _ => false,
    }
}

/// Whether its only argument is a document of XML; only a PostgreSQL server has that type.
fn is_xml(routine: &Routine) -> bool {
    routine.native.as_ref().is_some_and(|native| matches!(native.argument_types.as_slice(), [only] if &**only == "xml"))
}

/// A candidate as the error names it: `public.vague(x => integer)`; an argument without a name has none there either.
fn candidate(routine: &Routine) -> String {
    let arguments: Vec<String> = routine
        .arguments
        .iter()
        .map(|argument| format!("{} => {}", argument.name.as_deref().unwrap_or_default(), argument.data_type))
        .collect();
    format!("{}({})", routine.signature.name, arguments.join(", "))
}

pub(crate) fn shape(returns: &Returns) -> Shape {
    Shape {
        is_single: !returns.is_set,
        is_value: matches!(returns.result, RoutineResult::Value(_)),
        is_void: matches!(returns.result, RoutineResult::Void),
    }
}

/// A strict function is not run when an argument is NULL.
fn is_skipped(routine: &Routine, arguments: &[Expression]) -> bool {
    let is_null = |argument: &Expression| matches!(argument, Expression::Value { value: Datum::Null, .. });
    routine.is_strict && arguments.iter().any(is_null)
}

/// The rows that a function gives of its query: one, unless it is a set; none, where it is not run.
fn bounded(mut query: Query, routine: &Routine, arguments: &[Expression]) -> Query {
    if is_skipped(routine, arguments) {
        query.limit = Some(RowCount::Number(0));
    } else if !routine.returns.is_set && !matches!(query.limit, Some(RowCount::Number(0))) {
        query.limit = match query.limit {
            Some(RowCount::Expression(limit)) => Some(RowCount::Expression(limit)),
            _ => Some(RowCount::Number(1)),
        };
    }
    query
}

/// The level of a function that gives nothing: it is run for its errors.
fn nothing(from: From, filter: Vec<Expression>, scope: Scope) -> Level {
    let name = Arc::from(scope.qualifier);
    Level {
        from,
        members: Arc::new([Member::Value(OutputField { name, expression: Expression::constant(true) })]),
        filter,
        is_aggregated: false,
        group_by: Vec::new(),
        order: Vec::new(),
        is_stored_order: false,
        limit: None,
        offset: 0,
        keys: Vec::new(),
    }
}

fn column(name: &Arc<str>, data_type: &Type) -> Column {
    Column {
        name: name.clone(),
        data_type: data_type.clone(),
        is_nullable: true,
        default: DefaultValue::None,
        comment: None,
        domain: None,
        native: None,
    }
}
