//! The triggers of the audit on a server, brought in line with what is there and what is asked.

use std::collections::BTreeSet;

use base::QualifiedName;
use sql::postgres::audit::{TRUNCATION, install, remove, rows};
use wire::{Connection, Error, TextRow};

use super::audit_functions::{BODY, CHANGE, Function, ROW, ROW_PRINTED, functions};
use super::own_triggers::{PATIENCE, Placing, begin, end};
use crate::audit::{AuditSettings, AuditValues, Unwatched, hexadecimal};
use crate::error::StoreError;

/// Whether there is a table for entries.
/// By the catalog, since `to_regclass` fails for a role that may not use the schema.
const THERE: &str =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pando' AND c.relname = 'audit_entries')";

/// The functions as they are, with what they set, and the index.
const STANDING: &str = "SELECT proname, prosrc, coalesce(array_to_string(proconfig, ','), '')
      FROM pg_catalog.pg_proc WHERE pronamespace = 'pando'::regnamespace AND prosecdef
    UNION ALL SELECT relname, NULL, NULL FROM pg_catalog.pg_class WHERE relnamespace = 'pando'::regnamespace AND relkind = 'i'";

/// The number of turns, which nothing else takes.
const TURN: u64 = 418_380_804_468;

/// The index that sealing needs.
const INDEX_NAME: &str = "audit_entries_transaction_number";

/// Sealing looks for the entries of the last transactions. They come nearly in that order, so ranges of pages do, and cost writers
/// next to nothing.
const INDEX: &str = "CREATE INDEX IF NOT EXISTS audit_entries_transaction_number ON pando.audit_entries
    USING brin (transaction_number) WITH (pages_per_range = 32, autosummarize = on)";

/// The tables of others than the system, extensions and the program: their schemas and names, of a partition those of the table at the
/// top; what they are; their keys; which columns are marked; the program's triggers on them, each with its function and arguments,
/// whether it is on, and whether it is the table's that it is a partition of; whether triggers may be put on them; who asks; whether
/// there are columns that settings of a session print in one way or another; their numbers; whether they are partitions.
const TABLES: &str = r"SELECT n.nspname, c.relname, rn.nspname, r.relname, c.relkind,
       coalesce((SELECT json_agg(a.attname ORDER BY place) FROM pg_catalog.pg_index AS i
          CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE i.indrelid = c.oid AND i.indisprimary), '[]')::text,
       coalesce((SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND col_description(c.oid, a.attnum) ~ '(^|\s)@mask(\s|$)'), '[]')::text,
       coalesce((SELECT json_agg(json_build_array(t.tgname, p.proname || ' ' || encode(t.tgargs, 'hex'), t.tgenabled IN ('O', 'A'),
           t.tgparentid <> 0) ORDER BY t.tgname)
          FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
         WHERE t.tgrelid = c.oid AND p.pronamespace = 'pando'::regnamespace AND p.proname ~ '^audit_'), '[]')::text,
       has_table_privilege(c.oid, 'TRIGGER') AND has_schema_privilege(n.oid, 'USAGE'), current_user,
       EXISTS (SELECT FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype <> 'e'
           AND t.oid NOT IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'text'::regtype,
             'varchar'::regtype, 'bpchar'::regtype, 'uuid'::regtype, 'json'::regtype, 'jsonb'::regtype, 'date'::regtype,
             'timestamp'::regtype, 'time'::regtype)),
       c.oid, c.relispartition
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class AS r ON r.oid = CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid) ELSE c.oid END
  JOIN pg_catalog.pg_namespace AS rn ON rn.oid = r.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND ($1 = '' OR c.oid::text = $1)
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname";

/// A table as it is.
struct Table {
    name: QualifiedName,
    /// Of a partition the table at the top, which the settings are about.
    root: QualifiedName,
    kind: String,
    key: Vec<String>,
    marked: String,
    /// The program's triggers: their names, functions and arguments, whether they are on, whether they came with being a partition.
    triggers: Vec<(String, String, bool, bool)>,
    may: bool,
    role: String,
    is_printed: bool,
    number: String,
    is_partition: bool,
}

