//! Entries of changes on the embedded engine: triggers of the writer's connection call these functions, so an entry stands and
//! falls with its change, whatever changes the row.

use std::sync::Arc;

use catalog::Catalog;
use datatype::{DatumRef, Type, Zone};
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::functions::Context;
use serde_json::json;
use sha2::{Digest, Sha256};
use sql::sqlite::audit::{self, RowChange};

use super::functions::{argument, raise, volatile};
use super::identity::Identity;
use crate::audit::{AuditSettings, AuditValues, LONGEST_KEY, MOST_VALUES, has_table, hexadecimal};
use crate::error::StoreError;

/// A table whose changes are written down.
struct Audited {
    columns: Vec<AuditedColumn>,
    /// The columns of the key: their names as JSON strings, and their types.
    key: Vec<(Vec<u8>, Type)>,
    values: AuditValues,
}

struct AuditedColumn {
    /// As a JSON string with its colon.
    label: Vec<u8>,
    data_type: Type,
    is_masked: bool,
}

/// The triggers that are installed, by the names of theirs.
#[derive(Default)]
pub(super) struct Auditing {
    settings: Option<AuditSettings>,
    is_installed: bool,
    /// Whether what exists is not watched as it should be.
    is_broken: bool,
}

impl Auditing {
    pub(super) fn new(settings: Option<AuditSettings>) -> Self {
        Self { settings, is_installed: false, is_broken: false }
    }

    /// Whether changes are to be written down.
    pub(super) fn is_wanted(&self) -> bool {
        self.settings.is_some()
    }

    /// Refuses to go on where a change would not be written down.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.is_broken {
            return Err(StoreError::Engine(
                "the triggers of the audit are not in place, so nothing is written".to_owned(),
            ));
        }
        Ok(())
    }

    /// Takes the triggers away: a migration may rebuild tables, which are no changes of rows, and SQLite would have their triggers
    /// in the way.
    ///
    /// Nothing is written any more before they are put back, whatever goes wrong between.
    pub(super) fn remove(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.is_broken = self.settings.is_some();
        if !self.is_installed {
            return Ok(());
        }
        let names: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_temp_schema WHERE type = 'trigger'")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        names.iter().try_for_each(|name| connection.execute_batch(&audit::removal(name)))?;
        self.is_installed = false;
        Ok(())
    }

    /// Puts the triggers on what exists, once there is a table for entries.
    pub(super) fn install(
        &mut self,
        connection: &Connection,
        catalog: &Catalog,
        identity: &Arc<Mutex<Identity>>,
    ) -> rusqlite::Result<()> {
        self.remove(connection)?;
        self.put(connection, catalog, identity)?;
        self.is_broken = false;
        Ok(())
    }

    fn put(
        &mut self,
        connection: &Connection,
        catalog: &Catalog,
        identity: &Arc<Mutex<Identity>>,
    ) -> rusqlite::Result<()> {
        let Some(settings) = &self.settings else { return Ok(()) };
        if !has_table(catalog) {
            return Ok(());
        }
        let snapshot = catalog.snapshot();
        self.is_installed = true;
        let (mut tables, mut texts) = (Vec::new(), Vec::new());
        for relation in snapshot.relations.values() {
            let Some(values) = settings.policy(relation) else { continue };
            texts.extend(audit::triggers(relation, tables.len()));
            let column = |column: &catalog::Column| AuditedColumn {
                label: label(&column.name),
                data_type: column.data_type.clone(),
                is_masked: settings.is_masked(relation, column),
            };
            let typed = |name: &Arc<str>| relation.column(name).map(|column| (label(name), column.data_type.clone()));
            tables.push(Audited {
                columns: relation.columns.iter().map(column).collect(),
                key: relation.primary_key.iter().filter_map(typed).collect(),
                values,
            });
        }
        register(connection, tables.into(), identity)?;
        texts.iter().try_for_each(|text| connection.execute_batch(text))
    }
}

