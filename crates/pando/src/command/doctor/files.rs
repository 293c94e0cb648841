//! The data folder: rights, who has the database open, what it holds, what lies beside it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use base::{Clock, SystemClock};
use store::keeping::{self, Check, Examined, Holder, Lock};

use super::Findings;
use crate::command::backup::{PARTIAL, folder_of};
use crate::command::restore::BEFORE;
use crate::outcome::CommandError;
use crate::progress::{Progress, Stoppable, bytes};

/// From here on the log of writes is longer than the server leaves it by itself.
const LONG_LOG: u64 = 256 * 1024 * 1024;

/// Which share of the file may be free before it is worth a word, and from which size on.
const MUCH_FREE: (u64, u64) = (2, 64 * 1024 * 1024);

/// Looks at everything in the folder. Gives what the database holds, if it can be read.
pub fn look(database: &Path, findings: &mut Findings) -> Result<Option<Examined>, CommandError> {
    let folder = folder_of(database);
    let Ok(found) = fs::metadata(&folder) else {
        findings.note("database", format!("{} is not there yet", folder.display()), "`pando serve` makes it");
        return Ok(None);
    };
    if !found.is_dir() {
        let text = format!("{} is no folder", folder.display());
        findings.error("database", text, "look at database.url");
        return Ok(None);
    }
    writable(&folder, findings);
    leftovers(database, &folder, findings);
    if !database.exists() {
        findings.note("database", format!("{} is not there yet", database.display()), "`pando serve` makes it");
        return Ok(None);
    }
    rights(database, findings);
    let holder = Lock::holder(database);
    opened(holder, findings);
    log(database, holder, findings);
    content(database, findings)
}

fn writable(folder: &Path, findings: &mut Findings) {
    let may = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    if may.is_err() {
        let text = format!("this user cannot write the folder {}", folder.display());
        findings.error(
            "rights",
            text,
            "the log of writes lies beside the database: give the user of the server the folder",
        );
    }
}

/// Who may read and write the file.
fn rights(database: &Path, findings: &mut Findings) {
    let Ok(found) = fs::metadata(database) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let text = format!("every user of this machine may open {} (its mode is {mode:o})", database.display());
        findings.warning("rights", text, &format!("chmod 600 {}", database.display()));
    }
    let user = rustix::process::geteuid().as_raw();
    if found.uid() != user {
        let text = format!("the database belongs to user {}, and this is user {user}", found.uid());
        findings.warning("rights", text, "run pando as the user that the server runs as");
    }
    if rustix::fs::access(database, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK).is_err() {
        let text = format!("this user cannot read and write {}", database.display());
        findings.error("rights", text, "give the user of the server the file");
    } else if mode & 0o007 == 0 && found.uid() == user {
        findings.ok("rights", format!("the database belongs to this user, its mode is {mode:o}"));
    }
}

fn opened(holder: Option<Holder>, findings: &mut Findings) {
    match holder {
        None => findings.ok("server", "no Pando has the database open"),
        Some(Holder { process: Some(process) }) => {
            findings.ok("server", format!("process {process} has the database open"));
        }
        Some(Holder { process: None }) => findings.ok("server", "a Pando process has the database open"),
    }
}

fn log(database: &Path, holder: Option<Holder>, findings: &mut Findings) {
    let length = fs::metadata(keeping::beside(database, "-wal")).map_or(0, |log| log.len());
    if length > LONG_LOG {
        findings.warning(
            "log",
            format!("the log of writes is {} long", bytes(length)),
            "something reads one moment of the database for very long: a streamed answer, a backup, a SQLite tool",
        );
    } else if length > 0 && holder.is_none() {
        let text = format!("a log of writes of {} is left from a server that did not end by itself", bytes(length));
        findings.note("log", text, "nothing is lost: the next start takes it in; never remove it by hand");
    } else {
        findings.ok("log", format!("the log of writes is {} long", bytes(length)));
    }
    if fs::metadata(keeping::beside(database, "-journal")).is_ok_and(|journal| journal.len() > 0) {
        let text = "a rollback journal lies beside the database: another SQLite program has written it";
        findings.warning("log", text, "end that program; the next start takes the journal in");
    }
}

/// What earlier commands have left behind.
fn leftovers(database: &Path, folder: &Path, findings: &mut Findings) {
    let name = database.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(String, u64)> = entries
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?.len())))
        .collect();
    files.sort();
    for (file, length) in files {
        let path = folder.join(&file);
        if file.starts_with('.') && file.contains(PARTIAL) {
            let text =
                format!("{} ({}) is left from a backup or restore that did not end", path.display(), bytes(length));
            findings.warning("leftovers", text, "remove it, unless a backup or restore is running");
        } else if file.starts_with(&format!("{name}{BEFORE}")) {
            let text = format!("{} ({}) was kept by a restore", path.display(), bytes(length));
            findings.note("leftovers", text, "remove it when you do not need it any more");
        }
    }
}

/// Reads all of it.
fn content(database: &Path, findings: &mut Findings) -> Result<Option<Examined>, CommandError> {
    let path = database.to_owned();
    let progress = Progress::of_time("looking every page, index and foreign key through");
    let examined = Stoppable::new()?.run(move || {
        let examined = keeping::examine(&path, Check::Full, SystemClock.monotonic());
        progress.end();
        Ok(examined)
    })?;
    let examined = match examined {
        Ok(examined) => examined,
        Err(store::StoreError::Unusable { problem, advice, .. }) => {
            findings.error("database", format!("{}: {problem}", database.display()), advice);
            return Ok(None);
        }
        Err(error) => {
            findings.error("database", error.to_string(), "look at the disk; if it is sound, please report this");
            return Ok(None);
        }
    };
    for problem in &examined.damage {
        let advice = "restore a backup with `pando restore FILE`, and look at the disk";
        findings.error("integrity", format!("the file is damaged: {problem}"), advice);
    }
    for problem in &examined.broken_keys {
        let advice =
            "add the missing rows, or remove those that refer to them; a program other than Pando has written them";
        findings.error("foreign keys", problem.as_str(), advice);
    }
    if examined.damage.is_empty() {
        let text = format!("{}: {}, no damage found", database.display(), bytes(examined.bytes));
        findings.ok("integrity", text);
        if examined.broken_keys.is_empty() {
            findings.ok("foreign keys", "every reference finds its row");
        }
    }
    if examined.bytes >= MUCH_FREE.1 && examined.free_bytes > examined.bytes / MUCH_FREE.0 {
        let text = format!("{} of {} are free", bytes(examined.free_bytes), bytes(examined.bytes));
        findings.note("room", text, "new rows take it; nothing has to be done");
    }
    Ok(Some(examined))
}
