//! Reads: on a connection of the serving thread, JSON written straight from the columns.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row};

use crate::moment::moment;

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// A climb by its id: an array of one row or none.
pub fn point(path: &Path, id: i64) -> rusqlite::Result<Vec<u8>> {
    with(path, |connection| {
        let mut statement = connection
            .prepare_cached("SELECT id, name, route_id, sent, attempts, climbed_at, note FROM climbs WHERE id = ?1")?;
        rows(&mut statement.query([id])?, 256)
    })
}

/// A page of climbs.
pub fn list(path: &Path, after: i64, limit: i64) -> rusqlite::Result<Vec<u8>> {
    with(path, |connection| {
        let mut statement = connection.prepare_cached(
            "SELECT id, name, route_id, sent, attempts, climbed_at, note FROM climbs WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        rows(&mut statement.query([after, limit])?, usize::try_from(limit).unwrap_or(0).min(1000) * 160)
    })
}

/// A page of climbs, each with its route and its comments; both statements see one moment.
pub fn embedded(path: &Path, after: i64, limit: i64) -> rusqlite::Result<Vec<u8>> {
    with(path, |connection| {
        let transaction = connection.unchecked_transaction()?;
        let mut climbs = transaction.prepare_cached(
            "SELECT climbs.id, climbs.name, climbs.sent, route.id, route.name, route.grade
             FROM climbs JOIN route ON route.id = climbs.route_id
             WHERE climbs.id > ?1 ORDER BY climbs.id LIMIT ?2",
        )?;
        let mut comments = transaction.prepare_cached("SELECT id, body, stars FROM comments WHERE climb_id = ?1")?;
        let mut out = Vec::with_capacity(usize::try_from(limit).unwrap_or(0).min(1000) * 320);
        out.push(b'[');
        let mut found = climbs.query([after, limit])?;
        let mut is_first = true;
        while let Some(row) = found.next()? {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            let id: i64 = row.get(0)?;
            number(&mut out, b"{\"id\":", id);
            text(&mut out, b",\"name\":", row, 1)?;
            boolean(&mut out, b",\"sent\":", row.get(2)?);
            number(&mut out, b",\"route\":{\"id\":", row.get(3)?);
            text(&mut out, b",\"name\":", row, 4)?;
            text(&mut out, b",\"grade\":", row, 5)?;
            out.extend_from_slice(b"},\"comments\":[");
            let mut said = comments.query([id])?;
            let mut is_first = true;
            while let Some(row) = said.next()? {
                if !std::mem::take(&mut is_first) {
                    out.push(b',');
                }
                number(&mut out, b"{\"id\":", row.get(0)?);
                text(&mut out, b",\"body\":", row, 1)?;
                number(&mut out, b",\"stars\":", row.get(2)?);
                out.push(b'}');
            }
            out.extend_from_slice(b"]}");
        }
        out.push(b']');
        Ok(out)
    })
}

/// Lends the thread's connection, opened at the first use.
fn with<T>(path: &Path, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    CONNECTION.with_borrow_mut(|slot| {
        let connection = match slot {
            Some(connection) => connection,
            None => slot.insert(open(path)?),
        };
        work(connection)
    })
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "query_only", "on")?;
    connection.pragma_update(None, "mmap_size", 256 * 1024 * 1024)?;
    Ok(connection)
}

fn rows(found: &mut rusqlite::Rows<'_>, room: usize) -> rusqlite::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(room);
    out.push(b'[');
    let mut is_first = true;
    while let Some(row) = found.next()? {
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        number(&mut out, b"{\"id\":", row.get(0)?);
        text(&mut out, b",\"name\":", row, 1)?;
        number(&mut out, b",\"route_id\":", row.get(2)?);
        boolean(&mut out, b",\"sent\":", row.get(3)?);
        number(&mut out, b",\"attempts\":", row.get(4)?);
        out.extend_from_slice(b",\"climbed_at\":\"");
        moment(&mut out, row.get(5)?);
        out.push(b'"');
        text(&mut out, b",\"note\":", row, 6)?;
        out.push(b'}');
    }
    out.push(b']');
    Ok(out)
}

fn number(out: &mut Vec<u8>, name: &[u8], value: i64) {
    out.extend_from_slice(name);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn boolean(out: &mut Vec<u8>, name: &[u8], value: bool) {
    out.extend_from_slice(name);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// A text or null.
fn text(out: &mut Vec<u8>, name: &[u8], row: &Row<'_>, column: usize) -> rusqlite::Result<()> {
    out.extend_from_slice(name);
    match row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from)? {
        // Writing a string into a vector cannot fail.
        Some(value) => drop(serde_json::to_writer(&mut *out, value)),
        None => out.extend_from_slice(b"null"),
    }
    Ok(())
}