fn label(name: &str) -> Vec<u8> {
    let mut label = Vec::with_capacity(name.len() + 3);
    datatype::json::write_string(name, &mut label);
    label.push(b':');
    label
}

fn register(connection: &Connection, tables: Arc<[Audited]>, identity: &Arc<Mutex<Identity>>) -> rusqlite::Result<()> {
    let known = tables.clone();
    connection.create_scalar_function(audit::CHANGE, -1, volatile(), move |context| change(context, &known))?;
    connection.create_scalar_function(audit::KEY, -1, volatile(), move |context| key(context, &tables))?;
    let asked = identity.clone();
    connection.create_scalar_function(audit::CONTEXT, 0, volatile(), move |_| Ok(asked.lock().context().to_owned()))?;
    let moment = identity.clone();
    connection.create_scalar_function(audit::MOMENT, 0, volatile(), move |_| Ok(moment.lock().now.0))
}

/// The table that a call is about.
fn table<'t>(context: &Context<'_>, tables: &'t [Audited]) -> rusqlite::Result<&'t Audited> {
    let number = match argument(context, 0)? {
        DatumRef::Integer(number) => usize::try_from(number).ok(),
        _ => None,
    };
    number.and_then(|number| tables.get(number)).ok_or_else(|| raise("XX000", "no such audited table"))
}

/// The key as a JSON object; NULL where the table has none.
fn key(context: &Context<'_>, tables: &[Audited]) -> rusqlite::Result<Option<String>> {
    let key = &table(context, tables)?.key;
    if key.is_empty() {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(64);
    for (place, (label, data_type)) in key.iter().enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        out.extend_from_slice(label);
        datatype::write_json(data_type, argument(context, place + 1)?, &Zone::default(), &mut out);
    }
    out.push(b'}');
    if out.len() > LONGEST_KEY {
        return Ok(Some(json!({ "sha256": hexadecimal(&Sha256::digest(&out)) }).to_string()));
    }
    text(out).map(Some)
}

fn text(bytes: Vec<u8>) -> rusqlite::Result<String> {
    String::from_utf8(bytes).map_err(|_| raise("22021", "a row is not of UTF-8"))
}

/// A row as `to_json` prints it on PostgreSQL in UTC, and where each value stands in it.
struct Printed {
    text: Vec<u8>,
    values: Vec<std::ops::Range<usize>>,
}

impl Printed {
    fn new(context: &Context<'_>, table: &Audited, from: usize) -> rusqlite::Result<Self> {
        let mut printed = Self { text: Vec::with_capacity(256), values: Vec::with_capacity(table.columns.len()) };
        for (place, column) in table.columns.iter().enumerate() {
            printed.text.push(if place == 0 { b'{' } else { b',' });
            printed.text.extend_from_slice(&column.label);
            let begin = printed.text.len();
            let value = argument(context, from + place)?;
            datatype::write_json(&column.data_type, value, &Zone::default(), &mut printed.text);
            printed.values.push(begin..printed.text.len());
        }
        if table.columns.is_empty() {
            printed.text.push(b'{');
        }
        printed.text.push(b'}');
        Ok(printed)
    }

    fn value(&self, place: usize) -> &[u8] {
        self.values.get(place).and_then(|range| self.text.get(range.clone())).unwrap_or_default()
    }

    fn hash(&self) -> String {
        hexadecimal(&Sha256::digest(&self.text))
    }

    /// The values of some columns, as a JSON object.
    fn some(&self, table: &Audited, is_shown: impl Fn(usize) -> bool, out: &mut Vec<u8>) {
        out.push(b'{');
        let begin = out.len();
        for (place, column) in table.columns.iter().enumerate().filter(|(place, _)| is_shown(*place)) {
            if column.is_masked {
                continue;
            }
            if out.len() > begin {
                out.push(b',');
            }
            out.extend_from_slice(&column.label);
            out.extend_from_slice(self.value(place));
        }
        out.push(b'}');
    }
}

