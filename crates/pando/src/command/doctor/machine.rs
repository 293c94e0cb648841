//! The machine: room on the disk, the clock.

use std::path::Path;

use base::Clock;
use store::keeping::Examined;

use super::Findings;
use crate::command::backup::folder_of;
use crate::progress::bytes;

/// With less than this a server comes to a stop soon.
const NO_ROOM: u64 = 16 * 1024 * 1024;

/// With less than this it should be looked at.
const LITTLE_ROOM: u64 = 256 * 1024 * 1024;

/// 2025, in microseconds since 1970: no clock that is right is before it.
const EARLIEST: i64 = 1_735_689_600_000_000;

/// How far the clock may be behind the last migration without a word: clocks are set a little back now and then.
const SLACK: i64 = 60_000_000;

/// Looks at room and clock.
pub fn look(database: &Path, examined: Option<&Examined>, clock: &dyn Clock, findings: &mut Findings) {
    if let Ok(disk) = rustix::fs::statvfs(folder_of(database)) {
        room(disk.f_bavail.saturating_mul(disk.f_frsize), examined.map_or(0, |examined| examined.bytes), findings);
    }
    let last = examined.and_then(|examined| examined.applied.iter().map(|migration| migration.applied_at).max());
    time(clock.now().0, last, findings);
}

fn room(free: u64, database: u64, findings: &mut Findings) {
    let text = format!("{} free on the disk of the database", bytes(free));
    if free < NO_ROOM {
        findings.error("disk", text, "make room at once: without it writes fail");
    } else if free < LITTLE_ROOM || free < database {
        findings.warning("disk", text, "make room: a backup or a restore beside the database needs as much as that");
    } else {
        findings.ok("disk", text);
    }
}

fn time(now: i64, last: Option<i64>, findings: &mut Findings) {
    let advice = "set the clock: tokens are judged by it, and now() writes it";
    if now < EARLIEST {
        findings.error("clock", "the clock stands before 2025", advice);
    } else if last.is_some_and(|last| last - SLACK > now) {
        findings.error("clock", "the clock stands before the time when the last migration was applied", advice);
    } else {
        findings.ok("clock", "the clock says a time that can be right");
    }
}

#[cfg(test)]
mod tests {
    use super::super::Grade;
    use super::*;

    fn grade(look: impl FnOnce(&mut Findings)) -> Grade {
        let mut findings = Findings::default();
        look(&mut findings);
        findings.0.first().map(|finding| finding.grade).unwrap()
    }

    #[test]
    fn little_room_is_told() {
        assert_eq!(grade(|findings| room(1 << 40, 1 << 30, findings)), Grade::Ok);
        assert_eq!(grade(|findings| room(1 << 30, 1 << 31, findings)), Grade::Warning);
        assert_eq!(grade(|findings| room(100 << 20, 0, findings)), Grade::Warning);
        assert_eq!(grade(|findings| room(1 << 20, 0, findings)), Grade::Error);
    }

    #[test]
    fn a_clock_that_is_behind_is_told() {
        let now = EARLIEST + 1_000_000_000;
        assert_eq!(grade(|findings| time(now, Some(now - 1), findings)), Grade::Ok);
        assert_eq!(grade(|findings| time(now, Some(now + 1), findings)), Grade::Ok);
        assert_eq!(grade(|findings| time(now, Some(now + 2 * SLACK), findings)), Grade::Error);
        assert_eq!(grade(|findings| time(0, None, findings)), Grade::Error);
    }
}
