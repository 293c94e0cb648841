//! One look at what has changed on a server, in one statement: whatever it tells is of one moment.
//!
//! Each transaction notes what it changes beside the change itself, under its own number. So a look is told of exactly those transactions
//! that its moment sees and that of the look before did not, in whatever order they were committed.

use base::QualifiedName;
use wire::{Connection, Format, Query};

use super::super::sighting::point;
use super::moment::Moment;
use crate::changes::Touched;

/// The most notes that a look reads, of which there may be one for each table that each transaction has changed. Where there are more,
/// everything counts as changed.
const MOST_NOTES: u64 = 10_000;

/// What is looked at. The places in the log are asked after the moment was chosen, which is when the statement begins: whatever it sees
/// was in the log before. The notes are found by the index: first those of transactions that were not there yet, then those that ran.
const LOOK: &str = "WITH noted AS MATERIALIZED (
      (SELECT relation, key FROM pando.changes WHERE transaction_number >= $1 ORDER BY transaction_number LIMIT 10001)
      UNION ALL (SELECT relation, key FROM pando.changes WHERE transaction_number = ANY ($2) LIMIT 10001)),
    touched AS (SELECT DISTINCT relation, key FROM noted)
    SELECT txid_current_snapshot(), horizon.epoch, horizon.moment, pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn(),
      left(pg_walfile_name(pg_current_wal_flush_lsn()), 8), (SELECT count(*) FROM noted),
      (SELECT json_agg(json_build_array(n.nspname, c.relname, touched.key)) FROM touched
         LEFT JOIN pg_catalog.pg_class AS c ON c.oid::bigint = touched.relation LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace)
    FROM (SELECT) AS this LEFT JOIN pando.changes_horizon AS horizon ON horizon.id = 1";

/// `bigint` and `bigint[]` (`pg_type.oid`).
const TYPES: [u32; 2] = [20, 1016];

/// What a look has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// What it sees.
    pub(super) moment: Moment,
    /// The name of the time since changes are kept without a gap, and what is not kept any more of it; none after a crash.
    pub(super) horizon: Option<(String, Moment)>,
    /// Where the log was by then: all that is seen stands before it.
    pub(super) inserted: u64,
    /// What of it was on disk.
    pub(super) flushed: u64,
    /// The history of the database.
    pub(super) timeline: u32,
    /// What was changed since the look before; `None` for anything.
    pub(super) touched: Option<Touched>,
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
        moment: Moment::parse(text(0)?)?,
        horizon,
        inserted: point(text(3)?)?,
        flushed: point(text(4)?)?,
        timeline: u32::from_str_radix(text(5)?, 16).ok()?,
        touched: if notes > MOST_NOTES { None } else { touched(text(7)) },
    })
}

/// Tables that were changed, each with its key or none. One that is gone by now has no name.
fn touched(notes: Option<&str>) -> Option<Touched> {
    let mut touched = Touched::default();
    let Some(notes) = notes else { return Some(touched) };
    let notes: Vec<(Option<String>, Option<String>, String)> = serde_json::from_str(notes).ok()?;
    for (schema, name, key) in notes {
        let table = QualifiedName::new(schema?, name?);
        if key.is_empty() {
            touched.table(&table);
        } else {
            touched.row(&table, &key);
        }
    }
    Some(touched)
}
