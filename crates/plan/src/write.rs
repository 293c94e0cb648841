//! Writes: inserts, upserts, puts, updates and deletes, through updatable views as well.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use catalog::{Column, Command, DefaultValue, Expression, From, Identity, Relation, Source, SourceId};
use datatype::{Datum, ValueError, Zone, from_json, parse_in};
use rest::{Action, Cell, Comparison, Condition, Missing, Operation as FilterOperation, Representation, Resolution};

use crate::error::PlanError;
use crate::model::{Batch, Conflict, Delete, Insert, KeyColumn, Level, Merge, Operation, Put, RowCheck, Update};
use crate::planner::{Planner, Scope};
use crate::security::Half;

/// Where a write goes: the table, and what the relation's columns are called there.
pub(crate) struct Destination {
    table: Arc<Relation>,
    renames: Option<Arc<BTreeMap<Arc<str>, Arc<str>>>>,
    filter: Option<Expression>,
}

impl Destination {
    /// The relation itself.
    pub(crate) fn itself(relation: &Arc<Relation>) -> Self {
        Self { table: relation.clone(), renames: None, filter: None }
    }

    fn physical<'c>(&'c self, column: &'c Arc<str>) -> &'c Arc<str> {
        self.renames.as_ref().and_then(|renames| renames.get(column)).unwrap_or(column)
    }
}

/// What is done with rows that exist, and the columns that tell that one does.
type AskedConflict = (Resolution, Vec<Arc<str>>);