/// A trigger as it is to be: its name, its function, the arguments.
type Wanted = (String, &'static str, Vec<String>);

impl Table {
    fn of(row: &TextRow) -> Self {
        let text = |place| row.get(place).unwrap_or_default();
        let is = |place| row.get(place) == Some("t");
        Self {
            name: QualifiedName::new(text(0), text(1)),
            root: QualifiedName::new(text(2), text(3)),
            kind: text(4).to_owned(),
            key: serde_json::from_str(text(5)).unwrap_or_default(),
            marked: text(6).to_owned(),
            triggers: serde_json::from_str(text(7)).unwrap_or_default(),
            may: is(8),
            role: text(9).to_owned(),
            is_printed: is(10),
            number: text(11).to_owned(),
            is_partition: is(12),
        }
    }

    /// The triggers that it is to have of its own. A partition gets the trigger for rows with its table's; that for emptying does not
    /// come along, and a foreign table is emptied elsewhere.
    fn wanted(&self, settings: &AuditSettings) -> Vec<Wanted> {
        let Some(values) = settings.values_of(&self.root) else { return Vec::new() };
        let mut wanted = Vec::new();
        if !self.is_partition {
            let (function, arguments) = match (values, &*self.key) {
                (AuditValues::None, [name]) => {
                    let label = format!("{}:", serde_json::Value::from(name.as_str()));
                    (if self.is_printed { ROW_PRINTED } else { ROW }, vec![label, name.clone()])
                }
                _ => {
                    let first = [values.name().to_owned(), masks(settings, &self.name, &self.marked)];
                    (CHANGE, first.into_iter().chain(self.key.iter().cloned()).collect())
                }
            };
            wanted.push((rows(&self.number), function, arguments));
        }
        if self.kind == "r" || (self.kind == "p" && !self.is_partition) {
            wanted.push((TRUNCATION.to_owned(), CHANGE, vec![AuditValues::None.name().to_owned()]));
        }
        wanted
    }

    /// What has to be done to it.
    fn statements(&self, settings: &AuditSettings) -> Vec<String> {
        let shown = |(name, function, arguments): &Wanted| {
            let joined: String = arguments.iter().flat_map(|argument| [argument.as_str(), "\0"]).collect();
            (name.clone(), format!("{function} {}", hexadecimal(joined.as_bytes())), true, false)
        };
        let wanted = self.wanted(settings);
        let shapes: Vec<_> = wanted.iter().map(shown).collect();
        let own = self.triggers.iter().filter(|(_, _, _, came_along)| !came_along);
        let stale = own.filter(|trigger| !shapes.contains(trigger)).map(|(name, ..)| remove(name, &self.name));
        let missing = wanted.iter().zip(&shapes).filter(|(_, shape)| !self.triggers.contains(shape));
        let missing = missing.map(|((name, function, arguments), _)| install(name, &self.name, function, arguments));
        stale.chain(missing).collect()
    }
}

/// Puts the functions and the triggers where they belong, each table in a transaction of its own: nobody who uses one waits for another.
/// Gives the tables that are left out, or `None` where there is no table for entries.
pub(super) async fn reconcile(
    connection: &mut Connection,
    settings: &AuditSettings,
) -> Result<Option<Vec<Unwatched>>, StoreError> {
    if connection.query(THERE, &[]).await.map_err(failed)?.first().and_then(|row| row.get(0)) != Some("t") {
        return Ok(None);
    }
    begin(connection, TURN).await.map_err(failed)?;
    let made = put_functions(connection).await;
    let found = match made {
        Ok(()) => connection.query(TABLES, &[""]).await,
        Err(error) => Err(error),
    };
    let found = end(connection, found).await.map_err(failed)?;
    let mut left_out = Vec::new();
    for table in found.iter().map(Table::of).filter(|table| !table.statements(settings).is_empty()) {
        begin(connection, TURN).await.map_err(failed)?;
        let put = put_triggers(connection, settings, &table.number).await;
        left_out.extend(end(connection, put).await.map_err(failed)?);
    }
    Ok(Some(left_out))
}

async fn put_functions(connection: &mut Connection) -> Result<(), Error> {
    connection.batch(PATIENCE).await?;
    // What is as it should be is left alone: each definition would be told to all nodes, which would come here again.
    let standing = connection.query(STANDING, &[]).await?;
    for Function { name, text, sets } in functions() {
        let is_same = |row: &TextRow| {
            row.get(0) == Some(name) && row.get(1) == text.split(BODY).nth(1) && row.get(2) == Some(sets)
        };
        if !standing.iter().any(is_same) {
            connection.batch(&text).await?;
        }
    }
    if !standing.iter().any(|row| row.get(0) == Some(INDEX_NAME)) {
        connection.batch(INDEX).await?;
    }
    Ok(())
}

/// Does it to one table, as it is by now; what the server said, where it did not let it.
async fn put_triggers(
    connection: &mut Connection,
    settings: &AuditSettings,
    number: &str,
) -> Result<Option<Unwatched>, Error> {
    connection.batch(PATIENCE).await?;
    let found = connection.query(TABLES, &[number]).await?;
    // It may be gone.
    let Some(table) = found.first().map(Table::of) else { return Ok(None) };
    let statements = table.statements(settings);
    if statements.is_empty() {
        return Ok(None);
    }
    let Table { name, may, role, .. } = &table;
    let told = |problem: &str| {
        let exclude = "audit.exclude says that it is not to be";
        format!("changes of {name} are not written down as audit.* says: {problem}, {exclude}")
    };
    Placing { table: name, statements: &statements, role, may: *may }.put(connection, told).await
}

/// The columns whose values stand in no entry, as JSON: those that are marked, and those of the settings.
fn masks(settings: &AuditSettings, table: &QualifiedName, marked: &str) -> String {
    let mut masked: BTreeSet<String> = serde_json::from_str(marked).unwrap_or_default();
    let before = format!("{}.{}.", table.schema, table.name);
    masked.extend(settings.mask.iter().filter_map(|name| name.strip_prefix(&before)).map(str::to_owned));
    serde_json::Value::from_iter(masked).to_string()
}

fn failed(error: Error) -> StoreError {
    StoreError::Engine(format!("the triggers of the audit could not be put in place: {error}"))
}
