//! What a server is when it is looked at: which database, which of its histories, how far, and whether it can be written to.

use std::net::IpAddr;
use std::time::Instant;

use wire::{Connection, Event, Format, Query};

/// A server as it was at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting {
    /// The moment before it was asked: what it said holds for connections that were open by then. A server that goes back in
    /// its history, as one does that is restarted after a crash, ends them.
    pub(super) at: Instant,
    /// The database's identifier, the same on all its servers.
    pub(super) system: u64,
    /// The history that it is on. A standby's may be an older one than it really is on, never a newer one.
    pub(super) timeline: u32,
    /// What it has written to disk, or replayed: an LSN.
    pub(super) point: u64,
    /// Whether it can be written to.
    pub(super) is_primary: bool,
    /// How its log is cut.
    pub(super) log: LogGeometry,
    /// Which server it is.
    pub(super) instance: ServerInstance,
}

impl Sighting {
    /// Whether another one is of the same server, on the same history, and not started anew in between.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.system, self.timeline, self.instance) == (other.system, other.timeline, other.instance)
    }
}

/// A server from one start to the next. One URL may lead to several: what is seen of one of them says nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServerInstance {
    /// When it was started, by its own clock, in microseconds.
    started: i64,
    /// The end of the connection at the server; none on a unix socket.
    address: Option<(IpAddr, u16)>,
}

impl ServerInstance {
    /// When it was started, by its own clock, in microseconds: the same for whoever asks.
    pub(super) fn started(&self) -> i64 {
        self.started
    }
}

/// How a write-ahead log is cut, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogGeometry {
    page: u64,
    segment: u64,
}

/// Becomes a member of `pg_read_all_stats` for this transaction, where the role that logs in is one but does not inherit from
/// it: such a role, as PostgREST advises it, has to be asked to.
const BECOME_READER: &str = "SELECT set_config('role', 'pg_read_all_stats', true)
     WHERE CASE WHEN current_setting('server_version_num')::int >= 160000
                THEN pg_has_role('pg_read_all_stats', 'SET') ELSE pg_has_role('pg_read_all_stats', 'MEMBER') END";

/// The timeline of a primary stands in the name of its log file. A standby tells it in three places, of which the first
/// is prompt, but only told to members of `pg_read_all_stats`; the others follow with its next restartpoint.
const LOOK: &str = "SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system()),
       CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_flush_lsn() END,
       CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) END,
       greatest((SELECT received_tli FROM pg_stat_wal_receiver),
                (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
                (SELECT timeline_id FROM pg_control_checkpoint())),
       current_setting('wal_block_size'), pg_size_bytes(current_setting('wal_segment_size')),
       (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, host(inet_server_addr()), inet_server_port()";

/// What is asked of a primary after a commit: how far it has written, how far it has thought, and the name of its log file. The session is not
/// clean by then.
pub(super) const AFTER_COMMIT: &str = "SELECT pg_catalog.pg_current_wal_flush_lsn(), pg_catalog.pg_current_wal_insert_lsn(), \
     pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_flush_lsn())";

/// What is asked of a standby before a read. It is a statement of its own: within the read's, the answer would be newer than
/// what the read sees.
pub(super) const REPLAYED: &str = "SELECT pg_catalog.pg_last_wal_replay_lsn()";

/// Looks at a server. `None` for one that does not tell: some that only speak PostgreSQL's protocol.
///
/// # Errors
/// Those of the connection.
pub(super) async fn look(connection: &mut Connection, at: Instant) -> Result<Option<Sighting>, wire::Error> {
    let mut flight = connection.flight();
    flight.execute(&Query { space: None, ..Query::new("", BECOME_READER) })?;
    let step = flight.execute(&Query { space: None, format: Format::Text, ..Query::new("", LOOK) })?;
    flight.sync();
    flight.send().await?;
    let mut told: Vec<Option<String>> = Vec::new();
    loop {
        match connection.next().await? {
            Event::Row(row) if row.step() == step => {
                told = row.iter().map(|text| text.map(|text| String::from_utf8_lossy(text).into_owned())).collect();
            }
            Event::Ready(_) => break,
            _ => {}
        }
    }
    Ok(read(&told, at))
}

fn read(told: &[Option<String>], at: Instant) -> Option<Sighting> {
    let text = |column: usize| told.get(column)?.as_deref();
    let is_primary = text(0)? == "f";
    let timeline = text(if is_primary { 3 } else { 4 })?;
    Some(Sighting {
        at,
        system: text(1)?.parse().ok()?,
        timeline: u32::from_str_radix(timeline, if is_primary { 16 } else { 10 }).ok()?,
        point: point(text(2)?)?,
        is_primary,
        log: LogGeometry { page: text(5)?.parse().ok()?, segment: text(6)?.parse().ok()? },
        instance: ServerInstance {
            started: text(7)?.parse().ok()?,
            address: text(8).and_then(|host| host.parse().ok()).zip(text(9).and_then(|port| port.parse().ok())),
        },
    })
}

/// An LSN as it is printed, `16/B374D848`.
pub(super) fn point(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some((u64::from_str_radix(high, 16).ok()? << 32) | u64::from_str_radix(low, 16).ok()?)
}

/// An LSN on the wire.
pub(super) fn binary_point(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The timeline in the name of a log file.
pub(super) fn timeline_of(file: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(file.get(..8)?).ok()?, 16).ok()
}

/// The head of a page of the log, and of the first one of a segment (`SizeOfXLogShortPHD` and `SizeOfXLogLongPHD`).
const SHORT_HEAD: u64 = 24;
const LONG_HEAD: u64 = 40;

impl LogGeometry {
    /// Where the last record ends, of a place where the next one begins. The head of a page is counted there before
    /// anything is on the page: nobody replays that far until something is.
    pub(super) fn end_of_record(self, next: u64) -> u64 {
        let into = |size: u64| next.checked_rem(size).unwrap_or(0);
        let is_first_page = into(self.segment) < self.page;
        let head = if is_first_page { LONG_HEAD } else { SHORT_HEAD };
        if into(self.page) == head { next - head } else { next }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A primary, seen then.
    pub(in crate::postgres) fn primary(at: Instant, timeline: u32, point: u64) -> Sighting {
        let log = LogGeometry { page: 8_192, segment: 16 << 20 };
        let instance = ServerInstance { started: 0, address: None };
        Sighting { at, system: 1, timeline, point, is_primary: true, log, instance }
    }

    #[test]
    fn points_are_read() {
        assert_eq!(point("16/B374D848"), Some(0x16_B374_D848));
        assert_eq!(point("0/0"), Some(0));
        assert_eq!(point("16"), None);
        assert_eq!(timeline_of(b"0000000A0000000000000045"), Some(10));
        assert_eq!(timeline_of(b"0000"), None);
    }

    #[test]
    fn heads_of_pages_are_not_waited_for() {
        let log = LogGeometry { page: 8_192, segment: 16 << 20 };
        assert_eq!(log.end_of_record(0x300_0000 + 8_192 + 24), 0x300_0000 + 8_192);
        assert_eq!(log.end_of_record(0x300_0000 + 40), 0x300_0000);
        // A record that ends sixteen bytes into a page that is not the first one.
        assert_eq!(log.end_of_record(0x300_0000 + 8_192 + 40), 0x300_0000 + 8_192 + 40);
        assert_eq!(log.end_of_record(0x300_0000 + 24), 0x300_0000 + 24);
        assert_eq!(log.end_of_record(0x300_1000), 0x300_1000);
    }
}
