//! The triggers of the audit on a server, brought in line with what is there and what is asked.

use std::collections::BTreeSet;

use base::QualifiedName;
use sql::postgres::audit::{ROWS, TRUNCATION, install, remove};
use wire::{Connection, Error};

use crate::audit::{AuditSettings, AuditValues, hexadecimal};
use crate::error::StoreError;

/// What the triggers call.
const FUNCTION: &str = include_str!("audit.sql");
/// What they call where less will do.
const ROW_FUNCTION: &str = include_str!("audit_row.sql");

/// The function for everything.
const CHANGE: &str = "audit_change";
/// The function for tables with one column as their key, whose entries have no values.
const ROW: &str = "audit_row";
/// The same for tables with columns that a session's settings print in one way or another.
const ROW_PRINTED: &str = "audit_row_printed";

/// The settings that rows are printed with, so that a row has one hash whoever writes it.
const PRINTING: &str = r#"SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, MDY' SET "IntervalStyle" = 'postgres'
    SET bytea_output = 'hex' SET extra_float_digits = '1'"#;

/// Who asked: what the program said, or else who has logged in.
const ASKED: &str = r#"CASE WHEN pg_catalog.current_setting('pando.audit', true) OPERATOR(pg_catalog.<>) ''
    THEN pg_catalog.current_setting('pando.audit', true)
    ELSE '{"outside":' OPERATOR(pg_catalog.||) pg_catalog.to_json(SESSION_USER::pg_catalog.text)::pg_catalog.text OPERATOR(pg_catalog.||) '}'
    END"#;

/// The hash of a row.
fn hash(row: &str) -> String {
    format!(
        "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.row_to_json({row})::pg_catalog.text, 'UTF8')), 'hex')"
    )
}

/// The statements that make the functions.
fn functions() -> [(&'static str, String); 3] {
    let row = ROW_FUNCTION
        .replace("HASH(OLD)", &hash("OLD"))
        .replace("HASH(NEW)", &hash("NEW"))
        .replace(" ASKED", &format!(" {ASKED}"));
    [
        (CHANGE, FUNCTION.replace("PRINTING\n", PRINTING)),
        (ROW, row.replace("THIS", ROW).replace("PRINTING\n", "")),
        (ROW_PRINTED, row.replace("THIS", ROW_PRINTED).replace("PRINTING\n", PRINTING)),
    ]
}

/// What the bodies of the functions stand between.
const BODY: &str = "$audit$";

/// Whether there is a table for entries.
/// By the catalog, since `to_regclass` fails for a role that may not use the schema.
const THERE: &str =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pando' AND c.relname = 'audit_entries')";

/// The functions and the index as they are.
const STANDING: &str = "SELECT proname, prosrc FROM pg_catalog.pg_proc WHERE pronamespace = 'pando'::regnamespace AND prosecdef
    UNION ALL SELECT relname, NULL FROM pg_catalog.pg_class WHERE relnamespace = 'pando'::regnamespace AND relkind = 'i'";

/// Nodes that start at once take turns: "audit" in ASCII. The turn ends with the transaction.
const TURN: &str = "SELECT pg_advisory_xact_lock(418380804468)";

/// How long a table may be in use before its trigger is left for the next time: whoever comes later waits as well.
const PATIENCE: &str = "SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = 0";

/// The index that sealing needs.
const INDEX_NAME: &str = "audit_entries_transaction_number";

/// Sealing looks for the entries of the last transactions. They come nearly in that order, so ranges of pages do, and cost writers
/// next to nothing.
const INDEX: &str = "CREATE INDEX IF NOT EXISTS audit_entries_transaction_number ON pando.audit_entries
    USING brin (transaction_number) WITH (pages_per_range = 32, autosummarize = on)";

/// The tables of others than the system, extensions and the program: what they are, their keys, which columns are marked, the
/// functions and arguments of the triggers that they have and that are on, whether there are any, whether triggers may be put on
/// them, who asks, and whether there are columns that settings of a session print in one way or another.
const TABLES: &str = r"SELECT n.nspname, c.relname, c.relkind,
       coalesce((SELECT json_agg(a.attname ORDER BY place) FROM pg_catalog.pg_index AS i
          CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
         WHERE i.indrelid = c.oid AND i.indisprimary), '[]')::text,
       coalesce((SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND col_description(c.oid, a.attnum) ~ '(^|\s)@mask(\s|$)'), '[]')::text,
       (SELECT p.proname || ' ' || encode(t.tgargs, 'hex') FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
         WHERE t.tgrelid = c.oid AND t.tgname = 'pando_audit' AND t.tgenabled IN ('O', 'A')),
       (SELECT p.proname || ' ' || encode(t.tgargs, 'hex') FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
         WHERE t.tgrelid = c.oid AND t.tgname = 'pando_audit_truncate' AND t.tgenabled IN ('O', 'A')),
       EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = 'pando_audit'),
       EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = 'pando_audit_truncate'),
       has_table_privilege(c.oid, 'TRIGGER') AND has_schema_privilege(n.oid, 'USAGE'), current_user,
       EXISTS (SELECT FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype <> 'e'
           AND t.oid NOT IN ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'text'::regtype,
             'varchar'::regtype, 'bpchar'::regtype, 'uuid'::regtype, 'json'::regtype, 'jsonb'::regtype, 'date'::regtype,
             'timestamp'::regtype, 'time'::regtype))
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname, c.relname";

