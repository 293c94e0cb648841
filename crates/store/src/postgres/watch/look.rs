//! One look at what has changed on a server, in one statement: whatever it tells is of one moment.
//!
//! Each transaction notes what it changes beside the change itself, under its own number. So a look is told of exactly those transactions
//! that its moment sees and that of the look before did not, in whatever order they were committed.

use std::sync::Arc;

use base::QualifiedName;
use wire::{Connection, Format, Query};

use super::super::sighting::point;
use super::moment::Moment;
use crate::changes::Touched;

/// The most notes that a look reads: one for each table that each transaction has changed, or for each of its rows up to 257. Where there
/// are more, everything counts as changed.
const MOST_NOTES: u64 = 50_000;

/// What is looked at. The places in the log are asked after the moment was chosen, which is when the statement begins: whatever it sees
/// was in the log before. The notes are found by the index: first those of transactions that were not there yet, then those that ran.
const LOOK: &str = "WITH noted AS MATERIALIZED (
      (SELECT transaction_number, relation, key FROM pando.changes WHERE transaction_number >= $1 ORDER BY transaction_number LIMIT 50001)
      UNION ALL (SELECT transaction_number, relation, key FROM pando.changes WHERE transaction_number = ANY ($2) LIMIT 50001)),
    touched AS (SELECT relation, key, json_agg(transaction_number) AS transactions FROM noted GROUP BY relation, key)
    SELECT txid_current_snapshot(), horizon.epoch, horizon.moment, pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn(),
      left(pg_walfile_name(pg_current_wal_flush_lsn()), 8), (SELECT count(*) FROM noted),
      (SELECT json_agg(json_build_array(n.nspname, c.relname, touched.key, touched.transactions)) FROM touched
         LEFT JOIN pg_catalog.pg_class AS c ON c.oid::bigint = touched.relation LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace)
    FROM (SELECT) AS this LEFT JOIN pando.changes_horizon AS horizon ON horizon.id = 1";

/// `bigint` and `bigint[]` (`pg_type.oid`).
const TYPES: [u32; 2] = [20, 1016];

/// What a look has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What it sees.
    pub(super) moment: Arc<Moment>,
    /// The name of the time since changes are kept without a gap, and what is not kept any more of it; none after a crash.
    pub(super) horizon: Option<(String, Moment)>,
    /// Where the log was by then: all that is seen stands before it.
    pub(super) inserted: u64,
    /// What of it was on disk.
    pub(super) flushed: u64,
    /// The history of the database.
    pub(super) timeline: u32,
    /// What was changed since the look before; `None` for anything.
    pub(super) noted: Option<Vec<Noted>>,
}

/// That something was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) table: QualifiedName,
    /// Of which row; empty for any.
    pub(super) key: String,
    /// By whom.
    pub(super) transactions: Vec<u64>,
}

impl Noted {
    /// The same, by whomever.
    pub(super) fn touched(&self) -> Touched {
        touched(std::slice::from_ref(self))
    }
}

/// What was changed.
pub(super) fn touched(noted: &[Noted]) -> Touched {
    let mut touched = Touched::default();
    for Noted { table, key, .. } in noted {
        if key.is_empty() {
            touched.table(table);
        } else {
            touched.row(table, key);
        }
    }
    touched
}

/// Looks. What was seen before is not told again; without a look before, nothing is told of changes.
///
/// # Errors
/// Those of the connection.
pub(super) async fn look(connection: &mut Connection, before: Option<&Moment>) -> Result<Told, wire::Error> {
    let next = before.map_or(i64::MAX.to_string(), |moment| moment.next().to_string());
    let running = format!("{{{}}}", before.map(Moment::listed).unwrap_or_default());
    let parameters = [Some(next.as_bytes()), Some(running.as_bytes())];
    let query = Query { types: &TYPES, parameters: &parameters, format: Format::Text, ..Query::new("", LOOK) };
    let mut flight = connection.flight();
    flight.execute(&query)?;
    flight.sync();
    flight.send().await?;
    let rows = connection.rows().await?;
    let unreadable = || wire::Error::Protocol("a look at what has changed that cannot be read".to_owned());
    rows.first().and_then(|row| read(&|column| row.get(column))).ok_or_else(unreadable)
}

fn read<'r>(text: &dyn Fn(usize) -> Option<&'r str>) -> Option<Told> {
    let horizon = match (text(1), text(2)) {
        (Some(epoch), Some(moment)) => Some((epoch.to_owned(), Moment::parse(moment)?)),
        _ => None,
    };
    let notes: u64 = text(6)?.parse().ok()?;
    Some(Told {
        moment: Arc::new(Moment::parse(text(0)?)?),
        horizon,
        inserted: point(text(3)?)?,
        flushed: point(text(4)?)?,
        timeline: u32::from_str_radix(text(5)?, 16).ok()?,
        noted: if notes > MOST_NOTES { None } else { noted(text(7)) },
    })
}

/// A schema, a table in it, a key or none, and the transactions. A table that is gone by now has no name.
type Line = (Option<String>, Option<String>, String, Vec<u64>);

fn noted(notes: Option<&str>) -> Option<Vec<Noted>> {
    let Some(notes) = notes else { return Some(Vec::new()) };
    let lines: Vec<Line> = serde_json::from_str(notes).ok()?;
    let noted = |(schema, name, key, transactions): Line| {
        Some(Noted { table: QualifiedName::new(schema?, name?), key, transactions })
    };
    lines.into_iter().map(noted).collect()
}