/// The account of a change: columns, hashes, values.
fn change(context: &Context<'_>, tables: &[Audited]) -> rusqlite::Result<String> {
    let table = table(context, tables)?;
    let DatumRef::Text(name) = argument(context, 1)? else { return Err(raise("XX000", "a change without a name")) };
    let width = table.columns.len();
    let (old, new) = match RowChange::of(name) {
        Some(RowChange::Insert) => (None, Some(Printed::new(context, table, 2)?)),
        Some(RowChange::Delete) => (Some(Printed::new(context, table, 2)?), None),
        Some(RowChange::Update) => {
            (Some(Printed::new(context, table, 2)?), Some(Printed::new(context, table, 2 + width)?))
        }
        None => return Err(raise("XX000", "a change of no known name")),
    };
    let is_other = |place: usize| match (&old, &new) {
        (Some(old), Some(new)) => old.value(place) != new.value(place),
        _ => true,
    };
    let mut out = Vec::with_capacity(256);
    out.push(b'{');
    if let (Some(_), Some(_)) = (&old, &new) {
        out.extend_from_slice(b"\"columns\":[");
        let begin = out.len();
        for (_, column) in table.columns.iter().enumerate().filter(|(place, _)| is_other(*place)) {
            if out.len() > begin {
                out.push(b',');
            }
            out.extend_from_slice(column.label.strip_suffix(b":").unwrap_or_default());
        }
        out.extend_from_slice(b"],");
    }
    let rows = [("old", &old), ("new", &new)];
    for (name, row) in rows.iter().filter_map(|(name, row)| Some((name, row.as_ref()?))) {
        out.extend_from_slice(format!("\"{name}\":{},", json!(row.hash())).as_bytes());
    }
    if table.values != AuditValues::None {
        let is_shown = |place| table.values == AuditValues::All || is_other(place);
        let mut shown = Vec::with_capacity(256);
        for (name, row) in rows.iter().filter_map(|(name, row)| Some((name, row.as_ref()?))) {
            shown.extend_from_slice(format!("\"{name}\":").as_bytes());
            row.some(table, is_shown, &mut shown);
            shown.push(b',');
        }
        shown.pop();
        // A row of any size has an entry that can be sealed: the hashes above cover what is left out.
        if shown.len() > MOST_VALUES {
            out.extend_from_slice(format!("\"values_left_out\":{},", shown.len()).as_bytes());
        } else {
            out.extend_from_slice(b"\"values\":{");
            out.extend_from_slice(&shown);
            out.extend_from_slice(b"},");
        }
    }
    out.pop();
    out.push(b'}');
    text(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn nothing_is_written_between_taking_the_triggers_away_and_putting_them_back() {
        let connection = Connection::open_in_memory().unwrap();
        let identity = Arc::new(Mutex::new(Identity::nobody(base::Timestamp(0))));
        let mut auditing = Auditing::new(Some(AuditSettings::default()));
        let empty = Catalog::new(sql::ddl::prelude());
        auditing.install(&connection, &empty, &identity).unwrap();
        assert!(auditing.check().is_ok());
        auditing.remove(&connection).unwrap();
        assert!(auditing.check().is_err());
        // What the file does not have cannot be watched.
        let script = "create schema pando; create table pando.audit_entries (id int); create table missing (id int);";
        let other = sql::ddl::translate("test.sql", script, &sql::ddl::prelude()).unwrap();
        auditing.install(&connection, &Catalog::new(other.snapshot), &identity).unwrap_err();
        assert!(auditing.check().is_err());
        auditing.install(&connection, &empty, &identity).unwrap();
        assert!(auditing.check().is_ok());
        assert!({
            let mut without = Auditing::new(None);
            without.remove(&connection).unwrap();
            without.check().is_ok()
        });
    }
}