/// A trigger as it is and as it is to be.
struct Standing {
    trigger: &'static str,
    table: QualifiedName,
    /// The function and the arguments, in hexadecimal, of one that is on.
    has: Option<String>,
    is_there: bool,
    wanted: Option<(&'static str, Vec<String>)>,
}

impl Standing {
    /// What has to be done.
    fn statements(&self) -> Vec<String> {
        let shown = |(function, arguments): &(&str, Vec<String>)| {
            let joined: String = arguments.iter().flat_map(|argument| [argument.as_str(), "\0"]).collect();
            format!("{function} {}", hexadecimal(joined.as_bytes()))
        };
        let fits = self.wanted.as_ref().map(shown) == self.has && self.is_there == self.wanted.is_some();
        let mut statements = Vec::new();
        if !fits && self.is_there {
            statements.push(remove(self.trigger, &self.table));
        }
        if let (false, Some((function, arguments))) = (fits, &self.wanted) {
            statements.push(install(self.trigger, &self.table, function, arguments));
        }
        statements
    }
}

/// Puts the functions and the triggers where they belong; gives the tables that are left out, with the reason, or `None` where there
/// is no table for entries.
pub(super) async fn reconcile(
    connection: &mut Connection,
    settings: &AuditSettings,
) -> Result<Option<Vec<String>>, StoreError> {
    connection.batch("BEGIN").await.map_err(failed)?;
    match in_transaction(connection, settings).await {
        Ok(left_out) => {
            connection.batch("COMMIT").await.map_err(failed)?;
            Ok(left_out)
        }
        Err(error) => {
            drop(connection.batch("ROLLBACK").await);
            Err(failed(error))
        }
    }
}

async fn in_transaction(connection: &mut Connection, settings: &AuditSettings) -> Result<Option<Vec<String>>, Error> {
    connection.batch(PATIENCE).await?;
    if connection.query(THERE, &[]).await?.first().and_then(|row| row.get(0)) != Some("t") {
        return Ok(None);
    }
    connection.query(TURN, &[]).await?;
    // What is as it should be is left alone: each definition would be told to all nodes, which would come here again.
    let standing = connection.query(STANDING, &[]).await?;
    for (name, text) in functions() {
        let is_same = |row: &wire::TextRow| row.get(0) == Some(name) && row.get(1) == text.split(BODY).nth(1);
        if !standing.iter().any(is_same) {
            connection.batch(&text).await?;
        }
    }
    if !standing.iter().any(|row| row.get(0) == Some(INDEX_NAME)) {
        connection.batch(INDEX).await?;
    }
    let mut left_out = Vec::new();
    for row in connection.query(TABLES, &[]).await? {
        let text = |place| row.get(place).unwrap_or_default();
        let is = |place| row.get(place) == Some("t");
        let table = QualifiedName::new(text(0), text(1));
        let masked = masks(settings, &table, text(4));
        let values = settings.values_of(&table);
        let key: Vec<String> = serde_json::from_str(text(3)).unwrap_or_default();
        let arguments = |name: &str| [vec![name.to_owned(), masked.clone()], key.clone()].concat();
        let every = values.map(|values| (CHANGE, arguments(values.name())));
        // A foreign table is emptied elsewhere.
        let wants_truncation = every.clone().filter(|_| text(2) != "f");
        let wanted = match (values, &*key) {
            (Some(AuditValues::None), [name]) => {
                let label = format!("{}:", serde_json::Value::from(name.as_str()));
                Some((if is(11) { ROW_PRINTED } else { ROW }, vec![label, name.clone()]))
            }
            _ => every,
        };
        let has = |place| row.get(place).map(str::to_owned);
        let both = [
            Standing { trigger: ROWS, table: table.clone(), has: has(5), is_there: is(7), wanted },
            Standing { trigger: TRUNCATION, table, has: has(6), is_there: is(8), wanted: wants_truncation },
        ];
        let statements: Vec<String> = both.iter().flat_map(Standing::statements).collect();
        if statements.is_empty() {
            continue;
        }
        if let Some(problem) = apply(connection, &statements, is(9)).await? {
            let role = text(10).replace('"', "\"\"");
            let (schema, name) = (text(0), text(1));
            left_out.push(format!(
                "changes of {schema}.{name} are not written down: {problem}; GRANT TRIGGER ON \"{schema}\".\"{name}\" TO \"{role}\" lets \
                 Pando do it, audit.exclude says that it is not to be"
            ));
        }
    }
    Ok(Some(left_out))
}

/// Does it to one table; what the server said, where it did not let it.
async fn apply(connection: &mut Connection, statements: &[String], may: bool) -> Result<Option<String>, Error> {
    if !may {
        return Ok(Some("the role that logs in may put no triggers on it".to_owned()));
    }
    connection.batch("SAVEPOINT pando_audit").await?;
    match connection.batch(&statements.join("; ")).await {
        Ok(()) => connection.batch("RELEASE SAVEPOINT pando_audit").await.map(|()| None),
        Err(Error::Server(error)) => {
            connection.batch("ROLLBACK TO SAVEPOINT pando_audit").await?;
            Ok(Some(error.message.clone()))
        }
        Err(error) => Err(error),
    }
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