impl Planner<'_> {
    /// An insert, upsert or put.
    pub(crate) fn insert(&mut self, relation: &Arc<Relation>) -> Result<Operation, PlanError> {
        let destination = self.destination(relation, "insert into")?;
        let put = if self.request.action == Action::Put { Some(self.put_key(relation)?) } else { None };
        self.check_payload_columns(relation)?;
        let columns = self.request.payload.columns.clone();
        for column in &columns {
            self.footprint.touch(&relation.name).inserts.get_or_insert_default().insert(column.clone());
        }
        self.footprint.touch(&relation.name).inserts.get_or_insert_default();
        let batches = self.batches(relation, &destination, put.as_ref())?;
        let conflict = self.conflict(relation, &destination, &columns, put.is_some())?;
        let (returning, location) = self.returning(relation, &destination)?;
        let check = self.insert_check(relation)?;
        let conflict = self.secure_conflict(relation, &destination, conflict)?;
        Ok(Operation::Insert(Insert {
            relation: relation.clone(),
            table: destination.table.clone(),
            batches,
            conflict,
            check,
            returning,
            location,
            put,
        }))
    }

    /// A change of rows.
    pub(crate) fn update(&mut self, relation: &Arc<Relation>) -> Result<Operation, PlanError> {
        let destination = self.destination(relation, "update")?;
        self.check_payload_columns(relation)?;
        let assignments = self.assignments(relation, &destination)?;
        // PostgREST reads no row where nothing is set: the filter is not looked at, and no column has to be one that may
        // be updated.
        let sets_nothing = self.request.payload.columns.is_empty();
        let touch = self.footprint.touch(&relation.name);
        if sets_nothing {
            touch.reads.get_or_insert_default();
        } else {
            let updates = touch.updates.get_or_insert_default();
            self.request.payload.columns.iter().for_each(|column| updates.insert(column.clone()));
        }
        let scope = self.written_scope(relation, &destination);
        let mut filter = if sets_nothing { Vec::new() } else { self.conditions(&scope, &[])? };
        let (returning, _) = self.returning(relation, &destination)?;
        let reads = self.reads(relation);
        filter.extend(self.shown(&destination)?);
        filter.extend(self.policy(relation, Command::Update, Half::Using, SourceId::ROW)?);
        let mut check: Vec<Expression> =
            self.policy(relation, Command::Update, Half::Check, SourceId::ROW)?.into_iter().collect();
        if reads {
            filter.extend(self.policy(relation, Command::Select, Half::Using, SourceId::ROW)?);
            check.extend(self.policy(relation, Command::Select, Half::Using, SourceId::ROW)?);
        }
        Ok(Operation::Update(Update {
            relation: relation.clone(),
            table: destination.table.clone(),
            assignments,
            filter,
            check: row_check(check),
            returning,
        }))
    }

    /// A removal of rows.
    pub(crate) fn delete(&mut self, relation: &Arc<Relation>) -> Result<Operation, PlanError> {
        let destination = self.destination(relation, "delete from")?;
        self.footprint.touch(&relation.name).deletes = true;
        let scope = self.written_scope(relation, &destination);
        let mut filter = self.conditions(&scope, &[])?;
        let (returning, _) = self.returning(relation, &destination)?;
        filter.extend(self.shown(&destination)?);
        filter.extend(self.policy(relation, Command::Delete, Half::Using, SourceId::ROW)?);
        if self.reads(relation) {
            filter.extend(self.policy(relation, Command::Select, Half::Using, SourceId::ROW)?);
        }
        Ok(Operation::Delete(Delete {
            relation: relation.clone(),
            table: destination.table.clone(),
            filter,
            returning,
        }))
    }

    fn destination(&self, relation: &Arc<Relation>, verb: &'static str) -> Result<Destination, PlanError> {
        let Some(view) = relation.view() else {
            return Ok(Destination { table: relation.clone(), renames: None, filter: None });
        };
        let refused = || PlanError::NotUpdatable { verb, view: relation.name.name.to_string() };
        let updatable = view.updatable.as_ref().ok_or_else(refused)?;
        let table = self.context.catalog.relation(&updatable.base).cloned().ok_or_else(refused)?;
        Ok(Destination { table, renames: Some(Arc::new(updatable.columns.clone())), filter: updatable.filter.clone() })
    }

    /// What a view's rows fulfil. Functions in it run with the owner's rights.
    fn shown(&mut self, destination: &Destination) -> Result<Option<Expression>, PlanError> {
        destination.filter.as_ref().map(|filter| self.expand(filter, true)).transpose()
    }

    /// The scope of the rows that are written.
    pub(crate) fn written_scope(&self, relation: &Arc<Relation>, destination: &Destination) -> Scope {
        Scope { renames: destination.renames.clone(), ..self.top(relation) }
    }

    /// Whether the request reads the relation's columns: then its rows must be visible as well.
    fn reads(&self, relation: &Relation) -> bool {
        let touch = self.footprint.touches.get(&relation.name);
        touch.and_then(|touch| touch.reads.as_ref()).is_some_and(|reads| !reads.is_empty())
    }

    fn check_payload_columns(&self, relation: &Relation) -> Result<(), PlanError> {
        let named = self.request.columns.iter().flatten().map(String::as_str);
        for column in self.request.payload.columns.iter().map(|column| &**column).chain(named) {
            if relation.column(column).is_none() {
                return Err(PlanError::UnknownPayloadColumn {
                    relation: relation.name.name.to_string(),
                    column: column.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The body's rows with typed values, cut where the set of given columns changes.
    fn batches(
        &self,
        relation: &Relation,
        destination: &Destination,
        put: Option<&Put>,
    ) -> Result<Vec<Batch>, PlanError> {
        let mut batches: Vec<Batch> = Vec::new();
        for cells in &self.request.payload.rows {
            let mut columns = Vec::with_capacity(cells.len());
            let mut row = Vec::with_capacity(cells.len());
            for (name, cell) in self.request.payload.columns.iter().zip(cells) {
                let Some(value) = self.given(relation, name, cell, "insert")? else { continue };
                columns.push(destination.physical(name).clone());
                row.push(value);
            }
            if let Some(put) = put {
                check_put(put, relation, destination, &columns, &row)?;
            }
            match batches.last_mut() {
                Some(batch) if batch.columns == columns => batch.rows.push(row),
                _ => batches.push(Batch { columns, rows: vec![row] }),
            }
        }
        Ok(batches)
    }

    /// A cell as its column's type; `None` where the default is to be taken.
    fn given(
        &self,
        relation: &Relation,
        name: &Arc<str>,
        cell: &Cell,
        verb: &'static str,
    ) -> Result<Option<Datum>, PlanError> {
        let Some(column) = relation.column(name) else { return Ok(None) };
        let takes_default = self.request.preferences.missing == Some(Missing::ApplyDefaults);
        if matches!(cell, Cell::Missing) && takes_default {
            return Ok(None);
        }
        check_computed(relation, self.context.catalog, column, verb)?;
        let value = typed(column, cell, &self.zone)?;
        self.check_document(relation, column, &value);
        Ok(Some(value))
    }

    /// Looks at the documents of a body whose values the server types. What it cannot read it refuses by itself.
    pub(crate) fn check_documents(&self, relation: &Relation) {
        let payload = &self.request.payload;
        let has_schema = |name: &Arc<str>| self.context.catalog.document_schema(&relation.name, name).is_some();
        let places: Vec<usize> =
            (0..payload.columns.len()).filter(|place| payload.columns.get(*place).is_some_and(has_schema)).collect();
        for place in places {
            let Some(column) = payload.columns.get(place).and_then(|name| relation.column(name)) else { continue };
            for cell in payload.rows.iter().filter_map(|row| row.get(place)) {
                match (typed(column, cell, &self.zone), cell) {
                    (Ok(value), _) => self.check_document(relation, column, &value),
                    // The server may take it nevertheless.
                    (Err(_), Cell::Json(raw)) => {
                        let text = String::from_utf8_lossy(raw).into_owned();
                        self.check_document(relation, column, &Datum::Text(text));
                    }
                    (Err(_), _) => {}
                }
            }
        }
    }

    /// Notes a value that does not fit the JSON Schema of its column. NULL is no document.
    fn check_document(&self, relation: &Relation, column: &Column, value: &Datum) {
        let schema = self.context.catalog.document_schema(&relation.name, &column.name);
        let (Some(schema), Datum::Text(document)) = (schema, value) else { return };
        if self.misfit.borrow().is_some() {
            return;
        }
        let misfit = match schema.as_ref().map(|schema| schema.faults(document)) {
            Ok(faults) if faults.is_empty() => return,
            Ok(faults) => {
                let (relation, column) = (relation.name.name.to_string(), column.name.to_string());
                PlanError::Document { relation, column, faults }
            }
            Err(problem) => PlanError::NoDocumentSchema(problem.clone()),
        };
        self.misfit.borrow_mut().get_or_insert(misfit);
    }

    fn assignments(
        &mut self,
        relation: &Relation,
        destination: &Destination,
    ) -> Result<Vec<(Arc<str>, Expression)>, PlanError> {
        let Some(cells) = self.request.payload.rows.first() else { return Ok(Vec::new()) };
        let mut assignments = Vec::with_capacity(cells.len());
        for (name, cell) in self.request.payload.columns.iter().zip(cells) {
            let Some(column) = relation.column(name) else { continue };
            let value = match self.given(relation, name, cell, "update")? {
                Some(value) => Expression::value(value, column.data_type.clone()),
                None => self.default_of(relation, destination, name)?,
            };
            assignments.push((destination.physical(name).clone(), value));
        }
        Ok(assignments)
    }

    /// A column's default as an expression, for an update that sets it.
    fn default_of(
        &mut self,
        relation: &Relation,
        destination: &Destination,
        name: &Arc<str>,
    ) -> Result<Expression, PlanError> {
        let column = destination.table.column(destination.physical(name)).or_else(|| relation.column(name));
        match column.map(|column| (&column.default, &column.data_type)) {
            Some((DefaultValue::Expression(default), _)) => Ok(default.clone()),
            Some((DefaultValue::Identity(_) | DefaultValue::Generated(_), _)) => Err(PlanError::NotSupported {
                what: format!("Setting the computed column \"{name}\" to its default in an update"),
                instead: "Leave the column out of the update.".to_owned(),
            }),
            Some((DefaultValue::None, data_type)) => Ok(Expression::value(Datum::Null, data_type.clone())),
            None => Err(PlanError::UnknownPayloadColumn {
                relation: relation.name.name.to_string(),
                column: name.to_string(),
            }),
        }
    }

    /// What the request wants done with rows that exist; `None` where it does not ask.
    pub(crate) fn asked_conflict(&self, relation: &Relation, is_put: bool) -> Result<Option<AskedConflict>, PlanError> {
        let resolution = match (is_put, self.request.preferences.resolution) {
            (true, _) => Resolution::MergeDuplicates,
            (false, Some(resolution)) => resolution,
            (false, None) => return Ok(None),
        };
        let target: Vec<Arc<str>> = match &self.request.on_conflict {
            Some(names) => names
                .iter()
                .map(|name| {
                    let column = relation.column(name).map(|column| column.name.clone());
                    column.ok_or_else(|| PlanError::UnknownConflictColumn(name.clone()))
                })
                .collect::<Result<_, _>>()?,
            None => relation.primary_key.clone(),
        };
        Ok((!target.is_empty()).then_some((resolution, target)))
    }

    /// What tells that a row exists, and what is done with it then.
    fn conflict(
        &mut self,
        relation: &Relation,
        destination: &Destination,
        columns: &[Arc<str>],
        is_put: bool,
    ) -> Result<Option<Conflict>, PlanError> {
        let Some((resolution, target)) = self.asked_conflict(relation, is_put)? else { return Ok(None) };
        for column in &target {
            self.footprint.read(&relation.name, Some(column));
        }
        let target: Vec<Arc<str>> = target.iter().map(|column| destination.physical(column).clone()).collect();
        if !destination.table.is_unique_over(&target) {
            return Err(PlanError::NoConflictTarget);
        }
        if let Some(computed) = target
            .iter()
            .filter_map(|name| destination.table.column(name))
            .find(|column| matches!(column.default, DefaultValue::Generated(_)))
        {
            return Err(PlanError::NotSupported {
                what: format!("An upsert that finds rows by the generated column \"{}\"", computed.name),
                instead: "Name other unique columns in on_conflict.".to_owned(),
            });
        }
        let merges = resolution == Resolution::MergeDuplicates && !columns.is_empty();
        let merged: Vec<Arc<str>> = columns.iter().map(|column| destination.physical(column).clone()).collect();
        check_upsert(&destination.table, if merges { &merged } else { &[] })?;
        let merge = merges.then(|| Merge {
            columns: columns.iter().map(|column| destination.physical(column).clone()).collect(),
            visible: None,
            check: None,
        });
        if merges {
            let updates = self.footprint.touch(&relation.name).updates.get_or_insert_default();
            columns.iter().for_each(|column| updates.insert(column.clone()));
        }
        Ok(Some(Conflict { target, merge }))
    }

    /// Row security for new rows. Where the request reads columns, new rows must be visible too.
    fn insert_check(&mut self, relation: &Relation) -> Result<Option<RowCheck>, PlanError> {
        let mut check: Vec<Expression> =
            self.policy(relation, Command::Insert, Half::Check, SourceId::ROW)?.into_iter().collect();
        if self.reads(relation) {
            check.extend(self.policy(relation, Command::Select, Half::Using, SourceId::ROW)?);
        }
        Ok(row_check(check))
    }

    fn secure_conflict(
        &mut self,
        relation: &Relation,
        destination: &Destination,
        conflict: Option<Conflict>,
    ) -> Result<Option<Conflict>, PlanError> {
        let Some(mut conflict) = conflict else { return Ok(None) };
        if let Some(merge) = &mut conflict.merge {
            let using = self.policy(relation, Command::Update, Half::Using, SourceId::ROW)?;
            let check = self.policy(relation, Command::Update, Half::Check, SourceId::ROW)?;
            let seen = self.policy(relation, Command::Select, Half::Using, SourceId::ROW)?;
            // Through a view, only rows that it shows can be met.
            let shown = self.shown(destination)?;
            merge.visible = row_check(using.into_iter().chain(seen.clone()).chain(shown).collect());
            merge.check = row_check(check.into_iter().chain(seen).collect());
        }
        Ok(Some(conflict))
    }

    /// What a write answers: the rows, or where the row is.
    pub(crate) fn returning(
        &mut self,
        relation: &Arc<Relation>,
        destination: &Destination,
    ) -> Result<(Option<Level>, Option<Vec<KeyColumn>>), PlanError> {
        match self.request.preferences.representation {
            Some(Representation::Full) => {
                let scope = self.written_scope(relation, destination);
                let from = From {
                    first: Source::Relation { id: SourceId::ROW, name: destination.table.name.clone() },
                    joins: Vec::new(),
                };
                let mut level = self.finish_level(&scope, &self.request.select, from, Vec::new(), Vec::new(), None)?;
                // A range says nothing about the rows that a write answers.
                level.limit = None;
                level.offset = 0;
                Ok((Some(level), None))
            }
            Some(Representation::HeadersOnly) => {
                let mut location = Vec::new();
                for name in &relation.primary_key {
                    let Some(column) = relation.column(name) else { continue };
                    self.footprint.read(&relation.name, Some(name));
                    location.push(KeyColumn {
                        name: name.clone(),
                        physical: destination.physical(name).clone(),
                        data_type: column.data_type.clone(),
                    });
                }
                Ok((None, (!location.is_empty()).then_some(location)))
            }
            Some(Representation::Minimal) | None => Ok((None, None)),
        }
    }

    /// The key that a `PUT` addresses: exactly the primary key, compared with `eq`.
    pub(crate) fn put_key(&self, relation: &Relation) -> Result<Put, PlanError> {
        let mut key = BTreeMap::new();
        for placed in &self.request.conditions {
            let Condition::Filter(filter) = &placed.condition else { return Err(PlanError::PutFilters) };
            let FilterOperation::Compare { comparison: Comparison::Equal, quantifier: None, value } = &filter.operation
            else {
                return Err(PlanError::PutFilters);
            };
            let is_plain = placed.path.is_empty() && !filter.is_negated && filter.field.path.is_empty();
            let column = relation
                .column(&filter.field.column)
                .filter(|column| is_plain && relation.primary_key.contains(&column.name));
            let Some(column) = column else { return Err(PlanError::PutFilters) };
            key.insert(column.name.clone(), parse_in(&column.data_type, value, &self.zone)?);
        }
        if relation.primary_key.is_empty() || key.len() != relation.primary_key.len() {
            return Err(PlanError::PutFilters);
        }
        Ok(Put { key })
    }
}

/// A cell as its column's type.
pub(crate) fn typed(column: &Column, cell: &Cell, zone: &Zone) -> Result<Datum, ValueError> {
    match cell {
        Cell::Missing | Cell::Null => Ok(Datum::Null),
        // PostgREST makes a JSON string of every field, which a JSON column takes as the string that it is.
        Cell::Text(text) if column.data_type.is_json() => {
            let mut quoted = Vec::new();
            datatype::json::write_string(text, &mut quoted);
            from_json(&column.data_type, &String::from_utf8_lossy(&quoted), zone)
        }
        Cell::Text(text) => parse_in(&column.data_type, text, zone),
        // The body was validated as UTF-8 when it was cut into cells.
        Cell::Json(raw) => from_json(&column.data_type, &String::from_utf8_lossy(raw), zone),
    }
}

/// No trigger would have to run for a row that exists already.
pub(crate) fn check_upsert(table: &Relation, merged: &[Arc<str>]) -> Result<(), PlanError> {
    match table.triggers.iter().find_map(|trigger| trigger.hinders_upsert(merged)) {
        None => Ok(()),
        Some(why) => Err(PlanError::NotSupported {
            what: format!("An upsert where {why}"),
            instead: "Insert rows that are new, and update those that exist.".to_owned(),
        }),
    }
}

/// The conditions as one check; none when there are none.
pub(crate) fn row_check(conditions: Vec<Expression>) -> Option<RowCheck> {
    (!conditions.is_empty()).then_some(RowCheck { condition: Expression::And(conditions) })
}

/// The body of a `PUT` must carry the key that the URL names.
fn check_put(
    put: &Put,
    relation: &Relation,
    destination: &Destination,
    columns: &[Arc<str>],
    row: &[Datum],
) -> Result<(), PlanError> {
    for (name, wanted) in &put.key {
        let physical = destination.physical(name);
        let given = columns.iter().zip(row).find(|(column, _)| *column == physical).map(|(_, value)| value);
        let is_same = given.zip(relation.column(name)).is_some_and(|(given, column)| {
            datatype::compare(&column.data_type, given.as_ref(), wanted.as_ref()) == Ordering::Equal
        });
        if !is_same {
            return Err(PlanError::PutMismatch);
        }
    }
    Ok(())
}

/// Computed columns take no value. Behind a view, the table's column decides.
fn check_computed(
    relation: &Relation,
    catalog: &catalog::Catalog,
    column: &Column,
    verb: &'static str,
) -> Result<(), PlanError> {
    let behind = relation
        .view()
        .and_then(|view| view.origins.get(&column.name))
        .and_then(|origin| catalog.relation(&origin.relation).zip(Some(&origin.column)))
        .and_then(|(table, name)| table.column(name));
    let name = &column.name;
    let (details, hint) = match &behind.unwrap_or(column).default {
        DefaultValue::Generated(_) => (format!("Column \"{name}\" is a generated column."), None),
        DefaultValue::Identity(Identity::Always) => (
            format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS."),
            (verb == "insert").then(|| "Leave the column out of the body.".to_owned()),
        ),
        _ => return Ok(()),
    };
    let message = if verb == "insert" {
        format!("cannot insert a non-DEFAULT value into column \"{name}\"")
    } else {
        format!("column \"{name}\" can only be updated to DEFAULT")
    };
    Err(PlanError::GeneratedColumn { message, details, hint })
}
